"""TIR's REST API: one call each for model repositories and model endpoints, and what its refusals mean.

Read in the vendor's documentation, and never called for real. The API key travels in the query, so no exception of
requests, whose text holds the URL, leaves this module, and urllib3's own log lines are cleaned of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Optional, TypeVar

import requests

from mardock.client.addressing import authorization, is_near, split_address
from mardock.client.refusals import sanitized
from mardock.deploy import log_lines
from mardock.deploy.tir.options import Options, Secrets
from mardock.errors import DeployError

_T = TypeVar("_T", bound="TirApi")

_ATTEMPTS = 4
_TIMEOUT_S = (10.0, 60.0)
_LONGEST_WAIT_S = 120.0

_REFUSALS = {
    401: ("refuses TIR_TOKEN or TIR_API_KEY: wrong or expired", "make new ones on the API page of the TIR dashboard"),
    403: ("does not allow it to this account", "ask the project's owner for the rights; check project_id and location"),
    404: ("knows no such thing", "check project_id and location under [deploy.tir]"),
    409: ("says it exists already or is busy", "look at it: mardock deploy status --target tir --endpoint NAME"),
    429: ("has had too many requests", "wait a few minutes, then run the same command again"),
}


class TirApi:
    """One project at one location; usable from one thread.

    A GET that fails on the way or at the server is repeated, and so is any call that was turned away with 429; a
    change that broke off is not, as nobody knows whether it was made.

    Args:
        pause: waits that many seconds.

    Raises:
        ConfigError: the token is no token.
        DeployError: of every method: the API refused, could not be reached, or answered what is not its own.
    """

    def __init__(self, options: Options, secrets: Secrets, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._url = options.api_url.rstrip("/")
        self._secrets = secrets.values
        self._pause = pause
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc entry would replace the token
        if not is_near(split_address(self._url).hostname or ""):
            self._session.proxies = dict(requests.utils.get_environ_proxies(self._url))
        self._session.headers.update(authorization(secrets.token))
        self._query = {
            "project_id": str(options.project_id),
            "location": options.location,
            "apikey": secrets.api_key,
        }
        self._open = ExitStack()
        self._open.enter_context(log_lines.without(self._secrets))
        self._open.enter_context(self._session)

    def __enter__(self: _T) -> _T:
        return self

    def __exit__(self, *raised: object) -> None:
        self._open.close()

    def repository(self, name: str) -> Optional[Mapping[str, Any]]:
        """Return a model repository with its bucket and keys, None when there is none of this name."""
        found = _named(self._call("GET", "serving/model/"), name)
        return None if found is None else _table(self._call("GET", f"serving/model/{found['id']}/"))

    def create_repository(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create a model repository and return it with its bucket and keys."""
        made = _table(self._call("POST", "serving/model/", body))
        return _table(self._call("GET", f"serving/model/{made['id']}/"))

    def endpoint(self, name: str) -> Optional[Mapping[str, Any]]:
        """Return an endpoint with all its details, None when there is none of this name."""
        found = _named(self._call("GET", "serving/inference/"), name)
        return None if found is None else self.endpoint_by_id(found["id"])

    def endpoint_by_id(self, number: int) -> Mapping[str, Any]:
        """Return an endpoint with all its details."""
        return _table(self._call("GET", f"serving/inference/{number}/"))

    def create_endpoint(self, body: Mapping[str, Any]) -> int:
        """Create an endpoint and return its id."""
        return int(_table(self._call("POST", "serving/inference/", body))["id"])

    def act(self, number: int, action: str, body: Optional[Mapping[str, Any]] = None) -> None:
        """Start, stop, restart or patch an endpoint."""
        self._call("PUT", f"serving/inference/{number}/", {**(body or {}), "action": action})

    def delete_endpoint(self, number: int) -> None:
        """Delete an endpoint."""
        self._call("DELETE", f"serving/inference/{number}/")

    def logs(self, number: int) -> list[str]:
        """Return the lines the endpoint's containers have logged."""
        data = self._call("GET", f"serving/inference/{number}/logs/")
        text = data if isinstance(data, str) else "\n".join(map(str, data)) if isinstance(data, list) else ""
        return [sanitized(line, self._secrets) for line in text.splitlines()]

    def _call(self, method: str, path: str, body: Optional[Mapping[str, Any]] = None) -> Any:
        """Make a call and return the `data` of its answer."""
        call = f"{method} {path}"
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            try:
                response = self._session.request(
                    method, f"{self._url}/{path}", params=self._query, json=body, timeout=_TIMEOUT_S,
                    allow_redirects=False,
                )  # fmt: skip
            except requests.RequestException as error:
                if method == "GET" and not last:
                    self._pause(2.0**attempt)
                    continue
                raise self._cut(call, error) from None  # its text and its request hold the API key
            wait = _wait_before_repeating(method, response, attempt)
            if wait is None or last:
                return self._data(call, response)
            self._pause(wait)
        raise AssertionError("unreachable")

    def _data(self, call: str, response: requests.Response) -> Any:
        try:
            answer = json.loads(response.content)
        except (ValueError, RecursionError):
            answer = None
        status = response.status_code
        if not isinstance(answer, dict):
            said = sanitized(response.text[:1000], self._secrets)
            raise DeployError(
                f"{call}: {self._url} answers HTTP {status}, and not in TIR's words", details=said or None
            )
        code = answer.get("code")
        if status < 300 and isinstance(code, int) and code >= 400:
            status = code
        if not 200 <= status < 300:
            raise self._refused(call, status, answer)
        return answer.get("data")

    def _refused(self, call: str, status: int, answer: Mapping[str, Any]) -> DeployError:
        said = sanitized(f"{answer.get('message') or ''} {_flat(answer.get('errors'))}".strip(), self._secrets)
        if "quota" in said.lower() or "limit exceeded" in said.lower() or "insufficient" in said.lower():
            cause, hint = "the quota is used up", "ask for more in the TIR dashboard, or take another sku_id"
            return DeployError(f"{call}: {cause}", details=said, hint=hint)
        if status in _REFUSALS:
            cause, hint = _REFUSALS[status]
            return DeployError(f"{call}: TIR {cause}", details=said or None, hint=hint)
        if status >= 500:
            again = "it is TIR's own trouble: run the same command again later"
            return DeployError(f"{call}: TIR failed with HTTP {status}", details=said or None, hint=again)
        return DeployError(f"{call}: TIR refuses it with HTTP {status}", details=said or None)

    def _cut(self, call: str, error: requests.RequestException) -> DeployError:
        if isinstance(error, (requests.ConnectTimeout, requests.exceptions.SSLError)) or "refused" in str(error):
            return DeployError(
                f"{call}: no connection to {self._url}", hint="check the network and api_url under [deploy.tir]"
            )
        cause = "did not answer" if isinstance(error, requests.ReadTimeout) else "broke the connection off"
        return DeployError(
            f"{call}: {self._url} {cause}",
            hint="run the same command again: it finds what was made and goes on from there",
        )


def _wait_before_repeating(method: str, response: requests.Response, attempt: int) -> Optional[float]:
    if response.status_code == 429:
        told = response.headers.get("Retry-After", "")
        seconds = float(told) if told.isdecimal() else 2.0**attempt
        return seconds if seconds <= _LONGEST_WAIT_S else None
    return 2.0**attempt if method == "GET" and response.status_code >= 500 else None


def _named(data: Any, name: str) -> Optional[Mapping[str, Any]]:
    tables = [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []
    return next((each for each in tables if each.get("name") == name and "id" in each), None)


def _table(data: Any) -> Mapping[str, Any]:
    if isinstance(data, dict) and "id" in data:
        return data
    raise DeployError("TIR answered without the details that its API is documented to give")


def _flat(errors: Any) -> str:
    if isinstance(errors, dict):
        return "; ".join(f"{key}: {_flat(value)}" for key, value in errors.items())
    if isinstance(errors, list):
        return ", ".join(map(_flat, errors))
    return str(errors or "")
