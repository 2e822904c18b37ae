"""Tests on several workers (`make test`): which of them share one, which begin first, and which run alone.

Without workers (plain pytest) none of this has an effect.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

FIRST = ("docker/test_image_python.py", "docker/test_readme.py", "docker/test_dev_image.py", "docker/test_rehearse.py")
"""What takes longest."""
LAST = ("docker/test_networks.py", "unit")
"""What runs alone, which by then waits for short tests, and what fills the rest."""
_SERVER = re.compile(r"\[(native|own|official)[-\]]")  # the name of a test on one engine or image
_TESTS = Path(__file__).parents[1]


def is_worker(config: pytest.Config) -> bool:
    """Return whether this process is one of several that run the tests."""
    return hasattr(config, "workerinput")


def turn(item: pytest.Item) -> int:
    """Return when a test's turn is, for sorting."""
    place = item.path.relative_to(_TESTS).as_posix()
    if place in FIRST:
        return FIRST.index(place)
    return len(FIRST) + next((at for at, name in enumerate(LAST, 1) if place.startswith(name)), 0)


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Return pytest-xdist's scheduler of groups, which are ours and are taken in our order."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    made = LoadScopeScheduling(config, log)
    made._split_scope = group
    return made


def group(test: str) -> str:
    """Return what one worker runs in its order: a test's file, or those of it that share an engine or an image."""
    server = _SERVER.search(test)
    return f"{test.partition('::')[0]} {server[1] if server else ''}"


@contextmanager
def hold(config: pytest.Config, name: str, *, alone: bool = True) -> Iterator[None]:
    """Hold one of this run's locks, alone or beside others that do not want it alone."""
    if not is_worker(config):
        yield
        return
    with (Path(config.option.basetemp).parent / f"{name}.lock").open("a") as file:  # the run's folder, not the worker's
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@contextmanager
def room(item: pytest.Item) -> Iterator[None]:
    """Let a test run beside those of other workers, or alone if it is marked so; no other begins while it waits."""
    with ExitStack() as stack:
        with hold(item.config, "door"):
            stack.enter_context(hold(item.config, "room", alone=item.get_closest_marker("alone") is not None))
        yield
