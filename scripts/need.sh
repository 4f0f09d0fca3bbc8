#!/bin/sh
# Installs missing commands: need.sh [--optional] COMMAND[:DEBIAN-PACKAGE]...
#
# The package defaults to the name of the command. COMMAND may also be the absolute path of a file of the package.
# --optional: installs as root only; otherwise prints one line with the missing packages and succeeds, and the tests that
# need them are skipped.
set -eu

optional=
if [ "${1-}" = --optional ]; then
    optional=1
    shift
fi

missing=""
for entry in "$@"; do
    command=${entry%%:*}
    case $command in
    /*) [ -e "$command" ] ;;
    *) command -v "$command" >/dev/null 2>&1 ;;
    esac || missing="$missing ${entry##*:}"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed:$missing (names of Debian packages); install them with this system's package manager" >&2
    [ -n "$optional" ] && exit 0
    exit 1
fi
as_root=""
if [ -n "$optional" ] && [ "$(id -u)" -ne 0 ]; then
    echo "not installed:$missing; the tests that need them are skipped. Run as root: apt-get install$missing" >&2
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
    command -v sudo >/dev/null 2>&1 || { echo "not installed:$missing; run as root: apt-get install$missing" >&2; exit 1; }
fi
echo "installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of package names
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
