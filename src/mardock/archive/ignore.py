"""Which files are nobody's work: the one rule for what is archived, laid out, tried, compared and watched.

It decides about what a folder or a glob brings. A file that mardock.toml names is wanted, whatever it is called.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Optional

from mardock import extras
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec
    from pathspec.util import CheckResult

IGNORE_FILE = ".mardockignore"
"""At the project's root, in the syntax of .gitignore: more to ignore, or with `!` what is not to be."""

_FILES = (
    *(".#*", "#*#", "*~"),  # Emacs: locks, which lead nowhere, saves of its own accord, backups
    *(
        ".*.sw?",
        ".sw?",
        "*.swp",
        "*.swo",
        "*.swx",
        ".*.un~",
    ),  # Vim; its 4913 is gone at once, and may be a frame's name
    *(".*.kate-swp", ".goutputstream-*", ".~lock.*#"),  # Kate, GNOME, LibreOffice
    *("*___jb_tmp___", "*___jb_old___", "*___jb_bak___"),  # JetBrains
    *(".DS_Store", "._*", "Thumbs.db", "desktop.ini", ".directory"),  # file managers
    *(".nfs*", ".fuse_hidden*"),  # deleted while open
    *("*.pyc", "*.pyo"),
    IGNORE_FILE,
)
_FOLDERS = ("__pycache__", "__MACOSX", ".*")  # .git, .ipynb_checkpoints, .mypy_cache, …: whatever is hidden


@dataclass(frozen=True)
class IgnoreRule:
    """What is left out: what editors, file managers and Python leave behind, and what a project's `lines` say.

    The last line that matches decides, one with `!` for keeping; without any, the name does.
    """

    lines: tuple[str, ...] = ()

    def reason(self, path: PurePath, *, is_folder: bool) -> Optional[str]:
        """Say which pattern leaves out a path below the project's root, and whose that is; None when it is kept.

        What lies in a folder that is left out is not asked for.
        """
        decided = self._decision(path, is_folder=is_folder) if self.lines else None
        if decided is not None and decided.index is not None:
            return f"{IGNORE_FILE}:{decided.index + 1}: {self.lines[decided.index]}" if decided.include else None
        patterns = _FOLDERS if is_folder else _FILES
        found = next((pattern for pattern in patterns if fnmatch.fnmatchcase(path.name, pattern)), None)
        return f"built in: {found}{'/' if is_folder else ''}" if found else None

    def leaves_out(self, path: PurePath, below: int, *, is_folder: bool) -> bool:
        """Say whether a path is left out, by itself or with a folder it lies in.

        Args:
            below: how many of its first parts are named in mardock.toml, and so wanted.
        """
        parts = path.parts
        folders = (PurePath(*parts[:count]) for count in range(below + 1, len(parts)))
        return any(self.reason(folder, is_folder=True) for folder in folders) or (
            len(parts) > below and self.reason(path, is_folder=is_folder) is not None
        )

    def _decision(self, path: PurePath, *, is_folder: bool) -> CheckResult[str]:
        inside = "/".join(part for part in path.parts if part not in ("..", path.anchor))
        return self._patterns.check_file(f"{inside}/" if is_folder else inside)

    @cached_property
    def _patterns(self) -> GitIgnoreSpec:
        from pathspec import GitIgnoreSpec

        # Some versions leave empty lines out of the count.
        return GitIgnoreSpec.from_lines(line if line.strip() else "#" for line in self.lines)


BUILT_IN = IgnoreRule()


def is_left_behind(file: Path) -> bool:
    """Say whether a file in a folder of samples is none: hidden, or what an editor left."""
    return file.name.startswith(".") or BUILT_IN.reason(file, is_folder=False) is not None


def of_project(root: Path) -> IgnoreRule:
    """Return the rule of the project in `root`.

    Raises:
        ConfigError: its `.mardockignore` cannot be read, or a line of it is no pattern.
    """
    path = root / IGNORE_FILE
    try:
        lines = tuple(path.read_text(encoding="utf-8-sig").splitlines())
    except FileNotFoundError:
        return BUILT_IN
    except OSError as error:
        raise ConfigError(f"cannot read {IGNORE_FILE}: {error.strerror}", hint=f"mend or remove {path}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{IGNORE_FILE} is not UTF-8 text", hint="save the file as UTF-8") from error
    rule = IgnoreRule(lines)
    try:
        rule.reason(PurePath("x"), is_folder=False)
    except ImportError as error:
        raise ConfigError(
            f"{IGNORE_FILE} is read with the package pathspec, which is not installed",
            hint=extras.how_to_add("watch"),
        ) from error
    except (ValueError, re.error) as error:
        raise _no_pattern(lines, error) from error
    return rule


def _no_pattern(lines: tuple[str, ...], error: Exception) -> ConfigError:
    for number, line in enumerate(lines, 1):
        try:
            IgnoreRule((line,)).reason(PurePath("x"), is_folder=False)
        except (ValueError, re.error):
            return ConfigError(
                f"{IGNORE_FILE}:{number}: {line!r} is no pattern of .gitignore", hint=f"mend that line of {IGNORE_FILE}"
            )
    return ConfigError(f"{IGNORE_FILE}: {error}", hint=f"mend {IGNORE_FILE}")


def of_project_or_built_in(root: Path) -> IgnoreRule:
    """Return the rule of the project in `root`, for what has to go on while its `.mardockignore` is broken."""
    try:
        return of_project(root)
    except ConfigError:
        return BUILT_IN
