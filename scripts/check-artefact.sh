#!/bin/sh
# Checks the zip to upload: one small, static file, packaged reproducibly, that runs in an empty root directory.
# Run after `make package`. The tests in an empty root directory need root for chroot and port 53; others skip them.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh file python3

# Size limits in bytes. `make` falls back to glibc.
MAX_ZIP=600000
MAX_ZIP_GLIBC=1000000

fail() {
    echo "check-artefact: $*" >&2
    exit 1
}

scratch=$(mktemp -d)
trap 'kill "${dns:-}" 2>/dev/null || true; rm -rf "$scratch"' EXIT

file -L bootstrap | tee "$scratch/kind"
grep -q 'statically linked' "$scratch/kind" || fail "bootstrap is not statically linked"

[ "$(unzip -Z1 bootstrap.zip)" = bootstrap ] || fail "bootstrap.zip must contain bootstrap and nothing else"
unzip -Z bootstrap.zip | grep -q '^-rwxr-xr-x .* unx ' || fail "bootstrap in bootstrap.zip must have Unix attributes and mode 755"
bytes=$(wc -c <bootstrap.zip)
most=$MAX_ZIP
# Only glibc contains this text.
if grep -q 'GNU C Library' bootstrap; then
    most=$MAX_ZIP_GLIBC
    echo "check-artefact: this is a glibc build; the limit of $MAX_ZIP bytes for musl is NOT CHECKED"
fi
[ "$bytes" -le "$most" ] || fail "bootstrap.zip has $bytes bytes, more than the limit of $most"
echo "check-artefact: bootstrap.zip has $bytes bytes; the limit is $most"
scripts/package.sh target/package/bootstrap "$scratch/again.zip" >/dev/null
cmp bootstrap.zip "$scratch/again.zip" || fail "packaging the same binary again gives a different zip"

if [ "$(id -u)" -ne 0 ]; then
    echo "check-artefact: SKIPPED: the role tests in an empty root directory, since chroot and port 53 need root"
    exit 0
fi
mkdir -p "$scratch/root/etc"
cp target/package/bootstrap "$scratch/root/bootstrap"
"$(command -v chroot)" "$scratch/root" /bootstrap --version || fail "bootstrap does not start in an empty root directory"

# All role tests, with each function in a root directory that contains only resolv.conf.
echo "nameserver 127.0.0.153" >"$scratch/root/etc/resolv.conf"
printf '#!/bin/sh\nexec %s %s /bootstrap "$@"\n' "$(command -v chroot)" "$scratch/root" >"$scratch/bootstrap"
chmod 755 "$scratch/bootstrap"
python3 scripts/loopback-dns.py 127.0.0.153 >"$scratch/dns" &
dns=$!
until grep -q ready "$scratch/dns"; do
    kill -0 "$dns" || fail "the name server does not start"
    sleep 0.1
done
BOOTSTRAP=$scratch/bootstrap PUSH_HOST=gateway.test cargo test -q --locked --workspace --test behaviours roles::
