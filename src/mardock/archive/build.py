"""From a spec to its `.mar` in the model store: resolve, check the code, write, put in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock import permissions
from mardock.archive import import_check, loaded_code, manifest, model_config, text_check, weights_check
from mardock.archive.import_check import Finding
from mardock.archive.members import SourceFile
from mardock.archive.read import ModelArchive, read
from mardock.archive.source_check import Source
from mardock.archive.spec import ArchiveSpec
from mardock.archive.store import Draft
from mardock.archive.write import SourceChangedError, write_archive
from mardock.errors import ArchiveError
from mardock.interpreter import Here, Interpreter
from mardock.listener import SILENT, Listener

_ATTEMPTS = 2


@dataclass(frozen=True)
class ArchiveResult:
    """What `build` left in the store; `changed` is False when the same bytes were there already, untouched now."""

    archive: ModelArchive
    changed: bool


def build(
    spec: ArchiveSpec,
    root: Path,
    store: Path,
    *,
    python: Optional[Interpreter] = None,
    force: bool = False,
    imports: bool = True,
    listener: Listener = SILENT,
    lock_timeout: float = 60.0,
) -> ArchiveResult:
    """Write `store/<model_name>.mar` from the files of `spec` below `root`.

    An older archive of the same model is replaced in one step; whatever goes wrong leaves it as it was.

    Args:
        python: where its imports have to be found; this one when not given.
        force: replace the file even if it is no archive of this model.
        imports: find imports that fail in this Python; else the worker that loads the model finds them.
        listener: told how many bytes are written.
        lock_timeout: seconds to wait for another process that writes the same archive.

    Raises:
        ConfigError: a name is not allowed or files cannot be archived; see `ArchiveSpec.resolve`.
        ArchiveError: handler or model code TorchServe could not load, no room, a store that cannot be written to, or
            files that keep changing.
    """
    for _ in range(_ATTEMPTS):
        try:
            sources = spec.resolve(root)
            check_config(spec, sources)
            loaded = check_code(spec, sources, root)
            for found in check_imports(spec, sources, loaded, root, python or Here()) if imports else ():
                listener.warn(f"{found.text}; {found.hint}")
            for warning in check_weights(spec, sources, list(loaded.values())):
                listener.warn(warning)
            return _build(spec, sources, store / f"{spec.model_name}.mar", force, listener, lock_timeout)
        except SourceChangedError as error:
            changed = error
        except PermissionError as error:
            raise permissions.refused(error, kind=ArchiveError) from error
        except OSError as error:
            raise ArchiveError(f"model {spec.model_name!r} cannot be archived: {error}") from error
    raise ArchiveError(
        f"{changed} was written to while it was being archived, {_ATTEMPTS} times in a row",
        hint="wait until it is written, then archive again",
    ) from changed


def _build(
    spec: ArchiveSpec,
    sources: tuple[SourceFile, ...],
    target: Path,
    force: bool,
    listener: Listener,
    lock_timeout: float,
) -> ArchiveResult:
    text = manifest.render(spec)
    with Draft(target, lock_timeout) as draft:
        _check_replaceable(target, spec.model_name, force)
        with listener.progress(f"archiving {spec.model_name}") as advance:
            changed = write_archive(draft, sources, text, advance)
    return ArchiveResult(read(target, verify=False), changed)


def check_config(spec: ArchiveSpec, sources: tuple[SourceFile, ...]) -> None:
    """Find what is wrong in a model's model-config.yaml; raises ArchiveError with `file:line:column`."""
    if spec.config_file is None:
        return
    source = next(source for source in sources if source.name == Path(spec.config_file).name)
    model_config.parse(source.path.read_bytes(), spec.config_file, spec.model_name)


def check_code(spec: ArchiveSpec, sources: tuple[SourceFile, ...], root: Path) -> dict[str, Source]:
    """Find what is wrong in a model's code before TorchServe would, and return what it loads, by its member's name.

    Raises:
        ArchiveError: a syntax error with `file:line`, a handler or model file TorchServe cannot use, or text it cannot
            read.
    """
    text_check.check(spec, sources)
    paths = {source.name: source.path for source in sources}
    loaded = loaded_code.read(spec, paths, spec.python_sources(root))
    loaded_code.check(spec, loaded)
    return loaded


def check_imports(
    spec: ArchiveSpec, sources: tuple[SourceFile, ...], loaded: Mapping[str, Source], root: Path, python: Interpreter
) -> list[Finding]:
    """Find imports that fail in a Python; it tells about the server's only where both are the same.

    Returns:
        Those that work on this machine alone.

    Raises:
        ArchiveError: one fails.
    """
    paths = {source.name: source.path for source in sources}
    requirements = paths[Path(spec.requirements_file).name] if spec.requirements_file else None
    return import_check.check(spec, loaded, paths, root, python, requirements)


def check_weights(spec: ArchiveSpec, sources: tuple[SourceFile, ...], parsed: list[Source]) -> list[str]:
    """Return what of the weights the code will most likely fail to load, each with what mends it."""
    if spec.serialized_file is None:
        return []
    path = next(source.path for source in sources if source.name == Path(spec.serialized_file).name)
    return weights_check.warnings(spec.serialized_file, path, parsed, by_torchserve=spec.model_file is not None)


def _check_replaceable(target: Path, model_name: str, force: bool) -> None:
    if target.is_dir():
        raise ArchiveError(f"{target} is a directory", hint="move it away")
    if force or not target.exists():
        return
    try:
        found = read(target, verify=False).name
    except ArchiveError as error:
        if isinstance(error.__cause__, PermissionError):
            raise
        raise ArchiveError(f"{target} is there already and is no archive: {error.message}", hint="--force") from error
    if found != model_name:
        raise ArchiveError(f"{target} is there already and holds the model {found!r}", hint="--force replaces it")
