"""Golden samples: the answers a model is expected to give, kept as JSON beside it, and checked against what it gives.

Needs no torch, so that whoever asks a served model can check its answers too.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from mardock import ownership, payload, permissions
from mardock.errors import ConfigError
from mardock.handler.comparison import Content, Tolerance, differences, read
from mardock.handler.outcome import Reply
from mardock.payload import Field, Payload

_SHOWN = 10


@dataclass(frozen=True)
class Expected:
    """One sample and its answer.

    Attributes:
        sha256: of the sample's bytes.
        status: the HTTP status the handler sets, 200 unless it sets one.
        content_type: what a file is sent as.
        form: the fields that are sent in place of a file; those of the form they make up are in their order.
    """

    sha256: str
    status: int
    content: Content
    content_type: Optional[str] = None
    form: tuple[Field, ...] = ()

    def payload(self, root: Path, name: str) -> Payload:
        """Return what is sent.

        Args:
            root: the project's folder, which paths are relative to.
            name: the sample's path, of which a form has none.

        Raises:
            ConfigError: a file cannot be read.
        """
        if self.form:
            return payload.form(self.form, lambda path: _read(root / path))
        return Payload(_read(root / name), self.content_type)


@dataclass(frozen=True)
class Golden:
    """The expected answers of one model, by the sample's path relative to the project."""

    samples: Mapping[str, Expected]
    tolerance: Tolerance = field(default_factory=Tolerance)

    def check(self, name: str, sample: bytes, reply: Reply) -> list[str]:
        """Compare the answer to one sample with the expected one and return a line per difference.

        Args:
            name: the sample's path, as in `samples`.
        """
        if name not in self.samples:
            return [f"{name}: there is no golden answer"]
        expected = self.samples[name]
        if hashlib.sha256(sample).hexdigest() != expected.sha256:
            return [f"{name}: the sample itself was changed after its answer was kept"]
        found = differences(expected.content, read(reply.body), self.tolerance)
        if reply.status != expected.status:
            found.insert(0, f"expected status {expected.status}, got {reply.status}")
        hidden = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        return [f"{name}: {line}" for line in [*found[:_SHOWN], *hidden]]


def expect(sent: Payload, reply: Reply, form: Sequence[Field] = ()) -> Expected:
    """Take a reply for the right one."""
    digest, kind = hashlib.sha256(sent.body).hexdigest(), None if form else sent.content_type
    return Expected(digest, reply.status, read(reply.body), kind, tuple(form))


def load(path: Path) -> Golden:
    """Read a golden file.

    Raises:
        ConfigError: there is none, or it is not one.
    """
    try:
        with permissions.told(ConfigError):
            table = json.loads(path.read_text(encoding="utf-8-sig"))
        return Golden(
            {name: _from_dict(sample) for name, sample in table["samples"].items()},
            Tolerance(float(table["rtol"]), float(table["atol"])),
        )
    except OSError as error:
        raise ConfigError(
            f"cannot read {os.path.relpath(path)}: {error.strerror}",
            hint=f"mardock try {path.parent.name} --save-golden writes it",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise ConfigError(
            f"{path} is no golden file: {reason}", hint=f"mardock try {path.parent.name} --save-golden writes it anew"
        ) from error


def save(path: Path, golden: Golden) -> None:
    """Write a golden file in one step.

    Raises:
        ConfigError: it cannot be written.
    """
    table = {
        "rtol": golden.tolerance.rtol,
        "atol": golden.tolerance.atol,
        "samples": {name: _to_dict(expected) for name, expected in sorted(golden.samples.items())},
    }
    text = json.dumps(table, indent=2, ensure_ascii=False) + "\n"
    try:
        with permissions.told(ConfigError):
            path.parent.mkdir(parents=True, exist_ok=True)
            ownership.adopt([path.parent])
            ownership.replace(path, text.encode("utf-8", "backslashreplace"))  # as JSON escapes half a character
    except OSError as error:
        raise ConfigError(
            f"cannot write {os.path.relpath(path)}: {error.strerror}",
            hint=f"make {os.path.relpath(path.parent)}/ writable, then run it again",
        ) from error


def _to_dict(expected: Expected) -> dict[str, Any]:
    sent: dict[str, Any] = {"content_type": expected.content_type} if expected.content_type else {}
    if expected.form:
        sent["form"] = [str(one) for one in expected.form]
    return {
        "sha256": expected.sha256,
        **sent,
        "status": expected.status,
        **_content_to_dict(expected.content),
    }


def _content_to_dict(content: Content) -> dict[str, Any]:
    try:
        json.dumps(content.value, allow_nan=False)
    except ValueError:  # Python's own JSON would make the file unreadable for others
        return {"text": json.dumps(content.value)}
    return {content.kind: content.value}


def _from_dict(sample: Mapping[str, Any]) -> Expected:
    kinds = [kind for kind in ("json", "text", "binary") if kind in sample]
    if len(kinds) != 1:
        raise ValueError("a sample holds one of json, text and binary")
    content = Content(kinds[0], sample[kinds[0]])  # type: ignore[arg-type]
    if content.kind == "text":  # that of JSON with a NaN
        content = read(content.value.encode("utf-8", "surrogatepass"))
    form = tuple(payload.field(text) for text in sample.get("form", ()))
    return Expected(sample["sha256"], int(sample["status"]), content, sample.get("content_type"), form)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot read {os.path.relpath(file)}, a sample with an expected answer: {error.strerror}",
            hint="bring it back, or keep the answers anew: mardock try --save-golden",
        ) from error
