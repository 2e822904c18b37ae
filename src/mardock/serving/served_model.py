"""ServedModel: one model on one TorchServe: its versions, and the default one among them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import cached_property
from types import TracebackType
from typing import Callable, Optional

from mardock.causes.audience import Audience
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.client.readiness import wait_until_ready
from mardock.errors import ApiError, EngineNotRunningError, MardockError, ModelNotFoundError, ServingError
from mardock.serving import background
from mardock.serving.diagnosis import LogPosition, explain, explain_start
from mardock.serving.probe import Probe
from mardock.serving.servable import Wanted
from mardock.serving.server import Server

_LOOK_S = 0.01
_MEANWHILE_S = 0.2


class ServedModel:
    """One model on one server, whether it is registered there already or not.

    Args:
        name: what it is served as.
        audience: who is told of what fails.
    """

    def __init__(self, server: Server, name: str, audience: Audience = Audience()) -> None:
        self.server = server
        self.name = name
        self.management = ManagementClient(server.endpoint)
        self.audience = audience
        self._since = LogPosition()

    def move(self, server: Server) -> None:
        """Be the model of this name on another server from now on, or on the same one started anew."""
        self.close()
        self.server = server
        self.management = ManagementClient(server.endpoint)
        self.__dict__.pop("inference", None)

    @cached_property
    def inference(self) -> InferenceClient:
        """Sends it requests; only to be asked for where the server has that API."""
        return InferenceClient(self.server.endpoint)

    def __enter__(self) -> ServedModel:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self.management.close()
        if "inference" in self.__dict__:
            self.inference.close()

    def mark(self) -> None:
        """Remember where the server's log ends: what comes later is about what is tried next."""
        self._since = LogPosition.now(self.server.engine)

    def log_since_mark(self) -> list[str]:
        """Return what the server logged since then; nothing of one that is not ours."""
        return self._since.lines_since(self.server.engine) if self.server.engine is not None else []

    def versions(self) -> list[ModelStatus]:
        """Return every version, none when the model is not registered."""
        with suppress(ModelNotFoundError):
            return self.management.describe(self.name)
        return []

    def status(self, version: str) -> ModelStatus:
        """Return how a version is; raises ModelNotFoundError when it is not registered."""
        return self.management.describe(self.name, version)[0]

    def default_version(self) -> Optional[str]:
        """Return which version answers predictions that name none; None when the model is not registered."""
        with suppress(ModelNotFoundError):
            return self.management.describe_default(self.name).version
        return None

    def load(
        self,
        wanted: Wanted,
        *,
        called: Optional[str] = None,
        superseded: Optional[Callable[[], bool]] = None,
        meanwhile: Optional[Callable[[], None]] = None,
    ) -> ModelStatus:
        """Register a version and return once its workers are READY; one that fails is gone again.

        Args:
            wanted: what TorchServe is told.
            called: what to call it in the error when it fails.
            superseded: says when it need not be finished.
            meanwhile: called again and again while the workers start.

        Raises:
            ModelConflictError: this version is registered already; it is left alone.
            WorkerFailedError: a worker did not start; `details` is the handler's own traceback.
            EngineNotRunningError: the server is down, or ended meanwhile.
            SupersededError: `superseded` said so.
        """
        with self._explaining(wanted, called):
            if meanwhile is not None:
                return self._load_watched(wanted, meanwhile)
            if superseded is None:
                return self._loaded(wanted)
            loading = background.begin(lambda: self._loaded(wanted))
            try:
                return background.result(loading, superseded)
            except MardockError:
                raise
            except BaseException:
                self._abandon(loading, wanted)
                raise

    def scale(self, current: ModelStatus, wanted: Wanted) -> ModelStatus:
        """Give a version the wanted number of workers, all of them READY, or as many as it had."""
        workers, version, timeout = wanted.serving.initial_workers, current.version, wanted.serving.startup_timeout
        with self._explaining(wanted):
            try:
                return self.management.scale(self.name, workers, workers, version, timeout=timeout)
            except BaseException:
                self.management.scale(self.name, current.min_workers, current.max_workers, version, synchronous=False)
                raise

    def share_cores(self, workers: int) -> None:
        """Have so many coming workers not take each other's cores: they are several times slower when they do."""
        if self.server.engine is not None:
            with suppress(MardockError):  # they answer all the same
                self.server.engine.share_cores(self.name, workers)

    def probed(
        self, probe: Probe, version: Optional[str], timeout: float, superseded: Callable[[], bool]
    ) -> Optional[bytes]:
        """Return a version's answer to the first sample, the default one's when it is None; None without a sample.

        Raises:
            ServingError: a sample is not answered, or not as expected; with the handler's own traceback.
            SupersededError: `superseded` said so.
        """
        try:
            return background.result(
                background.begin(lambda: probe.run(self.inference, self.name, version, timeout)), superseded
            )
        except MardockError as error:
            raise explain(
                self.server.engine, self.name, self._since, error, version=version, audience=self.audience
            ) from error

    def promote(self, version: str) -> None:
        """Let a version answer the predictions that name none."""
        self.management.set_default(self.name, version)

    def stop(self, version: str) -> None:
        """Take a version's workers away, so that requests are refused at once instead of waiting for them."""
        self.management.scale(self.name, 0, 0, version, synchronous=False)

    def remove(self, version: str) -> None:
        """Unregister a version, whatever it does; one that is not there, or a server that is gone, is no error."""
        try:
            self.management.unregister(self.name, version)
        except (ModelNotFoundError, EngineNotRunningError):
            return
        except ServingError as error:
            if isinstance(error, ApiError):
                raise
            # It hung up, as one does that is killed: whoever asks it next hears that it is gone.

    @contextmanager
    def _explaining(self, wanted: Wanted, called: Optional[str] = None) -> Iterator[None]:
        """Tell of what fails to start inside with the cause that stands in the server's log since the last mark."""
        try:
            yield
        except MardockError as error:
            told = explain_start(
                self.server.engine,
                self.name,
                wanted.version,
                self._since,
                error,
                what=called or str(wanted),
                audience=self.audience,
                needs=wanted.needs,
            )
            if told is error:
                raise
            raise told from error

    def _request(self, wanted: Wanted, *, synchronous: bool = True) -> ModelStatus:
        serving = wanted.serving
        return self.management.register(
            wanted.url,
            model_name=self.name,
            handler=wanted.handler,
            initial_workers=serving.initial_workers,
            batch_size=serving.batch_size,
            max_batch_delay=serving.max_batch_delay,
            response_timeout=serving.response_timeout,
            startup_timeout=serving.startup_timeout,
            allow_remote=wanted.allow_remote,
            synchronous=synchronous,
            installs=wanted.installs,
        )

    def _loaded(self, wanted: Wanted) -> ModelStatus:
        """Register a version, with as many workers as are wanted whatever its model-config.yaml says."""
        status, workers = self._request(wanted), wanted.serving.initial_workers
        if not wanted.firm or status.min_workers == workers:
            return status
        try:
            timeout = wanted.serving.startup_timeout
            return self.management.scale(self.name, workers, workers, status.version, timeout=timeout)
        except BaseException:
            self.remove(status.version)
            raise

    def _load_watched(self, wanted: Wanted, meanwhile: Callable[[], None]) -> ModelStatus:
        registered = self._request(wanted, synchronous=False)

        def look() -> ModelStatus:
            meanwhile()
            return self.status(registered.version)

        workers, timeout = wanted.serving.initial_workers, wanted.serving.startup_timeout
        try:
            status = wait_until_ready(look, workers=workers, timeout=timeout, poll=_MEANWHILE_S)
        except BaseException:
            self.remove(registered.version)
            raise
        meanwhile()  # for what happened since it was called last
        return status

    def _abandon(self, loading: Future[ModelStatus], wanted: Wanted) -> None:
        """Take back a registration under way: TorchServe ends it once the version is unregistered."""
        assert wanted.version is not None
        while not loading.done():
            self.remove(wanted.version)
            wait([loading], _LOOK_S)
        self.remove(wanted.version)
