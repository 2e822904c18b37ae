"""What the model-config.yaml of a served archive or folder says."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from mardock.archive.model_config import read_model_config
from mardock.archive.read import read
from mardock.errors import ArchiveError


def threads_configured(store: Path, url: str) -> Optional[int]:
    """Return the threadsPerWorker of a served archive or folder of the model store; None where it says nothing."""
    path = store / url
    if "://" in url or not path.exists():
        return None
    try:
        threads: Optional[int] = read_model_config(read(path, verify=False)).get("threadsPerWorker")
    except ArchiveError:  # TorchServe serves it all the same
        return None
    return threads
