#!/bin/sh
# Checks `make run`: it serves the page and WebSocket clients, ends without leaving processes behind, rejects invalid
# settings before it listens, and runs a user's own program.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh curl python3

# The processes that `make run` starts here.
log=$(mktemp) file=$(mktemp)
ours="--listen 127.0.0.1:9481|--config $file|$PWD/target/package/(bootstrap|chat)|$PWD/gateway/tests/runtimes/echo.py"
trap 'kill "${make:-}" 2>/dev/null || true; rm -f "$log" "$file"' EXIT

fail() {
    echo "check-run: $*" >&2
    cat "$log" >&2
    exit 1
}

start() { # VARIABLE=VALUE...: starts make run and waits until it has printed its addresses
    : >"$log" # before it is looked at
    LISTEN=127.0.0.1:9481 make run "$@" >"$log" 2>&1 &
    make=$!
    tries=0
    until grep -q '^clients *ws://127.0.0.1:9481/' "$log"; do
        tries=$((tries + 1))
        [ "$tries" -lt 6000 ] && kill -0 "$make" || fail "make run printed no addresses"
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
        [ "$tries" -lt 50 ] || fail "make run left processes behind: $(pgrep -fa -- "$ours")"
        sleep 0.1
    done
}

handshake() { # succeeds if the register function accepts the client, which takes a busy machine longer
    for seconds in 2 20; do
        curl -sS -i --http1.1 --max-time "$seconds" -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
            -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' http://127.0.0.1:9481/chat \
            2>/dev/null | grep -q '^HTTP/1.1 101' && return
    done
    return 1
}

start
curl -sSf http://127.0.0.1:9481/ | grep -q '<title>' || fail "the page is not served"
handshake || fail "the client was not accepted"
end

# A user's own program, in another language.
start BOOTSTRAP="$PWD/gateway/tests/runtimes/echo.py"
handshake || fail "the user's own program did not accept the client"
end

# What a file describes; with it no program is built.
cat >"$file" <<END
listen = "127.0.0.1:9481"

[[api]]
path = "/chat"
register = "process:$PWD/gateway/tests/runtimes/echo.py"
transfer = "process:$PWD/gateway/tests/runtimes/echo.py"
cleanup = "process:$PWD/gateway/tests/runtimes/echo.py"
END
start CONFIG="$file"
handshake || fail "the file's function did not accept the client"
end

# An example, whose variables are not the bootstrap's, with its page beside the developer's.
start EXAMPLE=chat
grep -q '^client *http://127.0.0.1:9481/client$' "$log" || fail "no address of the chat's page"
curl -sSf http://127.0.0.1:9481/client | grep -q '<title>Chat</title>' || fail "no page of the chat"
handshake || fail "the chat did not accept the client"
end
if make run EXAMPLE=chatt >"$log" 2>&1; then
    fail "make run started an example that does not exist"
fi
grep -q 'EXAMPLE=chatt is not an example; there are: chat quiz shout' "$log" || fail "the examples are not named"

# What is misspelled on the command line is an error that says what there is.
misspelled() { # MESSAGE ARGUMENT...: make fails with this message
    message=$1
    shift
    if make "$@" >"$log" 2>&1; then
        fail "make $* succeeds"
    fi
    grep -qF "$message" "$log" || fail "make $*: this message is missing: $message"
}
misspelled 'BOOTSTRP= is no variable of make; there are: TARGET ' run BOOTSTRP=target/package/chat
misspelled 'make runn is no command of this project; make help lists them' runn

# A program of one's own that knows --check is asked first: the chat stands for it.
misspelled 'the register function would not start: WS_PUSH_TO is not a variable' \
    run BOOTSTRAP="$PWD/target/package/chat" WS_PUSH_TO=all
misspelled "the register function would not start: listing the connections in the store's folder /no/such/folder" \
    run BOOTSTRAP="$PWD/target/package/chat" WS_STORE=dir:/no/such/folder

# A misspelled name and an invalid value end it before it listens.
refused() { # MESSAGE VARIABLE=VALUE...: make run fails with this message
    message=$1
    shift
    if env "$@" make run >"$log" 2>&1; then
        fail "make run started with $*"
    fi
    grep -qF "$message" "$log" || fail "this message is missing: $message"
    grep -q '^clients' "$log" && fail "it listened with $*"
    return 0
}
refused 'the register function would not start: WS_PUSHTO is not a variable' WS_PUSHTO=all
refused 'the register function would not start: WS_PUSH_ENCODING is "JSON"' WS_PUSH_ENCODING=JSON

WS_ROLE=registr start
grep -qF 'WS_ROLE=registr is ignored, since the gateway sets the role' "$log" || fail "WS_ROLE is ignored without a warning"
end

echo "make run: the page, handshakes, termination, own programs and invalid settings behave as specified"
