"""Every network that the Docker Engine has room for is taken."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from docker.errors import APIError
from tests.docker.test_failures import nothing_is_left
from tests.support.images import unique_name

from mardock.engines.docker.daemon import sdk
from mardock.engines.docker.engine import DockerEngine
from mardock.errors import EngineError

if TYPE_CHECKING:
    from tests.docker.conftest import MakeProject


@pytest.mark.alone
def test_no_room_for_another_network(make_project: MakeProject) -> None:
    engine = DockerEngine(make_project())
    with ExitStack() as stack, sdk() as client:
        with suppress(APIError):  # the engine has room for some thirty
            while True:
                network = client.networks.create(unique_name())
                stack.callback(network.remove)
        with pytest.raises(EngineError, match="docker compose up failed") as caught:
            engine.up(timeout=60)
    assert "docker network prune" in (caught.value.hint or "")
    assert nothing_is_left(engine)
