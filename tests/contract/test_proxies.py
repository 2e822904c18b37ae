"""Proxies of the environment: nothing on this machine's loopback is asked through one, what is far is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from tests.contract.projects import add_echo, make_project
from tests.support.command import Ended, mardock, succeed
from tests.support.proxies import Proxy, proxy

from mardock.client.grpc import GrpcInferenceClient
from mardock.endpoint import Endpoint
from mardock.engines.native import NativeEngine
from mardock.errors import MardockError


@pytest.fixture(scope="module")
def nowhere() -> Iterator[Proxy]:
    """A proxy for the whole file."""
    with proxy() as found:
        yield found


@pytest.fixture(scope="module")
def root(native: None, nowhere: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with a server and a worker that both were started with every variable naming the proxy."""
    project = make_project(tmp_path_factory.mktemp("proxies") / "project")
    add_echo(project)
    (project.root / "mardock.toml").write_text('[models.echo.archive]\nhandler = "artifacts/echo/handler.py"\n')
    (project.root / "body.txt").write_text("hello")
    succeed(project.root, "up", "--no-models", env=nowhere.variables())
    yield project.root
    NativeEngine(project).down()


def test_nothing_asks_the_own_server_through_a_proxy(root: Path, nowhere: Proxy) -> None:
    variables = nowhere.variables()
    bench = ("bench", "echo", "body.txt", "--duration", "0.2", "--warmup", "0", "-c", "1")

    for command in (
        ("archive", "echo"),
        ("register", "echo"),
        ("status",),
        ("predict", "echo", "body.txt"),
        ("predict", "echo", "body.txt", "--grpc"),
        ("models", "scale", "echo", "--min-worker", "2"),
        ("models", "list"),
        ("metrics",),
        bench,
        (*bench, "--protocol", "grpc"),
        ("doctor",),
    ):
        succeed(root, *command, env=variables)

    assert not nowhere.asked


@pytest.mark.parametrize("case", [str.lower, str.upper], ids=["lower", "upper"])
@pytest.mark.parametrize(
    ("scheme", "url", "asked"),
    [
        ("http", "http://serve.example", "http://serve.example:9000/"),
        ("all", "http://serve.example", "http://serve.example:9000/"),
        ("https", "https://serve.example", "CONNECT serve.example:9000"),
        ("all", "https://serve.example", "CONNECT serve.example:9000"),
    ],
)
def test_a_server_elsewhere_is_asked_through_one(
    root: Path, nowhere: Proxy, case: Callable[[str], str], scheme: str, url: str, asked: str
) -> None:
    done = register_elsewhere(root, url, {case(f"{scheme}_proxy"): nowhere.url})

    assert done.code == 5
    assert "the proxy does not lead to" in done.err or "502" in done.err
    assert any(asked in line for line in nowhere.asked)


@pytest.mark.parametrize(
    ("url", "exception"),
    [
        ("http://serve.example", "serve.example"),
        ("http://serve.example", ".example"),
        ("http://serve.example", "*"),
        ("http://127.1.2.3", ""),
        ("http://[::1]", ""),
    ],
)
def test_what_no_proxy_names_is_asked_without(root: Path, nowhere: Proxy, url: str, exception: str) -> None:
    nowhere.asked.clear()

    done = register_elsewhere(root, url, nowhere.variables(no_proxy=exception))

    assert (done.code, nowhere.asked) == (3, [])
    assert "nothing answers for the Management API" in done.err


def register_elsewhere(root: Path, url: str, variables: dict[str, str]) -> Ended:
    """Register with a TorchServe that is not there."""
    return mardock(root, "register", "echo", "--tserve-url", url, "--models-port", "9000", env=variables)


@pytest.mark.parametrize(("wrong", "said"), [("socks5://127.0.0.1:1", "SOCKS"), ("http://", "proxy URL")])
def test_a_proxy_that_is_none_is_told_as_that(root: Path, wrong: str, said: str) -> None:
    done = register_elsewhere(root, "http://serve.example", {"all_proxy": wrong})

    assert done.code == 2
    assert "through the proxy the environment names" in done.err
    assert said in done.err
    assert "no_proxy" in done.err


@pytest.mark.parametrize(("exception", "asks"), [("", True), ("10.0.0.0/8", True), ("192.0.2.0/24", False)])
def test_grpc_keeps_to_the_same(nowhere: Proxy, monkeypatch: pytest.MonkeyPatch, exception: str, asks: bool) -> None:
    nowhere.asked.clear()
    for name, value in nowhere.variables(no_proxy=exception).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("no_grpc_proxy")  # set and empty it wins over no_proxy
    far = Endpoint("http://192.0.2.1", grpc_inference_address="192.0.2.1:7070")  # RFC 5737: nobody's

    with GrpcInferenceClient(far) as client, pytest.raises(MardockError):
        client.predict("m", b"", timeout=2)

    assert any(line.startswith("CONNECT 192.0.2.1:7070") for line in nowhere.asked) is asks
