"""Tuner: one search on one running server, from a look at how busy the machine is to the report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Optional

from mardock import locks
from mardock.archive.spec import ArchiveSpec
from mardock.benchmark.machine import machine_facts
from mardock.benchmark.steady import why_unsteady
from mardock.engines.base import Engine
from mardock.errors import EngineNotRunningError, ServingError
from mardock.listener import Listener
from mardock.serving.session_lock import session
from mardock.settings.project import Project
from mardock.settings.schema import ModelSettings
from mardock.tuning.measurer import Load, Measurer
from mardock.tuning.report import TuneReport, trials_of
from mardock.tuning.scores import UnfitError
from mardock.tuning.search import Search, Verdict
from mardock.tuning.setting import Space

_LOOK_S, _WARMUP_S = 2.0, 1.0
_LOOKS = 3
_FEW = 100  # answers in a look, below which its parts say nothing
_PARTS = 8  # of a look: shorter ones would show the rhythm of batches


@dataclass(frozen=True)
class TunePlan:
    """What to tune, and how long.

    Attributes:
        limit_ms: what P99 is not to exceed.
        budget: seconds, about.
        variants: the model's archive as each compiled candidate that answers as it does.
    """

    load: Load
    limit_ms: Optional[float]
    budget: float
    variants: Mapping[str, ArchiveSpec] = field(default_factory=dict)


class Tuner:
    """Tunes one model; `report` tells what is known so far, also after an interruption.

    Args:
        settings: the model as the project describes it.
        listener: notes what is being done.
    """

    def __init__(
        self, engine: Engine, project: Project, settings: ModelSettings, plan: TunePlan, *, listener: Listener
    ) -> None:
        self._engine = engine
        self._project = project
        self._settings = settings
        self._plan = plan
        self._listener = listener
        self._started = datetime.now().astimezone()
        self._began = time.monotonic()
        self._measurer: Optional[Measurer] = None
        self._search: Optional[Search] = None
        self._verdict: Optional[Verdict] = None
        self._cut_short = "interrupted"

    def run(self) -> None:
        """Search; when it ends, or is ended, the server is as it was.

        Raises:
            EngineNotRunningError: the server is down, or died meanwhile; `report` holds what was measured.
            ServingError: the machine is too busy, or the model's answers cannot be compared.
            ConfigError: another process watches or debugs the model.
        """
        specs: dict[Optional[str], ArchiveSpec] = {None: self._settings.archive}
        specs.update(self._plan.variants)
        state = self._project.state
        with (
            locks.hold(state / "tuning.lock", doing="tuning a model of this project"),
            session(self._project.model_store, self._settings.archive.model_name, "tuned"),
        ):
            self._measurer = measurer = Measurer(self._engine, self._project, self._settings, self._plan.load, specs)
            try:
                with measurer:
                    self._look(measurer)
                    self._search = search = Search(
                        measurer,
                        self._space(measurer),
                        measurer.present,
                        limit_ms=self._plan.limit_ms,
                        budget=self._plan.budget,
                        listener=self._listener,
                    )
                    self._verdict = search.run()
            except EngineNotRunningError as error:
                self._cut_short = error.message
                raise

    @property
    def report(self) -> Optional[TuneReport]:
        """What was measured so far; None before the first setting was."""
        search, measurer, plan = self._search, self._measurer, self._plan
        if search is None or measurer is None:
            return None
        verdict = self._verdict or Verdict(None, self._cut_short)
        scores, winner = search.scores, verdict.winner
        known = winner is not None and measurer.present in scores.readings
        return TuneReport(
            model=measurer.served.name,
            version=measurer.served.version,
            started=self._started.isoformat(timespec="seconds"),
            machine=machine_facts(),
            concurrency=plan.load.concurrency,
            limit_ms=plan.limit_ms,
            budget_s=plan.budget,
            seconds=time.monotonic() - self._began,
            present=measurer.present,
            winner=winner,
            reason=verdict.reason,
            gain=scores.throughput(winner) / scores.throughput(measurer.present) - 1 if winner and known else None,
            nearest=verdict.nearest,
            complete=self._verdict is not None,
            trials=trials_of(scores),
        )

    def _space(self, measurer: Measurer) -> Space:
        threads = measurer.threads
        return Space(
            threads.cores,
            self._plan.load.concurrency,
            None if threads.per_model else threads.per_worker,
            tuple(self._plan.variants),
        )

    def _look(self, measurer: Measurer) -> None:
        """Load the present setting until it is steady; what is not by then is the machine's doing."""
        self._listener.note(f"{measurer.served.name} as it is served now: {measurer.present}")
        why: Optional[str] = None
        for _ in range(_LOOKS):
            try:
                measurement = measurer.loaded(measurer.present, _LOOK_S, warmup=_WARMUP_S)
            except UnfitError as error:
                raise ServingError(f"{measurer.served.name} fails under load: {error}", hint="mardock logs") from error
            parts = _merged(measurement.windows)
            why = why_unsteady(parts, _LOOK_S / _PARTS)
            if why is None or measurement.latency.count < _FEW:
                return
        raise ServingError(
            f"this machine is too busy to tune on: {why}, {_LOOKS} times in a row", hint="end what else runs (uptime)"
        )


def _merged(windows: list[float]) -> list[float]:
    """Return the throughput of `_PARTS` equal parts, from that of a multiple of them."""
    size = len(windows) // _PARTS
    return [sum(windows[i * size : (i + 1) * size]) / size for i in range(_PARTS)] if size else []
