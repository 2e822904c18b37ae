"""Send files to a model, many at once, and have what fails explained from the server's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from mardock.defaults import ANSWER_TIMEOUT_S
from mardock.errors import ConfigError, MardockError
from mardock.listener import SILENT, Listener
from mardock.tasks import samples

if TYPE_CHECKING:
    from mardock.client.grpc import GrpcInferenceClient
    from mardock.client.inference import InferenceClient, Prediction
    from mardock.endpoint import Endpoint
    from mardock.engines.base import Engine
    from mardock.serving import LogPosition
    from mardock.settings.project import Project

    Client = Union[InferenceClient, GrpcInferenceClient]

_OTHER_FILES = 32


@dataclass(frozen=True)
class Answer:
    """What the model said to one file, or why it did not."""

    file: Path
    body: bytes = b""
    failure: Optional[MardockError] = None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace").strip() if self.failure is None else "-"

    @property
    def label(self) -> str:
        """The character before the extension, e.g. `7` of `digit_0042_7.png`."""
        return self.file.stem[-1:]

    @property
    def right(self) -> bool:
        return self.failure is None and self.text == self.label

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": str(self.file),
            "prediction": None if self.failure else self.body.decode("utf-8", "replace"),
            "label": self.label,
            "error": self.failure.message if self.failure else None,
        }


def predict(
    project: Project,
    model: str,
    files: Sequence[Path],
    *,
    version: Optional[str] = None,
    content_type: Optional[str] = None,
    concurrency: int = 1,
    timeout: float = ANSWER_TIMEOUT_S,
    grpc: bool = False,
    endpoint: Optional[Endpoint] = None,
    listener: Listener = SILENT,
) -> list[Answer]:
    """Send every file and return the answers in the files' order; a failure is kept with its file.

    Args:
        model: what it is served as.
        concurrency: requests under way at once.
        timeout: seconds the server may stay silent.
        endpoint: where a deployed model answers; this project's running server when None.

    Raises:
        ConfigError: so many connections need more open files than this process may have.
        EngineNotRunningError: there is no server to ask.
    """

    def ask(client: Client, file: Path) -> Answer:
        try:
            body = samples.read(file)
            found = client.predict(model, body, version=version, content_type=content_type, timeout=timeout)
        except MardockError as error:
            return Answer(file, failure=error)
        return Answer(file, found.body)

    send = partial(_send, files, ask, concurrency, f"predicting {model}", grpc=grpc, listener=listener)
    if endpoint is not None:
        return send(endpoint)
    from mardock.engines import select
    from mardock.serving import LogPosition

    engine = select.needed(project)
    since = LogPosition.now(engine)
    return _explained(project, send(engine.endpoint()), engine, since, model, version)


def ask(
    project: Project,
    model: str,
    body: bytes,
    *,
    version: Optional[str] = None,
    content_type: Optional[str] = None,
    timeout: float = ANSWER_TIMEOUT_S,
) -> Prediction:
    """Send one request to the project's server and return its answer.

    Args:
        model: what it is served as.
        timeout: seconds the server may stay silent.

    Raises:
        EngineNotRunningError: there is no server to ask.
        ServingError: it was not answered, with its cause from the server's log.
    """
    from mardock import serving
    from mardock.causes.audience import Audience
    from mardock.client.inference import InferenceClient
    from mardock.engines import select

    engine = select.needed(project)
    since = serving.LogPosition.now(engine)
    with InferenceClient(engine.endpoint()) as client:
        try:
            return client.predict(model, body, version=version, content_type=content_type, timeout=timeout)
        except MardockError as error:
            audience = Audience(_sources(project, model))
            raise serving.explain(engine, model, since, error, version=version, audience=audience) from error


def explain(project: Project, model: str, file: Path, *, version: Optional[str] = None) -> bytes:
    """Return what a model's handler says of its answer to one file.

    Raises:
        ConfigError: the file cannot be read.
        EngineNotRunningError: there is no server to ask.
        ServingError: the handler cannot explain, or fails.
    """
    from mardock.client.inference import InferenceClient
    from mardock.engines import select

    with InferenceClient(select.needed(project).endpoint()) as client:
        return client.explain(model, samples.read(file), version=version).body


def _send(
    files: Sequence[Path],
    ask: Callable[[Client, Path], Answer],
    concurrency: int,
    title: str,
    endpoint: Endpoint,
    *,
    grpc: bool,
    listener: Listener,
) -> list[Answer]:
    from concurrent.futures import ThreadPoolExecutor

    _check_open_files(min(concurrency, len(files)))
    answers: list[Answer] = []
    with (
        _client(endpoint, grpc=grpc) as client,
        ThreadPoolExecutor(concurrency) as pool,
        listener.progress(title) as advance,
    ):
        for answer in pool.map(lambda file: ask(client, file), files):
            answers.append(answer)
            advance(len(answers), len(files))
    return answers


def _explained(
    project: Project, answers: list[Answer], engine: Engine, since: LogPosition, model: str, version: Optional[str]
) -> list[Answer]:
    """Give the first failure its cause from the server's log."""
    from mardock import serving
    from mardock.causes.audience import Audience

    for i, answer in enumerate(answers):
        if answer.failure is not None:
            audience = Audience(_sources(project, model))
            cause = serving.explain(engine, model, since, answer.failure, version=version, audience=audience)
            return [*answers[:i], Answer(answer.file, failure=cause), *answers[i + 1 :]]
    return answers


def _check_open_files(connections: int) -> None:
    """Raise ConfigError unless this process may open that many connections beside its other files."""
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and connections + _OTHER_FILES > most:
        raise ConfigError(
            f"{connections} requests at once need more open files than the {most} this shell allows",
            hint="ulimit -n 4096, or fewer at once: --concurrency N",
        )


def _client(endpoint: Endpoint, *, grpc: bool) -> Client:
    if grpc:
        from mardock.client.grpc import GrpcInferenceClient

        return GrpcInferenceClient(endpoint)
    from mardock.client.inference import InferenceClient

    return InferenceClient(endpoint)


def _sources(project: Project, model: str) -> dict[str, str]:
    """Return the project's path of each Python file of a served model, for tracebacks; empty for a stranger's."""
    served = project.settings.served_as(model)
    return served[0].archive.python_sources(project.root) if served else {}
