"""Weights that the code archived beside them will not be able to load, found without loading either."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Optional

from mardock.archive import saved_keys
from mardock.archive.saved_keys import SavedKeys
from mardock.archive.source_check import Source

_LIKELIEST = ("state_dict", "model_state_dict", "model")
_PREFIXES = {
    "_orig_mod.module.": "torch.compile around DataParallel",
    "module._orig_mod.": "DataParallel around torch.compile",
    "_orig_mod.": "torch.compile",
    "module.": "DataParallel",
}


def warnings(file: str, path: Path, code: Sequence[Source], *, by_torchserve: bool) -> list[str]:
    """Return what is wrong with a file of weights, each with the command or the line that mends it.

    Args:
        file: what the user calls it.
        code: the handler's and the model's.
        by_torchserve: whether TorchServe's BaseHandler may load it, into the one class of a model_file.
    """
    with path.open("rb") as opened:
        saved = saved_keys.read(opened)
    calls = [(source.label, call) for source in code for call in _calls(source.tree)]
    faults = [] if not by_torchserve or any(_loads(call) for _, call in calls) else _keys(file, saved)
    on_gpu = next((device for device in sorted(saved.devices) if device.startswith("cuda")), None)
    for label, call in calls:
        if on_gpu and _is_torch_load(call) and not _maps(call):
            faults.append(
                f"{label}:{call.lineno}: {file} was saved from {on_gpu}, and this call has no map_location: it fails"
                f" where there is no GPU; write {ast.unparse(call.func)}(…, map_location='cpu')"
            )
    return faults


def _keys(file: str, saved: SavedKeys) -> list[str]:
    names, inside = saved.names, ""
    if saved.nested:
        key = next((one for one in _LIKELIEST if one in saved.nested), next(iter(saved.nested)))
        names, inside = saved.nested[key], f"[{key!r}]"
    prefix = next((one for one in _PREFIXES if names and all(name.startswith(one) for name in names)), None)
    if not inside and prefix is None:
        return []
    told = [f"holds the state dict under {key!r} beside other things"] if inside else []
    told += [f"has names that begin with {prefix!r}, as {_PREFIXES[prefix]} saves them"] if prefix else []
    return [
        f"{file} {', and '.join(told)}: TorchServe loads it as it is into model_file's class, which fails unless that"
        f" class has such names; {_mend(file, inside, prefix)}"
    ]


def _mend(file: str, inside: str, prefix: Optional[str]) -> str:
    kept = f"torch.load({file!r}, map_location='cpu'){inside}"
    if prefix:
        kept = f"{{name[{len(prefix)}:]: value for name, value in {kept}.items()}}"
    target = str(Path(file).with_suffix("")) + "_state.pt"
    return f'python -c "import torch; torch.save({kept}, {target!r})", then serialized_file = "{target}"'


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))


def _loads(call: ast.Call) -> bool:
    """Say whether it takes loading into the user's own hands."""
    return _is_torch_load(call) or _named(call, {"load_state_dict"})


def _is_torch_load(call: ast.Call) -> bool:
    return _named(call, {"load"}) and ast.unparse(call.func) in ("torch.load", "torch.jit.load")


def _named(call: ast.Call, names: Collection[str]) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in names


def _maps(call: ast.Call) -> bool:
    return len(call.args) > 1 or any(keyword.arg in ("map_location", None) for keyword in call.keywords)
