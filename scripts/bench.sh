#!/bin/sh
# Measures the packaged bootstrap, the floor and the peers: bench.sh TARGET ROUNDS SECTION...
#
# The Markdown goes to standard output and, when every section is asked for, to benches/RESULTS.md. The caller has built
# bench, floor and bootstrap, and set the flags with which the peers are linked as they are.
set -eu
cd "$(dirname "$0")/.."

target=$1
rounds=$2
shift 2

# What cannot be had is skipped by the bench, by name.
scripts/need.sh curl node:nodejs redis-server || true
python3 -c 'import requests' 2>/dev/null || /usr/bin/python3 -c 'import requests' 2>/dev/null ||
    scripts/need.sh python3-requests || true
cargo build --profile packaged --locked --target "$target" --manifest-path benches/peers/Cargo.toml --target-dir target ||
    echo "bench: the peers in Rust could not be built" >&2

report=$(mktemp)
trap 'rm -f "$report"' EXIT
all="runtimes cold-start growth endurance fan-out"
# shellcheck disable=SC2086 # a list of sections
"target/$target/packaged/scf-websocket-bench" --rounds "$rounds" ${*:-$all} >"$report" || { cat "$report"; exit 1; }
if [ "$#" -eq 0 ]; then
    printf '\n## Instructions\n\nOutside the kernel, counted by valgrind: %s.\n' "$(scripts/count-instructions.sh)" >>"$report"
    cp "$report" benches/RESULTS.md
fi
cat "$report"
