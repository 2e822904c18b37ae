"""What is asked of a deployed model: which of the project's models it is, what it is called there, and its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from mardock.deploy.base import DeploymentName
from mardock.deploy.capabilities import HasMetricsPage
from mardock.errors import ConfigError, DeployError

if TYPE_CHECKING:
    from mardock.deploy.base import DeployTarget, Served
    from mardock.deploy.destination import Destination
    from mardock.endpoint import Endpoint
    from mardock.settings.project import Project


def names(project: Project, found: Optional[Served], model: Optional[str]) -> tuple[Optional[str], str]:
    """Return which model of mardock.toml is asked, None when that cannot be told, and its name in a call.

    Args:
        found: what a target serves; None for this project's own server.
        model: what the user calls it, when they do.

    Raises:
        ConfigError: something else is served there, or nobody says what is.
    """
    if found is None:
        return model, _registered(project, model)
    models = project.settings.models
    known = [name for name in models if {name, models[name].archive.model_name} & set(found.models)]
    if model is not None and found.models and model not in (*known, *found.models):
        raise ConfigError(
            f"{', '.join(found.models)} is served there, not {model}", hint="name another --endpoint, or no model"
        )
    asked = model or (known[0] if len(known) == 1 else None)
    return asked, found.called or _registered(project, asked)


def metrics_endpoint(to: Destination[DeployTarget], endpoint: str) -> Endpoint:
    """Return where TorchServe's own metrics of an endpoint can be had.

    Raises:
        DeployError: nowhere, for what is in front of it passes predictions alone; and what to look at instead.
    """
    page = ""
    if isinstance(to.target, HasMetricsPage):
        page = f"{to.target.METRICS_PAGE}; "
    else:
        found = to.target.served(to.site, DeploymentName(endpoint)).endpoint
        if found.metrics_url:
            return found
    raise DeployError(
        f"the endpoint {endpoint} passes predictions alone: TorchServe's metrics stay inside ({to.name})",
        hint=f"{page}mardock bench --endpoint {endpoint} measures it from here",
    )


def _registered(project: Project, given: Optional[str]) -> str:
    return given if given is not None else project.settings.model()[1].archive.model_name
