"""What TorchServe's error answers mean: a status and a body in, the MardockError that names cause and remedy out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from mardock.defaults import OWN_CONFIG
from mardock.errors import ApiError, ModelConflictError, ModelNotFoundError, Reason, ServingError, WorkerFailedError

INVALID_KEY = "InvalidKeyException"
"""`ApiError.kind` when a token is missing, wrong or expired (TorchServe answers 400, not 401)."""

NO_CAPACITY = "ServiceUnavailableException"
"""`ApiError.kind` when a request was not queued: the version has no worker, or its queue is full."""

UNHEALTHY = "Unhealthy"
"""`ApiError.kind` for a ping that TorchServe itself answers with 500."""

MAX_ERROR_BYTES = 64 * 1024
"""How much of an error body is read; the rest of a hostile one is never fetched."""

_KILLED = 507
_LONGEST_TEXT = 300
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^<>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class _Meaning:
    """An answer of TorchServe that says less than it knows; empty `cause` keeps its own sentence."""

    status: int
    mark: str
    hint: str
    cause: str = ""
    reason: Optional[Reason] = None


_NO_MAPPING = (
    '"yamlMap" is null',
    "cast to class java.util.Map",
    "cast to class java.lang.String",
    '"String.hashCode()" because',
)
"""Of the sentences in which Java stumbles over a model-config.yaml."""

_MEANINGS = (
    _Meaning(
        400,
        INVALID_KEY,
        "read the tokens from TorchServe's key_file.json again, or start it with --disable-token-auth",
        "TorchServe refused the token: it is missing, wrong or expired",
    ),
    _Meaning(400, "InvalidModel", "see what the archive holds: mardock inspect ARCHIVE"),
    _Meaning(
        400,
        "pip package installation failed",
        "correct the model's requirements_file, then archive and register it again",
        "pip could not install the model's requirements_file",
        Reason.PIP_FAILED,
    ),
    _Meaning(403, "Cannot remove default", "make another version the default first: mardock models set-default"),
    _Meaning(404, "Model not found at", "see what the model store holds, or write the archive: mardock archive MODEL"),
    _Meaning(404, "ResourceNotFound", "check which API this address belongs to", "there is no such TorchServe API"),
    _Meaning(
        405,
        "MethodNotAllowed",
        "start it with --enable-model-api (enable_model_api=true in config.properties)",
        "TorchServe does not allow this call; it registers and unregisters models only when its model API is on",
    ),
    _Meaning(409, "", "replace it: mardock register MODEL --replace"),
    _Meaning(
        413,
        "",
        f"send less, or raise max_request_size (bytes; 6553500 unless set) in {OWN_CONFIG}",
        "the request is larger than TorchServe's max_request_size",
    ),
    _Meaning(
        500,
        "Worker died",
        "read what it said last: mardock logs",
        "the worker died: it exited, ran out of memory, outlasted response_timeout, or answered over max_response_size",
    ),
    _Meaning(
        500,
        "Failed to save model",
        "see whether the disk of its temp folder is full",
        "TorchServe could not unpack the archive",
        Reason.NOT_UNPACKED,
    ),
    *(
        _Meaning(
            500,
            mark,
            "write e.g. minWorkers: 1, with every key as text, or leave the file out; then archive it again",
            "the archive's model-config.yaml is empty, no mapping of keys to values, or has a key that is no text",
        )
        for mark in _NO_MAPPING
    ),
    _Meaning(500, "Failed to start workers", "read the handler's traceback: mardock logs"),
    _Meaning(503, "Prediction failed", "read its traceback: mardock logs", "the handler raised an exception"),
    _Meaning(
        503,
        "batch response mismatched",
        "return a list with one entry per request from handle()",
        "the handler answered another number of results than it was given requests",
    ),
    _Meaning(
        503,
        "has no worker",
        "add workers: mardock models scale MODEL 1; or send less at once",
        "no worker took the request: there is none, or its job queue is full",
    ),
    _Meaning(
        _KILLED,
        "",
        "use fewer workers, smaller batches, or give the server more memory",
        "the worker was killed, most likely because memory ran out",
        Reason.KILLED,
    ),
)


_IN_FRONT = {
    401: "what is in front of TorchServe refuses the token: it may have expired",
    403: "what is in front of TorchServe does not let this token call it",
    404: "what is in front of TorchServe knows no such address or deployment",
    429: "what is in front of TorchServe takes no more requests for now: send fewer at once",
}
"""Of proxies and the endpoints of clouds: TorchServe itself answers in words of its own."""


def refusal(status: int, body: bytes, *, call: str, secrets: Sequence[str] = ()) -> ServingError:
    """Turn an error answer into the exception to raise.

    Args:
        status: the HTTP status, 300 or more.
        body: at most `MAX_ERROR_BYTES` of the body; nothing about it is trusted.
        call: method and path, e.g. `POST /predictions/mnist`.
        secrets: tokens to blot out, should the server echo them.
    """
    kind, said = _error_body(body)
    said = sanitized(said, secrets)
    meaning = next((m for m in _MEANINGS if m.status == status and (m.mark in kind or m.mark in said)), None)
    hint = meaning.hint if meaning else None
    cause = (meaning.cause if meaning else "") or said or f"TorchServe answered HTTP {status}"
    message = f"{call}: {cause}"
    if kind and status != _KILLED and said.startswith("Failed to start workers"):
        return WorkerFailedError(message, hint=hint)
    if not kind and status != 413:
        excerpt = sanitized(body.decode("utf-8", "replace"), secrets)
        return ApiError(
            f"{call}: HTTP {status}, and not in TorchServe's words",
            status=status,
            details=excerpt or None,
            hint=_IN_FRONT.get(status),
        )
    # "Model not found at: x.mar" is about an archive that is missing in the model store.
    missing = status == 404 and kind.startswith("Model") and " at:" not in said
    error = ModelNotFoundError if missing else ModelConflictError if status == 409 else ApiError
    return error(message, status=status, kind=kind, reason=meaning.reason if meaning else None, hint=hint)


def sanitized(text: str, secrets: Sequence[str] = ()) -> str:
    """Return foreign text as one harmless line of at most 300 characters: no escapes, markup, controls or tokens."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    text = _TAGS.sub(" ", _ESCAPES.sub("", text))
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 1] + "…"


def _error_body(body: bytes) -> tuple[str, str]:
    """Return `type` and `message` of TorchServe's error body, both empty when it is anything else."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(answer, dict):
        return "", ""
    if answer.get("status") == UNHEALTHY:
        return UNHEALTHY, "the server calls itself unhealthy"
    kind, message = answer.get("type"), answer.get("message")
    return (kind, message) if isinstance(kind, str) and isinstance(message, str) else ("", "")
