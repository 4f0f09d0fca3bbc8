#!/bin/sh
# Tests the bootstrap of a zip behind the gateway, with real WebSocket clients: smoke.sh ZIP
set -eu

zip=$1
"$(dirname "$0")/need.sh" unzip

unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
unzip -q "$zip" -d "$unpacked"
BOOTSTRAP=$unpacked/bootstrap cargo test -q --locked --workspace --test smoke
