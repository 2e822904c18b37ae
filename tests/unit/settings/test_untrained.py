"""A model that was not trained yet is to be trained, however its archive takes what training writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mardock.errors import ConfigError
from mardock.settings import untrained
from mardock.settings.project import Project

TOML = """
[models.m.archive]
handler = "handler.py"
{takes}
[models.m.train]
command = ["true"]
outputs = ["out/net/config.json", "out/net/weights.bin"]
"""


def refuse(root: Path, takes: str) -> None:
    (root / "mardock.toml").write_text(TOML.format(takes=takes), encoding="utf-8")
    untrained.refuse("m", Project(root).settings.models["m"], root)


@pytest.mark.parametrize(
    "takes",
    [
        'serialized_file = "out/net/weights.bin"',
        'config_file = "out/net/config.json"',
        'extra_files = ["out/net"]',
        'extra_files = ["./out/"]',
        'extra_files = ["out/net/*.json"]',
        'code = ["out/net"]',
    ],
)
def test_what_training_writes_is_missing_wherever_it_is_named(tmp_path: Path, takes: str) -> None:
    with pytest.raises(ConfigError, match="m is not trained yet: there is no out/net/") as refused:
        refuse(tmp_path, takes)
    assert refused.value.hint == "mardock train m"
    (tmp_path / "out" / "net").mkdir(parents=True)
    for name in ("config.json", "weights.bin"):
        (tmp_path / "out" / "net" / name).touch()
    refuse(tmp_path, takes)


def test_what_an_archive_does_not_take_may_be_missing(tmp_path: Path) -> None:
    refuse(tmp_path, 'extra_files = ["labels.json"]')


def test_weights_that_training_does_not_name_are_its_matter_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"m is not trained yet: there is no other\.pt"):
        refuse(tmp_path, 'serialized_file = "other.pt"')
