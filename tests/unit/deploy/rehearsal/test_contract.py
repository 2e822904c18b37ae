"""What a contract reads of TorchServe's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.deploy.rehearsal.scenes import agreed


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
