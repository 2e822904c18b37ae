"""A model served unpacked by a TorchServe in a container: the host's files, as links the container can follow."""

from __future__ import annotations

import os
from pathlib import Path

from tests.contract.projects import make_project
from tests.support.command import mardock, succeed
from tests.support.images import unique_name

HANDLER = """
from pathlib import Path


class Handler:
    def initialize(self, context):
        self.weights = Path(context.system_properties["model_dir"], "digits.pt")

    def handle(self, data, context):
        return [f"ANSWER {self.weights.stat().st_ino}"] * len(data)
"""
TOML = """
[models.digits.archive]
handler = "handler.py"
serialized_file = "digits.pt"
[models.digits.serving]
initial_workers = 1
"""
LARGE = (64 << 20) + 1


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "artifacts").iterdir() if path.name.startswith(".digits-"))


def test_files_are_served_replaced_and_swept(torchserve_image: str, tmp_path: Path) -> None:
    root = tmp_path / unique_name()
    make_project(root, engine="docker")
    with (root / ".env").open("a") as file:
        file.write(f"TORCHSERVE_IMAGE={torchserve_image}\n")
    (root / "mardock.toml").write_text(TOML)
    (root / "handler.py").write_text(HANDLER.replace("ANSWER", "one"))
    (root / "body").touch()
    with (root / "digits.pt").open("wb") as weights:
        os.truncate(weights.fileno(), LARGE)
    inode = (root / "digits.pt").stat().st_ino
    try:
        succeed(root, "up")
        succeed(root, "register", "--unpacked")
        assert succeed(root, "predict", "digits", "body").out.strip() == f"one {inode}"  # its weights are a link

        (root / "handler.py").write_text(HANDLER.replace("ANSWER", "two"))
        refused = mardock(root, "register", "--unpacked")
        assert refused.code == 5
        assert "hint: replace it: mardock register digits --unpacked --replace" in refused.err
        succeed(root, "register", "--unpacked", "--replace")
        assert len(folders(root)) == 1

        assert succeed(root, "predict", "digits", "body").out.strip() == f"two {inode}"
        succeed(root, "models", "unregister", "digits")
        assert folders(root) == []
    finally:
        mardock(root, "down")
