#!/usr/bin/env bash
# The register function on bash and curl, like the vendor's sample of a bootstrap: one curl per call. Bash has no JSON
# parser, so patterns extract the answer's fields from the event.
set -euo pipefail

base=http://$SCF_RUNTIME_API:$SCF_RUNTIME_API_PORT/runtime

field() { # prints the JSON string that the event has under this key
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
