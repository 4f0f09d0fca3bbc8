#!/bin/sh
# Checks web.zip: three files, small, packaged reproducibly. Run after `make package WEB=1`.
set -eu
cd "$(dirname "$0")/.."

MAX_ZIP=4194304

fail() {
    echo "check-web-package: $*" >&2
    exit 1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

[ "$(unzip -Z1 web.zip | tr '\n' ' ')" = "bootstrap gateway.toml scf_bootstrap " ] || fail "web.zip must contain three files: $(unzip -Z1 web.zip)"
[ "$(unzip -Z web.zip | grep -c '^-rwxr-xr-x .* unx ')" -eq 2 ] || fail "both programs must have mode 755"
bytes=$(wc -c <web.zip)
[ "$bytes" -le "$MAX_ZIP" ] || fail "web.zip has $bytes bytes, more than the limit of $MAX_ZIP"
echo "check-web-package: web.zip has $bytes bytes; the limit is $MAX_ZIP"
scripts/package.sh target/package/bootstrap "$scratch/again.zip" target/package/gateway deploy/web/gateway.toml >/dev/null
cmp web.zip "$scratch/again.zip" || fail "packaging the same files again gives a different zip"
