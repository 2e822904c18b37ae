"""A project with one model, without a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from mardock import side_names
from mardock.archive.spec import ArchiveSpec
from mardock.endpoint import Endpoint
from mardock.serving.served_model import ServedModel
from mardock.serving.server import Server
from mardock.serving.side_version import SideVersion
from mardock.settings.schema import ModelSettings
from mardock.swap import snapshot
from mardock.swap.snapshot import Snapshot

HANDLER = "def handle(data, context):\n    return data\n"


@dataclass
class Model:
    """Its folder, its settings, and its files."""

    root: Path
    settings: ModelSettings

    @property
    def handler(self) -> Path:
        return self.root / "torchserve" / "digits" / "handler.py"

    @property
    def weights(self) -> Path:
        return self.root / "digits.pt"

    @property
    def store(self) -> Path:
        return self.root / "artifacts"

    def side(self, version: str) -> SideVersion:
        """Return a version that is to stand beside the model's own, on a server nobody asks."""
        name = side_names.parse(version)
        assert name is not None
        server = Server(Endpoint("http://127.0.0.1:9", "http://127.0.0.1:9"), store=self.store)
        return SideVersion(ServedModel(server, "digits"), name)

    def take(self) -> Snapshot:
        return snapshot.take(self.settings, self.root)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    root = tmp_path / "my project"
    (root / "torchserve" / "digits" / "words").mkdir(parents=True)
    (root / "artifacts").mkdir()
    spec = ArchiveSpec(
        "digits",
        handler="torchserve/digits/handler.py",
        serialized_file="digits.pt",
        extra_files=("torchserve/digits/words", "torchserve/digits/*.txt"),
    )
    made = Model(root, ModelSettings(spec))
    made.handler.write_text(HANDLER)
    made.weights.write_bytes(bytes(2 << 20))
    (root / "torchserve" / "digits" / "words" / "one.txt").write_text("one")
    (root / "torchserve" / "digits" / "labels.txt").write_text("0 1 2")
    return made
