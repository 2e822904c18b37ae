"""Editing what a person wrote: values change, everything else stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from mardock.errors import ConfigError
from mardock.settings.load import load
from mardock.tuning.setting import Setting
from mardock.tuning.write_back import Edit, edit_for

WINNER = Setting(2, 8, 5, 1)
TOML = """# mine
[models.m.archive]
handler = "h.py"  # by hand
{archive}
[deploy.x]
a = 1
"""


def edited(root: Path, toml: str, config: str = "", *, with_threads: bool = True) -> Edit:
    (root / "mardock.toml").write_bytes(toml.encode())
    if config:
        (root / "c.yaml").write_bytes(config.encode())
    return edit_for(WINNER, root, "m", load(root, {}).models["m"], with_threads=with_threads)


def test_yaml_keeps_its_comments_and_other_keys(tmp_path: Path) -> None:
    config = "# how it is served\nminWorkers: 1 # one\nhandler:\n  batchSize: 3 # mine\nbatchSize: 1\n"
    edit = edited(tmp_path, TOML.format(archive='config_file = "c.yaml"'), config)
    assert edit.after == (
        "# how it is served\nminWorkers: 2 # one\nhandler:\n  batchSize: 3 # mine\nbatchSize: 8\n"
        "maxWorkers: 2\nmaxBatchDelay: 5\nthreadsPerWorker: 1\n"
    )
    assert edit.diff()[:2] == ["-minWorkers: 1 # one", "+minWorkers: 2 # one"]
    edit.apply()
    assert (tmp_path / "c.yaml").read_text() == edit.after


def test_windows_line_ends_stay(tmp_path: Path) -> None:
    edit = edited(tmp_path, TOML.format(archive='config_file = "c.yaml"'), "minWorkers: 1\r\nx: y\r\n")
    assert edit.after.startswith("minWorkers: 2\r\nx: y\r\nmaxWorkers: 2\r\n")


def test_toml_gets_a_table_behind_the_models_others(tmp_path: Path) -> None:
    edit = edited(tmp_path, TOML.format(archive=""))
    assert edit.after == (
        '# mine\n[models.m.archive]\nhandler = "h.py"  # by hand\n\n[models.m.serving]\ninitial_workers = 2\n'
        "batch_size = 8\nmax_batch_delay = 5\nthreads_per_worker = 1\n\n[deploy.x]\na = 1\n"
    )


def test_toml_keeps_what_its_table_says_besides(tmp_path: Path) -> None:
    serving = "\n[models.m.serving]\nbatch_size = 1  # for now\nresponse_timeout = 9\n"
    edit = edited(tmp_path, TOML.format(archive=serving), with_threads=False)
    assert (
        "batch_size = 8  # for now\nresponse_timeout = 9\ninitial_workers = 2\nmax_batch_delay = 5\n\n[deploy.x]"
        in edit.after
    )
    assert "threads" not in edit.after


@pytest.mark.parametrize(
    ("toml", "config"),
    [
        ('[models.m]\narchive = { handler = "h.py" }\nserving = { batch_size = 1 }\n', ""),
        (TOML.format(archive='config_file = "c.yaml"'), "{batchSize: 1}\n"),
        (TOML.format(archive='config_file = "c.yaml"'), "- a list\n"),
    ],
)
def test_what_is_not_written_in_lines_is_left_to_the_user(tmp_path: Path, toml: str, config: str) -> None:
    with pytest.raises(ConfigError, match="left to you") as caught:
        edited(tmp_path, toml, config)
    assert "8" in (caught.value.details or "")


def test_a_file_that_was_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    edit = edited(tmp_path, TOML.format(archive=""))
    (tmp_path / "mardock.toml").write_text("# other\n")
    with pytest.raises(ConfigError, match="was changed"):
        edit.apply()
