"""Who takes part in the benchmark of the walks: the floors, the library, plain NumPy, the peers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from benchmarks.clock import Reading, timed
from benchmarks.environment import Family
from benchmarks.problems import MEAN_Z, STEP, Problem, tolerance
from coupled_flows import simulate
from coupled_flows.geometry.errors import Array


@dataclass(frozen=True)
class Check:
    """A mean over all walkers that tells whether the walk is the right one.

    Attributes
    ----------
    what : str
    value, expected, tolerance : float
    off : float or None
        Largest ``| |x| - 1 |``, on spheres.
    """

    what: str
    value: float
    expected: float
    tolerance: float
    off: float | None

    @property
    def right(self) -> bool:
        """Whether the value is as close as chance and the step allow; false if not a number."""
        return abs(self.value - self.expected) <= self.tolerance


@dataclass
class Floor:
    """Draw the normals of all steps with PCG64, on one thread, into a block kept in the cache."""

    point_dim: int
    walkers: int
    steps: int
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    @property
    def name(self) -> str:
        """How the tables find it."""
        return f"floor, p = {self.point_dim}"

    def run(self) -> Reading:
        """Draw, timed."""
        size = min(self.walkers, 10_000)
        block = np.empty((self.point_dim, size))
        draws = self.walkers * self.steps // size
        return timed(lambda: [self.rng.standard_normal(out=block) for _ in range(draws)])


class Walker(Protocol):
    """A contestant that moves walkers; every run goes on from where the last one ended."""

    name: str
    computes: str
    threads: int
    width: int
    steps: int
    settle: float

    def run(self) -> Reading:
        """Take `steps` steps with all walkers, timed."""

    def check(self) -> Check:
        """Look at where the walkers are."""


@dataclass
class Ours:
    """One walk of the library, through `simulate`."""

    problem: Problem
    threads: int
    walkers: int
    steps: int
    width: int = 64
    x: Array = field(init=False)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(2))

    def __post_init__(self) -> None:
        self.name = f"{self.problem.name}, {self.threads}"
        self.computes = f"`{type(self.problem.walk).__name__}`"
        self.settle = self.problem.settle
        self.x = self.problem.walk.langevin.manifold.random_point(self.walkers, self.rng)

    def run(self) -> Reading:
        """Take the next steps."""
        return timed(self._advance)

    def _advance(self) -> None:
        walk = self.problem.walk
        self.x = simulate(walk, self.x, self.steps, self.rng, threads=self.threads)

    def check(self) -> Check:
        """Look at where the walkers are."""
        values = self.problem.observable(self.x)
        sphere = self.problem.name.startswith("S^")
        off = float(np.abs(np.linalg.norm(self.x, axis=1) - 1).max()) if sphere else None
        mean, spread = float(values.mean()), float(values.std())
        expected = self.problem.expected
        return Check(self.problem.what, mean, expected, tolerance(spread, len(values)), off)


@dataclass
class Plain:
    """The geodesic walk in plain NumPy, as one would first write it: rows, one line a formula."""

    walkers: int
    steps: int
    name: str = "plain NumPy"
    computes: str = "geodesic walk, rows `(n, 3)`, one line a formula"
    threads: int = 1
    width: int = 64
    settle: float = 3.0
    x: Array = field(init=False)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))

    def __post_init__(self) -> None:
        x = self.rng.standard_normal((self.walkers, 3))
        self.x = x / np.linalg.norm(x, axis=1, keepdims=True)

    def run(self) -> Reading:
        """Take the next steps."""
        return timed(self._advance)

    def _advance(self) -> None:
        pull = STEP * np.array([0.0, 0.0, 2.0])
        for _ in range(self.steps):
            w = pull + np.sqrt(2 * STEP) * self.rng.standard_normal(self.x.shape)
            v = w - np.sum(w * self.x, axis=1, keepdims=True) * self.x
            r = np.linalg.norm(v, axis=1, keepdims=True)
            self.x = np.cos(r) * self.x + np.sin(r) / r * v

    def check(self) -> Check:
        """Look at where the walkers are."""
        z = self.x[:, 2]
        off = float(np.abs(np.linalg.norm(self.x, axis=1) - 1).max())
        return Check("E z", float(z.mean()), MEAN_Z, tolerance(float(z.std()), len(z)), off)


@dataclass
class Peer:
    """A library in a process of its own."""

    family: Family
    number: int
    walkers: int
    steps: int
    settle: float = 3.0
    last: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        offer = self.family.offers[self.number]
        self.threads, self.width = self.family.threads, offer["width"]
        self.library, self.computes = offer["name"], offer["computes"]
        self.name = f"{self.library}, float{self.width}, {self.threads}"

    def run(self) -> Reading:
        """Take the next steps, timed by that process."""
        self.last = self.family.ask(str(self.number))
        return Reading(self.last["seconds"], self.last["cores"])

    def check(self) -> Check:
        """Look at where the walkers are."""
        allowed = tolerance(self.last["deviation"], self.walkers)
        return Check("E z", self.last["check"], MEAN_Z, allowed, self.last["off"])
