"""The command that adds an extra, in each kind of environment mardock may have been installed into."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any, Optional

import pytest
from packaging.requirements import Requirement

import mardock
from mardock import extras

SOURCE = Path(mardock.__file__).parents[1]
METADATA = """Metadata-Version: 2.1
Name: mardock
Version: 9.9
Requires-Dist: requests
Requires-Dist: debugpy<1.8.22,>=1.8; extra == "debug"
Requires-Dist: grpcio>=1.60; extra == "grpc"
Requires-Dist: protobuf>=4.25; (python_version >= "3.9") and extra == 'grpc'
"""


class Environment:
    """A virtual environment that says how mardock came into it."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.folder = folder
        self.python = folder / "bin" / "python"
        (self.packages,) = folder.glob("lib/*/site-packages")

    def add(self, name: str, metadata: str = "", origin: Optional[dict[str, Any]] = None) -> None:
        """Put a package's metadata into it."""
        info = self.packages / f"{name}-9.9.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
        if origin is not None:
            (info / "direct_url.json").write_text(json.dumps(origin))

    def ask(self, extra: str, **variables: str) -> str:
        """Return what is to be done for an extra."""
        code = (
            f"import sys; sys.path.insert(0, sys.argv[1]); from mardock.extras import *; print(how_to_add({extra!r}))"
        )
        argv = [str(self.python), "-c", code, str(SOURCE)]
        environ = {**os.environ, **variables}
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=environ).stdout.strip()


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "with a space" / ".venv")


def test_in_a_venv_it_is_that_venv_s_pip(environment: Environment) -> None:
    environment.add("mardock", METADATA)
    (environment.packages / "pip").mkdir()
    (environment.packages / "pip" / "__init__.py").touch()
    said = environment.ask("grpc")
    assert shlex.split(said) == [str(environment.python), "-m", "pip", "install", "mardock[grpc]==9.9"]
    assert environment.ask("native").startswith("make setup, or ")


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        ({"url": "file:///a%20b/mardock", "dir_info": {"editable": True}}, ["-e", "/a b/mardock[grpc]"]),
        ({"url": "file:///a%20b/mardock", "dir_info": {}}, ["/a b/mardock[grpc]"]),
        ({"url": "file:///a/mardock.whl", "archive_info": {}}, ["/a/mardock.whl[grpc]"]),
        (
            {"url": "https://host/mardock", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            ["mardock[grpc] @ git+https://host/mardock@abc"],
        ),
        ({"url": "https://host/mardock.whl", "archive_info": {}}, ["mardock[grpc] @ https://host/mardock.whl"]),
    ],
)
def test_mardock_itself_is_got_from_where_it_came(
    environment: Environment, origin: dict[str, Any], wanted: list[str]
) -> None:
    environment.add("mardock", METADATA, origin)
    (environment.packages / "pip.py").touch()
    assert shlex.split(environment.ask("grpc"))[4:] == wanted


def test_without_pip_uv_installs_into_it(environment: Environment) -> None:
    environment.add("mardock", METADATA)
    said = shlex.split(environment.ask("grpc"))
    assert said == ["uv", "pip", "install", "--python", str(environment.python), "mardock[grpc]==9.9"]


def test_pip_reads_what_an_install_by_name_is_asked_for(environment: Environment) -> None:
    environment.add("mardock", METADATA)
    wanted = Requirement(shlex.split(environment.ask("grpc"))[-1])
    assert (wanted.name, wanted.extras, str(wanted.specifier)) == ("mardock", {"grpc"}, "==9.9")


@pytest.mark.parametrize(
    ("file", "command"), [("uv-receipt.toml", "uv tool install"), ("pipx_metadata.json", "pipx install")]
)
def test_a_tool_keeps_the_extras_it_has(environment: Environment, file: str, command: str) -> None:
    environment.add("mardock", METADATA)
    environment.add("debugpy")
    environment.add("protobuf")  # half of an extra
    (environment.folder / file).touch()
    assert environment.ask("sbom") == f"{command} --force 'mardock[debug,sbom]==9.9'"


def test_a_checkout_that_was_never_installed_is_installed_with_it(environment: Environment) -> None:
    (environment.packages / "pip.py").touch()
    said = shlex.split(environment.ask("grpc"))
    assert said == [str(environment.python), "-m", "pip", "install", "-e", f"{SOURCE.parent}[grpc]"]


def test_in_the_dev_container_nothing_is_installed(environment: Environment) -> None:
    said = environment.ask("grpc", MARDOCK_INSIDE="dev")
    assert "outside of the container" in said
    assert "mardock dev build" in said


def test_the_system_s_python_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert extras.how_to_add("grpc").startswith("python3 -m venv .venv && .venv/bin/python -m pip install ")


def test_setuptools_can_still_be_imported_as_torch_does_it() -> None:
    pytest.importorskip("_distutils_hack")
    code = "import _distutils_hack as h; h.add_shim(); from mardock.extras import *; how_to_add('x'); import setuptools"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(SOURCE)})
