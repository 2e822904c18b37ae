"""Tokens that are replaced while a client lives: what is sent again, with which token, and what never is."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Optional

import pytest
import responses

from mardock.client.inference import InferenceClient
from mardock.client.transport import Body
from mardock.endpoint import Endpoint, Tokens
from mardock.errors import ApiError, ConfigError

URL = "http://127.0.0.1:8080"
PREDICTIONS = f"{URL}/predictions/m"
NEW, OLD = "new-s3cr3t", "old-s3cr3t"


class Renewed:
    """Credentials that have a newer token once the old one was refused."""

    def __init__(self, newer: str = NEW) -> None:
        self.newer = newer

    def inference(self, refused: Optional[str] = None) -> str:
        return OLD if refused is None else self.newer

    management = inference


def refused(token: str) -> dict[str, Any]:
    return {"code": 400, "type": "InvalidKeyException", "message": f"Token Authorization failed for {token}"}


@pytest.fixture
def client() -> Iterator[InferenceClient]:
    with responses.mock, InferenceClient(Endpoint(URL, credentials=Renewed())) as client:
        yield client


def sent() -> list[tuple[str, Any]]:
    """Token and body of each request."""
    return [(call.request.headers["Authorization"][7:], call.request.body) for call in responses.calls]


def test_a_call_whose_token_is_refused_is_made_once_more_with_a_newer_one(client: InferenceClient) -> None:
    responses.post(PREDICTIONS, status=400, json=refused(OLD))
    responses.post(PREDICTIONS, body=b"7")
    assert client.predict("m", b"digit").body == b"7"
    assert sent() == [(OLD, b"digit"), (NEW, b"digit")]
    client.predict("m", b"next")
    assert sent()[2:] == [(NEW, b"next")]


def test_the_newer_one_may_be_refused_too_and_neither_is_told(client: InferenceClient) -> None:
    for token in (OLD, NEW):
        responses.post(PREDICTIONS, status=400, json=refused(token))
    with pytest.raises(ApiError, match="refused the token") as raised:
        client.predict("m", b"x")
    assert [token for token, _ in sent()] == [OLD, NEW]
    assert "s3cr3t" not in f"{raised.value.message}{raised.value.details}{raised.value.hint}"


def test_without_a_newer_one_the_call_is_not_repeated() -> None:
    with responses.mock, InferenceClient(Endpoint(URL, credentials=Renewed(OLD))) as client:
        responses.post(PREDICTIONS, status=400, json=refused(OLD))
        with pytest.raises(ApiError, match="refused the token"):
            client.predict("m", b"x")
        assert sent() == [(OLD, b"x")]


def test_what_may_have_reached_a_handler_is_not_repeated_but_the_next_call_has_a_newer_token(
    client: InferenceClient,
) -> None:
    responses.post(PREDICTIONS, status=401, body=b"who are you?")
    responses.post(PREDICTIONS, body=b"7")
    with pytest.raises(ApiError) as raised:
        client.predict("m", b"x")
    assert (raised.value.status, len(sent())) == (401, 1)
    assert client.predict("m", b"x").body == b"7"
    assert [token for token, _ in sent()] == [OLD, NEW]


class Pipe(io.BytesIO):
    """What can be read once."""

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize(("file", "times"), [(io.BytesIO(b"skip body"), 2), (Pipe(b"skip body"), 1)])
def test_a_file_is_sent_again_from_where_it_began_if_it_can(client: InferenceClient, file: Body, times: int) -> None:
    bodies = []

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        bodies.append(request.body)  # what the library read of the file
        return (400, {}, '{"code": 400, "type": "InvalidKeyException", "message": "no"}')

    responses.add_callback(responses.POST, PREDICTIONS, answer)
    assert not isinstance(file, bytes)
    file.read(len("skip "))
    with pytest.raises(ApiError, match="refused the token"):
        client.predict("m", file)
    assert bodies == [b"body"] * times


def test_a_token_that_cannot_be_sent_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match="characters that no token has"):
        InferenceClient(Endpoint(URL, credentials=Tokens("two\nlines")))
