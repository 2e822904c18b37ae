"""What a server needs in its environment so that its workers can import TorchServe's vision handlers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

OPERATORS = Path(__file__).parent / "torchvision_ops"


def vision_environment() -> dict[str, str]:
    """Return the variables to start a server with: none where torchvision can be imported as it is."""
    if subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, check=False).returncode == 0:
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(OPERATORS), os.environ.get("PYTHONPATH")]))}
