#!/bin/sh
# Checks what `make` does on machines that lack something: Rust, a C compiler, rustup, Rust's musl target.
#
# Each machine is a PATH of links without the programs in question, or with others in their place.
set -eu
cd "$(dirname "$0")/.."

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
arch=$(uname -m)
musl=$arch-unknown-linux-musl
real_rustc=$(command -v rustc)

fail() {
    echo "check-build: $*" >&2
    [ ! -s "$room/err" ] || cat "$room/err" >&2
    exit 1
}

machine() { # NAME WITHOUT...: a directory of links to all that PATH has, but for these
    machine=$room/$1
    shift
    mkdir "$machine"
    (
        IFS=:
        # shellcheck disable=SC2086 # the directories of PATH
        for directory in $PATH; do
            [ -d "$directory" ] || continue
            # The first of a name stays, as with PATH; whatever else fails shows when it is used.
            find "$directory" -maxdepth 1 ! -type d -exec ln -s -t "$machine" {} + 2>/dev/null || true
        done
    )
    for program in "$@"; do rm -f "$machine/$program"; done
}

program() { # NAME: standard input becomes this program of the machine
    rm -f "$machine/$1"
    cat >"$machine/$1"
    chmod 755 "$machine/$1"
}

without_musl() { # a rustc that lacks the musl target until rustup has added it
    program rustc <<END
#!/bin/sh
case "\$* " in
*"--print target-libdir --target $musl "*) [ -e "$machine.added" ] || { echo "$room/nowhere"; exit; } ;;
esac
exec "$real_rustc" "\$@"
END
}

target() { # what the machine would build for; what is said goes to err
    PATH=$machine scripts/target.sh 2>"$room/err"
}

falls_back() { # WHY: glibc, and one line with the reason and its price
    [ "$(target)" = "$arch-unknown-linux-gnu" ] || fail "$1: does not fall back to glibc"
    [ "$(wc -l <"$room/err")" -eq 1 ] || fail "$1: one line was to be printed"
    grep -q "glibc instead of musl.*$1.*memory" "$room/err" || fail "$1: reason or price are missing"
}

refuses() { # TARGET WHAT: make fails, and what it prints besides its own last word is one line that names this
    ! PATH=$machine make --no-print-directory -s "$1" >"$room/out" 2>"$room/err" || fail "make $1 succeeds without $2"
    said=$(cat "$room/out" "$room/err" | grep -v '^make: \*\*\*' || true)
    case $said in
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
machine neither cargo cc gcc clang
refuses build "https://rustup.rs) and a C compiler"

machine as-it-is
said=$(target)
case $said in
"$musl") [ ! -s "$room/err" ] || grep -q "^Added Rust's target" "$room/err" || fail "more than one word about musl" ;;
"$arch-unknown-linux-gnu") echo "check-build: SKIPPED what needs musl: $(cat "$room/err")" ;;
*) fail "builds for $said" ;;
esac
if [ "$said" = "$musl" ]; then
    machine added-at-need
    without_musl
    program rustup <<END
#!/bin/sh
[ "\$*" = "target add $musl" ] || exit 1
echo "info: downloading"
touch "$machine.added"
END
    [ "$(target)" = "$musl" ] || fail "the target that rustup added is not used"
    grep -q "^Added Rust's target $musl" "$room/err" || fail "does not say that it added a target"

    # The C code of the feature tls needs no compiler of musl's own.
    machine no-musl-gcc musl-gcc "$arch-linux-musl-gcc"
    PATH=$machine make --no-print-directory -s build FEATURES=tls PACKAGED="$room/tls" 2>"$room/err" ||
        fail "the feature tls cannot be built with musl"
    "$room/tls" --version >/dev/null || fail "the build with musl and the feature tls does not start"
fi

machine no-rustup rustup
without_musl
falls_back "no rustup"

machine other-rustup
without_musl
printf '#!/bin/sh\n' | program rustup
falls_back "not the one"

machine other-processor
printf '#!/bin/sh\necho riscv64\n' | program uname
arch=riscv64 falls_back "not on riscv64"

machine failing-rustup
without_musl
printf '#!/bin/sh\necho "info: downloading"\necho "error: no network" >&2\nexit 1\n' | program rustup
falls_back "error: no network"

# The last machine builds, for real.
PATH=$machine make --no-print-directory -s build PACKAGED="$room/bootstrap" 2>"$room/err" || fail "does not build with glibc"
[ "$(grep -c 'glibc instead of musl' "$room/err")" -eq 1 ] || fail "make is to say once that it falls back"
readelf -ldW "$room/bootstrap" 2>/dev/null >"$room/headers"
! grep -qE 'INTERP|NEEDED' "$room/headers" || fail "the glibc build is not static"
"$room/bootstrap" --version >/dev/null || fail "the glibc build does not start"
strings -a "$room/bootstrap" 2>/dev/null | grep -q 'GNU C Library' || fail "the fallback is not a glibc build"
cmp -s "$room/bootstrap" "target/$(uname -m)-unknown-linux-gnu/packaged/bootstrap" || fail "another file was installed than was built"

# TARGET decides over all of this.
[ "$(PATH=$machine make -s -n build TARGET="$musl" | grep -c -- "build-static.sh $musl ")" -eq 1 ] ||
    fail "TARGET=$musl is not followed"
echo "check-build: missing tools are named, and without musl's target the build falls back to static glibc"
