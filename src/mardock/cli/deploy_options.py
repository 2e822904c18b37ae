"""The options of `deploy`, and those of other commands that name a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import completion
from mardock.deploy import targets
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.deploy.base import Served
    from mardock.settings.project import Project

Experiment = Annotated[
    Optional[str],
    typer.Argument(
        help="A model of mardock.toml; may be left out when there is one.",
        metavar="[EXP]",
        autocompletion=completion.models,
    ),
]
TargetOption = Annotated[
    Optional[str],
    typer.Option(
        "--target",
        help=f"{targets.either(targets.MODULES)}; may be left out when mardock.toml has one \\[deploy.*] table.",
        autocompletion=lambda: list(targets.MODULES),
    ),
]
OnEndpoint = Annotated[str, typer.Option("--endpoint", help="The endpoint's name.", metavar="NAME")]
Elsewhere = Annotated[
    Optional[str], typer.Option("--endpoint", help="Ask this endpoint of a cloud instead.", metavar="NAME")
]
Behind = Annotated[
    str,
    typer.Option("--deployment", help="The deployment behind it, e.g. blue, where there are several.", metavar="NAME"),
]
Version = Annotated[
    Optional[str], typer.Option("--version", help="The archive's version, refused when it has another one.")
]
AllowDirty = Annotated[bool, typer.Option("--allow-dirty", help="Deploy files that are not those of the commit.")]


def served(project: Project, target: Optional[str], endpoint: Optional[str], deployment: str = "") -> Optional[Served]:
    """Return what an endpoint serves; None when the options name none.

    Raises:
        ConfigError: a deployment or a target is named without an endpoint, or there is no such deployment.
        DeployError: the endpoint answers nobody.
    """
    from mardock.deploy import destination
    from mardock.deploy.base import DeploymentName

    if endpoint is None:
        if deployment or target is not None:
            raise ConfigError("which endpoint?", hint="--deployment and --target belong to --endpoint NAME")
        return None
    to = destination.choose(project, target)
    return to.target.served(to.site, DeploymentName(endpoint, deployment))
