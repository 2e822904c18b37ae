"""The requests of a trial: files, a form, or what answers are expected to; each named so that it can be sent again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock import payload
from mardock.errors import ServingError
from mardock.payload import Field, Payload
from mardock.tasks import requests, samples

if TYPE_CHECKING:
    from mardock.handler.golden import Golden
    from mardock.settings.project import Project
    from mardock.tasks.requests import Given


@dataclass(frozen=True)
class Sent:
    """One request: what is sent, and the form fields it was put together from, their files relative to the project."""

    payload: Payload
    form: tuple[Field, ...] = ()


def of(
    project: Project,
    name: str,
    given: Given,
    *,
    expected: Optional[Golden] = None,
) -> dict[str, Sent]:
    """Return the requests by what they are called: a file's path relative to the project, a form's fields, an option.

    Args:
        given: without anything, what answers are expected to, else the model's first sample; files are sent as they
            were before where no content type is given.

    Raises:
        ConfigError: there is nothing to send, a file cannot be read, or what was given does not go together.
    """
    files, content_type = given.files, given.content_type
    if given.form or given.json_body is not None or requests.STDIN in files:
        made = [(each.name, each.payload()) for each in requests.of(project, name, given)]
        if not given.form:
            return {label: Sent(sent) for label, sent in made}
        return _form(project.root, [payload.field(text) for text in given.form], made[0][1])
    if expected and not files:
        return {label: Sent(one.payload(project.root, label), one.form) for label, one in expected.samples.items()}
    chosen = samples.to_send(project, name, files) if files else samples.to_send(project, name, [])[:1]
    kept = {label: one.content_type for label, one in expected.samples.items()} if expected else {}
    labels = [_relative(project.root, file) for file in chosen]
    return {
        label: Sent(Payload(samples.read(file), content_type or kept.get(label))) for label, file in zip(labels, chosen)
    }


def check(sent: Mapping[str, Payload], max_size: int) -> None:
    """Refuse what TorchServe answers itself, so that no handler sees it.

    Args:
        max_size: bytes a request may have.

    Raises:
        ServingError: one is too large, or says that it is a form and is none.
    """
    from mardock.handler.frontend import UnreadableError, parameters

    for label, request in sent.items():
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


def _form(root: Path, fields: Sequence[Field], sent: Payload) -> dict[str, Sent]:
    kept = [one if one.file is None else replace(one, file=Path(_relative(root, one.file))) for one in fields]
    return {" ".join(map(str, kept)): Sent(sent, tuple(kept))}


def _relative(root: Path, file: Path) -> str:
    path, real = file.resolve(), Path(os.path.realpath(root))
    return str(path.relative_to(real)) if real in path.parents else str(path)
