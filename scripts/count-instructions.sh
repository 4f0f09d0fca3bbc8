#!/bin/sh
# Counts the instructions per invocation, and fails if they exceed benches/instructions by more than 10 %. Run after
# `make build`.
#
# valgrind counts user-space instructions, which do not depend on the speed or load of the machine. The count of a process
# that serves one event is subtracted from that of a process that serves many, which removes start and exit. Each count is
# the minimum of several runs: depending on which thread allocates first, musl's allocator executes up to 10 % more.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh valgrind
cargo build --quiet --release --locked -p scf-websocket-bench

invocations=3000
runs=5
log=$(mktemp)
trap 'rm -f "$log"' EXIT

count() { # EVENTS: the instructions of a process that serves this many
    for _ in $(seq "$runs"); do
        target/release/scf-websocket-bench --offer "$1" \
            valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$log" target/package/bootstrap
        sed -n 's/^==[0-9]*== Collected : //p' "$log"
    done | sort -n | head -n 1
}

one=$(count 1)
many=$(count "$invocations")
now=$(((many - one) / (invocations - 1)))
committed=$(sed '/^#/d' benches/instructions)
echo "$now per invocation (committed: $committed), $one in a process that serves one"
if [ "$now" -gt $((committed * 110 / 100)) ]; then
    echo "count-instructions: $now instructions per invocation exceed the $committed in benches/instructions by more than 10 %." >&2
    echo "Reduce them, or write $now to that file and give the reason in the commit message." >&2
    exit 1
fi
if [ "$now" -lt $((committed * 90 / 100)) ]; then
    echo "That is more than 10 % less: write $now to benches/instructions to keep the improvement." >&2
fi
