"""Draining: a version is taken away when its requests are answered, as far as that shows and can be waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.client.metrics import MetricsClient, model_metrics
from mardock.client.model_status import ModelStatus
from mardock.client.refusals import NO_CAPACITY
from mardock.defaults import DRAIN_S, WORKER_TIMEOUT_S
from mardock.endpoint import Endpoint
from mardock.errors import ApiError, MardockError
from mardock.serving import background

_LOOK_S = 0.01
_MARGIN_S = 5.0  # time is up before the connection is given up


@dataclass(frozen=True)
class Drain:
    """Waits for the requests of versions that are to go: TorchServe drops what it has queued or in work for them.

    It tells what is queued. That nothing is in work shows when the only worker of a version has answered a request
    sent behind all else; with several workers, or without a sample, the time a request may take has to pass, unless
    the model was never asked.

    Attributes:
        seconds: to wait at most, and never longer than the version's response_timeout.
        sample: the body of a request the model can answer.
        hurry: says when there is no more time to wait.
    """

    endpoint: Endpoint
    seconds: float = DRAIN_S
    sample: Optional[bytes] = None
    hurry: Callable[[], bool] = lambda: False

    def run(self, status: ModelStatus) -> bool:
        """Return True when nothing is known to be under way, False when time was up before.

        Args:
            status: of a version that gets no new requests.
        """
        if not status.ready_workers or self.asked(status.name) == 0:
            return True
        limit = time.monotonic() + min(self.seconds, status.response_timeout_s or WORKER_TIMEOUT_S)

        def over() -> bool:
            return self.hurry() or time.monotonic() > limit

        answered = self._is_through(status, limit, over)
        with ManagementClient(self.endpoint) as client:
            while client.describe(status.name, status.version)[0].pending_requests:
                if over():
                    return False
                time.sleep(_LOOK_S)
        time.sleep(_LOOK_S)  # the answers of the batch the sample was in
        return answered

    def asked(self, model: str) -> Optional[int]:
        """Return how many requests of a model were counted, each as it arrived; None when TorchServe cannot say."""
        if not self.endpoint.metrics_url:
            return None
        try:
            with MetricsClient(self.endpoint) as client:
                counted = model_metrics(client.scrape())
        except MardockError:
            return None
        return sum(version.requests for version in counted if version.model == model)

    def _is_through(self, status: ModelStatus, limit: float, over: Callable[[], bool]) -> bool:
        if len(status.workers) == 1 and self.sample is not None and self.endpoint.inference_url:
            sample = self.sample
            try:
                background.result(background.begin(lambda: self._ask(status, sample, limit)), over)
            except background.SupersededError:
                return False
        else:
            while not over():
                time.sleep(_LOOK_S)
        return True

    def _ask(self, status: ModelStatus, sample: bytes, limit: float) -> None:
        """Send the sample and wait for its answer; one that fails was answered in its turn."""
        with InferenceClient(self.endpoint) as client:
            while True:
                timeout = max(limit - time.monotonic(), _LOOK_S)
                try:
                    client.predict(status.name, sample, version=status.version, timeout=timeout + _MARGIN_S)
                except MardockError as error:
                    if isinstance(error, ApiError) and error.kind == NO_CAPACITY:  # its queue is full
                        time.sleep(_LOOK_S)
                        continue
                return
