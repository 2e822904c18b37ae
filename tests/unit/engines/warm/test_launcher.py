"""What the serve container's launcher tells TorchServe."""

from __future__ import annotations

import argparse
import sys
from types import ModuleType

import pytest

from mardock.engines.warm.launcher import understood

ASKED = ["--disable-token-auth", "--start", "--foreground", "--enable-model-api", "--model-store", "/store"]


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (["--start", "--disable-token-auth", "--enable-model-api"], ASKED),
        (["--start"], ["--start", "--foreground", "--model-store", "/store"]),
    ],
)
def test_options_it_is_too_old_for_are_left_out(
    monkeypatch: pytest.MonkeyPatch, known: list[str], told: list[str]
) -> None:
    parser = argparse.ArgumentParser()
    for option in known:
        parser.add_argument(option, action="store_true")
    module = ModuleType("ts.arg_parser")
    module.ArgParser = type("ArgParser", (), {"ts_parser": staticmethod(lambda: parser)})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ts", ModuleType("ts"))
    monkeypatch.setitem(sys.modules, "ts.arg_parser", module)
    assert understood(ASKED) == told
