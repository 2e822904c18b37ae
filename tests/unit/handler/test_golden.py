"""Golden samples: what counts as the same answer, how a difference reads, what the file holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mardock.errors import ConfigError
from mardock.handler import comparison, golden
from mardock.handler.comparison import Tolerance
from mardock.handler.golden import Golden
from mardock.handler.outcome import Reply
from mardock.payload import Field, Payload, form

BINARY = b"\x89PNG\xff\x00"


def differences(expected: bytes, actual: bytes) -> list[str]:
    return comparison.differences(comparison.read(expected), comparison.read(actual), Tolerance(rtol=1e-3, atol=1e-6))


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (b'{"score": 0.5, "label": "cat"}', b'{"label": "cat", "score": 0.5004}'),
        (b"[1, 2.0]", b"[1, 2]"),
        (b"NaN", b"NaN"),
        (b"Infinity", b"Infinity"),
        (b"0.0", b"0.0000005"),
        (b"a line\nanother", b"a line\nanother"),
        (BINARY, BINARY),
    ],
)
def test_these_are_the_same_answer(expected: bytes, actual: bytes) -> None:
    assert differences(expected, actual) == []


@pytest.mark.parametrize(
    ("expected", "actual", "told"),
    [
        (b"0.5", b"0.6", ["$: expected 0.5, got 0.6"]),
        (b"100000", b"100001", ["$: expected 100000, got 100001"]),
        (b"1", b"true", ["$: expected 1, got true"]),
        (b'"1"', b"1", ['$: expected "1", got 1']),
        (b"0.5", b"NaN", ["$: expected 0.5, got NaN"]),
        (b"Infinity", b"1e308", ["$: expected Infinity, got 1e+308"]),
        (b'{"a": [1, {"b": 2}]}', b'{"a": [1, {"b": 3}]}', ["$.a[1].b: expected 2, got 3"]),
        (b'{"a": 1}', b'{"b": 1}', ["$.a: is missing", "$.b: was not expected"]),
        (b"[1, 2]", b"[1]", ["$: expected 2 items, got 1"]),
        (b"one\ntwo", b"one\nthree", ["@@ -1,2 +1,2 @@", " one", "-two", "+three"]),
        (b"one\n", b"one", ["the line ends differ"]),
        (b"text", b'{"a": 1}', ['expected text, got json: {"a": 1}']),
    ],
)
def test_these_differ_and_say_where(expected: bytes, actual: bytes, told: list[str]) -> None:
    assert differences(expected, actual) == told


def test_binary_answers_differ_by_digest() -> None:
    assert [line.partition(":")[0] for line in differences(BINARY, BINARY + b"\x01")] == ["$.sha256", "$.size"]


def kept(tmp_path: Path, reply: Reply, sample: bytes = b"sample") -> Golden:
    path = tmp_path / "m" / "golden.json"
    golden.save(path, Golden({"a.bin": golden.expect(Payload(sample, "text/plain"), reply)}, Tolerance(0.1, 0.2)))
    return golden.load(path)


@pytest.mark.parametrize("body", [b'{"score": 0.5}', b"some text \xc3\xa9", BINARY])
def test_what_is_kept_is_read_back(tmp_path: Path, body: bytes) -> None:
    found = kept(tmp_path, Reply(201, body))

    assert found.tolerance == Tolerance(0.1, 0.2)
    assert found.samples["a.bin"].content_type == "text/plain"
    assert found.check("a.bin", b"sample", Reply(201, body)) == []
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["golden.json"]


def test_another_status_is_a_difference(tmp_path: Path) -> None:
    assert kept(tmp_path, Reply(200, b"1")).check("a.bin", b"sample", Reply(400, b"1")) == [
        "a.bin: expected status 200, got 400"
    ]


def test_a_sample_that_was_changed_is_told_apart_from_a_changed_answer(tmp_path: Path) -> None:
    assert kept(tmp_path, Reply(200, b"1")).check("a.bin", b"another", Reply(200, b"2")) == [
        "a.bin: the sample itself was changed after its answer was kept"
    ]


def test_a_sample_without_an_answer_is_told(tmp_path: Path) -> None:
    assert kept(tmp_path, Reply(200, b"1")).check("b.bin", b"sample", Reply(200, b"1")) == [
        "b.bin: there is no golden answer"
    ]


def test_many_differences_are_cut_short(tmp_path: Path) -> None:
    found = kept(tmp_path, Reply(200, json.dumps([0] * 50).encode()))

    told = found.check("a.bin", b"sample", Reply(200, json.dumps([9] * 50).encode()))
    assert len(told) == 11
    assert told[-1] == "a.bin: and 40 more"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "list indices"),
        ('{"samples": {}}', "'rtol' is missing"),
        ('{"rtol": 0, "atol": 0, "samples": {"a": {"sha256": "", "status": 200}}}', "one of json, text and binary"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "golden.json"
    path.write_text(text)

    with pytest.raises(ConfigError) as refused:
        golden.load(path)
    assert reason in refused.value.message


def test_a_missing_file_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        golden.load(tmp_path / "golden.json")
    assert "--save-golden" in (refused.value.hint or "")


def test_a_form_is_kept_and_sent_again(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(BINARY)
    fields = [Field("a", "1"), Field("f", file=Path("x.bin"), content_type="image/png")]
    sent = form(fields, lambda path: (tmp_path / path).read_bytes())
    path = tmp_path / "golden.json"
    golden.save(path, Golden({"a=1 f=@x.bin": golden.expect(sent, Reply(200, b"yes"), fields)}))

    found = golden.load(path).samples["a=1 f=@x.bin"].payload(tmp_path, "a=1 f=@x.bin")
    assert found == sent
    assert golden.load(path).check("a=1 f=@x.bin", found.body, Reply(200, b"yes")) == []
    (tmp_path / "x.bin").unlink()
    with pytest.raises(ConfigError, match="a sample with an expected answer"):
        golden.load(path).samples["a=1 f=@x.bin"].payload(tmp_path, "")


def test_the_file_is_json_for_everybody_also_when_an_answer_is_not(tmp_path: Path) -> None:
    found = kept(tmp_path, Reply(200, b'{"score": NaN, "best": 1.0}'))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads((tmp_path / "m" / "golden.json").read_text(), parse_constant=refuse)
    assert found.check("a.bin", b"sample", Reply(200, b'{"score": NaN, "best": 1.00001}')) == []
    assert found.check("a.bin", b"sample", Reply(200, b'{"score": 1, "best": 1.0}')) == [
        "a.bin: $.score: expected NaN, got 1"
    ]


def test_an_answer_and_a_name_with_half_a_character_are_kept(tmp_path: Path) -> None:
    reply = Reply(200, b'{"text": "\\ud800 caf\xc3\xa9"}')
    name = "samples/b\udcff.txt"  # as Python reads a file name that is no UTF-8
    kept = Golden({name: golden.expect(Payload(b"x"), reply)})
    golden.save(tmp_path / "golden.json", kept)
    assert golden.load(tmp_path / "golden.json") == kept
    assert golden.load(tmp_path / "golden.json").check(name, b"x", reply) == []
    assert "café" in (tmp_path / "golden.json").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["golden.json"]
