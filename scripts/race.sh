#!/bin/sh
# Runs the tests of the example quiz, in all packages at once, which Cargo would run one after the other.
# SECONDS=60 lets its clients race for so long.
set -eu
cd "$(dirname "$0")/.."

built=$(cargo test -q --locked --workspace --test behaviours --no-run --message-format json-render-diagnostics)
programs=$(printf '%s\n' "$built" | sed -n 's/.*"executable":"\([^"]*\/behaviours-[^"]*\)".*/\1/p')
printf '%s\n' "$programs" | xargs -n 1 -P 2 sh -c '"$0" quiz:: --show-output'
