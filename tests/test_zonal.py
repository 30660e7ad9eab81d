"""The generator on S^2 for functions of z: harmonics, heat kernels, and a differential equation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import legendre, polynomial
from scipy.integrate import solve_ivp
from scipy.special import eval_legendre

from coupled_flows import (
    CircleLaw,
    Euclidean,
    Langevin,
    PointLaw,
    Potential,
    RingLaw,
    Sphere,
    Torus,
    ZonalGenerator,
    ZonalLaw,
    linear,
    quadratic,
    zero,
)
from coupled_flows.geometry.errors import Array

CUBIC = Potential(
    lambda x: 0.5 * x[:, 2] ** 3 - x[:, 2],
    lambda x: np.stack([0 * x[:, 2], 0 * x[:, 2], 1.5 * x[:, 2] ** 2 - 1], axis=1),
)
# potential, coefficients of u'(z) lowest first, beta
PROBLEMS: list[tuple[Potential, list[float], float]] = [
    (linear([0.0, 0.0, -1.0]), [-1.0], 1.0),
    (quadratic(np.diag([0.0, 0.0, 2.0])), [0.0, 2.0], 2.0),
    (CUBIC, [-1.0, 0.0, 1.5], 1.0),
]
each_problem = pytest.mark.parametrize(("potential", "slope", "beta"), PROBLEMS)


def free(beta: float = 2.0, degree: int = 24) -> ZonalGenerator:
    return ZonalGenerator(Langevin(Sphere(2), zero(), beta), degree)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_without_a_potential_the_eigenvalues_are_those_of_the_harmonics(beta: float) -> None:
    generator = free(beta)
    for degree in range(25):
        harmonic = eval_legendre(degree, generator.z)
        rate = degree * (degree + 1) / beta
        # L multiplies rounding by up to 600/beta, next to the poles by the smallest weight's root
        np.testing.assert_allclose(
            generator.apply(harmonic), -rate * harmonic, rtol=0, atol=600 / beta * 100 * 2**-52
        )
    assert generator.gap == pytest.approx(2 / beta, rel=1e-11)


@pytest.mark.parametrize("degree", [1, 2, 7, 24])
def test_poisson_without_a_potential_is_in_closed_form(degree: int) -> None:
    generator = free(2.0)
    harmonic = eval_legendre(degree, generator.z)
    # beta P_l/(l (l + 1)); eigenvectors to 1e-14 over roots of weights of 0.05
    np.testing.assert_allclose(
        generator.poisson(harmonic), 2 * harmonic / (degree * (degree + 1)), rtol=0, atol=1e-12
    )
    rate = degree * (degree + 1) / 2
    np.testing.assert_allclose(
        generator.resolvent(harmonic, 0.7), harmonic / (0.7 + rate), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(
        generator.semigroup(harmonic, 0.3), harmonic * math.exp(-0.3 * rate), rtol=0, atol=1e-12
    )
    # C = 2 <f, phi>, |P_l|^2 = 1/(2l + 1)
    assert generator.asymptotic_covariance(harmonic)[0, 0] == pytest.approx(
        2 / rate / (2 * degree + 1), rel=1e-11
    )


@each_problem
def test_the_generator_is_the_written_one(
    potential: Potential, slope: list[float], beta: float
) -> None:
    generator = ZonalGenerator(Langevin(Sphere(2), potential, beta), 32)
    z = generator.z
    f = np.array([0.3, -1.0, 0.5, 0.2, -0.7, 0.1])
    first, second = polynomial.polyder(f), polynomial.polyder(f, 2)
    # L f = (1/beta) ((1 - z^2) f')' - (1 - z^2) u' f', polynomials by hand
    bent = 1 - z**2
    expected = (
        bent * polynomial.polyval(z, second) - 2 * z * polynomial.polyval(z, first)
    ) / beta - bent * polynomial.polyval(z, slope) * polynomial.polyval(z, first)
    # 33 terms of size 1056/beta over masses that differ by exp(2) and weights by 20
    np.testing.assert_allclose(
        generator.apply(polynomial.polyval(z, f)),
        expected,
        rtol=0,
        atol=1056 / beta * 33 * 150 * 2**-52,
    )


# -- evolution ----------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [0.02, 0.5])
@pytest.mark.parametrize(
    "start",
    [RingLaw(np.array([1.0])), PointLaw(np.array([[0.0, 0.0, 1.0]]), manifold=Sphere(2))],
)
def test_without_a_potential_a_pole_becomes_a_heat_kernel(start: Any, time: float) -> None:
    beta = 2.0
    law = free(beta, 64).evolve(start, time)
    assert isinstance(law, ZonalLaw)
    z = np.linspace(-1, 1, 21)
    total = np.zeros_like(z)
    for degree in range(120):
        weight = (2 * degree + 1) / (4 * math.pi)
        total += weight * math.exp(-degree * (degree + 1) * time / beta) * eval_legendre(degree, z)
    # demanded: 1e-10; dropped: exp(-65 * 66 * 0.01) = 1e-18
    np.testing.assert_allclose(law.density(z), total, rtol=0, atol=1e-10)


def differential_equation(slope: list[float], beta: float, start: Array, time: float) -> Array:
    """Moments a_l = E P_l(z): d a_l/dt = -l(l+1)/beta a_l - E u'(z) (1 - z^2) P_l'(z)."""
    size = len(start)
    degree = np.arange(size + 6)
    n = len(degree)
    times_z = np.zeros((n, n))  # z P_l = ((l+1) P_(l+1) + l P_(l-1))/(2l+1)
    bent = np.zeros((n, n))  # (1 - z^2) P_l' = l(l+1)/(2l+1) (P_(l-1) - P_(l+1))
    for k in degree:
        if k:
            times_z[k, k - 1] = k / (2 * k + 1)
            bent[k, k - 1] = k * (k + 1) / (2 * k + 1)
        if k < n - 1:
            times_z[k, k + 1] = (k + 1) / (2 * k + 1)
            bent[k, k + 1] = -k * (k + 1) / (2 * k + 1)
    matrix = -np.diag(degree * (degree + 1) / beta)
    power = np.eye(n)
    for c in slope:
        matrix -= c * bent @ power
        power = power @ times_z
    matrix = matrix[:size, :size]
    solved = solve_ivp(
        lambda _, a: matrix @ a, (0, time), start, method="DOP853", rtol=1e-12, atol=1e-14
    )
    assert solved.success
    return np.asarray(solved.y[:, -1])


@each_problem
@pytest.mark.parametrize("time", [0.05, 1.0])
@pytest.mark.parametrize("start", ["density", "ring"])
def test_evolution_against_a_differential_equation(
    potential: Potential, slope: list[float], beta: float, start: str, time: float
) -> None:
    degree = 48
    generator = ZonalGenerator(Langevin(Sphere(2), potential, beta), degree)
    if start == "ring":
        moments = legendre.legvander(np.array([0.3, -0.8]), degree).T @ [0.25, 0.75]
        law = generator.evolve(RingLaw(np.array([0.3, -0.8]), np.array([1.0, 3.0])), time)
    else:
        z, area = legendre.leggauss(80)
        mass = area * np.exp(-2 * z) * (1.5 + np.sin(3 * z))
        moments = legendre.legvander(z, degree).T @ mass / mass.sum()
        law = generator.evolve(
            generator.law(lambda z: np.exp(-2 * z) * (1.5 + np.sin(3 * z))), time
        )
    assert isinstance(law, ZonalLaw)
    expected = differential_equation(slope, beta, moments, time)
    # demanded: 1e-10. From rings both cut at the same degree, above which exp(-48^2 t/beta) of
    # 3e-25 is left
    np.testing.assert_allclose(law.moments, expected, rtol=0, atol=1e-10)


def test_mass_and_time_zero() -> None:
    generator = ZonalGenerator(Langevin(Sphere(2), linear([0.0, 0.0, -2.0])), 32)
    start = generator.law(lambda z: np.exp(-z))
    laws = generator.evolve(start, [0.0, 0.1, 10.0])
    np.testing.assert_allclose(laws[0].moments, start.moments)  # type: ignore[attr-defined]
    for law in laws:
        assert isinstance(law, ZonalLaw)
        # demanded: mass to 1e-12
        assert float(law.mean(lambda z: np.ones_like(z))) == pytest.approx(1, abs=1e-12)
        weights = generator.weights_of(law)
        assert weights.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("k", [0.5, 2.0, 6.0])
def test_the_mean_height_tends_to_coth_k_less_one_over_k(k: float) -> None:
    generator = ZonalGenerator(Langevin(Sphere(2), linear([0.0, 0.0, -k])), 48)
    expected = 1 / math.tanh(k) - 1 / k
    # sums of 49 terms; closed form loses 1/k
    assert generator.stationary_mean(generator.z) == pytest.approx(expected, abs=1e-14 / k + 1e-14)
    late = generator.evolve(RingLaw(np.array([-1.0])), 60.0)
    assert isinstance(late, ZonalLaw)
    # exp(-60 gap), gap >= 2; amplification by roots of mass, exp(k)
    assert late.moments[1] == pytest.approx(expected, abs=1e-14 * math.exp(k) * 10)


# -- what is asked of it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", [Langevin(Torus(1), zero()), Langevin(Sphere(3), zero()), Langevin(Euclidean(2), zero())]
)
def test_other_manifolds_are_refused(bad: Langevin) -> None:
    with pytest.raises(ValueError, match=r"langevin must be on Sphere\(2\); got"):
        ZonalGenerator(bad, 8)


@pytest.mark.parametrize(
    "potential",
    [
        linear([1.0, 0.0, 0.0]),
        linear([1e-6, 0.0, 1.0]),
        quadratic(np.diag([1.0, 2.0, 0.0])),
        quadratic(np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])),
    ],
)
def test_potentials_of_more_than_the_height_are_refused(potential: Potential) -> None:
    with pytest.raises(ValueError, match=r"langevin must have a potential that depends on z only"):
        ZonalGenerator(Langevin(Sphere(2), potential), 8)


def test_a_potential_that_turns_eight_times_around_a_latitude_is_refused() -> None:
    # Re (x + iy)^8 by powers, and its gradient
    def power(x: Array, k: int) -> Any:
        return (x[:, 0] + 1j * x[:, 1]) ** k

    bad = Potential(
        lambda x: power(x, 8).real,
        lambda x: np.stack([8 * power(x, 7).real, -8 * power(x, 7).imag, 0 * x[:, 2]], axis=1),
    )
    with pytest.raises(ValueError, match="depends on z only"):
        ZonalGenerator(Langevin(Sphere(2), bad), 8)


@pytest.mark.parametrize("degree", [4, 8, 16])
def test_potentials_that_are_not_resolved_are_refused(degree: int) -> None:
    with pytest.raises(ValueError, match=r"degree must be large enough to resolve exp\(-beta U\)"):
        ZonalGenerator(Langevin(Sphere(2), linear([0.0, 0.0, 15.0])), degree)


@pytest.mark.parametrize("degree", [9, 12, 16])
def test_a_polynomial_that_vanishes_at_the_nodes_is_refused(degree: int) -> None:
    # P_(degree+1) is 0 at every node
    coefficients = np.zeros(degree + 2)
    coefficients[-1] = 1.0
    slope = legendre.legder(coefficients)
    wavy = Potential(
        lambda x: legendre.legval(x[:, 2], coefficients),
        lambda x: np.stack([0 * x[:, 2], 0 * x[:, 2], legendre.legval(x[:, 2], slope)], axis=1),
    )
    with pytest.raises(ValueError, match="degree must be large enough"):
        ZonalGenerator(Langevin(Sphere(2), wavy), degree)


@pytest.mark.parametrize(
    ("law", "message"),
    [
        (CircleLaw(np.array([1.0])), "law must be a ZonalLaw"),
        (PointLaw(np.array([[0.5]]), manifold=Torus(1)), "law must be a ZonalLaw"),
        (PointLaw(np.eye(3), manifold=Sphere(2)), "law must be symmetric about the z axis"),
        (None, "law must be a ZonalLaw"),
    ],
)
def test_laws_that_are_not_zonal_are_refused(law: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"{message}.*got"):
        free().evolve(law, 1.0)


def test_points_at_both_poles_are_rings() -> None:
    poles = PointLaw(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]), np.array([1.0, 3.0]), Sphere(2))
    rings = RingLaw(np.array([1.0, -1.0]), np.array([1.0, 3.0]))
    np.testing.assert_array_equal(free().weights_of(poles), free().weights_of(rings))
