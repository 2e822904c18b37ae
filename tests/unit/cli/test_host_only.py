"""In the dev container: what is for the host is refused with the host's command, and hints say whose they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from mardock import place
from mardock.cli import console, host_only
from mardock.cli.app import app
from mardock.errors import EngineNotRunningError
from mardock.tasks import doctor

Run = Callable[..., Any]


@pytest.fixture
def inside(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project seen from the dev container."""
    monkeypatch.setenv(place.VARIABLE, "dev")
    return root


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("up", "--timeout", "5"), "up"),
        (("down",), "down"),
        (("serve", "run", "--container-name", "a b"), "serve run"),
        (("dev", "exec", "--", "ls", "-l"), "dev exec"),
        (("deploy", "rehearse", "digits", "--target", "tir"), "deploy rehearse"),
        (("tune", "digits"), "tune"),
    ],
)
def test_a_command_for_the_host_is_refused_with_itself(
    run: Run, inside: Path, arguments: tuple[str, ...], name: str
) -> None:
    refused = run("--project", ".", *arguments)
    assert refused.exit_code == 3
    assert f"error: mardock {name} is for the host, and this is the dev container" in refused.stderr
    told = " ".join(arguments).replace("a b", "'a b'")
    assert refused.stderr.splitlines()[-1] == f"hint: on the host: mardock {told}"
    assert not (inside / ".mardock").exists()


def test_its_refusal_is_json_where_json_is_asked_for(run: Run, inside: Path) -> None:
    refused = run("tune", "digits", "--json")
    error = json.loads(refused.stdout)["error"]
    assert (error["type"], error["hint"]) == ("OnHostError", "on the host: mardock tune digits --json")


def test_its_help_and_its_mistakes_stay(run: Run, inside: Path) -> None:
    assert "Start TorchServe" in run("up", "--help").stdout
    assert "container-name" in run("serve", "run", "--help").stdout
    assert run("serve", "walk").exit_code == 2


@pytest.mark.parametrize("arguments", [("up", "--models=no"), ("demo", "--engine", "none")])
def test_on_the_host_nothing_is_refused(run: Run, root: Path, arguments: tuple[str, ...]) -> None:
    assert "is for the host" not in run(*arguments).stderr


def test_what_doctor_would_have_mended_by_the_host_says_so(
    run: Run, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @doctor.check("server")
    def down(visit: doctor.Visit) -> str:
        raise EngineNotRunningError("it is down", hint="mardock up")

    monkeypatch.setattr(doctor, "IN_DEV_CONTAINER", (down,))
    assert json.loads(run("doctor", "--json").stdout)[-1]["hint"] == "on the host: mardock up"
    assert run("doctor").stdout.endswith("FAIL  server: it is down\n      on the host: mardock up\n")


def test_the_commands_of_the_table_are_there() -> None:
    command: Any = typer.main.get_command(app)
    assert set(host_only.COMMANDS) <= set(command.list_commands(typer.Context(command)))


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        ("mardock up", "on the host: mardock up"),
        ("mardock down && mardock up makes a new one", "on the host: mardock down && mardock up makes a new one"),
        (
            "set A=1 in .env, then mardock down && mardock up",
            "set A=1 in .env, then on the host: mardock down && mardock up",
        ),
        ("make serve-run", "on the host: make serve-run"),
        ("make docker-stop", "on the host: make docker-stop"),
        ("on the host: mardock up", "on the host: mardock up"),
        ("mardock register mnist", "mardock register mnist"),
        ("mardock status", "mardock status"),
        ("mardock models describe up", "mardock models describe up"),
    ],
)
def test_a_hint_says_what_is_the_host_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hint: str, told: str
) -> None:
    error = EngineNotRunningError("it is down", hint=hint)
    console.error(error)
    assert capsys.readouterr().err.splitlines()[-1] == f"hint: {hint}"
    monkeypatch.setenv(place.VARIABLE, "dev")
    console.error(error)
    console.warn(hint)
    console.success("done", hint)
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:3] == [f"hint: {told}", f"! {told}"]
    assert lines[-1].endswith(told)
