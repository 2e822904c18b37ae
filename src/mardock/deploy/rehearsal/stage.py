"""One container under one contract: watched from its start until the cloud would send it a request, then sent one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from mardock.causes.audience import Audience, Then
from mardock.causes.settling import Clock
from mardock.client.inference import InferenceClient
from mardock.deploy.rehearsal import faults
from mardock.deploy.rehearsal.checks import Check, Container, Fault
from mardock.deploy.rehearsal.contract import Contract
from mardock.deploy.rehearsal.loading import Loading
from mardock.deploy.rehearsal.prober import Ask, Prober
from mardock.endpoint import Endpoint
from mardock.errors import ApiError, DeployError, MardockError

_LOOK_S = 1.0


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
        self._prober = Prober((contract.liveness, contract.readiness), ask, clock)
        self._loading = Loading(contract, container, clock, Audience(sources, then=Then.REHEARSE))
        self._listening_after: Optional[float] = None
        self.passed = [Check("image", f"{contract.image} runs as {container.user}")]

    def watch(self) -> None:
        """Return when the cloud calls the container Ready and its model is loaded.

        Raises:
            Fault: the cloud would not get there.
        """
        while self._prober.ready_after is None or self._loading.done_after is None:
            self._look()
            self._clock.sleep(min(_LOOK_S, self._prober.next_due))
        self._judge_windows(self._prober.ready_after, self._loading.done_after)

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
        elif self._loading.done_after is None:
            found = self._loading.look(self._prober.elapsed, listening_after=self._listening_after)
            self.passed += [found] if found is not None else []

    def _look_for_listener(self) -> None:
        """See whether the probe's path is answered; what no waiting will change is not waited for."""
        contract, probe = self._contract, self._contract.liveness
        answer = self._ask(probe.path, probe.timeout)
        if answer.success:
            self._listening_after = self._prober.elapsed
            self._pass("listens", f"0.0.0.0:{contract.port}, {probe.path} answers after {self._listening_after:.1f} s")
        elif answer.status is None:
            self._look_within()
        elif answer.status < 500:
            raise Fault("listens", faults.probe_refused(contract, probe, answer))

    def _look_within(self) -> None:
        """Tell a server that listens on the container's loopback address alone from one that does not listen yet."""
        contract, probe = self._contract, self._contract.liveness
        within = self._container.fetch(f"http://127.0.0.1:{contract.port}{probe.path}")
        # Asked outside anew: it may have begun to listen since the first time.
        if within is not None and self._ask(probe.path, probe.timeout).status is None:
            raise Fault("listens", faults.loopback_only(contract))

    def _judge_windows(self, ready: float, loaded: float) -> None:
        """Compare when the cloud sends requests with when they can be answered; seconds from the start."""
        liveness, readiness = self._contract.liveness, self._contract.readiness
        if self._loading.seen_until - ready > self._contract.request_timeout.value:
            raise Fault("readiness probe", faults.too_early(self._contract, ready, loaded))
        until = f"asked from {liveness.initial_delay:g} s on, given up at {liveness.window:g} s"
        self._pass("liveness probe", f"{liveness.path} succeeds, {until}")
        order = f"{ready - loaded:.1f} s after" if ready >= loaded else f"{loaded - ready:.1f} s before"
        self._pass(
            "readiness probe", f"{readiness.path} succeeds, Ready after {ready:.1f} s, {order} the model is loaded"
        )

    def _request_error(self, error: MardockError, *, slow: bool) -> DeployError:
        told = faults.refused(self._contract, error) if isinstance(error, ApiError) else None
        if told is None and slow:
            told = faults.too_slow(self._contract)
        return told or self._loading.handler_failed(error)

    def _pass(self, name: str, figures: str) -> None:
        self.passed.append(Check(name, figures))
