#!/bin/sh
# Measures the packaged bootstrap, the floor and the peers: bench.sh ROUNDS SECTION...
#
# The Markdown goes to standard output and, when every section is asked for, to benches/RESULTS.md. The caller has built
# bootstrap and zip. Whatever target they are built for, all else in Rust is static with glibc: the goals are stated
# against that floor, and the bootstrap's own build with glibc is a row of the comparison.
set -eu
cd "$(dirname "$0")/.."

rounds=$1
shift
glibc=$(uname -m)-unknown-linux-gnu

# What cannot be had is skipped by the bench, by name.
scripts/need.sh curl node:nodejs redis-server || true
python3 -c 'import requests' 2>/dev/null || /usr/bin/python3 -c 'import requests' 2>/dev/null ||
    scripts/need.sh python3-requests || true
scripts/build-static.sh "$glibc" -p scf-websocket-bench
scripts/build-static.sh "$glibc" --bin bootstrap
scripts/build-static.sh "$glibc" --manifest-path benches/peers/Cargo.toml --target-dir target ||
    echo "bench: the peers in Rust could not be built" >&2

report=$(mktemp)
trap 'rm -f "$report"' EXIT
all="runtimes cold-start growth endurance fan-out"
# shellcheck disable=SC2086 # a list of sections
"target/$glibc/packaged/scf-websocket-bench" --rounds "$rounds" ${*:-$all} >"$report" || { cat "$report"; exit 1; }
if [ "$#" -eq 0 ]; then
    printf '\n## Instructions\n\nOutside the kernel, counted by valgrind: %s.\n' "$(scripts/count-instructions.sh)" >>"$report"
    cp "$report" benches/RESULTS.md
fi
cat "$report"
