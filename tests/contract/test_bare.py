"""A stranger's repository becomes a project by one file, is served, and git sees nothing but that file."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from tests.contract.projects import PORTS
from tests.support.command import Ended, mardock, succeed
from tests.support.ports import free_ports

HANDLER = """
import torch
from ts.torch_handler.base_handler import BaseHandler


class Doubler(BaseHandler):
    def preprocess(self, data):
        print("asked to double", flush=True)
        return torch.tensor([float(bytes(row["body"])) for row in data])

    def postprocess(self, data):
        return data.tolist()
"""


class Double(torch.nn.Module):
    """What the repository serves."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


class Repository(NamedTuple):
    """A stranger's repository, and the machine its commands are run on."""

    root: Path
    env: dict[str, str]

    def run(self, *words: object, below: str = "") -> Ended:
        """Run a command that has to succeed in a folder of the repository."""
        return succeed(self.root / below, *words, env=self.env)

    def seen_by_git(self) -> str:
        """What is not of the commit."""
        argv = ["git", "status", "--porcelain", "--untracked-files=all"]
        return subprocess.run(argv, cwd=self.root, check=True, capture_output=True, text=True).stdout


def machine() -> dict[str, str]:
    ports = {f"MARDOCK_{name}": str(port) for name, port in zip(PORTS, free_ports(len(PORTS)))}
    return {"MARDOCK_ENGINE": "native", **ports}


@pytest.fixture
def repository(native: None, tmp_path: Path) -> Iterator[Repository]:
    """Code in one folder, a model's own folder in another, and weights on a disk elsewhere, behind a cache's links."""
    root, disk = tmp_path / "shop", tmp_path / "disk"
    for folder in (root / "src" / "shop", root / "models" / "double", disk / "blobs"):
        folder.mkdir(parents=True)
    (root / "src" / "shop" / "handler.py").write_text(HANDLER, encoding="utf-8")
    torch.jit.script(Double()).save(str(disk / "blobs" / "0123"))  # type: ignore[no-untyped-call]
    (disk / "double.pt").symlink_to("blobs/0123")
    (root / "models" / "double" / "double.pt").symlink_to(disk / "double.pt")
    commit = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "all"]
    for arguments in (["init", "--quiet"], ["add", "--all"], commit):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    made = Repository(root, machine())
    yield made
    for project in (root, root / "models" / "double"):
        mardock(project, "down", env=made.env)


def test_it_is_served_and_git_sees_mardock_toml_alone(repository: Repository, tmp_path: Path) -> None:
    number = tmp_path / "21.txt"
    number.write_text("21")
    repository.run("init", "--bare")
    assert repository.run("try", "--data", number).out.endswith("42.0")
    repository.run("archive")
    repository.run("doctor")
    repository.run("up")
    assert repository.run("predict", "shop", number).out == "42.0"
    lines = [line for line in repository.run("logs").out.splitlines() if line.strip()]
    assert "asked to double" in "\n".join(lines)
    assert [line for line, times in Counter(lines).items() if times > 1] == []
    repository.run("register", "--unpacked", "--replace")
    assert repository.run("predict", "shop", number, below="src/shop").out == "42.0"
    repository.run("down")
    assert repository.seen_by_git() == "?? mardock.toml\n"


def test_a_model_s_folder_in_it_takes_code_from_beside_and_ports_of_its_own(
    repository: Repository, tmp_path: Path
) -> None:
    number = tmp_path / "21.txt"
    number.write_text("21")
    below = "models/double"
    repository.run("init", "--bare", "--model", "all")
    repository.run("up")
    (repository.root / below / "mardock.toml").write_text(
        '[models.double.archive]\nhandler = "../../src/shop/handler.py"\nserialized_file = "double.pt"\n'
    )
    repository.run("archive", below=below)
    refused = mardock(repository.root / below, "up", env=repository.env)
    assert refused.code == 3
    assert f"is taken by the TorchServe of {repository.root} (pid " in refused.err
    aside = Repository(repository.root / below, machine())
    aside.run("up")
    assert aside.run("predict", "double", number).out == "42.0"
    aside.run("down")
    repository.run("status")
    repository.run("down")
    assert repository.seen_by_git() == "?? mardock.toml\n?? models/double/mardock.toml\n"
