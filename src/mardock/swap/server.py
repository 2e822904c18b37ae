"""Server: the versions of one model on a running TorchServe, put in each other's place without a request lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Optional

from mardock import registration
from mardock.causes.audience import Audience
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.engines.base import Engine
from mardock.errors import EngineNotRunningError, MardockError, ModelNotFoundError
from mardock.registration import Candidate, LogPosition, aside
from mardock.registration.candidate import Wanted, prepare
from mardock.registration.diagnosis import explain_start
from mardock.registration.draining import Drain
from mardock.registration.loading import request
from mardock.settings.project import Project
from mardock.swap.directory import Directory
from mardock.swap.probe import Probe

_LOOK_S = 0.01


class Server:
    """One model on one server.

    Args:
        model: the name it is served under.
        audience: who is told of what fails.

    Raises:
        EngineNotRunningError: the server is down.
    """

    def __init__(self, engine: Engine, project: Project, model: str, audience: Audience) -> None:
        endpoint = engine.endpoint()
        self.engine = engine
        self.inference = InferenceClient(endpoint)
        self.management = ManagementClient(endpoint)
        self._model = model
        self._store = project.model_store
        self._audience = audience
        self._endpoint = endpoint
        self.mark()

    def close(self) -> None:
        """Close its connections."""
        self.inference.close()
        self.management.close()

    def mark(self) -> None:
        """Remember where the log ends: what comes later is about what is tried next."""
        self._since = LogPosition.now(self.engine)

    def versions(self) -> list[ModelStatus]:
        """Return every version of the model, none when it is not registered."""
        try:
            return self.management.describe(self._model)
        except ModelNotFoundError:
            return []

    def status(self, version: str) -> ModelStatus:
        """Return how a version is; raises ModelNotFoundError when it is not registered."""
        return self.management.describe(self._model, version)[0]

    def start(self, directory: Directory, probe: Probe, superseded: Callable[[], bool]) -> Optional[bytes]:
        """Load a version beside what serves and return its answer to the sample; one that fails is gone again.

        Raises:
            ArchiveError: its model-config.yaml is wrong.
            WorkerFailedError: it cannot be loaded; `details` is the handler's own traceback.
            ServingError: it cannot answer the sample, or not as expected.
            SupersededError: there is something newer to load.
        """
        serving = directory.snapshot.settings.serving
        wanted = prepare(Candidate(directory.path, serving, model_name=self._model))
        self._load(wanted, directory.version, superseded)
        try:
            return self._probed(probe, directory.version, wanted.serving.response_timeout, superseded)
        except BaseException:
            self.remove(directory.version)
            raise

    def predict(self, probe: Probe, timeout: float, superseded: Callable[[], bool]) -> Optional[bytes]:
        """Send the sample to what serves by default; raises like `start`."""
        return self._probed(probe, None, timeout, superseded)

    def _load(self, wanted: Wanted, version: str, superseded: Callable[[], bool]) -> None:
        loading = aside.begin(lambda: request(self.management, wanted))
        try:
            aside.result(loading, superseded)
        except MardockError as error:
            what = f"model {self._model} {version}"
            raise explain_start(
                self.engine, self._model, version, self._since, error, what=what, audience=self._audience
            ) from error
        except BaseException:
            self._abandon(loading, version)
            raise

    def _abandon(self, loading: Future[ModelStatus], version: str) -> None:
        """Take back a registration under way: TorchServe ends it once the version is unregistered."""
        while not loading.done():
            self.remove(version)
            wait([loading], _LOOK_S)
        self.remove(version)

    def _probed(
        self, probe: Probe, version: Optional[str], timeout: float, superseded: Callable[[], bool]
    ) -> Optional[bytes]:
        try:
            return aside.result(
                aside.begin(lambda: probe.run(self.inference, self._model, version, timeout)), superseded
            )
        except MardockError as error:
            raise registration.explain(
                self.engine, self._model, self._since, error, version=version, audience=self._audience
            ) from error

    def promote(self, version: str) -> None:
        """Let a version answer the predictions that name none."""
        self.management.set_default(self._model, version)

    def remove(self, version: str) -> None:
        """Unregister a version, whatever it does; one that is not there is no error."""
        with suppress(ModelNotFoundError, EngineNotRunningError):
            self.management.unregister(self._model, version)

    def stop(self, status: ModelStatus) -> None:
        """Take a version's workers away, so that requests are refused at once instead of waiting for them."""
        self.management.scale(self._model, 0, 0, status.version, synchronous=False)

    def retire(self, version: str, probe: Probe, hurry: Callable[[], bool]) -> None:
        """Unregister a version that is not the default any more once its requests are answered.

        Args:
            hurry: says when there is no more time to wait.
        """
        sample = probe.samples[0].body if probe.samples else None
        try:
            status = self.status(version)
            Drain(self._endpoint, math.inf, sample, hurry).run(status)
            registration.unregister(self._endpoint, self._model, version, store=self._store, patience=0)
        except ModelNotFoundError:
            return
