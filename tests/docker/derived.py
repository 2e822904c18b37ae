"""Images other people set: small ones, built on what is here and kept by the engine's layer cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LABEL = "mardock.test"  # by which the gate removes those that a newer one took the name of
# Run by the Python of a container.
WAIT_FOR_JAVA = """
import glob, os
def is_java(pid):
    try:
        return b"org.pytorch.serve.ModelServer" in open(f"/proc/{pid}/cmdline", "rb").read().split(bytes(1))
    except OSError:
        return False
java = []
while not java:
    java = [pid for pid in map(os.path.basename, glob.glob("/proc/[0-9]*")) if is_java(pid)]
"""


def docker(*arguments: str, check: bool = True, env: dict[str, str] | None = None) -> str:
    """What a docker command prints to either stream."""
    done = subprocess.run(
        ["docker", *arguments],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(env or {})},
    )
    assert not check or done.returncode == 0, done.stdout
    return done.stdout.strip()


def derive(name: str, base: str, *lines: str) -> str:
    """Build an image on another and return its tag.

    Args:
        lines: of its Dockerfile, after USER root; certificates of wheels/ are in /certificates.
    """
    tag = f"mardock-test/{name}:on-{re.sub('[^a-z0-9.]+', '-', base)}"
    text = "\n".join([f"FROM {base}", "USER root" if base != "scratch" else "", *lines, f"LABEL {LABEL}=derived", ""])
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        (context / "Dockerfile").write_text(text)
        (context / "certificates").mkdir()
        (context / "certificates/none").touch()
        for certificate in (ROOT / "wheels").glob("*.crt"):
            shutil.copy2(certificate, context / "certificates")
        docker("build", "--network", os.environ.get("MARDOCK_BUILD_NETWORK", "default"), "--tag", tag, str(context))
    return tag


def trusting(*commands: str) -> tuple[str, ...]:
    """The lines that run commands with this machine's certificates trusted by pip, and none when it has none."""
    trust = "cat /certificates/*.crt /etc/ssl/certs/ca-certificates.crt >/tmp/ca 2>/dev/null; export PIP_CERT=/tmp/ca"
    return ("COPY certificates /certificates", f"RUN {trust}; {' && '.join(commands)} && rm -r /tmp/ca /certificates")
