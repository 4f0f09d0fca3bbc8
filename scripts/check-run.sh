#!/bin/sh
# Checks `make run`: it serves the page, its clients' address speaks WebSocket, and it leaves nothing behind.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh curl

log=$(mktemp)
trap 'kill "${make:-}" 2>/dev/null || true; rm -f "$log"' EXIT
LISTEN=127.0.0.1:9481 make run >"$log" 2>&1 &
make=$!
tries=0
until grep -q '^clients *ws://127.0.0.1:9481/' "$log"; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] && kill -0 "$make" || { cat "$log"; exit 1; }
    sleep 1
done
curl -sSf http://127.0.0.1:9481/ | grep -q '<title>'
# A handshake: the register function lets the client in.
curl -sS -i --http1.1 --max-time 2 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
    -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' http://127.0.0.1:9481/chat 2>/dev/null | grep -q '^HTTP/1.1 101' ||
    { cat "$log"; exit 1; }
# A shell's background jobs ignore SIGINT.
kill -TERM "$make"
tries=0
while kill -0 "$make" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "make run does not end" >&2; cat "$log" >&2; exit 1; }
    sleep 0.1
done
sleep 1
if pgrep -f 'gateway --bootstrap|target/package/bootstrap' >/dev/null; then
    echo "something is left behind:" >&2
    pgrep -fa 'gateway --bootstrap|target/package/bootstrap' >&2
    exit 1
fi
echo "make run: page, handshake and end are as they should be"
