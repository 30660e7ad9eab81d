"""The Gaussian kernel in compressed rows, against the dense one, and sums over its rows."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from coupled_flows.generators import kernel
from coupled_flows.generators.kernel import Index, by_rows, full_kernel, near_kernel, sums
from coupled_flows.geometry.errors import Array

U = 2.0**-53
EPS = 0.02


def normal(n: int, dim: int) -> Array:
    return np.random.default_rng(1).standard_normal((n, dim))


def clustered(n: int, dim: int) -> Array:
    # three clusters of width 0.01, ten apart: most patches see one of them
    rng = np.random.default_rng(2)
    return rng.normal(scale=0.01, size=(n, dim)) + 10 * rng.integers(3, size=(n, 1))


def repeated(n: int, dim: int) -> Array:
    few = normal(-(-n // 40), dim)
    return few[np.random.default_rng(3).integers(len(few), size=n)]


def far(n: int, dim: int) -> Array:
    return 1e6 + normal(n, dim)


def on_a_line(n: int, dim: int) -> Array:
    return np.linspace(0, 3, n)[:, None] * np.eye(dim)[0] + 1e-3 * normal(n, dim)


CLOUDS: list[Callable[[int, int], Array]] = [normal, clustered, repeated, far, on_a_line]
each_cloud = pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: cloud.__name__)
each_dim = pytest.mark.parametrize("dim", [1, 2, 3, 7, 8, 64])
# N = 2, below one patch, one patch and one point, many patches and a part of one
each_size = pytest.mark.parametrize("n", [2, 20, kernel.PATCH + 1, 5 * kernel.PATCH + 7])


def squares(points: Array) -> Array:
    """Squared distances, all of them, by the formula."""
    return ((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)


def a_radius(points: Array) -> float:
    """A radius that keeps about a third of all pairs, and that no distance comes near."""
    distances = np.unique(np.sqrt(squares(points)))
    gaps = np.diff(distances) / distances[1:]
    third = len(distances) // 3
    k = third + int(np.argmax(gaps[third : third + 20]))
    # the rounding of a square is (dim + 2) u of it, far below this gap
    assert gaps[k] > 1e-9
    return float(distances[k] + distances[k + 1]) / 2


def close(values: Array, square: Array, dim: int) -> None:
    """Compare with exp(-square/(4 EPS)).

    Two sums of dim squares differ by 2 (dim + 2) u of themselves, the quotient by 2 u, and the
    exponential turns that into as much of its value times the exponent; it is right to an ulp.
    """
    exponent = square / (4 * EPS)
    expected = np.exp(-exponent)
    allowed = (exponent * (2 * (dim + 2) + 2) + 4) * U * expected
    # below the least normal number there are fewer digits
    assert (np.abs(values - expected) <= allowed + 2.0**-1070).all()


@each_cloud
@each_dim
@each_size
def test_the_near_kernel_is_the_dense_one_cut_at_the_radius(
    cloud: Callable[[int, int], Array], dim: int, n: int
) -> None:
    points = cloud(n, dim)
    square = squares(points)
    radius = 1.0 if n == 2 or square.max() == 0 else a_radius(points)
    found = near_kernel(points, EPS, radius)
    inside = square <= radius**2
    assert found.nnz == inside.sum()
    rows = np.repeat(np.arange(n), np.diff(found.indptr))
    assert inside[rows, found.indices].all()
    close(found.data, square[rows, found.indices], dim)
    # columns in order, each once
    for a, b in zip(found.indptr[:-1], found.indptr[1:], strict=True):
        assert (np.diff(found.indices[a:b]) > 0).all()
    # symmetric to the last bit, in pattern and in values: d P = (d P)' rests on it
    turned = found.T.tocsr()
    assert np.array_equal(turned.indptr, found.indptr)
    assert np.array_equal(turned.indices, found.indices)
    assert np.array_equal(turned.data, found.data)
    assert (found.diagonal() == 1).all()


@each_cloud
@each_dim
def test_the_full_kernel_is_the_dense_one(cloud: Callable[[int, int], Array], dim: int) -> None:
    points = cloud(70, dim)
    found = full_kernel(points, EPS)
    assert found.nnz == 70**2
    close(found.toarray(), squares(points), dim)
    assert np.array_equal(found.toarray(), found.toarray().T)


@pytest.mark.parametrize("dim", [2, 8])
def test_a_pair_at_the_radius_is_kept(dim: int) -> None:
    # whole numbers: all is exact, and 3^2 + 4^2 = 5^2
    grid = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), axis=-1).reshape(-1, 2)
    points = np.pad(grid, ((0, 0), (0, dim - 2)))
    found = near_kernel(points, 1.0, 5.0)
    assert found.nnz == (squares(points) <= 25).sum()
    assert found[0, 12 * 4 + 3] == np.exp(-25 / 4)
    assert found[0, 12 * 4 + 4] == 0


@pytest.mark.parametrize("radius", [0.0, 1e-200, 1e200, np.inf])
def test_any_radius_is_served(radius: float) -> None:
    points = repeated(90, 2)
    found = near_kernel(points, EPS, radius)
    assert found.nnz == ((squares(points) == 0).sum() if radius < 1 else 90**2)


@each_cloud
@pytest.mark.parametrize("dim", [3, 8])
def test_the_number_of_processors_changes_no_bit(
    cloud: Callable[[int, int], Array], dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = cloud(500, dim)
    radius = a_radius(points)
    results = []
    for processors in (1, 2, 7):
        monkeypatch.setattr(
            os, "sched_getaffinity", lambda _, k=processors: set(range(k)), raising=False
        )
        found = near_kernel(points, EPS, radius)
        results.append((found.data, found.indices, found.indptr, by_rows(found, sums)))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert np.array_equal(one, two)


@pytest.mark.parametrize("block", [1, 7, 100, 10**9])
def test_blocks_of_rows_are_as_good_as_a_loop(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # whole numbers, so that the order of a sum does not matter; a row of 90, rows of one entry
    rng = np.random.default_rng(4)
    dense = rng.integers(1, 9, size=(90, 90)) * (rng.random((90, 90)) < 0.1) * 1.0
    dense[17] = 3.0
    np.fill_diagonal(dense, 1.0)
    matrix = sparse.csr_array(dense)
    monkeypatch.setattr(kernel, "BLOCK", block)
    np.testing.assert_array_equal(by_rows(matrix, sums), dense.sum(axis=1))

    def doubled(data: Array, column: Index, first: Index) -> Array:
        data *= column + 1
        return np.add.reduceat(data, first)

    expected = dense * np.arange(1, 91)
    np.testing.assert_array_equal(by_rows(matrix, doubled), expected.sum(axis=1))
    np.testing.assert_array_equal(matrix.toarray(), expected)
