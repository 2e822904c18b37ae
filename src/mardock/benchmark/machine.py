"""The machine a measurement was made on, for its report."""

from __future__ import annotations

import os
import platform

from mardock import __version__


def machine_facts() -> dict[str, str]:
    """Return system, processor count and versions."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "python": platform.python_version(),
        "mardock": __version__,
    }
