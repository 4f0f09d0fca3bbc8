#!/bin/sh
# Checks that Rust, which is new enough, and a C compiler, whose linker Rust uses, are installed; prints one line that names
# what is missing.
set -eu

missing=""
command -v cargo >/dev/null 2>&1 || missing="Rust (https://rustup.rs)"
command -v cc >/dev/null 2>&1 || missing="${missing:+$missing and }a C compiler (on Debian: apt-get install gcc libc6-dev)"
[ -z "$missing" ] || { echo "Not installed: $missing. Install it and run make again." >&2; exit 1; }

oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
# "cargo 1.95.0 (f2d3ce0bd 2026-03-21)"
installed=$(cargo --version | cut -d ' ' -f 2)
if [ "$(printf '%s\n' "$oldest" "$installed" | sort -V | head -n 1)" != "$oldest" ]; then
    echo "Rust $oldest or newer is needed, and cargo is $installed: run rustup update, or install it from https://rustup.rs" >&2
    exit 1
fi
