"""Two users of one project: what root did in a user's stays that user's, and what is closed to them is named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

import pytest
from tests.contract.projects import make_project
from tests.support.command import mardock, succeed
from tests.support.other_user import UID, give, mardock_as_other, needs_root, place_for_all

SETTINGS = """
[models.m]
sample = "body"
[models.m.archive]
handler = "handler.py"
"""
HANDLER = """
class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        return [b"yes"] * len(data)
"""


@pytest.fixture
def root(native: None, require: Callable[[str, str], Any]) -> Iterator[Path]:
    """A project where every user may look in; its server is stopped as root can."""
    needs_root(require)
    with made() as root:
        yield root


@contextmanager
def made() -> Iterator[Path]:
    with place_for_all() as folder:
        root = folder / "project"
        make_project(root)
        (root / "mardock.toml").write_text(SETTINGS)
        (root / "handler.py").write_text(HANDLER)
        (root / "body").write_text("x")
        yield root
        succeed(root, "down")


def of_root(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.lstat().st_uid == 0]


@pytest.mark.parametrize("how", [["--bare", "--config"], ["--handler", "text"], ["--example"]])
def test_what_root_writes_with_init_is_the_users(how: list[str], require: Callable[[str, str], Any]) -> None:
    needs_root(require)
    with place_for_all() as folder:
        give(folder)
        succeed(folder, "init", *how)
        succeed(folder, "init", *how, "new")
        assert of_root(folder) == []


def test_what_root_does_in_a_user_s_project_does_not_lock_the_user_out(root: Path) -> None:
    give(root)
    succeed(root, "archive", "m")
    succeed(root, "up")
    assert of_root(root) == []
    assert mardock_as_other(root, "predict", "m").out == "yes"
    status = mardock_as_other(root, "status", "--json").json
    assert status["details"]["started by"] == "root"
    again = mardock_as_other(root, "up")
    assert (again.code, "m 1.0 unchanged" in again.err) == (0, True)
    down = mardock_as_other(root, "down")
    assert (down.code, "Traceback" in down.err) == (3, False)
    assert f"TorchServe of this project was started by root (pid {status['details']['pid']})" in down.err
    assert f"-m mardock -C {root} down" in down.err
    doctor = mardock_as_other(root, "doctor").out
    assert f"FAIL  owner: TorchServe of this project was started by root (pid {status['details']['pid']})" in doctor
    assert mardock(root, "status").code == 0  # it goes on serving

    succeed(root, "down")
    for command in ("archive m", "up", "predict m", "down"):
        done = mardock_as_other(root, *command.split())
        assert done.code == 0, f"{command}: {done.err}"
    assert of_root(root) == []


def test_the_server_of_a_project_of_root_s_answers_others(root: Path) -> None:
    with (root / ".env").open("a") as env:
        env.write("MARDOCK_TOKEN_AUTH=true\n")
    succeed(root, "archive", "m")
    succeed(root, "up")
    status = mardock_as_other(root, "status", "--json")
    assert (status.code, status.json["details"]["started by"], status.json["models"]) == (3, "root", None)
    key = root / ".mardock" / "native" / "key_file.json"
    assert f"cannot use {key}: Permission denied ({key} belongs to root, mode 600)" in status.json["details"]["tokens"]
    assert f"sudo chown -R {UID} {key}\n" in mardock_as_other(root, "status").err
    refused = mardock_as_other(root, "predict", "m", "--json")
    assert refused.code == 3
    assert refused.json["error"]["hint"] == f"sudo chown -R {UID} {key}"
    private = [path for path in (root / ".mardock/native").iterdir() if path.is_file() and path.stat().st_mode & 0o077]
    assert [path.name for path in private if path.name != "classes.lst"] == ["server.json"]
    down = mardock_as_other(root, "down")
    assert (down.code, "was started by root" in down.err) == (3, True)


CLOSED = {
    ".mardock": ("status", "predict m", "register m", "up", "down", "logs"),
    ".mardock/native": ("status", "models list", "up", "down"),
    ".mardock/lock": ("up",),
    "logs": ("logs", "up"),
    "logs/ts_log.log": ("logs", "up"),
    "artifacts": ("archive m", "inspect artifacts/m.mar", "up"),
    "artifacts/m.mar": ("archive m",),
    "handler.py": ("archive m", "try m"),
    "mardock.toml": ("archive m",),
    ".env": ("archive m",),
    "body": ("try m",),
    "torchserve/config.properties": ("up",),
}


@pytest.fixture(scope="module")
def used(native: None, require: Callable[[str, str], Any]) -> Iterator[Path]:
    """The project of the other user, in which there is all that a server leaves; whoever changes that gives it back."""
    needs_root(require)
    with made() as root:
        give(root)
        for command in ("archive m", "up", "down"):
            assert mardock_as_other(root, *command.split()).code == 0
        yield root


def test_what_is_closed_is_named_with_its_owner_and_what_opens_it(used: Path) -> None:
    for name, commands in CLOSED.items():
        path = used / name
        os.chown(path, 0, 0)
        path.chmod(0o700 if path.is_dir() else 0o600)
        for command in commands:
            done = mardock_as_other(used, *command.split())
            assert done.code in (2, 3, 4), f"{name}, {command}: {done.code} {done.err}"
            assert "Traceback" not in done.err
            assert re.search(rf"{re.escape(str(path))}\W.*belongs to root", done.err), done.err
            assert f"sudo chown -R {UID} {path}\n" in done.err, done.err
        give(used)


def test_doctor_tells_all_that_is_closed_with_one_command(used: Path) -> None:
    for name in (".mardock/lock", "logs/ts_log.log", "artifacts/.registering.lock"):
        os.chown(used / name, 0, 0)
        (used / name).chmod(0o600)
    found = {check["name"]: check for check in mardock_as_other(used, "doctor", "--json").json}
    assert found["owner"]["finding"] == f"{used}/.mardock/lock belongs to root and is closed to you"
    assert found["owner"]["hint"] == f"sudo chown -R {UID} {used}/.mardock {used}/logs {used}/artifacts"
    give(used)
    found = {check["name"]: check for check in mardock_as_other(used, "doctor", "--json").json}
    assert found["owner"]["ok"]


def test_what_a_dead_server_of_root_s_left_is_in_nobody_s_way(used: Path) -> None:
    """As when the machine was switched off: its record and folders are root's, and no process is."""
    home = used / ".mardock" / "native"
    (home / "server.json").write_text("{}")
    (home / "tmp" / "models").mkdir(parents=True)
    for path in (home / "server.json", home / "tmp", home / "tmp" / "models"):
        os.chown(path, 0, 0)
    status = mardock_as_other(used, "status")
    assert (status.code, "not running" in status.err) == (3, True)
    refused = mardock_as_other(used, "up")
    assert (refused.code, "Traceback" in refused.err) == (3, False)
    assert f"{home / 'tmp'} is not a private folder of yours" in refused.err
    assert f"sudo chown -R {UID} {home / 'tmp'}\n" in refused.err


def test_where_nothing_can_be_written_each_command_names_the_mend(require: Callable[[str, str], Any]) -> None:
    needs_root(require)
    with place_for_all() as root:
        (root / "mardock.toml").write_text('engine = "native"\n' + SETTINGS)
        (root / "handler.py").write_text(HANDLER)
        (root / "body").write_text("x")
        for command, code in (("archive", 4), ("tune", 2), ("doctor", 0)):
            told = mardock_as_other(root, command)
            assert told.code == code, told
            assert f"sudo chown -R {UID} {root}\n" in told.out + told.err, told
