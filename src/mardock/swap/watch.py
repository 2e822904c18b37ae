"""The watch: from each save to what serves, until it is interrupted; what cannot be served leaves the last good one."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import Optional

from mardock import extras
from mardock.client.model_status import ModelStatus
from mardock.client.refusals import INVALID_KEY
from mardock.client.restarts import Restarts
from mardock.engines import select
from mardock.errors import (
    ApiError,
    ConfigError,
    EngineNotFoundError,
    EngineNotRunningError,
    MardockError,
    ModelNotFoundError,
)
from mardock.serving.background import SupersededError
from mardock.serving.diagnosis import explain_deaths
from mardock.serving.session_lock import session
from mardock.settings import untrained
from mardock.settings.project import Project
from mardock.settings.root import PROJECT_FILE
from mardock.settings.schema import ModelSettings
from mardock.swap import snapshot
from mardock.swap.changes import Changes, Saved
from mardock.swap.events import Refused, Report, Said, Sayings
from mardock.swap.instant_swapper import InstantSwapper
from mardock.swap.snapshot import Snapshot
from mardock.swap.swapper import Swapper, audience_of

_LOOK_AFTER_S = 1.0
_BURST_QUIET_S = 0.2
_LARGE_QUIET_S = 0.25  # writing weights takes a while, with pauses
_NOT_READY_LOOKS = 3


def watch(project: Project, model: Optional[str], report: Report, *, instant: bool = False) -> None:
    """Serve a model's files as they are saved; returns only by KeyboardInterrupt, which leaves the last good version.

    Args:
        model: its name in mardock.toml; may be left out when there is one.
        report: told what happens.
        instant: let the workers reload code in their own process.

    Raises:
        ConfigError: something is wrong in the settings, or another process watches this model.
        EngineNotFoundError: watchfiles is not installed.
        EngineNotRunningError: the server is down when the watch begins.
    """
    name, settings = project.settings.model(model)
    if find_spec("watchfiles") is None:
        raise EngineNotFoundError("watchfiles is not installed", hint=extras.how_to_add("watch"))
    with session(project.model_store, settings.archive.model_name, "watched"):
        changes = Changes(Sayings(report))
        swapper = (InstantSwapper if instant else Swapper)(project, name, report, changes)
        swapper.connect(select.needed(project), settings)
        try:
            Watch(project, name, settings, report, changes, swapper).run()
        finally:
            changes.close()
            swapper.finish()


class Watch:
    """The loop of one watch."""

    def __init__(
        self,
        project: Project,
        name: str,
        settings: ModelSettings,
        report: Report,
        changes: Changes,
        swapper: Swapper,
    ) -> None:
        self._project = project
        self._name = name
        self._settings = settings
        self._report = report
        self._changes = changes
        self._swapper = swapper
        self._tried: Optional[Snapshot] = None
        self._failed = False
        self._restarts = Restarts()
        self._not_ready = 0

    def run(self) -> None:
        """Serve the files as they are, then as they are saved."""
        self._take_in(Saved(frozenset(), time.monotonic()))
        members = self._tried.members if self._tried else ()
        self._report(Said(f"watching {', '.join([*members, PROJECT_FILE])}"))
        while True:
            saved = self._changes.wait(_LOOK_AFTER_S)
            self._swapper.listen()
            if saved is not None:
                self._take_in(saved)
            else:
                self._look_after_server()

    def _take_in(self, saved: Saved) -> None:
        """Serve what was saved, and whatever is saved meanwhile instead."""
        while True:
            try:
                self._serve(saved)
            except SupersededError:
                self._changes.settle(_BURST_QUIET_S)
                saved = self._changes.wait(0) or saved
                continue
            except MardockError as error:
                if not self._is_lost(error):
                    self._refuse(error)
            if not self._changes.follow(snapshot.scope(self._settings, self._project.root)):
                return
            saved = Saved(frozenset(), time.monotonic())  # what was saved before it looked there

    def _serve(self, saved: Saved) -> None:
        if self._project.root / PROJECT_FILE in saved.paths:
            self._settings = self._read_settings()
        found = self._snapshot()
        changed = found.changed_since(self._tried)
        if any(found.members[name].size > snapshot.SMALL for name in changed if name in found.members):
            self._changes.settle(_LARGE_QUIET_S)
            found = self._snapshot()
        if self._tried is not None and not changed and not (self._failed and saved.paths):
            return
        if not self._swapper.connected:
            return  # it is served once the server is back
        if self._failed and self._swapper.good == found:
            self._tried, self._failed = found, False
            self._report(Said("what was saved is what serves"))
            return
        self._tried, self._failed = found, True
        self._swapper.swap(found, found.changed_since(self._swapper.good), saved.at)
        self._settled()

    def _settled(self) -> None:
        self._failed = False
        self._restarts = Restarts()
        self._not_ready = 0

    def _read_settings(self) -> ModelSettings:
        project = Project(self._project.root, **self._project.overrides)
        _, settings = project.settings.model(self._name)
        if settings.archive.model_name != self._settings.archive.model_name:
            raise ConfigError(
                f"{PROJECT_FILE}: the model's name was changed to {settings.archive.model_name}",
                hint=f"start another watch: mardock watch {self._name}",
            )
        return settings

    def _snapshot(self) -> Snapshot:
        try:
            return self._taken()
        except ConfigError:
            self._changes.settle(_BURST_QUIET_S)  # a file may be away for a moment: a checkout, a slow editor
            return self._taken()

    def _taken(self) -> Snapshot:
        untrained.refuse(self._name, self._settings, self._project.root)
        return snapshot.take(self._settings, self._project.root)

    def _refuse(self, error: MardockError) -> None:
        self._failed = True
        served = self._swapper.served
        self._report(Refused(error, self._swapper.title(served) if served else None))

    def _is_lost(self, error: MardockError) -> bool:
        """Say whether an error is the server's being gone; it is told once."""
        if not isinstance(error, EngineNotRunningError) and not _refused_token(error):
            return False
        self._swapper.disconnect()
        if not _refused_token(error):
            self._report(Said("TorchServe is gone; as soon as it is back, the model is registered there again"))
        return True

    def _look_after_server(self) -> None:
        try:
            if not self._swapper.connected:
                self._resume()
            elif self._swapper.served is not None:
                status = self._swapper.model.status(self._swapper.served.version)
                self._look_after_workers(status)
        except ModelNotFoundError:
            self._report(Said("the model was unregistered: registering it again"))
            self._register_again()
        except MardockError as error:
            if self._swapper.connected and not self._is_lost(error):
                self._refuse(error)

    def _resume(self) -> None:
        engine = select.running(self._project)
        if engine is None:
            return
        self._swapper.connect(engine, self._settings)
        self._report(Said("TorchServe is back"))
        self._register_again()

    def _register_again(self) -> None:
        try:
            if self._swapper.served is not None:
                self._swapper.again()
                self._settled()
        except (MardockError, SupersededError) as error:
            if isinstance(error, MardockError) and not self._is_lost(error):
                self._refuse(error)
        if self._tried is not None and self._swapper.good != self._tried:
            self._tried = None
        self._take_in(Saved(frozenset(), time.monotonic()))

    def _look_after_workers(self, status: ModelStatus) -> None:
        self._not_ready = 0 if status.ready else self._not_ready + 1
        self._restarts.look(status)
        if self._failed or not (self._restarts.too_many or self._not_ready >= _NOT_READY_LOOKS):
            return
        audience = audience_of(self._settings, self._project)
        error = explain_deaths(self._swapper.engine, status.name, status.version, audience, seen=True)
        assert error is not None
        self._refuse(error)
        if not status.ready:
            self._swapper.model.stop(status.version)
            self._report(Said("its workers are stopped, so that requests are refused and do not hang; save a mend"))


def _refused_token(error: MardockError) -> bool:
    return isinstance(error, ApiError) and error.kind == INVALID_KEY
