#!/bin/sh
# Installs the vendor's Python SDK into a virtual environment under target/, unless it is there, and prints the path
# of the environment's python3. The stand-in for the cloud API checks signatures with it.
set -eu

cd "$(dirname "$0")/.."
# Those that the signatures in the unit tests were computed with.
packages="tencentcloud-sdk-python-common==3.1.195 tencentcloud-sdk-python-scf==3.1.100"
folder=${CARGO_TARGET_DIR:-target}/vendor-sdk

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
# Several test programs may ask at once.
exec 9>"$folder/lock"
flock 9

if [ "$(cat "$folder/installed" 2>/dev/null)" != "$packages" ]; then
    library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
    case $library in
    /usr/lib/*) scripts/need.sh "$library/ensurepip:python3-venv" >&2 ;;
    esac
    rm -rf "$folder/venv" "$folder/installed"
    timeout 60 python3 -m venv "$folder/venv" >&2
    # shellcheck disable=SC2086 # a list of package names
    timeout 300 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --retries 2 --timeout 20 \
        $packages >&2
    echo "$packages" >"$folder/installed"
fi
echo "$folder/venv/bin/python3"
