"""On any doubt the stub is plain Python; and how parents come and go."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from mardock.engines import warm

if TYPE_CHECKING:
    from tests.unit.engines.warm.conftest import Family

FORKED = "print('mardock_warm' in sys.modules)"
PLAIN = (0, "False\n")


def test_without_a_parent(cold: Family) -> None:
    assert cold.run(FORKED) == PLAIN


def test_with_a_dead_parent(family: Family) -> None:
    parent = psutil.Process(family.pid())
    parent.kill()
    parent.wait(60)
    assert family.run(FORKED) == PLAIN


@pytest.mark.parametrize("answer", [b"", b"X0000000000", b"nonsense", b"S0000000009"])
def test_with_an_answer_that_is_no_worker(cold: Family, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(cold.address)
        listener.listen(1)
        process = cold.popen(FORKED)
        with listener.accept()[0] as connection:
            connection.recv(1 << 20)
            connection.send(answer)
        assert process.communicate(timeout=60)[0] == "False\n"


def test_a_parent_that_answers_late_starts_no_second_worker(cold: Family, tmp_path: Path) -> None:
    cold.start()
    cold.settle()
    cold.stub.write_text(cold.stub.read_text().replace("ANSWER_SECONDS = 20.0", "ANSWER_SECONDS = 0.2"))
    parent = psutil.Process(cold.pid())
    parent.suspend()
    runs = tmp_path / "runs"
    process = cold.popen(f"open({str(runs)!r}, 'a').write('x'); {FORKED}")
    assert process.stdout is not None
    assert process.stdout.readline() == "False\n"
    parent.resume()
    process.communicate(timeout=60)
    cold.settle()
    assert runs.read_text() == "x"
    parent.kill()


@pytest.mark.parametrize("argv", [["-c", "print(1)"], ["-m", "this"], ["--version"], ["-u", "{script}", "print(1)"]])
def test_anything_but_the_worker_is_plain(family: Family, argv: list[str]) -> None:
    argv = [argument.format(script=family.script) for argument in argv]
    outputs = [
        subprocess.run([python, *argv], capture_output=True, env=family.env, check=True).stdout
        for python in (str(family.stub), sys.executable)
    ]
    assert outputs[0] == outputs[1]


def test_another_script_of_the_same_name_is_plain(family: Family, tmp_path: Path) -> None:
    other = tmp_path / "model_service_worker.py"
    other.write_text(f"import sys; {FORKED}")
    assert subprocess.check_output([str(family.stub), str(other)], env=family.env) == b"False\n"


@pytest.mark.parametrize(
    "change", [{"PYTHONHASHSEED": "1"}, {"LD_LIBRARY_PATH": "/nowhere"}, {"TS_IPEX_ENABLE": "true"}]
)
def test_an_environment_that_is_read_once(family: Family, change: dict[str, str]) -> None:
    family.env |= change
    assert family.run(FORKED) == PLAIN


@pytest.mark.parametrize("name", ["json.py", "json/__init__.py", "sitecustomize.py"])
def test_a_model_folder_that_hides_what_is_imported(family: Family, tmp_path: Path, name: str) -> None:
    hiding = tmp_path / "model" / name
    hiding.parent.mkdir(parents=True)
    hiding.write_text("from types import SimpleNamespace as loads\n")
    (tmp_path / "model" / "json.txt").touch()
    family.env["PYTHONPATH"] = str(tmp_path / "model")
    assert family.run(FORKED) == PLAIN


def test_a_model_folder_that_hides_nothing(family: Family, tmp_path: Path) -> None:
    (tmp_path / "model" / "os").mkdir(parents=True)  # without __init__.py it gives way to the module
    (tmp_path / "model" / "handler.py").touch()
    (tmp_path / "model" / "json.txt").touch()
    family.env["PYTHONPATH"] = f"{tmp_path}/model:{tmp_path}/missing:"
    assert family.run(FORKED, cwd=tmp_path / "model") == (0, "True\n")


@pytest.mark.skipif(sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_other_processors(family: Family) -> None:
    one = {min(os.sched_getaffinity(0))}
    assert family.run(FORKED, preexec_fn=lambda: os.sched_setaffinity(0, one)) == PLAIN


def test_changed_packages_make_a_new_parent(family: Family) -> None:
    first = psutil.Process(family.pid())
    family.settle()
    os.utime(family.script, (1, 1))
    assert family.run(FORKED) == PLAIN
    first.wait(60)
    while family.run(FORKED) == PLAIN:  # until the new one listens
        pass
    psutil.Process(family.pid()).kill()


def test_there_is_one_parent_per_socket(family: Family) -> None:
    pid = family.pid()
    family.start()
    assert family.pid() == pid
    assert family.run(FORKED) == (0, "True\n")


def test_an_unused_parent_ends(cold: Family) -> None:
    cold.start("--idle=0.05")
    psutil.Process(cold.pid()).wait(60)


def test_an_unused_parent_stays_for_its_owner(cold: Family) -> None:
    with subprocess.Popen(["sleep", "600"]) as owner:
        cold.start("--idle=0.05", f"--owner={owner.pid}")
        with pytest.raises(psutil.TimeoutExpired):
            psutil.Process(cold.pid()).wait(0.5)
        owner.kill()
    psutil.Process(cold.pid()).wait(60)


def test_a_module_that_cannot_be_imported_is_left_out(cold: Family) -> None:
    cold.start("--preload=there_is_no_such_module")
    assert cold.run(FORKED) == (0, "True\n")
    psutil.Process(cold.pid()).kill()


def test_only_we_can_reach_the_socket(family: Family) -> None:
    assert Path(family.address).stat().st_mode & 0o777 == 0o600


class TestEnsure:
    """The engine's own way in, with a preload that needs no torch."""

    def test_ensure_status_stop(self, tmp_path: Path, socket_enabled: None) -> None:
        stub = warm.ensure(tmp_path, sys.executable, preload=["json"])
        assert warm.ensure(tmp_path, sys.executable, preload=["json"]) == stub
        found = warm.status(tmp_path, timeout=60)
        assert found is not None
        assert found.workers == 0
        parent = psutil.Process(found.pid)
        assert stub.parent.stat().st_mode & 0o777 == 0o700
        warm.stop(tmp_path)
        parent.wait(60)
        assert warm.status(tmp_path) is None
        warm.stop(tmp_path)

    def test_stop_kills_a_parent_that_hangs(self, tmp_path: Path, socket_enabled: None) -> None:
        warm.ensure(tmp_path, sys.executable, preload=["json"])
        found = warm.status(tmp_path, timeout=60)
        assert found is not None
        parent = psutil.Process(found.pid)
        parent.suspend()
        warm.stop(tmp_path, timeout=0.1)
        parent.wait(60)

    def test_sweep_deletes_what_a_killed_parent_left(self, tmp_path: Path, socket_enabled: None) -> None:
        left = warm.ensure(tmp_path, sys.executable, preload=["json"]).parent
        found = warm.status(tmp_path, timeout=60)
        assert found is not None
        killed = psutil.Process(found.pid)
        killed.kill()
        killed.wait(60)
        starting = left.with_name("of-a-parent-yet-to-start")
        starting.mkdir()
        living = warm.ensure(tmp_path, sys.executable, preload=["json", "csv"]).parent
        warm.sweep(tmp_path)
        assert living.exists()
        warm.stop(tmp_path)
        assert not left.exists()
        assert starting.exists()

    def test_a_python_that_cannot_run_stays_what_it_is(self, tmp_path: Path) -> None:
        assert warm.ensure(tmp_path, "/nowhere/python") == Path("/nowhere/python")

    def test_a_long_state_dir(self, tmp_path: Path) -> None:
        home = tmp_path / ("long " * 20)
        address = warm.socket_path(home)
        assert address is not None
        assert len(address) <= warm.SOCKET_PATH_BYTES
        assert Path(address).parent.stat().st_mode & 0o777 == 0o700

    def test_a_short_folder_of_someone_else_is_not_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
        mine = f"mardock-{os.getuid()}"
        (tmp_path / mine).mkdir(mode=0o755)
        monkeypatch.setattr(warm, "SOCKET_PATH_BYTES", len(str(tmp_path / mine)) + 20)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        address = warm.socket_path(tmp_path / ("long" * 20))
        assert address is None or not address.startswith(str(tmp_path))

    def test_an_interpreter_no_shebang_can_name(self, tmp_path: Path) -> None:
        odd = tmp_path / "it's an odd place" / "python"
        odd.parent.mkdir()
        odd.symlink_to(sys.executable)
        stub = warm.write_stub(tmp_path / "stub", str(odd), str(tmp_path / "none"))
        code = "import sys; print(sys.argv, sys.executable)"
        output = subprocess.check_output([str(stub), "-c", code, "a b"], text=True)
        assert output == f"['-c', 'a b'] {odd}\n"
