#!/bin/sh
# Runs the commands of docs/cluster.md as they are; commands of make are only looked up. Run after `make` and `make gateway`.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh redis-server curl /usr/lib/python3/dist-packages/websockets:python3-websockets

checkout=$PWD
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

fail() {
    echo "check-documents: $*" >&2
    exit 1
}

commands() { # DOCUMENT: its ```sh blocks, without the indentation of lists
    awk '
        /^ *```/ && inside { inside = 0; next }
        /^ *```sh$/ { inside = 1; indentation = index($0, "`") - 1; next }
        inside { print substr($0, indentation + 1) }
    ' "$1"
}

# Each command of make names targets and variables that there are.
for document in docs/deploy.md docs/in-a-web-function.md; do
    commands "$document" | grep '^make ' | sed 's/#.*//' >"$room/make"
    [ -s "$room/make" ] || fail "$document has no commands"
    while read -r line; do
        sh -c "make -n ${line#make }" >/dev/null || fail "$document: $line"
    done <"$room/make"
done

# Two nodes, as the document has them. Built by now: the first line.
mkdir -p "$room/cluster/target"
ln -s "$checkout/target/package" "$room/cluster/target/package"
commands docs/cluster.md | grep -v '^make ' >"$room/cluster/commands"
(cd "$room/cluster" && sh -eu ./commands >printed) || fail "docs/cluster.md: $(cat "$room"/cluster/printed "$room"/cluster/*.log)"
for expected in '"errNo":0' '< hello' 'is lost: this node calls the cleanup function' 'is taken over: 1 cleanup'; do
    grep -qF "$expected" "$room/cluster/printed" || fail "docs/cluster.md does not print $expected: $(cat "$room/cluster/printed")"
done
[ "$(grep -c 'role=cleanup connection' "$room/cluster/two.log")" -eq 2 ] || fail "docs/cluster.md: not a cleanup for each client"
echo "docs/cluster.md: its commands do what it says"
