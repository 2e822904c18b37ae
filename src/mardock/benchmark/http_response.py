"""ResponseReader: HTTP/1.1 answers taken apart as they arrive, bodies counted and thrown away."""

from __future__ import annotations

from typing import Optional

_LONGEST_HEAD = 64 * 1024
_LONGEST_LINE = 1024  # of a chunk's size with its extensions, or of a trailer
_EXCERPT = 512
_BLANK_LINE = b"\r\n\r\n"


class BadResponseError(Exception):
    """What came is not an HTTP/1.1 answer, or is more than one."""


class ResponseReader:
    """Reads the answers of one connection, one after the other.

    Attributes:
        started: whether any byte of the current answer has come.
        status: the HTTP status code of the last finished answer.
        keep_alive: whether the connection can be used again after it.
        body_bytes: length of its body.
        excerpt: the first bytes of its body when its status is no 2xx, at most 512.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, for the next answer or a new connection."""
        self.started = False
        self.status = 0
        self.keep_alive = True
        self.body_bytes = 0
        self.excerpt = b""
        self._head: Optional[bytes] = b""  # the part that has come; None once it is complete
        self._missing: Optional[int] = None  # bytes of the body still to come; None: until the connection closes
        self._chunks: Optional[_Chunks] = None

    def feed(self, data: bytes) -> bool:
        """Take what arrived; returns whether the answer is complete. Call `reset` before the next one.

        Raises:
            BadResponseError: it is no HTTP/1.1, or more came than one answer.
        """
        self.started = True
        while self._head is not None:
            data = self._head + data if self._head else data
            end = data.find(_BLANK_LINE)
            if end < 0:
                if len(data) > _LONGEST_HEAD or not _may_be_http(data):
                    raise BadResponseError(f"no HTTP/1.1 head in the first {len(data)} bytes")
                self._head = data
                return False
            interim = self._parse_head(data[:end])
            self._head = b"" if interim else None
            data = data[end + len(_BLANK_LINE) :]
            if interim and not data:
                return False
        return self._take_body(data)

    def end(self) -> bool:
        """The server closed the connection: returns whether that completes the answer."""
        self.keep_alive = False
        return self._head is None and self._missing is None and self._chunks is None

    def _parse_head(self, head: bytes) -> bool:
        """Read status and framing; returns whether this was an interim (1xx) head."""
        if not head.startswith(b"HTTP/1.") or not head[9:12].isdigit():
            raise BadResponseError(f"not the start of an answer: {head[:80]!r}")
        self.status = int(head[9:12])
        if 100 <= self.status < 200:
            return True
        lower = head.lower()
        self.keep_alive = head.startswith(b"HTTP/1.1") and b"\r\nconnection: close" not in lower
        if self.status in (204, 304):
            self._missing = 0
        elif b"\r\ntransfer-encoding:" in lower:
            if _value(lower, b"\r\ntransfer-encoding:") != b"chunked":
                raise BadResponseError("a transfer-encoding other than chunked")
            self._chunks = _Chunks()
        elif b"\r\ncontent-length:" in lower:
            length = _value(lower, b"\r\ncontent-length:")
            if not length.isdigit() or len(length) > 18:
                raise BadResponseError(f"content-length {length[:80]!r}")
            self._missing = int(length)
        return False

    def _take_body(self, data: bytes) -> bool:
        if not 200 <= self.status < 300 and len(self.excerpt) < _EXCERPT:
            self.excerpt += data[: _EXCERPT - len(self.excerpt)]
        if self._chunks is not None:
            done = self._chunks.feed(data)
            self.body_bytes = self._chunks.body_bytes
            return done
        self.body_bytes += len(data)
        if self._missing is None:
            return False
        self._missing -= len(data)
        if self._missing < 0:
            raise BadResponseError(f"{-self._missing} bytes more than the content-length")
        return self._missing == 0


class _Chunks:
    """The chunked coding of one body (RFC 9112, section 7.1)."""

    def __init__(self) -> None:
        self.body_bytes = 0
        self._skip = 0  # bytes of the current chunk and its line end still to come
        self._line = b""
        self._trailers = False
        self._done = False

    def feed(self, data: bytes) -> bool:
        """Take a part of the body; returns whether it was the last one."""
        while data:
            if self._done:
                raise BadResponseError("more bytes after the last chunk")
            if self._skip:
                skipped = min(self._skip, len(data))
                self._skip -= skipped
                data = data[skipped:]
                continue
            line, found, data = (self._line + data).partition(b"\r\n")
            if len(line) > _LONGEST_LINE:
                raise BadResponseError("an endless line between chunks")
            if not found:
                self._line = line
                break
            self._line = b""
            self._take_line(line)
        return self._done

    def _take_line(self, line: bytes) -> None:
        if self._trailers:
            self._done = not line
            return
        digits = line.partition(b";")[0].strip()
        try:
            size = int(digits, 16)
        except ValueError:
            size = -1
        if size < 0:
            raise BadResponseError(f"chunk size {digits[:80]!r}")
        self.body_bytes += size
        self._skip = size + 2 if size else 0
        self._trailers = size == 0


def _value(lower: bytes, name: bytes) -> bytes:
    """Return a header's value; `lower` is the head in lower case, `name` includes the line end before it."""
    return lower.partition(name)[2].partition(b"\r\n")[0].strip()


def _may_be_http(data: bytes) -> bool:
    return data[:7] == b"HTTP/1."[: len(data)]
