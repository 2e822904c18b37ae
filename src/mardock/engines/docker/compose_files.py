"""Which compose files a project's containers are made by: its own where they are mardock's, else the packaged ones."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mardock.engines.mounts import STORE
from mardock.settings.template import template_folder

if TYPE_CHECKING:
    from mardock.settings.project import Project

BASE = "docker-compose.yml"
_FOUND_BY_COMPOSE = ("compose.yaml", "compose.yml", BASE, "docker-compose.yaml")  # in its own order
_OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_VARIABLE = "COMPOSE_FILE"


@dataclass(frozen=True)
class ComposeFiles:
    """The compose files of one project.

    Attributes:
        paths: in the order they are merged; none where docker compose finds the same ones by itself.
        packaged: whether the first is the packaged one: then none of mardock's Dockerfiles is the project's either.
        shared: whether plain `docker compose` in the project's folder works on the same compose project.
        named: whether a variable names them.
        passed_over: the compose file of the project that is somebody else's.
    """

    paths: tuple[Path, ...] = ()
    packaged: bool = False
    shared: bool = True
    named: bool = False
    passed_over: Optional[Path] = None


def of(project: Project) -> ComposeFiles:
    """Choose a project's compose files.

    Those that MARDOCK_COMPOSE_FILE names; else those that COMPOSE_FILE names or compose finds, when they are mardock's,
    which is that together they have the services dev and serve, and serve has the model store mounted; else the
    packaged one. Of the names, one that the project does not have is that of a packaged file.

    Raises:
        ConfigError: something is wrong in the settings.
    """
    root = project.root
    explicit = project.settings.machine.compose_file
    if explicit:
        return _named(root, _split(explicit))
    return _that_compose_takes(root) or ComposeFiles(
        (template_folder() / BASE,), packaged=True, shared=False, passed_over=next(_found(root), None)
    )


def found_by_compose(root: Path) -> Iterator[Path]:
    """Yield the files that docker compose would find for a project by itself, to be named beside others."""
    names = _names_in_variable(root)
    if names:
        yield from (root / name for name in names)
        return
    yield from islice(_found(root), 1)
    yield from islice((root / name for name in _OVERRIDES if (root / name).is_file()), 1)


def is_packaged(path: Path) -> bool:
    """Say whether a file is the packaged one that stands for a project's docker-compose.yml."""
    return path == template_folder() / BASE


def _that_compose_takes(root: Path) -> Optional[ComposeFiles]:
    names = _names_in_variable(root)
    if names:
        theirs = [root / name for name in names]
        if all(path.is_file() for path in theirs):
            return ComposeFiles(named=True) if _are_mardocks(theirs) else None
        files = _named(root, names)
        return files if _are_mardocks(files.paths) else None
    for place, path in enumerate(_found(root)):
        if _are_mardocks([path]):  # where compose itself takes another one, this one has to be named
            return ComposeFiles((path,), shared=False) if place else ComposeFiles()
    return None


def _names_in_variable(root: Path) -> list[str]:
    from dotenv import dotenv_values

    return _split(os.environ.get(_VARIABLE) or dotenv_values(root / ".env").get(_VARIABLE) or "")


def _named(root: Path, names: Sequence[str]) -> ComposeFiles:
    paths = tuple(_resolved(root, name) for name in names)
    return ComposeFiles(paths, packaged=any(map(is_packaged, paths)), shared=False, named=True)


def _resolved(root: Path, name: str) -> Path:
    own, packed = root / name, template_folder() / name
    if own.is_file() and (name != BASE or _are_mardocks([own])):
        return own
    return packed if packed.is_file() else own


def _split(names: str) -> list[str]:
    return [name for name in names.split(os.environ.get("COMPOSE_PATH_SEPARATOR") or os.pathsep) if name]


def _found(root: Path) -> Iterator[Path]:
    return (root / name for name in _FOUND_BY_COMPOSE if (root / name).is_file())


def _are_mardocks(paths: Sequence[Path]) -> bool:
    found = [service for path in paths if path.is_file() for service in _services(path)]
    serve = [service for name, service in found if name == "serve"]
    return any(name == "dev" for name, _ in found) and any(map(_mounts_store, serve))


def _services(path: Path) -> list[tuple[str, Any]]:
    import yaml

    class Tolerant(yaml.SafeLoader):
        """Reads compose's own tags, such as !reset, as nothing."""

    Tolerant.add_multi_constructor("!", lambda loader, suffix, node: None)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # what its owner keeps from this user was not made for a command of theirs
        return []
    try:
        services = (yaml.load(text, Tolerant) or {}).get("services")  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, AttributeError):
        # Whose it was meant to be is all that has to be known: compose says what is wrong with one of mardock's.
        return [("dev", None), ("serve", {"volumes": [f":{STORE}"]})] if str(STORE) in text else []
    return list(services.items()) if isinstance(services, dict) else []


def _mounts_store(service: Any) -> bool:
    volumes = service.get("volumes") if isinstance(service, dict) else None
    targets = [
        one.get("target") if isinstance(one, dict) else f"{one}:".split(":")[1]
        for one in (volumes if isinstance(volumes, list) else ())
    ]
    return str(STORE) in targets
