"""Send many files to a model and show what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from mardock.cli import console, context
from mardock.defaults import ANSWER_TIMEOUT_S
from mardock.errors import ConfigError, MardockError

if TYPE_CHECKING:
    from mardock.client.grpc import GrpcInferenceClient
    from mardock.client.inference import InferenceClient
    from mardock.endpoint import Endpoint
    from mardock.engines.base import Engine
    from mardock.serving import LogPosition
    from mardock.settings.project import Project

    Predictor = Union[InferenceClient, GrpcInferenceClient]

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


@dataclass(frozen=True)
class Job:
    """Files to send to one model.

    Attributes:
        concurrency: requests under way at once.
        timeout: seconds the server may stay silent.
        protocol: `http` or `grpc`.
        endpoint: where a deployed model answers; this project's running server when None.
    """

    project: Project
    model: str
    files: Sequence[Path]
    version: Optional[str] = None
    content_type: Optional[str] = None
    concurrency: int = 1
    timeout: float = ANSWER_TIMEOUT_S
    protocol: str = "http"
    endpoint: Optional[Endpoint] = None

    def run(self) -> list[Answer]:
        """Send every file and return the answers in the files' order; a failure is kept with its file.

        Raises:
            EngineNotRunningError: there is no server to ask.
        """
        if self.endpoint is not None:
            return self._send(self.endpoint)
        from mardock.serving import LogPosition

        engine = context.running_engine(self.project)
        since = LogPosition.now(engine)
        return self._explained(self._send(engine.endpoint()), engine, since)

    def _send(self, endpoint: Endpoint) -> list[Answer]:
        from concurrent.futures import ThreadPoolExecutor

        _check_open_files(min(self.concurrency, len(self.files)))
        answers: list[Answer] = []
        with (
            predictor(endpoint, self.protocol) as client,
            ThreadPoolExecutor(self.concurrency) as pool,
            console.progress(f"predicting {self.model}") as advance,
        ):
            for answer in pool.map(lambda file: self._one(client, file), self.files):
                answers.append(answer)
                advance(len(answers), len(self.files))
        return answers

    def _one(self, client: Predictor, file: Path) -> Answer:
        try:
            body = read(file)
            found = client.predict(
                self.model, body, version=self.version, content_type=self.content_type, timeout=self.timeout
            )
        except MardockError as error:
            return Answer(file, failure=error)
        return Answer(file, found.body)

    def _explained(self, answers: list[Answer], engine: Engine, since: LogPosition) -> list[Answer]:
        """Give the first failure its cause from the server's log."""
        from mardock import serving
        from mardock.causes.audience import Audience
        from mardock.cli.registering import sources_of

        for i, answer in enumerate(answers):
            if answer.failure is not None:
                known = sources_of(self.project, self.model)
                cause = serving.explain(
                    engine, self.model, since, answer.failure, version=self.version, audience=Audience(known)
                )
                answers[i] = Answer(answer.file, failure=cause)
                break
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


def predictor(endpoint: Endpoint, protocol: str) -> Predictor:
    """Return a client that speaks `http` or `grpc`."""
    if protocol == "grpc":
        from mardock.client.grpc import GrpcInferenceClient

        return GrpcInferenceClient(endpoint)
    from mardock.client.inference import InferenceClient

    return InferenceClient(endpoint)


def model_name(project: Project, given: Optional[str]) -> str:
    """Return the registered name: as given, or that of the project's only model."""
    return given if given is not None else project.settings.model()[1].archive.model_name


def sources(project: Project, model: Optional[str], given: Sequence[Path], pick: Optional[int] = None) -> list[Path]:
    """Return the files to send: those given, folders opened, or the model's sample.

    Args:
        pick: take that many at random.

    Raises:
        ConfigError: one does not exist, a folder is empty, or there is neither a file nor a sample.
    """
    import random

    if not given:
        name, settings = project.settings.model(model)
        if settings.sample is None:
            raise ConfigError("no file to send", hint=f"name one, or set sample under [models.{name}]")
        given = [project.root / settings.sample]
    files = [file for path in given for file in _files(path)]
    return random.sample(files, min(pick, len(files))) if pick is not None else files


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.exists():
            raise ConfigError(f"there is no file {path}", hint="check its path")
        return [path]
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        raise ConfigError(f"there are no files in {path}", hint="name a folder of samples")
    return files


def read(file: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}", hint=f"ls -l {file}") from error


def show(answers: Sequence[Answer]) -> None:
    """Print one answer untouched, or one line per file; nothing when no file has one."""
    if all(answer.failure for answer in answers):
        return
    if len(answers) == 1:
        console.data_bytes(answers[0].body)
        return
    console.table(("FILE", "PREDICTION"), [(answer.file, " ".join(answer.text.split())) for answer in answers])


def show_labels(answers: Sequence[Answer]) -> None:
    """Print what was predicted beside what it is, and the accuracy; nothing when no file has an answer."""
    if all(answer.failure for answer in answers):
        return
    console.data("Predicted  Actual")
    for answer in answers:
        console.data(f"    {answer.text}        {answer.label}")
    right = sum(answer.right for answer in answers)
    console.data(f"\n{right} of {len(answers)} right, accuracy {right / len(answers):.1%}")


def raise_first_failure(answers: Sequence[Answer]) -> None:
    """Raise the first failure, saying how many there were."""
    failures = [answer for answer in answers if answer.failure is not None]
    if not failures:
        return
    first = failures[0].failure
    assert first is not None
    if len(answers) > 1:
        count = f"{len(failures)} of {len(answers)} files failed, first {failures[0].file}"
        raise first.but(message=f"{count}: {first.message}")
    raise first
