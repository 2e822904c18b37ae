"""The folder a debug worker serves from, and the modules it finds there."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mardock import extras
from mardock.archive.read import read
from mardock.archive.spec import ArchiveSpec
from mardock.debugging import model_dir
from mardock.debugging.model_dir import PATIENCE_S, Plan
from mardock.debugging.worker import SETTINGS, Sources
from mardock.errors import ArchiveError, ConfigError, EngineNotFoundError

SPEC = ArchiveSpec(
    model_name="greeter",
    handler="served/debug_me.py:answer",
    serialized_file="weights.pt",
    extra_files=("package",),
    config_file="model-config.yaml",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "project/served/debug_me.py": "def where():\n    return __file__\n",
        "project/package/debug_inner/part.py": "def where():\n    return __file__\n",
        "project/package/debug_inner/__init__.py": "",
        "project/weights.pt": "weights",
        "project/model-config.yaml": "minWorkers: 4\nmaxWorkers: 4\nresponseTimeout: 30\nown: {key: 1}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "project"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


@pytest.fixture
def imported() -> Iterator[None]:
    """Undo what a test imports and where it looks for it."""
    before, finders, path = set(sys.modules), list(sys.meta_path), list(sys.path)
    yield
    sys.meta_path[:], sys.path[:] = finders, path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def plan(spec: ArchiveSpec = SPEC, *, seen: Path | None = None) -> Plan:
    return Plan(spec, "1.0-debug", wait=False, root=seen)


def test_it_is_a_model_of_its_own_version_with_the_files_as_they_are_now(root: Path, folder: Path) -> None:
    model_dir.lay_out(plan(), root, folder)
    assert (read(folder).name, read(folder).version) == ("greeter", "1.0-debug")
    assert (folder / "weights.pt").read_bytes() == (root / "weights.pt").read_bytes()
    assert not (folder / "debug_me.py").samefile(root / "served" / "debug_me.py")
    assert (folder / "debugpy" / "__init__.py").is_file()
    assert plan().handler == "mardock_debug.py:answer"


def test_a_model_config_loses_what_would_end_a_pause_or_bring_more_workers(root: Path, folder: Path) -> None:
    model_dir.lay_out(plan(), root, folder)
    config = yaml.safe_load((folder / "model-config.yaml").read_text())
    assert config == {"own": {"key": 1}, "responseTimeout": PATIENCE_S, "startupTimeout": PATIENCE_S}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.usefixtures("imported")
def test_code_has_the_projects_path_and_modules_their_own(root: Path, folder: Path, mirrored: bool) -> None:
    model_dir.lay_out(plan(seen=None if mirrored else root), root, folder)
    sys.path.insert(0, str(folder))
    sys.meta_path.insert(0, Sources(folder, json.loads((folder / SETTINGS).read_text())["sources"]))
    base = folder / "sources" if mirrored else root
    for name, source in (("debug_me", "served/debug_me.py"), ("debug_inner.part", "package/debug_inner/part.py")):
        module = importlib.import_module(name)
        assert module.where.__code__.co_filename == str(base / source)
        assert Path(base / source).is_file()
        assert Path(module.where()).parent in (folder, folder / "debug_inner")


@pytest.mark.usefixtures("imported")
def test_a_handler_of_a_package_is_imported_as_its_part_and_has_the_projects_path(root: Path, folder: Path) -> None:
    (root / "served" / "debug_me.py").write_text("from .words import word\ndef where():\n    return word\n")
    (root / "served" / "words.py").write_text("word = 1\n")
    (root / "served" / "template.py").write_text("this is {{ no }} Python\n")
    packaged = dataclasses.replace(SPEC, code=("served",))
    model_dir.lay_out(plan(packaged, seen=root), root, folder)
    settings = json.loads((folder / SETTINGS).read_text())
    sys.path.insert(0, str(folder))
    sys.meta_path.insert(0, Sources(folder, settings["sources"]))
    module = importlib.import_module(settings["handler"])
    assert module.__name__ == "served.debug_me"
    assert module.where() == 1
    assert module.where.__code__.co_filename == str(root / "served" / "debug_me.py")


def test_one_of_torchserves_own_handlers_is_named_in_full(root: Path, folder: Path) -> None:
    model_dir.lay_out(plan(ArchiveSpec("greeter", "image_classifier", serialized_file="weights.pt")), root, folder)
    assert json.loads((folder / SETTINGS).read_text())["handler"] == "ts.torch_handler.image_classifier"


def test_a_syntax_error_is_told_with_its_line(root: Path, folder: Path) -> None:
    (root / "package" / "debug_inner" / "part.py").write_text("x = 1\ndef (:\n")
    with pytest.raises(ArchiveError, match=r"package/debug_inner/part\.py:2"):
        model_dir.lay_out(plan(), root, folder)


def test_missing_files_are_told_before_anything_is_written(root: Path, folder: Path) -> None:
    (root / "weights.pt").unlink()
    with pytest.raises(ConfigError, match=r"weights\.pt does not exist"):
        model_dir.lay_out(plan(), root, folder)
    assert list(folder.iterdir()) == []


def test_without_debugpy_the_hint_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "debugpy", None)  # Python's own way to say that it cannot be imported
    with pytest.raises(EngineNotFoundError) as missing:
        model_dir.debugpy_folder()
    assert missing.value.hint == extras.how_to_add("debug")


@pytest.mark.parametrize("mirrored", [False, True])
def test_code_beside_the_project_is_served_and_written_nowhere_else(root: Path, folder: Path, mirrored: bool) -> None:
    (root.parent / "shared").mkdir()
    (root / "served" / "debug_me.py").replace(root.parent / "shared" / "debug_me.py")
    spec = dataclasses.replace(SPEC, handler="../shared/debug_me.py", allow_outside=True)
    before = {path for path in root.parent.rglob("*") if folder not in path.parents}
    model_dir.lay_out(plan(spec, seen=None if mirrored else root), root, folder)
    assert {path for path in root.parent.rglob("*") if folder not in path.parents} == before
    assert (folder / "debug_me.py").is_file()
    sources = json.loads((folder / SETTINGS).read_text())["sources"]
    assert sources.get("debug_me.py") == (None if mirrored else str(root.parent / "shared" / "debug_me.py"))
