"""Tests on several workers (`make test`): which of them share one, which begin first, and which run alone.

Without workers (plain pytest) none of this has an effect.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

FIRST = ("docker/test_image_python.py", "docker/test_readme.py", "docker/test_dev_image.py", "docker/test_rehearse.py")
"""What takes longest; the other suites follow, and the unit tests fill what is left."""
SUITES = ("docker", "contract", "deploy", "unit")
SERVERS = ("torchserve_image", "bench", "served")
"""Fixtures with a server per engine or image: tests of one file on different ones share nothing."""
_TESTS = Path(__file__).parents[1]


def is_worker(config: pytest.Config) -> bool:
    """Return whether this process is one of several that run the tests."""
    return hasattr(config, "workerinput")


def arrange(items: list[pytest.Item]) -> None:
    """Put tests in the order in which workers take them, and those that share a server into one group."""
    items.sort(key=lambda item: _rank(_place(item)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(f"{_place(item)} {_server(item)}"))


def without_group(nodeid: str) -> str:
    """Return a test's name as pytest takes it."""
    return nodeid[: nodeid.rfind("@")] if nodeid.rfind("@") > nodeid.rfind("]") else nodeid


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


def _rank(place: str) -> tuple[int, int]:
    if place in FIRST:
        return FIRST.index(place), 0
    suite = place.partition("/")[0]
    return len(FIRST), SUITES.index(suite) if suite in SUITES else len(SUITES)


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(_TESTS).as_posix()


def _server(item: pytest.Item) -> str:
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return next((str(params[name]) for name in SERVERS if name in params), "")
