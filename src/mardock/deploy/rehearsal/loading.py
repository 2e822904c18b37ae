"""A model while TorchServe loads it: READY, dead or neither, as the Management API within the container tells."""

from __future__ import annotations

from typing import Optional

from mardock.causes import crash_loop
from mardock.causes.audience import Audience
from mardock.causes.settling import Clock, settled
from mardock.client.model_status import ModelStatus, fetch_everything, parse_json
from mardock.client.restarts import Restarts
from mardock.deploy.rehearsal import faults
from mardock.deploy.rehearsal.checks import Check, Container, Fault
from mardock.deploy.rehearsal.contract import Contract
from mardock.errors import DeployError, MardockError, ServingError

_UNSEEN = 5
_GRACE_S = 60.0  # TorchServe itself ends a worker that outlasts its startup timeout
_SETTLING_S = 5.0  # in which the last words of a worker reach the log
_NEXT_WORKER_S = 15.0  # without a line while it starts: its predecessor's last words may have been lost


class Loading:
    """Follows one model.

    Attributes:
        seen_until: seconds from the container's start to the last look that found it loading.
        done_after: likewise to the first look that found it loaded, or gave up looking.
    """

    def __init__(self, contract: Contract, container: Container, clock: Clock, audience: Audience) -> None:
        self._contract = contract
        self._container = container
        self._clock = clock
        self._audience = audience
        self._unseen = 0
        self._restarts = Restarts()
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
            raise Fault("model", self.handler_failed())
        if elapsed - listening_after > contract.startup_timeout + _GRACE_S:
            log = self._container.lines()
            raise Fault("model", faults.never_loaded(contract, elapsed - listening_after, log))
        self.seen_until = elapsed
        return None

    def handler_failed(self, error: Optional[MardockError] = None) -> DeployError:
        """Return why the handler failed, which the container's log tells a moment later; see `faults`."""
        contract, read = self._contract, self._container.lines
        patience, deaths = (_SETTLING_S, 1) if error else (_NEXT_WORKER_S, 2)
        cause = settled(
            read, contract.model, contract.version, self._audience, clock=self._clock, patience=patience, deaths=deaths
        )
        return faults.handler_failed(contract, cause, read(), self._audience, error)

    def _has_died(self, status: ModelStatus) -> bool:
        """Say whether a worker died: TorchServe starts another, and calls both UNLOADING."""
        return bool(self._restarts.look(status)) or crash_loop.keeps_dying(
            self._container.lines(), self._contract.model
        )

    def _management_json(self, path: str) -> object:
        body = self._container.fetch(self._contract.management_url + path)
        if body is None:
            raise ServingError("no Management API answers within the container")
        return parse_json(body)
