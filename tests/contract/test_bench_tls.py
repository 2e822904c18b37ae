"""Load over TLS: against a server with a certificate of its own authority, as a cloud's endpoint would be."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from tests.contract.known_server import OK, KnownServer, cut_off, every, say

from mardock.benchmark.load import LoadGenerator
from mardock.benchmark.measurement import Measurement
from mardock.benchmark.target import prediction_target
from mardock.client import probe
from mardock.client.inference import InferenceClient
from mardock.endpoint import Endpoint, Tokens
from mardock.errors import ConfigError, ServingError

LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that nobody knows."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment names its certificate."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


def identity(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def load(endpoint: Endpoint, *, body: bytes = b"x", seconds: float = 0.5) -> Measurement:
    measurement = Measurement()
    with LoadGenerator(prediction_target(endpoint, "m", [body]), 4, timeout=10) as generator:
        generator.run(measurement, seconds=seconds)
    return measurement


@pytest.mark.parametrize(("answer", "size"), [(OK, 2), (LONG, 100_000)], ids=["short", "several-records"])
def test_every_request_over_tls_is_counted_once(authority: trustme.CA, trusted: Path, answer: bytes, size: int) -> None:
    with KnownServer(say(answer), identity(authority)) as server:
        found = load(Endpoint(server.url + "/base"), body=bytes(300_000))

        assert found.latency.count == server.requests > 0
        assert not found.errors
        assert found.body_bytes == size * server.requests


def test_a_connection_that_breaks_is_opened_again(authority: trustme.CA, trusted: Path) -> None:
    with KnownServer(every(5, cut_off, otherwise=say(OK)), identity(authority)) as server:
        found = load(Endpoint(server.url))

        assert sum(found.errors.values()) == server.requests // 5 > 0
        assert found.latency.count == server.requests - server.requests // 5


def test_an_endpoint_may_have_certificates_of_its_own(authority: trustme.CA, tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    authority.cert_pem.write_to_path(str(own))
    with KnownServer(say(OK), identity(authority)) as server:
        endpoint = Endpoint(server.url, server.url, certificates=str(own))

        assert not load(endpoint).errors
        with InferenceClient(endpoint) as client:
            assert client.predict("m", b"x").body
        with pytest.raises(ServingError, match="JSON"):
            probe.models(endpoint, timeout=5)
        with pytest.raises(ServingError, match="no answer") as unknown:
            probe.models(Endpoint(server.url, server.url), timeout=5)
        assert "certificate verify failed" in str(unknown.value.details)
        with pytest.raises(ConfigError, match=r"the certificates /nonexistent\.pem are no file"):
            InferenceClient(Endpoint(server.url, certificates="/nonexistent.pem"))


@pytest.mark.parametrize("name", ["other.example", None], ids=["another's-name", "unknown-authority"])
def test_a_certificate_that_does_not_verify_gets_no_request(authority: trustme.CA, trusted: Path, name: str) -> None:
    tls = identity(authority, name) if name else identity(trustme.CA())
    with KnownServer(say(OK), tls) as server:
        found = load(Endpoint(server.url), seconds=60)

        assert server.requests == found.latency.count == 0
        assert "certificate verify failed" in found.examples["no connection"]
        with InferenceClient(Endpoint(server.url)) as client, pytest.raises(ServingError, match="no connection"):
            client.predict("m", b"x")


def test_headers_of_the_endpoint_go_with_each_request(authority: trustme.CA, trusted: Path) -> None:
    endpoint = Endpoint(
        "https://127.0.0.1:1/base", credentials=Tokens("s3cr3t"), headers={"azureml-model-deployment": "blue"}
    )

    target = prediction_target(endpoint, "m", [b""])

    assert target.requests[0].startswith(b"POST /base/predictions/m HTTP/1.1\r\nHost: 127.0.0.1:1\r\n")
    assert b"\r\nazureml-model-deployment: blue\r\nAuthorization: Bearer s3cr3t\r\n" in target.requests[0]
    with pytest.raises(ConfigError, match="X-Evil"):
        prediction_target(Endpoint("https://127.0.0.1:1", headers={"X-Evil": "1\r\nX: 2"}), "m", [b""])


def test_bench_speaks_tls(authority: trustme.CA, trusted: Path, tmp_path: Path) -> None:
    (tmp_path / "mardock.toml").touch()
    (tmp_path / "body").write_bytes(b"x")
    with KnownServer(say(OK), identity(authority)) as server:
        argv = [sys.executable, "-m", "mardock", "-C", str(tmp_path), "bench", "m", str(tmp_path / "body")]
        argv += ["--url", server.url, "--warmup", "0.1", "--duration", "0.5", "--json"]
        done = subprocess.run(argv, env={**os.environ}, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"][0]["requests"] > 0
    assert "without TLS" in done.stderr
