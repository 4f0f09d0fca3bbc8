#!/bin/sh
# Installs packages of PyPI into a virtual environment, unless it has them: from-pypi.sh FOLDER PACKAGE==VERSION...
# Several programs may ask at once. The environment's commands are in FOLDER/venv/bin.
set -eu
folder=$1
shift
packages="$*"

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
[ "$(cat "$folder/installed" 2>/dev/null)" != "$packages" ] || exit 0

echo "installing $packages from PyPI" >&2
"$(dirname "$0")/need.sh" python3 >&2
library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
case $library in
# Debian has the module that makes virtual environments in a package of its own.
/usr/lib/*) "$(dirname "$0")/need.sh" "$library/ensurepip:python3-venv" >&2 ;;
esac
rm -rf "$folder/venv" "$folder/installed"
timeout 60 python3 -m venv "$folder/venv" >&2
# shellcheck disable=SC2086 # a list of package names
timeout 300 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --retries 2 --timeout 20 $packages >&2
echo "$packages" >"$folder/installed"
