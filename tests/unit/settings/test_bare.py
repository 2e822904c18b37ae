"""A folder that holds files becomes a project by one file, and keeps its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Optional

import pytest

from mardock.archive.names import check_model_name
from mardock.errors import ConfigError
from mardock.settings import bare, found, json_schema
from mardock.settings.found import Found
from mardock.settings.load import load
from mardock.settings.starters import Starter, starter

HANDLER = "class Speaker(BaseHandler):\n    pass\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "cats"
    (made / "serving").mkdir(parents=True)
    (made / "README.md").write_text("mine\n", encoding="utf-8")
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_handler_and_one_file_of_weights_are_named(folder: Path) -> None:
    (folder / "serving/my_handler.py").write_text(HANDLER, encoding="utf-8")
    (folder / "best model.pt").touch()
    made = bare.make(folder, None)
    assert (made.model, made.models, made.written) == ("cats", ("cats",), ("mardock.toml",))
    assert made.found == ("serving/my_handler.py", "best model.pt")
    spec = load(folder, {}).models["cats"].archive
    assert (spec.handler, spec.serialized_file) == made.found
    assert [source.name for source in spec.resolve(folder)] == ["best model.pt", "my_handler.py"]


def test_without_a_handler_the_table_is_a_comment_that_becomes_one_line_by_line(folder: Path) -> None:
    (folder / "cats.pth").touch()
    made = bare.make(folder, None)
    assert (made.models, made.found) == ((), ())
    assert load(folder, {}).models == {}
    toml = folder / "mardock.toml"
    lines = toml.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"#:schema {json_schema.URL}"
    assert '# code = ["src/mypackage"]  # packages and modules to import, each under its own name' in lines
    begins = next(number for number, line in enumerate(lines) if line.startswith("# [models."))
    toml.write_text("\n".join(line.removeprefix("# ") for line in lines[begins:]), encoding="utf-8")
    settings = load(folder, {}).models["cats"]
    assert settings.archive.serialized_file == "cats.pth"
    assert settings.serving.initial_workers == 1


def test_nothing_of_the_users_is_changed_and_twice_is_as_once(folder: Path) -> None:
    before = contents(folder)
    bare.make(folder, None)
    once = contents(folder)
    assert once.keys() - before.keys() == {"mardock.toml"}
    assert {name: once[name] for name in before} == before
    again = bare.make(folder, None)
    assert (again.written, again.by_hand) == ((), {})
    assert contents(folder) == once


@pytest.mark.parametrize("broken", ["", "[models.dogs.archive]\nhandler = 'a.py'\n", "what?"])
def test_a_table_for_a_mardock_toml_that_is_there_is_handed_over(folder: Path, broken: str) -> None:
    (folder / "mardock.toml").write_text(broken, encoding="utf-8")
    made = bare.make(folder, "cats")
    assert made.written == ()
    assert "[models.cats.archive]" in made.by_hand["mardock.toml"]
    assert (folder / "mardock.toml").read_text(encoding="utf-8") == broken


def test_a_starter_brings_its_files_and_its_table(folder: Path) -> None:
    table = '[models.cats.archive]\nhandler = "serving/cats.py"\n'
    starter = Starter({"serving/cats.py": HANDLER.encode()}, table)
    made = bare.make(folder, "cats", starter)
    assert made.written == ("serving/cats.py", "mardock.toml")
    assert load(folder, {}).models["cats"].archive.handler == "serving/cats.py"
    assert bare.make(folder, "cats", starter).written == ()
    (folder / "mardock.toml").write_text("", encoding="utf-8")
    assert bare.make(folder, "cats", starter).by_hand == {"mardock.toml": table}
    (folder / "serving/cats.py").write_text("mine\n", encoding="utf-8")
    before = contents(folder)
    with pytest.raises(ConfigError) as refused:
        bare.make(folder, "cats", starter)
    assert refused.value.details == "serving/cats.py"
    assert contents(folder) == before


def test_torchserves_configuration_is_written_on_request(folder: Path) -> None:
    (folder / "torchserve").mkdir()
    (folder / "torchserve/log4j2.xml").write_text("mine\n", encoding="utf-8")
    made = bare.make(folder, None, own_config=True)
    assert set(made.written) == {"mardock.toml", "torchserve/config.properties"}
    assert (folder / "torchserve/log4j2.xml").read_text(encoding="utf-8") == "mine\n"


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("my_shop-2", "my_shop-2"),
        ("Über uns.v2", "Uber-uns-v2"),
        ("日本", "model"),
        ("tokenizer", "model-tokenizer"),
        ("con", "model-con"),
        ("-x-", "x"),
        ("", "model"),
        ("a" * 300, "a" * 64),
    ],
)
def test_any_folders_name_becomes_a_models(name: str, becomes: str) -> None:
    assert bare.model_name(name) == becomes
    check_model_name(becomes)


def test_a_name_torchserve_cannot_take_is_refused_before_anything_is_written(folder: Path) -> None:
    before = contents(folder)
    with pytest.raises(ConfigError, match="model name 'a/b'"):
        bare.make(folder, "a/b")
    assert contents(folder) == before


def test_a_name_with_a_dot_is_quoted(folder: Path) -> None:
    (folder / "serving/handler.py").write_text(HANDLER, encoding="utf-8")
    assert bare.make(folder, "cats.v2").models == ("cats.v2",)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize(("ignored", "told"), [(None, True), ("logs/*\n", False), ("/logs\n", False)])
def test_what_git_is_to_ignore_in_folders_of_the_users_is_told(
    folder: Path, ignored: Optional[str], told: bool
) -> None:
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    (folder / "logs").mkdir()
    if ignored:
        (folder / ".gitignore").write_text(ignored, encoding="utf-8")
    before = (folder / ".gitignore").exists()
    lines = bare.make(folder, None).by_hand.get(".gitignore", "")
    assert ("/logs/*.log" in lines.splitlines()) is told
    assert "artifacts" not in lines
    assert (folder / ".gitignore").exists() is before


@pytest.mark.parametrize(
    ("code", "is_one"),
    [
        (HANDLER, True),
        ("class A(ts.torch_handler.vision_handler.VisionHandler): pass", True),
        ("def handle(data, context): pass", True),
        ("class A:\n    def handle(self, data, context): pass", True),
        ("class A:\n    def run(self): pass", False),
        ("def handle(:", False),
        ("import logging", False),
    ],
)
def test_what_a_handler_looks_like(tmp_path: Path, code: str, is_one: bool) -> None:
    (tmp_path / "handler.py").write_text(code, encoding="utf-8")
    assert (found.look(tmp_path).handler is not None) is is_one


def test_two_of_a_kind_are_none(tmp_path: Path) -> None:
    for name in ("a/handler.py", "b/handler.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(HANDLER, encoding="utf-8")
    for name in ("a.pt", "b.pth"):
        (tmp_path / name).touch()
    assert found.look(tmp_path) == Found()


def test_environments_hidden_folders_and_other_projects_are_not_looked_into(tmp_path: Path) -> None:
    for name in (".venv/handler.py", "own env/handler.py", "node_modules/handler.py", "other/handler.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(HANDLER, encoding="utf-8")
    (tmp_path / "own env/pyvenv.cfg").touch()
    (tmp_path / "other/mardock.toml").touch()
    assert found.look(tmp_path) == Found()


def test_in_a_folder_of_data_nothing_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "_MOST_FILES", 3)
    (tmp_path / "handler.py").write_text(HANDLER, encoding="utf-8")
    assert found.look(tmp_path).handler == "handler.py"
    for number in range(3):
        (tmp_path / f"{number}.txt").touch()
    assert found.look(tmp_path) == Found()


def test_editors_are_led_to_the_schema_by_its_first_line(folder: Path) -> None:
    bare.make(folder, None)
    bare.make(folder / "model", None, starter("text", "m"))
    own = Path(__file__).parents[3] / "mardock.toml"
    first = {file.read_text(encoding="utf-8").splitlines()[0] for file in folder.rglob("mardock.toml")}
    assert first == {own.read_text(encoding="utf-8").splitlines()[0]}
