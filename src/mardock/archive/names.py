"""Which names a model, a version and a member of an archive may have."""

from __future__ import annotations

import keyword
import re
import sys
import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Optional

from mardock.errors import ConfigError

_ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
_MAX_LENGTH = 128
OF_WORKERS = ("numpy", "packaging", "psutil", "torch", "torchgen", "tqdm", "ts", "typing_extensions", "yaml")
"""What a worker of TorchServe has imported before it loads a model."""
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def check_model_name(name: str) -> None:
    """Raise ConfigError unless `name` can be a file name everywhere and a part of TorchServe's URLs."""
    _check("model name", name)
    if _WINDOWS_DEVICES.fullmatch(name):
        raise ConfigError(f"model name {name!r} is reserved by Windows", hint="choose another name")


def check_version(version: str) -> None:
    """Raise ConfigError unless `version` can be a part of TorchServe's URLs; `all` means every version there."""
    _check("model version", version)
    if version == "all":
        raise ConfigError("model version 'all' stands for every version in TorchServe's API", hint='use e.g. "1.0"')


def member_fault(name: str) -> Optional[str]:
    """What makes `name` unfit as a member of an archive, or None: it must stay inside the folder it is unpacked to."""
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "is an absolute path"
    if "\\" in name or any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in name):
        return "holds a backslash, a control character or bytes that are no text"
    parts = name[:-1].split("/") if name.endswith("/") else name.split("/")
    if ".." in parts:
        return "leads out of the archive"
    if "" in parts or "." in parts:
        return "has an empty part"
    return None


def unimportable(name: str) -> Optional[str]:
    """What keeps a worker from importing a model's own module or package of that name, or None."""
    if not name.isidentifier() or keyword.iskeyword(name):
        return "has a name that Python cannot import"
    return taken(name)


def taken(name: str) -> Optional[str]:
    """Whose module of that name a worker would find, or would miss then; None when it is free."""
    if name in OF_WORKERS:
        return f"has the name of {name!r}, which TorchServe's workers import"
    if _is_in_standard_library(name):
        return f"has the name of {name!r} in Python's standard library"
    return None


def _is_in_standard_library(name: str) -> bool:
    stdlib = sysconfig.get_path("stdlib")
    return name in sys.builtin_module_names or (
        PathFinder.find_spec(name, [stdlib, str(Path(stdlib, "lib-dynload"))]) is not None
    )


def _check(what: str, text: str) -> None:
    if len(text) > _MAX_LENGTH:
        raise ConfigError(f"{what} is {len(text)} characters long, at most {_MAX_LENGTH} are allowed")
    if not _ALLOWED.fullmatch(text):
        raise ConfigError(
            f"{what} {text!r} is not allowed",
            hint="use letters, digits, '-', '_' and '.', beginning with a letter or a digit",
        )
    if text.lower().startswith("token"):
        raise ConfigError(
            f"{what} {text!r} begins with 'token': TorchServe takes every URL that holds '/token' for its token API",
            hint="choose a name that does not begin with 'token'",
        )
