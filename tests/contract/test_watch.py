"""Watching against a real TorchServe: each save serves at once or is refused, and what served before still does."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from typing import Callable

import pytest
from tests.contract.projects import make_project
from tests.contract.watched import Watched
from tests.support.waiting import FEW_SECONDS, eventually

from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.engines.native import NativeEngine
from mardock.errors import MardockError
from mardock.settings.project import Project

Make = Callable[..., Watched]


@pytest.fixture(scope="module")
def project(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = make_project(tmp_path_factory.mktemp("watch") / "project")
    yield made
    NativeEngine(made).down()


@pytest.fixture
def make(project: Project) -> Iterator[Make]:
    """Makes watched models; their server runs, and their watches end with the test."""
    engine = NativeEngine(project)
    engine.up(timeout=FEW_SECONDS)
    made: list[Watched] = []

    def model(name: str, **options: object) -> Watched:
        made.append(Watched(project, engine, name, **options))  # type: ignore[arg-type]
        return made[-1]

    yield model
    for watched in made:
        watched.close()


def test_a_save_serves_as_a_new_version_and_the_old_one_is_gone(make: Make) -> None:
    model = make("saved")
    model.start()
    assert model.answer() == "first"
    model.save("'second'")
    assert "1.0-w0002 serves with handler.py" in model.hear("1.0-w0002")
    assert model.answer() == "second"
    model.weights.write_bytes(b"others")
    model.hear("1.0-w0003 serves with saved.bin")
    (model.folder / "extra" / "words.py").write_text("GREETING = 'hi'\n")
    model.hear("1.0-w0004 serves with words.py")
    model.assert_only("1.0-w0004")


def test_what_is_registered_already_is_replaced_and_other_versions_are_left_alone(make: Make) -> None:
    model = make("beside")
    folder = model.project.model_store / "beside-2.0"
    shutil.copytree(model.folder, folder)
    (folder / "MAR-INF").mkdir()
    manifest = '{"runtime": "python", "model": {"modelName": "beside", "modelVersion": "2.0", "handler": "handler.py"}}'
    (folder / "MAR-INF" / "MANIFEST.json").write_text(manifest)
    with ManagementClient(model.endpoint) as client:
        client.register(folder.name, model_name="beside", initial_workers=1)
    model.start()
    assert model.versions() == ["1.0-w0001", "2.0"]


@pytest.mark.parametrize(
    ("name", "fault", "told"),
    [
        ("importing", {"module": "import nowhere_at_all"}, "torchserve/importing/handler.py:3 in <module>"),
        ("initializing", {"initialize": "raise KeyError('no')"}, "torchserve/initializing/handler.py:6 in initialize"),
        ("handling", {"handle": "return 1 / 0"}, "torchserve/handling/handler.py:8 in handle"),
        ("shorter", {"handle": "return []"}, "number of batch response mismatched"),
        ("slow-start", {"initialize": "time.sleep(600)"}, "did not load the model within startup_timeout"),
        ("slow-import", {"module": "time.sleep(600)"}, "did not load the model within startup_timeout"),
        ("slow-answer", {"handle": "time.sleep(600)"}, "did not answer within response_timeout"),
        ("exiting", {"initialize": "os._exit(3)"}, "ended without an exception"),
        ("exiting-later", {"handle": "os._exit(3)"}, "worker died"),
        ("talking", {"initialize": "print(('x' * 99 + chr(10)) * 50_000); raise OSError('full')"}, "OSError: full"),
        ("syntax", {"module": "def ("}, "torchserve/syntax/handler.py:3: "),
        ("two-classes", {"module": "class Other: pass"}, "defines 2 classes"),
    ],
)
def test_what_cannot_serve_is_refused_with_its_cause_and_the_next_good_save_serves(
    make: Make, name: str, fault: dict[str, str], told: str
) -> None:
    model = make(name, patience=4 if "sleep" in str(fault) else 60)
    model.start()
    model.save(**fault)
    model.hear("1.0-w0001 goes on serving")
    assert told in model.everything_said()
    assert model.answer() == "first"
    model.assert_only("1.0-w0001")
    model.save("'mended'")
    model.hear(" serves with handler.py")
    assert model.answer() == "mended"


def test_a_mend_need_not_wait_for_what_hangs(make: Make) -> None:
    model = make("hanging")
    model.start()
    model.save(initialize="open(context.system_properties['model_dir'] + '/began', 'w'); time.sleep(600)")
    began = model.project.model_store / ".hanging-1.0-w0002" / "began"
    eventually(began.exists, model.everything_said)
    model.save("'mended'")
    model.hear("1.0-w0003 serves with handler.py")
    assert model.answer() == "mended"
    assert "timeout" not in model.everything_said()
    model.assert_only("1.0-w0003")


def test_what_is_told_to_have_changed_is_told_against_what_serves(make: Make) -> None:
    model = make("told")
    model.start()
    go = model.project.root / "go"
    began = "open(context.system_properties['model_dir'] + '/began', 'w')"
    model.save("'second'", initialize=f"{began}\n        while not os.path.exists({str(go)!r}): time.sleep(0.01)")
    loading = model.project.model_store / ".told-1.0-w0002" / "began"
    eventually(loading.exists, model.everything_said)
    model.handler.write_text(model.handler.read_text())  # the same once more, as an editor that writes twice does
    again = model.project.model_store / ".told-1.0-w0003" / "began"
    eventually(again.exists, model.everything_said)
    go.touch()
    model.hear(" serves with handler.py")
    assert model.answer() == "second"


def test_a_handler_that_forks_leaves_no_process_behind(make: Make) -> None:
    model = make("forking")
    model.start()
    model.save(initialize="os.fork() or time.sleep(1); raise KeyError('both')")
    model.hear("KeyError: 'both'")
    model.hear("1.0-w0001 goes on serving")
    model.assert_only("1.0-w0001")


def test_many_saves_at_once_end_in_the_last_one(make: Make) -> None:
    model = make("burst")
    model.start()
    for number in range(100):
        model.save(str(number))
    model.until("99")
    model.stop()
    assert model.everything_said().count(" serves with handler.py") <= 3
    assert len(model.versions()) == 1


@pytest.mark.parametrize("way", ["rename", "delete", "symlink"])
def test_the_ways_editors_write(make: Make, way: str) -> None:
    model = make(f"by-{way}")
    model.start()
    draft = model.handler.with_name(".handler.py.swp")
    text = model.handler.read_text().replace("first", "second")
    draft.write_text(text)
    if way == "rename":
        draft.replace(model.handler)
    elif way == "delete":
        model.handler.unlink()
        draft.replace(model.handler)
    else:
        model.handler.unlink()
        elsewhere = model.project.root / "src" / "elsewhere.py"
        draft.replace(elsewhere)
        model.handler.symlink_to(elsewhere)
    model.hear(" serves with handler.py" if way != "symlink" else " serves with ")
    assert model.answer() == "second"


def test_a_deleted_file_is_told_once_and_serves_again_when_it_is_back(make: Make) -> None:
    model = make("deleted")
    model.start()
    model.handler.unlink()
    assert "does not exist" in model.hear("error: ")
    model.hear("1.0-w0001 goes on serving")
    assert model.answer() == "first"
    model.save("'back'")
    model.hear(" serves with handler.py")
    assert model.answer() == "back"
    assert model.everything_said().count("error: ") == 1


def test_a_checkout_that_replaces_every_file_and_folder_is_one_change(make: Make) -> None:
    model = make("checkout")
    model.start()
    other = model.project.root / "other"
    shutil.copytree(model.folder, other)
    for number in range(200):
        (other / "extra" / f"m{number}.txt").write_text(str(number))
    (other / "handler.py").write_text((other / "handler.py").read_text().replace("first", "branch"))
    shutil.rmtree(model.folder)
    other.rename(model.folder)
    model.until("branch")
    model.save("'after'")
    model.until("after")


def test_settings_are_read_again_when_they_are_saved(make: Make) -> None:
    model = make("settings")
    model.start()
    settings = model.project.root / "mardock.toml"
    before = settings.read_text()
    settings.write_text(before + "typo = 1\n")
    assert "unknown key" in model.hear("error: ")
    settings.write_text(before.replace("response_timeout = 60", "response_timeout = 5"))
    model.hear(" serves with mardock.toml")
    with ManagementClient(model.endpoint) as client:
        assert client.describe_default("settings").response_timeout_s == 5


def test_the_golden_answers_have_to_be_given(make: Make) -> None:
    model = make("golden")
    golden = '{"rtol": 0, "atol": 0, "samples": {"datasets/sample": {"sha256": "%s", "status": 200, "text": "first"}}}'
    digest = "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf"
    (model.folder / "golden.json").write_text(golden % digest)
    model.start()
    assert model.answer() == "first"
    model.save("'other'")
    assert "does not give the expected answer to datasets/sample" in model.hear("error: ")
    model.hear("goes on serving")
    assert model.answer() == "first"


def test_no_request_is_lost_while_versions_change(make: Make) -> None:
    model = make("busy", workers=1)
    slow = "time.sleep(0.02); return [data[0]['body'].decode() if data[0].get('body') else ''] * len(data)"
    model.save(handle=slow)
    model.start()
    failures: list[str] = []
    over = threading.Event()

    def ask() -> None:
        with InferenceClient(model.endpoint) as client:
            while not over.is_set():
                try:
                    client.predict("busy", b"x", timeout=FEW_SECONDS)
                except MardockError as error:
                    failures.append(error.message)

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    for number in range(5):
        model.save(handle=f"x = {number}; {slow}")
        model.hear(" serves with handler.py")
    over.set()
    for client in clients:
        client.join()
    assert failures == []


def test_a_second_watch_refuses_and_names_the_first(make: Make) -> None:
    model = make("twice")
    model.start()
    assert model.process is not None
    first = model.process
    model.start(ready=f"watched already, by pid {first.pid}")
    assert model.process.wait(FEW_SECONDS) == 2
    model.process = first
    model.save("'second'")
    model.until("second")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("when", ["idle", "loading"])
def test_an_end_leaves_the_last_good_version_and_nothing_else(
    make: Make, number: signal.Signals, code: int, when: str
) -> None:
    model = make(f"ended-{code}-{when}")
    model.start()
    if when == "loading":
        model.save(initialize="open(context.system_properties['model_dir'] + '/began', 'w'); time.sleep(600)")
        began = model.project.model_store / f".{model.name}-1.0-w0002" / "began"
        eventually(began.exists, model.everything_said)
    assert model.stop(number) == code
    assert (model.versions(), model.folders()) == (["1.0-w0001"], [f".{model.name}-1.0-w0001"])
    model.assert_only("1.0-w0001")
    assert model.answer() == "first"


def test_what_a_killed_watch_left_is_swept_by_the_next(make: Make) -> None:
    model = make("killed")
    model.start()
    model.save(initialize="open(context.system_properties['model_dir'] + '/began', 'w'); time.sleep(600)")
    began = model.project.model_store / ".killed-1.0-w0002" / "began"
    eventually(began.exists, model.everything_said)
    model.close()
    model.save("'again'")
    model.start()
    assert model.answer() == "again"
    eventually(lambda: len(model.versions()) == len(model.folders()) == 1, model.folders)


def test_a_server_that_ends_is_told_once_and_gets_the_model_back(make: Make) -> None:
    model = make("restarted")
    model.start()
    model.engine.down()
    model.hear("TorchServe is gone")
    model.save("'meanwhile'")
    model.engine.up(timeout=FEW_SECONDS)
    model.hear("TorchServe is back")
    model.until("meanwhile")
    assert model.everything_said().count("TorchServe is gone") == 1
    model.stop()
    assert len(model.versions()) == len(model.folders()) == 1


def test_watching_without_a_server_says_how_to_start_one(make: Make) -> None:
    model = make("serverless")
    model.engine.down()
    model.start(ready="hint: mardock up")
    assert model.process is not None
    assert model.process.wait(FEW_SECONDS) == 3


def test_a_worker_that_keeps_dying_is_told_with_its_cause_and_stopped(make: Make) -> None:
    model = make("dying")
    flag = model.project.root / "flag"
    model.save(
        initialize=f"assert not os.path.exists({str(flag)!r}), 'it is there'; self.pid = os.getpid()",
        handle="return [str(self.pid)] * len(data)",
    )
    model.start()
    flag.touch()
    os.kill(int(model.answer()), signal.SIGKILL)
    assert "AssertionError: it is there" in model.hear("error: ")
    model.hear("its workers are stopped")
    assert model.answer().startswith("error: ")
    flag.unlink()
    model.save("'mended'")
    model.until("mended")


@pytest.mark.parametrize("function", ["", ":entry"])
def test_instant_swaps_code_in_the_same_process_and_leaves_the_plain_form(make: Make, function: str) -> None:
    model = make(f"instant{len(function)}", function=function)
    tail = (
        "\ndef entry(data, context):\n    return data and [ANSWER + str(os.getpid())] * len(data)\n" if function else ""
    )

    def save(answer: str) -> None:
        if function:
            model.handler.write_text(f"import os\nANSWER = {answer!r}\n{tail}")
        else:
            model.save(f"{answer!r} + str(os.getpid())")

    save("one ")
    model.start("--instant")
    first = model.answer()
    save("two ")
    model.hear("revision 2 serves with handler.py")
    assert model.answer() == first.replace("one", "two")
    (model.folder / "extra" / "words.py").write_text("GREETING = 'hi'\n")
    model.hear("revision 3 serves with words.py")
    model.weights.write_bytes(b"others")
    model.hear("1.0-i0")
    assert model.answer() != first.replace("one", "two")
    assert model.stop() == 130
    (version,) = model.versions()
    assert "-w" in version
    assert model.folders() == [f".{model.name}-{version}"]
    assert model.answer().startswith("two ")


@pytest.mark.parametrize("milliseconds", [0, *(pytest.param(ms, marks=pytest.mark.slow) for ms in (4, 8, 12, 16, 20))])
def test_an_end_right_after_a_swap_leaves_what_was_saved_in_its_plain_form(make: Make, milliseconds: int) -> None:
    model = make(f"i-end{milliseconds}")
    model.start("--instant")
    model.weights.write_bytes(b"others")
    model.hear("1.0-i0")
    time.sleep(milliseconds / 1000)  # so that the interruption comes at one of the steps behind the message
    assert model.stop() == 130
    (version,) = model.versions()
    assert "-w" in version
    assert model.folders() == [f".{model.name}-{version}"]
    assert (model.project.model_store / model.folders()[0] / model.weights.name).read_bytes() == b"others"


@pytest.mark.parametrize(
    ("name", "fault", "told"),
    [
        ("i-import", {"module": "import nowhere_at_all"}, "torchserve/i-import/handler.py:3 in <module>"),
        ("i-init", {"initialize": "raise KeyError('no')"}, "torchserve/i-init/handler.py:6 in initialize"),
        ("i-syntax", {"module": "def ("}, "torchserve/i-syntax/handler.py:3: "),
        ("i-hang", {"initialize": "time.sleep(600)"}, "did not answer within response_timeout"),
        ("i-exit", {"initialize": "os._exit(3)"}, "worker died"),
    ],
)
def test_instant_keeps_the_code_that_works(make: Make, name: str, fault: dict[str, str], told: str) -> None:
    model = make(name, patience=4 if "sleep" in str(fault) else 60)
    model.start("--instant")
    model.save(**fault)
    model.hear("1.0-i0002 goes on serving")
    assert told in model.everything_said()
    assert "mardock_reloading" not in model.everything_said()
    model.until("first")
    model.save("'mended'")
    model.hear("serves with handler.py")
    assert model.answer() == "mended"
    model.save(**fault)
    model.hear("goes on serving")
    assert model.stop() == 130
    assert model.answer() == "mended"
    assert len(model.versions()) == len(model.folders()) == 1
