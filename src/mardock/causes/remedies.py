"""What mends a failure, for the causes that are known: recognised by what Python, torch or TorchServe says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Optional

from mardock.errors import Reason


class Fix(Enum):
    """An edit that helps; `words` says each in a sentence."""

    ADD_PACKAGE = "add package"
    NAME_PACKAGE = "name package"
    ADD_FILE = "add file"
    MATCH_TORCHVISION = "match torchvision"
    UNWRAP_STATE_DICT = "unwrap state dict"
    STRIP_PREFIX = "strip prefix"
    MAP_TO_CPU = "map to cpu"
    ASK_FOR_DEVICE = "ask for device"
    NAME_CLASSES = "name classes"
    REDUCE_CHANNELS = "reduce channels"
    REDUCE_BITS = "reduce bits"
    MATCH_MODEL_FILE = "match model_file"
    ADD_MODEL_FILE = "add model_file"
    MATCH_TORCH = "match torch"
    SAVE_STATE_DICT = "save state dict"
    SAVE_AGAIN = "save again"
    ENLARGE_SHM = "enlarge shm"
    FREE_SPACE = "free space"
    KEEP_ONE_CLASS = "keep one class"
    SPARE_MEMORY = "spare memory"
    ANSWER_LESS = "answer less"
    ANSWER_EACH = "answer each"
    ANSWER_JSON = "answer json"
    RAISE_STARTUP_TIMEOUT = "raise startup_timeout"
    RAISE_RESPONSE_TIMEOUT = "raise response_timeout"
    SEND_COLOURS = "send colours"
    CONVERT_CHANNELS = "convert channels"
    LOAD_FIRST = "load first"
    READ_REQUEST = "read request"
    SEND_INSTANCES = "send instances"


@dataclass(frozen=True)
class Remedy:
    """An edit, and what it is about.

    Attributes:
        about: the `module` or the `file` to add, the channels `wanted` and `given`.
    """

    fix: Fix
    about: Mapping[str, str] = field(default_factory=dict)


_BY_REASON = {
    Reason.NOT_LOADED: Fix.RAISE_STARTUP_TIMEOUT,
    Reason.NOT_ANSWERED: Fix.RAISE_RESPONSE_TIMEOUT,
    Reason.KILLED: Fix.SPARE_MEMORY,
}
# One row per cause: what the exception's or TorchServe's text holds, and the edit that helps.
_BY_TEXT = (
    (r"ImportError: attempted relative import (with no known parent|beyond top-level) package", Fix.NAME_PACKAGE),
    (r"ModuleNotFoundError: No module named '(?P<module>[^'.]+)", Fix.ADD_PACKAGE),
    (r"operator torchvision::\w+ does not exist", Fix.MATCH_TORCHVISION),
    (
        r"Unexpected key\(s\) in state_dict:[^\n]*\"(?P<key>(?:model_)?state_dict|model|net|network|weights|ema)\"",
        Fix.UNWRAP_STATE_DICT,
    ),
    (r"Unexpected key\(s\) in state_dict: \"(?P<prefix>module\.|_orig_mod\.|model\.)", Fix.STRIP_PREFIX),
    (r"Attempting to deserialize object on (?:a )?CUDA device", Fix.MAP_TO_CPU),
    (r"Torch not compiled with CUDA enabled|Found no NVIDIA driver|No CUDA GPUs are available", Fix.ASK_FOR_DEVICE),
    (
        r"(selected index k out of range).*called by \S*image_classifier\.py in postprocess",
        Fix.NAME_CLASSES,
    ),
    (
        r"size of tensor a \((?P<given>[24])\) must match the size of tensor b \(3\).*raised in \S*torchvision",
        Fix.REDUCE_CHANNELS,
    ),
    (
        r"(?:should be a float tensor|to be of floating type)[^\n]*torch\.(?P<given>u?int(?:16|32))"
        r".*raised in \S*torchvision",
        Fix.REDUCE_BITS,
    ),
    (
        r"loading state_dict|(Missing|Unexpected) key\(s\) in state_dict|size mismatch for ",
        Fix.MATCH_MODEL_FILE,
    ),
    (r"failed locating file constants\.pkl", Fix.ADD_MODEL_FILE),
    (r"maximum supported version for reading|Unknown builtin op|installation may be too old", Fix.MATCH_TORCH),
    (r"Weights only load failed", Fix.SAVE_STATE_DICT),
    (r"PytorchStreamReader failed|invalid load key|not a ZIP archive", Fix.SAVE_AGAIN),
    (
        r"out of shared memory|unable to (?:write to|mmap)[^\n]*</torch_|killed by signal: Bus error",
        Fix.ENLARGE_SHM,
    ),
    (r"No space left on device|Disk quota exceeded", Fix.FREE_SPACE),
    (r"FileNotFoundError: .*: '(?:[^']*/)?(?P<file>[^'/]+)'", Fix.ADD_FILE),
    (r"Expected only one class in custom service code", Fix.KEEP_ONE_CLASS),
    (
        r"MemoryError|out of memory|Out of resources|Cannot allocate memory|DefaultCPUAllocator",
        Fix.SPARE_MEMORY,
    ),
    (r"Message size exceed limit", Fix.ANSWER_LESS),
    (r"output with shape \[1, \d+, \d+\] doesn't match the broadcast shape \[3, ", Fix.SEND_COLOURS),
    (r"to have (?P<wanted>\d+) channels, but got (?P<given>\d+) channels instead", Fix.CONVERT_CHANNELS),
    (r"'?NoneType'?.*called by \S*model_loader\.py in <lambda>", Fix.LOAD_FIRST),
    (r"Could not infer dtype of dict", Fix.READ_REQUEST),
    (
        r"(indices must be integers|KeyError: 'instances').*raised in \S*request_envelope[/\\]json\.py",
        Fix.SEND_INSTANCES,
    ),
    (r"Invalid return type|number of batch response mismatched", Fix.ANSWER_EACH),
    (r"not JSON serializable|keys must be str", Fix.ANSWER_JSON),
)


def remedy_for(text: str, reason: Reason = Reason.RAISED) -> Optional[Remedy]:
    """Return the edit that mends a failure, or None when its cause is not known.

    Args:
        text: what Python printed, each exception followed by `raised in FILE` and TorchServe's calls; or a sentence of
            TorchServe's.
    """
    if reason in _BY_REASON:
        return Remedy(_BY_REASON[reason])
    for pattern, fix in _BY_TEXT:
        found = re.search(pattern, text, re.DOTALL)  # compiled when it is first needed
        if found:
            return Remedy(fix, found.groupdict())
    return None
