"""Targets: the bytes of a request, and addresses that are refused."""

from __future__ import annotations

import pytest

from mardock.benchmark.bench import Bench
from mardock.benchmark.plan import BenchPlan
from mardock.benchmark.target import prediction_target
from mardock.endpoint import Endpoint, Tokens
from mardock.errors import ConfigError
from mardock.listener import SILENT

pytestmark = pytest.mark.enable_socket  # getaddrinfo of numeric addresses asks nobody

PLAN = BenchPlan("mnist", (b"x",))


def test_a_request_is_one_post_with_token_and_length() -> None:
    endpoint = Endpoint("http://127.0.0.1:8080", credentials=Tokens("s3cr3t"))

    target = prediction_target(endpoint, "mnist", [b"abc"], version="1.0", content_type="image/png")

    assert target.requests == (
        b"POST /predictions/mnist/1.0 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer s3cr3t\r\n"
        b"Content-Type: image/png\r\nContent-Length: 3\r\n\r\nabc",
    )
    assert "s3cr3t" not in repr(target)
    assert target.is_loopback


@pytest.mark.parametrize("content_type", ["a\r\nX-Evil: 1", "naïve"])
def test_a_content_type_cannot_add_a_header(content_type: str) -> None:
    with pytest.raises(ConfigError, match="content type"):
        prediction_target(Endpoint("http://127.0.0.1:1"), "m", [b""], content_type=content_type)


def test_certificates_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent.pem")

    with pytest.raises(ConfigError, match="SSL_CERT_FILE names /nonexistent"):
        prediction_target(Endpoint("https://127.0.0.1:1"), "m", [b""])


def test_another_machine_is_loaded_only_when_allowed() -> None:
    remote = Endpoint("http://192.0.2.1:8080")

    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:8080 is not this machine") as refused:
        Bench(remote, PLAN, listener=SILENT)
    assert "--yes" in (refused.value.hint or "")
    Bench(remote, PLAN, allow_remote=True, listener=SILENT)


def test_ipv6_loopback_is_this_machine() -> None:
    Bench(Endpoint("http://[::1]:8080"), PLAN, listener=SILENT)
