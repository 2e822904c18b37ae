"""What lies side by side in an archive's root, where Python looks for the handler and for all that it imports."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping


def clashes(sources: Mapping[str, str], packages: Collection[str]) -> Iterator[str]:
    """Tell what would hide something else of the same name.

    Args:
        sources: each member's path in the project, by its name in the archive.
        packages: folders of the root that are packages, with an `__init__.py` or without.
    """
    folders: dict[str, str] = {}
    for name, path in sources.items():
        top, inside, _ = name.partition("/")
        if inside:
            folders.setdefault(top, path)
    for top, path in folders.items():
        if top in sources:
            yield f"{sources[top]} and {path} would both be {top!r} in the archive's root"
        module = sources.get(f"{top}.py")
        if module and (top in packages or f"{top}/__init__.py" in sources):
            yield f"{module} and {path} would both be what Python imports as {top!r}"
