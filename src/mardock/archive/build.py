"""From a spec to its `.mar` in the model store: resolve, check the code, write, put in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mardock.archive import manifest, model_config, source_check
from mardock.archive.members import SourceFile
from mardock.archive.read import ModelArchive, read
from mardock.archive.source_check import Source
from mardock.archive.spec import ArchiveSpec
from mardock.archive.store import Draft
from mardock.archive.write import SourceChangedError, write_archive
from mardock.errors import ArchiveError
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
    force: bool = False,
    listener: Listener = SILENT,
    lock_timeout: float = 60.0,
) -> ArchiveResult:
    """Write `store/<model_name>.mar` from the files of `spec` below `root`.

    An older archive of the same model is replaced in one step; whatever goes wrong leaves it as it was.

    Args:
        force: replace the file even if it is no archive of this model.
        listener: told how many bytes are written.
        lock_timeout: seconds to wait for another process that writes the same archive.

    Raises:
        ConfigError: a name is not allowed or files cannot be archived; see `ArchiveSpec.resolve`.
        ArchiveError: handler or model code TorchServe could not load, no room, a store that cannot be written to, or
            files that keep changing.
    """
    for _ in range(_ATTEMPTS):
        try:
            return _build(spec, root, store / f"{spec.model_name}.mar", force, listener, lock_timeout)
        except SourceChangedError as error:
            changed = error
        except OSError as error:
            raise ArchiveError(f"model {spec.model_name!r} cannot be archived: {error}") from error
    raise ArchiveError(
        f"{changed} was written to while it was being archived, {_ATTEMPTS} times in a row",
        hint="wait until it is written, then archive again",
    ) from changed


def _build(
    spec: ArchiveSpec, root: Path, target: Path, force: bool, listener: Listener, lock_timeout: float
) -> ArchiveResult:
    sources = spec.resolve(root)
    check_config(spec, sources)
    check_imports(spec, sources, check_code(spec, sources))
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


def check_code(spec: ArchiveSpec, sources: tuple[SourceFile, ...]) -> list[Source]:
    """Find what is wrong in a model's code before TorchServe would, and return the handler and the model parsed.

    Raises:
        ArchiveError: a syntax error with `file:line`, or a handler or model file TorchServe cannot use.
    """
    paths = {source.name: source.path for source in sources}
    parsed = []
    if spec.handler_file is not None:
        handler = source_check.parse(paths[Path(spec.handler_file).name], spec.handler_file)
        source_check.check_handler(handler, spec.handler_function)
        parsed.append(handler)
    if spec.model_file is not None:
        model = source_check.parse(paths[Path(spec.model_file).name], spec.model_file)
        source_check.check_model_file(model)
        parsed.append(model)
    return parsed


def check_imports(spec: ArchiveSpec, sources: tuple[SourceFile, ...], parsed: list[Source]) -> None:
    """Find imports that fail in this Python; it tells about the server's only where both are the same.

    Raises:
        ArchiveError: one does.
    """
    paths = {source.name: source.path for source in sources}
    requirements = paths[Path(spec.requirements_file).name] if spec.requirements_file else None
    source_check.check_imports(parsed, paths, requirements)


def _check_replaceable(target: Path, model_name: str, force: bool) -> None:
    if target.is_dir():
        raise ArchiveError(f"{target} is a directory", hint="move it away")
    if force or not target.exists():
        return
    try:
        found = read(target, verify=False).name
    except ArchiveError as error:
        raise ArchiveError(f"{target} is there already and is no archive: {error.message}", hint="--force") from error
    if found != model_name:
        raise ArchiveError(f"{target} is there already and holds the model {found!r}", hint="--force replaces it")
