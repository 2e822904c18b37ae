"""What a trial says a handler answers is what a real TorchServe answers with the same handler."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest
from tests.contract.projects import add_echo, make_project

from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.engines.native import NativeEngine
from mardock.errors import ApiError, ServingError
from mardock.handler import trial
from mardock.handler.child import Child
from mardock.handler.outcome import BatchRun
from mardock.handler.trial_folder import TrialFolder
from mardock.handler.trial_spec import MAX_SIZE, TrialSpec
from mardock.payload import Payload

NAME = "tried"
HANDLER = '''
"""Does what the body says, as a Python expression that is given the requests and the context."""
import json, os, sys
import torch
from ts.handler_utils.utils import send_intermediate_predict_response
from ts.utils.util import PredictionException


class Handler:
    def initialize(self, context):
        self.dir = context.system_properties["model_dir"]

    def handle(self, data, context):
        body = data[0]["body"]
        if isinstance(body, dict):
            return [[type(body).__name__, body]]
        text = body if isinstance(body, str) else bytes(body).decode()
        return eval(text)

    def refuse(self):
        raise PredictionException("not like this", 418)
'''
SURROUNDINGS = """[{
"cwd": os.path.samefile(os.getcwd(), self.dir),
"importable": os.path.realpath(self.dir) in list(map(os.path.realpath, sys.path)),
"decode": os.environ["TS_DECODE_INPUT_REQUEST"],
"properties": {key: value for key, value in context.system_properties.items() if key != "model_dir"},
"model": context.model_name,
"config": context.model_yaml_config,
"keys": [sorted(row) for row in data],
"explain": context.get_request_header(0, "explain"),
"metrics": sorted(context.metrics.cache_keys()),
}]"""


class Served:
    """One handler, served and tried."""

    def __init__(self, client: InferenceClient, folder: Path, folders: pytest.TempPathFactory) -> None:
        self.client, self._folder, self._folders = client, folder, folders

    def tried(self, request: Payload) -> BatchRun:
        members = {"handler.py": self._folder / "handler.py"}
        manifest = (self._folder / "MAR-INF" / "MANIFEST.json").read_bytes()
        spec = TrialSpec(members, manifest, [request])
        kept = TrialFolder(self._folders.mktemp("trial"))
        with Child(trial.import_torchserve, trial.run) as child:
            found = kept.conclude(spec, child.run(spec, kept))
        assert found.raised is None, found.raised
        return found.singles[0]


@pytest.fixture(scope="module")
def served(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    project = make_project(tmp_path_factory.mktemp("served") / "project")
    add_echo(project, NAME, HANDLER)
    engine = NativeEngine(project)
    try:
        endpoint = engine.up(timeout=60)
        with ManagementClient(endpoint) as management, InferenceClient(endpoint) as client:
            management.register(NAME, initial_workers=1)
            yield Served(client, project.model_store / NAME, tmp_path_factory)
    finally:
        engine.down()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("['text \\u00e9']", None),
        ("[b'\\x00\\xff']", None),
        ("[{'score': 0.1, 'nested': [1, None, float('nan')]}]", None),
        ("[7]", None),
        ("[None]", None),
        ("[torch.tensor([1.5, 2.0])]", None),
        ("[torch.tensor([1.5]).tolist()]", None),
        ("[[type(data[0]['body']).__name__]]", "text/plain"),
        ("[[type(data[0]['body']).__name__]]", "application/octet-stream"),
        ('{"a": [1, 2]}', "application/json"),
        ("context.set_response_content_type(0, 'text/csv') or ['a,b']", None),
        ("send_intermediate_predict_response(['a'], context.request_ids, 'ok', 200, context) or ['b']", None),
    ],
)
def test_an_answer_is_the_same_to_the_byte(served: Served, body: str, content_type: Optional[str]) -> None:
    answer = served.client.predict(NAME, body.encode(), content_type=content_type)

    (reply,) = served.tried(Payload(body.encode(), content_type)).replies
    assert reply.body == answer.body
    assert reply.status == 200
    if reply.content_type:
        assert reply.content_type == answer.content_type


def test_the_handler_cannot_tell_the_two_apart(served: Served) -> None:
    body = SURROUNDINGS.replace("\n", " ").encode()

    (reply,) = served.tried(Payload(body)).replies
    assert json.loads(reply.body) == json.loads(served.client.predict(NAME, body).body)


def test_a_status_the_handler_sets_is_the_answers(served: Served) -> None:
    body = b"context.set_response_status(409, 'Conflict', 0) or ['taken']"

    with pytest.raises(ApiError) as answer:
        served.client.predict(NAME, body)
    (reply,) = served.tried(Payload(body)).replies
    assert (reply.status, reply.body) == (answer.value.status, b"taken")


@pytest.mark.parametrize(
    "body", ["[]", "['a', 'b']", "'text'", "None", "({},)", "[object()]", "[{1, 2}]", "[b'' , {}]"]
)
def test_what_the_trial_refuses_is_refused(served: Served, body: str) -> None:
    with pytest.raises(ApiError) as answer:
        served.client.predict(NAME, body.encode())
    assert answer.value.status == 503
    assert served.tried(Payload(body.encode())).refusal is not None


@pytest.mark.parametrize("body", ["1 / 0", "data[0]['data']", "self.refuse()", "sys.exit(3)"])
def test_what_raises_in_the_trial_is_no_answer(served: Served, body: str) -> None:
    with pytest.raises(ServingError):
        served.client.predict(NAME, body.encode())
    assert served.tried(Payload(body.encode())).raised is not None


@pytest.mark.parametrize("too_much", [0, 1])
def test_the_largest_reply_is_the_same(served: Served, too_much: int) -> None:
    size = MAX_SIZE + too_much
    body = f"['x' * {size}]".encode()

    found = served.tried(Payload(body))
    if too_much:
        with pytest.raises(ServingError):
            served.client.predict(NAME, body)
        assert found.refusal is not None
    else:
        assert found.replies[0].body == served.client.predict(NAME, body).body
