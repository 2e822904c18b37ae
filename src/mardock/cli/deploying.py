"""`mardock deploy …`: one experiment in a cloud, planned, applied, looked at, called and taken down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Optional

import typer

from mardock.cli import console, context
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.deploy.base import Site
    from mardock.endpoint import Endpoint
    from mardock.settings.project import Project

deploy = typer.Typer(name="deploy", help="The same archive in a cloud: azureml or tir.", no_args_is_help=True)

Experiment = Annotated[
    Optional[str], typer.Argument(help="A model of mardock.toml; may be left out when there is one.", metavar="[EXP]")
]
Target = Annotated[
    Optional[str],
    typer.Option("--target", help="azureml or tir; may be left out when mardock.toml has one [deploy.*] table."),
]
OnEndpoint = Annotated[str, typer.Option("--endpoint", help="The endpoint's name.", metavar="NAME")]
Behind = Annotated[
    str, typer.Option("--deployment", help="The deployment behind it, e.g. blue (azureml).", metavar="NAME")
]
Version = Annotated[
    Optional[str], typer.Option("--version", help="The archive's version, refused when it has another one.")
]
AllowDirty = Annotated[bool, typer.Option("--allow-dirty", help="Deploy files that are not those of the commit.")]


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
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
    chosen = _target(project, target)
    found = experiment.load(project, exp, version=version, allow_dirty=allow_dirty)
    made = base.load(chosen).plan(_site(project, chosen), found, base.Name(endpoint, deployment))
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
    chosen = _target(project, target)
    site, module = _site(project, chosen), base.load(chosen)
    found = experiment.load(project, exp, version=version, allow_dirty=allow_dirty)
    done = module.apply(site, module.plan(site, found, base.Name(endpoint, deployment)), console)
    name, where = found.name, f"--target {chosen} --endpoint {endpoint}"
    then = f"mardock deploy traffic {deployment}=100 {where}" if deployment else f"mardock deploy invoke FILE {where}"
    console.success(f"{name} {found.archive.version} is deployed as {done.name}: {done.state}", then)


@deploy.command()
def build(exp: Experiment = None, allow_dirty: AllowDirty = False) -> None:
    """Build an experiment's image and push it to the registry (azureml)."""
    from mardock.deploy import azureml, experiment

    project = context.project()
    source = experiment.load_source(project, exp, allow_dirty=allow_dirty)
    image = azureml.build_image(_site(project, "azureml"), source, console)
    console.success(f"the registry has {image}", f"mardock deploy register {source.name}")


@deploy.command()
def register(exp: Experiment = None, version: Version = None, allow_dirty: AllowDirty = False) -> None:
    """Upload an experiment's archive and register it as a version of its model (azureml)."""
    from mardock.deploy import azureml, experiment

    project = context.project()
    found = experiment.load(project, exp, version=version, allow_dirty=allow_dirty)
    azureml.register_model(_site(project, "azureml"), found, console)
    console.success(
        f"{found.name} {found.archive.version} is registered",
        f"mardock deploy apply {found.name} --target azureml --endpoint NAME --deployment NAME",
    )


@deploy.command()
def endpoint(name: Annotated[str, typer.Argument(help="3 to 32 letters, digits, hyphens.", metavar="NAME")]) -> None:
    """Create an online endpoint, for deployments to be put behind (azureml)."""
    from mardock.deploy import azureml

    azureml.create_endpoint(_site(context.project(), "azureml"), name, console)
    console.success(
        f"the endpoint {name} is there",
        f"mardock deploy apply EXP --target azureml --endpoint {name} --deployment blue",
    )


@deploy.command()
def status(endpoint: OnEndpoint, deployment: Behind = "", target: Target = None, as_json: context.Json = False) -> None:
    """Show what runs, and whether it is what is checked out."""
    from mardock.deploy import base, provenance

    project = context.project()
    chosen = _target(project, target)
    found = base.load(chosen).status(_site(project, chosen), base.Name(endpoint, deployment))
    here = provenance.of(project.root).revision
    current = found.commit == here if found.commit else None
    if as_json:
        where = {"endpoint": endpoint, "deployment": deployment, "state": found.state}
        labels = {"commit": found.commit, "sha256": found.digest, "checked_out": here, "current": current}
        console.data_json({**where, **labels, "details": found.details})
        return
    console.data(f"{found.name}: {found.state}")
    for key, value in found.details.items():
        console.data(f"  {key}: {value}")
    if found.commit:
        console.data(f"  commit: {found.commit}\n  sha256: {found.digest}")
    if current is False:
        console.warn(f"what runs is not what is checked out, {here}")


@deploy.command()
def traffic(
    shares: Annotated[list[str], typer.Argument(help="DEPLOYMENT=PERCENT, together 100.", metavar="blue=90 green=10")],
    endpoint: OnEndpoint,
) -> None:
    """Share out an endpoint's traffic; deployments that are not named get none (azureml)."""
    from mardock.deploy import azureml

    azureml.set_traffic(_site(context.project(), "azureml"), endpoint, _shares(shares), console)
    console.success(
        f"traffic of {endpoint}: {' '.join(shares)}",
        f"mardock deploy invoke FILE --target azureml --endpoint {endpoint}",
    )


@deploy.command()
def invoke(
    file: Annotated[Path, typer.Argument(help="Sent as it is.", metavar="FILE")],
    endpoint: OnEndpoint,
    model: Annotated[Optional[str], typer.Option("--model", help="What the deployment calls the model.")] = None,
    content_type: Annotated[Optional[str], typer.Option("--content-type", help="Sent with the file.")] = None,
    timeout: context.Timeout = 150.0,
    target: Target = None,
) -> None:
    """Send a file to a deployed model; its answer goes to stdout untouched."""
    from mardock.cli import predicting
    from mardock.client.inference import InferenceClient

    body = predicting.read(file)
    where, called = served(context.project(), target, endpoint, model)
    with InferenceClient(where) as client:
        answer = client.predict(called, body, content_type=content_type, timeout=timeout)
    console.data_bytes(answer.body)


@deploy.command()
def logs(
    endpoint: OnEndpoint,
    deployment: Behind = "",
    tail: Annotated[int, typer.Option("--tail", min=1, help="Lines to show.")] = 100,
    target: Target = None,
) -> None:
    """Print the last lines of the container's log."""
    from mardock.deploy import base

    project = context.project()
    chosen = _target(project, target)
    for line in base.load(chosen).logs(_site(project, chosen), base.Name(endpoint, deployment), tail=tail):
        console.data(line)


@deploy.command()
def destroy(
    endpoint: OnEndpoint,
    deployment: Behind = "",
    drain: Annotated[bool, typer.Option("--drain", help="Take its traffic away first.")] = False,
    target: Target = None,
) -> None:
    """Delete a deployment, or without --deployment the endpoint; refused while traffic flows, unless --drain."""
    from mardock.deploy import base

    project = context.project()
    chosen = _target(project, target)
    name = base.Name(endpoint, deployment)
    base.load(chosen).destroy(_site(project, chosen), name, console, drain=drain)
    console.success(f"{name} is gone")


@deploy.command()
def start(endpoint: OnEndpoint) -> None:
    """Start a stopped endpoint (tir)."""
    _control(endpoint, "start")


@deploy.command()
def stop(endpoint: OnEndpoint) -> None:
    """Stop an endpoint, which keeps its files and costs nothing (tir)."""
    _control(endpoint, "stop")


@deploy.command()
def restart(endpoint: OnEndpoint) -> None:
    """Restart an endpoint (tir)."""
    _control(endpoint, "restart")


def _control(endpoint: str, action: Literal["start", "stop", "restart"]) -> None:
    from mardock.deploy import base, tir

    done = tir.control(_site(context.project(), "tir"), base.Name(endpoint), action, console)
    console.success(f"{endpoint}: {done.state}", f"mardock deploy status --target tir --endpoint {endpoint}")


def _target(project: Project, given: Optional[str]) -> str:
    """Return the target: as given, or the only one that mardock.toml has a table for."""
    if given is not None:
        return given
    configured = list(project.settings.deploy)
    if len(configured) != 1:
        raise ConfigError("deploy where?", hint=f"--target {' or '.join(configured or ['azureml', 'tir'])}")
    return configured[0]


def _site(project: Project, target: str) -> Site:
    from mardock.deploy.base import Site

    options = project.settings.deploy.get(target, {})
    if not isinstance(options, dict):
        raise ConfigError(f"mardock.toml: deploy.{target} is no table", hint=f"write it as [deploy.{target}]")
    return Site(project.root, options, os.environ)


def served(project: Project, target: Optional[str], endpoint: str, model: Optional[str] = None) -> tuple[Endpoint, str]:
    """Return where a deployed model answers, and what it is called there unless `model` says so.

    Raises:
        DeployError: the endpoint answers nobody.
    """
    from mardock.deploy import azureml, base
    from mardock.errors import DeployError

    chosen = _target(project, target)
    site, name = _site(project, chosen), base.Name(endpoint)
    if chosen == "azureml":
        return azureml.endpoint(site, name), model or azureml.SERVED_AS
    found = base.load(chosen).status(site, name)
    if found.endpoint is None:
        raise DeployError(
            f"{name} is {found.state} and answers nobody", hint=f"mardock deploy status --endpoint {name}"
        )
    return found.endpoint, model or project.settings.model()[1].archive.model_name


def _shares(texts: list[str]) -> dict[str, int]:
    shares: dict[str, int] = {}
    for text in texts:
        name, equals, percent = text.partition("=")
        if not (name and equals and percent.isascii() and percent.isdigit()) or name in shares:
            raise ConfigError(f"{text!r} is no share of the traffic, or named twice", hint="e.g. blue=90 green=10")
        shares[name] = int(percent)
    return shares
