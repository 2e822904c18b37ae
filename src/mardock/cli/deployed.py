"""A deployed model as an Endpoint, for the commands that ask a model wherever it is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from mardock.cli import deploy_options
from mardock.errors import ConfigError, DeployError

if TYPE_CHECKING:
    from mardock.deploy.base import Served
    from mardock.settings.project import Project

_METRICS_PAGE = {
    "azureml": "the studio shows the endpoint's own under Metrics",
    "tir": "the TIR dashboard shows the endpoint's own",
}


def find(project: Project, target: Optional[str], endpoint: Optional[str], deployment: str = "") -> Optional[Served]:
    """Return what an endpoint serves; None when the options name none.

    Raises:
        ConfigError: a deployment or a target is named without an endpoint, or there is no such deployment.
        DeployError: the endpoint answers nobody.
    """
    if endpoint is None:
        if deployment or target is not None:
            raise ConfigError("which endpoint?", hint="--deployment and --target belong to --endpoint NAME")
        return None
    return served(project, target, endpoint, deployment)


def served(project: Project, target: Optional[str], endpoint: str, deployment: str = "") -> Served:
    """Return what an endpoint serves, or the one deployment behind it; raises like `find`."""
    from mardock.deploy import base

    chosen = deploy_options.target(project, target)
    return base.load(chosen).served(deploy_options.site(project, chosen), base.Name(endpoint, deployment))


def names(project: Project, found: Optional[Served], model: Optional[str]) -> tuple[Optional[str], str]:
    """Return which model of mardock.toml is asked, None when that cannot be told, and its name in a call.

    Args:
        found: what a cloud serves; None for this project's own server.
        model: what the user calls it, when they do.

    Raises:
        ConfigError: something else is served there, or nobody says what is.
    """
    from mardock.cli import predicting

    if found is None:
        return model, predicting.model_name(project, model)
    models = project.settings.models
    known = [name for name in models if {name, models[name].archive.model_name} & set(found.models)]
    if model is not None and found.models and model not in (*known, *found.models):
        raise ConfigError(
            f"{', '.join(found.models)} is served there, not {model}", hint="name another --endpoint, or no model"
        )
    asked = model or (known[0] if len(known) == 1 else None)
    return asked, found.called or predicting.model_name(project, asked)


def no_metrics(project: Project, target: Optional[str], endpoint: str) -> DeployError:
    """Return why an endpoint's metrics cannot be shown: what is in front of it passes predictions alone."""
    from mardock.deploy import base

    chosen = deploy_options.target(project, target)
    base.load(chosen)  # refuses what is no target
    return DeployError(
        f"the endpoint {endpoint} passes predictions alone: TorchServe's metrics stay inside ({chosen})",
        hint=f"{_METRICS_PAGE[chosen]}; mardock bench --endpoint {endpoint} measures it from here",
    )
