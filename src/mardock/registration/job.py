"""One registration against one server: find what is there, leave it, refuse, scale, start or replace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, Optional

from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.engines.base import Engine
from mardock.errors import MardockError, ModelConflictError, ModelNotFoundError
from mardock.registration import pinned
from mardock.registration.candidate import Wanted
from mardock.registration.diagnosis import LogPosition, explain_start

Outcome = Literal["registered", "unchanged", "scaled", "replaced"]

_REHEARSAL = ".next"


@dataclass(frozen=True)
class Registered:
    """A model that is served.

    Attributes:
        workers: how many are READY.
        outcome: `unchanged` when the identical archive was served like this already.
        url: what TorchServe calls the archive.
        digest: the beginning of the archive's SHA-256; None when it is not known.
        default_version: what answers a prediction that names no version.
    """

    model: str
    version: str
    workers: int
    outcome: Outcome
    url: str
    digest: Optional[str]
    default_version: str


class Job:
    """Brings one server to serve what is wanted.

    Args:
        engine: who runs it, when that is ours to ask.
        report: told what is being waited for.
    """

    def __init__(
        self, client: ManagementClient, engine: Optional[Engine], wanted: Wanted, report: Callable[[str], None]
    ) -> None:
        self._client = client
        self._engine = engine
        self._wanted = wanted
        self._report = report

    def run(self, *, may_replace: bool) -> Registered:
        """Return once it is served by the wanted number of READY workers; raises like `register`."""
        current = self._current()
        if current is None:
            self._report(f"loading {self._wanted}")
            return self._registered(self._start(), "registered")
        difference = self._difference(current)
        if difference and not may_replace:
            raise ModelConflictError(
                f"model {current.name} {current.version} is registered already: {difference}",
                status=409,
                hint=f"replace it: mardock register {current.name} --replace",
            )
        if not difference and current.min_workers != self._wanted.serving.initial_workers:
            return self._registered(self._scale(current), "scaled")
        if not difference and (current.ready or not current.min_workers):
            return self._registered(current, "unchanged")
        return self._registered(self._replace(current), "replaced")

    def _current(self) -> Optional[ModelStatus]:
        """Find what the candidate would collide with; a repeated POST would leave an unpacked copy behind."""
        wanted = self._wanted
        if wanted.model and wanted.version:
            with suppress(ModelNotFoundError):
                return self._client.describe(wanted.model, wanted.version)[0]
            return None
        names = [model.name for model in self._client.list_models() if wanted.model in (None, model.name)]
        statuses = [status for name in names for status in self._client.describe(name)]
        return next((status for status in statuses if status.url == wanted.url), None)

    def _difference(self, current: ModelStatus) -> Optional[str]:
        wanted, served = self._wanted, pinned.digest_of(current.url)
        if wanted.digest is None or served is None:
            return "what it holds cannot be known"
        if served != wanted.digest:
            return f"it serves the archive {served}, and the one in the model store is {wanted.digest}"
        serving = wanted.serving
        for name, has, wants in (
            ("batch_size", current.batch_size, serving.batch_size),
            ("max_batch_delay", current.max_batch_delay_ms, serving.max_batch_delay),
            ("response_timeout", current.response_timeout_s, serving.response_timeout),
            ("startup_timeout", current.startup_timeout_s, serving.startup_timeout),
        ):
            if has not in (None, wants):
                return f"its {name} is {has}, and {wants} is wanted"
        return None

    def _scale(self, current: ModelStatus) -> ModelStatus:
        workers, since = self._wanted.serving.initial_workers, LogPosition.now(self._engine)
        name, version = current.name, current.version
        self._report(f"scaling {self._wanted} from {current.min_workers} to {workers} workers")
        with self._explaining(since, name, str(self._wanted)):
            try:
                self._client.scale(name, workers, workers, version, timeout=self._wanted.serving.startup_timeout)
                return self._wait(name, version, workers)
            except BaseException:
                self._client.scale(name, current.min_workers, current.max_workers, version, synchronous=False)
                raise

    def _replace(self, current: ModelStatus) -> ModelStatus:
        """Put the candidate in the place of a version. TorchServe answers 404 for it in between."""
        if current.ready:
            self._rehearse(current)
        self._report(f"putting {self._wanted} in the place of the one that serves")
        with self._another_default(current):
            self._client.unregister(current.name, current.version)
            try:
                return self._start()
            except BaseException as error:
                if current.ready or not current.min_workers:
                    self._bring_back(current, error)
                raise

    def _rehearse(self, current: ModelStatus) -> None:
        """Load the candidate beside what serves, under a name of its own, to find out whether it can."""
        name = current.name + _REHEARSAL
        self._report(f"trying {self._wanted} beside the one that serves")
        with suppress(ModelNotFoundError):  # of a rehearsal that was killed
            self._client.unregister(name)
        status = self._start(name, what=f"{self._wanted} keeps serving as it was: the new archive")
        self._client.unregister(name, status.version)

    def _start(self, name: Optional[str] = None, what: Optional[str] = None) -> ModelStatus:
        """Register the candidate and wait for its workers; one that fails is gone again."""
        wanted, serving = self._wanted, self._wanted.serving
        name = name or wanted.model
        with self._explaining(LogPosition.now(self._engine), name, what or str(wanted)):
            status = self._client.register(
                wanted.url,
                model_name=name,
                initial_workers=serving.initial_workers,
                batch_size=serving.batch_size,
                max_batch_delay=serving.max_batch_delay,
                response_timeout=serving.response_timeout,
                startup_timeout=serving.startup_timeout,
                allow_remote=wanted.allow_remote,
            )
            try:
                return self._wait(status.name, status.version, status.min_workers)
            except BaseException:
                self._client.unregister(status.name, status.version)
                raise

    def _wait(self, name: str, version: str, workers: int) -> ModelStatus:
        timeout = self._wanted.serving.startup_timeout
        return self._client.wait_ready(name, version, workers=workers, timeout=timeout)

    def _bring_back(self, old: ModelStatus, error: BaseException) -> None:
        try:
            self._client.register(
                old.url,
                model_name=old.name,
                initial_workers=old.min_workers,
                batch_size=old.batch_size,
                max_batch_delay=max(old.max_batch_delay_ms, 0),
                response_timeout=old.response_timeout_s,
                startup_timeout=old.startup_timeout_s,
                allow_remote=True,
            )
        except MardockError as second:
            if isinstance(error, MardockError):
                lost = f"what was registered before did not come back: {second.message}"
                error.details = "\n".join(filter(None, [error.details, lost]))

    @contextmanager
    def _another_default(self, current: ModelStatus) -> Iterator[None]:
        """Let another version be the default meanwhile: TorchServe unregisters the default one last."""
        name, version = current.name, current.version
        others = [status.version for status in self._client.describe(name) if status.version != version]
        if not others or self._client.describe_default(name).version != version:
            yield
            return
        self._client.set_default(name, others[-1])
        try:
            yield
        finally:
            with suppress(ModelNotFoundError):
                self._client.set_default(name, version)

    @contextmanager
    def _explaining(self, since: LogPosition, name: Optional[str], what: str) -> Iterator[None]:
        try:
            yield
        except ModelConflictError:
            raise
        except MardockError as error:
            version, sources = self._wanted.version, self._wanted.sources
            told = explain_start(self._engine, name, version, since, error, what=what, sources=sources)
            if told is error:
                raise
            raise told from error

    def _registered(self, status: ModelStatus, outcome: Outcome) -> Registered:
        return Registered(
            model=status.name,
            version=status.version,
            workers=status.ready_workers,
            outcome=outcome,
            url=status.url,
            digest=pinned.digest_of(status.url),
            default_version=self._client.describe_default(status.name).version,
        )
