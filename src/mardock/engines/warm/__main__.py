"""Runs the warm parent from this folder alone, wherever it was copied to: `python path/to/warm --socket ...`.

The interpreter with torch need not have mardock, and nothing of it but this folder and the standard library is used.
"""

# Paths here are the strings of sys.path and execve, as the interpreter handles them itself.

from __future__ import annotations

import importlib
import os
import sys
import types

NAME = "mardock_warm"

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    # A package by another name, so that neither `__init__` nor what stands beside this folder is imported.
    package = types.ModuleType(NAME)
    package.__path__ = [here]
    sys.modules[NAME] = package
    importlib.import_module(f"{NAME}.parent").main()
