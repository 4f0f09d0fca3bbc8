#!/bin/sh
# Checks the dependencies: licences, sources and bans always; known weaknesses where the database of advisories, which
# lives on GitHub, can be reached.
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
    echo "audit: NOT CHECKED for known weaknesses: the database of advisories cannot be reached from here" >&2
fi
