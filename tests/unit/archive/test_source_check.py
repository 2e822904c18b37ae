from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from mardock import extras
from mardock.archive import source_check
from mardock.errors import ArchiveError
from mardock.interpreter import Here, facts


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


def test_imports_are_found_among_the_members_and_in_this_python(tmp_path: Path) -> None:
    text = "import os, json.decoder\nimport helper\nfrom package.part import x\nfrom pytest import raises\n"
    source_check.check_imports([_parse(tmp_path, text)], ["helper.py", "package/part.py"], None, Here())


def test_an_import_nobody_can_find_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"code/handler\.py:2: no module named 'nowhere_at_all'"):
        source_check.check_imports([_parse(tmp_path, "import os\nimport nowhere_at_all.part\n")], [], None, Here())


def test_without_torch_here_the_mend_is_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "where", lambda module: None)
    with pytest.raises(ArchiveError) as refused:
        source_check.check_imports([_parse(tmp_path, "import torch\n")], [], None, Here())
    assert refused.value.hint == f"archive it where torch is: --engine docker, or {extras.how_to_add('native')}"


def test_a_relative_import_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"handler\.py:1: .*relative"):
        source_check.check_imports([_parse(tmp_path, "from .model import Net\n")], ["model.py"], None, Here())


def test_an_import_that_may_not_run_passes(tmp_path: Path) -> None:
    text = "try:\n    import nowhere\nexcept OSError: ...\nif 0:\n    import nowhere\ndef f():\n    import nowhere\n"
    source_check.check_imports([_parse(tmp_path, text)], [], None, Here())


@pytest.mark.parametrize(("line", "passes"), [("opencv-nowhere>=4  # cv", True), ("pytest", False), ("# none", False)])
def test_a_requirement_not_installed_here_may_bring_the_module(tmp_path: Path, line: str, passes: bool) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(line + "\n")
    source = _parse(tmp_path, "import nowhere_at_all\n")
    if passes:
        source_check.check_imports([source], [], requirements, Here())
    else:
        with pytest.raises(ArchiveError):
            source_check.check_imports([source], [], requirements, Here())
