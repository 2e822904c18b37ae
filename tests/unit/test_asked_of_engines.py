"""What only an engine knows is asked of the engine: no other room knows it by heart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mardock
from mardock.engines.docker.engine import DockerEngine
from mardock.engines.mounts import HOME
from mardock.engines.native import NativeEngine
from mardock.engines.serve_container import ServeContainer

SOURCE = Path(mardock.__file__).parent
ENGINES = (DockerEngine, NativeEngine, ServeContainer)
NAMES = {engine.name for engine in ENGINES}
CLASSES = {engine.__name__ for engine in ENGINES}
NO_ENGINES = {"extra", "service"}  # an extra is called native, too, and a compose service serve


def last_name(node: ast.AST) -> str:
    """The word an expression ends in: `name` of `self.engine.name`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def constants(node: ast.AST) -> set[object]:
    return {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}


def is_name_of_an_engine(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "name" and "engine" in last_name(node.value)


def compares_an_engine(node: ast.AST) -> bool:
    """Whether it tells engines apart: by the name, by a set of names, or by the class."""
    if isinstance(node, ast.Compare):
        words = {last_name(side) for side in (node.left, *node.comparators)}
        named = bool(constants(node) & NAMES) and not words & NO_ENGINES
        return named or any(is_name_of_an_engine(one) for one in ast.walk(node))
    if isinstance(node, ast.Call) and last_name(node.func) in ("isinstance", "issubclass", "type"):
        return any(last_name(one) in CLASSES for argument in node.args for one in ast.walk(argument))
    if isinstance(node, ast.Subscript):  # a table by the name
        return is_name_of_an_engine(node.slice)
    return False


def found(tree: ast.AST) -> Iterator[int]:
    """The lines that know what only an engine does."""
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if compares_an_engine(node) or (isinstance(text, str) and str(HOME) in text):
            yield getattr(node, "lineno", 0)


def test_no_other_room_compares_an_engines_name_or_holds_a_containers_path() -> None:
    told = [
        f"{path.relative_to(SOURCE)}:{line}"
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] != "engines"
        for line in found(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert told == []


@pytest.mark.parametrize(
    "code",
    [
        'self._engine.name == "docker"',
        'if engine in ("native", "auto"): pass',
        'x = 1 if "serve" != project.settings.machine.engine else 2',
        "if asked not in (None, engine.name): pass",
        "isinstance(engine, DockerEngine)",
        "PATHS[self.engine.name]",
        f'_STORE = "{HOME}/model-store"',
        f'f"{HOME}/{{name}}"',
    ],
)
def test_it_is_found_in_any_of_its_forms(code: str) -> None:
    assert list(found(ast.parse(code)))


@pytest.mark.parametrize("code", ['if extra == "native": pass', 'service == "serve"', "print(engine.name)"])
def test_what_only_looks_like_it_is_not(code: str) -> None:
    assert list(found(ast.parse(code))) == []
