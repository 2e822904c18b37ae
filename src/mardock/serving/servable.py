"""What is to be served: a model as it is asked for, and everything about it that TorchServe is to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Optional, Union

from mardock.archive.model_config import read_model_config
from mardock.archive.read import ModelArchive
from mardock.client.model_status import ModelStatus
from mardock.defaults import WORKER_TIMEOUT_S
from mardock.serving import pinned
from mardock.settings.as_served import overridden
from mardock.settings.schema import Serving


@dataclass(frozen=True)
class Servable:
    """A model that is to be served.

    Attributes:
        archive: a path is a `.mar` in the model store of a server on this machine; text is handed to TorchServe as it
            is: a file or folder of its store, or an http(s) URL.
        serving: how; the archive's model-config.yaml wins over it.
        workers: how many, whatever those two say.
        model_name: the name to serve it under; when it is None the manifest's, else that of the file.
        sources: the project's path of each member of the archive, for tracebacks.
        allow_remote: let TorchServe fetch an http(s) URL.
        sample: a request the model can answer; it shows when the requests before it are answered.
    """

    archive: Union[Path, str]
    serving: Serving = field(default_factory=Serving)
    workers: Optional[int] = None
    model_name: Optional[str] = None
    sources: Mapping[str, str] = field(default_factory=dict)
    allow_remote: bool = False
    sample: Optional[Path] = None


@dataclass(frozen=True)
class Wanted:
    """What TorchServe is to be told of a servable.

    Attributes:
        archive: None when it is not at hand, and with it `version` and `digest`.
        handler: instead of the manifest's.
        firm: whether its number of workers holds against a model-config.yaml: TorchServe prefers that one's.
    """

    url: str
    model: str
    version: Optional[str]
    digest: Optional[str]
    serving: Serving
    allow_remote: bool = False
    archive: Optional[ModelArchive] = None
    handler: Optional[str] = None
    firm: bool = False

    @property
    def installs(self) -> bool:
        """Whether TorchServe may install packages before it loads it, as it is configured; that is not known here."""
        return self.archive is None or _may_install(self.archive)

    @property
    def unpacked(self) -> bool:
        """Whether it is a folder made of the project's own files; see `mardock.serving.unpacked`."""
        return self.digest is not None and self.archive is not None and self.archive.path.is_dir()

    @property
    def needs(self) -> Optional[int]:
        """How many bytes the server unpacks; None for what is served as it lies, or is not at hand."""
        if self.archive is None or not self.archive.path.is_file():
            return None
        return sum(member.size for member in self.archive.members)

    def is_served_as(self, status: ModelStatus) -> bool:
        """Say whether a version that is served is the one this would collide with."""
        return status.version == self.version if self.version else status.url == self.url

    def __str__(self) -> str:
        return " ".join(filter(None, [f"model {self.model}", self.version]))


def prepare(servable: Servable) -> Wanted:
    """Check a servable's archive and pin it under its content's name; text is taken as it is.

    Raises:
        ArchiveError: the archive or its model-config.yaml is unfit.
    """
    archive = servable.archive
    if isinstance(archive, str):
        name, serving = servable.model_name or PurePosixPath(archive).stem, _asked(servable, servable.serving)
        firm = servable.workers is not None
        return Wanted(archive, name, None, None, serving, servable.allow_remote, firm=firm)
    found = pinned.pin(archive)
    serving = _asked(servable, served_from(found.archive, servable.serving))
    name = servable.model_name or found.archive.name
    version = found.archive.version
    return Wanted(found.url, name, version, found.digest, serving, archive=found.archive, firm=True)


def served_from(archive: ModelArchive, serving: Serving) -> Serving:
    """Return how TorchServe serves an archive that it is asked to serve like this.

    Raises:
        ArchiveError: its model-config.yaml is unfit.
    """
    if not archive.manifest["model"].get("configFile"):
        return serving
    read_there = replace(serving, response_timeout=WORKER_TIMEOUT_S, startup_timeout=WORKER_TIMEOUT_S)
    return overridden(read_there, read_model_config(archive))


def _asked(servable: Servable, serving: Serving) -> Serving:
    return serving if servable.workers is None else replace(serving, initial_workers=servable.workers)


def _may_install(archive: ModelArchive) -> bool:
    return bool(archive.manifest["model"].get("requirementsFile") or read_model_config(archive).get("useVenv"))
