"""A stub of TIR's documented REST API over real HTTP, as the real one cannot be had: strict, with trouble on order."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

API_KEY = "stub-api-key-5f3c9b"
TOKEN = "stub-bearer-token-a81d77"
PROJECT = 42
LOCATION = "Delhi"


@dataclass
class Trouble:
    """What to answer instead, `times` times, to the calls whose method and path match.

    Attributes:
        cut: close the connection without an answer.
        after: do the call first.
    """

    call: str
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1_000_000
    cut: bool = False
    after: bool = False


@dataclass
class Tir:
    """The state of the stub.

    Attributes:
        bucket: what a managed repository is given: bucket_name, access_key, secret_key.
        outcome: the state an endpoint reaches; `Deploying` is one that never ends.
        looks: how often it is still deploying when asked.
        late: how often its state of before is told after a change.
        calls: method and path of every call, in order.
        bodies: the JSON of every change, by call.
    """

    bucket: dict[str, str] = field(default_factory=dict)
    outcome: str = "Running"
    looks: int = 2
    late: int = 2
    troubles: list[Trouble] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    bodies: list[tuple[str, Any]] = field(default_factory=list)
    repositories: dict[int, dict[str, Any]] = field(default_factory=dict)
    endpoints: dict[int, dict[str, Any]] = field(default_factory=dict)
    url: str = ""
    _under_way: dict[int, list[str]] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any, Any]:
        """Do one call; returns status, data and errors."""
        call = f"{method} {path}"
        self.calls.append(call)
        if body is not None:
            self.bodies.append((call, body))
        match = re.fullmatch(r"serving/(model|inference)/(?:(\d+)/)?(logs/)?", path)
        if match is None:
            return 404, None, "no such path"
        kind, number, logs = match.groups()
        table = self.repositories if kind == "model" else self.endpoints
        if number is None:
            return self._collection(method, kind, table, body)
        if int(number) not in table:
            return 404, None, f"{kind} {number} not found"
        if logs:
            return 200, ["MODEL_LOG - loading", "MODEL_LOG - ModuleNotFoundError: No module named 'cv2'"], None
        return self._one(method, kind, int(number), body)

    def _collection(self, method: str, kind: str, table: dict[int, Any], body: Any) -> tuple[int, Any, Any]:
        if method == "GET":
            return 200, [{"id": number, "name": each["name"]} for number, each in table.items()], None
        if any(each["name"] == body["name"] for each in table.values()):
            return 409, None, {"name": ["already exists"]}
        number = 100 + len(table)
        if kind == "model":
            kept = {key: value for key, value in body.items() if key not in ("access_key", "secret_key")}
            given = self.bucket if body["storage_type"] == "managed" else {}
            table[number] = {**kept, "id": number, "bucket": {**self.bucket, **given}}
        else:
            if body["model_id"] not in self.repositories:
                return 400, None, {"model_id": ["unknown"]}
            table[number] = {**body, "id": number}
            self._begin(number)
        return 201, {"id": number, "name": body["name"]}, None

    def _one(self, method: str, kind: str, number: int, body: Any) -> tuple[int, Any, Any]:
        table = self.repositories if kind == "model" else self.endpoints
        if method == "DELETE":
            del table[number]
            return 200, {}, None
        if method == "PUT":
            action = body["action"]
            if action in ("patch", "update_auto_scale"):
                table[number].update({key: value for key, value in body.items() if key != "action"})
            if action == "stop":
                table[number]["status"] = "Stopped"
                self._under_way.pop(number, None)
            elif action in ("start", "restart") or (action == "patch" and table[number]["status"] != "Stopped"):
                self._begin(number)
            elif action not in ("patch", "update_auto_scale"):
                return 400, None, {"action": ["unknown"]}
            return 200, {"id": number}, None
        if kind == "inference" and self._under_way.get(number):
            table[number]["status"] = self._under_way[number].pop(0)
        return 200, table[number], None

    def _begin(self, number: int) -> None:
        before = self.endpoints[number].setdefault("status", "Deploying")
        self._under_way[number] = [before] * self.late + ["Deploying"] * self.looks + [self.outcome]

    def finish(self) -> None:
        """Let all endpoints run."""
        self._under_way.clear()
        for endpoint in self.endpoints.values():
            endpoint["status"] = "Running"

    def trouble(self, call: str) -> Trouble | None:
        """Return the trouble ordered for a call, if any."""
        for each in self.troubles:
            if each.times and re.match(each.call, call):
                each.times -= 1
                return each
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Tir

    def log_message(self, *arguments: Any) -> None:
        pass

    def do(self) -> None:
        parts = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if parts.path.startswith("/infer/"):
            return self.predict(parts.path, content)
        path, body = parts.path.removeprefix("/api/"), json.loads(content) if content else None
        trouble = self.state.trouble(f"{self.command} {path}")
        if trouble:
            return self.spoil(trouble, path, body)
        refused = self.refused(dict(parse_qsl(parts.query)))
        status, data, errors = refused or self.state.answer(self.command, path, body)
        message = "Success" if status < 300 else "Failed"
        return self.say(status, {"code": status, "data": data, "errors": errors, "message": message}, {})

    def spoil(self, trouble: Trouble, path: str, body: Any) -> None:
        if trouble.after:
            self.state.answer(self.command, path, body)
        else:
            self.state.calls.append(f"{self.command} {path}")
        if trouble.cut:
            self.close_connection = True
        else:
            self.say(trouble.status, trouble.body, trouble.headers)

    def refused(self, query: dict[str, str]) -> tuple[int, Any, Any] | None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}" or query.get("apikey") != API_KEY:
            return 401, None, "Invalid token"
        if (query.get("project_id"), query.get("location")) != (str(PROJECT), LOCATION):
            return 403, None, "no access to this project"
        return None

    def predict(self, path: str, content: bytes) -> None:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            self.say(200, {"path": path, "bytes": len(content)}, {})
        else:
            self.say(401, {"detail": "no"}, {})

    def say(self, status: int, body: Any, headers: dict[str, str]) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do  # noqa: N815


@contextlib.contextmanager
def tir() -> Iterator[Tir]:
    """Run a stub on a free port; its API is at `url`/api, predictions at `url`/infer."""
    state = Tir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Bound", (_Handler,), {"state": state}))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
