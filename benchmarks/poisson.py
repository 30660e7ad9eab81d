"""The Poisson equation on S^2: error against time, and finite elements against pyamg alone.

-Lap phi = f for f = Y_{6,3}, phi = f/42. The zonal generator serves functions of z only, so it
solves for Y_{6,0}.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from pyamg import smoothed_aggregation_solver
from scipy import sparse
from scipy.special import sph_harm_y

from benchmarks.clock import Contestant, Reading, Spread, interleave, ratio, timed
from benchmarks.report import Result, spread, table, verdict
from coupled_flows import (
    DataWalk,
    GeodesicWalk,
    GraphGenerator,
    HarmonicGenerator,
    Langevin,
    MeshGenerator,
    Sphere,
    ZonalGenerator,
    feynman_kac,
    fit_order,
    icosphere,
    zero,
)
from coupled_flows.geometry.errors import Array

DEGREE, ORDER = 6, 3
RATE = DEGREE * (DEGREE + 1)
DEGREES, ALL_DEGREES = (8, 32, 128), (8, 16, 24)
LEVELS, POINTS = (4, 5, 6, 7), (2_500, 10_000)
# paths, and the step of their walk
PATHS = ((1_000, 2e-3), (16_000, 5e-4))
LAM, THERE = 10.0, np.array([[0.6, 0.0, 0.8]])
# 10 242, 40 962 and 163 842 unknowns
LARGE = (5, 6, 7)
TIMES, GROWTH = 1.5, 1.15
# what the library's conjugate gradients are asked for
RESIDUAL = 1e-12
# on an icosphere of level 4, some twice of what is expected
COARSE = 4e-2

INTRODUCTION = """\
-Lap phi = f on S^2 with f = Y_{6,3} (Y_{6,0} for the zonal generator), phi = f/42; float64, one
thread. *Seconds*: from the problem (the vertices and triangles, the points) to phi, everything in
between made anew; making the mesh or the points is not timed. *Error*: |phi - f/42|/|f/42| in
L2(pi) at the nodes. Graphs stand on a Fibonacci lattice, alpha = 1, eps = 8 pi/n. Paths give the
resolvent at one point only, u = f/52 for lam = 10: |u - f/52| there over the norm of f/52, the
largest of the rounds; chance leaves 3/sqrt(n) with n paths, the step h some 40 h."""

AGAINST = """\
`MeshGenerator(vertices, triangles, zero()).poisson(f)`, which checks the surface, assembles, sets
up and solves, against pyamg alone on the matrix made beforehand: set-up of smoothed aggregation,
conjugate gradients to the same relative residual 1e-12. *As it comes* is pyamg with its defaults,
but for 50 unknowns on the coarsest level (with 10 its conjugate gradients give up on a matrix that
is singular); *as here* has the library's strength of connection and damping. *× pyamg*: within a
round. *Growth*: of the processor time, the least of the rounds."""


@dataclass
class Solver:
    """One way from the problem to phi."""

    name: str
    unknowns: int
    solve: Callable[[], Array]
    error_of: Callable[[Array], float]
    allowed: float
    worst: float = field(default=0.0)

    def run(self) -> Reading:
        """Solve, timed; then look at the result."""
        made: list[Array] = []
        reading = timed(lambda: made.append(self.solve()))
        error = self.error_of(made.pop())
        self.worst = max(self.worst, error if math.isfinite(error) else math.inf)
        return reading

    @property
    def right(self) -> bool:
        """Whether every solution was the right one."""
        return self.worst <= self.allowed


def run(rounds: int) -> Result:
    """Time everything side by side and return the tables."""
    first = [
        *[zonal(degree) for degree in DEGREES],
        *[harmonic(degree) for degree in ALL_DEGREES],
        *[mesh(level) for level in LEVELS],
        *[graph(n) for n in POINTS],
        *[paths(n, h) for n, h in PATHS],
    ]
    print("  error against time", flush=True)
    readings = _side_by_side(first, rounds)
    second = [one for level in LARGE for one in against(level)]
    print("  against pyamg alone", flush=True)
    others = _side_by_side(second, rounds)
    parts = [INTRODUCTION, _errors(first, readings), "### Against pyamg alone", AGAINST]
    parts += [_ratios(second, others), _growth(second, others)]
    return Result("\n\n".join(parts), all(one.right for one in [*first, *second]))


def _side_by_side(every: Sequence[Solver], rounds: int) -> dict[str, list[Reading]]:
    every[0].solve(), every[-1].solve()  # what is imported at the first call is no part of it
    contestants: list[Contestant] = [*every]
    return interleave(contestants, rounds)


def degree_six(x: Array, order: int = ORDER) -> Array:
    """Return the real spherical harmonic of degree 6 at points of S^2."""
    polar, azimuth = np.arccos(np.clip(x[:, 2], -1, 1)), np.arctan2(x[:, 1], x[:, 0])
    return math.sqrt(2) * sph_harm_y(DEGREE, order, polar, azimuth).real


def _polynomial(x: Array) -> Array:
    """Return a multiple of the same for the order 3, fast."""
    x, y, z = x.T
    return (x * x - 3 * y * y) * x * (11 * z * z - 3) * z


def _error(phi: Array, f: Array, mass: Array) -> float:
    away = phi - f / RATE
    return math.sqrt(mass @ away**2 / (mass @ f**2)) * RATE


def harmonic(degree: int) -> Solver:
    """Return the solution in spherical harmonics."""
    problem = Langevin(Sphere(2), zero())
    known = HarmonicGenerator(problem, degree)
    f = degree_six(known.nodes)
    return Solver(
        f"`HarmonicGenerator`, degree {degree}",
        len(f),
        lambda: HarmonicGenerator(problem, degree).poisson(f),
        lambda phi: _error(phi, f, known.mass),
        1e-11,
    )


def zonal(degree: int) -> Solver:
    """Return the zonal generator's solution; Y_{6,0} is a polynomial of z."""
    problem = Langevin(Sphere(2), zero())
    known = ZonalGenerator(problem, degree)
    f = degree_six(known.nodes, order=0)
    return Solver(
        f"`ZonalGenerator`, degree {degree}",
        degree + 1,
        lambda: ZonalGenerator(problem, degree).poisson(f),
        lambda phi: _error(phi, f, known.mass),
        1e-11,
    )


def mesh(level: int) -> Solver:
    """Return finite elements on an icosphere."""
    vertices, triangles = icosphere(level)
    f = degree_six(vertices)
    mass = MeshGenerator(vertices, triangles, zero()).mass
    return Solver(
        f"`MeshGenerator`, icosphere {level}",
        len(f),
        lambda: MeshGenerator(vertices, triangles, zero()).poisson(f),
        lambda phi: _error(phi, f, mass),
        COARSE * 4.0 ** (4 - level),
    )


def graph(n: int) -> Solver:
    """Return the graph's solution on a Fibonacci lattice."""
    i = np.arange(n) + 0.5
    z, angle = 1 - 2 * i / n, np.pi * (1 + math.sqrt(5)) * i
    sine = np.sqrt(1 - z**2)
    points = np.column_stack([sine * np.cos(angle), sine * np.sin(angle), z])
    f, eps = degree_six(points), 8 * np.pi / n
    return Solver(
        f"`GraphGenerator`, {n} points",
        n,
        lambda: GraphGenerator(DataWalk(points, eps, alpha=1.0)).poisson(f),
        lambda phi: _error(phi, f, np.full(n, 1 / n)),
        RATE * eps,  # twice the bias
    )


def paths(n: int, h: float) -> Solver:
    """Return the resolvent at a point, by Feynman-Kac."""
    walk, rng = GeodesicWalk(Langevin(Sphere(2), zero()), h), np.random.default_rng(20260417)
    scale = float(degree_six(THERE)[0]) / float(_polynomial(THERE)[0])
    u = degree_six(THERE) / (RATE + LAM)
    size = 1 / math.sqrt(4 * math.pi) / (RATE + LAM)

    def solve() -> Array:
        found = feynman_kac(walk, _polynomial, LAM, THERE, n, rng, threads=1)
        return np.array([scale * found.value])

    return Solver(
        f"`feynman_kac`, {n} paths, h = {h:g}",
        1,
        solve,
        lambda found: float(np.abs(found - u)[0]) / size,
        # five standard errors by the asymptotic variance, which is an upper bound; twice the bias
        5 * math.sqrt(1.5 / (RATE * LAM * n)) * (RATE + LAM) + 2 * RATE * h,
    )


def against(level: int) -> list[Solver]:
    """Return the library and pyamg, as it comes and as it is used here, on one mesh."""
    ours = mesh(level)
    vertices, triangles = icosphere(level)
    generator = MeshGenerator(vertices, triangles, zero())
    f, mass, root = degree_six(vertices), generator.mass, np.sqrt(generator.mass)
    scale = sparse.diags_array(1 / root)
    matrix = -(sparse.diags_array(root) @ generator.matrix @ scale).tocsr()
    matrix = (matrix + matrix.T.tocsr()) / 2
    matrix.sort_indices()
    right = root * (f - mass @ f)
    as_here = {
        "strength": ("symmetric", {"theta": 0.08}),
        "smooth": ("jacobi", {"omega": 16 / 9, "weighting": "local"}),
        "improve_candidates": None,
    }

    def alone(**options: object) -> Array:
        levels = smoothed_aggregation_solver(matrix, root[:, None], max_coarse=50, **options)
        phi = levels.solve(right, tol=RESIDUAL, maxiter=60, accel="cg") / root
        return phi - mass @ phi

    n, error, allowed = len(f), ours.error_of, ours.allowed
    return [
        Solver(f"**coupled_flows**, {n}", n, ours.solve, error, allowed),
        Solver(f"pyamg as it comes, {n}", n, alone, error, allowed),
        Solver(f"pyamg as here, {n}", n, lambda: alone(**as_here), error, allowed),
    ]


def _said(one: Solver) -> str:
    return f"{one.worst:.1e}" if one.right else f"**WRONG:** {one.worst:.1e}"


def _errors(every: Sequence[Solver], readings: dict[str, list[Reading]]) -> str:
    rows = [
        [
            one.name,
            str(one.unknowns),
            spread(Spread.of([reading.seconds for reading in readings[one.name]]), 4),
            _said(one),
        ]
        for one in every
    ]
    return table(["solver", "unknowns", "seconds", "error"], rows)


def _ratios(every: Sequence[Solver], readings: dict[str, list[Reading]]) -> str:
    rows = []
    for k in range(0, len(every), 3):
        ours, comes, here = every[k : k + 3]
        for one in (ours, comes, here):
            to = [ratio(readings, one.name, 1, base.name, 1) for base in (comes, here)]
            last = one is ours and k + 3 == len(every)
            rows.append(
                [
                    one.name,
                    spread(Spread.of([reading.seconds for reading in readings[one.name]]), 3),
                    *[spread(value) for value in to],
                    verdict(max(value.median for value in to), TIMES) if last else "",
                    _said(one),
                ]
            )
    head = ["contestant, unknowns", "seconds", "× pyamg as it comes", "× pyamg as here", "target"]
    return table([*head, "error"], rows)


def _growth(every: Sequence[Solver], readings: dict[str, list[Reading]]) -> str:
    """Fit processor time as a power of the number of unknowns, the least of the rounds at each."""
    rows = []
    for kind in range(3):
        those = every[kind::3]
        least = [min(one.seconds * one.cores for one in readings[each.name]) for each in those]
        order = fit_order([one.unknowns for one in those], least)
        said = verdict(order.slope, GROWTH) if kind == 0 else ""
        rows.append([those[0].name.split(",")[0], str(order), said])
    head = ["contestant", f"growth exponent, {every[0].unknowns} to {every[-1].unknowns}", "target"]
    return table(head, rows)
