"""Where an error becomes text and an exit code: nothing else is printed, and nothing of it where it does not belong."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Callable

import pytest
import typer
from tests.support.command import MARDOCK, environment, in_process, mardock
from typer.testing import Result

from mardock.cli import console
from mardock.cli.app import Boundary
from mardock.cli.context import Json
from mardock.cli.lazy_commands import evaluate
from mardock.errors import (
    ApiError,
    ArchiveError,
    ConfigError,
    DeployError,
    EngineNotFoundError,
    MardockError,
    WorkerFailedError,
)

TIMEOUT_S = 60.0
FULL = Path("/dev/full")
SLEEPER = """
[models.slow.archive]
handler = "handler.py"
[models.slow.train]
command = ["python", "train.py"]
outputs = ["weights.pt"]
"""
TRAIN = """
import os, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
print(os.getpid(), flush=True)
signal.pause()
"""


def raising(error: BaseException, *arguments: str) -> Result:
    """Run a command that does nothing but fail."""
    app = typer.Typer(cls=Boundary)
    app.callback()(lambda: None)

    @app.command()
    @evaluate
    def fail(as_json: Json = False) -> None:
        raise error

    return in_process(app, "fail", *arguments)


@pytest.fixture(autouse=True)
def text_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_json", False)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MardockError("it failed"), 1),
        (ConfigError("it failed"), 2),
        (EngineNotFoundError("it failed"), 3),
        (ArchiveError("it failed"), 4),
        (WorkerFailedError("it failed"), 5),
        (ApiError("it failed", status=503), 5),
        (DeployError("it failed"), 6),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: MardockError, code: int) -> None:
    result = raising(error)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", "error: it failed\n")


def test_details_come_first_and_the_hint_last() -> None:
    result = raising(WorkerFailedError("no worker", details="handler.py:3 in load\nKeyError: 'x'\n", hint="mend it"))
    assert result.stderr == "handler.py:3 in load\nKeyError: 'x'\nerror: no worker\nhint: mend it\n"


def test_with_json_an_error_is_an_object_on_stdout_and_nothing_else() -> None:
    result = raising(ApiError("no", status=404, details="why", hint="do"), "--json")
    expected = {"type": "ApiError", "message": "no", "details": "why", "hint": "do", "exit_code": 5}
    assert json.loads(result.stdout) == {"error": expected}
    assert (result.exit_code, result.stderr) == (5, "")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_file_this_user_may_not_use_is_an_error_of_the_user_s(tmp_path: Path, number: int) -> None:
    (tmp_path / "file").touch(0)
    result = raising(PermissionError(number, "not you", str(tmp_path / "file")), "--json")
    told = json.loads(result.stdout)["error"]
    assert told["type"] == "ConfigError"
    assert told["message"].startswith(f"cannot use {tmp_path}/file: not you ({tmp_path}")
    assert str(tmp_path) in told["hint"]
    assert result.exit_code == ConfigError.exit_code


def test_with_json_an_error_after_the_result_is_told_on_stderr_with_its_hint() -> None:
    app = typer.Typer(cls=Boundary)
    app.callback()(lambda: None)

    @app.command()
    @evaluate
    def fail(as_json: Json = False) -> None:
        console.data_json({"runs": 1})
        raise WorkerFailedError("it failed", hint="mend it")

    result = in_process(app, "fail", "--json")
    assert json.loads(result.stdout) == {"runs": 1}
    assert (result.exit_code, result.stderr) == (5, "error: it failed\nhint: mend it\n")


def test_ctrl_c_is_130_and_one_word() -> None:
    result = raising(KeyboardInterrupt())
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")


def test_a_bug_shows_its_traceback_without_the_values_of_variables(tmp_path: Path) -> None:
    program = (
        "from mardock.cli import app, context\n"
        "def project(**_):\n    token = 'a' + 'b' * 6\n    raise RuntimeError('a bug')\n"
        "context.project = project\n"
        "raise SystemExit(app.run())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "status"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith("RuntimeError: a bug\n")
    assert "abbbbbb" not in done.stderr


@pytest.mark.parametrize(
    ("send", "number", "code"),
    [
        (os.killpg, signal.SIGINT, 130),  # as a terminal sends it
        (os.kill, signal.SIGTERM, 143),
        (os.kill, signal.SIGHUP, 129),
    ],
)
def test_a_signal_ends_the_command_and_what_it_started(
    send: Callable[[int, int], None], number: signal.Signals, code: int, root: Path
) -> None:
    (root / "mardock.toml").write_text(SLEEPER, encoding="utf-8")
    (root / "train.py").write_text(TRAIN, encoding="utf-8")
    with subprocess.Popen(
        [*MARDOCK, "train", "--engine", "native"],
        cwd=root,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as command:
        try:
            assert command.stdout is not None
            child = int(command.stdout.readline())
            send(command.pid, number)
            _, errors = command.communicate(timeout=TIMEOUT_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(command.pid, signal.SIGKILL)
    assert command.returncode == code, errors
    assert "Traceback" not in errors
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["status", "--json"], ["inspect", "x", "--json"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_gone_is_no_error_to_tell(arguments: list[str], unbuffered: str, root: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    env = environment({"PYTHONUNBUFFERED": unbuffered})
    done = subprocess.run(
        [*MARDOCK, *arguments], cwd=root, env=env, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert done.stderr == ""


@pytest.mark.skipif(not FULL.exists(), reason="Linux alone has a device that is always full")
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["diff", "--help"], ["inspect", "x", "--json"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_is_full_is_one_error(arguments: list[str], unbuffered: str, root: Path) -> None:
    env = environment({"PYTHONUNBUFFERED": unbuffered})
    with FULL.open("w") as full:
        done = subprocess.run(
            [*MARDOCK, *arguments], cwd=root, env=env, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    told = "error: standard output cannot be written: No space left on device\nhint: write it elsewhere\n"
    assert (done.returncode, done.stderr) == (8, told)


@pytest.mark.parametrize(("arguments", "code"), [(["status"], 3), (["inspect", "x.mar", "--json"], 4), (["--help"], 0)])
def test_closed_streams_are_no_error(arguments: list[str], code: int, root: Path) -> None:
    command = ["sh", "-c", '"$@" >&- 2>&-', "sh", *MARDOCK, *arguments]
    assert subprocess.run(command, cwd=root, env=environment(), check=False).returncode == code


def test_a_name_the_terminal_cannot_show_is_printed_all_the_same(root: Path) -> None:
    done = mardock(root, "inspect", "модель.mar", "--json", env={"PYTHONIOENCODING": "ascii"})
    assert done.code == 4
    assert "\\u043c" in done.out


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colour_gets_none(env: dict[str, str], root: Path) -> None:
    assert not re.search(r"\x1b\[[\d;]*3\dm", on_terminal(root, env))
    assert re.search(r"\x1b\[[\d;]*3\dm", on_terminal(root, {"TERM": "xterm"}))


def test_elsewhere_there_are_no_escape_codes(root: Path) -> None:
    done = mardock(root, "status", env={"TERM": "xterm-256color"})
    assert done.err == "error: TorchServe is not running for this project\nhint: mardock up\n"
    helped = mardock(root, "--help", env={"TERM": "xterm-256color"})
    assert "\x1b" not in helped.out + helped.err


def on_terminal(root: Path, env: dict[str, str]) -> str:
    """Return what `mardock status` writes to a terminal."""
    master, slave = pty.openpty()
    clean = {name: value for name, value in environment().items() if name not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    subprocess.run([*MARDOCK, "status"], cwd=root, env={**clean, "TERM": "xterm", **env}, stderr=slave, check=False)
    os.close(slave)
    with os.fdopen(master, "rb") as terminal:
        return terminal.read1().decode()
