"""The requests of a trial: files, a form, or what answers are expected to; each named so that it can be sent again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock import payload
from mardock.errors import ConfigError, ServingError
from mardock.payload import Field, Payload
from mardock.tasks import samples

if TYPE_CHECKING:
    from mardock.handler.golden import Golden
    from mardock.settings.project import Project


@dataclass(frozen=True)
class Sent:
    """One request: what is sent, and the form fields it was put together from, their files relative to the project."""

    payload: Payload
    form: tuple[Field, ...] = ()


def of(
    project: Project,
    name: str,
    files: Sequence[Path],
    *,
    form: Sequence[str] = (),
    content_type: Optional[str] = None,
    expected: Optional[Golden] = None,
) -> dict[str, Sent]:
    """Return the requests by what they are called: a file's path relative to the project, or a form's fields.

    Args:
        files: without any, and without a form, what answers are expected to, else the model's first sample.
        form: fields as `payload.field` reads them; all of them make one request.
        content_type: the files', in place of what they were sent as before.

    Raises:
        ConfigError: there is nothing to send, a file cannot be read, or files and a form are both given.
    """
    if form:
        if files or content_type:
            raise ConfigError(
                "a form is a request of its own", hint="leave out the files and --content-type, or --form"
            )
        return _form(project.root, [payload.field(text) for text in form])
    if expected and not files:
        return {label: Sent(one.payload(project.root, label), one.form) for label, one in expected.samples.items()}
    chosen = samples.to_send(project, name, files) if files else samples.to_send(project, name, [])[:1]
    kept = {label: one.content_type for label, one in expected.samples.items()} if expected else {}
    labels = [_relative(project.root, file) for file in chosen]
    return {
        label: Sent(Payload(samples.read(file), content_type or kept.get(label))) for label, file in zip(labels, chosen)
    }


def check(requests: Mapping[str, Payload], max_size: int) -> None:
    """Refuse what TorchServe answers itself, so that no handler sees it.

    Args:
        max_size: bytes a request may have.

    Raises:
        ServingError: one is too large, or says that it is a form and is none.
    """
    from mardock.handler.frontend import UnreadableError, parameters

    for label, request in requests.items():
        if len(request.body) > max_size:
            raise ServingError(
                f"TorchServe would refuse {label}: it has {len(request.body):,} bytes, max_request_size is"
                f" {max_size:,}",
                hint="send less, or raise max_request_size in torchserve/config.properties",
            )
        try:
            parameters(request)
        except UnreadableError as error:
            raise ServingError(
                f"TorchServe would refuse {label}: {error}",
                hint=f"it is sent as {request.content_type}: make it one, or give another --content-type",
            ) from error


def _form(root: Path, fields: Sequence[Field]) -> dict[str, Sent]:
    sent = payload.form(fields, samples.read)
    kept = [one if one.file is None else replace(one, file=Path(_relative(root, one.file))) for one in fields]
    return {" ".join(map(str, kept)): Sent(sent, tuple(kept))}


def _relative(root: Path, file: Path) -> str:
    path, real = file.resolve(), Path(os.path.realpath(root))
    return str(path.relative_to(real)) if real in path.parents else str(path)
