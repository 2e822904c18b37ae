"""Directory models: cheap to make, independent of what is edited, and gone when they should be."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.unit.swap.conftest import Model

from mardock.archive.read import read
from mardock.errors import ArchiveError
from mardock.swap import directory


def test_a_version_is_a_sound_archive_of_that_version(model: Model) -> None:
    made = directory.lay_out(model.side("1.0-w0001"), model.take())
    found = read(made.path)
    assert (made.path.name, found.name, found.version) == (".digits-1.0-w0001", "digits", "1.0-w0001")
    assert {member.name for member in found.members} >= {"handler.py", "digits.pt", "labels.txt", "one.txt"}


def test_an_edit_in_place_does_not_reach_a_version_that_serves(model: Model) -> None:
    made = directory.lay_out(model.side("1.0-w0001"), model.take())
    with model.handler.open("r+") as file:
        file.write("# edited")
    with model.weights.open("r+b") as weights:
        weights.write(b"edited")
    assert "# edited" not in (made.path / "handler.py").read_text()
    assert not (made.path / "digits.pt").read_bytes().startswith(b"edited")


def test_what_did_not_change_is_shared_with_the_version_before(model: Model) -> None:
    first = directory.lay_out(model.side("1.0-w0001"), model.take())
    model.handler.write_text("def handle(data, context):\n    return None\n")
    second = directory.lay_out(model.side("1.0-w0002"), model.take(), before=first)
    assert (first.path / "digits.pt").samefile(second.path / "digits.pt")
    assert not (first.path / "handler.py").samefile(second.path / "handler.py")
    shutil.rmtree(first.path)
    assert (second.path / "digits.pt").stat().st_size == 2 << 20


def test_a_version_that_cannot_be_made_leaves_nothing(model: Model) -> None:
    taken = model.take()
    model.weights.unlink()
    with pytest.raises(ArchiveError, match="cannot lay out"):
        directory.lay_out(model.side("1.0-w0001"), taken)
    assert list(model.store.iterdir()) == []


def test_another_handler_may_be_served_in_its_place(model: Model) -> None:
    addition = directory.Addition("other.py:handle", {"other.py": b"", "MAR-INF/other.json": b"{}"})
    made = directory.lay_out(model.side("1.0-i0001"), model.take(), addition=addition)
    manifest = json.loads((made.path / "MAR-INF" / "MANIFEST.json").read_bytes())
    assert manifest["model"]["handler"] == "other.py:handle"
    assert (made.path / "MAR-INF" / "other.json").exists()
    assert (made.path / "handler.py").exists()


def test_a_syntax_error_is_told_with_the_project_s_file(model: Model) -> None:
    model.handler.write_text("\ndef handle(:\n")
    made = directory.lay_out(model.side("1.0-w0001"), model.take())
    with pytest.raises(ArchiveError, match=r"^torchserve/digits/handler\.py:2: "):
        directory.check_code(made, model.root)
