from __future__ import annotations

from pathlib import Path

import pytest

from mardock.archive.spec import ArchiveSpec

HANDLER = """
from ts.torch_handler.base_handler import BaseHandler


class DigitHandler(BaseHandler):
    pass
"""
MODEL = """
from torch import nn


class Net(nn.Module):
    pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a handler, a model, weights and an empty model store."""
    root = tmp_path / "project"
    (root / "code").mkdir(parents=True)
    (root / "artifacts").mkdir()
    (root / "code" / "handler.py").write_text(HANDLER)
    (root / "code" / "model.py").write_text(MODEL)
    (root / "weights.pt").write_bytes(bytes(range(256)) * 1000)
    return root


@pytest.fixture
def spec() -> ArchiveSpec:
    return ArchiveSpec("mnist", "code/handler.py", model_file="code/model.py", serialized_file="weights.pt")
