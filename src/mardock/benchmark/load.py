"""LoadGenerator: the loop that sends requests over many connections from one thread and times each answer."""

from __future__ import annotations

import select
import selectors
from collections import deque
from itertools import cycle
from time import perf_counter_ns as clock
from types import TracebackType
from typing import Optional

from mardock.benchmark.connection import Connection, RequestFailedError
from mardock.benchmark.measurement import REFUSED, TIMEOUT, UNREACHABLE, UNSENT, Measurement
from mardock.benchmark.schedule import SECOND, ClosedLoop, OpenLoop, Schedule
from mardock.benchmark.target import Target
from mardock.client.refusals import sanitized

_TICK = SECOND // 20  # how often timeouts are looked for
_REST = SECOND // 10  # before a connection that was refused is tried again
_GONE = 2 * SECOND  # of nothing but refused connections: the server is down


class LoadGenerator:
    """Keeps up to `connections` requests under way at a target, over connections that outlast a run.

    Args:
        timeout: seconds from sending a request to its complete answer.
    """

    def __init__(self, target: Target, connections: int, *, timeout: float) -> None:
        self._target = target
        self._timeout = int(timeout * SECOND)
        self._requests = cycle(target.requests)
        self._selector = selectors.DefaultSelector()
        self._connections = [Connection(target, self._selector) for _ in range(connections)]
        self._idle = deque(self._connections)
        self._resting: deque[tuple[int, Connection]] = deque()
        self._refused_since: Optional[int] = None
        self._schedule: Schedule = ClosedLoop()
        self._measurement = Measurement()
        self._end = 0

    def __enter__(self) -> LoadGenerator:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        for connection in self._connections:
            connection.close()
        self._selector.close()

    def run(self, measurement: Measurement, *, seconds: float, rate: Optional[float] = None) -> None:
        """Send requests for some seconds, then wait for the answers under way; ends early when the server is gone.

        Args:
            measurement: a fresh one; after a KeyboardInterrupt it holds what was counted until then.
            rate: requests per second (open loop); None sends whenever a connection is free (closed loop).
        """
        now = clock()
        self._end = now + int(seconds * SECOND)
        self._measurement = measurement
        self._schedule = ClosedLoop() if rate is None else OpenLoop(rate, now)
        measurement.begin(now, self._end)
        try:
            self._loop(now)
        except KeyboardInterrupt:
            measurement.stop(clock(), "interrupted")
            raise
        overdue = self._schedule.overdue(self._end)
        if overdue:
            measurement.failed(UNSENT, "no connection was free", count=overdue)

    def _loop(self, now: int) -> None:
        next_tick = now + _TICK
        while now < self._end or len(self._idle) + len(self._resting) < len(self._connections):
            self._dispatch(now)
            for key, events in self._wait(now):
                connection: Connection = key.data
                if events & selectors.EVENT_WRITE:
                    self._flush(connection)
                if events & selectors.EVENT_READ:
                    self._receive(connection)
            now = clock()
            if now >= next_tick:
                next_tick = now + _TICK
                self._expire(now)
                if self._refused_since is not None and now - self._refused_since > _GONE:
                    self._give_up(self._refused_since)

    def _dispatch(self, now: int) -> None:
        """Let connections without work send what is due."""
        while self._resting and self._resting[0][0] <= now:
            self._idle.append(self._resting.popleft()[1])
        if now >= self._end:
            return
        for _ in range(len(self._idle)):  # a connection that fails at once is idle again, and waits its turn
            intended = self._schedule.take(now)
            if intended is None:
                break
            self._measurement.lateness.record(now - intended)
            self._send(self._idle.popleft(), intended, now)

    def _wait(self, now: int) -> list[tuple[selectors.SelectorKey, int]]:
        patience = _TICK
        if self._idle and now < self._end:
            due = self._schedule.wait(now)
            if due is not None and due < patience:
                # A selector rounds up to milliseconds, in which an open loop would send late.
                select.select([self._selector], [], [], due / SECOND)
                patience = 0
        return self._selector.select(patience / SECOND)

    def _send(self, connection: Connection, intended: int, now: int) -> None:
        try:
            connection.start(next(self._requests), intended, now)
        except RequestFailedError as failure:
            self._failed(connection, failure)

    def _flush(self, connection: Connection) -> None:
        try:
            connection.flush()
        except RequestFailedError as failure:
            self._failed(connection, failure)

    def _receive(self, connection: Connection) -> None:
        try:
            if not connection.receive():
                return
        except RequestFailedError as failure:
            self._failed(connection, failure)
            return
        now = clock()
        reader = connection.reader
        if 200 <= reader.status < 300:
            self._measurement.answered(connection.intended, now, reader.body_bytes)
        else:
            excerpt = sanitized(reader.excerpt.decode("utf-8", "replace"))
            self._measurement.failed(f"{reader.status // 100}xx", f"{reader.status} {excerpt}".rstrip())
        self._refused_since = None
        connection.finish()
        intended = self._schedule.take(now) if now < self._end else None
        if intended is None:
            self._idle.append(connection)
        else:
            self._send(connection, intended, now)

    def _failed(self, connection: Connection, failure: RequestFailedError) -> None:
        self._measurement.failed(failure.kind, failure.detail)
        connection.close()
        if failure.kind not in (REFUSED, UNREACHABLE):
            self._idle.append(connection)
            return
        now = clock()
        if self._refused_since is None:
            self._refused_since = now
        self._resting.append((now + _REST, connection))

    def _expire(self, now: int) -> None:
        for connection in self._connections:
            if connection.busy and now - connection.started > self._timeout:
                self._failed(connection, RequestFailedError(TIMEOUT, f"no answer in {self._timeout / SECOND:g} s"))

    def _give_up(self, died: int) -> None:
        """End the run as of the moment the server died; what waits for an answer is dropped."""
        self._measurement.stop(died, f"{self._target.name} refused every connection for {_GONE // SECOND} s")
        self._end = min(self._end, died)
        for connection in self._connections:
            if connection.busy:
                self._failed(connection, RequestFailedError(UNREACHABLE, "the server is gone"))
