"""What `mardock init` writes: this repository's own files, the one copy there is of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from mardock import extras
from mardock.errors import ConfigError

# pyproject.toml puts the same files into the wheel; a test holds the two lists together.
TEMPLATE = (
    ".dockerignore",
    ".env.example",
    ".gitignore",
    "Dockerfile.dev",
    "Makefile",
    "artifacts/.gitkeep",
    "constraints.txt",
    "datasets/MNIST",
    "docker-compose.gpu.yml",
    "docker-compose.yml",
    "logs/.gitkeep",
    "mardock.toml",
    "requirements-native.txt",
    "requirements.txt",
    "scripts/create_venv.py",
    "src/character_recognizer",
    "torchserve",
    "wheels/.gitkeep",
)


def write_project(target: Path) -> list[Path]:
    """Write a new project's files into a folder, which is made if need be, and return them relative to it.

    Raises:
        ConfigError: one of the files is there already with other contents (nothing is written then), or the folder
            cannot be written to.
    """
    source = template_folder()
    files = [file.relative_to(source) for name in TEMPLATE for file in _files(source / name)]
    contents = {file: _contents(source / file) for file in files}
    taken = [str(file) for file in files if (target / file).exists() and (target / file).read_bytes() != contents[file]]
    if taken:
        raise ConfigError(
            f"{target} already holds {len(taken)} of the files to write",
            details="\n".join(taken),
            hint="choose an empty folder",
        )
    try:
        for file in files:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            (target / file).write_bytes(contents[file])
            shutil.copymode(source / file, target / file)
    except OSError as error:
        raise ConfigError(
            f"cannot write {error.filename}: {error.strerror}", hint="choose a folder you may write to"
        ) from error
    return files


def template_folder() -> Path:
    """Return where the template's files are: in the wheel, or the checkout mardock was installed from."""
    package = Path(__file__).parents[1]
    packed = package / "template"
    return packed if packed.is_dir() else package.parents[1]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _contents(file: Path) -> bytes:
    raw = file.read_bytes()
    if file.name.startswith("requirements"):
        text = re.sub(r"^-e \.\[(.*)\]$", lambda found: _requirement(found[1].split(",")), raw.decode(), flags=re.M)
        return text.encode()
    return raw


def _requirement(wanted: list[str]) -> str:
    """Return the line of a requirements file that asks for the mardock that runs now."""
    *options, what = extras.requirement(*wanted)
    return " ".join([*options, f'"{what}"' if options and " " in what else what])  # pip unquotes what an option takes
