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
