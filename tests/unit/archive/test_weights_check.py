"""Weights that will not load are told of before, and what is told mends them."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mardock.archive import saved_keys
from mardock.archive.source_check import Source
from mardock.archive.weights_check import warnings

torch = pytest.importorskip("torch")
STATE = {"fc.weight": torch.ones(2, 2), "fc.bias": torch.ones(2)}
PARALLEL = {f"module.{name}": value for name, value in STATE.items()}
COMPILED = {f"_orig_mod.{name}": value for name, value in STATE.items()}


def saved(folder: Path, what: Any) -> Path:
    torch.save(what, folder / "net.pt")
    return folder / "net.pt"


def on_gpu(path: Path) -> None:
    """Make a file look as if its tensors had been saved from a GPU."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0"))


def code(text: str) -> list[Source]:
    return [Source("handler.py", ast.parse(text))]


def told(path: Path, text: str = "", *, by_torchserve: bool = True) -> list[str]:
    return warnings("net.pt", path, code(text), by_torchserve=by_torchserve)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"state_dict": STATE, "epoch": 3, "args": {"lr": 0.1}}, "'state_dict'"),
        ({"model": STATE}, "'model'"),
        (
            {"model_state_dict": STATE, "optimizer": {"state": {}, "param_groups": [{"lr": 1}]}},
            "'model_state_dict'",
        ),
        ({"weights": STATE, "loss": torch.ones(1)}, "'weights'"),
        (PARALLEL, "'module.', as DataParallel"),
        (COMPILED, "'_orig_mod.', as torch.compile"),
        ({"state_dict": PARALLEL, "epoch": 1}, "under 'state_dict' beside other things, and has names that begin"),
    ],
)
def test_a_checkpoint_is_told_of_with_the_command_that_mends_it(tmp_path: Path, what: Any, words: str) -> None:
    path = saved(tmp_path, what)
    (warning,) = told(path)
    assert words in warning

    command = shlex.split(warning[warning.index("python -c") : warning.index(", then serialized_file")])
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True)
    mended = torch.load(tmp_path / "net_state.pt", weights_only=True)
    assert {name: value.tolist() for name, value in mended.items()} == {
        name: value.tolist() for name, value in STATE.items()
    }
    assert told(tmp_path / "net_state.pt") == []


@pytest.mark.parametrize("what", [STATE, {}, [1], {"module.a": torch.ones(1), "b": torch.ones(1)}, torch.nn.ReLU()])
def test_nothing_is_told_of_what_loads_or_is_no_dict(tmp_path: Path, what: Any) -> None:
    assert told(saved(tmp_path, what)) == []


def test_nothing_is_told_of_what_the_handler_takes_apart_itself(tmp_path: Path) -> None:
    path = saved(tmp_path, {"state_dict": STATE})
    assert told(path, "model.load_state_dict(torch.load(path)['state_dict'])") == []
    assert told(path, by_torchserve=False) == []
    assert len(told(path, "import torch")) == 1


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("import torch\nstate = torch.load(path)", ["handler.py:2: net.pt was saved from cuda:0"]),
        ("def f():\n    return torch.jit.load('x')", ["handler.py:2: net.pt was saved from cuda:0"]),
        ("torch.load(path, map_location='cpu')", []),
        ("torch.load(path, device)", []),
        ("torch.load(path, **options)", []),
        ("json.load(path)", []),
    ],
)
def test_weights_of_a_gpu_name_the_call_that_needs_one(tmp_path: Path, text: str, lines: list[str]) -> None:
    path = saved(tmp_path, STATE)
    assert told(path, text) == []
    on_gpu(path)
    found = told(path, text)
    assert [re.sub(r", and this call.*", "", line) for line in found] == lines


def test_nothing_a_file_names_is_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return open, (str(tmp_path / "made"), "w")

    path = saved(tmp_path, {"state_dict": STATE, "evil": Evil()})
    assert len(told(path)) == 1
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"PK\x05\x06" + b"\0" * 18])
def test_any_other_file_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with (tmp_path / "other").open("rb") as file:
        assert saved_keys.read(file) == saved_keys.SavedKeys()


@pytest.mark.parametrize(
    "pickled", [b"", b".", b"garbage", b"\x80\x04\x95", b"(lp0\nI1\naS'x'\np1\ns.", b"\x80\x02K\x01r\xff\xff\xff\xff."]
)
def test_a_broken_pickle_tells_nothing(tmp_path: Path, pickled: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("net/data.pkl", pickled)
    with (tmp_path / "net.pt").open("rb") as file:
        assert saved_keys.read(file) == saved_keys.SavedKeys()
