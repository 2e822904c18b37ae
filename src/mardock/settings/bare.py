"""A project made of a folder that holds files already: mardock.toml is added, and nothing of the user's is changed."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock import ownership
from mardock.archive.boundary import around
from mardock.archive.names import check_model_name
from mardock.errors import ConfigError
from mardock.settings import found as found_files
from mardock.settings import json_schema, template
from mardock.settings.found import Found
from mardock.settings.load import load
from mardock.settings.root import PROJECT_FILE
from mardock.settings.starters import Starter

TORCHSERVE_FILES = ("torchserve/config.properties", "torchserve/log4j2.xml")
"""What mardock has built in, and a project may have of its own."""

_LEFT_BEHIND = {
    "artifacts": ("/artifacts/*.mar", "/artifacts/*.cdx.json", "/artifacts/.*", "/artifacts/compiled/"),
    "logs": ("/logs/*.log", "/logs/*.log.gz", "/logs/tune-*.html"),
}
_HEAD = f"""\
#:schema {json_schema.URL}
# What the models of this project are; paths are relative to this folder. What the machine is, its ports and who runs
# TorchServe, may stand in .env, e.g. MARDOCK_INFERENCE_PORT=9080.
"""


@dataclass(frozen=True)
class Made:
    """What became of the folder.

    Attributes:
        model: the name of the model that was asked for.
        models: those that mardock.toml has a table of.
        written: the files that were written.
        by_hand: lines to add, by the file of the user's they belong into.
        found: the files that mardock.toml names for they were there.
    """

    model: str
    models: tuple[str, ...]
    written: tuple[str, ...]
    by_hand: dict[str, str]
    found: tuple[str, ...] = ()


def make(target: Path, model: Optional[str], starter: Optional[Starter] = None, *, own_config: bool = False) -> Made:
    """Make a project of a folder, which may be one.

    Args:
        model: the model's name, for a mardock.toml that is written or lacks it; that of the folder when None.
        starter: a handler to write for it.
        own_config: write TorchServe's configuration too, for the user to change.

    Raises:
        ConfigError: the name is not allowed, one of the starter's files is there with other contents (nothing is
            written then), or the folder cannot be written to.
    """
    name = model or model_name(target.resolve().name)
    check_model_name(name)
    files = dict(starter.files) if starter else {}
    template.refuse_taken(target, files)
    if own_config:
        files.update({one: (template.template_folder() / one).read_bytes() for one in TORCHSERVE_FILES})
    found, by_hand = Found(), dict[str, str]()
    known = _models(target)
    if known is None:
        found = Found() if starter else found_files.look(target)
        table = starter.table if starter else _table(name, found)
        files[PROJECT_FILE] = f"{_HEAD}\n{table}".encode()
    elif name not in known and (model or starter):
        by_hand[PROJECT_FILE] = starter.table if starter else _table(name, found_files.look(target))
    lines = _ignore_lines(target)
    if lines:
        by_hand[".gitignore"] = "\n".join(lines)
    written = _write(target, files)
    models = _models(target) or ()
    named = (found.handler, found.weights) if name in models else ()  # else in a comment
    return Made(name, models, written, by_hand, tuple(filter(None, named)))


def model_name(folder: str) -> str:
    """Return the name of a model that is called like a folder, as TorchServe allows it."""
    plain = unicodedata.normalize("NFKD", folder).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-_")[:64] or "model"
    try:
        check_model_name(name)
    except ConfigError:  # it begins with what TorchServe takes for its token API, or is one of Windows' devices
        return f"model-{name}"
    return name


def _models(target: Path) -> Optional[tuple[str, ...]]:
    """Return the models of a folder's mardock.toml, none where it is broken; None without one."""
    if not (target / PROJECT_FILE).exists():
        return None
    try:
        return tuple(load(target, {}).models)
    except ConfigError:
        return ()


def _table(model: str, found: Found) -> str:
    """Return the text of a model's tables: in comments, unless its handler is known."""
    key = model if re.fullmatch(r"[A-Za-z0-9_-]+", model) else json.dumps(model)
    handler = found.handler or "serving/handler.py"
    weights = f"serialized_file = {_text(found.weights)}" if found.weights else '# serialized_file = "weights.pt"'
    text = f"""\
[models.{key}]
# sample = "samples"  # a file or a folder: what `mardock predict {model}` sends when no file is named

[models.{key}.archive]
version = "1.0"
handler = {_text(handler)}  # or the name of one of TorchServe's own: image_classifier, …
{weights}  # a TorchScript, or a state dict, wherever it lies
# model_file = "model.py"  # the class of a state dict, unless the handler makes it
# code = ["src/mypackage"]  # packages and modules to import, each under its own name
# extra_files = ["index_to_name.json"]  # files, folders and patterns that lie beside the handler
# requirements_file = "requirements.txt"
# config_file = "model-config.yaml"

[models.{key}.serving]
initial_workers = 1
"""
    if found.handler:
        return text
    lines = (f"# {line.removeprefix('# ')}".rstrip() if line else "" for line in text.splitlines())
    return "# Take out the # of a line that is yours, and name your own files.\n" + "\n".join(lines) + "\n"


def _text(path: str) -> str:
    return json.dumps(path, ensure_ascii=False)


def _ignore_lines(target: Path) -> list[str]:
    """Return what git is to ignore in folders of the user's that mardock writes into; its own ignore themselves."""
    repository = around(target.resolve())
    if not (repository / ".git").exists():
        return []
    file = target / ".gitignore"
    there = file.read_text(encoding="utf-8", errors="replace").split() if file.is_file() else []
    lines: list[str] = []
    for folder, wanted in _LEFT_BEHIND.items():
        ignored = {f"{before}{folder}{after}" for before in ("", "/") for after in ("", "/", "/*")} & {*there}
        if (target / folder).is_dir() and not ignored and not (target / folder / ".gitignore").exists():
            lines += [line for line in wanted if line not in there]
    return lines


def _write(target: Path, files: dict[str, bytes]) -> tuple[str, ...]:
    """Write the files that are not there."""
    missing = [name for name in files if not (target / name).exists()]
    with template.told_of_unwritable():
        for name in missing:
            ownership.make_parents(target / name)
            ownership.replace(target / name, files[name])
    return tuple(missing)
