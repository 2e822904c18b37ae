"""BenchReport: what a benchmark found, as values that JSON keeps; latencies in milliseconds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

from mardock.benchmark.histogram import Histogram
from mardock.benchmark.measurement import Measurement
from mardock.benchmark.server_side import Counters, ServerSide
from mardock.benchmark.steady import why_unsteady
from mardock.errors import ConfigError

_NEAR_CEILING = 0.8
_LATE_MS = 1.0


@dataclass(frozen=True)
class Latency:
    """From the moment a request was meant to be sent to its complete 2xx answer, in milliseconds.

    A percentile is `None` where too few requests were answered to tell it from the maximum.
    """

    mean_ms: Optional[float]
    p50_ms: Optional[float]
    p90_ms: Optional[float]
    p99_ms: Optional[float]
    p999_ms: Optional[float]
    max_ms: Optional[float]
    distribution: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, histogram: Histogram) -> Latency:
        """Summarise a histogram; `distribution` is its CDF: (fraction of requests, milliseconds)."""
        return cls(
            mean_ms=_ms(histogram.mean),
            p50_ms=_ms(histogram.percentile(50)),
            p90_ms=_ms(histogram.percentile(90)),
            p99_ms=_ms(histogram.percentile(99)),
            p999_ms=_ms(histogram.percentile(99.9)),
            max_ms=_ms(histogram.largest),
            distribution=tuple((round(fraction, 6), value / 1e6) for fraction, value in histogram.distribution()),
        )


@dataclass(frozen=True)
class Part:
    """What one round of a load counted; `counted` is the server's own count, `None` when it could not be read."""

    measurement: Measurement
    counted: Optional[Counters] = None


@dataclass(frozen=True)
class LoadResult:
    """One run: a load held for some seconds, in one round or in several.

    Attributes:
        workers: how many the model was scaled to; `None` when they were left as they were.
        concurrency: requests under way at once (closed loop), or the most that may be (open loop).
        rate: requests per second offered (open loop); `None` in a closed loop.
        seconds: how long requests were sent.
        requests: 2xx answers.
        errors: how often each kind of error happened; none of them is in `latency` or `throughput`.
        error_examples: the first thing heard with each kind.
        throughput: 2xx answers per second while requests were sent.
        rounds: the throughput of each round, when there were several.
        ceiling: what this client reached against a server that does nothing, at this concurrency.
        lateness_p99_ms: open loop: how late the client itself sent.
        windows: throughput of equal parts of the run, each `window_s` seconds long.
        unsteady: why the run was not steady; `None` when it was.
        cut_short: why it ended early; `None` when it did not.
        server: TorchServe's own count of the same requests, `None` when its metrics could not be read.
    """

    workers: Optional[int]
    concurrency: int
    rate: Optional[float]
    seconds: float
    requests: int
    errors: Mapping[str, int]
    error_examples: Mapping[str, str]
    throughput: float
    ceiling: float
    latency: Latency
    lateness_p99_ms: Optional[float]
    window_s: float
    windows: tuple[float, ...]
    unsteady: Optional[str]
    cut_short: Optional[str]
    server: Optional[ServerSide]
    rounds: tuple[float, ...] = ()

    @classmethod
    def of(
        cls,
        parts: Sequence[Part],
        *,
        workers: Optional[int],
        concurrency: int,
        rate: Optional[float],
        ceiling: float,
    ) -> LoadResult:
        """Sum up what one load did in all rounds, at least one."""
        measurements = [part.measurement for part in parts]
        latency, lateness = Histogram(), Histogram()
        errors: Counter[str] = Counter()
        examples: dict[str, str] = {}
        for measurement in measurements:
            latency.add(measurement.latency)
            lateness.add(measurement.lateness)
            errors += measurement.errors
            examples = {**measurement.examples, **examples}
        seconds = sum(measurement.seconds for measurement in measurements)
        windows = tuple(window for measurement in measurements for window in measurement.windows)
        window_s = measurements[0].window_s
        return cls(
            workers=workers,
            concurrency=concurrency,
            rate=rate,
            seconds=seconds,
            requests=latency.count,
            errors=dict(errors),
            error_examples=examples,
            throughput=sum(measurement.in_time for measurement in measurements) / seconds if seconds else 0.0,
            ceiling=ceiling,
            latency=Latency.of(latency),
            lateness_p99_ms=None if rate is None else _ms(lateness.percentile(99)),
            window_s=window_s,
            windows=windows,
            unsteady=why_unsteady(windows, window_s),
            cut_short=measurements[-1].cut_short,
            server=_server_side(parts),
            rounds=tuple(measurement.throughput for measurement in measurements) if len(parts) > 1 else (),
        )

    @property
    def error_rate(self) -> float:
        """Errors per request, 0 to 1."""
        failed = sum(self.errors.values())
        return failed / (failed + self.requests) if failed else 0.0

    @property
    def label(self) -> str:
        """What sets this run apart from the others of its report, e.g. `4 workers, 16 at once`."""
        load = f"{self.concurrency} at once" if self.rate is None else f"{self.rate:g}/s over {self.concurrency}"
        return load if self.workers is None else f"{self.workers} worker{'s' * (self.workers != 1)}, {load}"

    def doubts(self) -> Iterator[str]:
        """Say what keeps this run's figures from being taken at their word."""
        if self.cut_short:
            yield f"partial, ended after {self.seconds:.1f} s: {self.cut_short}"
        for kind, count in sorted(self.errors.items()):
            yield f"{count} x {kind}, e.g. {self.error_examples.get(kind, '-')}"
        if self.unsteady and not self.cut_short:
            yield f"not steady: {self.unsteady}"
        if self.throughput > _NEAR_CEILING * self.ceiling:
            yield "close to this client's own ceiling: the server may be faster than this says"
        late = self.lateness_p99_ms
        if late is not None and late > _LATE_MS:
            yield f"this client itself sent late, P99 {late:.1f} ms: the machine is too busy for this rate"


@dataclass(frozen=True)
class BenchReport:
    """A benchmark: what was loaded, on which machine, and its runs.

    Attributes:
        target: host and port.
        started: when, ISO 8601 with the offset of the machine's time zone.
        machine: system, processor count and versions.
        bodies: how many different bodies were sent in turn.
        body_bytes: their mean length.
        complete: whether every run that was asked for lasted its time.
        protocol: `http` or `grpc`.
    """

    model: str
    version: Optional[str]
    target: str
    started: str
    machine: Mapping[str, str]
    bodies: int
    body_bytes: int
    warmup_s: float
    timeout_s: float
    complete: bool
    runs: tuple[LoadResult, ...]
    protocol: str = "http"

    def to_dict(self) -> dict[str, Any]:
        """Return what `read_report` reads, ready for JSON; each run carries its `error_rate` and `label` too."""
        plain = asdict(self)
        for run, entry in zip(self.runs, plain["runs"]):
            entry.update(label=run.label, error_rate=run.error_rate)
        return plain


def read_report(path: Path) -> BenchReport:
    """Read a report that `mardock bench --json` printed.

    Raises:
        ConfigError: it cannot be read, or is none.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(BenchReport).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint=f"ls -l {path}") from error
    except (ValueError, RecursionError, ValidationError) as error:
        raise ConfigError(
            f"{path} is no report of a benchmark", details=str(error)[:500], hint="mardock bench MODEL --json > REPORT"
        ) from error


def _server_side(parts: Sequence[Part]) -> Optional[ServerSide]:
    counted = [part.counted for part in parts if part.counted is not None]
    return ServerSide.of(sum(counted, Counters())) if len(counted) == len(parts) else None


def _ms(nanoseconds: Optional[float]) -> Optional[float]:
    return None if nanoseconds is None else nanoseconds / 1e6
