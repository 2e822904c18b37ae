"""`archive --sbom` and `inspect --sbom`: where the bill of materials goes, and what is said without the extra."""

from __future__ import annotations

import json
import os
from importlib import metadata
from pathlib import Path

import pytest
from tests.support.command import mardock, succeed

from mardock import extras


@pytest.fixture
def project(root: Path) -> Path:
    (root / "artifacts").mkdir()
    (root / "handler.py").write_text("def handle(data, context):\n    return data\n")
    return root


def names(text: str) -> dict[str, str]:
    return {part["name"]: part.get("version", "") for part in json.loads(text)["components"]}


def test_archive_writes_it_beside_the_archive(project: Path) -> None:
    written = Path(succeed(project, "archive", "digits", "--sbom", "--json").json["sbom"])
    assert written == project / "artifacts" / "digits.cdx.json"
    assert names(written.read_text()) == {"handler.py": "", **{n: metadata.version(n) for n in ("torch", "torchserve")}}
    assert sorted(path.name for path in (project / "artifacts").iterdir()) == ["digits.cdx.json", "digits.mar"]
    assert succeed(project, "archive", "digits", "--json").json["sbom"] is None
    assert "artifacts/digits.mar and digits.cdx.json" in succeed(project, "archive", "digits", "--sbom").err


def test_inspect_prints_it_without_what_it_cannot_know(project: Path) -> None:
    succeed(project, "archive", "digits")
    assert names(succeed(project, "inspect", "artifacts/digits.mar", "--sbom").out) == {"handler.py": ""}


def test_the_missing_extra_is_named_before_anything_is_written(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shadow = tmp_path_factory.mktemp("without")
    (shadow / "cyclonedx.py").write_text("raise ImportError('as if it were not there')\n")
    path = os.pathsep.join(filter(None, [str(shadow), os.environ.get("PYTHONPATH")]))
    ended = mardock(project, "archive", "digits", "--sbom", env={"PYTHONPATH": path})
    assert ended.code == 4
    assert "needs cyclonedx-python-lib" in ended.err
    assert extras.how_to_add("sbom") in ended.err
    assert list((project / "artifacts").iterdir()) == []
