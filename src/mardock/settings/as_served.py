"""How a model is served in the end: what mardock.toml says, and what its model-config.yaml says instead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mardock.archive.model_config import parse
from mardock.settings.schema import ModelSettings, Serving


def as_served(settings: ModelSettings, root: Path) -> Serving:
    """Return how a project's model is served.

    Raises:
        ArchiveError: its model-config.yaml is unfit.
    """
    spec = settings.archive
    if spec.config_file is None:
        return settings.serving
    text = (root / spec.config_file).read_bytes()
    return overridden(settings.serving, parse(text, spec.config_file, spec.model_name))


def overridden(serving: Serving, config: Mapping[str, Any]) -> Serving:
    """Let model-config.yaml win: TorchServe would take its workers and timeouts, but the batch of the request."""
    return Serving(
        initial_workers=config.get("minWorkers", serving.initial_workers),
        batch_size=config.get("batchSize", serving.batch_size),
        max_batch_delay=config.get("maxBatchDelay", serving.max_batch_delay),
        response_timeout=config.get("responseTimeout", serving.response_timeout),
        startup_timeout=config.get("startupTimeout", serving.startup_timeout),
        threads_per_worker=config.get("threadsPerWorker", serving.threads_per_worker),
    )
