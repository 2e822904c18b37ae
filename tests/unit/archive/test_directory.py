"""A model as a folder: what its members are, what replaces them, and that an edit of the project stays out of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from mardock.archive import directory
from mardock.archive.read import read
from mardock.archive.spec import ArchiveSpec
from mardock.errors import ArchiveError


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


def test_a_folder_is_a_sound_archive_with_the_manifest_of_its_spec(
    project: Path, spec: ArchiveSpec, store: Path
) -> None:
    served = dataclasses.replace(spec, version="7")
    directory.lay_out(store / "one", served, spec.resolve(project))
    found = read(store / "one")
    assert (found.name, found.version) == (spec.model_name, "7")
    assert {member.name for member in found.members} == {
        "MAR-INF/MANIFEST.json",
        *(source.name for source in spec.resolve(project)),
    }


def test_an_override_replaces_a_member_and_leaves_the_project_s_file(
    project: Path, spec: ArchiveSpec, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "LINKED_ABOVE", -1)  # every member is a link, which must not be written through
    member = spec.resolve(project)[0]
    before = member.path.read_bytes()
    overrides = {member.name: b"other", "further/file.txt": b"more"}
    directory.lay_out(store / "one", spec, spec.resolve(project), overrides=overrides)
    assert (store / "one" / member.name).read_bytes() == b"other"
    assert (store / "one" / "further" / "file.txt").read_bytes() == b"more"
    assert member.path.read_bytes() == before


def test_what_is_shared_is_linked_to(project: Path, spec: ArchiveSpec, store: Path) -> None:
    member = spec.resolve(project)[0]
    directory.lay_out(store / "one", spec, spec.resolve(project))
    shared = {member.name: store / "one" / member.name}
    directory.lay_out(store / "two", spec, spec.resolve(project), shared=shared)
    assert (store / "two" / member.name).samefile(shared[member.name])
    assert not (store / "two" / member.name).samefile(member.path)


def test_what_has_its_name_is_replaced(project: Path, spec: ArchiveSpec, store: Path) -> None:
    (store / "one").mkdir()
    (store / "one" / "old.txt").touch()
    directory.lay_out(store / "one", spec, spec.resolve(project))
    assert not (store / "one" / "old.txt").exists()


def test_a_folder_that_cannot_be_made_leaves_nothing(project: Path, spec: ArchiveSpec, store: Path) -> None:
    members = spec.resolve(project)
    members[-1].path.unlink()
    with pytest.raises(ArchiveError, match="cannot lay out one"):
        directory.lay_out(store / "one", spec, members)
    assert list(store.iterdir()) == []


def test_a_file_system_without_hard_links_gets_copies(
    project: Path, spec: ArchiveSpec, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(origin: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(directory, "LINKED_ABOVE", -1)
    monkeypatch.setattr("os.link", refuse)
    directory.lay_out(store / "one", spec, spec.resolve(project))
    manifest = json.loads((store / "one" / "MAR-INF" / "MANIFEST.json").read_bytes())
    assert manifest["model"]["modelName"] == spec.model_name
    for member in spec.resolve(project):
        assert (store / "one" / member.name).read_bytes() == member.path.read_bytes()
