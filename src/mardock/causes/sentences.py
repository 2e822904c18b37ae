"""The words of a cause: the one place where a failure becomes a message, details and a hint."""

from __future__ import annotations

from typing import NamedTuple, Optional

from mardock.causes.audience import Audience, Then
from mardock.causes.cause import Call, Cause, Link, Owner, Room
from mardock.causes.remedies import Fix, Remedy
from mardock.defaults import OWN_CONFIG
from mardock.errors import Reason

_PIP_FAILED = "pip could not install the model's requirements_file"
_NOT_UNPACKED = "TorchServe could not unpack the archive"

_LONGEST_LINE = 200
_MOST_CALLS = 8
_WORKERS_END = {
    Reason.ENDED: "ended without an exception",
    Reason.KILLED: "was killed, most likely because memory ran out",
}
_THEN = {
    Then.REGISTER: ", then archive and register it again",
    Then.SAVE: " and save it",
    Then.DEBUG: ", then debug it again",
    Then.REHEARSE: ", then archive and rehearse again",
}
_FIXES = {
    Fix.ADD_PACKAGE: "add {module} to the model's requirements_file and serve with install_py_dep_per_model=true;"
    ' one of your own belongs in code: code = ["path/to/{module}"]',
    Fix.NAME_PACKAGE: "TorchServe loads the handler as no part of a package, unless code names the package it lies in:"
    ' code = ["path/to/package"] serves it as package.handler',
    Fix.ADD_FILE: "add {file} to the model's extra_files, and open it below context.system_properties['model_dir']",
    Fix.MATCH_TORCHVISION: "torchvision's compiled part does not load beside the server's torch: it is made for another"
    " torch, or for CUDA where torch is for the CPU; install the two that were released together from one index",
    Fix.UNWRAP_STATE_DICT: "serialized_file is a training checkpoint that holds the state dict under {key!r}: save that"
    " alone, torch.save(torch.load(FILE, map_location='cpu')[{key!r}], NEW), and name NEW in mardock.toml; a handler of"
    " your own loads torch.load(…)[{key!r}]",
    Fix.STRIP_PREFIX: "each name in serialized_file begins with {prefix!r}, as {wrapper} saves them: save"
    " {{name.removeprefix({prefix!r}): value for name, value in state_dict.items()}} instead",
    Fix.MAP_TO_CPU: "the weights were saved on a GPU and the server has none: add map_location to that call,"
    " torch.load(…, map_location='cpu'), or save them from the CPU: torch.save(model.cpu().state_dict(), FILE)",
    Fix.ASK_FOR_DEVICE: "the code asks for a GPU and the server has none: take the device from"
    " torch.device('cuda' if torch.cuda.is_available() else 'cpu') in place of 'cuda' and .cuda()",
    Fix.NAME_CLASSES: "TorchServe's image_classifier answers the 5 likeliest classes and the model has fewer, which no"
    " setting changes: serve it with a handler.py of your own,"
    " `from ts.torch_handler.image_classifier import ImageClassifier` and `class Handler(ImageClassifier): topk = N`",
    Fix.REDUCE_CHANNELS: "the image is {mode} and the handler takes RGB: send it as RGB, or convert it in a handler of"
    " your own: image.convert('RGB')",
    Fix.REDUCE_BITS: "the image has {mode} and the handler takes 8: send it with 8, or scale it in a handler of your"
    " own, since convert() would cut it off: Image.fromarray((numpy.asarray(image) // 257).astype('uint8'))",
    Fix.MATCH_MODEL_FILE: "serialized_file was not saved from the class in model_file: make the two agree in"
    " mardock.toml, or train again",
    Fix.ADD_MODEL_FILE: "serialized_file is a state dict, so it needs a model_file; or save a TorchScript instead",
    Fix.MATCH_TORCH: "the weights were saved by a newer torch than the server's: save them with its version,"
    " or serve from a newer TORCHSERVE_IMAGE",
    Fix.SAVE_STATE_DICT: "serialized_file holds more than tensors: save model.state_dict() and name the class in"
    " model_file",
    Fix.SAVE_AGAIN: "serialized_file is damaged or was not written by torch: save it again, then archive",
    Fix.ENLARGE_SHM: "give containers a larger /dev/shm: MARDOCK_SHM_SIZE=8gb in .env, then mardock down && mardock up",
    Fix.FREE_SPACE: "free some space on the disk it wrote to",
    Fix.KEEP_ONE_CLASS: "keep exactly one class in the handler's file, or name a function:"
    ' handler = "handler.py:handle"',
    Fix.SPARE_MEMORY: "use fewer workers or smaller batches, or give the server more memory",
    Fix.ANSWER_LESS: f"answer with less, or raise max_response_size (bytes; 6553500 unless set) in {OWN_CONFIG}",
    Fix.ANSWER_EACH: "return a list with one entry per request from handle()",
    Fix.ANSWER_JSON: "return str, bytes or what JSON can hold, e.g. tensor.tolist()",
    Fix.RAISE_STARTUP_TIMEOUT: "raise startup_timeout in mardock.toml, or startupTimeout where its model-config.yaml"
    " has that, and archive it again; or look for what blocks in initialize()",
    Fix.RAISE_RESPONSE_TIMEOUT: "raise response_timeout in mardock.toml, or responseTimeout where its model-config.yaml"
    " has that, and archive it again; or look for what blocks in the handler",
    Fix.SEND_COLOURS: "the image is greyscale or has a palette (mode L, 1 or P) and the handler takes RGB: send it as"
    " RGB, or convert it in a handler of your own: image.convert('RGB')",
    Fix.CONVERT_CHANNELS: "the model takes images of {wanted} channels and got {given}: convert them in preprocess(),"
    " to one with image.convert('L'), to three with image.convert('RGB')",
    Fix.LOAD_FIRST: "TorchServe calls a plain function once with None for the data, for it to load the model: do so and"
    " return `if data is None`",
    Fix.READ_REQUEST: f"base_handler takes numbers, not requests: set service_envelope=json in {OWN_CONFIG} and"
    ' send {{"instances": [[…]]}} as application/json, or read the request in preprocess() of a handler of your own',
    Fix.SEND_INSTANCES: "with service_envelope=json in config.properties a request is"
    ' {{"instances": […]}} as application/json; take the key out to get requests as they are',
}


_MODES = {
    "2": "grey or of a palette, with transparency (mode LA or PA)",
    "4": "of four channels (mode RGBA, or CMYK)",
    **dict.fromkeys(("int16", "uint16"), "16 bits (mode I;16)"),
    "int32": "32 bits (mode I)",
}
_WRAPPERS = {"module.": "DataParallel", "_orig_mod.": "torch.compile", "model.": "a module that wraps the model"}


class Words(NamedTuple):
    """What an error is made of."""

    message: str
    details: Optional[str]
    hint: Optional[str]


def failed(what: str, cause: Cause, audience: Audience) -> Words:
    """Tell that something failed, e.g. `model mnist`, and why."""
    return Words(f"{what}: {summary(cause)}", details(cause), hint(cause, audience))


def not_started(what: str, cause: Cause, audience: Audience) -> Words:
    """Tell that a model, e.g. `model mnist 1.0`, is not served because it did not start, and why."""
    if cause.reason is Reason.SERVER_ENDED:
        return Words(f"TorchServe ended while it loaded {what}", details(cause), "mardock up")
    if cause.reason is Reason.PIP_FAILED:
        return Words(f"{what} was not registered: {_PIP_FAILED}", details(cause), hint(cause, audience))
    return failed(f"{what} did not start", cause, audience)


def keeps_dying(what: str, cause: Cause, audience: Audience) -> Words:
    """Tell that a model's worker keeps dying, and of what.

    Args:
        what: up to that word, e.g. `model mnist 1.0: its worker`.
    """
    if cause.exception:
        return failed(f"{what} keeps dying", cause, audience)
    return Words(f"{what} keeps dying, without an exception", details(cause), hint(cause, audience))


def summary(cause: Cause) -> str:
    """Return one line: the exception's first, and the user's call."""
    if cause.reason is Reason.NOT_UNPACKED:
        return _no_room(cause.room)
    if not cause.exception:
        return f"its worker {_WORKERS_END[cause.reason]}"
    where = f" ({place(cause.user_call)})" if cause.user_call else ""
    return first_line(cause) + where


def first_line(cause: Cause) -> str:
    """Return the first line of what was raised or said."""
    return cause.exception.partition("\n")[0][:_LONGEST_LINE]


def details(cause: Cause) -> Optional[str]:
    """Return what led there: the user's innermost call, the exception, the calls before it, what caused it.

    TorchServe's own calls are left out. Where nothing was raised it is what was printed last.
    """
    told = [_paragraph(cause.chain[0])] if cause.chain else []
    told += [f"caused by:\n{_paragraph(link)}" for link in cause.chain[1:]]
    return "\n".join(told) or cause.output or None


def hint(cause: Cause, audience: Audience) -> Optional[str]:
    """Return the edit that mends it, and what brings that to serve; None when neither it nor the file is known."""
    if cause.remedy:
        more = f": {cause.room.found}; {cause.room.mend}" if cause.room else ""
        return remedy(cause.remedy) + more
    if cause.room and cause.room.lacks:
        return f"{cause.room.mend}; mardock down && mardock up clears what TorchServe left of it"
    if cause.reason is Reason.PIP_FAILED:
        return then("correct the model's requirements_file", audience)
    if cause.reason is Reason.ENDED and not cause.exception:
        return f"read what it said last: mardock logs {cause.model or ''}".rstrip()
    return then(f"mend {cause.user_call.path}", audience) if cause.user_call and audience.then else None


def remedy(known: Remedy) -> str:
    """Return an edit in words."""
    about = known.about
    mode, wrapper = _MODES.get(about.get("given", "")), _WRAPPERS.get(about.get("prefix", ""))
    return _FIXES[known.fix].format(**{**about, "mode": mode, "wrapper": wrapper})


def then(edit: str, audience: Audience) -> str:
    """Return an edit, e.g. `mend handler.py`, with what brings it to serve."""
    return edit + (_THEN[audience.then] if audience.then else "")


def place(call: Call) -> str:
    """Return where a call is, e.g. `torchserve/mnist/handler.py:12 in preprocess`."""
    return f"{call.path}:{call.line} in {call.function}" if call.function else f"{call.path}:{call.line}"


def _paragraph(link: Link) -> str:
    """Put the user's innermost call first, then the exception, then the calls that led there."""
    calls = link.user_calls[:_MOST_CALLS]
    lines = _call_lines("", calls[0]) if calls else []
    lines.append(link.exception)
    innermost = link.calls[-1] if link.calls else None
    if innermost and innermost.owner is Owner.LIBRARY:
        lines += _call_lines("raised in ", innermost)
    for call in calls[1:]:
        lines += _call_lines("called from ", call)
    return "\n".join(lines)


def _no_room(room: Optional[Room]) -> str:
    if room is None:
        return _NOT_UNPACKED
    return f"unpacked it needs {room.lacks:,} bytes, {room.found}" if room.lacks else f"{_NOT_UNPACKED}; {room.found}"


def _call_lines(verb: str, call: Call) -> list[str]:
    return [verb + place(call), *([f"    {call.code}"] if call.code else [])]
