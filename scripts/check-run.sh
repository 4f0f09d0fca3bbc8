#!/bin/sh
# Checks `make run`: it serves the page, its clients' address speaks WebSocket, it leaves nothing behind, it refuses wrong
# settings before the first client comes, and it runs a program of the user's own.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh curl python3

# The processes that `make run` starts here.
ours="--listen 127.0.0.1:9481|$PWD/target/package/(bootstrap|chat)|$PWD/gateway/tests/runtimes/echo.py"
log=$(mktemp)
trap 'kill "${make:-}" 2>/dev/null || true; rm -f "$log"' EXIT

fail() {
    echo "check-run: $*" >&2
    cat "$log" >&2
    exit 1
}

start() { # make run with these variables, until it has printed its addresses
    LISTEN=127.0.0.1:9481 make run "$@" >"$log" 2>&1 &
    make=$!
    tries=0
    until grep -q '^clients *ws://127.0.0.1:9481/' "$log"; do
        tries=$((tries + 1))
        [ "$tries" -lt 6000 ] && kill -0 "$make" || fail "no addresses"
        sleep 0.1
    done
}

end() {
    # A shell's background jobs ignore SIGINT.
    kill -TERM "$make"
    tries=0
    while kill -0 "$make" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || fail "make run does not end"
        sleep 0.1
    done
    tries=0
    while pgrep -f -- "$ours" >/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 50 ] || fail "something is left behind: $(pgrep -fa -- "$ours")"
        sleep 0.1
    done
}

handshake() { # succeeds if the register function accepts a client
    curl -sS -i --http1.1 --max-time 2 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
        -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' http://127.0.0.1:9481/chat 2>/dev/null | grep -q '^HTTP/1.1 101'
}

start
curl -sSf http://127.0.0.1:9481/ | grep -q '<title>' || fail "no page"
handshake || fail "the client was not accepted"
end

# A program of the user's own, in another language.
start BOOTSTRAP="$PWD/gateway/tests/runtimes/echo.py"
handshake || fail "the client was not accepted by the user's own program"
end

# An example, whose variables are not the bootstrap's, with its page beside the developer's.
start EXAMPLE=chat
grep -q '^client *http://127.0.0.1:9481/client$' "$log" || fail "no address of the chat's page"
curl -sSf http://127.0.0.1:9481/client | grep -q '<title>Chat</title>' || fail "no page of the chat"
handshake || fail "the client was not accepted by the chat"
end
if make run EXAMPLE=chatt >"$log" 2>&1; then
    fail "make run started an example that is not there"
fi
grep -q 'EXAMPLE=chatt is not an example; there are: chat shout' "$log" || fail "the examples are not named"

# A misspelled name and a wrong value end it before it listens.
refused() { # the sentence that must be printed, then the variables
    sentence=$1
    shift
    if env "$@" make run >"$log" 2>&1; then
        fail "make run started with $*"
    fi
    grep -qF "$sentence" "$log" || fail "no such sentence: $sentence"
    grep -q '^clients' "$log" && fail "it listened with $*"
    return 0
}
refused 'the register function would not start: WS_PUSHTO is not a variable' WS_PUSHTO=all
refused 'the register function would not start: WS_PUSH_ENCODING is "JSON"' WS_PUSH_ENCODING=JSON

WS_ROLE=registr start
grep -qF 'WS_ROLE=registr is ignored, since the gateway sets the role' "$log" || fail "WS_ROLE is ignored in silence"
end

echo "make run: page, handshake, end, own programs and wrong settings are as they should be"
