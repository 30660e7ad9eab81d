"""Time several contestants side by side, so that a busy machine is busy for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Reading:
    """One timed run: seconds on the wall, and how many cores were at work on average."""

    seconds: float
    cores: float


class Contestant(Protocol):
    """Anything that can be run once and says how long that took."""

    @property
    def name(self) -> str:
        """How the rows of a table find it."""

    def run(self) -> Reading:
        """Run once, timed."""


@dataclass(frozen=True)
class Spread:
    """A median with the lowest and the highest value."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise values, at least one."""
        return cls(statistics.median(values), min(values), max(values))


def timed(function: Callable[[], object]) -> Reading:
    """Run a function of this process once."""
    wall, processor = time.perf_counter(), time.process_time()
    function()
    seconds = time.perf_counter() - wall
    return Reading(seconds, (time.process_time() - processor) / seconds)


def interleave(contestants: Sequence[Contestant], rounds: int) -> dict[str, list[Reading]]:
    """Run every contestant once a round, and return their readings by name.

    Every other round runs backwards, so that nobody always comes after the same neighbour.
    """
    readings: dict[str, list[Reading]] = {each.name: [] for each in contestants}
    for r in range(rounds):
        print(f"  round {r + 1} of {rounds}", flush=True)
        for each in contestants if r % 2 == 0 else reversed(contestants):
            readings[each.name].append(each.run())
    return readings


def per_unit(readings: Sequence[Reading], units: float) -> Spread:
    """Return nanoseconds per unit of work."""
    return Spread.of([reading.seconds / units * 1e9 for reading in readings])


def ratio(
    readings: Mapping[str, Sequence[Reading]], name: str, units: float, base: str, base_units: float
) -> Spread:
    """Return how many times as long a unit of `name` takes as one of `base`, round by round."""
    return Spread.of(
        [
            (one.seconds / units) / (other.seconds / base_units)
            for one, other in zip(readings[name], readings[base], strict=True)
        ]
    )
