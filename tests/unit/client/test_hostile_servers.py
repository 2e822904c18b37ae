"""Transport and probe against servers that lie, stall, flood and hang up."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from mardock.client import probe
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.endpoint import Endpoint, Tokens
from mardock.errors import ApiError, ConfigError, EngineNotRunningError, MardockError, ServingError

pytestmark = pytest.mark.enable_socket

Script = Callable[[socket.socket], None]
LIST = b'{"models": []}'


def answer(body: bytes, status: str = "200 OK", *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode() + body


def say(reply: bytes) -> Script:
    return lambda connection: connection.sendall(reply)


def flood(connection: socket.socket) -> None:
    """Send an error body of a gigabyte, or as much of it as is taken."""
    connection.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 1073741824\r\n\r\n")
    while True:
        connection.sendall(b"\x1b[2J<b>" * 8192)


class ScriptedServer:
    """Answers its n-th connection's first request with the n-th script, then closes it."""

    def __init__(self, *scripts: Script) -> None:
        self.requests: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._scripts = scripts
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def endpoint(self) -> Endpoint:
        url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        return Endpoint(url, url, url, credentials=Tokens("s3cr3t", "s3cr3t"))

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _run(self) -> None:
        for script in self._scripts:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed before the script's turn
                return
            with connection:
                self.requests.append(connection.recv(65536))
                try:
                    script(connection)
                except OSError:  # the client has heard enough
                    continue


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    servers: list[ScriptedServer] = []

    def start(*scripts: Script) -> ScriptedServer:
        servers.append(ScriptedServer(*scripts))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def list_with_client(endpoint: Endpoint) -> object:
    with ManagementClient(endpoint) as client:
        return client.list_models()


def list_with_probe(endpoint: Endpoint) -> object:
    return probe.models(endpoint, timeout=5)


@pytest.fixture(params=[list_with_client, list_with_probe], ids=["client", "probe"])
def list_models(request: pytest.FixtureRequest) -> Callable[[Endpoint], object]:
    found: Callable[[Endpoint], object] = request.param
    return found


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (flood, ApiError),
        (say(answer(b"\xff\xfe\x1b]0;owned\x07", "500 Oops")), ApiError),
        (say(answer(b"<html><body>login</body></html>")), ServingError),
        (say(answer(b"[1, 2]")), ServingError),
        (say(answer(b'{"models": [{"modelName": 7}]}')), ServingError),
        (say(answer(b"[" * 100_000)), ServingError),
        (say(answer(b"", "302 Found")), ApiError),
        (say(b"SSH-2.0-OpenSSH_9.2\r\n"), ServingError),
        (say(answer(b"s3cr3t", "400 Bad Request")), ApiError),
    ],
    ids=["flood", "not-utf8", "html", "other-json", "wrong-type", "deep", "redirect", "not-http", "echoed-token"],
)
def test_nonsense_becomes_one_clean_error(
    serve: Callable[..., ScriptedServer],
    list_models: Callable[[Endpoint], object],
    script: Script,
    error: type[MardockError],
) -> None:
    server = serve(script, script)

    with pytest.raises(error) as raised:
        list_models(server.endpoint)

    said = f"{raised.value.message}{raised.value.details}{raised.value.hint}"
    assert said.isprintable()
    assert len(said) < 1000
    assert "s3cr3t" not in said


def test_a_get_survives_one_hung_up_connection(serve: Callable[..., ScriptedServer]) -> None:
    server = serve(say(b""), say(answer(LIST)))

    assert list_with_client(server.endpoint) == []
    assert len(server.requests) == 2


def test_a_prediction_is_never_sent_twice(serve: Callable[..., ScriptedServer]) -> None:
    server = serve(say(b""), say(answer(b"7")))

    with InferenceClient(server.endpoint) as client, pytest.raises(ServingError, match="hung up"):
        client.predict("mnist", b"digit")

    assert len(server.requests) == 1


def test_an_answer_cut_short_is_no_answer(serve: Callable[..., ScriptedServer]) -> None:
    server = serve(say(answer(b"7", length=100)))

    with InferenceClient(server.endpoint) as client, pytest.raises(ServingError, match="hung up"):
        client.predict("mnist", b"digit")


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"], ids=["at-once", "in-body"])
def test_silence_ends_at_the_timeout(serve: Callable[..., ScriptedServer], head: bytes) -> None:
    heard = threading.Event()

    def stall(connection: socket.socket) -> None:
        connection.sendall(head)
        heard.wait(30)

    server = serve(stall)
    with InferenceClient(server.endpoint) as client, pytest.raises(ServingError, match=r"silent for 0\.1 s"):
        client.predict("mnist", b"digit", timeout=0.1)
    heard.set()


def test_nobody_there_means_up_was_not_run(list_models: Callable[[Endpoint], object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}"

    with pytest.raises(EngineNotRunningError) as raised:
        list_models(Endpoint(url, url))

    assert raised.value.hint == "mardock up"


@pytest.mark.parametrize(
    "url", ["localhost:8081", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port", "http://[::1", "http://exa mple"]
)
def test_an_address_that_is_none_is_refused(list_models: Callable[[Endpoint], object], url: str) -> None:
    with pytest.raises(ConfigError):
        list_models(Endpoint(url, url))


def test_a_proxy_from_the_environment_is_not_asked_for_this_machine(
    serve: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)

    assert list_with_client(serve(say(answer(LIST))).endpoint) == []


@pytest.mark.parametrize(
    ("reply", "there"),
    [
        (answer(b'{"status": "Healthy"}'), True),
        (answer(b'{"status": "Unhealthy"}', "500 Internal Server Error"), True),
        (answer(b'{"code": 400, "type": "InvalidKeyException", "message": "Token"}', "400 Bad Request"), True),
        (answer(b"<html>It works!</html>"), False),
        (answer(b"[]"), False),
        (answer(b"", "503 Service Unavailable"), False),
        (b"", False),
    ],
    ids=["healthy", "unhealthy", "token", "other-server", "other-json", "proxy", "hangs-up"],
)
def test_only_a_torchserve_answers(serve: Callable[..., ScriptedServer], reply: bytes, there: bool) -> None:
    server = serve(say(reply))

    assert probe.answers(server.endpoint, timeout=5) is there
    assert b"Authorization: Bearer s3cr3t" in server.requests[0]


def test_the_probe_leaves_requests_out() -> None:
    code = "import mardock.client.probe, sys; sys.exit('requests' in sys.modules or 'urllib3' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
