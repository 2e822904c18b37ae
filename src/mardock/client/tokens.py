"""Renew TorchServe's tokens; reading the new ones is the engine's work, since only key_file.json holds them."""

from __future__ import annotations

from contextlib import closing
from typing import Literal

from mardock.client.transport import Transport
from mardock.endpoint import Endpoint


def renew(endpoint: Endpoint, api_key: str, kind: Literal["management", "inference"], *, timeout: float = 10.0) -> None:
    """Make TorchServe replace one token: the old one stops working at once, the answer is empty.

    Args:
        endpoint: its management URL is asked; its tokens are not used.
        api_key: the `API` key of TorchServe's key_file.json, which then holds the new token.
        timeout: seconds the server may stay silent.

    Raises:
        EngineNotRunningError: nothing listens there.
        ApiError: the key is wrong (`kind` is `InvalidKeyException`), or tokens are off (404).
    """
    transport = Transport(
        endpoint.management_url, api="token API", token=lambda _: api_key, own_certificates=endpoint.certificates
    )
    with closing(transport):
        transport.request("GET", "/token", query={"type": kind}, timeout=timeout, max_bytes=1024)
