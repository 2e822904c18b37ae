"""Answers as data, from the command line of a served model: what is sent, what is printed, and that nothing is lost."""

from __future__ import annotations

import base64
import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.contract.projects import make_project
from tests.support.command import MARDOCK, environment, mardock, succeed
from tests.support.waiting import eventually

from mardock.engines.native import NativeEngine

PNG = b"\x89PNG\r\n\x1a\n\0\xff"
HANDLER = """
import json
import os
import time


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        if context.get_request_header(0, "explain") == "True":
            return [{"because": len(row["body"])} for row in data]
        return [answer(row) for row in data]


def answer(row):
    body = row.get("body")
    if body is None:
        return {name: plain(value) for name, value in row.items()}
    if isinstance(body, (dict, list)):
        return {"json": body}
    if bytes(body).startswith(b"wait "):
        gate = bytes(body)[5:].decode()
        os.mkdir(gate)
        while os.path.exists(gate):
            time.sleep(0.01)
    return ANSWERS.get(bytes(body), body)


def plain(value):
    return value.hex() if isinstance(value, (bytes, bytearray)) else value


ANSWERS = {
    b"nan": '{"score": NaN}',
    b"surrogate": '["\\\\ud800"]',
    b"name": "1.10",
    b"list": [1, {"a": None}],
}
"""
TOML = """
[models.echo]
sample = "sample.txt"
[models.echo.archive]
handler = "echo.py"
"""


@pytest.fixture(scope="module")
def root(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with `echo` served, which answers what it is sent, and some requests with what is hard to print."""
    project = make_project(tmp_path_factory.mktemp("answers") / "project")
    root = project.root
    (root / "mardock.toml").write_text(TOML)
    (root / "echo.py").write_text(HANDLER)
    (root / "sample.txt").write_text("hello")
    (root / "image.png").write_bytes(PNG)
    for name in ("nan", "surrogate", "name", "list"):
        (root / name).write_text(name)
    succeed(root, "archive", "echo", "--json")
    up = succeed(root, "up", "--json").json
    assert (up["engine"], [each["outcome"] for each in up["models"]]) == ("native", ["registered"])
    yield root
    NativeEngine(project).down()


def predicted(root: Path, *arguments: object) -> list[tuple[str, str, Any]]:
    answers = succeed(root, "predict", "echo", *arguments, "--json").json
    assert all("label" not in answer for answer in answers)
    return [(answer["file"], answer["encoding"], answer["answer"]) for answer in answers]


def test_json_stays_json_text_text_and_bytes_are_whole(root: Path) -> None:
    files = ("list", "sample.txt", "name", "nan", "surrogate", "image.png")
    assert predicted(root, *files) == [
        ("list", "json", [1, {"a": None}]),
        ("sample.txt", "text", "hello"),
        ("name", "text", "1.10"),
        ("nan", "text", '{"score": NaN}'),
        ("surrogate", "text", '["\\ud800"]'),
        ("image.png", "base64", base64.b64encode(PNG).decode()),
    ]


def test_labels_are_told_when_they_are_asked_for(root: Path) -> None:
    (answer,) = succeed(root, "predict", "echo", "sample.txt", "--json", "--labels").json
    assert (answer["label"], answer["right"]) == ("e", False)


def test_what_is_sent_may_come_from_the_command_line(root: Path) -> None:
    assert predicted(root, "--json-body", '{"a": [1]}') == [("--json-body", "json", {"json": {"a": [1]}})]
    ((name, _, answer),) = predicted(root, "--form", "top=3", "--form", "image=@image.png")
    assert name == "--form top=3 --form image=@image.png"
    assert answer["image"] == PNG.hex()


@pytest.mark.parametrize("words", [("echo", "-"), ("-",)], ids=" ".join)
def test_standard_input_is_sent_as_it_is(root: Path, words: Sequence[str]) -> None:
    done = subprocess.run(
        [*MARDOCK, "predict", *words], cwd=root, env=environment(), input=PNG, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, PNG), done.stderr


def test_an_explanation_is_data_too(root: Path) -> None:
    told = succeed(root, "explain", "echo", "--json").json
    assert (told["encoding"], told["answer"]) == ("json", {"because": 5})
    assert succeed(root, "explain", "echo", "image.png").out.split() == ["{", '"because":', "10", "}"]


def test_an_answer_is_written_to_a_file_whole(root: Path) -> None:
    done = succeed(root, "predict", "echo", "image.png", "--output", "out.bin")
    assert (done.out, (root / "out.bin").read_bytes()) == ("", PNG)
    assert "wrote out.bin (10 bytes)" in done.err
    refused = mardock(root, "predict", "echo", "image.png", "list", "--output", "out.bin")
    assert (refused.code, "--output takes the bytes of one answer" in refused.err) == (2, True)
    assert mardock(root, "predict", "echo", "image.png", "--output", "nowhere/out.bin").code == 2


class Shown(NamedTuple):
    code: int
    text: bytes


def on_a_terminal(root: Path, *arguments: str) -> Shown:
    """Run a command whose output is a terminal, and return what came to it."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([*MARDOCK, *arguments], cwd=root, env=environment(), stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while block := os.read(ours, 4096):
            text += block
    except OSError:  # what Linux says when the other end is closed
        pass
    os.close(ours)
    return Shown(child.wait(), text)


def test_bytes_never_reach_a_terminal_and_text_does(root: Path) -> None:
    shown = on_a_terminal(root, "predict", "echo", "image.png")
    assert shown.code == 0
    assert PNG[:4] not in shown.text
    assert b"10 bytes that are no text: write them to a file with > FILE" in shown.text
    assert on_a_terminal(root, "predict", "echo", "sample.txt").text.endswith(b"hello\r\n")
    assert b"<10 bytes>" in on_a_terminal(root, "predict", "echo", "image.png", "list").text


def test_what_changes_the_server_says_so_as_json(root: Path) -> None:
    (registered,) = succeed(root, "register", "echo", "--json").json["models"]
    assert (registered["outcome"], registered["error"]) == ("unchanged", None)
    scaled = succeed(root, "models", "scale", "echo", 2, "--json").json
    assert (scaled["min_workers"], scaled["ready_workers"]) == (2, 2)
    assert succeed(root, "models", "set-default", "echo", "1.0", "--json").json["default_version"] == "1.0"
    refused = mardock(root, "models", "set-default", "echo", "9.9", "--json")
    assert refused.json["error"]["type"] == "ModelNotFoundError"
    refused = mardock(root, "models", "scale", "nosuch", 1, "--json")
    assert (refused.code, refused.json["error"]["exit_code"]) == (5, 5)


def test_the_default_version_is_shown(root: Path) -> None:
    succeed(root, "archive", "echo", "--version", "2.0")
    succeed(root, "register", "echo")
    try:
        rows = [line.split()[:3] for line in succeed(root, "status").out.splitlines() if line.startswith("echo")]
        assert sorted(rows) == [["echo", "1.0", "yes"], ["echo", "2.0", "-"]]
        assert "echo 1.0  (default)" in succeed(root, "models", "describe", "echo").out
        assert "echo 2.0  ." in succeed(root, "models", "describe", "echo", "--version", "2.0").out
        assert succeed(root, "models", "list").out.splitlines()[1].split()[:2] == ["echo", "1.0"]
        defaults = {each["version"]: each["default"] for each in succeed(root, "status", "--json").json["models"]}
        assert defaults == {"1.0": True, "2.0": False}
        assert complete(root, "mardock predict echo --version ") == ["1.0", "2.0"]
    finally:
        removed = succeed(root, "models", "unregister", "echo", "--version", "2.0", "--json").json
        assert removed == {"model": "echo", "version": "2.0", "drained": True}


def complete(root: Path, line: str) -> list[str]:
    script = "import sys; sys.argv[0] = 'mardock'; from mardock.__main__ import main; main()"
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1), "_MARDOCK_COMPLETE": "complete_bash"}
    done = subprocess.run([MARDOCK[0], "-c", script], cwd=root, env=environment(words), capture_output=True, check=True)
    return sorted(done.stdout.decode().split())


def test_the_other_commands_print_what_is_documented(root: Path) -> None:
    for words in (
        ("inspect", "echo"),
        ("diff", "echo", "echo"),
        ("try", "echo", "list", "image.png"),
        ("metrics",),
        ("models", "list"),
        ("bench", "echo", "--duration", "200ms", "--warmup", "0", "-c", "1", "--json-body", "[1]"),
        ("bench", "echo", "--duration", "0.2s", "--warmup", "0ms", "-c", "1", "--rate", "20", "--workers", "1"),
    ):
        printed = succeed(root, *words, "--json").out  # and is held to docs/reference/json.md there
        json.loads(printed, parse_constant=pytest.fail)


def test_ctrl_c_does_not_wait_for_an_answer(root: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"  # as long as it is there, the handler goes on
    (tmp_path / "wait").write_text(f"wait {gate}")
    argv = [*MARDOCK, "predict", "echo", str(tmp_path / "wait")]
    with subprocess.Popen(argv, cwd=root, env=environment(), stderr=subprocess.DEVNULL) as asking:
        try:
            eventually(gate.exists, lambda: "it was never asked")
            asking.send_signal(signal.SIGINT)
            assert asking.wait(timeout=60) == 130
            assert gate.exists(), "it was answered"
        finally:
            gate.rmdir()
