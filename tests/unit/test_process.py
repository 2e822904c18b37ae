"""Programs are run, streamed, spawned and stopped for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.processes import is_running

from mardock import process
from mardock.errors import EngineError, EngineNotFoundError

PYTHON = sys.executable
FEW_SECONDS = 60


def test_run_captures_output_and_exit_code() -> None:
    done = process.run([PYTHON, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"])
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_run_survives_bytes_that_are_no_text() -> None:
    done = process.run([PYTHON, "-c", r"import sys; sys.stdout.buffer.write(b'\xff\xfe ok')"])
    assert done.stdout.endswith("ok")


def test_a_program_that_is_not_installed_is_named() -> None:
    with pytest.raises(EngineNotFoundError, match="no-such-program"):
        process.run(["no-such-program"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_comes_as_a_program_starts_ends_it(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            os.kill(os.getpid(), number)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    sleeper = f"import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); time.sleep({FEW_SECONDS})"
    assert process.attach([PYTHON, "-IS", "-c", sleeper]) == code


def test_run_ends_the_program_and_its_children_on_timeout(tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = f"sleep 60 & echo $! > {child}; wait"
    with pytest.raises(EngineError, match="did not finish within"):
        process.run(["sh", "-c", script], timeout=1)
    pid = int(child.read_text())
    psutil.wait_procs([p for p in psutil.process_iter() if p.pid == pid], timeout=5)
    assert not is_running(pid)


def test_stream_yields_lines_and_reports_a_failure_with_them() -> None:
    lines = process.stream(["sh", "-c", "echo one; echo two >&2; exit 4"])
    assert next(lines) == "one"
    assert next(lines) == "two"
    with pytest.raises(EngineError, match="exit code 4") as caught:
        next(lines)
    assert caught.value.details == "one\ntwo"


def test_closing_a_stream_ends_its_program() -> None:
    lines = process.stream(["sh", "-c", "echo $$; exec sleep 60"])
    pid = int(next(lines))
    lines.close()  # type: ignore[attr-defined]
    assert not psutil.pid_exists(pid)


def test_a_spawned_process_writes_to_its_file_and_is_stopped_with_its_children(tmp_path: Path) -> None:
    output = tmp_path / "log"
    script = "sleep 60 & echo $!; wait"
    spawned = process.spawn(["sh", "-c", script], cwd=tmp_path, env=dict(os.environ), output=output)
    deadline = time.monotonic() + 10
    while not output.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    child = psutil.Process(int(output.read_text()))
    assert process.alive(spawned)
    process.stop(spawned, timeout=5)
    assert not process.alive(spawned)
    assert not is_running(child.pid)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    output = tmp_path / "log"
    spawned = process.spawn(
        ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"],
        cwd=tmp_path,
        env=dict(os.environ),
        output=output,
    )
    deadline = time.monotonic() + 10
    while not output.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.stop(spawned, timeout=0.3)
    assert not process.alive(spawned)


def test_a_reused_pid_is_neither_alive_nor_stopped() -> None:
    me = psutil.Process()
    stranger = process.ProcessId(me.pid, me.create_time() - 100)
    assert not process.alive(stranger)
    process.stop(stranger, timeout=1)  # would end this very test run


def test_the_project_of_a_server_that_holds_a_port_is_named(
    free_socket: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".mardock" / "native").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / ".mardock" / "native")
    assert process.port_holder(free_socket) == f"the TorchServe of {tmp_path} (pid {os.getpid()})"


def test_the_holder_of_a_port_is_named(free_socket: int) -> None:
    assert f"(pid {os.getpid()})" in (process.port_holder(free_socket) or "")
