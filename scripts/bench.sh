#!/bin/sh
# Measures the packaged bootstrap, the gateway, the floors and the peers: bench.sh ROUNDS SECTION...
#
# Writes Markdown to standard output and, without SECTION, to benches/RESULTS.md. Run after `make package`, and for the
# sections gateway… and cluster after `make gateway`. Whatever target the package is built for, all other Rust programs are static with
# glibc: the goals refer to that floor, and the bootstrap built with glibc is a row of the comparison.
set -eu
cd "$(dirname "$0")/.."

rounds=$1
shift
glibc=$(uname -m)-unknown-linux-gnu
all="runtimes cold-start growth endurance fan-out"

of_the_gateway="" others="" has_peers=""
# shellcheck disable=SC2048,SC2086 # a list of sections
for section in ${*:-$all}; do
    case $section in
    gateway*) of_the_gateway="$of_the_gateway $section" has_peers=1 ;;
    cluster) of_the_gateway="$of_the_gateway $section" ;;
    *) others="$others $section" ;;
    esac
done

# The bench names the rows that it skips because a tool is missing.
if [ -n "$of_the_gateway" ]; then
    # Clients and floor are built as the gateway is, for speed.
    scripts/need.sh redis-server
    [ -z "$has_peers" ] ||
        scripts/need.sh --no-services nginx /usr/lib/nginx/modules/ngx_nchan_module.so:libnginx-mod-nchan pushpin condure zurl || true
    PROFILE=gateway scripts/build-static.sh "$glibc" --locked -p scf-websocket-bench
    case " $of_the_gateway " in
    *" gateway-compression "*)
        target=$(scripts/target.sh)
        CFG=compress_each PROFILE=gateway scripts/build-static.sh "$target" --locked -p scf-websocket-gateway --bin gateway \
            --target-dir target/compress-each
        install "target/compress-each/$target/gateway/gateway" target/package/gateway-compress-each
        ;;
    esac
    bench=target/$glibc/gateway/scf-websocket-bench
fi
if [ -n "$others" ]; then
    scripts/need.sh curl node:nodejs redis-server || true
    python3 -c 'import requests' 2>/dev/null || /usr/bin/python3 -c 'import requests' 2>/dev/null ||
        scripts/need.sh python3-requests || true
    scripts/build-static.sh "$glibc" --locked -p scf-websocket-bench
    scripts/build-static.sh "$glibc" --locked --bin bootstrap
    scripts/build-static.sh "$glibc" --locked --manifest-path benches/peers/Cargo.toml --target-dir target ||
        echo "bench: building the Rust peers failed" >&2
    bench=target/$glibc/packaged/scf-websocket-bench
fi

report=$(mktemp)
trap 'rm -f "$report"' EXIT
# shellcheck disable=SC2048,SC2086 # a list of sections
"$bench" --rounds "$rounds" $others $of_the_gateway >"$report" || { cat "$report"; exit 1; }
if [ "$#" -eq 0 ]; then
    printf '\n## Instructions\n\nUser-space instructions, counted by valgrind: %s.\n' "$(scripts/count-instructions.sh)" >>"$report"
    cp "$report" benches/RESULTS.md
fi
cat "$report"
