"""Register and replace models: READY is waited for, what fails leaves what was there before."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from mardock.causes.audience import Audience
from mardock.client.model_status import ModelStatus
from mardock.defaults import DRAIN_S
from mardock.errors import MardockError, ModelNotFoundError
from mardock.listener import SILENT, Listener
from mardock.serving import pinned, session_lock
from mardock.serving.draining import Drain
from mardock.serving.registration_plan import Outcome, Plan, Served, Step, plan
from mardock.serving.servable import Servable, Wanted, prepare
from mardock.serving.served_model import ServedModel
from mardock.serving.server import Server
from mardock.serving.side_version import SideVersion
from mardock.serving.sweep import sweep
from mardock.side_names import Kind, SideName

_SIDE_BY_SIDE = max(1, min(4, 2 * (os.cpu_count() or 1) - 1))
"""Fewer than TorchServe has threads for connections, which each of them keeps busy: it has two for each core."""

_ELSEWHERE = ".next"


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


def register(
    server: Server,
    servable: Servable,
    *,
    replace: bool = False,
    patience: float = DRAIN_S,
    listener: Listener = SILENT,
) -> Registered:
    """Serve a model and return when the wanted workers are READY.

    The identical archive, served alike, is left alone. Another one under the same name and version is refused, or put
    in its place with `replace`: it first has to load beside the old one, as `<version>-next`, and answers while the old
    one's requests are drained and its place is taken. Should it fail after all, the old one comes back.

    What a killed command left beside the model is gone afterwards, and what a watch left serving, for its own version
    serves again; of a model that somebody is in a session with, that is left alone.

    Args:
        patience: seconds to wait for the requests of what goes; see `Drain`.

    Raises:
        ArchiveError: the archive or its model-config.yaml is unfit.
        ModelConflictError: this version is registered with something else, or what it holds is not known.
        WorkerFailedError: a worker did not start; `details` is the handler's own traceback, and the model is gone.
        EngineNotRunningError: the server is down, or ended meanwhile.
    """
    wanted = prepare(servable)
    with ServedModel(server, wanted.model, Audience(servable.sources)) as model:
        try:
            drain = Drain(server.endpoint, patience, servable.sample.read_bytes() if servable.sample else None)
            return _Registration(model, wanted, drain, listener).run(replace=replace)
        finally:
            if isinstance(servable.archive, Path):
                pinned.sweep(model.management, servable.archive)


def register_all(
    server: Server,
    servables: Sequence[Servable],
    *,
    replace: bool = False,
    patience: float = DRAIN_S,
    listener: Listener = SILENT,
) -> list[Union[Registered, MardockError]]:
    """Register models side by side and return what became of each, in their order; no failure stops the others."""

    def attempt(servable: Servable) -> Union[Registered, MardockError]:
        try:
            return register(server, servable, replace=replace, patience=patience, listener=listener)
        except MardockError as error:
            return error

    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(attempt, servables))


class _Registration:
    """Takes the steps of one plan.

    Args:
        drain: waits for the requests of what goes.
    """

    def __init__(self, model: ServedModel, wanted: Wanted, drain: Drain, listener: Listener) -> None:
        self._model = model
        self._wanted = wanted
        self._drain = drain
        self._listener = listener
        self._drained = True
        self._stood_in = True  # unless it is known that nobody asked what stood in
        self._next: Optional[SideVersion] = None
        if wanted.version and model.server.store is not None:
            self._next = SideVersion(model, SideName(wanted.version, Kind.NEXT))

    def run(self, *, replace: bool) -> Registered:
        """Return once it is served by the wanted number of READY workers; raises like `register`."""
        try:
            served = self._served()
            next_version = self._next.version if self._next else None
            made = plan(self._wanted, served, replace=replace, next_version=next_version)
            status = self._take(made, served.current)
        except BaseException:
            with suppress(MardockError):  # what failed first is what to tell
                self._clear((Kind.NEXT,))
            raise
        with session_lock.nobody_in(self._model.server.store, self._model.name) as alone:
            drained = self._clear(tuple(Kind) if alone else (Kind.NEXT,)) and self._drained
        return Registered(
            model=status.name,
            version=status.version,
            workers=status.ready_workers,
            outcome=made.outcome,
            url=status.url,
            digest=pinned.digest_of(status.url),
            default_version=self._model.default_version() or status.version,
            drained=drained,
            kept=served.current.min_workers if served.current and made.outcome in ("scaled", "unchanged") else 0,
        )

    def _served(self) -> Served:
        """Find what it would collide with; a repeated POST would leave an unpacked copy behind."""
        statuses = self._model.versions()
        current = next((status for status in statuses if self._wanted.is_served_as(status)), None)
        if current is None:
            return Served()
        if self._next is not None and any(status.version == self._next.version for status in statuses):
            self._next.see_off(self._drain)  # of a command that was killed; what it stood for serves
            return self._served()
        others = tuple(status.version for status in statuses if status is not current)
        return Served(current, others, self._model.default_version())

    def _take(self, made: Plan, current: Optional[ModelStatus]) -> ModelStatus:
        if current is None:
            self._listener.note(f"loading {self._wanted}")
            return self._load()
        status = current
        with ExitStack() as put_back:
            for step in made.steps:
                if step is Step.SCALE:
                    status = self._scale(current)
                elif step is Step.TRY_BESIDE:
                    self._try_beside(current)
                elif step is Step.HAND_OVER:
                    put_back.enter_context(self._handed_over(current, made.stand_in))
                elif step is Step.TAKE_AWAY:
                    self._take_away(current)
                elif step is Step.LOAD:
                    status = self._load_in_its_place(current)
        return status

    def _load(self) -> ModelStatus:
        self._model.share_cores(self._wanted.serving.initial_workers)
        self._model.mark()
        return self._model.load(self._wanted)

    def _scale(self, current: ModelStatus) -> ModelStatus:
        wanted = self._wanted
        self._listener.note(f"scaling {wanted} from {current.min_workers} to {wanted.serving.initial_workers} workers")
        self._model.share_cores(wanted.serving.initial_workers)
        self._model.mark()
        return self._model.scale(current, wanted)

    def _try_beside(self, current: ModelStatus) -> None:
        """Load it beside what serves, to find out whether it can be; it then stands there, if it can."""
        self._listener.note(f"trying {self._wanted} beside the one that serves")
        called = f"{self._wanted} keeps serving as it was: the new archive"
        self._model.share_cores(self._wanted.serving.initial_workers)
        self._model.mark()
        if self._next is not None and self._wanted.archive is not None:
            self._next.unpack(self._wanted.archive)
            self._next.load(self._wanted, called=called)
            return
        with ServedModel(self._model.server, current.name + _ELSEWHERE, self._model.audience) as elsewhere:
            for left in elsewhere.versions():  # of a command that was killed
                elsewhere.remove(left.version)
            elsewhere.mark()
            elsewhere.remove(elsewhere.load(self._wanted, called=called).version)

    @contextmanager
    def _handed_over(self, current: ModelStatus, stand_in: Optional[str]) -> Iterator[None]:
        """Let another version answer inside the block: TorchServe unregisters the default one last."""
        assert stand_in is not None
        before = self._drain.asked(current.name)
        self._model.promote(stand_in)
        try:
            yield
        finally:
            with suppress(ModelNotFoundError):
                self._model.promote(current.version)
        self._stood_in = before is None or self._drain.asked(current.name) != before

    def _take_away(self, current: ModelStatus) -> None:
        self._listener.note(f"putting {self._wanted} in the place of the one that serves")
        self._drained = self._drain.run(current)
        self._model.management.unregister(current.name, current.version)

    def _load_in_its_place(self, old: ModelStatus) -> ModelStatus:
        try:
            return self._load()
        except BaseException as error:
            lost = self._bring_back(old) if old.ready or not old.min_workers else None
            if lost and isinstance(error, MardockError):
                raise error.but(more=lost) from error
            raise

    def _bring_back(self, old: ModelStatus) -> Optional[str]:
        """Register the old one again, and say why that could not be."""
        try:
            self._model.management.register(
                old.url,
                model_name=old.name,
                initial_workers=old.min_workers,
                batch_size=old.batch_size,
                max_batch_delay=max(old.max_batch_delay_ms, 0),
                response_timeout=old.response_timeout_s,
                startup_timeout=old.startup_timeout_s,
                allow_remote=True,
            )
        except MardockError as error:
            return f"what was registered before did not come back: {error.message}"
        return None

    def _clear(self, kinds: Sequence[Kind]) -> bool:
        """Leave nothing of these beside the model's own version, if that serves; says whether all is answered."""
        version = self._wanted.version
        if version is None or self._next is None:
            return True
        asked = (self._next.version,) if self._stood_in else ()
        return sweep(self._model, self._drain, own=version, serving=True, kinds=kinds, asked=asked)
