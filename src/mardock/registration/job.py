"""One registration against one server: find what is there, leave it, refuse, scale, start or replace."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Optional

from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.engines.base import Engine
from mardock.errors import MardockError, ModelConflictError, ModelNotFoundError
from mardock.listener import Listener
from mardock.registration import pinned
from mardock.registration.candidate import Wanted
from mardock.registration.draining import Drain
from mardock.registration.loading import Loader
from mardock.registration.replacement import Replacement
from mardock.registration.stand_in import StandIn

Outcome = Literal["registered", "unchanged", "scaled", "replaced"]


@dataclass(frozen=True)
class Registered:
    """A model that is served.

    Attributes:
        workers: how many are READY.
        outcome: `unchanged` when the identical archive was served like this already.
        url: what TorchServe calls the archive.
        digest: the beginning of the archive's SHA-256; None when it is not known.
        default_version: what answers a prediction that names no version.
        drained: False when requests of what was replaced were still under way as their time was up.
        kept: how many workers of it ran before and go on; 0 when all of them are new.
    """

    model: str
    version: str
    workers: int
    outcome: Outcome
    url: str
    digest: Optional[str]
    default_version: str
    drained: bool = True
    kept: int = 0


class Job:
    """Brings one server to serve what is wanted.

    Args:
        engine: who runs it, when that is ours to ask.
        drain: waits for the requests of what is replaced.
        listener: notes what is being waited for.
    """

    def __init__(
        self,
        client: ManagementClient,
        engine: Optional[Engine],
        wanted: Wanted,
        drain: Drain,
        listener: Listener,
    ) -> None:
        self._client = client
        self._wanted = wanted
        self._drain = drain
        self._listener = listener
        self._loader = Loader(client, engine, wanted)
        self._stand_in: Optional[StandIn] = None
        if wanted.archive is not None and wanted.model and wanted.version:
            self._stand_in = StandIn(client, wanted.archive.path.parent, wanted.model, wanted.version, drain)

    def run(self, *, may_replace: bool) -> Registered:
        """Return once it is served by the wanted number of READY workers; raises like `register`."""
        try:
            current = self._current()
            outcome, status, drained = self._bring_about(current, may_replace)
        except BaseException:
            with suppress(MardockError):  # what failed first is what to tell
                self._see_off_stand_in()
            raise
        drained = self._see_off_stand_in() and drained
        return Registered(
            model=status.name,
            version=status.version,
            workers=status.ready_workers,
            outcome=outcome,
            url=status.url,
            digest=pinned.digest_of(status.url),
            default_version=self._client.describe_default(status.name).version,
            drained=drained,
            kept=current.min_workers if current and outcome in ("scaled", "unchanged") else 0,
        )

    def _bring_about(self, current: Optional[ModelStatus], may_replace: bool) -> tuple[Outcome, ModelStatus, bool]:
        if current is None:
            self._listener.note(f"loading {self._wanted}")
            return "registered", self._loader.load(), True
        difference = self._difference(current)
        if difference and not may_replace:
            raise ModelConflictError(
                f"model {current.name} {current.version} is registered already: {difference}",
                status=409,
                hint=f"replace it: mardock register {current.name} {'--unpacked ' * self._wanted.unpacked}--replace",
            )
        if not difference and current.min_workers != self._wanted.serving.initial_workers:
            return "scaled", self._scale(current), True
        if not difference and (current.ready or not current.min_workers):
            return "unchanged", current, True
        replacement = Replacement(self._client, self._loader, self._wanted, self._stand_in, self._drain, self._listener)
        return ("replaced", *replacement.run(current))

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
        workers, name, version = self._wanted.serving.initial_workers, current.name, current.version
        self._listener.note(f"scaling {self._wanted} from {current.min_workers} to {workers} workers")
        self._loader.share_cores(name)
        with self._loader.explaining(name, version, str(self._wanted)):
            try:
                self._client.scale(name, workers, workers, version, timeout=self._wanted.serving.startup_timeout)
                return self._loader.wait(current, workers)
            except BaseException:
                self._client.scale(name, current.min_workers, current.max_workers, version, synchronous=False)
                raise

    def _see_off_stand_in(self) -> bool:
        """Leave nothing of the stand-in, of a killed command's too, unless it is all that serves the model."""
        if self._stand_in is None or not self._is_registered():
            return True
        return self._stand_in.see_off()

    def _is_registered(self) -> bool:
        return self._wanted.version is not None and self._current() is not None
