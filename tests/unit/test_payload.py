"""Form fields as people write them, and the body they make."""

from __future__ import annotations

from email import message_from_bytes
from pathlib import Path

import pytest

from mardock.errors import ConfigError
from mardock.payload import Field, field, form


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a=1", Field("a", "1")),
        ("a=", Field("a", "")),
        ("a=b=c", Field("a", "b=c")),
        ("a= é ", Field("a", " é ")),
        ("f=@x.png", Field("f", file=Path("x.png"))),
        ("f=@a b.png;type=image/png; q=1", Field("f", file=Path("a b.png"), content_type="image/png; q=1")),
    ],
)
def test_a_field_is_read_as_curl_reads_it_and_written_back(text: str, read: Field) -> None:
    assert field(text) == read
    assert str(read) == text


@pytest.mark.parametrize(
    "text", ["", "a", "=1", "f=@", "f=@;type=image/png", 'a"b=1', "a:b=1", " a=1", "f=@x;type=a\r\nb"]
)
def test_what_is_no_field_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        field(text)
    assert refused.value.hint


def test_a_form_is_one_that_any_reader_takes_apart() -> None:
    files = {Path("d/x.bin"): bytes(range(256)), Path('a"b.txt'): b"--\r\n"}
    fields = [Field("a", "é"), *(Field(f"f{i}", file=path) for i, path in enumerate(files))]
    sent = form(fields, files.__getitem__)
    assert form(fields, files.__getitem__) == sent

    parts = message_from_bytes(f"Content-Type: {sent.content_type}\r\n\r\n".encode() + sent.body).get_payload()
    found = {part.get_param("name", header="content-disposition"): part for part in parts}  # type: ignore[union-attr]
    assert list(found) == ["a", "f0", "f1"]
    assert found["f0"].get_filename() == "x.bin"  # type: ignore[union-attr]
    assert found["f1"].get_filename() == "a_b.txt"  # type: ignore[union-attr]
    assert bytes(range(256)) in sent.body


def test_the_boundary_is_in_no_content() -> None:
    first = form([Field("a", "1")], lambda _: b"")
    boundary = str(first.content_type).partition("boundary=")[2]
    again = form([Field("a", file=Path("x"))], lambda _: boundary.encode())
    assert again.body.count(str(again.content_type).partition("boundary=")[2].encode()) == 2


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("f=@a.txt", "text/plain"),
        ("f=@a.JPG", "image/jpeg"),
        ("f=@a.json", "application/octet-stream"),  # curl knows no such suffix
        ("f=@a", "application/octet-stream"),
        ("f=@a.txt;type=application/json", "application/json"),
    ],
)
def test_a_file_is_of_the_kind_curl_takes_it_for(written: str, kind: str) -> None:
    assert f"Content-Type: {kind}\r\n".encode() in form([field(written)], lambda _: b"").body
