#!/bin/sh
# Measures the packaged bootstrap, the floor and the peers: bench.sh ROUNDS SECTION...
#
# Writes Markdown to standard output and, without SECTION, to benches/RESULTS.md. Run after `make package`. Whatever target
# the package is built for, all other Rust programs are static with glibc: the goals refer to that floor, and the
# bootstrap built with glibc is a row of the comparison.
set -eu
cd "$(dirname "$0")/.."

rounds=$1
shift
glibc=$(uname -m)-unknown-linux-gnu

# The bench names the rows that it skips because a tool is missing.
scripts/need.sh curl node:nodejs redis-server || true
python3 -c 'import requests' 2>/dev/null || /usr/bin/python3 -c 'import requests' 2>/dev/null ||
    scripts/need.sh python3-requests || true
scripts/build-static.sh "$glibc" --locked -p scf-websocket-bench
scripts/build-static.sh "$glibc" --locked --bin bootstrap
scripts/build-static.sh "$glibc" --locked --manifest-path benches/peers/Cargo.toml --target-dir target ||
    echo "bench: building the Rust peers failed" >&2

report=$(mktemp)
trap 'rm -f "$report"' EXIT
all="runtimes cold-start growth endurance fan-out"
# shellcheck disable=SC2086 # a list of sections
"target/$glibc/packaged/scf-websocket-bench" --rounds "$rounds" ${*:-$all} >"$report" || { cat "$report"; exit 1; }
if [ "$#" -eq 0 ]; then
    printf '\n## Instructions\n\nUser-space instructions, counted by valgrind: %s.\n' "$(scripts/count-instructions.sh)" >>"$report"
    cp "$report" benches/RESULTS.md
fi
cat "$report"
