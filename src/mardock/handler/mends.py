"""What mends a handler's failure, for the causes that are known."""

from __future__ import annotations

import re
from typing import Optional

FREE_SPACE = "free some space on the disk it wrote to"
"""The mend of a failure that found a disk full."""

# One row per cause: what the exception's or TorchServe's text holds, and the edit that helps.
_MENDS = tuple(
    (re.compile(pattern, re.DOTALL), mend)
    for pattern, mend in (
        (
            r"ModuleNotFoundError: No module named '(?P<module>[^'.]+)",
            "add {module} to the model's requirements_file and serve with install_py_dep_per_model=true;"
            " a module of your own belongs in extra_files",
        ),
        (
            r"operator torchvision::\w+ does not exist",
            "torchvision belongs to another torch than the server's: install the two that were released together",
        ),
        (
            r"loading state_dict|(Missing|Unexpected) key\(s\) in state_dict|size mismatch for ",
            "serialized_file was not saved from the class in model_file: make the two agree in mardock.toml,"
            " or train again",
        ),
        (
            r"failed locating file constants\.pkl",
            "serialized_file is a state dict, so it needs a model_file; or save a TorchScript instead",
        ),
        (
            r"maximum supported version for reading|Unknown builtin op|installation may be too old",
            "the weights were saved by a newer torch than the server's: save them with its version,"
            " or serve from a newer TORCHSERVE_IMAGE",
        ),
        (
            r"Weights only load failed",
            "serialized_file holds more than tensors: save model.state_dict() and name the class in model_file",
        ),
        (
            r"PytorchStreamReader failed|invalid load key|not a ZIP archive",
            "serialized_file is damaged or was not written by torch: save it again, then archive",
        ),
        (
            r"out of shared memory|unable to (?:write to|mmap)[^\n]*</torch_|killed by signal: Bus error",
            "give containers a larger /dev/shm: MARDOCK_SHM_SIZE=8gb in .env, then mardock down && mardock up",
        ),
        (
            r"No space left on device|Disk quota exceeded",
            FREE_SPACE,
        ),
        (
            r"FileNotFoundError: .*: '(?:[^']*/)?(?P<file>[^'/]+)'",
            "add {file} to the model's extra_files, and open it below context.system_properties['model_dir']",
        ),
        (
            r"Expected only one class in custom service code",
            'keep exactly one class in the handler\'s file, or name a function: handler = "handler.py:handle"',
        ),
        (
            r"MemoryError|out of memory|Out of resources|Cannot allocate memory|DefaultCPUAllocator",
            "use fewer workers or smaller batches, or give the server more memory",
        ),
        (
            r"Message size exceed limit",
            "answer with less, or raise max_response_size in config.properties (bytes; 6553500 unless set)",
        ),
        (
            r"did not load the model within",
            "raise startup_timeout in mardock.toml, or look for what blocks in initialize()",
        ),
        (
            r"did not answer within",
            "raise response_timeout in mardock.toml, or look for what blocks in the handler",
        ),
        (
            r"output with shape \[1, \d+, \d+\] doesn't match the broadcast shape \[3, ",
            "the image is greyscale and the handler takes colours: send it as RGB, or convert it in a handler of your"
            " own: image.convert('RGB')",
        ),
        (
            r"to have (?P<wanted>\d+) channels, but got (?P<given>\d+) channels instead",
            "the model takes images of {wanted} channels and got {given}: convert them in preprocess(), to one with"
            " image.convert('L'), to three with image.convert('RGB')",
        ),
        (
            r"Could not infer dtype of dict",
            "base_handler takes numbers, not requests: set service_envelope=json in config.properties and send"
            ' {{"instances": [[…]]}} as application/json, or read the request in preprocess() of a handler of your own',
        ),
        (
            r"(indices must be integers|KeyError: 'instances').*raised in \S*request_envelope[/\\]json\.py",
            'with service_envelope=json in config.properties a request is {{"instances": […]}} as application/json;'
            " take the key out to get requests as they are",
        ),
        (
            r"Invalid return type|number of batch response mismatched",
            "return a list with one entry per request from handle()",
        ),
        (
            r"not JSON serializable|keys must be str",
            "return str, bytes or what JSON can hold, e.g. tensor.tolist()",
        ),
    )
)


def mend_for(text: str) -> Optional[str]:
    """Return the edit that mends the failure `text` tells of, or None when its cause is not known."""
    for pattern, mend in _MENDS:
        found = pattern.search(text)
        if found:
            return mend.format(**found.groupdict())
    return None
