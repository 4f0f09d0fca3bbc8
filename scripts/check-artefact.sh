#!/bin/sh
# Checks what is uploaded: one static file, small, the same bytes each time, at home where there is nothing else.
# After `make package`. What needs root, for an empty root directory and a name server's port, is skipped without it.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh file python3

# The goals, in bytes. The build with glibc is what `make` falls back to.
MAX_ZIP=560000
MAX_ZIP_GLIBC=1000000

fail() {
    echo "check-artefact: $*" >&2
    exit 1
}

room=$(mktemp -d)
trap 'kill "${dns:-}" 2>/dev/null || true; rm -rf "$room"' EXIT

file -L bootstrap | tee "$room/kind"
grep -q 'statically linked' "$room/kind" || fail "bootstrap is not statically linked"

[ "$(unzip -Z1 bootstrap.zip)" = bootstrap ] || fail "bootstrap.zip holds something else than bootstrap"
unzip -Z bootstrap.zip | grep -q '^-rwxr-xr-x .* unx ' || fail "bootstrap.zip does not say mode 755, stored as Unix"
bytes=$(wc -c <bootstrap.zip)
most=$MAX_ZIP
# A static glibc names itself; musl has no such text.
if grep -q 'GNU C Library' bootstrap; then
    most=$MAX_ZIP_GLIBC
    echo "check-artefact: a build with glibc: the goal of $MAX_ZIP bytes, which holds for musl, is NOT CHECKED"
fi
[ "$bytes" -le "$most" ] || fail "bootstrap.zip has $bytes bytes, more than $most"
echo "check-artefact: bootstrap.zip has $bytes bytes of at most $most"
scripts/package.sh target/package/bootstrap "$room/again.zip" >/dev/null
cmp bootstrap.zip "$room/again.zip" || fail "the same binary gave another zip"

if [ "$(id -u)" -ne 0 ]; then
    echo "check-artefact: SKIPPED: the roles' tests in an empty root directory: chroot and port 53 need root"
    exit 0
fi
mkdir -p "$room/root/etc"
cp target/package/bootstrap "$room/root/bootstrap"
"$(command -v chroot)" "$room/root" /bootstrap --version || fail "does not start in an empty root directory"

# The roles' whole tests, each function in a root directory that has nothing but a resolv.conf.
echo "nameserver 127.0.0.153" >"$room/root/etc/resolv.conf"
printf '#!/bin/sh\nexec %s %s /bootstrap "$@"\n' "$(command -v chroot)" "$room/root" >"$room/bootstrap"
chmod 755 "$room/bootstrap"
python3 scripts/loopback-dns.py 127.0.0.153 >"$room/dns" &
dns=$!
until grep -q ready "$room/dns"; do
    kill -0 "$dns" || fail "the name server does not start"
    sleep 0.1
done
BOOTSTRAP=$room/bootstrap PUSH_HOST=gateway.test cargo test -q --locked --test behaviours roles::
