"""What can be set, with its defaults and bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Optional

from annotated_types import Ge, Interval, MinLen

from mardock.archive.spec import ArchiveSpec, CompletedSpec
from mardock.defaults import MAX_THREADS, MAX_WORKERS, WORKER_TIMEOUT_S
from mardock.errors import ConfigError
from mardock.spelling import did_you_mean

EngineChoice = Literal["auto", "docker", "native"]
Port = Annotated[int, Interval(ge=1, le=65535)]
Name = Annotated[str, MinLen(1)]
Threads = Annotated[int, Interval(ge=1, le=MAX_THREADS)]

_FORBID_UNKNOWN: dict[str, Any] = {"extra": "forbid"}  # read by pydantic from a dataclass's __pydantic_config__


@dataclass(frozen=True)
class Machine:
    """What the machine is. Each field is read from the variable of `ENVIRONMENT_NAMES`, in the environment or in .env.

    Attributes:
        engine: who runs TorchServe; `auto` takes Docker where it can and the native engine otherwise.
        project_name: the compose project; the folder's own name when it is not set.
        compose_file, compose_project: COMPOSE_FILE and COMPOSE_PROJECT_NAME for mardock's containers alone.
        inference_port, management_port, metrics_port: where TorchServe's three HTTP APIs listen on 127.0.0.1.
        grpc_inference_port, grpc_management_port: where it listens for gRPC.
        dev_container, serve_container: the container's name; the compose project's with a suffix when it is not set.
        torchserve_image: what the serve service runs and the dev image is built from.
        dev_image: the tag given to the image built from Dockerfile.dev.
        base_image: what torchserve/Dockerfile builds the project's own TorchServe image from.
        build_network: the network images are built in, as `docker build --network` takes it.
        token_auth: whether TorchServe asks for its tokens.
        fast_workers: whether a process that has torch imported forks the workers.
        threads_per_worker: threads each worker computes with; the cores shared out among the workers when not set.
        shm_size: most that containers may keep in /dev/shm, as compose takes it: `512mb`, `4gb`.
        native_python: the Python that has torch and TorchServe on this machine, instead of the one of `Native`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_UNKNOWN

    engine: EngineChoice = "auto"
    project_name: Optional[Name] = None
    compose_file: Optional[Name] = None
    compose_project: Optional[Name] = None
    inference_port: Port = 8080
    management_port: Port = 8081
    metrics_port: Port = 8082
    grpc_inference_port: Port = 7070
    grpc_management_port: Port = 7071
    dev_container: Optional[Name] = None
    serve_container: Optional[Name] = None
    torchserve_image: Name = "pytorch/torchserve:0.12.0-cpu"
    dev_image: Optional[Name] = None
    base_image: Name = "debian:bookworm-slim"
    build_network: Name = "default"
    token_auth: bool = False
    fast_workers: bool = True
    threads_per_worker: Optional[Threads] = None
    shm_size: Name = "4gb"
    native_python: Optional[Name] = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[1-9]\d*([kmg]b?|b)?", self.shm_size, re.IGNORECASE):
            raise ValueError(f"{ENVIRONMENT_NAMES['shm_size']}={self.shm_size} is no size: write 4gb or 512mb")
        names = [name for name in self.__dataclass_fields__ if name.endswith("_port")]
        for i, name in enumerate(names):
            for other in names[:i]:
                if getattr(self, name) == getattr(self, other):
                    raise ValueError(f"{ENVIRONMENT_NAMES[name]} and {ENVIRONMENT_NAMES[other]} are the same port")


ENVIRONMENT_NAMES: dict[str, str] = {
    name: {
        "project_name": "COMPOSE_PROJECT_NAME",
        "torchserve_image": "TORCHSERVE_IMAGE",
        "base_image": "BASE_IMAGE",
    }.get(name, f"MARDOCK_{name.upper()}")
    for name in Machine.__dataclass_fields__
    if name != "__pydantic_config__"
}
COMPOSE_ONLY = ("MARDOCK_UID", "MARDOCK_GID", "MARDOCK_PACKAGE", "MARDOCK_PYTHON")
"""Variables of docker-compose.yml that .env may set for plain `docker compose`; mardock itself computes them."""


@dataclass(frozen=True)
class Serving:
    """How TorchServe is asked to serve a model; keys that its model-config.yaml sets win over these.

    Attributes:
        initial_workers: workers started at registration; registered without any when 0.
        batch_size: most requests handed to the handler at once.
        max_batch_delay: milliseconds to wait for a batch to fill.
        response_timeout: seconds a worker may take for one batch.
        startup_timeout: seconds a worker may take to load the model.
        threads_per_worker: threads a worker computes with, instead of the machine's; needs fast workers.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_UNKNOWN

    initial_workers: Annotated[int, Interval(ge=0, le=MAX_WORKERS)] = 1
    batch_size: Annotated[int, Ge(1)] = 1
    max_batch_delay: Annotated[int, Ge(0)] = 100
    response_timeout: Annotated[int, Ge(1)] = WORKER_TIMEOUT_S
    startup_timeout: Annotated[int, Ge(1)] = WORKER_TIMEOUT_S
    threads_per_worker: Optional[Threads] = None


@dataclass(frozen=True)
class Training:
    """How the weights of a model are made: a command run where torch is, skipped while its outputs are up to date.

    Attributes:
        command: the program and its arguments, run in the project's folder.
        inputs: files and folders it reads.
        outputs: files it writes.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_UNKNOWN

    command: Annotated[tuple[str, ...], MinLen(1)]
    outputs: Annotated[tuple[str, ...], MinLen(1)]
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelSettings:
    """One model: what is archived, how it is served, a sample to predict, how it is trained.

    TorchServe reads the time-outs of a model that has a model-config.yaml there alone, 120 s when they are missing; so
    those of `serving` are archived in it.

    Attributes:
        sample: a file, or a folder of them: what `predict` and others send when no file is named.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_UNKNOWN

    archive: ArchiveSpec
    serving: Serving = field(default_factory=Serving)
    sample: Optional[str] = None
    train: Optional[Training] = None

    def __post_init__(self) -> None:
        timeouts = {"responseTimeout": self.serving.response_timeout, "startupTimeout": self.serving.startup_timeout}
        changed = tuple((key, value) for key, value in timeouts.items() if value != WORKER_TIMEOUT_S)
        given = {name: getattr(self.archive, name) for name in ArchiveSpec.__dataclass_fields__}
        spec = CompletedSpec(**given, completion=changed) if changed else ArchiveSpec(**given)
        object.__setattr__(self, "archive", spec)


@dataclass(frozen=True)
class Native:
    """What the native engine serves with.

    Attributes:
        python: the Python that has torch and TorchServe, or the folder of its environment, relative to the project's;
            mardock itself may be installed elsewhere.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_UNKNOWN

    python: Optional[Name] = None


@dataclass(frozen=True)
class Settings:
    """A project's settings.

    Attributes:
        root: the project's folder, absolute.
        native: the `[native]` table.
        models: by the name they have in mardock.toml.
        deploy: the `[deploy.*]` tables, each checked by its own deploy target.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_UNKNOWN

    root: Path
    machine: Machine = field(default_factory=Machine)
    native: Native = field(default_factory=Native)
    models: Mapping[str, ModelSettings] = field(default_factory=dict)
    deploy: Mapping[str, Any] = field(default_factory=dict)

    def model(self, name: Optional[str] = None) -> tuple[str, ModelSettings]:
        """Return a model of mardock.toml with its name; without a name, the only one there is.

        Raises:
            ConfigError: there is no such model, or several to choose from.
        """
        known = ", ".join(self.models)
        if name is None:
            if len(self.models) == 1:
                return next(iter(self.models.items()))
            if not self.models:
                raise ConfigError(
                    "mardock.toml lists no model", hint="add a [models.NAME.archive] table to mardock.toml"
                )
            raise ConfigError("which model?", hint=f"name one of: {known}")
        if name not in self.models:
            hint = did_you_mean(name, self.models) or f"mardock.toml lists: {known or 'none'}"
            raise ConfigError(f"mardock.toml lists no model {name!r}", hint=hint)
        return name, self.models[name]

    def served_as(self, name: str) -> list[ModelSettings]:
        """Return the models that are served under a name; none for a stranger's."""
        return [settings for settings in self.models.values() if settings.archive.model_name == name]

    def sources(self, name: str) -> dict[str, str]:
        """Return the project's path of each Python file of what is served under a name; empty for a stranger's."""
        served = self.served_as(name)
        return served[0].archive.python_sources(self.root) if served else {}
