"""From an error TorchServe answered with to the cause that stands in its log."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Optional

from mardock.causes import crash_loop, sentences
from mardock.causes.audience import Audience
from mardock.causes.cause import Cause, Room
from mardock.causes.remedies import Fix, remedy_for
from mardock.causes.settling import settled
from mardock.causes.worker_log import pip_output
from mardock.client.refusals import NO_CAPACITY
from mardock.engines.base import Engine
from mardock.errors import (
    ApiError,
    EngineError,
    EngineNotRunningError,
    MardockError,
    Reason,
    ServingError,
    UnansweredError,
    WorkerFailedError,
)

_HANDLER_FAILED = "InternalServerException"
_MARK_LINES = 20
_RECENT_LINES = 2000
_LAST_LINES = 20
_HANGING_UP_S = 2.0
_POLL_S = 0.05


@dataclass(frozen=True)
class LogPosition:
    """A moment in a server's log, kept as the last lines before it: they survive a clock that jumps and a restart."""

    lines: tuple[str, ...] = ()

    @classmethod
    def now(cls, engine: Optional[Engine]) -> LogPosition:
        """Remember where the log of an engine ends; without an engine, or a log that can be read, there is none."""
        with suppress(EngineError):  # what is asked of the server can be had without
            return cls(tuple(engine.logs(follow=False, tail=_MARK_LINES)) if engine else ())
        return cls()

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
    audience: Audience = Audience(),
) -> MardockError:
    """Return the error of a failed prediction with the handler's own exception, or as it came when there is none.

    Args:
        since: the moment before the request was sent.
        audience: who is told.
    """
    if engine is None or not isinstance(error, ServingError):
        return error
    kind = error.kind if isinstance(error, ApiError) else None
    try:
        if kind in (None, NO_CAPACITY):  # while its worker cannot start, a model lets requests wait for ever
            told = _crash_loop(engine, model, version, audience, what=f"model {model} has no worker, for it")
            return _retold(error, told) if told else error
        if kind != _HANDLER_FAILED:
            return error
        cause = _cause(engine, model, version, since, audience)
    except EngineError:  # the log cannot be read: what TorchServe answered is all there is to tell
        return error
    if not cause.exception:
        return error.but(details=sentences.details(cause))
    return _retold(error, sentences.failed(f"model {model}", cause, audience))


def explain_start(
    engine: Optional[Engine],
    model: Optional[str],
    version: Optional[str],
    since: LogPosition,
    error: MardockError,
    *,
    what: str,
    audience: Audience = Audience(),
    needs: Optional[int] = None,
) -> MardockError:
    """Return the error of a failed registration as a WorkerFailedError that says why the worker did not start.

    A server that is gone becomes an EngineNotRunningError with the last lines of its log.

    Args:
        since: the moment before it was asked for.
        what: what to call the model in the message, e.g. `model mnist 1.0`.
        audience: who is told.
        needs: how many bytes the server unpacks, where that is known.
    """
    if engine is None or not isinstance(error, (ServingError, EngineNotRunningError)):
        return error
    try:
        cause = _start_cause(engine, model, version, since, error, audience, needs)
    except EngineError:
        return error
    if cause is None:
        return error
    if isinstance(error, UnansweredError) and cause.reason is not Reason.SERVER_ENDED and not cause.exception:
        return error  # it may load still: that nobody answered is all that is known
    told = sentences.not_started(what, cause, audience)
    if cause.reason is Reason.PIP_FAILED:
        return _retold(error, told)
    kind = EngineNotRunningError if cause.reason is Reason.SERVER_ENDED else WorkerFailedError
    return kind(told.message, details=told.details, hint=told.hint or error.hint)


def explain_deaths(
    engine: Engine, model: str, version: str, audience: Audience = Audience(), *, seen: bool = False
) -> Optional[WorkerFailedError]:
    """Return what the worker of a version that keeps dying dies of; None when the log does not say that it does.

    Args:
        audience: who is told.
        seen: its deaths were seen, so that the log need only say what of.

    Raises:
        EngineError: the log cannot be read.
    """
    what = f"model {model} {version}: its worker"
    told = _crash_loop(engine, model, version, audience, what=what, seen=seen)
    return WorkerFailedError(told.message, details=told.details, hint=told.hint) if told else None


def _crash_loop(
    engine: Engine, model: str, version: Optional[str], audience: Audience, *, what: str, seen: bool = False
) -> Optional[sentences.Words]:
    lines = list(engine.logs(follow=False, tail=_RECENT_LINES))
    if not seen and not crash_loop.keeps_dying(lines, model, version):
        return None
    return sentences.keeps_dying(what, _with_room(crash_loop.cause(lines, model, version, audience), engine), audience)


def _start_cause(
    engine: Engine,
    model: Optional[str],
    version: Optional[str],
    since: LogPosition,
    error: MardockError,
    audience: Audience,
    needs: Optional[int],
) -> Optional[Cause]:
    if _has_ended(engine, error):
        last = engine.logs(follow=False, tail=_LAST_LINES)
        return Cause(Reason.SERVER_ENDED, output="\n".join(last))
    reason = error.reason if isinstance(error, ApiError) else None
    if reason is Reason.PIP_FAILED:
        return Cause(reason, output=pip_output(since.lines_since(engine), model))
    if reason is Reason.NOT_UNPACKED:
        return Cause(reason, room=_room(engine, needs))
    if isinstance(error, ApiError) and error.kind != _HANDLER_FAILED:
        return None
    cause = _cause(engine, model, version, since, audience)
    if reason is Reason.KILLED and not cause.exception:
        return replace(cause, reason=reason, remedy=remedy_for("", reason))
    return cause


def _cause(
    engine: Engine, model: Optional[str], version: Optional[str], since: LogPosition, audience: Audience
) -> Cause:
    return _with_room(settled(lambda: since.lines_since(engine), model, version, audience), engine)


def _with_room(cause: Cause, engine: Engine) -> Cause:
    is_full = cause.remedy is not None and cause.remedy.fix is Fix.FREE_SPACE
    return replace(cause, room=_room(engine)) if is_full else cause


def _room(engine: Engine, needs: Optional[int] = None) -> Optional[Room]:
    """Ask how much room is left; None of a server that has died since, or that only the host can ask."""
    with suppress(EngineError):
        found = engine.scratch()
        return Room(str(found), found.mend, needs if needs is not None and needs > found.free else None)
    return None


def _retold(error: MardockError, told: sentences.Words) -> MardockError:
    if isinstance(error, ApiError):
        return error.but(message=told.message, details=told.details, hint=told.hint)
    return WorkerFailedError(told.message, details=told.details, hint=told.hint or error.hint)


def _has_ended(engine: Engine, error: MardockError) -> bool:
    """Say whether the server is gone; one that has just hung up may be on its way out."""
    deadline = time.monotonic() + (0 if isinstance(error, (ApiError, WorkerFailedError)) else _HANGING_UP_S)
    while engine.status().running:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True
