"""Make .venv and install into it, with nothing but Python: `create_venv.py [--requirements FILE] [PIP ARGUMENT …]`.

torch comes from PyTorch's own CPU wheel index where that answers, else from wherever pip is set up to look.
Set TORCH_INDEX_URL to another index for a GPU build, or to nothing to leave the choice to pip.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

VENV = Path(".venv")
OLDEST, NEWEST = (3, 10), (3, 14)
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
PROBE_TIMEOUT = 5.0  # seconds


def main() -> None:
    """Make the environment, or bring it up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requirements", default="requirements.txt")
    arguments, pip_arguments = parser.parse_known_args()
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(
            f"error: {sys.executable} is Python {found}; mardock needs 3.10 to 3.14\nhint: make PYTHON=python3.12 …"
        )
    create_venv()
    command = [VENV / "bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    command += ["--requirement", arguments.requirements, "--constraint", "constraints.txt", *pip_arguments]
    if "native" in arguments.requirements or pip_arguments:
        command += torch_index()
    print(f"installing {arguments.requirements} into {VENV} …", flush=True)
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit("error: pip failed, see above\nhint: check the network and pip's configuration, then run make again")
    # As pip does with what it copies; this package stays where it is.
    subprocess.run([VENV / "bin/python", "-m", "compileall", "-q", "src/mardock"], check=False)


def create_venv() -> None:
    """Make .venv unless one is there whose Python still works."""
    python = VENV / "bin/python"
    if (
        python.exists()
        and subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    ):
        return
    if os.pathsep in str(VENV.absolute()):
        sys.exit(
            f"error: {Path.cwd()} holds a {os.pathsep!r}, where Python makes no virtual environment: it separates the"
            " folders of PATH\nhint: rename that folder"
        )
    if subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=False).returncode != 0:
        sys.exit(
            "error: this Python cannot make a virtual environment\nhint: on Debian and Ubuntu: apt install python3-venv"
        )


def torch_index() -> list[str]:
    """Return pip's arguments for where torch comes from."""
    chosen = os.environ.get("TORCH_INDEX_URL")
    if chosen is not None:
        return ["--extra-index-url", chosen] if chosen else []
    try:
        with urllib.request.urlopen(f"{CPU_WHEELS}/torch/", timeout=PROBE_TIMEOUT):
            return ["--extra-index-url", CPU_WHEELS]
    except (OSError, urllib.error.URLError):
        print("PyTorch's CPU wheel index does not answer: torch comes from where pip is set up to look")
        return []


if __name__ == "__main__":
    main()
