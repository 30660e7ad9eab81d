"""The distance between convex hulls: closed forms, duality, and a support vector machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.svm import SVC

from coupled_flows.geometry.errors import Array
from coupled_flows.measure.hulls import hull_gap

UNIT = 2.0**-53
seeds = st.integers(0, 2**32 - 1)


def rotation(n: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


@given(seed=seeds, m=st.integers(2, 6), size=st.sampled_from([1e-300, 1.0, 1e300]))
def test_boxes_are_as_far_apart_as_their_sides(seed: int, m: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    corners = np.array(np.meshgrid(*[[0.0, 1.0]] * m)).reshape(m, -1).T
    first, second = corners * rng.uniform(0.1, 1, m), corners * rng.uniform(0.1, 1, m)
    shift = rng.uniform(-2, 2, m)
    second = second + shift
    # along each axis the gap of two intervals
    gaps = np.maximum(
        second.min(axis=0) - first.max(axis=0), first.min(axis=0) - second.max(axis=0)
    )
    exact = float(np.linalg.norm(np.maximum(gaps, 0.0)))
    turn = rotation(m, rng)
    found = hull_gap(size * (first @ turn), size * (second @ turn)) / size
    # 32 m u size^2 over the distance, the size below 3; rotated corners are right to 30 m u
    assert found == pytest.approx(exact, rel=0, abs=m * UNIT * (30 + 288 / max(exact, 1e-8)))
    assert (found == 0) == (exact == 0)


@given(seed=seeds, m=st.integers(1, 8), n=st.integers(1, 40))
def test_it_is_the_largest_gap_of_any_direction(seed: int, m: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((n, m)), rng.standard_normal((7, m)) + rng.uniform(0, 4)
    found = hull_gap(a, b)
    assert found == pytest.approx(hull_gap(b, a), rel=0, abs=1e-11)
    # weak duality from both sides: any direction has no larger gap, any two points no smaller one
    for w in rng.standard_normal((20, m)):
        w /= np.linalg.norm(w)
        assert (a @ w).min() - (b @ w).max() <= found + 1e-14 * m
    for _ in range(20):
        p, q = rng.dirichlet(np.ones(n)) @ a, rng.dirichlet(np.ones(7)) @ b
        assert found <= np.linalg.norm(p - q) + 1e-14 * m


@pytest.mark.parametrize(("n", "m", "shift"), [(200, 2, 7.0), (100, 10, 6.0), (40, 30, 2.0)])
def test_a_support_vector_machine_finds_the_same(n: int, m: int, shift: float) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.standard_normal((n, m)), rng.standard_normal((n, m))
    b[:, 0] += shift
    machine = SVC(kernel="linear", C=1e6, tol=1e-7).fit(np.vstack([a, b]), [0] * n + [1] * n)
    # the machine keeps its matrix in single precision
    assert hull_gap(a, b) == pytest.approx(2 / np.linalg.norm(machine.coef_), rel=1e-5)


def test_points_that_touch_repeat_or_lie_in_a_line() -> None:
    point = np.array([[0.1, 0.2, 0.3]])
    assert hull_gap(point, point) == 0
    assert hull_gap(np.zeros((2, 3)), np.zeros((1, 3))) == 0
    assert hull_gap(np.zeros((2, 0)), np.zeros((1, 0))) == 0
    line, up = np.arange(5.0)[:, None] * [[1.0, 1.0]], np.array([[0.0, 1.0]])
    assert hull_gap(line, line + 0.5) == 0
    assert hull_gap(line, line + up) == pytest.approx(0.5**0.5, rel=8 * UNIT)
    assert hull_gap(np.repeat(line, 3, axis=0), line + up) == pytest.approx(0.5**0.5, rel=1e-12)
    # a vertex against a side, and a corner that is tried and dropped
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert hull_gap(triangle, np.array([[1.0, 1.0]])) == pytest.approx(0.5**0.5, rel=8 * UNIT)
    assert hull_gap(triangle, np.array([[0.25, 0.25]])) == 0
    assert hull_gap(triangle, np.array([[0.25, -1e-9]])) == pytest.approx(1e-9, rel=1e-6)
