"""What a worker finds around it: the unpacked archive, its working folder, `sys.path`, environment and logging."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Optional, Union

_ENVIRONMENT = {"TS_IPEX_ENABLE": "false", "TS_IPEX_GPU_ENABLE": "false"}


def unpack(model_dir: Path, members: Mapping[str, Union[Path, bytes]], manifest: bytes) -> None:
    """Lay out an archive's files below `model_dir` as hard links, or copies where a file system has none.

    No symlinks: a handler that resolves its own path must not end up in the project, where files may lie that the
    archive lacks.
    """
    for name, member in members.items():
        target = model_dir / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(member, bytes):
            target.write_bytes(member)
            continue
        try:
            os.link(member, target)
        except OSError:
            shutil.copyfile(member, target)
    (model_dir / "MAR-INF").mkdir(parents=True)
    (model_dir / "MAR-INF" / "MANIFEST.json").write_bytes(manifest)


def become_worker(model_dir: Path, ts_folder: Path, *, decoded: bool = True, packages: Optional[Path] = None) -> None:
    """Make this process look to a handler like a worker of TorchServe 0.12 started for `model_dir`.

    Args:
        ts_folder: where the package `ts` lies. What it logs is left out: the rest goes to the standard output.
        decoded: whether TorchServe parses JSON and text for the handler.
        packages: a folder of those the model brings, which TorchServe installs into `model_dir`.
    """
    os.chdir(model_dir)
    brought = [str(folder) for folder in (model_dir, packages) if folder]
    sys.path[:] = [*brought, *(path for path in sys.path if path)]
    found = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), *brought]))
    os.environ.update(_ENVIRONMENT, TS_DECODE_INPUT_REQUEST=str(decoded).lower())
    os.environ.update(PYTHONPATH=found)
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO, force=True)
    prefix = str(ts_folder) + os.sep
    logging.getLogger().handlers[0].addFilter(lambda record: not record.pathname.startswith(prefix))
