"""What TorchServe's frontend makes of a request before a worker sees it: named values, each with a content type.

Source: `InferenceRequestHandler.parseRequest` of TorchServe 0.12, and what its Netty does with forms; a contract
test holds this to a running server.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple, Optional

from mardock.payload import Payload

_FORM = "multipart/form-data"
_URL_ENCODED = "application/x-www-form-urlencoded"
_SKIPPED = bytes([*range(0x21), 0x7F])  # Netty drops control characters and spaces before a form
_IN_NAMES = str.maketrans({'"': None, **dict.fromkeys(":,=;\t", " ")})
_PYTHONS_OWN = "latin-1"  # the name of a charset that Java does not know by it
_ENCODINGS = ("7bit", "8bit", "binary")
_OCTETS = "application/octet-stream"


class UnreadableError(ValueError):
    """TorchServe answers such a request with an error of its own; no handler sees it."""


class Parameter(NamedTuple):
    """One value a handler finds in its request; a later one of the same name replaces it."""

    name: str
    content_type: str
    value: bytes


def parameters(payload: Payload) -> list[Parameter]:
    """Return what a worker is sent of a request's body.

    Raises:
        UnreadableError: it says that it is a form and is none.
    """
    sent_as = (payload.content_type or "").strip()
    boundary, charset = _boundary(sent_as) if sent_as.startswith(_FORM) else (None, "")
    mime_type = sent_as.partition(";")[0]
    if boundary is not None:
        return list(_multipart(payload.body, boundary, charset))
    if mime_type.lower() == _URL_ENCODED:
        return list(_url_encoded(payload.body))
    return [Parameter("body", mime_type, payload.body)]


def _boundary(content_type: str) -> tuple[Optional[bytes], str]:
    """Return boundary and charset, looked for among the first two parameters as Netty does."""
    found = dict(_attribute(parameter) for parameter in content_type.split(";", 2)[1:])
    if "boundary" not in found:
        return None, "utf-8"
    value = found["boundary"]
    if not value:
        raise UnreadableError("its Content-Type has an empty boundary")
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return (value[1:-1] if quoted else value).encode(), _known(found.get("charset", "utf-8"))


def _known(charset: str) -> str:
    try:
        codecs.lookup(charset)
    except LookupError:
        raise UnreadableError(f"there is no charset {charset}") from None
    if charset.lower() == _PYTHONS_OWN:
        raise UnreadableError(f"Java has no charset {charset}: it is called iso-8859-1")
    return charset


def _multipart(body: bytes, boundary: bytes, charset: str) -> Iterator[Parameter]:
    delimiter = b"--" + boundary
    rest = body.lstrip(_SKIPPED)
    if not rest.startswith(delimiter):
        return
    rest = rest[len(delimiter) :]
    ends = re.compile(rb"(?:\A|\r?\n)" + re.escape(delimiter))
    while True:
        head = re.match(rb"\r?\n(.*?)(?:(?<=\n)|\r?\n)\r?\n", rest, re.DOTALL)
        if head is None:  # the end, or a line that only begins like the delimiter: Netty reads no further
            return
        rest = rest[head.end() :]
        end = ends.search(rest)
        if end is None:  # cut off
            return
        yield _part(re.split(r"\r?\n", head[1].decode(charset, "replace")), rest[: end.start()])
        rest = rest[end.end() :]


def _part(head: list[str], value: bytes) -> Parameter:
    headers = {name.strip().lower(): text.strip() for name, _, text in (line.partition(":") for line in head)}
    told_kind = _values(headers.get("content-type", ""))
    for one in told_kind:
        if one.lower().startswith("charset="):
            _known(one.partition("=")[2].strip('"'))
    kind, *told = _values(headers.get("content-disposition", ""))
    attributes = dict(_attribute(one) for one in told)
    name = _tidied(attributes.get("name", "").translate(_IN_NAMES))
    if kind.lower() != "form-data" or not name:
        raise UnreadableError("a part of the form has no name")
    if not {"filename", "filename*"} & attributes.keys():
        return Parameter(name, "", value)  # whatever content type it has
    encoding = headers.get("content-transfer-encoding", _ENCODINGS[0]).lower()
    if encoding not in _ENCODINGS:
        raise UnreadableError(f"a part of the form has the Content-Transfer-Encoding {encoding}")
    size = headers.get("content-length", "")
    if size.isdecimal() and int(size) < len(value):
        raise UnreadableError(f"a part of the form is larger than its Content-Length, {size}")
    given = [one for one in told_kind if one and not one.lower().startswith("charset=")]
    return Parameter(name, given[-1] if given else _OCTETS, value)


def _values(header: str) -> list[str]:
    """Split a header at semicolons that are in no quotes."""
    return [found.strip() for found in re.findall(r'(?:^|;)((?:"(?:\\.|[^"\\])*"|[^;])*)', header)]


def _attribute(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip()


def _url_encoded(body: bytes) -> Iterator[Parameter]:
    rest = body.lstrip(_SKIPPED)
    while True:
        found = re.match(rb"([^=&]*)(?:&|=([^&\r\n]*)(.?)(.?))", rest, re.DOTALL)
        if found is None:  # a last name without a value is dropped
            return
        name, value, end, after = found.groups()
        shown = _tidied(_percent_decoded(name).decode("utf-8", "replace"))
        if not shown:
            raise UnreadableError("a field of the form has no name")
        if end == b"\r" and after not in (b"", b"\n"):
            raise UnreadableError("a line of the form has a bad end")
        yield Parameter(shown, "", _percent_decoded(value or b""))
        if end in (b"\r", b"\n"):
            return
        rest = rest[(found.end(3) if end is not None else found.end()) :]


def _tidied(name: str) -> str:
    return re.sub("[\r\t]", " ", name).replace("\n", "").strip(" \v\f")


def _percent_decoded(text: bytes) -> bytes:
    from urllib.parse import unquote_to_bytes

    broken = re.search(rb"%(?![0-9A-Fa-f]{2}).{0,2}", text, re.DOTALL)
    if broken:
        raise UnreadableError(f"the form holds {broken[0].decode('ascii', 'replace')!r}, which is no percent-encoding")
    return unquote_to_bytes(text.replace(b"+", b" "))
