"""Models whose code and weights lie outside of their project, in containers that see the project's folder alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.projects import make_project
from tests.docker.conftest import ROOT, dev_image, on_one_image
from tests.support.command import mardock, succeed
from tests.support.images import unique_name

from mardock import Project

HANDLER = """
from pathlib import Path

from labels import LABEL


class Handler:
    def initialize(self, context):
        self.weights = Path(context.system_properties["model_dir"], "digits.pt").read_text()

    def handle(self, data, context):
        return [f"{LABEL} from {self.weights}"] * len(data)
"""
TOML = """
[models.digits]
sample = "body"
[models.digits.archive]
handler = "../lib/handler.py"
serialized_file = "digits.pt"
code = ["../shared/labels"]

[models.hub]
sample = "body"
[models.hub.archive]
handler = "plain.py"
extra_files = ["../snapshot"]
"""


@pytest.fixture(scope="module")
def root(torchserve_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project of mardock.toml alone in a repository with code and a hub's snapshot, and data on a disk."""
    above = tmp_path_factory.mktemp("outside")
    root = above / "repository" / unique_name()
    make_project(root, engine="docker")
    for name in ("torchserve", "src", "datasets"):
        shutil.rmtree(root / name)
    (root / "docker-compose.yml").unlink()
    (root / "wheels").mkdir()
    for certificate in (ROOT / "wheels").glob("*.crt"):
        shutil.copy(certificate, root / "wheels")
    with (root / ".env").open("a") as file:
        file.write(f"TORCHSERVE_IMAGE={torchserve_image}\nMARDOCK_DEV_IMAGE={dev_image(torchserve_image)}\n")
    (root.parent / ".git").mkdir()
    texts = {
        root / "mardock.toml": TOML,
        above / "disk/body": "x",
        root / "plain.py": "def handle(data, context):\n    return ['plain' for _ in data or ()]\n",
        root.parent / "lib/handler.py": HANDLER,
        root.parent / "shared/labels/__init__.py": 'LABEL = "digit"\n',
        root.parent / "blobs/0a1b": "{}",
        above / "disk/digits.pt": "the disk",
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root.parent / "snapshot").mkdir()
    (root.parent / "snapshot/config.json").symlink_to("../blobs/0a1b")
    for name in ("body", "digits.pt"):
        (root / name).symlink_to(above / "disk" / name)
    try:
        yield root
    finally:
        mardock(root, "down")


def replace(path: Path, text: str) -> None:
    """Put a new file in a file's place, as editors and training do."""
    path.with_name("new").write_text(text)
    path.with_name("new").replace(path)


def test_it_is_packed_where_torch_is_and_served(root: Path) -> None:
    packed = succeed(root, "archive", "digits")
    assert "packed outside of the dev container" not in packed.err
    succeed(root, "up")
    assert succeed(root, "predict", "digits").out.strip() == "digit from the disk"
    lines = succeed(root, "logs").out.splitlines()
    starts = [line for line in lines if "Inference API bind to" in line]
    assert len(starts) == 1
    (root / "digits.pt").write_text("the disk again")
    succeed(root, "register", "digits", "--unpacked", "--replace")
    assert succeed(root, "predict", "digits").out.strip() == "digit from the disk again"


@on_one_image
def test_an_import_that_is_nowhere_is_told_of_code_from_outside(root: Path) -> None:
    labels = root.parent / "shared/labels/__init__.py"
    before = labels.read_text()
    replace(labels, f"import absent_package\n{before}")
    told = mardock(root, "archive", "digits").err
    replace(labels, before)
    assert "absent_package" in told


@on_one_image
def test_what_is_put_in_the_place_of_a_file_is_seen_or_told_of(root: Path) -> None:
    assert succeed(root, "try", "digits").out.startswith("digit from")
    handler = root.parent / "lib/handler.py"
    replace(handler, handler.read_text().replace("{LABEL} from", "{LABEL} out of"))
    assert succeed(root, "try", "digits").out.startswith("digit out of")
    replace((root / "digits.pt").readlink(), "a new disk")
    for command in ("try", "archive"):
        refused = mardock(root, command, "digits")
        assert refused.code == 3
        assert "mardock dev rm" in refused.err
    succeed(root, "dev", "rm")
    assert succeed(root, "try", "digits").out.strip() == "digit out of a new disk"


@on_one_image
def test_what_the_dev_container_cannot_be_given_is_packed_on_the_host(root: Path) -> None:
    refused = mardock(root, "try", "hub")
    assert refused.code == 2
    assert "mardock archive hub packs it" in refused.err
    packed = succeed(root, "archive", "hub")
    assert "packed outside of the dev container, which does not see all its files" in packed.err
    assert "config.json" in succeed(root, "inspect", "artifacts/hub.mar").out
    project = Project(root)
    assert not project.archive("hub").changed
    assert project.archive("digits").changed  # its handler and weights are others by now
