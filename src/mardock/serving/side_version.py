"""SideVersion: a version that mardock serves beside a model's own, from a folder of the store, for a while."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Callable, Optional

from mardock import side_names
from mardock.archive import directory
from mardock.archive.members import MANIFEST_NAME, SourceFile
from mardock.archive.read import ModelArchive
from mardock.archive.spec import ArchiveSpec
from mardock.client.model_status import ModelStatus
from mardock.errors import ArchiveError, ModelNotFoundError
from mardock.serving.draining import Drain
from mardock.serving.servable import Servable, Wanted, prepare
from mardock.serving.served_model import ServedModel
from mardock.settings.schema import Serving
from mardock.side_names import SideName


class SideVersion:
    """One such version: laid out, loaded, perhaps promoted, and gone at the end of the block unless it was kept.

    TorchServe knows a version once, so another state of a model cannot be loaded under its number; as `1.0-w0002`, from
    a folder of the store, it can.

    Attributes:
        version: what it is served as.
        folder: where it is laid out; its name is what TorchServe registers it by.
        base: the version it stands beside.
    """

    def __init__(self, model: ServedModel, name: SideName) -> None:
        assert model.server.store is not None, "nothing can be laid out in a stranger's store"
        self.model = model
        self.base = name.base
        self.version = str(name)
        self.folder: Path = model.server.store / side_names.folder(model.name, self.version)
        self._kept = False

    def __enter__(self) -> SideVersion:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if not self._kept:
            self.remove()

    def keep(self) -> None:
        """Let it outlive the block."""
        self._kept = True

    def lay_out(
        self,
        spec: ArchiveSpec,
        members: Iterable[SourceFile],
        *,
        overrides: Optional[Mapping[str, bytes]] = None,
        shared: Optional[Mapping[str, Path]] = None,
    ) -> None:
        """Make its folder of a project's files; see `archive.directory.lay_out`, also for what is raised."""
        spec = dataclasses.replace(spec, version=self.version)
        directory.lay_out(self.folder, spec, members, overrides=overrides, shared=shared)

    def unpack(self, archive: ModelArchive) -> None:
        """Make its folder of what an archive holds; raises ArchiveError when that cannot be."""
        directory.unpack(archive, self.folder, self.version)

    def wanted(self, serving: Serving) -> Wanted:
        """Return what TorchServe is to be told of what was laid out; raises ArchiveError when that is unfit."""
        return prepare(Servable(self.folder, serving, model_name=self.model.name))

    def load(
        self,
        wanted: Wanted,
        *,
        called: Optional[str] = None,
        superseded: Optional[Callable[[], bool]] = None,
        meanwhile: Optional[Callable[[], None]] = None,
    ) -> ModelStatus:
        """Serve what was laid out; see `ServedModel.load`."""
        mine = dataclasses.replace(wanted, url=self.folder.name, version=self.version)
        return self.model.load(mine, called=called, superseded=superseded, meanwhile=meanwhile)

    def promote(self) -> None:
        """Answer the predictions that name no version."""
        self.model.promote(self.version)

    def refuse(self) -> None:
        """Be the default version without any workers: TorchServe refuses what it is asked at once.

        Raises:
            ArchiveError: the store cannot be written.
        """
        told = {"modelName": self.model.name, "modelVersion": self.version, "handler": "base_handler"}
        try:
            directory.remove(self.folder)
            (self.folder / MANIFEST_NAME).parent.mkdir(parents=True)
            (self.folder / MANIFEST_NAME).write_text(json.dumps({"runtime": "python", "model": told}))
            (self.folder / "handler.py").touch()  # without another file TorchServe reads no manifest
        except OSError as error:
            raise ArchiveError(
                f"cannot lay out {self.folder.name}: {error}", hint=f"ls -ld {self.folder.parent}"
            ) from error
        self.model.management.register(self.folder.name, model_name=self.model.name, initial_workers=0)
        self.promote()

    def step_back(self) -> None:
        """Let the version it stands beside be the default one again, if this one is and that is still there."""
        if self.model.default_version() == self.version:
            with suppress(ModelNotFoundError):
                self.model.promote(self.base)

    def see_off(self, drain: Drain) -> bool:
        """Step back, answer what was asked, leave nothing; says whether all requests were answered."""
        answered = True
        with suppress(ModelNotFoundError):
            status = self.model.status(self.version)
            self.step_back()
            answered = drain.run(status)
        self.remove()
        return answered

    def remove(self) -> None:
        """Unregister it and delete its folder; with the server gone, its folder alone."""
        try:
            self.model.remove(self.version)
        finally:
            directory.remove(self.folder)
