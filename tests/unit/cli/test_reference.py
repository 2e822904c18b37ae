"""docs/reference/ and the JSON Schema of mardock.toml stand as the code has them, and say what the loader does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from scripts import json_shapes, reference
from tests.support.command import in_process
from typer.main import get_command

from mardock.cli.app import app
from mardock.settings import json_schema
from mardock.settings.load import load

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("path", reference.files(), ids=lambda path: path.name)
def test_it_is_what_the_code_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == reference.files()[path], "make format writes it"


def test_the_command_prints_the_schema() -> None:
    assert in_process(app, "schema").stdout == json_schema.text()


def test_every_command_says_its_exit_codes() -> None:
    documented = {name for name, _ in reference.commands(get_command(app), "")}
    assert documented == set(reference.EXIT_CODES)


def faults(text: str) -> list[str]:
    validator = Draft202012Validator(reference.project_schema())
    return [error.message for error in validator.iter_errors(tomllib.loads(text))]


def test_the_examples_own_file_keeps_to_it() -> None:
    assert not faults((REPOSITORY / "mardock.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        '[models.m]\nsample = "x"\n[models.m.archive]\nhandler = "h.py"\n',
        'engine = "native"\n',
        '[models.m.archive]\nhandler = "h.py"\nextra_files = ["a"]\n[models.m.serving]\nbatch_size = 4\n',
        '[deploy.azureml]\nworkspace = "w"\n',
        '[models.m.archive]\nhandler = "h.py"\nhandlr = "h.py"\n',
        '[models.m.archive]\nversion = "1"\n',
        '[models.m.archive]\nhandler = "h.py"\nversion = 1.0\n',
        '[models.m.serving]\nbatch_size = 0\n[models.m.archive]\nhandler = "h.py"\n',
        'engine = "podman"\n',
        "[model]\n",
    ],
)
def test_an_editor_finds_what_the_loader_refuses(text: str, tmp_path: Path) -> None:
    (tmp_path / "mardock.toml").write_text(text, encoding="utf-8")
    refused: Any = None
    try:
        load(tmp_path, {})
    except Exception as error:  # whatever it is, the editor has to see it too
        refused = error
    assert bool(faults(text)) == bool(refused), refused


def test_every_command_says_what_it_prints_as_json() -> None:
    able = {name for name, command in reference.commands(get_command(app), "") if takes_json(command)}
    assert able == set(json_shapes.SHAPES)


def takes_json(command: Any) -> bool:
    return any("--json" in parameter.opts for parameter in command.params)


@pytest.mark.parametrize(
    ("value", "shape", "fault"),
    [
        ({"a": 1}, {"a": "whole number"}, ""),
        ({"a": True}, {"a": "whole number"}, "it.a is not whole number: True"),
        ({"a": 1, "b": 2}, {"a": "number"}, "it has b, which is not told"),
        ({}, {"a": "text"}, "it has no a"),
        ({}, {"a?": "text"}, ""),
        ({"x": [1.5]}, {"*": ["number"]}, ""),
        ([None, "a"], [("text", None)], ""),
        ([1], [("text", None)], "it[0] is none of what it may be: 1"),
        ({}, ["text"], "it is no list: {}"),
    ],
)
def test_a_value_is_held_to_its_shape(value: object, shape: object, fault: str) -> None:
    assert "".join(json_shapes.faults(value, shape)) == fault
