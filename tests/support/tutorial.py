"""docs/tutorial.md as a script: its commands are run in a terminal, its files written, what it shows is compared."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from tests.support.command import environment
from tests.support.environments import Environment
from tests.support.ports import free_ports
from tests.support.waiting import eventually

from mardock.engines.docker.containers import PORT_VARIABLES

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "tutorial.md"
IN_DOCKER = "The same in Docker"
"""The section that needs it."""
URL = "https://github.com/mardock/mardock"
_BLOCK = re.compile(r"<!-- ([a-z ]+)(?:: (\S[^\n]*?))? -->\n```\w+\n(.*?)```\n", re.DOTALL)
_VARIES = re.compile(r"\b[0-9a-f]{12}\b|\d+(?:[.,]\d+)*(?:e-\d+)?")


@dataclass(frozen=True)
class Block:
    """What the page has between fences.

    Attributes:
        kind: what is done with it: step, file, edit, shows, terminal, terminal shows.
        name: the step's own, or the file's.
    """

    kind: str
    name: str
    text: str


def blocks(text: str) -> list[Block]:
    """Return the blocks of a text that say what they are."""
    return [Block(*each) for each in _BLOCK.findall(text)]


def sections(page: Path = PAGE) -> dict[str, list[Block]]:
    """Return the blocks of a page by the titles they stand under; each has to say what it is."""
    text = page.read_text(encoding="utf-8")
    titles = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    found = {title: blocks(part) for title, part in zip(titles[1::2], titles[2::2])}
    unmarked = text.count("```") // 2 - sum(map(len, found.values()))
    assert not unmarked, f"{unmarked} blocks of {page.name} do not say what they are"
    return found


def alike(text: str) -> list[str]:
    """Return the lines of an output without what differs from run to run, and why `auto` took an engine here."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("engine: "))
    return [" ".join(_VARIES.sub("#", line).split()) for line in lines]


class Reader:
    """Somebody who does what the page says, section by section.

    Args:
        folder: where they start.
        environment: their variables.
        otherwise: steps that are taken in another way here, in the folder they are given.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], otherwise: Mapping[str, Callable[[Path], object]]
    ) -> None:
        self.here = folder
        self.environment = dict(environment)
        self._otherwise = otherwise
        self._sections = sections()
        self._left = folder / "left.txt"
        self._seen = folder / "terminal.txt"
        self._terminal: Optional[subprocess.Popen[bytes]] = None

    def read(self, title: str) -> dict[str, str]:
        """Do all of a section and return what its steps printed."""
        printed: dict[str, str] = {}
        last = ""
        try:
            for block in self._sections[title]:
                if block.kind == "step":
                    last = printed[block.name] = self._step(block)
                elif block.kind == "shows":
                    assert alike(last) == alike(block.text), last
                else:
                    self._do(block)
        finally:
            self.close()
        return printed

    def write(self, title: str) -> None:
        """Write the files of a section alone, and make its edits."""
        for block in self._sections[title]:
            if block.kind in ("file", "edit"):
                self._do(block)

    def _step(self, block: Block) -> str:
        if block.name in self._otherwise:
            self._otherwise[block.name](self.here)
            return ""
        script = f"set -e\n{self._for_these_ports(block.text)}\npwd > {shlex.quote(str(self._left))}\n"
        code, printed = in_terminal(["bash", "-c", script], self.here, self.environment)
        assert code == 0, f"{block.text}\n{printed}"
        self.here = Path(self._left.read_text(encoding="utf-8").removesuffix("\n"))
        return printed

    def _for_these_ports(self, text: str) -> str:
        return text.replace("127.0.0.1:8080", f"127.0.0.1:{self.environment['MARDOCK_INFERENCE_PORT']}")

    def _do(self, block: Block) -> None:
        if block.kind == "file":
            path = self.here / block.name
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.kind == "edit":
            edit(self.here / block.name, block.text)
        elif block.kind == "terminal":
            self._open(block.text)
        else:
            assert block.kind == "terminal shows", f"nobody knows what to do with {block.kind}"
            (line,) = alike(block.text)
            eventually(lambda: line in alike(self._watched()), self._watched)

    def _open(self, command: str) -> None:
        """Run a command in a second terminal until the section ends."""
        with self._seen.open("wb") as output:
            self._terminal = subprocess.Popen(
                shlex.split(command), cwd=self.here, env=self.environment, stdout=output, stderr=output
            )
        eventually(lambda: "\nwatching " in self._watched(), self._watched)

    def _watched(self) -> str:
        return self._seen.read_text(encoding="utf-8")

    def close(self) -> None:
        """End what runs in the second terminal with Ctrl-C."""
        if self._terminal is not None:
            self._terminal.send_signal(signal.SIGINT)
            self._terminal.wait(60)
            self._terminal = None

    def stop(self) -> None:
        """Stop what runs, wherever the reader gave up."""
        self.close()
        if (self.here / "mardock.toml").exists():
            in_terminal(["mardock", "down"], self.here, self.environment)


def edit(path: Path, diff: str) -> None:
    """Do in a file what a diff says."""
    old, new = ("".join(f"{line[1:]}\n" for line in diff.splitlines() if line.startswith(sign)) for sign in ("-", "+"))
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old} stands not once in {path}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def in_terminal(argv: list[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command in a terminal of its own, for it prints other things there; return its code and what it printed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    ) as child:
        os.close(theirs)
        printed = b"".join(_read(ours, child))
    os.close(ours)
    return child.returncode, printed.decode("utf-8", "replace").replace("\r\n", "\n")


def _read(terminal: int, child: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yield what comes until the child ended, whoever else holds the terminal."""
    with suppress(OSError):  # Linux's way to say that nobody holds it any more
        while True:
            ended = child.poll() is not None
            if select.select([terminal], [], [], 0 if ended else 0.1)[0]:
                yield os.read(terminal, 65536)
            elif ended:
                return


def published(folder: Path) -> dict[str, str]:
    """Make a repository of examples/ as it is here, and return the variables with which git clones it from the URL."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "examples"]
    for name in subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True).stdout.decode().split("\0"):
        if name and (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    somebody = {f"GIT_{role}_{what}": "somebody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "examples"]):
        subprocess.run(["git", *command], cwd=folder, env={**os.environ, **somebody}, check=True)
    address = {"COUNT": "1", "KEY_0": f"url.file://{folder}.insteadOf", "VALUE_0": URL}
    return {**somebody, **{f"GIT_CONFIG_{name}": value for name, value in address.items()}}


def wheel(folder: Path) -> Path:
    """Build mardock's wheel into a folder, and return that."""
    pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*pip, str(REPOSITORY)], check=True)
    return folder


def variables(folder: Path) -> dict[str, str]:
    """The variables of a reader who finds mardock's wheel as if an index had it, with tools installed in a folder."""
    left_out = ("PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX")
    kept = {name: value for name, value in environment().items() if name not in left_out}
    (folder / "repository").mkdir()
    dist, bin_ = str(wheel(folder / "dist")), folder / "bin"
    bin_.mkdir()
    (bin_ / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    path = [part for part in kept["PATH"].split(os.pathsep) if Path(part) != Path(sys.executable).parent]
    found = {
        "PIP_FIND_LINKS": f"{dist} {kept.get('PIP_FIND_LINKS', '')}",
        "UV_FIND_LINKS": dist,
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(bin_),
        "PATH": os.pathsep.join([str(bin_), *path]),
        "TERM": "dumb",
        "COLUMNS": "200",
    }
    ports = dict(zip(PORT_VARIABLES.values(), map(str, free_ports(len(PORT_VARIABLES)))))
    return {**kept, **found, **ports, **published(folder / "repository")}


def own_environment(project: Path) -> None:
    """Make the project's environment of what is installed here, which is quick."""
    made = Environment(project / ".venv")
    made.add_all_of_this_but_mardock()
    (made.packages / "sentiment.pth").write_text(f"{project / 'src'}\n")


def nothing(_: Path) -> None:
    """Leave a step out."""
