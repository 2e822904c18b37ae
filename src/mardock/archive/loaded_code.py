"""The code a worker runs while it loads a model: the handler, the model file, and what these import of the archive."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Optional, Union

from mardock.archive import source_check
from mardock.archive.source_check import Source
from mardock.archive.spec import ArchiveSpec

ImportStatement = Union[ast.Import, ast.ImportFrom]


class Import(NamedTuple):
    """A module that must be found for a file to load.

    Attributes:
        statement: what asks for it.
        module: its whole name; None for a relative import out of every package.
        parts: names that may be modules in it.
    """

    statement: ImportStatement
    module: Optional[str]
    parts: tuple[str, ...] = ()

    @property
    def top(self) -> str:
        """The first name of the module, which is where it is looked for."""
        return (self.module or "").partition(".")[0]


def read(spec: ArchiveSpec, members: Mapping[str, Path], labels: Mapping[str, str]) -> dict[str, Source]:
    """Parse that code, by its member's name.

    Args:
        members: where each member lies.
        labels: what the user knows each Python member by.

    Raises:
        ArchiveError: a syntax error, with `file:line`.
    """
    found: dict[str, Source] = {}
    waiting = [name for name in (spec.handler_member, _model_file(spec)) if name is not None]
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = source_check.parse(members[name], labels.get(name, name))
            for wanted in imports(found[name], name):
                waiting += files(wanted, members)
    return found


def read_all(spec: ArchiveSpec, members: Mapping[str, Path], labels: Mapping[str, str]) -> dict[str, Source]:
    """Parse that code and the other modules of an archive, which a request may import; as `read` otherwise.

    What a package of `code` holds besides may be no code, such as templates of it.
    """
    found = read(spec, members, labels)
    for name in members:
        if name.endswith(".py") and name not in found and not spec.is_packaged(name):
            found[name] = source_check.parse(members[name], labels.get(name, name))
    return found


def check(spec: ArchiveSpec, sources: Mapping[str, Source]) -> None:
    """Check that TorchServe can use the handler and the model file.

    Raises:
        ArchiveError: it cannot.
    """
    model_file = _model_file(spec)
    if spec.handler_member is not None:
        source_check.check_handler(sources[spec.handler_member], spec.handler_function)
    if model_file is not None:
        source_check.check_model_file(sources[model_file])


def _model_file(spec: ArchiveSpec) -> Optional[str]:
    return Path(spec.model_file).name if spec.model_file else None


def imports(source: Source, member: str) -> Iterator[Import]:
    """Yield what a member imports as it loads: a `try` may be there to survive a failure, and other blocks not run."""
    package = tuple(member.split("/")[:-1])
    for statement in _statements(source.tree.body):
        if isinstance(statement, ast.Import):
            yield from (Import(statement, alias.name) for alias in statement.names)
            continue
        parts = tuple(alias.name for alias in statement.names)
        own = (statement.module,) if statement.module else ()
        if not statement.level:
            yield Import(statement, statement.module, parts)
        elif statement.level > len(package):
            yield Import(statement, None, parts)
        else:
            yield Import(statement, ".".join((*package[: len(package) - statement.level + 1], *own)), parts)


def files(wanted: Import, members: Collection[str]) -> list[str]:
    """Return the members an import runs: those of the packages a module lies in, its own, and those of its parts."""
    if wanted.module is None:
        return []
    names = wanted.module.split(".")
    modules = ["/".join(names[:count]) for count in range(1, len(names) + 1)]
    modules += [f"{modules[-1]}/{part}" for part in wanted.parts]
    return [file for stem in modules for file in (f"{stem}/__init__.py", f"{stem}.py") if file in members]


def _statements(body: list[ast.stmt]) -> Iterator[ImportStatement]:
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, (ast.ClassDef, ast.With)) or (isinstance(node, ast.Try) and not node.handlers):
            yield from _statements(node.body)
