#!/bin/sh
# Runs each fuzz target for SECONDS, one per processor at a time, starting from the committed corpus: fuzz.sh SECONDS [TARGET]
#
# No sanitizer: this project has no `unsafe` code, and without one the stable toolchain suffices and more inputs are tried. Assertions and
# overflows are still checked, `unsafe` code of dependencies is not. A failing input is written to fuzz/artifacts. Add it to a test.
set -eu
cd "$(dirname "$0")/.."
seconds=$1

if [ "$#" -eq 1 ]; then
    scripts/need.sh g++
    if ! cargo fuzz --version >/dev/null 2>&1; then
        echo "installing cargo-fuzz" >&2
        cargo install -q --locked cargo-fuzz
    fi
    cargo fuzz build --sanitizer none
    cargo fuzz list | xargs -n 1 -P "$(nproc)" scripts/fuzz.sh "$seconds"
    exit
fi

target=$2
# libFuzzer writes new inputs to the first folder, which is not committed.
grown=target/fuzz-corpus/$target
mkdir -p "$grown"
log=target/fuzz-corpus/$target.log
cargo fuzz run --sanitizer none "$target" "$grown" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1 >"$log" 2>&1 ||
    { cat "$log"; exit 1; }
echo "fuzzed $target: $(grep -E '^(Done|stat::number_of_executed_units)' "$log" | tr -s '\n ' ' ')"
