"""One container under one contract: watched from its start until the cloud would send it a request, then sent one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional, Protocol

from mardock.client.inference import InferenceClient
from mardock.client.model_status import ModelStatus, fetch_everything, parse_json
from mardock.deploy.rehearsal import faults
from mardock.deploy.rehearsal.contract import Contract
from mardock.deploy.rehearsal.prober import Ask, Clock, Prober
from mardock.endpoint import Endpoint
from mardock.errors import ApiError, DeployError, MardockError, ServingError
from mardock.handler import failures

_LOOK_S = 1.0
_UNSEEN = 5
_GRACE_S = 60.0  # TorchServe itself ends a worker that outlasts its startup timeout
_SETTLING_S = 5.0  # in which a dead worker's last words reach the log


@dataclass(frozen=True)
class Check:
    """What was looked at, whether the cloud would be content, and the figures."""

    name: str
    figures: str
    ok: bool = True


class Fault(Exception):  # noqa: N818 - it ends a rehearsal, and `error` is what the user is told
    """The check that failed, and why."""

    def __init__(self, check: str, error: DeployError) -> None:
        super().__init__(error.message)
        self.check = check
        self.error = error


class Container(Protocol):
    """The running container; `engines.docker.throwaway.Throwaway` is one."""

    host: str
    port: int
    user: str

    def exit_code(self) -> Optional[int]: ...

    def lines(self) -> list[str]: ...

    def fetch(self, url: str) -> Optional[bytes]: ...


class Stage:
    """Watches one container.

    Args:
        sources: the project's path of each Python file of the archive, for tracebacks.

    Attributes:
        passed: the checks that went well so far.
    """

    def __init__(
        self, contract: Contract, container: Container, ask: Ask, clock: Clock, sources: Mapping[str, str]
    ) -> None:
        self._contract = contract
        self._container = container
        self._ask = ask
        self._clock = clock
        self._sources = sources
        self._prober = Prober((contract.liveness, contract.readiness), ask, clock)
        self._listening_after: Optional[float] = None
        self._loading_until = 0.0
        self._loaded_after: Optional[float] = None
        self._unseen = 0
        self._pids: dict[str, int] = {}
        self.passed = [Check("image", f"{contract.image} runs as {container.user}")]

    def watch(self) -> None:
        """Return when the cloud calls the container Ready and its model is loaded.

        Raises:
            Fault: the cloud would not get there.
        """
        while self._prober.ready_after is None or self._loaded_after is None:
            self._look()
            self._clock.sleep(min(_LOOK_S, self._prober.next_due))
        self._judge_window(self._prober.ready_after, self._loaded_after)

    def request(self, sample: bytes) -> bytes:
        """Send the first request as the cloud does, without a token, and return the answer.

        Raises:
            Fault: it is not answered as it should be.
        """
        contract, began = self._contract, self._clock.monotonic()
        limit = contract.request_timeout.value
        try:
            with InferenceClient(Endpoint(f"http://{self._container.host}:{self._container.port}")) as client:
                answer = client.predict(contract.model, sample, timeout=limit)
        except MardockError as error:  # also one of the engine, when nothing answers any more
            slow = self._clock.monotonic() - began >= limit
            raise Fault("request", self._request_error(error, slow=slow)) from error
        took = self._clock.monotonic() - began
        self._pass("request", f"/predictions/{contract.model} answers after {took:.2f} s, {limit:g} s are granted")
        return answer.body

    def _request_error(self, error: MardockError, *, slow: bool) -> DeployError:
        told = faults.refused(self._contract, error) if isinstance(error, ApiError) else None
        if told is None and slow:
            told = faults.too_slow(self._contract)
        return told or faults.handler_failed(self._contract, self._log(), self._sources, error)

    def _look(self) -> None:
        code = self._container.exit_code()
        if code is not None:
            raise Fault("container", faults.ended(self._contract, code, self._container.lines()))
        self._prober.ask_due()
        failed = self._prober.failed
        if failed is not None:
            log = self._container.lines()
            raise Fault(f"{failed.kind} probe", faults.probe_failed(self._contract, failed, self._prober.last, log))
        if self._listening_after is None:
            self._look_for_listener()
        elif self._loaded_after is None:
            self._look_at_model(self._listening_after)

    def _look_for_listener(self) -> None:
        """See whether the probe's path is answered; what no waiting will change is not waited for."""
        contract, probe = self._contract, self._contract.liveness
        answer = self._ask(probe.path, probe.timeout)
        if answer.success:
            self._listening_after = self._prober.elapsed
            self._pass("listens", f"0.0.0.0:{contract.port}, {probe.path} answers after {self._listening_after:.1f} s")
        elif answer.status is not None and answer.status < 500:
            raise Fault("listens", faults.probe_refused(contract, probe, answer))
        elif answer.status is None and self._answers_within() and self._ask(probe.path, probe.timeout).status is None:
            raise Fault("listens", faults.loopback_only(contract))

    def _answers_within(self) -> bool:
        """Say whether the probe is answered in the container itself; asked outside anew, it is then answered, too."""
        contract = self._contract
        return self._container.fetch(f"http://127.0.0.1:{contract.port}{contract.liveness.path}") is not None

    def _look_at_model(self, listening_after: float) -> None:
        contract = self._contract
        try:
            found = fetch_everything(self._management_json)
        except ServingError:
            self._unseen += 1
            if self._unseen >= _UNSEEN:  # e.g. an image of one's own whose Management API is elsewhere
                self._loaded_after = self._prober.elapsed
                self._pass("model", f"not seen: in the container, nothing answers at {contract.management_url}")
            return
        mine = [status for status in found if status.name == contract.model]
        if not mine:
            raise Fault("model", faults.wrong_name(contract, [status.name for status in found]))
        if mine[0].ready:
            self._loaded_after = self._prober.elapsed
            self._pass("model", f"{contract.model} {mine[0].version} is loaded after {self._loaded_after:.1f} s")
        elif self._has_died(mine[0]):
            raise Fault("model", faults.handler_failed(contract, self._log(), self._sources))
        elif self._prober.elapsed - listening_after > contract.startup_timeout + _GRACE_S:
            waited = self._prober.elapsed - listening_after
            raise Fault("model", faults.never_loaded(contract, waited, self._container.lines()))
        else:
            self._loading_until = self._prober.elapsed

    def _judge_window(self, ready: float, loaded: float) -> None:
        """Compare when the cloud sends requests with when they can be answered."""
        probe, limit = self._contract.readiness, self._contract.request_timeout.value
        if self._loading_until - ready > limit:
            raise Fault("readiness probe", faults.too_early(self._contract, ready, loaded))
        liveness = self._contract.liveness
        until = f"asked from {liveness.initial_delay:g} s on, given up at {liveness.window:g} s"
        self._pass("liveness probe", f"{liveness.path} succeeds, {until}")
        order = f"{ready - loaded:.1f} s after" if ready >= loaded else f"{loaded - ready:.1f} s before"
        self._pass("readiness probe", f"{probe.path} succeeds, Ready after {ready:.1f} s, {order} the model is loaded")

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

    def _log(self) -> list[str]:
        """Return the log once the failure in it stands still."""
        contract, until = self._contract, self._clock.monotonic() + _SETTLING_S
        before = None
        while True:
            lines = self._container.lines()
            found = failures.find(lines, contract.model, contract.version, self._sources)
            if (found is not None and found == before) or self._clock.monotonic() >= until:
                return lines
            before = found
            self._clock.sleep(_LOOK_S / 4)

    def _pass(self, name: str, figures: str) -> None:
        self.passed.append(Check(name, figures))
