#!/bin/sh
# Builds with the profile of the packaged file, linked statically at fixed addresses: build-static.sh TARGET CARGO-OPTION...
#
# Static, since SCF's system has an older C library than any build machine's; at fixed addresses, since relocations cost
# room and start-up time. The flags hold for the target alone: a build for the host could not load procedural macros.
set -eu

target=$1
shift
name=$(printf '%s' "$target" | tr - _)
upper=$(printf '%s' "$name" | tr '[:lower:]' '[:upper:]')
export "CARGO_TARGET_${upper}_RUSTFLAGS=-C target-feature=+crt-static -C relocation-model=static"
# ring's C code (feature tls) calls little of a C library, so the host's compiler serves musl too, in place of musl-gcc, as
# long as it does not call the checked variants that only glibc has.
if [ "$target" = "$(uname -m)-unknown-linux-musl" ] && ! printenv "CC_$name" >/dev/null; then
    export "CC_$name=cc" "CFLAGS_$name=-U_FORTIFY_SOURCE"
fi
exec cargo build --profile packaged --locked --target "$target" "$@"
