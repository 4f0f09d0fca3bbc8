#!/bin/sh
# Runs Autobahn's tests of permessage-deflate against the gateway: scripts/autobahn.sh [WSTEST [CASES]]. WSTEST comes with
# `pip install autobahntestsuite` for CPython 2.7, CASES are such as 12.1.*; ends with 1 if one of them has FAILED. GATEWAY
# names the program, if it is not to be built.
set -eu
cd "$(dirname "$0")/.."
wstest=${1:-wstest}
cases=${2:-'12.*","13.*'}

program=${GATEWAY:-target/package/gateway}
[ -n "${GATEWAY:-}" ] || make gateway
folder=$(mktemp -d)
gateway=
trap '[ -z "$gateway" ] || kill "$gateway"; rm -rf "$folder"' EXIT
functions=process:$PWD/gateway/tests/runtimes/echo.py
cat >"$folder/gateway.toml" <<END
listen = "127.0.0.1:9390"
compression = { min_bytes = 1 }
[limits]
frames_per_second = 1000000
[[api]]
path = "/"
register = "$functions"
transfer = "$functions"
cleanup = "$functions"
END
cat >"$folder/cases.json" <<END
{"outdir": "$folder/report", "servers": [{"agent": "gateway", "url": "ws://127.0.0.1:9390/"}],
 "cases": ["$cases"], "exclude-cases": [], "exclude-agent-cases": {}}
END
RUST_LOG=error "$program" --config "$folder/gateway.toml" &
gateway=$!
"$wstest" -m fuzzingclient -s "$folder/cases.json"
python3 - "$folder/report/index.json" <<'END'
import collections, json, sys

cases = json.load(open(sys.argv[1]))["gateway"]
print(dict(collections.Counter(case["behavior"] for case in cases.values())))
failed = [name for name, case in cases.items() if "FAILED" in (case["behavior"], case["behaviorClose"])]
sys.exit(f"failed: {failed}" if failed or not cases else 0)
END
