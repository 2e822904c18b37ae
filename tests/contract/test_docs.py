"""The site of docs/: it is built, nothing in it warns, and the Python it documents is all there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.contract.projects import REPOSITORY

import mardock


def test_the_site_is_built_and_each_of_its_links_leads_somewhere(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(tmp_path / "trees")]
    done = subprocess.run(
        [*argv, str(REPOSITORY / "docs"), str(tmp_path / "site")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "reference" / "python.html").read_text(encoding="utf-8")
    methods = [name for name, value in vars(mardock.Project).items() if not name.startswith("_") and value.__doc__]
    assert methods
    assert [name for name in methods if f'id="mardock.api.Project.{name}"' not in page] == []
    pages = {path.relative_to(REPOSITORY / "docs").with_suffix("") for path in (REPOSITORY / "docs").rglob("*.md")}
    assert [name for name in pages if not (tmp_path / "site" / name).with_suffix(".html").exists()] == []
