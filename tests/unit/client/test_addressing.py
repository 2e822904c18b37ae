"""Names and archive URLs: what TorchServe can address, and what it must never be given."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mardock.client.addressing import authorization, check_archive_url, inference_path, is_near, models_path
from mardock.client.grpc import channel_options
from mardock.errors import ConfigError

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="/"), min_size=1, max_size=50)


@given(name=PRINTABLE.filter(lambda name: name not in (".", "..")))
def test_a_name_survives_the_way_through_a_url(name: str) -> None:
    path = models_path(name)

    assert path.count("/") == 2
    assert path.isascii()
    assert unquote(path) == f"/models/{name}"


@pytest.mark.parametrize("name", ["tokenizer", "token"])
def test_no_path_looks_like_the_token_api(name: str) -> None:
    assert "/token" not in models_path(name, name)
    assert unquote(models_path(name, name)) == f"/models/{name}/{name}"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/", "a\nb", "a\x1b[2J", "x" * 256])
def test_names_torchserve_cannot_find_again_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be addressed"):
        models_path(name)
    with pytest.raises(ConfigError):
        models_path("mnist", name)


def test_a_version_named_all_would_mean_every_version() -> None:
    with pytest.raises(ConfigError, match="every version"):
        models_path("mnist", "all")


def test_only_the_first_part_of_an_inference_path_differs() -> None:
    assert inference_path("predictions", "models", "1.0") == "/predictions/models/1.0"


@pytest.mark.parametrize("url", ["mnist.mar", "mnist", "v..2.mar", "sub/mnist.mar"])
def test_what_lies_in_the_model_store_may_be_registered(url: str) -> None:
    check_archive_url(url, allow_remote=False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/etc",
        "%2fetc",
        "\\\\host\\share",
        "../x.mar",
        "a/../../x.mar",
        "%2e%2e/x.mar",
        "%252e%252e%252fx.mar",
        "..\\x.mar",
        "file:///etc/hostname",
        "FILE:///etc/hostname",
        "ftp://host/x.mar",
        "C:/x.mar",
        "https://host/a/../x.mar",
        "a\nb.mar",
    ],
)
def test_what_lies_outside_is_refused_even_when_remote_archives_are_allowed(url: str) -> None:
    with pytest.raises(ConfigError):
        check_archive_url(url, allow_remote=True)


def test_remote_archives_need_leave() -> None:
    url = "https://models.example/mnist.mar?signature=1"

    with pytest.raises(ConfigError, match="fetch and run"):
        check_archive_url(url, allow_remote=False)
    check_archive_url(url, allow_remote=True)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nHost: evil", "ä"])
def test_a_token_no_header_can_carry_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(ConfigError, match=r"(?m)^the token is empty or holds characters that no token has$"):
        authorization(token)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "x.localhost", "serve", "serve."])
def test_what_is_near_is_reached_past_proxies(host: str) -> None:
    assert is_near(host)


@pytest.mark.parametrize("host", ["serve.example.com", "10.0.0.1", "2001:db8::1", "tir.example"])
def test_what_is_far_is_not(host: str) -> None:
    assert not is_near(host)


@pytest.mark.parametrize(
    ("address", "asks_a_proxy"), [("serve:7070", 0), ("127.0.0.1:7070", 0), ("[::1]:7070", 0), ("a.example:443", 1)]
)
def test_a_grpc_channel_follows_it(address: str, asks_a_proxy: int) -> None:
    assert ("grpc.enable_http_proxy", asks_a_proxy) in channel_options(address)
