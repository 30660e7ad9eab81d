"""Spherical harmonics: the first by hand, all by the addition theorem; the grid by monomials."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.polynomial import legendre

from coupled_flows import Sphere
from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.harmonics import (
    degrees_and_orders,
    harmonic_grid,
    harmonic_slopes,
    harmonics,
    south_and_east,
)

U = 2.0**-53


def some_points(n: int, seed: int = 1) -> Array:
    return Sphere(2).random_point(n, np.random.default_rng(seed))


def test_columns_are_ordered_by_degree_and_order() -> None:
    of, order = degrees_and_orders(2)
    assert of.tolist() == [0, 1, 1, 1, 2, 2, 2, 2, 2]
    assert order.tolist() == [0, -1, 0, 1, -2, -1, 0, 1, 2]


def test_the_first_nine_are_the_written_polynomials() -> None:
    points = np.concatenate([some_points(20), [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]])
    x, y, z = points.T
    three, five, fifteen = math.sqrt(3), math.sqrt(5), math.sqrt(15)
    first = [1 + 0 * z, three * y, three * z, three * x]
    second = [
        fifteen * x * y,
        fifteen * y * z,
        five / 2 * (3 * z**2 - 1),
        fifteen * x * z,
        fifteen / 2 * (x**2 - y**2),
    ]
    # ten operations on numbers below 8
    np.testing.assert_allclose(
        harmonics(points, 2), np.column_stack(first + second), rtol=0, atol=10 * 8 * U
    )


def by_degree(left: Array, right: Array, degree: int) -> Array:
    """Sums over m of products of two tables, for each degree and pair of points."""
    of, _ = degrees_and_orders(degree)
    return np.stack([left[:, of == k] @ right[:, of == k].T for k in range(degree + 1)])


@pytest.mark.parametrize("degree", [1, 7, 40])
def test_the_addition_theorem(degree: int) -> None:
    x, y = some_points(30, 1), some_points(30, 2)
    x[:2] = [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]
    cosine = np.clip(x @ y.T, -1, 1)
    scale = 2 * np.arange(degree + 1)[:, None, None] + 1
    legendres = np.moveaxis(legendre.legvander(cosine, degree), -1, 0)
    # coordinates right to u move P_l by at most l(l+1)/2 u; as much for each of three points
    tolerance = scale * (3 * degree * (degree + 1) / 2 + 8 * degree + 8) * U
    miss = abs(by_degree(harmonics(x, degree), harmonics(y, degree), degree) - scale * legendres)
    assert (miss <= tolerance).all()


@pytest.mark.parametrize("degree", [1, 7, 40])
def test_slopes_by_the_addition_theorem(degree: int) -> None:
    x, y = some_points(30, 1), some_points(30, 2)
    table = harmonics(x, degree)
    series = np.eye(degree + 1)
    slope = np.stack([legendre.legval(x @ y.T, legendre.legder(c)) for c in series])
    scale = 2 * np.arange(degree + 1)[:, None, None] + 1
    # P_l'' is at most l^4/8: once more for the point whose slope it is, over s > 0.1
    tolerance = scale * (3 * degree**2 * (degree + 1) ** 2 / 8 + 8 * degree + 8) * 10 * U
    for got, tangent in zip(harmonic_slopes(y, degree), south_and_east(y), strict=True):
        expected = scale * slope * (x @ tangent.T)
        assert (abs(by_degree(table, got, degree) - expected) <= tolerance).all()


def test_a_turn_around_the_axis_mixes_orders_of_one_size() -> None:
    points, angle, degree = some_points(10), 0.7, 12
    c, s = math.cos(angle), math.sin(angle)
    turned = points @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    of, order = degrees_and_orders(degree)
    table = harmonics(points, degree)
    mixed = np.cos(order * angle) * table - np.sin(order * angle) * table[:, of**2 + of - order]
    # slopes below 13^2 times coordinates right to 4 u
    np.testing.assert_allclose(harmonics(turned, degree), mixed, rtol=0, atol=4 * 169 * 4 * U)


def test_south_and_east_are_a_frame() -> None:
    x = some_points(20)
    south, east = south_and_east(x)
    frame = np.stack([south, east, x], axis=1)
    # products of three numbers right to 4 u
    np.testing.assert_allclose(
        frame @ frame.transpose(0, 2, 1), np.tile(np.eye(3), (20, 1, 1)), rtol=0, atol=24 * U
    )
    np.testing.assert_allclose(np.linalg.det(frame), 1, rtol=0, atol=48 * U)
    assert (south[:, 2] < 0).all()
    np.testing.assert_array_equal(east[:, 2], 0)


def monomial(a: int, b: int, c: int) -> float:
    """Return the mean of x^a y^b z^c over the sphere."""
    if a % 2 or b % 2 or c % 2:
        return 0.0
    odd = [math.prod(range(k - 1, 0, -2)) for k in (a, b, c)]
    return math.prod(odd) / math.prod(range(a + b + c + 1, 0, -2))


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_the_grid_integrates_polynomials_of_twice_its_degree(degree: int) -> None:
    points, weights = harmonic_grid(degree)
    assert points.shape == ((degree + 1) * (2 * degree + 1), 3)
    assert weights.min() > 0
    powers = range(2 * degree + 1)
    for a, b, c in ((a, b, c) for a in powers for b in powers for c in powers):
        if a + b + c <= 2 * degree:
            got = weights @ np.prod(points ** [a, b, c], axis=1)
            # a sum of 66 terms below 1
            assert got == pytest.approx(monomial(a, b, c), abs=66 * U)


def test_the_harmonics_are_orthonormal_on_the_grid() -> None:
    degree = 30
    points, weights = harmonic_grid(degree)
    table = harmonics(points, degree)
    # 31 terms in height, each product right to l u; NumPy's weights would give 4e-14
    np.testing.assert_allclose(
        table.T @ (weights[:, None] * table), np.eye(len(table.T)), rtol=0, atol=4 * 31 * U
    )
