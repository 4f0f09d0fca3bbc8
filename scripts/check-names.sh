#!/bin/sh
# Checks that pushes resolve their host name in an empty root directory with various name servers, for builds with musl
# and with glibc, whose resolvers differ: check-names.sh BOOTSTRAP...
#
# Needs root for chroot and port 53, and dnsmasq for some cases; prints what it skips.
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "check-names: $*" >&2
    exit 1
}

if [ "$(id -u)" -ne 0 ]; then
    echo "check-names: SKIPPED: chroot and port 53 need root"
    exit 0
fi
scripts/need.sh python3 || { echo "check-names: SKIPPED: python3 is not installed"; exit 0; }
scripts/need.sh dnsmasq:dnsmasq-base || echo "check-names: dnsmasq is not installed"
# The status of need.sh does not suffice: the installed file may not be in PATH.
dnsmasq=$(command -v dnsmasq || true)

scratch=$(mktemp -d)
servers=""
# shellcheck disable=SC2086 # a list of process ids
trap 'kill $servers 2>/dev/null || true; rm -rf "$scratch"' EXIT

dnsmasq_at=127.0.0.153
stub_at=127.0.0.154
silent_at=127.0.0.155
closed_at=127.0.0.156 # no listener

# A UDP answer has at most 512 bytes, which a chain of such names exceeds before the address.
label=$(printf '%060d' 0 | tr 0 x)
long=$label.$label.$label
if [ -n "$dnsmasq" ]; then
    # It is authoritative for .test and refuses queries for unknown names in other domains.
    "$dnsmasq" --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file= \
        --bind-interfaces --listen-address=$dnsmasq_at --local=/test/ \
        --host-record=ipv4.test,127.0.0.1 --host-record=ipv4.refused,127.0.0.1 \
        --cname=chain.test,second.test --cname=second.test,third.test --cname=third.test,ipv4.test \
        --cname="long.test,1.$long.test" --cname="1.$long.test,2.$long.test" --cname="2.$long.test,3.$long.test" \
        --cname="3.$long.test,ipv4.test" --log-queries --log-facility=- >"$scratch/dnsmasq" 2>&1 &
    servers="$servers $!"
fi
python3 scripts/loopback-dns.py $stub_at >"$scratch/stub" &
servers="$servers $!"
python3 -c '
import socket, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("'$silent_at'", 53))
print("ready", flush=True)
while True:
    server.recv(512)' >"$scratch/silent" &
servers="$servers $!"

await() { # SERVER TEXT: waits until the server has printed the text, which means that it listens
    tries=0
    until grep -q "$2" "$scratch/$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { cat "$scratch/$1" >&2; fail "the name server $1 does not start"; }
        sleep 0.1
    done
}
[ -z "$dnsmasq" ] || await dnsmasq started
await stub ready
await silent ready

mkdir -p "$scratch/root/etc"
printf '#!/bin/sh\nexec %s %s /bootstrap "$@"\n' "$(command -v chroot)" "$scratch/root" >"$scratch/bootstrap"
chmod 755 "$scratch/bootstrap"

run() { # TEST NAME
    BOOTSTRAP=$scratch/bootstrap PUSH_HOST=$2 cargo test -q --locked --workspace --test behaviours -- --ignored --exact "name_resolution::$1" \
        >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; return 1; }
    # cargo test succeeds if no test has this name.
    grep -q '1 passed' "$scratch/log" || fail "there is no test name_resolution::$1"
}

found() { # CASE NAME LINE-OF-RESOLV.CONF...
    what=$1
    name=$2
    shift 2
    printf '%s\n' "$@" >"$scratch/root/etc/resolv.conf"
    run a_push_reaches_the_host_within_the_default_time_limit "$name" || fail "$bootstrap: the host is not found: $what"
    cases=$((cases + 1))
}

[ "$#" -gt 0 ] || set -- target/package/bootstrap
for bootstrap in "$@"; do
    cases=0
    cp "$bootstrap" "$scratch/root/bootstrap"
    if [ -n "$dnsmasq" ]; then
        found "IPv4 alone" ipv4.test "nameserver $dnsmasq_at"
        found "IPv4 alone, IPv6 refused" ipv4.refused "nameserver $dnsmasq_at"
        found "a chain of CNAMEs" chain.test "nameserver $dnsmasq_at"
        found "an answer too long for UDP" long.test "nameserver $dnsmasq_at"
        found "the first name server is down" ipv4.test "nameserver $closed_at" "nameserver $dnsmasq_at"
        # glibc queries the servers in turn and waits 5 s for the first by default, longer than the function's time limit.
        found "the first name server is silent" ipv4.test "nameserver $silent_at" "nameserver $dnsmasq_at" "options timeout:1"
    fi
    for answer in refused servfail silent; do
        found "IPv4 alone, IPv6 $answer" $answer.test "nameserver $stub_at"
    done
    rm "$scratch/root/etc/resolv.conf"
    run without_a_resolver_configuration_the_error_names_the_file ipv4.test ||
        fail "$bootstrap: without /etc/resolv.conf the error is not clear"
    echo "check-names: $bootstrap: the host is found in $cases cases, and a missing resolv.conf is a clear error"
done
[ -n "$dnsmasq" ] || echo "check-names: SKIPPED: the six cases that need dnsmasq"
