"""What every suite shares: `--require`, which turns a skip into a failure, and unit tests without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, NoReturn

import pytest

UNIT = Path(__file__).parent / "unit"
Require = Callable[[str, str], NoReturn]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        default="",
        metavar="NAMES",
        help="comma-separated parts of the machine whose absence fails the tests that need them: "
        "docker, torchserve, own and official (images), azurite, registry",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.option.allow_unix_socket = True  # read by pytest-socket; a Unix socket leads to no other machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if UNIT in item.path.parents:
            item.add_marker(pytest.mark.disable_socket)


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
