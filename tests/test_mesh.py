"""The generator on a surface of triangles: closed forms, second methods, orders, refusals."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh
from scipy.sparse.linalg import cg
from scipy.special import sph_harm_y

from coupled_flows import (
    FourierGenerator,
    Langevin,
    MeshGenerator,
    Potential,
    Sphere,
    Torus,
    ZonalGenerator,
    fit_order,
    icosphere,
    linear,
    quadratic,
    torus_mesh,
    zero,
)
from coupled_flows.generators import mesh
from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.surfaces import Index
from tests.test_surfaces import CORNERS, FACES, rough

U = 2.0**-53
TILT = linear([0.5, -1.0, -2.0])
SMALL = MeshGenerator(*rough(1, 3), TILT, beta=2.0)
LARGE = MeshGenerator(*rough(3, 4), TILT, beta=0.7)
each = pytest.mark.parametrize("generator", [SMALL, LARGE], ids=["42", "642"])


def smooth(generator: MeshGenerator, seed: int) -> Array:
    """Return some function of the vertices, two columns of it."""
    x = generator.nodes
    waves = np.column_stack([x, x**2, np.sin(3 * x), np.exp(x[:, :1])])
    return waves @ np.random.default_rng(seed).standard_normal((waves.shape[1], 2))


def size(generator: MeshGenerator, f: Array) -> Any:
    """Return the norm of f in L2(pi)."""
    return np.sqrt(generator.stationary_mean(f**2))


def largest_rate(generator: MeshGenerator) -> float:
    """Return a bound on the rates, by Gershgorin's circles."""
    return 2 * float(np.abs(generator.matrix.diagonal()).max())


def noise(generator: MeshGenerator, lam: float = 0.0) -> float:
    """Return what may be left of f in L2(pi) where an equation is solved.

    Conjugate gradients are asked for 1e-12; the solution, of size |f|/(lam + gap), is rounded,
    and L makes the largest rate of that: twenty times, for the sums.
    """
    return 1e-12 + 20 * U * (1 + largest_rate(generator) / (lam + generator.gap))


def harmonic(x: Array, degree: int, order: int) -> Array:
    """Return the real spherical harmonic Y_lm, m > 0, at points of S^2."""
    polar, azimuth = np.arccos(np.clip(x[:, 2], -1, 1)), np.arctan2(x[:, 1], x[:, 0])
    return math.sqrt(2) * sph_harm_y(degree, order, polar, azimuth).real


def by_hand(generator: MeshGenerator) -> tuple[Array, Array]:
    """Return stiffness and lumped mass, each triangle in its own plane, not normalised."""
    n = len(generator.nodes)
    stiffness, mass = np.zeros((n, n)), np.zeros(n)
    energy = generator.beta * generator.potential.value(generator.nodes)
    for corners in generator.surface.triangles:
        a, b, c = generator.nodes[corners]
        side = (b - a) / np.linalg.norm(b - a)
        up = (c - a) - side * (side @ (c - a))
        height = np.linalg.norm(up)
        plane = np.array([[1, 0, 0], [1, side @ (b - a), 0], [1, side @ (c - a), height]])
        hats = np.linalg.inv(plane)[1:]  # gradients of the hat functions, in columns
        area = side @ (b - a) * height / 2
        weight = area * math.exp(-energy[corners].mean()) / generator.beta
        stiffness[np.ix_(corners, corners)] += weight * hats.T @ hats
        mass[corners] += area / 3 * np.exp(-energy[corners])
    return stiffness, mass


def dense(generator: MeshGenerator) -> tuple[Array, Array]:
    """Return all rates, and their functions in L2(pi), from the matrices made by hand."""
    stiffness, mass = by_hand(generator)
    root = np.sqrt(mass)
    rates, frame = np.linalg.eigh(stiffness / np.outer(root, root))
    return rates, frame / root[:, None] * math.sqrt(mass.sum())


# -- what it is ------------------------------------------------------------------------------------


@each
def test_it_is_the_matrix_of_finite_elements(generator: MeshGenerator) -> None:
    stiffness, mass = by_hand(generator)
    matrix = generator.matrix.toarray()
    np.testing.assert_allclose(generator.mass, mass / mass.sum(), rtol=100 * U)
    # cotangents up to 5 from sides of relative error 4 u, over half of the least sine, squared
    scale = np.abs(stiffness).max()
    np.testing.assert_allclose(-mass[:, None] * matrix, stiffness, rtol=0, atol=500 * U * scale)
    c = generator.conductances.toarray()
    expected = -(stiffness - np.diag(np.diag(stiffness))) / mass.sum()
    np.testing.assert_allclose(c, expected, rtol=0, atol=500 * U * np.abs(c).max())
    assert generator.stationary_mean(np.ones(len(mass))) == pytest.approx(1, abs=len(mass) * U)


@each
def test_constants_are_in_the_kernel_and_the_mass_is_stationary(generator: MeshGenerator) -> None:
    n, f = len(generator.mass), smooth(generator, 0)
    # sums of eight or so terms, of which the diagonal is half
    rate = largest_rate(generator)
    assert np.abs(generator.apply(np.ones(n))).max() <= 8 * U * rate
    assert np.abs(generator.matrix.sum(axis=1)).max() <= 8 * U * rate
    flow = generator.mass @ np.abs(generator.matrix) @ np.abs(f)
    assert (np.abs(generator.stationary_mean(generator.apply(f))) <= n * U * flow).all()


@each
def test_the_conductances_are_symmetric_to_the_last_digit(generator: MeshGenerator) -> None:
    c = generator.conductances
    assert (c != c.T).nnz == 0
    assert (c.diagonal() == 0).all()
    assert (generator.conductances.data > 0).sum() >= 0.9 * c.nnz
    surface = generator.surface
    for array in (generator.nodes, generator.mass, c.data, surface.areas, surface.cotangents):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@each
def test_the_form_is_that_of_the_conductances(generator: MeshGenerator) -> None:
    f, g = smooth(generator, 1).T
    c = generator.conductances.tocoo()
    expected = float(c.data @ ((f[c.row] - f[c.col]) * (g[c.row] - g[c.col])) / 2)
    found = -generator.stationary_mean(f * generator.apply(g))
    terms = c.data @ np.abs((f[c.row] - f[c.col]) * (g[c.row] - g[c.col]))
    assert found == pytest.approx(expected, abs=10 * len(f) * U * float(terms))


@given(
    beta=st.floats(0.1, 5),
    scale=st.floats(0.01, 100),
    shift=st.floats(-100, 100),
    a=st.floats(-2, 2),
)
def test_temperature_length_and_zero_of_energy_are_units(
    beta: float, scale: float, shift: float, a: float
) -> None:
    vertices, triangles = rough(1, 5)

    def energy(x: Array) -> Array:
        return a * x[:, 0]

    given = MeshGenerator(vertices, triangles, Potential(energy, energy), beta)
    warm = Potential(lambda x: beta * energy(x) + shift, energy)
    one = MeshGenerator(vertices, triangles, warm)
    stretched = Potential(lambda x: energy(x / scale), energy)
    large = MeshGenerator(scale * vertices, triangles, stretched, beta)
    rate = largest_rate(given)
    # energies are right to 3 u of 12 + 100, and so are the logarithms of their exponentials
    allowed = (3 * 112 + 1000) * U
    for other, factor in ((one, beta), (large, scale**2)):
        np.testing.assert_allclose(other.mass, given.mass, rtol=allowed)
        difference = other.matrix * (1 if other is large else 1 / beta) - given.matrix / 1
        if other is large:
            difference = other.matrix * factor - given.matrix
        assert np.abs(difference.data).max(initial=0) <= allowed * rate


# -- closed forms ----------------------------------------------------------------------------------


def test_the_tetrahedron_has_one_rate() -> None:
    # sides s, cotangents 1/sqrt 3: c = 1/sqrt 3 on six edges, areas sqrt 3 s^2/4 on four vertices:
    # 4 c/area = 16/(3 s^2), three times
    corners = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    generator = MeshGenerator(corners, [[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], zero(), 3.0)
    rate = 16 / (3 * 8) / 3
    rates, functions = generator.eigenfunctions(4)
    np.testing.assert_allclose(rates, [0, rate, rate, rate], rtol=0, atol=16 * U)
    np.testing.assert_allclose(functions.T @ functions, 4 * np.eye(4), rtol=0, atol=64 * U)
    f = np.array([1.0, 2.0, -5.0, 7.0])
    np.testing.assert_allclose(generator.mass, 1 / 4, rtol=16 * U)
    np.testing.assert_allclose(generator.poisson(f), (f - f.mean()) / rate, rtol=4e-12)
    np.testing.assert_allclose(generator.apply(f), -rate * (f - f.mean()), rtol=64 * U)
    expected = f.mean() / 0.3 + (f - f.mean()) / (0.3 + rate)
    np.testing.assert_allclose(generator.resolvent(f, 0.3), expected, rtol=4e-12)
    variance = f.var()
    assert generator.asymptotic_covariance(f)[0, 0] == pytest.approx(2 * variance / rate, rel=4e-12)
    assert generator.gap == pytest.approx(rate, rel=16 * U)


def test_the_icosahedron_has_the_rates_of_its_graph() -> None:
    # edges and areas are equal: c/area times 0, 5 - sqrt 5 (3 times), 6 (5), 5 + sqrt 5 (3)
    generator = MeshGenerator(*icosphere(0), zero())
    side = 1 / math.sin(2 * math.pi / 5)
    unit = (1 / math.sqrt(3)) / (5 / 3 * math.sqrt(3) / 4 * side**2)
    graph = [0, *[5 - math.sqrt(5)] * 3, *[6] * 5, *[5 + math.sqrt(5)] * 3]
    rates, _ = generator.eigenfunctions(12)
    # LAPACK leaves n u of the norm: twice the diagonal, five edges, and as much for the constants
    np.testing.assert_allclose(rates, unit * np.array(graph), rtol=0, atol=12 * U * 20 * unit)
    x = generator.nodes
    expected = x / (unit * (5 - math.sqrt(5)))
    np.testing.assert_allclose(generator.poisson(x), expected, rtol=0, atol=4e-12)


# -- orders ----------------------------------------------------------------------------------------

LEVELS = [3, 4, 5, 6]
STEPS = [2.0**-level for level in LEVELS]


def slopes(errors: list[list[float]]) -> None:
    """Demand order 2 of each row, interval and all."""
    for row in errors:
        order = fit_order(STEPS, row)
        assert 1.9 <= order.low <= order.high <= 2.1, (order, row)


@pytest.mark.parametrize(("degree", "order"), [(1, 1), (3, 2), (4, 4), (6, 3)])
def test_spherical_harmonics_come_with_order_two(degree: int, order: int) -> None:
    mean, worst, covariance = [], [], []
    rate = degree * (degree + 1) / 2.0  # beta = 2
    for level in LEVELS:
        generator = MeshGenerator(*icosphere(level), zero(), beta=2.0)
        f = harmonic(generator.nodes, degree, order)
        away = np.abs(generator.poisson(f) - f / rate)
        mean.append(float(size(generator, away)))
        worst.append(float(away.max()))
        # |Y|^2 is 1/(4 pi) in the mean
        exact = 2 / rate / (4 * math.pi)
        covariance.append(abs(float(generator.asymptotic_covariance(f)[0, 0]) - exact))
    slopes([mean])
    if degree > 1:
        slopes([worst, covariance])
        return
    # h^2 log(1/h) where five triangles meet instead of six, which high degrees drown: 4^level
    # times the largest error goes up by the same from level to level
    assert away.argmax() < 12
    rises = np.diff(np.array(worst) * 4.0 ** np.array(LEVELS))
    assert rises == pytest.approx(rises.mean(), rel=0.02)


@pytest.mark.parametrize(
    ("potential", "beta"),
    [(linear([0.0, 0.0, -2.0]), 1.0), (quadratic(np.diag([0.0, 0.0, 3.0])), 1.5)],
    ids=["tilted", "belt"],
)
def test_a_potential_comes_with_order_two(potential: Potential, beta: float) -> None:
    exact = ZonalGenerator(Langevin(Sphere(2), potential, beta), degree=64)

    def observed(z: Array) -> Array:
        return np.stack([z, np.sin(5 * z)], axis=1)

    phi, u = exact.poisson(observed(exact.z)), exact.resolvent(np.exp(exact.z), 0.4)
    covariance = exact.asymptotic_covariance(np.exp(exact.z))
    rows = []
    for level in LEVELS:
        generator = MeshGenerator(*icosphere(level), potential, beta)
        f = observed(generator.nodes[:, 2])
        away = generator.poisson(f) - exact.interpolate(phi, generator.nodes)
        g = np.exp(generator.nodes[:, 2])
        other = generator.resolvent(g, 0.4) - exact.interpolate(u, generator.nodes)
        found = generator.asymptotic_covariance(g) - covariance
        each_norm = [size(generator, away), np.abs(away).max(axis=0), size(generator, other)]
        rows.append(np.hstack([*each_norm, np.abs(found).ravel()]))
    slopes(np.array(rows).T.tolist())


def test_on_a_torus_functions_of_the_small_angle_come_with_order_two() -> None:
    # area r (R + r cos t) ds dt: on functions of t, L = L_circle/r^2 with the potential
    # U - log(R/r + cos t)/beta
    beta, radii = 2.0, (1.0, 0.5)

    def energy(x: Array) -> Array:
        return 0.8 * x[:, 2]

    def value(t: Array) -> Array:
        return 0.4 * np.sin(t[:, 0]) - np.log(2 + np.cos(t[:, 0])) / beta

    def slope(t: Array) -> Array:
        return 0.4 * np.cos(t) + np.sin(t) / (2 + np.cos(t)) / beta

    exact = FourierGenerator(Langevin(Torus(1), Potential(value, slope), beta), modes=64)
    wave = np.cos(exact.nodes[:, 0]) + np.sin(2 * exact.nodes[:, 0])
    phi = exact.poisson(wave) * 0.25
    mean, worst = [], []
    for m in (8, 16, 32, 64):
        generator = MeshGenerator(*torus_mesh(2 * m, m, radii), Potential(energy, energy), beta)
        t = np.tile(2 * np.pi * np.arange(m) / m, 2 * m)[:, None]
        found = generator.poisson(np.cos(t[:, 0]) + np.sin(2 * t[:, 0]))
        away = found - exact.interpolate(phi, t)
        mean.append(float(size(generator, away)))
        worst.append(float(np.abs(away).max()))
        # the mesh turns into itself
        turns = found.reshape(2 * m, m)
        assert np.abs(turns - turns[0]).max() <= 10 * noise(generator) * np.abs(found).max()
    slopes([mean, worst])


def test_the_rates_of_the_sphere_come_with_order_two() -> None:
    found = np.array(
        [MeshGenerator(*icosphere(level), zero()).eigenfunctions(16)[0] for level in LEVELS[:3]]
    )
    degrees = np.repeat([1, 2, 3], [3, 5, 7])
    errors = np.abs(found[:, 1:] - degrees * (degrees + 1))
    assert errors[0, :3].max() < 1e-2 * errors[0, 3:].min()  # linear functions do better
    for row in errors[:, 3:].T:
        order = fit_order(STEPS[:3], row)
        assert 1.9 <= order.low <= order.high <= 2.1
    # degree 1 and 2 are not split by the icosahedron, degree 3 into 4 and 3
    for level, rates in zip(LEVELS, found, strict=False):
        generous = 1e3 * U * 4.0**level
        assert np.ptp(rates[1:4]) <= generous
        assert np.ptp(rates[4:9]) <= generous
        assert np.ptp(rates[9:13]) <= generous
        assert np.ptp(rates[13:]) <= generous


@pytest.mark.parametrize("beta", [2.0, 4.0])
def test_a_barrier_is_passed_at_its_rate(beta: float) -> None:
    # two wells, gaps of 7e-3 and 4e-6: the solution is 1/gap of f, and rounding as large
    potential = quadratic(np.diag([0.0, 0.0, -8.0]))
    exact = ZonalGenerator(Langevin(Sphere(2), potential, beta), degree=128)
    phi, errors = exact.poisson(exact.z), []
    for level in (3, 4):
        generator = MeshGenerator(*icosphere(level), potential, beta)
        z = generator.nodes[:, 2]
        found = generator.poisson(z)
        away = found - exact.interpolate(phi, generator.nodes)
        errors.append(float(size(generator, away) / size(generator, found)))
        assert generator.gap == pytest.approx(exact.gap, rel=1.1 * errors[-1])
        residual = size(generator, generator.apply(found) + z - generator.stationary_mean(z))
        assert residual <= noise(generator)
    # the interval of two points is the slope
    assert fit_order([2, 1], errors).slope == pytest.approx(2, abs=0.1)
    assert errors[-1] < 0.03


# -- equations -------------------------------------------------------------------------------------


@each
@given(seed=st.integers(1, 1000), lam=st.floats(0.01, 100), mu=st.floats(0.01, 100))
@settings(max_examples=10)
def test_the_resolvent_identity(generator: MeshGenerator, seed: int, lam: float, mu: float) -> None:
    f = smooth(generator, seed)
    first, second = generator.resolvent(f, lam), generator.resolvent(f, mu)
    away = first - second - (mu - lam) * generator.resolvent(second, lam)
    # R_lam - R_mu = (mu - lam) R_lam R_mu; each solution is right to noise/lam
    least = min(lam, mu)
    allowed = 3 * noise(generator, least) * (1 + abs(mu - lam) / least) / least
    assert (size(generator, away) <= allowed * size(generator, f)).all()


@each
@pytest.mark.parametrize("lam", [1e-6, 0.01, 1.0, 100.0, 1e6])
def test_the_resolvent_solves_its_equation(generator: MeshGenerator, lam: float) -> None:
    f = smooth(generator, 3)
    u = generator.resolvent(f, lam)
    mean = generator.stationary_mean(f)
    # the mean is known to n u; where lam is small, rounding of mean/lam counts
    n = len(f)
    allowed = (
        noise(generator, lam) * size(generator, f)
        + np.abs(mean) * largest_rate(generator) * U / lam
    )
    assert (size(generator, lam * u - generator.apply(u) - f) <= allowed + n * U).all()
    np.testing.assert_allclose(generator.resolvent(np.ones(n), lam) * lam, 1, rtol=n * U)
    np.testing.assert_allclose(
        lam * generator.stationary_mean(u), mean, rtol=0, atol=n * U * np.abs(f).max()
    )


@each
@given(seed=st.integers(1, 1000), lam=st.floats(0.01, 100))
@settings(max_examples=10)
def test_everything_is_self_adjoint_in_pi(generator: MeshGenerator, seed: int, lam: float) -> None:
    f, g = smooth(generator, seed).T
    scale = float(size(generator, f) * size(generator, g))
    for apply, norm, right in (
        (generator.apply, largest_rate(generator), 10 * U),
        (lambda u: generator.resolvent(u, lam), 1 / lam, noise(generator, lam)),
        (generator.poisson, 1 / generator.gap, noise(generator)),
    ):
        left = generator.stationary_mean(f * apply(g)) - generator.stationary_mean(g * apply(f))
        assert abs(left) <= 4 * right * norm * scale
    assert generator.stationary_mean(f * generator.apply(f)) <= 0


@each
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_the_poisson_equation_is_solved(generator: MeshGenerator, offset: float) -> None:
    f = smooth(generator, 4)
    phi = generator.poisson(f + offset)
    away = generator.apply(phi) + f - generator.stationary_mean(f)
    # the mean of f + offset is right to n u of it
    allowed = noise(generator) * size(generator, f) + len(f) * U * offset
    assert (size(generator, away) <= allowed).all()
    assert np.abs(generator.stationary_mean(phi)).max() <= len(f) * U * np.abs(phi).max()
    # and by all rates and functions
    rates, functions = dense(generator)
    modes = functions[:, 1:].T @ (generator.mass[:, None] * f)
    expected = functions[:, 1:] @ (modes / rates[1:, None])
    assert (size(generator, phi - expected) <= 4 * allowed / generator.gap).all()


@each
def test_the_resolvent_tends_to_the_poisson_solution(generator: MeshGenerator) -> None:
    f = smooth(generator, 5)
    f = f - generator.stationary_mean(f)
    phi = generator.poisson(f)
    for lam in (1.0, 1e-2, 1e-4):
        away = size(generator, generator.resolvent(f, lam) - phi)
        # |u_lam - phi| <= lam/(lam + gap) |phi|; the mean of f, right to n u, is divided by lam
        rounding = 2 * noise(generator) / generator.gap * size(generator, f) + len(f) * U / lam
        assert (away <= lam / (lam + generator.gap) * size(generator, phi) + rounding).all()


@each
def test_the_asymptotic_covariance_is_one(generator: MeshGenerator) -> None:
    f = smooth(generator, 6)
    covariance = generator.asymptotic_covariance(f)
    assert np.array_equal(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance)[0] > 0
    allowed = 4 * noise(generator) / generator.gap * float(size(generator, f).max()) ** 2
    again = generator.asymptotic_covariance(f + np.array([3.0, -4.0]))
    np.testing.assert_allclose(again, covariance, rtol=0, atol=allowed)
    one = generator.asymptotic_covariance(f[:, 0])
    np.testing.assert_allclose(one, covariance[:1, :1], rtol=0, atol=allowed)
    rates, functions = dense(generator)
    modes = functions[:, 1:].T @ (generator.mass[:, None] * f)
    expected = 2 * (modes.T / rates[1:]) @ modes
    np.testing.assert_allclose(covariance, expected, rtol=0, atol=allowed)


def test_answers_do_not_depend_on_the_questions_before() -> None:
    f = smooth(LARGE, 7)
    fresh = MeshGenerator(LARGE.nodes, LARGE.surface.triangles, TILT, 0.7)
    np.random.seed(1)  # noqa: NPY002 -- the preconditioner must not draw from it
    state = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    once = fresh.resolvent(f, 0.3)
    fresh.poisson(f)
    fresh.resolvent(f, 3.0)
    assert np.array_equal(fresh.resolvent(f, 0.3), once)
    assert np.array_equal(LARGE.resolvent(f, 0.3), once)
    assert np.array_equal(np.random.get_state()[1], state)  # type: ignore[index]  # noqa: NPY002
    # a column of zeros has the solution 0, no columns have none
    assert not fresh.poisson(np.zeros((len(f), 2))).any()
    assert fresh.poisson(np.zeros((len(f), 0))).shape == (len(f), 0)


# -- eigenfunctions --------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("count", [1, 2, 9, 42])
def test_eigenfunctions_are_what_they_are(generator: MeshGenerator, count: int) -> None:
    n = len(generator.nodes)
    rates, f = generator.eigenfunctions(count)
    assert rates.shape == (count,)
    assert f.shape == (n, count)
    assert rates[0] == 0
    assert (f[:, 0] == 1).all()
    assert (np.diff(rates) >= 0).all()
    expected, _ = dense(generator)
    np.testing.assert_allclose(
        rates, expected[:count], rtol=0, atol=n * U * largest_rate(generator)
    )
    inner = f.T @ (generator.mass[:, None] * f)
    np.testing.assert_allclose(inner, np.eye(count), rtol=0, atol=4 * n * U)
    residual = size(generator, generator.apply(f) + rates * f)
    # LAPACK leaves n u of the largest rate; the inverse n u of 1/gap, which L turns into the rate^2
    assert residual.max() <= 4 * n * U * max(
        largest_rate(generator), rates[-1] ** 2 / generator.gap
    )
    assert (f[np.abs(f).argmax(axis=0), np.arange(count)] > 0).all()
    assert generator.gap == generator.eigenfunctions(2)[0][1]


def test_both_ways_to_the_eigenfunctions_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rates, f = LARGE.eigenfunctions(12)
    monkeypatch.setattr(mesh, "DENSE", 1000)
    again, g = LARGE.eigenfunctions(12)
    rounding = 642 * U * largest_rate(LARGE)
    apart = float(np.diff(LARGE.eigenfunctions(13)[0]).min())
    assert apart > 1e3 * rounding
    np.testing.assert_allclose(rates, again, rtol=0, atol=rounding)
    assert (size(LARGE, f - g) <= 4 * rounding / apart).all()


def test_they_are_the_same_at_every_call() -> None:
    twin = MeshGenerator(LARGE.nodes, LARGE.surface.triangles, TILT, 0.7)
    for other in (LARGE, twin):
        for one, two in zip(LARGE.eigenfunctions(7), other.eigenfunctions(7), strict=True):
            assert np.array_equal(one, two)


def test_no_copy_of_a_rate_is_lost() -> None:
    # icosahedral symmetry: rates three, four and five times; one Lanczos run missed one of 34
    generator = MeshGenerator(*icosphere(4), zero())
    root = np.sqrt(generator.mass)
    full = -root[:, None] * generator.matrix.toarray() / root
    expected = eigh((full + full.T) / 2, eigvals_only=True, subset_by_index=(0, 35))
    for count in range(16, 37):
        rates, _ = generator.eigenfunctions(count)
        atol = len(root) * U * largest_rate(generator)
        np.testing.assert_allclose(rates, expected[:count], rtol=0, atol=atol)


def test_threads_do_not_take_one_anothers_preconditioner() -> None:
    f, other = smooth(LARGE, 8)[:, 0], (10.0, *LARGE._preconditioned(10.0))

    class Interrupted(MeshGenerator):
        """Another thread, solving with lambda = 10, runs between any two lines of this one."""

        _kept = property(lambda self: other, lambda self, value: None)

    generator = Interrupted(LARGE.nodes, LARGE.surface.triangles, TILT, 0.7)
    for lam in (0.1, 10.0):
        assert np.array_equal(generator.resolvent(f, lam), LARGE.resolvent(f, lam))


# -- what does not matter --------------------------------------------------------------------------


@given(seed=st.integers(0, 1000))
@settings(max_examples=10)
def test_numbering_and_place_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vertices, triangles = LARGE.nodes, LARGE.surface.triangles
    n = len(vertices)
    number = rng.permutation(n)
    moved = np.empty_like(vertices)
    moved[number] = vertices
    shuffled = MeshGenerator(moved, number[triangles[rng.permutation(len(triangles))]], TILT, 0.7)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]  # a reflection, too
    shift = rng.standard_normal(3)
    back = Potential(lambda x: TILT.value((x - shift) @ turn), lambda x: x)
    rigid = MeshGenerator(vertices @ turn.T + shift, triangles, back, 0.7)
    inside_out = MeshGenerator(vertices, triangles[:, ::-1], TILT, 0.7)
    f = smooth(LARGE, seed)[:, 0]
    phi, gap = LARGE.poisson(f), LARGE.gap
    # coordinates are right to 10 u of their size, 5: over the shortest sides, 1/20
    sides = 10 * 5 * 20 * U
    allowed = (4 * noise(LARGE) + 4 * sides) / gap * float(size(LARGE, f))
    for other, place in ((shuffled, number), (rigid, np.arange(n)), (inside_out, np.arange(n))):
        np.testing.assert_allclose(other.mass[place], LARGE.mass, rtol=20 * sides)
        g = np.empty(n)
        g[place] = f
        assert size(LARGE, other.poisson(g)[place] - phi) <= allowed
        assert other.gap == pytest.approx(gap, rel=4 * sides)


# -- refusals --------------------------------------------------------------------------------------


def test_a_surface_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"triangles must close up; got 3 edges of a single one"):
        MeshGenerator(CORNERS, FACES[1:], zero())


@pytest.mark.parametrize("beta", [0.0, -1.0, math.nan, math.inf])
def test_beta_must_be_positive(beta: float) -> None:
    with pytest.raises(ValueError, match=r"beta must be a finite real number > 0; got "):
        MeshGenerator(CORNERS, FACES, zero(), beta)


@pytest.mark.parametrize("potential", [None, 1.0, zero, lambda x: x[:, 0], TILT.value])
def test_only_a_potential_is_one(potential: Any) -> None:
    with pytest.raises(TypeError, match=r"potential must be a Potential, such as zero\(\); got "):
        MeshGenerator(CORNERS, FACES, potential)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda x: np.full(4, math.nan), r"potential.value\(vertices\) must be finite; got nan"),
        (lambda x: x, r"potential.value\(vertices\) must have shape \(4,\); got shape \(4, 3\)"),
        (lambda x: 40 * x[:, 0], r"potential must have beta \(max U - min U\) <= 30 here; got 80"),
        (lambda x: 1e308 * (1 - 2 * x[:, 0]), r"potential must have beta .* <= 30 here; got inf"),
    ],
)
def test_a_potential_out_of_range_is_refused(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MeshGenerator(CORNERS, FACES, Potential(value, np.sin), 2.0)


def test_its_gradient_is_not_asked_for() -> None:
    def refuse(x: Array) -> Array:
        raise AssertionError

    value = TILT.value
    generator = MeshGenerator(*rough(1, 3), Potential(value, refuse), beta=2.0)
    assert np.array_equal(generator.mass, SMALL.mass)


def test_rates_out_of_range_are_refused() -> None:
    MeshGenerator(CORNERS * 1e-99, FACES, zero(), 1e-90).poisson(np.arange(4.0))
    with pytest.raises(ValueError, match=r"vertices must .* rates, .* got beta = 1e-200"):
        MeshGenerator(CORNERS * 1e-99, FACES, zero(), 1e-200)


def test_where_rounding_decides_an_equation_is_refused() -> None:
    # two wells behind 28 units of energy: a gap of 1e-11 of the largest rate
    generator = MeshGenerator(*icosphere(2), quadratic(np.diag([0.0, 0.0, -8.0])), beta=7.0)
    z = generator.nodes[:, 2]
    with pytest.raises(ArithmeticError, match=r"conjugate gradients must leave at most 1e-06 of f"):
        generator.poisson(z)
    # an even function does not cross, and a resolvent has no time to
    assert size(generator, generator.poisson(z**2)) < 1
    assert size(generator, generator.resolvent(z, 1e-2)) < 100


def test_the_solver_is_imported_when_it_is_needed() -> None:
    script = (
        "import sys, coupled_flows as c\n"
        "g = c.MeshGenerator(*c.icosphere(1), c.zero())\n"
        "assert 'pyamg' not in sys.modules\n"
        "g.poisson(g.nodes)\n"
        "assert 'pyamg' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    "surface",
    [icosphere(2), icosphere(4), torus_mesh(20, 200), torus_mesh(200, 20), torus_mesh(100, 50)],
    ids=["162", "2562", "wide", "narrow", "even"],
)
def test_few_steps_reach_the_solution(
    surface: tuple[Array, Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    # whatever the number of triangles and their shape: a V-cycle takes off three quarters or so
    steps: list[int] = []

    def count(*given: Any, **named: Any) -> Any:
        return cg(*given, callback=lambda x: steps.append(1), **named)

    monkeypatch.setattr(mesh, "cg", count)
    generator = MeshGenerator(*surface, TILT)
    generator.poisson(generator.nodes[:, 0])
    assert 5 <= len(steps) <= 25
