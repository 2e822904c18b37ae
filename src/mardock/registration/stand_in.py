"""A stand-in: a second version of a model that gets its new requests while the version they are for is taken away.

TorchServe knows a version once, so a new archive of it cannot be loaded beside the old one; as `1.0-next`, from a
folder of the store, it can.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Optional

from mardock.archive import directory
from mardock.archive.members import MANIFEST_NAME
from mardock.archive.read import ModelArchive
from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.errors import ArchiveError, ModelNotFoundError
from mardock.registration.draining import Drain

SUFFIX = "-next"


def is_stand_in(status: ModelStatus) -> bool:
    """Say whether a version is one."""
    return status.version.endswith(SUFFIX) and status.url == _url(status.name, status.version)


class StandIn:
    """The stand-in of one version.

    Args:
        store: the server's model store on this machine.
        drain: waits for its requests when it goes.

    Attributes:
        version: its own version.
        url: its folder in the store.
    """

    def __init__(self, client: ManagementClient, store: Path, model: str, version: str, drain: Drain) -> None:
        self._client = client
        self._drain = drain
        self._model = model
        self._stands_for = version
        self.version = f"{version}{SUFFIX}"
        self.url = _url(model, self.version)
        self._folder = store / self.url

    def unpack(self, archive: ModelArchive) -> None:
        """Lay out the folder of one that answers as an archive would; raises ArchiveError when that cannot be."""
        self.see_off()
        directory.unpack(archive, self._folder, self.version)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Be the default version inside the block, one without workers: TorchServe refuses its requests at once.

        Raises:
            ArchiveError: the store cannot be written.
        """
        self.see_off()
        model = {"modelName": self._model, "modelVersion": self.version, "handler": "base_handler"}
        try:
            (self._folder / MANIFEST_NAME).parent.mkdir(parents=True)
            (self._folder / MANIFEST_NAME).write_text(json.dumps({"runtime": "python", "model": model}))
            (self._folder / "handler.py").touch()  # without another file TorchServe reads no manifest
        except OSError as error:
            raise ArchiveError(f"cannot lay out {self.url}: {error}", hint=f"ls -ld {self._folder.parent}") from error
        try:
            self._client.register(self.url, model_name=self._model, initial_workers=0)
            self._client.set_default(self._model, self.version)
            yield
        finally:
            self.see_off()

    def see_off(self) -> bool:
        """Give the requests back to the version it stands for, answer its own, and leave nothing of it.

        One that a killed command left behind goes as well. Says whether all of its requests were answered.
        """
        status = self._status()
        answered = True
        if status is not None:
            if self._client.describe_default(self._model).version == self.version:
                with suppress(ModelNotFoundError):
                    self._client.set_default(self._model, self._stands_for)
            answered = self._drain.run(status)
            self._client.unregister(self._model, self.version)
        directory.remove(self._folder)
        return answered

    def _status(self) -> Optional[ModelStatus]:
        with suppress(ModelNotFoundError):
            return self._client.describe(self._model, self.version)[0]
        return None


def _url(model: str, version: str) -> str:
    return f".{model}-{version}"  # TorchServe skips hidden entries when it loads all of a store
