"""How many threads each worker computes with: the cores there are, shared out among the workers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Optional

if TYPE_CHECKING:
    from mardock.settings.schema import Settings

CGROUPS = Path("/sys/fs/cgroup")
MODELS_VARIABLE = "MARDOCK_MODEL_THREADS"
"""Read by forked workers: a JSON object of threads by the name a model is served under."""


@dataclass(frozen=True)
class ThreadNote:
    """What is wrong with the threads of a model's workers.

    Attributes:
        kind: `unheeded` when they have others than were asked for; `kept` when those that it had before keep too many
            for as many as there are now; `crowded` when they want more cores than there are.
        model: what it is served as.
        given: threads each of the workers has.
        wanted: threads that were asked for; None when nobody asks.
        cores: how many the server may use.
        per_model: see `Threads`.
    """

    kind: Literal["unheeded", "kept", "crowded"]
    model: str
    workers: int
    given: int
    wanted: Optional[int]
    cores: int
    per_model: bool


@dataclass(frozen=True)
class Threads:
    """What a server's workers were given.

    Attributes:
        per_worker: threads of a worker whose model does not ask for others.
        cores: how many the server may use.
        models: threads by the name of the model, where mardock.toml asks for them.
        per_model: whether workers heed what their model asks for; plain ones know `per_worker` alone.
    """

    per_worker: int
    cores: int
    models: Mapping[str, int] = field(default_factory=dict)
    per_model: bool = False

    def __str__(self) -> str:
        return f"{self.per_worker} of {self.cores} cores"

    @property
    def models_json(self) -> str:
        """The value of `MARDOCK_MODEL_THREADS`."""
        return json.dumps(dict(self.models))

    def environment(self) -> dict[str, str]:
        """Return the variables the server's workers read this from."""
        return {"OMP_NUM_THREADS": str(self.per_worker), MODELS_VARIABLE: self.models_json}

    def shared(self, workers: int) -> int:
        """Return the threads of each of so many workers, where nobody asks for others: no more than there are cores."""
        return min(self.per_worker, max(1, self.cores // max(1, workers)))

    def of(self, model: str, configured: Optional[int], sharing: Optional[int] = None) -> int:
        """Return the threads of a model's workers.

        Args:
            model: the name it is served under.
            configured: `threadsPerWorker` of its model-config.yaml.
            sharing: how many workers of it were told to share the cores.
        """
        if not self.per_model:
            return self.per_worker
        return configured or self.models.get(model) or (self.shared(sharing) if sharing else self.per_worker)

    def note(
        self,
        model: str,
        workers: int,
        *,
        configured: Optional[int],
        listed: Optional[int],
        sharing: Optional[int] = None,
    ) -> Optional[ThreadNote]:
        """Return what is wrong with the threads of a model's workers; None when nothing is.

        Args:
            model, configured: see `of`.
            workers: how many it has.
            listed: threads that mardock.toml asks for.
            sharing: among how many of its workers the cores were shared out as the first of them started.
        """
        given = self.of(model, configured, sharing)
        wanted = configured or listed
        kind: Literal["unheeded", "kept", "crowded"] = "crowded"
        if wanted not in (None, given):
            kind = "unheeded"
        elif min(workers, given) <= 1 or workers * given <= self.cores:
            return None  # more workers of one thread may wait for other things
        elif sharing and sharing != workers:
            kind = "kept"
        return ThreadNote(kind, model, workers, given, wanted, self.cores, self.per_model)


def shared_out(settings: Settings, cores: int) -> Threads:
    """Share cores out among as many workers as the model with the most of them has, unless .env says otherwise."""
    models = {
        model.archive.model_name: model.serving.threads_per_worker
        for model in settings.models.values()
        if model.serving.threads_per_worker
    }
    per_worker = settings.machine.threads_per_worker or max(1, cores // _most_workers(settings))
    return Threads(per_worker, cores, models)


def shares_cores(settings: Settings, threads: Optional[Threads]) -> bool:
    """Say whether a server's workers can be told to share the cores, and .env leaves that to mardock."""
    return threads is not None and threads.per_model and settings.machine.threads_per_worker is None


def usable_cores(cgroups: Path = CGROUPS) -> int:
    """Return how many cores this process may use: its affinity, within the time its cgroups are granted."""
    if not hasattr(os, "sched_getaffinity"):  # macOS
        return os.cpu_count() or 1
    cores = len(os.sched_getaffinity(0))
    group = _own_group(Path("/proc/self/cgroup").read_text(encoding="utf-8"))
    folders = [cgroups, *(cgroups / part for part in (group, *group.parents))]
    return max(1, min([cores, *(quota for folder in folders if (quota := _quota(folder)))]))


def _most_workers(settings: Settings) -> int:
    return max(
        [
            1,
            *(
                _workers(settings.root / (model.archive.config_file or ""), model.serving.initial_workers)
                for model in settings.models.values()
            ),
        ]
    )


def _workers(config: Path, initial: int) -> int:
    """Return what model-config.yaml says, which wins; what is wrong in it is told when the model is registered."""
    if not config.is_file():
        return initial
    found = re.search(r"^minWorkers[ \t]*:[ \t]*(\d+)", config.read_text(encoding="utf-8", errors="replace"), re.M)
    return int(found[1]) if found else initial


def _own_group(text: str) -> Path:
    """Return the cgroup (version 2, as version 1 names its controllers) of a process, relative to their root."""
    found = re.search(r"^0::/(.*)$", text, re.MULTILINE)
    return Path(found[1] if found else "")


def _quota(folder: Path) -> Optional[int]:
    """Return the whole cores a cgroup is granted, at least 1; None without a limit.

    Version 2 writes `max 100000` or `150000 100000`; version 1 has a file for each number, -1 meaning no limit.
    """
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    except FileNotFoundError:
        try:
            quota = (folder / "cpu" / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (folder / "cpu" / "cpu.cfs_period_us").read_text(encoding="ascii")
        except FileNotFoundError:
            return None
    if quota in ("max", "-1"):
        return None
    return max(1, int(quota) // int(period))
