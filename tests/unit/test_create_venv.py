"""The script behind `make setup`: why it makes no virtual environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "create_venv.py"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="no environment is made of such a Python")
def test_a_colon_in_the_folders_path_is_told_as_that(tmp_path: Path) -> None:
    folder = tmp_path / "model:v2"
    folder.mkdir()
    done = subprocess.run([sys.executable, str(SCRIPT)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"error: {folder} holds a ':'" in done.stderr
    assert "rename that folder" in done.stderr
    assert "python3-venv" not in done.stderr
