"""An emulator of Azure's control plane, its login, its registry's token exchange and its scoring, as one HTTPS server.

It keeps what it is given and answers in the service's own shapes, so that the vendor's SDK runs unchanged against it.
Faults are laid in wait with `fail`; what it was asked for stands in `calls`.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit

TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT_SECRET = "client-secret-never-shown"
ACCESS_TOKEN = "access-token-never-shown"
REFRESH_TOKEN = "refresh-token-never-shown"
ENDPOINT_KEY = "endpoint-key-never-shown"
SECRETS = (CLIENT_SECRET, ACCESS_TOKEN, REFRESH_TOKEN, ENDPOINT_KEY)
WORKSPACE = "/subscriptions/sub/resourceGroups/group/providers/Microsoft.MachineLearningServices/workspaces/space"
_SYSTEM = {"createdBy": "t", "createdByType": "User", "createdAt": "2026-01-01T00:00:00Z"}
_SYSTEM.update({f"lastModified{key[7:]}": value for key, value in _SYSTEM.items()})
_AT_ONCE = {"retry-after-ms": "50"}


@dataclass
class Fault:
    """An answer laid in wait for `times` calls of a method whose path holds `path`; no status hangs up half-way."""

    method: str
    path: str
    status: Optional[int]
    code: str = "Fault"
    message: str = "a fault laid in wait"
    headers: dict[str, str] = field(default_factory=lambda: dict(_AT_ONCE))
    times: int = 1


@dataclass
class Azure:
    """The state of one emulated workspace.

    Attributes:
        resources: by path below the workspace, in the service's JSON.
        calls: `METHOD path` of every call, in order.
        scored: the deployment that answered, for each prediction.
        key: what the endpoints' callers have to know.
        refresh_after: when an endpoint's token is to be asked for again, in seconds since the epoch.
        looks: how many looks an operation takes to end; `None` for one that never does.
        outcome: how the next deployments end, with the reason.
        log: what a deployment's container wrote.
    """

    storage: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    scored: list[str] = field(default_factory=list)
    key: str = ENDPOINT_KEY
    refresh_after: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    looks: Optional[int] = 1
    outcome: tuple[str, str, str] = ("Succeeded", "", "")
    log: str = "model-server started\n"
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)

    def fail(self, method: str, path: str, status: Optional[int], **rest: Any) -> None:
        """Lay a fault in wait."""
        self.faults.append(Fault(method, path, status, **rest))

    def release(self) -> None:
        """Let operations that never end do so at the third look at what they work on."""
        with self.lock:
            for operation in self.operations.values():
                operation["left"] = 3

    def add_model(self, name: str, version: str, tags: dict[str, str], uri: str) -> None:
        """Have a version of a model registered."""
        path = f"/models/{name}/versions/{version}"
        properties = {"modelUri": uri, "modelType": "custom_model", "flavors": {}, "tags": tags}
        self.resources[path] = _resource(path, properties, tags=tags)

    def fault(self, method: str, path: str) -> Optional[Fault]:
        """Return the fault that waits for a call, if one does."""
        for one in self.faults:
            if one.method == method and one.path in path and one.times > 0:
                one.times -= 1
                return one
        return None


Answer = tuple[int, dict[str, str], Any]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    azure: Azure

    def do_GET(self) -> None:
        self._serve()

    do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _serve(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.azure.lock:
            scores = path.startswith("/predictions/")
            if not scores:
                self.azure.calls.append(f"{self.command} {path}")
            fault = self.azure.fault(self.command, path)
            if fault is not None and fault.status is None:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
                self.close_connection = True
                return
            if fault is not None and fault.status is not None:
                status, headers, value = fault.status, fault.headers, _error(fault.code, fault.message)
            else:
                status, headers, value = self._score(path, body) if scores else self._answer(path, body)
        text = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for key, content in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
            self.send_header(key, content)
        self.end_headers()
        self.wfile.write(text)

    def _answer(self, path: str, body: bytes) -> Answer:
        if path.startswith(f"/{TENANT}/"):
            return self._login(path, body)
        if path == "/oauth2/exchange":
            form = parse_qs(body.decode())
            good = form["access_token"] == [ACCESS_TOKEN] and form["grant_type"] == ["access_token"]
            return (200, {}, {"refresh_token": REFRESH_TOKEN}) if good else (401, {}, _error("UNAUTHORIZED", "no"))
        if self.headers.get("Authorization") != f"Bearer {ACCESS_TOKEN}":
            return 401, {}, _error("InvalidAuthenticationToken", "The access token is invalid.")
        if path.startswith("/operations/"):
            return self._operation(path)
        if not path.startswith(WORKSPACE):
            return 404, {}, _error("SubscriptionNotFound", f"nothing at {path}")
        return self._resource(path[len(WORKSPACE) :], body)

    def _score(self, path: str, body: bytes) -> Answer:
        """Predict with the deployment that the header names, or else with the one that gets most of the traffic."""
        if self.headers.get("Authorization") != f"Bearer {self.azure.key}":
            return 401, {}, _error("Unauthorized", f"not with {self.headers.get('Authorization')}")
        endpoint = min(one for one in self.azure.resources if one.startswith("/onlineEndpoints/"))
        traffic = self.azure.resources[endpoint]["properties"]["traffic"]
        chosen = self.headers.get("azureml-model-deployment") or max(traffic, key=traffic.get, default="")
        if f"{endpoint}/deployments/{chosen}" not in self.azure.resources:
            return 404, {}, _error("DeploymentNotFound", f"there is no deployment {chosen!r}")
        self.azure.scored.append(chosen)
        return 200, {}, {"path": path, "deployment": chosen, "bytes": len(body)}

    def _login(self, path: str, body: bytes) -> Answer:
        base = f"{self.azure.url}/{TENANT}"
        if path.endswith("/openid-configuration"):
            return (
                200,
                {},
                {
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "issuer": f"{base}/v2.0",
                },
            )
        if parse_qs(body.decode()).get("client_secret") != [CLIENT_SECRET]:
            return 401, {}, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."}
        return 200, {}, {"token_type": "Bearer", "expires_in": 3600, "access_token": ACCESS_TOKEN}

    def _operation(self, path: str) -> Answer:
        operation = self.azure.operations[path]
        operation["looks"] += 1
        if operation["needed"] is None or operation["looks"] < operation["needed"]:
            return 200, _AT_ONCE, {"status": "InProgress"}
        state, code, message = operation["outcome"]
        self._end(operation, state)
        error = {} if state == "Succeeded" else _error(code, message)
        return 200, {}, {"status": state, **error}

    def _end(self, operation: dict[str, Any], state: str) -> None:
        where = operation["path"]
        if operation["delete"]:
            for path in [one for one in self.azure.resources if one == where or one.startswith(where + "/")]:
                del self.azure.resources[path]
        elif where in self.azure.resources:
            self.azure.resources[where]["properties"]["provisioningState"] = state

    def _resource(self, path: str, body: bytes) -> Answer:
        known = self.azure.resources
        if path == "":
            return 200, {}, _resource("", {"provisioningState": "Succeeded"}, location="westeurope")
        if path.startswith("/datastores"):
            return self._datastore(path)
        endpoint = re.match(r"/onlineEndpoints/[^/]+(?:/deployments/[^/]+)?(?=/)", path)
        if endpoint is not None and endpoint[0] not in known:
            return 404, {}, _error("ResourceNotFound", f"there is no {endpoint[0]}")
        if self.command == "POST":
            return self._tell(path, body)
        if self.command == "PUT":
            return self._put(path, json.loads(body))
        if self.command == "DELETE":
            return self._delete(path)
        if path in known:
            self._look(path)
        if path in known:
            return 200, {}, known[path]
        children = [value for key, value in known.items() if key.rpartition("/")[0] == path]
        if path.endswith(("/deployments", "/versions")):
            return 200, {}, {"value": children}
        return 404, {}, _error("ResourceNotFound", f"there is no {path.rpartition('/')[2]}")

    def _tell(self, path: str, body: bytes) -> Answer:
        if path.endswith("/getLogs"):
            tail = json.loads(body).get("tail")
            return 200, {}, {"content": "\n".join(self.azure.log.splitlines()[-tail:])}
        if path.endswith("/token"):
            times = {"expiryTimeUtc": self.azure.refresh_after + 600, "refreshAfterTimeUtc": self.azure.refresh_after}
            return 200, {}, {"accessToken": self.azure.key, "tokenType": "Bearer", **times}
        return 200, {}, {"primaryKey": ENDPOINT_KEY, "secondaryKey": ENDPOINT_KEY}

    def _look(self, path: str) -> None:
        for operation in self.azure.operations.values():
            if operation["path"] == path and operation["left"]:
                operation["left"] -= 1
                if not operation["left"]:
                    self._end(operation, operation["outcome"][0])

    def _put(self, path: str, sent: dict[str, Any]) -> Answer:
        properties = sent.setdefault("properties", {})
        slow = "/onlineEndpoints/" in path
        made = path not in self.azure.resources
        if slow:
            endpoint = "/deployments/" not in path
            properties["provisioningState"] = "Creating" if made else "Updating"
            if endpoint:
                properties.update({"scoringUri": f"{self.azure.url}/score", "swaggerUri": None})
                properties.setdefault("traffic", {})
            elif path.rpartition("/deployments/")[0] not in self.azure.resources:
                return 404, {}, _error("ResourceNotFound", "there is no such endpoint")
            else:
                properties.setdefault("scaleSettings", {"scaleType": "Default"})
        else:
            properties["provisioningState"] = "Succeeded"
        if path.startswith("/models/"):
            properties.setdefault("flavors", {})
        self.azure.resources[path] = _resource(path, properties, **{k: v for k, v in sent.items() if k != "properties"})
        if not slow:
            return 201, {}, self.azure.resources[path]
        outcome = self.azure.outcome if "/deployments/" in path else ("Succeeded", "", "")
        return 201, self._begin(path, outcome, delete=False), self.azure.resources[path]

    def _delete(self, path: str) -> Answer:
        if path not in self.azure.resources:
            return 204, {}, None
        endpoint, _, deployment = path.partition("/deployments/")
        if deployment and self.azure.resources[endpoint]["properties"]["traffic"].get(deployment):
            return 409, {}, _error("Conflict", "the deployment has live traffic")
        self.azure.resources[path]["properties"]["provisioningState"] = "Deleting"
        return 202, self._begin(path, ("Succeeded", "", ""), delete=True), None

    def _begin(self, path: str, outcome: tuple[str, str, str], *, delete: bool) -> dict[str, str]:
        where = f"/operations/{len(self.azure.operations)}"
        operation = {"path": path, "outcome": outcome, "delete": delete, "looks": 0, "needed": self.azure.looks}
        self.azure.operations[where] = {**operation, "left": 0}
        return {**_AT_ONCE, "Azure-AsyncOperation": self.azure.url + where, "Location": self.azure.url + where}

    def _datastore(self, path: str) -> Answer:
        if path.endswith("/listSecrets"):
            if "sas" in self.azure.storage:
                return 200, {}, {"secretsType": "Sas", "sasToken": self.azure.storage["sas"]}
            return 200, {}, {"secretsType": "AccountKey", "key": self.azure.storage["key"]}
        properties = {
            "datastoreType": "AzureBlob",
            "accountName": self.azure.storage["account"],
            "containerName": self.azure.storage["container"],
            "endpoint": "core.windows.net",
            "protocol": "https",
            "isDefault": True,
            "credentials": {"credentialsType": "AccountKey"},
        }
        return 200, {}, _resource(path, properties)


def _resource(path: str, properties: dict[str, Any], **rest: Any) -> dict[str, Any]:
    name = re.sub(r".*/", "", path) or "space"
    kind = {"type": "Microsoft.MachineLearningServices/workspaces", "systemData": _SYSTEM}
    return {"id": WORKSPACE + path, "name": name, **kind, **rest, "properties": properties}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


@contextmanager
def serving(azure: Azure, certificate: Path, key: Path) -> Iterator[Azure]:
    """Serve the emulator on a free port of 127.0.0.1."""
    handler = type("Handler", (_Handler,), {"azure": azure})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        azure.url = f"https://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield azure
        finally:
            server.shutdown()
            thread.join()
