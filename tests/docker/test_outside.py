"""A model whose code and weights lie outside of its project, in containers that see the project's folder alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.contract.projects import make_project
from tests.support.command import mardock, succeed
from tests.support.images import unique_name

HANDLER = """
from pathlib import Path


class Handler:
    def initialize(self, context):
        self.weights = Path(context.system_properties["model_dir"], "digits.pt").read_text()

    def handle(self, data, context):
        return [self.weights] * len(data)
"""
TOML = """
[models.digits]
sample = "body"
[models.digits.archive]
handler = "../lib/handler.py"
serialized_file = "digits.pt"
"""


def test_it_is_packed_on_the_host_and_served(torchserve_image: str, tmp_path: Path) -> None:
    root, disk = tmp_path / "repository" / unique_name(), tmp_path / "disk"
    for folder in (root.parent / ".git", root.parent / "lib", disk):
        folder.mkdir(parents=True)
    make_project(root, engine="docker")
    shutil.rmtree(root / "torchserve")  # its configuration is built in
    with (root / ".env").open("a") as file:
        file.write(f"TORCHSERVE_IMAGE={torchserve_image}\n")
    (root / "mardock.toml").write_text(TOML)
    (root / "body").touch()
    (root.parent / "lib" / "handler.py").write_text(HANDLER)
    (disk / "digits.pt").write_text("from the disk")
    (root / "digits.pt").symlink_to(disk / "digits.pt")
    try:
        packed = succeed(root, "archive")
        assert "packed outside of the dev container, which does not see all its files" in packed.err
        succeed(root, "up")
        assert succeed(root, "predict", "digits", "body").out.strip() == "from the disk"
        lines = succeed(root, "logs").out.splitlines()
        starts = [line for line in lines if "Inference API bind to" in line]
        assert len(starts) == 1
        (disk / "digits.pt").write_text("from the disk again")
        succeed(root, "register", "--unpacked", "--replace")
        assert succeed(root, "predict", "digits", "body").out.strip() == "from the disk again"
    finally:
        mardock(root, "down")
