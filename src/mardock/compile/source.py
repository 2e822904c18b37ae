"""The model as the project names it: a state dict and its one class, a TorchScript, or a factory in a module."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Optional

import torch
from torch import nn

from mardock.causes import sentences
from mardock.causes.remedies import Fix, remedy_for
from mardock.errors import ConfigError, MardockError

_OF_WEIGHTS = (Fix.UNWRAP_STATE_DICT, Fix.STRIP_PREFIX)
_NAME_MODULE = "name a function that makes the model: --module package.module:factory"


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from: files of its archive, or a module.

    Attributes:
        serialized_file: a state dict, or TorchScript when there is no `model_file`.
        model_file: a `.py` with exactly one class, made without arguments.
        module: `package.module:factory` instead: an nn.Module, a class of one, or a function that returns one.
        folders: where to look for that module before `sys.path`.
    """

    serialized_file: Optional[Path] = None
    model_file: Optional[Path] = None
    module: Optional[str] = None
    folders: Sequence[Path] = ()

    def load(self) -> nn.Module:
        """Return the model in eval mode on the CPU, files loaded as TorchServe's BaseHandler loads them.

        Raises:
            ConfigError: there is no such model.
        """
        with contextlib.redirect_stdout(sys.stderr):  # what the user's code prints is no result
            model = self._load()
        for parameter in model.parameters():
            parameter.requires_grad_(False)  # noqa: FBT003 torch names it otherwise in its types
        return model.cpu().eval()

    def _load(self) -> nn.Module:
        if self.module is not None:
            return _from_factory(self.module, self.folders)
        if self.model_file is None:
            return _torchscript(self.serialized_file or Path())
        return _from_class(self.model_file, self.serialized_file)

    @property
    def module_file(self) -> Optional[Path]:
        """The file of the module, once it was loaded."""
        file = sys.modules[self.module.partition(":")[0]].__file__ if self.module else None
        return Path(file).resolve() if file else None


def _torchscript(file: Path) -> nn.Module:
    with _told(f"{file.name} is no TorchScript that can be loaded", hint=_NAME_MODULE):
        model: nn.Module = torch.jit.load(str(file), map_location="cpu")  # type: ignore[no-untyped-call]
        return model


def _from_class(model_file: Path, serialized_file: Optional[Path]) -> nn.Module:
    with _told(f"cannot import {model_file.name}", hint=f"mend {model_file.name}"):
        module = _import(model_file.stem, [model_file.parent])
    classes = [item for _, item in inspect.getmembers(module, inspect.isclass) if item.__module__ == module.__name__]
    if len(classes) != 1 or not issubclass(classes[0], nn.Module):
        found = ", ".join(item.__name__ for item in classes) or "none"
        raise ConfigError(f"{model_file.name} has to hold one class, an nn.Module; found: {found}", hint=_NAME_MODULE)
    with _told(f"{classes[0].__name__} of {model_file.name} cannot be made without arguments", hint=_NAME_MODULE):
        model: nn.Module = classes[0]()
    if serialized_file is not None:
        with _told(f"{serialized_file.name} is no state dict of {classes[0].__name__}", hint=_NAME_MODULE):
            model.load_state_dict(torch.load(serialized_file, map_location="cpu", weights_only=True))
    return model


def _from_factory(name: str, folders: Sequence[Path]) -> nn.Module:
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"--module {name!r} is not package.module:factory", hint="e.g. --module zoo.resnet:resnet18")
    with _told(f"cannot import {module_name}", hint="correct --module, or the module itself"):
        module = _import(module_name, folders)
    found: Any = getattr(module, attribute, None)
    if found is None:
        raise ConfigError(f"{module_name} has no {attribute!r}", hint="correct --module")
    if not isinstance(found, nn.Module):
        with _told(f"{name} cannot be called without arguments", hint="name a function that makes the whole model"):
            found = found()
    if not isinstance(found, nn.Module):
        raise ConfigError(f"{name} makes no nn.Module but a {type(found).__name__}", hint="correct --module")
    return found


def _import(name: str, folders: Sequence[Path]) -> ModuleType:
    """Import a module; it and what it imports, also later, is looked for in these folders first."""
    sys.path[:0] = [str(folder) for folder in folders]
    return importlib.import_module(name)


@contextlib.contextmanager
def _told(sentence: str, hint: str) -> Iterator[None]:
    """Raise whatever the user's code raises as one sentence."""
    try:
        yield
    except MardockError:
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        known = remedy_for(str(error))
        mend = sentences.remedy(known) if known and known.fix in _OF_WEIGHTS else hint
        raise ConfigError(f"{sentence}: {type(error).__name__}: {first}", hint=mend) from error
