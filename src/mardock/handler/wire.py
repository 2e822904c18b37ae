"""The frames TorchServe's frontend and worker exchange: requests written as the frontend does, its reading of answers.

Source: `ts/protocol/otf_message_handler.py` of TorchServe 0.12, which reads the one and writes the other.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mardock.handler.frontend import parameters
from mardock.handler.outcome import Reply
from mardock.payload import Payload

_END = struct.pack("!i", -1)


def headers(request: Payload) -> dict[str, str]:
    """Return what the frontend passes on of a prediction's headers, spelt as `mardock predict` does."""
    return {
        "explain": "False",
        "Accept": "*/*",
        "User-Agent": "mardock",
        "Connection": "keep-alive",
        "Host": "127.0.0.1:8080",
        "Accept-Encoding": "identity",
        "Content-Length": str(len(request.body)),
        **({"Content-Type": request.content_type} if request.content_type else {}),
        "url_path": "",
    }


class Incoming:
    """A connection that holds one batch: the part of a socket that TorchServe's reader calls."""

    def __init__(self, requests: Sequence[Payload]) -> None:
        frames = [b"I"]
        for number, request in enumerate(requests):
            frames.append(_text(f"request-{number}"))
            frames += [_text(name) + _text(value) for name, value in headers(request).items()]
            frames.append(_END)
            frames += [_text(name) + _text(kind) + _bytes(value) for name, kind, value in parameters(request)]
            frames.append(_END)
        self._left = memoryview(b"".join([*frames, _END]))

    def recv(self, size: int) -> memoryview:
        """Take the next bytes."""
        taken, self._left = self._left[:size], self._left[size:]
        return taken


@dataclass(frozen=True)
class Answer:
    """A worker's answer to a batch, or to some of it: TorchServe's code and sentence, and a reply per request's id."""

    code: int
    message: str
    by_request: Mapping[str, Reply]

    @property
    def replies(self) -> tuple[Reply, ...]:
        """The replies, in the order they were sent in: for a whole batch that of its requests."""
        return tuple(self.by_request.values())


def read_answer(frame: bytes) -> Answer:
    """Read what a worker sends back for a batch, as the frontend does."""
    reader = _Reader(frame)
    code, message = reader.integer(), reader.text()
    replies: dict[str, Reply] = {}
    while True:
        length = reader.integer()
        if length < 0:
            return Answer(code, message, replies)
        request = reader.take(length).decode("utf-8")
        content_type, status = reader.text(), reader.integer()
        reader.text()  # the reason phrase
        for _ in range(2 * reader.integer()):
            reader.text()
        replies[request] = Reply(status, reader.take(reader.integer()), content_type or None)


class _Reader:
    def __init__(self, frame: bytes) -> None:
        self._frame, self._at = bytes(frame), 0

    def take(self, size: int) -> bytes:
        self._at += size
        return self._frame[self._at - size : self._at]

    def integer(self) -> int:
        number: int = struct.unpack("!i", self.take(4))[0]
        return number

    def text(self) -> str:
        return self.take(self.integer()).decode("utf-8")


def _bytes(value: bytes) -> bytes:
    return struct.pack("!i", len(value)) + value


def _text(value: str) -> bytes:
    return _bytes(value.encode())
