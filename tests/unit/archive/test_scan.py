from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any, Callable

import pytest

from mardock.archive.scan import scan
from mardock.archive.weights_only import ALLOWED
from mardock.errors import ArchiveError

torch = pytest.importorskip("torch")


class Evil:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("true",)


def _mar(tmp_path: Path, **members: bytes) -> Path:
    model = {"modelName": "m", "modelVersion": "1.0", "handler": "base_handler"}
    with zipfile.ZipFile(tmp_path / "m.mar", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", ".", 1), content)
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"runtime": "python", "model": model}))
    return tmp_path / "m.mar"


def _saved(value: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def _names(tmp_path: Path, weights: bytes) -> list[str]:
    return [finding.name for finding in scan(_mar(tmp_path, w_pt=weights)).findings]


def _state() -> dict[str, Any]:
    state: dict[str, Any] = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).state_dict()
    return state


def test_the_allow_list_is_torchs() -> None:
    from torch._weights_only_unpickler import _get_allowed_globals

    torchs = frozenset(_get_allowed_globals())
    assert torchs <= ALLOWED
    constraints = (Path(__file__).parents[3] / "constraints.txt").read_text().split()
    if f"torch=={torch.__version__.partition('+')[0]}" in constraints:  # the one it was taken from; others know less
        assert torchs == ALLOWED


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}])
def test_a_state_dict_is_clean(tmp_path: Path, options: dict[str, Any]) -> None:
    assert _names(tmp_path, _saved(_state(), **options)) == []


def test_torchscript_is_clean(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Sequential(torch.nn.Linear(2, 2))), buffer)
    assert _names(tmp_path, buffer.getvalue()) == []


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}])
def test_a_call_of_the_system_is_found_in_every_format(tmp_path: Path, options: dict[str, Any]) -> None:
    assert _names(tmp_path, _saved({"w": torch.ones(1), "evil": Evil()}, **options)) == [f"{os.name}.system"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_call_of_the_system_is_found_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    assert _names(tmp_path, pickle.dumps(Evil(), protocol)) == [f"{os.name}.system"]


def test_a_module_saved_whole_is_found(tmp_path: Path) -> None:
    assert "torch.nn.modules.linear.Linear" in _names(tmp_path, _saved(torch.nn.Linear(2, 2)))


def test_a_pickle_is_known_by_its_first_bytes_too(tmp_path: Path) -> None:
    report = scan(_mar(tmp_path, labels_json=pickle.dumps(Evil(), 2), notes_json=b"{}", h_py=b"import os"))
    assert [finding.member for finding in report.findings] == ["labels.json"]
    assert report.code == ("h.py",)


def test_a_name_that_is_juggled_onto_the_stack_is_found(tmp_path: Path) -> None:
    juggled = b"\x80\x04\x8c\x02os\x8c\x06system\x8c\x0bcollections\x8c\x0bOrderedDict00\x93."
    assert _names(tmp_path, juggled) == ["?"]


@pytest.mark.parametrize("content", [b"no pickle at all", b"\x80\x04\x8c\x02o", pickle.dumps(1) + b"\xff"])
def test_what_cannot_be_read_is_found(tmp_path: Path, content: bytes) -> None:
    (name,) = _names(tmp_path, content)
    assert name.startswith("unreadable pickle")


def test_an_unsound_zip_inside_is_refused(tmp_path: Path) -> None:
    weights = _saved(_state())
    with pytest.raises(ArchiveError):
        scan(_mar(tmp_path, w_pt=weights[:-40]))
