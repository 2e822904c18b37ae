"""mardock takes a trained PyTorch model to a served endpoint on your own machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mardock.api import Project as Project

__version__ = "0.1.0"
__all__ = ["Project", "__version__"]


def __getattr__(name: str) -> Any:
    """Import `Project` when it is asked for: every command imports this package, and few need it."""
    if name == "Project":
        from mardock.api import Project

        return Project
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
