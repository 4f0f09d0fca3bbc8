#!/bin/sh
# Checks that both crates can be packaged, in a fresh clone and after a build, and that the built binary stays out.
#
# `bootstrap` is a link to the built binary: broken in a fresh clone, a file of a megabyte after a build. Run after `make`.
set -eu
cd "$(dirname "$0")/.."

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

git clone -q . "$room/clone"
list() { # the files of both packages, of the checkout in this folder
    (cd "$1" && for crate in scf-websocket scf-websocket-gateway; do
        cargo package --locked --list --allow-dirty -p "$crate"
    done)
}
# What belongs to the checkout's state alone is not the package's.
list "$room/clone" | grep -v cargo_vcs_info >"$room/fresh"
list . | grep -v cargo_vcs_info >"$room/built"
if ! diff "$room/fresh" "$room/built"; then
    echo "check-package: the package of a fresh clone (<) and of this checkout (>) hold different files" >&2
    exit 1
fi
if grep -nE '^(bootstrap|.*\.zip)$|^target/' "$room/built"; then
    echo "check-package: built files are in the package; see \`include\` in Cargo.toml" >&2
    exit 1
fi

# Built from the packages alone, as a person who downloads them would.
cargo package -q --locked --allow-dirty -p scf-websocket -p scf-websocket-gateway
echo "cargo package: $(wc -l <"$room/built") files in two crates, both build"
