"""Read .env the way compose does, and refuse what compose and python-dotenv would read differently or drop."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from mardock import permissions, text_files
from mardock.errors import ConfigError
from mardock.spelling import did_you_mean


def read_env_file(path: Path, environ: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """Return the variables of an .env file with `${NAME}` and `${NAME:-default}` expanded.

    Args:
        environ: where names that the file does not set are looked up; it wins over the file.
        known: the variables there are; another one that starts with `MARDOCK_` is taken for a misspelling.

    Raises:
        ConfigError: with file and line, for what is not plain `KEY=value`.
    """
    from dotenv.parser import parse_stream

    text = _text(path)
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        # A binding's text begins with the blank lines and comments above it.
        line = binding.original.line + len(binding.original.string) - len(binding.original.string.lstrip("\n"))
        where = f"{path.name}:{line}"
        if binding.error or (binding.key is not None and binding.value is None):
            raise ConfigError(f"{where}: not a KEY=value line", hint="quote values that hold quotes or line ends")
        if binding.key is None or binding.value is None:
            continue
        if binding.key in values:
            raise ConfigError(f"{where}: {binding.key} is set twice", hint="keep one of the two lines")
        _refuse_misspelt(binding.key, where, known)
        values[binding.key] = _expand(binding.value, where, {**values, **environ})
    return values


def _text(path: Path) -> str:
    try:
        with permissions.told(ConfigError):
            raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path.name}: {error.strerror}", hint=f"ls -l {path.name}") from error
    if fault := text_files.utf8_fault(raw, path.name, mark=False):
        raise ConfigError(fault.message, hint=fault.hint)
    text = raw.decode("utf-8")
    for mark, what, hint in (
        (text_files.BOM, "a byte order mark", "save the file as UTF-8 without BOM"),
        ("\0", "a NUL byte", "remove it"),
        ("\r", "a Windows line end", f"sed -i 's/\\r$//' {path.name}"),
    ):
        if mark in text:
            raise ConfigError(f"{path.name}:{text[: text.index(mark)].count(chr(10)) + 1}: {what}", hint=hint)
    return text


def _refuse_misspelt(key: str, where: str, known: Iterable[str]) -> None:
    names = list(known)
    if key.startswith("MARDOCK_") and key not in names:
        hint = did_you_mean(key, names) or ".env.example lists them all"
        raise ConfigError(f"{where}: unknown variable {key}", hint=hint)


def _expand(value: str, where: str, defined: Mapping[str, str]) -> str:
    from dotenv.variables import Variable, parse_variables

    atoms = list(parse_variables(value))
    for atom in atoms:
        if isinstance(atom, Variable) and atom.default is None and atom.name not in defined:
            raise ConfigError(
                f"{where}: ${{{atom.name}}} is not set", hint=f"set {atom.name}, or write ${{{atom.name}:-default}}"
            )
    return "".join(atom.resolve(defined) for atom in atoms)
