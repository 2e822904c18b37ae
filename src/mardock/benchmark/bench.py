"""Bench: the runs of one benchmark, each warmed up and set beside the server's own count and the client's ceiling."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from typing import Optional

from mardock.benchmark.machine import machine_facts
from mardock.benchmark.measurement import Measurement
from mardock.benchmark.plan import BenchPlan
from mardock.benchmark.protocols import PROTOCOLS
from mardock.benchmark.report import BenchReport, LoadResult, Part
from mardock.benchmark.server_side import Counters, read_counters
from mardock.benchmark.target import Target
from mardock.benchmark.workers import scaled
from mardock.endpoint import Endpoint
from mardock.errors import ConfigError, EngineNotRunningError, ServingError
from mardock.listener import Listener

_Load = tuple[Optional[int], int]  # workers and concurrency
_CEILING_S = 1.0
_CEILING_WARMUP_S = 0.2


class Bench:
    """Runs a plan against an endpoint; `report` tells what is known so far, also after an interruption.

    Args:
        allow_remote: let the load leave this machine.
        listener: notes what is being done.

    Raises:
        ConfigError: the plan cannot be sent, or would load another machine without `allow_remote`.
    """

    def __init__(self, endpoint: Endpoint, plan: BenchPlan, *, allow_remote: bool = False, listener: Listener) -> None:
        self._endpoint = endpoint
        self._plan = plan
        self._listener = listener
        self._protocol = PROTOCOLS[plan.protocol]
        self._target = self._aim()
        if not (self._target.is_loopback or allow_remote):
            raise ConfigError(
                f"{self._target.name} is not this machine, and a benchmark can bring a server down",
                hint="if it may be loaded: --yes",
            )
        self._parts: dict[_Load, list[Part]] = {}
        self._ceilings: dict[int, float] = {}
        self._started = datetime.now().astimezone()

    def run(self) -> None:
        """Run the whole plan; ends early, with what was measured kept, when the server is gone.

        Raises:
            ModelNotFoundError, ApiError, ServingError: the model does not answer a first request.
            EngineNotRunningError: nothing listens there.
            WorkerFailedError: the model could not be scaled.
        """
        plan = self._plan
        with ExitStack() as stack:
            scale = None
            if plan.workers:
                scale = stack.enter_context(scaled(self._endpoint, plan.model, plan.version, self._listener))
            for round_ in range(plan.rounds):
                if plan.rounds > 1:
                    self._listener.note(f"round {round_ + 1} of {plan.rounds}")
                for workers in plan.workers or (None,):
                    if scale is not None and workers is not None:
                        self._listener.note(f"scaling {plan.model} to {workers} worker{'s' * (workers != 1)}")
                        scale(workers)
                    if not self._run_levels(workers):
                        return

    @property
    def report(self) -> BenchReport:
        """What was measured so far."""
        plan = self._plan
        wanted = len(plan.concurrency) * max(len(plan.workers), 1) * plan.rounds
        parts = [part for each in self._parts.values() for part in each]
        return BenchReport(
            model=plan.model,
            version=plan.version,
            target=self._target.name,
            started=self._started.isoformat(timespec="seconds"),
            machine=machine_facts(),
            bodies=len(plan.bodies),
            body_bytes=sum(map(len, plan.bodies)) // len(plan.bodies),
            warmup_s=plan.warmup,
            timeout_s=plan.timeout,
            complete=len(parts) == wanted and not any(part.measurement.cut_short for part in parts),
            runs=tuple(self._result(load) for load in self._parts),
            protocol=plan.protocol,
        )

    def _aim(self) -> Target:
        """Return the target with the token of now, which may expire before the next run."""
        plan = self._plan
        return self._protocol.target(self._endpoint, plan.model, plan.bodies, plan.version, plan.content_type)

    def _run_levels(self, workers: Optional[int]) -> bool:
        """Run every concurrency; returns whether the server still answered at the end."""
        plan = self._plan
        answer_bytes = self._first_answer()
        for concurrency in plan.concurrency:
            if concurrency not in self._ceilings:
                if self._target.tls is not None:
                    self._listener.note("the client's ceiling is measured without TLS, and so too high")
                self._ceilings[concurrency] = measure_ceiling(self._target, concurrency, answer_bytes, plan.protocol)
            part = self._run_level(workers, concurrency)
            if part.measurement.cut_short:
                return False
        return True

    def _first_answer(self) -> int:
        """Send one request, whose failure explains itself better than ten thousand; returns its answer's length."""
        plan = self._plan
        with self._protocol.client(self._endpoint) as client:
            answer = client.predict(
                plan.model, plan.bodies[0], version=plan.version, content_type=plan.content_type, timeout=plan.timeout
            )
        return len(answer.body)

    def _run_level(self, workers: Optional[int], concurrency: int) -> Part:
        plan = self._plan
        load = f"{concurrency} at once" if plan.rate is None else f"{plan.rate:g}/s over {concurrency} connections"
        self._listener.note(f"{plan.model}: {load}, {plan.warmup:g} s to warm up, then {plan.duration:g} s")
        with self._protocol.generator(self._aim(), concurrency, plan.timeout) as generator:
            if plan.warmup:
                measurement = Measurement()
                generator.run(measurement, seconds=plan.warmup, rate=plan.rate)
                if measurement.cut_short:
                    return self._keep(workers, concurrency, Part(measurement))
            before = self._counters()
            measurement = Measurement()
            try:
                generator.run(measurement, seconds=plan.duration, rate=plan.rate)
            except KeyboardInterrupt:
                self._keep(workers, concurrency, Part(measurement))
                raise
        after = self._counters() if before is not None and not measurement.cut_short else None
        counted = after - before if before is not None and after is not None else None
        return self._keep(workers, concurrency, Part(measurement, counted))

    def _keep(self, workers: Optional[int], concurrency: int, part: Part) -> Part:
        self._parts.setdefault((workers, concurrency), []).append(part)
        return part

    def _result(self, load: _Load) -> LoadResult:
        workers, concurrency = load
        return LoadResult.of(
            self._parts[load],
            workers=workers,
            concurrency=concurrency,
            rate=self._plan.rate,
            ceiling=self._ceilings[concurrency],
        )

    def _counters(self) -> Optional[Counters]:
        if not self._endpoint.metrics_url:
            return None
        try:
            return read_counters(self._endpoint, self._plan.model, self._plan.version)
        except (EngineNotRunningError, ServingError) as error:
            self._listener.note(f"without the server's own figures: {error.message}")
            return None


def measure_ceiling(target: Target, concurrency: int, answer_bytes: int, protocol: str = "http") -> float:
    """Return the requests per second this client reaches against a server that does nothing.

    It is a lower bound: that server is a Python process too, and shares the machine's cores.
    """
    speak = PROTOCOLS[protocol]
    with (
        speak.null_server(target, answer_bytes) as nothing,
        speak.generator(nothing, concurrency, timeout=10.0) as generator,
    ):
        generator.run(Measurement(), seconds=_CEILING_WARMUP_S)
        measurement = Measurement()
        generator.run(measurement, seconds=_CEILING_S)
    return measurement.throughput
