"""Snapshots: what counts as a change, and where changes are looked for."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from tests.unit.swap.conftest import Model

from mardock.errors import ConfigError
from mardock.settings.schema import Serving
from mardock.swap import snapshot


def test_other_content_of_the_same_size_time_and_inode_is_a_change(model: Model) -> None:
    before, times = model.take(), model.handler.stat()
    model.handler.write_text(model.handler.read_text().replace("return data", "return atad"))
    os.utime(model.handler, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert model.take().changed_since(before) == ("handler.py",)


def test_the_same_content_written_again_is_none_unless_the_file_is_large(model: Model) -> None:
    before = model.take()
    model.handler.write_text(model.handler.read_text())
    assert model.take().changed_since(before) == ()
    os.utime(model.weights, ns=(0, 0))
    assert model.take().changed_since(before) == ("digits.pt",)


def test_added_and_removed_members_and_other_settings_are_changes(model: Model) -> None:
    before = model.take()
    (model.handler.parent / "words" / "two.txt").write_text("two")
    (model.handler.parent / "labels.txt").unlink()
    (model.handler.parent / "other.txt").write_text("3")
    model.settings = dataclasses.replace(model.settings, serving=Serving(batch_size=2))
    assert model.take().changed_since(before) == ("labels.txt", "other.txt", "two.txt", "mardock.toml")


def test_a_missing_file_is_named(model: Model) -> None:
    model.handler.unlink()
    with pytest.raises(ConfigError, match=r"torchserve/digits/handler\.py does not exist"):
        model.take()


def test_the_scope_holds_the_model_s_own_files_and_not_their_neighbours(model: Model) -> None:
    scope = snapshot.scope(model.settings, model.root)
    folder = model.handler.parent
    for path in (model.handler, model.weights, model.root / "mardock.toml", folder / "words" / "new.txt"):
        assert scope.holds(path)
    assert not scope.holds(model.store / ".digits-1.0-w0001")
    assert not scope.holds(model.root / "src")
    assert {model.root, folder, folder / "words"} <= scope.folders


def test_a_symlink_and_what_it_leads_to_are_both_looked_at(model: Model) -> None:
    elsewhere = model.root / "src" / "real.py"
    elsewhere.parent.mkdir()
    model.handler.replace(elsewhere)
    model.handler.symlink_to(elsewhere)
    scope = snapshot.scope(model.settings, model.root)
    assert scope.holds(model.handler)
    assert scope.holds(elsewhere)


def test_the_scope_of_a_folder_that_is_away_is_the_one_above_it(model: Model) -> None:
    model.handler.parent.rename(model.root / "away")
    scope = snapshot.scope(model.settings, model.root)
    assert model.root / "torchserve" in scope.folders
    assert model.handler.parent in scope.above


def _packaged(model: Model) -> Path:
    """Give the model a package, and return its folder."""
    package = model.root / "src" / "mylib"
    package.mkdir(parents=True)
    (package / "model.py").write_text("x = 1")
    archive = dataclasses.replace(model.settings.archive, code=("src/mylib",))
    model.settings = dataclasses.replace(model.settings, archive=archive)
    return package


def test_a_save_in_a_package_is_a_change_of_the_model(model: Model) -> None:
    package = _packaged(model)
    before = model.take()
    (package / "model.py").write_text("x = 2")
    (package / "new.py").write_text("")
    assert model.take().changed_since(before) == ("mylib/model.py", "mylib/new.py")
    assert snapshot.scope(model.settings, model.root).holds(package / "another.py")


def test_what_editors_leave_is_no_change_and_not_looked_at(model: Model) -> None:
    package, words = _packaged(model), model.handler.parent / "words"
    before, scope = model.take(), snapshot.scope(model.settings, model.root)
    for folder in (package, words):
        (folder / ".#model.py").symlink_to("somebody@somewhere")
        for name in ("model.py~", ".model.py.swp", "#model.py#", ".DS_Store"):
            (folder / name).touch()
            assert not scope.holds(folder / name), name
        assert not scope.holds(folder / ".#model.py")
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "model.cpython-39.pyc").touch()
        assert not scope.holds(folder / "__pycache__")
        assert not scope.holds(folder / "__pycache__" / "model.cpython-39.pyc")
    (model.handler.parent / ".labels.txt").touch()  # what a glob's * leaves out
    assert model.take().changed_since(before) == ()
    after = snapshot.scope(model.settings, model.root)
    assert after == scope
    assert package / "__pycache__" not in after.folders


def test_the_project_s_ignore_file_is_looked_at_and_gone_by(model: Model) -> None:
    package = _packaged(model)
    (package / "run.log").write_text("1")
    before, scope = model.take(), snapshot.scope(model.settings, model.root)
    assert scope.holds(model.root / ".mardockignore")
    assert scope.holds(package / "run.log")
    (model.root / ".mardockignore").write_text("*.log\n")
    assert model.take().changed_since(before) == ("mylib/run.log",)
    after = snapshot.scope(model.settings, model.root)
    assert after != scope
    assert not after.holds(package / "run.log")


def test_a_named_file_is_looked_at_whatever_is_ignored(model: Model) -> None:
    (model.root / ".mardockignore").write_text("*.pt\nhandler*\n")
    scope = snapshot.scope(model.settings, model.root)
    assert scope.holds(model.handler)
    assert scope.holds(model.weights)
    assert model.handler.name in model.take().members


def test_a_folder_that_is_named_counts_though_it_is_hidden(model: Model) -> None:
    hidden = model.root / ".data"
    hidden.mkdir()
    (hidden / "a.txt").touch()
    archive = dataclasses.replace(model.settings.archive, extra_files=(".data/*.txt",))
    scope = snapshot.scope(dataclasses.replace(model.settings, archive=archive), model.root)
    assert scope.holds(hidden / "a.txt")
    assert not scope.holds(hidden / "a.txt~")
    assert hidden in scope.folders


def test_each_link_on_the_way_to_weights_elsewhere_is_looked_at(model: Model, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "blobs").mkdir(parents=True)
    model.weights.replace(cache / "blobs" / "0123")
    (cache / "main.pt").symlink_to("blobs/0123")
    model.weights.symlink_to(cache / "main.pt")
    scope = snapshot.scope(model.settings, model.root)
    for path in (model.weights, cache / "main.pt", cache / "blobs" / "0123"):
        assert scope.holds(path)
        assert path.parent in scope.folders


def test_code_beside_the_project_is_looked_at_under_its_own_path(model: Model) -> None:
    source = model.root.parent / "src"
    (source / "words").mkdir(parents=True)
    model.handler.replace(source / "handler.py")
    (source / "words" / "one.txt").write_text("1")
    archive = dataclasses.replace(
        model.settings.archive, handler="../src/handler.py", extra_files=("../src/words", "../src/*.json")
    )
    scope = snapshot.scope(dataclasses.replace(model.settings, archive=archive), model.root)
    for path in (source / "handler.py", source / "words" / "new.txt", source / "new.json"):
        assert scope.holds(path)
        assert path.parent in scope.folders
    assert not scope.holds(source / "other.py")


def test_what_links_in_a_folder_lead_to_is_looked_at(model: Model, tmp_path: Path) -> None:
    words = tmp_path / "shared.txt"
    words.write_text("shared")
    (model.handler.parent / "words" / "linked.txt").symlink_to(words)
    assert snapshot.scope(model.settings, model.root).holds(words)


def test_links_that_lead_in_a_circle_are_no_trouble(model: Model) -> None:
    model.weights.unlink()
    model.weights.symlink_to(model.weights)
    assert snapshot.scope(model.settings, model.root).holds(model.weights)
