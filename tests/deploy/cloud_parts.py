"""Real parts a cloud is made of, each on a free port of this machine: a blob store, a registry, a certificate."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_ports

ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def azurite_program() -> str | None:
    """Return Azurite's blob server: on PATH, or where MARDOCK_AZURITE names the folder it was installed into."""
    folder = Path(os.environ.get("MARDOCK_AZURITE", Path.home() / ".cache/mardock-azurite"))
    local = folder / "node_modules/.bin/azurite-blob"
    return str(local) if local.exists() else shutil.which("azurite-blob")


@contextmanager
def azurite(program: str, folder: Path) -> Iterator[str]:
    """Run Azurite and yield the URL of its one account."""
    port = free_ports(1)[0]
    argv = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    with _running([*argv, "--skipApiVersionCheck", "--silent"], port, folder):
        yield f"http://127.0.0.1:{port}/{ACCOUNT}"


def registry_program() -> str | None:
    """Return Debian's container registry, where it is installed."""
    return shutil.which("docker-registry")


@contextmanager
def registry(folder: Path, user: str, password: str) -> Iterator[str]:
    """Run a container registry that asks for a login, and yield its address, e.g. `127.0.0.1:5000`."""
    import bcrypt

    port = free_ports(1)[0]
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"{user}:{hashed}\n", encoding="ascii")
    (folder / "config.yml").write_text(
        f"""version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}
""",
        encoding="utf-8",
    )
    with _running(["docker-registry", "serve", str(folder / "config.yml")], port, folder):
        yield f"127.0.0.1:{port}"


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that is its own authority, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "emulator")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@contextmanager
def _running(argv: Sequence[str], port: int, folder: Path) -> Iterator[None]:
    log = folder / "output.log"
    with log.open("wb") as output:
        child = subprocess.Popen(argv, cwd=folder, stdout=output, stderr=output, start_new_session=True)
    try:
        _await_port(port, child, log)
        yield
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(30)


def _await_port(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"{child.args!r} does not listen on {port}:\n{log.read_text()}")
