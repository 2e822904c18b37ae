"""`code`: packages beside the handler under their own name, and what may not stand side by side."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mardock.archive import manifest
from mardock.archive.spec import ArchiveSpec
from mardock.errors import ConfigError


def _write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def _names(spec: ArchiveSpec, root: Path) -> list[str]:
    return [source.name for source in spec.resolve(root)]


def _refusal(spec: ArchiveSpec, root: Path) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        spec.resolve(root)
    return refused.value


def _given(field: str, value: object) -> dict[str, Any]:
    return {field: value}


@pytest.fixture
def bare(spec: ArchiveSpec) -> ArchiveSpec:
    return replace(spec, model_file=None, serialized_file=None)


def test_a_package_keeps_its_name_its_folders_and_its_data(project: Path, bare: ArchiveSpec) -> None:
    _write(project, "src/mylib/__init__.py", "src/mylib/sub/model.py", "src/mylib/data/words.txt", "src/other/x.py")
    names = ["handler.py", "mylib/__init__.py", "mylib/data/words.txt", "mylib/sub/model.py"]
    assert _names(replace(bare, code=("src/mylib",)), project) == names
    assert _names(replace(bare, code=("./src/mylib/",)), project) == names


def test_a_namespace_and_a_module_of_one_file_are_packages_too(project: Path, bare: ArchiveSpec) -> None:
    _write(project, "src/acme/vision/model.py", "lib/words.py")
    spec = replace(bare, code=("src/acme", "lib/words.py"))
    assert _names(spec, project) == ["acme/vision/model.py", "handler.py", "words.py"]


def test_extra_files_still_unpacks_a_folder_into_the_root(project: Path, bare: ArchiveSpec) -> None:
    _write(project, "src/mylib/model.py")
    assert _names(replace(bare, extra_files=("src/mylib",)), project) == ["handler.py", "model.py"]
    assert _names(replace(bare, extra_files=("src",)), project) == ["handler.py", "mylib/model.py"]


@pytest.mark.parametrize("function", ["", ":run"])
def test_a_handler_of_a_package_is_served_as_its_part(project: Path, bare: ArchiveSpec, function: str) -> None:
    _write(project, "src/mylib/serve/handler.py", "src/mylib/model.py")
    spec = replace(bare, handler=f"src/mylib/serve/handler.py{function}", code=("src/mylib",))
    assert _names(spec, project) == ["mylib/model.py", "mylib/serve/handler.py"]
    assert json.loads(manifest.render(spec))["model"]["handler"] == f"mylib.serve.handler{function}"
    assert spec.python_sources(project)["mylib/serve/handler.py"] == "src/mylib/serve/handler.py"


def test_a_handler_beside_a_package_is_served_as_ever(project: Path, bare: ArchiveSpec) -> None:
    _write(project, "src/mylib/model.py")
    spec = replace(bare, code=("src/mylib",))
    assert json.loads(manifest.render(spec))["model"]["handler"] == "handler.py"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("src/io", "has the name of 'io' in Python's standard library"),
        ("src/code.py", "has the name of 'code' in Python's standard library"),
        ("src/ts", "has the name of 'ts', which TorchServe's workers import"),
        ("src/torch", "has the name of 'torch'"),
        ("src/my-lib", "has a name that Python cannot import"),
        ("src/class", "has a name that Python cannot import"),
        (".", "has a name that Python cannot import"),
        ("src/words.txt", "is neither a package's folder nor a .py"),
        ("src/gone", "does not exist"),
        ("..", "leads out of the project"),
    ],
)
def test_what_no_worker_could_import_is_refused(project: Path, bare: ArchiveSpec, entry: str, reason: str) -> None:
    _write(project, *(f"src/{name}/a.py" for name in ("io", "ts", "torch", "my-lib", "class")))
    _write(project, "src/code.py", "src/words.txt")
    refused = _refusal(replace(bare, code=(entry,)), project)
    assert reason in refused.message
    assert f"code: {os.path.normpath(entry)} " in refused.message
    assert refused.hint


@pytest.mark.parametrize("field", ["handler", "model_file"])
def test_a_handler_or_a_model_file_that_hides_a_module_is_refused(project: Path, bare: ArchiveSpec, field: str) -> None:
    _write(project, "code/types.py")
    refused = _refusal(replace(bare, **_given(field, "code/types.py")), project)
    assert f"{field}: types.py has the name of 'types'" in refused.message
    assert "rename it, or change [models.mnist.archive]" in (refused.hint or "")


@pytest.mark.parametrize(
    ("files", "code", "extra", "fault"),
    [
        (("a/util/x.py", "b/util/y.py"), ("a/util", "b/util"), (), "a/util and b/util are both 'util'"),
        (("a/handler/x.py",), ("a/handler",), (), "code/handler.py and a/handler/x.py would both be what Python"),
        (("a/util.py", "b/util/y.py"), ("a/util.py", "b/util"), (), "a/util.py and b/util/y.py would both"),
        (("e/mylib/x.py", "a/mylib/x.py"), ("a/mylib",), ("e",), "are both 'mylib/x.py'"),
        (("e/mylib", "a/mylib/x.py"), ("a/mylib",), ("e",), "e/mylib and a/mylib/x.py would both be 'mylib'"),
        (("e/handler/__init__.py",), (), ("e",), "would both be what Python imports as 'handler'"),
    ],
)
def test_two_things_of_one_name_are_refused(
    project: Path, bare: ArchiveSpec, files: tuple[str, ...], code: tuple[str, ...], extra: tuple[str, ...], fault: str
) -> None:
    _write(project, *files)
    refused = _refusal(replace(bare, code=code, extra_files=extra), project)
    assert fault in (refused.details or "")
    assert "[models.mnist.archive]" in (refused.hint or "")


def test_a_folder_of_data_beside_a_module_of_its_name_hides_nothing(project: Path, bare: ArchiveSpec) -> None:
    _write(project, "e/handler/words.txt")
    assert _names(replace(bare, extra_files=("e",)), project) == ["handler.py", "handler/words.txt"]


def test_what_is_ignored_is_told_with_its_pattern(project: Path, bare: ArchiveSpec) -> None:
    _write(project, "src/mylib/a.py", "src/mylib/a.py~", "src/mylib/__pycache__/a.pyc", "src/mylib/a.log", "named.txt~")
    (project / "src" / "mylib" / ".#a.py").symlink_to("somebody@somewhere.1234")
    (project / ".mardockignore").write_text("*.log\nnamed*\n")
    members, ignored = replace(bare, code=("src/mylib",), extra_files=("named.txt~",)).look(project)
    assert [member.name for member in members] == ["handler.py", "mylib/a.py", "named.txt~"]
    assert {one.path: one.reason for one in ignored} == {
        "src/mylib/.#a.py": "built in: .#*",
        "src/mylib/__pycache__/": "built in: __pycache__/",
        "src/mylib/a.log": ".mardockignore:1: *.log",
        "src/mylib/a.py~": "built in: *~",
    }


@pytest.mark.parametrize("field", ["code", "extra_files"])
def test_a_folder_that_is_named_is_never_left_out_in_silence(project: Path, bare: ArchiveSpec, field: str) -> None:
    _write(project, "build/mylib/a.py")
    (project / ".mardockignore").write_text("build/\n")
    refused = _refusal(replace(bare, **_given(field, ("build/mylib",))), project)
    assert f"{field}: there is nothing in build/mylib that is not ignored (.mardockignore:1: build/)" in refused.message


def test_a_glob_whose_matches_are_all_ignored_says_so(project: Path, bare: ArchiveSpec) -> None:
    _write(project, "e/a.txt~", "e/b.txt~")
    refused = _refusal(replace(bare, extra_files=("e/*",)), project)
    assert "extra_files: no file matches e/* that is not ignored (built in: *~)" in refused.message


def test_a_named_file_is_packed_whatever_is_ignored(project: Path, spec: ArchiveSpec) -> None:
    (project / ".mardockignore").write_text("*\n")
    assert _names(spec, project) == ["handler.py", "model.py", "weights.pt"]


def test_a_broken_ignore_file_is_told_and_stops_no_traceback(project: Path, bare: ArchiveSpec) -> None:
    (project / ".mardockignore").write_text("!\n")
    assert ".mardockignore:1" in _refusal(bare, project).message
    assert bare.python_sources(project) == {"handler.py": "code/handler.py"}
