"""Models served unpacked: the project's own files, told apart by their content, replaced, restarted and swept."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.command import mardock, succeed

from mardock.settings.project import Project

HANDLER = """
from pathlib import Path


class Handler:
    def initialize(self, context):
        self.weights = Path(context.system_properties["model_dir"], "digits.pt")

    def handle(self, data, context):
        return [f"ANSWER {self.weights.stat().st_ino}"] * len(data)
"""
LARGE = (64 << 20) + 1


def folders(project: Project) -> list[str]:
    return sorted(path.name for path in project.model_store.iterdir() if path.name.startswith(".digits-"))


def write_project(root: Path, answer: str) -> None:
    (root / "handler.py").write_text(HANDLER.replace("ANSWER", answer))
    (root / "mardock.toml").write_text(
        '[models.digits.archive]\nhandler = "handler.py"\nserialized_file = "digits.pt"\n'
        "[models.digits.serving]\ninitial_workers = 1\n"
    )
    (root / "body").touch()


def test_the_project_s_own_files_are_served_replaced_restarted_and_swept(project: Project) -> None:
    root = project.root
    write_project(root, "one")
    with (root / "digits.pt").open("wb") as weights:
        os.truncate(weights.fileno(), LARGE)
    inode = (root / "digits.pt").stat().st_ino

    succeed(root, "up")
    succeed(root, "register", "--unpacked")
    first = folders(project)
    assert len(first) == 1
    assert list(project.model_store.glob("*.mar")) == []
    assert succeed(root, "predict", "digits", "body").out.strip() == f"one {inode}"  # its weights are a link

    assert "unchanged" in succeed(root, "register", "--unpacked").err
    (root / "handler.py").write_text(HANDLER.replace("ANSWER", "two"))
    refused = mardock(root, "register", "--unpacked")
    assert (refused.code, "registered already" in refused.err) == (5, True)
    assert "mardock register digits --unpacked --replace" in refused.err
    assert folders(project) == first  # what was refused is gone again

    assert "replaced" in succeed(root, "register", "--unpacked", "--replace").err
    second = folders(project)
    assert (len(second), second == first) == (1, False)
    succeed(root, "down")
    succeed(root, "up")
    assert succeed(root, "predict", "digits", "body").out.strip() == f"two {inode}"

    succeed(root, "models", "unregister", "digits")
    assert folders(project) == []
    assert (root / "digits.pt").stat().st_size == LARGE


def test_an_archive_takes_the_place_of_the_folder(project: Project) -> None:
    root = project.root
    write_project(root, "one")
    (root / "digits.pt").write_bytes(b"weights")
    succeed(root, "up")
    succeed(root, "register", "--unpacked")
    succeed(root, "archive")
    assert "replaced" in succeed(root, "register", "--replace").err
    assert [name.endswith(".mar") for name in folders(project)] == [True]


def test_a_handler_that_cannot_load_leaves_no_folder(project: Project) -> None:
    root = project.root
    write_project(root, "one")
    (root / "digits.pt").write_bytes(b"weights")
    (root / "handler.py").write_text(HANDLER.replace("self.weights =", "raise RuntimeError('no')\n        x ="))
    succeed(root, "up")
    failed = mardock(root, "register", "--unpacked")
    assert (failed.code, "RuntimeError: no" in failed.err) == (5, True)
    assert folders(project) == []
