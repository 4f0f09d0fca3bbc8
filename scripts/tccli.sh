#!/bin/sh
# Prints the path of tccli, the vendor's command line: tccli.sh [--pinned]
#
# The one on PATH; where there is none, or with --pinned, the version of deploy/requirements.txt in a virtual environment
# under target/, which is made first.
set -eu
cd "$(dirname "$0")/.."

if [ "${1-}" != --pinned ] && command -v tccli; then
    exit 0
fi

home=$PWD/target/deploy/tccli
if ! cmp -s deploy/requirements.txt "$home/requirements.txt"; then
    echo "installing $(grep '^tccli==' deploy/requirements.txt) from PyPI into target/deploy/tccli" >&2
    scripts/need.sh python3
    # Debian has the module that makes virtual environments in a package of its own.
    python3 -c 'import ensurepip' 2>/dev/null || scripts/need.sh \
        "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')/ensurepip/__init__.py:python3-venv"
    rm -rf "$home"
    python3 -m venv "$home"
    "$home/bin/pip" install -q --disable-pip-version-check -r deploy/requirements.txt >&2
    cp deploy/requirements.txt "$home/requirements.txt"
fi
echo "$home/bin/tccli"
