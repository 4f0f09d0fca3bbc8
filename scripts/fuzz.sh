#!/bin/sh
# Runs each fuzz target for SECONDS, starting from the committed corpus: fuzz.sh SECONDS
#
# A failing input is written to fuzz/artifacts. Add it to a test.
set -eu
cd "$(dirname "$0")/.."
seconds=$1

scripts/need.sh g++
if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "the fuzzers need a nightly toolchain; run: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "installing cargo-fuzz" >&2
    cargo install -q --locked cargo-fuzz
fi

cargo +nightly fuzz build
for target in $(cargo +nightly fuzz list); do
    # libFuzzer writes new inputs to the first folder, which is not committed.
    grown=target/fuzz-corpus/$target
    mkdir -p "$grown"
    echo "fuzzing $target for $seconds s" >&2
    log=target/fuzz-corpus/$target.log
    cargo +nightly fuzz run "$target" "$grown" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1 >"$log" 2>&1 ||
        { cat "$log"; exit 1; }
    grep -E '^(Done|stat::number_of_executed_units)' "$log"
done
