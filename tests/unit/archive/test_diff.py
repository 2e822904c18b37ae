"""What differs between two models, and what a file of weights tells of itself."""

from __future__ import annotations

import io
import re
import shutil
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mardock.archive import checkpoint, directory
from mardock.archive.build import build
from mardock.archive.contents import of_archive, of_project
from mardock.archive.diff import compare
from mardock.archive.spec import ArchiveSpec
from mardock.errors import ArchiveError


def save(path: Path, **tensors: torch.Tensor) -> None:
    torch.save(tensors, path)


def test_a_project_its_archive_and_its_folder_are_the_same(project: Path, spec: ArchiveSpec) -> None:
    archive = build(spec, project, project / "artifacts").archive.path
    directory.lay_out(project / "folder", spec, spec.resolve(project))
    assert not compare(of_archive(archive), of_project(spec, project))
    assert not compare(of_archive(archive), of_archive(project / "folder"))


def test_a_deflated_archive_holds_the_same_members(project: Path, spec: ArchiveSpec, tmp_path: Path) -> None:
    archive = build(spec, project, project / "artifacts").archive.path
    with zipfile.ZipFile(archive) as stored, zipfile.ZipFile(tmp_path / "d.mar", "w", zipfile.ZIP_DEFLATED) as deflated:
        for name in stored.namelist():
            deflated.writestr(name, stored.read(name))
    assert not compare(of_archive(archive), of_archive(tmp_path / "d.mar"))


def test_members_fields_and_lines_that_differ_are_named(project: Path, spec: ArchiveSpec) -> None:
    archive = build(spec, project, project / "artifacts").archive.path
    (project / "code" / "handler.py").write_text((project / "code" / "handler.py").read_text() + "# more\n")
    (project / "labels.txt").touch()
    found = compare(
        of_archive(archive),
        of_project(replace(spec, version="2.0", model_file=None, extra_files=("labels.txt",)), project),
    )
    assert found.manifest == {"model.modelFile": ("model.py", None), "model.modelVersion": ("1.0", "2.0")}
    assert (found.removed, found.added) == (("model.py",), ("labels.txt",))
    assert [change.name for change in found.changed] == ["handler.py"]
    assert "+# more" in found.changed[0].lines


def test_of_weights_the_tensors_that_differ_are_named(project: Path, spec: ArchiveSpec) -> None:
    save(project / "weights.pt", a=torch.zeros(2), b=torch.zeros(2))
    archive = build(spec, project, project / "artifacts").archive.path
    save(project / "weights.pt", a=torch.zeros(2), b=torch.ones(2))
    (change,) = compare(of_archive(archive), of_project(spec, project)).changed
    assert (change.name, change.lines) == ("weights.pt", ())
    assert "data/1" in change.entries
    assert "data/0" not in change.entries


def saved_by_export(path: Path) -> None:
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    torch.export.save(program, path.with_suffix(".pt2"))
    shutil.move(path.with_suffix(".pt2"), path)


@pytest.mark.parametrize("form", ["pickled", "legacy", "TorchScript", "torch.export"])
def test_the_form_of_weights_is_told_and_torch_s_version_where_it_is_written(tmp_path: Path, form: str) -> None:
    path = tmp_path / "weights.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if form == "TorchScript":
            torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))  # type: ignore[no-untyped-call]
        elif form == "torch.export":
            saved_by_export(path)
        else:
            torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=form != "legacy")
    with path.open("rb") as file:
        found = checkpoint.look(file)
    assert found is not None
    written = b'"torch_version"' in path.read_bytes()  # by torch.export, and not by an old one
    assert (found.form, found.torch_version) == (form, torch.__version__ if written else "unknown")
    assert re.fullmatch("unknown" if form == "legacy" else r"[0-9.]+", found.format_version)


@pytest.mark.parametrize("content", [b"", b"PK", b"no weights", b"\x80\x04K\x01."])
def test_what_is_no_checkpoint_is_nothing(content: bytes) -> None:
    assert checkpoint.look(io.BytesIO(content)) is None


def test_a_torn_checkpoint_is_an_error() -> None:
    with pytest.raises(ArchiveError, match="a zip that cannot be read"):
        checkpoint.look(io.BytesIO(b"PK\x03\x04" + bytes(100)))
