"""ManagementClient: register, scale, list, describe, set default and unregister, without TorchServe's traps."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Optional

from mardock.client.addressing import check_archive_url, check_name, models_path
from mardock.client.model_status import (
    ModelStatus,
    RegisteredModel,
    fetch_default,
    fetch_everything,
    fetch_models,
    fetch_versions,
    with_default,
)
from mardock.client.readiness import wait_until_ready
from mardock.client.suggestions import explained
from mardock.client.transport import Client, QueryValue, management_api
from mardock.defaults import MAX_WORKERS, WORKER_TIMEOUT_S
from mardock.endpoint import Endpoint
from mardock.errors import (
    ApiError,
    ConfigError,
    MardockError,
    ModelConflictError,
    ModelNotFoundError,
    ServingError,
    UnansweredError,
)

READ_TIMEOUT_S = 30.0
INSTALL_TIMEOUT_S = 3600.0
"""What pip gets to install a model's requirements, or to make its venv: TorchServe itself sets it no limit."""

# TorchServe gives its connections to a few threads in turn, and keeps a thread busy until a model asked for there has
# its packages and is loaded. What is asked in vain on one connection is answered on another.
_LOOKS_S = (1.0, 2.0, 3.0, 4.0, READ_TIMEOUT_S)

_SMALLEST = "/models?limit=1"
_MAX_INT = 2**31 - 1
_MAX_STATUS = 64 * 1024
_LIMITS = {
    "initial_workers": (0, MAX_WORKERS),
    "min_worker": (0, MAX_WORKERS),
    "max_worker": (0, MAX_WORKERS),
    "batch_size": (1, _MAX_INT),
    "max_batch_delay": (0, _MAX_INT),
    "response_timeout": (1, _MAX_INT),
    "startup_timeout": (1, _MAX_INT),
}


@dataclass(frozen=True)
class _Asked:
    """A registration; its workers may take `loading` seconds, and TorchServe `answering` to say what came of it."""

    url: str
    model: Optional[str]
    query: Mapping[str, QueryValue]
    loading: float
    answering: float


class ManagementClient(Client):
    """Calls one TorchServe's Management API.

    Every method raises EngineNotRunningError when nothing listens, ConfigError for names and numbers TorchServe
    would mistreat, ModelNotFoundError with close names in its hint, and ApiError or ServingError for the rest.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(management_api(endpoint))

    def register(
        self,
        url: str,
        *,
        initial_workers: int,
        model_name: Optional[str] = None,
        handler: Optional[str] = None,
        batch_size: Optional[int] = None,
        max_batch_delay: Optional[int] = None,
        response_timeout: Optional[int] = None,
        startup_timeout: Optional[int] = None,
        synchronous: bool = True,
        allow_remote: bool = False,
        installs: bool = False,
    ) -> ModelStatus:
        """Register an archive and return the version it became; one that fails to start is removed again.

        Parameters travel in the query, since TorchServe reads a JSON body's missing `max_batch_delay` as -10000.
        Passing `model_name` spares looking through all models for what is new.

        Args:
            url: a file or folder of the model store, e.g. `mnist.mar`; see `addressing.check_archive_url`.
            initial_workers: 0 registers without starting any.
            max_batch_delay: milliseconds a batch waits to fill up.
            response_timeout: seconds a worker may take to answer.
            startup_timeout: seconds a worker may take to load the model.
            synchronous: return when the workers are READY; False returns while they start.
            allow_remote: let TorchServe fetch an http(s) URL.
            installs: TorchServe may install packages for it first, which takes as long as it takes.

        Raises:
            ModelConflictError: this version is registered already; it is left alone.
            WorkerFailedError: its workers did not start.
        """
        query: dict[str, QueryValue] = {
            "url": url,
            "model_name": model_name,
            "handler": handler,
            "batch_size": batch_size,
            "max_batch_delay": max_batch_delay,
            "initial_workers": initial_workers,
            "response_timeout": response_timeout,
            "startup_timeout": startup_timeout,
            "synchronous": synchronous,
        }
        check_archive_url(url, allow_remote=allow_remote)
        loading = startup_timeout or WORKER_TIMEOUT_S
        asked = _Asked(url, model_name, query, loading, loading + INSTALL_TIMEOUT_S * installs)
        return self._register(asked, wait=synchronous)

    def scale(
        self,
        model: str,
        min_worker: int,
        max_worker: int,
        version: Optional[str] = None,
        *,
        synchronous: bool = True,
        timeout: float = WORKER_TIMEOUT_S,
    ) -> ModelStatus:
        """Set how many workers a version keeps, its default version when none is named.

        Args:
            synchronous: return when the workers are READY; False returns while they start.
            timeout: seconds that new workers may take to load.

        Raises:
            WorkerFailedError: new workers did not start; TorchServe goes on trying.
        """
        query: dict[str, QueryValue] = {
            "min_worker": min_worker,
            "max_worker": max_worker,
            "synchronous": synchronous,
        }
        _check_numbers(query)
        if min_worker > max_worker:
            raise ConfigError(f"min_worker {min_worker} is larger than max_worker {max_worker}")
        with self._naming_models(model):
            self._call("PUT", models_path(model, version), query, patience=timeout)
        return self.wait_ready(model, version, workers=min_worker if synchronous else 0, timeout=timeout)

    def list_models(self) -> list[RegisteredModel]:
        """Return every registered model, whatever its number of versions."""
        return fetch_models(self._get_json)

    def describe(self, model: str, version: Optional[str] = None) -> list[ModelStatus]:
        """Return one version of a model, or all of them; `default` is not told: see `describe_all`."""
        with self._naming_models(model):
            return fetch_versions(self._get_json, model, version)

    def describe_all(self, model: str) -> list[ModelStatus]:
        """Return all versions of a model, the default one told from the others."""
        with self._naming_models(model):
            return with_default(self._get_json, fetch_versions(self._get_json, model))

    def describe_default(self, model: str) -> ModelStatus:
        """Return the version that answers when a prediction names none."""
        with self._naming_models(model):
            return fetch_default(self._get_json, model)

    def set_default(self, model: str, version: str) -> None:
        """Let a version answer the predictions that name none."""
        with self._naming_models(model):
            self._call("PUT", f"{models_path(model, version)}/set-default")

    def unregister(self, model: str, version: Optional[str] = None) -> None:
        """Remove a version, or the default one; refused (403) for the default version while others exist.

        Requests that wait in a full job queue get no answer.
        """
        with self._naming_models(model):
            try:
                self._call("DELETE", models_path(model, version))
            except ApiError as error:
                # TorchServe trips over a full job queue after the version is gone.
                if error.status != 500 or self._has(model, version):
                    raise

    def wait_ready(
        self, model: str, version: Optional[str] = None, *, workers: int = 1, timeout: float, poll: float = 0.05
    ) -> ModelStatus:
        """Return a version's status once that many workers are READY.

        Args:
            timeout: seconds to wait.
            poll: seconds between two looks.

        Raises:
            WorkerFailedError: a worker died while it started, there are fewer workers than wanted, or time is up.
        """

        def look() -> ModelStatus:
            return self.describe(model, version)[0] if version else self.describe_default(model)

        return wait_until_ready(look, workers=workers, timeout=timeout, poll=poll)

    def _register(self, asked: _Asked, *, wait: bool) -> ModelStatus:
        url, model = asked.url, asked.model
        if model is not None:
            check_name(model, what="model name")
        _check_numbers(asked.query)
        before = self._versions_from(url, model)
        try:
            self._call("POST", "/models", asked.query, patience=asked.answering)
            return self._arrived(url, model, before, timeout=asked.loading if wait else None)
        except ModelConflictError:
            raise
        except (MardockError, KeyboardInterrupt) as error:
            left = self._remove_ghost(url, model, before)
            if left and isinstance(error, MardockError):
                raise error.but(more=left) from error
            raise

    def _has(self, model: str, version: Optional[str]) -> bool:
        try:
            fetch_versions(self._get_json, model, version)
        except ModelNotFoundError:
            return False
        return True

    def _call(
        self, method: str, path: str, query: Optional[Mapping[str, QueryValue]] = None, *, patience: float = 0.0
    ) -> None:
        with suppress(
            MardockError
        ):  # leaves a connection behind that is answered: what waits is done later all the same
            self._get_json(_SMALLEST)
        self._transport.request(method, path, query=query, timeout=READ_TIMEOUT_S + patience, max_bytes=_MAX_STATUS)

    def _get_json(self, path: str) -> object:
        *looks, last = _LOOKS_S
        for patience in looks:
            with suppress(UnansweredError):
                return self._transport.get_json(path, timeout=patience)
        return self._transport.get_json(path, timeout=last)

    def _arrived(
        self, url: str, model: Optional[str], before: Container[tuple[str, str]], *, timeout: Optional[float]
    ) -> ModelStatus:
        """Return the version that is new; with a timeout once its workers are READY, which TorchServe may not await."""
        new = [status for key, status in self._versions_from(url, model).items() if key not in before]
        if not new:
            raise ServingError(f"{url} was registered and is gone again", hint="mardock logs")
        status = new[0]
        if timeout is None:
            return status
        return self.wait_ready(status.name, status.version, workers=status.min_workers, timeout=timeout)

    def _versions_from(self, url: str, model: Optional[str]) -> dict[tuple[str, str], ModelStatus]:
        """Return what is registered from a URL, under one name or any, by name and version."""
        try:
            found = fetch_versions(self._get_json, model) if model else fetch_everything(self._get_json)
        except ModelNotFoundError:
            return {}
        return {(status.name, status.version): status for status in found if status.url == url}

    def _remove_ghost(self, url: str, model: Optional[str], before: Container[tuple[str, str]]) -> Optional[str]:
        """Unregister what a failed register left behind, which would answer the next attempt with a conflict.

        Says why that could not be.
        """
        try:
            for name, version in self._versions_from(url, model):
                if (name, version) not in before:
                    self.unregister(name, version)
        except MardockError as error:
            return f"not cleaned up: {error.message}"
        return None

    @contextmanager
    def _naming_models(self, model: str) -> Iterator[None]:
        """Add close names, or the versions there are, to the error for an unknown one."""
        try:
            yield
        except ModelNotFoundError as error:
            raise explained(error, self._get_json, model) from error


def _check_numbers(query: Mapping[str, QueryValue]) -> None:
    for key, (least, most) in _LIMITS.items():
        value = query.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most):
            raise ConfigError(f"{key} must be a whole number from {least} to {most}, not {value!r}")
