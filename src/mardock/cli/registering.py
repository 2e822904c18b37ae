"""Register one model, all of them, or those whose archives are there, and tell what became of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Optional
from urllib.parse import urlsplit

from mardock import locks
from mardock.cli import console, context
from mardock.cli.show import thread_notes
from mardock.defaults import DRAIN_S
from mardock.endpoint import Endpoint
from mardock.errors import ConfigError, MardockError, ServingError

if TYPE_CHECKING:
    from mardock.serving import Registered, Servable, Server
    from mardock.settings.project import Project

LOCK_TIMEOUT_S = 300.0


def server(project: Project, url: Optional[str] = None, models_port: Optional[int] = None) -> Server:
    """Return the project's running server, or another one by its URL and its Management API's port."""
    from mardock.engines import select
    from mardock.serving import Server

    if url is None and models_port is None:
        return Server.of(project, context.running_engine(project))

    ours = urlsplit(select.management_url(project))
    parts = urlsplit(url or f"{ours.scheme}://{ours.hostname}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{url!r} is no URL", hint="e.g. --tserve-url http://localhost")
    try:
        port = models_port or parts.port or ours.port
    except ValueError as error:
        raise ConfigError(f"{url!r}: {error}", hint="e.g. --tserve-url http://localhost --models-port 8081") from error
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    management = f"{parts.scheme}://{host}:{port}"
    own = select.running(project)
    if own is not None and _same(own.endpoint().management_url, management):
        return Server.of(project, own)
    return Server(Endpoint(inference_url="", management_url=management))


def one(
    project: Project,
    where: Server,
    model: Optional[str],
    *,
    url: Optional[str] = None,
    workers: Optional[int] = None,
    served_as: Optional[str] = None,
    replace: bool = False,
    patience: float = DRAIN_S,
    unpacked: bool = False,
) -> Registered:
    """Register one model and return when its workers are READY.

    Args:
        url: what to hand to TorchServe instead of the model's own archive.
        workers: how many, instead of what mardock.toml says.
        served_as: the name to serve it under, instead of its archive's.
        patience: seconds to wait for the requests of what is replaced.
        unpacked: serve the project's files themselves, without an archive.
    """
    from mardock import serving

    name, settings = project.settings.model(model)
    _warn_of_requirements(project, where, [name] if url is None else [])
    with console.waiting(f"registering {model or url or name}"), _alone(project, where):
        if unpacked:
            url = serving.lay_out(settings.archive, project.root, project.model_store).name
        servable = _servable(project, where, model, url, workers)
        if served_as is not None:
            servable = dataclasses.replace(servable, model_name=served_as)
        done = serving.register(where, servable, replace=replace, patience=patience)
    _tell(project, where, done)
    return done


def every(project: Project, where: Server, *, replace: bool, patience: float = DRAIN_S) -> None:
    """Register all models of mardock.toml.

    Raises:
        ServingError: some failed; the others are served.
    """
    _all(project, where, list(project.settings.models), replace=replace, patience=patience)


def archived(project: Project) -> None:
    """Register what is in the model store: each model's archive, or its folder if it was served unpacked last.

    What changed replaces what is served.
    """
    from mardock import serving

    models = project.settings.models
    folders = {name: serving.latest(project.model_store, models[name].archive.model_name) for name in models}
    archives = {name: project.model_store / f"{models[name].archive.model_name}.mar" for name in models}
    there = {
        name: (folders[name] or archives[name]).name for name in models if folders[name] or archives[name].is_file()
    }
    where = serving.Server.of(project, context.running_engine(project))
    for name, settings in models.items():
        if name not in there:
            console.note(f"{name}: not archived yet, run mardock archive {name}")
            serving.clear(where, settings.archive.model_name, settings.archive.version)
    _all(project, where, list(there), replace=True, urls=there)


def _all(
    project: Project,
    where: Server,
    names: Sequence[str],
    *,
    replace: bool,
    urls: Optional[Mapping[str, str]] = None,
    patience: float = DRAIN_S,
) -> None:
    from mardock import serving

    servables = [_servable(project, where, name, (urls or {}).get(name)) for name in names]
    _warn_of_requirements(project, where, names)
    title = f"registering {', '.join(names)}" if names else "nothing to register"
    with console.waiting(title), _alone(project, where):
        results = serving.register_all(where, servables, replace=replace, patience=patience)
    failures = []
    for name, result in zip(names, results):
        if isinstance(result, MardockError):
            failures.append(name)
            console.error(result)
        else:
            _tell(project, where, result)
    if failures:
        raise ServingError(
            f"{len(failures)} of {len(names)} models failed: {', '.join(failures)}",
            hint=f"mardock register {failures[0]}",
        )


def _alone(project: Project, where: Server) -> AbstractContextManager[None]:
    """Let one command at a time register with the project's server: a second one then finds what it wanted served."""
    if where.engine is None:
        return nullcontext()
    lock = project.model_store / ".registering.lock"  # there, for commands in the dev container can always write to it
    return locks.hold(lock, doing="registering models of this project", timeout=LOCK_TIMEOUT_S)


def _servable(
    project: Project, where: Server, model: Optional[str], url: Optional[str] = None, workers: Optional[int] = None
) -> Servable:
    from mardock.serving import Servable, is_laid_out

    name, settings = project.settings.model(model)
    spec, serving = settings.archive, settings.serving
    if workers is not None:
        serving = dataclasses.replace(serving, initial_workers=workers)
    url = url or f"{spec.model_name}.mar"
    archive = project.model_store / url
    kept = archive.is_file() or is_laid_out(archive)
    ours = where.engine is not None and "://" not in url and ".." not in url and kept
    if where.engine is not None and not ours and "://" not in url and not archive.is_dir():
        raise ConfigError(f"there is no archive {url} in {project.model_store.name}/", hint=f"mardock archive {name}")
    return Servable(
        archive=archive if ours else url,
        serving=serving,
        model_name=None if ours else spec.model_name,
        sources=spec.python_sources(project.root),
        allow_remote="://" in url,
        sample=project.first_sample(settings),
    )


def _warn_of_requirements(project: Project, where: Server, names: Sequence[str]) -> None:
    """Say which models bring packages that TorchServe, as it is configured, does not install for them."""
    from mardock.engines import config_properties

    brought = {name: project.settings.models[name].archive.requirements_file for name in names}
    if where.engine is None or not any(brought.values()):
        return
    properties = config_properties.read(project.root / "torchserve" / "config.properties")
    switch = properties.get("install_py_dep_per_model")
    if switch is not None and switch.value.strip().lower() == "true":
        return
    for name, file in brought.items():
        if file:
            console.warn(
                f"{name}: TorchServe does not install its {file}, for install_py_dep_per_model is not true in"
                " torchserve/config.properties; set it, then mardock down && mardock up"
            )


def sample_of(project: Project, served_as: str) -> Optional[bytes]:
    """Return a request a served model can answer; None for a stranger, without a sample, or with broken settings."""
    with suppress(ConfigError):
        for settings in project.settings.models.values():
            sample = project.first_sample(settings) if settings.archive.model_name == served_as else None
            if sample is not None:
                return sample.read_bytes()
    return None


def sources_of(project: Project, served_as: str) -> dict[str, str]:
    """Return the project's path of each Python file of a served model, for tracebacks; empty for a stranger."""
    for settings in project.settings.models.values():
        if settings.archive.model_name == served_as:
            return settings.archive.python_sources(project.root)
    return {}


def _tell(project: Project, where: Server, done: Registered) -> None:
    plural = "worker" if done.workers == 1 else "workers"
    digest = f", archive {done.digest}" if done.digest else ""
    console.success(
        f"{done.model} {done.version} {done.outcome}: {done.workers} {plural} READY{digest}",
        then=f"mardock predict {done.model} FILE"
        if done.workers
        else f"mardock models scale {done.model} --min-worker 1",
    )
    if where.engine is not None:
        thread_notes.show(project, where.engine, done.model, done.url, done.workers, done.kept)
    if not done.drained:
        console.warn(
            f"requests of the {done.model} that was replaced were cut off; give them more time: --drain SECONDS"
        )
    if done.default_version != done.version:
        console.warn(
            f"{done.model} {done.default_version} goes on answering predictions that name no version; "
            f"to change that: mardock models set-default {done.model} {done.version}"
        )


def _same(ours: str, given: str) -> bool:
    """Say whether a URL names the same port of this machine; in the dev container nothing else is to be had at it."""
    a, b = urlsplit(ours), urlsplit(given)
    return a.port == b.port and b.hostname in ("localhost", "127.0.0.1", "::1", a.hostname)
