"""What is sent: files, standard input, JSON and forms of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mardock.errors import ConfigError
from mardock.payload import Payload
from mardock.settings.project import Project
from mardock.tasks import requests
from mardock.tasks.requests import STDIN, Given


def sent(project: Project, **given: object) -> list[tuple[str, Payload]]:
    found = requests.of(project, "doubler", Given(**given))  # type: ignore[arg-type]
    return [(each.name, each.payload()) for each in found]


def test_files_and_standard_input_are_sent_in_the_order_they_were_named(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"[1]")
    given = {"files": [file, STDIN], "content_type": "application/json", "stdin": lambda: b"\xff\0"}
    assert sent(project, **given) == [
        (str(file), Payload(b"[1]", "application/json")),
        ("-", Payload(b"\xff\0", "application/json")),
    ]


def test_inline_json_is_sent_as_it_was_written_and_as_json(project: Project) -> None:
    assert sent(project, json_body='{"a":  1}') == [("--json-body", Payload(b'{"a":  1}', "application/json"))]
    assert sent(project, json_body="1", content_type="text/json") == [("--json-body", Payload(b"1", "text/json"))]


def test_form_fields_make_one_request(project: Project, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"\x89PNG")
    ((name, payload),) = sent(project, form=["top=3", f"image=@{tmp_path / 'cat.png'}"])
    assert name == f"--form top=3 --form image=@{tmp_path / 'cat.png'}"
    assert payload.content_type is not None
    assert payload.content_type.startswith("multipart/form-data; boundary=")
    assert b'name="image"; filename="cat.png"' in payload.body


def test_without_any_the_models_sample_is_sent(project: Project) -> None:
    assert [payload.body for _, payload in sent(project)] == [b"21"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"files": [Path("a")], "json_body": "1"}, "in more than one way"),
        ({"form": ["a=1"], "json_body": "1"}, "in more than one way"),
        ({"form": ["a=1"], "files": [STDIN]}, "in more than one way"),
        ({"form": ["a=1"], "content_type": "text/plain"}, "a form has a content type of its own"),
        ({"form": ["a"]}, "'a' is no form field"),
        ({"form": ["a=@nowhere"]}, "cannot read nowhere"),
        ({"json_body": "{a: 1}"}, "--json-body is no JSON"),
        ({"json_body": ""}, "--json-body is no JSON"),
        ({"json_body": "\udcff"}, "--json-body is no JSON"),
        ({"json_body": "[" * 100_000}, "--json-body is no JSON"),
        ({"files": [STDIN, STDIN]}, "standard input can be read once"),
        ({"files": [Path("nowhere")]}, "there is no file nowhere"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(project: Project, given: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        sent(project, stdin=lambda: b"", **given)
    assert refused.value.hint


def test_one_is_taken_where_one_is_asked_for(project: Project, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigError, match="2 requests were given"):
        requests.one(project, "doubler", Given([tmp_path / "a", tmp_path / "b"]))
