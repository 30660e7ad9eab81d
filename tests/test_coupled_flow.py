"""The coupled flow: one functional for law and weights, falling, in independent solvers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import i0e, i1e

from coupled_flows import (
    Embedding,
    Euclidean,
    FourierGenerator,
    GaussianLaw,
    Langevin,
    PointLaw,
    Sphere,
    Torus,
    ZonalGenerator,
    fourier,
    linear,
    quadratic,
    zero,
)
from coupled_flows.coupled.closure import GaussianClosure
from coupled_flows.coupled.flow import CoupledFlow
from coupled_flows.coupled.functional import Coupling
from coupled_flows.geometry.errors import Array
from coupled_flows.measure.cells import CellLaw, CircleCells, ZonalCells
from tests.test_volumes import both_kinds, random_flow, zonal

TWO_WAVES = Langevin(Torus(1), fourier(cos={1: 0.5}, sin={2: 0.7}), 1.5)
W_CIRCLE = np.array([[0.3, 0.5], [0.2, -0.4]])
AXIS, PLANE = np.array([[0.0, 0.0, 0.5]]), np.array([[0.5, 0.0, 0.0], [0.0, 0.6, 0.0]])


def hill(t: Array) -> Array:
    return np.exp(np.cos(t[:, 0] - 1))


def gauss(mean: list[float], covariance: list[list[float]]) -> GaussianLaw:
    return GaussianLaw(np.array(mean), np.array(covariance))


def cap(z: Array) -> Array:
    return np.exp(z / 10)


# -- F falls --------------------------------------------------------------------------------------


@both_kinds
def test_f_falls_at_every_step_of_many_flows(kind: str) -> None:
    # 200 flows, steps over five decades; F recomputed from the laws and weights of the path
    worst = 0.0
    for seed in range(200):
        on, masses, W = random_flow(seed, kind, n=32)
        flow = CoupledFlow(on.langevin, on.coupling.kappa, on.coupling.gamma, kind)
        step = 10 ** np.random.default_rng(seed).uniform(-3, 2)
        times = step * np.arange(6)
        path = flow.solve_density(type(on.cells)(masses), W, times, step=step)
        pairs = zip(path.laws, path.weights, strict=True)
        energy = np.array([flow.free_energy(law, W) for law, W in pairs])
        # a law divides its masses by their sum, which is 1 up to rounding
        np.testing.assert_allclose(energy, path.free_energy, rtol=1e-14, atol=1e-14)
        worst = max(worst, float((np.diff(energy) / np.maximum(1, np.abs(energy[1:]))).max()))
    assert worst <= 1e-12


@both_kinds
@pytest.mark.parametrize("where", ["circle", "sphere"])
def test_the_budget_closes_to_the_order_of_the_step(kind: str, where: str) -> None:
    # (F(t + h) - F(t))/h + dissipation(t + h) = O(h)
    circle = where == "circle"
    langevin = TWO_WAVES if circle else Langevin(Sphere(2), zonal(1, 0.5))
    flow, W, gaps = CoupledFlow(langevin, 1.2, 0.8, kind), W_CIRCLE if circle else AXIS, []
    start = hill if circle else cap
    for h in 0.02 / 2.0 ** np.arange(4):
        path = flow.solve_density(start, W, [0.0, 0.2 - h, 0.2], cells=64, step=h)
        fall = np.diff(path.free_energy)[-1] / h
        gaps.append(abs(fall + path.dissipation[-1].sum()))
    order = -np.diff(np.log2(gaps))
    assert (np.abs(order[1:] - 1) < 0.1).all()


# -- other solvers --------------------------------------------------------------------------------


def spectral(flow: CoupledFlow, W0: Array, time: float, n: int = 64) -> tuple[Array, Array, float]:
    """Return Sigma, W'W and F by trigonometric collocation and a stiff solver of high order."""
    t = np.arange(n)[:, None] * (2 * np.pi / n)
    wave = 1j * np.fft.fftfreq(n, 1 / n)
    wave[n // 2] = 0
    y, U, beta = flow.coupling.embed(t), flow.langevin.energy(t), flow.langevin.beta

    def slope(f: Array) -> Array:
        return np.fft.ifft(wave * np.fft.fft(f)).real

    def parts(x: Array) -> tuple[Array, Array, Array]:
        W = x[n:].reshape(W0.shape)
        return x[:n], W, flow.coupling.second_moments(y, x[:n])

    def rhs(_: float, x: Array) -> Array:
        p, W, sigma = parts(x)
        V = U + flow.coupling.field(y, W, flow.coupling.tension(sigma, W))
        flux = p * slope(V) + slope(p) / beta
        return np.append(slope(flux), flow.coupling.weight_rate(sigma, W))

    p = hill(t) / hill(t).sum()
    end = solve_ivp(rhs, (0, time), np.append(p, W0), method="BDF", rtol=1e-8, atol=1e-11)
    p, W, sigma = parts(end.y[:, -1])
    energy = p @ U + p @ np.log(p * n / (2 * np.pi)) / beta
    return sigma, W.T @ W, energy + flow.kappa * float(flow.coupling.energy(sigma, W))


@both_kinds
def test_a_spectral_solver_agrees(kind: str) -> None:
    flow = CoupledFlow(TWO_WAVES, 1.2, 0.8, kind)
    exact = spectral(flow, W_CIRCLE, 0.5)

    def cells(n: int, step: float) -> list[Array]:
        path = flow.solve_density(hill, W_CIRCLE, [0.5], cells=n, step=step)
        law, W = path.laws[-1], path.weights[-1]
        assert isinstance(law, CellLaw)
        sigma = flow.coupling.second_moments(flow.coupling.embed(law.nodes), law.masses)
        return [sigma, W.T @ W, path.free_energy[-1:]]

    def rested(n: int) -> list[Array]:
        # extrapolated in the step, twice
        h = [cells(n, 0.5 / parts) for parts in (25, 50, 100)]
        return [(8 * c - 6 * b + a) / 3 for a, b, c in zip(*h, strict=True)]

    coarse, fine = rested(32), rested(64)
    for value, wide, narrow in zip(map(np.asarray, exact), coarse, fine, strict=True):
        ahead, behind = np.abs(narrow - value).max(), np.abs(wide - value).max()
        assert ahead < 1e-3
        # second order in the width: a quarter
        assert 0.2 < ahead / behind < 0.3
        # and extrapolated in the width, too
        assert np.abs((4 * narrow - wide) / 3 - value).max() < 3e-5


@both_kinds
def test_on_the_sphere_the_errors_are_of_first_and_second_order(kind: str) -> None:
    flow = CoupledFlow(Langevin(Sphere(2), zonal(1, 0.5)), 1.2, 0.8, kind)

    def at_end(n: int, step: float) -> Array:
        path = flow.solve_density(cap, AXIS, [0.4], cells=n, step=step)
        law = path.laws[0]
        assert isinstance(law, ZonalCells)
        found = [law.mean(lambda z: z), law.mean(lambda z: z**2), path.free_energy[0]]
        return np.array([*found, path.weights[0, 0, 2]])

    for values, expected in (
        ([at_end(32, 0.4 / parts) for parts in (20, 40, 80, 160)], 1),
        ([at_end(n, 0.02) for n in (32, 64, 128, 256)], 2),
    ):
        changes = np.abs(np.diff(values, axis=0))
        order = -np.diff(np.log2(changes), axis=0)
        assert (np.abs(order[-1] - expected) < 0.1).all()


def test_on_the_line_it_is_the_gaussian_closure() -> None:
    langevin = Langevin(Euclidean(2), quadratic([[2.0, 0.3], [0.3, 1.0]]), 1.5)
    flow, law = CoupledFlow(langevin, 0.8), gauss([0.3, -0.2], [[1.0, 0.2], [0.2, 0.5]])
    closure, W, times = GaussianClosure(langevin, Coupling("logdet", 0.8)), [[0.6, 0.2]], [0.0, 1.0]
    assert flow.free_energy(law, W) == closure.free_energy(law, W)
    np.testing.assert_array_equal(flow.dissipation(law, W), closure.dissipation(law, W))
    found, expected = flow.solve_density(law, W, times), closure.solve(law, W, times)
    np.testing.assert_array_equal(found.weights, expected.weights)
    np.testing.assert_array_equal(found.free_energy, expected.free_energy)


# -- at rest --------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta_kappa", [0.5, 4.0, 12.0])
@both_kinds
def test_on_the_circle_the_end_is_the_closed_form(kind: str, beta_kappa: float) -> None:
    # rho ∝ exp(b (w.x)^2), b E (w.x)^2 = beta kappa/2, E (w.x)^2 = (1 + I_1/I_0(b/2))/2
    b = brentq(
        lambda b: b * (1 + i1e(b / 2) / i0e(b / 2)) / 2 - beta_kappa / 2, 1e-9, 100, xtol=1e-13
    )
    flow = CoupledFlow(Langevin(Torus(1), zero(), 2.0), beta_kappa / 2, kind=kind)
    path = flow.solve_density(hill, [[0.3, 0.5]], [300.0], cells=64, step=3.0)
    w, law = path.weights[0], path.laws[0]
    assert isinstance(law, CircleCells)
    sigma = flow.coupling.second_moments(flow.coupling.embed(law.nodes), law.masses)
    top = np.linalg.eigvalsh(sigma)[-1]
    assert abs(top - beta_kappa / 2 / b) < 1e-9
    # and aligned: w is a unit eigenvector
    np.testing.assert_allclose(w @ sigma, top * w, rtol=0, atol=1e-9)
    assert abs(np.linalg.norm(w) - 1) < 1e-9


@pytest.mark.parametrize(
    ("kind", "W", "target"),
    [
        ("logdet", AXIS, 1.0),
        ("logtrace", AXIS, 1.0),
        ("logdet", PLANE, 2.0),
        ("logtrace", PLANE * [[1.0], [5 / 6]], 1.0),
    ],
)
def test_on_the_sphere_b_times_the_variance_is_known(kind: str, W: Array, target: float) -> None:
    # rho ∝ exp(b |Px|^2), b E |Px|^2 = r beta kappa/2, r = m for the determinant and 1 for the
    # trace, P the projection to the rows of W
    flow = CoupledFlow(Langevin(Sphere(2), zero(), 2.0), 3.0, kind=kind)
    law = flow.solve_density(cap, W, [400.0], cells=64, step=2.0).laws[0]
    assert isinstance(law, ZonalCells)
    z = law.places
    seen = z**2 if W is AXIS else 1 - z**2
    b, _ = np.polyfit(seen, np.log(law.masses / law.volumes), 1)
    assert abs(b * (law.masses @ seen) - 3 * target) < 1e-8
    # nothing but that: an exponential of |Px|^2
    assert np.ptp(np.log(law.masses / law.volumes) - b * seen) < 1e-8


def test_with_all_features_the_coupling_is_not_seen() -> None:
    # m = D, "logdet": the end of W = I with x' Sigma^{-1} x: uniform on the sphere
    flow = CoupledFlow(Langevin(Sphere(2), zero()), 2.0)
    law = flow.solve_density(cap, np.eye(3) / 2, [100.0], cells=32, step=1.0).laws[0]
    assert isinstance(law, ZonalCells)
    np.testing.assert_allclose(law.masses, law.volumes / (4 * np.pi), rtol=0, atol=1e-9)


def test_two_stable_states_from_two_starts() -> None:
    # U = -0.5 cos 4t - 0.1 cos 2t, beta = 2, kappa = 1: F less kappa |W|^2/2 as given, 3 digits
    langevin = Langevin(Torus(1), fourier(cos={4: -0.5, 2: -0.1}), 2.0)
    for kappa, states in ((0.2, {0: [1.0, 0.0], 1: [1.0, 0.0]}), (1.0, {0: [1, 0], 1: [0, 1]})):
        flow = CoupledFlow(langevin, kappa)
        for start, end in states.items():
            W0 = np.array([[1.0, 0.3]]) if start == 0 else np.array([[0.3, 1.0]])
            path = flow.solve_density(lambda t: np.ones(len(t)), W0, [400.0], cells=64, step=2.0)
            np.testing.assert_allclose(np.abs(path.weights[0, 0]), end, rtol=0, atol=1e-6)
            if kappa == 1:
                known = {0: -0.852, 1: -0.762}[start]
                assert abs(path.free_energy[0] - kappa / 2 - known) < 5e-4


# -- laws and densities ---------------------------------------------------------------------------


def test_a_smooth_law_has_the_f_of_its_integrals() -> None:
    flow = CoupledFlow(TWO_WAVES, 1.2)
    law = FourierGenerator(TWO_WAVES, 40).law(hill)
    sigma = law.mean(lambda t: np.column_stack([np.cos(t) ** 2, np.sin(2 * t) / 2, np.sin(t) ** 2]))
    S = np.array([[sigma[0], sigma[1]], [sigma[1], sigma[2]]])
    energy = law.mean(lambda t: TWO_WAVES.energy(t) + np.log(law.density(t)) / 1.5)
    exact = energy + 1.2 * flow.coupling.energy(S, W_CIRCLE)
    assert abs(flow.free_energy(law, W_CIRCLE) - exact) < 1e-12


def test_a_function_its_law_and_its_cells_are_one_start() -> None:
    langevin = Langevin(Sphere(2), zonal(1, 0.5))
    flow = CoupledFlow(langevin, 1.0)
    starts: list[Any] = [
        cap,
        ZonalGenerator(langevin, 24).law(cap),
        ZonalCells.from_density(cap, 48),
    ]
    paths = [flow.solve_density(s, AXIS, [0.0, 0.1], cells=48) for s in starts]
    for path in paths[1:]:
        np.testing.assert_allclose(path.free_energy, paths[0].free_energy, rtol=0, atol=1e-13)


def test_times_are_reached_by_equal_steps() -> None:
    flow = CoupledFlow(TWO_WAVES, 1.0)
    times = [0.0, 0.1, 0.1, 0.25]
    path = flow.solve_density(hill, W_CIRCLE, times, cells=32, step=0.05)
    np.testing.assert_array_equal(path.times, times)
    assert path.weights.shape == (4, 2, 2)
    assert path.dissipation.shape == (4, 2)
    assert len(path.laws) == 4
    np.testing.assert_array_equal(path.weights[0], W_CIRCLE)
    np.testing.assert_array_equal(path.weights[1], path.weights[2])
    # three steps of 0.05 from 0.1 on
    law = path.laws[1]
    again = flow.solve_density(law, path.weights[1], [0.05, 0.1, 0.15], step=0.05)
    np.testing.assert_allclose(again.weights[-1], path.weights[-1], rtol=0, atol=1e-14)
    # two and three equal steps of no more than 0.07 are the same; and one, however long it may be
    fitted = flow.solve_density(hill, W_CIRCLE, times, cells=32, step=0.07)
    np.testing.assert_array_equal(fitted.weights, path.weights)
    one, long = (
        flow.solve_density(hill, W_CIRCLE, [0.1], cells=32, step=step) for step in (0.1, 9.0)
    )
    np.testing.assert_array_equal(long.weights, one.weights)


def test_particles_are_those_of_their_own_room() -> None:
    flow, rng = CoupledFlow(TWO_WAVES, 1.0, 2.0, "logtrace"), np.random.default_rng(1)
    start = Torus(1).random_point(50, rng)
    path = flow.simulate_particles(start, W_CIRCLE, 0.01, 20, rng, every=10)
    np.testing.assert_allclose(path.times, [0.0, 0.1, 0.2])
    assert path.weights.shape == (3, 2, 2)
    # the weights of one step are those of the coupling
    one = flow.simulate_particles(start, W_CIRCLE, 0.01, 1, rng)
    expected = flow.coupling.weight_step(one.moments[-1], W_CIRCLE, 0.01)
    np.testing.assert_allclose(one.weights[-1], expected, rtol=0, atol=1e-14)


def test_many_particles_follow_the_density() -> None:
    flow, rng = CoupledFlow(TWO_WAVES, 1.2), np.random.default_rng(2)
    law = FourierGenerator(TWO_WAVES, 40).law(hill)
    n, step = 20_000, 0.01
    particles = flow.simulate_particles(law.sample(n, rng), W_CIRCLE, step, 50, rng)
    path = flow.solve_density(hill, W_CIRCLE, [0.5], cells=128, step=0.005)
    end = path.laws[0]
    assert isinstance(end, CircleCells)
    sigma = flow.coupling.second_moments(flow.coupling.embed(end.nodes), end.masses)
    # entries of y y' have a deviation of at most 1/2: five errors, and the steps' own, O(step)
    assert np.abs(particles.moments[-1] - sigma).max() < 2.5 / np.sqrt(n) + step
    gram = particles.weights[-1].T @ particles.weights[-1] - path.weights[0].T @ path.weights[0]
    assert np.abs(gram).max() < 2.5 / np.sqrt(n) + step


# -- what is refused ------------------------------------------------------------------------------

CIRCLE = CoupledFlow(TWO_WAVES, 1.0)
SPHERE = CoupledFlow(Langevin(Sphere(2), zero()), 1.0)
POINTS = PointLaw(np.zeros((1, 1)), manifold=Torus(1))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: CoupledFlow(3, 1.0), TypeError, "langevin must be a Langevin problem"),  # type: ignore[arg-type]
        (lambda: CoupledFlow(TWO_WAVES, -1.0), ValueError, "kappa must be"),
        (lambda: CoupledFlow(TWO_WAVES, 1.0, kind="det"), ValueError, "kind must be one of"),
        (lambda: CoupledFlow(TWO_WAVES, 1.0, embedding=3), TypeError, "embedding must be"),  # type: ignore[arg-type]
        (
            lambda: CoupledFlow(TWO_WAVES, 1.0, embedding=Embedding(np.cos, np.sin)),
            ValueError,
            "embedding.jacobian(x) must have shape (4, 1, 1)",
        ),
        (lambda: CIRCLE.free_energy(POINTS, W_CIRCLE), TypeError, "law must be a law with a"),
        (lambda: CIRCLE.free_energy(hill, W_CIRCLE), TypeError, "law must be a law with a"),  # type: ignore[arg-type]
        (lambda: CIRCLE.dissipation(ZonalCells.uniform(8), AXIS), ValueError, "law must live on"),
        (lambda: CIRCLE.free_energy(gauss([0.0], [[1.0]]), AXIS), ValueError, "law must li"),
        (lambda: CIRCLE.solve_density(POINTS, W_CIRCLE, [1.0]), TypeError, "density must be a law"),
        (lambda: CIRCLE.solve_density(3, W_CIRCLE, [1.0]), TypeError, "density must be a law"),  # type: ignore[arg-type]
        (lambda: CIRCLE.solve_density(hill, W_CIRCLE, [1.0, 0.5]), ValueError, "times must be asc"),
        (lambda: CIRCLE.solve_density(hill, W_CIRCLE, [-1.0]), ValueError, "times must be >= 0"),
        (lambda: CIRCLE.solve_density(hill, W_CIRCLE, [1.0], step=0), ValueError, "step must be"),
        (lambda: CIRCLE.solve_density(hill, W_CIRCLE, [1.0], cells=3), ValueError, "cells must be"),
        (lambda: CIRCLE.solve_density(hill, AXIS, [1.0]), ValueError, "W0 must have shape"),
        (lambda: CIRCLE.solve_density(hill, [[1, 0], [1, 0]], [1.0]), ValueError, "W must have"),
        (
            lambda: CIRCLE.solve_density(lambda t: (t[:, 0] > 1) * 1.0, W_CIRCLE, [1.0]),
            ValueError,
            "density must be positive in every cell",
        ),
        (lambda: SPHERE.solve_density(cap, np.eye(3)[:1], [1.0]), ValueError, "W0 must see laws"),
        (
            lambda: CoupledFlow(Langevin(Sphere(2), linear([1.0, 0, 0])), 1.0).solve_density(
                cap, AXIS, [1.0]
            ),
            ValueError,
            "langevin must have a potential that depends on z only",
        ),
        (
            lambda: CoupledFlow(Langevin(Torus(2), zero()), 1.0).solve_density(
                hill, np.ones((1, 4)), [1.0]
            ),
            ValueError,
            "density must be a GaussianLaw on Torus(2), or else langevin on Torus(1) or Sphere(2)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=re.escape(said)):
        call()
