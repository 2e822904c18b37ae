"""A small client of the Debug Adapter Protocol, for tests that stop at real breakpoints."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Optional

TIMEOUT_S = 60.0


class DebugClient:
    """One editor's connection to a debug adapter."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._stream = self._socket.makefile("rwb")
        self._sequence = 0
        self._events: list[dict[str, Any]] = []
        self._answers: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> DebugClient:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], at: Optional[TracebackType]
    ) -> None:
        self.request("disconnect")
        self.close()

    def attach(self, configuration: Mapping[str, Any], breakpoints: Mapping[Path, Sequence[int]]) -> list[bool]:
        """Attach as an editor would with an entry of launch.json; say which breakpoints the debugger accepted."""
        self.request("initialize", adapterID="debugpy", pathFormat="path", linesStartAt1=True, columnsStartAt1=True)
        attached = self._send("attach", dict(configuration))
        self.event("initialized")
        verified = []
        for path, lines in breakpoints.items():
            asked = [{"line": line} for line in lines]
            answer = self.request("setBreakpoints", source={"path": str(path)}, breakpoints=asked)
            verified += [found["verified"] for found in answer["breakpoints"]]
        self.request("configurationDone")
        self._answer(attached)
        return verified

    def stopped(self) -> int:
        """Wait until a thread stops, and return it."""
        thread: int = self.event("stopped")["threadId"]
        return thread

    def frame(self, thread: int) -> dict[str, Any]:
        """Return the innermost call of a stopped thread."""
        found: dict[str, Any] = self.request("stackTrace", threadId=thread)["stackFrames"][0]
        return found

    def local_variables(self, frame: Mapping[str, Any]) -> dict[str, str]:
        """Return the local variables of a call as the debugger shows them."""
        scopes = self.request("scopes", frameId=frame["id"])["scopes"]
        found = self.request("variables", variablesReference=scopes[0]["variablesReference"])["variables"]
        return {variable["name"]: variable["value"] for variable in found}

    def resume(self, thread: int) -> None:
        """Let a stopped thread go on."""
        self.request("continue", threadId=thread)

    def event(self, name: str) -> dict[str, Any]:
        """Wait for an event and return its body."""
        while True:
            for index, event in enumerate(self._events):
                if event["event"] == name:
                    body: dict[str, Any] = self._events.pop(index).get("body", {})
                    return body
            self._receive()

    def request(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and return the body of its answer."""
        return self._answer(self._send(command, arguments))

    def close(self) -> None:
        """Hang up without a word, as an editor that crashes does."""
        self._stream.close()
        self._socket.close()

    def _send(self, command: str, arguments: dict[str, Any]) -> int:
        self._sequence += 1
        message = {"seq": self._sequence, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self._stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._stream.flush()
        return self._sequence

    def _answer(self, sequence: int) -> dict[str, Any]:
        while sequence not in self._answers:
            self._receive()
        answer = self._answers.pop(sequence)
        assert answer["success"], answer
        body: dict[str, Any] = answer.get("body") or {}
        return body

    def _receive(self) -> None:
        length = 0
        while (header := self._stream.readline()) != b"\r\n":
            if not header:
                raise ConnectionError("the debugger hung up")
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        message = json.loads(self._stream.read(length))
        if message["type"] == "event":
            self._events.append(message)
        elif message["type"] == "response":
            self._answers[message["request_seq"]] = message
