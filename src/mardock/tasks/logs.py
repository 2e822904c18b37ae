"""TorchServe's log as its reader wants it: each line once, and a model's files by their paths in the project."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Optional

from mardock.causes import failures, worker_log
from mardock.causes.audience import Audience
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.engines.base import Engine
    from mardock.settings.project import Project


def lines(
    project: Project,
    engine: Engine,
    *,
    model: Optional[str] = None,
    errors: bool = False,
    follow: bool = False,
    tail: int = -1,
) -> Iterator[str]:
    """Yield the last lines of the log that are asked for, and with `follow` what comes.

    Args:
        model: its name in mardock.toml, or the one it is served under; all, and what TorchServe says of itself, when
            left out.
        errors: only what went wrong.
        tail: how many of them, all when it is negative.

    Raises:
        ConfigError: mardock.toml lists no such model, and the log tells nothing of one.
        EngineError: there is no log, or it cannot be read.
    """
    shown = partial(_shown, model=_served_as(project, model), errors=errors, project=project)
    # Of what is picked out nobody knows how far back it lies, and else a line stands there at most twice.
    window = -1 if tail < 0 or model or errors else 2 * tail
    raw = engine.logs(follow=follow, tail=window)
    if follow:
        there = sum(1 for _ in engine.logs(follow=False, tail=window))
        yield from deque(shown(islice(raw, there)), maxlen=None if tail < 0 else tail)
        yield from shown(raw)
    else:
        found = deque(shown(raw), maxlen=None if tail < 0 else tail)
        if not found:
            _refuse_unknown(project, model)
        yield from found


def _served_as(project: Project, model: Optional[str]) -> Optional[str]:
    with suppress(ConfigError):  # the log is there to be read while the settings are broken
        if model is not None and model in project.settings.models:
            return project.settings.models[model].archive.model_name
    return model


def _refuse_unknown(project: Project, model: Optional[str]) -> None:
    try:
        known = {settings.archive.model_name for settings in project.settings.models.values()}
    except ConfigError:
        return
    if model is not None and model not in known:
        project.settings.model(model)


def _shown(raw: Iterable[str], *, model: Optional[str], errors: bool, project: Project) -> Iterator[str]:
    @cache
    def audience_of(served: str) -> Audience:
        with suppress(ConfigError, OSError):  # the log is there to be read while the settings are broken
            return Audience(project.settings.sources(served))
        return Audience()

    return failures.selected(worker_log.once(raw), model=model, errors=errors, audience_of=audience_of)
