#!/bin/sh
# Zips a program for upload: package.sh PROGRAM ZIP
#
# To be called by its path, from any folder; the zip holds the program as `bootstrap`, the name that SCF starts.
# The same binary gives the same bytes: one entry, mode 755, a fixed time stamp, no owner, no extra fields.
set -eu

[ "$#" -eq 2 ] || { echo "usage: package.sh PROGRAM ZIP" >&2; exit 2; }
binary=$1
zip=$2
[ -f "$binary" ] || { echo "package: $binary is not there; build it first" >&2; exit 1; }
if ldd "$binary" 2>/dev/null | grep -q '=>'; then
    echo "package: $binary is linked dynamically, and SCF's system has an older C library; build it with scripts/build-own.sh" >&2
    exit 1
fi
"$(dirname "$0")/need.sh" zip unzip

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
install -m 755 "$binary" "$stage/bootstrap"
TZ=UTC touch -d '1980-01-01 00:00:00' "$stage/bootstrap"
(cd "$stage" && TZ=UTC zip -q -X -9 packed.zip bootstrap)
mv "$stage/packed.zip" "$zip"
echo "$zip: $(wc -c <"$zip") bytes, $(wc -c <"$binary") unpacked"
