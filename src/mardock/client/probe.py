"""A cheap, read-only look at a TorchServe with the standard library alone: does it answer, and what is READY."""

from __future__ import annotations

import socket
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Optional
from urllib.parse import SplitResult

from mardock.client.addressing import authorization, split_address
from mardock.client.model_status import (
    MAX_JSON_BYTES,
    ModelStatus,
    fetch_everything,
    parse_json,
    parse_ping,
)
from mardock.client.refusals import INVALID_KEY, MAX_ERROR_BYTES, UNHEALTHY, refusal, sanitized
from mardock.endpoint import Endpoint
from mardock.errors import ApiError, EngineNotRunningError, MardockError, ServingError, UnansweredError

_CONNECTIONS = 4
"""Asked on, one after the other: TorchServe leaves some silent while it loads a model; see `ManagementClient`."""


def answers(endpoint: Endpoint, timeout: float) -> bool:
    """Whether a TorchServe answers `/ping` at the inference URL, healthy or not; never raises.

    Healthy says nothing about workers: see `models`. A server that refuses the token is there, too.

    Args:
        timeout: seconds the server may stay silent.
    """
    try:
        parse_ping(_ping(endpoint, timeout))
    except ApiError as error:
        return error.kind in (INVALID_KEY, UNHEALTHY)
    except MardockError:
        return False
    return True


def asks_for_token(endpoint: Endpoint, timeout: float) -> bool:
    """Whether the TorchServe there refuses `/ping` for want of a valid token; never raises.

    Args:
        timeout: seconds the server may stay silent.
    """
    try:
        _ping(endpoint, timeout)
    except MardockError as error:
        return isinstance(error, ApiError) and error.kind == INVALID_KEY
    return False


def models(endpoint: Endpoint, timeout: float) -> list[ModelStatus]:
    """Return every version of every registered model.

    Args:
        timeout: seconds the server may stay silent, for each call.

    Raises:
        EngineNotRunningError: nothing listens there.
        ServingError: it answers with an error, or is no TorchServe.
    """

    token = endpoint.credentials.management()

    def get_json(path: str) -> object:
        return _get_json(endpoint, endpoint.management_url, path, token, timeout)

    return fetch_everything(get_json, defaults=True)


def _ping(endpoint: Endpoint, timeout: float) -> object:
    return _get_json(endpoint, endpoint.inference_url, "/ping", endpoint.credentials.inference(), timeout)


def _get_json(endpoint: Endpoint, url: str, path: str, token: Optional[str], timeout: float) -> object:
    for _ in range(_CONNECTIONS - 1):
        with suppress(UnansweredError):
            return _asked_once(endpoint, url, path, token, timeout)
    return _asked_once(endpoint, url, path, token, timeout)


def _asked_once(endpoint: Endpoint, url: str, path: str, token: Optional[str], timeout: float) -> object:
    parts = split_address(url)
    connection = _connection(endpoint, parts, timeout)
    try:
        connection.request("GET", parts.path + path, headers=authorization(token))
        response = connection.getresponse()
        limit = MAX_JSON_BYTES if response.status == 200 else MAX_ERROR_BYTES
        status, body = response.status, response.read(limit)
    except ConnectionRefusedError as error:
        raise EngineNotRunningError(f"nothing listens at {url}", hint="mardock up") from error
    except socket.timeout as error:
        raise UnansweredError(f"no answer from {url} for {timeout:g} s", hint="mardock logs") from error
    except (OSError, HTTPException) as error:
        raise ServingError(f"no answer from {url}", details=sanitized(f"{type(error).__name__}: {error}")) from error
    finally:
        connection.close()
    if status != 200:
        raise refusal(status, body, call=f"GET {path}", secrets=(token,) if token else ())
    return parse_json(body)


def _connection(endpoint: Endpoint, parts: SplitResult, timeout: float) -> HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme != "https":
        return HTTPConnection(host, parts.port, timeout=timeout)
    import ssl

    from mardock.client.trust import certificates

    context = ssl.create_default_context(cafile=certificates(endpoint.certificates))
    return HTTPSConnection(host, parts.port, timeout=timeout, context=context)
