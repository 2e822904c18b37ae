"""Provenance: the git commit a deployment is made from, and whether the files are those of the commit."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from mardock import process
from mardock.archive import ignore
from mardock.errors import DeployError, EngineNotFoundError

COMMIT_TAG = "mardock_commit"
DIGEST_TAG = "mardock_sha256"
_SHOWN = 10
_TIMEOUT_S = 60
_DUBIOUS = re.compile(r"detected dubious ownership in repository at '(?P<path>.+)'")
_NO_REPOSITORY = "not a git repository"
_NO_COMMIT = "Needed a single revision"


@dataclass(frozen=True)
class Provenance:
    """A commit, and the files of the project that differ from it or are not in it.

    Attributes:
        commit: 40 hex digits.
        changed: paths relative to the project's folder; files git ignores, or editors leave, are not among them.
    """

    commit: str
    changed: tuple[str, ...] = ()

    @property
    def revision(self) -> str:
        """What a deployment is labelled with: the commit, with `+dirty` when files differ from it."""
        return f"{self.commit}+dirty" if self.changed else self.commit

    def with_changed(self, names: tuple[str, ...]) -> Provenance:
        """Return it with more that is not of the commit."""
        return replace(self, changed=(*self.changed, *names))

    def require_clean(self) -> None:
        """Refuse files that are not those of the commit.

        Raises:
            DeployError: with their names.
        """
        if not self.changed:
            return
        files = "1 file differs" if len(self.changed) == 1 else f"{len(self.changed)} files differ"
        more = [f"and {len(self.changed) - _SHOWN} more"] if len(self.changed) > _SHOWN else []
        raise DeployError(
            f"what would be deployed is not what git has: {files} from {self.commit[:12]}",
            details="\n".join([*self.changed[:_SHOWN], *more]),
            hint="git add and git commit them, or --allow-dirty",
        )


def of(root: Path) -> Provenance:
    """Return the provenance of the project in `root`.

    Raises:
        DeployError: git is missing, or `root` is in no repository with a commit.
    """
    commit = _git(root, "rev-parse", "--verify", "HEAD").strip()
    listing = _git(root, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", ".")
    prefix = _git(root, "rev-parse", "--show-prefix").rstrip("\n")
    changed = (entry for entry in listing.split("\0") if entry and not _is_left_behind(entry))
    return Provenance(commit, tuple(entry[3:][len(prefix) :] for entry in changed))


def _is_left_behind(entry: str) -> bool:
    """Say whether an entry of git's status is a new file that an editor left, and no archive holds."""
    return entry.startswith("??") and ignore.BUILT_IN.reason(PurePath(entry[3:]), is_folder=False) is not None


def _git(root: Path, *arguments: str) -> str:
    try:
        done = process.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=root,
            env={**os.environ, "LC_ALL": "C"},  # in its own language
            timeout=_TIMEOUT_S,
        )
    except EngineNotFoundError as error:
        raise DeployError(
            "git is not installed, and a deployment carries the commit it is made from", hint="install git"
        ) from error
    if done.returncode != 0:
        raise _refused(root, done.stderr.strip())
    return done.stdout


def _refused(root: Path, said: str) -> DeployError:
    """Tell why git does not answer; only it knows whose repository it trusts."""
    doubted = _DUBIOUS.search(said)
    if doubted:
        return DeployError(
            f"git does not read {doubted['path']}, which is another user's, and a deployment carries the commit it"
            " is made from",
            details=said,
            hint=f"git config --global --add safe.directory {shlex.quote(doubted['path'])}",
        )
    if _NO_REPOSITORY in said or _NO_COMMIT in said:
        return DeployError(
            f"{root} is in no git repository with a commit, and a deployment carries the commit it is made from",
            details=said,
            hint="git init && git add . && git commit",
        )
    return DeployError(
        f"git cannot read the repository of {root}, and a deployment carries the commit it is made from",
        details=said or None,
        hint="git status",
    )
