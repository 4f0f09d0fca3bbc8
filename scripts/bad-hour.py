#!/usr/bin/python3
"""Reproduces the incidents of docs/one-bad-hour.md in three minutes, with a gateway and a few clients. Prints the log lines and the
changed metrics of each scene, from which the page is written.

    scripts/bad-hour.py target/package/gateway
    scripts/bad-hour.py target/package/gateway docs/one-bad-hour.md     fails if the page has lines that the gateway does not print

Requires redis-server, openssl, and the Python package websockets."""

import asyncio
import http.server
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import websockets

ROOM = pathlib.Path(tempfile.mkdtemp())
ADMIN = "http://127.0.0.1:9402"
SETTINGS = """listen = "127.0.0.1:9400"
push_listen = "127.0.0.1:9401"
admin_listen = "127.0.0.1:9402"
push_token = "0123456789abcdef"
cluster = "redis://127.0.0.1:9403/0"
drain_seconds = 5
tls.certificate = "certificate.pem"
tls.key = "key.pem"

[limits]
connections = 10000
handshakes_per_second_per_ip = 40
send_queue_bytes = 65536

[[api]]
path = "/chat"
register = "http://127.0.0.1:9404/register"
transfer = "http://127.0.0.1:9404/transfer"
cleanup = "http://127.0.0.1:9404/cleanup"
function_timeout_seconds = 2
"""


class Functions(http.server.BaseHTTPRequestHandler):
    """Accepts every client and pushes every frame back."""

    protocol_version = "HTTP/1.1"
    away = False

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if Functions.away:
            self.close_connection = True
            return
        frame, status = event["websocket"], 200
        if frame.get("data") == "please fail":
            status = 500
        elif self.path == "/transfer":
            push({**frame, "action": "data send"})
        body = b'{"errNo":0,"errMsg":"ok"}' if status == 200 else b"KeyError: 'name'"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


def functions() -> Server:
    server = Server(("127.0.0.1", 9404), Functions)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def push(websocket: dict) -> None:
    body = json.dumps({"websocket": websocket}).encode()
    try:
        urllib.request.urlopen("http://127.0.0.1:9401/api-0123456789abcdef", body, timeout=5).read()
    except OSError:
        pass


def get(path: str) -> str:
    try:
        return urllib.request.urlopen(ADMIN + path, timeout=5).read().decode()
    except urllib.error.HTTPError as refused:
        return f"{refused.code} {refused.read().decode()}"


def metrics() -> dict[str, float]:
    lines = [line for line in get("/metrics").splitlines() if not line.startswith("#")]
    wanted = [line for line in lines if not re.search("_bucket|_sum|process_|timestamp|_bytes|_seconds|build_info|configured|tls_|_deliveries|_connects", line)]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in wanted)}


def redis() -> subprocess.Popen:
    command = ["redis-server", "--port", "9403", "--save", "", "--daemonize", "no", "--logfile", "/dev/null"]
    return subprocess.Popen(command, cwd=ROOM, stdout=subprocess.DEVNULL)


def context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ROOM / "certificate.pem")


def connect(**options: object) -> websockets.connect:
    return websockets.connect("wss://localhost:9400/chat", ssl=context(), **options)


async def client() -> None:
    """Sends a frame every second, and reconnects when it is closed or refused."""
    while True:
        try:
            async with connect() as socket:
                while True:
                    await socket.send("hello")
                    await asyncio.wait_for(socket.recv(), 5)
                    await asyncio.sleep(1)
        except (OSError, asyncio.TimeoutError, websockets.WebSocketException):
            await asyncio.sleep(1)


def kind(line: str) -> str:
    """A line without numbers, ids and addresses: the same for all lines of a kind."""
    return re.sub(r"\S*[0-9=]\S*", "", line)


def strangers(page: str, said: list[str]) -> list[str]:
    """The lines of log and metrics on the page that the gateway did not print."""
    kinds = {kind(line) for line in said}
    series = {line.split(" ")[1] for line in said if line.startswith("--- ")}
    shown = [line for block in re.findall(r"(?s)```text\n(.*?)```", page) for line in block.splitlines()]
    is_strange = lambda line: kind(line) not in kinds if line.startswith("[") else line.split(" ")[0] not in series
    return [line for line in shown if is_strange(line)]


class Hour:
    def __init__(self, program: str) -> None:
        self.program, self.said = program, []
        self.log = open(ROOM / "log", "w+")
        self.shown, self.before = 0, {}
        command = [program, "--config", str(ROOM / "gateway.toml")]
        self.gateway = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log)

    def pid(self) -> int:
        taken = re.findall(r"process (\d+) has taken over", (ROOM / "log").read_text())
        return int(taken[-1]) if taken else self.gateway.pid

    async def scene(self, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        lines = (ROOM / "log").read_text().splitlines()
        print(f"\n=== {name}")
        kinds: dict[str, int] = {}
        for line in lines[self.shown :]:
            line = line.replace(str(ROOM), "/etc/scf-websocket").replace(self.program, "/usr/local/bin/gateway")
            self.said.append(line)
            kinds[kind(line)] = kinds.get(kind(line), 0) + 1
            if kinds[kind(line)] <= 2:
                print(line)
        self.shown = len(lines)
        print(f"--- {sum(count - 2 for count in kinds.values() if count > 2)} further lines like these")
        loop = asyncio.get_running_loop()
        try:
            now = await loop.run_in_executor(None, metrics)
            figures = [f"--- /readyz: {(await loop.run_in_executor(None, get, '/readyz')).strip()}"]
            health = json.loads(await loop.run_in_executor(None, get, "/admin/health"))
            figures.append(f"--- problems: {health['problems']}")
        except OSError:
            return
        changed = [(series, self.before.get(series, 0), value) for series, value in now.items()]
        figures += [f"--- {series} {before:g} -> {after:g}" for series, before, after in changed if before != after]
        print("\n".join(figures))
        self.said += figures
        self.before = now
        sys.stdout.flush()


async def flood(socket: websockets.WebSocketClientProtocol) -> None:
    """Pushes more to a client that does not read than its queue holds."""
    listed = json.loads(await asyncio.get_running_loop().run_in_executor(None, get, "/admin/connections?limit=1"))
    to = {"action": "data send", "secConnectionID": listed["connections"][0]["secConnectionID"], "dataType": "text"}
    for _ in range(200):
        await asyncio.get_running_loop().run_in_executor(None, push, {**to, "data": "x" * 60000})
    socket.transport.abort()


async def hour(program: str) -> list[str]:
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem".split(),
        cwd=ROOM, check=True, stderr=subprocess.DEVNULL,
    )
    (ROOM / "gateway.toml").write_text(SETTINGS)
    server, store = functions(), redis()
    await asyncio.sleep(1)
    hour = Hour(program)
    await asyncio.sleep(2)
    clients = [asyncio.create_task(client()) for _ in range(8)]
    await hour.scene("a quiet start, with a certificate that nobody has renewed", 8)

    one = await connect()
    await one.send("please fail")
    await one.wait_closed()
    await hour.scene("one frame that its function cannot deal with", 2)

    Functions.away = True
    server.shutdown()
    server.server_close()
    await hour.scene("the functions are away", 20)
    Functions.away = False
    server = functions()
    await hour.scene("and back", 25)

    slow = await connect(max_queue=1, read_limit=1024)
    slow.transport.pause_reading()
    await flood(slow)
    await hour.scene("a client that does not read", 3)

    async def knock() -> None:
        try:
            await (await connect()).close()
        except (OSError, websockets.WebSocketException):
            pass

    for _ in range(3):
        await asyncio.gather(*(knock() for _ in range(80)))
    await hour.scene("a storm of handshakes", 12)

    store.terminate()
    store.wait()
    await asyncio.gather(*(knock() for _ in range(10)))
    await hour.scene("Redis is away", 12)
    store = redis()
    await hour.scene("Redis is back", 12)

    (ROOM / "gateway.toml").write_text(SETTINGS.replace("drain_seconds = 5", "drain_seconds = soon").replace("[limits]", "[limit]"))
    os.kill(hour.pid(), signal.SIGHUP)
    await hour.scene("a file with mistakes", 2)
    (ROOM / "gateway.toml").write_text(SETTINGS)

    os.kill(hour.pid(), signal.SIGUSR2)
    await hour.scene("a new version", 12)

    os.kill(hour.pid(), signal.SIGTERM)
    await hour.scene("the end", 8)
    for task in clients:
        task.cancel()
    store.terminate()
    server.shutdown()
    return hour.said


if __name__ == "__main__":
    said = asyncio.run(hour(str(pathlib.Path(sys.argv[1]).resolve())))
    for page in sys.argv[2:]:
        if found := strangers(pathlib.Path(page).read_text(), said):
            sys.exit(f"{page} has lines that this gateway has not said:\n" + "\n".join(found))
