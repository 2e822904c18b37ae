"""What this user may not use: which file stands in the way, whose it is, and the command that mends it."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mardock import permissions, place
from mardock.errors import ConfigError, EngineError, MardockError

STRANGER = 4242
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users; the contract tests need it")


@contextmanager
def another_user() -> Iterator[str]:
    """Be a user without a name, as one is in many containers."""
    os.setresuid(STRANGER, STRANGER, 0)  # the real one too: glibc before 2.33 asks what that one may do
    try:
        yield str(STRANGER)
    finally:
        os.setresuid(0, 0, 0)


@pytest.fixture
def project() -> Iterator[Path]:
    """A project of the other user's that others may look into, as folders of pytest's own may not be."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        if os.getuid() == 0:
            os.chown(root, STRANGER, STRANGER)
        yield root


def told_of(path: Path) -> MardockError:
    with pytest.raises(MardockError) as caught, permissions.told():
        path.read_bytes()
    return caught.value


@as_root
def test_the_outermost_folder_of_another_user_is_what_is_to_be_given_back(project: Path) -> None:
    inner = project / ".mardock" / "native"
    inner.mkdir(parents=True)
    (inner / "server.json").touch()
    inner.chmod(0o700)
    with another_user() as name:
        told = told_of(inner / "server.json")
    assert told.message == (f"cannot use {inner}/server.json: Permission denied ({inner} belongs to root, mode 700)")
    assert told.hint == f"sudo chown -R {name} {project}/.mardock"
    assert isinstance(told, EngineError)


@as_root
@pytest.mark.parametrize("mode", [0o600, 0o000])
def test_a_file_of_another_user_is_named_itself(project: Path, mode: int) -> None:
    file = project / "a log.log"
    file.touch(mode)
    with another_user() as name:
        told = told_of(file)
    assert f"({file} belongs to root, mode {mode:o})" in told.message
    assert told.hint == f"sudo chown -R {name} '{file}'"


@as_root
def test_what_lies_in_nothing_of_this_user_s_is_told_alone(project: Path) -> None:
    os.chown(project, 0, 0)
    (project / "logs").mkdir(0o700)
    with another_user() as name:
        told = told_of(project / "logs" / "ts_log.log")
    assert told.hint == f"sudo chown -R {name} {project}/logs"


@as_root
def test_a_folder_that_takes_no_new_file_is_what_stands_in_the_way(project: Path) -> None:
    folder = project / "artifacts"
    folder.mkdir(0o755)
    with another_user(), pytest.raises(ConfigError) as caught, permissions.told(ConfigError):
        (folder / "m.mar").touch()
    assert f"({folder} belongs to root, mode 755)" in caught.value.message


@as_root
def test_what_is_barred_is_another_user_s_and_closed(project: Path) -> None:
    for name, mode in (("open", 0o666), ("closed", 0o600)):
        (project / name).touch()
        (project / name).chmod(mode)
    (project / "link").symlink_to("closed")
    with another_user():
        own = project / "own"
        own.touch(0o000)
        barred = [path.name for path in project.iterdir() if permissions.is_barred(path)]
        assert not permissions.is_barred(project / "gone")
    assert barred == ["closed"]


def test_what_this_user_closed_is_opened_by_them(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o000)
    error = PermissionError(13, "Permission denied", str(tmp_path / "file"))
    told = permissions.refused(error)
    assert f"cannot use {tmp_path}/file: Permission denied (" in told.message
    assert f"belongs to {permissions.user()}" in told.message
    assert (told.hint or "").startswith("chmod -R u+rwX ")


@pytest.mark.parametrize(
    ("number", "hint"), [(30, "mount it writable: df "), (28, "free some space: df "), (20, "move it away: mv ")]
)
def test_what_no_owner_mends_has_another_hint(tmp_path: Path, number: int, hint: str) -> None:
    assert (permissions.refused(OSError(number, "no"), tmp_path / "file").hint or "").startswith(hint)


def test_a_user_is_called_as_chown_takes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert permissions.user(0) == "root"
    assert permissions.user(STRANGER) == str(STRANGER)
    assert permissions.user() == pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setenv(place.VARIABLE, "dev")
    assert permissions.user(0) == "0"  # the host has other names


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), permissions.told():
        (tmp_path / "gone").read_bytes()


def test_a_file_in_a_folder_s_place_is_moved_away(tmp_path: Path) -> None:
    (tmp_path / ".mardock").touch()
    with pytest.raises(EngineError, match="Not a directory") as caught, permissions.told():
        (tmp_path / ".mardock" / "native" / "server.json").read_text()
    assert caught.value.hint == f"move it away: mv {tmp_path}/.mardock {tmp_path}/.mardock.old"
