"""One step of each walk, against quadrature, closed forms and detailed balance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import uniform

from coupled_flows import (
    BarkerWalk,
    BoundedWalk,
    DivergenceError,
    Euclidean,
    GeodesicWalk,
    Langevin,
    MetropolisWalk,
    Potential,
    RetractionWalk,
    Sphere,
    Torus,
    fourier,
    linear,
    quadratic,
    simulate,
    zero,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.walks.steps import Walk

Function = Callable[[Array], Array]
UNIT = 2.0**-53
KINDS = ["geodesic", "retraction", "bounded sphere", "bounded ball", "metropolis", "barker"]
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind: str, problem: Langevin, h: float) -> Walk:
    if kind.startswith("bounded"):
        return BoundedWalk(problem, h, law=kind.split()[1])
    table: dict[str, type[Walk]] = {
        "geodesic": GeodesicWalk,
        "retraction": RetractionWalk,
        "metropolis": MetropolisWalk,
        "barker": BarkerWalk,
    }
    return table[kind](problem, h)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def gauss_hermite(n: int) -> tuple[Array, Array]:
    """Nodes and weights of the standard Gaussian law."""
    node, weight = np.polynomial.hermite_e.hermegauss(n)
    return node, weight / weight.sum()


# -- one step's mean and second moment against quadrature of the written equation ----------------


def noise_in_the_plane(kind: str) -> tuple[Array, Array]:
    """Nodes (q, 2) and weights of the walk's xi in a tangent plane."""
    if kind in ("geodesic", "retraction"):
        node, weight = gauss_hermite(40)
        a, b = np.meshgrid(node, node)
        return np.stack([a.ravel(), b.ravel()], 1), np.outer(weight, weight).ravel()
    if kind.startswith("bounded"):
        angle = 2 * math.pi * np.arange(64) / 64
        circle = np.stack([np.cos(angle), np.sin(angle)], 1)
        if kind.endswith("sphere"):
            return math.sqrt(2) * circle, np.full(64, 1 / 64)
        node, weight = np.polynomial.legendre.leggauss(20)
        radius, mass = 1 + node, weight * (1 + node) / 2  # radius in [0, 2], density r/2
        points = radius[:, None, None] * circle
        return points.reshape(-1, 2), np.repeat(mass / 64, 64)
    side = np.linspace(-7, 7, 561)  # a fine grid, as the acceptance has a kink
    density = np.exp(-(side**2) / 2)
    a, b = np.meshgrid(side, side)
    product = np.outer(density, density).ravel()
    return np.stack([a.ravel(), b.ravel()], 1), product / product.sum()


def written_step(kind: str, x: Array, k: Array, h: float, beta: float) -> tuple[Array, Array]:
    """Where one step from x on S^2 leads, with U = <k, x>, and the weight of each place."""
    xi, mass = noise_in_the_plane(kind)
    e1 = np.cross(x, [0.6, 0.0, 0.8])
    e1 /= np.linalg.norm(e1)
    e2 = np.cross(x, e1)
    spread = math.sqrt((4 if kind == "barker" else 2) * h / beta)
    v = spread * (xi[:, :1] * e1 + xi[:, 1:] * e2)
    if kind not in ("metropolis", "barker"):
        v = v - h * (k - (k @ x) * x)
    length = np.linalg.norm(v, axis=1, keepdims=True)
    if kind == "retraction":
        y = (x + v) / np.sqrt(1 + length**2)
    else:
        y = np.cos(length) * x + np.sinc(length / math.pi) * v
    if kind not in ("metropolis", "barker"):
        return y, mass
    rise = beta * (y @ k - x @ k)
    taken = np.minimum(1, np.exp(-rise)) if kind == "metropolis" else 1 / (1 + np.exp(rise))
    stays = float(mass @ (1 - taken))
    return np.vstack([y, x]), np.append(mass * taken, stays)


@every_kind
@pytest.mark.parametrize("h", [0.05, 0.6])
def test_mean_and_second_moment_of_a_step_on_the_sphere(kind: str, h: float) -> None:
    n, beta = 100_000, 1.5
    x, k = np.array([0.48, 0.6, 0.64]), np.array([1.0, -0.5, 1.5])
    walk = make(kind, Langevin(Sphere(2), linear(k), beta), h)
    sample = walk.step_from(np.tile(x, (n, 1)), rng(1))
    place, mass = written_step(kind, x, k, h, beta)
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    for features in (
        lambda y: y,
        lambda y: np.stack([y[:, i] * y[:, j] for i, j in pairs], 1),
    ):
        expected = mass @ features(place)
        error = np.sqrt(np.maximum(mass @ features(place) ** 2 - expected**2, 0) / n)
        # 5 standard errors, known from the same quadrature; its own error is below 1e-5 of one
        assert (np.abs(features(sample).mean(0) - expected) <= 5 * error + 1e-12).all()


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize(
    ("kind", "characteristic"),
    [
        ("geodesic", lambda a: math.exp(-(a**2) / 2)),
        ("retraction", lambda a: math.exp(-(a**2) / 2)),
        ("bounded sphere", math.cos),
        ("bounded ball", lambda a: math.sin(math.sqrt(3) * a) / (math.sqrt(3) * a)),
    ],
)
def test_fourier_modes_of_a_step_on_the_circle(
    kind: str, characteristic: Callable[[float], float], k: int
) -> None:
    n, h, beta, x = 100_000, 0.2, 1.5, 5.9
    walk = make(kind, Langevin(Torus(1), fourier(cos={1: 1.0}), beta), h)
    sample = walk.step_from(np.full((n, 1), x), rng(2))[:, 0]
    centre = x + h * math.sin(x)
    phi = (
        characteristic(k * math.sqrt(2 * h / beta)),
        characteristic(2 * k * math.sqrt(2 * h / beta)),
    )
    # E e^{ik x'} = e^{ik centre} phi(k s); variances (1 +- phi(2ks) cos 2k centre)/2 - mean^2
    for f, mean, second in (
        (np.cos, phi[0] * math.cos(k * centre), (1 + phi[1] * math.cos(2 * k * centre)) / 2),
        (np.sin, phi[0] * math.sin(k * centre), (1 - phi[1] * math.cos(2 * k * centre)) / 2),
    ):
        # 5 standard errors; a walk on two points needs the rounding too
        error = math.sqrt(max(second - mean**2, 0) / n)
        assert abs(float(f(k * sample).mean()) - mean) <= 5 * error + 1e-12


def test_mean_and_covariance_of_a_step_in_space() -> None:
    n, h, beta = 100_000, 0.3, 0.7
    form, x = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -2.0])
    for kind in ("geodesic", "retraction", "bounded sphere", "bounded ball"):
        walk = make(kind, Langevin(Euclidean(2), quadratic(form), beta), h)
        noise = walk.step_from(np.tile(x, (n, 1)), rng(3)) - (x - h * form @ x)
        variance = 2 * h / beta
        # 5 standard errors; fourth moments are at most the Gaussian ones, 3, 1 and 1
        assert (np.abs(noise.mean(0)) <= 5 * math.sqrt(variance / n)).all()
        error = variance * np.sqrt(np.array([[2, 1], [1, 2]]) / n)
        assert (np.abs(noise.T @ noise / n - variance * np.eye(2)) <= 5 * error).all()


def test_each_walker_has_noise_of_its_own() -> None:
    x = np.tile([[0.0, 0.0, 1.0]], (1000, 1))
    for kind in KINDS:
        y = make(kind, Langevin(Sphere(2), zero()), 0.1).step_from(x, rng(1))
        moved = y[(y != x).any(1)]
        assert len(np.unique(moved, axis=0)) == len(moved) > 300


# -- bounded noise ----------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["sphere", "ball"])
@pytest.mark.parametrize("d", [2, 9])
def test_bounded_noise_is_isotropic_in_the_tangent_space(law: str, d: int) -> None:
    n, h = 50_000, 1e-3
    sphere = Sphere(d)
    walk = BoundedWalk(Langevin(sphere, zero()), h, law=law)
    x = np.tile(sphere.random_point(1, rng(1)), (n, 1))
    xi = sphere.log(x, walk.step_from(x, rng(2))) / walk.noise
    length = np.linalg.norm(xi, axis=1)
    if law == "sphere":
        # the logarithm of a point that is right to 20 u
        np.testing.assert_allclose(length, math.sqrt(d), rtol=0, atol=20 * UNIT / walk.noise)
    else:
        share = np.sort((length / walk.radius) ** d)
        # Massart's bound for one in a million
        bound = math.sqrt(math.log(2e6) / (2 * n)) + 1 / n
        assert np.abs(uniform.cdf(share) - np.arange(1, n + 1) / n).max() <= bound
    frame = np.linalg.svd(x[:1])[2][1:]
    unit = xi @ frame.T / length[:, None]
    # 5 standard errors for uniform directions: E u_i = 0, E u_i^2 = 1/d, E u_i^4 = 3/(d (d + 2))
    assert (np.abs(unit.mean(0)) <= 5 / math.sqrt(d * n)).all()
    second, fourth = 1 / d, 3 / (d * (d + 2))
    assert (np.abs((unit**2).mean(0) - second) <= 5 * math.sqrt((fourth - second**2) / n)).all()
    eighth = 105 / (d * (d + 2) * (d + 4) * (d + 6))
    assert (np.abs((unit**4).mean(0) - fourth) <= 5 * math.sqrt((eighth - fourth**2) / n)).all()
    if d == 2:
        wave = np.exp(1j * np.arange(1, 9)[:, None] * np.arctan2(unit[:, 1], unit[:, 0])).mean(1)
        assert max(np.abs(wave.real).max(), np.abs(wave.imag).max()) <= 5 / math.sqrt(2 * n)


@pytest.mark.parametrize("law", ["sphere", "ball"])
@pytest.mark.parametrize("manifold", [Torus(1), Sphere(1), Sphere(2), Euclidean(3)], ids=repr)
def test_no_bounded_step_is_longer_than_its_radius(
    law: str, manifold: Torus | Sphere | Euclidean
) -> None:
    walk = BoundedWalk(Langevin(manifold, zero(), beta=2.0), 0.01, law=law)
    x = manifold.random_point(5000, rng(1))
    longest = manifold.dist(x, walk.step_from(x, rng(2))).max()
    d = manifold.dim
    assert walk.radius == pytest.approx(math.sqrt(d if law == "sphere" else d + 2), rel=2 * UNIT)
    # a difference of coordinates below 8
    assert longest <= walk.radius * math.sqrt(2 * 0.01 / 2.0) + 80 * UNIT
    assert longest >= 0.8 * walk.radius * walk.noise


def test_on_the_circle_the_sphere_law_is_random_signs() -> None:
    walk = BoundedWalk(Langevin(Torus(1), zero()), 0.5)
    y = walk.step_from(np.full((10_000, 1), 2.0), rng(1))[:, 0]
    up = int((y > 2).sum())
    # a handful of roundings of numbers below 4
    np.testing.assert_allclose(np.where(y > 2, y, y + 2), 3.0, rtol=0, atol=20 * UNIT)
    # 5 standard errors of a fair coin
    assert abs(up - 5000) <= 5 * 50


# -- laws after many steps --------------------------------------------------------------------


def zonal_operator(kind: str, k: float, h: float, n: int = 48) -> tuple[Array, Array]:
    """Nodes z and the matrix of f -> E f(z') for U = -k z, beta = 1, f a function of z.

    From (sin t, 0, cos t) a step v = (a, b) in the frame (towards the pole, across) leads to
    z' = c cos t + s a sin t, with c = cos|v|, s = sin|v|/|v| (or 1/sqrt(1 + |v|^2) for both).
    Functions are polynomials of degree n - 1 through the Gauss-Legendre nodes.
    """
    node, weight = np.polynomial.legendre.leggauss(n)
    xi, mass = noise_in_the_plane(kind)
    sin = np.sqrt(1 - node**2)
    a = h * k * sin[:, None] + math.sqrt(2 * h) * xi[:, 0]
    length = np.hypot(a, math.sqrt(2 * h) * xi[:, 1])
    if kind == "retraction":
        c = s = 1 / np.sqrt(1 + length**2)
    else:
        c, s = np.cos(length), np.sinc(length / math.pi)
    after = c * node[:, None] + s * a * sin[:, None]
    degrees = np.arange(n)
    to_coefficients = (
        (degrees[:, None] + 0.5) * np.polynomial.legendre.legvander(node, n - 1).T * weight
    )
    modes = np.stack([np.polynomial.legendre.legvander(row, n - 1).T @ mass for row in after])
    return node, modes @ to_coefficients


def coth_law(k: float) -> float:
    """E z of the density proportional to exp(k z) on S^2."""
    return 1 / math.tanh(k) - 1 / k


@pytest.mark.parametrize("kind", ["geodesic", "retraction", "bounded sphere", "bounded ball"])
def test_mean_height_after_n_steps_from_the_equator(kind: str) -> None:
    n, steps, h, k = 40_000, 12, 0.15, 2.0
    walk = make(kind, Langevin(Sphere(2), linear([0.0, 0.0, -k])), h)
    start = np.tile([[1.0, 0.0, 0.0]], (n, 1))
    z = simulate(walk, start, steps, rng(5))[:, 2]
    node, operator = zonal_operator(kind, k, h)
    first = np.linalg.matrix_power(operator, steps) @ node
    second = np.linalg.matrix_power(operator, steps) @ node**2
    mean, square = (float(np.polynomial.Legendre.fit(node, f, 47)(0.0)) for f in (first, second))
    # 5 standard errors; the quadrature is right to 1e-10
    assert abs(z.mean() - mean) <= 5 * math.sqrt((square - mean**2) / n) + 1e-9


@pytest.mark.parametrize("kind", ["geodesic", "retraction", "bounded sphere", "bounded ball"])
def test_the_stationary_mean_height_is_the_coth_law_up_to_order_one(kind: str) -> None:
    k, biases = 2.0, []
    for h in (0.04, 0.02):
        node, operator = zonal_operator(kind, k, h)
        limit = np.linalg.matrix_power(operator, 4096) @ node
        # the gap is above 2, so e^{-2 * 80} is left of the start
        assert np.ptp(limit) <= 1e-9
        biases.append(float(limit.mean()) - coth_law(k))
    # bias = c h + O(h^2) with |c2/c| of a few: the ratio is 2 + O(h)
    assert biases[0] / biases[1] == pytest.approx(2, abs=0.2)

    n, h = 40_000, 0.04
    walk = make(kind, Langevin(Sphere(2), linear([0.0, 0.0, -k])), h)
    z = simulate(walk, heights_to_points(exact_heights(n, k, 6), 7), 60, rng(8))[:, 2]
    # 5 standard errors, variance 1 - coth^2 k + 1/k^2; the bias of step h, from above;
    # a start from pi leaves e^{-2 * 2.4} < 1 % of it
    error = math.sqrt((1 - 1 / math.tanh(k) ** 2 + 1 / k**2) / n)
    assert abs(z.mean() - coth_law(k) - biases[0]) <= 5 * error + 0.01 * abs(biases[0])


def exact_heights(n: int, k: float, seed: int) -> Array:
    """Draw z from the density proportional to exp(k z) on [-1, 1] by inversion."""
    share = rng(seed).random(n)
    return np.log(np.exp(-k) + share * (np.exp(k) - np.exp(-k))) / k


def heights_to_points(z: Array, seed: int) -> Array:
    turn = rng(seed).uniform(0, 2 * math.pi, len(z))
    flat = np.sqrt(1 - z**2)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), z], 1)


@pytest.mark.parametrize("kind", ["metropolis", "barker"])
@pytest.mark.parametrize("h", [0.1, 3.0])
def test_the_reversible_walks_keep_the_coth_law_at_any_step(kind: str, h: float) -> None:
    n, k = 40_000, 2.0
    walk = make(kind, Langevin(Sphere(2), linear([0.0, 0.0, -k])), h)
    z = simulate(walk, heights_to_points(exact_heights(n, k, 6), 7), 20, rng(8))[:, 2]
    # 5 standard errors, no bias
    error = math.sqrt((1 - 1 / math.tanh(k) ** 2 + 1 / k**2) / n)
    assert abs(z.mean() - coth_law(k)) <= 5 * error


@pytest.mark.parametrize("h", [0.1, 0.7])
def test_the_euler_walk_has_its_closed_form_covariance(h: float) -> None:
    n, steps, beta = 40_000, 60, 0.8
    form = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 1.5]])
    limit = np.linalg.inv(form - h * form @ form / 2) / beta
    after = np.zeros((3, 3))
    shrink = np.eye(3) - h * form
    for _ in range(steps):
        after = shrink @ after @ shrink + 2 * h / beta * np.eye(3)
    # the slowest mode, of rate 0.75, keeps (1 - 0.75 h)^120 of the start: below 1e-3
    np.testing.assert_allclose(after, limit, rtol=0, atol=1e-3 * np.abs(limit).max())
    walk = GeodesicWalk(Langevin(Euclidean(3), quadratic(form), beta), h)
    x = simulate(walk, np.zeros((n, 3)), steps, rng(9))
    # 5 standard errors of a Gaussian covariance entry and mean
    d = np.diag(after)
    error = np.sqrt((np.outer(d, d) + after**2) / n)
    assert (np.abs(x.T @ x / n - after) <= 5 * error).all()
    assert (np.abs(x.mean(0)) <= 5 * np.sqrt(d / n)).all()


# -- detailed balance -------------------------------------------------------------------------

TWO_ANGLES = Potential(
    lambda t: np.cos(t[:, 0]) + np.sin(t[:, 0] - 2 * t[:, 1]),
    lambda t: np.stack(
        [
            -np.sin(t[:, 0]) + np.cos(t[:, 0] - 2 * t[:, 1]),
            -2 * np.cos(t[:, 0] - 2 * t[:, 1]),
        ],
        axis=1,
    ),
)


def shifted_wave(m: int, t: Array) -> Array:
    return np.cos(m * t[:, 0] - 0.3 * m**2)


# the least value of each potential from below, so that rejection sampling is exact
BALANCED: dict[str, tuple[Langevin, float, list[Function]]] = {
    "circle": (
        Langevin(Torus(1), fourier(cos={1: 1.0}, sin={2: 0.7}), beta=1.3),
        -1.7,
        [partial(shifted_wave, m) for m in (1, 2, 3, 5)],
    ),
    "sphere": (
        Langevin(Sphere(2), quadratic([[1.5, 0.8, 0.0], [0.8, -1.0, 0.5], [0.0, 0.5, 0.2]]), 1.5),
        -1.0,
        [
            lambda x: x[:, 0],
            lambda x: x[:, 1] ** 2,
            lambda x: x[:, 0] * x[:, 1] + x[:, 2],
            lambda x: (x @ [0.3, 0.5, -0.8] > 0.2).astype(float),
        ],
    ),
    "torus": (
        Langevin(Torus(2), TWO_ANGLES, beta=0.9),
        -2.0,
        [
            lambda t: np.cos(t[:, 0] - 0.5),
            lambda t: np.sin(t[:, 0] - 2 * t[:, 1] + 0.9),
            lambda t: np.cos(2 * t[:, 0] - 2 * t[:, 1]),
            lambda t: np.cos(2 * t[:, 1] + 0.3),
        ],
    ),
}


def from_pi(problem: Langevin, lowest: float, n: int, seed: int) -> Array:
    """Draw n points from pi by rejection from the uniform law."""
    generator, found, count = rng(seed), [], 0
    while count < n:
        x = problem.manifold.random_point(n, generator)
        share = np.exp(-problem.beta * (problem.energy(x) - lowest))
        assert share.max() <= 1
        found.append(x[generator.random(n) < share])
        count += len(found[-1])
    return np.concatenate(found)[:n]


def asymmetry(walk: Walk, name: str, n: int, seed: int) -> float:
    """Largest |E[f(x) g(x') - f(x') g(x)]| in standard errors, x from pi."""
    problem, lowest, functions = BALANCED[name]
    x = from_pi(problem, lowest, n, seed)
    y = walk.step_from(x, rng(seed + 1))
    worst = 0.0
    for f, g in itertools.combinations(functions, 2):
        swap = f(x) * g(y) - f(y) * g(x)
        worst = max(worst, abs(swap.mean()) / (swap.std() / math.sqrt(n)))
    return worst


@pytest.mark.parametrize("name", BALANCED)
@pytest.mark.parametrize("kind", ["metropolis", "barker"])
@pytest.mark.parametrize("h", [0.1, 2.0])
def test_pairs_drawn_at_equilibrium_can_be_swapped(name: str, kind: str, h: float) -> None:
    # 5 standard errors
    assert asymmetry(make(kind, BALANCED[name][0], h), name, 60_000, 11) <= 5


@pytest.mark.parametrize("name", BALANCED)
def test_the_swap_notices_a_walk_that_is_not_reversible(name: str) -> None:
    # the same test on a walk whose law is off by O(h): it must see it
    assert asymmetry(GeodesicWalk(BALANCED[name][0], 0.4), name, 60_000, 11) > 5


@pytest.mark.parametrize("name", BALANCED)
@pytest.mark.parametrize("kind", ["metropolis", "barker"])
def test_one_step_keeps_pi(name: str, kind: str) -> None:
    problem, lowest, functions = BALANCED[name]
    n = 60_000
    x = from_pi(problem, lowest, n, 13)
    y = make(kind, problem, 0.5).step_from(x, rng(14))
    for f in functions:
        change = f(y) - f(x)
        # 5 standard errors
        assert abs(change.mean()) <= 5 * change.std() / math.sqrt(n)


@given(st.floats(-700, 700))
def test_acceptance_balances_the_energies(s: float) -> None:
    problem = Langevin(Torus(1), zero())
    for walk in (MetropolisWalk(problem, 0.1), BarkerWalk(problem, 0.1)):
        up, down = walk.acceptance(np.array([abs(s), -abs(s)]))
        # pi(x) a(s) = pi(y) a(-s); tanh rounds to u and exp to s u, absolute as a <= 1
        assert abs(up - math.exp(-abs(s)) * down) <= 4 * UNIT
        assert 0 <= up <= down <= 1


def test_acceptance_at_the_ends() -> None:
    problem = Langevin(Torus(1), zero())
    rise = np.array([-np.inf, -1e308, 0.0, 1e308, np.inf])
    assert MetropolisWalk(problem, 0.1).acceptance(rise).tolist() == [1, 1, 1, 0, 0]
    assert BarkerWalk(problem, 0.1).acceptance(rise).tolist() == [1, 1, 0.5, 0, 0]


def test_barker_proposes_twice_the_variance() -> None:
    n, h, beta = 40_000, 0.02, 2.0
    for kind, variance in (("metropolis", 2 * h / beta), ("barker", 4 * h / beta)):
        walk = make(kind, Langevin(Euclidean(1), zero(), beta), h)
        y = walk.step_from(np.zeros((n, 1)), rng(1))[:, 0]
        taken = y[y != 0]
        # Barker takes one half of the moves of a flat potential; 5 standard errors
        share = 1.0 if kind == "metropolis" else 0.5
        assert abs(len(taken) / n - share) <= 5 * math.sqrt(share * (1 - share) / n)
        assert abs((taken**2).mean() / variance - 1) <= 5 * math.sqrt(2 / len(taken))


def test_a_wall_is_never_crossed() -> None:
    def value(x: Array) -> Array:
        # finite where the problem is probed, infinite beyond
        return np.where(np.abs(x[:, 0]) < 4, 0.0, np.inf)

    problem = Langevin(Euclidean(1), Potential(value, lambda x: np.zeros(x.shape)))
    for kind in ("metropolis", "barker"):
        x = simulate(make(kind, problem, 1.0), np.zeros((500, 1)), 100, rng(1))
        assert np.abs(x).max() < 4


# -- staying on the manifold -------------------------------------------------------------------

STIFF = np.diag([1e3, 3e2, 1.0])
FORCES = {
    "none": zero(),
    "linear": linear([0.0, 0.0, -2.0]),
    "stiff": quadratic(STIFF),
    "steep": linear([1e5, 0.0, 0.0]),
    "radial": quadratic(1e6 * np.eye(3)),
}


@every_kind
@pytest.mark.parametrize("h", [1e-4, 0.01, 1.0, 10.0, 1e6])
@pytest.mark.parametrize("force", FORCES)
def test_walkers_stay_on_the_sphere_for_many_steps(kind: str, h: float, force: str) -> None:
    walk = make(kind, Langevin(Sphere(2), FORCES[force]), h)
    start = Sphere(2).random_point(60, rng(1))
    x = simulate(walk, start, 150, rng(2))
    # each step normalises: 7 u, claimed as 1e-13
    assert np.abs(np.linalg.norm(x, axis=1) - 1).max() <= 1e-13


@every_kind
@pytest.mark.parametrize("h", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("start", [0.0, 5e-324, 1e-17, math.nextafter(2 * math.pi, 0), 3.0])
def test_angles_stay_in_the_turn_for_many_steps(kind: str, h: float, start: float) -> None:
    walk = make(kind, Langevin(Torus(2), TWO_ANGLES, beta=1e3), h)
    path = simulate(walk, np.full((20, 2), start), 60, rng(2), every=1)
    assert ((path >= 0) & (path < 2 * math.pi)).all()


def test_a_purely_normal_pull_moves_nobody() -> None:
    x = Sphere(2).random_point(200, rng(1))
    for size in (1.0, 1e3, 1e6):
        pulled = GeodesicWalk(Langevin(Sphere(2), quadratic(size * np.eye(3))), 0.01)
        free = GeodesicWalk(Langevin(Sphere(2), zero()), 0.01)
        # |w| = size h; taking its normal part away leaves 10 u |w|
        np.testing.assert_allclose(
            pulled.step_from(x, rng(2)),
            free.step_from(x, rng(2)),
            rtol=0,
            atol=10 * UNIT * (size * 0.01 + 4),
        )


# -- step_from --------------------------------------------------------------------------------


@every_kind
def test_a_step_from_rows_leaves_them_as_they_were(kind: str) -> None:
    walk = make(kind, Langevin(Sphere(2), linear([0.0, 0.0, -2.0])), 0.1)
    x = Sphere(2).random_point(50, rng(1))
    kept = x.copy()
    y = walk.step_from(x, rng(2))
    assert (x == kept).all()
    assert not np.shares_memory(x, y)
    assert (y == walk.step_from(x, rng(2))).all()
    assert (y != walk.step_from(x, rng(3))).any()
    assert walk.step_from(x[:0], rng(2)).shape == (0, 3)


def test_on_flat_manifolds_the_retraction_walk_is_the_geodesic_walk() -> None:
    problem = Langevin(Torus(2), TWO_ANGLES)
    x = Torus(2).random_point(50, rng(1))
    geodesic, retraction = GeodesicWalk(problem, 0.1), RetractionWalk(problem, 0.1)
    assert (geodesic.step_from(x, rng(2)) == retraction.step_from(x, rng(2))).all()


OVERFLOWING = [
    Langevin(Euclidean(1), quadratic([[1e140]])),
    Langevin(Sphere(2), linear([1e140, 0.0, 0.0])),
]


@pytest.mark.parametrize("kind", ["geodesic", "retraction", "bounded sphere", "bounded ball"])
@pytest.mark.parametrize("problem", OVERFLOWING, ids=["space", "sphere"])
def test_a_single_step_out_of_the_finite_numbers_is_an_error(kind: str, problem: Langevin) -> None:
    x = np.eye(problem.manifold.point_dim)[-1:]
    with pytest.raises(DivergenceError) as caught:
        make(kind, problem, 1e200).step_from(x, rng(1))
    assert caught.value.step == 1
    assert (caught.value.state == x).all()


@pytest.mark.parametrize("size", [1e150, 1e160, 1e300])
def test_a_retraction_too_long_for_its_square_is_not_the_origin(size: float) -> None:
    walk = RetractionWalk(Langevin(Sphere(2), linear([1e100, 0.0, 0.0])), size / 1e100)
    try:
        y = walk.step_from([[0.0, 0.0, 1.0]], rng(1))
    except DivergenceError:
        return
    # the claim of the library
    assert abs(np.linalg.norm(y) - 1) <= 1e-13


@every_kind
def test_a_potential_that_loses_its_numbers_gives_an_error_not_a_nan(kind: str) -> None:
    def spoil(x: Array, value: Array) -> Array:
        return np.where(np.abs(x[:, 0]) < 50, value, np.nan)

    potential = Potential(
        lambda x: spoil(x, 0.0 * x[:, 0]), lambda x: spoil(x, 0.0 * x[:, 0])[:, None] + 0 * x
    )
    walk = make(kind, Langevin(Euclidean(1), potential), 1.0)
    with pytest.raises(DivergenceError):
        walk.step_from([[60.0]], rng(1))


SHAPES: list[tuple[str, Callable[[Array], object]]] = [
    ("value", lambda x: 0.0),
    ("value", lambda x: np.zeros((len(x), 1))),
    ("value", lambda x: np.zeros(1)),
    ("gradient", lambda x: 0.0),
    ("gradient", lambda x: np.zeros(3)),
    ("gradient", lambda x: np.zeros((len(x), 1))),
]


@pytest.mark.parametrize(("name", "spoilt"), SHAPES)
def test_a_potential_that_changes_its_shape_in_the_run_is_refused(
    name: str, spoilt: Callable[[Array], object]
) -> None:
    sound: dict[str, Callable[[Array], Array]] = {
        "value": lambda x: np.zeros(len(x)),
        "gradient": lambda x: np.zeros(x.shape),
    }
    honest = sound[name]
    # the probe of the problem uses four points, so a run with five can differ
    sound[name] = lambda x: spoilt(x) if len(x) == 5 else honest(x)  # type: ignore[assignment,return-value]
    walk = (MetropolisWalk if name == "value" else GeodesicWalk)(
        Langevin(Sphere(2), Potential(**sound)), 0.1
    )
    x = Sphere(2).random_point(5, rng(1))
    with pytest.raises((ValueError, TypeError), match=rf"potential\.{name}\(x\) must .*got"):
        walk.step_from(x, rng(2))
    with pytest.raises((ValueError, TypeError), match=rf"potential\.{name}\(x\) must .*got"):
        simulate(walk, x, 3, rng(2))


@every_kind
def test_a_potential_cannot_move_the_walkers_by_writing_into_them(kind: str) -> None:
    def careless(x: Array) -> Array:
        if len(x) == 5:
            x *= 2.0
        return np.zeros(len(x))

    potential = Potential(careless, lambda x: np.zeros(x.shape) + 0 * careless(x)[:, None])
    walk = make(kind, Langevin(Euclidean(2), potential), 0.1)
    with pytest.raises(ValueError, match="read-only"):
        walk.step_from(np.ones((5, 2)), rng(1))
