"""examples/: each is trained, archived and served as its README says, all on one server, and answers what is right."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from tests.contract.projects import REPOSITORY, make_project
from tests.support.command import environment, succeed
from tests.support.tutorial import PAGE, Block, blocks, published

from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.endpoint import Endpoint
from mardock.engines.native import NativeEngine
from mardock.errors import ApiError


class Example(NamedTuple):
    """One of examples/.

    Attributes:
        folder: what is the mardock project.
        train: how its owners train it, where mardock.toml does not say it.
        page: what holds the files that make it a project, where it is none yet.
    """

    folder: str
    train: str = ""
    page: Path = Path()


EXAMPLES = {
    "sentiment": Example("sentiment", "sentiment.train", PAGE),
    "shapes": Example("shapes"),
    "price": Example("housing/services/price"),
    "proverbs": Example("proverbs", "acme.proverbs.train", REPOSITORY / "examples/proverbs/README.md"),
}


@pytest.fixture(scope="module")
def endpoint(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Where one server serves all of them."""
    top = tmp_path_factory.mktemp("examples")
    published(top)
    project = make_project(top / "served")
    with ThreadPoolExecutor(2) as commands:  # nearly all of their time goes into importing torch
        for archive in commands.map(lambda name: archived(top / "examples", name), EXAMPLES):
            shutil.copy(archive, project.model_store)
    try:
        NativeEngine(project).up(timeout=60)
        found = NativeEngine(project).endpoint()
        with ManagementClient(found) as client:
            for name in EXAMPLES:
                client.register(f"{name}.mar", model_name=name, initial_workers=1)
        yield found
    finally:
        NativeEngine(project).down()


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[InferenceClient]:
    with InferenceClient(endpoint) as found:
        yield found


def archived(examples: Path, name: str) -> Path:
    """Do with an example what its README says, up to its archive."""
    example = EXAMPLES[name]
    folder = examples / example.folder
    assert (folder / "mardock.toml").exists() is not bool(example.train)
    if example.train:
        argv = [sys.executable, "-m", example.train]
        subprocess.run(argv, cwd=folder, env=environment({"PYTHONPATH": "src"}), check=True, capture_output=True)
        for block in first_of_each_file(example.page):
            (folder / block.name).parent.mkdir(exist_ok=True)
            (folder / block.name).write_text(without_an_environment(block.text), encoding="utf-8")
    else:
        succeed(folder, "train")
    succeed(folder, "archive")
    return folder / "artifacts" / f"{name}.mar"


def first_of_each_file(page: Path) -> list[Block]:
    """Return the files a page has its readers write before it serves the model."""
    found = [block for block in blocks(page.read_text(encoding="utf-8")) if block.kind == "file"]
    upto = next(at for at, block in enumerate(found) if block.name == "mardock.toml")
    return found[: upto + 1]


def without_an_environment(toml: str) -> str:
    """Leave out what names an environment, for the models are made in that of the tests."""
    return re.sub(r"\[native\]\n.*\n", "", toml)


def asked(client: InferenceClient, model: str, sent: Any) -> Any:
    """Return what a model answers to text, to JSON or to a sample of its own."""
    if isinstance(sent, Path):
        return json.loads(client.predict(model, (REPOSITORY / "examples" / sent).read_bytes()).body)
    if isinstance(sent, dict):
        return json.loads(client.predict(model, json.dumps(sent).encode(), content_type="application/json").body)
    return client.predict(model, sent.encode()).body.decode()


@pytest.mark.parametrize(
    ("model", "sent", "right"),
    [
        ("sentiment", "A wonderful, moving film.", "positive"),
        ("sentiment", "Dull, and far too long.", "negative"),
        *(
            ("shapes", Path(f"shapes/samples/{label}.png"), {"label": label})
            for label in ("circle", "square", "triangle")
        ),
        ("price", Path("housing/services/price/sample.json"), {"price": pytest.approx(262_000, rel=0.02)}),
        ("price", {"area": 50, "rooms": 2, "age": 0, "city": "celle"}, {"price": pytest.approx(136_000, rel=0.03)}),
        ("proverbs", "a stitch in time", "saves nine"),
        ("proverbs", "Haste makes", "waste"),
    ],
)
def test_it_answers_what_is_right(client: InferenceClient, model: str, sent: Any, right: Any) -> None:
    answer = asked(client, model, sent)
    if isinstance(right, dict):
        answer = {key: answer[key] for key in right}
    assert answer == right


@pytest.mark.parametrize(
    ("model", "sent", "says"),
    [
        ("shapes", b"no image", "no image"),
        ("price", b"[", "Expecting value"),
        ("price", b'{"area": 50}', "the flat has no rooms, age, city"),
        ("price", b'{"area": 50, "rooms": 2, "age": 0, "city": "here"}', "the city is one of"),
        ("proverbs", b"123", "send the start of a proverb"),
    ],
)
def test_what_it_cannot_read_is_the_clients_fault(client: InferenceClient, model: str, sent: bytes, says: str) -> None:
    with pytest.raises(ApiError) as caught:
        client.predict(model, sent)
    assert caught.value.status == 400
    assert says in (caught.value.details or "")


def test_a_proverb_comes_letter_by_letter(endpoint: Endpoint) -> None:
    with requests.post(
        f"{endpoint.inference_url}/predictions/proverbs",
        json={"start": "better late", "stream": True},
        stream=True,
        timeout=60,
    ) as answer:
        pieces = [piece for piece in answer.iter_content(None) if piece]
    assert b"".join(pieces) == b" than never"
    assert answer.headers["Transfer-Encoding"] == "chunked"


@pytest.mark.parametrize("folder", ["sentiment"])
def test_its_owners_tests_pass(folder: str) -> None:
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        ".",
        "-c",
        "/dev/null",
        "tests",
    ]
    where = REPOSITORY / "examples" / folder
    done = subprocess.run(
        argv, cwd=where, env=environment({"PYTHONPATH": "src"}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
