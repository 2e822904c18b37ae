"""A forked worker lives and dies like one started plainly."""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from tests.unit.engines.warm.conftest import Family

FORKED = "print('mardock_warm' in sys.modules)"
PORTRAIT = """
import logging, resource
names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
print(json.dumps({
    "argv": sys.argv, "orig_argv": sys.orig_argv if sys.version_info >= (3, 10) else None, "cwd": os.getcwd(),
    "environ": dict(os.environ), "path": sys.path, "executable": sys.executable, "prefix": sys.prefix,
    "flags": list(sys.flags), "name": __name__, "file": __file__, "main": sys.modules["__main__"].__name__,
    "umask": os.umask(0), "limits": {name: resource.getrlimit(getattr(resource, name)) for name in names},
    "signals": {str(number): str(signal.getsignal(number)) for number in sorted(signal.valid_signals())},
    "mask": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "stdin": sys.stdin.read(),
    "handlers": len(logging.root.handlers), "level": logging.root.level,
    "streams": [[s.encoding, s.errors, s.line_buffering, s.isatty()] for s in (sys.stdin, sys.stdout, sys.stderr)],
}, default=str))
"""


def test_it_is_forked(family: Family) -> None:
    assert family.run(FORKED) == (0, "True\n")


def test_portrait_equals_that_of_plain_python(family: Family, tmp_path: Path) -> None:
    work = tmp_path / "a model's folder"
    work.mkdir()
    family.env |= {"PYTHONPATH": f"{tmp_path}/x:rel/y:{tmp_path}/x:", "NOT_UTF8": "a\udcffb", "MULTI": "a\nb=c"}
    portraits = []
    for python in (None, sys.executable):
        process = family.popen(PORTRAIT, python, cwd=work, stdin=subprocess.PIPE, umask=0o027, preexec_fn=_odd_start)
        output, _ = process.communicate("input", timeout=60)
        portraits.append(json.loads(output))
    assert portraits[0] == portraits[1]


def _odd_start() -> None:
    import resource

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))


@pytest.mark.parametrize("code", [0, 1, 3, 137, 255])
def test_exit_code(family: Family, code: int) -> None:
    assert family.run(f"os._exit({code})")[0] == code
    assert family.run(f"sys.exit({code})")[0] == code


def test_its_own_thread_runs_before_the_script(family: Family) -> None:
    """Python 3.9 crashes where it ends before a thread of it has begun; one that has begun has a frame."""
    script = "print('_die_with_stub' in [frame.f_code.co_name for frame in sys._current_frames().values()])"
    assert family.run(script) == (0, "True\n")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT, signal.SIGINT])
def test_death_by_signal(family: Family, number: signal.Signals) -> None:
    script = f"signal.signal({int(number)}, signal.SIG_DFL)\n" if number != signal.SIGKILL else ""
    assert family.run(f"{script}os.kill(os.getpid(), {int(number)})")[0] == -number


def test_output_before_a_hard_exit_is_complete(family: Family) -> None:
    assert family.run("os.write(1, b'x' * 1000000); os._exit(3)") == (3, "x" * 1000000)


def test_an_exception_reaches_stderr(family: Family) -> None:
    with family.popen("raise ValueError('boom')", stderr=subprocess.PIPE) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.endswith("ValueError: boom\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_to_the_stub_reach_the_worker(family: Family, number: signal.Signals) -> None:
    # One long sleep may be entered right after the signal was noted, and Python then runs the handler at its end.
    code = (
        f"signal.signal({int(number)}, lambda *_: os._exit(42)); print('up', flush=True)\nwhile True: time.sleep(0.01)"
    )
    with family.popen(code) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(60) == 42


def _sleeper(family: Family) -> tuple[subprocess.Popen[str], psutil.Process]:
    process = family.popen("print(os.getpid(), flush=True); time.sleep(60)")
    assert process.stdout is not None
    return process, psutil.Process(int(process.stdout.readline()))


def test_the_worker_dies_with_a_killed_stub(family: Family) -> None:
    process, worker = _sleeper(family)
    with process:
        process.kill()
        worker.wait(60)


def test_a_worker_outlives_its_parent_but_not_its_stub(family: Family) -> None:
    process, worker = _sleeper(family)
    parent = psutil.Process(family.pid())
    parent.kill()
    parent.wait(60)
    with process:
        assert worker.is_running()
        assert process.poll() is None
        process.kill()
        worker.wait(60)


def test_the_stub_ends_with_a_worker_whose_parent_is_gone(family: Family) -> None:
    process, worker = _sleeper(family)
    parent = psutil.Process(family.pid())
    parent.kill()
    parent.wait(60)
    with process:
        worker.kill()
        assert process.wait(60) == 1


def test_killing_the_worker_ends_the_stub_likewise(family: Family) -> None:
    process, worker = _sleeper(family)
    with process:
        worker.kill()
        assert process.wait(60) == -signal.SIGKILL


def test_closing_stdout_is_seen_while_the_worker_runs(family: Family) -> None:
    with family.popen("os.close(1); time.sleep(60)") as process:
        assert process.stdout is not None
        assert process.stdout.read() == ""
        assert process.poll() is None
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_only_the_lifeline_and_the_keeper_are_open(family: Family) -> None:
    others = [_sleeper(family)[0] for _ in range(2)]
    code = (
        "links = [f'/proc/self/fd/{n}' for n in sorted(map(int, os.listdir('/proc/self/fd'))) if n > 2];"
        "print([os.readlink(link).partition(':')[0] for link in links if os.path.lexists(link)])"
    )
    assert family.run(code, stdin=subprocess.DEVNULL)[1] == "['socket', 'socket']\n"
    for process in others:
        with process:
            process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_parent_keeps_nothing_of_a_worker_that_has_ended(family: Family) -> None:
    family.run("pass")
    family.settle()
    parent = psutil.Process(family.pid())
    before = parent.num_fds()
    for _ in range(3):
        family.run("pass")
    family.settle()
    assert parent.num_fds() == before


def test_workers_run_side_by_side_with_random_numbers_of_their_own(family: Family) -> None:
    processes = [family.popen("print(random.random(), flush=True); sys.stdin.read()", stdin=-1) for _ in range(3)]
    numbers = {process.stdout.readline() for process in processes if process.stdout is not None}
    assert len(numbers) == 3
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_a_large_environment(family: Family) -> None:
    family.env |= {f"LARGE_{index}": "x" * 100_000 for index in range(10)}
    code = f"{FORKED}; print(sum(len(v) for k, v in os.environ.items() if k.startswith('LARGE_')))"
    assert family.run(code) == (0, "True\n1000000\n")


def test_the_backend_connection_breaks_only_after_the_stub(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(1); print('up', flush=True);"
        "c = s.accept()[0]; c.recv(1); os._exit(137)"
    )
    process = family.popen(code, cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("s")
        client.send(b"x")
        assert client.recv(1) == b""
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    assert process.wait(60) == 137


def test_a_connection_the_worker_closes_breaks_at_once(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(1); print('up', flush=True);"
        "c = s.accept()[0]; del c; time.sleep(60)"
    )
    process = family.popen(code, cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    monkeypatch.chdir(tmp_path)
    with process, socket.socket(socket.AF_UNIX) as client:
        client.connect("s")
        assert client.recv(1) == b""
        assert process.poll() is None
        process.kill()


def test_a_connection_the_worker_closes_breaks_only_after_its_output_was_read(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(1); print('up', flush=True);"
        "c = s.accept()[0]; print('x' * 60_000); del c"
    )
    process = family.popen(code, cwd=tmp_path, bufsize=0, text=False)
    assert process.stdout is not None
    process.stdout.readline()
    output: Any = process.stdout
    monkeypatch.chdir(tmp_path)
    with process, socket.socket(socket.AF_UNIX) as client:
        client.connect("s")
        assert select.select([client, output], [], [], 60)[0] == [output]
        assert select.select([client], [], [], 0.5)[0] == []
        assert len(process.stdout.read()) == 60_001
        assert client.recv(1) == b""
