"""GrpcAnswers: what a null gRPC server says, in ready-made HTTP/2 frames: a real one in Python is the slower side."""

from __future__ import annotations

from struct import Struct

from mardock.client.grpc_messages import prediction_response

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD = Struct(">HBBBL")  # a frame's length (16 and 8 bits), type, flags and stream (RFC 9113, section 4.1)
_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 4, 6, 8
_END_STREAM = _ACK = 1
_END_HEADERS = 4
_INITIAL_WINDOW_SIZE = 4
_WINDOW = 2**31 - 1
_DEFAULT_WINDOW = 2**16 - 1
_LONGEST_BODY = 16_000  # one frame, which fits into any client's window
# HPACK: `:status 200` from the static table, then literals.
_HEADER_BLOCK = b"\x88\x0f\x10\x10application/grpc"
_TRAILER_BLOCK = b"\x00\x0bgrpc-status\x010"


class GrpcAnswers:
    """Answers every call on one connection with the same message.

    Args:
        body_bytes: the length of the predictions; longer than 16,000 bytes they are cut to that.
    """

    def __init__(self, body_bytes: int) -> None:
        message = prediction_response(bytes(min(body_bytes, _LONGEST_BODY)))
        self._message = b"\0" + len(message).to_bytes(4, "big") + message
        self._received = bytearray()
        self._greeted = False
        self._window_used = 0

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and return what to send."""
        received = self._received
        received += data
        replies = []
        if not self._greeted:
            if len(received) < len(_PREFACE):
                return b""
            del received[: len(_PREFACE)]
            self._greeted = True
            replies.append(_greeting())
        while len(received) >= _HEAD.size:
            high, low, kind, flags, stream = _HEAD.unpack_from(received)
            end = _HEAD.size + (high << 8 | low)
            if len(received) < end:
                break
            replies.append(self._reply(kind, flags, stream, bytes(received[_HEAD.size : end])))
            del received[:end]
        return b"".join(replies)

    def _reply(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        if kind in (_SETTINGS, _PING):
            return b"" if flags & _ACK else _frame(kind, _ACK, 0, payload if kind == _PING else b"")
        if kind not in (_DATA, _HEADERS):
            return b""
        opened = self._opened_window(len(payload)) if kind == _DATA else b""
        return opened + self._answer(stream) if flags & _END_STREAM else opened

    def _answer(self, stream: int) -> bytes:
        return (
            _frame(_HEADERS, _END_HEADERS, stream, _HEADER_BLOCK)
            + _frame(_DATA, 0, stream, self._message)
            + _frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, _TRAILER_BLOCK)
        )

    def _opened_window(self, length: int) -> bytes:
        """Give back what the client used of the connection's window, once it is much."""
        self._window_used += length
        if self._window_used < _WINDOW // 2:
            return b""
        used, self._window_used = self._window_used, 0
        return _frame(_WINDOW_UPDATE, 0, 0, used.to_bytes(4, "big"))


def _greeting() -> bytes:
    """Return the settings and the window update that let a client send all it has."""
    settings = _INITIAL_WINDOW_SIZE.to_bytes(2, "big") + _WINDOW.to_bytes(4, "big")
    window = (_WINDOW - _DEFAULT_WINDOW).to_bytes(4, "big")
    return _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW_UPDATE, 0, 0, window)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _HEAD.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload
