"""What `mardock init --example` writes: this repository's own files, the one copy there is of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

_IGNORE_FILES = (".dockerignore", ".gitignore")
_NO_REASON_TO_ASK = (".", "venv")  # a hidden file, or an environment somebody made first


def is_vacant(folder: Path) -> bool:
    """Say whether a folder is not there, or holds nothing but hidden files and an environment.

    Raises:
        ConfigError: it is no folder, or cannot be read.
    """
    try:
        return all(path.name.startswith(_NO_REASON_TO_ASK) for path in folder.iterdir())
    except FileNotFoundError:
        return True
    except OSError as error:
        raise ConfigError(f"cannot use {folder}: {error.strerror}", hint="choose a folder you may write to") from error


def write_project(target: Path) -> list[Path]:
    """Write a new project's files into a folder, which is made if need be, and return them relative to it.

    Files that tell what to ignore are left as they are where they are there; see `lines_to_add`.

    Raises:
        ConfigError: another of the files is there already with other contents (nothing is written then), or the folder
            cannot be written to.
    """
    source = template_folder()
    files = [file.relative_to(source) for name in TEMPLATE for file in _files(source / name)]
    contents = {file: _contents(source / file) for file in files}
    files = [file for file in files if not (str(file) in _IGNORE_FILES and _differs(target / file, contents[file]))]
    refuse_taken(target, {str(file): contents[file] for file in files})
    with told_of_unwritable():
        for file in files:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            (target / file).write_bytes(contents[file])
            shutil.copymode(source / file, target / file)
    return files


def lines_to_add(target: Path) -> dict[str, str]:
    """Return what the user's own files of what to ignore lack of the template's, by their names."""
    lacking = {}
    for name in _IGNORE_FILES:
        wanted = (template_folder() / name).read_text(encoding="utf-8").splitlines()
        if name == ".dockerignore":  # what images are built of; all that is theirs stays in sight
            wanted = [line for line in wanted if line.startswith("!")]
        own = (target / name).read_text(encoding="utf-8", errors="replace").splitlines()
        lines = [line for line in wanted if line not in own]
        if lines:
            lacking[name] = "\n".join(lines)
    return lacking


def refuse_taken(target: Path, files: Mapping[str, bytes]) -> None:
    """Refuse to write files that are there already with other contents.

    Raises:
        ConfigError: naming them.
    """
    taken = [name for name, content in files.items() if _differs(target / name, content)]
    if taken:
        raise ConfigError(
            f"{target} already holds {len(taken)} of the files to write",
            details="\n".join(taken),
            hint="choose an empty folder, or mardock init --bare, which adds mardock.toml alone",
        )


@contextmanager
def told_of_unwritable() -> Iterator[None]:
    """Tell in one sentence what could not be written.

    Raises:
        ConfigError: what could not.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"cannot write {error.filename}: {error.strerror}", hint="choose a folder you may write to"
        ) from error


def template_folder() -> Path:
    """Return where the template's files are: in the wheel, or the checkout mardock was installed from."""
    package = Path(__file__).parents[1]
    packed = package / "template"
    return packed if packed.is_dir() else package.parents[1]


def _differs(path: Path, content: bytes) -> bool:
    return path.exists() and (not path.is_file() or path.read_bytes() != content)


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
