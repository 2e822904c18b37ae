"""What `mardock doctor` checks, each finding with the command that mends it."""

from __future__ import annotations

import functools
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Callable, Optional

from mardock import own_folders, permissions, place
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


@dataclass
class Visit:
    """One look at a project and this machine.

    Attributes:
        fix: make what nobody would miss.
        found: by the checks before.
    """

    project: Project
    fix: bool
    found: list[Check] = field(default_factory=list)

    def ok(self, name: str) -> bool:
        """Say whether a check was made and had nothing to mend."""
        return any(one.ok for one in self.found if one.name == name)


Look = Callable[[Visit], Iterable[Check]]


def all_checks(project: Project, *, fix: bool) -> list[Check]:
    """Look at this machine and this project.

    Args:
        fix: make folders that are missing.
    """
    visit = Visit(project, fix)
    for look in (*EVERYWHERE, *(IN_DEV_CONTAINER if place.inside() else ON_HOST)):
        visit.found += look(visit)
    return visit.found


def check(name: str, *, engine: bool = False, needs: Optional[str] = None) -> Callable[[Callable[[Visit], str]], Look]:
    """Make one check of a function that returns its finding, or raises what is to be mended.

    Args:
        engine: see `Check`.
        needs: the check that has to be ok for this one to be made.
    """

    def make(look: Callable[[Visit], str]) -> Look:
        @functools.wraps(look)
        def made(visit: Visit) -> Iterator[Check]:
            if needs is not None and not visit.ok(needs):
                return
            try:
                yield Check(name, ok=True, finding=look(visit), engine=engine)
            except MardockError as error:
                yield Check(name, ok=False, finding=error.message, hint=error.hint, engine=engine)

        return made

    return make


@check("python")
def _python(visit: Visit) -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


@check("settings")
def _settings(visit: Visit) -> str:
    models = ", ".join(visit.project.settings.models) or "no models"
    return f"mardock.toml and .env can be read: {models}"


def _model_configs(visit: Visit) -> Iterator[Check]:
    """Look at every model-config.yaml; settings that cannot be read were told of before."""
    if not visit.ok("settings"):
        return
    from mardock.settings.as_served import conflicts

    for name, model in visit.project.settings.models.items():
        file = model.archive.config_file
        if file is None:
            continue
        try:
            found = conflicts(model, visit.project.root, name)
        except MardockError as error:
            yield Check(file, ok=False, finding=error.message, hint=error.hint)
            continue
        finding = "; ".join(map(str, found)) or f"TorchServe takes all that it sets of {name}"
        yield Check(file, ok=True, finding=finding)


def _folders(visit: Visit) -> Iterator[Check]:
    for name in FOLDERS:
        folder = visit.project.root / name
        if visit.fix and not folder.exists():
            with suppress(PermissionError):  # it is told that there is none
                own_folders.make(folder)
        if not folder.exists():
            yield Check(name, ok=True, finding="made when it is needed, or by mardock doctor --fix")
        elif not folder.is_dir():
            yield Check(name, ok=False, finding="is not a folder", hint=f"move the file {name} away")
        elif not os.access(folder, os.W_OK):
            yield Check(
                name,
                ok=False,
                finding="cannot be written",
                hint=permissions.mend(folder),
            )
        else:
            yield Check(name, ok=True, finding="can be written")


@check("owner")
def _owner(visit: Visit) -> str:
    from mardock.tasks import closed_files

    closed_files.refuse(visit.project)
    return "no file of the project's state is closed to you"


def _disk(visit: Visit) -> Iterator[Check]:
    free = shutil.disk_usage(visit.project.root).free
    finding = f"{free / 1024**3:.1f} GiB free"
    yield Check("disk", ok=free >= LEAST_FREE_BYTES, finding=finding, hint="archives and images need room: free some")


@check("torch and TorchServe", engine=True)
def _torchserve(visit: Visit) -> str:
    from mardock.engines.native.installation import find_torchserve
    from mardock.interpreter import Here

    return f"TorchServe {find_torchserve(Here()).version} and torch, for archive, compile and try"


@check("server")
def _server(visit: Visit) -> str:
    from mardock.engines import select

    return f"TorchServe answers at {select.needed(visit.project).endpoint().inference_url}"


@check("native engine", engine=True)
def _native(visit: Visit) -> str:
    from mardock.engines.native.installation import find_java, find_torchserve
    from mardock.engines.native.python import python_of

    python = python_of(visit.project)
    torchserve = find_torchserve(python)
    java = find_java(os.environ, python)
    return f"TorchServe {torchserve.version}, Java {java.version}, Python {python.version} in {python.named}"


@check("docker engine", engine=True)
def _docker(visit: Visit) -> str:
    from mardock.engines.docker import daemon

    daemon.check()
    return "Docker and Compose answer"


def _images(visit: Visit) -> Iterator[Check]:
    if not visit.ok("docker engine"):
        return
    from mardock.engines.docker import doctor_facts

    try:
        for image in doctor_facts.image_ages(visit.project, date.today()):
            name = f"{image.kind} image" if image.kind != "other" else "image"
            yield Check(name, ok=image.mend is None, finding=image.finding, hint=image.mend)
    except MardockError as error:
        yield Check("images", ok=False, finding=error.message, hint=error.hint)


@check("gpu", needs="docker engine")
def _gpu(visit: Visit) -> str:
    from mardock.engines.docker import doctor_facts

    return doctor_facts.gpu(visit.project)


@check("ports")
def _ports(visit: Visit) -> str:
    from mardock.engines import select
    from mardock.engines.native.preflight import check_ports

    if select.running(visit.project) is not None:
        return "this project's own server listens"
    check_ports(visit.project.settings.machine)
    return "all free"


EVERYWHERE: tuple[Look, ...] = (_python, _settings, _model_configs, _folders, _owner, _disk)
IN_DEV_CONTAINER: tuple[Look, ...] = (_torchserve, _server)
ON_HOST: tuple[Look, ...] = (_native, _docker, _images, _gpu, _ports)
"""Made in this order, which is also how they are told."""
