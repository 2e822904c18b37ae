"""Loading a candidate: registered with all that TorchServe is to be told, READY, or explained and gone again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Optional

from mardock.causes.audience import Audience
from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.engines.base import Engine
from mardock.errors import MardockError, ModelConflictError
from mardock.registration.candidate import Wanted
from mardock.registration.diagnosis import LogPosition, explain_start


def request(
    client: ManagementClient, wanted: Wanted, *, name: Optional[str] = None, url: Optional[str] = None
) -> ModelStatus:
    """Register a candidate as it is to be served; raises like `ManagementClient.register`.

    Args:
        name, url: instead of its own.
    """
    serving = wanted.serving
    return client.register(
        url or wanted.url,
        model_name=name or wanted.model,
        initial_workers=serving.initial_workers,
        batch_size=serving.batch_size,
        max_batch_delay=serving.max_batch_delay,
        response_timeout=serving.response_timeout,
        startup_timeout=serving.startup_timeout,
        allow_remote=wanted.allow_remote,
    )


class Loader:
    """Loads one candidate on one server.

    Args:
        engine: who runs it, when that is ours to ask; its log tells why a worker did not start.
    """

    def __init__(self, client: ManagementClient, engine: Optional[Engine], wanted: Wanted) -> None:
        self._client = client
        self._engine = engine
        self._wanted = wanted

    def load(
        self,
        *,
        name: Optional[str] = None,
        url: Optional[str] = None,
        version: Optional[str] = None,
        what: Optional[str] = None,
    ) -> ModelStatus:
        """Register the candidate and wait for its workers; one that fails is gone again.

        Args:
            name, url, version: instead of its own.
            what: what to call it when it fails.
        """
        self.share_cores(name or self._wanted.model)
        with self.explaining(name or self._wanted.model, version or self._wanted.version, what or str(self._wanted)):
            status = request(self._client, self._wanted, name=name, url=url)
            try:
                return self.wait(status, status.min_workers)
            except BaseException:
                self._client.unregister(status.name, status.version)
                raise

    def share_cores(self, name: Optional[str]) -> None:
        """Keep the workers from taking each other's cores: they are several times slower when they do."""
        if self._engine is not None and name is not None:
            with suppress(MardockError):  # they answer all the same
                self._engine.share_cores(name, self._wanted.serving.initial_workers)

    def wait(self, status: ModelStatus, workers: int) -> ModelStatus:
        """Return once that many workers of a version are READY."""
        timeout = self._wanted.serving.startup_timeout
        return self._client.wait_ready(status.name, status.version, workers=workers, timeout=timeout)

    @contextmanager
    def explaining(self, name: Optional[str], version: Optional[str], what: str) -> Iterator[None]:
        """Tell of what fails inside with the cause that stands in the server's log."""
        since = LogPosition.now(self._engine)
        try:
            yield
        except ModelConflictError:
            raise
        except MardockError as error:
            wanted = self._wanted
            told = explain_start(
                self._engine,
                name,
                version,
                since,
                error,
                what=what,
                audience=Audience(wanted.sources),
                needs=wanted.needs,
            )
            if told is error:
                raise
            raise told from error
