"""Send requests to a model, many at once, and have what fails explained from the server's log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from mardock import reply
from mardock.defaults import ANSWER_TIMEOUT_S
from mardock.errors import ConfigError, MardockError
from mardock.listener import SILENT, Listener

if TYPE_CHECKING:
    from mardock.client.grpc import GrpcInferenceClient
    from mardock.client.inference import InferenceClient, Prediction
    from mardock.endpoint import Endpoint
    from mardock.engines.base import Engine
    from mardock.serving import LogPosition
    from mardock.settings.project import Project
    from mardock.tasks.requests import Request

    Client = Union[InferenceClient, GrpcInferenceClient]

_OTHER_FILES = 32


@dataclass(frozen=True)
class Answer:
    """What the model said to one request, or why it did not.

    Attributes:
        name: what was sent; see `Request`.
        content_type: what the handler declared; TorchServe sets none by itself.
    """

    name: str
    body: bytes = b""
    failure: Optional[MardockError] = None
    content_type: Optional[str] = None

    @property
    def text(self) -> str:
        """The answer in words, for people."""
        return "-" if self.failure is not None else reply.in_words(self.body, self.content_type)

    @property
    def label(self) -> str:
        """The character before the extension, e.g. `7` of `digit_0042_7.png`."""
        return Path(self.name).stem[-1:]

    @property
    def right(self) -> bool:
        return self.failure is None and self.text == self.label

    def to_dict(self, *, labels: bool = False) -> dict[str, Any]:
        """Return it as what JSON can hold, nothing of it lost; without an answer `encoding` and all behind it is None.

        Args:
            labels: tell the label and whether the answer is right, too.
        """
        told = {
            "file": self.name,
            "error": self.failure.to_dict() if self.failure else None,
            "content_type": self.content_type,
            **(dict.fromkeys(("size", "encoding", "answer")) if self.failure else reply.to_dict(self.body)),
        }
        return {**told, "label": self.label, "right": self.right} if labels else told


def predict(
    project: Project,
    model: str,
    requests: Sequence[Request],
    *,
    version: Optional[str] = None,
    concurrency: int = 1,
    timeout: float = ANSWER_TIMEOUT_S,
    grpc: bool = False,
    endpoint: Optional[Endpoint] = None,
    listener: Listener = SILENT,
) -> list[Answer]:
    """Send every request and return the answers in their order; a failure is kept with its request.

    Args:
        model: what it is served as.
        concurrency: requests under way at once.
        timeout: seconds the server may stay silent.
        endpoint: where a deployed model answers; this project's running server when None.

    Raises:
        ConfigError: so many connections need more open files than this process may have.
        EngineNotRunningError: there is no server to ask.
    """

    def send(client: Client, request: Request) -> Answer:
        try:
            sent = request.payload()
            found = client.predict(model, sent.body, version=version, content_type=sent.content_type, timeout=timeout)
        except MardockError as error:
            return Answer(request.name, failure=error)
        return Answer(request.name, found.body, content_type=found.content_type)

    send_all = partial(_send, requests, send, concurrency, f"predicting {model}", grpc=grpc, listener=listener)
    if endpoint is not None:
        return send_all(endpoint)
    from mardock.engines import select
    from mardock.serving import LogPosition

    engine = select.needed(project)
    since = LogPosition.now(engine)
    return _explained(project, send_all(engine.endpoint()), engine, since, model, version)


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
    with _asking(project, model, version) as client:
        return client.predict(model, body, version=version, content_type=content_type, timeout=timeout)


def explain(
    project: Project,
    model: str,
    request: Request,
    *,
    version: Optional[str] = None,
    timeout: float = ANSWER_TIMEOUT_S,
) -> Answer:
    """Return what a model's handler says of its answer to one request.

    Args:
        model: what it is served as.
        timeout: seconds the server may stay silent.

    Raises:
        ConfigError: the file cannot be read.
        EngineNotRunningError: there is no server to ask.
        ServingError: the handler cannot explain, or fails, with its cause from the server's log.
    """
    sent = request.payload()
    with _asking(project, model, version) as client:
        found = client.explain(model, sent.body, version=version, content_type=sent.content_type, timeout=timeout)
    return Answer(request.name, found.body, content_type=found.content_type)


@contextmanager
def _asking(project: Project, model: str, version: Optional[str]) -> Iterator[InferenceClient]:
    """Yield a client of the project's server; what fails in the block gets its cause from the log."""
    from mardock.client.inference import InferenceClient
    from mardock.engines import select
    from mardock.serving import LogPosition

    engine = select.needed(project)
    since = LogPosition.now(engine)
    with InferenceClient(engine.endpoint()) as client:
        try:
            yield client
        except MardockError as error:
            raise _cause(project, engine, since, error, model, version) from error


def _send(
    requests: Sequence[Request],
    send: Callable[[Client, Request], Answer],
    concurrency: int,
    title: str,
    endpoint: Endpoint,
    *,
    grpc: bool,
    listener: Listener,
) -> list[Answer]:
    from mardock.serving import background

    _check_open_files(min(concurrency, len(requests)))
    answers: list[Answer] = []
    with _client(endpoint, grpc=grpc) as client, listener.progress(title) as advance:
        for answer in background.each(partial(send, client), requests, at_once=concurrency):
            answers.append(answer)
            advance(len(answers), len(requests))
    return answers


def _explained(
    project: Project, answers: list[Answer], engine: Engine, since: LogPosition, model: str, version: Optional[str]
) -> list[Answer]:
    """Give the first failure its cause from the server's log."""
    for i, answer in enumerate(answers):
        if answer.failure is not None:
            cause = _cause(project, engine, since, answer.failure, model, version)
            return [*answers[:i], Answer(answer.name, failure=cause), *answers[i + 1 :]]
    return answers


def _cause(
    project: Project, engine: Engine, since: LogPosition, error: MardockError, model: str, version: Optional[str]
) -> MardockError:
    from mardock import serving
    from mardock.causes.audience import Audience

    audience = Audience(project.settings.sources(model))
    return serving.explain(engine, model, since, error, version=version, audience=audience)


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
