"""Temporary folders: gone with their job, and with the next one when it was killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mardock.temp_folder import temp_folder

OWNER = """
import sys
from pathlib import Path
from mardock.temp_folder import temp_folder

with temp_folder(Path(sys.argv[1], ".mardock"), "try-") as folder:
    (folder / "weights").write_bytes(b"1")
    print(folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def owner(root: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run another process that has a temporary folder until its standard input ends."""
    argv = [sys.executable, "-c", OWNER, str(root)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())


def test_what_a_killed_command_left_is_swept_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    with owner(tmp_path) as (killed, left), owner(tmp_path) as (_, kept):
        killed.kill()
        killed.wait()
        assert (left / "weights").exists()
        with temp_folder(tmp_path / ".mardock", "try-") as own:
            assert not left.exists()
            assert (kept / "weights").exists()
            assert own.parent == tmp_path / ".mardock"
    assert [path.name for path in (tmp_path / ".mardock").iterdir()] == [".gitignore"]


def test_other_jobs_folders_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / ".mardock" / "compile-abc"
    other.mkdir(parents=True)
    with temp_folder(tmp_path / ".mardock", "try-"):
        pass
    assert other.exists()
