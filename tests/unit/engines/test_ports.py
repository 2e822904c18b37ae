"""Ports that are taken, and what is offered instead."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mardock.engines.ports import refuse_taken
from mardock.errors import EngineStartError
from mardock.settings.env_file import read_env_file


@pytest.fixture
def taken(socket_enabled: None) -> Iterator[list[int]]:
    """Two ports that this process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        yield [one.getsockname()[1], two.getsockname()[1]]


def test_every_taken_port_is_named_with_its_holder_and_a_free_one(taken: list[int]) -> None:
    with pytest.raises(EngineStartError) as refused:
        refuse_taken({"A": taken[0], "B": taken[1]})
    assert f"port {taken[0]} is taken by " in refused.value.message
    assert f"(pid {os.getpid()})" in refused.value.message
    assert f"port {taken[1]} is taken by " in (refused.value.details or "")
    remedies = dict(word.split("=") for word in (refused.value.hint or "").split() if "=" in word)
    refuse_taken({name: int(port) for name, port in remedies.items()})
    assert len({*remedies.values(), *map(str, taken)}) == 4


def test_who_knows_better_names_the_holder(taken: list[int]) -> None:
    with pytest.raises(EngineStartError, match=f"port {taken[0]} is taken by the container x"):
        refuse_taken({"A": taken[0]}, holder=lambda port: "the container x")
    with pytest.raises(EngineStartError, match=f"port {taken[0]} is taken by another process"):
        refuse_taken({"A": taken[0]}, holder=lambda port: None)


def test_a_port_that_only_others_may_use(monkeypatch: pytest.MonkeyPatch, socket_enabled: None) -> None:
    def refuse(self: socket.socket, address: tuple[str, int]) -> None:
        if address[1] < 1024:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)  # root, who may run this, is never refused
    refuse_taken({"A": 80}, privileged=True)
    with pytest.raises(EngineStartError, match="port 80 cannot be used: Permission denied") as refused:
        refuse_taken({"A": 80})
    assert refused.value.hint == "set in .env:\nA=1025"


def test_the_hint_is_lines_of_an_env_file(taken: list[int], tmp_path: Path) -> None:
    names = ("MARDOCK_INFERENCE_PORT", "MARDOCK_METRICS_PORT")
    with pytest.raises(EngineStartError) as refused:
        refuse_taken(dict(zip(names, taken)))
    head, *lines = (refused.value.hint or "").splitlines()
    assert head == "set in .env:"
    (tmp_path / ".env").write_text("\n".join(lines))
    offered = read_env_file(tmp_path / ".env", {}, names)
    assert offered.keys() == set(names)
    refuse_taken({name: int(port) for name, port in offered.items()})
