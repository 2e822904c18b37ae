"""A model served from its files as they are: a folder of the model store under the name of its content."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from mardock.archive import directory
from mardock.archive.build import check_code, check_config
from mardock.archive.read import ModelArchive, read
from mardock.archive.spec import ArchiveSpec
from mardock.archive.write import same_bytes, signature
from mardock.errors import ArchiveError
from mardock.serving import pinned


def lay_out(spec: ArchiveSpec, root: Path, store: Path) -> Path:
    """Return the folder that holds a project's model as it is now, e.g. `artifacts/.mnist-<12 hex digits>`.

    Whether its imports can be found is left to the worker that loads it next, for its packages may not be here.

    Large weights are hard links: train into a new file, for what is written into them in place reaches the workers
    that start later.

    Raises:
        ConfigError: files are missing; see `ArchiveSpec.resolve`.
        ArchiveError: code TorchServe could not load, files that are being written to, or a store that cannot be.
    """
    sources = spec.resolve(root)
    check_config(spec, sources)
    check_code(spec, sources, root)
    draft = store / f".{spec.model_name}.unpacked.tmp"
    try:
        before = [signature(source.path.stat()) for source in sources]
        directory.lay_out(draft, spec, sources)
        made = read(draft)
        folder = store / pinned.folder_name(spec.model_name, made.sha256)
        if [signature(source.path.stat()) for source in sources] != before:
            raise ArchiveError(
                f"files of model {spec.model_name!r} were written to while they were laid out",
                hint="wait until they are written, then register again",
            )
        if not _holds(folder, made):
            directory.remove(folder)
            draft.rename(folder)
    except OSError as error:
        raise ArchiveError(f"model {spec.model_name!r} cannot be laid out: {error}", hint=f"ls -ld {store}") from error
    finally:
        directory.remove(draft)
    return folder


def is_laid_out(path: Path) -> bool:
    """Say whether a path is a folder made by `lay_out`."""
    return path.is_dir() and pinned.digest_of(path.name) is not None


def latest(store: Path, model: str) -> Optional[Path]:
    """Return the newest folder of a model that was served unpacked; None when it was not, or is served no more."""
    folders = [link for link in pinned.links(store / f"{model}.mar") if link.is_dir()]
    return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)


def _holds(folder: Path, wanted: ModelArchive) -> bool:
    """Say whether a folder is complete: another process may have been killed while it deleted it."""
    for member in wanted.members:
        one, other = folder / member.name, wanted.path / member.name
        if not one.is_file() or not (one.samefile(other) or same_bytes(one, other)):
            return False
    return True
