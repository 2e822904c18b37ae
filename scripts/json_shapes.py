"""What each command prints with `--json`: docs/reference/json.md shows it, and every command a test runs is held to it.

A shape is a type in words, a list of one shape, a table of shapes (`*` stands for any key, `?` behind a key for one
that may be missing), or a tuple of shapes one of which it is; None is null.
"""

from __future__ import annotations

import collections.abc
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Optional, Union, get_args, get_origin, get_type_hints

from mardock.archive.diff import Difference
from mardock.benchmark import comparison
from mardock.benchmark.report import BenchReport, LoadResult
from mardock.client.metrics import ModelMetrics
from mardock.client.model_status import ModelStatus
from mardock.compile.report import CandidateReport, CompileReport
from mardock.deploy.rehearsal.checks import Check
from mardock.tasks import doctor
from mardock.tasks.models import Listed
from mardock.tuning.report import TuneReport

TEXT, NUMBER, WHOLE, BOOL, ANY = "text", "number", "whole number", "true or false", "anything"
_PLAIN = {str: TEXT, float: NUMBER, int: WHOLE, bool: BOOL, Any: ANY, type(None): None}
_LISTS = (list, tuple, collections.abc.Sequence)


def of(kind: Any) -> Any:
    """Return the shape of a dataclass, or of what one of its fields is."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return {field.name: of(hints[field.name]) for field in fields(kind)}
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Union:
        return tuple(map(of, inner))
    if origin in _LISTS:
        return [of(inner[0]) if len({*inner} - {...}) == 1 else ANY]
    if origin is collections.abc.Mapping:
        return {"*": of(inner[1])}
    raise TypeError(f"{kind} has no shape")


ERROR = {"type": TEXT, "message": TEXT, "details": (TEXT, None), "hint": (TEXT, None), "exit_code": WHOLE}
FAILED = {"error": ERROR}
ENDPOINT = {"inference_url": TEXT, "management_url": TEXT, "metrics_url": TEXT}
CONTENT = {"size": WHOLE, "encoding": TEXT, "answer": ANY}
ANSWER = {
    "file": TEXT,
    "error": (ERROR, None),
    "content_type": (TEXT, None),
    "size": (WHOLE, None),
    "encoding": (TEXT, None),
    "answer": ANY,
}
STATUS = {**of(ModelStatus), "ready": BOOL, "ready_workers": WHOLE}
REGISTRATION = {
    "name": TEXT,
    "error": (ERROR, None),
    "model": (TEXT, None),
    "version": (TEXT, None),
    "outcome": (TEXT, None),
    "workers": (WHOLE, None),
    "url": (TEXT, None),
    "digest": (TEXT, None),
    "default_version": (TEXT, None),
    "drained": (BOOL, None),
    "warning": (TEXT, None),
}
STAGE = {"name": TEXT, "ms": NUMBER, "calls": WHOLE, "took": TEXT, "gave": TEXT}
RUN = {
    "size": WHOLE,
    "stages": [STAGE],
    "replies": [{"status": WHOLE, "content_type": (TEXT, None), **CONTENT}],
    "refusal": (TEXT, None),
}
ARCHIVE = {
    "path": TEXT,
    "name": TEXT,
    "version": TEXT,
    "sha256": TEXT,
    "size": WHOLE,
    "changed": BOOL,
    "sbom": (TEXT, None),
}
PREVIEW = {
    "name": TEXT,
    "version": TEXT,
    "members": [{"name": TEXT, "source": (TEXT, None), "size": (WHOLE, None)}],
    "ignored": [{"path": TEXT, "reason": TEXT}],
}
METRICS = of(ModelMetrics)
CHECKPOINT = {
    "name": TEXT,
    "form": TEXT,
    "format_version": (TEXT, WHOLE, None),
    "torch_version": (TEXT, None),
    "entries": {"*": WHOLE},
}
COMPILED = {
    "candidate": TEXT,
    "status": TEXT,
    "gain": (NUMBER, None),
    "beyond_noise": BOOL,
    "threads": WHOLE,
    "torch": TEXT,
    "machine": TEXT,
}

SHAPES: dict[str, Any] = {
    "doctor": [of(doctor.Check)],
    "up": {"engine": TEXT, "endpoint": ENDPOINT, "models": [REGISTRATION]},
    "down": {"stopped": BOOL},
    "status": {
        "running": BOOL,
        "engine": (TEXT, None),
        "endpoint": (ENDPOINT, None),
        "details": {"*": TEXT},
        "models": ([STATUS], None),
    },
    "archive": (ARCHIVE, [ARCHIVE], PREVIEW),
    "mar": (ARCHIVE, [ARCHIVE], PREVIEW),
    "inspect": {
        "name": TEXT,
        "version": TEXT,
        "sha256": (TEXT, None),
        "manifest": {"*": ANY},
        "members": [{"name": TEXT, "size": WHOLE, "packed": WHOLE, "compression": TEXT}],
        "weights": [CHECKPOINT],
        "compiled": (COMPILED, None),
        "requirements": [TEXT],
    },
    "diff": {"same": BOOL, **of(Difference)},
    "compile": {
        **of(CompileReport),
        "candidates": [{**of(CandidateReport), "verified": BOOL}],
        "winner": (TEXT, None),
    },
    "try": {
        "model": TEXT,
        "start": [STAGE],
        "singles": [{"file": TEXT, **RUN}],
        "batch": (RUN, None),
        "warnings": [TEXT],
    },
    "register": {"models": [REGISTRATION]},
    "predict": [{**ANSWER, "label?": TEXT, "right?": BOOL}],
    "explain": ANSWER,
    "metrics": [(METRICS, {"model": TEXT, "version": TEXT, "before": (METRICS, None), "after": (METRICS, None)})],
    "tune": of(TuneReport),
    "bench run": {**of(BenchReport), "runs": [{**of(LoadResult), "label": TEXT, "error_rate": NUMBER}]},
    "bench compare": [{**of(comparison.Difference), "ratio": (NUMBER, None)}],
    "models list": [of(Listed)],
    "models describe": [STATUS],
    "models scale": {
        "model": TEXT,
        "version": TEXT,
        "min_workers": WHOLE,
        "max_workers": WHOLE,
        "ready_workers": WHOLE,
    },
    "models set-default": {"model": TEXT, "default_version": TEXT},
    "models unregister": {"model": TEXT, "version": (TEXT, None), "drained": BOOL},
    "deploy plan": {"target": TEXT, "files": {"*": TEXT}, "steps": [TEXT]},
    "deploy status": {
        "endpoint": TEXT,
        "deployment": TEXT,
        "state": TEXT,
        "commit": (TEXT, None),
        "sha256": (TEXT, None),
        "checked_out": (TEXT, None),
        "current": (BOOL, None),
        "details": {"*": TEXT},
    },
    "deploy rehearse": {"checks": [of(Check)], "prediction": (CONTENT, None)},
}
WORDS = {
    "archive": "The second with `--all`, the third with `--dry-run`.",
    "predict": "`file` is a path, `-`, or the option that made the request. `encoding` says what `answer` is: `json`"
    " (the value itself), `text`, or `base64`; it is told by the bytes, `content_type` is what the handler declared."
    " What only some parsers take for JSON, as NaN, stays text. An error has no answer. With `--labels` also `label`"
    " and `right`.",
    "explain": "As an answer of `predict`.",
    "try": "`encoding` and `answer` are those of `predict`.",
    "deploy rehearse": "`encoding` and `answer` are those of `predict`.",
    "register": "One of them for each model; of one that failed `error` alone, with `--all`.",
    "status": "A server that is down exits with 3, and `running` is false. `models` is null where"
    " another user's server tells them to nobody else.",
    "metrics": "With `--compare` a pair each.",
}
"""What shapes do not say."""


def faults(value: Any, shape: Any, where: str = "it") -> Iterator[str]:
    """Yield what of a value is not as its shape says."""
    if isinstance(shape, tuple):
        if all(any(faults(value, each)) for each in shape):
            yield f"{where} is none of what it may be: {value!r:.200}"
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{where} is no list: {value!r:.200}"
        else:
            for i, each in enumerate(value):
                yield from faults(each, shape[0], f"{where}[{i}]")
    elif isinstance(shape, dict):
        yield from _faults_of_table(value, shape, where)
    elif not _is(value, shape):
        yield f"{where} is not {shape}: {value!r:.200}"


def _faults_of_table(value: Any, shape: dict[str, Any], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no table: {value!r:.200}"
        return
    if "*" in shape:
        for key, each in value.items():
            yield from faults(each, shape["*"], f"{where}.{key}")
        return
    known = {key.rstrip("?"): each for key, each in shape.items()}
    yield from (f"{where} has no {key}" for key in shape if not key.endswith("?") and key not in value)
    for key, each in value.items():
        if key in known:
            yield from faults(each, known[key], f"{where}.{key}")
        else:
            yield f"{where} has {key}, which is not told"


def _is(value: Any, word: Optional[str]) -> bool:
    if word is None or word == ANY:
        return word == ANY or value is None
    if isinstance(value, bool):
        return word == BOOL
    kinds: dict[str, tuple[type, ...]] = {TEXT: (str,), NUMBER: (int, float), WHOLE: (int,), BOOL: ()}
    return isinstance(value, kinds[word])


def shown(shape: Any, indent: str = "") -> str:
    """Return a shape as the page shows it."""
    if isinstance(shape, tuple):
        return " or ".join(shown(each, indent) for each in shape)
    if isinstance(shape, list):
        return f"[{shown(shape[0], indent)}, …]"
    if not isinstance(shape, dict):
        return "null" if shape is None else str(shape)
    inner = f"{indent}  "
    rows = [
        f"{inner}{'…' if key == '*' else json.dumps(key.rstrip('?'))}: {shown(each, inner)}"
        + ("  (only where asked for)" if key.endswith("?") else "")
        for key, each in shape.items()
    ]
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"


def page() -> str:
    """Return docs/reference/json.md without its first line."""
    text = (
        "# JSON\n\nWith `--json` a command prints one JSON value to standard output and all else to standard error. An"
        " error that leaves nothing else to print is one, too:\n\n"
        f"```text\n{shown(FAILED)}\n```\n\nNew keys may come; none of these goes or means something else.\n"
    )
    for name, shape in SHAPES.items():
        words = f"{WORDS[name]}\n\n" if name in WORDS else ""
        text += f"\n## mardock {name}\n\n{words}```text\n{shown(shape)}\n```\n"
    return text
