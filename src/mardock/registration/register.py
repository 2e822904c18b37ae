"""Register, replace and unregister models: READY is waited for, what fails leaves what was there before."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Optional, Union

from mardock.archive import directory
from mardock.client.management import ManagementClient
from mardock.defaults import DRAIN_S
from mardock.endpoint import Endpoint
from mardock.engines.base import Engine
from mardock.errors import MardockError
from mardock.listener import SILENT, Listener
from mardock.registration import pinned
from mardock.registration.candidate import Candidate, prepare
from mardock.registration.draining import Drain
from mardock.registration.job import Job, Registered
from mardock.registration.stand_in import StandIn, is_stand_in

_SIDE_BY_SIDE = 4


def register(
    endpoint: Endpoint,
    candidate: Candidate,
    *,
    engine: Optional[Engine] = None,
    replace: bool = False,
    patience: float = DRAIN_S,
    listener: Listener = SILENT,
) -> Registered:
    """Serve a model and return when the wanted workers are READY.

    The identical archive, served alike, is left alone. Another one under the same name and version is refused, or put
    in its place with `replace`: it first has to load beside the old one, as `<version>-next`, and answers while the old
    one's requests are drained and its place is taken. Should it fail after all, the old one comes back.

    Args:
        engine: who runs the server; its log tells why a worker failed. None for a server that is not ours.
        patience: seconds to wait for the requests of what is replaced; see `Drain`.
        listener: notes what is being waited for.

    Raises:
        ArchiveError: the archive or its model-config.yaml is unfit.
        ModelConflictError: this version is registered with something else, or what it holds is not known.
        WorkerFailedError: a worker did not start; `details` is the handler's own traceback, and the model is gone.
        EngineNotRunningError: the server is down, or ended meanwhile.
    """
    wanted = prepare(candidate)
    with ManagementClient(endpoint) as client:
        try:
            sample = candidate.sample.read_bytes() if replace and candidate.sample else None
            drain = Drain(endpoint, patience, sample)
            return Job(client, engine, wanted, drain, listener).run(may_replace=replace)
        finally:
            if isinstance(candidate.archive, Path):
                _sweep(client, candidate.archive)


def register_all(
    endpoint: Endpoint,
    candidates: Sequence[Candidate],
    *,
    engine: Optional[Engine] = None,
    replace: bool = False,
    patience: float = DRAIN_S,
    listener: Listener = SILENT,
) -> list[Union[Registered, MardockError]]:
    """Register models side by side and return what became of each, in their order; no failure stops the others."""

    def attempt(candidate: Candidate) -> Union[Registered, MardockError]:
        try:
            return register(endpoint, candidate, engine=engine, replace=replace, patience=patience, listener=listener)
        except MardockError as error:
            return error

    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(attempt, candidates))


def unregister(
    endpoint: Endpoint,
    model: str,
    version: Optional[str] = None,
    *,
    store: Optional[Path] = None,
    sample: Optional[bytes] = None,
    patience: float = DRAIN_S,
) -> bool:
    """Stop serving a version of a model, or all of them, and say whether all of their requests were answered.

    New requests are refused at once while those under way are waited for.

    Args:
        store: the server's model store on this machine, to delete what is pinned there and served no more.
        sample, patience: see `Drain`.

    Raises:
        ModelNotFoundError: there is none.
        ApiError: the version is the default one while others exist.
    """
    drain = Drain(endpoint, patience, sample)
    with ManagementClient(endpoint) as client:
        default = client.describe_default(model).version
        statuses = client.describe(model, version)
        statuses.sort(key=lambda status: status.version == default)  # the default one goes last
        whole = len(statuses) == len(client.describe(model))
        stand_in = StandIn(client, store, model, default, drain) if store and whole else None
        with stand_in.refusing() if stand_in else nullcontext():
            cut_off = [status for status in statuses if not drain.run(status)]
            for status in statuses:
                client.unregister(model, status.version)
        for status in statuses:
            archive = pinned.archive_of(status.url)
            if store and archive:
                _sweep(client, store / archive)
            elif store and is_stand_in(status):
                directory.remove(store / status.url)
    return not cut_off


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
