"""A whole rehearsal: the archive weighed, its container run and watched, one prediction made, and nothing left."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.deploy.rehearsal import faults
from mardock.deploy.rehearsal.checks import Check, Fault
from mardock.deploy.rehearsal.prober import asker
from mardock.deploy.rehearsal.stage import Stage
from mardock.engines.docker.throwaway import Throwaway, throwaway

if TYPE_CHECKING:
    from mardock.archive.read import ModelArchive
    from mardock.deploy.rehearsal.contract import Contract
    from mardock.errors import DeployError
    from mardock.listener import Listener

_MB = 1e6
_EVERYBODY_READS = 0o004


@dataclass(frozen=True)
class Rehearsal:
    """What came of a rehearsal.

    Attributes:
        checks: in the order they were made; only the last one may have failed.
        failure: what to mend; None when the cloud would serve the model.
        answer: the prediction for the sample, if there was one.
    """

    checks: tuple[Check, ...]
    failure: Optional[DeployError] = None
    answer: Optional[bytes] = None


def rehearse(
    contract: Contract,
    archive: ModelArchive,
    workspace: Path,
    listener: Listener,
    *,
    sample: Optional[bytes],
    sources: Mapping[str, str],
) -> Rehearsal:
    """Run a deployment here as its cloud would, for as long as that takes to be Ready.

    Args:
        workspace: an empty folder that lasts as long as the rehearsal.
        sample: a body to predict at the end.
        sources: the project's path of each Python file of the archive, for tracebacks.

    Raises:
        EngineError: the Docker Engine refuses.
    """
    checks: list[Check] = []
    try:
        checks.append(_weigh(contract, archive))
        with _running(contract, _lay_out(contract, workspace), workspace) as container:
            ask = asker(container.host, container.port)
            stage = Stage(contract, container, ask, time, sources)
            try:
                first = contract.readiness.initial_delay
                listener.note(f"{contract.image} runs; the readiness probe asks after {first:g} s")
                stage.watch()
                answer = stage.request(sample) if sample is not None else None
            finally:
                checks += stage.passed
    except Fault as fault:
        return Rehearsal((*checks, Check(fault.check, "", ok=False)), fault.error)
    return Rehearsal(tuple(checks), answer=answer)


def _weigh(contract: Contract, archive: ModelArchive) -> Check:
    size, limit = archive.size / _MB, contract.largest_archive
    if limit is not None and size > limit.value:
        raise Fault("archive", faults.archive_too_large(limit, archive.path, size))
    allowed = f", {limit.name} allows {limit.value:g} MB" if limit is not None else ""
    return Check("archive", f"{archive.path.name} weighs {size:.3g} MB{allowed}")


def _lay_out(contract: Contract, workspace: Path) -> dict[str, Path]:
    """Return every file of the contract as a file that whoever the container runs as may read."""
    files = {}
    for number, (target, content) in enumerate(contract.files.items()):
        copy = workspace / str(number)
        if isinstance(content, str):
            copy.write_text(content, encoding="utf-8")
        elif content.is_dir() or content.stat().st_mode & _EVERYBODY_READS:
            files[target] = content
            continue
        else:
            shutil.copyfile(content, copy)
        copy.chmod(0o644)
        files[target] = copy
    return files


def _running(contract: Contract, files: Mapping[str, Path], workspace: Path) -> AbstractContextManager[Throwaway]:
    return throwaway(
        contract.image,
        name="mardock-rehearsal",
        workspace=workspace,
        command=contract.command,
        environment=contract.environment,
        files=files,
        port=contract.port,
    )
