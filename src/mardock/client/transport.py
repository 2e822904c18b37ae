"""One HTTP session to one TorchServe API: the only place where requests' exceptions become MardockErrors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Optional, TypeVar, Union
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, ProtocolError, ReadTimeoutError

from mardock.client.addressing import is_loopback, is_near, request_headers, split_address
from mardock.client.bearer import Bearer, Token
from mardock.client.model_status import MAX_JSON_BYTES, parse_json
from mardock.client.refusals import MAX_ERROR_BYTES, refusal, sanitized
from mardock.client.trust import certificates
from mardock.endpoint import Endpoint, Tokens
from mardock.errors import ConfigError, EngineNotRunningError, MardockError, ServingError, UnansweredError

Body = Union[bytes, BinaryIO]
QueryValue = Union[str, int, bool, None]

_C = TypeVar("_C", bound="Client")

CONNECT_TIMEOUT_S = 5.0
_CONNECTIONS = 64
_CHUNK = 64 * 1024
_PROXY = "correct http_proxy, https_proxy or all_proxy, or name the host in no_proxy"


@dataclass(frozen=True)
class Answer:
    """A successful answer: its body as it came, and TorchServe's id for the request (empty when it gave none)."""

    body: bytes
    content_type: Optional[str]
    request_id: str


class Transport:
    """Calls one API, with a bearer token when there is one; usable from several threads at once.

    Args:
        url: the API's base URL without a trailing slash.
        api: what to call it in errors, e.g. `Management API`.
        token: where it comes from; sent as `Authorization: Bearer`, and never part of an error.
        headers: sent with each call, too.
        own_certificates: what its server is trusted by; see `Endpoint.certificates`.

    Raises:
        ConfigError: the endpoint has no such API, its URL or token is none, or a header cannot be sent.
    """

    def __init__(
        self,
        url: str,
        *,
        api: str,
        token: Token = Tokens().inference,
        headers: Optional[Mapping[str, str]] = None,
        own_certificates: Optional[str] = None,
    ) -> None:
        if not url:
            raise ConfigError(f"this endpoint has no {api}", hint="deployed models often have predictions alone")
        self._url = url
        parts = split_address(url)
        host = parts.hostname or ""
        self._local = is_loopback(host)
        self._api = api
        self._bearer = Bearer(token)
        self._headers = headers or {}
        request_headers(self._headers, token(None))  # what cannot be sent is told at once
        self._session = requests.Session()
        # A proxy named in the environment cannot reach this machine's loopback, nor the containers of a network here.
        self._session.trust_env = not is_near(host)
        if parts.scheme == "https":
            self._session.verify = certificates(own_certificates)
        self._session.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        query: Optional[Mapping[str, QueryValue]] = None,
        body: Optional[Body] = None,
        content_type: Optional[str] = None,
        max_bytes: Optional[int] = None,
    ) -> Answer:
        """Make one call. A GET whose connection drops is made once more; nothing else that was taken is ever repeated.

        A call whose token is refused is made once more with a newer one, if there is one: see `Bearer`.

        Args:
            path: percent-encoded.
            timeout: seconds the server may stay silent.
            query: parameters; those that are None are left out.
            max_bytes: the largest body to accept.

        Raises:
            EngineNotRunningError: nothing listens there.
            ApiError: TorchServe answered with an error status (or WorkerFailedError when its workers did not start).
            UnansweredError: it went silent.
            ServingError: it hung up, or answered something that is not TorchServe's.
        """
        call = f"{method} {path}"
        file = None if body is None or isinstance(body, bytes) else body
        begin = file.tell() if file is not None and file.seekable() else None

        def send(token: Optional[str]) -> Answer:
            if file is not None and begin is not None:
                file.seek(begin)
            try:
                response = self._send(self._prepare(method, path, query, body, content_type, token), timeout)
                with response:
                    return self._answer(response, call, max_bytes, token or "")
            except requests.RequestException as error:
                raise self._translated(error, call, timeout, token or "") from error

        return self._bearer.call(send, again=file is None or begin is not None)

    def get_json(self, path: str, *, timeout: float) -> object:
        """GET a path and parse its JSON; raises like `request`."""
        return parse_json(self.request("GET", path, timeout=timeout, max_bytes=MAX_JSON_BYTES).body)

    def _prepare(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, QueryValue]],
        body: Optional[Body],
        content_type: Optional[str],
        token: Optional[str],
    ) -> requests.PreparedRequest:
        headers = {"Content-Type": content_type} if content_type else {}
        auth = _Authorization(request_headers(self._headers, token))
        request = requests.Request(method, self._url, headers=headers, data=body, auth=auth)
        prepared = self._session.prepare_request(request)
        parameters = {key: _spelled(value) for key, value in (query or {}).items() if value is not None}
        # Set past requests, which would decode percent-encodings that TorchServe needs.
        prepared.url = self._url + path + (f"?{urlencode(parameters)}" if parameters else "")
        return prepared

    def _send(self, request: requests.PreparedRequest, timeout: float) -> requests.Response:
        """Send a request; a GET that meets a connection the server had just closed is sent once more."""
        settings = self._session.merge_environment_settings(request.url, {}, True, None, None)  # noqa: FBT003
        send = partial(
            self._session.send, request, timeout=(CONNECT_TIMEOUT_S, timeout), allow_redirects=False, **settings
        )
        try:
            return send()
        except requests.ConnectionError as error:
            if request.method == "GET" and _hung_up(error):
                return send()
            raise

    def _answer(self, response: requests.Response, call: str, max_bytes: Optional[int], token: str) -> Answer:
        refused = not 200 <= response.status_code < 300
        limit = MAX_ERROR_BYTES if refused else max_bytes
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if limit is not None and len(body) > limit:
                break
        if refused:
            raise refusal(response.status_code, bytes(body[:limit]), call=call, secrets=(token,))
        if limit is not None and len(body) > limit:
            raise ServingError(f"{call}: the {self._api} answered more than {limit} bytes")
        headers = response.headers
        return Answer(bytes(body), headers.get("Content-Type"), headers.get("x-request-id", ""))

    def _translated(self, error: requests.RequestException, call: str, timeout: float, token: str) -> MardockError:
        where, told = f"the {self._api} at {self._url}", sanitized(str(error), (token,))
        cause = error.args[0] if error.args else None
        if isinstance(error, (requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidSchema)):
            return ConfigError(f"no way to {where} through the proxy the environment names", details=told, hint=_PROXY)
        if isinstance(error, requests.exceptions.InvalidURL):
            return ConfigError(f"the address of {where} is not a URL", details=told)
        if isinstance(error, requests.exceptions.ProxyError):
            return ServingError(f"{call}: the proxy does not lead to {where}", details=told, hint=_PROXY)
        if isinstance(error, requests.exceptions.SSLError):
            return ServingError(f"{call}: no connection to {where}", details=told)
        if isinstance(error, requests.ConnectTimeout) or isinstance(cause, MaxRetryError):
            hint = "mardock up" if self._local else "check the address and the network"
            return EngineNotRunningError(f"nothing answers for {where}", details=told, hint=hint)
        if isinstance(error, requests.ReadTimeout) or isinstance(cause, ReadTimeoutError):
            return UnansweredError(f"{call}: {where} was silent for {timeout:g} s", hint="mardock logs")
        return ServingError(f"{call}: {where} hung up", details=told, hint="it may have died: mardock logs")


def management_api(endpoint: Endpoint) -> Transport:
    """Return what calls an endpoint's Management API; raises like `Transport`."""
    return Transport(
        endpoint.management_url,
        api="Management API",
        token=endpoint.credentials.management,
        own_certificates=endpoint.certificates,
    )


class Client:
    """Holds the transport of one API, and closes it at the end of a `with` block."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __enter__(self: _C) -> _C:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()


def _hung_up(error: requests.ConnectionError) -> bool:
    return bool(error.args) and isinstance(error.args[0], ProtocolError)


def _spelled(value: QueryValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Authorization(requests.auth.AuthBase):
    """Adds headers to a request; an auth object, because a .netrc entry replaces a plain Authorization header."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request
