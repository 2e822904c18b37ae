"""Making a plan so: repository, uploads, endpoint, each unless it is there already, then the wait until it runs."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mardock.deploy.object_store import Bucket, ObjectStore
from mardock.deploy.tir.api import TirApi
from mardock.deploy.tir.options import Options, read_bucket_keys
from mardock.deploy.tir.render import BUCKET, CONFIG, ENDPOINT, PLAN_TAG, REPOSITORY
from mardock.errors import DeployError

if TYPE_CHECKING:
    from mardock.deploy.base import Plan, Site
    from mardock.listener import Listener

# The words of the dashboard; the API's documentation lists none.
RUNNING = frozenset({"running", "ready", "active"})
STOPPED = frozenset({"stopped"})
_FAILED = frozenset({"failed", "error", "crashloopbackoff"})
_LAST_LINES = 20


class FailedError(DeployError):
    """An endpoint will not run."""


def provide_bucket(site: Site, options: Options, api: TirApi, plan: Plan, listener: Listener) -> tuple[int, Bucket]:
    """Find or create the model repository; returns its id and the bucket behind it."""
    body = json.loads(dict(plan.files)[REPOSITORY])
    keys = None if options.storage_type == "managed" else read_bucket_keys(site.environ)
    found = api.repository(body["name"])
    if found is None:
        listener.note(f"creating the model repository {body['name']}")
        found = api.create_repository(body if keys is None else {**body, "access_key": keys[0], "secret_key": keys[1]})
    inner = found.get("bucket")
    bucket = inner if isinstance(inner, dict) else found
    try:
        name = options.bucket or bucket["bucket_name"]
        access_key, secret_key = keys or (bucket["access_key"], bucket["secret_key"])
    except KeyError as error:
        raise DeployError(
            f"TIR does not tell the {error} of the model repository {body['name']}",
            hint="set storage_type, bucket and TIR_S3_ACCESS_KEY, TIR_S3_SECRET_KEY instead",
        ) from error
    return int(found["id"]), Bucket(options.object_store_url, name, access_key, secret_key)


def upload(options: Options, bucket: Bucket, plan: Plan, listener: Listener) -> None:
    """Put the archive and TorchServe's configuration into the bucket; an upload that was cut off is continued."""
    files = dict(plan.files)
    names, archive = json.loads(files[BUCKET]), plan.experiment.archive
    store = ObjectStore(bucket)
    with listener.progress(f"uploading {archive.path.name}") as progress:
        outcome = store.upload(
            archive.path,
            names["archive"],
            replace=options.replace,
            metadata={"commit": plan.experiment.provenance.revision},
            progress=progress,
        )
    listener.note(f"{names['archive']}: {outcome}")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.properties")
        config.write_text(files[CONFIG], encoding="ascii")
        listener.note(f"{names['config']}: {store.upload(config, names['config'], replace=True)}")


def provide_endpoint(options: Options, api: TirApi, plan: Plan, repository: int, listener: Listener) -> None:
    """Create the endpoint, or bring it to what is planned, and wait until it runs.

    Raises:
        DeployError: it failed, with its last log lines; an endpoint that ran before is put back to what it was.
    """
    body = {**json.loads(dict(plan.files)[ENDPOINT]), "model_id": repository}
    found = api.endpoint(plan.name.endpoint)
    if found is None:
        listener.note(f"creating the endpoint {plan.name}")
        wait(options, api, api.create_endpoint(body), str(plan.name), listener)
        return
    number = int(found["id"])
    if _serves(found, body) and state_of(found) not in _FAILED:
        if state_of(found) in STOPPED:
            listener.note(f"starting the endpoint {plan.name}")
            api.act(number, "start")
        wait(options, api, number, str(plan.name), listener)
        return
    listener.note(f"updating the endpoint {plan.name}")
    _update(api, number, body, start=state_of(found) in STOPPED)
    try:
        wait(options, api, number, str(plan.name), listener, before=state_of(found))
    except FailedError:
        if state_of(found) in RUNNING:
            listener.note(f"putting the endpoint {plan.name} back to what it was")
            _update(api, number, {key: found[key] for key in body if key in found})
        raise


def _update(api: TirApi, number: int, body: Mapping[str, Any], *, start: bool = False) -> None:
    api.act(number, "patch", body)
    if body.get("is_auto_scale_enabled"):  # an action of its own for an endpoint that exists
        api.act(number, "update_auto_scale", {"auto_scale_policy": body["auto_scale_policy"]})
    if start:
        api.act(number, "start")


def wait(
    options: Options,
    api: TirApi,
    number: int,
    name: str,
    listener: Listener,
    *,
    wanted: frozenset[str] = RUNNING,
    before: Optional[str] = None,
) -> None:
    """Wait until an endpoint is in a state.

    Args:
        before: its state when it was changed. It may be told for a while longer, and no field of the API says which
            change it is of: it is taken for the new one when another was seen since, or after `settle_seconds`.

    Raises:
        FailedError: it failed; `details` are its last log lines.
        DeployError: it is in another state after `timeout`; it goes on, and the same command waits for it again.
    """
    began = time.monotonic()
    shown: Optional[str] = None
    while True:
        state = state_of(api.endpoint_by_id(number))
        passed = time.monotonic() - began
        if state != before:
            before = None
        elif passed > options.settle_seconds:
            listener.note(f"endpoint {name}: {state} for {options.settle_seconds:g} s since the change, taken as done")
            before = None
        if state != shown:
            listener.note(f"endpoint {name}: {state}")
            shown = state
        if before is None and _ended(api, number, name, state, wanted):
            return
        if passed > options.timeout:
            raise DeployError(
                f"the endpoint {name} is still {state} after {options.timeout:g} s",
                hint="it goes on: the same command waits for it again; timeout under [deploy.tir] is how long",
            )
        time.sleep(options.poll_seconds)


def _ended(api: TirApi, number: int, name: str, state: str, wanted: frozenset[str]) -> bool:
    if state in _FAILED:
        lines = api.logs(number)[-_LAST_LINES:]
        raise FailedError(
            f"the endpoint {name} is {state}",
            details="\n".join(lines) or None,
            hint=f"mardock deploy logs --target tir --endpoint {name}",
        )
    return state in wanted


def labels(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables of an endpoint, among which are its commit and its archive's digest."""
    details = found.get("custom_endpoint_details") or {}
    variables = (details.get("resource_details") or {}).get("env_variables") or ()
    return {each["key"]: str(each.get("value", "")) for each in variables if isinstance(each, dict) and "key" in each}


def state_of(found: Mapping[str, Any]) -> str:
    """Return an endpoint's state in small letters."""
    return str(found.get("status", "")).lower()


def _serves(found: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether an endpoint was made by this very plan; what else the API tells of it may be spelled differently."""
    return labels(found).get(PLAN_TAG) == labels(body)[PLAN_TAG]
