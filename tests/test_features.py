"""Angles between row spaces, the stable rank, and correlations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows import principal_angles, stable_rank
from coupled_flows.geometry.errors import Array
from coupled_flows.measure.features import correlation

UNIT = 2.0**-53
seeds = st.integers(0, 2**32 - 1)


def rotation(n: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


@given(
    seed=seeds,
    angles=st.lists(st.floats(0, math.pi / 2), min_size=1, max_size=3),
    small=st.floats(1e-300, 1e-8),
)
def test_angles_that_are_put_in_come_out(seed: int, angles: list[float], small: float) -> None:
    rng = np.random.default_rng(seed)
    angles = sorted([*angles, small])
    n = len(angles)
    turn = rotation(2 * n, rng)
    first = rng.uniform(0.5, 2, n)[:, None] * turn[:n]
    second = np.cos(angles)[:, None] * turn[:n] + np.sin(angles)[:, None] * turn[n:]
    # any bases of the two spaces, of condition numbers below 4 and 100
    second = (rotation(n, rng) * rng.uniform(0.1, 10, n)) @ rotation(n, rng) @ second
    found = principal_angles(first, second)
    # products of 2 n x 2 n matrices, and bases that are right to their condition number
    np.testing.assert_allclose(found, angles, rtol=0, atol=2000 * n * UNIT)
    # in the other order, and for rotated data
    np.testing.assert_allclose(principal_angles(second, first), found, rtol=0, atol=2000 * n * UNIT)


def test_small_angles_and_right_ones_are_not_rounded_away() -> None:
    for angle in (0.0, 1e-300, 1e-20, 1e-12, 1e-8, math.pi / 4, math.pi / 2 - 1e-12, math.pi / 2):
        found = principal_angles([[1.0, 0.0]], [[math.cos(angle), math.sin(angle)]])
        # a sine or a cosine of an angle up to pi/4, each rounded a few times
        np.testing.assert_allclose(found, [angle], rtol=8 * UNIT, atol=8 * UNIT * (angle > 1))


def test_spaces_of_different_dimensions_and_rows_that_depend() -> None:
    plane = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]]
    np.testing.assert_allclose(principal_angles(plane, [[0.0, 1.0, 1.0]]), [math.pi / 4])
    np.testing.assert_allclose(
        principal_angles(plane, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
        [0.0, math.pi / 2],
        rtol=0,
        atol=1e-15,
    )
    assert principal_angles([[1e-300, 0.0]], [[1e300, 0.0]]).tolist() == [0.0]


@given(seed=seeds, sizes=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=4))
def test_the_stable_rank_is_read_off_singular_values(seed: int, sizes: list[float]) -> None:
    rng, n = np.random.default_rng(seed), len(sizes)
    W = (rotation(n, rng) * sizes) @ rotation(6, rng)[:n]
    expected = sum((size / max(sizes)) ** 2 for size in sizes)
    # singular values are right to n u of the largest
    assert stable_rank(W) == pytest.approx(expected, rel=200 * UNIT)
    assert 1 <= stable_rank(W) <= n * (1 + 4 * UNIT)


def test_the_stable_rank_does_not_see_the_size() -> None:
    W = np.array([[2.0, 0.0], [0.0, 1.0]])
    for size in (1e-300, 1.0, 1e300):
        assert stable_rank(size * W) == pytest.approx(1.25, rel=8 * UNIT)
    assert stable_rank(np.eye(3)) == pytest.approx(3, rel=8 * UNIT)
    assert stable_rank(np.ones((3, 4))) == pytest.approx(1, rel=8 * UNIT)


def test_zero_spans_nothing() -> None:
    zero = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"A must not be zero; got "):
        principal_angles(zero, np.eye(3))
    with pytest.raises(ValueError, match=r"B must not be zero; got "):
        principal_angles(np.eye(3), zero)
    with pytest.raises(ValueError, match=r"B must have shape \(m, 3\)"):
        principal_angles(np.eye(3), np.eye(2))
    with pytest.raises(ValueError, match=r"W must not be zero; got "):
        stable_rank(zero)


@given(seed=seeds, size=st.sampled_from([1e-150, 1.0, 1e150]))
def test_correlations_that_are_put_in_come_out(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    # uncorrelated columns of length 1 and mean 0: an orthonormal frame that starts with ones
    frame = np.linalg.qr(np.column_stack([np.ones(40), rng.standard_normal((40, 3))]))[0][:, 1:]
    mix = rng.standard_normal((3, 3)) + 2 * np.eye(3)
    covariance = mix.T @ mix
    deviation = np.sqrt(np.diag(covariance))
    shift = rng.standard_normal(3)
    found = correlation(size * (frame @ mix + shift))
    # forty terms of a frame right to 40 u; the shift costs its size over the deviation / sqrt(40)
    most = 100 * UNIT * 40 * (1 + np.abs(shift).max() * 7 / deviation.min())
    np.testing.assert_allclose(
        found, covariance / np.outer(deviation, deviation), rtol=0, atol=most
    )
    assert (np.diag(found) == 1).all()
    assert (found == found.T).all()


def test_weights_of_points_are_as_good_as_repeated_points() -> None:
    rng = np.random.default_rng(3)
    x, times = rng.standard_normal((30, 3)), rng.integers(0, 4, 30)
    found = correlation(x, 1e300 * times)
    # at most 120 terms of size 1
    np.testing.assert_allclose(found, correlation(np.repeat(x, times, axis=0)), rtol=0, atol=1e-14)
    np.testing.assert_allclose(
        found, np.corrcoef(np.repeat(x, times, axis=0).T), rtol=0, atol=1e-14
    )


def test_features_that_are_copies_are_fully_correlated_and_a_constant_has_none() -> None:
    t = np.linspace(0, 1, 7)
    np.testing.assert_allclose(
        correlation(np.column_stack([t, 5 - 3 * t])), [[1, -1], [-1, 1]], rtol=4 * UNIT
    )
    with pytest.raises(ValueError, match=r"x must vary in each column; got column 1 constant"):
        correlation(np.column_stack([t, np.full(7, 0.1)]))
    with pytest.raises(ValueError, match=r"x must vary in each column; got column 0 constant"):
        correlation([[1.0], [2.0]], [0.0, 1.0])
    with pytest.raises(ValueError, match=r"weights must be >= 0 and not all 0; got -1"):
        correlation([[1.0], [2.0]], [-1.0, 1.0])
    with pytest.raises(ValueError, match=r"weights must be >= 0 and not all 0; got 0"):
        correlation([[1.0], [2.0]], [0.0, 0.0])
