#!/bin/sh
# Zips the bootstrap for upload: package.sh BINARY ZIP
#
# The same binary gives the same bytes: one entry, mode 755, a fixed time stamp, no owner, no extra fields.
set -eu

binary=$1
zip=$2
"$(dirname "$0")/need.sh" zip unzip

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
install -m 755 "$binary" "$stage/bootstrap"
TZ=UTC touch -d '1980-01-01 00:00:00' "$stage/bootstrap"
(cd "$stage" && TZ=UTC zip -q -X -9 packed.zip bootstrap)
mv "$stage/packed.zip" "$zip"
echo "$zip: $(wc -c <"$zip") bytes, $(wc -c <"$binary") unpacked"
