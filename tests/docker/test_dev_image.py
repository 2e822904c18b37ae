"""Building the dev image: on images whose apt, pip or Python are not what they were, and without telling secrets."""

from __future__ import annotations

import gzip
import subprocess
import tarfile
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from pip._internal.models.index import PyPI
from tests.docker.derived import derive, docker, trusting
from tests.support.listeners import Heard

from mardock.engines.docker.engine import DockerEngine
from mardock.settings.schema import Machine

if TYPE_CHECKING:
    from tests.docker.conftest import MakeProject

SECRET = "s3cret-of-the-index"
DEAD_SOURCE = "RUN echo 'deb file:///nowhere focal main' >/etc/apt/sources.list.d/dead.list"
NO_MAKE = "RUN rm -f $(command -v make) && dpkg --purge --force-depends make"
NEW = (
    f"RUN echo {uuid4()} >/new"  # what is built on it is built anew, and says what it says: the engine keeps its layers
)
# A distribution's own Python 3: no `python`, and a pip that installs nothing into it unasked. torch and TorchServe are
# empty: the build only wants to see them.
VENDOR = (
    *trusting("apt-get update", "apt-get install -y --no-install-recommends python3-pip"),
    "RUN cd /usr/lib/python3/dist-packages && mkdir torch ts && touch torch/__init__.py ts/__init__.py ts/version.py",
)


@pytest.fixture(scope="module")
def vendor() -> str:
    """An image of another make."""
    return derive("vendor", Machine.base_image, *VENDOR)


def built(make_project_on: MakeProject, image: str) -> tuple[str, list[str]]:
    """The tag of the dev image built on an image, and what was said meanwhile."""
    heard = Heard()
    project = make_project_on(image, MARDOCK_DEV_IMAGE=f"{image}-dev")
    return DockerEngine(project, listener=heard).build("dev"), heard.notes


def shell(image: str, script: str) -> str:
    """What a script prints in an image."""
    return docker("run", "--rm", "--entrypoint", "sh", image, "-c", script)


def test_a_dead_source_of_apt_does_not_matter_where_nothing_is_missing(
    make_project_on: MakeProject, torchserve_image: str
) -> None:
    with_make = derive("has-make", torchserve_image, "RUN apt-get update && apt-get install -y make")
    tag, said = built(make_project_on, derive("dead-source", with_make, DEAD_SOURCE))
    assert not [line for line in said if "apt-get: " in line or "/nowhere" in line]
    assert "GNU Make" in shell(tag, "make --version")


def test_a_dead_source_of_apt_among_living_ones(make_project_on: MakeProject, torchserve_image: str) -> None:
    tag, said = built(make_project_on, derive("dead-source-no-make", torchserve_image, NO_MAKE, DEAD_SOURCE, NEW))
    assert [line for line in said if "/nowhere" in line]
    assert "GNU Make" in shell(tag, "make --version")


@pytest.mark.parametrize("how", ["dead", "none"])
def test_what_apt_cannot_give_is_done_without(make_project_on: MakeProject, torchserve_image: str, how: str) -> None:
    only_dead = f"RUN rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* && {DEAD_SOURCE.removeprefix('RUN ')}"
    no_apt = "RUN rm $(command -v apt-get)"
    tag, said = built(
        make_project_on, derive(f"apt-{how}", torchserve_image, NO_MAKE, only_dead if how == "dead" else no_apt, NEW)
    )
    assert said[-1] == "the dev container goes without make"
    assert shell(tag, "mardock 2>&1 || command -v make || echo none").endswith("none")


def test_a_distribution_s_own_python(make_project_on: MakeProject, vendor: str) -> None:
    tag, _ = built(make_project_on, vendor)
    assert shell(tag, "python -c 'import pydantic, docker, model_archiver' && id --user") == "1000"
    assert shell(tag, "ls -A /tmp") == ""


@pytest.mark.parametrize("buildkit", ["0", "1"])
def test_what_pip_is_told_is_not_in_the_image(
    make_project_on: MakeProject, vendor: str, monkeypatch: pytest.MonkeyPatch, buildkit: str
) -> None:
    index = urlsplit(PyPI.simple_url)
    with_password = urlunsplit(index._replace(netloc=f"user:{SECRET}@{index.netloc}"))
    monkeypatch.setenv("DOCKER_BUILDKIT", buildkit)
    monkeypatch.setenv("PIP_INDEX_URL", with_password)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", with_password)
    # The content of the base differs, so that no layer of another build is taken.
    image = derive(f"vendor-{buildkit}", vendor, f"LABEL mardock.test=buildkit-{buildkit}")
    tag, _ = built(make_project_on, image)
    assert not holds(tag, SECRET.encode())


def holds(image: str, secret: bytes) -> list[str]:
    """The names of what holds a secret: of an image's layers, its configuration and its history."""
    assert secret.decode() not in docker("history", "--no-trunc", image) + docker("inspect", image)
    found = []
    with (
        subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved,
        tarfile.open(fileobj=saved.stdout, mode="r|") as archive,
    ):
        for member in archive:
            stream = archive.extractfile(member)
            content = stream.read() if stream else b""
            if secret in (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content):
                found.append(member.name)
    return found
