"""The container commands: `mardock dev …` and `mardock serve …`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import console, context, panels
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.engines.docker.engine import DockerEngine
    from mardock.engines.docker.launch import Service

Name = Annotated[Optional[str], typer.Option("--container-name", help="Instead of the one .env names.", metavar="NAME")]

dev = typer.Typer(
    name="dev", help="The dev container: where archives are built and handlers tried.", no_args_is_help=True
)
serve = typer.Typer(name="serve", help="The TorchServe container.", no_args_is_help=True)
_NEXT = {"dev": "mardock dev exec, then mardock archive in there", "serve": "mardock register"}


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    for group in (dev, serve):
        app.add_typer(group, rich_help_panel=panels.CONTAINERS)


def _engine() -> DockerEngine:
    from mardock.engines.docker.engine import DockerEngine

    return DockerEngine(context.project(), listener=console)


def _build(service: Service) -> None:
    engine = _engine()
    tag = engine.build(service)
    then = "mardock dev run"
    if service == "serve":
        then = f"{engine.image_variable()}={tag} in .env uses it everywhere; mardock serve run"
    console.success(f"built {tag}", then=then)


def _run(service: Service, name: Optional[str]) -> None:
    started = _engine().run(service, name)
    if started.before is None:
        console.success(f"container {started.name} runs", then=_NEXT[service])
    elif started.before == "running":
        console.success(f"container {started.name} exists and runs already", then=_NEXT[service])
    else:
        console.success(f"container {started.name} exists: started it", then=_NEXT[service])


def _start(service: Service, name: Optional[str]) -> None:
    console.success(f"container {_engine().start(service, name).name} runs", then=_NEXT[service])


def _stop(service: Service, name: Optional[str]) -> None:
    stopped = _engine().stop(service, name)
    console.success(f"stopped {stopped}" if stopped else "it was not running", then=f"mardock {service} start")


def _remove(service: Service, name: Optional[str]) -> None:
    removed = _engine().rm(service, name)
    console.success(f"removed {removed}" if removed else "there was no such container", then=f"mardock {service} run")


@dev.command("build")
def dev_build() -> None:
    """Build the dev image on the image TorchServe runs from."""
    _build("dev")


@dev.command("run")
def dev_run(container_name: Name = None) -> None:
    """Create and start the dev container; one that exists is started."""
    _run("dev", container_name)


@dev.command("start")
def dev_start(container_name: Name = None) -> None:
    """Start the dev container that was created before."""
    _start("dev", container_name)


@dev.command("stop")
def dev_stop(container_name: Name = None) -> None:
    """Stop the dev container."""
    _stop("dev", container_name)


@dev.command("rm")
def dev_rm(container_name: Name = None) -> None:
    """Remove the dev container; the project's files stay."""
    _remove("dev", container_name)


@dev.command("exec", context_settings={"ignore_unknown_options": True})
def dev_exec(
    command: Annotated[
        Optional[list[str]], typer.Argument(help="A command; a shell when left out.", metavar="[-- COMMAND…]")
    ] = None,
    container_name: Name = None,
) -> None:
    """Open a shell in the dev container, or run a command there and exit with its code."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not command and not terminal:
        raise ConfigError(
            "there is no terminal for a shell",
            hint="name a command: mardock dev exec -- COMMAND",
        )
    raise typer.Exit(_engine().exec(command or ["bash"], interactive=terminal, container_name=container_name))


@serve.command("build")
def serve_build() -> None:
    """Build the project's own TorchServe image from torchserve/Dockerfile."""
    _build("serve")


@serve.command("run")
def serve_run(container_name: Name = None) -> None:
    """Create and start the TorchServe container; one that exists is started."""
    _run("serve", container_name)


@serve.command("start")
def serve_start(container_name: Name = None) -> None:
    """Start the TorchServe container that was created before."""
    _start("serve", container_name)


@serve.command("stop")
def serve_stop(container_name: Name = None) -> None:
    """Stop the TorchServe container."""
    _stop("serve", container_name)


@serve.command("rm")
def serve_rm(container_name: Name = None) -> None:
    """Remove the TorchServe container; archives and logs stay."""
    _remove("serve", container_name)
