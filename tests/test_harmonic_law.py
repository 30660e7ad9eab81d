"""Laws on S^2 by moments of harmonics: closed forms, another grid, samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from coupled_flows import DensityLaw, PointLaw, Sphere, Torus, wasserstein
from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.harmonics import harmonic_grid
from coupled_flows.measure.harmonic import HarmonicLaw

U = 2.0**-53
TILT = np.array([0.6, -1.2, 0.8])


def tilted(x: Array) -> Array:
    return np.exp(x @ TILT)


LAW = HarmonicLaw.from_density(tilted, 20)


def test_moments_of_a_tilted_law_are_in_closed_form() -> None:
    k = float(np.linalg.norm(TILT))
    # E x = (coth k - 1/k) TILT/k, and Y_1 = sqrt(3) (y, z, x)
    mean = (1 / math.tanh(k) - 1 / k) * TILT / k
    # sums of 41 heights, products right to 20 u
    np.testing.assert_allclose(
        LAW.moments[1:4], math.sqrt(3) * mean[[1, 2, 0]], rtol=0, atol=4 * 61 * U
    )
    np.testing.assert_allclose(LAW.mean(lambda x: x), mean, rtol=0, atol=4 * 61 * U)
    x = Sphere(2).random_point(3000, np.random.default_rng(1))
    density = k / (4 * math.pi * math.sinh(k)) * tilted(x)
    # 441 terms right to 20^2/2 u each, whose sizes sum to 3; degrees beyond 20 leave 1e-17
    np.testing.assert_allclose(LAW.density(x), density, rtol=0, atol=3 * 441 * 200 * U)


def test_the_mean_is_an_integral_against_the_density() -> None:
    points, weight = harmonic_grid(60)
    expected = weight @ (tilted(points) * np.cos(3 * points[:, 0])) / (weight @ tilted(points))
    got = LAW.mean(lambda x: np.cos(3 * x[:, 0]))
    assert float(got) == pytest.approx(float(expected), abs=1e-13)  # sums of 121 terms


def test_samples_have_the_law() -> None:
    n = 40_000
    x = LAW.sample(n, np.random.default_rng(3))
    assert Sphere(2).belongs(x).all()
    f = np.column_stack([x, x[:, 0] * x[:, 1], x[:, 2] ** 2])
    expected = LAW.mean(lambda x: np.column_stack([x, x[:, 0] * x[:, 1], x[:, 2] ** 2]))
    # five standard errors
    assert (abs(f.mean(axis=0) - expected) < 5 * f.std(axis=0) / math.sqrt(n)).all()


def test_a_density_that_is_nearly_zero_is_sampled() -> None:
    # (1 + z)^8 by its series is rounded to below zero around the south pole
    law = HarmonicLaw.from_density(lambda x: (1 + x[:, 2]) ** 8, 10)
    z = law.sample(20_000, np.random.default_rng(4))[:, 2]
    # (1 + z)/2 is Beta(9, 1): mean of z 4/5, variance 9/275; five standard errors
    assert z.mean() == pytest.approx(0.8, abs=5 * math.sqrt(9 / 275 / 20_000))


def test_moments_are_normalised_and_kept() -> None:
    law = HarmonicLaw(np.array([1 + 1e-12, 0.0, 0.3, 0.0]))
    assert law.moments[0] == 1
    assert law.degree == 1
    assert law.manifold == Sphere(2)


@pytest.mark.parametrize(
    ("moments", "message"),
    [
        ([1.0, 0.5], r"moments must have shape \(\(L \+ 1\)\^2,\)"),
        ([0.5], "moments must be finite and start with 1"),
        ([1.0, np.nan, 0.0, 0.0], "moments must be finite"),
        ([1.0, 1j, 0.0, 0.0], "moments must be real"),
        ([[1.0]], "moments must be numbers of shape"),
    ],
)
def test_bad_moments_are_refused(moments: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"{message}.*got"):
        HarmonicLaw(moments)


def test_what_is_not_resolved_is_refused() -> None:
    with pytest.raises(ValueError, match=r"degree must be large enough.*last moments still"):
        HarmonicLaw.from_density(tilted, 10)
    # no moment up to 8 sees a wave of 15
    with pytest.raises(ValueError, match=r"degree must be large enough.*off by"):
        HarmonicLaw.from_density(lambda x: 1 + ((x[:, 0] + 1j * x[:, 1]) ** 15).real, 8)
    peak = HarmonicLaw(np.array([1.0, 0.0, 1.5, 0.0]))
    with pytest.raises(ValueError, match=r"density must be resolved by its series.*negative mass"):
        peak.sample(1, np.random.default_rng(1))


def test_distances_of_such_laws_are_left_to_samples() -> None:
    point = PointLaw(np.eye(3)[:1], manifold=Sphere(2))
    with pytest.raises(ValueError, match="compare samples of both"):
        wasserstein(LAW, point)
    with pytest.raises(ValueError, match="b must live on"):
        wasserstein(LAW, PointLaw(np.ones((1, 1)), manifold=Torus(1)))


def test_the_density_is_bounded_by_what_sampling_uses() -> None:
    # the same law by its true bound: both keep points exactly, so the means agree
    n = 20_000
    other = DensityLaw(tilted, math.exp(np.linalg.norm(TILT)), Sphere(2))
    a = LAW.sample(n, np.random.default_rng(5)) @ TILT
    b = other.sample(n, np.random.default_rng(6)) @ TILT
    # five standard errors
    assert abs(a.mean() - b.mean()) < 5 * math.sqrt((a.var() + b.var()) / n)
