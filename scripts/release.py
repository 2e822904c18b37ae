"""Build the wheel and the sdist into dist/, and prove both as their users meet them: `release.py`.

Each is checked as a package index checks it. The wheel is installed by its name into an environment that holds nothing
else; `mardock init` and `make demo` then serve the example model from a project there. The sdist is installed, too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Build, check, install and serve; what fails ends it, after its own words."""
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", dist, ROOT)
    wheel, sdist = *dist.glob("*.whl"), *dist.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    with tempfile.TemporaryDirectory() as folder:
        prove_wheel(Path(folder), dist)
        prove_sdist(Path(folder), sdist)
    print(f"\nready: {wheel.relative_to(ROOT)} and {sdist.relative_to(ROOT)}\nnext: python -m twine upload dist/*")


def prove_wheel(folder: Path, dist: Path) -> None:
    """Install the wheel by name, write a project with it, and have the project install and serve."""
    os.environ["PIP_FIND_LINKS"] = str(dist)  # as if an index had it, for the new project's own environment too
    python = empty_environment(folder / "by name")
    run(python, "-m", "pip", "install", "--quiet", f"mardock=={version()}")
    mardock = python.with_name("mardock")
    project = folder / "a project"
    run(mardock, "init", project)
    try:
        run("make", "-C", project, "demo", "ENGINE=native", f"PYTHON={sys.executable}")
    finally:
        run("make", "-C", project, "down")


def prove_sdist(folder: Path, sdist: Path) -> None:
    """Build and install the sdist by its path, and write a project with it."""
    python = empty_environment(folder / "by path")
    run(python, "-m", "pip", "install", "--quiet", sdist)
    run(python.with_name("mardock"), "init", folder / "another project")


def empty_environment(folder: Path) -> Path:
    """Return the Python of a new environment."""
    run(sys.executable, "-m", "venv", folder)
    return folder / "bin" / "python"


def version() -> str:
    """Return the version of the sources."""
    found = re.search(r'^__version__ = "(.*)"$', (ROOT / "src/mardock/__init__.py").read_text(encoding="utf-8"), re.M)
    assert found
    return found[1]


def run(*command: object) -> None:
    """Run one step in the open."""
    print("$", *command, flush=True)
    if subprocess.run([str(word) for word in command], check=False).returncode != 0:
        sys.exit(f"error: this step failed, see above: {' '.join(map(str, command))}")


if __name__ == "__main__":
    main()
