"""What `mardock doctor` checks, each finding with the command that mends it."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mardock.cli.host_only import told
from mardock.errors import MardockError

if TYPE_CHECKING:
    from mardock.settings.project import Project

FOLDERS = ("artifacts", "logs")
LEAST_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        ok: whether nothing has to be mended.
        engine: whether it decides if an engine can run; one of those has to be ok.
    """

    name: str
    ok: bool
    finding: str
    hint: Optional[str] = None
    engine: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def all_checks(project: Project, *, fix: bool) -> list[Check]:
    """Look at this machine and this project.

    Args:
        fix: make folders that are missing.
    """
    from mardock import place

    found = [
        _python(),
        _attempt("settings", lambda: _settings(project)),
        *_folders(project.root, fix),
        _disk(project.root),
    ]
    if place.inside():
        return [
            *found,
            _attempt("torch and TorchServe", _torchserve, engine=True),
            _attempt("server", lambda: _server(project)),
        ]
    found += [_attempt("native engine", _native, engine=True), _attempt("docker engine", _docker, engine=True)]
    if found[-1].ok:
        found += [*_images(project), _attempt("gpu", lambda: _gpu(project))]
    found.append(_attempt("ports", lambda: _ports(project)))
    return found


def _attempt(name: str, look: Callable[[], str], *, engine: bool = False) -> Check:
    try:
        return Check(name, ok=True, finding=look(), engine=engine)
    except MardockError as error:
        return Check(name, ok=False, finding=error.message, hint=error.hint and told(error.hint), engine=engine)


def _python() -> Check:
    return Check("python", ok=True, finding=f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _settings(project: Project) -> str:
    models = ", ".join(project.settings.models) or "no models"
    return f"mardock.toml and .env can be read: {models}"


def _folders(root: Path, fix: bool) -> Iterator[Check]:
    for name in FOLDERS:
        folder = root / name
        if fix and not folder.exists():
            folder.mkdir()
        if not folder.is_dir():
            hint = "mardock doctor --fix makes it" if not folder.exists() else f"move the file {name} away"
            yield Check(name, ok=False, finding="is not a folder" if folder.exists() else "does not exist", hint=hint)
        elif not os.access(folder, os.W_OK):
            yield Check(
                name,
                ok=False,
                finding="cannot be written",
                hint=f"sudo chown -R $(id -u):$(id -g) {shlex.quote(str(folder))}",
            )
        else:
            yield Check(name, ok=True, finding="can be written")


def _disk(root: Path) -> Check:
    free = shutil.disk_usage(root).free
    finding = f"{free / 1024**3:.1f} GiB free"
    return Check("disk", ok=free >= LEAST_FREE_BYTES, finding=finding, hint="archives and images need room: free some")


def _torchserve() -> str:
    from mardock.engines.native.installation import find_torchserve

    return f"TorchServe {find_torchserve().version} and torch, for archive, compile and try"


def _server(project: Project) -> str:
    from mardock.engines import select

    return f"TorchServe answers at {select.needed(project).endpoint().inference_url}"


def _native() -> str:
    from mardock.engines.native.installation import find_java, find_torchserve

    torchserve = find_torchserve()
    java = find_java(os.environ)
    return f"TorchServe {torchserve.version}, Java {java.version}"


def _docker() -> str:
    from mardock.engines.docker.daemon import check

    check()
    return "Docker and Compose answer"


def _images(project: Project) -> Iterator[Check]:
    from mardock.engines.docker import survey

    try:
        for image in survey.image_ages(project, date.today()):
            name = f"{image.kind} image" if image.kind != "other" else "image"
            yield Check(name, ok=image.mend is None, finding=image.finding, hint=image.mend)
    except MardockError as error:
        yield Check("images", ok=False, finding=error.message, hint=error.hint)


def _gpu(project: Project) -> str:
    from mardock.engines.docker import survey

    return survey.gpu(project)


def _ports(project: Project) -> str:
    from mardock.engines import select
    from mardock.engines.native.preflight import check_ports

    if select.running(project) is not None:
        return "this project's own server listens"
    check_ports(project.settings.machine)
    return "all free"
