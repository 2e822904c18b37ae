"""Without the extras: help and everything local works, plans are rendered, and the pip command is named in time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.support.command import environment

from mardock import extras
from mardock.settings.project import Project

BLOCK = "import sys; sys.modules.update(dict.fromkeys(('azure', 'msal', 'boto3', 'botocore')))"
ON_AZURE = ("--target", "azureml", "--endpoint", "shop", "--deployment", "blue")
ON_TIR = ("--target", "tir", "--endpoint", "shop")
TABLES = """
[deploy.azureml]
subscription_id = "sub"
resource_group = "group"
workspace = "space"
registry = "shop.azurecr.io"
[deploy.tir]
project_id = 42
location = "Delhi"
sku_id = 7
api_url = "http://127.0.0.1:9"
"""


@pytest.fixture
def configured(project: Project) -> Project:
    """The project with both targets, and nothing that answers there."""
    with (project.root / "mardock.toml").open("a", encoding="utf-8") as settings:
        settings.write(TABLES)
    return project


def run(project: Project, *arguments: str) -> tuple[int, str, str]:
    argv = [sys.executable, "-c", f"{BLOCK}; from mardock.__main__ import main; main()", *arguments]
    keys = {"TIR_API_KEY": "key", "TIR_TOKEN": "token"}
    path = os.pathsep.join(path for path in sys.path if path)
    environ = environment({**keys, "PYTHONPATH": path})
    done = subprocess.run(argv, cwd=project.root, env=environ, capture_output=True, text=True, timeout=240)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--help"], "deploy"),
        (["deploy", "--help"], "traffic"),
        (["inspect", "artifacts/digits.mar"], "digits"),
        (["archive", "digits", "--json", "--engine", "native"], '"changed": false'),
        (["status", "--json"], "{"),
        (["deploy", "plan", *ON_AZURE, "--allow-dirty"], "instance_type: Standard_DS3_v2"),
        (["deploy", "plan", *ON_TIR, "--allow-dirty"], "model-store/digits.mar"),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else "",
)
def test_works_without_the_extras(configured: Project, arguments: list[str], told: str) -> None:
    code, out, err = run(configured, *arguments)

    assert code == 0 or arguments[0] == "status", err  # which says that nothing runs
    assert told in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["status", *ON_AZURE], "azure"),
        (["register", "digits", "--allow-dirty"], "azure"),
        (["traffic", "blue=100", "--endpoint", "shop"], "azure"),
        (["apply", *ON_AZURE, "--allow-dirty"], "azure"),
        (["apply", *ON_TIR, "--allow-dirty"], "tir"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_missing_extra_names_the_pip_command(configured: Project, arguments: list[str], extra: str) -> None:
    code, _, err = run(configured, "deploy", *arguments)

    assert code == 6, err
    assert f"hint: {extras.how_to_add(extra)}" in err
