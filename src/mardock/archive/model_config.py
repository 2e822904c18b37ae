"""The model-config.yaml of an archive, checked: TorchServe itself drops what has the wrong type with a warning."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

from mardock.defaults import MAX_THREADS, MAX_WORKERS
from mardock.errors import ArchiveError
from mardock.spelling import did_you_mean

if TYPE_CHECKING:
    from yaml import Node
    from yaml.error import Mark

    from mardock.archive.read import ModelArchive

    _Entry = tuple[Node, Node]

_MAX_INT = 2**31 - 1  # Java's; a larger number is another type, and dropped
_MAX_DEPTH = 51  # SnakeYAML's; TorchServe serves a deeper file as if it were not there


class _Range(NamedTuple):
    least: int
    most: int = _MAX_INT


# What TorchServe 0.12 reads there (threadsPerWorker: mardock's fast workers), and what its whole numbers may be: it
# drops the others, or takes the nearest. Other keys are the handler's own.
_WHOLE_NUMBERS = {
    "minWorkers": _Range(0, MAX_WORKERS),
    "maxWorkers": _Range(0, MAX_WORKERS),
    "batchSize": _Range(1),
    "maxBatchDelay": _Range(0),
    "responseTimeout": _Range(1),
    "startupTimeout": _Range(1),
    "threadsPerWorker": _Range(1, MAX_THREADS),
    "parallelLevel": _Range(0),
    "maxRetryTimeoutInSec": _Range(0),
    "clientTimeoutInMills": _Range(0),
    "jobQueueSize": _Range(0),
    "sequenceMaxIdleMSec": _Range(0),
    "sequenceTimeoutMSec": _Range(0),
    "maxNumSequence": _Range(1),
    "maxSequenceJobQueueSize": _Range(1),
}
_FLAGS = ("useJobTicket", "continuousBatching", "sequenceBatching", "asyncCommunication", "useVenv")
_CHOICES = {"deviceType": ("cpu", "gpu"), "parallelType": ("pp", "tp", "pptp", "custom")}
"""In whatever case; empty is not set."""
_TORCHRUN_NUMBERS = {
    "nnodes": _Range(1),
    "nproc-per-node": _Range(1),
    "monitor-interval": _Range(1),
    "node-rank": _Range(0),
    "OMP_NUMBER_THREADS": _Range(1),
}
_TORCHRUN_TEXTS = ("rdzv-backend", "rdzv-endpoint", "rdzv-conf")
_KEYS = (*_WHOLE_NUMBERS, *_FLAGS, *_CHOICES, "deviceIds", "torchrun")
_SIMILAR = 0.9
_AGAIN = "mend it, then archive again"
_NOTE = "# From mardock.toml:"


@dataclass(frozen=True)
class _Fault:
    """What is wrong, where, and what to write instead."""

    mark: Optional[Mark]
    sentence: str
    hint: str = _AGAIN


def read_model_config(archive: ModelArchive) -> Mapping[str, Any]:
    """Return what the archive's model-config.yaml sets, empty when it has none; raises like `parse`."""
    name = archive.manifest["model"].get("configFile")
    return parse(_text(archive, name), name, archive.name) if name else {}


def parse(text: bytes, name: str, model: str) -> Mapping[str, Any]:
    """Return what the text of a model-config.yaml sets.

    Args:
        name, model: what to call the file and its model in an error.

    Raises:
        ArchiveError: it is no YAML mapping of names, a value has a type or a size TorchServe would not take, a key is
            misspelt or there twice, or minWorkers is more than maxWorkers; the first with line and column, all in the
            details.
    """
    import yaml

    loader = None
    try:
        loader = yaml.SafeLoader(text.decode("utf-8"))
        node = loader.get_single_node()
        written = list(node.value) if isinstance(node, yaml.MappingNode) else []  # without what << merges into it
        config = None if node is None else loader.construct_document(node)
    except UnicodeDecodeError as error:
        raise ArchiveError(f"{name} of model {model} is not UTF-8 text", hint="save the file as UTF-8") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # of a date that is none, and of thousands of [
        mark = getattr(error, "problem_mark", None)
        raise ArchiveError(
            f"{_place(name, mark)} of model {model} is not YAML{_problem(error)}", details=str(error), hint=_AGAIN
        ) from error
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(config, dict) or not isinstance(node, yaml.MappingNode):
        raise _no_mapping(node, config, name, model)
    faults = [*_key_faults(written), *_value_faults(dict(_named(written)), config)]
    if _depth(node) > _MAX_DEPTH:
        faults.append(_Fault(node.start_mark, f"it is nested deeper than the {_MAX_DEPTH} levels TorchServe reads"))
    if faults:
        first, *others = [f"{_place(name, fault.mark)} of model {model}: {fault.sentence}" for fault in faults]
        raise ArchiveError(first, details="\n".join(others) or None, hint=faults[0].hint)
    return config


def line_of(text: bytes, key: str) -> Optional[int]:
    """Return the line that sets a key, in a text that `parse` takes."""
    import yaml

    node = yaml.compose(text.decode("utf-8"), Loader=yaml.SafeLoader)
    entries = node.value if isinstance(node, yaml.MappingNode) else []
    return next((int(name.start_mark.line) + 1 for name, _ in entries if name.value == key), None)


def completed(text: bytes, values: Mapping[str, int]) -> bytes:
    """Return the text with those of the values added that it does not set; what is no mapping stays as it is."""
    import yaml

    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    if not isinstance(found, dict):
        return text
    missing = {key: value for key, value in values.items() if key not in found}
    if not missing:
        return text
    lines = [_NOTE, *(f"{key}: {value}" for key, value in missing.items())]
    added = text + b"\n" * (not text.endswith(b"\n")) + "".join(f"{line}\n" for line in lines).encode()
    try:
        if yaml.safe_load(added) == {**found, **missing}:
            return added
    except yaml.YAMLError:  # it is written with braces, or indented
        pass
    return yaml.safe_dump({**found, **missing}, sort_keys=False, allow_unicode=True).encode()


def _text(archive: ModelArchive, name: str) -> bytes:
    if archive.path.is_dir():
        return (archive.path / name).read_bytes()
    with zipfile.ZipFile(archive.path) as file:
        return file.read(name)


def _place(name: str, mark: Optional[Mark]) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name


def _problem(error: Exception) -> str:
    problem = getattr(error, "problem", None)
    if problem and "'\\t'" in problem:
        return ": a tab stands where YAML takes spaces alone"
    return f": {problem}" if problem else f": {error}" if isinstance(error, ValueError) else ""


def _no_mapping(node: Optional[Node], config: object, name: str, model: str) -> ArchiveError:
    if config is None:
        return ArchiveError(
            f"{name} of model {model} sets nothing, and TorchServe takes no empty one",
            hint="write e.g. minWorkers: 1, or take config_file out of mardock.toml",
        )
    return ArchiveError(
        f"{_place(name, node.start_mark if node else None)} of model {model} is not a mapping of keys to values",
        hint="write e.g. minWorkers: 1",
    )


def _named(written: Sequence[_Entry]) -> Iterator[tuple[str, Node]]:
    return ((key.value, value) for key, value in written if isinstance(key.value, str))


def _value_faults(values: Mapping[str, Node], config: Mapping[Any, Any]) -> Iterator[_Fault]:
    for key, value in config.items():
        if not isinstance(key, str):
            continue
        mark = values[key].start_mark if key in values else None  # of a merged one there is none
        if key == "torchrun":
            yield from _torchrun_faults(values.get(key), value, mark)
        else:
            fault = _fault(key, value)
            yield from [_Fault(mark, *fault)] if fault else []
    least, most = config.get("minWorkers"), config.get("maxWorkers")
    if type(least) is type(most) is int and least > most:
        mark = values["minWorkers"].start_mark if "minWorkers" in values else None
        yield _Fault(mark, f"minWorkers {least} is more than maxWorkers {most}")


def _key_faults(written: Sequence[_Entry]) -> Iterator[_Fault]:
    """Find keys that are no text, on which TorchServe stumbles, and those it would take the last of."""
    seen: dict[str, Mark] = {}
    for key, _ in written:
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.tag != "tag:yaml.org,2002:str":
            text = key.value if isinstance(key.value, str) else "?"
            sentence = f"the key {text or 'null'} is read as {key.tag.rpartition(':')[2]}, not as text"
            yield _Fault(key.start_mark, sentence, f'put it in quotes: "{text}"')
        elif key.value in seen:
            line = seen[key.value].line + 1
            yield _Fault(key.start_mark, f"{key.value} is set twice, first on line {line}", "keep one of the two")
        seen.setdefault(str(key.value), key.start_mark)


def _torchrun_faults(node: Optional[Node], value: object, mark: Optional[Mark]) -> Iterator[_Fault]:
    if not isinstance(value, dict):
        yield _Fault(mark, f"torchrun must be a mapping, not {value!r}", "write e.g. nproc-per-node: 2 below it")
        return
    known = (*_TORCHRUN_NUMBERS, *_TORCHRUN_TEXTS)
    for key, entry in value.items():
        entries = node.value if node else []
        at = next((name.start_mark for name, _ in entries if name.value == str(key)), mark)
        if key in _TORCHRUN_NUMBERS:
            fault = _number_fault(f"torchrun.{key}", entry, _TORCHRUN_NUMBERS[key])
            yield from [_Fault(at, *fault)] if fault else []
        elif key in _TORCHRUN_TEXTS:
            if not isinstance(entry, str):
                yield _Fault(at, f"torchrun.{key} must be text, not {entry!r}")
        else:
            hint = did_you_mean(str(key), known) or f"known keys: {', '.join(known)}"
            yield _Fault(at, f"unknown key torchrun.{key}", hint)


_Words = Union[tuple[str], tuple[str, str], None]


def _fault(key: str, value: object) -> _Words:
    if key in _WHOLE_NUMBERS:
        return _number_fault(key, value, _WHOLE_NUMBERS[key])
    if key in _FLAGS:
        if not isinstance(value, bool):
            return f"{key} must be true or false, not {value!r}", f"write {key}: true"
    elif key in _CHOICES:
        known = _CHOICES[key]
        if not isinstance(value, str) or value.lower() not in (*known, ""):
            return f"{key} must be one of {', '.join(known)}, not {value!r}", f"write {key}: {known[0]}"
    elif key == "deviceIds":
        if not (isinstance(value, list) and all(type(entry) is int and 0 <= entry <= _MAX_INT for entry in value)):
            return f"deviceIds must be a list of whole numbers, not {value!r}", "write e.g. deviceIds: [0, 1]"
    elif key not in _KEYS:
        question = did_you_mean(key, _KEYS, similarity=_SIMILAR)
        return (f"unknown key {key}; {question}",) if question else None
    return None


def _number_fault(key: str, value: object, allowed: _Range) -> _Words:
    if type(value) is int and allowed.least <= value <= allowed.most:
        return None
    too_large = type(value) is int and value > allowed.most
    bounds = f"of {allowed.most} at most" if too_large else f"from {allowed.least} on"
    sentence = f"{key} must be a whole number {bounds}, not {value!r}"
    meant = _whole(value)
    return (sentence, f"write {key}: {meant}") if meant is not None and meant >= allowed.least else (sentence,)


def _whole(value: object) -> Optional[int]:
    """Return the number that was meant by `4.0` or `'4'`."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and value.isdecimal() else None


def _depth(node: Node) -> int:
    deepest, level = 0, [node]
    seen: set[int] = set()
    while level:
        deepest += 1
        seen.update(map(id, level))
        level = [child for one in level for child in _collections(one) if id(child) not in seen]
    return deepest


def _collections(node: Node) -> Iterator[Node]:
    """Yield the mappings and lists a mapping or list holds."""
    for entry in node.value:
        yield from (
            child for child in (entry if isinstance(entry, tuple) else (entry,)) if isinstance(child.value, list)
        )
