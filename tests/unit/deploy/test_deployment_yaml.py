"""What is read of a torchserve-deployment.yaml, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from mardock.deploy.deployment_yaml import mapping, number
from mardock.errors import ConfigError


@pytest.mark.parametrize("value", ["30", 1.5, True, -1, None])
def test_what_is_no_whole_number(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"of torchserve-deployment[.]yaml is"):
        number({"period": value}, "period", 10, "readiness_probe")


def test_a_number_or_its_default() -> None:
    assert number({"period": 3}, "period", 10, "readiness_probe") == 3
    assert number({}, "period", 10, "readiness_probe") == 10


def test_what_is_no_mapping() -> None:
    assert mapping({"readiness_probe": None}, "readiness_probe") == {}
    with pytest.raises(ConfigError, match=r"readiness_probe of torchserve-deployment[.]yaml is no mapping"):
        mapping({"readiness_probe": [30]}, "readiness_probe")


def test_a_number_of_the_whole_file() -> None:
    with pytest.raises(ConfigError, match=r"(?m)^instance_count of torchserve-deployment[.]yaml is 0$"):
        number({"instance_count": 0}, "instance_count", 1, least=1)
