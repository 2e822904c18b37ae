"""Metrics: Prometheus text into samples, samples into one line per model, captures there and back."""

from __future__ import annotations

import json

import pytest

from mardock.client.metrics import ModelMetrics, Sample, model_metrics, parse_samples
from mardock.errors import ConfigError, ServingError

TEXT = b"""# HELP ts_inference_requests_total Torchserve prometheus counter metric with unit: Count
# TYPE ts_inference_requests_total counter
ts_inference_requests_total{model_name="mnist",model_version="default",hostname="vm",} 4.0
ts_inference_requests_total{model_name="idle",model_version="default",hostname="vm",} 0.0
ts_inference_latency_microseconds{model_name="mnist",model_version="default",hostname="vm",} 8000.0
ts_queue_latency_microseconds{model_name="mnist",model_version="default",hostname="vm",} 1.0E3
# TYPE GPUUtilization gauge
Requests2XX{Level="Host",Hostname="vm",} 25.0
"""


def test_samples_keep_torchserves_names_and_labels() -> None:
    assert parse_samples(TEXT)[-1] == Sample("Requests2XX", 25.0, {"Level": "Host", "Hostname": "vm"})


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        (b"up 1", Sample("up", 1.0)),
        (b"up 1 1700000000000", Sample("up", 1.0)),
        (b"up{} -Inf", Sample("up", float("-inf"))),
        (rb'up{path="C:\\\\a\"b}\nc"} .5', Sample("up", 0.5, {"path": 'C:\\\\a"b}\nc'})),
    ],
)
def test_the_text_format_is_read(line: bytes, sample: Sample) -> None:
    assert parse_samples(line) == [sample]


@pytest.mark.parametrize("text", [b"<html>", b"up", b"up one", b"up{a=", b"\xff\xfe 1", b'{"code": 500}'])
def test_other_text_is_refused(text: bytes) -> None:
    with pytest.raises(ServingError, match="no Prometheus text"):
        parse_samples(text)


def test_means_are_sums_over_requests() -> None:
    assert model_metrics(parse_samples(TEXT)) == [
        ModelMetrics("idle", "default", 0, None, None),
        ModelMetrics("mnist", "default", 4, 2000.0, 250.0),
    ]


def test_a_capture_survives_json() -> None:
    for line in model_metrics(parse_samples(TEXT)):
        assert ModelMetrics.from_dict(json.loads(json.dumps(line.to_dict()))) == line


@pytest.mark.parametrize("entry", [{}, {"model": "m"}, [], None, {"model": "m", "version": "1", "requests": "x"}])
def test_what_is_no_capture_is_refused(entry: object) -> None:
    with pytest.raises(ConfigError, match="no capture"):
        ModelMetrics.from_dict(entry)  # type: ignore[arg-type]
