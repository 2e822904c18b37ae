"""The requests of a command: files, standard input, a form or JSON from the command line, each with a name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional, Union

from mardock import payload
from mardock.errors import ConfigError
from mardock.payload import Payload
from mardock.tasks import samples

if TYPE_CHECKING:
    from mardock.settings.project import Project

STDIN = Path("-")
_ONE_KIND = "send files, --json-body or --form, one kind at a time"


@dataclass(frozen=True)
class Given:
    """What was given to be sent; the model's sample when nothing is.

    Attributes:
        files: files and folders of them; `-` is standard input.
        form: fields as `payload.field` reads them; all of them make one request.
        json_body: JSON as text.
        content_type: what all but a form are sent as; `json_body` is `application/json` without it.
        stdin: reads standard input.
    """

    files: Sequence[Path] = ()
    form: Sequence[str] = ()
    json_body: Optional[str] = None
    content_type: Optional[str] = None
    stdin: Optional[Callable[[], bytes]] = None


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        name: a file's path as it was given, `-`, or the option that made it.
        content: what is sent; a file is read when it is its turn.
    """

    name: str
    content: Union[Payload, Path]
    content_type: Optional[str] = None

    def payload(self) -> Payload:
        """Return what is sent.

        Raises:
            ConfigError: the file cannot be read.
        """
        if isinstance(self.content, Payload):
            return self.content
        return Payload(samples.read(self.content), self.content_type)


def of(project: Project, model: Optional[str], given: Given) -> list[Request]:
    """Return what is to be sent to a model.

    Args:
        model: its name in mardock.toml, for its sample.

    Raises:
        ConfigError: there is nothing to send, a file does not exist, what was given does not go together or is no JSON.
    """
    if (bool(given.files), bool(given.form), given.json_body is not None).count(True) > 1:
        raise ConfigError("what is to be sent is given in more than one way", hint=_ONE_KIND)
    if given.form:
        return [_form(given)]
    if given.json_body is not None:
        return [Request("--json-body", Payload(_json(given.json_body), given.content_type or "application/json"))]
    return of_files(project, model, given.files, content_type=given.content_type, stdin=given.stdin)


def of_files(
    project: Project,
    model: Optional[str],
    files: Sequence[Path] = (),
    *,
    content_type: Optional[str] = None,
    stdin: Optional[Callable[[], bytes]] = None,
) -> list[Request]:
    """Return a request for each file; see `of` and `samples.to_send`."""
    if files.count(STDIN) > 1:
        raise ConfigError("standard input can be read once", hint="name - once")
    if STDIN not in files or stdin is None:
        return [Request(str(file), file, content_type) for file in samples.to_send(project, model, files)]
    found: list[Request] = []
    for file in files:
        if file == STDIN:
            found.append(Request(str(STDIN), Payload(stdin(), content_type)))
        else:
            found += of_files(project, model, [file], content_type=content_type)
    return found


def one(project: Project, model: Optional[str], given: Given) -> Request:
    """Return the single request to send; the first of a model's samples when nothing is given.

    Raises:
        ConfigError: there are several; see also `of`.
    """
    found = of(project, model, given)
    if given.files and len(found) > 1:
        raise ConfigError(f"{len(found)} requests were given, and one is taken", hint="name one file")
    return found[0]


def payloads(project: Project, model: Optional[str], given: Given) -> list[Payload]:
    """Return all that is to be sent again and again; see `of`.

    Raises:
        ConfigError: a file cannot be read, or they are too large to hold.
    """
    found = of(project, model, given)
    samples.check_size(each.content for each in found if isinstance(each.content, Path))
    return [each.payload() for each in found]


def _form(given: Given) -> Request:
    if given.content_type:
        raise ConfigError("a form has a content type of its own", hint="leave --content-type out")
    fields = [payload.field(text) for text in given.form]
    return Request(" ".join(f"--form {field}" for field in fields), payload.form(fields, samples.read))


def _json(text: str) -> bytes:
    body = text.encode("utf-8", "surrogateescape")
    try:
        json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--json-body is no JSON: {error}", hint="put it in single quotes: '{\"a\": 1}'") from error
    return body
