"""The packages a model brings, where TorchServe would install them: a trial finds them as a worker does."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock import own_folders, ownership, process
from mardock.engines import config_properties
from mardock.engines.native.python import python_of
from mardock.errors import WorkerFailedError

if TYPE_CHECKING:
    from mardock.interpreter import Interpreter
    from mardock.listener import Listener
    from mardock.settings.project import Project
    from mardock.settings.schema import ModelSettings

_PINNED = re.compile(rb"\s*(?:[\w.-]+(?:\[[\w,. -]*\])?\s*==\s*[\w.+!]+)?\s*(?:#.*)?")
_LAST_LINES = 20


def install(project: Project, name: str, settings: ModelSettings, folder: Path, listener: Listener) -> Optional[Path]:
    """Return a folder with the packages of a model's requirements_file; None where TorchServe installs none.

    They are kept in the project's state for the next trial when every line names one version.

    Args:
        folder: an empty one, for those that are not kept.

    Raises:
        ConfigError: config.properties cannot be read.
        WorkerFailedError: pip cannot install them, so that TorchServe could not either.
    """
    file = settings.archive.requirements_file
    if file is None or not config_properties.installs_requirements(project.root):
        return None
    python = python_of(project)
    text = (project.root / file).read_bytes()
    kept = _kept(project, text, python)
    if kept and kept.is_dir():
        return kept
    made = folder / "packages"
    listener.note(f"installing {file} for {name}, as TorchServe does …")
    _pip(python, project.root / file, file, name, made)
    if kept is None:
        return made
    with suppress(OSError):  # another trial was first, or it lies on another disk
        own_folders.make(kept.parent)
        made.rename(kept)
        ownership.adopt([kept.parent, kept])
    return kept if kept.is_dir() else made


def _kept(project: Project, text: bytes, python: Interpreter) -> Optional[Path]:
    if not all(_PINNED.fullmatch(line) for line in text.splitlines()):
        return None
    digest = hashlib.sha256(text + f"{python.version} {python.program}".encode()).hexdigest()[:12]
    return project.state / "packages" / digest


def _pip(python: Interpreter, path: Path, file: str, name: str, target: Path) -> None:
    command = [str(python.program), "-m", "pip", "install", "--disable-pip-version-check", "-U", "-t", str(target)]
    done = process.run([*command, "-r", str(path)])
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise WorkerFailedError(
            f"{name} cannot be loaded: pip could not install {file}, as TorchServe would",
            details="\n".join(said[-_LAST_LINES:]) or None,
            hint=f"correct {file}",
        )
