"""Laws on the circle: von Mises, the heat kernel, samples against the distribution function."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ive
from scipy.stats import norm, vonmises

from coupled_flows import CircleLaw, Torus

TURN = 2 * math.pi


def von_mises(kappa: float, centre: float = 0.0, modes: int = 64) -> CircleLaw:
    return CircleLaw.from_density(lambda x: np.exp(kappa * (np.cos(x[:, 0] - centre) - 1)), modes)


def heat_kernel(variance: float, centre: float) -> CircleLaw:
    """Law of a Gaussian of that variance, wrapped: moments exp(-k^2 variance/2 - i k centre)."""
    k = np.arange(math.ceil(math.sqrt(80 / variance)) + 1)
    return CircleLaw(np.exp(-(k**2) * variance / 2 - 1j * k * centre))


def kolmogorov(n: int) -> float:
    """Deviation of an empirical distribution function that one in a million exceeds."""
    # Dvoretzky-Kiefer-Wolfowitz: P(sup |F_n - F| > e) <= 2 exp(-2 n e^2)
    return math.sqrt(math.log(2e6) / (2 * n))


@pytest.mark.parametrize("kappa", [0.1, 1.0, 10.0, 50.0])
def test_von_mises_moments_are_ratios_of_bessel_functions(kappa: float) -> None:
    k = np.arange(65)
    # a mean of 520 values of size at most 1: rounding 520 * 1.1e-16, over the mean exp(-kappa) I_0
    tolerance = 520 * 2**-53 / ive(0, kappa)
    np.testing.assert_allclose(
        von_mises(kappa).moments, ive(k, kappa) / ive(0, kappa), rtol=0, atol=tolerance
    )


@pytest.mark.parametrize("kappa", [0.1, 1.0, 10.0])
def test_the_density_is_von_mises(kappa: float) -> None:
    t = np.linspace(0, TURN, 50, endpoint=False)
    first = von_mises(kappa, 2.0).density(t[:, None])
    # 65 moments good to 1e-14, summed
    np.testing.assert_allclose(first, vonmises(kappa, loc=2.0).pdf(t), rtol=0, atol=65 * 1e-14)


def test_the_mean_is_the_integral() -> None:
    law = von_mises(3.0, 1.0)
    both = law.mean(lambda x: np.hstack([np.cos(x - 1), np.exp(np.sin(x))]))
    other = quad(
        lambda t: vonmises(3.0, loc=1.0).pdf(t) * math.exp(math.sin(t)), -1, TURN - 1, epsabs=1e-13
    )
    # quadrature of 2048 nodes: rounding 2048 * 1.1e-16; quad's own 1e-13
    np.testing.assert_allclose(both, [ive(1, 3.0) / ive(0, 3.0), other[0]], rtol=0, atol=5e-13)


@pytest.mark.parametrize("variance", [0.02, 0.5, 4.0])
def test_the_heat_kernel_is_a_wrapped_gaussian(variance: float) -> None:
    t = np.linspace(0, TURN, 40, endpoint=False)
    turns = TURN * np.arange(-4, 5)[:, None]
    wrapped = norm(5.0, math.sqrt(variance)).pdf(t + turns).sum(axis=0)
    law = heat_kernel(variance, 5.0)
    # dropped: exp(-40); rounding of up to 64 terms of size 1/pi with phases k t off by 64 * 1e-15
    np.testing.assert_allclose(law.density(t[:, None]), wrapped, rtol=0, atol=64 * 64e-15)


@pytest.mark.parametrize("variance", [0.02, 0.5, 4.0])
def test_quantiles_of_the_heat_kernel(variance: float) -> None:
    scale = math.sqrt(variance)
    turns = TURN * np.arange(-8, 9)[:, None]
    quantiles = heat_kernel(variance, 5.0).quantiles(20)
    gaussian = norm(5.0, scale)
    below = (gaussian.cdf(quantiles + turns) - gaussian.cdf(turns)).sum(axis=0)
    # series and normal distribution function: 1e-14 each, 17 terms
    np.testing.assert_allclose(below, (np.arange(20) + 0.5) / 20, rtol=0, atol=4e-13)


def test_the_uniform_law_has_evenly_spaced_quantiles() -> None:
    # one multiplication and the rounding of the turn
    np.testing.assert_allclose(
        CircleLaw(np.array([1.0])).quantiles(8), TURN * (np.arange(8) + 0.5) / 8, rtol=1e-15
    )


@pytest.mark.parametrize(
    "law", [CircleLaw(np.array([1.0])), von_mises(5.0, 6.2), heat_kernel(0.02, 1.0)]
)
def test_samples_follow_the_distribution_function(law: CircleLaw) -> None:
    n = 50_000
    x = law.sample(n, np.random.default_rng(4))
    assert x.shape == (n, 1)
    assert Torus(1).belongs(x).all()
    share = law.distribution(np.sort(x[:, 0]))
    gap = np.maximum(share - np.arange(n) / n, np.arange(1, n + 1) / n - share).max()
    assert gap < kolmogorov(n)


def test_samples_are_those_of_scipy() -> None:
    x = von_mises(5.0, 1.0).sample(50_000, np.random.default_rng(5))[:, 0]
    centred = np.sort((x - 1 + math.pi) % TURN - math.pi)
    share = vonmises(5.0).cdf(centred)
    # scipy's own distribution function is good to 1e-9, far below the statistical bound
    assert np.abs(share - np.arange(50_000) / 50_000).max() < kolmogorov(50_000)


def test_moments_may_be_scaled_a_little() -> None:
    law = CircleLaw(np.array([1 + 5e-10, 0.5]))
    assert law.moments[0] == 1.0


@pytest.mark.parametrize("x", [[[7.0]], [[-1e-3]], [[TURN]], [[math.nan]], [0.5], [[0.5, 0.5]]])
def test_the_density_is_of_points_on_the_circle(x: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"x must .*got"):
        CircleLaw(np.array([1.0])).density(x)


def test_the_density_integrates_to_the_distribution() -> None:
    law = von_mises(5.0, 2.5)
    part = quad(lambda t: law.density([[t]])[0], 0, 2.0, epsabs=1e-13)[0]
    # quad's own 1e-13 and the series' 65 terms
    assert law.distribution(np.array([2.0]))[0] == pytest.approx(part, abs=1e-12)
