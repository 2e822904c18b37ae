"""The JSON Schema of mardock.toml, by which editors complete and check it; scripts/reference.py writes it."""

from __future__ import annotations

from pathlib import Path

URL = "https://raw.githubusercontent.com/mardock/mardock/main/src/mardock/settings/mardock.schema.json"
"""Where editors get it."""

FILE = Path(__file__).with_name("mardock.schema.json")
URL = "https://raw.githubusercontent.com/mardock/mardock/main/src/mardock/settings/mardock.schema.json"
"""Where editors find it."""


def text() -> str:
    """Return it as it is printed."""
    return FILE.read_text(encoding="utf-8")
