"""The allocator's settings: the same for both engines, and the caller's own where there are any."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mardock.engines import allocator

COMPOSE = Path(__file__).parents[3] / "docker-compose.yml"


def test_memory_is_kept_for_the_next_batch() -> None:
    assert allocator.environment({"PATH": "/bin"}) == {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "1073741824"}


@pytest.mark.parametrize("name", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "LD_PRELOAD"])
def test_an_allocator_that_was_chosen_stays_as_it_is(name: str) -> None:
    assert allocator.environment({name: "x"}) == {}


def test_the_container_is_given_the_same() -> None:
    given = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["serve"]["environment"]
    assert allocator.environment({}).items() <= given.items()
