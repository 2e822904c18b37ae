from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from mardock.archive import source_check
from mardock.errors import ArchiveError


def _parse(tmp_path: Path, text: str, name: str = "handler.py") -> source_check.Source:
    (tmp_path / name).write_text(text)
    return source_check.parse(tmp_path / name, f"code/{name}")


def test_a_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"code/handler\.py:2: "):
        _parse(tmp_path, "import os\ndef handle(:\n")


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("def handle(data, context): ...", None),
        ("if True:\n    def handle(data, context): ...\nclass A: ...\nclass B: ...", None),
        ("from lib import handle", None),
        ("from lib import *", None),
        ("handle = make()", None),
        ("def run(data, context): ...", "run"),
        ("class H(BaseHandler): ...", None),
        ("class H:\n    def initialize(self, c): ...\n    def handle(self, d, c): ...", None),
        ("try:\n    import x\nexcept ImportError:\n    x = None\nclass H(ABC): ...", None),
        ("class H(Base):\n    class Inner: ...", None),
    ],
)
def test_an_entry_point_torchserve_finds_passes(tmp_path: Path, text: str, function: Optional[str]) -> None:
    source_check.check_handler(_parse(tmp_path, text), function)


@pytest.mark.parametrize(
    ("text", "function", "message"),
    [
        ("x = 1", None, "defines no class"),
        ("class A(B): ...\nclass C(B): ...", None, r"2 classes.*A \(line 1\), C \(line 2\)"),
        ("class A:\n    def initialize(self, c): ...", None, r"handler\.py:1: class A has no method 'handle'"),
        ("class A(object):\n    def handle(self, d, c): ...", None, "no method 'initialize'"),
        ("def handle(d, c): ...", "run", "no function 'run'"),
    ],
)
def test_a_handler_torchserve_cannot_enter_is_refused(
    tmp_path: Path, text: str, function: Optional[str], message: str
) -> None:
    with pytest.raises(ArchiveError, match=message):
        source_check.check_handler(_parse(tmp_path, text), function)


def test_a_file_name_torchserve_cannot_import_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"second '\.'"):
        source_check.check_handler(_parse(tmp_path, "def handle(d, c): ...", "my.handler.py"), None)


def test_a_model_file_has_exactly_one_class(tmp_path: Path) -> None:
    source_check.check_model_file(_parse(tmp_path, "class Net: ..."))
    with pytest.raises(ArchiveError, match="2 classes"):
        source_check.check_model_file(_parse(tmp_path, "class Block: ...\nclass Net: ..."))
