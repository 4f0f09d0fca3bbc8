"""The runtime API and the reverse push address from a function's side, for the runtimes beside this file."""

import http.client
import json
import os
import urllib.parse

ROLE = os.environ["WS_ROLE"]


class Runtime:
    """The runtime API: ready() once, then next() and response() or error() for each event."""

    def __init__(self):
        self._address = (os.environ["SCF_RUNTIME_API"], int(os.environ["SCF_RUNTIME_API_PORT"]))
        self._line = http.client.HTTPConnection(*self._address)

    def call(self, method, path, body=None):
        self._line.request(method, "/runtime" + path, body)
        response = self._line.getresponse()
        return response.status, response.read(), response.headers

    def ready(self, body=b" "):
        return self.call("POST", "/init/ready", body)[0]

    def next(self):
        _, event, headers = self.call("GET", "/invocation/next")
        return event, headers

    def response(self, answer):
        return self.call("POST", "/invocation/response", encoded(answer))[0]

    def error(self, message):
        return self.call("POST", "/invocation/error", encoded(message))[0]


class Push:
    """The reverse push address, over one kept line."""

    def __init__(self):
        self._url = urllib.parse.urlsplit(os.environ["WS_PUSH_URL"])
        self._line = http.client.HTTPConnection(self._url.netloc)

    def post(self, websocket):
        return self.post_bytes(json.dumps({"websocket": websocket}).encode())

    def post_bytes(self, body):
        target = self._url.path + ("?" + self._url.query if self._url.query else "")
        self._line.request("POST", target, body)
        return json.loads(self._line.getresponse().read())

    def send(self, connection, data_type, data):
        fields = {"action": "data send", "secConnectionID": connection, "dataType": data_type, "data": data}
        return self.post(fields)

    def close(self, connection):
        return self.post({"action": "closing", "secConnectionID": connection})


def accepted(event):
    """The accepting answer to a connecting event, its sub-protocols copied as they came."""
    websocket = {"action": "connecting", "secConnectionID": event["websocket"]["secConnectionID"]}
    if "secWebSocketProtocol" in event["websocket"]:
        websocket["secWebSocketProtocol"] = event["websocket"]["secWebSocketProtocol"]
    if "secWebSocketExtensions" in event["websocket"]:
        websocket["secWebSocketExtensions"] = ""
    return {"errNo": 0, "errMsg": "ok", "websocket": websocket}


def answer(event, push):
    """What a function of this role answers; the transfer function pushes a text back to its sender."""
    if ROLE == "register":
        return accepted(event)
    if ROLE == "transfer":
        push.send(event["websocket"]["secConnectionID"], "text", event["websocket"]["data"])
    return event


def encoded(answer):
    if isinstance(answer, bytes):
        return answer
    return (answer if isinstance(answer, str) else json.dumps(answer)).encode()
