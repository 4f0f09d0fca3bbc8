#!/usr/bin/env bash
# The function on bash and curl, as the vendor's sample of a bootstrap does it: one curl a call. Without a JSON parser
# among bash's own means the answer's fields are cut out of the event by patterns.
set -euo pipefail

base=http://$SCF_RUNTIME_API:$SCF_RUNTIME_API_PORT/runtime

field() { # the JSON string of this key in the event
    [[ $event =~ \"$1\":(\"[^\"]*\") ]] && printf %s "${BASH_REMATCH[1]}"
}

curl -sS -d " " "$base/init/ready"
while true; do
    event=$(curl -sS "$base/invocation/next")
    answer='{"errNo":0,"errMsg":"ok","websocket":{"action":"connecting"'
    answer+=",\"secConnectionID\":$(field secConnectionID)"
    if protocol=$(field secWebSocketProtocol); then answer+=",\"secWebSocketProtocol\":$protocol"; fi
    if field secWebSocketExtensions >/dev/null; then answer+=',"secWebSocketExtensions":""'; fi
    curl -sS -d "$answer}}" "$base/invocation/response"
done
