from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.full_disk import one_mebibyte_for
from tests.support.listeners import Heard

from mardock.archive.build import build
from mardock.archive.read import read
from mardock.archive.spec import ArchiveSpec
from mardock.archive.store import Draft
from mardock.errors import ArchiveError, ConfigError

FILES = ("weights.pt", "code/handler.py", "code/model.py")


def _store(project: Path) -> list[str]:
    return sorted(path.name for path in (project / "artifacts").iterdir())


def test_an_archive_holds_the_files_and_the_manifest(project: Path, spec: ArchiveSpec) -> None:
    result = build(spec, project, project / "artifacts")
    assert result.changed
    assert (result.archive.name, result.archive.version) == ("mnist", "1.0")
    assert _store(project) == ["mnist.mar"]
    with zipfile.ZipFile(result.archive.path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["handler.py", "model.py", "weights.pt", "MAR-INF/MANIFEST.json"]
        assert archive.read("weights.pt") == (project / "weights.pt").read_bytes()
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_same_inputs_give_the_same_bytes(project: Path, spec: ArchiveSpec, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(project, copy, copy_function=shutil.copyfile)  # other dates
    (copy / "weights.pt").chmod(0o600)
    ours, theirs = (build(spec, root, root / "artifacts").archive for root in (project, copy))
    assert ours.sha256 == theirs.sha256


def test_source_date_epoch_dates_the_archive(project: Path, spec: ArchiveSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    archive = build(spec, project, project / "artifacts").archive
    assert archive.manifest["createdOn"] == "14/11/2023 22:13:20"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH"):
        build(spec, project, project / "artifacts")


def test_an_equal_archive_is_left_untouched_and_a_changed_one_replaced(project: Path, spec: ArchiveSpec) -> None:
    first = build(spec, project, project / "artifacts")
    os.utime(first.archive.path, (1, 1))
    assert not build(spec, project, project / "artifacts").changed
    assert first.archive.path.stat().st_mtime == 1
    (project / "weights.pt").write_bytes(bytes(256_000))
    second = build(spec, project, project / "artifacts")
    assert second.changed
    assert second.archive.members != first.archive.members
    assert _store(project) == ["mnist.mar"]


def test_progress_counts_every_byte(project: Path, spec: ArchiveSpec) -> None:
    (project / "weights.pt").write_bytes(bytes(3 << 20))
    heard = Heard()
    build(spec, project, project / "artifacts", listener=heard)
    assert len(heard.advances) >= 3
    assert heard.advances[-1][0] == heard.advances[-1][1] == sum((project / name).stat().st_size for name in FILES)


@pytest.mark.parametrize("content", [b"not mine", b""])
def test_a_file_that_is_no_archive_is_only_replaced_by_force(project: Path, spec: ArchiveSpec, content: bytes) -> None:
    target = project / "artifacts" / "mnist.mar"
    target.write_bytes(content)
    with pytest.raises(ArchiveError, match="is no archive"):
        build(spec, project, project / "artifacts")
    assert target.read_bytes() == content
    assert build(spec, project, project / "artifacts", force=True).changed


def test_another_models_archive_is_only_replaced_by_force(project: Path, spec: ArchiveSpec) -> None:
    other = build(replace(spec, model_name="other"), project, project / "artifacts").archive
    other.path.rename(project / "artifacts" / "mnist.mar")
    with pytest.raises(ArchiveError, match="holds the model 'other'"):
        build(spec, project, project / "artifacts")
    assert build(spec, project, project / "artifacts", force=True).archive.name == "mnist"


def test_code_torchserve_cannot_load_never_reaches_the_store(project: Path, spec: ArchiveSpec) -> None:
    (project / "code" / "handler.py").write_text("def handle(:\n")
    with pytest.raises(ArchiveError, match=r"code/handler\.py:1"):
        build(spec, project, project / "artifacts")
    assert _store(project) == []


def test_ctrl_c_leaves_the_old_archive_and_no_draft(project: Path, spec: ArchiveSpec) -> None:
    before = build(spec, project, project / "artifacts").archive.sha256
    (project / "weights.pt").write_bytes(bytes(5 << 20))

    def interrupt(done: int, total: int) -> None:
        if done > 2 << 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(spec, project, project / "artifacts", listener=Heard(interrupt))
    assert _store(project) == ["mnist.mar"]
    assert build(spec, project, project / "artifacts").archive.sha256 != before


def test_what_a_killed_writer_left_is_swept_by_the_next(project: Path, spec: ArchiveSpec) -> None:
    def kill(done: int, total: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        build(replace(spec, model_name="other"), project, project / "artifacts", listener=Heard(kill))
        os._exit(0)
    os.waitpid(child, 0)
    assert _store(project) == [".other.mar.tmp"]
    build(spec, project, project / "artifacts")
    assert _store(project) == ["mnist.mar"]


def test_a_second_writer_waits_and_then_gives_up(project: Path, spec: ArchiveSpec) -> None:
    draft = project / "artifacts" / ".mnist.mar.tmp"
    with draft.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ArchiveError, match="being written by another process"):
            build(spec, project, project / "artifacts", lock_timeout=0.1)
        assert draft.exists()
    assert build(spec, project, project / "artifacts", lock_timeout=0.1).changed


def test_two_writers_at_once_leave_one_sound_archive(project: Path, spec: ArchiveSpec) -> None:
    children = []
    for version in ("1.0", "2.0", "3.0", "4.0"):
        child = os.fork()
        if child == 0:
            build(replace(spec, version=version), project, project / "artifacts")
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0, 0]
    assert _store(project) == ["mnist.mar"]
    with zipfile.ZipFile(project / "artifacts" / "mnist.mar") as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize("changes", [1, 2])
def test_a_file_that_changes_is_archived_again_but_only_once(project: Path, spec: ArchiveSpec, changes: int) -> None:
    weights = project / "weights.pt"
    rounds = iter(range(changes))

    def change(done: int, total: int) -> None:
        if done == total and next(rounds, None) is not None:
            weights.write_bytes(os.urandom(weights.stat().st_size + 1))

    if changes == 1:
        archive = build(spec, project, project / "artifacts", listener=Heard(change)).archive
        with zipfile.ZipFile(archive.path) as mar:
            assert mar.read("weights.pt") == weights.read_bytes()
    else:
        with pytest.raises(ArchiveError, match=r"weights\.pt was written to .* 2 times"):
            build(spec, project, project / "artifacts", listener=Heard(change))
        assert _store(project) == []


def test_a_full_disk_says_what_is_needed_and_keeps_the_old_archive(project: Path, spec: ArchiveSpec) -> None:
    with one_mebibyte_for(project / "artifacts"):
        before = build(spec, project, project / "artifacts").archive.sha256
        (project / "weights.pt").write_bytes(bytes(8 << 20))
        with pytest.raises(ArchiveError, match=r"no room for mnist\.mar: it needs 8,\d+,\d+ bytes, .* free"):
            build(spec, project, project / "artifacts")
        assert _store(project) == ["mnist.mar"]
        assert read(project / "artifacts" / "mnist.mar").sha256 == before


def test_a_disk_that_fills_up_meanwhile_leaves_no_draft(project: Path, spec: ArchiveSpec) -> None:
    (project / "weights.pt").write_bytes(bytes(700 << 10))
    (project / "code" / "model.py").write_text(
        "#" * (100 << 10) + "\nclass Net:\n    pass\n"
    )  # is written before the weights

    def fill(done: int, total: int) -> None:
        (project / "artifacts" / "other").write_bytes(bytes(512 << 10))

    with one_mebibyte_for(project / "artifacts"):
        if shutil.disk_usage(project / "artifacts").free > 1 << 20:
            pytest.skip("needs a disk of its own")
        with pytest.raises(ArchiveError, match=r"no room for mnist\.mar: it needs 8\d\d,\d+ bytes, .* free"):
            build(spec, project, project / "artifacts", listener=Heard(fill))
        assert _store(project) == ["other"]


def test_room_is_set_aside_before_large_files_are_written(project: Path) -> None:
    with Draft(project / "artifacts" / "mnist.mar", 0) as draft:
        draft.reserve(64 << 20)
        assert os.fstat(draft.fd).st_size == 0
    assert _store(project) == []
    with one_mebibyte_for(project / "artifacts"), Draft(project / "artifacts" / "mnist.mar", 0) as draft:
        if shutil.disk_usage(project / "artifacts").free > 64 << 20:
            pytest.skip("needs a disk of its own")
        with pytest.raises(OSError, match="No space left"):
            draft.reserve(64 << 20)


def test_a_sparse_file_larger_than_the_disk_is_refused_before_it_is_filled(project: Path, spec: ArchiveSpec) -> None:
    os.truncate(project / "weights.pt", 1 << 40)
    with one_mebibyte_for(project / "artifacts"):
        with pytest.raises(ArchiveError, match=r"no room for mnist\.mar: it needs 1,099,\d+,\d+,\d+ bytes"):
            build(spec, project, project / "artifacts")
        assert _store(project) == []


def test_a_missing_store_is_named(project: Path, spec: ArchiveSpec) -> None:
    with pytest.raises(ArchiveError, match="no model store"):
        build(spec, project, project / "nowhere")


@contextmanager
def _unprivileged() -> Iterator[None]:
    """Root may write everywhere; nobody may not."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_store_that_cannot_be_written_names_its_owner(project: Path, spec: ArchiveSpec) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = shutil.copytree(project, Path(name) / "project")
        Path(name).chmod(0o755)
        (root / "artifacts").chmod(0o555)
        with _unprivileged(), pytest.raises(ArchiveError, match=r"belongs to \w+, mode 555\)") as caught:
            build(spec, root, root / "artifacts")
    assert "chown" in (caught.value.hint or "")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EACCES


def test_without_isal_the_same_bytes_are_written(project: Path, spec: ArchiveSpec) -> None:
    expected = build(spec, project, project / "artifacts").archive.sha256
    code = (
        "import sys; sys.modules['isal'] = None\n"
        "import zlib; from pathlib import Path; from mardock.archive import build, spec, write\n"
        "assert write.crc32 is zlib.crc32\n"
        "files = dict(model_file='code/model.py', serialized_file='weights.pt')\n"
        "made = spec.ArchiveSpec('mnist', 'code/handler.py', **files)\n"
        "print(build.build(made, Path(), Path('artifacts'), force=True).archive.sha256)"
    )
    (project / "artifacts" / "mnist.mar").unlink()
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
