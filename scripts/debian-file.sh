#!/bin/sh
# Prints the path of a file of a Debian package: debian-file.sh PACKAGE FILE. The package is downloaded and unpacked
# under target/, once; nothing is installed, and no service is started.
set -eu

package=$1 file=$2
cd "$(dirname "$0")/.."
folder=${CARGO_TARGET_DIR:-target}/debian
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
# Several tests may ask at once.
exec 9>"$folder/lock"
flock 9

if [ ! -e "$folder/$package/$file" ]; then
    command -v apt-get dpkg >/dev/null || { echo "this system has no packages of Debian" >&2 && exit 1; }
    rm -rf "${folder:?}/$package" "$folder/download"
    mkdir -p "$folder/download"
    cd "$folder/download"
    # The lists of a new machine are empty.
    timeout 120 apt-get -q download "$package" >&2 || {
        timeout 120 apt-get -q update >&2
        timeout 120 apt-get -q download "$package" >&2
    }
    dpkg -x "$package"_*.deb "$folder/$package"
fi
[ -e "$folder/$package/$file" ] || { echo "$package has no $file" >&2 && exit 1; }
echo "$folder/$package/$file"
