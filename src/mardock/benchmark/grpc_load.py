"""GrpcLoadGenerator: the same load over gRPC; each connection is a channel of its own with one call at a time."""

from __future__ import annotations

import asyncio
import selectors
from itertools import cycle
from time import perf_counter_ns as clock
from types import TracebackType
from typing import Any, Optional

from mardock.benchmark.measurement import BAD_RESPONSE, UNSENT, Measurement
from mardock.benchmark.schedule import SECOND, ClosedLoop, OpenLoop, Schedule
from mardock.benchmark.target import Target
from mardock.client.grpc import channel_options, grpc_library, is_unreachable
from mardock.client.refusals import sanitized

_REST_S = 0.1  # before a channel that reached nobody is tried again
_GONE = 2 * SECOND  # of nothing but that: the server is down
_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # else all channels share one connection
    ("grpc.enable_retries", 0),  # else a request that failed is sent once more and counted once
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)


class GrpcLoadGenerator:
    """Keeps up to `connections` calls under way at a target, over channels that outlast a run.

    Errors are counted by status code, e.g. `UNAVAILABLE`.

    Args:
        timeout: seconds from sending a request to its complete answer.
    """

    def __init__(self, target: Target, connections: int, *, timeout: float) -> None:
        self._grpc = grpc_library()
        from mardock.client import grpc_messages

        self._messages = grpc_messages
        self._target = target
        self._timeout = timeout
        self._requests = cycle(target.requests)
        # This selector knows microseconds; the default one rounds up to milliseconds, in which an open loop is late.
        self._loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        self._channels, self._calls = self._loop.run_until_complete(self._open(connections))
        self._turn = self._loop.run_until_complete(_lock())
        self._refused_since: Optional[int] = None
        self._schedule: Schedule = ClosedLoop()
        self._measurement = Measurement()
        self._end = 0

    def __enter__(self) -> GrpcLoadGenerator:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._loop.run_until_complete(self._close())
        self._loop.close()

    def run(self, measurement: Measurement, *, seconds: float, rate: Optional[float] = None) -> None:
        """Send requests for some seconds, then wait for the answers under way; see `LoadGenerator.run`."""
        now = clock()
        self._end = now + int(seconds * SECOND)
        self._measurement = measurement
        self._schedule = ClosedLoop() if rate is None else OpenLoop(rate, now)
        measurement.begin(now, self._end)
        try:
            self._loop.run_until_complete(self._call_all())
        except KeyboardInterrupt:
            measurement.stop(clock(), "interrupted")
            raise
        overdue = self._schedule.overdue(self._end)
        if overdue:
            measurement.failed(UNSENT, "no connection was free", count=overdue)

    async def _open(self, connections: int) -> tuple[list[Any], list[Any]]:
        aio = self._grpc.aio
        options = (*channel_options(self._target.name), *_OPTIONS)
        channels = [aio.insecure_channel(self._target.name, options=options) for _ in range(connections)]
        return channels, [channel.unary_unary(self._messages.METHOD) for channel in channels]

    async def _close(self) -> None:
        """Drop the calls under way, which an interrupted run leaves behind, and the channels."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for channel in self._channels:
            await channel.close()

    async def _call_all(self) -> None:
        await asyncio.gather(*map(self._keep_calling, self._calls))

    async def _keep_calling(self, call: Any) -> None:
        while True:
            free_since = clock()
            intended = await self._next()
            if intended is None:
                return
            now = clock()
            self._measurement.lateness.record(now - max(intended, free_since))
            await self._send(call, intended)

    async def _next(self) -> Optional[int]:
        """Wait for the moment of the next request; None when the run is over."""
        async with self._turn:  # one waits for the moment, the others for their turn
            while True:
                now = clock()
                if now >= self._end:
                    return None
                intended = self._schedule.take(now)
                if intended is not None:
                    return intended
                wait = self._schedule.wait(now)
                assert wait is not None  # a closed loop is never waited for
                await asyncio.sleep(min(wait, self._end - now) / SECOND)

    async def _send(self, call: Any, intended: int) -> None:
        try:
            answer = await call(next(self._requests), timeout=self._timeout, metadata=self._target.metadata)
            now = clock()
            self._measurement.answered(intended, now, len(self._messages.prediction(answer)))
        except self._grpc.RpcError as error:
            self._measurement.failed(error.code().name, sanitized(error.details() or ""))
            if is_unreachable(error):
                await self._rest()
                return
        except ValueError as error:
            self._measurement.failed(BAD_RESPONSE, str(error))
        self._refused_since = None

    async def _rest(self) -> None:
        """Nobody was reached: wait, or end the run as of the moment the server died."""
        now = clock()
        if self._refused_since is None:
            self._refused_since = now
        if now - self._refused_since > _GONE and self._end > self._refused_since:
            why = f"{self._target.name} was UNAVAILABLE to every call for {_GONE // SECOND} s"
            self._measurement.stop(self._refused_since, why)
            self._end = min(self._end, self._refused_since)
        await asyncio.sleep(_REST_S)


async def _lock() -> asyncio.Lock:
    return asyncio.Lock()  # until Python 3.10 it belongs to the loop it is made in
