"""Setting: one way to serve a model, and the space of those a search may look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Optional

_DELAYS_MS = (1, 5, 20)
_MOST_WORKERS_PER_CORE = 4


@dataclass(frozen=True)
class Setting:
    """One way to serve a model.

    Attributes:
        max_batch_delay: milliseconds.
        threads: torch's, per worker.
        variant: a candidate of `mardock compile`; the model as it is when None.
    """

    workers: int
    batch_size: int
    max_batch_delay: int
    threads: int
    variant: Optional[str] = None

    def __str__(self) -> str:
        workers = f"{self.workers} worker{'s' * (self.workers != 1)}"
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        variant = f", {self.variant}" if self.variant else ""
        return f"{workers} x {threads}, batch {self.batch_size}, delay {self.max_batch_delay} ms{variant}"


@dataclass(frozen=True)
class Space:
    """What a search may look at.

    Attributes:
        cores: how many the workers share.
        threads: what every worker has, where none can be given others; None where they can.
        largest_batch: more requests than that are never under way at once.
        variants: compiled candidates that answer as the model does.
    """

    cores: int
    largest_batch: int
    threads: Optional[int] = None
    variants: tuple[str, ...] = ()

    def shapes(self, start: Setting) -> list[Setting]:
        """Return the ways to share the cores out, the one most likely to win first: a thread per core and worker."""
        counts = dict.fromkeys((self.cores, 1, max(1, self.cores // 2)))
        return [self._shaped(start, workers) for workers in counts]

    def more_workers(self, start: Setting) -> Iterator[Setting]:
        """Yield more workers than cores, which helps handlers that wait for something else than a core."""
        workers = start.workers * 2
        while workers <= _MOST_WORKERS_PER_CORE * self.cores:
            yield self._shaped(start, workers)
            workers *= 2

    def larger_batches(self, start: Setting) -> Iterator[Setting]:
        """Yield batches twice as large each time."""
        size = start.batch_size * 2
        while size <= self.largest_batch:
            yield replace(start, batch_size=size)
            size *= 2

    def smaller_batches(self, start: Setting) -> Iterator[Setting]:
        """Yield batches half as large each time."""
        size = start.batch_size // 2
        while size >= 1:
            yield replace(start, batch_size=size)
            size //= 2

    def delays(self, start: Setting) -> list[Setting]:
        """Return other times to wait for a batch; a batch of one waits for none."""
        if start.batch_size == 1:
            return []
        return [replace(start, max_batch_delay=delay) for delay in _DELAYS_MS if delay != start.max_batch_delay]

    def compiled(self, start: Setting) -> list[Setting]:
        """Return the same with each compiled variant."""
        return [replace(start, variant=variant) for variant in self.variants if variant != start.variant]

    def grid(self) -> list[Setting]:
        """Return every combination of what a search looks at, compiled variants left out."""
        start = Setting(1, 1, _DELAYS_MS[0], 1)
        widest = max(self.shapes(start), key=lambda shape: shape.workers)
        shapes = [*self.shapes(start), *self.more_workers(widest)]
        batches = [setting for shape in shapes for setting in (shape, *self.larger_batches(shape))]
        return [setting for batch in batches for setting in (batch, *self.delays(batch))]

    def _shaped(self, start: Setting, workers: int) -> Setting:
        return replace(start, workers=workers, threads=self.threads or max(1, self.cores // workers))
