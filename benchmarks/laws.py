"""The law's error: how long until W2(law of the walk, law of the diffusion) is known that well.

Noise-free: the generator's and the walk's operators in a spectral basis, W2 by quantiles. From
samples: n walkers by `simulate`, n samples of the diffusion's law, W2 of the two clouds by POT.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.clock import Contestant, Reading, Spread, interleave, timed
from benchmarks.report import Result, table
from coupled_flows import (
    FourierGenerator,
    GeodesicWalk,
    Langevin,
    Sphere,
    Torus,
    ZonalGenerator,
    fourier,
    linear,
    noise_floor,
    simulate,
    wasserstein,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.measure.laws import Law

STEP, TIME = 1 / 16, 1.0
YEAR = 31_557_600.0  # seconds
ACCURACIES = (0.1, 0.01, 1e-3)  # of W2 itself
AGREEMENT = 1e-9  # two noise-free values, relative: rounding in W2 is 1e-11 of it


@dataclass(frozen=True)
class Case:
    """One manifold: the generator, the start, and the sizes that are tried."""

    name: str
    langevin: Langevin
    generator: Callable[[Langevin, int], FourierGenerator | ZonalGenerator]
    density: Callable[[Array], Array]
    modes: tuple[int, int]  # the second checks the first
    samples: tuple[int, ...]

    @property
    def walk(self) -> GeodesicWalk:
        """The walk whose law is compared."""
        return GeodesicWalk(self.langevin, STEP)

    def laws(self, modes: int) -> list[Law]:
        """Return the start, the walk's law and the diffusion's."""
        generator = self.generator(self.langevin, modes)
        start = generator.law(self.density)
        walked = generator.evolve_walk(self.walk, start, round(TIME / STEP))
        return [start, walked, generator.evolve(start, TIME)]


def cases() -> list[Case]:
    """Return the circle and the sphere."""
    return [
        Case(
            "circle, U = cos",
            Langevin(Torus(1), fourier(cos={1: 1.0})),
            FourierGenerator,
            lambda x: 1 + 0.9 * np.cos(x[:, 0] - 1),
            (16, 32),
            (1000, 10_000, 100_000),
        ),
        Case(
            "S^2, U = -2 z",
            Langevin(Sphere(2), linear([0.0, 0.0, -2.0])),
            ZonalGenerator,
            np.ones_like,
            (16, 32),
            (250, 1000, 4000),
        ),
    ]


@dataclass
class NoiseFree:
    """W2 from the operators."""

    case: Case
    modes: int
    value: float = math.nan

    @property
    def name(self) -> str:
        """How the tables find it."""
        return f"{self.case.name}, {self.modes} modes"

    def run(self) -> Reading:
        """Build everything and compare the laws, timed."""
        return timed(self._compare)

    def _compare(self) -> None:
        _, walked, diffused = self.case.laws(self.modes)
        self.value = wasserstein(walked, diffused)


@dataclass
class Sampled:
    """W2 of two clouds of n points, fresh ones in every run."""

    case: Case
    n: int
    values: list[float] = field(default_factory=list)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(4))

    def __post_init__(self) -> None:
        self.start, _, self.diffused = self.case.laws(self.case.modes[1])

    @property
    def name(self) -> str:
        """How the tables find it."""
        return f"{self.case.name}, {self.n} samples"

    def run(self) -> Reading:
        """Draw, walk and compare the clouds, timed."""
        return timed(self._compare)

    def _compare(self) -> None:
        walk, n = self.case.walk, self.n
        start = self.start.sample(n, self.rng)
        walked = simulate(walk, start, round(TIME / STEP), self.rng, threads=1)
        drawn = self.diffused.sample(n, self.rng)
        self.values.append(wasserstein(walked, drawn, manifold=self.case.langevin.manifold))

    def error(self, truth: float) -> float:
        """Return the root mean square of the relative error."""
        return float(np.sqrt(np.mean((np.array(self.values) / truth - 1) ** 2)))

    def floor(self) -> float:
        """Return the mean W2 of two samples of one law, the diffusion's."""
        return noise_floor(self.diffused, self.n, np.random.default_rng(5), repeats=5).value


def run(rounds: int) -> Result:
    """Time everything side by side and return the tables."""
    every = cases()
    free = [NoiseFree(case, modes) for case in every for modes in case.modes]
    sampled = [Sampled(case, n) for case in every for n in case.samples]
    for one in free:
        one.run()  # so that imports and caches are nobody's burden
    contestants: list[Contestant] = [*free, *sampled]
    readings = interleave(contestants, rounds)
    seconds = {
        name: Spread.of([reading.seconds for reading in of]).median for name, of in readings.items()
    }
    parts = [_introduction()]
    sound = True
    for case in every:
        mine = [one for one in free if one.case is case]
        clouds = [one for one in sampled if one.case is case]
        truth = mine[1].value
        sound &= abs(mine[0].value / truth - 1) <= AGREEMENT
        parts.append(f"### {case.name}\n\nW2 = {truth:.10f} radians.")
        parts.append(_found(mine, clouds, seconds))
        parts.append(_needed(mine[0], clouds, truth, seconds))
    return Result("\n\n".join(parts), bool(sound))


def _introduction() -> str:
    return (
        f"W2 between the law of the geodesic walk with h = 1/{round(1 / STEP)} and the law of the"
        f" diffusion, both at t = {TIME:g} and from the same smooth density; beta = 1, float64, one"
        " thread. *Noise-free*: the time to build the generator and the walk's operator, evolve"
        " both laws and take W2. *Samples*: the time to draw n starts, walk them, draw n points of"
        " the diffusion's law (handed to the samples: only the drawing is timed) and solve the"
        " transport with POT. *Error*: relative, against the second noise-free row; of samples,"
        " the root mean square over the rounds. *Floor*: mean W2 of two n-samples of one law."
    )


def _found(free: Sequence[NoiseFree], clouds: Sequence[Sampled], seconds: dict[str, float]) -> str:
    truth, base = free[1].value, seconds[free[0].name]
    rows = []
    for one in free:
        error = "" if one is free[1] else f"{abs(one.value / truth - 1):.0e}"
        row = [f"noise-free, {one.modes} modes", f"{one.value:.10f}", "0", error]
        rows.append([*row, *_time(seconds[one.name], base)])
    for cloud in clouds:
        value = Spread.of(cloud.values)
        found = f"{value.median:.4f} ({value.low:.4f}–{value.high:.4f})"
        row = [f"{cloud.n} samples", found, f"{cloud.floor():.4f}", f"{cloud.error(truth):.2g}"]
        rows.append([*row, *_time(seconds[cloud.name], base)])
    return table(["method", "W2 found", "floor", "error", "milliseconds", "× noise-free"], rows)


def _needed(
    free: NoiseFree, clouds: Sequence[Sampled], truth: float, seconds: dict[str, float]
) -> str:
    """Extrapolate what samples would take: error as n^-1/2, time as between the last two sizes."""
    few, many = clouds[-2:]
    growth = math.log(seconds[many.name] / seconds[few.name]) / math.log(many.n / few.n)
    rows = []
    for accuracy in ACCURACIES:
        needed = many.n * (many.error(truth) / accuracy) ** 2
        time = seconds[many.name] * (needed / many.n) ** growth
        base = seconds[free.name]
        ratio = f"{time / base:.0e}" if time < YEAR else ""
        rows.append([f"{accuracy:g}", f"{base * 1e3:.0f} ms", f"{needed:.0e}", _about(time), ratio])
    said = (
        "To know W2 to a given relative accuracy. The columns of samples are extrapolated from"
        f" n = {many.n}: error as n^-1/2, time as n^{growth:.1f}."
    )
    head = ["accuracy", "noise-free", "samples needed", "time with samples", "ratio"]
    return f"{said}\n\n{table(head, rows)}"


def _time(seconds: float, base: float) -> list[str]:
    return [f"{seconds * 1e3:.1f}", f"{seconds / base:.1f}"]


def _about(seconds: float) -> str:
    if seconds >= YEAR:
        return "over a year"
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s"
