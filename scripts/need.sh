#!/bin/sh
# Installs missing commands: need.sh [--optional] [--no-services] COMMAND[:DEBIAN-PACKAGE]...
#
# The package defaults to the name of the command. COMMAND may also be the absolute path of a file of the package.
# --optional: installs as root only; otherwise prints one line with the missing packages and succeeds, and the tests that
# need them are skipped.
# --no-services: the services of the packages are not started, neither now nor when the system starts.
set -eu

optional='' no_services=''
while :; do
    case ${1-} in
    --optional) optional=1 ;;
    --no-services) no_services=1 ;;
    *) break ;;
    esac
    shift
done

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
# apt-get does not wait for another one. A service that it starts must not keep the lock.
alone="flock --close ${TMPDIR:-/tmp}/need-$(id -u).lock"
export DEBIAN_FRONTEND=noninteractive
$alone $as_root apt-get update -qq

# Debian asks this file before it starts a service; 101 means no.
policy=/usr/sbin/policy-rc.d
if [ -n "$no_services" ] && [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    trap '$as_root rm -f "$policy"' EXIT
    $as_root chmod 755 "$policy"
fi
# shellcheck disable=SC2086 # a list of package names
$alone $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
[ -n "$no_services" ] || exit 0
for package in $missing; do
    [ ! -e "/etc/init.d/$package" ] || $as_root update-rc.d "$package" disable
done
