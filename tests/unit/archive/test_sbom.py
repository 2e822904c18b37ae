"""The bill of materials of an archive: valid by the standard's own schema, complete, and the same each time."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import pytest
import torch
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from mardock.archive.build import build
from mardock.archive.sbom import render
from mardock.archive.spec import ArchiveSpec


def sbom(archive: Path, environment: Optional[dict[str, str]] = None) -> dict[str, Any]:
    text = render(archive, environment or {})
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def packages(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {part["bom-ref"]: part for part in document["components"] if part["type"] == "library"}


def told(part: dict[str, Any]) -> dict[str, str]:
    return {one["name"].partition(":")[2]: one["value"] for one in part["properties"]}


@pytest.fixture
def archive(spec: ArchiveSpec, project: Path) -> Path:
    (project / "requirements.txt").write_text(
        "# what the handler imports\n"
        "--index-url https://example.org/simple\n"
        "NumPy==2.0.1  # pinned\n"
        "pillow>=10,<12 \\\n    --hash=sha256:00\n"
        "tokenizers[fast]~=0.19 ; python_version >= '3.9'\n"
        "mine @ https://me:secret@example.org/mine-1.0.tar.gz\n"
        "./vendored\n"
        "torch==2.1.*\n"
    )
    return build(replace(spec, requirements_file="requirements.txt"), project, project / "artifacts").archive.path


def test_every_member_is_listed_with_its_digest_and_its_part(archive: Path, project: Path) -> None:
    document = sbom(archive)
    files = {part["name"]: part for part in document["components"] if part["type"] == "file"}
    assert {name: told(part)["role"] for name, part in files.items()} == {
        "handler.py": "handler",
        "model.py": "model file",
        "requirements.txt": "requirements file",
        "weights.pt": "serialized file",
    }
    for name, origin in (("handler.py", "code/handler.py"), ("weights.pt", "weights.pt")):
        expected = hashlib.sha256((project / origin).read_bytes()).hexdigest()
        assert files[name]["hashes"] == [{"alg": "SHA-256", "content": expected}]


def test_the_model_is_what_it_is_about_and_depends_on_all_of_it(archive: Path) -> None:
    document = sbom(archive)
    model = document["metadata"]["component"]
    assert (model["name"], model["version"], model["type"]) == ("mnist", "1.0", "machine-learning-model")
    assert model["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(archive.read_bytes()).hexdigest()}]
    assert told(model) == {"handler": "handler.py", "runtime": "python"}
    needs = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
    assert set(needs[model["bom-ref"]]) == {part["bom-ref"] for part in document["components"]}


def test_requirements_are_pinned_packages_or_ranges(archive: Path) -> None:
    found = packages(sbom(archive))
    assert {ref: (part["name"], part.get("version"), part.get("purl")) for ref, part in found.items()} == {
        "NumPy==2.0.1": ("NumPy", "2.0.1", "pkg:pypi/numpy@2.0.1"),
        "pillow>=10,<12": ("pillow", None, "pkg:pypi/pillow"),
        "tokenizers[fast]~=0.19 ; python_version >= '3.9'": ("tokenizers", None, "pkg:pypi/tokenizers"),
        "mine @ https://example.org/mine-1.0.tar.gz": ("mine", None, "pkg:pypi/mine"),
        "requirement:./vendored": ("./vendored", None, None),
        "torch==2.1.*": ("torch", None, "pkg:pypi/torch"),
    }


def test_what_serves_it_is_listed_unless_the_archive_asks_for_it_itself(archive: Path) -> None:
    found = packages(sbom(archive, {"torch": "2.13.0", "torchserve": "0.12.0"}))
    assert "pkg:pypi/torch@2.13.0" not in found
    assert told(found["pkg:pypi/torchserve@0.12.0"]) == {"source": "environment"}


def test_the_weights_tell_what_saved_them(spec: ArchiveSpec, project: Path) -> None:
    torch.export.save(torch.export.export(torch.nn.Linear(1, 1), (torch.ones(1, 1),)), project / "weights.pt2")
    exported = replace(spec, serialized_file="weights.pt2", model_file=None)
    document = sbom(build(exported, project, project / "artifacts").archive.path)
    weights = next(part for part in document["components"] if part["name"] == "weights.pt2")
    written = b'"torch_version"' in (project / "weights.pt2").read_bytes()  # not by an old torch
    known = {"torch_version": torch.__version__} if written else {}
    assert told(weights).items() >= {"format": "torch.export", **known}.items()


def test_the_same_archive_gives_the_same_text(
    archive: Path, project: Path, spec: ArchiveSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert render(archive, {}) == render(archive, {})
    assert json.loads(render(archive, {}))["metadata"]["timestamp"].startswith("2023-11-14T22:13:20")


def test_a_handler_of_torchserves_own_needs_no_file(project: Path) -> None:
    buffer = io.BytesIO()
    torch.save({}, buffer)
    (project / "weights.pt").write_bytes(buffer.getvalue())
    spec = ArchiveSpec("plain", "image_classifier", serialized_file="weights.pt")
    document = sbom(build(spec, project, project / "artifacts").archive.path)
    assert told(document["metadata"]["component"])["handler"] == "image_classifier"
    assert [part["name"] for part in document["components"]] == ["weights.pt"]
