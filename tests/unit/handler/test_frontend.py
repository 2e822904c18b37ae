"""What TorchServe's frontend was seen to make of requests; the contract test asks a running one about any others."""

from __future__ import annotations

from typing import Optional

import pytest

from mardock.handler.frontend import UnreadableError, parameters
from mardock.payload import Payload

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=B"
OCTETS = "application/octet-stream"


def part(head: str, content: bytes = b"1") -> bytes:
    return b"--B\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + content + b"\r\n--B--\r\n"


@pytest.mark.parametrize(
    ("content_type", "handed_on"),
    [
        (None, ""),
        ("application/json; charset=utf-8", "application/json"),
        ("application/json ; charset=utf-8", "application/json "),
        ("Application/JSON", "Application/JSON"),
        ("text/plain;charset=latin-1", "text/plain"),
        (f"{FORM} ;a=b", f"{FORM} "),
        ("multipart/form-data", "multipart/form-data"),
        ("Multipart/form-data; boundary=B", "Multipart/form-data"),
        ("multipart/mixed; boundary=B", "multipart/mixed"),
    ],
)
def test_a_raw_body_comes_whole(content_type: Optional[str], handed_on: str) -> None:
    assert parameters(Payload(b"x=1", content_type)) == [("body", handed_on, b"x=1")]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", []),
        (b"a", []),
        (b"a=", [("a", b"")]),
        (b"a=1&b=2&a=3", [("a", b"1"), ("b", b"2"), ("a", b"3")]),
        (b"a=%41+b=c", [("a", b"A b=c")]),
        (b"a=%ff\xfe", [("a", b"\xff\xfe")]),
        (b"a&b=2", [("a", b""), ("b", b"2")]),
        (b" a = 1 ", [("a", b" 1 ")]),
        (b"\r\na=1\r\nb=2", [("a", b"1")]),
        (b"a=1&b", [("a", b"1")]),
    ],
)
def test_url_encoded_fields_are_bytes(body: bytes, fields: list[tuple[str, bytes]]) -> None:
    found = parameters(Payload(body, f"{FORM}; charset=utf-8"))
    assert [(one.name, one.value) for one in found] == fields
    assert {one.content_type for one in found} <= {""}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (part('name="a"'), ("a", "", b"1")),
        (part('name="a"\r\nContent-Type: application/json'), ("a", "", b"1")),
        (part('name="a"; filename="x"', bytes(range(256))), ("a", OCTETS, bytes(range(256)))),
        (part('name="a"; filename=""\r\nContent-Type: text/plain; charset=utf-8'), ("a", "text/plain", b"1")),
        (part('name="a"; filename="x"\r\nContent-Type: text/plain; a=b'), ("a", "a=b", b"1")),
        (part('name="a;b:c"'), ("a b c", "", b"1")),
        (part('name="a"').replace(b"\r\n", b"\n"), ("a", "", b"1")),
        (part('name="a"', b"1\r\n"), ("a", "", b"1\r\n")),
        (part('name="a"', b"1\n--By"), ("a", "", b"1")),
        (part('name="a"') + b"after", ("a", "", b"1")),
    ],
)
def test_a_part_has_its_own_type_when_it_is_a_file(body: bytes, field: tuple[str, str, bytes]) -> None:
    assert parameters(Payload(body, MULTIPART)) == [field]


@pytest.mark.parametrize("body", [b"", b"--B--\r\n", b"before\r\n" + part('name="a"'), part('name="a"')[:-12]])
def test_what_holds_no_whole_part_has_no_fields(body: bytes) -> None:
    assert parameters(Payload(body, MULTIPART)) == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"=1", FORM),
        (b"a=%zz", FORM),
        (b"a=%4", FORM),
        (b"a=1\rb", FORM),
        (part("name="), MULTIPART),
        (part('name="a"; filename="x"\r\nContent-Transfer-Encoding: base64'), MULTIPART),
        (part('name="a"; filename="x"\r\nContent-Length: 1', b"12"), MULTIPART),
        (part('name="a"; filename="x"\r\nContent-Type: text/plain; charset=latin-1'), MULTIPART),
        (part('name="a"'), f"{MULTIPART}; charset=latin-1"),
        (b"", "multipart/form-data; boundary="),
    ],
)
def test_what_torchserve_refuses_is_unreadable(body: bytes, content_type: str) -> None:
    with pytest.raises(UnreadableError):
        parameters(Payload(body, content_type))
