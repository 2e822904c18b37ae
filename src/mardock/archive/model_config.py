"""The model-config.yaml of an archive, checked: TorchServe itself drops what has the wrong type with a warning."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import Any, Optional

from mardock.archive.read import ModelArchive
from mardock.errors import ArchiveError
from mardock.spelling import did_you_mean

# What TorchServe 0.12 reads there (threadsPerWorker: mardock's fast workers), and the least value of its whole numbers.
# Other keys are the handler's own.
_WHOLE_NUMBERS = {
    "minWorkers": 0,
    "maxWorkers": 0,
    "batchSize": 1,
    "maxBatchDelay": 0,
    "responseTimeout": 1,
    "startupTimeout": 1,
    "threadsPerWorker": 1,
    "parallelLevel": 0,
    "maxRetryTimeoutInSec": 0,
    "clientTimeoutInMills": 0,
    "jobQueueSize": 1,
    "sequenceMaxIdleMSec": 1,
    "sequenceTimeoutMSec": 1,
    "maxNumSequence": 1,
    "maxSequenceJobQueueSize": 1,
}
_FLAGS = ("useJobTicket", "continuousBatching", "sequenceBatching", "asyncCommunication", "useVenv")
_CHOICES = {"deviceType": ("cpu", "gpu"), "parallelType": ("pp", "tp", "pptp", "custom")}
_KEYS = (*_WHOLE_NUMBERS, *_FLAGS, *_CHOICES, "deviceIds", "torchrun")
_SIMILAR = 0.9


def read_model_config(archive: ModelArchive) -> Mapping[str, Any]:
    """Return what the archive's model-config.yaml sets, empty when it has none; raises like `parse`."""
    name = archive.manifest["model"].get("configFile")
    return parse(_text(archive, name), name, archive.name) if name else {}


def parse(text: bytes, name: str, model: str) -> Mapping[str, Any]:
    """Return what the text of a model-config.yaml sets.

    Args:
        name, model: what to call the file and its model in an error.

    Raises:
        ArchiveError: it is no YAML mapping, a value has a type or a size TorchServe would not take, a key is misspelt,
            or minWorkers is more than maxWorkers.
    """
    config = _parsed(name, text)
    for key, value in config.items():
        fault = _fault(str(key), value)
        if fault:
            raise ArchiveError(f"{name} of model {model}: {fault}", hint="mend it, then archive again")
    least, most = config.get("minWorkers", 0), config.get("maxWorkers")
    if most is not None and least > most:
        raise ArchiveError(
            f"{name} of model {model}: minWorkers {least} is more than maxWorkers {most}",
            hint="mend it, then archive again",
        )
    return config


def _text(archive: ModelArchive, name: str) -> bytes:
    if archive.path.is_dir():
        return (archive.path / name).read_bytes()
    with zipfile.ZipFile(archive.path) as file:
        return file.read(name)


def _parsed(name: str, text: bytes) -> dict[str, Any]:
    import yaml

    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ArchiveError(f"{name} is not YAML", details=str(error), hint="mend it, then archive again") from error
    if config is not None and not isinstance(config, dict):
        raise ArchiveError(f"{name} is not a mapping of keys to values", hint="write e.g. minWorkers: 1")
    return config or {}


def _fault(key: str, value: object) -> Optional[str]:
    if key in _WHOLE_NUMBERS:
        least = _WHOLE_NUMBERS[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            return f"{key} must be a whole number from {least} on, not {value!r}"
    elif key in _FLAGS:
        if not isinstance(value, bool):
            return f"{key} must be true or false, not {value!r}"
    elif key in _CHOICES:
        if value not in _CHOICES[key]:
            return f"{key} must be one of {', '.join(_CHOICES[key])}, not {value!r}"
    elif key == "deviceIds":
        if not (isinstance(value, list) and all(type(entry) is int for entry in value)):
            return f"deviceIds must be a list of whole numbers, not {value!r}"
    elif key not in _KEYS:
        return _misspelt(key)
    return None


def _misspelt(key: str) -> Optional[str]:
    question = did_you_mean(key, _KEYS, similarity=_SIMILAR)
    return f"unknown key {key}; {question}" if question else None
