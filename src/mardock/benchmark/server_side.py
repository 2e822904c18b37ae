"""ServerSide: TorchServe's own count of the requests of one run, from its counters before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from mardock.client.metrics import MetricsClient, ModelMetrics, model_metrics
from mardock.endpoint import Endpoint


@dataclass(frozen=True)
class ServerSide:
    """What TorchServe counted while a run lasted, other clients' requests of the same model among them.

    Attributes:
        requests: all that reached the model; those that failed add to this alone and so lower the means.
        mean_inference_ms: from arrival to answer, the queue included, by TorchServe's clock; `None` without requests,
            and over gRPC, where TorchServe counts requests alone.
        mean_queue_ms: of that in the job queue, waiting for a worker and for its batch.
    """

    requests: int
    mean_inference_ms: Optional[float]
    mean_queue_ms: Optional[float]


@dataclass(frozen=True)
class Counters:
    """TorchServe's sums for one model since it started; latencies in microseconds."""

    requests: int = 0
    inference_us: float = 0.0
    queue_us: float = 0.0

    def since(self, before: Counters) -> ServerSide:
        """Return what was counted between two looks."""
        requests = self.requests - before.requests
        if requests <= 0:
            return ServerSide(0, None, None)
        inference, queue = self.inference_us - before.inference_us, self.queue_us - before.queue_us
        if not inference:
            return ServerSide(requests, None, None)
        return ServerSide(requests, inference / requests / 1000, queue / requests / 1000)


def read_counters(endpoint: Endpoint, model: str, version: Optional[str]) -> Counters:
    """Read the counters of the requests whose URL named this version, or named none.

    Raises:
        ConfigError: the endpoint has no Metrics API.
        EngineNotRunningError, ServingError: it does not answer, or with metrics in the log alone.
    """
    with MetricsClient(endpoint) as client:
        found = model_metrics(client.scrape())
    mine = [entry for entry in found if (entry.model, entry.version) == (model, version or "default")]
    return _sums(mine[0]) if mine else Counters()


def _sums(entry: ModelMetrics) -> Counters:
    inference, queue = entry.mean_inference_latency_us or 0.0, entry.mean_queue_latency_us or 0.0
    return Counters(entry.requests, inference * entry.requests, queue * entry.requests)
