"""Laws on S^2 symmetric about the z axis: the heat kernel, exp(k z), rings, samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import eval_legendre
from scipy.stats import binom

from coupled_flows import RingLaw, Sphere, ZonalLaw

TURN = 2 * math.pi


def heat_kernel(time: float) -> ZonalLaw:
    """Law at that time of Brownian motion with generator Lap, from the north pole."""
    # l(l+1) t > 80 at the end: what is dropped is below (2l+1)/2 exp(-80)
    degree = np.arange(math.ceil(math.sqrt(80 / time)) + 1)
    return ZonalLaw(np.exp(-degree * (degree + 1) * time))


def kolmogorov(n: int) -> float:
    """Deviation of an empirical distribution function that one in a million exceeds."""
    # Dvoretzky-Kiefer-Wolfowitz: P(sup |F_n - F| > e) <= 2 exp(-2 n e^2)
    return math.sqrt(math.log(2e6) / (2 * n))


@pytest.mark.parametrize("time", [0.05, 0.3, 1.0])
def test_the_heat_kernel_is_the_sum_over_degrees(time: float) -> None:
    z = np.linspace(-1, 1, 21)
    total = np.zeros_like(z)
    for degree in range(200):
        weight = (2 * degree + 1) / (4 * math.pi) * math.exp(-degree * (degree + 1) * time)
        total += weight * eval_legendre(degree, z)
    # 40 terms below 4 pi, each with a few roundings
    np.testing.assert_allclose(heat_kernel(time).density(z), total, rtol=0, atol=40 * 13 * 2**-52)


@pytest.mark.parametrize("time", [0.002, 0.01, 0.05])
def test_the_heat_kernel_at_the_pole_for_small_times(time: float) -> None:
    # 4 pi t K = 1 + t/3 + t^2/15 + 4 t^3/315 + t^4/315 + ...: the next terms are below t^5/100
    expansion = 1 + time / 3 + time**2 / 15 + 4 * time**3 / 315 + time**4 / 315
    value = 4 * math.pi * time * heat_kernel(time).density([1.0])[0]
    # some 200 terms of size (2l+1) t <= 0.8, rounding 1.1e-16 each
    assert value == pytest.approx(expansion, abs=time**5 / 100 + 4e-14)


@pytest.mark.parametrize("time", [0.002, 0.01, 0.05])
def test_the_heat_kernel_is_positive_and_decreases(time: float) -> None:
    density = heat_kernel(time).density(np.cos(np.linspace(0, math.pi, 501)))
    # rounding of 200 terms of size up to 1/(4 pi t)
    noise = 200 * 2**-53 / (4 * math.pi * time) * 10
    assert density.min() > -noise
    assert np.diff(density).max() < 2 * noise


@pytest.mark.parametrize("k", [0.1, 2.0, 8.0])
def test_the_mean_height_of_exp_kz(k: float) -> None:
    law = ZonalLaw.from_density(lambda z: np.exp(k * (z - 1)), 48)
    expected = 1 / math.tanh(k) - 1 / k
    # a sum over 196 nodes, normalised; coth k - 1/k itself loses 1/k digits
    assert float(law.mean(lambda z: z)) == pytest.approx(expected, abs=196 * 2**-53 + 2**-51 / k)
    assert law.moments[1] == pytest.approx(expected, abs=196 * 2**-53 + 2**-51 / k)


@pytest.mark.parametrize("k", [0.1, 2.0, 8.0])
def test_the_quantiles_of_exp_kz_are_in_closed_form(k: float) -> None:
    law = ZonalLaw.from_density(lambda z: np.exp(k * (z - 1)), 48)
    upper = (np.arange(10) + 0.5) / 10  # mass above height z: (1 - e^(-k(1-z)))/(1 - e^(-2k))
    z = 1 + np.log1p(upper * np.expm1(-2 * k)) / k
    # Newton stops at 1e-14 of mass; d(cos)/d(mass) = 1/density of z, at most
    # (1 - e^(-2k)) e^(k(1-z))/k
    slope = -np.expm1(-2 * k) / k / np.exp(k * (z - 1))
    assert (np.abs(np.cos(law.quantiles(10)) - z) < 5e-14 * slope + 1e-14).all()


def test_the_density_is_per_area() -> None:
    law = ZonalLaw.from_density(lambda z: 1 + 0.5 * z, 3)
    # linear in z: exact up to rounding
    np.testing.assert_allclose(
        law.density([-1.0, 0.0, 1.0]), np.array([0.5, 1.0, 1.5]) / (4 * math.pi), rtol=1e-14
    )
    total = quad(lambda z: TURN * law.density([z])[0], -1, 1)[0]
    assert total == pytest.approx(1, abs=1e-14)


def test_the_uniform_law_has_evenly_spaced_heights() -> None:
    heights = np.cos(ZonalLaw(np.array([1.0])).quantiles(50))
    # Newton stops at 1e-14 of the mass, which is half the height
    np.testing.assert_allclose(heights, 1 - (np.arange(50) + 0.5) / 25, rtol=0, atol=4e-14)


@pytest.mark.parametrize("k", [0.0, 3.0])
def test_samples_follow_the_distribution_function(k: float) -> None:
    n = 50_000
    law = ZonalLaw.from_density(lambda z: np.exp(k * z), 32)
    x = law.sample(n, np.random.default_rng(4))
    assert Sphere(2).belongs(x, atol=1e-15 * 4).all()
    z = np.sort(x[:, 2])
    share = (z + 1) / 2 if k == 0 else np.expm1(k * (z + 1)) / math.expm1(2 * k)
    assert np.abs(share - (np.arange(n) + 0.5) / n).max() < kolmogorov(n)
    azimuth = np.sort(np.mod(np.arctan2(x[:, 1], x[:, 0]), TURN)) / TURN
    assert np.abs(azimuth - (np.arange(n) + 0.5) / n).max() < kolmogorov(n)
    # height and azimuth are independent: five standard errors of a mean of products
    product = np.sin(np.arctan2(x[:, 1], x[:, 0])) * (x[:, 2] - x[:, 2].mean())
    assert abs(product.mean()) < 5 * product.std() / math.sqrt(n)


# -- rings --------------------------------------------------------------------------------------


def test_rings_are_atoms_of_the_polar_angle() -> None:
    angles, masses = RingLaw(np.array([0.5, 1.0, -1.0]), np.array([1.0, 2.0, 1.0])).atoms()
    # arccos is good to one rounding of pi
    np.testing.assert_allclose(angles, [0, math.pi / 3, math.pi], rtol=0, atol=2 * 2**-52)
    np.testing.assert_array_equal(masses, [0.5, 0.25, 0.25])


def test_quantiles_of_rings() -> None:
    law = RingLaw(np.array([0.0, 1.0]), np.array([3.0, 1.0]))
    np.testing.assert_allclose(law.quantiles(4), [0] + [math.pi / 2] * 3, rtol=0, atol=2**-52)
    np.testing.assert_allclose(law.quantiles(1), [math.pi / 2], rtol=0, atol=2**-52)


def test_the_mean_over_rings() -> None:
    law = RingLaw(np.array([0.5, -1.0]), np.array([1.0, 3.0]))
    # exact in binary
    np.testing.assert_array_equal(law.mean(lambda z: np.stack([z, z**2], 1)), [-0.625, 0.8125])


def test_rings_are_sampled_with_their_masses() -> None:
    n = 50_000
    law = RingLaw(np.array([0.5, -1.0]), np.array([1.0, 3.0]))
    x = law.sample(n, np.random.default_rng(6))
    assert Sphere(2).belongs(x, atol=4e-15).all()
    # the height is cos(arccos z)
    upper = np.abs(x[:, 2] - 0.5) < 1e-15
    np.testing.assert_allclose(x[~upper, 2], -1)
    # false once in a million: the exact binomial law
    assert binom(n, 0.25).cdf(upper.sum()) > 5e-7
    assert binom(n, 0.25).sf(upper.sum()) > 5e-7
    azimuth = np.sort(np.mod(np.arctan2(x[upper, 1], x[upper, 0]), TURN)) / TURN
    count = len(azimuth)
    assert np.abs(azimuth - (np.arange(count) + 0.5) / count).max() < kolmogorov(count)


@pytest.mark.parametrize("z", [[1.1], [-1.0000001], [math.nan], [[0.5]], [], 0.5, "z", [1j]])
def test_heights_are_heights(z: object) -> None:
    uniform = ZonalLaw(np.array([1.0]))
    with pytest.raises((TypeError, ValueError), match=r"heights must .*got"):
        RingLaw(z)  # type: ignore[arg-type]
    with pytest.raises((TypeError, ValueError), match=r"z must .*got"):
        uniform.density(z)  # type: ignore[arg-type]
