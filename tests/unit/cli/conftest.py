"""The whole command line in this process, and a project for it."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest
from tests.support.command import in_process
from typer.testing import Result

from mardock.cli import app, console, context

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs one command and gives its exit code, stdout and stderr."""
    monkeypatch.setattr(context, "_start", None)

    def run_command(*arguments: object) -> Result:
        monkeypatch.setattr(console, "_json", False)
        return in_process(app.app, *arguments)

    return run_command


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two models, the current folder; its server does not run and its engine is the native one."""
    (tmp_path / "mardock.toml").write_text(
        'engine = "native"\n'
        '[models.digits]\nsample = "samples"\n[models.digits.archive]\nhandler = "handler.py"\n'
        '[models.cats.archive]\nhandler = "handler.py"\n',
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path
