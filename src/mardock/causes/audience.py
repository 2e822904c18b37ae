"""Audience: who is told of a failure, by which paths they know the model's files and what they do after an edit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Optional

from mardock.causes.cause import Call, Owner
from mardock.causes.tracebacks import TORCHSERVE, Frame
from mardock.side_names import FOLDER, OWN_HANDLERS

# Where TorchServe unpacked an archive, or a folder of the model store.
_MODEL_DIR = rf"[/\\](?:models[/\\][0-9a-f]{{32}}|{FOLDER})[/\\]"
_SERVED = re.compile(rf"{_MODEL_DIR}(?P<member>.+)")
# An absolute path within a text: no other one begins in it, and what encloses paths ends it.
_BEFORE = r"(?<![^\s'\"(:=])/(?:(?! /)[^'\"()\n:=])*?"
_LIBRARY = re.compile(r".*[/\\](?:(?:site|dist)-packages|lib[/\\]python3[^/\\]*)[/\\](?P<name>.+)|<.*")
_OWN = re.compile(rf"[/\\](?:{'|'.join(map(re.escape, OWN_HANDLERS))})$")
_SERVER = re.compile(rf"{TORCHSERVE}|^<|[/\\]importlib[/\\]|[/\\]mardock[/\\]engines[/\\]|{_OWN.pattern}")


class Then(Enum):
    """What brings an edit to serve."""

    REGISTER = "register"
    SAVE = "save"
    DEBUG = "debug"
    REHEARSE = "rehearse"


@dataclass(frozen=True)
class Audience:
    """Who is told.

    Attributes:
        sources: the project's path of each Python file of the model, by its member's name, e.g. `{"handler.py":
            "torchserve/mnist/handler.py"}`; empty when they are not known.
        root: the folder the worker knows the project by, when it runs its files where they are.
        then: what they do after an edit; None when they are told to look closer instead.
    """

    sources: Mapping[str, str] = field(default_factory=dict)
    root: Optional[str] = None
    then: Optional[Then] = Then.REGISTER

    def call(self, frame: Frame) -> Call:
        """Return a frame with the path its file is known by."""
        user_path = self._user_path(frame.path)
        library = _LIBRARY.fullmatch(frame.path)
        owner = Owner.USER if user_path else Owner.SERVER if _SERVER.search(frame.path) else Owner.LIBRARY
        path = user_path or (library and library["name"]) or frame.path
        return Call(path, frame.line, frame.function, frame.code, owner)

    def text(self, raw: str) -> str:
        """Return an exception's text with the paths its files are known by."""
        members = "|".join(map(re.escape, sorted(self.sources, key=len, reverse=True)))
        if members:
            path = rf"{_BEFORE}{_MODEL_DIR}({members})(?!\w|\.\w)"
            raw = re.sub(path, lambda found: self.sources[found[1]], raw)
        return raw.replace(f"{self.root}/", "") if self.root else raw

    def _user_path(self, path: str) -> Optional[str]:
        """Map a file that was run to the user's path of it; None for a library's, wherever that was installed."""
        if _OWN.search(path):
            return None
        is_library = bool(_LIBRARY.fullmatch(path))
        inside = path[len(self.root) :] if self.root and path.startswith(f"{self.root}/") else None
        served = _SERVED.search(path if inside is None else inside)
        if served and self.sources:
            return self.sources.get(served["member"].replace("\\", "/"))
        if is_library or _SERVER.search(path):
            return None
        if served:
            return served["member"].replace("\\", "/")
        return path if inside is None else inside[1:]
