"""Replacing a version by another archive of it: the new one loads first, the old one's requests are answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Optional

from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.errors import MardockError, ModelNotFoundError
from mardock.registration.candidate import Wanted
from mardock.registration.draining import Drain
from mardock.registration.loading import Loader
from mardock.registration.stand_in import StandIn

_REHEARSAL = ".next"


class Replacement:
    """Puts a candidate in the place of versions of its name.

    Args:
        stand_in: gets the requests meanwhile; None for a candidate that cannot be laid out beside what serves, whose
            requests TorchServe answers with 404 until it is loaded.
        drain: waits for the requests of what goes.
        report: told what is being waited for.
    """

    def __init__(
        self,
        client: ManagementClient,
        loader: Loader,
        wanted: Wanted,
        stand_in: Optional[StandIn],
        drain: Drain,
        report: Callable[[str], None],
    ) -> None:
        self._client = client
        self._loader = loader
        self._wanted = wanted
        self._stand_in = stand_in
        self._drain = drain
        self._report = report

    def run(self, current: ModelStatus) -> tuple[ModelStatus, bool]:
        """Return the candidate once it is READY, and whether all requests of the old one were answered.

        What fails leaves the old one serving, or brings it back.
        """
        if current.ready:
            self._rehearse(current)
        with self._another_default(current):
            self._report(f"putting {self._wanted} in the place of the one that serves")
            answered = self._drain.run(current)
            self._client.unregister(current.name, current.version)
            try:
                return self._loader.load(), answered
            except BaseException as error:
                lost = self._bring_back(current) if current.ready or not current.min_workers else None
                if lost and isinstance(error, MardockError):
                    raise error.but(more=lost) from error
                raise

    def _rehearse(self, current: ModelStatus) -> None:
        """Load the candidate beside what serves, to find out whether it can."""
        self._report(f"trying {self._wanted} beside the one that serves")
        what = f"{self._wanted} keeps serving as it was: the new archive"
        if self._stand_in is not None and self._wanted.archive is not None:
            self._stand_in.unpack(self._wanted.archive)
            self._loader.load(name=current.name, url=self._stand_in.url, version=self._stand_in.version, what=what)
            return
        name = current.name + _REHEARSAL
        with suppress(ModelNotFoundError):  # of a rehearsal that was killed
            self._client.unregister(name)
        status = self._loader.load(name=name, what=what)
        self._client.unregister(name, status.version)

    @contextmanager
    def _another_default(self, current: ModelStatus) -> Iterator[None]:
        """Let another version be the default meanwhile: TorchServe unregisters the default one last."""
        name, version = current.name, current.version
        others = [status.version for status in self._client.describe(name) if status.version != version]
        if not others or self._client.describe_default(name).version != version:
            yield
            return
        preferred = self._stand_in.version if self._stand_in is not None else None
        self._client.set_default(name, preferred if preferred in others else others[-1])
        try:
            yield
        finally:
            with suppress(ModelNotFoundError):
                self._client.set_default(name, version)

    def _bring_back(self, old: ModelStatus) -> Optional[str]:
        """Register the old one again, and say why that could not be."""
        try:
            self._client.register(
                old.url,
                model_name=old.name,
                initial_workers=old.min_workers,
                batch_size=old.batch_size,
                max_batch_delay=max(old.max_batch_delay_ms, 0),
                response_timeout=old.response_timeout_s,
                startup_timeout=old.startup_timeout_s,
                allow_remote=True,
            )
        except MardockError as error:
            return f"what was registered before did not come back: {error.message}"
        return None
