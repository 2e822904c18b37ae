"""Imports that fail when a worker loads a model, and the line of mardock.toml that mends each."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Optional

import pytest

from mardock import extras
from mardock.archive import import_check, loaded_code
from mardock.archive.import_check import Finding
from mardock.archive.spec import ArchiveSpec
from mardock.errors import ArchiveError
from mardock.interpreter import Here, facts

SPEC = ArchiveSpec("dog", "code/handler.py")
HANDLE = "def handle(data, context): ...\n"


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _check(
    root: Path,
    text: str,
    members: Collection[str] = (),
    requirements: Optional[Path] = None,
    spec: ArchiveSpec = SPEC,
) -> list[Finding]:
    assert spec.handler_file is not None
    handler = root / spec.handler_file
    handler.parent.mkdir(parents=True, exist_ok=True)
    handler.write_text(text + HANDLE)
    assert spec.handler_member is not None
    read = loaded_code.read(spec, {spec.handler_member: handler}, {spec.handler_member: spec.handler_file})
    return import_check.check(spec, read, [*members, spec.handler_member], root, Here(), requirements)


def _resolved(root: Path, spec: ArchiveSpec) -> list[Finding]:
    sources = {source.name: source.path for source in spec.resolve(root)}
    read = loaded_code.read(spec, sources, spec.python_sources(root))
    return import_check.check(spec, read, sources, root, Here())


def _refusal(root: Path, text: str, members: Collection[str] = (), spec: ArchiveSpec = SPEC) -> ArchiveError:
    with pytest.raises(ArchiveError) as refused:
        _check(root, text, members, spec=spec)
    return refused.value


def test_imports_are_found_among_the_members_and_in_this_python(tmp_path: Path) -> None:
    text = "import os, json.decoder\nimport helper\nfrom package.part import x\nfrom pytest import raises\n"
    assert _check(tmp_path, text, ["helper.py", "package/part.py"]) == []


def test_an_import_nobody_can_find_is_refused_with_its_line(tmp_path: Path) -> None:
    refused = _refusal(tmp_path, "import os\nimport nowhere_at_all.part\n")
    assert refused.message == "code/handler.py:2: no module named 'nowhere_at_all'"
    assert 'code = ["path/to/nowhere_at_all"] in [models.dog.archive]' in (refused.hint or "")
    assert refused.details is None, "one fault is told once"
    several = _refusal(tmp_path, "import nowhere_at_all\nimport nor_here\n")
    assert str(several.details).count("no module named") == 2


def test_data_of_a_module_s_name_is_not_the_module(tmp_path: Path) -> None:
    assert "no module named 'nowhere'" in _refusal(tmp_path, "import nowhere\n", ["nowhere.json"]).message


def test_without_torch_here_the_mend_is_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "where", lambda module: None)
    refused = _refusal(tmp_path, "import torch\n")
    assert refused.hint == f"archive it where torch is: --engine docker, or {extras.how_to_add('native')}"


def test_an_import_that_may_not_run_passes(tmp_path: Path) -> None:
    text = "try:\n    import nowhere\nexcept OSError: ...\nif 0:\n    import nowhere\ndef f():\n    import nowhere\n"
    assert _check(tmp_path, text) == []


@pytest.mark.parametrize(("line", "passes"), [("opencv-nowhere>=4  # cv", True), ("pytest", False), ("# none", False)])
def test_a_requirement_not_installed_here_may_bring_the_module(tmp_path: Path, line: str, passes: bool) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(line + "\n")
    if passes:
        assert _check(tmp_path, "import nowhere_at_all\n", requirements=requirements) == []
    else:
        with pytest.raises(ArchiveError):
            _check(tmp_path, "import nowhere_at_all\n", requirements=requirements)


@pytest.mark.parametrize(
    ("file", "entry"),
    [
        ("src/ours/model.py", "src/ours"),
        ("ours/model.py", "ours"),
        ("code/ours/deep/model.py", "code/ours"),
        ("code/ours.py", "code/ours.py"),
        ("src/ours.py", "src/ours.py"),
    ],
)
def test_a_package_of_the_project_is_named_by_its_line(tmp_path: Path, file: str, entry: str) -> None:
    _write(tmp_path, {file: ""})
    refused = _refusal(tmp_path, "from ours.model import Net\n")
    assert refused.message == "code/handler.py:1: no module named 'ours'"
    assert refused.hint == f'code = ["{entry}"] in [models.dog.archive] of mardock.toml'


def test_what_code_names_stays_but_for_the_folder_around(tmp_path: Path) -> None:
    _write(tmp_path, {"src/ours/model.py": "", "lib/other.py": ""})
    spec = dataclasses.replace(SPEC, code=("src", "lib/other.py"))
    hint = _refusal(tmp_path, "import ours\n", ["src/ours/model.py", "other.py"], spec).hint
    assert hint == 'code = ["lib/other.py", "src/ours"] in [models.dog.archive] of mardock.toml'


def test_a_hint_s_line_is_what_mends_it(tmp_path: Path) -> None:
    _write(tmp_path, {"src/ours/model.py": "import json\n", "code/handler.py": "from ours.model import Net\n" + HANDLE})
    assert _resolved(tmp_path, dataclasses.replace(SPEC, code=("src/ours",))) == []


def test_a_relative_import_of_a_handler_is_mended_by_its_package(tmp_path: Path) -> None:
    _write(tmp_path, {"src/ours/__init__.py": "", "src/ours/model.py": "", "src/ours/serve/__init__.py": ""})
    spec = dataclasses.replace(SPEC, handler="src/ours/serve/handler.py")
    refused = _refusal(tmp_path, "from ..model import Net\n", ["model.py"], spec)
    assert "handler.py:1: TorchServe loads this file as no part of a package: relative imports" in refused.message
    line, _, rest = (refused.hint or "").partition(":")
    assert line == 'code = ["src/ours"] in [models.dog.archive] of mardock.toml'
    assert "ours.serve.handler" in rest
    assert _resolved(tmp_path, dataclasses.replace(spec, code=("src/ours",))) == []


def test_a_relative_import_no_requirement_mends(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("opencv-nowhere\n")
    with pytest.raises(ArchiveError, match="relative imports"):
        _check(tmp_path, "from .model import Net\n", ["model.py"], tmp_path / "requirements.txt")


def test_a_model_file_cannot_be_a_part_of_its_package_and_is_told_to_use_whole_names(tmp_path: Path) -> None:
    model = "from .layers import x\nclass N: ...\n"
    _write(tmp_path, {"src/ours/__init__.py": "", "src/ours/layers.py": "", "src/ours/model.py": model})
    _write(tmp_path, {"code/handler.py": HANDLE})
    spec = dataclasses.replace(SPEC, model_file="src/ours/model.py", code=("src/ours",))
    with pytest.raises(ArchiveError, match=r"src/ours/model\.py:1: .*relative") as refused:
        _resolved(tmp_path, spec)
    assert refused.value.hint == (
        'write `from ours.layers import …`, and code = ["src/ours"] in [models.dog.archive] of mardock.toml'
    )


def test_a_handler_in_a_folder_no_package_can_be_is_told_to_use_whole_names(tmp_path: Path) -> None:
    _write(tmp_path, {"my-dog/model.py": ""})
    spec = dataclasses.replace(SPEC, handler="my-dog/handler.py")
    assert _refusal(tmp_path, "from .model import Net\n", spec=spec).hint == (
        'write `from model import …`, and code = ["my-dog/model.py"] in [models.dog.archive] of mardock.toml'
    )


def test_what_a_package_lacks_is_told_and_a_namespace_may_be_elsewhere(tmp_path: Path) -> None:
    text = "from ours.layers.conv import Conv\n"
    refused = _refusal(tmp_path, text, ["ours/__init__.py", "ours/model.py"])
    assert refused.message == "code/handler.py:1: no module named 'ours.layers' in the archive"
    assert "mardock archive dog --dry-run" in (refused.hint or "")
    assert _check(tmp_path, text, ["ours/model.py"]) == []
    assert _check(tmp_path, text, ["ours/__init__.py", "ours/layers/conv.cpython-311-x86_64-linux-gnu.so"]) == []


def test_imports_of_what_is_imported_are_looked_at_too(tmp_path: Path) -> None:
    files = {
        "src/ours/__init__.py": "from . import a\n",
        "src/ours/a.py": "from .b import x\n",
        "src/ours/b.py": "import os\nimport nowhere_at_all\n",
        "src/ours/never.py": "import other_that_is_nowhere\nthis is no Python",
        "code/handler.py": "import ours\n" + HANDLE,
    }
    _write(tmp_path, files)
    with pytest.raises(ArchiveError, match=r"src/ours/b\.py:2: no module named 'nowhere_at_all'") as refused:
        _resolved(tmp_path, dataclasses.replace(SPEC, code=("src/ours",)))
    assert refused.value.details is None, "other_that_is_nowhere is never imported"


def test_a_syntax_error_in_an_imported_module_names_the_user_s_file(tmp_path: Path) -> None:
    _write(tmp_path, {"src/ours/a.py": "def f(:\n", "code/handler.py": "from ours import a\n" + HANDLE})
    with pytest.raises(ArchiveError, match=r"src/ours/a\.py:1: "):
        _resolved(tmp_path, dataclasses.replace(SPEC, code=("src/ours",)))


def test_a_package_that_is_found_where_no_pip_put_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, {"src/ours_alone/__init__.py": "", "src/ours_alone/model.py": ""})
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "src")])  # what an editable install does
    (found,) = _check(tmp_path, "import os, torch, pytest\nfrom ours_alone.model import Net\nimport ours_alone\n")
    assert found.text == "code/handler.py:2: ours_alone is found in src/ours_alone, on this machine alone"
    assert 'code = ["src/ours_alone"] in [models.dog.archive]' in found.hint
    assert _check(tmp_path, "import ours_alone\n", ["ours_alone/__init__.py"]) == []


def test_a_package_installed_editable_from_elsewhere_has_another_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    _write(elsewhere, {"ours_elsewhere.py": ""})
    monkeypatch.setattr(sys, "path", [*sys.path, str(elsewhere)])
    (found,) = _check(tmp_path / "project", "import ours_elsewhere\n")
    assert str(elsewhere.resolve()) in found.text
    assert "requirements_file" in found.hint
