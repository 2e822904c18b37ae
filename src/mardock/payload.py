"""What is sent to a model: a body and the content type it is sent as, also put together from form fields."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from mardock.errors import ConfigError

_BY_SUFFIX = {
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".xml": "application/xml",
}
"""What curl takes a file in a form for, which decides whether the handler gets text or bytes."""
_HINT = "write --form NAME=VALUE, or --form NAME=@FILE[;type=CONTENT/TYPE]"


@dataclass(frozen=True)
class Payload:
    """The body of a request, and its Content-Type; none is sent when that is None."""

    body: bytes
    content_type: Optional[str] = None


@dataclass(frozen=True)
class Field:
    """One field of a form, written as curl's `--form` takes it.

    Attributes:
        value: the text; None when a file is sent.
        file: its path as it was written.
        content_type: of the file, None for what curl would guess; TorchServe parses one that is `application/json`,
            and decodes `text/…`.
    """

    name: str
    value: Optional[str] = None
    file: Optional[Path] = None
    content_type: Optional[str] = None

    def __str__(self) -> str:
        if self.file is None:
            return f"{self.name}={self.value}"
        return f"{self.name}=@{self.file}" + (f";type={self.content_type}" if self.content_type else "")


def field(text: str) -> Field:
    """Read `name=value`, or `name=@file` with an optional `;type=…` after it.

    Raises:
        ConfigError: it is neither, or its name holds what TorchServe would not hand on.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"{text!r} is no form field", hint=_HINT)
    altered = sorted(set(name) & set('"\\:,;=\t\r\n')) or name != name.strip()
    if altered:
        raise ConfigError(
            f"TorchServe does not hand on a form field's name like {name!r} as it is",
            hint="leave quotes, colons, commas, semicolons and outer spaces out of it",
        )
    if not value.startswith("@"):
        return Field(name, value)
    path, _, content_type = value[1:].partition(";type=")
    if not path or any(not character.isprintable() for character in content_type):
        raise ConfigError(f"{text!r} names no file to send", hint=_HINT)
    return Field(name, file=Path(path), content_type=content_type or None)


def form(fields: Sequence[Field], read: Callable[[Path], bytes]) -> Payload:
    """Put fields together as multipart/form-data; the same ones always make the same bytes.

    Args:
        read: returns a file's bytes.
    """
    parts = [(_head(one), _content(one, read)) for one in fields]
    boundary = _boundary(b"".join(head + content for head, content in parts))
    line = b"--" + boundary.encode()
    body = b"".join(b"%s\r\n%s\r\n\r\n%s\r\n" % (line, head, content) for head, content in parts) + line + b"--\r\n"
    return Payload(body, f"multipart/form-data; boundary={boundary}")


def _content(one: Field, read: Callable[[Path], bytes]) -> bytes:
    return (one.value or "").encode("utf-8", "surrogateescape") if one.file is None else read(one.file)


def _head(one: Field) -> bytes:
    head = f'Content-Disposition: form-data; name="{one.name}"'
    if one.file is not None:
        name = "".join("_" if character in '"\\;\r\n' else character for character in one.file.name)
        kind = one.content_type or _BY_SUFFIX.get(one.file.suffix.lower(), "application/octet-stream")
        head += f'; filename="{name}"\r\nContent-Type: {kind}'
    return head.encode("utf-8", "surrogateescape")


def _boundary(content: bytes) -> str:
    """Return a line that is not in the content."""
    digest = hashlib.sha256(content).hexdigest()
    number = 0
    while f"{digest[:32]}{number}".encode() in content:
        number += 1
    return f"{digest[:32]}{number}"
