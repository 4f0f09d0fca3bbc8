#!/bin/sh
# Checks that both crates can be packaged, in a fresh clone and after a build, without the built binary. Run after `make`.
#
# `bootstrap` is a link to the built binary: dangling in a fresh clone, a file of a megabyte after a build.
set -eu
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

git clone -q . "$scratch/clone"
list() { # FOLDER: lists the files of both packages of the checkout in this folder
    (cd "$1" && for crate in scf-websocket scf-websocket-gateway; do
        cargo package --locked --list --allow-dirty -p "$crate"
    done)
}
# .cargo_vcs_info.json depends on the state of the checkout.
list "$scratch/clone" | grep -v cargo_vcs_info >"$scratch/fresh"
list . | grep -v cargo_vcs_info >"$scratch/built"
if ! diff "$scratch/fresh" "$scratch/built"; then
    echo "check-package: the packages of a fresh clone (<) and of this checkout (>) contain different files" >&2
    exit 1
fi
if grep -nE '^(bootstrap|.*\.zip)$|^target/' "$scratch/built"; then
    echo "check-package: built files are in the package; see \`include\` in Cargo.toml" >&2
    exit 1
fi

# Also builds each crate from its package, as a user of the crate does.
cargo package -q --locked --allow-dirty -p scf-websocket -p scf-websocket-gateway
echo "cargo package: $(wc -l <"$scratch/built") files in two crates, both build"
