"""`mardock init` writes the repository's own files, from a checkout and from the wheel alike."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mardock import extras
from mardock.errors import ConfigError
from mardock.settings import template
from mardock.settings.load import load

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[3]


def test_the_wheel_carries_what_init_writes() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    packed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert packed == {name: f"mardock/template/{name}" for name in template.TEMPLATE}


def test_a_new_project_holds_the_repositorys_own_bytes(tmp_path: Path) -> None:
    written = template.write_project(tmp_path / "new")
    for file in written:
        if not file.name.startswith("requirements"):
            assert (tmp_path / "new" / file).read_bytes() == (REPOSITORY / file).read_bytes()
    assert "mnist" in load(tmp_path / "new", {}).models


def test_a_new_project_installs_the_mardock_that_wrote_it(tmp_path: Path) -> None:
    template.write_project(tmp_path)
    native = (tmp_path / "requirements-native.txt").read_text(encoding="utf-8")
    assert " ".join(extras.requirement("native", "fast", "watch", "debug", "grpc", "sbom")) in native.splitlines()
    assert "-e ." not in (tmp_path / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-e", "/a b/mardock[x,y]"], '-e "/a b/mardock[x,y]"'),
        (["-e", "/a/mardock[x,y]"], "-e /a/mardock[x,y]"),
        (["/a b/mardock[x,y]"], "/a b/mardock[x,y]"),
        (["mardock[x,y]==1.0"], "mardock[x,y]==1.0"),
    ],
)
def test_pip_reads_what_a_new_project_requires(
    arguments: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "requirement", lambda *wanted: arguments)
    template.write_project(tmp_path)
    assert (tmp_path / "requirements.txt").read_text(encoding="utf-8").splitlines()[-1] == line


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("mine\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="already holds 1 of the files") as caught:
        template.write_project(tmp_path)
    assert caught.value.details == "Makefile"
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


def test_writing_again_over_the_same_files_is_no_error(tmp_path: Path) -> None:
    assert template.write_project(tmp_path) == template.write_project(tmp_path)


def test_no_private_file_is_written(tmp_path: Path) -> None:
    written = template.write_project(tmp_path)
    assert not [
        file for file in written if file.name == ".env" or ".git/" in str(file) or file.suffix in (".mar", ".pt")
    ]
