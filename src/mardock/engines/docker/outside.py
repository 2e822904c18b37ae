"""What a project names of files outside of its folder, as mounts of the dev container, which has only that folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mardock import place
from mardock.archive.boundary import Boundary, around
from mardock.engines import mounts
from mardock.errors import EngineError

if TYPE_CHECKING:
    from mardock.settings.project import Project
    from mardock.settings.schema import ModelSettings

LABEL = "mardock.outside"
_TAKEN = (mounts.STORE, mounts.HOME / "logs", mounts.PROJECT)
_TAKEN_IN_OWN = (*_TAKEN, mounts.HOME / "src", mounts.HOME / "torchserve", mounts.HOME / "datasets")


def named(project: Project, *, packaged: bool) -> Mapping[Path, Path]:
    """Return the real paths of what models take from elsewhere, by where the dev container looks for them.

    That is what they are archived from, which may lie where `boundary` says, and data: samples and what training reads.

    Args:
        packaged: whether the packaged docker-compose.yml makes it; one of the project's has folders beside the project.

    Raises:
        ConfigError: something is wrong in the settings.
    """
    root = Path(os.path.realpath(project.root))
    taken = _TAKEN if packaged else _TAKEN_IN_OWN
    found: dict[Path, Path] = {}
    for model in project.settings.models.values():
        boundary = Boundary(root, model.archive.allow_outside)
        for path, data in _paths(model):
            for target, real in mounts.outside(project.root, path).items():
                if boundary.fault(real, weights=data) is None and not _hides(target, taken):
                    folder = None if data else _folder(target, real, root, taken)
                    found.update([folder or (target, real)])
    return found


def override(given: Mapping[Path, Path]) -> dict[str, Any]:
    """Return what a compose file has to say for these mounts."""
    dev = {
        "labels": {LABEL: _digest(given)},
        "environment": {place.OUTSIDE: os.pathsep.join(map(str, given))},
        "volumes": [mounts.bind(real, target) for target, real in sorted(given.items())],
    }
    return {"services": {"dev": dev}}


def refuse_unseen(name: str, labels: Mapping[str, str], wanted: Mapping[Path, Path]) -> None:
    """Refuse a dev container that sees other files than those a project names outside of its folder now.

    Raises:
        EngineError: they were named, or files put in their place, after it was made.
    """
    if wanted and labels.get(LABEL) != _digest(wanted):
        raise EngineError(
            f"the dev container {name} was made before the files that mardock.toml names outside of the project",
            details="\n".join(str(real) for real in wanted.values()),
            hint="mardock dev rm, and the same command makes it anew",
        )


def _folder(target: Path, real: Path, root: Path, taken: Iterable[Path]) -> Optional[tuple[Path, Path]]:
    """Return the mount of a file's folder, for code in the repository around the project.

    An editor puts a new file in the place of one, and a mount of the file alone would go on showing the old one.
    """
    above = target.parent
    fits = real.is_file() and target.name == real.name and above.parent != Path("/")
    free = not any(above in (one, *one.parents) for one in taken) and not _hides(above, taken)
    repository = around(root)
    return (above, real.parent) if fits and free and repository in real.parent.parents else None


def _hides(target: Path, taken: Iterable[Path]) -> bool:
    return any(one in (target, *target.parents) for one in taken)


def _digest(given: Mapping[Path, Path]) -> str:
    told = [(str(target), str(real), real.stat().st_ino if real.is_file() else 0) for target, real in given.items()]
    return hashlib.sha256(json.dumps(sorted(told)).encode()).hexdigest()[:16]


def _paths(model: ModelSettings) -> Iterator[tuple[str, bool]]:
    """Yield each path that a model's tables name, a glob as the folder it begins in, and whether it is data."""
    spec = model.archive
    single = (spec.handler_file, spec.model_file, spec.requirements_file, spec.config_file)
    code = {path for path in (*single, *spec.code) if path is not None}
    data = {spec.serialized_file, model.sample, *(model.train.inputs if model.train else ())}
    yield from ((path, False) for path in sorted(code))
    yield from ((path, True) for path in sorted(filter(None, data - code)))
    for entry in spec.extra_files:
        fixed = re.split(r"[*?\[]", entry, maxsplit=1)[0]
        yield (entry if fixed == entry else fixed.rpartition("/")[0] or "."), False
