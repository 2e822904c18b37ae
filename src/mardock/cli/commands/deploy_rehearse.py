"""`mardock deploy rehearse`: a deployment tried in a container here, under the contract of its cloud."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import console, context
from mardock.cli.capable import needing
from mardock.cli.deploy_options import AllowDirty, Experiment, TargetOption, Version
from mardock.deploy.capabilities import Rehearsable

if TYPE_CHECKING:
    from mardock.settings.project import Project

Data = Annotated[
    Optional[Path], typer.Option("--data", help="What to predict at the end, instead of the model's sample.")
]


def add_to(deploy: typer.Typer) -> None:
    """Add this command to the group `deploy`."""
    deploy.command(cls=needing(Rehearsable))(rehearse)


def rehearse(
    exp: Experiment = None,
    target: TargetOption = None,
    version: Version = None,
    data: Data = None,
    allow_dirty: AllowDirty = False,
    as_json: context.Json = False,
) -> None:
    """Run a deployment's image and files here, probed and called as its cloud does, and say what to mend."""
    from mardock.cli.show import rehearsal
    from mardock.deploy import destination, experiment
    from mardock.deploy.rehearsal.rehearse import rehearse as run
    from mardock.temp_folder import temp_folder

    project = context.project()
    to = destination.able(project, target, Rehearsable)
    found = experiment.load(project, exp, version=version, allow_dirty=allow_dirty)
    sample = _sample(project, found.name, data)
    agreed = to.target.contract(to.site, found, console)
    sources = project.settings.models[found.name].archive.python_sources(project.root)
    with temp_folder(project.state, "rehearsal-") as folder:
        done = run(agreed, found.archive, folder, console, sample=sample, sources=sources)
    rehearsal.show(done, as_json=as_json)
    if done.failure is not None:
        raise done.failure
    console.success(
        f"{found.name} {found.archive.version} would be served by {to.name}",
        f"mardock deploy apply {found.name} {to.options}",
    )


def _sample(project: Project, name: str, given: Optional[Path]) -> Optional[bytes]:
    """Return what to predict: the file given, else the first of the model's samples, else nothing."""
    from mardock.tasks import samples

    file = given or project.first_sample(project.settings.model(name)[1])
    return samples.read(file) if file is not None else None
