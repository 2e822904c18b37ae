"""launch.json: one configuration goes in, and not a byte of anything else changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mardock.debugging import launch_json

WANTED = launch_json.configuration("mnist", 5678, "/project")
COMMENTED = """{
    // Use IntelliSense to learn about possible attributes.
    "version": "0.2.0",
    "configurations": [
        /* mine, "quoted" */
        { "name": "tests", "type": "debugpy", "url": "http://x/*no comment*/", },
    ],
}
"""


def test_a_new_file_is_plain_json(tmp_path: Path) -> None:
    path = tmp_path / ".vscode" / "launch.json"
    assert launch_json.write(path, WANTED)
    assert json.loads(path.read_text()) == {"version": "0.2.0", "configurations": [WANTED]}
    assert [one.name for one in path.parent.iterdir()] == ["launch.json"]


def test_comments_and_other_configurations_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "launch.json"
    path.write_text(COMMENTED)
    assert launch_json.write(path, WANTED)
    before, after = COMMENTED.split('"configurations": [')
    text = path.read_text()
    assert text.startswith(before)
    assert text.endswith(after)
    own = text[len(before) + len('"configurations": [') : -len(after)]
    assert json.loads(own.rstrip().rstrip(",")) == WANTED


@pytest.mark.parametrize("text", ['{"configurations": []}', '{\n  "configurations": [ // none yet\n  ]\n}', "{}"])
def test_an_empty_list_gets_its_first(text: str) -> None:
    merged = launch_json.merge(text, WANTED)
    assert (merged is None) == (text == "{}")
    assert merged is None or launch_json.merge(merged, WANTED) == merged


def test_a_second_session_changes_nothing() -> None:
    once = launch_json.merge(COMMENTED, WANTED)
    assert once is not None
    assert launch_json.merge(once, WANTED) == once


def test_its_own_configuration_keeps_what_the_user_gave_it() -> None:
    own = {**WANTED, "justMyCode": False}
    text = json.dumps({"configurations": [{"name": "a"}, own, {"name": "b"}]}, indent=2)
    merged = launch_json.merge(text, launch_json.configuration("mnist", 9999, "/project"))
    assert merged is not None
    assert json.loads(merged)["configurations"] == [
        {"name": "a"},
        {**own, "connect": {"host": "127.0.0.1", "port": 9999}},
        {"name": "b"},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "not JSON",
        '{"configurations": {}}',
        '{"configurations": [5]}',
        '{"configurations": [{"name": "mardock: mnist", "port": 1 /* mine */}]}',
        '{"configurations": [{"name": "mardock: mnist"}, {"name": "mardock: mnist"}]}',
    ],
)
def test_what_cannot_be_merged_safely_is_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "launch.json"
    path.write_text(text)
    assert not launch_json.write(path, WANTED)
    assert path.read_text() == text


def test_bytes_that_are_no_text_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "launch.json"
    path.write_bytes(b'{"configurations": []} \xff')
    assert not launch_json.write(path, WANTED)
