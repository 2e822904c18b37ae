"""What TorchServe counted for each model, now or when it was captured."""

from __future__ import annotations

import json
from pathlib import Path

from mardock.client.metrics import MetricsClient, ModelMetrics, model_metrics
from mardock.endpoint import Endpoint
from mardock.errors import ConfigError


def scrape(endpoint: Endpoint) -> list[ModelMetrics]:
    """Ask a TorchServe.

    Raises:
        ServingError: it does not answer, or with something else.
    """
    with MetricsClient(endpoint) as client:
        return model_metrics(client.scrape())


def read_capture(path: Path) -> list[ModelMetrics]:
    """Read what `mardock metrics --json` printed.

    Raises:
        ConfigError: it is no such file.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [ModelMetrics.from_dict(entry) for entry in entries]
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint="mardock metrics --json > CAPTURE") from error
    except (ConfigError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is no capture of metrics", hint="mardock metrics --json > CAPTURE") from error
