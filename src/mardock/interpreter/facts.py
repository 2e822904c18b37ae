"""What a Python environment has installed; imported in it, or run there as a script of the standard library alone."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import sysconfig
from collections.abc import Iterable
from typing import Any, Optional

MARK = "mardock-facts "
"""Begins the one line of output that matters: whatever a start-up file prints is none."""


def look(modules: Iterable[str], distributions: Iterable[str], requirements: Iterable[str]) -> dict[str, Any]:
    """Return where modules would be imported from, distributions' versions, and whether pip may not install here.

    Of the requirements those are returned that are not met; see `unmet`.
    """
    return {
        "modules": {name: where(name) for name in modules},
        "distributions": {name: version(name) for name in distributions},
        "unmet": unmet(requirements),
        "system": sys.prefix == sys.base_prefix
        and os.path.isfile(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")),  # noqa: PTH113, PTH118
    }


def where(module: str) -> Optional[str]:
    """Return a package's folder, a module's file or an empty text for one without; None when it cannot be found."""
    try:
        spec = importlib.util.find_spec(module)
    except ValueError:  # loaded, but by hand and without a spec, e.g. __main__
        return ""
    if spec is None:
        return None
    return next(iter(spec.submodule_search_locations or ()), spec.origin or "")


def version(distribution: str) -> Optional[str]:
    """Return the version of what is installed under that name; None when nothing is."""
    from importlib import metadata  # a tenth of a command's start-up

    try:
        return metadata.version(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def unmet(requirements: Iterable[str]) -> list[str]:
    """Return those that pip would install something for, or that are no names of distributions with their versions."""
    return [requirement for requirement in requirements if not _is_met(requirement)]


def _is_met(requirement: str) -> bool:
    try:
        from packaging import requirements as syntax
    except ImportError:  # TorchServe brings it; of a mere name the same can be said without
        return version(requirement) is not None
    try:
        wanted = syntax.Requirement(requirement)
    except syntax.InvalidRequirement:
        return False
    if wanted.marker is not None and not wanted.marker.evaluate():
        return True
    found = version(wanted.name)
    return wanted.url is None and found is not None and wanted.specifier.contains(found, prereleases=True)


if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if entry]  # not the folder it happens to be run in
    asked = json.load(sys.stdin)
    sys.stdout.write("\n" + MARK + json.dumps(look(**asked)) + "\n")
