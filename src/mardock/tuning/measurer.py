"""Measurer: the running server, where each setting is registered as a version of its own beside the one that serves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Optional

from mardock.archive.spec import ArchiveSpec
from mardock.benchmark.load import LoadGenerator
from mardock.benchmark.measurement import Measurement
from mardock.benchmark.target import prediction_target
from mardock.client.model_status import ModelStatus
from mardock.defaults import WORKER_TIMEOUT_S
from mardock.engines.base import Engine
from mardock.engines.threads import Threads, shares_cores
from mardock.errors import ConfigError, EngineNotRunningError, ServingError
from mardock.serving.configured_threads import threads_configured
from mardock.serving.draining import Drain
from mardock.serving.served_model import ServedModel
from mardock.serving.server import Server
from mardock.serving.side_version import SideVersion
from mardock.serving.sweep import sweep
from mardock.settings.as_served import as_served, model_config_of
from mardock.settings.project import Project
from mardock.settings.schema import ModelSettings
from mardock.side_names import Kind, SideName
from mardock.tuning.answers import Answers
from mardock.tuning.scores import Reading, UnfitError
from mardock.tuning.setting import Setting
from mardock.tuning.throughput import rate_of
from mardock.tuning.write_back import model_config_keys

_CONFIG = "model-config.yaml"
_FIRST_S = 0.5  # at least, of load before the first window of a version
_FILLING = 0.25  # of a run, while the first answers are on their way: counting it would favour small batches


@dataclass(frozen=True)
class Load:
    """What a setting is measured with.

    Attributes:
        bodies: sent in turn.
        concurrency: requests under way at once.
    """

    bodies: tuple[bytes, ...]
    concurrency: int
    content_type: Optional[str] = None


class Measurer:
    """Measures settings of one model on one server; leaving the context takes away all that was registered.

    The served version and the model's default are never touched, so that whatever ends the measuring leaves the server
    as it was; what SIGKILL leaves is swept by the next measurer.

    Args:
        settings: the model as the project describes it.
        specs: the model's archive as it is (None), and as each compiled variant.

    Raises:
        EngineNotRunningError: the server is down.
        ModelNotFoundError: the model is not registered.
        ConfigError: it has no workers.
        ServingError: its answers cannot be compared.
    """

    def __init__(
        self,
        engine: Engine,
        project: Project,
        settings: ModelSettings,
        load: Load,
        specs: Mapping[Optional[str], ArchiveSpec],
    ) -> None:
        self._project = project
        self._settings = settings
        self._load = load
        self._specs = specs
        server = Server.of(project, engine)
        self._stack = ExitStack()
        self._model = self._stack.enter_context(ServedModel(server, settings.archive.model_name))
        self.served = self._swept()
        self.threads = engine.status().threads or Threads(1, 1)
        self.present = self._present(self.served)
        self._answers: Optional[Answers] = None
        self._beside: dict[Setting, SideVersion] = {}
        self._kept: Sequence[Setting] = ()
        self._number = 0

    def __enter__(self) -> Measurer:
        try:
            model, load = self._model, self._load
            self._answers = Answers(model.inference, model.name, self.served.version, load.bodies, load.content_type)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        with self._stack:
            for setting in list(self._beside):
                self._leave(setting)

    def keep(self, settings: Sequence[Setting]) -> None:
        """Keep these registered from now on; see `Course.keep`."""
        self._kept = settings

    def measure(self, setting: Setting, seconds: float) -> Reading:
        """Load a setting, which is registered for it unless it is; see `Course.measure`.

        Raises:
            UnfitError: its workers do not start, or it does not answer as the served version does.
            EngineNotRunningError: the server is gone.
        """
        known = setting == self.present or setting in self._beside
        if not known:
            self._enter(setting)
        try:
            warmup = 0.0 if known else max(_FIRST_S, seconds / 2)
            measurement = self.loaded(setting, seconds / (1 - _FILLING), warmup=warmup)
        finally:
            if setting not in self._kept:
                self._leave(setting)
        p99 = measurement.latency.percentile(99) or measurement.latency.largest
        return Reading(rate_of(measurement.windows, skipped=_FILLING), None if p99 is None else p99 / 1e6, seconds)

    def loaded(self, setting: Setting, seconds: float, *, warmup: float) -> Measurement:
        """Return what a window of load counts; raises like `measure`."""
        load, model = self._load, self._model
        version = self.served.version if setting == self.present else self._beside[setting].version
        target = prediction_target(
            model.server.endpoint, model.name, load.bodies, version=version, content_type=load.content_type
        )
        timeout = float(self.served.response_timeout_s or WORKER_TIMEOUT_S)
        with LoadGenerator(target, load.concurrency, timeout=timeout) as generator:
            for length in (warmup, seconds) if warmup else (seconds,):
                measurement = Measurement()
                generator.run(measurement, seconds=length)
                if measurement.cut_short:
                    raise EngineNotRunningError(f"{model.name}: {measurement.cut_short}", hint="mardock logs")
                if measurement.errors:
                    kind, count = measurement.errors.most_common(1)[0]
                    raise UnfitError(f"{count} x {kind}: {measurement.examples.get(kind, '-')}")
        return measurement

    def _present(self, served: ModelStatus) -> Setting:
        if not served.min_workers:
            raise ConfigError(f"{served.name} has no workers", hint=f"mardock models scale {served.name} -n 1")
        configured = threads_configured(self._project.model_store, served.url)
        sharing = served.min_workers if shares_cores(self._project.settings, self.threads) else None
        return Setting(
            served.min_workers,
            served.batch_size,
            max(served.max_batch_delay_ms, 0),
            self.threads.of(served.name, configured, sharing),
        )

    def _swept(self) -> ModelStatus:
        """Return what serves, once what a killed command left beside it is gone."""
        own = self._settings.archive.version
        sample = self._load.bodies[0] if self._load.bodies else None
        sweep(self._model, Drain(self._model.server.endpoint, sample=sample), own=own)
        return self._model.management.describe_default(self._model.name)

    def _enter(self, setting: Setting) -> None:
        assert self._answers is not None
        self._number += 1
        side = SideVersion(self._model, SideName(self.served.version, Kind.TUNED, self._number))
        spec = self._specs[setting.variant]
        self._beside[setting] = side
        try:
            side.lay_out(
                dataclasses.replace(spec, config_file=_CONFIG),
                spec.resolve(self._project.root),
                overrides={_CONFIG: self._config(setting)},
            )
            self._model.share_cores(setting.workers)
            self._model.mark()
            side.load(side.wanted(self._settings.serving))
            self._answers.check(side.version, setting.batch_size)
        except BaseException as error:
            self._leave(setting)
            if isinstance(error, ServingError):
                raise UnfitError(error.message) from error
            raise

    def _leave(self, setting: Setting) -> None:
        if setting in self._beside:
            self._beside.pop(setting).remove()

    def _config(self, setting: Setting) -> bytes:
        import yaml

        serving = as_served(self._settings, self._project.root)
        timeouts = {"responseTimeout": serving.response_timeout, "startupTimeout": serving.startup_timeout}
        written = model_config_of(self._settings, self._project.root)
        return yaml.safe_dump({**timeouts, **written, **model_config_keys(setting, with_threads=True)}).encode()
