"""The models to start from: settings that load, code TorchServe takes, names that do not clash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mardock.archive.build import check_code
from mardock.errors import ConfigError
from mardock.settings import starters
from mardock.settings.load import load
from mardock.settings.project import Project
from mardock.settings.schema import ModelSettings
from mardock.settings.starters import KINDS, starter
from mardock.tasks import samples


def written(root: Path, *models: tuple[str, str]) -> Project:
    """Write models, each a kind and a name, into a new project, with empty files for what training writes."""
    made = [starter(kind, name) for kind, name in models]
    for one in made:
        for path, content in one.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
    (root / "mardock.toml").write_text("\n".join(one.table for one in made), encoding="utf-8")
    for settings in load(root, {}).models.values():
        assert settings.train is not None
        for output in settings.train.outputs:
            (root / output).parent.mkdir(parents=True, exist_ok=True)
            (root / output).touch()
    return Project(root)


def members(root: Path, settings: ModelSettings) -> list[str]:
    return [source.name for source in settings.archive.resolve(root)]


@pytest.mark.parametrize("name", ["mine", "my-model", "v1.2", "0"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_tables_load_and_every_file_they_name_is_written(kind: str, name: str, tmp_path: Path) -> None:
    project = written(tmp_path, (kind, name))
    settings = project.settings.models[name]
    assert settings.train is not None
    assert all((tmp_path / path).is_file() for path in settings.train.inputs)
    assert settings.train.command[1] in settings.train.inputs
    assert [file.name.partition(".")[0] for file in samples.to_send(project, name, [])] == ["sample"]
    assert {"handler.py", *(["requirements.txt"] if settings.archive.requirements_file else [])} <= set(
        members(tmp_path, settings)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_torchserve_finds_one_class_in_the_handler_and_in_the_network(kind: str, tmp_path: Path) -> None:
    settings = written(tmp_path, (kind, "mine")).settings.models["mine"]
    assert check_code(settings.archive, settings.archive.resolve(tmp_path), tmp_path)


def test_the_archive_holds_what_the_handler_reads_beside_the_weights(tmp_path: Path) -> None:
    project = written(tmp_path, *((kind, kind) for kind in KINDS))
    found = {name: members(tmp_path, settings) for name, settings in project.settings.models.items()}
    for kind in ("text", "image", "detection"):
        assert found[kind] == sorted(["handler.py", "index_to_name.json", "model.py", f"{kind}.pt"])
    assert found["tabular"] == ["columns.json", "handler.py", "model.py", "tabular.pt"]
    for kind in ("huggingface", "generative"):
        assert found[kind] == ["config.json", "handler.py", "model.safetensors", "requirements.txt"]


def test_all_that_a_person_reads_lies_in_the_models_folder() -> None:
    for kind in KINDS:
        assert {str(Path(path).parent) for path in starter(kind, "mine").files} == {"torchserve/mine"}


def test_two_of_a_kind_do_not_share_a_file() -> None:
    first, second = starter("text", "one").files, starter("text", "two").files
    assert not first.keys() & second.keys()
    assert list(first.values()) == list(second.values())


def test_no_two_tests_have_the_same_name_for_pytest_would_refuse_them() -> None:
    names = ["one", "two", "v1.2", "my-model"]
    tests = [Path(path).stem for name in names for path in starter("text", name).files if "/test_" in path]
    assert tests == ["test_one", "test_two", "test_v1_2", "test_my_model"]
    assert all(test.isidentifier() for test in tests)


def test_what_is_written_is_small_enough_to_be_read_and_shipped() -> None:
    for kind in KINDS:
        files = starter(kind, "mine").files
        assert max(map(len, files.values())) < 8_000
        assert all(json.loads(content) for path, content in files.items() if path.endswith(".json"))


def test_every_folder_of_files_is_of_a_kind() -> None:
    folders = {path.name for path in starters._FILES.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {*KINDS, starters._EVERY_KIND}


@pytest.mark.parametrize(
    ("kind", "hint"), [("txt", "did you mean text?"), ("hugging-face", "did you mean huggingface?"), ("", "choose one")]
)
def test_a_kind_that_does_not_exist_is_told_with_those_that_do(kind: str, hint: str) -> None:
    with pytest.raises(ConfigError, match="no handler of the kind") as caught:
        starter(kind, "mine")
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["", "../mine", "my model", "tokens"])
def test_a_name_no_model_may_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        starter("text", name)
