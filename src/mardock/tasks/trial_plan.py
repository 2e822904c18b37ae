"""What `mardock try` runs: a model as mardock.toml would have it served."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Optional

from mardock.archive import manifest
from mardock.engines import config_properties
from mardock.handler.trial_spec import MAX_RESPONSE_SIZE, TrialSpec
from mardock.settings.as_served import as_served

if TYPE_CHECKING:
    from mardock.handler.wire import Request
    from mardock.settings.project import Project
    from mardock.settings.schema import ModelSettings

LEAST_BATCH = 2  # of a single sample: enough to show a handler that forgets that requests come in batches


def plan(
    project: Project,
    settings: ModelSettings,
    requests: Mapping[str, Request],
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
        max_response_size=_max_response_size(project),
        debug=debug,
    )


def _max_response_size(project: Project) -> int:
    path = project.root / "torchserve" / "config.properties"
    properties = config_properties.read(path) if path.exists() else {}
    config_properties.check(properties, os.environ)
    found = properties.get("max_response_size")
    return int(found.value) if found and found.value.isdecimal() else MAX_RESPONSE_SIZE
