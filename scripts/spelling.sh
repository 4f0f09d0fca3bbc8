#!/bin/sh
# Checks the spelling of everything in the repository; typos.toml says what is right here. tests/links.rs checks the links.
set -eu
cd "$(dirname "$0")/.."
scripts/from-pypi.sh target/typos typos==1.52.0
exec target/typos/venv/bin/typos --format brief
