#!/bin/sh
# Checks that the workspace builds with the `rust-version` of Cargo.toml, if that toolchain is installed.
set -eu
cd "$(dirname "$0")/.."

oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
# rustup names a toolchain as it was requested, 1.91 or 1.91.0.
toolchain=$(rustup toolchain list 2>/dev/null | grep -oE "^$oldest(\.[0-9]+)?" | head -n 1)
if [ -z "$toolchain" ]; then
    echo "rust-version: NOT CHECKED: toolchain $oldest is not installed; run: rustup toolchain install $oldest --profile minimal" >&2
    exit 0
fi
cargo "+$toolchain" check -q --workspace --all-targets --locked --target-dir target/rust-version
echo "rust-version: the workspace builds with Rust $toolchain"
