"""Nothing but the command line's own tests knows the command line: benchmarks and tests call what its commands call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = ROOT / "tests" / "unit" / "cli"
CLI = "mardock.cli"


def imports(text: str) -> Iterator[str]:
    """Yield the dotted name of whatever a module imports, also inside functions."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def knows_the_command_line(text: str) -> bool:
    return any(f"{name}.".startswith(f"{CLI}.") for name in imports(text))


def test_every_way_to_import_it_is_seen() -> None:
    for text in ("import mardock.cli", "from mardock import cli", "def f():\n    from mardock.cli.app import app"):
        assert knows_the_command_line(text)
    for text in ("import mardock.client", "from mardock.client import probe", "from mardock import client"):
        assert not knows_the_command_line(text)


def test_benchmarks_and_tests_import_nothing_of_the_command_line() -> None:
    files = [path for folder in ("benchmarks", "tests") for path in (ROOT / folder).rglob("*.py")]
    others = [path for path in files if OWN not in path.parents]
    assert len(others) < len(files)
    assert [str(path.relative_to(ROOT)) for path in others if knows_the_command_line(path.read_text("utf-8"))] == []
