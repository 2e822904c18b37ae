"""Connection: one non-blocking keep-alive connection with at most one request under way."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
from typing import Optional

from mardock.benchmark.http_response import BadResponseError, ResponseReader
from mardock.benchmark.measurement import BAD_RESPONSE, REFUSED, RESET, SHORT_BODY, UNREACHABLE
from mardock.benchmark.target import Target
from mardock.errors import ConfigError

_CHUNK = 64 * 1024
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)
_TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)


class RequestFailedError(Exception):
    """A request got no complete answer.

    Args:
        kind: one of measurement's kinds of error.
        detail: what happened, for the reader of a report.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class Connection:
    """Sends requests to a target and reads the answers; opened with the first request and again after each failure.

    Attributes:
        reader: holds the answer after `receive` returned True.
        busy: whether a request is under way.
        intended: when it was meant to be sent, in nanoseconds.
        started: when it was handed to this connection.
    """

    def __init__(self, target: Target, selector: selectors.BaseSelector) -> None:
        self.reader = ResponseReader()
        self.busy = False
        self.intended = 0
        self.started = 0
        self._target = target
        self._selector = selector
        self._socket: Optional[socket.socket] = None
        self._connecting = False
        self._unsent: Optional[memoryview] = None

    def start(self, request: bytes, intended: int, now: int) -> None:
        """Send a request, as much of it as the socket takes; `flush` sends the rest.

        Raises:
            RequestFailedError: there is no connection.
        """
        self.busy = True
        self.intended = intended
        self.started = now
        if self._socket is None:
            self._open()
            self._unsent = memoryview(request)
            return
        try:
            sent = self._socket.send(request)
        except _WOULD_BLOCK:
            sent = 0
        except OSError as error:
            raise RequestFailedError(RESET, _text(error)) from error
        if sent < len(request):
            self._unsent = memoryview(request)[sent:]
            self._selector.modify(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def flush(self) -> None:
        """The socket takes more: send it.

        Raises:
            RequestFailedError: the connection was refused or broke.
        """
        if self._socket is None or self._unsent is None:
            return
        if self._connecting:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise _not_connected(code)
            if not self._shake_hands(self._socket):
                return
            self._connecting = False
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :] or None
        except _WOULD_BLOCK:
            return
        except OSError as error:
            raise RequestFailedError(RESET, _text(error)) from error
        if self._unsent is None:
            self._selector.modify(self._socket, selectors.EVENT_READ, self)

    def receive(self) -> bool:
        """Take what arrived; returns whether the answer is complete.

        Raises:
            RequestFailedError: the server hung up, or sent what is no answer.
        """
        if self._socket is None:
            return False
        if self._connecting:
            self.flush()
            return False
        try:
            data = self._socket.recv(_CHUNK)
            # What is decrypted already is nothing that the selector could tell of.
            while isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
                data += self._socket.recv(_CHUNK)
        except _WOULD_BLOCK:
            return False
        except OSError as error:
            raise RequestFailedError(RESET, _text(error)) from error
        if not self.busy:  # the server closes a connection it does not need, or speaks unasked
            self.close()
            return False
        if not data and not self.reader.end():
            started = self.reader.started
            raise RequestFailedError(SHORT_BODY if started else RESET, "the server closed the connection")
        try:
            return not data or self.reader.feed(data)
        except BadResponseError as error:
            raise RequestFailedError(BAD_RESPONSE, str(error)) from error

    def finish(self) -> None:
        """The answer was read: make ready for the next request, on a new connection where this one cannot go on."""
        if self.reader.keep_alive and self._unsent is None:
            self.busy = False
            self.reader.reset()
        else:
            self.close()

    def close(self) -> None:
        """Drop the connection and the request under way."""
        self.busy = False
        self._unsent = None
        self.reader.reset()
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _open(self) -> None:
        try:
            opened = socket.socket(self._target.family, socket.SOCK_STREAM)
        except OSError as error:
            if error.errno in _TOO_MANY_FILES:
                raise ConfigError("too many connections for this process", hint="ulimit -n 4096") from error
            raise
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._target.tls is not None:
            opened = self._target.tls.wrap_socket(
                opened, server_hostname=self._target.host, do_handshake_on_connect=False
            )
        opened.settimeout(0)
        self._socket = opened
        self._connecting = True
        self._selector.register(opened, selectors.EVENT_READ | selectors.EVENT_WRITE, self)
        code = opened.connect_ex(self._target.address)
        if code not in _IN_PROGRESS:
            raise _not_connected(code)

    def _shake_hands(self, opened: socket.socket) -> bool:
        """Go on with the TLS handshake; returns whether the connection can be used."""
        if not isinstance(opened, ssl.SSLSocket):
            return True
        events = selectors.EVENT_READ | selectors.EVENT_WRITE
        try:
            opened.do_handshake()
        except ssl.SSLWantReadError:
            self._selector.modify(opened, selectors.EVENT_READ, self)
            return False
        except ssl.SSLWantWriteError:
            self._selector.modify(opened, events, self)
            return False
        except OSError as error:
            raise RequestFailedError(UNREACHABLE, f"no TLS: {_text(error)}") from error
        self._selector.modify(opened, events, self)
        return True


def _not_connected(code: int) -> RequestFailedError:
    return RequestFailedError(REFUSED if code == errno.ECONNREFUSED else UNREACHABLE, os.strerror(code))


def _text(error: OSError) -> str:
    return error.strerror or str(error)
