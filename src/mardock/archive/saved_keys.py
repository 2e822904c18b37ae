"""What the pickle in a file of weights says of its keys and devices; nothing the file names is imported or called."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from mardock.archive.read import UNSOUND

_MAX_PICKLE = 64 << 20  # of names and shapes alone; the numbers lie beside it
_BROKEN = (*UNSOUND, pickle.UnpicklingError, AttributeError, IndexError, KeyError, TypeError, struct.error)


@dataclass(frozen=True)
class SavedKeys:
    """What was saved, if it is a dict.

    Attributes:
        names: of the tensors in it.
        nested: the names in each dict that lies in it and holds tensors alone, by its key.
        devices: that tensors were saved from, e.g. `cpu` and `cuda:0`.
    """

    names: tuple[str, ...] = ()
    nested: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    devices: frozenset[str] = frozenset()


def read(file: IO[bytes]) -> SavedKeys:
    """Read what torch.save wrote as a zip, TorchScript included; nothing is told of any other file."""
    try:
        with zipfile.ZipFile(file) as archive:
            inside = next((one for one in archive.infolist() if one.filename.partition("/")[2] == "data.pkl"), None)
            if inside is None or inside.file_size > _MAX_PICKLE:
                return SavedKeys()
            machine = _Inert(io.BytesIO(archive.read(inside)))
            saved = machine.load()
    except _BROKEN:
        return SavedKeys()
    if not isinstance(saved, dict):
        return SavedKeys(devices=frozenset(machine.devices))
    nested = {str(key): _tensors(one) for key, one in saved.items() if isinstance(one, dict) and _tensors(one)}
    return SavedKeys(_tensors(saved), nested, frozenset(machine.devices))


def _tensors(saved: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return the names of a dict of nothing but tensors."""
    alone = all(isinstance(name, str) and isinstance(one, _Tensor) for name, one in saved.items())
    return tuple(saved) if alone else ()


class _Something:
    """Stands for an object of any class."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass


class _Tensor(_Something):
    """Stands for a tensor or a parameter."""


class _Inert(pickle._Unpickler):  # the one in C takes the memory a file asks for
    """Unpickles without a class of the file's: whatever it names is something without behaviour."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.devices: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return _Tensor if module == "torch._utils" and name.startswith("_rebuild_") else _Something

    def persistent_load(self, saved: Any) -> Any:
        kind, device = (saved[0], saved[3]) if isinstance(saved, tuple) and len(saved) > 3 else (None, None)
        if kind == "storage" and isinstance(device, str):
            self.devices.add(device)
        return _Something()
