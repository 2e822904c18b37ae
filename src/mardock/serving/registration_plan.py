"""What registering takes: the steps from what is served to what is wanted, decided before any is taken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal, Optional

from mardock.client.model_status import ModelStatus
from mardock.errors import ModelConflictError
from mardock.serving import pinned
from mardock.serving.servable import Wanted

Outcome = Literal["registered", "unchanged", "scaled", "replaced"]


class Step(Enum):
    """One step."""

    LOAD = auto()
    SCALE = auto()
    TRY_BESIDE = auto()
    """Load it beside what serves, to find out whether it can be."""
    HAND_OVER = auto()
    """Let another version be the default one until all is done: TorchServe unregisters the default one last."""
    TAKE_AWAY = auto()
    """Answer the old one's requests and unregister it."""


@dataclass(frozen=True)
class Served:
    """What a server has of the model.

    Attributes:
        current: the version that is wanted, as it is served; None when it is not.
        others: the versions beside it.
        default: which of them answers predictions that name none.
    """

    current: Optional[ModelStatus] = None
    others: tuple[str, ...] = ()
    default: Optional[str] = None


@dataclass(frozen=True)
class Plan:
    """Steps in their order.

    Attributes:
        stand_in: the version that answers while the wanted one is away; None when its requests are refused.
    """

    outcome: Outcome
    steps: tuple[Step, ...] = ()
    stand_in: Optional[str] = None


def plan(wanted: Wanted, served: Served, *, replace: bool, next_version: Optional[str]) -> Plan:
    """Decide how to get from what is served to what is wanted.

    Args:
        replace: whether something else under the same version may be replaced.
        next_version: what the servable can be called beside the one that serves; None where nothing can stand there.

    Raises:
        ModelConflictError: something else is served under this version.
    """
    current = served.current
    if current is None:
        return Plan("registered", (Step.LOAD,))
    difference = difference_of(wanted, current)
    if difference and not replace:
        raise ModelConflictError(
            f"model {current.name} {current.version} is registered already: {difference}",
            status=409,
            hint=f"replace it: mardock register {current.name} {'--unpacked ' * wanted.unpacked}--replace",
        )
    if not difference and current.min_workers != wanted.serving.initial_workers:
        return Plan("scaled", (Step.SCALE,))
    if not difference and (current.ready or not current.min_workers):
        return Plan("unchanged")
    return _replacement(served, current, next_version)


def _replacement(served: Served, current: ModelStatus, next_version: Optional[str]) -> Plan:
    stand_ins = [*served.others, *([next_version] if current.ready and next_version else [])]
    trial = (Step.TRY_BESIDE,) * current.ready
    if served.default != current.version or not stand_ins:
        return Plan("replaced", (*trial, Step.TAKE_AWAY, Step.LOAD))
    return Plan("replaced", (*trial, Step.HAND_OVER, Step.TAKE_AWAY, Step.LOAD), stand_ins[-1])


def difference_of(wanted: Wanted, current: ModelStatus) -> Optional[str]:
    """Say what a served version has otherwise than is wanted, its number of workers aside; None when nothing."""
    served = pinned.digest_of(current.url)
    if wanted.digest is None or served is None:
        return "what it holds cannot be known"
    if served != wanted.digest:
        return f"it serves the archive {served}, and the one in the model store is {wanted.digest}"
    serving = wanted.serving
    for name, has, wants in (
        ("batch_size", current.batch_size, serving.batch_size),
        ("max_batch_delay", current.max_batch_delay_ms, serving.max_batch_delay),
        ("response_timeout", current.response_timeout_s, serving.response_timeout),
        ("startup_timeout", current.startup_timeout_s, serving.startup_timeout),
    ):
        if has not in (None, wants):
            return f"its {name} is {has}, and {wants} is wanted"
    return None
