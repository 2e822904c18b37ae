"""Times on the command line: one way to write them for every option."""

from __future__ import annotations

from typing import Any

import pytest
from scripts import reference
from typer.main import get_command

from mardock.cli import durations
from mardock.cli.app import app
from mardock.errors import ConfigError

OPTIONS = [
    (name, option)
    for name, command in reference.commands(get_command(app), "")
    for option in command.params
    if "TIME" in (option.metavar or "") or option.name in ("timeout", "duration", "warmup", "drain", "budget", "p99")
]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10), ("10s", 10), ("0.5", 0.5), (".5 s", 0.5), ("50ms", 0.05), ("2m", 120), ("2MIN", 120), ("1h", 3600)],
)
def test_a_time_is_read_with_and_without_a_unit(text: str, seconds: float) -> None:
    assert durations.option("--for", help="").parser(text) == pytest.approx(seconds)


def test_a_number_alone_may_be_milliseconds() -> None:
    read = durations.option("--p99", help="", unit="ms").parser
    assert (read("50"), read("50ms"), read("1s")) == (0.05, 0.05, 1)


@pytest.mark.parametrize("text", ["", "s", "1d", "-1", "1e3", "1,5", "\u0661s", "nan", "inf", "9" * 400, "1s 2"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        durations.option("--for", help="").parser(text)
    assert "--for" in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=lambda value: getattr(value, "name", value))
def test_every_option_that_takes_a_time_takes_it_so(command: str, option: Any) -> None:
    if option.is_flag:  # deploy destroy --drain
        return
    assert option.metavar == "TIME"
    assert option.type.convert("2m", None, None) == 120
