#!/bin/sh
# Checks that Rust and a C compiler, whose linker Rust uses, are installed; prints one line that names what is missing.
set -eu

missing=""
command -v cargo >/dev/null 2>&1 || missing="Rust (https://rustup.rs)"
command -v cc >/dev/null 2>&1 || missing="${missing:+$missing and }a C compiler (on Debian: apt-get install gcc libc6-dev)"
[ -z "$missing" ] || { echo "Not installed: $missing. Install it and run make again." >&2; exit 1; }
