"""`mardock deploy …` for one experiment: planned and applied; its image built, its archive registered."""

from __future__ import annotations

import typer

from mardock.cli import console, context, panels
from mardock.cli.capable import needing
from mardock.cli.commands import deploy_endpoint, deploy_rehearse
from mardock.cli.deploy_options import AllowDirty, Behind, Experiment, OnEndpoint, TargetOption, Version
from mardock.cli.resumable import resumable
from mardock.deploy import targets
from mardock.deploy.capabilities import HasImages, HasModels, HasTraffic

deploy = typer.Typer(
    name="deploy", help=f"The same archive in a cloud: {targets.either(targets.MODULES)}.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    deploy_endpoint.add_to(deploy)
    deploy_rehearse.add_to(deploy)
    app.add_typer(deploy, rich_help_panel=panels.ELSEWHERE)


@deploy.command()
def plan(
    endpoint: OnEndpoint,
    exp: Experiment = None,
    deployment: Behind = "",
    version: Version = None,
    target: TargetOption = None,
    allow_dirty: AllowDirty = False,
    as_json: context.Json = False,
) -> None:
    """Show the native files and the steps of a deployment; touches no network."""
    from mardock.deploy import destination, experiment
    from mardock.deploy.base import DeploymentName

    project = context.project()
    to = destination.choose(project, target)
    found = experiment.load(project, exp, version=version, allow_dirty=allow_dirty)
    made = to.target.plan(to.site, found, DeploymentName(endpoint, deployment))
    if as_json:
        console.data_json({"target": made.target, "files": dict(made.files), "steps": made.steps})
        return
    for path, text in made.files:
        console.data(f"# --- {path}\n{text}")
    for number, step in enumerate(made.steps, 1):
        console.note(f"{number}. {step}")


@deploy.command()
def apply(
    endpoint: OnEndpoint,
    exp: Experiment = None,
    deployment: Behind = "",
    version: Version = None,
    target: TargetOption = None,
    allow_dirty: AllowDirty = False,
) -> None:
    """Deploy an experiment; after an interruption the same command goes on where it was."""
    from mardock.deploy import destination, experiment
    from mardock.deploy.base import DeploymentName

    project = context.project()
    to = destination.choose(project, target)
    found = experiment.load(project, exp, version=version, allow_dirty=allow_dirty)
    planned = to.target.plan(to.site, found, DeploymentName(endpoint, deployment))
    with resumable():
        done = to.target.apply(to.site, planned, console)
    name, at = found.name, f"--endpoint {endpoint}"
    then = f"mardock deploy invoke FILE --target {to.name} {at}"
    if deployment:
        then += f" --deployment {deployment}"
        if isinstance(to.target, HasTraffic):
            then += f", then mardock deploy traffic {deployment}=100 {at}"
    console.success(f"{name} {found.archive.version} is deployed as {done.name}: {done.state}", then)


@deploy.command(cls=needing(HasImages))
def build(exp: Experiment = None, target: TargetOption = None, allow_dirty: AllowDirty = False) -> None:
    """Build an experiment's image and push it to the registry."""
    from mardock.deploy import destination, experiment

    project = context.project()
    to = destination.able(project, target, HasImages)
    source = experiment.load_source(project, exp, allow_dirty=allow_dirty)
    with resumable():
        image = to.target.build_image(to.site, source, console)
    then = f"register {source.name}" if isinstance(to.target, HasModels) else f"apply {source.name} --target {to.name}"
    console.success(f"the registry has {image}", f"mardock deploy {then}")


@deploy.command(cls=needing(HasModels))
def register(
    exp: Experiment = None, version: Version = None, target: TargetOption = None, allow_dirty: AllowDirty = False
) -> None:
    """Upload an experiment's archive and register it as a version of its model."""
    from mardock.deploy import destination, experiment

    project = context.project()
    to = destination.able(project, target, HasModels)
    found = experiment.load(project, exp, version=version, allow_dirty=allow_dirty)
    with resumable():
        to.target.register_model(to.site, found, console)
    console.success(
        f"{found.name} {found.archive.version} is registered", f"mardock deploy apply {found.name} {to.options}"
    )
