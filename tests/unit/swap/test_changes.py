"""Changes: no save is missed, however it is written and whatever becomes of the folders."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Iterator

import pytest
from tests.support.listeners import Heard
from tests.unit.swap.conftest import Model

from mardock.swap import snapshot
from mardock.swap.changes import Changes

PATIENCE_S = 20.0


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def changes(heard: Heard, model: Model) -> Iterator[Changes]:
    made = Changes(heard)
    yield made
    made.close()


def test_a_save_by_rename_is_seen_and_its_neighbours_are_not(model: Model, changes: Changes) -> None:
    assert changes.follow(snapshot.scope(model.settings, model.root))
    (model.store / ".digits-1.0-w0001").mkdir()
    draft = model.handler.with_name(".handler.py.swp")
    draft.write_text("x = 1\n")
    draft.replace(model.handler)
    saved = changes.wait(PATIENCE_S)
    assert saved is not None
    assert saved.paths == {model.handler}
    assert not changes.pending()


def test_following_the_same_scope_again_changes_nothing(model: Model, changes: Changes) -> None:
    scope = snapshot.scope(model.settings, model.root)
    assert changes.follow(scope)
    assert not changes.follow(scope)


def test_a_folder_that_is_replaced_is_followed_again(model: Model, changes: Changes) -> None:
    changes.follow(snapshot.scope(model.settings, model.root))
    folder = model.handler.parent
    shutil.copytree(folder, model.root / "other")
    shutil.rmtree(folder)
    (model.root / "other").rename(folder)
    assert changes.wait(PATIENCE_S) is not None
    while changes.follow(snapshot.scope(model.settings, model.root)):
        pass
    changes.forget()
    model.handler.write_text("x = 2\n")
    while model.handler not in (saved.paths if (saved := changes.wait(PATIENCE_S)) else {model.handler}):
        changes.follow(snapshot.scope(model.settings, model.root))


def test_without_a_file_watch_left_it_polls_and_says_so(model: Model, changes: Changes, heard: Heard) -> None:
    scope = snapshot.scope(model.settings, model.root)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.dup(0)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free + 1, hard))  # inotify takes three
    try:
        changes.follow(scope)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "looking every" in heard.notes[0]
    for number in range(3):  # within one second
        model.handler.write_text(f"x = {number}\n")
        saved = changes.wait(PATIENCE_S)
        assert saved is not None
        assert saved.paths == {model.handler}


def test_a_watchfiles_that_is_not_as_it_was_is_done_without(
    model: Model, changes: Changes, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles._rust_notify", None)
    changes.follow(snapshot.scope(model.settings, model.root))
    assert heard.notes[0].startswith("watchfiles cannot be used (")
    model.handler.write_text("x = 1\n")
    saved = changes.wait(PATIENCE_S)
    assert saved is not None
    assert saved.paths == {model.handler}


def test_waiting_ends_with_a_wake(changes: Changes) -> None:
    assert changes.wait(0) is None
