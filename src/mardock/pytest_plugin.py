"""The fixture `mardock_served`: a model of the project behind a real TorchServe, for the tests of whoever owns it.

::

    def test_a_cat_is_a_cat(mardock_served):
        cats = mardock_served("cats")
        assert cats.predict(Path("tests/cat.jpg")).json()["class"] == "cat"
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Callable, Optional

import pytest

if TYPE_CHECKING:
    from mardock.api import Model

    Serve = Callable[..., Model]


@pytest.fixture(scope="session")
def mardock_served(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """A function that archives and serves a model for the rest of the session, and returns it.

    It takes the model's name in mardock.toml, which may be left out when there is one, and the project's `folder`,
    pytest's root when not given. A model is served once however often it is asked for. A server that ran before goes
    on after the tests, with what they served; another one ends with them.
    """
    from mardock.api import Project

    with ExitStack() as stack:
        served: dict[tuple[str, str], Model] = {}

        def serve(model: Optional[str] = None, *, folder: str = "") -> Model:
            project = Project(request.config.rootpath / folder)
            name = model if model is not None else (*project.models, "")[0]
            key = (str(project.folder), name)
            if key not in served:
                served[key] = stack.enter_context(project.serving(model))
            return served[key]

        yield serve
