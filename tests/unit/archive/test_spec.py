from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mardock import place
from mardock.archive.spec import ArchiveSpec
from mardock.errors import ConfigError


def _names(spec: ArchiveSpec, root: Path) -> list[str]:
    return [source.name for source in spec.resolve(root)]


def _faults(spec: ArchiveSpec, root: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        spec.resolve(root)
    assert caught.value.hint
    return caught.value.details or ""


def test_every_file_becomes_a_member_of_the_root(project: Path, spec: ArchiveSpec) -> None:
    assert _names(spec, project) == ["handler.py", "model.py", "weights.pt"]


def test_all_missing_files_are_named_at_once(project: Path) -> None:
    spec = ArchiveSpec(
        "mnist", "gone.py", model_file="lost.py", serialized_file="none.pt", extra_files=("x.json", "*.y")
    )
    faults = _faults(spec, project)
    for name in ("gone.py", "lost.py", "none.pt", "x.json", "*.y"):
        assert name in faults


def test_a_mistyped_default_handler_gets_the_list(project: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        ArchiveSpec("mnist", "image_clasifier").resolve(project)
    assert "image_classifier" in (caught.value.hint or "")


def test_a_default_handler_is_no_file(project: Path) -> None:
    spec = ArchiveSpec("mnist", "image_classifier", serialized_file="weights.pt")
    assert spec.handler_file is None
    assert _names(spec, project) == ["weights.pt"]


@pytest.mark.parametrize("handler", ["code/handler.py:run", "code/handler:run"])
def test_a_handler_may_name_its_function(handler: str) -> None:
    spec = ArchiveSpec("mnist", handler)
    assert (spec.handler_file, spec.handler_function) == ("code/handler.py", "run")


def test_a_folder_is_emptied_into_the_root_without_caches_and_hidden_folders(project: Path, spec: ArchiveSpec) -> None:
    for name in ("extra/a.json", "extra/sub/b.py", "extra/__pycache__/c.pyc", "extra/sub/.git/d", "extra/.env-like"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    names = _names(replace(spec, extra_files=("extra",)), project)
    assert names == [".env-like", "a.json", "handler.py", "model.py", "sub/b.py", "weights.pt"]


def test_a_glob_takes_files_and_folders_but_nothing_hidden(project: Path, spec: ArchiveSpec) -> None:
    for name in ("extra/a.json", "extra/.b.json", "extra/sub/c.json", "x[1].json"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    names = _names(replace(spec, extra_files=("extra/*", "x[1].json")), project)
    assert names == ["a.json", "c.json", "handler.py", "model.py", "weights.pt", "x[1].json"]


def test_a_symlink_inside_the_project_is_followed(project: Path, spec: ArchiveSpec) -> None:
    (project / "link.pt").symlink_to("weights.pt")
    sources = {source.name: source.path for source in replace(spec, serialized_file="link.pt").resolve(project)}
    assert sources["link.pt"] == (project / "weights.pt").resolve()


def test_links_out_of_the_project_loops_and_special_files_are_refused(project: Path, spec: ArchiveSpec) -> None:
    extra = project / "extra"
    extra.mkdir()
    (project.parent / "secret").write_text("s")
    (extra / "outside").symlink_to(project.parent / "secret")
    (extra / "loop").symlink_to("loop")
    (extra / "parent").symlink_to("../extra")
    os.mkfifo(extra / "fifo")
    faults = _faults(replace(spec, extra_files=("extra", "../secret", "/dev/null")), project)
    for reason in (
        "extra/outside leads out of the project",
        "extra/loop is a symlink loop",
        "extra/parent is a symlink to a folder it lies in",
        "extra/fifo is neither a file nor a directory",
        "../secret leads out of the project",
        "/dev/null leads out of the project",
    ):
        assert reason in faults


def test_two_files_of_one_name_are_refused_and_one_file_twice_is_not(project: Path, spec: ArchiveSpec) -> None:
    assert len(_names(replace(spec, extra_files=("weights.pt",)), project)) == 3
    (project / "other").mkdir()
    (project / "other" / "weights.pt").touch()
    assert "are both 'weights.pt'" in _faults(replace(spec, extra_files=("other",)), project)


def test_nobody_else_writes_the_manifest(project: Path, spec: ArchiveSpec) -> None:
    (project / "extra" / "MAR-INF").mkdir(parents=True)
    (project / "extra" / "MAR-INF" / "MANIFEST.json").touch()
    assert "belongs to the archive itself" in _faults(replace(spec, extra_files=("extra",)), project)


@pytest.mark.parametrize("change", [{"model_name": "../x"}, {"version": "all"}, {"runtime": "LSP"}])
def test_bad_words_are_refused(project: Path, spec: ArchiveSpec, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(spec, **change).resolve(project)


def test_tracebacks_know_every_python_member_also_beside_missing_files(project: Path, spec: ArchiveSpec) -> None:
    (project / "text" / "words").mkdir(parents=True)
    for name in ("clean.py", "words/stop.py", "list.json"):
        (project / "text" / name).touch()
    (project / "glob_one.py").touch()
    asked = replace(spec, extra_files=("text", "glob_*.py"), serialized_file="gone.pt")
    assert asked.python_sources(project) == {
        "handler.py": "code/handler.py",
        "model.py": "code/model.py",
        "clean.py": "text/clean.py",
        "words/stop.py": "text/words/stop.py",
        "glob_one.py": "glob_one.py",
    }


def _with_neighbour(project: Path, spec: ArchiveSpec) -> ArchiveSpec:
    """Let the handler be that of a folder beside the project."""
    shared = project.parent / "shared"
    shared.mkdir()
    (project / "code" / "handler.py").replace(shared / "handler.py")
    return replace(spec, handler="../shared/handler.py")


def test_code_may_lie_in_the_repository_around_the_project(project: Path, spec: ArchiveSpec) -> None:
    asked = _with_neighbour(project, spec)
    assert "../shared/handler.py leads out of the project" in _faults(asked, project)
    (project.parent / ".git").write_text("gitdir: elsewhere\n")  # as in a worktree
    assert _names(asked, project) == ["handler.py", "model.py", "weights.pt"]
    assert asked.python_sources(project)["handler.py"] == "../shared/handler.py"


def test_what_lies_beyond_takes_the_word_of_the_settings(project: Path, spec: ArchiveSpec) -> None:
    asked = _with_neighbour(project, spec)
    with pytest.raises(ConfigError) as refused:
        asked.resolve(project)
    assert "set allow_outside = true under [models.mnist.archive]" in (refused.value.hint or "")
    assert _names(replace(asked, allow_outside=True), project) == ["handler.py", "model.py", "weights.pt"]


@pytest.mark.parametrize("way", ["path", "link", "links"])
def test_weights_may_lie_anywhere(project: Path, spec: ArchiveSpec, tmp_path: Path, way: str) -> None:
    cache = tmp_path / "cache"
    (cache / "blobs").mkdir(parents=True)
    (project / "weights.pt").replace(cache / "blobs" / "0123.pt")
    (cache / "weights.pt").symlink_to("blobs/0123.pt")
    where = {"path": str(cache / "blobs" / "0123.pt"), "link": "linked.pt", "links": "weights.pt"}[way]
    if way != "path":
        (project / where).symlink_to(cache / ("blobs/0123.pt" if way == "link" else "weights.pt"))
    sources = {source.name: source.path for source in replace(spec, serialized_file=where).resolve(project)}
    assert sources[Path(where).name] == (cache / "blobs" / "0123.pt").resolve()


def test_a_hubs_snapshot_whose_links_lead_into_its_blobs_may_be_named(project: Path, spec: ArchiveSpec) -> None:
    snapshot, blobs = project.parent / "hub" / "snapshot", project.parent / "hub" / "blobs"
    for folder in (snapshot, blobs):
        folder.mkdir(parents=True)
    (blobs / "0123").touch()
    (snapshot / "config.json").symlink_to("../blobs/0123")
    asked = replace(spec, extra_files=(str(snapshot),), allow_outside=True)
    assert "config.json" in _names(asked, project)


def test_only_what_lies_in_the_projects_folder_is_seen_by_the_dev_container(
    project: Path, spec: ArchiveSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "linked.pt").symlink_to("/nowhere/weights.pt")
    beside = replace(_with_neighbour(project, spec), allow_outside=True)
    linked = replace(spec, handler="image_classifier", serialized_file="linked.pt")
    assert beside.beyond(project) == (project.parent / "shared" / "handler.py",)
    assert linked.beyond(project) == (Path("/nowhere/weights.pt"),)
    assert spec.beyond(project) == ()
    monkeypatch.setenv(place.VARIABLE, "dev")
    for asked, path in ((linked, "linked.pt"), (beside, "../shared/handler.py")):
        with pytest.raises(ConfigError, match=f"{path} leads to /.* which is all that the dev container") as refused:
            asked.resolve(project)
        assert "outside of the container, mardock archive mnist" in (refused.value.hint or "")


def test_what_is_mounted_into_the_dev_container_is_taken(
    project: Path, spec: ArchiveSpec, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path_factory.mktemp("disk")
    (project / "weights.pt").replace(disk / "weights.pt")
    (project / "weights.pt").symlink_to(disk / "weights.pt")
    monkeypatch.setenv(place.VARIABLE, "dev")
    assert "weights.pt" in _names(spec, project)
