"""What a folder that is to become a project holds already: its handler and its weights, if there is one of each."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock.settings.root import PROJECT_FILE

_MOST_FILES = 20_000  # of a folder that holds more, such as one of data, nothing is looked for
_WEIGHTS = (".pt", ".pth")
_PASSED_OVER = frozenset(
    {"__pycache__", "build", "dist", "env", "node_modules", "site-packages", "test", "tests", "venv"}
)


@dataclass(frozen=True)
class Found:
    """Paths relative to the folder; None where there is none, or more than one.

    Attributes:
        handler: a .py named after a handler that has one.
        weights: a .pt or .pth.
    """

    handler: Optional[str] = None
    weights: Optional[str] = None


def look(folder: Path) -> Found:
    """Look for what a model is served from."""
    handlers, weights = [], []
    for number, file in enumerate(_files(folder)):
        if number == _MOST_FILES:
            return Found()
        if file.suffix in _WEIGHTS:
            weights.append(file)
        elif file.suffix == ".py" and "handler" in file.stem.lower() and _has_handler(file):
            handlers.append(file)
    return Found(_only(handlers, folder), _only(weights, folder))


def _files(top: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(top):
        here = Path(folder)
        # Neither hidden ones, nor environments, nor projects of their own.
        folders[:] = [
            name
            for name in folders
            if name not in _PASSED_OVER
            and not name.startswith(".")
            and not (here / name / "pyvenv.cfg").exists()
            and not (here / name / PROJECT_FILE).exists()
        ]
        yield from (here / name for name in names)


def _has_handler(file: Path) -> bool:
    """Say whether a module has a function `handle`, or a class with one or of a base named after a handler."""
    try:
        body = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return False
    if any(isinstance(item, ast.FunctionDef) and item.name == "handle" for item in body):
        return True
    classes = [item for item in body if isinstance(item, ast.ClassDef)]
    bases = [ast.unparse(base) for one in classes for base in one.bases]
    methods = [item.name for one in classes for item in one.body if isinstance(item, ast.FunctionDef)]
    return "handle" in methods or any(base.endswith("Handler") for base in bases)


def _only(files: list[Path], folder: Path) -> Optional[str]:
    path = files[0].relative_to(folder).as_posix() if len(files) == 1 else ""
    return path if path and path.isprintable() else None  # neither bytes that are no text nor control characters
