"""Read both files, let pydantic check them, and name file, line and key of what is wrong."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mardock import permissions, text_files
from mardock.archive.spec import ArchiveSpec
from mardock.errors import ConfigError
from mardock.settings.env_file import read_env_file
from mardock.settings.lines import Lines
from mardock.settings.root import PROJECT_FILE
from mardock.settings.schema import COMPOSE_ONLY, ENVIRONMENT_NAMES, ModelSettings, Native, Serving, Settings, Training
from mardock.spelling import did_you_mean

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_NO_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"


def load(root: Path, environ: Optional[Mapping[str, str]] = None, **overrides: Any) -> Settings:
    """Return the settings of the project in `root`.

    Flags win over the environment, that over .env, that over mardock.toml, that over the defaults.

    Args:
        environ: the environment; this process's own when not given.
        overrides: fields of `Machine` given as flags; `None` means not given.

    Raises:
        ConfigError: something is wrong in them, with file, line and key.
    """
    from pydantic import TypeAdapter, ValidationError

    environ = os.environ if environ is None else environ
    text, tables = _read_project_file(root / PROJECT_FILE)
    env_file = root / ".env"
    known = (*ENVIRONMENT_NAMES.values(), *COMPOSE_ONLY)
    from_file = read_env_file(env_file, environ, known) if env_file.exists() else {}

    machine = {"engine": tables.pop("engine")} if "engine" in tables else {}
    for name, variable in ENVIRONMENT_NAMES.items():
        value = environ.get(variable) or from_file.get(variable)  # compose, too, takes an empty one as not set
        if value:
            machine[name] = value
    machine.update({name: value for name, value in overrides.items() if value is not None})
    for name, model in _tables(tables.get("models")):
        archive = model.get("archive")
        if isinstance(archive, dict):
            archive.setdefault("model_name", name)
    try:
        with _without_plugins():
            settings = TypeAdapter(Settings).validate_python({**tables, "root": root, "machine": machine})
    except ValidationError as error:
        raise _explained(error, text, env_file) from error
    _check_archives(settings, Lines(text))
    return settings


def _check_archives(settings: Settings, lines: Lines) -> None:
    """Refuse two models with one archive: the one would overwrite the other's and be served in its name."""
    first: dict[str, str] = {}
    for name, model in settings.models.items():
        called = model.archive.model_name
        other = first.setdefault(called.casefold(), name)  # some file systems know no case
        if other != name:
            one, two = (lines.nearest(("models", table, "archive", "model_name")) for table in (other, name))
            raise ConfigError(
                f"{PROJECT_FILE}:{two}: the models {other} (line {one}) and {name} are both archived as {called}.mar",
                hint=f"give one of them a model_name of its own, or take it out: [models.{name}.archive]",
            )


@contextmanager
def _without_plugins() -> Iterator[None]:
    """Keep pydantic from looking for plugins in every installed package: none has a say in what these settings mean."""
    before = os.environ.get(_NO_PLUGINS)
    os.environ[_NO_PLUGINS] = "__all__"
    try:
        yield
    finally:
        del os.environ[_NO_PLUGINS]  # what this process starts may want them
        if before is not None:
            os.environ[_NO_PLUGINS] = before


def _written(text: str, location: Sequence[str], line: Optional[int]) -> Optional[str]:
    """Return a number, a date, true or false of mardock.toml as it is written: the float 1.10 is 1.1, and no version.

    Args:
        location: its keys, and the numbers of items.
        line: where its key is set, from 1.
    """
    value: Any = _toml().loads(text, parse_float=str)
    for part in location:
        value = value[int(part)] if isinstance(value, list) else value[part]
    if isinstance(value, (dict, list)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    found = re.search(r"=\s*([\w.:+\-]+(?: \d\d:[\w.:+\-]+)?)", text.splitlines()[line - 1]) if line else None
    return found[1] if found and not isinstance(value, str) and not location[-1].isdigit() else str(value)


def _toml() -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib


def _read_project_file(path: Path) -> tuple[str, dict[str, Any]]:
    tomllib = _toml()
    try:
        with permissions.told(ConfigError):
            raw = path.read_bytes()
        if fault := text_files.utf8_fault(raw, path.name):
            raise ConfigError(fault.message, hint=fault.hint)
        text = raw.decode("utf-8-sig")  # a mark is an editor's, and TOML 1.0 takes none
        return text, tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read {path.name}: {error.strerror}", hint="mardock init . writes one") from error
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        where = f"{path.name}:{line.group(1)}" if line else path.name
        raise ConfigError(f"{where}: {error}", hint=f"mend that line of {path.name}") from error


def _tables(value: object) -> list[tuple[str, dict[str, Any]]]:
    return [(k, v) for k, v in value.items() if isinstance(v, dict)] if isinstance(value, dict) else []


def _explained(error: ValidationError, text: str, env_file: Path) -> ConfigError:
    # A misspelt key is also a missing one: the misspelling is what the user can see.
    findings = sorted(error.errors(), key=lambda finding: finding["type"] != "unexpected_keyword_argument")
    first, *others = [_sentence(finding, text, env_file) for finding in findings]
    return ConfigError(first[0], details="\n".join(sentence for sentence, _ in others) or None, hint=first[1])


def _sentence(finding: ErrorDetails, text: str, env_file: Path) -> tuple[str, str]:
    """Turn one of pydantic's findings into a sentence with its place, and a hint."""
    location = [str(part) for part in finding["loc"]]
    problem = finding["msg"].replace("Value error, ", "")
    if location[:1] == ["machine"]:
        return _machine_sentence(location, f"{problem} (it is {finding['input']!r})", problem, text, env_file)
    key = ".".join(location)
    line = _line(text, location)
    where = f"{PROJECT_FILE}:{line}" if line else PROJECT_FILE
    if finding["type"] == "unexpected_keyword_argument":
        return f"{where}: unknown key {key}", _nearest(location)
    if finding["type"] == "missing":
        return f"{where}: {key} is missing", f"add {location[-1]} = … under [{'.'.join(location[:-1])}]"
    if finding["type"] == "string_type" and (literal := _written(text, location, line)) is not None:
        return f"{where}: {key}: {problem} (it is {literal})", _quoted(location, literal)
    return f"{where}: {key}: {problem} (it is {finding['input']!r})", f"mend {key} in {PROJECT_FILE}"


def _quoted(location: Sequence[str], literal: str) -> str:
    name = location[-1]
    return f'write "{literal}" in {location[-2]}' if name.isdigit() else f'write {name} = "{literal}"'


def _machine_sentence(
    location: Sequence[str], with_value: str, problem: str, text: str, env_file: Path
) -> tuple[str, str]:
    if not location[1:]:
        return problem, "mend them in .env, the environment or the flags"
    variable = ENVIRONMENT_NAMES[location[1]]
    line = _line(env_file.read_text(encoding="utf-8"), [variable]) if env_file.exists() else None
    if line:
        return f".env:{line}: {variable}: {with_value}", f"mend {variable} in .env"
    line = _line(text, location[1:])
    if line:
        return f"{PROJECT_FILE}:{line}: {location[1]}: {with_value}", f"mend {location[1]} in {PROJECT_FILE}"
    return f"{variable}: {with_value}", f"mend the flag or the environment variable {variable}"


def _nearest(location: Sequence[str]) -> str:
    owner: Any = {"native": Native}.get(location[0], Settings) if len(location) > 1 else Settings
    if location[:1] == ["models"]:
        tables = {"archive": ArchiveSpec, "serving": Serving, "train": Training}
        owner = tables.get(location[2], ModelSettings) if len(location) > 3 else ModelSettings
    known = [name for name in owner.__dataclass_fields__ if name not in ("__pydantic_config__", "root", "machine")]
    return did_you_mean(location[-1], known) or f"known keys: {', '.join(known)}"


def _line(text: str, location: Sequence[str]) -> Optional[int]:
    return Lines(text).nearest(location)
