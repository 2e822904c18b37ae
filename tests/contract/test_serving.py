"""Registering against a real TorchServe: READY is true, a failure shows the handler's traceback and leaves nothing."""

from __future__ import annotations

import json
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import psutil
import pytest
from tests.contract.clients import Clients
from tests.contract.projects import make_project

from mardock import serving
from mardock.archive.read import read
from mardock.causes.audience import Audience
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.endpoint import Endpoint
from mardock.engines.native import NativeEngine
from mardock.errors import (
    ApiError,
    ArchiveError,
    EngineNotRunningError,
    ModelConflictError,
    ModelNotFoundError,
    ServingError,
    WorkerFailedError,
)
from mardock.serving import LogPosition, Registered, Servable, Server
from mardock.serving.draining import Drain
from mardock.serving.served_model import ServedModel
from mardock.serving.side_version import SideVersion
from mardock.settings.schema import Serving
from mardock.side_names import Kind, SideName

HANDLER = """
import os, signal, time
{module}
class Handler:
    def initialize(self, context):
        {initialize}
    def handle(self, data, context):
        {handle}
"""
CALLS_LOAD = "self.load()\n    def load(self):\n        raise RuntimeError('no')"
CALLS_PRE = "return self.pre(data)\n    def pre(self, data):\n        return int('x')"
SOURCES = {"handler.py": "torchserve/digits/handler.py"}
FEW_SECONDS = 60.0


@dataclass
class Bench:
    """A TorchServe of the test's own and its model store."""

    engine: NativeEngine
    endpoint: Endpoint
    store: Path

    @property
    def server(self) -> Server:
        return Server(self.endpoint, self.engine, self.store)

    def archive(
        self,
        name: str,
        *,
        version: str = "1.0",
        module: str = "",
        initialize: str = "pass",
        handle: str = "return ['ok'] * len(data)",
        source: Optional[str] = None,
        config: str = "",
    ) -> Path:
        """Write `name.mar` into the store, with one handler."""
        model = {"modelName": name, "modelVersion": version, "handler": "handler.py"}
        code = source if source is not None else HANDLER.format(module=module, initialize=initialize, handle=handle)
        path = self.store / f"{name}.mar"
        path.unlink(missing_ok=True)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("handler.py", code)
            if config:
                model["configFile"] = "model-config.yaml"
                file.writestr("model-config.yaml", config)
            file.writestr("MAR-INF/MANIFEST.json", json.dumps({"runtime": "python", "model": model}))
        return path

    def register(self, archive: Path, *, replace: bool = False, patience: float = 0, **asked: int) -> Registered:
        sample = self.store / "sample"
        sample.write_bytes(b"x")
        servable = Servable(archive, Serving(**asked), sources=SOURCES, sample=sample)
        return serving.register(self.server, servable, replace=replace, patience=patience)

    def predict(self, model: str) -> bytes:
        with InferenceClient(self.endpoint) as client:
            return client.predict(model, b"x").body

    def models(self) -> dict[str, str]:
        with ManagementClient(self.endpoint) as client:
            return {model.name: model.url for model in client.list_models()}

    def pinned(self, name: str) -> list[str]:
        return [path.name for path in self.store.glob(f".{name}-*")]


@pytest.fixture(scope="module")
def bench(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    project = make_project(tmp_path_factory.mktemp("registration"))
    engine = NativeEngine(project)
    try:
        yield Bench(engine, engine.up(timeout=FEW_SECONDS), project.model_store)
    finally:
        engine.down()


def test_registering_waits_for_the_workers_and_registering_again_changes_nothing(bench: Bench) -> None:
    archive = bench.archive("digits")
    first = bench.register(archive, initial_workers=2)
    assert (first.outcome, first.workers, first.version) == ("registered", 2, "1.0")
    with ManagementClient(bench.endpoint) as client:
        before = client.describe("digits")
        again = bench.register(archive, initial_workers=2)
        assert again.outcome == "unchanged"
        assert [worker.pid for worker in client.describe("digits")[0].workers] == [w.pid for w in before[0].workers]


def test_another_number_of_workers_is_scaled_to(bench: Bench) -> None:
    archive = bench.archive("scaled")
    bench.register(archive)
    assert bench.register(archive, initial_workers=2).outcome == "scaled"
    back = bench.register(archive, initial_workers=1)
    assert (back.outcome, back.workers) == ("scaled", 1)


def test_a_changed_archive_is_refused_with_both_digests_and_put_in_place_on_request(bench: Bench) -> None:
    old = bench.register(bench.archive("changed", handle="return [b'old']"))
    archive = bench.archive("changed", handle="return [b'new']")
    with pytest.raises(ModelConflictError) as refused:
        bench.register(archive)
    assert str(old.digest) in refused.value.message
    assert refused.value.hint == "replace it: mardock register changed --replace"
    assert bench.predict("changed") == b"old"
    new = bench.register(archive, replace=True)
    assert new.outcome == "replaced"
    assert str(new.digest) in refused.value.message
    assert bench.predict("changed") == b"new"
    assert bench.pinned("changed") == [new.url]
    assert_nothing_stands_in(bench, "changed")


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost_while_a_version_is_replaced(bench: Bench, workers: int) -> None:
    slow = "time.sleep(0.05); return [{!r}] * len(data)"
    bench.register(bench.archive("busy", handle=slow.format("old")), initial_workers=workers)
    with Clients(bench.endpoint, "busy", 4) as clients:
        clients.until(b"old")
        archive = bench.archive("busy", handle=slow.format("new"))
        assert bench.register(archive, replace=True, patience=2, initial_workers=workers).drained
        clients.until(b"new")
    assert clients.errors == []
    assert_nothing_stands_in(bench, "busy")
    serving.unregister(bench.server, "busy", patience=0)


def test_requests_that_outlast_the_patience_are_told(bench: Bench) -> None:
    handle = "print('at work', flush=True); time.sleep(600 * (data[0]['body'] == b'long')); return ['old']"
    bench.register(bench.archive("patient", handle=handle))
    since = LogPosition.now(bench.engine)
    with Clients(bench.endpoint, "patient", 1, b"long", timeout=5):
        await_line(bench.engine, since, "patient.*at work")
        replaced = bench.register(bench.archive("patient", handle="return ['new']"), replace=True, patience=0.5)
    assert (replaced.outcome, replaced.drained) == ("replaced", False)
    assert bench.predict("patient") == b"new"


def test_what_stood_in_is_waited_for_only_when_it_was_asked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.register(bench.archive("calm"), initial_workers=2)
    assert bench.predict("calm") == b"ok"
    waited: list[str] = []
    run = Drain.run

    def wait(drain: Drain, status: ModelStatus) -> bool:
        waited.append(status.version)
        return run(drain, status)

    monkeypatch.setattr(Drain, "run", wait)
    bench.register(bench.archive("calm", module="NEW = 1"), initial_workers=2, replace=True)
    assert waited == ["1.0"]


def test_what_a_killed_replacement_left_goes_with_the_next_one(bench: Bench) -> None:
    archive = bench.archive("halfway")
    bench.register(archive)
    with ServedModel(bench.server, "halfway") as model:
        stand_in = SideVersion(model, SideName("1.0", Kind.NEXT))
        stand_in.unpack(read(archive))
        stand_in.load(stand_in.wanted(Serving()))
        stand_in.promote()
    assert bench.register(archive).default_version == "1.0"
    assert_nothing_stands_in(bench, "halfway")


def test_other_settings_are_a_change_too(bench: Bench) -> None:
    archive = bench.archive("settings")
    bench.register(archive, batch_size=1)
    with pytest.raises(ModelConflictError, match="its batch_size is 1, and 8 is wanted"):
        bench.register(archive, batch_size=8)
    assert bench.register(archive, batch_size=8, replace=True).outcome == "replaced"


def test_a_replacement_that_fails_leaves_the_old_one_serving_untouched(bench: Bench) -> None:
    old = bench.register(bench.archive("kept", handle="return [b'old']"))
    with ManagementClient(bench.endpoint) as client:
        worker = client.describe("kept")[0].workers[0].pid
        with pytest.raises(WorkerFailedError, match=r"keeps serving as it was: .* KeyError: 'gone'"):
            bench.register(bench.archive("kept", initialize="raise KeyError('gone')"), replace=True)
        assert client.describe("kept")[0].workers[0].pid == worker
    assert bench.predict("kept") == b"old"
    assert bench.pinned("kept") == [old.url]
    assert_nothing_stands_in(bench, "kept")


def test_the_old_one_comes_back_when_the_new_one_fails_only_in_its_place(bench: Bench) -> None:
    bench.register(bench.archive("back", handle="return [b'old']"), batch_size=4)
    second_time = "if not context.manifest['model']['modelVersion'].endswith('-next'): raise KeyError('second')"
    with pytest.raises(WorkerFailedError, match="KeyError: 'second'"):
        bench.register(bench.archive("back", initialize=second_time), replace=True, batch_size=4)
    assert bench.predict("back") == b"old"
    assert_nothing_stands_in(bench, "back")
    with ManagementClient(bench.endpoint) as client:
        assert client.describe("back")[0].batch_size == 4


def test_the_default_version_is_replaced_and_stays_the_default(bench: Bench) -> None:
    bench.register(bench.archive("two", handle="return [b'one']"))
    bench.register(bench.archive("two", version="2.0", handle="return [b'two']"))
    replaced = bench.register(bench.archive("two", handle="return [b'uno']"), replace=True)
    assert (replaced.version, replaced.default_version) == ("1.0", "1.0")
    assert bench.predict("two") == b"uno"
    assert len(bench.pinned("two")) == 2


@pytest.mark.parametrize(
    ("fault", "frame", "exception", "hint"),
    [
        ({"initialize": CALLS_LOAD}, ":8 in load", "RuntimeError: no", "mend"),
        ({"initialize": "raise OSError('no disk')"}, ":6 in initialize", "OSError: no disk", "mend"),
        ({"module": "WORDS = {}['x']"}, ":3 in <module>", "KeyError: 'x'", "mend"),
        ({"source": "def handle(:\n"}, ":1", "SyntaxError: invalid syntax", "mend"),
        ({"module": "import nowhere_to_be_found"}, ":3 in <module>", "ModuleNotFoundError", "requirements_file"),
    ],
)
def test_a_handler_that_cannot_start_shows_its_own_line_first(
    bench: Bench, fault: dict[str, str], frame: str, exception: str, hint: str
) -> None:
    with pytest.raises(WorkerFailedError) as failed:
        bench.register(bench.archive("broken", **fault))
    assert exception in failed.value.message
    assert str(failed.value.details).startswith(f"torchserve/digits/handler.py{frame}\n")
    assert hint in str(failed.value.hint)
    assert_gone(bench, "broken")


def test_a_handler_that_hangs_is_ended_at_its_startup_timeout(bench: Bench, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    hang = f"open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(WorkerFailedError, match="did not load the model within startup_timeout"):
        bench.register(bench.archive("hanging", initialize=hang), startup_timeout=3)
    psutil.wait_procs(alive([int(pid_file.read_text())]), timeout=FEW_SECONDS)
    assert not alive([int(pid_file.read_text())])
    assert_gone(bench, "hanging")


@pytest.mark.parametrize(
    ("end", "told", "hint"),
    [
        ("os._exit(3)", "ended without an exception", "mardock logs silent"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "memory ran out", "more memory"),
    ],
)
def test_a_worker_that_ends_without_a_word_is_told_by_its_last_ones(
    bench: Bench, end: str, told: str, hint: str
) -> None:
    with pytest.raises(WorkerFailedError, match=told) as failed:
        bench.register(bench.archive("silent", initialize=f"print('about to go', flush=True); {end}"))
    assert failed.value.details == "about to go"
    assert hint in str(failed.value.hint)
    assert_gone(bench, "silent")


def test_one_broken_model_does_not_stop_the_others(bench: Bench) -> None:
    archives = [
        bench.archive("first"),
        bench.archive("second", initialize="raise KeyError('second')"),
        bench.archive("third"),
        bench.store / "absent.mar",
    ]
    outcomes = serving.register_all(bench.server, [Servable(path) for path in archives])
    assert [type(outcome) for outcome in outcomes] == [Registered, WorkerFailedError, Registered, ArchiveError]
    assert "KeyError: 'second'" in str(outcomes[1])
    assert {"first", "third"} <= set(bench.models())
    assert_gone(bench, "second")


def test_model_config_wins_over_the_project_and_is_checked_first(bench: Bench) -> None:
    config = "minWorkers: 2\nmaxWorkers: 2\nbatchSize: 4\nresponseTimeout: 33\n"
    archive = bench.archive("configured", config=config)  # once: a zip carries the time it was written at
    registered = bench.register(archive, batch_size=2)
    assert registered.workers == 2
    with ManagementClient(bench.endpoint) as client:
        status = client.describe("configured")[0]
        assert (status.batch_size, status.response_timeout_s) == (4, 33)
    assert bench.register(archive, batch_size=2).outcome == "unchanged"
    with pytest.raises(ArchiveError, match="batchSize must be a whole number from 1 on, not 'many'"):
        bench.register(bench.archive("misconfigured", config="batchSize: many\n"))


def test_a_url_is_registered_as_it_is_and_a_second_time_only_replaced(bench: Bench) -> None:
    bench.archive("given")
    servable = Servable("given.mar", model_name="model")
    assert serving.register(Server(bench.endpoint), servable).outcome == "registered"
    with pytest.raises(ModelConflictError, match="cannot be known"):
        serving.register(Server(bench.endpoint), servable)
    assert serving.register(Server(bench.endpoint), servable, replace=True).outcome == "replaced"
    with pytest.raises(ApiError, match=r"Model not found at: absent\.mar"):
        serving.register(bench.server, Servable("absent.mar"))


def test_torchserves_own_handlers_are_registered_by_their_name(bench: Bench, tmp_path: Path) -> None:
    import torch

    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "linear.pt")
    path = bench.store / "own.mar"
    model = {"modelName": "own", "modelVersion": "1.0", "handler": "base_handler"}
    files = {"serializedFile": "linear.pt", "modelFile": "model.py"}
    with zipfile.ZipFile(path, "w") as file:
        file.write(tmp_path / "linear.pt", "linear.pt")
        file.writestr(
            "model.py", "import torch\nclass Net(torch.nn.Linear):\n    def __init__(self): super().__init__(2, 2)\n"
        )
        file.writestr("MAR-INF/MANIFEST.json", json.dumps({"runtime": "python", "model": {**model, **files}}))
    assert bench.register(path).outcome == "registered"


def test_a_folder_of_the_store_is_registered_like_an_archive(bench: Bench) -> None:
    with zipfile.ZipFile(bench.archive("unpacked")) as archive:
        archive.extractall(bench.store / "folder")
    registered = bench.register(bench.store / "folder")
    assert (registered.model, registered.url, registered.digest) == ("unpacked", "folder", None)
    with pytest.raises(ModelConflictError, match="cannot be known"):
        bench.register(bench.store / "folder")


def test_requests_under_way_are_answered_before_a_model_is_unregistered_and_new_ones_are_refused(bench: Bench) -> None:
    bench.register(bench.archive("going", handle="time.sleep(0.05); return ['there'] * len(data)"))
    with Clients(bench.endpoint, "going", 4) as clients:
        clients.until(b"there")
        assert serving.unregister(bench.server, "going", sample=b"x")
    assert {error.status for error in clients.errors if isinstance(error, ApiError)} <= {503, 404}
    assert all(isinstance(error, ApiError) for error in clients.errors)
    assert_gone(bench, "going")
    assert bench.pinned("going") == []


def test_unregistering_takes_every_version_and_the_pinned_archives(bench: Bench) -> None:
    for version in ("1.0", "2.0"):
        bench.register(bench.archive("leaving", version=version))
    serving.unregister(bench.server, "leaving")  # which waits for nothing: nobody asked
    assert_gone(bench, "leaving")
    assert (bench.store / "leaving.mar").exists()
    with pytest.raises(ModelNotFoundError):
        serving.unregister(bench.server, "leaving")


@pytest.mark.parametrize(
    ("handle", "told", "details", "hint"),
    [
        (CALLS_PRE, "ValueError: .* in pre", ":10 in pre", "mend"),
        ("return []", "number of batch response mismatched, expect: 1, got: 0", "", "one entry per request"),
        ("return [object()]", "not JSON serializable", "", "tolist"),
        ("return [b'x' * 14_000_000]", "Message size exceed limit", "", "max_response_size"),
        ("time.sleep(600)", "did not answer within response_timeout", "", "response_timeout"),
        ("raise MemoryError", "MemoryError", ":8 in handle", "fewer workers"),
    ],
)
def test_a_failed_prediction_is_explained(bench: Bench, handle: str, told: str, details: str, hint: str) -> None:
    archive = bench.archive("failing", handle=handle)
    bench.register(archive, replace=True, response_timeout=2)
    since = LogPosition.now(bench.engine)
    with pytest.raises(ApiError) as failed:
        bench.predict("failing")
    error = serving.explain(bench.engine, "failing", since, failed.value, audience=Audience(SOURCES))
    assert isinstance(error, ApiError)
    assert error.status == failed.value.status
    assert re.search(told, error.message)
    assert details in str(error.details)
    assert hint in str(error.hint)


def test_a_worker_that_keeps_dying_is_told_with_its_cause_and_loaded_again_once_mended(
    bench: Bench, tmp_path: Path
) -> None:
    loaded = tmp_path / "loaded"
    once = f"open({str(loaded)!r}, 'x')"
    archive = bench.archive("looping", initialize=once, handle="os._exit(1)")
    bench.register(archive)
    since = LogPosition.now(bench.engine)
    with pytest.raises(ApiError):
        bench.predict("looping")
    await_line(bench.engine, since, "W-.*looping.*Retry worker: .* in [2-9]")
    error = serving.explain(bench.engine, "looping", since, ServingError("silent"), audience=Audience(SOURCES))
    assert "keeps dying: FileExistsError" in error.message
    assert str(error.details).startswith("torchserve/digits/handler.py:6 in initialize")
    loaded.unlink()
    again = bench.register(archive)
    assert (again.outcome, again.workers) == ("replaced", 1)


def test_what_no_handler_failed_at_is_left_as_it_is(bench: Bench) -> None:
    since = LogPosition.now(bench.engine)
    with pytest.raises(ModelNotFoundError) as failed:
        bench.predict("nobody")
    assert serving.explain(bench.engine, "nobody", since, failed.value) is failed.value


def test_a_server_that_ends_meanwhile_is_told_with_its_last_lines(native: None, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    engine = NativeEngine(project)
    bench = Bench(engine, engine.up(timeout=FEW_SECONDS), project.model_store)
    try:
        server = int(engine.status().details["pid"])
        kill = f"os.kill({server}, signal.SIGKILL); time.sleep(600)"
        with pytest.raises(EngineNotRunningError, match=r"TorchServe ended while it loaded model last 1\.0") as failed:
            bench.register(bench.archive("last", initialize=kill))
        assert failed.value.details
    finally:
        engine.down()


def await_line(engine: NativeEngine, since: LogPosition, pattern: str) -> None:
    deadline = time.monotonic() + FEW_SECONDS
    while not any(re.search(pattern, line) for line in since.lines_since(engine)):
        assert time.monotonic() < deadline, f"the log never said {pattern}"
        time.sleep(0.05)


def alive(pids: list[int]) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]


def assert_nothing_stands_in(bench: Bench, name: str) -> None:
    with ManagementClient(bench.endpoint) as client:
        assert [status.version for status in client.describe(name)] == ["1.0"]
    assert list(bench.store.glob(f".{name}-*-next")) == []


def assert_gone(bench: Bench, name: str) -> None:
    assert name not in bench.models()
    assert bench.pinned(name) == []
