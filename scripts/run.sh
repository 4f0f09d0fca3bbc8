#!/bin/sh
# Runs the gateway with a room in a temporary directory, so that clients reach each other: run.sh GATEWAY OPTION...
#
# WS_STORE, WS_PUSH_TO and every other variable of the functions can be set by the caller. If the program of --bootstrap
# knows --check, its settings are checked for each role, and the store is tried, before the first client comes. RELAY=1
# says that it is the bootstrap, which then sends each frame as it is to everybody in the room.
set -eu

if [ "${WS_ROLE-auto}" != auto ]; then
    echo "make run: WS_ROLE=$WS_ROLE is ignored, since the gateway sets the role of each function; only auto is passed on" >&2
    unset WS_ROLE
fi

if [ -z "${WS_STORE+set}" ]; then
    WS_STORE=dir:$(mktemp -d)
    export WS_STORE
    # A program of the user's own does not have these variables.
    if [ -n "${RELAY-}" ]; then
        export WS_PUSH_TO="${WS_PUSH_TO-all}"
        export WS_PUSH_ENCODING="${WS_PUSH_ENCODING-raw}"
    fi
    trap 'rm -rf "${WS_STORE#dir:}"' EXIT
fi

# Starts the program of --bootstrap as each role with the variables that the gateway would give it. That a program knows
# --check is read from what its --help prints, since another one would not end.
check_roles() {
    program=
    while [ "$#" -gt 0 ]; do
        case $1 in
        --bootstrap=*) program=${1#*=} ;;
        --bootstrap) program=${2-} ;;
        --env=*=*) export "${1#--env=}" ;;
        --env) case ${2-} in *=*) export "$2" ;; esac ;;
        esac
        shift
    done
    grep -qaF 'With --check --online it also tries the store' "$program" 2>/dev/null || return 0
    for role in register transfer cleanup; do
        said=$(WS_ROLE=$role WS_PUSH_URL="${WS_PUSH_URL-http://127.0.0.1/api-local}" "$program" --check --online=store) && continue
        echo "make run: the $role function would not start: ${said##*ERROR }" >&2
        return 2
    done
}

(check_roles "$@")

# The gateway ends by the signal that ends this script, and the directory goes after it.
trap : INT TERM
"$@" &
gateway=$!
while kill -0 "$gateway" 2>/dev/null; do
    wait "$gateway" && status=0 || status=$?
    [ "$status" -le 128 ] || kill -TERM "$gateway" 2>/dev/null || true
done
exit "$status"
