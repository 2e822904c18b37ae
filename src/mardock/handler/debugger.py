"""Stopping in pdb where a handler raised."""

from __future__ import annotations

import os
import pdb
import sys
import traceback
from pathlib import Path


def post_mortem(error: BaseException) -> None:
    """Open pdb on the terminal at the innermost call in the model's own files; `down` leads to where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return
    model_dir = str(Path.cwd()) + os.sep
    own = [i for i, frame in enumerate(frames) if frame.filename.startswith(model_dir)]
    sys.stderr.write(f"{type(error).__name__}: {error}\n")
    debugger = pdb.Pdb(stdout=sys.stderr)
    above = len(frames) - 1 - own[-1] if own else 0
    if above:
        debugger.rcLines.append(f"up {above}")
    debugger.reset()
    debugger.interaction(None, error.__traceback__)
