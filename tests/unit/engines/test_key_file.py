"""The key file as credentials: what is remembered of it, and when it is read again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from mardock.endpoint import Endpoint
from mardock.engines.key_file import KeyFile
from mardock.errors import EngineError, EngineNotRunningError

SERVER = Endpoint("http://127.0.0.1:1", "http://127.0.0.1:1")
KINDS = ("inference", "management")


def text(number: int, *, expires: str = "2999") -> str:
    keys = {kind: {"key": f"{kind}-{number}", "expiration time": f"{expires}-01-01T00:00:00.5Z"} for kind in KINDS}
    return json.dumps({**keys, "API": {"key": "api"}})


@pytest.fixture
def texts() -> list[str]:
    """What the file holds, the next one each time it is read."""
    return [text(number) for number in range(9)]


@pytest.fixture
def keys(texts: list[str]) -> KeyFile:
    reading: Iterator[str] = iter(texts)
    return KeyFile(SERVER, lambda: next(reading))


def test_tokens_are_remembered_until_one_is_refused(keys: KeyFile) -> None:
    assert [keys.inference(), keys.inference(), keys.management()] == ["inference-0", "inference-0", "management-0"]
    assert keys.inference("inference-0") == "inference-1"
    assert keys.inference("inference-0") == "inference-1"  # another thread had it refused, too
    assert keys.management() == "management-1"


def test_what_another_command_renewed_in_time_is_not_renewed_again(texts: list[str]) -> None:
    texts[0] = text(0, expires="2020")
    reading = iter(texts)
    assert KeyFile(SERVER, lambda: next(reading)).management() == "management-1"


@pytest.mark.enable_socket
def test_a_token_at_its_end_is_renewed_by_the_server_itself() -> None:
    with pytest.raises(EngineNotRunningError, match="nothing answers for the token API"):
        KeyFile(SERVER, lambda: text(0, expires="2020")).inference()


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"inference": {}}', text(0, expires="soon")])
def test_what_is_no_key_file_is_told_at_once(broken: str) -> None:
    with pytest.raises(EngineError, match="key file cannot be read"):
        KeyFile(SERVER, lambda: broken)


def test_two_of_one_server_are_equal_and_show_no_secret(keys: KeyFile) -> None:
    other = KeyFile(SERVER, lambda: text(7))
    assert keys == other
    assert keys != KeyFile(Endpoint("http://127.0.0.1:2"), lambda: text(0))
    assert "-0" not in repr(keys)
