"""A proxy that leads nowhere and remembers what it was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

SCHEMES = ("http", "https", "all", "grpc", "ftp")


class Proxy:
    """Attributes:
    asked: each request line, e.g. `CONNECT serve.example:443 HTTP/1.1`.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[str] = []

    def variables(self, **more: str) -> dict[str, str]:
        """Return every variable that names a proxy, in both cases, without an exception but those given."""
        named = {f"{scheme}_proxy": self.url for scheme in SCHEMES}
        none = {"no_proxy": "", "no_grpc_proxy": ""}
        told = {**named, **none, **more}
        return {**told, **{name.upper(): value for name, value in told.items()}}


@contextmanager
def proxy() -> Iterator[Proxy]:
    """Yield a proxy that listens until the block ends."""

    class Refusing(BaseHTTPRequestHandler):
        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._refuse
            raise AttributeError(name)

        def _refuse(self) -> None:
            found.asked.append(self.requestline)
            self.send_error(502)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        found = Proxy(server.server_port)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield found
        finally:
            server.shutdown()
