"""Engines for contract tests: what the native one needs, and a server that tests share."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable

import pytest
from tests.contract.projects import make_project

from mardock.engines.native import NativeEngine
from mardock.settings.project import Project


@pytest.fixture
def project(native: None, tmp_path: Path) -> Iterator[Project]:
    """A project of the test's own; its native server, if the test starts one, is stopped."""
    made = make_project(tmp_path / "project")
    yield made
    NativeEngine(made).down()


@pytest.fixture(scope="session")
def native(require: Callable[[str, str], Any]) -> None:
    """What the native engine needs is installed."""
    missing = [name for name in ("ts", "torch") if find_spec(name) is None]
    if missing:
        require("torchserve", f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="session")
def native_server(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeEngine]:
    """A native server that all tests of the session share; what a test registers there is its own to remove."""
    engine = NativeEngine(make_project(tmp_path_factory.mktemp("shared") / "project"))
    engine.up(timeout=60)
    yield engine
    engine.down()
