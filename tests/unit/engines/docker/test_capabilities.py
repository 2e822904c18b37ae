"""What an image lacks, and what its containers are started without."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from mardock.engines.docker.capabilities import Capabilities, refuse_unfit
from mardock.errors import EngineError

FIT = Capabilities(
    has_shell=True,
    python="python",
    python_version="3.9.2",
    torch="2.4.0",
    torchserve="0.12.0",
    archiver="0.12.0",
    pip=True,
    java=True,
    flags=("--disable-token-auth", "--enable-model-api"),
)


def refused(found: Capabilities, *, dev: bool, token_auth: bool = False) -> EngineError:
    """What an image is refused with."""
    with pytest.raises(EngineError) as caught:
        refuse_unfit("vendor/image:1", found, dev=dev, token_auth=token_auth, variable="TORCHSERVE_IMAGE")
    return caught.value


@pytest.mark.parametrize("dev", [False, True])
def test_one_that_has_all_is_taken_as_it_is(dev: bool) -> None:
    refuse_unfit("vendor/image:1", FIT, dev=dev, token_auth=True, variable="TORCHSERVE_IMAGE")
    assert FIT.adaptations() == []
    assert FIT.variables() == {"MARDOCK_PYTHON": "python"}


@pytest.mark.parametrize(
    ("changes", "serve", "dev"),
    [
        ({"has_shell": False}, r"shell \(sh\)", r"shell \(sh\)"),
        ({"python": ""}, r"Python that its containers' user can run", r"Python that its containers' user can run"),
        ({"torch": "", "torchserve": "", "java": False}, "torch, TorchServe or Java runtime", "torch or TorchServe"),
        ({"pip": False}, None, "pip"),
        ({"python_version": "3.8.19"}, None, "Python 3.9 or newer"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(changes: dict[str, Any], serve: str | None, dev: str | None) -> None:
    found = dataclasses.replace(FIT, **changes)
    for lacks, is_dev in ((serve, False), (dev, True)):
        if lacks:
            error = refused(found, dev=is_dev)
            assert re.fullmatch(f"the image vendor/image:1 has no {lacks}", error.message)
            assert "TORCHSERVE_IMAGE=" in (error.hint or "")
        else:
            assert found.missing(dev=is_dev) == []


def test_an_older_torchserve_is_started_without_what_it_does_not_know() -> None:
    old = dataclasses.replace(FIT, torchserve="0.8.2", flags=("--start",))
    assert old.adaptations() == ["TorchServe 0.8.2 is started without --disable-token-auth and --enable-model-api"]
    assert "has no tokens" in refused(old, dev=False, token_auth=True).message
    refuse_unfit("vendor/image:1", old, dev=True, token_auth=True, variable="TORCHSERVE_IMAGE")


def test_an_older_python_has_no_fast_workers() -> None:
    old = dataclasses.replace(FIT, python="/opt/conda/bin/python", python_version="3.8.19")
    assert old.variables() == {"MARDOCK_PYTHON": "/opt/conda/bin/python", "MARDOCK_FAST_WORKERS": "false"}
    assert old.adaptations() == ["no fast workers: they take Python 3.9 or newer"]
    assert dataclasses.replace(FIT, python_version="3.14.0").new_python
