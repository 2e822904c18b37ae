"""What an image can do for TorchServe and the dev container: asked of the image itself, once for each."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from mardock import own_folders, ownership, process
from mardock.engines.docker import folders
from mardock.engines.warm.launcher import NEW_FLAGS
from mardock.errors import EngineError
from mardock.settings.project import Project

PROBE_SECONDS = 120
OLDEST_PYTHON = (3, 9)  # of mardock in the dev container, and of the warm parent
_PYTHON = f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer"
# The Python that has TorchServe, before any other: the one PATH finds, the one torchserve runs by, where venv and conda
# put theirs.
_FIND_PYTHON = """
shebang=$(head -n 1 "$(command -v torchserve)")
found=
for python in python "${shebang#??}" python3 /home/venv/bin/python /opt/conda/bin/python /opt/venv/bin/python; do
  "$python" -c 'import importlib.util' || continue
  found=${found:-$python}
  if "$python" -c 'import ts.version'; then found=$python; break; fi
done 2>/dev/null
[ -z "$found" ] || exec "$found" -c "$1" "$found"
"""
# Read by whatever Python the image has, down to 3.6.
_DESCRIBE = """
import importlib.util, json, os, shutil, sys

def version(package, module):
    if importlib.util.find_spec(module) is None:
        return ""
    try:
        from importlib.metadata import version
        return version(package)
    except Exception:
        return "of an unknown version"

def flags():
    try:
        from ts.arg_parser import ArgParser
        return [option for action in ArgParser.ts_parser()._actions for option in action.option_strings]
    except Exception:
        return []

java = os.path.join(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
print(json.dumps({
    "has_shell": True,
    "python": sys.argv[1],
    "python_version": "%d.%d.%d" % sys.version_info[:3],
    "torch": version("torch", "torch"),
    "torchserve": version("torchserve", "ts"),
    "archiver": version("torch-model-archiver", "model_archiver"),
    "pip": importlib.util.find_spec("pip") is not None,
    "java": shutil.which(java) is not None,
    "flags": flags(),
}))
"""


@dataclass(frozen=True)
class Capabilities:
    """What an image has, for the user its containers run as.

    Attributes:
        has_shell: whether it has a shell, without which nothing else is known.
        python: what runs the Python that has TorchServe, or any when none has; empty when there is none.
        python_version, torch, torchserve, archiver: their versions, empty when they are missing.
        pip: whether that Python has pip.
        java: whether TorchServe will find a Java runtime.
        flags: the options its torchserve command takes.
    """

    has_shell: bool = False
    python: str = ""
    python_version: str = ""
    torch: str = ""
    torchserve: str = ""
    archiver: str = ""
    pip: bool = False
    java: bool = False
    flags: tuple[str, ...] = ()

    @property
    def new_python(self) -> bool:
        """Whether mardock's own code runs on its Python."""
        return tuple(map(int, self.python_version.split("."))) >= OLDEST_PYTHON if self.python_version else False

    def missing(self, *, dev: bool) -> list[str]:
        """Name what a container of the image cannot do without.

        Args:
            dev: of the dev container, else of the one that serves.
        """
        if not self.has_shell:
            return ["shell (sh)"]
        if not self.python:
            return ["Python that its containers' user can run"]
        wanted = {"torch": bool(self.torch), "TorchServe": bool(self.torchserve)}
        if dev:
            wanted.update({_PYTHON: self.new_python, "pip": self.pip})
        else:
            wanted["Java runtime"] = self.java
        return [name for name, there in wanted.items() if not there]

    def adaptations(self) -> list[str]:
        """Say what a serve container of the image is started without."""
        unknown = [flag for flag in NEW_FLAGS if flag not in self.flags]
        said = [f"TorchServe {self.torchserve} is started without {' and '.join(unknown)}"] if unknown else []
        return said + ([] if self.new_python else [f"no fast workers: they take {_PYTHON}"])

    def variables(self) -> dict[str, str]:
        """Return the variables of docker-compose.yml by which containers are started as the image needs it."""
        slow = {} if self.new_python else {"MARDOCK_FAST_WORKERS": "false"}
        return {"MARDOCK_PYTHON": self.python or "python", **slow}


def of(project: Project, image: str, image_id: str) -> Capabilities:
    """Return what an image that is here has; a container of it is asked the first time, and the answer is kept.

    Raises:
        EngineError: no container of the image can be run.
    """
    user = ":".join(map(str, folders.user(project.root)))
    kept = project.state / "images" / f"{image_id.rpartition(':')[2][:16]}-{user.replace(':', '-')}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        return _from_json(kept.read_text(encoding="utf-8"))
    found = _ask(image, image_id, user)
    with contextlib.suppress(OSError):  # then it is asked again
        own_folders.make(kept.parent)
        ownership.replace(kept, json.dumps(asdict(found)).encode())
    return found


def refuse_unfit(image: str, found: Capabilities, *, dev: bool, token_auth: bool, variable: str) -> None:
    """Refuse an image whose containers could not do their work.

    Args:
        dev: for the dev container, else for the one that serves.
        token_auth: whether TorchServe is to ask for tokens.
        variable: what names the image in .env.

    Raises:
        EngineError: with what it lacks.
    """
    missing = found.missing(dev=dev)
    if missing:
        raise EngineError(
            f"the image {image} has no {_listed(missing)}",
            hint=f"name another in .env ({variable}=…), or build one on it that has, and name that one",
        )
    if token_auth and not dev and "--disable-token-auth" not in found.flags:
        raise EngineError(
            f"TorchServe {found.torchserve} of the image {image} has no tokens, which MARDOCK_TOKEN_AUTH asks for",
            hint=f"name one with TorchServe 0.11.1 or newer in .env ({variable}=…), or set MARDOCK_TOKEN_AUTH=false",
        )


def _ask(image: str, image_id: str, user: str) -> Capabilities:
    limits = ["--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    argv = ["docker", "run", "--rm", "--pull", "never", *limits, "--user", user, "--entrypoint", "sh", image_id]
    done = process.run([*argv, "-c", _FIND_PYTHON, "sh", _DESCRIBE], timeout=PROBE_SECONDS)
    if 'exec: "sh"' in done.stderr:
        return Capabilities()
    if done.returncode == 0 and not done.stdout:
        return Capabilities(has_shell=True)
    try:
        return _from_json(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        said = (done.stdout + done.stderr).strip()
        raise EngineError(f"a container of the image {image} cannot be run", details=said or None) from error


def _from_json(text: str) -> Capabilities:
    found = json.loads(text)
    if found.keys() != asdict(Capabilities()).keys():
        raise ValueError("an older mardock's answer")
    return Capabilities(**{**found, "flags": tuple(found["flags"])})


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
