"""What mardock.toml and model-config.yaml say holds on a real TorchServe, whatever comes between; the rest is told."""

from __future__ import annotations

import json
import re
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Optional

import pytest
from tests.contract.projects import make_project
from tests.support.command import mardock

from mardock.archive import model_config
from mardock.client import probe
from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.engines.native import NativeEngine
from mardock.errors import ApiError, ArchiveError, MardockError, Reason
from mardock.listener import Silent
from mardock.serving import Registered, Server
from mardock.settings.project import Project
from mardock.tasks import archive, lifecycle, models
from mardock.tasks.register import Registrar

HANDLER = """
class Handler:
    def initialize(self, context):
        self.config = context.model_yaml_config

    def handle(self, data, context):
        return [repr(self.config)] * len(data)
"""
DOG = '[models.dog.archive]\nhandler = "handler.py"\nconfig_file = "dog.yaml"\n'
SLOW = '[models.slow.archive]\nhandler = "handler.py"\nrequirements_file = "requirements.txt"\n'


class Heard(Silent):
    """Keeps what it is warned of and told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def warn(self, text: str) -> None:
        self.told.append(text)

    def note(self, text: str) -> None:
        self.told.append(text)


class Desk:
    """A project whose settings are written anew by each test, and its server."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.heard = Heard()

    @property
    def project(self) -> Project:
        return Project(self.root)

    @property
    def server(self) -> Server:
        return Server.of(self.project, NativeEngine(self.project))

    def write(self, toml: str, **files: str) -> None:
        self.heard = Heard()
        (self.root / "mardock.toml").write_text(toml)
        (self.root / "handler.py").write_text(HANDLER)
        for name, text in files.items():
            (self.root / name.replace("_", ".")).write_text(text)

    def archive(self, name: str = "dog") -> None:
        archive.archive(self.project, name, listener=self.heard)

    def register(
        self, name: str = "dog", *, url: Optional[str] = None, workers: Optional[int] = None, unpacked: bool = False
    ) -> Registered:
        registrar = Registrar(self.project, self.server, replace=True, patience=0, listener=self.heard)
        done = registrar.one(name, archive=url, workers=workers, unpacked=unpacked).done
        assert isinstance(done, Registered)
        return done

    def status(self, name: str = "dog", version: str = "1.0") -> ModelStatus:
        with ManagementClient(self.server.endpoint) as client:
            return client.describe(name, version)[0]

    def up(self) -> None:
        lifecycle.stop(self.project)
        server = Server.of(self.project, lifecycle.start(self.project))
        registrar = Registrar(self.project, server, replace=True, listener=self.heard)
        for registration in registrar.archived():
            assert isinstance(registration.done, Registered)


@pytest.fixture(scope="module")
def server_of(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a project whose server installs requirements."""
    project = make_project(tmp_path_factory.mktemp("settings") / "project")
    config = project.root / "torchserve" / "config.properties"
    text = config.read_text(encoding="utf-8").replace("install_py_dep_per_model=false", "install_py_dep_per_model=true")
    config.write_text(text, encoding="utf-8")
    NativeEngine(project).up(timeout=60)
    yield project.root
    NativeEngine(project).down()


@pytest.fixture
def desk(server_of: Path) -> Iterator[Desk]:
    """The project without models; those a test registers are gone afterwards."""
    desk = Desk(server_of)
    yield desk
    with ManagementClient(desk.server.endpoint) as client:
        for model in client.list_models():
            for status in client.describe(model.name):
                client.scale(model.name, 0, 0, status.version)
            default = client.describe_default(model.name).version
            for status in sorted(client.describe(model.name), key=lambda one: one.version == default):
                client.unregister(model.name, status.version)
    for path in (*desk.root.glob("artifacts/*.mar"), desk.root / "artifacts" / ".served.json"):
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("unpacked", [False, True], ids=["archive", "unpacked"])
def test_every_key_of_mardock_toml_holds_beside_a_config_file_that_does_not_set_it(
    desk: Desk, *, unpacked: bool
) -> None:
    serving = (
        "initial_workers = 2\nbatch_size = 4\nmax_batch_delay = 7\nresponse_timeout = 250\nstartup_timeout = 300\n"
    )
    desk.write(f"{DOG}[models.dog.serving]\n{serving}", dog_yaml="threshold: 0.5\n")
    if not unpacked:
        desk.archive()
    desk.register(unpacked=unpacked)
    found = desk.status()
    assert (found.min_workers, found.batch_size, found.max_batch_delay_ms) == (2, 4, 7)
    assert (found.response_timeout_s, found.startup_timeout_s) == (250, 300)
    assert desk.register(unpacked=unpacked).outcome == "unchanged"
    assert desk.heard.told == []


def test_a_config_file_wins_and_both_lines_are_told(desk: Desk) -> None:
    toml = f"{DOG}[models.dog.serving]\nstartup_timeout = 300\nbatch_size = 4\nresponse_timeout = 77\n"
    desk.write(toml, dog_yaml="responseTimeout: 77\nstartupTimeout: 200\nbatchSize: 8\n")
    desk.archive()
    told = list(desk.heard.told)
    assert told == [
        "dog: batch_size: mardock.toml:6 says 4, but dog.yaml:3 says batchSize: 8, which wins",
        "dog: startup_timeout: mardock.toml:5 says 300, but dog.yaml:2 says startupTimeout: 200, which wins",
    ]
    desk.register()
    assert desk.heard.told == told * 2
    found = desk.status()
    assert (found.batch_size, found.response_timeout_s, found.startup_timeout_s) == (8, 77, 200)


@pytest.mark.parametrize(
    ("config", "asked"), [("minWorkers: 2\nmaxWorkers: 2\n", 1), ("minWorkers: 1\nmaxWorkers: 4\n", 0)]
)
def test_workers_of_the_command_line_win_over_a_config_file(desk: Desk, config: str, asked: int) -> None:
    desk.write(DOG, dog_yaml=config)
    desk.archive()
    assert desk.register(workers=asked).workers == asked
    assert desk.status().min_workers == asked
    assert desk.register(workers=asked).outcome == "unchanged"


def test_no_workers_in_a_config_file_are_none(desk: Desk) -> None:
    desk.write(DOG, dog_yaml="minWorkers: 0\nmaxWorkers: 2\n")
    desk.archive()
    assert desk.register().workers == 0
    assert desk.status().min_workers == 0


def test_time_outs_that_an_archive_from_elsewhere_loses_are_told(desk: Desk) -> None:
    desk.write(f"{DOG}[models.dog.serving]\nresponse_timeout = 250\n", dog_yaml="a: 1\n")
    write_archive(desk.root / "artifacts" / "other.mar", "dog", "a: 1\n")
    desk.register(url="other.mar")
    assert desk.heard.told == [
        "dog: mardock.toml:5 says response_timeout 250, and TorchServe takes the 120 of the model-config.yaml in"
        " other.mar: write responseTimeout: 250 there"
    ]
    assert desk.register(url="other.mar").outcome == "unchanged"


def test_what_the_project_says_and_its_archive_does_not_is_told(desk: Desk) -> None:
    desk.write(f"{DOG}version = '1.0'\n", dog_yaml="a: 1\n")
    desk.archive()
    assert desk.register().outcome == "registered"
    assert desk.heard.told == []

    desk.write(f"{DOG}version = '9.9'\n[models.dog.serving]\nstartup_timeout = 300\n", dog_yaml="a: 1\n")
    (desk.root / "handler.py").write_text(HANDLER + "# mended\n")
    assert desk.register().version == "1.0"
    (told,) = desk.heard.told
    assert told == (
        "dog: dog.mar is registered as it is, and mardock.toml:4 says version 9.9, not 1.0; its startup_timeout is 120,"
        " and 300 is wanted; the project has other dog.yaml, handler.py; to change that: mardock archive dog"
    )
    desk.archive()
    desk.heard.told.clear()
    assert desk.register().version == "9.9"
    assert desk.heard.told == []


def test_all_that_can_be_are_archived_and_registered_and_the_worst_code_is_the_commands(desk: Desk) -> None:
    desk.write(f'{DOG}[models.cat.archive]\nhandler = "none.py"\n[models.pup.archive]\nhandler = "handler.py"\n')
    (desk.root / "dog.yaml").write_text("a: 1\nminWorkers: 4.0\n")
    refused = mardock(desk.root, "archive", "--all", "--dry-run")
    assert (refused.code, list(desk.project.model_store.glob("*.mar"))) == (2, [])  # it is not taken for --all alone
    archived = mardock(desk.root, "archive", "--all")
    assert archived.code == ArchiveError.exit_code
    assert "handler: none.py does not exist" in archived.err
    assert "dog.yaml:2:13 of model dog: minWorkers must be a whole number from 0 on, not 4.0" in archived.err
    assert "hint: write minWorkers: 4" in archived.err
    registered = mardock(desk.root, "register", "--all")
    assert registered.code == 2
    assert "there is no archive dog.mar" in registered.err
    assert "there is no archive cat.mar" in registered.err
    assert "pup 1.0 registered: 1 worker READY" in registered.err


def test_a_conflict_names_the_model_as_mardock_toml_does(desk: Desk) -> None:
    toml = '[models.dog1.archive]\nmodel_name = "dog"\nhandler = "handler.py"\n'
    desk.write(toml)
    desk.archive("dog1")
    desk.register("dog1")
    (desk.root / "handler.py").write_text(HANDLER + "# other\n")
    desk.archive("dog1")
    with pytest.raises(MardockError) as refused:
        Registrar(desk.project, desk.server).one("dog1")
    assert refused.value.hint == "replace it: mardock register dog1 --replace"


CONFIGS = [
    b"a: 1\n",
    b"{}\n",
    b"deviceType: CPU\n",
    b"deviceType: ''\n",
    "\ufeffbatchSize: 3\n".encode(),
    b"parallelType: CUSTOM\nparallelLevel: 0\n",
    b"deviceIds: [0, 1]\n",
    b"torchrun:\n  node-rank: 0\n",
    b"handler:\n  0: cat\n  no: 3\n",
    b"jobQueueSize: 0\nclientTimeoutInMills: 0\n",
    b"x: &x {batchSize: 4}\n<<: *x\n",
    b"a: !!set {b, c}\nday: 2026-01-01\n",
    b"maxWorkers: 3\n",
]
UNFIT = [
    b"",
    b"# all comments\n",
    b"- a\n",
    b"hello\n",
    b"0: cat\n",
    b"no: 3\n",
    b"? \n: 3\n",
    b"2026-01-01: 3\n",
    b"torchrun:\n  1: 2\n",
    b"a:\n\t- 1\n",
    b"a: 1\n---\nb: 1\n",
    "a: 1\n".encode("utf-16"),
    "a: 1 # \xe9\n".encode("latin-1"),
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_what_is_let_in_torchserve_takes(desk: Desk, config: bytes) -> None:
    model_config.parse(config, "model-config.yaml", "dog")
    write_archive(desk.root / "artifacts" / "dog.mar", "dog", config)
    with ManagementClient(desk.server.endpoint) as client:
        assert client.register("dog.mar", initial_workers=1, model_name="dog").ready_workers == 1


@pytest.mark.parametrize("config", UNFIT, ids=str)
def test_what_is_refused_torchserve_fails_on_and_nobody_hears_java(desk: Desk, config: bytes) -> None:
    with pytest.raises(ArchiveError):
        model_config.parse(config, "model-config.yaml", "dog")
    write_archive(desk.root / "artifacts" / "dog.mar", "dog", config)
    with ManagementClient(desk.server.endpoint) as client, pytest.raises(MardockError) as failed:
        client.register("dog.mar", initial_workers=1, model_name="dog")
    assert not re.search(r"java|yamlMap|Cannot invoke|cast to", failed.value.message)
    assert failed.value.hint


@pytest.mark.parametrize(
    "config", [b"responseTimeout: 3000000000", b"startupTimeout: 99.0", b"startupTimeout: -1", b"startupTimeout:"]
)
def test_what_else_is_refused_torchserve_ignores(desk: Desk, config: bytes) -> None:
    with pytest.raises(ArchiveError):
        model_config.parse(config, "model-config.yaml", "dog")
    write_archive(desk.root / "artifacts" / "dog.mar", "dog", config)
    with ManagementClient(desk.server.endpoint) as client:
        found = client.register("dog.mar", initial_workers=0, model_name="dog")
    assert (found.response_timeout_s, found.startup_timeout_s) == (120, 120)


def test_while_pip_takes_its_time_the_server_is_asked_and_nothing_is_left_of_what_fails(desk: Desk) -> None:
    with slow_index() as (url, asked, go):
        desk.write(SLOW, requirements_txt="")
        desk.archive("slow")
        desk.register("slow")
        (desk.root / "requirements.txt").write_text(f"--index-url {url}\nmardock-test-nothing\n")
        desk.archive("slow")
        with ThreadPoolExecutor(1) as pool:
            registering = pool.submit(desk.register, "slow")
            assert asked.wait(60)
            for _ in range(8):  # twice as many connections as TorchServe has threads for them on two cores
                assert desk.status("slow").ready_workers == 1
            found = {status.version for status in probe.models(desk.server.endpoint, timeout=5.0)}
            assert found == {"1.0", "1.0-next"}
            go.set()
            failure = registering.exception()
    assert isinstance(failure, ApiError)
    assert failure.reason is Reason.PIP_FAILED
    with ManagementClient(desk.server.endpoint) as client:
        assert [status.version for status in client.describe("slow")] == ["1.0"]
    assert not list(desk.root.glob("artifacts/.slow-1.0-next"))


def test_after_down_and_up_models_are_served_as_they_were(desk: Desk) -> None:
    desk.write(f'{DOG}[models.cat.archive]\nhandler = "handler.py"\n', dog_yaml="a: 1\n")
    desk.archive("cat")
    desk.archive()
    desk.register("cat")
    desk.register()
    archive.archive(desk.project, "dog", version="2.0")
    desk.register(workers=0)
    models.scale(desk.project, "dog", 2, most=3, version="1.0")
    models.set_default(desk.project, "dog", "1.0")
    models.unregister(desk.project, "cat", patience=0)

    desk.heard.told.clear()
    desk.up()

    with ManagementClient(desk.server.endpoint) as client:
        before = {status.version: (status.ready_workers, status.max_workers) for status in client.describe("dog")}
        assert before == {"1.0": (2, 3), "2.0": (0, 0)}
        assert client.describe_default("dog").version == "1.0"
        assert [model.name for model in client.list_models()] == ["dog"]
    assert "cat: was unregistered, and stays so until mardock register cat" in desk.heard.told


def test_another_number_in_mardock_toml_and_another_version_hold_after_up(desk: Desk) -> None:
    desk.write(DOG, dog_yaml="a: 1\n")
    desk.archive()
    desk.register(workers=3)
    desk.write(f"{DOG}[models.dog.serving]\ninitial_workers = 2\n", dog_yaml="a: 1\n")
    desk.up()
    assert desk.status().ready_workers == 2

    archive.archive(desk.project, "dog", version="2.0")
    desk.up()
    with ManagementClient(desk.server.endpoint) as client:
        assert [status.version for status in client.describe("dog")] == ["2.0"]


def write_archive(path: Path, name: str, config: bytes | str) -> None:
    """Write an archive as one from elsewhere may be: with whatever model-config.yaml."""
    model = {"modelName": name, "modelVersion": "1.0", "handler": "handler.py", "configFile": "model-config.yaml"}
    path.unlink(missing_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("handler.py", HANDLER)
        file.writestr("model-config.yaml", config)
        file.writestr("MAR-INF/MANIFEST.json", json.dumps({"runtime": "python", "model": model}))


@contextmanager
def slow_index() -> Iterator[tuple[str, threading.Event, threading.Event]]:
    """Run a package index that has nothing, and says so when it is let: its URL, when it was asked, what lets it."""
    asked, go = threading.Event(), threading.Event()

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            go.wait()
            self.send_error(404)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple", asked, go
        finally:
            go.set()
            server.shutdown()
