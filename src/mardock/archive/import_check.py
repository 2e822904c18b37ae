"""Whether what a model's code imports can be found: in its archive, in the Python that serves, or here alone."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Optional

from mardock import text_files
from mardock.archive import loaded_code
from mardock.archive.loaded_code import Import
from mardock.archive.names import OF_WORKERS, unimportable
from mardock.archive.source_check import Source
from mardock.archive.spec import ArchiveSpec
from mardock.errors import ArchiveError
from mardock.interpreter import Interpreter

_OF_THE_STDLIB = "json"  # one of its packages: what lies beside it is of it
_MODULES = (".py", ".so", ".pyd")
_INSTALLED = ("site-packages", "dist-packages")


class Finding(NamedTuple):
    """An import that fails, or works on this machine alone.

    Attributes:
        text: what and where, e.g. `src/handler.py:3: no module named 'mylib'`.
        hint: what mends it.
        final: whether nothing that pip installs can.
    """

    text: str
    hint: str
    final: bool = False


def check(
    spec: ArchiveSpec,
    sources: Mapping[str, Source],
    members: Collection[str],
    root: Path,
    python: Interpreter,
    requirements: Optional[Path] = None,
) -> list[Finding]:
    """Check that every import a worker runs while it loads `sources` can be found.

    One counts as found among `members`, in that Python, or when `requirements` lists something that is not installed
    there and so may bring it.

    Args:
        sources: by their member's name; see `loaded_code.read`.
        root: the project's folder, where a package may lie that the archive should have.

    Returns:
        Those that only this machine has, such as packages installed editable, each once.

    Raises:
        ArchiveError: one cannot be found; the first is the message, and where there are several, all are the details.
    """
    asked = [(source, one) for member, source in sources.items() for one in loaded_code.imports(source, member)]
    places = python.modules({"torch", _OF_THE_STDLIB, *(wanted.top for _, wanted in asked if wanted.module)})
    look = _Look(spec, frozenset(members), Path(os.path.realpath(root)), python, places)
    faults = [fault for source, wanted in asked if (fault := look.fault(source, wanted))]
    if requirements and faults and _brings_packages(requirements, python):
        faults = [fault for fault in faults if fault.final]
    if faults:
        told = "\n".join(one.text for one in faults) if len(faults) > 1 else None
        raise ArchiveError(faults[0].text, details=told, hint=faults[0].hint)
    first = {wanted.top: (source, wanted) for source, wanted in reversed(asked)}
    return [found for source, wanted in first.values() if (found := look.only_here(source, wanted))]


@dataclass(frozen=True)
class _Look:
    """A look for what one model imports; `root` is a real path, `places` where the Python has what is asked for."""

    spec: ArchiveSpec
    members: frozenset[str]
    root: Path
    python: Interpreter
    places: Mapping[str, Optional[Path]]

    @cached_property
    def tops(self) -> set[str]:
        """What the archive has to import, by its first name."""
        return {re.split(r"[/.]", name)[0] for name in self.members if "/" in name or name.endswith(_MODULES)}

    def fault(self, source: Source, wanted: Import) -> Optional[Finding]:
        where = f"{source.label}:{wanted.statement.lineno}"
        if wanted.module is None:
            text = f"{where}: TorchServe loads this file as no part of a package: relative imports fail"
            return Finding(text, self._out_of_relative(source, wanted), final=True)
        if wanted.top in self.tops:
            missing = _missing(wanted.module, self.members)
            hint = f"correct the import, or see what is left out: mardock archive {self.spec.model_name} --dry-run"
            text = f"{where}: no module named {missing!r} in the archive"
            return Finding(text, hint, final=True) if missing else None
        if self.places[wanted.top] is not None:
            return None
        return Finding(f"{where}: no module named {wanted.top!r}", self._mend(source, wanted.top))

    def only_here(self, source: Source, wanted: Import) -> Optional[Finding]:
        """Tell of a module that lies where no pip has put it."""
        found = None if wanted.top in (*self.tops, *OF_WORKERS) else self.places[wanted.top]
        place = found.resolve() if found is not None and found.is_absolute() else None  # built-in ones are nowhere
        if place is None or set(_INSTALLED) & set(place.parts) or self._is_in_stdlib(place):
            return None
        own = place.relative_to(self.root) if place.is_relative_to(self.root) else None
        text = (
            f"{source.label}:{wanted.statement.lineno}: {wanted.top} is found in {own or place}, on this machine alone"
        )
        mend = self._named(own) if own else "list it in requirements_file, or copy it into the project for `code`"
        return Finding(text, f"for containers and other machines: {mend}")

    def _out_of_relative(self, source: Source, wanted: Import) -> str:
        """Say how a file can import its neighbours: the handler as a part of its package, others by whole names."""
        statement = wanted.statement
        assert isinstance(statement, ast.ImportFrom)
        folder = Path(source.label).parent
        package = self._package(folder, statement.level - 1)
        if package is None:
            name = statement.module or wanted.parts[0]
            written = f"from {name} import …" if statement.module else f"import {name}"
            own = self._own(Path(source.label), name.partition(".")[0])
            return f"write `{written}`" + (f", and {self._named(own)}" if own else "")
        inside = (package.name, *folder.relative_to(package).parts)
        if source.label == self.spec.handler_file:
            served_as = ".".join((*inside, Path(source.label).stem))
            return f"{self._named(package)}: then it is served as {served_as}, and they work"
        name = ".".join(filter(None, (*inside[: max(1, len(inside) - statement.level + 1)], statement.module)))
        return f"write `from {name} import …`, and {self._named(package)}"

    def _package(self, folder: Path, above: int) -> Optional[Path]:
        """Return the outermost package of a folder of the project; None where none can be imported.

        Args:
            above: how many folders that are packages lie above it at least.
        """
        folder = Path(os.path.normpath(Path(folder, *[".."] * above)))
        while folder.parent != folder and (self.root / folder.parent / "__init__.py").is_file():
            folder = folder.parent
        return folder if folder.name and not folder.is_absolute() and not unimportable(folder.name) else None

    def _mend(self, source: Source, module: str) -> str:
        own = self._own(Path(source.label), module)
        if own is not None:
            return self._named(own)
        if self.places["torch"] is None:
            return f"archive it where torch is: --engine docker, or {self.python.how_to_install()}"
        return (
            "add the package to requirements_file; one of your own is named in mardock.toml:"
            f' code = ["path/to/{module}"] in [models.{self.spec.model_name}.archive]'
        )

    def _is_in_stdlib(self, place: Path) -> bool:
        known = self.places[_OF_THE_STDLIB]
        return known is not None and place.is_relative_to(known.resolve().parent)

    def _own(self, label: Path, module: str) -> Optional[Path]:
        """Return a package or a module of the project with that name: the nearest to a file."""
        for folder in (*label.parents, Path("src")):
            package = folder / module
            if (self.root / package).is_dir() and next((self.root / package).rglob("*.py"), None):
                return package
            if (self.root / f"{package}.py").is_file():
                return Path(f"{package}.py")
        return None

    def _named(self, own: Path) -> str:
        """Return the line that brings something of the project in; what lies around it, and did not help, goes."""
        kept = [entry for entry in self.spec.code if Path(entry) not in (own, *own.parents)]
        entries = ", ".join(f'"{entry}"' for entry in (*kept, own.as_posix()))
        return f"code = [{entries}] in [models.{self.spec.model_name}.archive] of mardock.toml"


def _missing(module: str, members: Collection[str]) -> Optional[str]:
    """Return what there is not of a module in a package of the archive; parts of a namespace may be installed."""
    names = module.split(".")
    for count in range(1, len(names)):
        if f"{'/'.join(names[:count])}/__init__.py" not in members:
            return None
        inside = "/".join(names[: count + 1])
        if not any(member.startswith((f"{inside}/", f"{inside}.")) for member in members):
            return ".".join(names[: count + 1])
    return None


def _brings_packages(requirements: Path, python: Interpreter) -> bool:
    """Whether a line names a package that Python lacks; options and URLs are taken for such lines."""
    return bool(python.unmet(text_files.requirement_lines(requirements.read_bytes())))
