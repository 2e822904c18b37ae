"""Why a model failed: the handler's own exception, found in TorchServe's log and told with the user's frame first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional, Union

from mardock.handler.mends import mend_for
from mardock.handler.tracebacks import Frame, Raised, TracebackScanner
from mardock.handler.worker_log import LogLine, WorkerLine, log_lines

# Where TorchServe unpacked an archive, or a folder of the store: a version of watch or tune, a stand-in, a pinned one.
_MODEL_DIR = re.compile(
    r"[/\\](?:models[/\\][0-9a-f]{32}|\.[^/\\]+-(?:[wi]\d{4,}|t\d{2,}|next|[0-9a-f]{12}))[/\\](?P<member>.+)"
)
_LIBRARY = re.compile(r".*[/\\](?:(?:site|dist)-packages|lib[/\\]python3[^/\\]*)[/\\](?P<name>.+)|<.*")
_TORCHSERVE = re.compile(r"[/\\](site|dist)-packages[/\\]ts[/\\]")
_MACHINERY = re.compile(_TORCHSERVE.pattern + r"|^<|[/\\]importlib[/\\]|[/\\]mardock[/\\]engines[/\\]")
# What a worker raises because of an earlier failure, and its guess at a handler that could not be imported.
_ECHO = re.compile(r"RuntimeError: \d{3} - |ConnectionResetError|BrokenPipeError")
_GUESS = "ModuleNotFoundError: No module named 'ts.torch_handler."
_REFUSED = re.compile(r"model: \S+, ((?:Invalid return type|number of batch response mismatched).*)")
_TOO_LONG = re.compile(r"TooLongFrameException: (Message size exceed limit.*)")
_LOADED = "-> WORKER_MODEL_LOADED"
_SILENT = "Backend worker did not respond in given time"
_ALWAYS_SAID = re.compile(
    r"s_name_part\d=|Listening on port|Successfully loaded |\[PID\]|Torch worker started|Python runtime: |model_name: |"
    r"Connection accepted|Frontend disconnected|Backend received|OpenVINO is|proceeding without|Torch TensorRT|"
    r".*\[METRICS\]"
)
_LONGEST_MESSAGE = 4000
_MOST_CALLS = 8


@dataclass(frozen=True)
class HandlerFailure:
    """What went wrong in a worker.

    Attributes:
        exception: `Type: message` as Python printed it, or TorchServe's sentence when nothing was raised.
        traceback: the user's innermost call, the exception, the calls that led there, then what caused it; TorchServe's
            own calls are left out. Empty when nothing was raised.
        frames: every call of that exception in Python's order, the innermost last.
        user_frame: where in the user's own files it happened, e.g. `torchserve/mnist/handler.py:12 in preprocess`.
        hint: the edit that mends it, when the cause is known.
    """

    exception: str
    traceback: str
    frames: tuple[Frame, ...] = ()
    user_frame: Optional[str] = None
    hint: Optional[str] = None

    @property
    def summary(self) -> str:
        """One line: the exception's first, and the user's frame."""
        first = self.exception.partition("\n")[0][:200]
        return f"{first} ({self.user_frame})" if self.user_frame else first


def find(
    lines: Iterable[str],
    model: Optional[str],
    version: Optional[str] = None,
    sources: Optional[Mapping[str, str]] = None,
) -> Optional[HandlerFailure]:
    """Return the last failure of a model that these lines of TorchServe's log tell of, or None.

    Args:
        lines: the log from the moment on that matters, oldest first.
        model, version: any when it is None.
        sources: the project's path of each member of the archive, e.g. `{"handler.py": "torchserve/mnist/handler.py"}`.
    """
    reader = _Reader()
    for line in log_lines(lines, model, version):
        reader.take(line)
    return reader.failure(sources or {})


def last_words(lines: Iterable[str], model: Optional[str], version: Optional[str] = None, *, count: int = 15) -> str:
    """Return the last lines the model's own code printed, without what TorchServe's worker always says."""
    said = [
        line.worker.text
        for line in log_lines(lines, model, version)
        if line.worker and line.worker.stream and line.worker.text and not _ALWAYS_SAID.match(line.worker.text)
    ]
    return "\n".join(said[-count:])


def selected(lines: Iterable[str], *, model: Optional[str] = None, errors: bool = False) -> Iterator[str]:
    """Yield the log's lines about one model's workers, and of them only what went wrong when `errors` is true."""
    reader = _Reader()
    for line in log_lines(lines, model):
        wrong = reader.take(line) or line.level in ("ERROR", "FATAL")
        if (model is None or line.worker) and (wrong or not errors):
            yield line.raw


def has_ended(lines: Iterable[str], model: Optional[str], version: Optional[str] = None) -> bool:
    """Say whether a worker of the model ended and all it printed is in these lines."""
    return any(
        line.worker and line.worker.text.startswith("Stopped Scanner - ") and line.worker.text.endswith("-stdout")
        for line in log_lines(lines, model, version)
    )


def keeps_dying(lines: Iterable[str], model: Optional[str], version: Optional[str] = None) -> bool:
    """Say whether, at the end of these lines, a worker of the model died and has not loaded it again."""
    dead = set()
    for line in log_lines(lines, model, version):
        if line.worker and line.worker.text.startswith("Retry worker: "):
            dead.add(line.worker.port)
        elif line.worker and _LOADED in line.worker.text:
            dead.discard(line.worker.port)
        elif "-> WORKER_SCALED_DOWN" in line.raw:  # tagged with the thread that was asked to, not with the worker
            dead = {port for port in dead if f" W-{port}-" not in line.raw}
    return bool(dead)


class _Reader:
    """Follows the workers of one model through the log and keeps what failed, in the order it was written."""

    def __init__(self) -> None:
        self._scanners: dict[tuple[str, str], TracebackScanner] = {}
        self._starting: set[str] = set()
        self._found: list[Union[str, list[Raised]]] = []

    def take(self, line: LogLine) -> bool:
        """Take the next line and say whether it is part of a failure."""
        too_long = _TOO_LONG.search(line.raw)  # tagged with the thread that read the answer, not with its worker
        if too_long:
            self._found.append(too_long[1])
        if line.worker is None:
            return bool(too_long)
        return self._take_written(line.worker) if line.worker.stream else self._take_told(line.worker)

    def _take_written(self, worker: WorkerLine) -> bool:
        scanner = self._scanners.setdefault((worker.port, worker.stream), TracebackScanner())
        known = len(scanner.chains)
        part = scanner.feed(worker.text)
        self._found += scanner.chains[known:]
        refused = _REFUSED.match(worker.text)
        if refused:
            self._found.append(refused[1])
        return part or bool(refused)

    def _take_told(self, worker: WorkerLine) -> bool:
        if "-> WORKER_STARTED" in worker.text:
            self._starting.add(worker.port)
        elif _LOADED in worker.text:
            self._starting.discard(worker.port)
        silent = _SILENT in worker.text
        if silent:
            late = (
                "load the model within startup_timeout"
                if worker.port in self._starting
                else "answer within response_timeout"
            )
            self._found.append(f"the worker did not {late}")
        return silent

    def failure(self, sources: Mapping[str, str]) -> Optional[HandlerFailure]:
        """Tell the last failure TorchServe itself saw, else the last traceback that was printed."""
        complete = [found for found in self._found if isinstance(found, str) or _is_cause(found)]
        seen = [found for found in complete if isinstance(found, str) or _through_torchserve(found)]
        if not complete:
            return None
        last = (seen or complete)[-1]
        if isinstance(last, str):
            return HandlerFailure(exception=last, traceback="", hint=mend_for(last))
        return _told(last, sources)


def _is_cause(chain: Sequence[Raised]) -> bool:
    return bool(chain[-1].message) and not _ECHO.match(chain[-1].exception)


def _through_torchserve(chain: Sequence[Raised]) -> bool:
    return any(_TORCHSERVE.search(frame.path) for raised in chain for frame in raised.frames)


def _told(chain: Sequence[Raised], sources: Mapping[str, str]) -> HandlerFailure:
    chain = [raised for raised in chain if not raised.exception.startswith(_GUESS)] or chain
    in_user_code = [i for i, raised in enumerate(chain) if _user_calls(raised, sources)]
    main = in_user_code[-1] if in_user_code else len(chain) - 1
    calls = _user_calls(chain[main], sources)
    told = [_paragraph(chain[main], sources)]
    told += [f"caused by:\n{_paragraph(raised, sources)}" for raised in reversed(chain[:main])]
    return HandlerFailure(
        exception=chain[main].exception[:_LONGEST_MESSAGE],
        traceback="\n".join(told),
        frames=tuple(chain[main].frames),
        user_frame=_place(calls[0], sources) if calls else None,
        hint=mend_for("\n".join(_as_raised(raised) for raised in reversed(chain[: main + 1]))),
    )


def _as_raised(raised: Raised) -> str:
    return raised.exception + (f"\nraised in {raised.frames[-1].path}" if raised.frames else "")


def _paragraph(raised: Raised, sources: Mapping[str, str]) -> str:
    """Put the user's innermost call first, then the exception, then the calls that led there."""
    calls = _user_calls(raised, sources)[:_MOST_CALLS]
    lines = _call_lines("", calls[0], sources) if calls else []
    lines.append(raised.exception[:_LONGEST_MESSAGE])
    innermost = raised.frames[-1] if raised.frames else None
    if innermost and innermost not in calls and not _MACHINERY.search(innermost.path):
        lines += _call_lines("raised in ", innermost, sources)
    for call in calls[1:]:
        lines += _call_lines("called from ", call, sources)
    return "\n".join(lines)


def _call_lines(verb: str, frame: Frame, sources: Mapping[str, str]) -> list[str]:
    return [verb + _place(frame, sources), *([f"    {frame.code}"] if frame.code else [])]


def _user_calls(raised: Raised, sources: Mapping[str, str]) -> list[Frame]:
    """The calls made in the user's own files, the innermost first."""
    return [frame for frame in reversed(raised.frames) if _user_path(frame.path, sources)]


def _place(frame: Frame, sources: Mapping[str, str]) -> str:
    library = _LIBRARY.fullmatch(frame.path)
    path = _user_path(frame.path, sources) or (library and library["name"]) or frame.path
    return f"{path}:{frame.line} in {frame.function}" if frame.function else f"{path}:{frame.line}"


def _user_path(path: str, sources: Mapping[str, str]) -> Optional[str]:
    """Map a file TorchServe ran to the user's path of it; None for a library's, wherever that was installed."""
    unpacked = _MODEL_DIR.search(path)
    if unpacked:
        member = unpacked["member"].replace("\\", "/")
        return sources.get(member) if sources else None if _LIBRARY.fullmatch(path) else member
    return None if _LIBRARY.fullmatch(path) or _MACHINERY.search(path) else path
