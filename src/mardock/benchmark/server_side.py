"""ServerSide: TorchServe's own count of the requests of one run, from its counters before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from mardock.client.metrics import MetricsClient, ModelMetrics, model_metrics
from mardock.endpoint import Endpoint


@dataclass(frozen=True)
class Counters:
    """TorchServe's sums for one model; latencies in microseconds."""

    requests: int = 0
    inference_us: float = 0.0
    queue_us: float = 0.0

    def __add__(self, other: Counters) -> Counters:
        """Return both together."""
        return Counters(
            self.requests + other.requests, self.inference_us + other.inference_us, self.queue_us + other.queue_us
        )

    def __sub__(self, before: Counters) -> Counters:
        """Return what was counted between two looks."""
        return Counters(
            self.requests - before.requests, self.inference_us - before.inference_us, self.queue_us - before.queue_us
        )


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

    @classmethod
    def of(cls, counted: Counters) -> ServerSide:
        """Return the means of what was counted."""
        requests = counted.requests
        if requests <= 0 or counted.inference_us < 1:  # the sums are products of floats: nothing may differ from 0
            return cls(max(requests, 0), None, None)
        return cls(requests, counted.inference_us / requests / 1000, counted.queue_us / requests / 1000)


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
