"""Read from .env what is mardock's and compose's, and refuse of that what the two would read differently or drop."""

from __future__ import annotations

import io
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mardock import permissions, text_files
from mardock.errors import ConfigError
from mardock.settings.schema import COMPOSE_ONLY, ENVIRONMENT_NAMES
from mardock.spelling import did_you_mean

if TYPE_CHECKING:
    from dotenv.parser import Binding

_KNOWN = (*ENVIRONMENT_NAMES.values(), *COMPOSE_ONLY)
_OURS = ("MARDOCK_", "COMPOSE_")
_WITHOUT_BRACES = re.compile(r"\$([A-Za-z_]\w*)")
_UNREADABLE = (
    ("\0", "a NUL byte", "remove it"),
    ("\r", "a line end of old Macs", "save the file with the line ends of Unix"),
    ("[\udc80-\udcff]", "not UTF-8 text", "save the file as UTF-8"),
)


def variables(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a project's .env with `${NAME}` and `${NAME:-default}` expanded.

    The file may be another tool's as well: what is neither mardock's nor compose's is read as compose reads it, and
    what cannot be read of that is left out.

    Args:
        environ: where names that the file does not set are looked up; it wins over the file.

    Raises:
        ConfigError: with file and line, for what is not plain `KEY=value` among mardock's and compose's.
    """
    from dotenv.parser import parse_stream

    path = root / ".env"
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(_text(path))):
        where = _where(path, binding) if _is_ours(binding) else None
        if where:
            _refuse_broken(binding, where, values)
        if binding.key is not None and binding.value is not None:
            values[binding.key] = _expand(binding.value, where, {**values, **environ})
    return values


def _where(path: Path, binding: Binding) -> str:
    # A binding's text begins with the blank lines and comments above it.
    text = binding.original.string
    return f"{path.name}:{binding.original.line + len(text) - len(text.lstrip(chr(10)))}"


def _is_ours(binding: Binding) -> bool:
    if not binding.error:
        return binding.key is not None and (binding.key.startswith(_OURS) or binding.key in _KNOWN)
    words = re.findall(r"\w+", binding.original.string)
    return any(word.startswith(_OURS) or word in _KNOWN for word in words)


def _text(path: Path) -> str:
    """Return a file's text; bytes that are no UTF-8 become surrogates, since they may stand in what is not ours."""
    if not path.is_file():  # compose, too, passes over a folder: a virtual environment may be called .env
        return ""
    try:
        with permissions.told(ConfigError):
            raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path.name}: {error.strerror}", hint=f"ls -l {path.name}") from error
    raw = raw[len(BOM_UTF8) :] if raw.startswith(BOM_UTF8) else raw
    if fault := text_files.mark_fault(raw, path.name):  # UTF-16, of which compose reads nothing
        raise ConfigError(fault.message, hint=fault.hint)
    return raw.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def _refuse_broken(binding: Binding, where: str, before: Mapping[str, str]) -> None:
    for mark, what, hint in _UNREADABLE:
        if re.search(mark, binding.original.string):
            raise ConfigError(f"{where}: {what}", hint=hint)
    if binding.error or binding.key is None or binding.value is None:
        raise ConfigError(f"{where}: not a KEY=value line", hint="quote values that hold quotes or line ends")
    if binding.key in before:
        raise ConfigError(f"{where}: {binding.key} is set twice", hint="keep one of the two lines")
    _refuse_misspelt(binding.key, where)
    literal = re.search(r"=\s*'", binding.original.string)
    if literal and "${" in binding.value:
        raise ConfigError(f"{where}: compose expands nothing in single quotes", hint='write "…", or nothing around it')
    if not literal and (found := _WITHOUT_BRACES.search(binding.value)):
        raise ConfigError(f"{where}: ${found[1]} is expanded by compose alone", hint=f"write ${{{found[1]}}}")


def _refuse_misspelt(key: str, where: str) -> None:
    if key.startswith("MARDOCK_") and key not in _KNOWN:
        hint = did_you_mean(key, _KNOWN) or "the variables there are: docs/reference/env.md"
        raise ConfigError(f"{where}: unknown variable {key}", hint=hint)


def _expand(value: str, where: str | None, defined: Mapping[str, str]) -> str:
    """Return a value with its variables.

    Args:
        where: where one stands that may name no variable that is not set; None where that is empty, as for compose.
    """
    from dotenv.variables import Variable, parse_variables

    atoms = list(parse_variables(value))
    for atom in atoms:
        if where and isinstance(atom, Variable) and atom.default is None and atom.name not in defined:
            raise ConfigError(
                f"{where}: ${{{atom.name}}} is not set", hint=f"set {atom.name}, or write ${{{atom.name}:-default}}"
            )
    return "".join(atom.resolve(defined) for atom in atoms)
