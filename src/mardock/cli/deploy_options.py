"""What the options of `deploy` mean, and those of other commands that name a deployment: a target and its settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.deploy.base import Site
    from mardock.settings.project import Project

Experiment = Annotated[
    Optional[str], typer.Argument(help="A model of mardock.toml; may be left out when there is one.", metavar="[EXP]")
]
Target = Annotated[
    Optional[str],
    typer.Option("--target", help="azureml or tir; may be left out when mardock.toml has one \\[deploy.*] table."),
]
OnEndpoint = Annotated[str, typer.Option("--endpoint", help="The endpoint's name.", metavar="NAME")]
Elsewhere = Annotated[
    Optional[str], typer.Option("--endpoint", help="Ask this endpoint of a cloud instead.", metavar="NAME")
]
Behind = Annotated[
    str, typer.Option("--deployment", help="The deployment behind it, e.g. blue (azureml).", metavar="NAME")
]
Version = Annotated[
    Optional[str], typer.Option("--version", help="The archive's version, refused when it has another one.")
]
AllowDirty = Annotated[bool, typer.Option("--allow-dirty", help="Deploy files that are not those of the commit.")]


def target(project: Project, given: Optional[str]) -> str:
    """Return the target: as given, or the only one that mardock.toml has a table for.

    Raises:
        ConfigError: there are none, or several.
    """
    if given is not None:
        return given
    configured = list(project.settings.deploy)
    if len(configured) != 1:
        raise ConfigError("which cloud?", hint=f"--target {' or '.join(configured or ['azureml', 'tir'])}")
    return configured[0]


def site(project: Project, target: str) -> Site:
    """Return where a target deploys to for this project.

    Raises:
        ConfigError: its settings are no table.
    """
    from mardock.deploy.base import Site

    options = project.settings.deploy.get(target, {})
    if not isinstance(options, dict):
        raise ConfigError(f"mardock.toml: deploy.{target} is no table", hint=f"write it as [deploy.{target}]")
    return Site(project.root, options, os.environ)
