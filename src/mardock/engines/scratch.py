"""Where a server unpacks archives and its workers keep temporary files, and how much room is left there."""

from __future__ import annotations

from dataclasses import dataclass

MEASURE = """
import os, shutil, sys
folder = sys.argv[1]
left = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if ".download" in at[len(folder):]]
print(shutil.disk_usage(folder).free + sum(map(os.path.getsize, left)))
"""
"""Prints what is free in a folder. TorchServe leaves there what it had unpacked of an archive as the disk was full."""


@dataclass(frozen=True)
class Scratch:
    """A server's temp folder.

    Attributes:
        place: what to call it, e.g. `/tmp of the container mnist-torchserve`.
        free: bytes, as if what TorchServe left of an archive there was no room for were gone.
        mend: what makes room.
    """

    place: str
    free: int
    mend: str

    def __str__(self) -> str:
        return f"{self.place} has {self.free:,} bytes free"
