"""`.vscode/launch.json`: one attach configuration put into it, everything else in it left as it is, comments too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional

from mardock import ownership

_COMMENTS = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_LAST_COMMAS = re.compile(r'("(?:\\.|[^"\\\n])*")|,(?=\s*[\]}])')
_INDENT = 4


class _Value(NamedTuple):
    """A value in a text, and where it begins and ends."""

    value: Any
    start: int
    end: int


def configuration(model: str, port: int, remote_root: str) -> dict[str, Any]:
    """Return the configuration that attaches to a debug session.

    Args:
        remote_root: the project's folder as the debugger knows it.
    """
    return {
        "name": f"mardock: {model}",
        "type": "debugpy",
        "request": "attach",
        "connect": {"host": "127.0.0.1", "port": port},
        "pathMappings": [{"localRoot": "${workspaceFolder}", "remoteRoot": remote_root}],
    }


def write(path: Path, wanted: dict[str, Any]) -> bool:
    """Put a configuration into a launch.json, in the place of the one of its name; the file is made unless it is there.

    Keys the user gave that one stay.

    Returns:
        False when the file is none this can be done in safely; it is left as it is.
    """
    try:
        text = path.read_bytes().decode("utf-8") if path.exists() else None
        merged = _new_file(wanted) if text is None else merge(text, wanted)
        if merged is None:
            return False
        if merged != text:
            path.parent.mkdir(exist_ok=True)
            ownership.adopt([path.parent])
            ownership.replace(path, merged.encode("utf-8"))
    except (OSError, UnicodeDecodeError):
        return False
    return True


def merge(text: str, wanted: dict[str, Any]) -> Optional[str]:
    """Return the text of a launch.json with the configuration in it, or None when that cannot be done safely."""
    try:
        listed = _configurations(text)
        same = [one for one in _elements(_plain(text), listed.start) if one.value["name"] == wanted["name"]]
        if not same:
            changed, expected = _inserted(text, listed, wanted), [wanted, *listed.value]
        else:
            ours = {**same[0].value, **wanted}
            changed = _replaced(text, same[0], ours)
            expected = [ours if one["name"] == wanted["name"] else one for one in listed.value]
        safe = _configurations(changed).value == expected and len(same) < 2
    except (ValueError, KeyError, TypeError):  # not JSON, or of another shape
        return None
    return changed if safe else None


def _inserted(text: str, listed: _Value, wanted: dict[str, Any]) -> str:
    own = "\n" + _indented(wanted, 2 * _INDENT)
    end = "," if listed.value else "\n" + " " * _INDENT
    at = listed.start + 1
    return text[:at] + own + end + text[at:]


def _replaced(text: str, old: _Value, new: dict[str, Any]) -> str:
    """Raises ValueError when comments would be lost."""
    if old.value == new:
        return text
    if _plain(text)[old.start : old.end].split() != text[old.start : old.end].split():
        raise ValueError("there are comments in it")
    column = old.start - text.rfind("\n", 0, old.start) - 1
    return text[: old.start] + _indented(new, column).lstrip() + text[old.end :]


def _indented(value: dict[str, Any], columns: int) -> str:
    return "\n".join(" " * columns + line for line in json.dumps(value, indent=_INDENT).splitlines())


def _new_file(wanted: dict[str, Any]) -> str:
    return json.dumps({"version": "0.2.0", "configurations": [wanted]}, indent=_INDENT) + "\n"


def _configurations(text: str) -> _Value:
    """Return the list of configurations; ValueError or KeyError when there is none."""
    plain = _plain(text)
    json.loads(plain)
    found = dict(_members(plain, plain.index("{")))["configurations"]
    if not isinstance(found.value, list):
        raise TypeError("configurations is no list")
    return found


def _plain(text: str) -> str:
    """Return JSON of the same length: comments and commas before a closing bracket, which VS Code allows, are blank."""

    def blank(found: re.Match[str]) -> str:
        return found[1] or re.sub(r"[^\n]", " ", found[0])

    return _LAST_COMMAS.sub(blank, _COMMENTS.sub(blank, text))


def _members(plain: str, at: int) -> Iterator[tuple[str, _Value]]:
    """Yield the members of the object that begins there; the text is known to be JSON."""
    while plain[(at := _skip(plain, at + 1))] != "}":
        key, at = json.JSONDecoder().raw_decode(plain, at)
        value = _decode(plain, _skip(plain, plain.index(":", at) + 1))
        yield key, value
        at = _skip(plain, value.end)
        if plain[at] == "}":
            return


def _elements(plain: str, at: int) -> Iterator[_Value]:
    """Yield the elements of the list that begins there; the text is known to be JSON."""
    while plain[(at := _skip(plain, at + 1))] != "]":
        value = _decode(plain, at)
        yield value
        at = _skip(plain, value.end)
        if plain[at] == "]":
            return


def _decode(plain: str, start: int) -> _Value:
    value, end = json.JSONDecoder().raw_decode(plain, start)
    return _Value(value, start, end)


def _skip(plain: str, at: int) -> int:
    while plain[at].isspace():
        at += 1
    return at
