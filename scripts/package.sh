#!/bin/sh
# Zips a program for upload: package.sh PROGRAM ZIP [GATEWAY SETTINGS]
#
# To be called by its path, from any folder; the zip holds the program as `bootstrap`, the name that SCF starts. With a
# gateway and its settings it is the zip of a web function: SCF starts `scf_bootstrap`, which is the gateway, and that
# starts `bootstrap` as the gateway.toml beside it says.
# The same files give the same bytes: modes 755 and 644, a fixed time stamp, no owner, no extra fields.
set -eu

[ "$#" -eq 2 ] || [ "$#" -eq 4 ] || { echo "usage: package.sh PROGRAM ZIP [GATEWAY SETTINGS]" >&2; exit 2; }
zip=$2
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

put() { # MODE FILE NAME
    [ -f "$2" ] || { echo "package: $2 is not there; build it first" >&2; exit 1; }
    if ldd "$2" 2>/dev/null | grep -q '=>'; then
        echo "package: $2 is linked dynamically, and SCF's system has an older C library; build it with scripts/build-own.sh" >&2
        exit 1
    fi
    install -m "$1" "$2" "$stage/$3"
    TZ=UTC touch -d '1980-01-01 00:00:00' "$stage/$3"
}

put 755 "$1" bootstrap
if [ "$#" -eq 4 ]; then
    put 755 "$3" scf_bootstrap
    put 644 "$4" gateway.toml
fi
"$(dirname "$0")/need.sh" zip unzip
[ "$#" -eq 2 ] || "$(dirname "$0")/need.sh" advzip:advancecomp
unpacked=$(cat "$stage"/* | wc -c)
(cd "$stage" && TZ=UTC zip -q -X -9 packed.zip $(LC_ALL=C ls))
# The gateway makes the difference: 3 % less for some seconds more.
[ "$#" -eq 2 ] || advzip -z -3 -q "$stage/packed.zip"
mv "$stage/packed.zip" "$zip"
echo "$zip: $(wc -c <"$zip") bytes, $unpacked unpacked"
