"""Handler and model code read, never imported, for what TorchServe would only find out in a worker."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Optional

from mardock import text_files
from mardock.errors import ArchiveError

_ClassOrFunction = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Source(NamedTuple):
    """A parsed `.py`; `label` is its path as the user writes it."""

    label: str
    tree: ast.Module


def parse(path: Path, label: str) -> Source:
    """Parse a Python file.

    Raises:
        ArchiveError: a syntax error, with `file:line`.
    """
    raw = path.read_bytes()
    try:
        return Source(label, ast.parse(raw))
    except (SyntaxError, ValueError) as error:
        if fault := text_files.utf8_fault(raw, label):
            raise ArchiveError(fault.message, hint=fault.hint) from error
        raise _unparsed(error, label) from error


def _unparsed(error: Exception, label: str) -> ArchiveError:
    if isinstance(error, SyntaxError):
        line = (error.text or "").rstrip()
        return ArchiveError(f"{label}:{error.lineno}: {error.msg}", details=line, hint=f"mend {label}")
    return ArchiveError(f"{label}: {error}", hint=f"mend {label}")


def check_handler(source: Source, function: Optional[str]) -> None:
    """Check that TorchServe finds its entry point: `function`, else `handle`, else one class with `handle`.

    Raises:
        ArchiveError: there is none, or several classes.
    """
    _check_stem(source.label)
    names = set(_bound_names(source.tree.body))
    if "*" in names or (function or "handle") in names:
        return
    if function:
        raise ArchiveError(
            f"{source.label} defines no function {function!r}", hint=f"mend {source.label} or the handler"
        )
    handler = _only_class(source, "handler", "or a function `handle(data, context)`")
    if [base for base in handler.bases if not (isinstance(base, ast.Name) and base.id == "object")]:
        return
    methods = set(_bound_names(handler.body))
    for method in ("handle", "initialize"):
        if method not in methods:
            raise ArchiveError(
                f"{source.label}:{handler.lineno}: class {handler.name} has no method {method!r}",
                hint="derive it from ts.torch_handler.base_handler.BaseHandler or write the method",
            )


def check_model_file(source: Source) -> None:
    """Check that the file defines exactly one class, as TorchServe's BaseHandler demands.

    Raises:
        ArchiveError: there is none, or several.
    """
    _check_stem(source.label)
    _only_class(source, "model", "that makes the model")


def _check_stem(label: str) -> None:
    if "." in Path(label).stem:
        raise ArchiveError(f"{label}: TorchServe cannot import a file with a second '.' in its name", hint="rename it")


def _only_class(source: Source, role: str, purpose: str) -> ast.ClassDef:
    classes = {node.name: node for node in _top_level(source.tree.body) if isinstance(node, ast.ClassDef)}
    if not classes:
        raise ArchiveError(f"{source.label} defines no class: TorchServe wants exactly one {purpose}")
    if len(classes) > 1:
        found = ", ".join(f"{name} (line {node.lineno})" for name, node in classes.items())
        raise ArchiveError(
            f"{source.label} defines {len(classes)} classes, TorchServe wants exactly one: {found}",
            hint=f"move all but the {role} into a file of their own, name it in code and import it",
        )
    return next(iter(classes.values()))


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement that runs in the module's own scope, those inside `if`, `try`, `with` and loops included."""
    for node in body:
        yield node
        if isinstance(node, _ClassOrFunction):
            continue
        for block in ("body", "orelse", "finalbody"):
            yield from _top_level(getattr(node, block, []))
        for handler in getattr(node, "handlers", []):
            yield from _top_level(handler.body)


def _bound_names(body: list[ast.stmt]) -> Iterator[str]:
    for node in _top_level(body):
        if isinstance(node, _ClassOrFunction):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
