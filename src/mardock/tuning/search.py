"""Search: from the present setting to the best one, in a small part of the time a full grid would take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Callable, Optional, Protocol

from mardock.listener import Listener
from mardock.tuning.scores import Reading, Scores, UnfitError
from mardock.tuning.setting import Setting, Space

_WINDOWS = 60  # of the shortest kind that fit into a budget, with what it takes to start workers
_SHORTEST_S, _LONGEST_S = 0.3, 10.0
_EXPLORING, _HALVING = 0.45, 0.55  # shares of the budget after which the next stage begins, come what may
_ROUNDS = 5
_FEWEST_ROUNDS = 3
_FEWEST = 3  # settings to measure however small the budget is, the present one among them; then compiled ones
_CLEAR = 0.2  # a gain that needs no more rounds to be believed
_FIRST_BATCH = 4
_SEMIFINAL = 4


class Course(Protocol):
    """Where settings are measured."""

    def measure(self, setting: Setting, seconds: float) -> Reading:
        """Load a setting for some seconds.

        Raises:
            UnfitError: it cannot serve.
        """
        ...

    def keep(self, settings: Sequence[Setting]) -> None:
        """Keep these ready from now on, since they are measured in turn."""
        ...


@dataclass(frozen=True)
class Verdict:
    """What a search ends with.

    Attributes:
        winner: what to serve with; None when the present setting is to stay.
        nearest: where no setting keeps the limit, the one with the lowest P99.
        reason: in one clause, why.
    """

    winner: Optional[Setting]
    reason: str
    nearest: Optional[Setting] = None


class Search:
    """Climbs from a prior with short windows, halves what it found with longer ones, and lets the best two race.

    The race is against the present setting, window by window in turn, so that a machine that changes its pace changes
    it for all. `scores` holds what is known, also after an interruption.

    Args:
        present: how the model is served now.
        budget: seconds, about.
        listener: notes what is being measured.
    """

    def __init__(
        self,
        course: Course,
        space: Space,
        present: Setting,
        *,
        limit_ms: Optional[float],
        budget: float,
        listener: Listener,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scores = Scores(limit_ms)
        self.present = present
        self._course = course
        self._space = space
        self._budget = budget
        self._listener = listener
        self._clock = clock
        self._began = clock()
        self._window = min(max(budget / _WINDOWS, _SHORTEST_S), _LONGEST_S)

    def run(self) -> Verdict:
        """Return the verdict; raises what the course raises but for UnfitError."""
        self._try(self.present)
        if self.present not in self.scores.readings:
            return Verdict(None, f"the present setting does not answer: {self.scores.unfit[self.present]}")
        self._explore()
        return self._race(self._halve())

    def _explore(self) -> None:
        batch = min(max(self.present.batch_size, _FIRST_BATCH), self._space.largest_batch)
        start = replace(self.present, batch_size=batch, max_batch_delay=1)
        shapes = self._space.shapes(start)
        self._try_all(shapes)
        best, *others = self.scores.best(shapes) or [self.present]
        forms = [best, *self._space.compiled(best)]  # early, for they may gain more than all that follows
        self._try_all(forms)
        best = self.scores.best(forms)[0]
        if best.workers >= self._space.cores:
            best = self._climb(best, self._space.more_workers(best))
        larger = self._climb(best, self._space.larger_batches(best))
        best = self._climb(best, self._space.smaller_batches(best)) if larger == best else larger
        self._try_all(self._space.delays(self.scores.best(self.scores.readings)[0]))
        best = self.scores.best(self.scores.readings)[0]
        self._try_all([replace(best, workers=shape.workers, threads=shape.threads) for shape in others])

    def _climb(self, start: Setting, steps: Iterable[Setting]) -> Setting:
        """Take steps while they gain; one that does not may be chance, so the one behind it is looked at too."""
        best, misses = start, 0
        for step in steps:
            self._try(step)
            if self.scores.improves(step, best):
                best, misses = step, 0
            else:
                misses += 1
            if misses == 2 or step in self.scores.unfit:
                break
        return best

    def _halve(self) -> list[Setting]:
        """Return the two best settings, of which the present one is none."""
        left = [setting for setting in self.scores.best(self.scores.readings) if setting != self.present]
        left = left[:_SEMIFINAL]
        if len(left) > 2 and self._spent() < _HALVING:
            for setting in left:
                self._measure(setting, self._window * 1.5)
            left = self.scores.best(left)
        return left[:2]

    def _race(self, finalists: list[Setting]) -> Verdict:
        if not finalists:
            return Verdict(None, "nothing else could be measured")
        racers = [self.present, *finalists]
        self._course.keep(racers)
        window = self._window * 2  # longer than any before: medians are taken over the longest alone
        for done in range(1, _ROUNDS + 1):
            for setting in racers:
                self._measure(setting, window)
            if done >= _FEWEST_ROUNDS and self._is_clear(racers):
                break
        return self._verdict(self.scores.best(racers))

    def _is_clear(self, racers: list[Setting]) -> bool:
        ranked, scores, present = self.scores.best(racers), self.scores, self.present
        if present not in ranked or ranked[0] == present:
            return False
        best, faster = ranked[0], 1 + _CLEAR
        return scores.beyond_chance(best, present) and scores.throughput(best) > faster * scores.throughput(present)

    def _verdict(self, ranked: list[Setting]) -> Verdict:
        scores, present = self.scores, self.present
        if not ranked:
            return Verdict(None, "nothing answered to the end")
        best = ranked[0]
        if not scores.meets(best):
            nearest = scores.best(scores.readings)[0]
            return Verdict(None, f"no setting keeps P99 within {scores.limit_ms:g} ms", nearest=nearest)
        if best == present:
            return Verdict(None, "nothing was faster than the present setting")
        if present in ranked and scores.meets(present) and not scores.beyond_chance(best, present):
            return Verdict(None, f"{best} is not faster by more than chance")
        if not scores.meets(present):
            return Verdict(best, f"it keeps P99 within {scores.limit_ms:g} ms, which the present setting does not")
        return Verdict(best, "it was faster in each window than the present setting in its fastest")

    def _try_all(self, settings: Iterable[Setting]) -> None:
        for setting in settings:
            self._try(setting)

    def _try(self, setting: Setting) -> None:
        """Measure a setting once, while there is time to explore."""
        known = {*self.scores.readings, *self.scores.unfit}
        few = len(known) < _FEWEST + len(self._space.variants)
        if setting not in known and (few or self._spent() < _EXPLORING):
            self._measure(setting, self._window)

    def _measure(self, setting: Setting, seconds: float) -> None:
        if setting in self.scores.unfit:
            return
        self._listener.note(str(setting))
        try:
            self.scores.add(setting, self._course.measure(setting, seconds))
        except UnfitError as error:
            self.scores.readings.pop(setting, None)
            self.scores.unfit[setting] = str(error)

    def _spent(self) -> float:
        return (self._clock() - self._began) / self._budget
