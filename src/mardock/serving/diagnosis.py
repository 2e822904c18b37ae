"""From an error TorchServe answered with to the cause that stands in its log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Optional

from mardock.client.refusals import NO_CAPACITY, NOT_UNPACKED, PIP_FAILED
from mardock.engines.base import Engine
from mardock.errors import ApiError, EngineError, EngineNotRunningError, MardockError, ServingError, WorkerFailedError
from mardock.handler import failures
from mardock.handler.failures import HandlerFailure
from mardock.handler.mends import FREE_SPACE
from mardock.handler.worker_log import pip_output

_HANDLER_FAILED = "InternalServerException"
_KILLED = 507
_MARK_LINES = 20
_RECENT_LINES = 2000
_LAST_LINES = 20
_PATIENCE_S = 2.0
_DRAINING_S = 30.0  # a worker may have written more than TorchServe logs in a moment
_POLL_S = 0.05


@dataclass(frozen=True)
class LogPosition:
    """A moment in a server's log, kept as the last lines before it: they survive a clock that jumps and a restart."""

    lines: tuple[str, ...] = ()

    @classmethod
    def now(cls, engine: Optional[Engine]) -> LogPosition:
        """Remember where the log of an engine ends; without an engine there is none."""
        return cls(tuple(engine.logs(follow=False, tail=_MARK_LINES)) if engine else ())

    def lines_since(self, engine: Engine) -> list[str]:
        """Return what was logged after this moment; all there is when the log was rotated since."""
        for tail in (_RECENT_LINES, -1):
            lines = list(engine.logs(follow=False, tail=tail))
            end = self._end(lines)
            if end is not None:
                return lines[end:]
        return lines

    def _end(self, lines: list[str]) -> Optional[int]:
        count = len(self.lines)
        for end in range(len(lines), count - 1, -1) if count else ():
            if lines[end - 1] == self.lines[-1] and tuple(lines[end - count : end]) == self.lines:
                return end
        return None


def explain(
    engine: Optional[Engine],
    model: str,
    since: LogPosition,
    error: MardockError,
    *,
    version: Optional[str] = None,
    sources: Optional[Mapping[str, str]] = None,
) -> MardockError:
    """Return the error of a failed prediction with the handler's own exception, or as it came when there is none.

    Args:
        since: the moment before the request was sent.
        sources: the project's path of each member of the archive.
    """
    if engine is None or not isinstance(error, ServingError):
        return error
    kind = error.kind if isinstance(error, ApiError) else None
    try:
        if kind in (None, NO_CAPACITY):  # while its worker cannot start, a model lets requests wait for ever
            return _no_worker(engine, model, version, error, sources or {})
        if kind != _HANDLER_FAILED:
            return error
        failure, words = _cause(engine, model, version, since, sources or {})
    except EngineError:  # the log cannot be read: what TorchServe answered is all there is to tell
        return error
    if failure is None:
        return _retold(error, error.message, words or error.details, error.hint)
    return _retold(
        error, f"model {model}: {failure.summary}", failure.traceback or words, _hint(failure, error, engine)
    )


def explain_start(
    engine: Optional[Engine],
    model: Optional[str],
    version: Optional[str],
    since: LogPosition,
    error: MardockError,
    *,
    what: str,
    sources: Mapping[str, str],
    needs: Optional[int] = None,
) -> MardockError:
    """Return the error of a failed registration as a WorkerFailedError that says why the worker did not start.

    A server that is gone becomes an EngineNotRunningError with the last lines of its log.

    Args:
        what: what to call the model in the message, e.g. `model mnist 1.0`.
        needs: how many bytes the server unpacks, where that is known.
    """
    if engine is None or not isinstance(error, (ServingError, EngineNotRunningError)):
        return error
    try:
        if _has_ended(engine, error):
            last = list(engine.logs(follow=False, tail=_LAST_LINES))
            message = f"TorchServe ended while it loaded {what}"
            return EngineNotRunningError(message, details="\n".join(last) or None, hint="mardock up")
        if isinstance(error, ApiError) and error.message.endswith(PIP_FAILED):
            said = pip_output(since.lines_since(engine), model)
            return _retold(error, f"{what} was not registered: {PIP_FAILED}", said or None, error.hint)
        if isinstance(error, ApiError) and error.message.endswith(NOT_UNPACKED):
            return _not_unpacked(engine, what, needs, error)
        if isinstance(error, ApiError) and error.kind != _HANDLER_FAILED:
            return error
        failure, words = _cause(engine, model, version, since, sources)
    except EngineError:
        return error
    if failure is None:
        killed = isinstance(error, ApiError) and error.status == _KILLED
        end = "was killed, most likely because memory ran out" if killed else "ended without an exception"
        hint = error.hint if killed else f"read what it said last: mardock logs {model or ''}".rstrip()
        return WorkerFailedError(f"{what} did not start: its worker {end}", details=words or None, hint=hint)
    details = failure.traceback or words or None
    hint = _hint(failure, error, engine)
    return WorkerFailedError(f"{what} did not start: {failure.summary}", details=details, hint=hint)


def _not_unpacked(engine: Engine, what: str, needs: Optional[int], error: ApiError) -> WorkerFailedError:
    """Tell how much room the archive needs and finds; TorchServe itself says and logs nothing of it."""
    try:
        found = engine.scratch()
    except EngineError:  # it has died since, or only the host can ask it
        return WorkerFailedError(f"{what} did not start: {NOT_UNPACKED}", hint=error.hint)
    if needs is None or needs <= found.free:
        return WorkerFailedError(f"{what} did not start: {NOT_UNPACKED}; {found}", hint=error.hint)
    hint = f"{found.mend}; mardock down && mardock up clears what TorchServe left of it"
    return WorkerFailedError(f"{what} did not start: unpacked it needs {needs:,} bytes, {found}", hint=hint)


def _no_worker(
    engine: Engine, model: str, version: Optional[str], error: ServingError, sources: Mapping[str, str]
) -> ServingError:
    """Nobody took the request; when that is because the worker keeps dying, tell of what."""
    lines = list(engine.logs(follow=False, tail=_RECENT_LINES))
    failure = failures.find(lines, model, version, sources)
    if failure is None or not failures.keeps_dying(lines, model, version):
        return error
    message = f"model {model} has no worker, for it keeps dying: {failure.summary}"
    return _retold(error, message, failure.traceback or None, _hint(failure, error, engine))


def _retold(error: ServingError, message: str, details: Optional[str], hint: Optional[str]) -> ServingError:
    if isinstance(error, ApiError):
        return type(error)(message, status=error.status, kind=error.kind, details=details, hint=hint)
    return WorkerFailedError(message, details=details, hint=hint)


def _hint(failure: HandlerFailure, error: MardockError, engine: Engine) -> Optional[str]:
    if failure.hint == FREE_SPACE:
        with suppress(EngineError):
            found = engine.scratch()
            return f"{FREE_SPACE}: {found}; {found.mend}"
    if failure.hint or not failure.user_frame:
        return failure.hint or error.hint
    return f"mend {failure.user_frame.partition(':')[0]}, then archive and register it again"


def _cause(
    engine: Engine, model: Optional[str], version: Optional[str], since: LogPosition, sources: Mapping[str, str]
) -> tuple[Optional[HandlerFailure], str]:
    """Read the log until the failure in it stands still: TorchServe answers before it logs what a worker wrote."""
    last = time.monotonic() + _DRAINING_S
    deadline = time.monotonic() + _PATIENCE_S
    before: Optional[HandlerFailure] = None
    newest = ""
    while True:
        lines = since.lines_since(engine)
        failure = failures.find(lines, model, version, sources)
        settled = failure == before if failure else failures.has_ended(lines, model, version)
        if lines and lines[-1] != newest:
            newest, deadline = lines[-1], min(time.monotonic() + _PATIENCE_S, last)
        if settled or time.monotonic() >= deadline:
            return failure, failures.last_words(lines, model, version)
        before = failure
        time.sleep(_POLL_S)


def _has_ended(engine: Engine, error: MardockError) -> bool:
    """Say whether the server is gone; one that has just hung up may be on its way out."""
    deadline = time.monotonic() + (0 if isinstance(error, (ApiError, WorkerFailedError)) else _PATIENCE_S)
    while engine.status().running:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True
