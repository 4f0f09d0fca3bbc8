// The register function on Node.js: a bootstrap's loop over a keep-alive agent.
"use strict";
const http = require("node:http");

const { SCF_RUNTIME_API: host, SCF_RUNTIME_API_PORT: port } = process.env;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, agent, method, path, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve(Buffer.concat(chunks).toString()));
    });
    request.on("error", reject);
    request.end(body);
  });
}

function register(event) {
  if (!("requestContext" in event)) return { errNo: 101, errMsg: "not found request context" };
  if (!("websocket" in event)) return { errNo: 102, errMsg: "not found websocket" };
  const { secConnectionID, secWebSocketProtocol, secWebSocketExtensions } = event.websocket;
  const websocket = { action: "connecting", secConnectionID };
  if (secWebSocketProtocol !== undefined) websocket.secWebSocketProtocol = secWebSocketProtocol;
  if (secWebSocketExtensions !== undefined) websocket.secWebSocketExtensions = "";
  return { errNo: 0, errMsg: "ok", websocket };
}

(async () => {
  await call("POST", "/runtime/init/ready", " ");
  for (;;) {
    const event = JSON.parse(await call("GET", "/runtime/invocation/next"));
    await call("POST", "/runtime/invocation/response", JSON.stringify(register(event)));
  }
})();
