"""What `mardock try` runs: a model as mardock.toml would have it served."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from mardock.archive import manifest
from mardock.engines import config_properties
from mardock.handler.trial_spec import MAX_SIZE, TrialSpec
from mardock.settings.as_served import as_served

if TYPE_CHECKING:
    from mardock.payload import Payload
    from mardock.settings.project import Project
    from mardock.settings.schema import ModelSettings

LEAST_BATCH = 2  # of a single sample: enough to show a handler that forgets that requests come in batches


def plan(
    project: Project,
    settings: ModelSettings,
    requests: Mapping[str, Payload],
    *,
    batch: Optional[int],
    timeout: Optional[float],
    debug: bool,
) -> TrialSpec:
    """Put together what to try.

    Args:
        batch: the size of the batch; that of the requests, or of the batches it is served, when None.
        timeout: seconds for loading and for each batch, instead of those it is served with.

    Raises:
        ConfigError: files of the archive are missing, or config.properties cannot be read.
        ArchiveError: its model-config.yaml is unfit.
    """
    members = {member.name: member.content or member.path for member in settings.archive.resolve(project.root)}
    serving = as_served(settings, project.root)
    return TrialSpec(
        members=members,
        manifest=manifest.render(settings.archive),
        samples=list(requests.values()),
        batch=batch or max(len(requests), serving.batch_size, LEAST_BATCH),
        batch_size=serving.batch_size,
        startup_timeout=timeout or serving.startup_timeout,
        response_timeout=timeout or serving.response_timeout,
        debug=debug,
        **_by_config(project),
    )


def max_request_size(project: Project) -> int:
    """Return how many bytes a request may have.

    Raises:
        ConfigError: config.properties cannot be read.
    """
    return _size(_configured(project), "max_request_size")


def _by_config(project: Project) -> dict[str, Any]:
    """Return what config.properties says of how requests reach a handler, and what it may answer."""
    found = _configured(project)
    return {
        "max_response_size": _size(found, "max_response_size"),
        "decoded": found.get("decode_input_request", "true") == "true",  # the worker compares it as it is
        "envelope": found.get("service_envelope") or None,
        "limited_images": found.get("limit_max_image_pixels", "true").lower() == "true",
    }


def _configured(project: Project) -> dict[str, str]:
    properties = config_properties.of_project(project.root)
    config_properties.check(properties, os.environ)
    return {key: found.value.strip() for key, found in properties.items()}


def _size(configured: Mapping[str, str], key: str) -> int:
    value = configured.get(key, "")
    return int(value) if value.isdecimal() else MAX_SIZE
