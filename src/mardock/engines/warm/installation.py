"""What the warm parent has imported, and when a fork of it would differ from a fresh interpreter."""

# Paths here are the strings of sys.path and execve, as the interpreter handles them itself.

from __future__ import annotations

import gc
import importlib
import importlib.machinery
import importlib.util
import logging
import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Optional

from .request import DoubtError, Request

# What an interpreter, a C library or torch reads once: a worker that wants another value needs a fresh interpreter.
READ_ONCE = (
    *("PYTHON", "LANG", "LC_", "LD_", "DYLD_", "MALLOC_", "GLIBC_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_"),
    *("ATEN_", "TORCH", "PYTORCH_"),
)
ADAPTED = ("PYTHONPATH", "OMP_NUM_THREADS")
GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
# TorchServe's handlers ask torch for GPUs when they are imported, and no fork can use one after that.
ASKS_FOR_GPUS = "ts.torch_handler."


class Installation:
    """What this interpreter has imported, and whether a worker may start from it.

    Args:
        script: the one script that is run, TorchServe's model_service_worker.py.
        preload: modules to import; one that cannot be imported is left to the workers.
    """

    def __init__(self, script: str, preload: Iterable[str]) -> None:
        self.script = script
        self.path = list(sys.path)
        names = list(preload)
        specs = [importlib.util.find_spec(name) for name in sorted({name.partition(".")[0] for name in names})]
        origins = [spec.origin for spec in specs if spec is not None and spec.origin]
        self._files = [os.path.abspath(__file__), script, *self.path, *origins, *map(os.path.dirname, origins)]
        self._stamps = [stamp(path) for path in self._files]
        self._environ = read_once(os.environb)
        self.threads = os.environ.get("OMP_NUM_THREADS", "")
        _preload(names)
        self._loaded = {name.partition(".")[0] for name in sys.modules} | {"sitecustomize", "usercustomize"}

    def changed(self) -> bool:
        """Say whether packages were installed, removed or edited since."""
        return self._stamps != [stamp(path) for path in self._files]

    def check(self, request: Request) -> None:
        """Raise DoubtError unless a fork would behave as a fresh interpreter."""
        if not os.path.samefile(request.argv[0], self.script):
            raise DoubtError(f"{request.argv[0]} is not {self.script}")
        asked = read_once(request.environ)
        differing = [os.fsdecode(name) for name, _ in asked.items() ^ self._environ.items()]
        if differing:
            raise DoubtError(f"the environment differs in {', '.join(sorted(set(differing)))}")
        if request.environ.get(b"TS_IPEX_ENABLE") == b"true":  # TorchServe sets it to false for everyone else
            raise DoubtError("the base handler has been imported without IPEX")
        if sys.platform == "linux" and _place(request.stub) != _place(os.getpid()):
            raise DoubtError("the cgroup or the allowed processors differ")
        shadows = {name for entry in request.python_path() if entry not in self.path for name in _importable(entry)}
        if shadows & self._loaded:
            raise DoubtError(f"PYTHONPATH hides {', '.join(sorted(shadows & self._loaded))}")
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            raise DoubtError("CUDA is initialised")


def read_once(environ: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the part of an environment that a worker has to share with its parent."""
    names = {name: os.fsdecode(name) for name in environ}
    return {raw: environ[raw] for raw, name in names.items() if name.startswith(READ_ONCE) and name not in ADAPTED}


def stamp(path: str) -> Optional[tuple[int, int, int]]:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _place(pid: int) -> tuple[bytes, set[int]]:
    with open(f"/proc/{pid}/cgroup", "rb") as file:
        return file.read(), os.sched_getaffinity(pid)


def _importable(entry: str) -> Iterable[str]:
    """Yield the modules and packages at the top of one entry of sys.path."""
    if os.path.isfile(entry):
        raise DoubtError(f"{entry} may hide anything")
    suffixes = importlib.machinery.all_suffixes()
    for name in os.listdir(entry) if os.path.isdir(entry) else ():
        module, dot, suffix = name.partition(".")
        if dot + suffix in suffixes or os.path.exists(os.path.join(entry, name, "__init__.py")):
            yield module


def _preload(names: Iterable[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    gpu = any(os.path.exists(device) for device in GPU_DEVICES)
    for name in names:
        if gpu and name.startswith(ASKS_FOR_GPUS):
            continue
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever it is, a worker that needs the module will report it
            say(f"not preloaded: {name}: {error!r}")
    root.handlers[:] = handlers
    root.setLevel(level)
    gc.collect()
    gc.freeze()  # a collection in a worker then leaves the shared pages alone


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} warm parent {os.getpid()}: {text}\n")
