"""Errors name the files that are edited."""

from __future__ import annotations

from pathlib import Path

from mardock.errors import WorkerFailedError
from mardock.swap.retelling import retell

SOURCES = {"handler.py": "torchserve/digits/handler.py"}


def test_a_version_s_files_become_the_project_s_on_either_engine() -> None:
    folder = Path("/my project/artifacts/.digits-1.0-w0002")
    error = WorkerFailedError(
        f"no (at {folder}/handler.py:3)",
        details="/home/model-server/model-store/.digits-1.0-w0002/handler.py:3 in f\n    x\nKeyError: 'x'\n"
        f"called from {folder}/mardock_reloading.py:7 in start\n    y\ncalled from {folder}/handler.py:9 in g\n",
        hint=f"mend {folder}/handler.py, then archive and register it again",
    )
    retell(error, folder, SOURCES)
    assert error.message == "no (at torchserve/digits/handler.py:3)"
    assert error.details == (
        "torchserve/digits/handler.py:3 in f\n    x\nKeyError: 'x'\ncalled from torchserve/digits/handler.py:9 in g"
    )
    assert error.hint == "mend torchserve/digits/handler.py and save it"
