"""Containers for a project that holds nothing but mardock.toml: the packaged files, fitted to the folders it has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from mardock import own_folders, ownership
from mardock.engines.docker import compose_files, outside
from mardock.engines.docker.compose_files import ComposeFiles
from mardock.errors import EngineError
from mardock.settings.project import Project
from mardock.settings.template import template_folder
from mardock.temp_folder import temp_folder

_NOT_IN_DEV = ("./src", "./torchserve", "./datasets")  # it has the whole project's folder, and these names are free
_CONTEXT = {
    "dev": ("Dockerfile.dev", "wheels/.gitkeep"),
    "serve": (
        "constraints.txt",
        "torchserve/Dockerfile",
        "torchserve/config.properties",
        "torchserve/dockerd-entrypoint.sh",
        "torchserve/log4j2.xml",
        "wheels/.gitkeep",
    ),
}
_WHEELS = {"dev": ("*.crt",), "serve": ("*.crt", "*.whl", "*.tar.gz", "*.zip")}


def arguments(project: Project, files: ComposeFiles) -> list[str]:
    """Return docker compose's options for a project's compose files, and what they need for files outside of it.

    Raises:
        EngineError: what is to be written for them cannot be.
    """
    paths = list(files.paths)
    for position, path in enumerate(paths):
        if compose_files.is_packaged(path):
            paths[position] = _written(project, compose_files.BASE, _fitted(project.root))
    named = outside.named(project, packaged=files.packaged)
    if named:
        paths = paths or list(compose_files.found_by_compose(project.root))
        paths.append(_written(project, "docker-compose.outside.yml", outside.override(named)))
    return [argument for path in paths for argument in ("--file", str(path))]


@contextmanager
def build_context(project: Project, files: ComposeFiles, service: Literal["dev", "serve"]) -> Iterator[Path]:
    """Yield the folder an image is built from.

    It is the project's own where the Dockerfiles there are mardock's. Else it is made of the packaged ones, and of all
    the user's files it holds what the build takes of wheels/.
    """
    if not files.packaged:
        yield project.root
        return
    with temp_folder(project.state, "build-") as folder:
        for name in _CONTEXT[service]:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(template_folder() / name, folder / name)
        for pattern in _WHEELS[service]:
            for file in filter(Path.is_file, (project.root / "wheels").glob(pattern)):
                _link(file, folder / "wheels" / file.name)
        yield folder


def _written(project: Project, name: str, content: Mapping[str, Any]) -> Path:
    import yaml

    path = project.state / name
    text = "# Written by mardock for what this project has; changes are lost.\n"
    text += yaml.safe_dump(content, sort_keys=False, width=1000, allow_unicode=True)
    try:
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            own_folders.make(project.state)
            ownership.replace(path, text.encode())
    except OSError as error:
        raise EngineError(
            f"cannot write {path}: {error.strerror}", hint=f"ls -ld {project.state}; it has to be yours"
        ) from error
    return path


def _fitted(root: Path) -> dict[str, Any]:
    """Return the packaged docker-compose.yml without mounts of folders that the project does not have."""
    import yaml

    whole = yaml.safe_load((template_folder() / compose_files.BASE).read_text(encoding="utf-8"))
    dev, serve = whole["services"]["dev"], whole["services"]["serve"]
    dev["volumes"] = [one for one in dev["volumes"] if one["source"] not in _NOT_IN_DEV]
    serve["volumes"] = [
        one for one in serve["volumes"] if one["source"] not in _NOT_IN_DEV or (root / one["source"]).is_dir()
    ]
    return {"services": whole["services"], "volumes": whole["volumes"]}


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file.resolve(), target)
    except OSError:  # another file system, or another user's
        shutil.copy(file, target)
