"""`make release`: what it builds installs by name into an empty environment, and serves from a project made there."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.contract.projects import PORTS, REPOSITORY
from tests.support.command import environment
from tests.support.ports import free_ports

import mardock

pytestmark = pytest.mark.slow
PYTHON = sys.executable


@pytest.fixture(scope="module")
def released() -> tuple[str, Message]:
    """Return what the release printed, and the wheel's metadata."""
    ports = {f"MARDOCK_{name}": str(port) for name, port in zip(PORTS, free_ports(len(PORTS)))}
    variables = {key: value for key, value in environment().items() if key != "VIRTUAL_ENV"}
    done = subprocess.run(
        [PYTHON, REPOSITORY / "scripts/release.py"],
        env={**variables, **ports, "PYTHONDONTWRITEBYTECODE": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (wheel,) = Path(REPOSITORY, "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        assert [name for name in archive.namelist() if name.endswith("licenses/NOTICE")]
        return done.stdout, message_from_bytes(archive.read(name))


def test_a_wheel_installed_by_name_serves_the_example_and_leaves_nothing_running(released: tuple[str, Message]) -> None:
    printed, _ = released
    assert re.search(r"10 of 10 right|9 of 10 right", printed)
    assert "✓ mnist is served" in printed
    assert "✓ stopped" in printed


def test_the_index_finds_links_that_work_there(released: tuple[str, Message]) -> None:
    _, metadata = released
    links = re.findall(r"\]\(([^)\s]+)\)", str(metadata.get_payload()))
    assert links
    assert not [link for link in links if not link.startswith(("https://", "#"))]
    source = next(url.split(", ")[1] for url in metadata.get_all("Project-URL", []) if url.startswith("Source"))
    assert [link for link in links if link.startswith(f"{source}/blob/main/docs/")]


def test_every_file_the_links_name_is_there(released: tuple[str, Message]) -> None:
    _, metadata = released
    named = re.findall(r"\]\(https://[^)\s]+/blob/main/([^)\s#]+)", str(metadata.get_payload()))
    assert not [name for name in named if not (REPOSITORY / name).exists()]


def test_what_it_requires_can_be_read(released: tuple[str, Message]) -> None:
    _, metadata = released
    assert {Requirement(line).name for line in metadata.get_all("Requires-Dist", [])} >= {"docker", "typer", "torch"}


@pytest.mark.parametrize("tool", ["uv", "pipx"])
@pytest.mark.parametrize("named", ["by name", "the wheel", "the sdist"])
def test_a_tool_of_its_own_writes_a_project_that_asks_for_the_same_mardock(
    released: tuple[str, Message], tool: str, named: str, tmp_path: Path
) -> None:
    dist = REPOSITORY / "dist"
    wheel, sdist = *dist.glob("*.whl"), *dist.glob("*.tar.gz")
    spec = {"by name": "mardock", "the wheel": str(wheel), "the sdist": str(sdist)}[named]
    homes = {"UV_TOOL_DIR": "uv", "UV_TOOL_BIN_DIR": "bin", "PIPX_HOME": "pipx", "PIPX_BIN_DIR": "bin"}
    variables = {**environment(), **{key: str(tmp_path / folder) for key, folder in homes.items()}}
    variables |= {"PIP_FIND_LINKS": str(dist), "UV_FIND_LINKS": str(dist), "UV_NO_PROGRESS": "1"}

    def run(*command: object) -> str:
        done = subprocess.run([*map(str, command)], env=variables, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(PYTHON, "-m", *(("uv", "tool") if tool == "uv" else ("pipx",)), "install", spec)
    run(tmp_path / "bin" / "mardock", "init", tmp_path / "project")
    line = (tmp_path / "project" / "requirements.txt").read_text(encoding="utf-8").splitlines()[-1]
    if named == "by name":
        assert str(Requirement(line).specifier) == f"=={mardock.__version__}"
    else:
        assert line.startswith(f"{spec}[")
