"""BenchPlan: what to load, how and how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class BenchPlan:
    """What to measure: every concurrency under every number of workers.

    Attributes:
        bodies: sent in turn.
        version: the default version when None.
        concurrency: requests under way at once; with a rate, the most that may be.
        rate: requests per second (open loop); None sends whenever a connection is free (closed loop).
        duration: seconds that each run lasts, in each round.
        warmup: seconds of the same load before it, which are not counted.
        timeout: seconds for one answer.
        workers: scale the model to each of these; left alone when empty.
        rounds: how many times to take each load in turn, so that a slow spell of the machine meets all of them.
        protocol: `http` or `grpc`.
    """

    model: str
    bodies: tuple[bytes, ...]
    version: Optional[str] = None
    content_type: Optional[str] = None
    concurrency: tuple[int, ...] = (8,)
    rate: Optional[float] = None
    duration: float = 10
    warmup: float = 2
    timeout: float = 30
    workers: tuple[int, ...] = ()
    rounds: int = 1
    protocol: str = "http"
