"""What TorchServe could have said: close names for an unknown model, the reason why nobody took a request."""

from __future__ import annotations

from typing import Optional

from mardock.client.model_status import GetJson, fetch_default, fetch_models, fetch_versions
from mardock.client.refusals import NO_CAPACITY
from mardock.defaults import OWN_CONFIG
from mardock.errors import ApiError, MardockError, ModelNotFoundError
from mardock.spelling import did_you_mean

_MOST = 3


def explained(error: ApiError, get_json: GetJson, model: str, version: Optional[str] = None) -> ApiError:
    """Return an error with what the Management API knows about its cause, or as it came when it cannot be asked.

    Args:
        error: what a call about `model` ended with.
        get_json: reads the Management API.
    """
    try:
        if error.kind == "ModelVersionNotFoundException":
            versions = [status.version for status in fetch_versions(get_json, model)]
            return error.but(hint=f"versions of {model}: {', '.join(versions)}")
        if isinstance(error, ModelNotFoundError):
            return error.but(hint=_names_hint(model, [entry.name for entry in fetch_models(get_json)]))
        if error.kind == NO_CAPACITY:
            return _capacity(error, get_json, model, version)
    except MardockError:
        # The first error is the one to report; failing to explain it is no second one.
        return error
    return error


def _names_hint(wanted: str, names: list[str]) -> str:
    if question := did_you_mean(wanted, names, most=_MOST):
        return question
    return f"registered: {', '.join(names)}" if names else "no model is registered yet: mardock register MODEL"


def _capacity(error: ApiError, get_json: GetJson, model: str, version: Optional[str]) -> ApiError:
    status = fetch_versions(get_json, model, version)[0] if version else fetch_default(get_json, model)
    name = f"model {model} {status.version}"
    if status.ready_workers:
        pending = f", {status.pending_requests} requests wait" if status.pending_requests is not None else ""
        message = f"{name} is overloaded: its job queue is full ({status.ready_workers} workers READY{pending})"
        hint = f"send less at once, add workers, or raise job_queue_size in {OWN_CONFIG}"
        return error.but(message=message, hint=hint)
    if status.workers:
        message = f"none of the {len(status.workers)} workers of {name} is READY"
        return error.but(message=message, hint="mardock logs")
    return error.but(message=f"{name} has no workers", hint=f"mardock models scale {model} 1")
