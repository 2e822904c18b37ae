"""TuneReport: what tuning found, as values that JSON keeps; latencies in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Optional

from mardock.tuning.scores import Scores
from mardock.tuning.setting import Setting


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes:
        throughput: median of its longest windows, answers per second; None when it is unfit, like p99_ms.
        p99_ms: likewise; the largest latency where answers were too few for a P99.
        windows: how often it was measured, for `seconds` in all.
        meets: whether it keeps the limit.
        on_front: whether no other setting is both faster and of a lower P99.
        unfit: why it cannot serve.
    """

    setting: Setting
    throughput: Optional[float]
    p99_ms: Optional[float]
    windows: int
    seconds: float
    meets: bool
    on_front: bool
    unfit: Optional[str] = None


@dataclass(frozen=True)
class TuneReport:
    """A search and its verdict.

    Attributes:
        started: when, ISO 8601 with the offset of the machine's time zone.
        machine: system, processor count and versions.
        limit_ms: what P99 was not to exceed.
        seconds: how long all of it took.
        present: the setting the model is served with.
        winner: None when that is to stay; `reason` says why in either case.
        gain: of the winner over the present setting, as a share of its throughput.
        nearest: where no setting keeps the limit, the one with the lowest P99.
        complete: False when the search was interrupted or the server died; `reason` says which.
        trials: best first, unfit ones last.
    """

    model: str
    version: str
    started: str
    machine: Mapping[str, str]
    concurrency: int
    limit_ms: Optional[float]
    budget_s: float
    seconds: float
    present: Setting
    winner: Optional[Setting]
    reason: str
    gain: Optional[float]
    nearest: Optional[Setting]
    complete: bool
    trials: tuple[Trial, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    def trial(self, setting: Setting) -> Trial:
        """Return what was measured of a setting that was tried."""
        return next(trial for trial in self.trials if trial.setting == setting)


def trials_of(scores: Scores) -> tuple[Trial, ...]:
    """Return what is known, best first."""
    front = scores.front()
    measured = [
        Trial(
            setting,
            scores.throughput(setting),
            scores.p99_ms(setting),
            len(scores.readings[setting]),
            sum(reading.seconds for reading in scores.readings[setting]),
            scores.meets(setting),
            setting in front,
        )
        for setting in scores.best(scores.readings)
    ]
    unfit = [
        Trial(setting, None, None, 0, 0.0, meets=False, on_front=False, unfit=why)
        for setting, why in scores.unfit.items()
    ]
    return (*measured, *unfit)
