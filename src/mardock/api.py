"""Project: what the commands do, from Python, with values for answers; for notebooks, scripts and tests.

::

    from mardock import Project

    project = Project()  # the folder with a mardock.toml, this one or above
    project.archive("cats")
    project.up()
    print(project.predict("cats", Path("cat.jpg")).json())
    project.down()

A failure is raised as one of `mardock.errors`, with the message and the hint the command would print.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from mardock.defaults import ANSWER_TIMEOUT_S, DRAIN_S, START_TIMEOUT_S
from mardock.errors import ArchiveError, MardockError
from mardock.listener import SILENT, Listener

if TYPE_CHECKING:
    from mardock.client.model_status import ModelStatus
    from mardock.endpoint import Endpoint
    from mardock.serving import Registered
    from mardock.settings.project import Project as Root

Data = Union[bytes, str, Path, dict[str, Any], list[Any]]
"""What is sent to a model: bytes and text as they are, the bytes of a file, or a dict or list as JSON."""

_PROBE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Archive:
    """An archive in the model store.

    Attributes:
        size: bytes.
        changed: False when the same bytes were there already.
    """

    path: Path
    name: str
    version: str
    sha256: str
    size: int
    changed: bool


@dataclass(frozen=True)
class Answer:
    """A handler's answer.

    Attributes:
        body: its bytes as they came.
        content_type: what the handler declared; TorchServe sets none by itself.
    """

    body: bytes
    content_type: Optional[str] = None

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body parsed; raises ValueError when it is no JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Status:
    """How a project's server is.

    Attributes:
        engine: who runs it, `docker` or `native`; None when it is down.
        endpoint: where it listens; None when it is down.
        models: every version of every registered model.
    """

    running: bool
    engine: Optional[str] = None
    endpoint: Optional[Endpoint] = None
    models: tuple[ModelStatus, ...] = ()


class Project:
    """A project of models on this machine.

    Args:
        folder: the one that holds mardock.toml, or one below it.
        engine: who runs TorchServe, `docker`, `native` or `auto`; what mardock.toml or .env say when not given.
        listener: told what the commands would print while they work; nobody is when not given.

    Raises:
        ConfigError: there is no mardock.toml there.
    """

    def __init__(
        self, folder: Union[str, os.PathLike[str]] = ".", *, engine: Optional[str] = None, listener: Listener = SILENT
    ) -> None:
        from mardock.settings.project import Project as Root
        from mardock.settings.root import find_root

        self._root: Root = Root(find_root(Path(folder).resolve()), engine=engine)
        self._listener = listener

    @property
    def folder(self) -> Path:
        """The folder that holds mardock.toml."""
        return self._root.root

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models of mardock.toml."""
        return tuple(self._root.settings.models)

    def train(self, model: Optional[str] = None, *, force: bool = False) -> None:
        """Bring a model's weights up to date; see `mardock train`.

        Raises:
            EngineError: the training command failed.
        """
        from mardock.errors import EngineError
        from mardock.tasks.train import train

        name, _ = self._root.settings.model(model)
        if train(self._root, name, force=force, listener=self._listener):
            raise EngineError(f"training {name} was interrupted", hint=f"mardock train {name}")

    def archive(self, model: Optional[str] = None, *, version: Optional[str] = None, force: bool = False) -> Archive:
        """Write a model's archive into the model store, in the dev container where that is where torch is.

        Args:
            model: its name in mardock.toml; may be left out when there is one.
            version: instead of mardock.toml's.
            force: replace a file that is no archive of this model.

        Raises:
            ConfigError: it was not trained yet, or files are missing.
            ArchiveError: it cannot be written.
        """
        from mardock.archive.read import read
        from mardock.engines import select
        from mardock.tasks import archive as task

        name, settings = self._root.settings.model(model)
        engine = select.where_torch_is(self._root, self._listener)
        if task.is_made_here(self._root, name, engine):
            done = task.archive(
                self._root, name, version=version, force=force, imports=engine.torch_is_here, listener=self._listener
            )
            found, changed = done.archive, done.changed
        else:
            path = self._root.model_store / f"{settings.archive.model_name}.mar"
            before = path.stat().st_mtime_ns if path.exists() else None
            argv = ["mardock", "archive", name, *(["--version", version] if version else [])]
            code = engine.exec([*argv, *(["--force"] if force else [])], interactive=False, writes=[path])
            if code:
                raise ArchiveError(f"archiving {name} failed with exit code {code}", hint="its message stands above")
            found, changed = read(path), path.stat().st_mtime_ns != before
        return Archive(found.path, found.name, found.version, found.sha256, found.size, changed)

    def up(self, *, timeout: float = START_TIMEOUT_S) -> Endpoint:
        """Start TorchServe, or find it running, register the archived models, and return where it listens.

        Raises:
            EngineError: it cannot be started.
            MardockError: a model cannot be served; the others are.
        """
        from mardock.serving import Server
        from mardock.tasks import lifecycle
        from mardock.tasks.register import Registrar

        engine = lifecycle.start(self._root, timeout=timeout, listener=self._listener)
        server = Server.of(self._root, engine)
        for each in Registrar(self._root, server, replace=True, listener=self._listener).archived():
            if isinstance(each.done, MardockError):
                raise each.done
        return server.endpoint

    def register(
        self,
        model: Optional[str] = None,
        *,
        workers: Optional[int] = None,
        replace: bool = False,
        drain: float = DRAIN_S,
    ) -> Registered:
        """Register a model and return when its workers are READY.

        Args:
            model: its name in mardock.toml; may be left out when there is one.
            workers: how many, instead of what mardock.toml says.
            replace: in the place of a served version with another archive, whose requests are answered.
            drain: seconds to wait for those.

        Raises:
            EngineNotRunningError: the server is down.
            MardockError: the model cannot be served; the error holds its handler's traceback.
        """
        from mardock.tasks.register import register

        (done,) = register(self._root, model, workers=workers, replace=replace, patience=drain, listener=self._listener)
        assert not isinstance(done.done, MardockError)  # a single model's failure is raised
        return done.done

    def predict(
        self,
        model: str,
        data: Data,
        *,
        version: Optional[str] = None,
        content_type: Optional[str] = None,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> Answer:
        """Send one request to a served model.

        Args:
            model: what it is served as.
            data: see `Data`.
            version: the default one when not given.
            content_type: sent with it; `application/json` for a dict or a list when not given.
            timeout: seconds the server may stay silent.

        Raises:
            EngineNotRunningError: the server is down.
            ServingError: it cannot be answered; the error holds the handler's traceback.
        """
        from mardock.tasks.predict import ask

        body, inferred = _body(data)
        found = ask(self._root, model, body, version=version, content_type=content_type or inferred, timeout=timeout)
        return Answer(found.body, found.content_type)

    def status(self) -> Status:
        """Say how the server is and what it serves; that it is down is no error."""
        from mardock.client import probe
        from mardock.engines import select

        running = select.running(self._root)
        if running is None:
            return Status(running=False)
        found = running.status()
        models = probe.models(found.endpoint, timeout=_PROBE_TIMEOUT_S) if found.endpoint else []
        return Status(found.running, found.engine, found.endpoint, tuple(models))

    def scale(self, model: str, workers: int, *, version: Optional[str] = None) -> ModelStatus:
        """Set how many workers a served model keeps, and return when they are READY.

        Raises:
            EngineNotRunningError: the server is down.
            ServingError: there is no such model, or a worker did not start.
        """
        from mardock.tasks.models import scale

        return scale(self._root, model, workers, version=version, listener=self._listener).status

    def unregister(self, model: str, *, version: Optional[str] = None, drain: float = DRAIN_S) -> bool:
        """Stop serving a model, or one version of it, and say whether all of its requests were answered.

        Raises:
            EngineNotRunningError: the server is down.
            ServingError: there is no such model or version.
        """
        from mardock.tasks.models import unregister

        return unregister(self._root, model, version, patience=drain, listener=self._listener)

    def down(self) -> bool:
        """Stop everything that was started for the project, and say whether there was anything."""
        from mardock.tasks import lifecycle

        return lifecycle.stop(self._root, listener=self._listener)

    @contextmanager
    def serving(self, model: Optional[str] = None) -> Iterator[Model]:
        """Archive and serve a model while the context is open; a server that ran before goes on after it.

        Raises:
            MardockError: see `archive`, `up` and `register`.
        """
        name, settings = self._root.settings.model(model)
        ran = self.status().running
        self.archive(name)
        try:
            if not ran:
                self.up()
            self.register(name, replace=True)
            yield Model(self, settings.archive.model_name)
        finally:
            if not ran:
                self.down()


@dataclass(frozen=True)
class Model:
    """A model that is served.

    Attributes:
        name: what it is served as.
    """

    project: Project
    name: str

    def predict(self, data: Data, *, content_type: Optional[str] = None, timeout: float = ANSWER_TIMEOUT_S) -> Answer:
        """Send it one request; see `Project.predict`."""
        return self.project.predict(self.name, data, content_type=content_type, timeout=timeout)


def _body(data: Data) -> tuple[bytes, Optional[str]]:
    """Return what is sent for some data, and its content type where the data tells it."""
    if isinstance(data, bytes):
        return data, None
    if isinstance(data, Path):
        from mardock.tasks import samples

        return samples.read(data), None
    if isinstance(data, str):
        return data.encode(), None
    return json.dumps(data).encode(), "application/json"
