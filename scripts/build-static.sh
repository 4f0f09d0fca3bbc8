#!/bin/sh
# Builds a static file: build-static.sh TARGET CARGO-OPTION... [PROFILE=packaged or gateway, CFG=a condition of the code]
#
# Static, since SCF's system has an older C library than any build machine's, and a container may have none. What is
# packaged for SCF is at fixed addresses, since relocations cost room and start-up time; the gateway, which strangers
# reach, is loaded at random ones. The flags hold for the target alone: a build for the host could not load procedural
# macros.
set -eu

target=$1
shift
profile=${PROFILE:-packaged}
case $profile in
packaged) model=static ;;
*) model=pic ;;
esac
name=$(printf '%s' "$target" | tr - _)
upper=$(printf '%s' "$name" | tr '[:lower:]' '[:upper:]')
flags="-C target-feature=+crt-static -C relocation-model=$model"
case $target in
*-linux-*) ;;
*) flags= ;;
esac
export "CARGO_TARGET_${upper}_RUSTFLAGS=$flags${CFG:+ --cfg $CFG}"
# ring's C code (feature tls) calls little of a C library, so the host's compiler serves musl too, in place of musl-gcc, as
# long as it does not call the checked variants that only glibc has.
if [ "$target" = "$(uname -m)-unknown-linux-musl" ] && ! printenv "CC_$name" >/dev/null; then
    export "CC_$name=cc" "CFLAGS_$name=-U_FORTIFY_SOURCE"
fi
if [ "${target%%-*}" != "$(uname -m)" ] && command -v rustup >/dev/null 2>&1; then
    rustup target add "$target" >/dev/null 2>&1 || true # without it, cargo says what is missing
    # Rust brings musl's objects and a linker for all processors.
    case $target in
    *-linux-musl) printenv "CARGO_TARGET_${upper}_LINKER" >/dev/null || export "CARGO_TARGET_${upper}_LINKER=rust-lld" ;;
    esac
fi
exec cargo build --profile "$profile" --target "$target" "$@"
