"""What all generators share: resolvents, Poisson equations, semigroups, covariances, spectra."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import legendre
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

from coupled_flows import (
    FourierGenerator,
    Langevin,
    Sphere,
    Torus,
    ZonalGenerator,
    fourier,
    linear,
    quadratic,
    zero,
)
from coupled_flows.generators.spectral import SpectralGenerator
from coupled_flows.geometry.errors import Array

CIRCLE = FourierGenerator(Langevin(Torus(1), fourier(cos={1: 1.0}, sin={2: 0.3}), 1.5), 32)
SPHERE = ZonalGenerator(Langevin(Sphere(2), linear([0.0, 0.0, -2.0]), 1.3), 32)
each = pytest.mark.parametrize("generator", [CIRCLE, SPHERE], ids=["circle", "sphere"])
numbers = st.lists(st.floats(-1, 1), min_size=5, max_size=5)


def largest_rate(generator: SpectralGenerator) -> float:
    """Bound of the largest eigenvalue of -L: K^2 or L^2 over beta, times the spread of mass."""
    return 3 * generator.nodes.shape[0] ** 2 / generator.langevin.beta


def smooth(generator: SpectralGenerator, numbers: list[float]) -> Array:
    """Some resolved function: low waves on the circle, low powers of z on the sphere."""
    x = generator.nodes
    if len(x[0]) == 1:
        columns = [
            np.ones(len(x)),
            np.cos(x[:, 0]),
            np.sin(x[:, 0]),
            np.cos(2 * x[:, 0]),
            np.sin(3 * x[:, 0]),
        ]
    else:
        columns = [x[:, 2] ** k for k in range(5)]
    return np.array(numbers) @ np.array(columns)


@each
def test_the_mass_is_the_gibbs_measure(generator: SpectralGenerator) -> None:
    weight = np.exp(-generator.langevin.beta * generator.langevin.potential.value(generator.nodes))
    if generator is SPHERE:
        weight *= legendre.leggauss(33)[1]
    # a sum of 65 terms
    np.testing.assert_allclose(generator.mass, weight / weight.sum(), rtol=1e-13)


@each
def test_constants_are_in_the_kernel(generator: SpectralGenerator) -> None:
    one = np.ones(len(generator.nodes))
    # rounding of sums whose terms have the size of the largest eigenvalue, over masses that
    # differ by exp(5)
    noise = largest_rate(generator) * 2**-52 * math.exp(5)
    assert np.abs(generator.apply(one)).max() < noise
    np.testing.assert_allclose(generator.semigroup(one, 3.0), one, rtol=0, atol=1e-12)
    np.testing.assert_allclose(generator.resolvent(one, 0.5), 2 * one, rtol=0, atol=2e-12)
    assert np.abs(generator.poisson(one)).max() < 1e-12
    assert generator.stationary_mean(one) == pytest.approx(1, abs=1e-14)


@each
@given(a=numbers, b=numbers, time=st.floats(0, 10), lam=st.floats(1e-3, 1e3))
@settings(max_examples=30)
def test_everything_is_self_adjoint_in_pi(
    generator: SpectralGenerator, a: list[float], b: list[float], time: float, lam: float
) -> None:
    f, g = smooth(generator, a), smooth(generator, b)
    maps: list[Callable[[Array], Array]] = [
        generator.apply,
        lambda u: generator.semigroup(u, time),
        lambda u: generator.resolvent(u, lam) * lam,
        generator.poisson,
    ]
    for apply in maps:
        left = generator.stationary_mean(f * apply(g))
        right = generator.stationary_mean(apply(f) * g)
        # 1e4 * 2^-52 for L, whose eigenvalues reach 1e4
        assert left == pytest.approx(right, abs=1e-11)


@each
@given(a=numbers)
@settings(max_examples=30)
def test_the_generator_is_negative_and_keeps_mass(
    generator: SpectralGenerator, a: list[float]
) -> None:
    f = smooth(generator, a)
    assert generator.stationary_mean(f * generator.apply(f)) <= 1e-12
    assert abs(generator.stationary_mean(generator.apply(f))) < 1e-12
    for time in (0.01, 1.0, 100.0):
        # demanded: mass to 1e-12
        assert generator.stationary_mean(generator.semigroup(f, time)) == pytest.approx(
            generator.stationary_mean(f), abs=1e-12
        )


@each
@given(a=numbers, s=st.floats(0, 3), t=st.floats(0, 3))
@settings(max_examples=30)
def test_the_semigroup_is_one(
    generator: SpectralGenerator, a: list[float], s: float, t: float
) -> None:
    f = smooth(generator, a)
    # eigenvectors are orthogonal to 1e-14, and weighted with roots of mass down to exp(-2.5)
    np.testing.assert_allclose(
        generator.semigroup(generator.semigroup(f, s), t),
        generator.semigroup(f, s + t),
        rtol=0,
        atol=1e-12,
    )
    np.testing.assert_allclose(generator.semigroup(f, 0.0), f, rtol=0, atol=1e-12)


@each
@given(a=numbers, lam=st.floats(0.01, 100), mu=st.floats(0.01, 100))
@settings(max_examples=30)
def test_the_resolvent_identity(
    generator: SpectralGenerator, a: list[float], lam: float, mu: float
) -> None:
    f = smooth(generator, a)
    first, second = generator.resolvent(f, lam), generator.resolvent(f, mu)
    # R_lam - R_mu = (mu - lam) R_lam R_mu; sizes up to 4/lam^2 * |mu - lam|
    size = 4 * (1 + abs(mu - lam)) / min(lam, mu, 1) ** 2
    np.testing.assert_allclose(
        first - second, (mu - lam) * generator.resolvent(second, lam), rtol=0, atol=1e-13 * size
    )


@each
@pytest.mark.parametrize("lam", [0.01, 1.0, 100.0])
def test_the_resolvent_solves_its_equation(generator: SpectralGenerator, lam: float) -> None:
    f = smooth(generator, [0.3, 1.0, -0.5, 0.2, 0.7])
    u = generator.resolvent(f, lam)
    # u is good to 1e-15 of 1/lam, and L multiplies it by up to its largest eigenvalue
    noise = 1e-15 / lam * largest_rate(generator) * math.exp(2.5) + 1e-12
    np.testing.assert_allclose(lam * u - generator.apply(u), f, rtol=0, atol=noise)


@each
def test_the_resolvent_is_the_laplace_transform_of_the_semigroup(
    generator: SpectralGenerator,
) -> None:
    f = smooth(generator, [0.0, 1.0, -0.5, 0.2, 0.7])
    lam, node = 2.0, 5
    value = quad(
        lambda t: math.exp(-lam * t) * generator.semigroup(f, t)[node],
        0,
        20,
        epsabs=1e-12,
        limit=200,
    )[0]
    # quad's 1e-12, and exp(-40) of what is cut off
    assert generator.resolvent(f, lam)[node] == pytest.approx(value, abs=1e-11)


@each
def test_the_poisson_equation_is_solved(generator: SpectralGenerator) -> None:
    f = smooth(generator, [0.3, 1.0, -0.5, 0.2, 0.7])
    phi = generator.poisson(f)
    # as for the resolvent, with the gap, above 0.3, in place of lam
    noise = 3e-15 * largest_rate(generator) * math.exp(2.5)
    np.testing.assert_allclose(
        -generator.apply(phi), f - generator.stationary_mean(f), rtol=0, atol=noise
    )
    # eigenvectors are orthogonal to 1e-14, phi is of size 3
    assert abs(generator.stationary_mean(phi)) < 1e-13


@each
def test_the_resolvent_tends_to_the_poisson_solution(generator: SpectralGenerator) -> None:
    f = smooth(generator, [0.3, 1.0, -0.5, 0.2, 0.7])
    centred = f - generator.stationary_mean(f)
    phi = generator.poisson(f)
    size = math.sqrt(generator.stationary_mean(phi**2))
    gaps = []
    for lam in (1e-1, 1e-2, 1e-4):
        away = generator.resolvent(centred, lam) - phi
        gaps.append(math.sqrt(generator.stationary_mean(away**2)))
        # |u_lam - phi| <= lam/(lam + gap) |phi|, plus 1e-16/lam of rounding in the mean of f
        assert gaps[-1] <= lam / (lam + generator.gap) * size + 1e-14 / lam
    # and to first order lam |(-L)^(-1) phi|: the ratio of two is that of the lambdas, to 1e-2/gap
    assert gaps[1] / gaps[2] == pytest.approx(100, rel=1e-2 / generator.gap)


@each
def test_the_late_rate_is_the_gap(generator: SpectralGenerator) -> None:
    f = smooth(generator, [0.3, 1.0, -0.5, 0.2, 0.7])
    centred = f - generator.stationary_mean(f)
    norms = [
        math.sqrt(generator.stationary_mean(generator.semigroup(centred, t) ** 2))
        for t in (9.0, 9.5)
    ]
    rate = math.log(norms[0] / norms[1]) / 0.5
    # the second rate is at least 1.5 gaps: exp(-9 gap) of it is left, squared
    assert rate == pytest.approx(generator.gap, rel=10 * math.exp(-9 * generator.gap) + 1e-8)


@each
@given(a=numbers, b=numbers)
@settings(max_examples=30)
def test_the_asymptotic_covariance_is_one(
    generator: SpectralGenerator, a: list[float], b: list[float]
) -> None:
    f = np.column_stack([smooth(generator, a), smooth(generator, b)])
    covariance = generator.asymptotic_covariance(f)
    assert covariance.shape == (2, 2)
    np.testing.assert_array_equal(covariance, covariance.T)
    # rounding of entries of size 2 |f|^2/gap < 100
    assert np.linalg.eigvalsh(covariance)[0] >= -1e-13
    shifted = generator.asymptotic_covariance(f + np.array([3.0, -4.0]))
    np.testing.assert_allclose(shifted, covariance, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        generator.asymptotic_covariance(f[:, 0]), covariance[:1, :1], rtol=0, atol=1e-13
    )


def test_the_asymptotic_covariance_on_the_circle_is_the_energy_of_the_corrector() -> None:
    # -L phi = f has phi' = -beta (F + C)/w with w = exp(-beta U), F' = f w, and C from
    # int phi' = 0: by adaptive integration of its own
    beta = CIRCLE.langevin.beta

    def weight(t: float) -> float:
        return math.exp(-beta * (math.cos(t) + 0.3 * math.sin(2 * t)))

    def f(t: float) -> float:
        return math.cos(t) + 0.5 * math.sin(3 * t)

    grid = np.linspace(0, 2 * math.pi, 801)

    def rhs(t: float, y: Array) -> list[float]:
        # y: int w, int f w
        return [weight(t), f(t) * weight(t)]

    first = solve_ivp(
        rhs, (0, grid[-1]), [0, 0], method="DOP853", rtol=1e-13, atol=1e-14, t_eval=grid
    )
    total, mean = first.y[0, -1], first.y[1, -1] / first.y[0, -1]
    flux = first.y[1] - mean * first.y[0]
    w = np.array([weight(t) for t in grid])
    # the trapezoidal rule is spectral for periodic functions: 800 nodes
    constant = -np.sum(flux[:-1] / w[:-1]) / np.sum(1 / w[:-1])
    slope = -beta * (flux + constant) / w
    expected = 2 / beta * np.mean(slope[:-1] ** 2 * w[:-1]) * 2 * math.pi / total
    t = CIRCLE.nodes[:, 0]
    # the solver's 1e-13 times exp(beta (max U - min U)) = exp(3.5)
    assert CIRCLE.asymptotic_covariance(np.cos(t) + 0.5 * np.sin(3 * t))[0, 0] == pytest.approx(
        expected, rel=1e-11
    )


def test_the_asymptotic_covariance_on_the_sphere_is_the_energy_of_the_corrector() -> None:
    # (1 - z^2) w phi'/beta = -int_-1^z (f - pi f) w; C = (2/beta) int (1 - z^2) phi'^2 dpi
    beta = SPHERE.langevin.beta

    def f(z: float) -> float:
        return z**2 + 0.5 * z

    def weight(z: float) -> float:
        return math.exp(2 * beta * (z - 1))

    total = quad(weight, -1, 1, epsabs=1e-14)[0]
    mean = quad(lambda z: f(z) * weight(z), -1, 1, epsabs=1e-14)[0] / total

    def energy(z: float) -> float:
        # from the nearer pole, where the quotient is of the form 0/0
        low, high = (-1, z) if z < 0 else (1, z)
        flux = quad(lambda y: (f(y) - mean) * weight(y), low, high, epsabs=1e-15, epsrel=1e-13)[0]
        slope = -beta * flux / ((1 - z * z) * weight(z))
        return 2 / beta * (1 - z * z) * slope**2 * weight(z) / total

    expected = quad(energy, -1, 0, epsabs=1e-12)[0] + quad(energy, 0, 1, epsabs=1e-12)[0]
    z = SPHERE.nodes[:, 2]
    # quad's 1e-12 twice
    assert SPHERE.asymptotic_covariance(z**2 + 0.5 * z)[0, 0] == pytest.approx(expected, abs=2e-11)


@pytest.mark.parametrize(("amplitude", "beta"), [(1.0, 1.0), (2.0, 1.5), (0.3, 0.5)])
def test_the_gap_on_the_circle_by_shooting(amplitude: float, beta: float) -> None:
    # U = a cos t is even, so eigenfunctions are even or odd: -phi''/beta + U' phi' = rate phi on
    # [0, pi], with phi(pi) = 0 from phi(0) = 0, or phi'(pi) = 0 from phi'(0) = 0
    def end(rate: float, odd: bool) -> float:
        def rhs(t: float, y: Array) -> list[float]:
            return [y[1], -beta * (rate * y[0] + amplitude * math.sin(t) * y[1])]

        y0 = [0.0, 1.0] if odd else [1.0, 0.0]
        solved = solve_ivp(rhs, (0, math.pi), y0, method="DOP853", rtol=1e-12, atol=1e-13)
        return float(solved.y[0 if odd else 1, -1])

    rates = np.linspace(1e-3, 6, 60)
    first = []
    for odd in (True, False):
        values = [end(rate, odd) for rate in rates]
        turn = next(i for i in range(59) if values[i] * values[i + 1] < 0)
        first.append(brentq(lambda r, o=odd: end(r, o), rates[turn], rates[turn + 1], xtol=1e-12))
    generator = FourierGenerator(Langevin(Torus(1), fourier(cos={1: amplitude}), beta), 32)
    # the solver's 1e-12, magnified by exp(beta (max U - min U)) <= exp(6) at worst
    assert generator.gap == pytest.approx(
        min(first), abs=1e-12 * math.exp(2 * beta * amplitude) * 10
    )


def test_the_gap_on_the_sphere_by_a_jacobi_matrix() -> None:
    # L P_l = -l(l+1)/beta P_l + k (1 - z^2) P_l' with (1 - z^2) P_l' = l(l+1)/(2l+1) (P_(l-1) -
    # P_(l+1)): a tridiagonal matrix, of zonal functions only
    k, beta, size = 2.0, 1.3, 60
    degree = np.arange(size)
    factor = k * degree * (degree + 1) / (2 * degree + 1)
    matrix = (
        np.diag(-degree * (degree + 1) / beta) + np.diag(factor[1:], 1) - np.diag(factor[:-1], -1)
    )
    rates = np.sort(-np.linalg.eigvals(matrix).real)
    # eigenvalues up to 3600/1.3, rounding and a condition below 100
    assert SPHERE.gap == pytest.approx(rates[1], abs=2800 * 100 * 2**-52)


@each
def test_columns_are_taken_one_by_one(generator: SpectralGenerator) -> None:
    f = smooth(generator, [0.3, 1.0, -0.5, 0.2, 0.7])
    g = smooth(generator, [0.0, 0.1, 0.9, 0.0, -0.2])
    both = np.column_stack([f, g])
    maps: list[Callable[[Array], Array]] = [
        generator.apply,
        generator.poisson,
        generator.stationary_mean,
        lambda u: generator.semigroup(u, 0.3),
        lambda u: generator.resolvent(u, 2.0),
    ]
    for apply in maps:
        # the same sums in another order: 1e-16 times eigenvalues of 1e4
        np.testing.assert_allclose(apply(both)[..., 0], apply(f), rtol=0, atol=1e-11)
        np.testing.assert_allclose(apply(both)[..., 1], apply(g), rtol=0, atol=1e-11)


@pytest.mark.parametrize("beta", [21.0, 100.0, 1e6])
def test_a_barrier_too_high_for_float64_is_refused(beta: float) -> None:
    with pytest.raises(
        ValueError, match=r"langevin must have beta \(max U - min U\) <= \d+ here; got"
    ):
        FourierGenerator(Langevin(Torus(1), fourier(cos={1: 1.0}), beta), 64)
    with pytest.raises(
        ValueError, match=r"langevin must have beta \(max U - min U\) <= \d+ here; got"
    ):
        ZonalGenerator(Langevin(Sphere(2), linear([0.0, 0.0, -1.0]), beta), 64)


@pytest.mark.parametrize("barrier", [10.0, 15.0, 20.0, 25.0, 30.0, 39.0])
def test_a_high_barrier_is_served_right_or_refused(barrier: float) -> None:
    problem = Langevin(Torus(1), fourier(cos={2: 1.0}), barrier / 2)
    try:
        generator = FourierGenerator(problem, 96)
        gap = generator.gap
    except ValueError:
        return  # what it says is tested elsewhere
    # Kramers: two wells of curvature 4, two barriers of curvature 4 and height B/beta, so that the
    # gap is (8/pi) exp(-B) (1 + O(1/B)): 11 % at 5, 5.5 % at 10
    assert gap == pytest.approx(8 / math.pi * math.exp(-barrier), rel=1 / barrier, abs=0)
    phi = generator.poisson(np.cos(generator.nodes[:, 0]))
    assert np.isfinite(phi).all()
    # -L phi = f, f odd between the wells: phi is f/gap, within the same 1/B and the wells' width
    f = np.cos(generator.nodes[:, 0])
    assert generator.stationary_mean(f * phi) > 0


def test_more_modes_do_not_change_the_slow_rates() -> None:
    problem = Langevin(Torus(1), fourier(cos={2: 1.0}), 5.0)
    coarse, fine = (
        np.sort(np.linalg.eigvals(-FourierGenerator(problem, m).apply(np.eye(2 * m + 1))).real)
        for m in (48, 96)
    )
    # resolved rates differ by rounding of the largest, 4e5 * 2^-52 * 10 at barrier 10; a rate that
    # moves with the grid belongs to the grid
    np.testing.assert_allclose(coarse[:6], fine[:6], rtol=0, atol=1e-6)


def test_a_higher_degree_does_not_change_the_slow_rates() -> None:
    problem = Langevin(Sphere(2), quadratic(np.diag([0.0, 0.0, -2.0])), 10.0)
    coarse, fine = (
        np.sort(np.linalg.eigvals(-ZonalGenerator(problem, m).apply(np.eye(m + 1))).real)
        for m in (48, 72)
    )
    # as on the circle
    np.testing.assert_allclose(coarse[:6], fine[:6], rtol=0, atol=1e-6)


# -- eigenfunctions --------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("count", [1, 2, 7, 14, None])
def test_eigenfunctions_are_what_they_are(generator: SpectralGenerator, count: int | None) -> None:
    n = len(generator.nodes)
    resolved = count is not None
    count = n if count is None else count
    rates, f = generator.eigenfunctions(count)
    assert rates.shape == (count,)
    assert f.shape == (n, count)
    assert rates[0] == 0
    assert (f[:, 0] == 1).all()
    assert (np.diff(rates) >= 0).all()
    # singular vectors are orthogonal to n u
    inner = f.T @ (generator.mass[:, None] * f)
    np.testing.assert_allclose(inner, np.eye(count), rtol=0, atol=4 * n * 2**-53)
    top = f[np.abs(f).argmax(axis=0), np.arange(count)]
    assert (top > 0).all()
    for one, two in zip(generator.eigenfunctions(count), (rates, f), strict=True):
        assert np.array_equal(one, two)
    if not resolved:
        return  # `apply` differs from F'F where a product of two waves is beyond the last one
    every = np.sort(np.linalg.eigvals(-generator.apply(np.eye(n))).real)
    # as for the gap by a Jacobi matrix: rounding of the largest, and a condition below 100
    noise = largest_rate(generator) * 100 * 2**-52
    np.testing.assert_allclose(rates, every[:count], rtol=0, atol=noise)
    # -L f = rate f in the mean over pi, to n u of the largest rate
    residual = generator.apply(f) + rates * f
    norm = np.sqrt(generator.stationary_mean(residual**2))
    assert norm.max() <= n * 2**-52 * largest_rate(generator)


@each
def test_the_gap_is_the_second_rate(generator: SpectralGenerator) -> None:
    assert generator.eigenfunctions(2)[0][1] == generator.gap


@each
def test_what_is_returned_may_be_changed(generator: SpectralGenerator) -> None:
    rates, f = generator.eigenfunctions(4)
    again = rates.copy(), f.copy()
    rates[:] = f[:] = 7.0
    for one, two in zip(generator.eigenfunctions(4), again, strict=True):
        assert np.array_equal(one, two)


@each
@pytest.mark.parametrize(
    ("count", "kind"), [(0, ValueError), (1000, ValueError), (2.0, TypeError), (True, TypeError)]
)
def test_a_count_out_of_range_is_refused(
    generator: SpectralGenerator, count: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=rf"count must be .*; got {count}"):
        generator.eigenfunctions(count)


def test_eigenfunctions_without_force_are_waves_on_the_circle() -> None:
    beta, modes = 1.7, 12
    generator = FourierGenerator(Langevin(Torus(1), zero(), beta), modes)
    n, t = 2 * modes + 1, generator.nodes[:, 0]
    rates, f = generator.eigenfunctions(n)
    waves = np.repeat(np.arange(modes + 1), 2)[1:]
    # singular values below 12 are right to n u of the largest; their squares move twice as much
    np.testing.assert_allclose(rates, waves**2 / beta, rtol=0, atol=2 * n * 2**-52 * modes**2)
    for k in range(1, modes + 1):
        exact = math.sqrt(2) * np.column_stack([np.cos(k * t), np.sin(k * t)])
        pair = f[:, 2 * k - 1 : 2 * k + 1]
        turn = exact.T @ pair / n
        # singular values are 1 apart: vectors as right as values
        np.testing.assert_allclose(exact @ turn, pair, rtol=0, atol=2 * n * 2**-52 * modes)
        np.testing.assert_allclose(turn.T @ turn, np.eye(2), rtol=0, atol=2 * n * 2**-52 * modes)


def test_eigenfunctions_without_force_are_legendre_polynomials_on_the_sphere() -> None:
    beta, degree = 0.6, 14
    generator = ZonalGenerator(Langevin(Sphere(2), linear([0.0, 0.0, 0.0]), beta), degree)
    rates, f = generator.eigenfunctions(degree + 1)
    order = np.arange(degree + 1)
    noise = 2 * (degree + 1) * 2**-52 * degree
    np.testing.assert_allclose(
        rates, order * (order + 1) / beta, rtol=0, atol=noise * degree / beta
    )
    exact = legendre.legvander(generator.nodes[:, 2], degree) * np.sqrt(2 * order + 1)
    # the largest of an odd polynomial's values is taken twice, with both signs; singular values are
    # 1/sqrt(beta) apart, and the functions are divided by the root of the least mass
    sign = np.sign((exact * f).sum(axis=0))
    np.testing.assert_allclose(
        f * sign, exact, rtol=0, atol=noise / math.sqrt(generator.mass.min())
    )
