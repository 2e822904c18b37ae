"""What `mardock init --handler KIND` writes is trained, archived, served and tested as it is, all on one server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable

import pytest
from tests.contract.projects import make_project
from tests.support.command import environment, mardock, succeed
from tests.support.vision import vision_environment

from mardock.client.inference import InferenceClient
from mardock.engines.native import NativeEngine
from mardock.errors import ApiError
from mardock.settings.project import Project
from mardock.settings.starters import KINDS, starter

OF_TRANSFORMERS = ("huggingface", "generative")
HERE = [kind for kind in KINDS if kind not in OF_TRANSFORMERS or find_spec("transformers")]
BATCH = 8


class Served:
    """A project with a model of each kind, named like it, and its server."""

    def __init__(self, project: Project, client: InferenceClient, env: dict[str, str]) -> None:
        self.project, self.client, self.env = project, client, env

    def answer(self, kind: str, body: bytes) -> Any:
        """Return what the model answers, parsed if it is JSON."""
        found = self.client.predict(kind, body).body
        return json.loads(found) if found.startswith((b"{", b"[")) else found.decode()


@pytest.fixture(scope="module")
def served(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    project = make_project(tmp_path_factory.mktemp("starters") / "project")
    write(project.root)
    env = vision_environment()  # transformers imports torchvision where there is one
    with ThreadPoolExecutor(2) as commands:  # nearly all of their time goes into importing torch
        list(commands.map(lambda kind: succeed(project.root, "train", kind, env=env), HERE))
        list(commands.map(lambda kind: succeed(project.root, "archive", kind), HERE))
    try:
        succeed(project.root, "up", env=env)
        with InferenceClient(NativeEngine(project).endpoint()) as client:
            yield Served(project, client, env)
    finally:
        NativeEngine(project).down()


def write(root: Path) -> None:
    """Write one model of each kind as `mardock init` would; batches of the generative one wait to be full."""
    tables = []
    for kind in HERE:
        made = starter(kind, kind)
        for path, content in made.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        tables.append(
            made.table.replace("max_batch_delay = 10 ", f"max_batch_delay = {1000 if kind == 'generative' else 10} ")
        )
    (root / "mardock.toml").write_text("\n".join(tables), encoding="utf-8")


def of_kind(kind: str, require: Callable[[str, str], Any]) -> None:
    if kind not in HERE:
        require("torchserve", "not installed: transformers")


def is_positive(answer: Any) -> bool:
    return bool(answer["label"] == "positive" and answer["scores"]["positive"] > 0.9)


def is_red_before_the_others(answer: Any) -> bool:
    return bool(answer[0]["label"] == "red" and len(answer) == 3)


def is_likely_to_leave(answer: Any) -> bool:
    return bool(0.7 < answer["probability"] < 1)


def is_where_the_blue_thing_is(answer: Any) -> bool:
    (thing,) = answer
    return bool(thing["label"] == "blue thing" and thing["box"] == pytest.approx([120, 30, 240, 120], abs=25))


RIGHT = {
    "text": is_positive,
    "image": is_red_before_the_others,
    "tabular": is_likely_to_leave,
    "detection": is_where_the_blue_thing_is,
    "generative": {"text": " fox jumps over the lazy dog."}.__eq__,
}


@pytest.mark.parametrize("kind", RIGHT)
def test_the_sample_has_the_right_answer(kind: str, served: Served, require: Callable[[str, str], Any]) -> None:
    of_kind(kind, require)
    answer = json.loads(succeed(served.project.root, "predict", kind).out)
    assert RIGHT[kind](answer), answer


def test_a_pretrained_classifier_answers_what_transformers_does(
    served: Served, require: Callable[[str, str], Any]
) -> None:
    of_kind("huggingface", require)
    folder = served.project.root / "torchserve" / "huggingface"
    script = """
import json, sys
from transformers import AutoModelForSequenceClassification, AutoTokenizer
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]).eval()
logits = model(**AutoTokenizer.from_pretrained(sys.argv[1])(sys.argv[2], return_tensors="pt")).logits
print(json.dumps(dict(zip(["negative", "positive"], logits.softmax(dim=1)[0].tolist()))))
"""
    weights = served.project.root / "artifacts" / "huggingface-pretrained"
    text = (folder / "sample.txt").read_text(encoding="utf-8").strip()
    done = subprocess.run(
        [sys.executable, "-c", script, str(weights), text],
        env=environment(served.env),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    answer = json.loads(succeed(served.project.root, "predict", "huggingface").out)
    assert answer["scores"] == pytest.approx(json.loads(done.stdout), abs=1e-5)


@pytest.mark.parametrize(("kind", "body"), [(kind, b"\xff\xfe\x00") for kind in KINDS])
def test_bad_input_is_the_clients_fault_and_says_what_is_wrong(
    kind: str, body: bytes, served: Served, require: Callable[[str, str], Any]
) -> None:
    of_kind(kind, require)
    with pytest.raises(ApiError, match=r"the (request|text|prompt)") as caught:
        served.client.predict(kind, body)
    assert caught.value.status == 400


def test_one_batch_is_streamed_to_those_who_asked_for_it_and_whole_or_refused_to_the_others(
    served: Served, require: Callable[[str, str], Any]
) -> None:
    of_kind("generative", require)
    asked = [
        (b'{"prompt": "The quick brown", "stream": true}', " fox jumps over the lazy dog."),
        (b"The quick brown", {"text": " fox jumps over the lazy dog."}),
        (b'{"prompt": "The quick brown", "max_new_tokens": 4}', {"text": " fox"}),
        (b'{"prompt": "The quick brown fox", "stream": true, "max_new_tokens": 6}', " jumps"),
    ]
    with ThreadPoolExecutor(BATCH) as clients:
        refused = [clients.submit(served.answer, "generative", b"{}") for _ in range(BATCH - len(asked))]
        answers = list(clients.map(lambda one: served.answer("generative", one[0]), asked))
    assert answers == [right for _, right in asked]
    assert all(isinstance(one.exception(), ApiError) for one in refused)


@pytest.mark.parametrize("kind", KINDS)
def test_the_test_that_is_written_beside_the_handler_passes(
    kind: str, served: Served, require: Callable[[str, str], Any]
) -> None:
    of_kind(kind, require)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"torchserve/{kind}"],
        cwd=served.project.root,
        env=environment(served.env),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


def test_answers_that_were_kept_are_held(served: Served) -> None:
    succeed(served.project.root, "try", "text", "--save-golden")
    assert (served.project.root / "torchserve" / "text" / "golden.json").is_file()
    assert mardock(served.project.root, "try", "text", "--check-golden").code == 0
