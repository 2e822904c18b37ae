"""Where models come from, and one clear sentence for each way they can fail to."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from mardock.compile import sample
from mardock.compile.source import ModelSource
from mardock.errors import ConfigError

NET = """from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 2)
"""
_numbers = itertools.count()


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    """The path of a module nobody has imported yet; what is imported is forgotten afterwards."""
    before = list(sys.path)
    path = tmp_path / f"net_{next(_numbers)}.py"
    yield path
    sys.modules.pop(path.stem, None)
    sys.path[:] = before


def test_a_state_dict_is_loaded_into_its_one_class_in_eval_mode(module: Path, tmp_path: Path) -> None:
    module.write_text(NET + "print('hello')\n")
    linear = nn.Linear(4, 2)
    torch.save({"a.weight": linear.weight, "a.bias": linear.bias}, tmp_path / "net.pt")
    model = ModelSource(tmp_path / "net.pt", module).load()
    assert not model.training
    assert torch.equal(model.get_parameter("a.weight"), linear.weight)


def test_what_a_module_prints_is_no_result(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module.write_text(NET + "print('hello')\n")
    ModelSource(module=f"{module.stem}:Net", folders=[module.parent]).load()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_a_torchscript_saved_while_training_is_put_into_eval_mode(tmp_path: Path) -> None:
    torch.jit.script(nn.Dropout(0.5).train()).save(tmp_path / "net.pt")  # type: ignore[no-untyped-call]
    model = ModelSource(tmp_path / "net.pt").load()
    assert torch.equal(model(torch.ones(9)), torch.ones(9))


@pytest.mark.parametrize("factory", ["Net", "make", "ready"])
def test_a_factory_is_a_class_a_function_or_the_model_itself(factory: str, module: Path) -> None:
    module.write_text(NET + "def make():\n    return Net()\nready = Net()\n")
    found = ModelSource(module=f"{module.stem}:{factory}", folders=[module.parent])
    assert type(found.load()).__name__ == "Net"
    assert found.module_file == module


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "has to hold one class, an nn.Module; found: none"),
        (NET + "class B: pass\n", "has to hold one class, an nn.Module; found: B, Net"),
        ("class B: pass\n", "has to hold one class, an nn.Module; found: B"),
        ("import no_such\n", "cannot import net_.*: ModuleNotFoundError: No module named 'no_such'"),
        (NET.replace("(self)", "(self, size)"), "Net of net_.* cannot be made without arguments: TypeError"),
        (NET.replace("(4, 2)", "(5, 2)"), "net.pt is no state dict of Net: RuntimeError: Error"),
    ],
)
def test_what_a_model_file_can_have_wrong(text: str, said: str, module: Path, tmp_path: Path) -> None:
    module.write_text(text)
    torch.save({"a.weight": torch.ones(2, 4), "a.bias": torch.ones(2)}, tmp_path / "net.pt")
    with pytest.raises(ConfigError, match=said):
        ModelSource(tmp_path / "net.pt", module).load()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{}", "is not package.module:factory"),
        ("no_such_module:make", "cannot import no_such_module"),
        ("{}:nobody", "has no 'nobody'"),
        ("{}:number", "makes no nn.Module but a int"),
        ("{}:needy", "cannot be called without arguments"),
    ],
)
def test_what_a_factory_can_have_wrong(name: str, said: str, module: Path) -> None:
    module.write_text("def number():\n    return 3\ndef needy(x):\n    return x\n")
    with pytest.raises(ConfigError, match=said):
        ModelSource(module=name.format(module.stem), folders=[module.parent]).load()


def test_a_file_that_is_no_torchscript_says_so(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(b"nothing of that kind")
    with pytest.raises(ConfigError, match=r"net\.pt is no TorchScript"):
        ModelSource(tmp_path / "net.pt").load()


def test_shapes_and_types_are_given_by_hand() -> None:
    words, image = sample.of_shapes(["2x7", "1x3x8x8"], ["int64", "float32"])
    assert (words.shape, words.dtype, image.shape, image.dtype) == ((2, 7), torch.int64, (1, 3, 8, 8), torch.float32)


@pytest.mark.parametrize(
    ("shapes", "dtypes"), [(["1xx3"], []), (["0x3"], []), (["a"], []), (["1x3"], ["nn"]), (["1"], ["int8", "int8"])]
)
def test_what_is_no_shape_or_type_is_refused(shapes: list[str], dtypes: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"--input-shape|--dtype"):
        sample.of_shapes(shapes, dtypes)


def test_inputs_nobody_kept_or_without_tensors_are_told_with_what_to_do(tmp_path: Path) -> None:
    torch.save((1, "two"), tmp_path / "inputs.pt")
    for name in ("inputs.pt", "missing.pt"):
        with pytest.raises(ConfigError) as raised:
            sample.read(tmp_path / name)
        assert "--input-shape" in str(raised.value.hint)
