"""The reloading handler seen from outside: what goes into the folder with it, and what its workers report."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock.archive import manifest
from mardock.causes.worker_log import WorkerLine, log_lines
from mardock.engines.base import Engine
from mardock.errors import MardockError
from mardock.handler import reloading
from mardock.side_names import RELOADING_HANDLER
from mardock.swap.directory import Addition, Directory
from mardock.swap.snapshot import Snapshot


@dataclass(frozen=True)
class Reloaded:
    """A worker's word about code it tried.

    Attributes:
        worker: TorchServe's number for it, e.g. `9000`.
        digest: which state of the code, see `reloading.digest_of`.
        revision: how many states that worker has served.
        error: the traceback of code that it does not serve.
    """

    worker: str
    digest: str
    revision: int
    error: Optional[str]


def addition(snapshot: Snapshot, root: Path, engine: Engine) -> Addition:
    """Return what makes a folder serve its handler through the reloading one.

    Args:
        engine: knows what the server's workers see of the project's files.
    """
    handler = json.loads(manifest.render(snapshot.settings.archive))["model"]["handler"]
    real_root = Path(os.path.realpath(root))
    sources = {
        name: {"path": path, "label": os.path.relpath(snapshot.members[name].path, real_root)}
        for name, path in _visible(snapshot, engine).items()
    }
    config = {"handler": handler, "sources": sources}
    return Addition(
        f"{RELOADING_HANDLER}:handle",
        {
            RELOADING_HANDLER: Path(reloading.__file__).read_bytes(),
            reloading.CONFIG: json.dumps(config, indent=2).encode(),
        },
    )


def takes(changed: tuple[str, ...], snapshot: Snapshot, before: Snapshot, engine: Engine) -> bool:
    """Say whether a change is one of code alone that the workers see for themselves."""
    seen = _visible(snapshot, engine)
    return snapshot.members.keys() == before.members.keys() and all(name in seen for name in changed)


def digest_of(directory: Directory, engine: Engine) -> str:
    """Return what a worker will call this state of the code."""
    names = _visible(directory.snapshot, engine)
    return reloading.digest_of({name: (directory.path / name).read_bytes() for name in names})


def _visible(snapshot: Snapshot, engine: Engine) -> dict[str, str]:
    """Return where workers find the Python members that are edited, as far as they see them."""
    found = {name: engine.sees(member.path) for name, member in snapshot.members.items() if name.endswith(".py")}
    return {name: str(path) for name, path in found.items() if path is not None}


class Reports:
    """Follows a server's log for what the workers of one version report, in a thread of its own.

    Args:
        wake: called when there is something new.
    """

    def __init__(self, engine: Engine, model: str, version: str, wake: Callable[[], None]) -> None:
        self._new: deque[Reloaded] = deque()
        thread = threading.Thread(target=self._run, args=(engine, model, version, wake), daemon=True)
        thread.start()

    def take(self) -> Iterator[Reloaded]:
        """Yield the reports that were not taken yet, the oldest first."""
        while self._new:
            yield self._new.popleft()

    def _run(self, engine: Engine, model: str, version: str, wake: Callable[[], None]) -> None:
        with suppress(MardockError):  # the server is gone, which the watch sees for itself
            for line in log_lines(engine.logs(follow=True, tail=0), model, version):
                if line.worker and line.worker.text.startswith(reloading.TAG):
                    self._new.append(_read(line.worker))
                    wake()


def _read(line: WorkerLine) -> Reloaded:
    told = json.loads(line.text[len(reloading.TAG) :])
    return Reloaded(line.port, told["digest"], told["revision"], told["error"])
