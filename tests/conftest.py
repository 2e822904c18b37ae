"""What every suite shares: its options, tests side by side on several workers, and unit tests without a network."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, NoReturn

import hypothesis
import pytest
from tests.support import side_by_side

UNIT = Path(__file__).parent / "unit"
Require = Callable[[str, str], NoReturn]

# Threads of torch that wait for one another would keep a busy machine's cores from those they wait for.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
# What a shell starts in its background ignores Ctrl-C, and so would every command the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
# How long an example takes is the machine's business.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        default="",
        metavar="NAMES",
        help="comma-separated parts of the machine whose absence fails the tests that need them: "
        "docker, torchserve, own and official (images), azurite, registry, root",
    )
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too, as .ci/run does")


def pytest_configure(config: pytest.Config) -> None:
    config.option.allow_unix_socket = True  # read by pytest-socket; a Unix socket leads to no other machine
    config.addinivalue_line("markers", "slow: takes long and rarely breaks; .ci/run runs it, others with --slow")
    config.addinivalue_line("markers", "alone: takes what other workers need, e.g. every network there is room for")


def pytest_itemcollected(item: pytest.Item) -> None:
    if UNIT in item.path.parents:
        item.add_marker(pytest.mark.disable_socket)
    if item.get_closest_marker("slow") and not item.config.getoption("--slow"):
        item.add_marker(pytest.mark.skip(reason="slow: it runs with --slow, and in .ci/run"))


@pytest.hookimpl(trylast=True)  # pytest has put those of one fixture together
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if side_by_side.is_worker(config):
        items.sort(key=side_by_side.turn)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around what times the test
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with side_by_side.room(item):
        return (yield)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return side_by_side.scheduler(config, log)


@pytest.fixture(scope="session")
def require(request: pytest.FixtureRequest) -> Require:
    """Return what a test calls when a part of the machine is missing: it skips, or fails under `--require NAME`.

    `require("docker", "no Docker Engine answers")`
    """
    required = request.config.getoption("--require").split(",")

    def missing(name: str, reason: str) -> NoReturn:
        if name in required:
            pytest.fail(f"{name} is required: {reason}", pytrace=False)
        pytest.skip(reason)

    return missing
