#!/bin/sh
# Builds a program of your own as the bootstrap is built: build-own.sh [CARGO-OPTION...]
#
# To be called by its path from the folder of the program's crate, which may be anywhere. Each program of the crate
# becomes one static file, target/package/NAME in that folder.
set -eu

scripts=$(cd "$(dirname "$0")" && pwd)
"$scripts/toolchain.sh"
[ -f Cargo.toml ] || { echo "build-own: $PWD has no Cargo.toml; call this from the folder of your crate" >&2; exit 1; }

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
# The crate need not have the profile of the packaged file.
awk '/^\[/ { wanted = $0 == "[profile.packaged]" } wanted' "$scripts/../Cargo.toml" >"$room/profile.toml"
"$scripts/build-static.sh" "$("$scripts/target.sh")" --bins --config "$room/profile.toml" \
    --message-format json-render-diagnostics "$@" >"$room/messages"
sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$room/messages" >"$room/programs"
[ -s "$room/programs" ] || { echo "build-own: $PWD has no program; it needs a src/main.rs" >&2; exit 1; }

mkdir -p target/package
while read -r program; do
    packaged=target/package/$(basename "$program")
    install -m 755 "$program" "$packaged"
    echo "$packaged: $(wc -c <"$packaged") bytes"
done <"$room/programs"
