"""What `mardock predict` refuses before a server is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.command import mardock
from tests.unit.cli.conftest import Run


@pytest.fixture
def samples(root: Path) -> Path:
    folder = root / "samples"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("arguments", "told", "hint"),
    [
        (["digits", "nowhere.png"], "there is no file nowhere.png", "check its path"),
        (["digits", "samples"], "there are no files in samples", "name a folder of samples"),
        (["digits"], "there are no files in ", "name a folder of samples"),
        (["cats"], "no file to send", "name one, or set sample under [models.cats]"),
        (["digit"], "mardock.toml lists no model 'digit'", "did you mean digits?"),
        (["horses"], "mardock.toml lists no model 'horses'", "mardock.toml lists: digits, cats"),
        ([], "which model?", "name one of: digits, cats"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_a_server_is_asked(
    arguments: list[str], told: str, hint: str, samples: Path, run: Run
) -> None:
    result = run("predict", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"error: {told}" in result.stderr
    assert result.stderr.endswith(f"hint: {hint}\n")


def test_without_a_server_there_is_nobody_to_ask(root: Path, samples: Path) -> None:
    (samples / "digit_7.png").write_bytes(b"png")
    done = mardock(root, "predict", "digits", "samples/digit_7.png")
    assert done.code == 3
    assert done.err == "error: TorchServe is not running for this project\nhint: mardock up\n"
