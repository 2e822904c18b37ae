"""A project of one model that needs no weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from mardock.settings.project import Project

TOML = """
engine = "native"
[models.doubler]
sample = "sample.txt"
[models.doubler.archive]
handler = "torchserve/doubler/handler.py"
"""
HANDLER = """
def handle(data, context):
    return [2 * float(row["body"]) for row in data or ()]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one model, `doubler`."""
    (tmp_path / "torchserve" / "doubler").mkdir(parents=True)
    (tmp_path / "torchserve" / "doubler" / "handler.py").write_text(HANDLER)
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "sample.txt").write_text("21")
    (tmp_path / "mardock.toml").write_text(TOML)
    return Project(tmp_path)
