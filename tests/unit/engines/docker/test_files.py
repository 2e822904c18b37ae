"""The compose files and Dockerfiles that ship: what holds without an engine."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[4]
DOCKERFILES = [ROOT / "Dockerfile.dev", ROOT / "torchserve/Dockerfile"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def installed(dockerfile: Path) -> set[str]:
    """What a Dockerfile has pip install, as pip would read it: its list of requirements, or its last command."""
    text = dockerfile.read_text()
    listed = re.findall(r"printf '%s\\n' ((?:[^\n\\]|\\\n)*?)>/tmp/wheels/requirements.txt", text)
    command = (listed or re.findall(r"pip install ((?:[^&\n\\]|\\\n)*)", text))[-1].replace("\\\n", " ")
    words = shlex.split(command)
    values = {words[i + 1] for i, word in enumerate(words) if word in ("--constraint", "--find-links")}
    return {str(Requirement(word)) for word in words if not word.startswith("--") and word not in values}


def test_the_dev_image_has_what_mardock_needs() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = [
        Requirement(text) for text in (*PROJECT["dependencies"], *extras["sbom"], *extras["grpc"], *extras["watch"])
    ]
    needed = {str(found) for found in wanted if found.name != "torch-model-archiver"}  # of TorchServe's own version
    assert installed(DOCKERFILES[0]) == needed | {"torch-model-archiver>=0.12"}


def test_the_own_image_has_what_the_native_engine_needs() -> None:
    needed = {Requirement(text).name for text in PROJECT["optional-dependencies"]["native"]}
    assert {Requirement(text).name for text in installed(DOCKERFILES[1])} == needed | {"PyYAML", "requests"}


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_dockerfiles_build_with_every_builder(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    assert "--mount" not in text
    assert "<<" not in text


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_images_do_not_run_as_root(dockerfile: Path) -> None:
    assert re.findall(r"^USER (\S+)", dockerfile.read_text(), re.MULTILINE)[-1] in ("model-server", "1000")


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_what_pip_is_told_is_told_to_no_stage_that_becomes_an_image(dockerfile: Path) -> None:
    last = dockerfile.read_text().split("\nFROM ")[-1]
    assert not [name for name in ("INDEX_URL", "TRUSTED_HOST") if name in last]


def test_no_build_sees_more_than_it_is_shown() -> None:
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[lines.index("*") :][0] == "*"
    assert not any(".env" in line for line in lines)


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_a_missing_folder_is_never_made_by_the_engine(service: dict[str, Any]) -> None:
    binds = [volume for volume in service["volumes"] if volume["type"] == "bind"]
    assert len(binds) >= 5
    assert all(volume["bind"] == {"create_host_path": False} for volume in binds)


def test_the_health_check_is_one_string_which_podman_leaves_whole() -> None:
    assert [len(part.split()) for part in SERVICES["serve"]["healthcheck"]["test"][:-1]] == [1]
    assert SERVICES["serve"]["healthcheck"]["test"][0] == "CMD-SHELL"


def test_ports_are_published_on_this_machine_alone() -> None:
    assert "ports" not in SERVICES["dev"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["serve"]["ports"])


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_containers_have_no_more_rights_than_they_need(service: dict[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["user"].startswith("${MARDOCK_UID:-1000}")


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_no_container_grows_without_bound(service: dict[str, Any]) -> None:
    logging = service["logging"]
    assert logging["driver"] == "json-file"  # another default of the engine's might not know these options
    assert set(logging["options"]) == {"max-size", "max-file"}
    assert service["pids_limit"] > 0
    assert "tmpfs" not in service


def test_every_log_file_is_rotated_and_bounded() -> None:
    appenders = ElementTree.parse(ROOT / "torchserve/log4j2.xml").findall("./Appenders/*")
    files = [appender for appender in appenders if appender.tag != "Console"]
    assert {appender.tag for appender in files} == {"RollingFile"}
    for file in files:
        assert file.find("SizeBasedTriggeringPolicy") is not None
        assert int(file.find("DefaultRolloverStrategy").attrib["max"]) <= 10  # type: ignore[union-attr]
