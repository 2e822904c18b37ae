"""Python environments beside the tests' own: one that has torch as its users have it, one with mardock and no torch."""

from __future__ import annotations

import re
import venv
from importlib import metadata
from pathlib import Path

import mardock

PACKAGE = Path(mardock.__file__).parent


class Environment:
    """A virtual environment of this Python, empty but for what is put into it."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.folder = folder
        self.python = folder / "bin" / "python"
        (self.packages,) = folder.glob("lib/*/site-packages")

    def add_module(self, name: str, text: str = "") -> None:
        """Put a package into it."""
        (self.packages / name).mkdir()
        (self.packages / name / "__init__.py").write_text(text)

    def add_all_of_this(self) -> None:
        """Let it import all that is installed here, what it has itself first."""
        folders = dict.fromkeys(str(metadata.distribution(name).locate_file("")) for name in ("torch", "torchserve"))
        (self.packages / "all.pth").write_text("\n".join(folders))

    def add_all_of_this_but_mardock(self) -> None:
        """The same for whoever is to install mardock there: pip finds all else installed."""
        for folder in dict.fromkeys(metadata.distribution(name).locate_file("") for name in ("torch", "torchserve")):
            for path in Path(str(folder)).iterdir():
                if "mardock" not in path.name and not (self.packages / path.name).exists():
                    (self.packages / path.name).symlink_to(path)

    def add_mardock(self, *more: str) -> None:
        """Put mardock into it with its own dependencies, and these.

        Args:
            more: further distributions.
        """
        (self.packages / "mardock").symlink_to(PACKAGE)
        wanted, known = [*_dependencies(), *more], set[str]()
        while wanted:
            name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
            if name in known:
                continue
            known.add(name)
            try:
                found = metadata.distribution(name)
            except metadata.PackageNotFoundError:  # of another system or Python
                continue
            wanted += [_name(line) for line in found.requires or () if "extra ==" not in line]
            for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
                if not (self.packages / top).exists():
                    (self.packages / top).symlink_to(Path(str(found.locate_file(top))))


def _dependencies() -> list[str]:
    text = (PACKAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    listed = text.partition("\ndependencies = [\n")[2].partition("\n]")[0]
    return [_name(line) for line in re.findall(r'^  "(.*?)"', listed, re.M)]


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0]
