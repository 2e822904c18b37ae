"""Register, replace and unregister models: READY is waited for, what fails leaves what was there before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Optional, Union

from mardock.archive import directory
from mardock.client.management import ManagementClient
from mardock.endpoint import Endpoint
from mardock.engines.base import Engine
from mardock.errors import MardockError
from mardock.registration import pinned
from mardock.registration.candidate import Candidate, prepare
from mardock.registration.job import Job, Registered

_SIDE_BY_SIDE = 4


def register(
    endpoint: Endpoint,
    candidate: Candidate,
    *,
    engine: Optional[Engine] = None,
    replace: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Registered:
    """Serve a model and return when the wanted workers are READY.

    The identical archive, served alike, is left alone. Another one under the same name and version is refused, or put
    in its place with `replace`: it first has to load beside the old one, which serves until then and comes back
    should the new one fail after all.

    Args:
        engine: who runs the server; its log tells why a worker failed. None for a server that is not ours.
        report: told what is being waited for.

    Raises:
        ArchiveError: the archive or its model-config.yaml is unfit.
        ModelConflictError: this version is registered with something else, or what it holds is not known.
        WorkerFailedError: a worker did not start; `details` is the handler's own traceback, and the model is gone.
        EngineNotRunningError: the server is down, or ended meanwhile.
    """
    wanted = prepare(candidate)
    with ManagementClient(endpoint) as client:
        try:
            return Job(client, engine, wanted, report).run(may_replace=replace)
        finally:
            if isinstance(candidate.archive, Path):
                _sweep(client, candidate.archive)


def register_all(
    endpoint: Endpoint,
    candidates: Sequence[Candidate],
    *,
    engine: Optional[Engine] = None,
    replace: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> list[Union[Registered, MardockError]]:
    """Register models side by side and return what became of each, in their order; no failure stops the others."""

    def attempt(candidate: Candidate) -> Union[Registered, MardockError]:
        try:
            return register(endpoint, candidate, engine=engine, replace=replace, report=report)
        except MardockError as error:
            return error

    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(attempt, candidates))


def unregister(endpoint: Endpoint, model: str, version: Optional[str] = None, *, store: Optional[Path] = None) -> None:
    """Stop serving a version of a model, or all of them.

    Args:
        store: the server's model store on this machine, to delete what is pinned there and served no more.

    Raises:
        ModelNotFoundError: there is none.
        ApiError: the version is the default one while others exist.
    """
    with ManagementClient(endpoint) as client:
        statuses = client.describe(model, version)
        default = client.describe_default(model).version
        for status in sorted(statuses, key=lambda status: status.version == default):  # the default one goes last
            client.unregister(model, status.version)
        for status in statuses:
            archive = pinned.archive_of(status.url)
            if store and archive:
                _sweep(client, store / archive)


def _sweep(client: ManagementClient, archive: Path) -> None:
    """Delete what is pinned of an archive and not served; it stays when the server cannot be asked."""
    with suppress(MardockError):
        served = {status.url for model in client.list_models() for status in client.describe(model.name)}
        for link in pinned.links(archive):
            if link.name not in served:
                _delete(link)


def _delete(link: Path) -> None:
    if link.is_dir():
        directory.remove(link)
    else:
        link.unlink(missing_ok=True)
