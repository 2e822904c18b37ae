"""Packages of the project, `code`, in every way that serves a model: each kind of import works wherever it is tried."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import pytest
from tests.contract.dap import DebugClient
from tests.contract.projects import make_project
from tests.contract.watched import Watched
from tests.support.command import mardock, succeed
from tests.support.waiting import FEW_SECONDS

from mardock.client.inference import InferenceClient
from mardock.debugging import Session, launch_json
from mardock.engines.native import NativeEngine
from mardock.handler import trial
from mardock.settings.project import Project
from mardock.tasks.archive import archive
from mardock.tasks.predict import predict
from mardock.tasks.register import register
from mardock.tasks.requests import Request
from mardock.tasks.try_model import begin, try_model

HANDLER = """
{imports}


class Handler:
    def initialize(self, context):
        self.net = Net()

    def handle(self, data, context):
        return [f"{{self.net.answer()}} by {{__name__}}"] * len(data)
"""
NET = """
class Net:
    def answer(self):
        return {answer}
"""
WITH_DATA = """
from pathlib import Path

from .words import greet


class Net:
    def answer(self):
        return greet(Path(__file__).with_name("data").joinpath("name.txt").read_text())
"""
FILES = {
    "src/mylib/__init__.py": "",
    "src/mylib/model.py": WITH_DATA,
    "src/mylib/words.py": "def greet(name):\n    return f'hello {name}'\n",
    "src/mylib/data/name.txt": "data",
    "src/mylib/handler.py": HANDLER.format(imports="from .model import Net"),
    "serve/whole.py": HANDLER.format(imports="from mylib.model import Net"),
    "other/mylib/model.py": NET.format(answer="'the other mylib'"),
    "serve/namesake.py": HANDLER.format(imports="from mylib.model import Net"),
    "lib/acme/vision/model.py": NET.format(answer="'a namespace'"),
    "serve/namespace.py": HANDLER.format(imports="from acme.vision.model import Net"),
    "serve/model.py": NET.format(answer="'a model file'"),
    "serve/beside.py": HANDLER.format(imports="from model import Net"),
    "tools/tool.py": NET.format(answer="'one file'"),
    "serve/single.py": HANDLER.format(imports="from tool import Net"),
}
STYLES = {
    "whole": ('handler = "serve/whole.py"\ncode = ["src/mylib"]', "hello data by whole"),
    "relative": ('handler = "src/mylib/handler.py"\ncode = ["src/mylib"]', "hello data by mylib.handler"),
    "namesake": ('handler = "serve/namesake.py"\ncode = ["other/mylib"]', "the other mylib by namesake"),
    "namespace": ('handler = "serve/namespace.py"\ncode = ["lib/acme"]', "a namespace by namespace"),
    "beside": ('handler = "serve/beside.py"\nmodel_file = "serve/model.py"', "a model file by beside"),
    "single": ('handler = "serve/single.py"\ncode = ["tools/tool.py"]', "one file by single"),
}


@pytest.fixture(scope="module")
def served(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a model for each style of importing, whose server runs."""
    project = make_project(tmp_path_factory.mktemp("code") / "project")
    for name, text in FILES.items():
        path = project.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (project.root / "body").write_text("body")
    tables = (
        f'[models.{name}]\nsample = "body"\n[models.{name}.archive]\n{keys}\n' for name, (keys, _) in STYLES.items()
    )
    (project.root / "mardock.toml").write_text("".join(tables))
    NativeEngine(project).up(timeout=FEW_SECONDS)
    yield project
    NativeEngine(project).down()


@pytest.fixture
def root(served: Project) -> Path:
    return served.root


@pytest.mark.parametrize("name", STYLES)
def test_it_is_archived_tried_and_served(served: Project, name: str) -> None:
    expected = STYLES[name][1].encode()
    assert archive(served, name).changed
    trial.import_torchserve()
    with begin() as child:
        tried = try_model(child, served, name)
    assert tried.failure is None
    assert tried.trial.singles[0].replies[0].body == expected
    register(served, name)
    (answer,) = predict(served, name, [Request("body", served.root / "body")])
    assert answer.body == expected


def test_it_is_served_unpacked_and_its_golden_answer_holds(root: Path) -> None:
    succeed(root, "register", "relative", "--unpacked", "--replace")
    assert succeed(root, "predict", "relative").out.strip() == "hello data by mylib.handler"
    succeed(root, "try", "relative", "--save-golden")
    succeed(root, "try", "relative", "--check-golden")


def test_what_is_shown_before_it_is_written_is_what_is_written(root: Path) -> None:
    shown = succeed(root, "archive", "relative", "--dry-run", "--json").json
    succeed(root, "archive", "relative")
    held = succeed(root, "inspect", "artifacts/relative.mar", "--json").json
    assert sorted(one["name"] for one in shown["members"]) == sorted(one["name"] for one in held["members"])
    assert held["manifest"]["model"]["handler"] == "mylib.handler"
    parts = json.loads(succeed(root, "inspect", "artifacts/relative.mar", "--sbom").out)["components"]
    roles = {part["name"]: part["properties"][0]["value"] for part in parts if part["type"] == "file"}
    assert roles["mylib/handler.py"] == "handler"


def test_an_edit_of_the_package_is_told_as_a_difference(root: Path) -> None:
    succeed(root, "archive", "namespace")
    model = root / "lib" / "acme" / "vision" / "model.py"
    before = model.read_text()
    model.write_text(before + "# edited\n")
    try:
        told = succeed(root, "diff", "artifacts/namespace.mar", "namespace", "--json").json
    finally:
        model.write_text(before)
    assert succeed(root, "diff", "artifacts/namespace.mar", "namespace", "--json").json["same"]
    assert [one["name"] for one in told["changed"]] == ["acme/vision/model.py"]


def test_a_failure_names_the_user_s_own_file_of_the_package(root: Path) -> None:
    words = root / "src" / "mylib" / "words.py"
    before = words.read_text()
    words.write_text("def greet(name):\n    raise KeyError('no such greeting')\n")
    try:
        tried = mardock(root, "try", "relative")
        succeed(root, "register", "whole", "--unpacked", "--replace")
        asked = mardock(root, "predict", "whole")
    finally:
        words.write_text(before)
    assert "src/mylib/words.py:2 in greet" in tried.err
    assert "src/mylib/words.py:2 in greet" in asked.err


def test_breakpoints_in_the_package_s_own_files_stop_it(served: Project) -> None:
    archive(served, "relative")
    register(served, "relative", replace=True)
    words, engine = served.root / "src" / "mylib" / "words.py", NativeEngine(served)
    session = Session(served, served.settings.models["relative"], engine)
    with ThreadPoolExecutor() as pool, session.run(0, wait=False, listening=lambda debugged: None) as debugged:
        client = DebugClient(debugged.port)
        wanted = launch_json.configuration(debugged.model, debugged.port, debugged.remote_root)
        local = {**wanted["pathMappings"][0], "localRoot": str(served.root)}
        assert client.attach({**wanted, "pathMappings": [local]}, {words: [2]}) == [True]
        answer = pool.submit(_predict, engine)
        thread = client.stopped()
        frame = client.frame(thread)
        assert (frame["source"]["path"], frame["line"], frame["name"]) == (str(words), 2, "greet")
        client.resume(thread)
        assert answer.result() == b"hello data by mylib.handler"
        client.close()


def _predict(engine: NativeEngine) -> bytes:
    with InferenceClient(engine.endpoint()) as client:
        return client.predict("relative", b"x", timeout=FEW_SECONDS).body


@pytest.fixture
def make(served: Project) -> Iterator[Callable[[str, str], Watched]]:
    """Makes watched models with `code`; their watches end with the test."""
    made: list[Watched] = []

    def model(name: str, code: str) -> Watched:
        watched = Watched(served, NativeEngine(served), name)
        made.append(watched)
        settings = served.root / "mardock.toml"
        extra = f'extra_files = ["torchserve/{name}/extra"]\n'
        settings.write_text(settings.read_text().replace(extra, f'{extra}code = ["{code}"]\n'))
        return watched

    yield model
    for watched in made:
        watched.close()


def _leave_as_editors_do(folder: Path) -> None:
    (folder / ".#words.py").symlink_to("somebody@somewhere.1234:56")
    for name in ("words.py~", ".words.py.swp", "#words.py#", ".DS_Store", "words.pyc"):
        (folder / name).write_text("left")
    (folder / "4913").touch()  # Vim finds out so whether it may write here
    (folder / "4913").unlink()
    (folder / "__pycache__").mkdir(exist_ok=True)
    (folder / "__pycache__" / "words.cpython-311.pyc").write_bytes(b"")


def test_a_save_in_the_package_is_swapped_and_what_editors_leave_is_not(make: Callable[[str, str], Watched]) -> None:
    model = make("swapped", "src/swapped_lib")
    words = model.project.root / "src" / "swapped_lib" / "words.py"
    words.parent.mkdir()
    words.write_text("WORD = 'one'\n")
    model.save("WORD", module="from swapped_lib.words import WORD")
    model.start()
    assert model.answer() == "one"
    _leave_as_editors_do(words.parent)
    _leave_as_editors_do(model.folder / "extra")
    words.write_text("WORD = 'two'\n")
    assert "1.0-w0002 serves with swapped_lib/words.py, " in model.hear(" serves with ")
    assert model.answer() == "two"
    model.assert_only("1.0-w0002")
    (words.parent / "more.py").write_text("")
    model.hear("1.0-w0003 serves with swapped_lib/more.py")


def test_a_save_in_the_package_of_a_relative_handler_is_swapped_in_the_worker(
    make: Callable[[str, str], Watched],
) -> None:
    model = make("instantly", "torchserve/instantly")
    words = model.folder / "words.py"
    words.write_text("WORD = 'one'\n")
    model.save("WORD", module="from .words import WORD")
    model.start("--instant")
    assert model.answer() == "one"
    _leave_as_editors_do(model.folder)
    words.write_text("WORD = 'two'\n")
    assert "with instantly/words.py" in model.hear("revision 2")
    assert model.answer() == "two"
