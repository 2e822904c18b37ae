"""`mardock deploy …` for an endpoint of a cloud: created, looked at, called, its traffic shared out, taken down."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from mardock.cli import console, context, deploy_options
from mardock.cli.deploy_options import Behind, OnEndpoint, Target
from mardock.cli.resumable import resumable
from mardock.defaults import ANSWER_TIMEOUT_S
from mardock.errors import ConfigError


def add_to(deploy: typer.Typer) -> None:
    """Add these commands to the group `deploy`."""
    for command in (endpoint, status, traffic, invoke, logs, destroy, start, stop, restart):
        deploy.command()(command)


def endpoint(name: Annotated[str, typer.Argument(help="3 to 32 letters, digits, hyphens.", metavar="NAME")]) -> None:
    """Create an online endpoint, for deployments to be put behind (azureml)."""
    from mardock.deploy import azureml

    with resumable():
        azureml.create_endpoint(deploy_options.site(context.project(), "azureml"), name, console)
    console.success(
        f"the endpoint {name} is there",
        f"mardock deploy apply EXP --target azureml --endpoint {name} --deployment blue",
    )


def status(endpoint: OnEndpoint, deployment: Behind = "", target: Target = None, as_json: context.Json = False) -> None:
    """Show what runs, and whether it is what is checked out."""
    from mardock.deploy import base, provenance

    project = context.project()
    chosen = deploy_options.target(project, target)
    found = base.load(chosen).status(deploy_options.site(project, chosen), base.Name(endpoint, deployment))
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


def traffic(
    shares: Annotated[list[str], typer.Argument(help="DEPLOYMENT=PERCENT, together 100.", metavar="blue=90 green=10")],
    endpoint: OnEndpoint,
) -> None:
    """Share out an endpoint's traffic; deployments that are not named get none (azureml)."""
    from mardock.deploy import azureml

    with resumable():
        azureml.set_traffic(deploy_options.site(context.project(), "azureml"), endpoint, _shares(shares), console)
    console.success(
        f"traffic of {endpoint}: {' '.join(shares)}",
        f"mardock deploy invoke FILE --target azureml --endpoint {endpoint}",
    )


def invoke(
    file: Annotated[Path, typer.Argument(help="Sent as it is.", metavar="FILE")],
    endpoint: OnEndpoint,
    deployment: Behind = "",
    model: Annotated[Optional[str], typer.Option("--model", help="What the deployment calls the model.")] = None,
    content_type: Annotated[Optional[str], typer.Option("--content-type", help="Sent with the file.")] = None,
    timeout: context.Timeout = ANSWER_TIMEOUT_S,
    target: Target = None,
) -> None:
    """Send a file to a deployed model; its answer goes to stdout untouched."""
    from mardock.cli import deployed, predicting
    from mardock.client.inference import InferenceClient

    project, body = context.project(), predicting.read(file)
    found = deployed.served(project, target, endpoint, deployment)
    called = model or deployed.names(project, found, None)[1]
    with InferenceClient(found.endpoint) as client:
        answer = client.predict(called, body, content_type=content_type, timeout=timeout)
    console.data_bytes(answer.body)


def logs(
    endpoint: OnEndpoint,
    deployment: Behind = "",
    tail: Annotated[int, typer.Option("--tail", min=1, help="Lines to show.")] = 100,
    target: Target = None,
) -> None:
    """Print the last lines of the container's log."""
    from mardock.deploy import base

    project = context.project()
    chosen = deploy_options.target(project, target)
    for line in base.load(chosen).logs(
        deploy_options.site(project, chosen), base.Name(endpoint, deployment), tail=tail
    ):
        console.data(line)


def destroy(
    endpoint: OnEndpoint,
    deployment: Behind = "",
    drain: Annotated[bool, typer.Option("--drain", help="Take its traffic away first.")] = False,
    target: Target = None,
) -> None:
    """Delete a deployment, or without --deployment the endpoint; refused while traffic flows, unless --drain."""
    from mardock.deploy import base

    project = context.project()
    chosen = deploy_options.target(project, target)
    name = base.Name(endpoint, deployment)
    with resumable():
        base.load(chosen).destroy(deploy_options.site(project, chosen), name, console, drain=drain)
    console.success(f"{name} is gone")


def start(endpoint: OnEndpoint) -> None:
    """Start a stopped endpoint (tir)."""
    _control(endpoint, "start")


def stop(endpoint: OnEndpoint) -> None:
    """Stop an endpoint, which keeps its files and costs nothing (tir)."""
    _control(endpoint, "stop")


def restart(endpoint: OnEndpoint) -> None:
    """Restart an endpoint (tir)."""
    _control(endpoint, "restart")


def _control(endpoint: str, action: Literal["start", "stop", "restart"]) -> None:
    from mardock.deploy import base, tir

    status = f"mardock deploy status --target tir --endpoint {endpoint}"
    with resumable(status):
        done = tir.control(deploy_options.site(context.project(), "tir"), base.Name(endpoint), action, console)
    console.success(f"{endpoint}: {done.state}", status)


def _shares(texts: list[str]) -> dict[str, int]:
    shares: dict[str, int] = {}
    for text in texts:
        name, equals, percent = text.partition("=")
        if not (name and equals and percent.isascii() and percent.isdigit()) or name in shares:
            raise ConfigError(f"{text!r} is no share of the traffic, or named twice", hint="e.g. blue=90 green=10")
        shares[name] = int(percent)
    return shares
