"""Writes a setting into model-config.yaml or mardock.toml line by line, so that comments and order stay as they are."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from mardock import ownership, text_files
from mardock.errors import ConfigError
from mardock.settings.root import PROJECT_FILE
from mardock.settings.schema import ModelSettings
from mardock.tuning.setting import Setting


@dataclass(frozen=True)
class Edit:
    """A file and what is to stand in it."""

    path: Path
    before: str
    after: str

    def diff(self) -> list[str]:
        """Return the lines that go (`-`) and come (`+`)."""
        lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), lineterm="", n=0)
        return [line for line in lines if line[:2] not in ("--", "++", "@@")]

    def apply(self) -> None:
        """Write it, all at once.

        Raises:
            ConfigError: the file was written to meanwhile, or cannot be.
        """
        try:
            if self.path.read_bytes().decode("utf-8") != self.before:
                raise ConfigError(f"{self.path.name} was changed while it was tuned", hint="mardock tune again")
            ownership.replace(self.path, self.after.encode("utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot write {self.path}: {error.strerror}", hint=f"ls -l {self.path}") from error


def edit_for(setting: Setting, root: Path, name: str, model: ModelSettings, *, with_threads: bool) -> Edit:
    """Return what has to be written for a setting: into the model's model-config.yaml when it has one, which wins.

    Args:
        name: the model's in mardock.toml.
        with_threads: whether workers heed their model's own number of threads.

    Raises:
        ConfigError: the file is written in a way that cannot be edited line by line; the lines to add are told.
    """
    if model.archive.config_file:
        values = model_config_keys(setting, with_threads=with_threads)
        return _edit(root / model.archive.config_file, values, None)
    values = {
        "initial_workers": setting.workers,
        "batch_size": setting.batch_size,
        "max_batch_delay": setting.max_batch_delay,
        **({"threads_per_worker": setting.threads} if with_threads else {}),
    }
    return _edit(root / PROJECT_FILE, values, f"models.{name}.serving")


def model_config_keys(setting: Setting, *, with_threads: bool) -> dict[str, int]:
    """Return a setting as keys of model-config.yaml."""
    return {
        "minWorkers": setting.workers,
        "maxWorkers": setting.workers,
        "batchSize": setting.batch_size,
        "maxBatchDelay": setting.max_batch_delay,
        **({"threadsPerWorker": setting.threads} if with_threads else {}),
    }


def _edit(path: Path, values: Mapping[str, int], table: Optional[str]) -> Edit:
    try:
        before = path.read_bytes().decode("utf-8")  # not read_text, which would lose Windows line ends
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}", hint=f"ls -l {path}") from error
    after = _set_yaml(before, values) if table is None else _set_toml(before, values, table)
    if not _says(before, after, values, table):
        separator, head = (": ", "") if table is None else (" = ", f"[{table}]\n")
        raise ConfigError(
            f"{path.name} is not written line by line, so it is left to you",
            details=head + "\n".join(f"{key}{separator}{value}" for key, value in values.items()),
            hint=f"write these into {path}",
        )
    return Edit(path, before, after)


def _set_yaml(text: str, values: Mapping[str, int]) -> str:
    return _set_lines(text, values, ": ")


def _set_toml(text: str, values: Mapping[str, int], table: str) -> str:
    """Set keys of a table; one that is not there is added behind the last table of the model."""
    header = re.compile(rf"^[ \t]*\[[ \t]*{re.escape(table)}[ \t]*\][^\n]*(?:\n|\Z)", re.MULTILINE)
    found = header.search(text)
    if found is None:
        model = re.escape(table.rpartition(".")[0])
        last = list(re.finditer(rf"^[ \t]*\[[ \t]*{model}(?:\.[^\]]*)?\][^\n]*(?:\n|\Z)", text, re.MULTILINE))
        end = _end_of_table(text, last[-1].end()) if last else len(text)
        body = "".join(f"{key} = {value}\n" for key, value in values.items())
        return f"{text[:end].rstrip()}\n\n[{table}]\n{body}{_gap(text[end:])}"
    end = _end_of_table(text, found.end())
    inside = text[found.end() : end]
    kept = inside.rstrip("\n")
    return (
        text[: found.end()]
        + _set_lines(kept + "\n" if kept else "", values, " = ")
        + inside[len(kept) + 1 :]
        + text[end:]
    )


def _end_of_table(text: str, start: int) -> int:
    following = re.search(r"^[ \t]*\[", text[start:], re.MULTILINE)
    return start + following.start() if following else len(text)


def _gap(rest: str) -> str:
    return f"\n{rest}" if rest else ""


def _set_lines(text: str, values: Mapping[str, int], separator: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    for key, value in values.items():
        line = re.compile(rf"^({key}[ \t]*{separator.strip()}[ \t]*)[^\s#]+", re.MULTILINE)
        if line.search(text):
            text = line.sub(rf"\g<1>{value}", text, count=1)
        else:
            text += ("" if not text or text.endswith("\n") else newline) + f"{key}{separator}{value}{newline}"
    return text


def _says(before: str, after: str, values: Mapping[str, int], table: Optional[str]) -> bool:
    """Say whether the edited text means what the old one did, with these values set."""
    parse = _parsed_yaml if table is None else _parsed_toml
    wanted, found = parse(before), parse(after)
    if wanted is None or found is None:
        return False
    inner = wanted
    for part in table.split(".") if table else ():
        inner = inner.setdefault(part, {})
    inner.update(values)
    return wanted == found


def _parsed_yaml(text: str) -> Optional[dict[str, Any]]:
    import yaml

    try:
        value = yaml.safe_load(text) or {}
    except yaml.YAMLError:
        return None
    return value if isinstance(value, dict) else None


def _parsed_toml(text: str) -> Optional[dict[str, Any]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(text.lstrip(text_files.BOM))
    except tomllib.TOMLDecodeError:
        return None
