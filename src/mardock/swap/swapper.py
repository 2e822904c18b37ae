"""Swapper: brings a snapshot of a model to serve as a new version, and sees the one before off."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Optional

from mardock import side_names
from mardock.causes.audience import Audience, Then
from mardock.engines.base import Engine
from mardock.errors import MardockError
from mardock.serving import probe
from mardock.serving.draining import Drain
from mardock.serving.probe import Probe
from mardock.serving.retirement import Retirement
from mardock.serving.served_model import ServedModel
from mardock.serving.server import Server
from mardock.serving.side_version import SideVersion
from mardock.serving.sweep import sweep
from mardock.settings.project import Project
from mardock.settings.schema import ModelSettings
from mardock.side_names import Kind
from mardock.swap import directory
from mardock.swap.changes import Changes
from mardock.swap.directory import Addition, Directory
from mardock.swap.events import Report, Swapped
from mardock.swap.snapshot import Snapshot

_PATIENCE_S = 5.0


class Swapper:
    """Serves one model, each state of its files as a version of its own.

    Args:
        name: the model's name in mardock.toml.
        changes: says when something newer was saved.

    Attributes:
        served: the version that serves, None before the first.
        connected: whether there is a server to work on.
        engine: who runs it.
    """

    def __init__(self, project: Project, name: str, report: Report, changes: Changes) -> None:
        self.project = project
        self.served: Optional[Directory] = None
        self.report = report
        self.changes = changes
        self._name = name
        self.connected = False
        self.engine: Engine
        self._model: Optional[ServedModel] = None
        self._retirement = Retirement()
        self._leaving: set[str] = set()
        self._taken: set[str] = set()

    @property
    def model(self) -> ServedModel:
        """The model on its server; only to be asked for once there was one."""
        assert self._model is not None
        return self._model

    def connect(self, engine: Engine, settings: ModelSettings) -> None:
        """Work on this server from now on; what a killed command left there is gone.

        Raises:
            EngineNotRunningError: it is down.
        """
        spec, server = settings.archive, Server.of(self.project, engine)
        if self._model is None:
            self._model = ServedModel(server, spec.model_name)
        self._model.move(server)
        self._model.mark()
        self._taken.update(status.version for status in self._model.versions())
        drain = Drain(server.endpoint, sample=probe.prepare(self._name, settings, self.project).body)
        sweep(self._model, drain, own=spec.version, keep=[self.served.version] if self.served else ())
        self.engine = engine
        self.connected = True

    def disconnect(self) -> None:
        """The server is gone."""
        if self._model is not None:
            self._model.close()
        self.connected = False

    def swap(self, snapshot: Snapshot, changed: tuple[str, ...], at: float) -> None:
        """Serve a snapshot as a new version.

        Args:
            changed: what was saved, to be told.
            at: when it was, by the monotonic clock.

        Raises:
            ConfigError, ArchiveError, ServingError: it cannot be served; what served before still does.
            SupersededError: something newer was saved meanwhile.
        """
        made = self.lay_out(snapshot)
        try:
            directory.check_code(made, self.project.root)
            self.put_in_place(made, changed, at)
        except BaseException:
            if self.served is not made:
                made.remove()
            raise

    @property
    def good(self) -> Optional[Snapshot]:
        """The state that serves; None before the first."""
        return self.served.snapshot if self.served else None

    def listen(self) -> None:
        """Take in what workers reported of their own accord; plain ones do not."""

    def again(self) -> None:
        """Register what served before, on a server that lost it; raises like `swap`."""
        assert self.served is not None
        self.put_in_place(self.served, (), time.monotonic())

    def finish(self) -> None:
        """Leave nothing behind but the version that serves."""
        if self.connected and self.served is not None:
            with suppress(MardockError):  # the server is gone, and its versions with it
                # An interruption may have come between a version's promotion and the retirement of the one before.
                self._see_off_others(self.served, self.probe(self.served.snapshot))
        self._retirement.finish(_PATIENCE_S)
        self.disconnect()

    def lay_out(self, snapshot: Snapshot, kind: Kind = Kind.WATCHED, addition: Optional[Addition] = None) -> Directory:
        """Make the folder of the next version."""
        name = side_names.following(snapshot.settings.archive.version, kind, self._taken)
        self._taken.add(str(name))
        return directory.lay_out(SideVersion(self.model, name), snapshot, before=self.served, addition=addition)

    def probe(self, snapshot: Snapshot) -> Probe:
        """Return what a version of this snapshot has to answer."""
        return probe.prepare(self._name, snapshot.settings, self.project)

    def put_in_place(self, made: Directory, changed: tuple[str, ...], at: float) -> None:
        """Load a version, probe it, make it the default and retire what it stands for; raises like `swap`."""
        requests = self.probe(made.snapshot)
        answer = self._start(made, requests)
        before, self.served = self.served, made  # already here: an interruption may come at any point from now on
        try:
            made.side.promote()
        except BaseException:
            self.served = before
            self.model.remove(made.version)
            raise
        seconds = time.monotonic() - at
        self.report(Swapped(self.title(made), changed, seconds, answer))
        self._see_off_others(made, requests)
        self.model.mark()

    def _start(self, made: Directory, requests: Probe) -> Optional[bytes]:
        """Load a version beside what serves and return its answer to the sample; one that fails is served no more."""
        settings, pending = made.snapshot.settings, self.changes.pending
        self.model.audience = audience_of(settings, self.project)
        wanted = made.side.wanted(settings.serving)
        made.side.load(wanted, superseded=pending)
        try:
            return self.model.probed(requests, made.version, wanted.serving.response_timeout, pending)
        except BaseException:
            self.model.remove(made.version)
            raise

    def _see_off_others(self, made: Directory, requests: Probe) -> None:
        """Retire the versions this one stands for; versions of other numbers are the user's own business."""
        base = made.snapshot.settings.archive.version
        for status in self.model.versions():
            version = status.version
            ours = side_names.parse(version) is not None
            if version == made.version or version in self._leaving or not (ours or version == base):
                continue
            folder = made.path.with_name(status.url) if ours else None
            self._retirement.add(self.model, version, folder, requests.body)
            # Last: an interruption before it has `finish` retire the version, if need be again.
            self._leaving.add(version)

    @staticmethod
    def title(made: Directory) -> str:
        """Return what to call a version to the user."""
        return f"{made.snapshot.settings.archive.model_name} {made.version}"


def audience_of(settings: ModelSettings, project: Project) -> Audience:
    """Return who is told: someone who edits the project's files and saves them."""
    return Audience(settings.archive.python_sources(project.root), then=Then.SAVE)
