"""What shells complete: models, versions, candidates; quickly, and in silence when they cannot be told."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from mardock.client.model_status import ModelStatus
    from mardock.settings.project import Project

_PATIENCE_S = 0.5  # a server that takes longer is not waited for


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the models of mardock.toml."""
    return _matching(incomplete, _of_toml(ctx))


def served(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return what is registered, and what models of mardock.toml are registered as."""
    return _matching(incomplete, [*_of_toml(ctx, archives=True), *(status.name for status in _statuses(ctx))])


def asked(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the models of mardock.toml, and what is registered."""
    return _matching(incomplete, [*_of_toml(ctx), *(status.name for status in _statuses(ctx))])


def versions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the registered versions of the model that was named before; of all of them when none was."""
    model = ctx.params.get("model")
    found = [status.version for status in _statuses(ctx) if model in (None, status.name)]
    return _matching(incomplete, found)


def candidates(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the forms `mardock compile` knows."""
    from mardock.compile.report import CANDIDATE_NAMES

    return _matching(incomplete, CANDIDATE_NAMES)


def engines(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return who may run TorchServe."""
    return _matching(incomplete, ("auto", "docker", "native"))


def _matching(incomplete: str, names: Any) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _of_toml(ctx: typer.Context, *, archives: bool = False) -> list[str]:
    with suppress(Exception):
        from mardock.settings.names import model_names

        found = model_names(_project(ctx).root)
        return list(found.values()) if archives else list(found)
    return []


def _statuses(ctx: typer.Context) -> list[ModelStatus]:
    found: list[ModelStatus] = []

    def ask() -> None:
        with suppress(Exception):
            from mardock.client import probe
            from mardock.engines import select

            engine = select.running(_project(ctx))
            if engine is not None:
                found.extend(probe.models(engine.endpoint(), timeout=_PATIENCE_S))

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_PATIENCE_S)
    return list(found)


def _project(ctx: typer.Context) -> Project:
    from mardock.settings.project import Project
    from mardock.settings.root import find_root

    start = ctx.find_root().params.get("project")
    return Project(find_root(Path(start or ".").resolve()))
