"""Swapper: brings a snapshot of a model to serve as a new version, and sees the one before off."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Optional

from mardock.causes.audience import Audience, Then
from mardock.engines.base import Engine
from mardock.errors import MardockError
from mardock.settings.project import Project
from mardock.settings.schema import ModelSettings
from mardock.swap import directory, probe, versions
from mardock.swap.changes import Changes
from mardock.swap.directory import Addition, Directory
from mardock.swap.events import Report, Swapped
from mardock.swap.probe import Probe
from mardock.swap.retirement import Retirement
from mardock.swap.server import Server
from mardock.swap.snapshot import Snapshot

_PATIENCE_S = 5.0


class Swapper:
    """Serves one model, each state of its files as a version of its own.

    Args:
        name: the model's name in mardock.toml.
        changes: says when something newer was saved.

    Attributes:
        served: the version that serves, None before the first.
    """

    def __init__(self, project: Project, name: str, report: Report, changes: Changes) -> None:
        self.project = project
        self.served: Optional[Directory] = None
        self.report = report
        self.changes = changes
        self._name = name
        self._server: Optional[Server] = None
        self._retirement = Retirement()
        self._leaving: set[str] = set()
        self._taken: set[str] = set()

    @property
    def server(self) -> Server:
        """The server to work on; only to be asked for while connected."""
        assert self._server is not None
        return self._server

    @property
    def connected(self) -> bool:
        """Whether there is a server to work on."""
        return self._server is not None

    def connect(self, engine: Engine, settings: ModelSettings) -> None:
        """Work on this server from now on.

        Raises:
            EngineNotRunningError: it is down.
        """
        spec = settings.archive
        server = Server(engine, self.project, spec.model_name, audience_of(settings, self.project))
        registered = server.versions()
        self._taken.update(status.version for status in registered)
        kept = {status.url for status in registered} | ({self.served.path.name} if self.served else set())
        directory.sweep(self.project.model_store, spec.model_name, spec.version, kept)
        self._server = server

    def disconnect(self) -> None:
        """The server is gone."""
        if self._server is not None:
            self._server.close()
        self._server = None

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

    def serves(self, snapshot: Snapshot) -> bool:
        """Say whether this very state is what serves."""
        return self.served is not None and self.served.snapshot == snapshot

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

    def lay_out(self, snapshot: Snapshot, kind: versions.Kind = "w", addition: Optional[Addition] = None) -> Directory:
        """Make the folder of the next version."""
        base = snapshot.settings.archive.version
        version = versions.following(base, self._taken, kind)
        self._taken.add(version)
        store = self.project.model_store
        return directory.lay_out(store, version, snapshot, before=self.served, addition=addition)

    def probe(self, snapshot: Snapshot) -> Probe:
        """Return what a version of this snapshot has to answer."""
        return probe.prepare(self._name, snapshot.settings, self.project)

    def put_in_place(self, made: Directory, changed: tuple[str, ...], at: float) -> None:
        """Load a version, probe it, make it the default and retire what it stands for; raises like `swap`."""
        requests = self.probe(made.snapshot)
        answer = self.server.start(made, requests, self.changes.pending)
        before, self.served = self.served, made  # already here: an interruption may come at any point from now on
        try:
            self.server.promote(made.version)
        except BaseException:
            self.served = before
            self.server.remove(made.version)
            raise
        seconds = time.monotonic() - at
        self.report(Swapped(self.title(made), changed, seconds, answer))
        self._see_off_others(made, requests)
        self.server.mark()

    def _see_off_others(self, made: Directory, requests: Probe) -> None:
        """Retire the versions this one stands for; versions of other numbers are the user's own business."""
        base = made.snapshot.settings.archive.version
        for status in self.server.versions():
            version = status.version
            ours = versions.made_by_watch(version, base)
            if version == made.version or version in self._leaving or not (ours or version == base):
                continue
            folder = made.path.with_name(status.url) if ours else None
            self._retirement.add(self.server, version, folder, requests)
            self._leaving.add(
                version
            )  # last: an interruption before it has `finish` retire the version, if need be again

    @staticmethod
    def title(made: Directory) -> str:
        """Return what to call a version to the user."""
        return f"{made.snapshot.settings.archive.model_name} {made.version}"


def audience_of(settings: ModelSettings, project: Project) -> Audience:
    """Return who is told: someone who edits the project's files and saves them."""
    return Audience(settings.archive.python_sources(project.root), then=Then.SAVE)
