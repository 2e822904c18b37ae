"""The class archive (AppCDS) that lets the JVM map TorchServe's classes instead of loading them from the jar."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from mardock import ownership, process
from mardock.engines.native.installation import Java
from mardock.errors import EngineError

_DUMP_TIMEOUT_S = 60


def archive_path(java: Java, jar: Path, options: Sequence[str], environ: Mapping[str, str]) -> Path:
    """Return where the archive for this JVM build, jar and set of JVM options belongs, whether or not it is there.

    The JVM refuses an archive whose jar has another path or modification time, so both are part of the key.
    """
    cache = environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if os.path.isabs(cache) else Path(os.path.expanduser("~"), ".cache")  # noqa: PTH111, PTH117
    stat = jar.stat()
    key = "\n".join([java.build, str(jar), str(stat.st_size), str(stat.st_mtime_ns), *options])
    return base / "mardock" / f"torchserve-{hashlib.sha256(key.encode()).hexdigest()[:16]}.jsa"


def start_options(archive: Path, class_list: Path) -> list[str]:
    """Return the JVM options that use the archive, or, when there is none yet, record what belongs in it."""
    if archive.is_file():
        return [f"-XX:SharedArchiveFile={archive}", "-Xshare:auto"]
    if _failure_note(archive).exists():
        return []
    return [f"-XX:DumpLoadedClassList={class_list}"]


def make(java: Path, jar: Path, options: Sequence[str], class_list: Path, archive: Path) -> Optional[str]:
    """Dump the archive from the classes that a finished server had recorded; return what went wrong, if anything.

    It is never tried twice for the same JVM and jar.
    """
    if archive.exists() or not class_list.is_file():
        return None
    partial = archive.with_suffix(f".{os.getpid()}")
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        dump = process.run(
            [
                str(java),
                "-Xshare:dump",
                *options,
                f"-XX:SharedClassListFile={class_list}",
                f"-XX:SharedArchiveFile={partial}",
                "-cp",
                str(jar),
            ],
            timeout=_DUMP_TIMEOUT_S,
        )
        if dump.returncode == 0 and partial.is_file():
            partial.replace(archive)
            ownership.adopt([archive.parent.parent, archive.parent, archive])  # of a home that sudo left as it was
            return None
        problem = (dump.stderr or dump.stdout)[-2000:] or f"java -Xshare:dump ended with {dump.returncode}"
    except (OSError, EngineError) as error:
        problem = str(error)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    with contextlib.suppress(OSError):
        _failure_note(archive).write_text(problem, encoding="utf-8")
    return problem


def _failure_note(archive: Path) -> Path:
    return archive.with_suffix(".failed")
