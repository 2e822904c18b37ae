"""The folder a debug worker serves from: the project's files as they are now, debugpy, and what starts it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional

from mardock.archive import manifest, source_check
from mardock.archive.members import MANIFEST_NAME, SourceFile
from mardock.archive.model_config import read_model_config
from mardock.archive.read import read
from mardock.archive.spec import ArchiveSpec
from mardock.debugging import worker
from mardock.errors import ArchiveError, EngineNotFoundError

PATIENCE_S = 24 * 60 * 60
"""Seconds a worker may stand still in a debugger."""

HANDLER = "mardock_debug.py"
SOURCES = "sources"

_NOT_KEPT = ("minWorkers", "maxWorkers")


@dataclass(frozen=True)
class Plan:
    """What is to be debugged.

    Attributes:
        version: the version it is served as.
        wait: whether the model is loaded only once a debugger is attached.
        previous: the version that was the default one before.
        mirrored: lay the Python files into the folder once more under their paths in the project: for a server that
            does not see the project.
    """

    spec: ArchiveSpec
    version: str
    wait: bool
    previous: str
    mirrored: bool

    @property
    def handler(self) -> str:
        """The handler to register with."""
        return ":".join(filter(None, (HANDLER, self.spec.handler_function)))


def debugpy_folder() -> Path:
    """Return where debugpy is installed: its Python code also runs in a server whose Python is another one.

    Raises:
        EngineNotFoundError: nowhere.
    """
    found = find_spec("debugpy")
    if found is None or not found.submodule_search_locations:
        raise EngineNotFoundError("debugpy is not installed", hint='pip install "mardock[debug]"')
    return Path(next(iter(found.submodule_search_locations)))


def lay_out(plan: Plan, root: Path, folder: Path) -> None:
    """Fill an empty folder; what goes wrong leaves it for the caller to delete.

    Raises:
        ConfigError: files of the model are missing; see `ArchiveSpec.resolve`.
        ArchiveError: one of its Python files or its model-config.yaml is wrong, or the folder cannot be written.
    """
    members = plan.spec.resolve(root)
    python = {one.name: one.path.relative_to(os.path.realpath(root)) for one in members if one.name.endswith(".py")}
    for path in python.values():
        source_check.parse(root / path, str(path))
    try:
        _copy(members, plan.spec, folder)
        shutil.copytree(debugpy_folder(), folder / "debugpy", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copyfile(worker.__file__, folder / HANDLER)
        if plan.mirrored:
            for path in python.values():
                (folder / SOURCES / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / path, folder / SOURCES / path)
        base = Path(SOURCES) if plan.mirrored else root
        _write_texts(plan, {name: str(base / path) for name, path in python.items()}, folder)
    except OSError as error:
        raise ArchiveError(
            f"cannot write into the model store {folder.parent}: {error.strerror}", hint=f"ls -ld {folder.parent}"
        ) from error


def read_previous(folder: Path) -> Optional[str]:
    """Return the version that was the default one before a session that left this folder behind; None without one."""
    try:
        settings: Any = json.loads((folder / worker.SETTINGS).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return str(settings["previous"])


def _copy(members: tuple[SourceFile, ...], spec: ArchiveSpec, folder: Path) -> None:
    weights = Path(spec.serialized_file).name if spec.serialized_file else None
    for member in members:
        target = folder / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if member.name == weights:
            _link(member.path, target)
        else:
            shutil.copyfile(member.path, target)


def _link(path: Path, link: Path) -> None:
    try:
        os.link(path, link)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(path, link)


def _write_texts(plan: Plan, sources: Mapping[str, str], folder: Path) -> None:
    spec = plan.spec
    settings = {
        "handler": Path(spec.handler_file).stem if spec.handler_file else f"ts.torch_handler.{spec.handler}",
        "wait": plan.wait,
        "sources": sources,
        "previous": plan.previous,
    }
    (folder / worker.SETTINGS).write_text(json.dumps(settings, indent=2), encoding="utf-8")
    text = json.loads(manifest.render(spec))
    text["model"]["modelVersion"] = plan.version
    (folder / MANIFEST_NAME).parent.mkdir()
    (folder / MANIFEST_NAME).write_text(json.dumps(text, indent=2), encoding="utf-8")
    if spec.config_file:
        _make_patient(folder, folder / Path(spec.config_file).name)


def _make_patient(folder: Path, config: Path) -> None:
    """Take from a model-config.yaml what would win over the one worker and the patience the session asks for."""
    import yaml

    kept = {key: value for key, value in read_model_config(read(folder)).items() if key not in _NOT_KEPT}
    timeouts = dict.fromkeys(("responseTimeout", "startupTimeout"), PATIENCE_S)
    config.write_text(yaml.safe_dump({**kept, **timeouts}), encoding="utf-8")
