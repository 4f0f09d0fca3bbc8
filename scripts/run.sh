#!/bin/sh
# Runs the gateway with a room in a temporary directory, so that clients reach each other: run.sh GATEWAY OPTION...
#
# WS_STORE, WS_PUSH_TO and every other variable of the functions can be set by the caller.
set -eu

if [ -z "${WS_STORE+set}" ]; then
    WS_STORE=dir:$(mktemp -d)
    export WS_STORE
    export WS_PUSH_TO="${WS_PUSH_TO-all}"
    export WS_PUSH_ENCODING="${WS_PUSH_ENCODING-raw}"
    trap 'rm -rf "${WS_STORE#dir:}"' EXIT
fi
# The gateway ends by the signal that ends this script, and the directory goes after it.
trap : INT TERM
"$@" &
gateway=$!
while kill -0 "$gateway" 2>/dev/null; do
    wait "$gateway" && status=0 || status=$?
    [ "$status" -le 128 ] || kill -TERM "$gateway" 2>/dev/null || true
done
exit "$status"
