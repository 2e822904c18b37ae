"""The folder a debug worker serves from: the project's files as they are now, debugpy, and what starts it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Optional

from mardock import extras, ownership
from mardock.archive import directory, loaded_code
from mardock.archive.model_config import parse
from mardock.archive.spec import ArchiveSpec
from mardock.debugging import worker
from mardock.errors import ArchiveError, EngineNotFoundError
from mardock.side_names import DEBUG_HANDLER

PATIENCE_S = 24 * 60 * 60
"""Seconds a worker may stand still in a debugger."""

SOURCES = "sources"

_NOT_KEPT = ("minWorkers", "maxWorkers")


@dataclass(frozen=True)
class Plan:
    """What is to be debugged.

    Attributes:
        version: the version it is served as.
        wait: whether the model is loaded only once a debugger is attached.
        root: the project's folder as the server's workers see it. None where they do not: then the Python files are
            laid into the folder once more, under their paths in the project.
    """

    spec: ArchiveSpec
    version: str
    wait: bool
    root: Optional[Path]

    @property
    def handler(self) -> str:
        """The handler to register with."""
        return ":".join(filter(None, (DEBUG_HANDLER, self.spec.handler_function)))


def debugpy_folder() -> Path:
    """Return where debugpy is installed: its Python code also runs in a server whose Python is another one.

    Raises:
        EngineNotFoundError: nowhere.
    """
    found = find_spec("debugpy")
    if found is None or not found.submodule_search_locations:
        raise EngineNotFoundError("debugpy is not installed", hint=extras.how_to_add("debug"))
    return Path(next(iter(found.submodule_search_locations)))


def lay_out(plan: Plan, root: Path, folder: Path) -> None:
    """Make the folder; what goes wrong may leave a part of it for the caller to delete.

    Raises:
        ConfigError: files of the model are missing; see `ArchiveSpec.resolve`.
        ArchiveError: one of its Python files or its model-config.yaml is wrong, or the folder cannot be written.
    """
    members = plan.spec.resolve(root)
    python = plan.spec.python_sources(root)
    loaded_code.read_all(plan.spec, {member.name: member.path for member in members}, python)
    if plan.root is None:  # what lies outside of the project has no place below SOURCES
        python = {name: path for name, path in python.items() if os.pardir not in Path(path).parts}
    base = plan.root or Path(SOURCES)
    texts = _texts(plan, root, {name: os.path.normpath(base / path) for name, path in python.items()})
    directory.lay_out(folder, dataclasses.replace(plan.spec, version=plan.version), members, overrides=texts)
    try:
        shutil.copytree(debugpy_folder(), folder / "debugpy", ignore=shutil.ignore_patterns("__pycache__"))
        for path in python.values() if plan.root is None else ():
            (folder / SOURCES / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, folder / SOURCES / path)
        ownership.adopt_tree(folder)
    except OSError as error:
        raise ArchiveError(
            f"cannot write into the model store {folder.parent}: {error.strerror}", hint=f"ls -ld {folder.parent}"
        ) from error


def _texts(plan: Plan, root: Path, sources: Mapping[str, str]) -> dict[str, bytes]:
    """Return what lies beside the model's own files, or in the place of one."""
    spec = plan.spec
    settings = {
        "handler": spec.handler_module or f"ts.torch_handler.{spec.handler}",
        "wait": plan.wait,
        "sources": sources,
    }
    texts = {
        worker.SETTINGS: json.dumps(settings, indent=2).encode(),
        DEBUG_HANDLER: Path(worker.__file__).read_bytes(),
    }
    if spec.config_file:
        texts[Path(spec.config_file).name] = _patient(root / spec.config_file, spec)
    return texts


def _patient(config: Path, spec: ArchiveSpec) -> bytes:
    """Take from a model-config.yaml what would win over the one worker and the patience the session asks for."""
    import yaml

    found = parse(config.read_bytes(), str(spec.config_file), spec.model_name)
    kept = {key: value for key, value in found.items() if key not in _NOT_KEPT}
    timeouts = dict.fromkeys(("responseTimeout", "startupTimeout"), PATIENCE_S)
    return yaml.safe_dump({**kept, **timeouts}).encode()
