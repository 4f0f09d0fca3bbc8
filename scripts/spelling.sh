#!/bin/sh
# Checks the spelling of everything in the repository with typos, from a virtual environment under target/, which is made
# first. tests/links.rs checks the links.
set -eu
cd "$(dirname "$0")/.."

package=typos==1.52.0
home=$PWD/target/typos
if [ "$(cat "$home/installed" 2>/dev/null)" != "$package" ]; then
    echo "installing $package from PyPI into target/typos" >&2
    scripts/need.sh python3
    # Debian has the module that makes virtual environments in a package of its own.
    python3 -c 'import ensurepip' 2>/dev/null || scripts/need.sh \
        "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')/ensurepip/__init__.py:python3-venv"
    rm -rf "$home"
    python3 -m venv "$home"
    "$home/bin/pip" install -q --disable-pip-version-check --no-deps "$package" >&2
    echo "$package" >"$home/installed"
fi
exec "$home/bin/typos" --format brief
