"""How the mardock that runs was installed, and so the command that adds one of its extras."""

from __future__ import annotations

import re
import shlex
import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from mardock import place

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_PACKAGE = "mardock"
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")


def how_to_add(extra: str) -> str:
    """Return the command, for a hint, that brings an extra, e.g. `grpc`, to the Python that runs."""
    if place.inside():  # where nothing installed would last
        return (
            "run it outside of the container; or list what it needs in Dockerfile.dev, then"
            " mardock dev build && mardock dev rm && mardock dev run there"
        )
    found = _command(extra)
    return f"make setup, or {found}" if extra == "native" else found  # that knows where torch for the CPU alone is


def requirement(*extras: str) -> list[str]:
    """Return the arguments with which pip gets the mardock that runs now, with extras."""
    from importlib import metadata  # a tenth of a command's start-up

    try:
        return _requirement(metadata.distribution(_PACKAGE), list(extras))
    except metadata.PackageNotFoundError:  # it runs from a checkout, by PYTHONPATH
        return ["-e", f"{Path(__file__).parents[2]}[{','.join(extras)}]"]


def _command(extra: str) -> str:
    environment, python = Path(sys.prefix), shlex.quote(sys.executable)
    if (environment / "pipx_metadata.json").is_file():
        return f"pipx install --force {_with_present(extra)}"
    if (environment / "uv-receipt.toml").is_file():
        return f"uv tool install --force {_with_present(extra)}"
    arguments = shlex.join(requirement(extra))
    if _belongs_to_the_system():
        return f"python3 -m venv .venv && .venv/bin/python -m pip install {arguments}"
    # Asked through importlib.util, setuptools' own finder would stop replacing distutils, and torch fail to import.
    if PathFinder.find_spec("pip") is None:
        return f"uv pip install --python {python} {arguments}"
    return f"{python} -m pip install {arguments}"


def _with_present(extra: str) -> str:
    """Return what to install where a new set of extras takes the place of the one before."""
    from importlib import metadata

    return shlex.join(requirement(*sorted({extra, *_present(metadata.distribution(_PACKAGE))})))


def _requirement(installed: Distribution, extras: list[str]) -> list[str]:
    import json
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    wanted = f"[{','.join(extras)}]" if extras else ""
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    url = origin.get("url", "")
    if url.startswith("file:"):
        path = f"{url2pathname(urlparse(url).path)}{wanted}"
        return ["-e", path] if origin.get("dir_info", {}).get("editable") else [path]
    if url:
        vcs = origin.get("vcs_info")
        return [f"{_PACKAGE}{wanted} @ " + (f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url)]
    return [f"{_PACKAGE}{wanted}=={installed.version}"]


def _present(installed: Distribution) -> Iterator[str]:
    """Yield the extras all of whose packages are there."""
    brings: dict[str, list[str]] = {}
    for line in installed.requires or ():
        named = _EXTRA.search(line)
        if named:
            brings.setdefault(named[1], []).append(re.split(r"[^\w.-]", line)[0])
    for extra, packages in brings.items():
        if all(map(_is_installed, packages)):
            yield extra


def _is_installed(package: str) -> bool:
    from importlib import metadata

    try:
        return metadata.distribution(package) is not None
    except metadata.PackageNotFoundError:
        return False


def _belongs_to_the_system() -> bool:
    """Say whether pip would refuse, as Debian's does outside of a virtual environment."""
    marker = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    return sys.prefix == sys.base_prefix and marker.is_file()
