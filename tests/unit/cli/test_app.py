"""The command line as a whole: every command explains itself, the README lists each, and misuse is told."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.support.command import mardock, succeed
from tests.unit.cli.conftest import Run

from mardock import __version__
from mardock.cli.app import app

REPOSITORY = Path(__file__).parents[3]


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command below one, with the words that call it; of groups only what they hold."""
    for name in command.list_commands(None):
        found = command.get_command(None, name)
        if hasattr(found, "commands"):
            yield from walk(found, (*path, name))
        else:
            yield (*path, name), found


COMMANDS = dict(walk(typer.main.get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...], run: Run) -> None:
    result = run(*words, "--help")
    assert result.exit_code == 0
    assert COMMANDS[words].help
    assert "Traceback" not in result.output


def test_the_readme_lists_every_command_and_no_other() -> None:
    listed = re.findall(r"^\| `mardock ([a-z -]+)` \| (.+) \|$", readme(), re.MULTILINE)
    assert dict(listed) == {" ".join(words): first_line(command.help) for words, command in COMMANDS.items()}


def test_every_error_the_readme_quotes_is_made_by_some_code() -> None:
    quotes = re.findall(r"^\| `([^`]+)` \|", readme().partition("## Troubleshooting")[2], re.MULTILINE)
    assert quotes
    texts = list(literals())
    for quote in quotes:
        words = re.compile(".*".join(map(re.escape, re.split(r"…|\d+", quote))))
        assert any(words.search(text) for text in texts), quote


def literals() -> Iterator[str]:
    """Yield every string of the code, with an ellipsis for each value it is given; a docstring is none."""
    for file in (REPOSITORY / "src" / "mardock").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spoken:
                yield node.value


def test_the_readme_lists_every_make_target_and_no_other() -> None:
    makefiles = [(REPOSITORY / name).read_text(encoding="utf-8") for name in ("Makefile", "develop.mk")]
    targets = re.findall(r"^([a-z-]+):[^#\n]*## (.+)$", "\n".join(makefiles), re.MULTILINE)
    listed = re.findall(r"^\| `make ([a-z-]+)` \| (.+) \|$", readme(), re.MULTILINE)
    assert dict(listed) == dict(targets)


def test_every_make_target_that_is_a_job_says_what_it_does() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert phony
    documented = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert set(phony[1].replace("\\\n", " ").split()) == documented


def test_every_make_target_calls_a_command_there_is() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    called = {tuple(words.split()) for words in re.findall(r"^\t@\$\(MARDOCK\)((?: [a-z-]+)+)", makefile, re.MULTILINE)}
    assert called
    for words in called:
        assert any(words[: len(command)] == command for command in COMMANDS), words


def test_the_version_is_printed(run: Run, tmp_path: Path) -> None:
    assert run("--version").stdout == f"mardock {__version__}\n"
    assert mardock(tmp_path, "--version").out == f"mardock {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["predict", "digits", "--concurrency", "0"], "--concurrency"),
        (["predict", "digits", "--random", "0"], "--random"),
        (["register", "digits", "--num-workers", "-1"], "--num-workers"),
        (["register", "digits", "--models-port", "65536"], "--models-port"),
        (["models", "scale", "digits"], "how many workers?"),
        (["models", "scale", "digits", "2", "--min-worker", "3"], "2 workers, or 3?"),
        (["models", "scale", "digits", "--min-worker", "many"], "many"),
        (["up", "--timeout", "0"], "--timeout"),
        (["up", "--timeout", "nan"], "--timeout 'nan' is no time"),
        (["models", "unregister", "digits", "--drain", "inf"], "--drain 'inf' is no time"),
        (["models", "unregister", "digits", "--drain", "1d"], "units are ms, s, m and h"),
        (["bench", "digits", "--duration", "50ms"], "it takes at least 100ms"),
        (["tune", "digits", "--budget", "1s"], "it takes from 5s to 86400s"),
        (["metrics", "--compare", "one.json"], "--compare"),
        (["statsu"], "statsu"),
        (["status", "--jsno"], "--jsno"),
    ],
)
def test_a_misused_option_is_a_usage_error(arguments: list[str], told: str, root: Path, run: Run) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stdout == ""


def test_that_nothing_was_stopped_is_data_too(root: Path) -> None:
    assert succeed(root, "down", "--json").json == {"stopped": False}


def readme() -> str:
    return (REPOSITORY / "README.md").read_text(encoding="utf-8")


def first_line(text: str) -> str:
    return text.partition("\n\n")[0].replace("\n", " ").strip()
