#!/bin/sh
# Checks that the library and the bootstrap compile for macOS. Nothing is linked, so that no SDK is needed.
set -eu
cd "$(dirname "$0")/.."

target=aarch64-apple-darwin
rustup target add "$target" 2>/dev/null || {
    [ -z "${CI-}" ] || { echo "macOS: rustup cannot add the target $target" >&2; exit 1; }
    echo "macOS: NOT CHECKED: rustup cannot add the target $target" >&2
    exit 0
}
cargo check -q --locked -p scf-websocket --lib --bins --target "$target"
echo "macOS: the library and the bootstrap compile"
