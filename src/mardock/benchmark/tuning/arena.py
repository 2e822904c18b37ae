"""Arena: the running server, where each setting is registered as a version of its own beside the one that serves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Optional

from mardock import registration
from mardock.archive import directory
from mardock.archive.spec import ArchiveSpec
from mardock.benchmark.load import LoadGenerator
from mardock.benchmark.measurement import Measurement
from mardock.benchmark.target import prediction_target
from mardock.benchmark.tuning import versions
from mardock.benchmark.tuning.answers import Answers
from mardock.benchmark.tuning.pace import pace
from mardock.benchmark.tuning.scores import Reading, UnfitError
from mardock.benchmark.tuning.setting import Setting
from mardock.benchmark.tuning.write_back import model_config_keys
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.defaults import WORKER_TIMEOUT_S
from mardock.engines.base import Engine
from mardock.engines.threads import Threads, shares_cores
from mardock.errors import ConfigError, EngineNotRunningError, ServingError
from mardock.registration import Candidate
from mardock.registration.model_config import threads_configured
from mardock.settings.project import Project
from mardock.settings.schema import ModelSettings

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


class Arena:
    """Measures settings of one model on one server; leaving the context takes away all that was registered.

    The served version and the model's default are never touched, so that whatever ends the measuring leaves the server
    as it was; what SIGKILL leaves is swept by the next arena.

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
        self._engine = engine
        self._project = project
        self._settings = settings
        self._load = load
        self._specs = specs
        self._endpoint = engine.endpoint()
        self._model = settings.archive.model_name
        self._stack = ExitStack()
        self._management = self._stack.enter_context(ManagementClient(self._endpoint))
        self._inference = self._stack.enter_context(InferenceClient(self._endpoint))
        self.served = self._management.describe_default(self._model)
        self.threads = engine.status().threads or Threads(1, 1)
        self.present = self._present(self.served)
        self._answers: Optional[Answers] = None
        self._ready: dict[Setting, str] = {self.present: self.served.version}
        self._kept: Sequence[Setting] = ()
        self._number = 0

    def __enter__(self) -> Arena:
        try:
            versions.sweep(self._management, self._project.model_store, self._model, self.served.version)
            self._answers = Answers(
                self._inference, self._model, self.served.version, self._load.bodies, self._load.content_type
            )
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        with self._stack:
            for setting in list(self._ready):
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
        known = setting in self._ready
        if not known:
            self._enter(setting)
        try:
            warmup = 0.0 if known else max(_FIRST_S, seconds / 2)
            measurement = self.loaded(setting, seconds / (1 - _FILLING), warmup=warmup)
        finally:
            if setting not in self._kept:
                self._leave(setting)
        p99 = measurement.latency.percentile(99) or measurement.latency.largest
        return Reading(pace(measurement.windows, skipped=_FILLING), None if p99 is None else p99 / 1e6, seconds)

    def loaded(self, setting: Setting, seconds: float, *, warmup: float) -> Measurement:
        """Return what a window of load counts; raises like `measure`."""
        load, version = self._load, self._ready[setting]
        target = prediction_target(
            self._endpoint, self._model, load.bodies, version=version, content_type=load.content_type
        )
        timeout = float(self.served.response_timeout_s or WORKER_TIMEOUT_S)
        with LoadGenerator(target, load.concurrency, timeout=timeout) as generator:
            for length in (warmup, seconds) if warmup else (seconds,):
                measurement = Measurement()
                generator.run(measurement, seconds=length)
                if measurement.cut_short:
                    raise EngineNotRunningError(f"{self._model}: {measurement.cut_short}", hint="mardock logs")
                if measurement.errors:
                    kind, count = measurement.errors.most_common(1)[0]
                    raise UnfitError(f"{count} x {kind}: {measurement.examples.get(kind, '-')}")
        return measurement

    def _present(self, served: ModelStatus) -> Setting:
        if not served.min_workers:
            raise ConfigError(f"{self._model} has no workers", hint=f"mardock models scale {self._model} -n 1")
        configured = threads_configured(self._project.model_store, served.url)
        sharing = served.min_workers if shares_cores(self._project.settings, self.threads) else None
        return Setting(
            served.min_workers,
            served.batch_size,
            max(served.max_batch_delay_ms, 0),
            self.threads.of(self._model, configured, sharing),
        )

    def _enter(self, setting: Setting) -> None:
        assert self._answers is not None
        self._number += 1
        version = versions.name(self.served.version, self._number)
        store = self._project.model_store
        folder = versions.folder(store, self._model, version)
        spec = self._specs[setting.variant]
        self._ready[setting] = version
        try:
            directory.lay_out(
                folder,
                dataclasses.replace(spec, version=version, config_file=_CONFIG),
                spec.resolve(self._project.root),
                overrides={_CONFIG: self._config(setting)},
            )
            candidate = Candidate(folder, self._settings.serving, model_name=self._model)
            registration.register(self._endpoint, candidate, engine=self._engine)
            self._answers.check(version, setting.batch_size)
        except BaseException as error:
            self._leave(setting)
            if isinstance(error, ServingError):
                raise UnfitError(error.message) from error
            raise

    def _leave(self, setting: Setting) -> None:
        if setting != self.present and setting in self._ready:
            versions.remove(self._management, self._project.model_store, self._model, self._ready.pop(setting))

    def _config(self, setting: Setting) -> bytes:
        import yaml

        file = self._settings.archive.config_file
        written: dict[str, Any] = {}
        if file:
            try:
                written = yaml.safe_load((self._project.root / file).read_text(encoding="utf-8")) or {}
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                raise ConfigError(f"cannot read {file}: {error}", hint=f"mend {file}") from error
        return yaml.safe_dump({**written, **model_config_keys(setting, with_threads=True)}).encode()
