"""Failures: the handler's own exception, found in TorchServe's log or in a traceback, with whose code each call is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Callable, Optional, Union

from mardock.causes.audience import Audience
from mardock.causes.cause import Cause, Link
from mardock.causes.remedies import remedy_for
from mardock.causes.tracebacks import TORCHSERVE, Printed, TracebackScanner
from mardock.causes.worker_log import LOADED, STARTED, LogLine, WorkerLine, log_lines, plain
from mardock.errors import Reason

_TORCHSERVE = re.compile(TORCHSERVE)
# What a worker raises because of an earlier failure, and its guess at a handler that could not be imported.
_ECHO = re.compile(r"RuntimeError: \d{3} - |ConnectionResetError|BrokenPipeError")
_GUESS = "ModuleNotFoundError: No module named 'ts.torch_handler."
_REFUSED = re.compile(r"model: \S+, ((?:Invalid return type|number of batch response mismatched).*)")
_TOO_LONG = re.compile(r"TooLongFrameException: (Message size exceed limit.*)")
_SILENT = "Backend worker did not respond in given time"
_LATE = {
    Reason.NOT_LOADED: "the worker did not load the model within startup_timeout",
    Reason.NOT_ANSWERED: "the worker did not answer within response_timeout",
}
_LONGEST_MESSAGE = 4000


def find(
    lines: Iterable[str], model: Optional[str], version: Optional[str] = None, audience: Optional[Audience] = None
) -> Optional[Cause]:
    """Return the last failure of a model that these lines of TorchServe's log tell of, or None.

    Args:
        lines: the log from the moment on that matters, oldest first.
        model, version: any when it is None.
    """
    reader = _Reader()
    for line in log_lines(lines, model, version):
        reader.take(line)
    return reader.cause(model, audience or Audience())


def of_traceback(
    text: str, audience: Audience, *, reason: Reason = Reason.RAISED, model: Optional[str] = None
) -> Cause:
    """Return the failure that a traceback, or a sentence in the place of one, tells of.

    Args:
        text: as Python prints it.
        reason: what the process ended of that left it behind.
    """
    scanner = TracebackScanner()
    for line in text.splitlines():
        scanner.feed(plain(line))
    complete = [chain for chain in scanner.chains if _is_complete(chain)]
    if complete:
        return _cause(complete[-1], reason, model, audience)
    return Cause(reason, said=text, remedy=remedy_for(text, reason), model=model)


def selected(
    lines: Iterable[str],
    *,
    model: Optional[str] = None,
    errors: bool = False,
    audience_of: Callable[[str], Audience] = lambda model: Audience(),
) -> Iterator[str]:
    """Yield the log's lines about one model's workers, and of them only what went wrong when `errors` is true.

    Args:
        audience_of: knows who is told of a model, by the name it is served under, and so by which paths.
    """
    reader = _Reader()
    for line in log_lines(lines, model):
        wrong = reader.take(line) or line.level in ("ERROR", "FATAL")
        if (model is None or line.worker) and (wrong or not errors):
            is_path = line.worker is not None and ".py" in line.raw
            yield audience_of(line.worker.model).text(line.raw) if line.worker and is_path else line.raw


class _Reader:
    """Follows the workers of one model through the log and keeps what failed, in the order it was written."""

    def __init__(self) -> None:
        self._scanners: dict[tuple[str, str], TracebackScanner] = {}
        self._starting: set[str] = set()
        self._found: list[Union[Cause, list[Printed]]] = []

    def take(self, line: LogLine) -> bool:
        """Take the next line and say whether it is part of a failure."""
        too_long = _TOO_LONG.search(line.raw)  # tagged with the thread that read the answer, not with its worker
        if too_long:
            self._found.append(_said(Reason.TOO_LARGE, too_long[1]))
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
            self._found.append(_said(Reason.REFUSED, refused[1]))
        return part or bool(refused)

    def _take_told(self, worker: WorkerLine) -> bool:
        if STARTED in worker.text:
            self._starting.add(worker.port)
        elif LOADED in worker.text:
            self._starting.discard(worker.port)
        silent = _SILENT in worker.text
        if silent:
            late = Reason.NOT_LOADED if worker.port in self._starting else Reason.NOT_ANSWERED
            self._found.append(_said(late, _LATE[late]))
        return silent

    def cause(self, model: Optional[str], audience: Audience) -> Optional[Cause]:
        """Return the last failure TorchServe itself saw, else the last traceback that was printed."""
        complete = [found for found in self._found if isinstance(found, Cause) or _is_complete(found)]
        seen = [found for found in complete if isinstance(found, Cause) or _through_torchserve(found)]
        if not complete:
            return None
        last = (seen or complete)[-1]
        return replace(last, model=model) if isinstance(last, Cause) else _cause(last, Reason.RAISED, model, audience)


def _said(reason: Reason, sentence: str) -> Cause:
    return Cause(reason, said=sentence, remedy=remedy_for(sentence, reason))


def _is_complete(chain: Sequence[Printed]) -> bool:
    return bool(chain[-1].message) and not _ECHO.match(chain[-1].exception)


def _through_torchserve(chain: Sequence[Printed]) -> bool:
    return any(_TORCHSERVE.search(frame.path) for printed in chain for frame in printed.frames)


def _cause(chain: Sequence[Printed], reason: Reason, model: Optional[str], audience: Audience) -> Cause:
    """Take the last exception that the user's own calls led to, and what it was raised from."""
    chain = [printed for printed in chain if not printed.exception.startswith(_GUESS)] or chain
    links = [_link(printed, audience) for printed in chain]
    in_user_code = [i for i, link in enumerate(links) if link.user_calls]
    main = in_user_code[-1] if in_user_code else len(chain) - 1
    told = (remedy_for(_as_raised(printed), reason) for printed in reversed(chain[: main + 1]))
    remedy = next(filter(None, told), None)  # of what is told first, not of what TorchServe tried before
    return Cause(reason, tuple(reversed(links[: main + 1])), remedy=remedy, model=model)


def _link(printed: Printed, audience: Audience) -> Link:
    exception = audience.text(printed.exception[:_LONGEST_MESSAGE])
    return Link(exception, tuple(audience.call(frame) for frame in printed.frames))


def _as_raised(printed: Printed) -> str:
    calls = [
        f"called by {frame.path} in {frame.function}" for frame in printed.frames if _TORCHSERVE.search(frame.path)
    ]
    raised = [f"raised in {printed.frames[-1].path}"] if printed.frames else []
    return "\n".join([printed.exception, *raised, *calls])
