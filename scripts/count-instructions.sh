#!/bin/sh
# Counts the instructions of an invocation, and fails when they are more than 10 % above benches/instructions.
#
# valgrind counts what the program itself executes, the kernel's share left out: a figure that does not depend on how
# fast or how busy the machine is. A process that serves one event is mostly start and end; what one with many executes
# beyond that is the events'. Each count is the least of several: depending on which thread was first to allocate at the
# start, musl's allocator takes up to a tenth more in some processes.
# After `make build`.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh valgrind
cargo build --quiet --release --locked -p scf-websocket-bench

invocations=3000
runs=5
log=$(mktemp)
trap 'rm -f "$log"' EXIT

count() { # the instructions of a process that serves so many events
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
echo "instructions: $now an invocation, committed: $committed; a process that serves one: $one"
if [ "$now" -gt $((committed * 110 / 100)) ]; then
    echo "count-instructions: $now is more than 10 % above the $committed in benches/instructions." >&2
    echo "Make it cheaper, or, if it is worth it, write $now into that file and say in the commit what it buys." >&2
    exit 1
fi
if [ "$now" -lt $((committed * 90 / 100)) ]; then
    echo "That is more than 10 % below: write $now into benches/instructions, so that it stays." >&2
fi
