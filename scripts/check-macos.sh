#!/bin/sh
# Checks that the library, the bootstrap and the gateway compile for macOS. Nothing is linked, so that no SDK is needed, and
# the C parts of crates (ring, mimalloc) are not compiled: a stand-in for the compiler leaves empty files.
set -eu
cd "$(dirname "$0")/.."

target=aarch64-apple-darwin
rustup target add "$target" 2>/dev/null || {
    [ -z "${CI-}" ] || { echo "macOS: rustup cannot add the target $target" >&2; exit 1; }
    echo "macOS: NOT CHECKED: rustup cannot add the target $target" >&2
    exit 0
}

stand_in=$(mktemp -d)
trap 'rm -rf "$stand_in"' EXIT
cat >"$stand_in/cc" <<'END'
#!/bin/sh
while [ "$#" -gt 0 ]; do
    case $1 in
    -o) : >"$2" && shift ;;
    *.a) : >"$1" ;;
    esac
    shift
done
END
chmod 755 "$stand_in/cc"
export CC_aarch64_apple_darwin="$stand_in/cc" AR_aarch64_apple_darwin="$stand_in/cc" SDKROOT=/
cargo check -q --locked -p scf-websocket -p scf-websocket-gateway --lib --bins --target "$target"
echo "macOS: the library, the bootstrap and the gateway compile"
