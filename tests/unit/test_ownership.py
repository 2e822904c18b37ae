"""Whose files are once mardock wrote them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mardock import ownership

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


def owner(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid


def test_a_file_is_replaced_in_one_step_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    file.chmod(0o640)
    (tmp_path / "link").symlink_to(file)
    ownership.replace(tmp_path / "link", b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "link").is_symlink()


def test_what_was_there_stays_when_it_cannot_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        ownership.replace(tmp_path / "folder", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@as_root
def test_root_leaves_a_file_to_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    os.chown(file, 4242, 4243)
    ownership.replace(file, b"new")
    assert owner(file) == (4242, 4243)


@as_root
def test_root_makes_files_for_the_owner_of_their_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 4242, 4243)
    ownership.replace(tmp_path / "file", b"new")
    (tmp_path / "tree/inner").mkdir(parents=True)
    (tmp_path / "tree/inner/file").touch()
    ownership.adopt_tree(tmp_path / "tree")
    assert {owner(path) for path in (tmp_path / "file", *tmp_path.rglob("tree/*"), tmp_path / "tree/inner/file")} == {
        (4242, 4243)
    }


@as_root
def test_a_link_to_a_file_of_root_s_stays_root_s(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.touch()
    store = tmp_path / "store"
    store.mkdir()
    os.chown(store, 4242, 4243)
    os.link(weights, store / "weights.pt")
    ownership.adopt([store / "weights.pt"])
    assert owner(weights) == (0, 0)


@as_root
def test_what_root_wrote_in_a_user_s_project_is_handed_back(tmp_path: Path) -> None:
    os.chown(tmp_path, 4242, 4243)
    (tmp_path / "state/inner").mkdir(parents=True)
    (tmp_path / "state/inner/file").touch()
    (tmp_path / "own").touch()
    (tmp_path / "link").symlink_to("/")
    ownership.hand_back(tmp_path, [tmp_path / "state", tmp_path / "gone", tmp_path / "link"])
    assert {owner(path) for path in (tmp_path / "state").rglob("*")} == {(4242, 4243)}
    assert owner(tmp_path / "own") == owner(Path("/")) == (0, 0)


@as_root
def test_in_a_project_of_root_s_all_stays_root_s(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    os.chown(tmp_path / "state", 4242, 4243)
    (tmp_path / "state/file").touch()
    ownership.hand_back(tmp_path, [tmp_path / "state"])
    assert owner(tmp_path / "state/file") == (0, 0)


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    ownership.replace(pipe, b"report")
    assert os.read(reader, 100) == b"report"
    os.close(reader)
    assert pipe.is_fifo()
