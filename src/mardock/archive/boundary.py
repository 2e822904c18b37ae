"""How far from its project a model's files may lie.

Code and extra files may lie anywhere in the git repository around the project, as monorepos have it. Weights may lie
anywhere at all: on data disks, in the caches of hubs and DVC, to which links lead from where they are used. Beyond that
a link or a slip in a path would pack what nobody meant, so it takes the word of mardock.toml.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock import place


def around(root: Path) -> Path:
    """Return the git repository's folder around a project, or the project's own where there is none."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


@dataclass(frozen=True)
class Boundary:
    """Where the files of a model may lie.

    Attributes:
        root: the project's folder, free of symlinks.
        lifted: whether mardock.toml says that they may lie anywhere.
    """

    root: Path
    lifted: bool = False

    def fault(self, real: Path, *, weights: bool) -> Optional[str]:
        """What is wrong with where a file or folder, free of symlinks, lies; None when nothing is.

        Args:
            weights: whether it is what the model's weights are read from.
        """
        if _holds(self.root, real) or any(_holds(Path(path), real) for path in place.from_outside()):
            return None
        if place.inside():
            # Beside the project lie other folders there than here.
            return self._unseen(real) if _holds(self.root.parent, real) else None
        if weights or self.lifted or _holds(around(self.root), real):
            return None
        return f"leads out of the project, to {real}"

    def unseen(self, path: Path) -> Optional[str]:
        """What keeps the dev container from finding a file that is not there; None when that is nothing special."""
        real = Path(os.path.realpath(self.root / path))
        return self._unseen(real) if place.inside() and not _holds(self.root, real) else None

    def _unseen(self, real: Path) -> str:
        return f"leads to {real}, out of the project's folder, which is all that the dev container sees"


def _holds(folder: Path, real: Path) -> bool:
    return folder == real or folder in real.parents
