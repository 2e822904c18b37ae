"""Who asks for GPUs, and which words say that there are none."""

from __future__ import annotations

from typing import Any

import pytest

from mardock.engines.docker import gpus, start_failures
from mardock.engines.docker.images import OFFICIAL_GPU_IMAGE, OWN_IMAGE, official, own_tag

RESERVED = {"deploy": {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"], "count": -1}]}}}}


@pytest.mark.parametrize(
    ("serve", "asked"),
    [
        ({}, False),
        ({"deploy": {"resources": {"limits": {"cpus": 2}}}}, False),
        (RESERVED, True),
        ({"gpus": [{"count": -1}]}, True),
    ],
)
def test_compose_says_who_asks(serve: dict[str, Any], asked: bool) -> None:
    assert gpus.asked_for({"serve": serve}) is asked
    assert gpus.image_variable({"serve": serve}) == ("TORCHSERVE_GPU_IMAGE" if asked else "TORCHSERVE_IMAGE")


@pytest.mark.parametrize(
    "said",
    [
        'Error response from daemon: could not select device driver "nvidia" with capabilities: [[gpu]]',
        "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: no such file",
        "Error response from daemon: unknown or invalid runtime name: nvidia",
    ],
)
def test_an_engine_that_gives_no_gpu_is_understood(said: str) -> None:
    cause = start_failures.find(said)
    assert cause is not None
    assert cause.hint == gpus.MEND


def test_other_words_are_left_alone() -> None:
    assert start_failures.find("Error response from daemon: No such image: nobody/nothing") is None


def test_the_own_image_for_gpus_has_another_name() -> None:
    assert own_tag(official()) == OWN_IMAGE
    assert own_tag(OFFICIAL_GPU_IMAGE) == f"{OWN_IMAGE}-gpu"
    assert own_tag("mine:1") == "mine:1"
