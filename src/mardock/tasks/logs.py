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
        model: the name it is served under; all, and what TorchServe says of itself, when left out.
        errors: only what went wrong.
        tail: how many of them, all when it is negative.

    Raises:
        EngineError: there is no log, or it cannot be read.
    """
    shown = partial(_shown, model=model, errors=errors, project=project)
    # Of what is picked out nobody knows how far back it lies, and else a line stands there at most twice.
    window = -1 if tail < 0 or model or errors else 2 * tail
    raw = engine.logs(follow=follow, tail=window)
    if follow:
        there = sum(1 for _ in engine.logs(follow=False, tail=window))
        yield from deque(shown(islice(raw, there)), maxlen=None if tail < 0 else tail)
        yield from shown(raw)
    else:
        yield from deque(shown(raw), maxlen=None if tail < 0 else tail)


def _shown(raw: Iterable[str], *, model: Optional[str], errors: bool, project: Project) -> Iterator[str]:
    @cache
    def audience_of(served: str) -> Audience:
        with suppress(ConfigError, OSError):  # the log is there to be read while the settings are broken
            return Audience(project.settings.sources(served))
        return Audience()

    return failures.selected(worker_log.once(raw), model=model, errors=errors, audience_of=audience_of)
