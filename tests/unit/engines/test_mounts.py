"""What a container sees of a project, by what is mounted where."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from mardock.engines import mounts
from mardock.engines.docker.containers import mounted

COMPOSE = Path(__file__).parents[3] / "docker-compose.yml"
WORK = Path("/work")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in a folder with a space in its name, whose model store is a link to another disk."""
    root = tmp_path / "my project"
    for folder in ("src", "torchserve", "logs", "datasets"):
        (root / folder).mkdir(parents=True)
    (tmp_path / "large disk").mkdir()
    (root / "artifacts").symlink_to(tmp_path / "large disk")
    return root


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("src/a b.py", "src/a b.py"),
        ("src", "src"),
        ("artifacts/.m-1.0/x", "model-store/.m-1.0/x"),
        ("artifacts", "model-store"),
        ("../large disk/m.mar", "model-store/m.mar"),
        ("torchserve/../src/x", "src/x"),
        (".", None),
        ("datasets/x", None),
        ("source/x", None),
        ("..", None),
    ],
)
def test_a_path_is_told_as_the_container_has_it(root: Path, path: str, inside: str | None) -> None:
    assert mounts.seen(root / path, mounts.composed(root)) == (mounts.HOME / inside if inside else None)


def test_links_lead_where_they_lead_here(root: Path) -> None:
    (root / "lib.py").touch()
    (root / "src" / "real.py").touch()
    (root / "src" / "outside.py").symlink_to("../lib.py")
    (root / "torchserve" / "linked.py").symlink_to(root / "src" / "real.py")
    composed = mounts.composed(root)
    assert mounts.seen(root / "src" / "outside.py", composed) is None
    assert mounts.seen(root / "torchserve" / "linked.py", composed) == mounts.HOME / "src" / "real.py"


def test_what_another_mount_hides_is_not_seen(root: Path) -> None:
    given = {WORK: root, WORK / "src": None, WORK / "logs": root / "datasets"}
    assert mounts.seen(root / "torchserve" / "x", given) == WORK / "torchserve/x"
    assert mounts.seen(root / "src" / "x", given) is None
    assert mounts.seen(root / "logs" / "x", given) is None
    assert mounts.seen(root / "datasets" / "x", given) == WORK / "datasets/x"
    assert mounts.seen(root / "datasets" / "x", {**given, WORK / "datasets": None}) == WORK / "logs/x"


def test_a_container_is_asked_what_it_has_mounted(root: Path) -> None:
    listed = [
        {"Type": "volume", "Source": "/var/lib/docker/volumes/tmp/_data", "Destination": "/tmp"},
        {"Type": "bind", "Source": str(root / "artifacts"), "Destination": "/srv/the store"},
        {"Type": "bind", "Source": f"/host_mnt{root}/src", "Destination": "/srv/src"},
    ]
    container: Any = SimpleNamespace(attrs={"Mounts": listed})
    found = mounted(container)
    assert mounts.seen(root / "artifacts" / "m.mar", found) == Path("/srv/the store/m.mar")
    assert mounts.seen(root / "src" / "x.py", found) == Path("/srv/src/x.py")
    assert mounts.seen(root / "torchserve" / "x.py", found) is None


def test_what_the_dev_container_believes_is_what_the_compose_file_mounts(tmp_path: Path) -> None:
    volumes = yaml.safe_load(COMPOSE.read_text())["services"]["serve"]["volumes"]
    inside = [one for one in volumes if one["target"].startswith(f"{mounts.HOME}/")]
    assert {Path(one["target"]): tmp_path / one["source"] for one in inside} == mounts.composed(tmp_path)
