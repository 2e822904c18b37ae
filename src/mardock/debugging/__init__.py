"""Debugging a served model: real breakpoints in the project's own files, and all as it was afterwards."""

from mardock.debugging.session import Debugged, Session

__all__ = ["Debugged", "Session"]
