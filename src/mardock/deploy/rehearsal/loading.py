"""A model while TorchServe loads it: READY, dead or neither, as the Management API within the container tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from mardock.client.model_status import ModelStatus, fetch_everything, parse_json
from mardock.deploy.rehearsal import faults
from mardock.deploy.rehearsal.checks import Check, Container, Fault
from mardock.deploy.rehearsal.contract import Contract
from mardock.deploy.rehearsal.prober import Clock
from mardock.errors import ServingError
from mardock.handler import failures

_UNSEEN = 5
_GRACE_S = 60.0  # TorchServe itself ends a worker that outlasts its startup timeout
_SETTLING_S = 5.0  # in which the last words of a worker reach the log
_POLL_S = 0.25


class Loading:
    """Follows one model.

    Attributes:
        seen_until: seconds from the container's start to the last look that found it loading.
        done_after: likewise to the first look that found it loaded, or gave up looking.
    """

    def __init__(self, contract: Contract, container: Container, clock: Clock, sources: Mapping[str, str]) -> None:
        self._contract = contract
        self._container = container
        self._clock = clock
        self._sources = sources
        self._unseen = 0
        self._pids: dict[str, int] = {}
        self.seen_until = 0.0
        self.done_after: Optional[float] = None

    def look(self, elapsed: float, *, listening_after: float) -> Optional[Check]:
        """Look once and return what came of it, None while it loads; both times in seconds from the start.

        Raises:
            Fault: it has another name, its worker died, or it never ends.
        """
        contract = self._contract
        try:
            found = fetch_everything(self._management_json)
        except ServingError:
            self._unseen += 1
            if self._unseen < _UNSEEN:
                return None
            self.done_after = elapsed  # e.g. an image of one's own whose Management API is elsewhere
            return Check("model", f"not seen: in the container, nothing answers at {contract.management_url}")
        mine = [status for status in found if status.name == contract.model]
        if not mine:
            raise Fault("model", faults.wrong_name(contract, [status.name for status in found]))
        if mine[0].ready:
            self.done_after = elapsed
            return Check("model", f"{contract.model} {mine[0].version} is loaded after {elapsed:.1f} s")
        if self._has_died(mine[0]):
            raise Fault("model", faults.handler_failed(contract, self.settled_log(), self._sources))
        if elapsed - listening_after > contract.startup_timeout + _GRACE_S:
            log = self._container.lines()
            raise Fault("model", faults.never_loaded(contract, elapsed - listening_after, log))
        self.seen_until = elapsed
        return None

    def settled_log(self) -> list[str]:
        """Return the container's log once the handler's failure in it stands still."""
        contract, until = self._contract, self._clock.monotonic() + _SETTLING_S
        before = None
        while True:
            lines = self._container.lines()
            found = failures.find(lines, contract.model, contract.version, self._sources)
            if (found is not None and found == before) or self._clock.monotonic() >= until:
                return lines
            before = found
            self._clock.sleep(_POLL_S)

    def _has_died(self, status: ModelStatus) -> bool:
        """Say whether a worker died: TorchServe starts another, with another pid, and calls both UNLOADING."""
        changed = [
            worker
            for worker in status.workers
            if worker.pid > 0 and self._pids.setdefault(worker.id, worker.pid) != worker.pid
        ]
        return bool(changed) or failures.keeps_dying(self._container.lines(), self._contract.model)

    def _management_json(self, path: str) -> object:
        body = self._container.fetch(self._contract.management_url + path)
        if body is None:
            raise ServingError("no Management API answers within the container")
        return parse_json(body)
