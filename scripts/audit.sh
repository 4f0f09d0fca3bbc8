#!/bin/sh
# Checks the dependencies' licences, sources and bans, and known vulnerabilities if the advisory database on GitHub is
# reachable.
set -eu
cd "$(dirname "$0")/.."

if ! cargo deny --version >/dev/null 2>&1; then
    echo "installing cargo-deny" >&2
    cargo install -q --locked cargo-deny
fi

cargo deny --locked check bans licenses sources
if cargo deny --locked fetch db >/dev/null 2>&1; then
    cargo deny --locked check advisories
else
    echo "audit: NOT CHECKED for known vulnerabilities: the advisory database is unreachable" >&2
fi
