"""A new project's whole way through the command line: each test is the next step of one story, on a real TorchServe.

The server asks for its tokens, and nothing a command prints may hold one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.contract.projects import PORTS, REPOSITORY
from tests.support.command import MARDOCK, TIMEOUT_S, Ended, environment, mardock
from tests.support.ports import free_ports

from mardock.engines.native import NativeEngine
from mardock.settings.project import Project

SAMPLES = "datasets/MNIST/sample_images"
README = REPOSITORY / "README.md"
HANDLER = "torchserve/mnist/handler.py"


class Story:
    """A project made by `mardock init`, and what its commands printed so far."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.printed: list[str] = []
        self.tokens: set[str] = set()

    def run(self, *words: object, code: int = 0) -> Ended:
        """Run one command that has to end with a code."""
        done = mardock(self.root, *words)
        self.printed += [done.out, done.err]
        assert done.code == code, f"mardock {' '.join(map(str, words))}\n{done.out}{done.err}"
        return done

    def both(self, *words: str) -> list[Ended]:
        """Run one command twice at once."""
        started = [
            subprocess.Popen(
                [*MARDOCK, *words],
                cwd=self.root,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        ended = [Ended(0, *one.communicate(timeout=TIMEOUT_S))._replace(code=one.returncode) for one in started]
        self.printed += [text for one in ended for text in (one.out, one.err)]
        return ended

    def models(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.run("status", "--json").json["models"]
        return found

    def note_tokens(self) -> None:
        """Remember the tokens of the server that runs now."""
        (file,) = (self.root / ".mardock").rglob("key_file.json")
        self.tokens |= {entry["key"] for entry in json.loads(file.read_text(encoding="utf-8")).values()}

    def edit(self, old: str, new: str) -> None:
        """Change the handler."""
        path = self.root / HANDLER
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    @property
    def pinned(self) -> list[str]:
        return [path.name for path in (self.root / "artifacts").glob(".mnist-*")]


@pytest.fixture(scope="module")
def story(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("walkthrough")
    told = Story(folder)
    told.run("init", "digits")
    told.root = folder / "digits"
    variables = {f"MARDOCK_{name}": port for name, port in zip(PORTS, free_ports(len(PORTS)))}
    lines = [f"{name}={value}\n" for name, value in variables.items()]
    (told.root / ".env").write_text("".join([*lines, "MARDOCK_ENGINE=native\nMARDOCK_TOKEN_AUTH=true\n"]))
    toml = told.root / "mardock.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace('train.py"]', 'train.py", "--epochs", "2"]'))
    yield told
    NativeEngine(Project(told.root)).down()


def test_01_a_new_project_is_down_and_nothing_is_archived(story: Story) -> None:
    assert story.run("status", "--json", code=3).json["running"] is False
    assert "artifacts/mnist_cnn.pt" in story.run("archive", code=2).err
    assert story.run("register", code=3).err.endswith("hint: mardock up\n")
    assert story.run("logs", code=3).err.endswith("hint: mardock up\n")
    assert "nothing is running" in story.run("down").err


def test_02_it_is_trained_once(story: Story) -> None:
    assert "held-out accuracy" in story.run("train").out
    assert "up to date" in story.run("train").err


def test_03_it_is_archived_and_says_when_nothing_changed(story: Story) -> None:
    first = story.run("archive", "--json").json
    assert (first["name"], first["version"], first["changed"]) == ("mnist", "1.0", True)
    again = story.run("mar", "--json").json
    assert (again["sha256"], again["changed"]) == (first["sha256"], False)
    assert story.run("inspect", "artifacts/mnist.mar", "--json").json["sha256"] == first["sha256"]


def test_04_two_ups_at_once_start_one_server_and_register_once(story: Story) -> None:
    ended = story.both("up")
    assert [one.code for one in ended] == [0, 0], ended
    told = "".join(one.err for one in ended)
    assert (told.count("mnist 1.0 registered:"), told.count("mnist 1.0 unchanged:")) == (1, 1)
    (model,) = story.models()
    assert (model["name"], model["ready"], model["ready_workers"]) == ("mnist", True, 1)
    story.note_tokens()


def test_05_registering_again_changes_nothing_also_twice_at_once(story: Story) -> None:
    before = story.models()[0]["workers"][0]["pid"]
    assert "mnist 1.0 unchanged" in story.run("register", "mnist").err
    ended = story.both("register")
    assert [one.code for one in ended] == [0, 0], ended
    assert story.models()[0]["workers"][0]["pid"] == before


def test_06_digits_are_predicted_with_their_labels(story: Story) -> None:
    out = story.run("predict", "mnist", SAMPLES, "--random", "20", "--labels", "--concurrency", "4").out.splitlines()
    assert out[0] == "Predicted  Actual"
    rows = [line.split() for line in out[1:21]]
    right = sum(predicted == actual for predicted, actual in rows)
    assert out[21:] == ["", f"{right} of 20 right, accuracy {right / 20:.1%}"]
    assert right >= 16


def test_07_one_answer_goes_out_untouched_and_many_as_json(story: Story) -> None:
    sample = next((story.root / SAMPLES).glob("*.png"))
    assert story.run("predict", "mnist", sample).out in set("0123456789")
    answers = story.run("predict", "mnist", SAMPLES, "--json").json
    assert len(answers) == 100
    assert {answer["encoding"] for answer in answers} == {"json"}
    assert {answer["answer"] for answer in answers} <= set(range(10))


def test_07_the_readme_s_python_does_the_same(story: Story) -> None:
    block = re.search(r"## From Python\n\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block
    done = subprocess.run(
        [sys.executable, "-c", block[1]], cwd=story.root, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d\n", done.stdout)
    assert story.models()[0]["ready"], "the server ran before, so it goes on"


def test_08_a_file_that_is_no_image_is_the_handlers_to_refuse(story: Story) -> None:
    failed = story.run("predict", "mnist", "mardock.toml", code=5)
    assert "The request holds no image that can be read" in failed.err
    assert failed.out == ""
    mixed = story.run("predict", "mnist", "mardock.toml", SAMPLES, "--labels", code=5)
    assert "1 of 101 files failed, first mardock.toml: " in mixed.err
    assert "Traceback" not in mixed.err
    assert len(mixed.out.splitlines()) == 104


def test_09_an_unknown_model_and_an_unknown_version_are_named(story: Story) -> None:
    sample = next((story.root / SAMPLES).glob("*.png"))
    assert "mnits" in story.run("predict", "mnits", sample, code=5).err
    assert "9.9" in story.run("predict", "mnist", sample, "--version", "9.9", code=5).err
    failed = story.run("models", "describe", "mnits", "--json", code=5)
    assert failed.json["error"]["type"] == "ModelNotFoundError"
    assert failed.err == ""


def test_10_requests_are_counted_and_captures_compared(story: Story) -> None:
    capture = story.run("metrics", "--json")
    (counted,) = [entry for entry in capture.json if entry["model"] == "mnist" and entry["version"] == "default"]
    assert counted["requests"] >= 121
    assert counted["mean_inference_latency_us"] > 0
    (story.root / "one.json").write_text(capture.out)
    story.run("models", "scale", "mnist", "2")
    story.run("predict", "mnist", SAMPLES, "--json")
    (story.root / "two.json").write_text(story.run("metrics", "--json").out)
    table = story.run("metrics", "--compare", "one.json", "two.json").out.splitlines()
    assert table[0].split() == ["MODEL", "one", "two", "RATIO"]
    assert table[1].split() == ["mnist", "requests", str(counted["requests"]), str(counted["requests"] + 100)]


def test_11_workers_are_scaled_and_described(story: Story) -> None:
    (described,) = story.run("models", "describe", "mnist", "--json").json
    assert [worker["status"] for worker in described["workers"]] == ["READY", "READY"]
    assert story.run("models", "scale", "mnist", "-n", "1").err.startswith("scaling mnist to 1 …\n")
    assert story.models()[0]["ready_workers"] == 1
    assert "2" in story.run("models", "scale", "mnist", "-n", "3", "--max-worker", "2", code=2).err


def test_12_a_changed_archive_is_refused_until_it_may_replace(story: Story) -> None:
    story.edit("return [str(digit) if image", "return [f'digit {digit}' if image")
    story.run("archive")
    refused = story.run("register", code=5)
    assert "it serves the archive " in refused.err
    assert refused.err.endswith("hint: replace it: mardock register mnist --replace\n")
    sample = next((story.root / SAMPLES).glob("*.png"))
    assert len(story.run("predict", "mnist", sample).out) == 1
    assert "mnist 1.0 replaced: 1 worker READY" in story.run("register", "--replace").err
    assert story.run("predict", "mnist", sample).out.startswith("digit ")
    assert len(story.pinned) == 1


def test_13_a_broken_handler_shows_its_own_line_and_the_old_one_serves_on(story: Story) -> None:
    story.edit(
        "    def preprocess(",
        "    def initialize(self, context):\n        raise KeyError('weights')\n\n    def preprocess(",
    )
    story.run("archive")
    failed = story.run("register", "--replace", code=5)
    line = next(line for line in failed.err.splitlines() if ".py:" in line)
    assert line.startswith(f"{HANDLER}:"), failed.err
    assert line.endswith("in initialize"), failed.err
    assert "keeps serving as it was" in failed.err
    assert "Failed to start workers" not in failed.err
    sample = next((story.root / SAMPLES).glob("*.png"))
    assert story.run("predict", "mnist", sample).out.startswith("digit ")


def test_14_two_versions_are_kept_apart_and_the_default_one_is_chosen(story: Story) -> None:
    story.edit("        raise KeyError('weights')", "        super().initialize(context)")
    story.edit("digit {digit}", "number {digit}")
    story.run("archive", "--version", "2.0")
    assert "mnist 2.0 registered" in story.run("register").err
    sample = next((story.root / SAMPLES).glob("*.png"))
    assert story.run("predict", "mnist", sample).out.startswith("digit ")
    assert story.run("predict", "mnist", sample, "--version", "2.0").out.startswith("number ")
    assert "mardock models set-default" in story.run("models", "unregister", "mnist", "--version", "1.0", code=5).err
    story.run("models", "set-default", "mnist", "2.0")
    assert story.run("predict", "mnist", sample).out.startswith("number ")
    assert len(story.pinned) == 2
    story.run("models", "unregister", "mnist", "--version", "1.0")
    assert len(story.pinned) == 1


def test_15_the_logs_hold_the_models_lines(story: Story) -> None:
    assert "MODEL_LOG" in story.run("logs", "mnist", "--tail", "-1").out
    errors = story.run("logs", "mnist", "--errors", "--tail", "-1").out
    assert "KeyError: 'weights'" in errors  # of the broken one that --replace tried
    assert "Torch worker started" not in errors


def test_16_what_is_unregistered_is_gone_with_its_pinned_archive(story: Story) -> None:
    story.run("models", "unregister", "mnist")
    assert story.run("models", "list", "--json").json == []
    assert story.pinned == []
    assert (story.root / "artifacts" / "mnist.mar").is_file()
    assert "mnist" in story.run("models", "unregister", "mnist", code=5).err


def test_17_a_server_killed_while_a_model_loads_is_told_and_comes_back(story: Story) -> None:
    server = int(story.run("status", "--json").json["details"]["pid"])
    story.edit("        super().initialize(context)", f"        import os, time; os.kill({server}, 9); time.sleep(600)")
    story.run("archive", "--version", "2.0")
    failed = story.run("register", code=3)
    assert "TorchServe ended while it loaded model mnist 2.0" in failed.err
    assert failed.err.endswith("hint: mardock up\n")
    story.run("status", code=3)
    story.edit(f"        import os, time; os.kill({server}, 9); time.sleep(600)", "        super().initialize(context)")
    story.run("archive", "--version", "2.0")
    story.run("up")
    assert story.models()[0]["ready"]
    story.note_tokens()


def test_18_down_leaves_nothing_and_may_be_repeated(story: Story) -> None:
    server = int(story.run("status", "--json").json["details"]["pid"])
    workers = [int(worker["pid"]) for model in story.models() for worker in model["workers"]]
    processes = [psutil.Process(pid) for pid in (server, *workers)]
    story.run("down")
    assert psutil.wait_procs(processes, timeout=TIMEOUT_S)[1] == []
    assert "nothing is running" in story.run("down").err


def test_19_no_token_was_ever_printed(story: Story) -> None:
    assert len(story.tokens) == 6  # three of each server
    assert not [text for text in story.printed for token in story.tokens if token in text]
