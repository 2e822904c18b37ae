"""What running a handler in this process told: how long each stage took, what passed through it, what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from mardock import reply
from mardock.errors import Reason


@dataclass(frozen=True)
class Stage:
    """One stage of the handler, all its calls in one batch added up.

    Attributes:
        name: `import` (torch and TorchServe), `load` (the handler's module), `initialize`, `preprocess`, `inference`,
            `postprocess`, or `handle`, which holds the three before it.
        seconds: of wall clock.
        took, gave: its argument and its result in the first call, e.g. `Tensor float32 [1, 1, 28, 28]`.
    """

    name: str
    seconds: float
    calls: int = 1
    took: str = ""
    gave: str = ""


@dataclass(frozen=True)
class Reply:
    """What TorchServe would answer to one request."""

    status: int
    body: bytes
    content_type: Optional[str] = None


@dataclass(frozen=True)
class Raised:
    """What ended a trial.

    Attributes:
        stage: what ran.
        traceback: Python's own; where the process came to its end without an exception, a sentence in its place.
    """

    stage: str
    traceback: str
    reason: Reason = Reason.RAISED


@dataclass(frozen=True)
class BatchRun:
    """One call of the handler.

    Attributes:
        replies: one per request, as TorchServe would send them; empty when it would send an error instead.
        refusal: why TorchServe would refuse what the handler returned.
        raised: what the handler raised.
    """

    size: int
    stages: tuple[Stage, ...] = ()
    replies: tuple[Reply, ...] = ()
    refusal: Optional[str] = None
    raised: Optional[Raised] = None

    @property
    def answered(self) -> bool:
        """Whether TorchServe would send the handler's own answers."""
        return self.refusal is None and self.raised is None


@dataclass(frozen=True)
class Trial:
    """All of one trial.

    Attributes:
        start: the stages up to a loaded model.
        singles: every sample in a batch of its own, up to the first that failed.
        batch: all of them in one batch; None when none was asked for or a single one failed.
        raised: what kept the model from loading.
        warnings: what would be served, but not as it should be.
    """

    start: tuple[Stage, ...] = ()
    singles: tuple[BatchRun, ...] = ()
    batch: Optional[BatchRun] = None
    raised: Optional[Raised] = None
    warnings: tuple[str, ...] = ()


def to_dict(run: BatchRun) -> dict[str, Any]:
    """Return a run as `--json` prints it; times in milliseconds."""
    return {
        "size": run.size,
        "stages": stages_to_dicts(run.stages),
        "replies": [
            {"status": each.status, "content_type": each.content_type, **reply.to_dict(each.body)}
            for each in run.replies
        ],
        "refusal": run.refusal,
    }


def stages_to_dicts(stages: tuple[Stage, ...]) -> list[dict[str, Any]]:
    """Return stages as `--json` prints them; times in milliseconds."""
    return [
        {
            "name": stage.name,
            "ms": round(stage.seconds * 1000, 3),
            "calls": stage.calls,
            "took": stage.took,
            "gave": stage.gave,
        }
        for stage in stages
    ]
