"""Gaussian kernels on a cloud of points, in compressed rows.

Points are cut into small patches of neighbours. A patch sees the points within the cutoff of its
bounding box; their distances fit a processor's cache, and threads share the patches. A first
sweep counts, a second one fills the arrays where they will stay.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree, distance

from coupled_flows.geometry.errors import Array

Index = NDArray[np.signedinteger[Any]]
PATCH = 64
BLOCK = 50_000
FEW = 8


def near_kernel(points: Array, bandwidth: float, radius: float) -> sparse.csr_array:
    """Return exp(-|x_i - x_j|^2/(4 eps)) for pairs at most `radius` apart, exactly symmetric."""
    n, limit = len(points), radius * radius
    order = cKDTree(points, leafsize=PATCH).indices
    patches = [order[a : a + PATCH] for a in range(0, n, PATCH)]
    columns = np.ascontiguousarray(points.T)
    count = np.zeros(n + 1, np.int64)

    def look(patch: Index) -> Index:
        seen = np.flatnonzero(_to_box(columns, patch) <= limit * (1 + 1e-12)).astype(np.int32)
        square = _squares(points[patch], points[seen])
        count[patch + 1] = np.count_nonzero(square <= limit, axis=1)
        return seen

    views = _shared(look, patches)
    first = np.cumsum(count)
    data, column = np.empty(first[-1]), np.empty(first[-1], np.int32)

    def fill(patch: Index, seen: Index) -> None:
        square = _squares(points[patch], points[seen])
        near = square <= limit
        for row, inside, entries in zip(patch, near, _gaussian(square, bandwidth), strict=True):
            place, kept = slice(first[row], first[row + 1]), np.flatnonzero(inside)
            # clip: only then it writes into place at once
            entries.take(kept, out=data[place], mode="clip")
            seen.take(kept, out=column[place], mode="clip")

    _shared(fill, patches, views)
    return _rows(data, column, first)


def full_kernel(points: Array, bandwidth: float) -> sparse.csr_array:
    """Return exp(-|x_i - x_j|^2/(4 eps)) for all pairs."""
    n = len(points)
    data = _gaussian(_squares(points, points).ravel(), bandwidth)
    return _rows(data, np.tile(np.arange(n, dtype=np.int32), n), n * np.arange(n + 1))


def by_rows(kernel: sparse.csr_array, task: Callable[[Array, Index, Index], Array]) -> Array:
    """Return task(entries, columns, where rows begin) over blocks of rows that fit a cache.

    The task may change the entries. No row is empty.
    """
    first, n = kernel.indptr, kernel.shape[0]
    cuts = np.searchsorted(first, np.arange(0, first[-1], BLOCK))
    ends = np.unique(np.append(cuts, [0, n]))

    def block(a: int, b: int) -> Array:
        part = slice(first[a], first[b])
        return task(kernel.data[part], kernel.indices[part], first[a:b] - first[a])

    return np.concatenate(_shared(block, ends[:-1], ends[1:]))


def sums(data: Array, column: Index, first: Index) -> Array:
    """Return the sum of each row, a task for `by_rows`."""
    return np.add.reduceat(data, first)


def _shared(task: Callable[..., Any], *each: Sequence[Any] | Index) -> list[Any]:
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if len(each[0]) < FEW or threads == 1:  # threads take longer to start
        return list(map(task, *each))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(task, *each))


def _rows(data: Array, column: Index, first: Index) -> sparse.csr_array:
    if len(data) < np.iinfo(np.int32).max:
        first = first.astype(np.int32)
    n = len(first) - 1
    return sparse.csr_array((data, column, first), shape=(n, n))


def _gaussian(squares: Array, bandwidth: float) -> Array:
    with np.errstate(over="ignore"):  # the kernel is 0 there
        squares /= -4 * bandwidth
    return np.exp(squares, out=squares)


def _squares(points: Array, others: Array) -> Array:
    """Return squared distances; a sum of squares of differences does not see their order."""
    return distance.cdist(points, others, "sqeuclidean")


def _to_box(columns: Array, rows: Index) -> Array:
    """Return the squared distance of every point to the bounding box of some."""
    total, apart = np.zeros(columns.shape[1]), np.empty(columns.shape[1])
    for coordinate in columns:
        mine = coordinate[rows]
        np.clip(coordinate, mine.min(), mine.max(), out=apart)
        apart -= coordinate
        apart *= apart
        total += apart
    return total
