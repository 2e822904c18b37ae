"""Handler and model code read, never imported, for what TorchServe would only find out in a worker."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Optional, Union

from mardock import extras, text_files
from mardock.errors import ArchiveError

_Import = Union[ast.Import, ast.ImportFrom]
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


def check_imports(sources: Iterable[Source], members: Collection[str], requirements: Optional[Path]) -> None:
    """Check that every import a worker runs while loading `sources` can be found.

    An import counts as found among `members`, in this Python, or when `requirements` lists something that is not
    installed here and so may bring it. Imports inside functions or under `if` and `try` may never run: they pass.

    Raises:
        ArchiveError: one cannot; the first is the message, all are the details.
    """
    local = {re.split(r"[/.]", name)[0] for name in members}
    faults = []
    for source in sources:
        for statement in _imports(source.tree.body):
            where = f"{source.label}:{statement.lineno}"
            if isinstance(statement, ast.ImportFrom) and statement.level:
                faults.append(f"{where}: TorchServe loads this file as no part of a package: relative imports fail")
                continue
            for module in _modules(statement):
                if module not in local and not _is_importable(module):
                    faults.append(f"{where}: no module named {module!r}")
    if faults and not (requirements and _brings_packages(requirements)):
        raise ArchiveError(faults[0], details="\n".join(faults), hint=_mend())


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
            hint=f"move all but the {role} into a file of their own, list it in extra_files and import it",
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


def _imports(body: list[ast.stmt]) -> Iterator[_Import]:
    """The imports that must succeed for the module to load: a `try` may be there to survive their failing."""
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, (ast.ClassDef, ast.With)) or (isinstance(node, ast.Try) and not node.handlers):
            yield from _imports(node.body)


def _modules(statement: _Import) -> list[str]:
    names = [statement.module or ""] if isinstance(statement, ast.ImportFrom) else [a.name for a in statement.names]
    return [name.partition(".")[0] for name in names]


def _is_importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # loaded, but by hand and without a spec, e.g. __main__
        return True


def _mend() -> str:
    if _is_importable("torch"):
        return "add the file to extra_files or the package to requirements_file"
    return f"archive it where torch is: --engine docker, or {extras.how_to_add('native')}"


def _brings_packages(requirements: Path) -> bool:
    text = text_files.as_pip_reads(requirements.read_bytes())
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return any(line and not _is_installed(line) for line in lines)


def _is_installed(requirement: str) -> bool:
    """Whether a line of a requirements file names a package this Python has; options and URLs are taken for no."""
    import importlib.metadata  # a tenth of the CLI's start-up

    name = re.match(r"[A-Za-z0-9][A-Za-z0-9._\-]*(?=\s*(\[|[<>=!~;]|$))", requirement)
    try:
        return name is not None and importlib.metadata.distribution(name.group()) is not None
    except importlib.metadata.PackageNotFoundError:
        return False
