"""A stand-in for SCF, with functions that accept every client and push every frame back to it."""

import http.server
import json
import pathlib
import urllib.request


def carry_out(name: str, event: dict) -> dict:
    frame = event["websocket"]
    if name == "ws-transfer":
        body = {"websocket": {**frame, "action": "data send"}}
        # The token from step 7.
        token = pathlib.Path("/root/token").read_text().strip()
        request = urllib.request.Request(f"http://10.0.0.5:9001/api-{token}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert json.load(answer)["errNo"] == 0
    return {"errNo": 0, "errMsg": "ok", "websocket": {"action": frame["action"]}}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["X-TC-Action"] == "InvokeFunction":
            said = carry_out(asked["FunctionName"], json.loads(asked["Event"]))
            answer = {"Result": {"RetMsg": json.dumps(said), "ErrMsg": "", "InvokeResult": 0}, "RequestId": "1"}
        else:
            answer = {"Status": "Active", "RequestId": "1"}
        body = json.dumps({"Response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 9100), Handler).serve_forever()
