#!/bin/sh
# Follows docs/own-functions.md in a temporary directory, as a person would who has this repository and nothing built: its
# ```sh blocks are run, its ```rust blocks become src/main.rs, and what it runs is driven by a WebSocket client.
#
# Cargo may download crates; the repository itself is cloned from this checkout's last commit.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh git python3 unzip /usr/lib/python3/dist-packages/websockets:python3-websockets

checkout=$PWD
room=$(mktemp -d)
trap 'kill "${make:-}" 2>/dev/null || true; rm -rf "$room"' EXIT

fail() {
    echo "check-own-functions: $*" >&2
    [ ! -s "$room/log" ] || cat "$room/log" >&2
    exit 1
}

# The blocks in their order: NN.sh, and NN.replace or NN.append for src/main.rs, as the sentence before says.
mkdir "$room/steps"
awk -v steps="$room/steps" '
    /^```/ && inside { inside = 0; close(step); next }
    /^```sh$/ { inside = 1; step = sprintf("%s/%02d.sh", steps, ++count); next }
    /^```rust$/ { inside = 1; step = sprintf("%s/%02d.%s", steps, ++count, how); how = "unplaced"; next }
    /^```/ { inside = 1; step = sprintf("%s/%02d.unknown", steps, ++count); next }
    inside { print >step; next }
    /Replace `src\/main.rs` with:/ { how = "replace" }
    /Append to `src\/main.rs`:/ { how = "append" }
' docs/own-functions.md

# The public address leads to this checkout.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_VALUE_0=https://github.com/scf-websocket/scf-websocket
export GIT_CONFIG_KEY_0="url.$checkout.insteadOf"
export LISTEN=127.0.0.1:0
unset CARGO_TARGET_DIR BOOTSTRAP EXAMPLE ARGS WS_STORE WS_ROLE

start() { # the file of a command that runs until it is ended; sets clients to the address that it prints
    sed 's/^make/exec make/' "$1" >"$room/command"
    : >"$room/log" # before it is looked at
    (. "$room/command") >"$room/log" 2>&1 &
    make=$!
    tries=0
    until clients=$(sed -n 's/^clients *//p' "$room/log") && [ -n "$clients" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 6000 ] && kill -0 "$make" 2>/dev/null || fail "no addresses"
        sleep 0.1
    done
}

end() {
    kill -TERM "$make"
    wait "$make" 2>/dev/null || true
    make=
}

talk() { # as the document says: refused without the token, capitals with it
    /usr/bin/python3 - "$clients" <<'END' || fail "the client did not get what the document promises"
import asyncio, sys, websockets

async def talk(address):
    try:
        await websockets.connect(address, open_timeout=30)
        sys.exit("a client without the token was accepted")
    except websockets.exceptions.InvalidHandshake as refusal:
        assert "401" in str(refusal), refusal
    async with websockets.connect(address + "?token=secret", open_timeout=30) as client:
        await client.send("hello")
        answer = await asyncio.wait_for(client.recv(), 30)
        assert answer == "HELLO", answer

asyncio.run(talk(sys.argv[1]))
END
}

begun=$(date +%s)
driven=0
cd "$room"
for step in "$room"/steps/*; do
    case $step in
    *.replace) cp "$step" src/main.rs ;;
    *.append) cat "$step" >>src/main.rs ;;
    *.sh)
        grep -v ' run BOOTSTRAP=' "$step" >"$room/before" || true
        # shellcheck disable=SC1091 # in this shell, so that cd lasts
        . "$room/before"
        grep ' run BOOTSTRAP=' "$step" >"$room/run" || continue
        start "$room/run"
        talk
        end
        driven=$((driven + 1))
        ;;
    *) fail "no sentence says where the block of ${step##*/} belongs" ;;
    esac
done
[ "$driven" -eq 2 ] || fail "the document runs the program $driven times, not before and after packaging"
seconds=$(($(date +%s) - begun))

refuses() { # SENTENCE COMMAND...: it fails and says so
    sentence=$1
    shift
    ! "$@" >"$room/log" 2>&1 || fail "$1 succeeds"
    grep -qF "$sentence" "$room/log" || fail "no such sentence: $sentence"
}
refuses "is linked dynamically" ../scf-websocket/scripts/package.sh "$(command -v cat)" cat.zip
refuses "is not there; build it first" ../scf-websocket/scripts/package.sh target/package/shut shut.zip
cd "$room"
refuses "has no Cargo.toml; call this from the folder of your crate" scf-websocket/scripts/build-own.sh

echo "docs/own-functions.md: from cargo new to a zip behind the gateway in $seconds s"
