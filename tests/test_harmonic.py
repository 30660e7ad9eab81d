"""The generator on S^2 in harmonics: closed forms, the zonal solver, quadrature by hand, turns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import legendre
from scipy.linalg import eigh

from coupled_flows import (
    BarkerWalk,
    BoundedWalk,
    Euclidean,
    GaussianLaw,
    GeodesicWalk,
    Langevin,
    MetropolisWalk,
    PointLaw,
    Potential,
    RetractionWalk,
    Sphere,
    Torus,
    ZonalGenerator,
    ZonalLaw,
    linear,
    quadratic,
    simulate,
    zero,
)
from coupled_flows.generators.harmonic import HarmonicGenerator
from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.harmonics import degrees_and_orders, harmonic_grid, harmonics
from coupled_flows.measure.harmonic import HarmonicLaw
from coupled_flows.walks.steps import Walk

U = 2.0**-53
TILT = np.array([0.3, -0.5, 0.4])
BENT = np.array([[0.5, 0.3, 0.0], [0.3, -0.4, 0.2], [0.0, 0.2, 0.1]])


def bent(matrix: Array, tilt: Array) -> Potential:
    """U = x'Ax/2 + <b, x>."""
    return Potential(
        lambda x: np.einsum("ni,ij,nj->n", x, matrix, x) / 2 + x @ tilt,
        lambda x: x @ matrix + tilt,
    )


PROBLEM = Langevin(Sphere(2), bent(BENT, TILT), 1.3)
GENERATOR = HarmonicGenerator(PROBLEM, 16)
FREE = HarmonicGenerator(Langevin(Sphere(2), zero(), 2.0), 20)


def on_meridian(z: Array) -> Array:
    return np.column_stack([np.sqrt(1 - z**2), 0 * z, z])


def rotation(seed: int) -> Array:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]


def smooth(x: Array) -> Array:
    return np.exp(x[:, 0]) * x[:, 1] + x[:, 2] ** 2


# -- closed forms ---------------------------------------------------------------------------------


def test_without_a_potential_all_harmonics_are_solved() -> None:
    # demanded: 1e-12. 441 functions, each below sqrt(41), right to 20^2/2 u; singular vectors are
    # orthogonal to 441 u
    of, _ = degrees_and_orders(20)
    table, rate = harmonics(FREE.nodes, 20), of * (of + 1) / 2
    np.testing.assert_allclose(
        FREE.poisson(table[:, 1:]), table[:, 1:] / rate[1:], rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(FREE.resolvent(table, 0.7), table / (0.7 + rate), rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        FREE.semigroup(table, 0.3), table * np.exp(-0.3 * rate), rtol=0, atol=1e-12
    )
    # L multiplies that by its largest eigenvalue, 210
    np.testing.assert_allclose(FREE.apply(table), -rate * table, rtol=0, atol=210e-12)
    covariance = np.diag(2 / rate[1:])
    np.testing.assert_allclose(
        FREE.asymptotic_covariance(table[:, 1:]), covariance, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("beta", [0.5, 2.0])
@pytest.mark.parametrize("degree", [1, 2, 9])
def test_without_a_potential_the_eigenvalues_are_known(beta: float, degree: int) -> None:
    generator = HarmonicGenerator(Langevin(Sphere(2), zero(), beta), degree)
    of, _ = degrees_and_orders(degree)
    rates, functions = generator.eigenfunctions(len(of))
    # singular values right to 100 u of the largest
    np.testing.assert_allclose(rates, of * (of + 1) / beta, rtol=1e-12, atol=1e-13)
    assert generator.gap == pytest.approx(2 / beta, rel=1e-12)
    gram = functions.T @ (generator.mass[:, None] * functions)
    np.testing.assert_allclose(gram, np.eye(len(of)), rtol=0, atol=4 * len(of) * U)


def test_the_generator_is_the_written_one() -> None:
    generator = HarmonicGenerator(PROBLEM, 24)
    x = generator.nodes
    f = x[:, 0] * x[:, 1] + 0.5 * x[:, 2]
    gradient = np.column_stack([x[:, 1], x[:, 0], 0.5 + 0 * x[:, 2]])
    slope = x @ BENT + TILT
    inner = np.einsum("ij,ij->i", slope, gradient)
    inner -= np.einsum("ij,ij->i", slope, x) * np.einsum("ij,ij->i", gradient, x)
    # Lap Y_l = -l(l+1) Y_l
    expected = (-6 * x[:, 0] * x[:, 1] - x[:, 2]) / 1.3 - inner
    # singular vectors right to 25 u, as the root of 625 rounding errors, times the largest
    # eigenvalue 460 and a ratio of 8 of roots of masses; degree 24 leaves less
    tolerance = 460 * 8 * 25 * U
    np.testing.assert_allclose(generator.apply(f), expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(generator.matrix @ f, generator.apply(f), rtol=0, atol=tolerance)
    np.testing.assert_allclose(generator.matrix.sum(axis=1), 0, rtol=0, atol=tolerance)


def test_the_mass_is_the_gibbs_measure() -> None:
    points, weights = harmonic_grid(60)
    density = weights * np.exp(-1.3 * PROBLEM.energy(points))
    density /= density.sum()
    for f in (smooth, lambda x: x[:, 0] * x[:, 2], lambda x: np.cos(2 * x[:, 1])):
        # sums of 121 and of 33 terms; products of degree 32 are integrated by both
        assert GENERATOR.stationary_mean(f(GENERATOR.nodes)) == pytest.approx(
            float(density @ f(points)), abs=300 * U
        )


def test_the_dirichlet_form_by_quadrature() -> None:
    # -<f, L g>_pi = (1/beta) int <grad f, grad g> dpi, for f = xy + z/2 and g = x^2 on a fine grid
    points, weights = harmonic_grid(40)
    mass = weights * np.exp(-1.3 * PROBLEM.energy(points))
    mass /= mass.sum()
    x, y, z = points.T
    zero_ = 0 * x
    ambient = [np.column_stack([y, x, zero_ + 0.5]), np.column_stack([2 * x, zero_, zero_])]
    a, b = (PROBLEM.manifold.to_tangent(points, v) for v in ambient)
    expected = mass @ np.einsum("ij,ij->i", a, b) / 1.3
    x, y, z = GENERATOR.nodes.T
    f, g = x * y + z / 2, x**2
    # sums of 81 terms, and the eigenvalues' 200 times 100 u
    assert GENERATOR.stationary_mean(-f * GENERATOR.apply(g)) == pytest.approx(expected, abs=1e-11)


# -- other solvers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("potential", "beta", "degree"),
    [
        (linear([0.0, 0.0, -1.0]), 1.0, 16),
        (linear([0.0, 0.0, 2.0]), 1.3, 20),
        (quadratic(np.diag([0.0, 0.0, 2.0])), 2.0, 24),
        (quadratic(np.diag([0.0, 0.0, -3.0])), 1.0, 24),
    ],
)
def test_agreement_with_the_zonal_solver_of_degree_200(
    potential: Potential, beta: float, degree: int
) -> None:
    problem = Langevin(Sphere(2), potential, beta)
    zonal, generator = ZonalGenerator(problem, 200), HarmonicGenerator(problem, degree)
    z = generator.nodes[:, 2]

    def f(z: Array) -> Array:
        return z + z**3 / 2 + np.cos(2 * z)

    solvers: list[Callable[[Any, Array], Array]] = [
        lambda one, f: one.poisson(f),
        lambda one, f: one.resolvent(f, 0.3),
        lambda one, f: one.semigroup(f, 0.4),
    ]
    for solve in solvers:
        expected = zonal.interpolate(solve(zonal, f(zonal.z)), on_meridian(z))
        # demanded: 1e-11
        np.testing.assert_allclose(solve(generator, f(z)), expected, rtol=0, atol=1e-11)
    assert generator.stationary_mean(f(z)) == pytest.approx(
        zonal.stationary_mean(f(zonal.z)), abs=1e-11
    )
    np.testing.assert_allclose(
        generator.asymptotic_covariance(f(z)),
        zonal.asymptotic_covariance(f(zonal.z)),
        rtol=0,
        atol=1e-11,
    )


def rates_around_the_axis(k: float, m: int, size: int) -> Array:
    """Rates for U = -k z, beta = 1, of s^m g(z) e^(i m phi), g a polynomial, by Galerkin."""
    z, w = legendre.leggauss(size + m + 20)
    g = legendre.legvander(z, size)
    slope = np.stack([legendre.legval(z, legendre.legder(c)) for c in np.eye(size + 1)], axis=1)
    # f = s^m g: (1 - z^2) f'^2 + m^2 f^2/(1 - z^2)
    bow = 1 - z**2
    south = bow[:, None] * slope - m * z[:, None] * g
    mass = w * np.exp(k * z) * bow ** (m - 1)
    stiff = south.T @ (mass[:, None] * south) + m**2 * g.T @ (mass[:, None] * g)
    rates: Array = eigh(stiff, g.T @ ((mass * bow)[:, None] * g), eigvals_only=True)
    return rates


def test_the_gap_of_a_tilted_sphere_belongs_to_the_first_order() -> None:
    problem = Langevin(Sphere(2), linear([0.0, 0.0, -0.5]))
    generator = HarmonicGenerator(problem, 14)
    assert generator.gap == pytest.approx(2.0374, abs=5e-5)
    first, second = (rates_around_the_axis(0.5, m, 12)[:2] for m in (1, 2))
    zonal = ZonalGenerator(problem, 40).eigenfunctions(3)[0][1:]
    expected = np.sort([*zonal, *first, *first, *second, *second])[:8]
    # eigenvalues below 15 of matrices whose condition is below 100, right to 1e-13
    np.testing.assert_allclose(generator.eigenfunctions(9)[0][1:], expected, rtol=1e-11)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_barrier_keeps_its_digits_whichever_way_it_lies(seed: int) -> None:
    # two wells, ten high: a gap of 0.0029 beside a largest eigenvalue of 930
    deep = Langevin(Sphere(2), quadratic(np.diag([0.0, 0.0, -20.0])))
    axis = rotation(seed)[2]
    turned = Langevin(Sphere(2), quadratic(-20.0 * np.outer(axis, axis)))
    generator = HarmonicGenerator(turned, 30)
    zonal = ZonalGenerator(deep, 100)
    # singular value 0.05 to 961 u of 30 in the worst case, of 100 in the zonal solver
    assert generator.gap == pytest.approx(zonal.gap, rel=1e-10)
    height = generator.nodes @ axis
    expected = zonal.interpolate(zonal.poisson(zonal.z), on_meridian(height))
    miss = generator.poisson(height) - expected
    # of size 1/gap; degree 30 leaves 3e-12 of it in the mean square
    assert math.sqrt(generator.stationary_mean(miss**2)) < 1e-11 / generator.gap


# -- identities -----------------------------------------------------------------------------------


def test_the_error_falls_exponentially_with_the_degree() -> None:
    points = Sphere(2).random_point(50, np.random.default_rng(1))
    solved = []
    for degree in (12, 14, 16, 24):
        generator = HarmonicGenerator(PROBLEM, degree)
        f = smooth(generator.nodes)
        both = generator.poisson(f), generator.resolvent(f, 2.0)
        solved.append([generator.interpolate(u, points) for u in both])
    errors = [np.abs(np.array(u) - np.array(solved[-1])).max() for u in solved[:-1]]
    # degree by degree faster than any power: a factor above 16 for two more, to begin with
    assert errors[1] < errors[0] / 16
    assert errors[2] < errors[1] / 16
    assert errors[0] < 1e-8


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_turning_potential_and_function_turns_the_solution(seed: int) -> None:
    turn = rotation(seed)
    other = HarmonicGenerator(Langevin(Sphere(2), bent(turn @ BENT @ turn.T, turn @ TILT), 1.3), 24)
    one = HarmonicGenerator(PROBLEM, 24)
    f, g = smooth(one.nodes), smooth(other.nodes @ turn)
    # truncated at degree 24: below rounding of 625 terms of size 1
    for a, b in (
        (one.poisson(f), other.poisson(g)),
        (one.resolvent(f, 0.3), other.resolvent(g, 0.3)),
        (one.semigroup(f, 0.5), other.semigroup(g, 0.5)),
    ):
        np.testing.assert_allclose(other.interpolate(b, one.nodes @ turn.T), a, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        one.eigenfunctions(30)[0], other.eigenfunctions(30)[0], rtol=1e-11, atol=1e-12
    )
    assert one.asymptotic_covariance(f)[0, 0] == pytest.approx(
        other.asymptotic_covariance(g)[0, 0], abs=1e-12
    )


numbers = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).standard_normal((len(GENERATOR.nodes), 2))
)


@given(f=numbers, lam=st.floats(0.01, 100), mu=st.floats(0.01, 100))
@settings(max_examples=20)
def test_the_resolvent_identity_for_any_values(f: Array, lam: float, mu: float) -> None:
    first, second = GENERATOR.resolvent(f, lam), GENERATOR.resolvent(f, mu)
    # R_lam - R_mu = (mu - lam) R_lam R_mu; 289 terms, over roots of masses of ratio 7
    size = 7 * (1 + abs(mu - lam)) / min(lam, mu, 1) ** 2
    np.testing.assert_allclose(
        first - second, (mu - lam) * GENERATOR.resolvent(second, lam), rtol=0, atol=289 * U * size
    )


@given(f=numbers, time=st.floats(0, 10), lam=st.floats(1e-3, 1e3))
@settings(max_examples=20)
def test_everything_is_self_adjoint_for_any_values(f: Array, time: float, lam: float) -> None:
    maps: list[Callable[[Array], Array]] = [
        lambda u: GENERATOR.apply(u) / 210,
        lambda u: GENERATOR.semigroup(u, time),
        lambda u: GENERATOR.resolvent(u, lam) * lam,
        GENERATOR.poisson,
    ]
    for apply in maps:
        form = f.T @ (GENERATOR.mass[:, None] * apply(f))
        # maps of norm 1 at most, 561 terms of sum 1
        assert form[0, 1] == pytest.approx(form[1, 0], abs=561 * 4 * U)
    assert (np.linalg.eigvalsh(-f.T @ (GENERATOR.mass[:, None] * GENERATOR.apply(f))) >= 0).all()


def dented(depth: float) -> Langevin:
    """exp(-U) = x^2 + depth, of degree two, whose root is not."""
    value = Potential(
        lambda x: -np.log(x[:, 0] ** 2 + depth),
        lambda x: x * [1.0, 0.0, 0.0] * (-2 / (x[:, 0] ** 2 + depth))[:, None],
    )
    return Langevin(Sphere(2), value)


@pytest.mark.parametrize(("problem", "degree"), [(PROBLEM, 12), (PROBLEM, 16), (dented(0.5), 23)])
def test_constants_stay_where_pi_is_just_resolved_too(problem: Langevin, degree: int) -> None:
    generator = HarmonicGenerator(problem, degree)
    one = np.ones(len(generator.nodes))
    assert generator.eigenfunctions(1)[0] == 0
    # 576 u, times 552 for L, over roots of masses of ratio 10
    np.testing.assert_allclose(generator.apply(one), 0, rtol=0, atol=552 * 576 * 10 * U)
    np.testing.assert_allclose(generator.resolvent(one, 0.5), 2 * one, rtol=0, atol=1e-12)
    np.testing.assert_allclose(generator.semigroup(one, 3.0), one, rtol=0, atol=1e-12)
    np.testing.assert_allclose(generator.poisson(one), 0, rtol=0, atol=1e-12)
    f = smooth(generator.nodes)
    for time in (0.1, 100.0):
        # demanded: mass to 1e-12
        assert generator.stationary_mean(generator.semigroup(f, time)) == pytest.approx(
            float(generator.stationary_mean(f)), abs=1e-12
        )


def test_other_functions_are_projected() -> None:
    f = np.sign(GENERATOR.nodes[:, 0])
    held = GENERATOR.semigroup(f, 0.0)
    # 289 terms; the mean is kept, what is left is orthogonal to all that is held
    np.testing.assert_allclose(GENERATOR.semigroup(held, 0.0), held, rtol=0, atol=1e-12)
    left = GENERATOR.mass @ ((f - held)[:, None] * GENERATOR.eigenfunctions(289)[1])
    np.testing.assert_allclose(left, 0, rtol=0, atol=1e-12)
    # and the resolvent is Galerkin's solution
    u = GENERATOR.resolvent(f, 0.8)
    np.testing.assert_allclose(0.8 * u - GENERATOR.apply(u), held, rtol=0, atol=1e-11)


def test_no_more_eigenfunctions_than_functions() -> None:
    with pytest.raises(ValueError, match="count must be at most 289; got 290"):
        GENERATOR.eigenfunctions(290)
    rates, functions = GENERATOR.eigenfunctions(40)
    # residuals: eigenvalues below 30 and what multiplies 289 u by 210
    np.testing.assert_allclose(GENERATOR.apply(functions), -functions * rates, rtol=0, atol=1e-10)


# -- laws -----------------------------------------------------------------------------------------


def test_a_point_becomes_a_heat_kernel() -> None:
    start = np.array([[0.48, 0.6, -0.64]])
    law = FREE.evolve(PointLaw(start, manifold=Sphere(2)), 0.4)
    assert isinstance(law, HarmonicLaw)
    x = Sphere(2).random_point(40, np.random.default_rng(2))
    degree = np.arange(40)
    weight = (2 * degree + 1) / (4 * math.pi) * np.exp(-degree * (degree + 1) * 0.2)
    # dropped: exp(-21 * 22 * 0.2); 441 terms right to 200 u, falling like the weights
    np.testing.assert_allclose(
        law.density(x), legendre.legval(x @ start[0], weight), rtol=0, atol=1e-12
    )


def test_evolution_is_the_dual_of_the_semigroup() -> None:
    f = smooth(GENERATOR.nodes)
    for law in (
        GENERATOR.law(lambda x: np.exp(x[:, 1])),
        PointLaw(np.eye(3)[:1], manifold=Sphere(2)),
    ):
        for time in (0.1, 1.0):
            after = GENERATOR.evolve(law, time)
            left = GENERATOR.weights_of(after) @ f
            right = GENERATOR.weights_of(law) @ GENERATOR.semigroup(f, time)
            # degree 16 leaves 1e-11 of a point and of exp
            assert left == pytest.approx(float(right), abs=1e-10)
            assert GENERATOR.weights_of(after).sum() == pytest.approx(1, abs=1e-12)  # demanded
            assert isinstance(after, HarmonicLaw)
            assert float(after.mean(smooth)) == pytest.approx(left, abs=1e-10)


def test_laws_tend_to_pi_and_pi_stays() -> None:
    pi = GENERATOR.stationary
    assert isinstance(pi, HarmonicLaw)
    x = Sphere(2).random_point(40, np.random.default_rng(2))
    mass = harmonic_grid(60)
    partition = mass[1] @ np.exp(-1.3 * PROBLEM.energy(mass[0])) * 4 * math.pi
    # what degree 16 leaves of exp(-beta U)
    np.testing.assert_allclose(
        pi.density(x), np.exp(-1.3 * PROBLEM.energy(x)) / partition, rtol=0, atol=1e-9
    )
    late, still = (GENERATOR.evolve(law, 40.0) for law in (PointLaw(x[:1], manifold=Sphere(2)), pi))
    # exp(-40 gap) with a gap above 1
    for law in (late, still):
        assert isinstance(law, HarmonicLaw)
        np.testing.assert_allclose(law.moments, pi.moments, rtol=0, atol=1e-12)
    assert GENERATOR.evolve(pi, [0.0])[0] is pi


def test_moments_that_do_not_fit_are_refused() -> None:
    fine = HarmonicLaw.from_density(lambda x: 1 + x[:, 0] ** 5, 8)
    coarse = HarmonicGenerator(Langevin(Sphere(2), zero()), 3)
    with pytest.raises(ValueError, match="law must have no more moments"):
        coarse.evolve(fine, 1.0)
    for law in (ZonalLaw(np.array([1.0, 0.3])), PointLaw(np.ones((1, 1)), manifold=Torus(1)), None):
        with pytest.raises(TypeError, match=r"law must be a HarmonicLaw.*got"):
            coarse.evolve(law, 1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="law must be a HarmonicLaw"):
        coarse.weights_of(GaussianLaw(np.zeros(1), np.eye(1)))


# -- one step of a walk ---------------------------------------------------------------------------

KINDS: list[Callable[[Langevin, float], Walk]] = [GeodesicWalk, RetractionWalk]
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
@pytest.mark.parametrize("h", [0.01, 0.2])
def test_one_step_of_a_zonal_problem(kind: Callable[[Langevin, float], Walk], h: float) -> None:
    problem = Langevin(Sphere(2), linear([0.0, 0.0, -1.0]), 1.3)
    generator, zonal = HarmonicGenerator(problem, 16), ZonalGenerator(problem, 40)
    walk = kind(problem, h)
    one, other = generator.transition(walk), zonal.transition(walk)
    z = generator.nodes[:, 2]
    f, g = np.cos(2 * z) + z, np.cos(2 * zonal.z) + zonal.z
    # both rules are exact to rounding; interpolation multiplies it by 41 at most
    for a, b in ((one.apply(f), other.apply(g)), (one.poisson(f), other.poisson(g))):
        np.testing.assert_allclose(a, zonal.interpolate(b, on_meridian(z)), rtol=0, atol=1e-11)
    assert one.stationary_mean(f) == pytest.approx(other.stationary_mean(g), abs=1e-12)


@each_kind
def test_one_step_by_polar_coordinates(kind: Callable[[Langevin, float], Walk]) -> None:
    h, problem = 0.1, PROBLEM
    walk = kind(problem, h)
    after = GENERATOR.expected_basis(walk)
    # lengths by Gauss-Legendre, directions by the trapezoidal rule
    node, weight = legendre.leggauss(160)
    length = 8.5 * (node + 1) / 2
    mass = np.repeat(weight * length * np.exp(-(length**2) / 2), 96)
    angle = np.arange(96) * (2 * math.pi / 96)
    noise = np.stack([np.outer(length, np.cos(angle)), np.outer(length, np.sin(angle))], axis=-1)
    for i in (0, 77, 300, 560):
        x = np.tile(GENERATOR.nodes[i], (len(mass), 1))
        frame = np.linalg.svd(x[:1])[2][1:]
        v = walk.noise * noise.reshape(-1, 2) @ frame - h * problem.gradient(x[:1])
        move = Sphere(2).exp if kind is GeodesicWalk else Sphere(2).retract
        expected = mass @ harmonics(move(x, v), 16) / mass.sum()
        # sums of 15 000 terms below sqrt(33)
        np.testing.assert_allclose(after[i], expected, rtol=0, atol=1e-12)


@each_kind
def test_turning_the_problem_turns_the_step(kind: Callable[[Langevin, float], Walk]) -> None:
    turn = rotation(5)
    turned = Langevin(Sphere(2), bent(turn @ BENT @ turn.T, turn @ TILT), 1.3)
    other = HarmonicGenerator(turned, 16)
    one, two = GENERATOR.transition(kind(PROBLEM, 0.1)), other.transition(kind(turned, 0.1))
    f, g = smooth(GENERATOR.nodes), smooth(other.nodes @ turn)
    # degree 16 leaves 1e-12 of exp
    there = GENERATOR.nodes @ turn.T
    for a, b in ((one.apply(f), two.apply(g)), (one.poisson(f), two.poisson(g))):
        np.testing.assert_allclose(other.interpolate(b, there), a, rtol=0, atol=1e-10)


@each_kind
def test_steps_against_simulation(kind: Callable[[Langevin, float], Walk]) -> None:
    n, walk = 60_000, kind(PROBLEM, 0.2)
    transition = GENERATOR.transition(walk)
    weights = GENERATOR.weights_of(PointLaw(np.eye(3)[:1], manifold=Sphere(2)))
    for _ in range(3):
        weights = weights @ transition.matrix
    x = simulate(walk, np.tile([1.0, 0.0, 0.0], (n, 1)), 3, np.random.default_rng(7), threads=1)

    def f(x: Array) -> Array:
        return np.column_stack([x, x[:, 0] * x[:, 1], x[:, 1] * x[:, 2], x[:, 2] ** 2])

    sample = f(x)
    # five standard errors
    error = 5 * sample.std(axis=0) / math.sqrt(n)
    assert (np.abs(sample.mean(axis=0) - weights @ f(GENERATOR.nodes)) < error).all()


def test_the_walks_poisson_equation_and_law() -> None:
    transition = GENERATOR.transition(GeodesicWalk(PROBLEM, 0.05))
    f = smooth(GENERATOR.nodes)
    phi = transition.poisson(f)
    # a linear system of condition 1/(h gap) < 100
    np.testing.assert_allclose(
        phi - transition.apply(phi), 0.05 * (f - transition.stationary_mean(f)), rtol=0, atol=1e-13
    )
    np.testing.assert_allclose(transition.matrix.sum(axis=1), 1, rtol=0, atol=1e-12)
    late = transition.evolve(GENERATOR.law(lambda x: np.exp(x[:, 0])), 1000)
    stationary = transition.stationary
    assert isinstance(late, HarmonicLaw)
    assert isinstance(stationary, HarmonicLaw)
    # 1000 steps of 0.05 leave exp(-50 gap)
    np.testing.assert_allclose(late.moments, stationary.moments, rtol=0, atol=1e-12)
    # the corrector tends to the diffusion's like h
    finer = GENERATOR.transition(GeodesicWalk(PROBLEM, 0.025)).poisson(f)
    target = GENERATOR.poisson(f)
    gaps = [np.abs(u - target).max() for u in (phi, finer)]
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.1)


def test_walks_that_do_not_fit_are_refused() -> None:
    for walk in (BarkerWalk(PROBLEM, 0.1), MetropolisWalk(PROBLEM, 0.1), BoundedWalk(PROBLEM, 0.1)):
        with pytest.raises(TypeError, match=r"walk must be a GeodesicWalk or Retraction.*got"):
            GENERATOR.transition(walk)
    with pytest.raises(ValueError, match="walk must be a walk of the generator's own"):
        GENERATOR.transition(GeodesicWalk(Langevin(Sphere(2), zero()), 0.1))
    wide = GENERATOR.transition(RetractionWalk(PROBLEM, 50.0))
    with pytest.raises(ValueError, match=r"walk must have a smaller step.*allowed: 200"):
        wide.apply(np.ones(len(GENERATOR.nodes)))


# -- what is asked of it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", [Langevin(Torus(1), zero()), Langevin(Sphere(3), zero()), Langevin(Euclidean(2), zero())]
)
def test_other_manifolds_are_refused(bad: Langevin) -> None:
    with pytest.raises(ValueError, match=r"langevin must be on Sphere\(2\); got"):
        HarmonicGenerator(bad, 8)


@pytest.mark.parametrize("degree", [0, -1, 1.5, None, True])
def test_degrees_that_are_none_are_refused(degree: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="degree must be an integer >= 1; got"):
        HarmonicGenerator(PROBLEM, degree)


@pytest.mark.parametrize("degree", [4, 8, 16])
def test_potentials_that_are_not_resolved_are_refused(degree: int) -> None:
    with pytest.raises(ValueError, match=r"degree must be large enough to resolve exp\(-beta U\)"):
        HarmonicGenerator(Langevin(Sphere(2), linear([9.0, 0.0, -12.0])), degree)


def test_a_root_that_is_not_resolved_is_refused() -> None:
    # nearly |x|
    with pytest.raises(ValueError, match="degree must be large enough"):
        HarmonicGenerator(dented(1e-5), 20)


@pytest.mark.parametrize("degree", [4, 6])
def test_a_harmonic_that_vanishes_at_the_nodes_is_refused(degree: int) -> None:
    # Im (x + iy)^(2L + 1) is 0 on every meridian of the grid
    k = 2 * degree + 1

    def power(x: Array, n: int) -> Any:
        return (x[:, 0] + 1j * x[:, 1]) ** n

    wavy = Potential(
        lambda x: power(x, k).imag,
        lambda x: np.stack(
            [k * power(x, k - 1).imag, k * power(x, k - 1).real, 0 * x[:, 2]], axis=1
        ),
    )
    with pytest.raises(ValueError, match="degree must be large enough"):
        HarmonicGenerator(Langevin(Sphere(2), wavy), degree)


def test_barriers_beyond_float64_are_refused() -> None:
    with pytest.raises(ValueError, match=r"langevin must have beta \(max U - min U\) <= 30 here"):
        HarmonicGenerator(Langevin(Sphere(2), linear([0.0, 16.0, 0.0])), 40)
