"""Changes: which files were saved since somebody last asked, gathered in a thread of its own."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import NamedTuple, Optional

from mardock.listener import Listener
from mardock.swap.snapshot import Scope

_QUIET_MS = 5  # after the last of a group of writes; the watching thread looks this often
_POLL_S = 0.1
_LONGEST_GROUP_MS = 2000
_WAKE_MS = 1000
_MODIFIED = 2


class Saved(NamedTuple):
    """Paths that were written, made or deleted, and when the first of them was noticed, by the monotonic clock."""

    paths: frozenset[Path]
    at: float


class Changes:
    """Follows a model's files, however editors write them, until it is closed.

    Falls back to polling when the operating system has no watches left.

    Args:
        listener: told when it has to poll.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._polling = bool(os.environ.get("WATCHFILES_FORCE_POLLING"))  # for file systems that tell nothing
        self._scope: Optional[Scope] = None
        self._stop = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._news = threading.Condition()
        self._paths: set[Path] = set()
        self._first = 0.0

    def follow(self, scope: Scope) -> bool:
        """Look there from now on, and say whether that is another place than before; what was seen is kept."""
        if scope == self._scope and self._thread is not None and self._thread.is_alive():
            return False
        self.close()
        self._scope = scope
        self._stop = threading.Event()
        watching = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(scope, self._stop, watching), daemon=True)
        self._thread.start()
        watching.wait()
        return True

    def pending(self) -> bool:
        """Say whether something was saved that nobody took yet."""
        return bool(self._paths)

    def wait(self, timeout: float) -> Optional[Saved]:
        """Return what was saved; None when that is nothing for `timeout` seconds, or after `wake`."""
        with self._news:
            if not self._paths:
                self._news.wait(timeout)
            return self._take()

    def settle(self, quiet: float) -> None:
        """Return once nothing was saved for `quiet` seconds."""
        with self._news:
            while self._news.wait(quiet):
                pass

    def forget(self) -> None:
        """Drop what nobody took."""
        with self._news:
            self._take()

    def wake(self) -> None:
        """Let a waiting thread look at something else."""
        with self._news:
            self._news.notify_all()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _take(self) -> Optional[Saved]:
        if not self._paths:
            return None
        saved = Saved(frozenset(self._paths), self._first)
        self._paths.clear()
        return saved

    def _run(self, scope: Scope, stop: threading.Event, watching: threading.Event) -> None:
        try:
            if not self._polling:
                self._watch(scope, stop, watching)
        except FileNotFoundError:  # deleted since the scope was taken
            self._note({folder for folder in scope.folders if not folder.exists()})
        except (OSError, RuntimeError) as error:
            self._poll_instead(f"the system has no file watches left ({error})")
        except (ImportError, AttributeError, TypeError) as error:  # what is called there is not promised by any version
            self._poll_instead(f"watchfiles cannot be used ({error})")
        if self._polling:
            self._poll(scope, stop, watching)
        watching.set()

    def _poll_instead(self, why: str) -> None:
        self._polling = True
        self._listener.note(f"{why}: looking every {_POLL_S:g} s instead")

    def _watch(self, scope: Scope, stop: threading.Event, watching: threading.Event) -> None:
        """Note changes until told to stop, or until a watched folder is replaced: the old one tells nothing more."""
        from watchfiles._rust_notify import RustNotify  # its generator would not tell when it begins to watch

        folders = [str(folder) for folder in scope.folders]
        with RustNotify(folders, False, False, 0, False, False) as notify:  # noqa: FBT003 it takes no keywords
            watching.set()
            while True:
                group = notify.watch(_LONGEST_GROUP_MS, _QUIET_MS, _WAKE_MS, stop)
                if group == "stop":
                    return
                changes = [(kind, Path(name)) for kind, name in group] if isinstance(group, set) else []
                moved = {path for kind, path in changes if path in scope.above and kind != _MODIFIED}
                self._note(moved | {path for _, path in changes if scope.holds(path)})
                if moved:
                    return

    def _poll(self, scope: Scope, stop: threading.Event, watching: threading.Event) -> None:
        """Note changes by looking; watchfiles' own polling tells apart no two saves within a second."""
        before = scope.stamps()
        watching.set()
        while not stop.wait(_POLL_S):
            now = scope.stamps()
            self._note({path for path in {**before, **now} if before.get(path) != now.get(path)})
            before = now

    def _note(self, paths: set[Path]) -> None:
        if not paths:
            return
        with self._news:
            if not self._paths:
                self._first = time.monotonic()
            self._paths.update(paths)
            self._news.notify_all()
