"""One-step operators of all walks against adaptive integration, other rules, and simulation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import hermite_e, legendre
from scipy.integrate import dblquad, quad
from scipy.optimize import brentq
from scipy.special import eval_legendre

from coupled_flows import (
    BarkerWalk,
    BoundedWalk,
    CircleLaw,
    FourierGenerator,
    GeodesicWalk,
    Langevin,
    MetropolisWalk,
    PointLaw,
    RetractionWalk,
    RingLaw,
    Sphere,
    Torus,
    ZonalGenerator,
    ZonalLaw,
    fourier,
    linear,
    quadratic,
    simulate,
    zero,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.walks.steps import Walk

TURN = 2 * math.pi
KINDS = ["geodesic", "retraction", "sphere", "ball", "metropolis", "barker"]
each_kind = pytest.mark.parametrize("kind", KINDS)
A, B, BETA = 1.0, 0.3, 1.5
CIRCLE = Langevin(Torus(1), fourier(cos={1: A}, sin={2: B}), BETA)
TILT = 1.0
MODES = 24
SPHERE = Langevin(Sphere(2), linear([0.0, 0.0, -TILT]), BETA)


def energy(t: float) -> float:
    return A * math.cos(t) + B * math.sin(2 * t)


def slope(t: float) -> float:
    return -A * math.sin(t) + 2 * B * math.cos(2 * t)


def make(kind: str, problem: Langevin, h: float) -> Walk:
    if kind in ("sphere", "ball"):
        return BoundedWalk(problem, h, kind)
    table: dict[str, Any] = {
        "geodesic": GeodesicWalk,
        "retraction": RetractionWalk,
        "metropolis": MetropolisWalk,
        "barker": BarkerWalk,
    }
    walk: Walk = table[kind](problem, h)
    return walk


# -- the circle ---------------------------------------------------------------------------------


@pytest.mark.parametrize("h", [0.25, 0.01])
def test_the_geodesic_step_in_fourier_space(h: float) -> None:
    # c'_k = e^(-h k^2/beta) (1/2 pi) int rho e^(-ik(x - h U')) dx, moments without the 1/2 pi
    generator = FourierGenerator(CIRCLE, 32)
    start = generator.law(lambda x: np.exp(np.sin(x[:, 0])))
    law = generator.evolve_walk(GeodesicWalk(CIRCLE, h), start, 1)
    assert isinstance(law, CircleLaw)
    total = quad(lambda x: math.exp(math.sin(x)), 0, TURN, epsabs=1e-13)[0]
    for k in (0, 1, 2, 5, 11):

        def wave(x: float, f: Callable[[float], float], k: int = k) -> float:
            return math.exp(math.sin(x)) * f(k * (x - h * slope(x))) / total

        real = quad(wave, 0, TURN, (math.cos,), epsabs=1e-13, limit=200)[0]
        imaginary = quad(wave, 0, TURN, (math.sin,), epsabs=1e-13, limit=200)[0]
        expected = math.exp(-h * k**2 / BETA) * complex(real, -imaginary)
        # quad's 1e-13, twice
        assert law.moments[k] == pytest.approx(expected, abs=1e-12)


def noise_on_line(kind: str, h: float) -> Callable[[Callable[[float], float]], float]:
    """Return the mean under the step's noise, by adaptive integration."""
    scale = math.sqrt(2 * h / BETA)
    if kind == "sphere":
        return lambda f: (f(scale) + f(-scale)) / 2
    if kind == "ball":
        reach = math.sqrt(3) * scale
        return lambda f: quad(f, -reach, reach, epsabs=1e-13)[0] / (2 * reach)
    return lambda f: quad(
        lambda u: f(scale * u) * math.exp(-u * u / 2) / math.sqrt(TURN),
        -9,
        9,
        epsabs=1e-13,
        limit=200,
    )[0]


@pytest.mark.parametrize("kind", ["geodesic", "retraction", "sphere", "ball"])
@pytest.mark.parametrize("h", [0.25, 0.01])
def test_steps_on_the_circle_against_integration(kind: str, h: float) -> None:
    generator = FourierGenerator(CIRCLE, MODES)
    after = generator.expected_basis(make(kind, CIRCLE, h))
    mean = noise_on_line(kind, h)
    for i in (0, 7, 20):
        t = generator.nodes[i, 0] - h * slope(generator.nodes[i, 0])
        for k in (1, 4, 16, MODES):
            # quad's 1e-13, exp(-40) beyond 9
            for column, f in ((k, math.cos), (MODES + k, math.sin)):

                def moved(v: float, f: Any = f, k: int = k, t: float = t) -> float:
                    return float(f(k * (t + v)))

                assert after[i, column] == pytest.approx(mean(moved), abs=1e-12)


@pytest.mark.parametrize("kind", ["metropolis", "barker"])
@pytest.mark.parametrize("h", [0.25, 0.01])
def test_accepted_steps_on_the_circle_against_integration(kind: str, h: float) -> None:
    generator = FourierGenerator(CIRCLE, MODES)
    after = generator.expected_basis(make(kind, CIRCLE, h))
    scale = math.sqrt((2 if kind == "metropolis" else 4) * h / BETA)

    def acceptance(rise: float) -> float:
        if kind == "metropolis":
            return min(1.0, math.exp(-rise))
        return 1 / (1 + math.exp(rise))

    for i in (0, 5, 16, 27):
        t = float(generator.nodes[i, 0])
        grid = np.linspace(-9 * scale, 9 * scale, 401) + 1e-4 * scale
        rises = [energy(t + v) - energy(t) for v in grid]
        kinks = [
            brentq(lambda v, t=t: energy(t + v) - energy(t), grid[j], grid[j + 1], xtol=1e-14)
            for j in range(400)
            if rises[j] * rises[j + 1] < 0
        ]
        cuts = sorted({-9 * scale, 0.0, 9 * scale, *kinks})
        for k in (0, 1, 4, 16, MODES):
            for column, f in ((k, math.cos), (MODES + k, math.sin)):
                if column == MODES:
                    continue

                def moved(v: float, f: Any = f, k: int = k, t: float = t) -> float:
                    mass = math.exp(-((v / scale) ** 2) / 2) / (scale * math.sqrt(TURN))
                    mass *= acceptance(BETA * (energy(t + v) - energy(t)))
                    return mass * (f(k * (t + v)) - f(k * t))

                gain = sum(
                    quad(moved, a, b, epsabs=1e-14, limit=200)[0]
                    for a, b in itertools.pairwise(cuts)
                )
                # quad's 1e-14 on each of up to eight pieces; kinks to 1e-14
                assert after[i, column] == pytest.approx(f(k * t) + gain, abs=1e-12)


def test_no_step_is_the_identity_in_the_limit() -> None:
    generator = FourierGenerator(CIRCLE, MODES)
    basis = generator.basis(generator.nodes)
    for kind in KINDS:
        after = generator.expected_basis(make(kind, CIRCLE, 1e-12))
        # |v| is of size 1e-6, the mean of a wave moves by k^2 1e-12 and rejection stays in place
        assert np.abs(after - basis).max() < MODES**2 * 1e-11


# -- the sphere ---------------------------------------------------------------------------------


def height_after(kind: str, z: float, south: Any, east: Any) -> Any:
    """Height after a step of tangent components towards the south and the east."""
    r = np.hypot(south, east)
    sine = math.sqrt(1 - z * z)
    if kind == "retraction":
        return (z - sine * south) / np.sqrt(1 + r**2)
    return np.cos(r) * z - np.sinc(r / math.pi) * sine * south


@pytest.mark.parametrize("kind", ["geodesic", "retraction", "sphere", "ball"])
@pytest.mark.parametrize("h", [0.125, 0.01])
def test_steps_on_the_sphere_against_a_polar_rule(kind: str, h: float) -> None:
    # Gauss-Legendre in the length of the noise, trapezoidal in its direction
    degree = 24
    generator = ZonalGenerator(SPHERE, degree)
    after = generator.expected_basis(make(kind, SPHERE, h))
    scale = math.sqrt(2 * h / BETA)
    node, weight = legendre.leggauss(200)
    if kind == "sphere":
        length, mass = np.array([math.sqrt(2)]), np.array([1.0])
    elif kind == "ball":
        length, mass = node + 1, weight * (node + 1)
    else:
        length = 4.5 * (node + 1)
        mass = weight * length * np.exp(-(length**2) / 2)
    direction = np.arange(160) * (TURN / 160)
    rule = np.repeat(mass / mass.sum() / 160, 160)
    for i in (0, 6, 12, 24):
        z = float(generator.z[i])
        drift = -h * TILT * math.sqrt(1 - z * z)  # U = -z: towards the north
        south = drift + scale * np.outer(length, np.cos(direction)).ravel()
        east = scale * np.outer(length, np.sin(direction)).ravel()
        expected = rule @ legendre.legvander(height_after(kind, z, south, east), degree)
        # both rules are exact to rounding: sums of 32 000 terms, 1e-12 at worst
        np.testing.assert_allclose(after[i], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("h", [0.125, 0.01])
def test_the_geodesic_step_on_the_sphere_against_gauss_hermite(h: float) -> None:
    degree = 12
    generator = ZonalGenerator(SPHERE, degree)
    after = generator.expected_basis(GeodesicWalk(SPHERE, h))
    node, weight = hermite_e.hermegauss(60)
    scale = math.sqrt(2 * h / BETA)
    rule = np.outer(weight, weight).ravel() / weight.sum() ** 2
    south, east = (scale * x.ravel() for x in np.meshgrid(node, node, indexing="ij"))
    for i in range(degree + 1):
        z = float(generator.z[i])
        moved = height_after("geodesic", z, south - h * TILT * math.sqrt(1 - z * z), east)
        # P_l(cos r) is of type l scale <= 5; 60 nodes are exact for degree 119: (5^2/240 e)^60
        np.testing.assert_allclose(
            after[i], rule @ legendre.legvander(np.clip(moved, -1, 1), degree), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("kind", ["geodesic", "retraction", "ball"])
def test_steps_on_the_sphere_against_adaptive_integration(kind: str) -> None:
    h, degree = 0.125, 14
    generator = ZonalGenerator(SPHERE, degree)
    after = generator.expected_basis(make(kind, SPHERE, h))
    scale = math.sqrt(2 * h / BETA)
    for i, k in ((1, 3), (6, 8)):
        z = float(generator.z[i])
        drift = -h * TILT * math.sqrt(1 - z * z)

        def mean(phi: float, r: float, z: float = z, drift: float = drift, k: int = k) -> float:
            moved = height_after(
                kind, z, drift + scale * r * math.cos(phi), scale * r * math.sin(phi)
            )
            mass = r / 2 if kind == "ball" else r * math.exp(-r * r / 2)
            return float(eval_legendre(k, moved)) * mass / math.pi

        expected = dblquad(mean, 0, 2 if kind == "ball" else 8.5, 0, math.pi, epsabs=1e-11)[0]
        # dblquad's 1e-11
        assert after[i, k] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("kind", ["metropolis", "barker"])
@pytest.mark.parametrize("h", [0.0625, 0.01])
def test_accepted_steps_on_the_sphere_against_integration(kind: str, h: float) -> None:
    # of a step of length r in direction phi from the south; with U = -z the acceptance has its
    # kink where the step comes back to its own latitude
    generator = ZonalGenerator(SPHERE, 20)
    after = generator.expected_basis(make(kind, SPHERE, h))
    scale = math.sqrt((2 if kind == "metropolis" else 4) * h / BETA)
    node, weight = legendre.leggauss(60)
    for i in (0, 5, 12):
        z = float(generator.z[i])
        polar = math.acos(z)
        for k in (1, 3, 16, 20):

            def ring(r: float, z: float = z, polar: float = polar, k: int = k) -> float:
                # over directions: Gauss-Legendre between the kinks
                cut = math.tan(r / 2) * -z / math.sqrt(1 - z * z)
                cuts = [0.0, math.pi]
                if abs(cut) < 1:
                    cuts.insert(1, math.acos(cut))
                total = 0.0
                for a, b in itertools.pairwise(cuts):
                    phi = a + (b - a) * (node + 1) / 2
                    y = height_after("geodesic", z, r * np.cos(phi), r * np.sin(phi))
                    rise = -BETA * TILT * (y - z)
                    taken = (
                        np.minimum(1, np.exp(-rise))
                        if kind == "metropolis"
                        else 1 / (1 + np.exp(rise))
                    )
                    gain = taken * (eval_legendre(k, y) - eval_legendre(k, z))
                    total += float(weight @ gain) * (b - a) / 2
                return total / math.pi * r / scale**2 * math.exp(-((r / scale) ** 2) / 2)

            ends = sorted(
                {
                    0.0,
                    8.7 * scale,
                    *(x for x in (2 * polar, TURN - 2 * polar, math.pi) if x < 8.7 * scale),
                }
            )
            gain = sum(
                quad(ring, a, b, epsabs=1e-13, limit=200)[0] for a, b in itertools.pairwise(ends)
            )
            # quad's 1e-13 on up to four pieces, exp(-37) beyond
            assert after[i, k] == pytest.approx(eval_legendre(k, z) + gain, abs=1e-11)


# -- identities ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["metropolis", "barker"])
@pytest.mark.parametrize("h", [0.25, 0.01])
def test_detailed_balance_on_the_circle(kind: str, h: float) -> None:
    # Metropolis: what its kinks leave is 1e-9 at 96 modes and falls as their fifth power, see below
    generator = FourierGenerator(CIRCLE, 160 if kind == "metropolis" else 48)
    transition = generator.transition(make(kind, CIRCLE, h))
    t = generator.nodes[:, 0]
    f, g = np.cos(t) + 0.2 * np.sin(3 * t), np.sin(t) + np.cos(2 * t)
    left = generator.stationary_mean(f * transition.apply(g))
    # demanded: 1e-10
    assert left == pytest.approx(
        float(generator.stationary_mean(transition.apply(f) * g)), abs=1e-10
    )
    # and pi is kept by every mean, not by every node's weight: P f has a kink in its fourth
    # derivative where U has an extremum (Metropolis)
    assert generator.stationary_mean(transition.apply(f)) == pytest.approx(
        float(generator.stationary_mean(f)), abs=1e-10
    )


def test_the_metropolis_kink_costs_the_fifth_power_of_the_number_of_modes() -> None:
    # beside an extremum of U at distance s, P f holds s |s|^3, so Fourier coefficients fall as
    # k^-5, and so does what the nodes leave of detailed balance
    gaps = []
    for modes in (24, 96):
        generator = FourierGenerator(CIRCLE, modes)
        transition = generator.transition(MetropolisWalk(CIRCLE, 0.0625))
        t = generator.nodes[:, 0]
        f, g = np.cos(t) + 0.2 * np.sin(3 * t), np.sin(t) + np.cos(2 * t)
        gaps.append(
            abs(generator.stationary_mean(f * transition.apply(g) - transition.apply(f) * g))
        )
    # where the nodes lie relative to the extrema changes the factor, by less than 4 = 2^(2 * 1)
    assert math.log2(gaps[0] / gaps[1]) / 2 == pytest.approx(5, abs=1)


@pytest.mark.parametrize("kind", ["metropolis", "barker"])
@pytest.mark.parametrize("h", [0.25, 0.01])
def test_detailed_balance_on_the_sphere(kind: str, h: float) -> None:
    generator = ZonalGenerator(SPHERE, 40)
    transition = generator.transition(make(kind, SPHERE, h))
    z = generator.z
    f, g = z + 0.2 * z**3, z**2 + z
    left = generator.stationary_mean(f * transition.apply(g))
    # demanded: 1e-10
    assert left == pytest.approx(
        float(generator.stationary_mean(transition.apply(f) * g)), abs=1e-10
    )
    assert generator.stationary_mean(transition.apply(f)) == pytest.approx(
        float(generator.stationary_mean(f)), abs=1e-10
    )


@each_kind
@pytest.mark.parametrize("h", [0.5, 0.1, 1e-3])
def test_rows_have_sum_one(kind: str, h: float) -> None:
    for generator in (FourierGenerator(CIRCLE, MODES), ZonalGenerator(SPHERE, 20)):
        after = generator.expected_basis(make(kind, generator.langevin, h))
        # the mean of the constant is 1 up to a sum of some thousand weights
        np.testing.assert_allclose(after[:, 0], 1, rtol=0, atol=1e-13)
        assert np.abs(after).max() <= 1 + 1e-13  # means of functions between -1 and 1


@pytest.mark.parametrize("kind", ["geodesic", "sphere", "ball"])
def test_without_a_potential_harmonics_stay_harmonics(kind: str) -> None:
    h, problem = 0.1, Langevin(Sphere(2), zero(), 2.0)
    generator = ZonalGenerator(problem, 16)
    matrix = generator.transition(make(kind, problem, h)).matrix
    scale = math.sqrt(h)  # sqrt(2h/beta)
    for degree in (1, 4, 16):

        def shrink(r: float, degree: int = degree) -> float:
            mass = r / 2 if kind == "ball" else r * math.exp(-r * r / 2)
            return float(eval_legendre(degree, math.cos(scale * r))) * mass

        factor = (
            float(eval_legendre(degree, math.cos(scale * math.sqrt(2))))
            if kind == "sphere"
            else quad(shrink, 0, 2 if kind == "ball" else 9, epsabs=1e-14)[0]
        )
        harmonic = eval_legendre(degree, generator.z)
        # the addition theorem: E P_l(z') = E P_l(cos r) P_l(z), sums of thousands of terms
        np.testing.assert_allclose(matrix @ harmonic, factor * harmonic, rtol=0, atol=1e-12)


# -- refinement ---------------------------------------------------------------------------------


def circle_moments(kind: str, h: float, modes: int) -> Any:
    generator = FourierGenerator(CIRCLE, modes)
    start = generator.law(lambda x: np.exp(np.sin(x[:, 0])))
    law = generator.evolve_walk(make(kind, CIRCLE, h), start, 3)
    assert isinstance(law, CircleLaw)
    return law.moments[:13]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "metropolis"])
@pytest.mark.parametrize("h", [0.25, 0.02])
def test_more_modes_change_nothing(kind: str, h: float) -> None:
    coarse, fine = (circle_moments(kind, h, modes) for modes in (48, 96))
    # demanded: 1e-11
    np.testing.assert_allclose(coarse, fine, rtol=0, atol=1e-11)


@pytest.mark.parametrize("h", [0.25, 0.02])
def test_more_modes_change_metropolis_less_and_less(h: float) -> None:
    last = circle_moments("metropolis", h, 128)
    gaps = [np.abs(circle_moments("metropolis", h, modes) - last).max() for modes in (32, 64)]
    # coefficients fall as k^-5: their sum beyond the modes as the fourth power at least
    assert gaps[1] < gaps[0] / 2**4
    assert gaps[1] < 1e-7


@each_kind
@pytest.mark.parametrize("h", [0.25, 0.02])
def test_a_higher_degree_changes_nothing(kind: str, h: float) -> None:
    moments = []
    for degree in (48, 72):
        generator = ZonalGenerator(SPHERE, degree)
        law = generator.evolve_walk(make(kind, SPHERE, h), generator.law(lambda z: np.exp(-z)), 3)
        assert isinstance(law, ZonalLaw)
        moments.append(law.moments[:13])
    # demanded: 1e-11
    np.testing.assert_allclose(moments[0], moments[1], rtol=0, atol=1e-11)


# -- simulation ---------------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("h", [0.25, 0.05])
def test_laws_on_the_circle_against_simulation(kind: str, h: float) -> None:
    n, steps = 100_000, 4
    walk = make(kind, CIRCLE, h)
    # the waves looked at are low; a point's high ones are damped or, for bounded steps, not seen
    generator = FourierGenerator(CIRCLE, 48)
    weights = generator.weights_of(PointLaw(np.array([[1.0]]), manifold=Torus(1)))
    weights = weights @ np.linalg.matrix_power(generator.transition(walk).matrix, steps)
    x = simulate(walk, np.full((n, 1), 1.0), steps, np.random.default_rng(1), threads=1)

    def f(t: Array) -> Array:
        return np.stack([np.cos(t), np.sin(t), np.cos(3 * t), np.sin(2 * t)], axis=1)

    sample = f(x[:, 0])
    # five standard errors
    error = 5 * sample.std(axis=0) / math.sqrt(n)
    assert (np.abs(sample.mean(axis=0) - weights @ f(generator.nodes[:, 0])) < error).all()


@each_kind
@pytest.mark.parametrize(
    "problem", [SPHERE, Langevin(Sphere(2), quadratic(np.diag([0.0, 0.0, 2.0])), 2.0)]
)
def test_laws_on_the_sphere_against_simulation(kind: str, problem: Langevin) -> None:
    n, steps, h = 100_000, 4, 0.2
    walk = make(kind, problem, h)
    generator = ZonalGenerator(problem, 32)
    weights = generator.weights_of(RingLaw(np.array([0.6])))
    weights = weights @ np.linalg.matrix_power(generator.transition(walk).matrix, steps)
    start = np.tile([0.0, 0.8, 0.6], (n, 1))
    z = simulate(walk, start, steps, np.random.default_rng(2), threads=1)[:, 2]

    def f(z: Array) -> Array:
        return np.stack([z, z**2, np.exp(z), np.sin(3 * z)], axis=1)

    sample = f(z)
    # five standard errors
    error = 5 * sample.std(axis=0) / math.sqrt(n)
    assert (np.abs(sample.mean(axis=0) - weights @ f(generator.z)) < error).all()
