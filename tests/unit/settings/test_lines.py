"""Lines: where in a TOML text a key stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from mardock.settings.lines import Lines

TEXT = """
[models.mnist.archive]
handler = "handler.py"
[models.mnist.serving] # how
batch_size = 4
"startup_timeout"=300
[models."two words"]
serving = { batch_size = 2 }
archive.version = "1.0"
"""


@pytest.mark.parametrize(
    ("location", "setting", "nearest"),
    [
        (("models", "mnist", "serving", "batch_size"), 5, 5),
        (("models", "mnist", "serving", "startup_timeout"), 6, 6),
        (("models", "mnist", "serving", "response_timeout"), None, 4),
        (("models", "two words", "serving", "batch_size"), 8, 8),
        (("models", "two words", "serving", "startup_timeout"), None, 8),
        (("models", "two words", "archive", "version"), 9, 9),
        (("models", "cats", "archive"), None, None),
    ],
)
def test_the_line_of_a_key_and_of_what_holds_it(
    location: tuple[str, ...], setting: int | None, nearest: int | None
) -> None:
    lines = Lines(TEXT)
    assert (lines.setting(location), lines.nearest(location)) == (setting, nearest)


def test_a_file_that_is_gone_has_none(tmp_path: Path) -> None:
    assert Lines.of(tmp_path / "mardock.toml").nearest(("models",)) is None
