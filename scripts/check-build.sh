#!/bin/sh
# Checks `make` on machines without Rust, a C compiler, rustup or Rust's musl target.
#
# Each machine is simulated by a PATH of links that omits or replaces the programs in question.
set -eu
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
arch=$(uname -m)
musl=$arch-unknown-linux-musl
real_rustc=$(command -v rustc)

fail() {
    echo "check-build: $*" >&2
    [ ! -s "$scratch/err" ] || cat "$scratch/err" >&2
    exit 1
}

machine() { # NAME WITHOUT...: a directory of links to all programs in PATH except these
    machine=$scratch/$1
    shift
    mkdir "$machine"
    (
        IFS=:
        # shellcheck disable=SC2086 # the directories of PATH
        for directory in $PATH; do
            [ -d "$directory" ] || continue
            # ln keeps the first program of a name, as PATH does. Other failures show when the program is used.
            find "$directory" -maxdepth 1 ! -type d -exec ln -s -t "$machine" {} + 2>/dev/null || true
        done
    )
    for program in "$@"; do rm -f "$machine/$program"; done
}

program() { # NAME: installs standard input as this program of the machine
    rm -f "$machine/$1"
    cat >"$machine/$1"
    chmod 755 "$machine/$1"
}

without_musl() { # a rustc that lacks the musl target until rustup has added it
    program rustc <<END
#!/bin/sh
case "\$* " in
*"--print target-libdir --target $musl "*) [ -e "$machine.added" ] || { echo "$scratch/nowhere"; exit; } ;;
esac
exec "$real_rustc" "\$@"
END
}

target() { # prints the target that the machine builds for; messages go to err
    PATH=$machine scripts/target.sh 2>"$scratch/err"
}

falls_back() { # REASON: builds with glibc, and prints one line with the reason and the cost
    [ "$(target)" = "$arch-unknown-linux-gnu" ] || fail "$1: does not fall back to glibc"
    [ "$(wc -l <"$scratch/err")" -eq 1 ] || fail "$1: must print exactly one line"
    grep -q "glibc instead of musl.*$1.*memory" "$scratch/err" || fail "$1: the reason or the cost is missing"
}

refuses() { # TARGET TOOL: make fails and prints, besides its own error line, one line that names the tool
    ! PATH=$machine make --no-print-directory -s "$1" >"$scratch/out" 2>"$scratch/err" || fail "make $1 succeeds without $2"
    output=$(cat "$scratch/out" "$scratch/err" | grep -v '^make: \*\*\*' || true)
    case $output in
    *"
"*) fail "make $1 without $2 prints more than a line" ;;
    "Not installed: "*"$2"*) ;;
    *) fail "make $1 does not name $2" ;;
    esac
}

machine no-cargo cargo
for goal in build gateway package run test lint; do refuses "$goal" https://rustup.rs; done
machine no-cc cc gcc clang
refuses build "a C compiler"
refuses test "a C compiler"
machine old-cargo
program cargo <<'END'
#!/bin/sh
echo "cargo 1.84.1 (66221abde 2024-11-19)"
END
! PATH=$machine make --no-print-directory -s build >"$scratch/out" 2>"$scratch/err" || fail "make builds with an old cargo"
grep -qE '^Rust [0-9.]+ or newer is needed, and cargo is 1\.84\.1: ' "$scratch/err" || fail "an old cargo is not named"
machine neither cargo cc gcc clang
refuses build "https://rustup.rs) and a C compiler"

machine as-it-is
detected=$(target)
case $detected in
"$musl") [ ! -s "$scratch/err" ] || grep -q "^Added Rust's target" "$scratch/err" || fail "unexpected message about musl" ;;
"$arch-unknown-linux-gnu") echo "check-build: SKIPPED: the checks that need musl: $(cat "$scratch/err")" ;;
*) fail "builds for $detected" ;;
esac
if [ "$detected" = "$musl" ]; then
    machine missing-target
    without_musl
    program rustup <<END
#!/bin/sh
[ "\$*" = "target add $musl" ] || exit 1
echo "info: downloading"
touch "$machine.added"
END
    [ "$(target)" = "$musl" ] || fail "the target that rustup added is not used"
    grep -q "^Added Rust's target $musl" "$scratch/err" || fail "does not say that it added a target"

    # The C code of the feature tls must compile without musl-gcc.
    machine no-musl-gcc musl-gcc "$arch-linux-musl-gcc"
    PATH=$machine make --no-print-directory -s build FEATURES=tls PACKAGED="$scratch/tls" 2>"$scratch/err" ||
        fail "the feature tls cannot be built with musl"
    "$scratch/tls" --version >/dev/null || fail "the build with musl and the feature tls does not start"
fi

machine no-rustup rustup
without_musl
falls_back "no rustup"

machine other-rustup
without_musl
printf '#!/bin/sh\n' | program rustup
falls_back "not the one"

machine other-processor
printf '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo riscv64\n' | program uname
arch=riscv64 falls_back "not on riscv64"

machine failing-rustup
without_musl
printf '#!/bin/sh\necho "info: downloading"\necho "error: no network" >&2\nexit 1\n' | program rustup
falls_back "error: no network"

# The last machine really builds.
PATH=$machine make --no-print-directory -s build PACKAGED="$scratch/bootstrap" 2>"$scratch/err" || fail "does not build with glibc"
[ "$(grep -c 'glibc instead of musl' "$scratch/err")" -eq 1 ] || fail "make must report the fallback exactly once"
readelf -ldW "$scratch/bootstrap" 2>/dev/null >"$scratch/headers"
! grep -qE 'INTERP|NEEDED' "$scratch/headers" || fail "the glibc build is not static"
"$scratch/bootstrap" --version >/dev/null || fail "the glibc build does not start"
strings -a "$scratch/bootstrap" 2>/dev/null | grep -q 'GNU C Library' || fail "the fallback is not a glibc build"
cmp -s "$scratch/bootstrap" "target/$(uname -m)-unknown-linux-gnu/packaged/bootstrap" || fail "the installed file differs from the built file"

# On macOS the package is for SCF, and what is run is for this machine.
machine macos
program uname <<'END'
#!/bin/sh
case $1 in -s) echo Darwin ;; *) echo arm64 ;; esac
END
host=$("$real_rustc" -vV | sed -n 's/^host: //p')
PATH=$machine make -s -n run | grep -q -- "build-static.sh $host " || fail "make run builds for another machine on macOS"
PATH=$machine make -s -n package | grep -q -- "build-static.sh x86_64-unknown-linux-musl " || fail "make package is not for SCF on macOS"

# TARGET overrides the detection.
[ "$(PATH=$machine make -s -n build TARGET="$musl" | grep -c -- "build-static.sh $musl ")" -eq 1 ] ||
    fail "TARGET=$musl is ignored"
echo "check-build: missing tools are named, and without musl's target the build falls back to static glibc"
