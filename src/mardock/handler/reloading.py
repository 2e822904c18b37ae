"""Serves another handler and swaps in its edited code at the next call: `mardock watch --instant`, for development.

The file is copied into the served folder and stands alone there. `MAR-INF/reloading.json` names the handler that it
serves and where each Python file of the model is edited. Its entry point is a function, so that TorchServe never counts
its classes.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import linecache
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Optional

CONFIG = "MAR-INF/reloading.json"
TAG = "MARDOCK-RELOAD "
"""Begins the line that tells of a reload; JSON follows: `digest`, `revision` and `error`, a traceback or null."""

_YOUNG_NS = 50_000_000  # two writes within a tick of the file system's clock leave one signature
_LONGEST_TRACEBACK = 16_000

Texts = Mapping[str, bytes]
"""The Python files of a model, by their member's name."""


def digest_of(texts: Texts) -> str:
    """Return what tells one state of the code from another."""
    whole = b"".join(b"%s\0%d\0%s" % (name.encode(), len(text), text) for name, text in sorted(texts.items()))
    return hashlib.sha256(whole).hexdigest()[:12]


class Revision:
    """One state of the code: finds and loads its modules for `import`, and holds the handler's entry point.

    Args:
        labels: what tracebacks call each member.
    """

    def __init__(self, texts: Texts, model_dir: Path, labels: Mapping[str, str]) -> None:
        self.texts = texts
        self.digest = digest_of(texts)
        self.entry: Any = None
        self._model_dir = model_dir
        self._labels = labels

    def find_spec(self, name: str, path: object = None, target: object = None) -> Optional[ModuleSpec]:
        """Find a module among the members."""
        stem = name.replace(".", "/")
        member = next((found for found in (f"{stem}/__init__.py", f"{stem}.py") if found in self.texts), None)
        if member is None:
            return None
        place = self._model_dir / member
        inside = [str(place.parent)] if place.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            name,
            place,
            loader=self,  # type: ignore[arg-type]  # a loader by its methods
            submodule_search_locations=inside,
        )

    def create_module(self, spec: ModuleSpec) -> Optional[ModuleType]:
        """Leave it to Python."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run a member's code."""
        member = self._member(module.__name__)
        code = compile(self.texts[member], self._labels.get(member, member), "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 it is the user's own handler

    def get_source(self, name: str) -> str:
        """Return a module's text, for the lines of tracebacks."""
        return self.texts[self._member(name)].decode("utf-8", "replace")

    def start(self, handler: str, context: Any) -> None:
        """Import the handler afresh and initialize it; what was imported before comes back when that fails."""
        before = {name: sys.modules.pop(name) for name in list(sys.modules) if self._is_ours(name)}
        finders = list(sys.meta_path)
        sys.meta_path[:] = [self, *(finder for finder in finders if not isinstance(finder, Revision))]
        linecache.clearcache()
        importlib.invalidate_caches()
        try:
            self.entry = self._entry_of(handler, context)
        except BaseException:
            for name in [name for name in sys.modules if self._is_ours(name)]:
                del sys.modules[name]
            sys.modules.update(before)
            sys.meta_path[:] = finders
            raise

    def _entry_of(self, handler: str, context: Any) -> Any:
        from ts.model_loader import TsModelLoader

        loader = TsModelLoader()
        if f"{handler.partition(':')[0].removesuffix('.py').replace('.', '/')}.py" in self.texts:
            module, function = loader._load_handler_file(handler)
        else:
            module, function = loader._load_default_handler(handler), None
        if hasattr(module, function or "handle"):
            entry, initialize = loader._get_function_entry_point(module, function or "handle")
        else:
            entry, initialize = loader._get_class_entry_point(module)
        initialize(context)
        return entry

    def _member(self, name: str) -> str:
        stem = name.replace(".", "/")
        return f"{stem}/__init__.py" if f"{stem}/__init__.py" in self.texts else f"{stem}.py"

    def _is_ours(self, name: str) -> bool:
        top, stem = name.partition(".")[0], name.replace(".", "/")
        if any(f"{one}.py" in self.texts or f"{one}/__init__.py" in self.texts for one in (top, stem)):
            return True
        is_namespace = getattr(sys.modules[name], "__file__", None) is None  # a folder without __init__.py
        return is_namespace and any(member.startswith(f"{stem}/") for member in self.texts)


class Reloader:
    """Keeps a revision that works, and looks for a newer one at each call.

    Attributes:
        revision: what serves.
    """

    def __init__(self, context: Any) -> None:
        self._model_dir = Path(context.system_properties["model_dir"])
        config = json.loads((self._model_dir / CONFIG).read_text(encoding="utf-8"))
        self._handler: str = config["handler"]
        self._paths = {member: source["path"] for member, source in config["sources"].items()}
        self._labels = {member: source["label"] for member, source in config["sources"].items()}
        self._stamps: dict[str, tuple[int, int, int]] = {}
        self._settled = False
        self._refused = ""
        self._number = 1
        context.manifest["model"]["handler"] = self._handler
        texts = {member: (self._model_dir / member).read_bytes() for member in self._paths}
        self.revision = Revision(texts, self._model_dir, self._labels)  # not what is edited now: this one is sound
        self.revision.start(self._handler, context)

    def refresh(self, context: Any) -> None:
        """Swap in what was saved since the last call, if it can be imported and initialized."""
        texts = self._saved()
        if texts is None:
            return
        revision = Revision(texts, self._model_dir, self._labels)
        if revision.digest in (self.revision.digest, self._refused):
            return
        self._refused = revision.digest
        if self._ended_a_worker(revision.digest):
            self._tell(revision, "RuntimeError: a worker hung or ended when it tried to load this code")
            return
        attempt = self._attempt_file(revision.digest, str(os.getpid()))
        attempt.touch()
        try:
            revision.start(self._handler, context)
        except (Exception, SystemExit):
            self._tell(revision, traceback.format_exc()[-_LONGEST_TRACEBACK:])
        else:
            self.revision, self._refused = revision, ""
            self._number += 1
            self._tell(revision, None)
        finally:
            attempt.unlink(missing_ok=True)

    def _saved(self) -> Optional[dict[str, bytes]]:
        """Return the files as they are now; None while none was saved or one is away."""
        try:
            stamps = {member: _stamp(path) for member, path in self._paths.items()}
            if stamps == self._stamps and self._settled:
                return None
            texts = {member: Path(path).read_bytes() for member, path in self._paths.items()}
        except OSError:  # an editor is between deleting and renaming
            return None
        if stamps != self._stamps:
            self._refused = ""  # saved again, so it is tried again
        self._stamps = stamps
        self._settled = all(time.time_ns() - stamp[0] > _YOUNG_NS for stamp in stamps.values())
        emptied = any(self.revision.texts[member] and not text for member, text in texts.items())
        return None if emptied and not self._settled else texts  # an editor is between truncating and writing

    def _tell(self, revision: Revision, error: Optional[str]) -> None:
        told = {"digest": revision.digest, "revision": self._number, "error": error}
        print(TAG + json.dumps(told), flush=True)  # noqa: T201 a worker's log is its output

    def _attempt_file(self, digest: str, worker: str) -> Path:
        key = hashlib.sha256(os.fsencode(self._model_dir)).hexdigest()[:12]
        return Path(tempfile.gettempdir(), f"mardock-reload-{key}-{digest}-{worker}")

    def _ended_a_worker(self, digest: str) -> bool:
        pattern = self._attempt_file(digest, "*")
        return any(not _alive(int(path.name.rpartition("-")[2])) for path in pattern.parent.glob(pattern.name))


def _stamp(path: str) -> tuple[int, int, int]:
    status = os.stat(path)  # noqa: PTH116 at each call, and a Path costs more than the look
    return status.st_mtime_ns, status.st_size, status.st_ino


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


_reloader: Optional[Reloader] = None


def handle(data: Any, context: Any) -> Any:
    """Serve a batch; without data, which TorchServe asks for once, load the model."""
    global _reloader
    if _reloader is None:
        _reloader = Reloader(context)
    if data is None:
        return None
    _reloader.refresh(context)
    return _reloader.revision.entry(data, context)
