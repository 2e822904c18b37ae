"""`mardock deploy …` for an endpoint of a cloud: created, looked at, called, its traffic shared out, taken down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import console, context
from mardock.cli.capable import needing
from mardock.cli.deploy_options import Behind, OnEndpoint, TargetOption
from mardock.cli.resumable import resumable
from mardock.defaults import ANSWER_TIMEOUT_S
from mardock.deploy.capabilities import CanStop, HasEndpoints, HasTraffic
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.deploy.capabilities import Action


def add_to(deploy: typer.Typer) -> None:
    """Add these commands to the group `deploy`."""
    deploy.command(cls=needing(HasEndpoints))(endpoint)
    deploy.command()(status)
    deploy.command(cls=needing(HasTraffic))(traffic)
    for command in (invoke, logs, destroy):
        deploy.command()(command)
    for action in (start, stop, restart):
        deploy.command(cls=needing(CanStop))(action)


def endpoint(
    name: Annotated[str, typer.Argument(help="The endpoint's name.", metavar="NAME")],
    target: TargetOption = None,
) -> None:
    """Create an online endpoint, for deployments to be put behind."""
    from mardock.deploy import destination

    to = destination.able(context.project(), target, HasEndpoints)
    with resumable():
        to.target.create_endpoint(to.site, name, console)
    console.success(
        f"the endpoint {name} is there",
        f"mardock deploy apply EXP --target {to.name} --endpoint {name} --deployment blue",
    )


def status(
    endpoint: OnEndpoint, deployment: Behind = "", target: TargetOption = None, as_json: context.Json = False
) -> None:
    """Show what runs, and whether it is what is checked out."""
    from mardock.deploy import destination, provenance
    from mardock.deploy.base import DeploymentName

    project = context.project()
    to = destination.choose(project, target)
    found = to.target.status(to.site, DeploymentName(endpoint, deployment))
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
    target: TargetOption = None,
) -> None:
    """Share out an endpoint's traffic; deployments that are not named get none."""
    from mardock.deploy import destination

    to = destination.able(context.project(), target, HasTraffic)
    with resumable():
        to.target.set_traffic(to.site, endpoint, _shares(shares), console)
    console.success(
        f"traffic of {endpoint}: {' '.join(shares)}",
        f"mardock deploy invoke FILE --target {to.name} --endpoint {endpoint}",
    )


def invoke(
    file: Annotated[Path, typer.Argument(help="Sent as it is.", metavar="FILE")],
    endpoint: OnEndpoint,
    deployment: Behind = "",
    model: Annotated[Optional[str], typer.Option("--model", help="What the deployment calls the model.")] = None,
    content_type: Annotated[Optional[str], typer.Option("--content-type", help="Sent with the file.")] = None,
    timeout: context.Timeout = ANSWER_TIMEOUT_S,
    target: TargetOption = None,
) -> None:
    """Send a file to a deployed model; its answer goes to stdout untouched."""
    from mardock.client.inference import InferenceClient
    from mardock.deploy import destination, served
    from mardock.deploy.base import DeploymentName
    from mardock.tasks import samples

    project, body = context.project(), samples.read(file)
    to = destination.choose(project, target)
    found = to.target.served(to.site, DeploymentName(endpoint, deployment))
    called = model or served.names(project, found, None)[1]
    with InferenceClient(found.endpoint) as client:
        answer = client.predict(called, body, content_type=content_type, timeout=timeout)
    console.data_bytes(answer.body, answer.content_type)


def logs(
    endpoint: OnEndpoint,
    deployment: Behind = "",
    tail: Annotated[int, typer.Option("--tail", min=1, help="Lines to show.")] = 100,
    target: TargetOption = None,
) -> None:
    """Print the last lines of the container's log."""
    from mardock.deploy import destination
    from mardock.deploy.base import DeploymentName

    to = destination.choose(context.project(), target)
    for line in to.target.logs(to.site, DeploymentName(endpoint, deployment), tail=tail):
        console.data(line)


def destroy(
    endpoint: OnEndpoint,
    deployment: Behind = "",
    drain: Annotated[bool, typer.Option("--drain", help="Take its traffic away first.")] = False,
    target: TargetOption = None,
) -> None:
    """Delete a deployment, or without --deployment the endpoint; refused while traffic flows, unless --drain."""
    from mardock.deploy import destination
    from mardock.deploy.base import DeploymentName

    to = destination.choose(context.project(), target)
    name = DeploymentName(endpoint, deployment)
    with resumable():
        to.target.destroy(to.site, name, console, drain=drain)
    console.success(f"{name} is gone")


def start(endpoint: OnEndpoint, target: TargetOption = None) -> None:
    """Start a stopped endpoint."""
    _control(endpoint, target, "start")


def stop(endpoint: OnEndpoint, target: TargetOption = None) -> None:
    """Stop an endpoint, which keeps its files and costs nothing."""
    _control(endpoint, target, "stop")


def restart(endpoint: OnEndpoint, target: TargetOption = None) -> None:
    """Restart an endpoint."""
    _control(endpoint, target, "restart")


def _control(endpoint: str, target: Optional[str], action: Action) -> None:
    from mardock.deploy import destination
    from mardock.deploy.base import DeploymentName

    to = destination.able(context.project(), target, CanStop)
    status = f"mardock deploy status --target {to.name} --endpoint {endpoint}"
    with resumable(status):
        done = to.target.control(to.site, DeploymentName(endpoint), action, console)
    console.success(f"{endpoint}: {done.state}", status)


def _shares(texts: list[str]) -> dict[str, int]:
    shares: dict[str, int] = {}
    for text in texts:
        name, equals, percent = text.partition("=")
        if not (name and equals and percent.isascii() and percent.isdigit()) or name in shares:
            raise ConfigError(f"{text!r} is no share of the traffic, or named twice", hint="e.g. blue=90 green=10")
        shares[name] = int(percent)
    return shares
