"""The data walk: how long its assembly takes, against the radius graph it could be made from.

The contestant to beat is scikit-learn's `radius_neighbors_graph` alone: distances, no kernel, no
normalisation, no stationary law, no bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree
from sklearn.neighbors import radius_neighbors_graph

from benchmarks.clock import Contestant, Reading, Spread, interleave, ratio, timed
from benchmarks.report import Result, spread, table, verdict
from coupled_flows import DataWalk, DensityLaw, Sphere
from coupled_flows.geometry.errors import Array

POINTS = 20_000
BANDWIDTHS = (2e-3, 8e-3)
ALPHA, CUTOFF = 0.5, 6.0
TARGET = 1.5
# of P z, whatever side of the cutoff rounding puts a pair on: e^-18 for each of a few pairs
AGREEMENT = 1e-7
BLOCK = 1000

INTRODUCTION = """\
{points} points on S^2 with density proportional to exp(z), the same for all; alpha = {alpha:g},
pairs up to {cutoff:g} standard deviations, float64, all processors where a row can use them.
*Everything* is the matrix P, the stationary law and, for the library, the bound on what the cutoff
leaves out. Every contestant's result is deleted before the next one starts. *Threads*: cores really
at work. *× graph*: against scikit-learn's graph in the same round; *medians*: quotient of the two
medians. *Check*: entries that differ in number for the graph; largest difference of P z, from the
library's, for the others."""


@dataclass
class Assembly:
    """One way from the points to a graph or a walk."""

    name: str
    computes: str
    build: Callable[[], Any]
    differs: Callable[[Any], float]
    allowed: float
    worst: float = field(default=0.0)

    def run(self) -> Reading:
        """Build, timed; then look at the result, and forget it."""
        made: list[Any] = []
        reading = timed(lambda: made.append(self.build()))
        difference = self.differs(made.pop())
        self.worst = max(self.worst, difference if math.isfinite(difference) else math.inf)
        return reading

    @property
    def right(self) -> bool:
        """Whether every result was the right one."""
        return self.worst <= self.allowed


def run(rounds: int, with_peers: bool) -> Result:
    """Time everything side by side at every bandwidth and return the tables."""
    law = DensityLaw(lambda x: np.exp(x[:, 2] - 1), 1.0, Sphere(2))
    points = law.sample(POINTS, np.random.default_rng(20260417))
    parts = [INTRODUCTION.format(points=POINTS, alpha=ALPHA, cutoff=CUTOFF)]
    sound = True
    for eps in BANDWIDTHS:
        print(f"  bandwidth {eps:g}", flush=True)
        every, entries = contestants(points, eps, with_peers)
        known: list[Contestant] = [*every]
        readings = interleave(known, rounds)
        sound &= all(one.right for one in every)
        head = f"### eps = {eps:g}\n\n{entries / POINTS:.0f} entries in a row."
        parts.append(f"{head}\n\n{_table(every, readings)}")
    return Result("\n\n".join(parts), sound)


def contestants(points: Array, eps: float, with_peers: bool) -> tuple[list[Assembly], int]:
    """Return the graph first, the library second, then the peers; and the number of entries."""
    radius = CUTOFF * math.sqrt(2 * eps)
    walk = DataWalk(points, eps, ALPHA, CUTOFF)
    z, entries = points[:, 2], walk.matrix.nnz
    expected = walk.apply(z)
    del walk

    def graph() -> sparse.csr_matrix:
        return radius_neighbors_graph(points, radius, mode="distance", include_self=True, n_jobs=-1)

    def off(matrix: Any) -> float:
        return float(np.abs(matrix @ z - expected).max())

    every = [
        # a pair whose distance is the radius up to rounding
        Assembly(
            "scikit-learn, radius graph", "distances", graph, lambda g: abs(g.nnz - entries), 4
        ),
        Assembly(
            "**coupled_flows**",
            "everything",
            lambda: DataWalk(points, eps, ALPHA, CUTOFF),
            lambda made: off(made.matrix),
            0.0,
        ),
    ]
    if with_peers:
        for name, kernel in (
            ("scikit-learn, then SciPy", lambda: _gaussian(graph(), eps)),
            ("cKDTree, pairs", lambda: pairs(points, eps, radius)),
            ("NumPy, blocks by products", lambda: products(points, eps, radius)),
        ):
            every.append(
                Assembly(name, "P", lambda k=kernel: normalise(k()), off, AGREEMENT)  # type: ignore[misc]
            )
    return every, entries


def _gaussian(distances: sparse.csr_matrix, eps: float) -> sparse.csr_matrix:
    distances.data = np.exp(-(distances.data**2) / (4 * eps))
    return distances


def pairs(points: Array, eps: float, radius: float) -> sparse.csr_matrix:
    """Return the kernel by SciPy's tree: every pair once, and its mirror."""
    i, j = cKDTree(points).query_pairs(radius, output_type="ndarray").T
    apart = points[i] - points[j]
    values = np.exp(-np.einsum("ij,ij->i", apart, apart) / (4 * eps))
    n = len(points)
    half = sparse.csr_matrix((values, (i, j)), (n, n))
    return (half + half.T + sparse.identity(n)).tocsr()


def products(points: Array, eps: float, radius: float) -> sparse.csr_matrix:
    """Return the kernel by |x|^2 + |y|^2 - 2 x.y, a block of rows at a time.

    The three terms cancel: nearby points far from the origin lose their distance.
    """
    n, size = len(points), np.einsum("ij,ij->i", points, points)
    counts, columns, values = [np.zeros(1, np.int64)], [], []
    for a in range(0, n, BLOCK):
        square = points[a : a + BLOCK] @ points.T
        square *= -2
        square += size
        square += size[a : a + BLOCK, None]
        row, column = np.nonzero(square <= radius**2)
        counts.append(np.bincount(row, minlength=len(square)))
        columns.append(column.astype(np.int32))
        values.append(np.exp(-np.maximum(square[row, column], 0) / (4 * eps)))
    first = np.cumsum(np.concatenate(counts))
    return sparse.csr_matrix((np.concatenate(values), np.concatenate(columns), first), (n, n))


def normalise(kernel: sparse.csr_matrix) -> sparse.csr_matrix:
    """Turn a kernel into P, in place: divide by q to the power alpha, then by the sums of rows."""
    scale = np.asarray(kernel.sum(axis=1)).ravel() ** -ALPHA
    row = np.repeat(np.arange(kernel.shape[0]), np.diff(kernel.indptr))
    kernel.data *= scale[row]
    kernel.data *= scale[kernel.indices]
    kernel.data /= np.asarray(kernel.sum(axis=1)).ravel()[row]
    return kernel


def _table(every: Sequence[Assembly], readings: dict[str, list[Reading]]) -> str:
    graph, ours = every[:2]
    middle = {name: Spread.of([reading.seconds for reading in of]) for name, of in readings.items()}
    rows = []
    for one in every:
        cores = Spread.of([reading.cores for reading in readings[one.name]])
        to_graph = ratio(readings, one.name, 1, graph.name, 1)
        said = f"{one.worst:.0e}" if one.worst else "0"
        rows.append(
            [
                one.name,
                one.computes,
                f"{cores.median:.1f}",
                spread(middle[one.name]),
                spread(to_graph),
                f"{middle[one.name].median / middle[graph.name].median:.2f}",
                verdict(to_graph.median, TARGET) if one is ours else "",
                said if one.right else f"**WRONG:** {said}",
            ]
        )
    head = ["contestant", "computes", "threads", "seconds", "× graph", "medians", "target", "check"]
    return table(head, rows)
