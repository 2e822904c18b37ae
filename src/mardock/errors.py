"""Every failure mardock reports, and the exit code each one ends a command with.

::

    MardockError                  1
    ├── ConfigError               2   .env, mardock.toml, flags, file names
    ├── EngineError               3
    │   ├── EngineNotFoundError       no Docker engine, no Java, no TorchServe
    │   ├── EngineNotRunningError     the server is down
    │   ├── EngineStartError          it was started and did not become ready
    │   └── OnHostError               asked for in the dev container, and the host's to do
    ├── ArchiveError              4   a model archive cannot be written or read
    ├── ServingError              5
    │   ├── WorkerFailedError         a worker died or never became READY
    │   ├── UnansweredError           TorchServe was silent for too long
    │   └── ApiError                  TorchServe answered with an error status
    │       ├── ModelNotFoundError    404
    │       └── ModelConflictError    409
    ├── DeployError               6
    └── SeveralFailedError            of models asked for at once; the highest code of theirs

A type exists only where a caller acts differently on it. Exit code 1 is kept for bugs and 130 for Ctrl-C. Two codes are
no error's: 7 is what `diff --exit-code` found, 8 an output that could not be written (`__main__`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Optional, TypeVar

_E = TypeVar("_E", bound="MardockError")


class Reason(Enum):
    """Why a model could not be loaded or a request not be answered, for whoever has to act on it."""

    RAISED = "raised"  # its code raised an exception
    NOT_LOADED = "not loaded"  # within startup_timeout
    NOT_ANSWERED = "not answered"  # within response_timeout
    REFUSED = "refused"  # TorchServe would not take what the handler returned
    TOO_LARGE = "too large"  # an answer over max_response_size
    ENDED = "ended"  # its worker, and without an exception
    KILLED = "killed"  # its worker, most likely because memory ran out
    PIP_FAILED = "pip failed"  # to install its requirements_file
    NOT_UNPACKED = "not unpacked"  # its archive, most likely because a disk is full
    SERVER_ENDED = "server ended"  # all of TorchServe


class MardockError(Exception):
    """A failure the user can act on.

    Args:
        message: one sentence that says what went wrong, with the names involved.
        details: further lines worth reading, e.g. a handler's traceback or the last lines of a log.
        hint: the command or the edit that mends it.
    """

    exit_code = 1

    def __init__(self, message: str, *, details: Optional[str] = None, hint: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.hint = hint

    def but(
        self: _E,
        *,
        message: Optional[str] = None,
        details: Optional[str] = None,
        hint: Optional[str] = None,
        more: Optional[str] = None,
    ) -> _E:
        """Return this error with other words; everything else about it, what caused it included, stays.

        Args:
            message, details, hint: in place of its own; kept where None.
            more: a further line of details.
        """
        changed = type(self).__new__(type(self))
        changed.__dict__.update(self.__dict__)
        changed.message = self.message if message is None else message
        changed.args = (changed.message,)
        changed.details = "\n".join(filter(None, [self.details if details is None else details, more])) or None
        changed.hint = self.hint if hint is None else hint
        changed.__context__, changed.__cause__ = self.__context__, self.__cause__
        changed.__suppress_context__ = self.__suppress_context__
        return changed.with_traceback(self.__traceback__)

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` tells of it."""
        return {
            "type": type(self).__name__,
            "message": self.message,
            "details": self.details,
            "hint": self.hint,
            "exit_code": self.exit_code,
        }


class ConfigError(MardockError):
    """What the user wrote cannot be used: a file, a key, a flag, a name."""

    exit_code = 2


class EngineError(MardockError):
    """The engine that runs TorchServe failed."""

    exit_code = 3


class EngineNotFoundError(EngineError):
    """This machine lacks what the engine needs, e.g. a Docker daemon or a Java runtime."""


class EngineNotRunningError(EngineError):
    """TorchServe is not running for this project."""


class EngineStartError(EngineError):
    """TorchServe was started and did not become ready; `details` holds its last log lines."""


class OnHostError(EngineError):
    """Only the host can do it, and this is the dev container; its hint is the same command there."""


class ArchiveError(MardockError):
    """A model archive could not be written or is not one."""

    exit_code = 4


class ServingError(MardockError):
    """TorchServe could not do what was asked of it."""

    exit_code = 5


class WorkerFailedError(ServingError):
    """A worker did not become READY or died; `details` holds the handler's traceback when it is known."""


class UnansweredError(ServingError):
    """TorchServe took a call and did not answer in time; what came of it is not known."""


class ApiError(ServingError):
    """TorchServe answered with an error status.

    Args:
        status: the HTTP status code.
        kind: the `type` field of TorchServe's error body, e.g. `ConflictStatusException`; empty when there is none.
        reason: why, where the answer tells more than status and kind.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        kind: str = "",
        reason: Optional[Reason] = None,
        details: Optional[str] = None,
        hint: Optional[str] = None,
    ) -> None:
        super().__init__(message, details=details, hint=hint)
        self.status = status
        self.kind = kind
        self.reason = reason


class ModelNotFoundError(ApiError):
    """TorchServe has no such model or version registered."""


class ModelConflictError(ApiError):
    """This version of the model is registered already."""


class DeployError(MardockError):
    """A deployment target refused or failed."""

    exit_code = 6


class SeveralFailedError(MardockError):
    """Some of the models that were asked for at once failed; what each of them failed of was told."""

    def __init__(self, failures: Mapping[str, MardockError], *, of: int, again: str) -> None:
        """Take each failure by its model's name, how many models there were, and the command that tries one again."""
        super().__init__(
            f"{len(failures)} of {of} models failed: {', '.join(failures)}", hint=f"{again} {next(iter(failures))}"
        )
        self.exit_code = max(failure.exit_code for failure in failures.values())
