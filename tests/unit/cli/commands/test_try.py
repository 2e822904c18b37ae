"""`mardock try` on the command line: what it prints where, what it keeps, and what it exits with."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any, Optional

import pytest
import typer

from mardock.cli import app, console, context
from mardock.cli.commands import try_
from mardock.handler import trial

MODEL = """
[models.{name}]
sample = "sample.txt"
[models.{name}.archive]
handler = "torchserve/doubler/handler.py"
[models.{name}.serving]
batch_size = {batch_size}
"""
HANDLER = """
def handle(data, context):
    if data:
        print("from the handler")
        return [2 * float(row["body"]) for row in {rows}]
"""


class Cli:
    """The command in a project with one model, `doubler`."""

    def __init__(self, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.root, self._capfd = root, capfd
        (root / "torchserve" / "doubler").mkdir(parents=True)
        (root / "sample.txt").write_text("21")
        (root / "other.txt").write_text("4")
        self.write()

    def write(self, rows: str = "data", batch_size: int = 1) -> None:
        (self.root / "torchserve" / "doubler" / "handler.py").write_text(HANDLER.format(rows=rows))
        (self.root / "mardock.toml").write_text(MODEL.format(name="doubler", batch_size=batch_size))

    def configure(self, text: str) -> None:
        """Give the model a model-config.yaml."""
        (self.root / "torchserve" / "doubler" / "model-config.yaml").write_text(text)
        self.set_archive('config_file = "torchserve/doubler/model-config.yaml"')

    def set_archive(self, line: str) -> None:
        """Add a line about the model's archive to mardock.toml."""
        settings = (self.root / "mardock.toml").read_text()
        table = "[models.doubler.archive]"
        (self.root / "mardock.toml").write_text(settings.replace(table, f"{table}\n{line}"))

    def run(self, *arguments: str) -> tuple[Optional[int], str, str]:
        command = typer.Typer(cls=app.Boundary)
        command.callback()(lambda: None)
        try_.add_to(command)
        with pytest.raises(SystemExit) as end:
            command(["try", *arguments, "--engine", "native"])
        found = self._capfd.readouterr()
        return (end.value.code or 0) if isinstance(end.value.code, (int, type(None))) else 1, found.out, found.err


@pytest.fixture
def cli(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    pytest.importorskip("ts")
    trial.import_torchserve()
    monkeypatch.setattr(console, "_json", False)
    monkeypatch.setattr(context, "_start", tmp_path)
    monkeypatch.chdir(tmp_path)
    return Cli(tmp_path, capfd)


def test_the_prediction_alone_is_on_stdout(cli: Cli) -> None:
    code, out, err = cli.run("doubler")

    assert (code, out) == (0, "42.0")
    assert "from the handler" in err
    assert "list of 2 x {body: bytearray of 2}" in err
    assert [path.name for path in (cli.root / ".mardock").iterdir()] == [".gitignore"]


def test_several_files_are_answered_each(cli: Cli) -> None:
    code, out, _ = cli.run("doubler", "--data", "sample.txt", "other.txt")

    assert code == 0
    assert [line.split() for line in out.splitlines()[1:]] == [["sample.txt", "42.0"], ["other.txt", "8.0"]]


def test_json_holds_it_all(cli: Cli) -> None:
    _, out, _ = cli.run("--json", "--batch", "3")

    found: dict[str, Any] = json.loads(out)
    assert found["model"] == "doubler"
    assert [run["replies"][0]["answer"] for run in found["singles"]] == [42.0]
    assert [reply["answer"] for reply in found["batch"]["replies"]] == [42.0] * 3


def test_golden_answers_are_kept_and_checked(cli: Cli) -> None:
    assert cli.run("doubler", "sample.txt", "other.txt", "--save-golden")[0] == 0
    assert cli.run("--check-golden")[0] == 0

    cli.write(rows="[{'body': b'20'} for _ in data]")
    code, _, err = cli.run("--check-golden")
    assert code == 5
    assert "sample.txt: $: expected 42.0, got 40.0" in err
    assert "other.txt: $: expected 8.0, got 40.0" in err


@pytest.mark.parametrize(("batch_size", "code"), [(1, 0), (2, 5)])
def test_a_failing_batch_is_an_error_where_batches_are_served(cli: Cli, batch_size: int, code: int) -> None:
    cli.write(rows="data[:1]", batch_size=batch_size)

    found, _, err = cli.run("doubler")
    assert found == code
    assert "number of batch response mismatched (2 requests, 1 results)" in err


def test_model_config_wins_as_it_does_in_torchserve(cli: Cli) -> None:
    cli.write(rows="data[:1]")
    cli.configure("batchSize: 3\n")
    code, _, err = cli.run("doubler")
    assert code == 5
    assert "number of batch response mismatched (3 requests, 1 results)" in err


def test_the_response_timeout_of_model_config_is_kept_and_a_longer_wait_is_told(cli: Cli) -> None:
    cli.write(rows="(__import__('time').sleep(1.2), data)[1]")
    cli.configure("responseTimeout: 1\n")
    assert "did not answer within response_timeout (1 s)" in cli.run("doubler")[2]
    code, out, err = cli.run("doubler", "--timeout", "60")
    assert (code, out) == (0, "42.0")
    assert "TorchServe ends its worker after 1 s" in err


def test_a_model_config_torchserve_would_drop_is_refused(cli: Cli) -> None:
    cli.configure("batchSize: many\n")
    code, _, err = cli.run("doubler")
    assert code == 4
    assert "batchSize must be a whole number from 1 on, not 'many'" in err


def test_an_exception_is_told_with_the_users_line_first(cli: Cli) -> None:
    cli.write(rows="missing")

    code, out, err = cli.run("doubler")
    assert (code, out) == (5, "")
    told = err[err.index("torchserve/doubler") :].splitlines()
    assert told[0] == "torchserve/doubler/handler.py:5 in handle"
    assert told[2] == "NameError: name 'missing' is not defined"


def test_an_exception_in_an_extra_file_is_the_users_own_line_too(cli: Cli) -> None:
    helpers = cli.root / "shared" / "text"
    helpers.mkdir(parents=True)
    (helpers / "cleaning.py").write_text("def clean(rows):\n    return rows.strip()\n")
    cli.write(rows="__import__('text.cleaning').cleaning.clean(data)")
    cli.set_archive('extra_files = ["shared"]')

    _, _, err = cli.run("doubler")
    told = err[err.index("shared/text") :].splitlines()
    assert told[0] == "shared/text/cleaning.py:2 in clean"
    assert told[2] == "AttributeError: 'list' object has no attribute 'strip'"


def test_an_exception_is_json_when_json_is_asked_for(cli: Cli) -> None:
    cli.write(rows="missing")

    code, out, _ = cli.run("doubler", "--json")
    assert code == 5
    assert json.loads(out)["error"]["type"] == "ServingError"


def test_ctrl_c_says_where_it_hit(cli: Cli) -> None:
    cli.write(
        rows=f"(__import__('os').kill(__import__('os').getppid(), {int(signal.SIGINT)}), __import__('time').sleep(60))"
    )

    code, _, err = cli.run("doubler")
    assert code == app.INTERRUPTED
    assert "handler.py:5 in handle" in err


def test_a_missing_golden_file_is_a_usage_error(cli: Cli) -> None:
    code, _, err = cli.run("--check-golden")
    assert code == 2
    assert "--save-golden" in err
