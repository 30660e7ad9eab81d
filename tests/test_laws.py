"""Finitely many points, Gaussians, densities, as laws: means, densities, samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ive
from scipy.stats import multivariate_normal

from coupled_flows import (
    DataWalk,
    DensityLaw,
    Euclidean,
    GaussianLaw,
    PointLaw,
    RingLaw,
    Sphere,
    Torus,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.manifold import Manifold

COVARIANCE = np.array([[2.0, 0.6], [0.6, 0.5]])
MEAN = np.array([1.0, -2.0])


def test_the_mean_of_points_is_the_weighted_sum() -> None:
    law = PointLaw(np.array([[0.5], [2.0], [3.0]]), np.array([1.0, 2.0, 5.0]), Torus(1))
    # 3 terms of size 3: 9 units of rounding of 1.1e-16
    assert float(law.mean(lambda x: x[:, 0])) == pytest.approx(19.5 / 8, rel=1e-15)
    columns = law.mean(lambda x: np.hstack([x, x**2]))
    np.testing.assert_allclose(columns, [19.5 / 8, 53.25 / 8], rtol=1e-15)


def test_points_without_weights_count_equally() -> None:
    law = PointLaw(np.eye(3), manifold=Sphere(2))
    np.testing.assert_array_equal(law.weights, np.full(3, 1 / 3))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=6).filter(lambda w: sum(w) > 0))
def test_weights_are_normalised(weights: list[float]) -> None:
    law = PointLaw(np.zeros((len(weights), 2)), np.array(weights), Euclidean(2))
    assert law.weights is not None
    # a sum of 6 terms, each divided once: 12 roundings
    assert law.weights.sum() == pytest.approx(1.0, abs=12 * 2**-53)
    # below 1e-300 numbers lose digits of their own
    np.testing.assert_allclose(law.weights * sum(weights), weights, rtol=1e-14, atol=1e-300)


def test_points_are_sampled_with_their_weights() -> None:
    n, weights = 100_000, np.array([0.1, 0.2, 0.7])
    law = PointLaw(np.array([[0.0], [1.0], [2.0]]), weights, Euclidean(1))
    x = law.sample(n, np.random.default_rng(1))
    assert x.shape == (n, 1)
    share = np.bincount(x[:, 0].astype(int)) / n
    # five standard errors of a share
    assert (np.abs(share - weights) < 5 * np.sqrt(weights * (1 - weights) / n)).all()


def test_a_weight_of_zero_is_never_sampled() -> None:
    law = PointLaw(np.array([[0.0], [1.0]]), np.array([1.0, 0.0]), Euclidean(1))
    assert (law.sample(1000, np.random.default_rng(1)) == 0).all()


def test_the_gaussian_density_is_scipys() -> None:
    x = np.random.default_rng(2).standard_normal((50, 2)) * 2
    first = GaussianLaw(MEAN, COVARIANCE).density(x)
    second = multivariate_normal(MEAN, COVARIANCE).pdf(x)
    # the exponent, up to 60, carries some ten roundings; so does its exponential, relatively
    np.testing.assert_allclose(first, second, rtol=60 * 10 * 2**-52)


def test_the_gaussian_density_has_mass_one() -> None:
    root = np.linalg.cholesky(COVARIANCE)
    # trapezoidal rule in standard units: error exp(-2 pi^2/0.25^2) and 1e-18 beyond 9
    u = np.arange(-9, 9.01, 0.25)
    grid = np.stack(np.meshgrid(u, u), axis=-1).reshape(-1, 2)
    mass = GaussianLaw(MEAN, COVARIANCE).density(MEAN + grid @ root.T)
    assert mass.sum() * 0.25**2 * np.linalg.det(root) == pytest.approx(1, abs=1e-13)


def test_gaussian_samples_have_the_mean_and_the_covariance() -> None:
    n = 100_000
    x = GaussianLaw(MEAN, COVARIANCE).sample(n, np.random.default_rng(3))
    centred = x - MEAN
    # five standard errors: sqrt(c_ii/n), and sqrt((c_ii c_jj + c_ij^2)/n) for second moments
    variance = np.diag(COVARIANCE)
    assert (np.abs(centred.mean(axis=0)) < 5 * np.sqrt(variance / n)).all()
    spread = np.sqrt((np.outer(variance, variance) + COVARIANCE**2) / n)
    assert (np.abs(centred.T @ centred / n - COVARIANCE) < 5 * spread).all()


def test_a_gaussian_without_spread_is_a_point() -> None:
    law = GaussianLaw(MEAN, np.zeros((2, 2)))
    np.testing.assert_array_equal(law.sample(3, np.random.default_rng(1)), np.tile(MEAN, (3, 1)))
    with pytest.raises(ValueError, match=r"covariance must be positive definite.*got"):
        law.density(np.zeros((1, 2)))


def test_a_singular_gaussian_keeps_to_its_line() -> None:
    direction = np.array([0.6, 0.8])
    law = GaussianLaw(np.zeros(2), np.outer(direction, direction))
    x = law.sample(1000, np.random.default_rng(1))
    # an eigenvalue of 1e-16 instead of 0 has the root 1e-8; a normal number stays below 6
    assert np.abs(x @ [0.8, -0.6]).max() < 6e-8
    with pytest.raises(ValueError, match="covariance must be positive definite"):
        law.density(x)


def test_samples_of_no_point_are_empty() -> None:
    rng = np.random.default_rng(1)
    assert GaussianLaw(MEAN, COVARIANCE).sample(0, rng).shape == (0, 2)
    assert PointLaw(np.eye(3), manifold=Sphere(2)).sample(0, rng).shape == (0, 3)


def test_the_same_seed_gives_the_same_sample() -> None:
    law = GaussianLaw(MEAN, COVARIANCE)
    first, second = (law.sample(5, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda x: 1.0, r"f\(x\) must have shape"),
        (lambda x: np.zeros((2, 2, 2)), r"f\(x\) must have shape"),
        (lambda x: np.zeros(len(x) + 1), r"f\(x\) must have shape"),
        (lambda x: np.full(len(x), math.nan), r"f\(x\) must be finite"),
        (lambda x: np.full(len(x), math.inf), r"f\(x\) must be finite"),
    ],
)
def test_a_function_that_gives_no_value_per_point_is_refused(f: object, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        PointLaw(np.eye(3), manifold=Sphere(2)).mean(f)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["cos", 1j])
def test_a_function_of_another_type_is_refused(value: object) -> None:
    law = PointLaw(np.eye(3), manifold=Sphere(2))
    with pytest.raises((TypeError, ValueError), match=r"f(\(x\))? must .*got"):
        law.mean(lambda x: np.full(len(x), value))


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160])
def test_densities_of_extreme_scale_are_finite_or_refused(scale: float) -> None:
    law = GaussianLaw(np.zeros(2), scale * np.eye(2))
    try:
        value = law.density(np.zeros((1, 2)))
    except ValueError as error:
        assert "covariance must" in str(error)  # noqa: PT017 - or it is served
    else:
        # through a logarithm of size 700 a rounding becomes 700 * 2^-52
        np.testing.assert_allclose(value, 1 / (2 * math.pi * scale), rtol=700 * 2**-50)


# -- a density on a compact manifold ---------------------------------------------------------------

KAPPA, TILT = 3.0, np.array([0.6, 0.0, 0.8])


def bessel(k: int) -> float:
    """E cos k X for the density proportional to exp(KAPPA cos x)."""
    return float(ive(k, KAPPA) / ive(0, KAPPA))


def coth_law(k: float) -> float:
    return 1 / math.tanh(k) - 1 / k


# law, a function of its points, its exact mean and mean square
MOMENTS: dict[str, tuple[DensityLaw, Callable[[Array], Array], float, float]] = {
    "von Mises, cos": (
        DensityLaw(lambda x: np.exp(KAPPA * (np.cos(x[:, 0]) - 1)), 1.0, Torus(1)),
        lambda x: np.cos(x[:, 0]),
        bessel(1),
        (1 + bessel(2)) / 2,
    ),
    "von Mises, sin 2x": (
        DensityLaw(lambda x: np.exp(KAPPA * (np.cos(x[:, 0]) - 1)), 1.0, Torus(1)),
        lambda x: np.sin(2 * x[:, 0]),
        0.0,
        (1 - bessel(4)) / 2,
    ),
    # E cos^2 = 1/2 for the wave of the density itself and for any other
    "torus": (
        DensityLaw(lambda x: 5 + 4 * np.cos(x[:, 0] - 2 * x[:, 1] + 1), 9.0, Torus(2)),
        lambda x: np.cos(x[:, 0] - 2 * x[:, 1] + 1),
        0.4,
        0.5,
    ),
    "torus, another wave": (
        DensityLaw(lambda x: 5 + 4 * np.cos(x[:, 0] - 2 * x[:, 1] + 1), 9.0, Torus(2)),
        lambda x: np.cos(x[:, 0] + x[:, 1]),
        0.0,
        0.5,
    ),
    # the coth law, E s^2 = 1 - 2 (coth k - 1/k)/k
    "sphere": (
        DensityLaw(lambda x: np.exp(KAPPA * (x @ TILT - 1)), 1.0, Sphere(2)),
        lambda x: x @ TILT,
        coth_law(KAPPA),
        1 - 2 * coth_law(KAPPA) / KAPPA,
    ),
    # uniform moments E x^2 y^2 = 1/15, odd ones vanish
    "sphere without symmetry": (
        DensityLaw(lambda x: 1 + 1.5 * x[:, 0] * x[:, 1], 1.75, Sphere(2)),
        lambda x: x[:, 0] * x[:, 1],
        0.1,
        1 / 15,
    ),
    # uniform moments E x^2 = 1/10
    "nine dimensions": (
        DensityLaw(lambda x: 1 + x[:, 3], 2.0, Sphere(9)),
        lambda x: x[:, 3],
        0.1,
        0.1,
    ),
    "a bound ten times too large": (
        DensityLaw(lambda x: 1 + x[:, 3], 20.0, Sphere(9)),
        lambda x: x[:, 3],
        0.1,
        0.1,
    ),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_a_density_is_sampled_with_its_moments(name: str) -> None:
    law, f, mean, square = MOMENTS[name]
    n = 100_000
    x = law.sample(n, np.random.default_rng(4))
    assert x.shape == (n, law.manifold.point_dim)
    assert law.manifold.belongs(x).all()
    assert len(np.unique(x, axis=0)) == n
    # five standard errors, exact
    assert abs(f(x).mean() - mean) <= 5 * math.sqrt((square - mean**2) / n)


def test_where_a_density_is_zero_there_is_no_point() -> None:
    law = DensityLaw(lambda x: np.where(x[:, 2] > 0.9, 1.0, 0.0), 1.0, Sphere(2))
    x = law.sample(5000, np.random.default_rng(5))
    assert x[:, 2].min() > 0.9
    # uniform on the cap: the height is uniform on [0.9, 1], of variance 0.01/12
    assert abs(x[:, 2].mean() - 0.95) <= 5 * math.sqrt(0.01 / 12 / 5000)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_the_mass_of_a_density_does_not_matter(scale: float) -> None:
    def sample(scale: float) -> Array:
        law = DensityLaw(lambda x: scale * (1 + x[:, 0]), 2 * scale, Sphere(2))
        return law.sample(100, np.random.default_rng(6))

    # the same numbers, unless a rounding falls between a number drawn and its share
    np.testing.assert_array_equal(sample(scale), sample(1.0))


def test_samples_of_a_density_repeat_with_their_seed_and_may_be_empty() -> None:
    law = MOMENTS["torus"][0]
    first, second = (law.sample(50, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    rng = np.random.default_rng(7)
    assert (law.sample(50, rng) != law.sample(50, rng)).any()
    assert law.sample(0, rng).shape == (0, 2)


def test_a_density_above_its_bound_is_found_where_it_is_drawn() -> None:
    # one part in a hundred is above, by one part in a thousand: 16 probes may miss it
    law = DensityLaw(lambda x: np.where(x[:, 2] > 0.98, 1.001, 1.0), 1.0, Sphere(2))
    with pytest.raises(
        ValueError, match=r"bound must be at least the largest .*got 1, and .*1\.001"
    ):
        law.sample(10_000, np.random.default_rng(8))
    # a bound right up to rounding is right
    close = DensityLaw(lambda x: np.full(len(x), 1 + 1e-13), 1.0, Sphere(2))
    assert len(close.sample(10, np.random.default_rng(8))) == 10


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (lambda x: x[:, 0], r"density\(x\) must be >= 0; got -.* at x = "),
        (lambda x: np.full(len(x), math.nan), r"density\(x\) must be finite; got nan"),
        (lambda x: np.full(len(x), math.inf), r"density\(x\) must be finite; got inf"),
        (lambda x: np.ones((len(x), 1)), r"density\(x\) must have shape"),
        (lambda x: 1.0, r"density\(x\) must have shape"),
        (lambda x: np.multiply(x, 0.0, out=x)[:, 0], "read-only"),
    ],
)
def test_a_density_that_is_none_is_refused_at_once(density: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DensityLaw(density, 1.0, Sphere(2))


def test_a_density_without_mass_is_given_up() -> None:
    for law in (
        DensityLaw(lambda x: np.zeros(len(x)), 1.0, Torus(1)),
        DensityLaw(lambda x: np.ones(len(x)), 1e9, Torus(1)),
    ):
        with pytest.raises(
            ValueError, match=r"bound must be near .*got 1.*, with which \d+ of \d+"
        ):
            law.sample(100, np.random.default_rng(9))


@pytest.mark.parametrize("manifold", [Euclidean(1), Euclidean(3)], ids=repr)
def test_there_is_no_uniform_law_to_start_from_on_space(manifold: Manifold) -> None:
    with pytest.raises(ValueError, match=r"manifold must be a torus or a sphere.*got Euclidean"):
        DensityLaw(lambda x: np.ones(len(x)), 1.0, manifold)


@pytest.mark.parametrize("manifold", [None, Torus, "Torus(1)"])
def test_a_density_needs_a_manifold(manifold: Any) -> None:
    with pytest.raises(TypeError, match=r"manifold must be a torus or a sphere.*got"):
        DensityLaw(lambda x: np.ones(len(x)), 1.0, manifold)


OWNED: list[tuple[Array, Callable[[Array], Any], str]] = [
    (np.array([[1.0], [2.0]]), lambda x: PointLaw(x, manifold=Torus(1)), "points"),
    (np.array([0.1, 0.2]), RingLaw, "heights"),
    (np.array([0.1, 0.2]), lambda x: RingLaw(np.array([0.0, 0.5]), x), "weights"),
    (np.array([0.1, 0.2]), lambda x: GaussianLaw(x, np.eye(2)), "mean"),
    (np.eye(2), lambda x: GaussianLaw(np.zeros(2), x), "covariance"),
    (np.array([[1.0], [2.0]]), lambda x: DataWalk(x, 1.0), "points"),
]


@pytest.mark.parametrize(("given_to_it", "make", "name"), OWNED)
def test_what_was_given_may_change_later(
    given_to_it: Array, make: Callable[[Array], Any], name: str
) -> None:
    made = make(given_to_it)
    before = getattr(made, name).copy()
    given_to_it *= 0.5
    np.testing.assert_array_equal(getattr(made, name), before)
