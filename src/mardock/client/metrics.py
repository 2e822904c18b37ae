"""MetricsClient: what TorchServe counted, as samples and as one line per model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

from mardock.client.refusals import sanitized
from mardock.client.transport import Client, Transport
from mardock.endpoint import Endpoint
from mardock.errors import ConfigError, ServingError

_MAX_BYTES = 64 * 1024 * 1024
_REQUESTS = "ts_inference_requests_total"
_INFERENCE = "ts_inference_latency_microseconds"
_QUEUE = "ts_queue_latency_microseconds"

_LINE = re.compile(r"(?P<name>[\w:]+)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+-?\d+)?")
_NUMBER = re.compile(r"[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|inf|nan)", re.IGNORECASE)
_LABEL = re.compile(r'(?P<name>\w+)="(?P<value>(?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Sample:
    """One line of the Prometheus text: a metric, its labels and its value in the metric's own unit."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelMetrics:
    """What TorchServe counted for one model since it started.

    Attributes:
        version: as the callers named it: `default` when their URLs named none.
        requests: all that reached the model, also those that failed.
        mean_inference_latency_us: microseconds per request from arrival to answer, by TorchServe's clock; a failed
            request adds to `requests` alone. `None` before the first request.
        mean_queue_latency_us: microseconds of that in the job queue, waiting for a worker and for its batch.
    """

    model: str
    version: str
    requests: int
    mean_inference_latency_us: Optional[float]
    mean_queue_latency_us: Optional[float]

    def to_dict(self) -> dict[str, object]:
        """Return what `from_dict` reads, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> ModelMetrics:
        """Read an entry of a capture; raises ConfigError when it is none."""
        try:
            means = (entry["mean_inference_latency_us"], entry["mean_queue_latency_us"])
            inference, queue = (None if mean is None else float(mean) for mean in means)
            return cls(str(entry["model"]), str(entry["version"]), int(entry["requests"]), inference, queue)
        except (TypeError, KeyError, ValueError) as error:
            raise ConfigError("this is no capture of metrics", hint="mardock metrics --json > CAPTURE") from error


class MetricsClient(Client):
    """Reads one TorchServe's Metrics API, which never asks for a token."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(Transport(endpoint.metrics_url, api="Metrics API", own_certificates=endpoint.certificates))

    def scrape(self, *, timeout: float = 10.0) -> list[Sample]:
        """Return all samples, in the server's order.

        Args:
            timeout: seconds the server may stay silent.

        Raises:
            EngineNotRunningError: nothing listens there.
            ServingError: metrics go to the log (`metrics_mode=log`, TorchServe's default), or the text is none of
                Prometheus'.
        """
        body = self._transport.request("GET", "/metrics", timeout=timeout, max_bytes=_MAX_BYTES).body
        if not body.strip():
            raise ServingError(
                "TorchServe writes its metrics to the log alone",
                hint="set metrics_mode=prometheus in config.properties and restart it",
            )
        return parse_samples(body)


def parse_samples(body: bytes) -> list[Sample]:
    """Parse Prometheus text; raises ServingError when it is none.

    prometheus_client's parser would append `_total` to the names of most of TorchServe's counters.
    """
    text = body.decode("utf-8", "replace")
    return [_sample(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _sample(line: str) -> Sample:
    match = _LINE.fullmatch(line.strip())
    if match is None or not _NUMBER.fullmatch(match["value"]):
        raise ServingError("the Metrics API answered a line that is no Prometheus text", details=sanitized(line))
    labels = {label["name"]: _unescaped(label["value"]) for label in _LABEL.finditer(match["labels"] or "")}
    return Sample(match["name"], float(match["value"]), labels)


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else escape[1], value)


def model_metrics(samples: Iterable[Sample]) -> list[ModelMetrics]:
    """Sum the samples up per model and version, sorted by both."""
    sums: dict[tuple[str, str], dict[str, float]] = {}
    for sample in samples:
        if sample.name in (_REQUESTS, _INFERENCE, _QUEUE):
            key = (sample.labels.get("model_name", ""), sample.labels.get("model_version", ""))
            counters = sums.setdefault(key, {})
            counters[sample.name] = counters.get(sample.name, 0.0) + sample.value
    return [_summary(model, version, counters) for (model, version), counters in sorted(sums.items())]


def _summary(model: str, version: str, counters: Mapping[str, float]) -> ModelMetrics:
    requests = int(counters.get(_REQUESTS, 0))

    def mean(name: str) -> Optional[float]:
        return counters.get(name, 0.0) / requests if requests else None

    return ModelMetrics(model, version, requests, mean(_INFERENCE), mean(_QUEUE))
