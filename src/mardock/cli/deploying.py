"""`mardock deploy …` for one experiment: planned and applied; its image built, its archive registered."""

from __future__ import annotations

import typer

from mardock.cli import console, context, deploy_options, endpoints, rehearsing
from mardock.cli.deploy_options import AllowDirty, Behind, Experiment, OnEndpoint, Target, Version
from mardock.cli.resumable import resumable

deploy = typer.Typer(name="deploy", help="The same archive in a cloud: azureml or tir.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    endpoints.add_to(deploy)
    rehearsing.add_to(deploy)
    app.add_typer(deploy, rich_help_panel="The same archive elsewhere")


@deploy.command()
def plan(
    endpoint: OnEndpoint,
    exp: Experiment = None,
    deployment: Behind = "",
    version: Version = None,
    target: Target = None,
    allow_dirty: AllowDirty = False,
    as_json: context.Json = False,
) -> None:
    """Show the native files and the steps of a deployment; touches no network."""
    from mardock.deploy import base, experiment

    project = context.project()
    chosen = deploy_options.target(project, target)
    found = experiment.load(project, exp, version=version, allow_dirty=allow_dirty)
    made = base.load(chosen).plan(deploy_options.site(project, chosen), found, base.Name(endpoint, deployment))
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
    target: Target = None,
    allow_dirty: AllowDirty = False,
) -> None:
    """Deploy an experiment; after an interruption the same command goes on where it was."""
    from mardock.deploy import base, experiment

    project = context.project()
    chosen = deploy_options.target(project, target)
    site, module = deploy_options.site(project, chosen), base.load(chosen)
    found = experiment.load(project, exp, version=version, allow_dirty=allow_dirty)
    planned = module.plan(site, found, base.Name(endpoint, deployment))
    with resumable():
        done = module.apply(site, planned, console)
    name, at = found.name, f"--endpoint {endpoint}"
    then = f"mardock deploy invoke FILE --target {chosen} {at}"
    if deployment:
        then += f" --deployment {deployment}, then mardock deploy traffic {deployment}=100 {at}"
    console.success(f"{name} {found.archive.version} is deployed as {done.name}: {done.state}", then)


@deploy.command()
def build(exp: Experiment = None, allow_dirty: AllowDirty = False) -> None:
    """Build an experiment's image and push it to the registry (azureml)."""
    from mardock.deploy import azureml, experiment

    project = context.project()
    source = experiment.load_source(project, exp, allow_dirty=allow_dirty)
    with resumable():
        image = azureml.build_image(deploy_options.site(project, "azureml"), source, console)
    console.success(f"the registry has {image}", f"mardock deploy register {source.name}")


@deploy.command()
def register(exp: Experiment = None, version: Version = None, allow_dirty: AllowDirty = False) -> None:
    """Upload an experiment's archive and register it as a version of its model (azureml)."""
    from mardock.deploy import azureml, experiment

    project = context.project()
    found = experiment.load(project, exp, version=version, allow_dirty=allow_dirty)
    with resumable():
        azureml.register_model(deploy_options.site(project, "azureml"), found, console)
    console.success(
        f"{found.name} {found.archive.version} is registered",
        f"mardock deploy apply {found.name} --target azureml --endpoint NAME --deployment NAME",
    )
