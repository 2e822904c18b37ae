"""What a contract reads of the spec, and what it refuses to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.deploy.rehearsal.scenes import agreed

from mardock.deploy.rehearsal.contract import load, mapping, number
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


def test_a_target_that_is_none() -> None:
    with pytest.raises(ConfigError, match="there is no deploy target 'nowhere'"):
        load("nowhere")


@pytest.mark.parametrize(
    ("config", "url", "startup"),
    [
        ("", "http://127.0.0.1:8081", 120),
        ("management_address=http://0.0.0.0:9081\ndefault_startup_timeout=30\n", "http://127.0.0.1:9081", 30),
        ("management_address=unix:/tmp/socket\n", "http://127.0.0.1:8081", 120),
    ],
)
def test_what_config_properties_says(tmp_path: Path, config: str, url: str, startup: float) -> None:
    contract = agreed(tmp_path, config=config)

    assert (contract.management_url, contract.startup_timeout) == (url, startup)
