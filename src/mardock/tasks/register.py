"""Register one model, all of them, or those whose archives are there, with the project's server or another one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Optional, Union

from mardock import locks, serving, text_files
from mardock.defaults import DRAIN_S, OWN_CONFIG
from mardock.engines import config_properties
from mardock.engines.native.python import python_of
from mardock.engines.threads import ThreadNote
from mardock.errors import ConfigError, MardockError, ModelConflictError
from mardock.listener import SILENT, Listener
from mardock.serving import remembered
from mardock.serving.registration import Registered
from mardock.serving.remembered import Remembered
from mardock.serving.servable import Servable
from mardock.serving.server import Server
from mardock.settings import untrained
from mardock.settings.project import Project
from mardock.tasks import archive_note, as_before
from mardock.tasks.thread_note import thread_note

LOCK_TIMEOUT_S = 300.0
_NOTHING: Mapping[str, Optional[Remembered]] = MappingProxyType({})


@dataclass(frozen=True)
class Registration:
    """What became of a model.

    Attributes:
        name: the model's in mardock.toml.
        done: how it is served now, or why it is not.
        threads: what is wrong with its workers' threads; None when nothing is, or the server is a stranger's.
    """

    name: str
    done: Union[Registered, MardockError]
    threads: Optional[ThreadNote] = None


def register(
    project: Project,
    model: Optional[str] = None,
    *,
    every: bool = False,
    server_url: Optional[str] = None,
    management_port: Optional[int] = None,
    archive: Optional[str] = None,
    workers: Optional[int] = None,
    unpacked: bool = False,
    replace: bool = False,
    patience: float = DRAIN_S,
    listener: Listener = SILENT,
) -> list[Registration]:
    """Register a model, or all of mardock.toml, and return when their workers are READY; see `Registrar`.

    Args:
        every: register all of them; what fails is in its own registration then, and the others are served.
        server_url, management_port: another TorchServe than the project's own; see `Server.at`.

    Raises:
        ConfigError: there is no such model or no archive of it, or what was asked for does not go together.
        EngineNotRunningError: the project's server is down.
        MardockError: the single model cannot be served; see `serving.register`.
    """
    server = Server.at(project, server_url, management_port)
    if unpacked and (every or archive or server.engine is None):
        raise ConfigError(
            "--unpacked is for one model's own files and this project's own server", hint="mardock register --help"
        )
    registrar = Registrar(project, server, replace=replace, patience=patience, listener=listener)
    if every:
        return registrar.every()
    return [registrar.one(model, archive=archive, workers=workers, unpacked=unpacked)]


@dataclass(frozen=True)
class Registrar:
    """Registers models of a project.

    Attributes:
        server: where.
        replace, patience: see `serving.register`.
    """

    project: Project
    server: Server
    replace: bool = False
    patience: float = DRAIN_S
    listener: Listener = SILENT

    def one(
        self,
        model: Optional[str] = None,
        *,
        archive: Optional[str] = None,
        workers: Optional[int] = None,
        served_as: Optional[str] = None,
        unpacked: bool = False,
    ) -> Registration:
        """Register one model.

        Args:
            model: its name in mardock.toml; may be left out when there is one.
            archive: what to hand to TorchServe instead of the model's own: of the model store, or a URL.
            workers: how many, instead of what mardock.toml says.
            served_as: the name to serve it under, instead of its archive's.
            unpacked: serve the project's files themselves, without an archive.

        Raises:
            ConfigError: there is no such model, or no archive of it.
            MardockError: it cannot be served; see `serving.register`.
        """
        name, settings = self.project.settings.model(model)
        if archive is None:
            self._warn_of_requirements([name])
        self._warn_of_differences(name, archive, unpacked=unpacked)
        with self.listener.waiting(f"registering {model or archive or name}"), self._alone():
            if unpacked:
                untrained.refuse(name, settings, self.project.root)
                archive = serving.lay_out(settings.archive, self.project.root, self.project.model_store).name
            servable = self._servable(name, archive, workers)
            if served_as is not None:
                servable = dataclasses.replace(servable, model_name=served_as)
            if served_as is None:
                self._ask_back([name])
            try:
                done = serving.register(self.server, servable, replace=self.replace, patience=self.patience)
            except ModelConflictError as error:
                raise _hinted(error, name, unpacked=unpacked) from error
            if served_as is None:
                as_before.keep(self.project, self.server, done.model)
        return self._registration(name, done)

    def every(self) -> list[Registration]:
        """Register all models of mardock.toml; what fails is in its own registration."""
        self._ask_back(self.project.settings.models)
        return self._all(dict.fromkeys(self.project.settings.models))

    def archived(self) -> list[Registration]:
        """Register what is in the model store: each model's archive, or its folder if it was served unpacked last.

        They are served as a command left them: as many workers, the same default version, what stood beside; and not
        at all if it unregistered them. What fails is in its own registration.
        """
        there = {}
        before = {}
        for name, settings in self.project.settings.models.items():
            called = settings.archive.model_name
            folder = serving.latest(self.project.model_store, called)
            archive = self.project.model_store / f"{called}.mar"
            known = remembered.recall(self.project.model_store, called)
            if known is not None and not known.versions:
                self.listener.note(f"{name}: was unregistered, and stays so until mardock register {name}")
            elif folder or archive.is_file():
                there[name] = (folder or archive).name
                before[name] = known
            else:
                self.listener.note(f"{name}: not archived yet, run mardock archive {name}")
                serving.clear(self.server, called, settings.archive.version)
        return self._all(there, before)

    def _all(
        self, archives: Mapping[str, Optional[str]], before: Mapping[str, Optional[Remembered]] = _NOTHING
    ) -> list[Registration]:
        """Register models side by side, each with its archive, its own when that is None, and as it was before."""
        done: dict[str, Union[Registered, MardockError]] = {}
        servables = {}
        for name, archive in archives.items():
            try:
                own = self._servable(name, archive)
                servables[name] = as_before.brought_back(
                    self.project, self.server, own, before.get(name), self.listener
                )
            except MardockError as error:
                done[name] = error
        self._warn_of_requirements(servables)
        for name in servables:
            self._warn_of_differences(name, archives[name])
        title = f"registering {', '.join(servables)}" if servables else "nothing to register"
        with self.listener.waiting(title), self._alone():
            wanted = list(servables.values())
            results = serving.register_all(self.server, wanted, replace=self.replace, patience=self.patience)
            for name, result in zip(servables, results):
                done[name] = as_before.settled(
                    self.project, self.server, servables[name], before.get(name), result, self.listener
                )
        for name, failed in done.items():
            if isinstance(failed, ModelConflictError):
                done[name] = _hinted(failed, name)
        return [self._registration(name, done[name]) for name in archives]

    def _ask_back(self, names: Iterable[str]) -> None:
        if self.server.store is not None:
            for name in names:
                remembered.ask_back(self.server.store, self.project.settings.models[name].archive.model_name)

    def _alone(self) -> AbstractContextManager[None]:
        """Let one command at a time register with the project's server: a second one then finds what it wanted."""
        if self.server.store is None:
            return nullcontext()
        lock = self.server.store / ".registering.lock"  # there, for commands in the dev container can always write it
        return locks.hold(lock, doing="registering models of this project", timeout=LOCK_TIMEOUT_S)

    def _servable(self, name: str, archive: Optional[str], workers: Optional[int] = None) -> Servable:
        settings = self.project.settings.models[name]
        spec, how = settings.archive, settings.serving
        url = archive or f"{spec.model_name}.mar"
        path, remote = self.project.model_store / url, "://" in url
        own = self.server.engine is not None
        ours = own and not remote and ".." not in url and (path.is_file() or serving.is_laid_out(path))
        if own and not ours and not remote and not path.is_dir():
            store = self.project.model_store.name
            raise ConfigError(f"there is no archive {url} in {store}/", hint=f"mardock archive {name}")
        return Servable(
            archive=path if ours else url,
            serving=how,
            workers=workers,
            model_name=None if ours else spec.model_name,
            sources=spec.python_sources(self.project.root),
            allow_remote=remote,
            sample=self.project.first_sample(settings),
        )

    def _warn_of_differences(self, name: str, archive: Optional[str], *, unpacked: bool = False) -> None:
        """Say what the project's files have otherwise than what is registered, and than each other."""
        if self.server.engine is None:
            return
        own = f"{self.project.settings.models[name].archive.model_name}.mar"
        path = self.project.model_store / (archive or own)
        if path.name == own or serving.is_laid_out(path):
            notes = archive_note.conflicting(self.project, name)
            notes += [] if unpacked else archive_note.outdated_notes(self.project, name, path)
        else:
            notes = archive_note.lost_timeouts(self.project, name, path)
        for note in notes:
            self.listener.warn(note)

    def _warn_of_requirements(self, names: Iterable[str]) -> None:
        """Say which models bring packages that TorchServe, as it is configured, does not install for them."""
        models = self.project.settings.models
        brought = {name: models[name].archive.requirements_file for name in names}
        if self.server.engine is None or not any(brought.values()):
            return
        if config_properties.installs_requirements(self.project.root):
            return
        for name, file in brought.items():
            if file and not self._has_all_of(file):
                self.listener.warn(
                    f"{name}: TorchServe does not install its {file}, for install_py_dep_per_model is not true in"
                    f" {OWN_CONFIG}; set it, then mardock down && mardock up"
                )

    def _has_all_of(self, requirements: str) -> bool:
        """Say whether the Python that serves is known to have the packages already; that of a container is not."""
        if self.server.engine is None or not self.server.engine.torch_is_here:
            return False
        try:
            lines = text_files.requirement_lines((self.project.root / requirements).read_bytes())
        except (OSError, UnicodeDecodeError):  # told when it is archived
            return False
        return not python_of(self.project).unmet(lines)

    def _registration(self, name: str, done: Union[Registered, MardockError]) -> Registration:
        engine = self.server.engine
        if engine is None or isinstance(done, MardockError):
            return Registration(name, done)
        note = thread_note(self.project, engine, done.model, done.url, workers=done.workers, kept=done.kept)
        return Registration(name, done, note)


def _hinted(error: ModelConflictError, name: str, *, unpacked: bool = False) -> ModelConflictError:
    """Name the model as mardock.toml does, where it may be served as another."""
    return error.but(hint=f"replace it: mardock register {name} {'--unpacked ' * unpacked}--replace")
