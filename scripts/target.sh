#!/bin/sh
# Prints the target to build the bootstrap for: musl on this machine's architecture, whose zip and memory are smaller, or
# static glibc if Rust's musl target cannot be installed.
set -eu

# SCF runs Linux on x86-64, whatever the package is built on.
[ "$(uname -s)" = Linux ] || { echo x86_64-unknown-linux-musl; exit 0; }
arch=$(uname -m)
musl=$arch-unknown-linux-musl

installed() { # rustc prints the directory even if it does not exist
    ls "$(rustc --print target-libdir --target "$musl")"/libstd-*.rlib >/dev/null 2>&1
}

fall_back() {
    echo "Building with glibc instead of musl, since $1; the zip is two thirds larger and peak memory nearly double." >&2
    echo "$arch-unknown-linux-gnu"
    exit 0
}

case $arch in
x86_64 | aarch64) ;;
*) fall_back "musl is supported on x86_64 and aarch64, not on $arch" ;;
esac
if ! installed; then
    command -v rustup >/dev/null 2>&1 ||
        fall_back "this Rust has no target $musl and there is no rustup to add it (https://rustup.rs)"
    output=$(rustup target add "$musl" 2>&1) ||
        fall_back "\`rustup target add $musl\` failed ($(printf '%s' "$output" | tr -s '[:space:]' ' ' | cut -c 1-200))"
    installed || fall_back "the rustc in use is not the one that rustup added $musl to"
    echo "Added Rust's target $musl with rustup." >&2
fi
echo "$musl"
