"""What registering takes, decided from what is wanted and what is served."""

from __future__ import annotations

from typing import Optional

import pytest

from mardock.client.model_status import ModelStatus, WorkerStatus
from mardock.errors import ModelConflictError
from mardock.serving.registration_plan import Plan, Served, Step, plan
from mardock.serving.servable import Wanted
from mardock.settings.schema import Serving

OLD, NEW = "0" * 12, "1" * 12
CHANGE = (Step.TAKE_AWAY, Step.LOAD)


def wanted(digest: Optional[str] = NEW, workers: int = 1) -> Wanted:
    return Wanted(f".m-{digest}.mar", "m", "1.0", digest, Serving(initial_workers=workers))


def served(digest: str = OLD, *, workers: int = 1, ready: bool = True, batch_size: int = 1) -> ModelStatus:
    state = "READY" if ready else "UNLOADING"
    running = tuple(WorkerStatus(str(9000 + i), state, 100 + i, 0, gpu=False) for i in range(workers))
    serving = Serving()
    return ModelStatus(
        "m", "1.0", f".m-{digest}.mar", "python", workers, workers, batch_size, serving.max_batch_delay,
        serving.response_timeout, serving.startup_timeout, 0, running,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "want", "made"),
    [
        (Served(), wanted(), Plan("registered", (Step.LOAD,))),
        (Served(served(NEW)), wanted(), Plan("unchanged")),
        (Served(served(NEW, workers=0)), wanted(workers=0), Plan("unchanged")),
        (Served(served(NEW)), wanted(workers=3), Plan("scaled", (Step.SCALE,))),
        (
            Served(served(), (), "1.0"),
            wanted(),
            Plan("replaced", (Step.TRY_BESIDE, Step.HAND_OVER, *CHANGE), "1.0-next"),
        ),
        (Served(served(), ("2.0",), "2.0"), wanted(), Plan("replaced", (Step.TRY_BESIDE, *CHANGE))),
        (
            Served(served(ready=False), ("0.9", "2.0"), "1.0"),
            wanted(),
            Plan("replaced", (Step.HAND_OVER, *CHANGE), "2.0"),
        ),
        (Served(served(ready=False), (), "1.0"), wanted(), Plan("replaced", CHANGE)),
        # The identical archive whose worker cannot start is loaded anew: what it lacked may be there by now.
        (Served(served(NEW, ready=False), (), "1.0"), wanted(), Plan("replaced", CHANGE)),
    ],
)
def test_the_steps_follow_from_what_is_served(state: Served, want: Wanted, made: Plan) -> None:
    assert plan(want, state, replace=True, next_version="1.0-next") == made


def test_without_a_store_it_is_tried_under_another_name_and_nothing_answers_meanwhile() -> None:
    made = plan(wanted(None), Served(served(), (), "1.0"), replace=True, next_version=None)
    assert made == Plan("replaced", (Step.TRY_BESIDE, *CHANGE))


@pytest.mark.parametrize(
    ("current", "want", "why"),
    [
        (served(), wanted(), f"it serves the archive {OLD}, and the one in the model store is {NEW}"),
        (served(NEW, batch_size=4), wanted(), "its batch_size is 4, and 1 is wanted"),
        (served(NEW), wanted(None), "what it holds cannot be known"),
    ],
)
def test_something_else_is_replaced_on_request_alone(current: ModelStatus, want: Wanted, why: str) -> None:
    state = Served(current, (), "1.0")
    with pytest.raises(ModelConflictError, match=why):
        plan(want, state, replace=False, next_version="1.0-next")
    assert plan(want, state, replace=True, next_version="1.0-next").outcome == "replaced"
