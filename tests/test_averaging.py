"""Slow weights on a fast walk: the exact identities, the orders, the fluctuation, the errors."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np
import pytest

from coupled_flows import (
    BarkerWalk,
    DivergenceError,
    Embedding,
    FourierGenerator,
    GeodesicWalk,
    Langevin,
    Potential,
    Sphere,
    Torus,
    ZonalGenerator,
    fit_order,
    fluctuation_covariance,
    fourier,
    linear,
    simulate,
    slow_weights,
    zero,
)
from coupled_flows.generators.harmonic import HarmonicGenerator
from coupled_flows.generators.spectral import SpectralTransition
from coupled_flows.geometry.errors import Array
from coupled_flows.weights.averaging import SlowWeights
from coupled_flows.weights.corrector import FLOWS, Corrector, solve
from coupled_flows.weights.flow import WeightFlow

UNIT = 2.0**-53
PROBLEM = Langevin(Torus(1), fourier(cos={1: 0.5, 2: -0.5}, sin={2: 0.3}))
WALK = GeodesicWalk(PROBLEM, 0.1)
TRANSITION = FourierGenerator(PROBLEM, 24).transition(WALK)
# three features of the circle, no two products of which are proportional
CURVE = Embedding(
    lambda t: np.hstack([np.cos(t), np.sin(t), 0.5 * np.cos(2 * t) + 0.3]),
    lambda t: np.stack([-np.sin(t), np.cos(t), -np.sin(2 * t)], axis=1),
)
SPHERE = Langevin(
    Sphere(2),
    Potential(
        lambda x: x[:, 0] + 0.7 * x[:, 1] * x[:, 2],
        lambda x: np.stack([np.ones(len(x)), 0.7 * x[:, 2], 0.7 * x[:, 1]], axis=1),
    ),
)
W0 = np.array([[0.6, 0.2], [-0.3, 0.5]])
WIDE = np.array([[0.6, 0.2, -0.4], [-0.3, 0.5, 0.1]])
every_flow = pytest.mark.parametrize("flow", FLOWS)
every_poisson = pytest.mark.parametrize("poisson", ["walk", "diffusion"])


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def products(points: Array, embedding: Embedding = CURVE) -> Array:
    """Return S at points, in columns."""
    y = embedding.value(points)
    return np.einsum("ni,nj->nij", y, y).reshape(len(y), -1)


def square(columns: Array) -> Array:
    size = math.isqrt(columns.shape[-1])
    return columns.reshape(*columns.shape[:-1], size, size)


def size(weights: Array) -> Array:
    """Return the norms of weights (..., m, D)."""
    return np.sqrt((weights**2).sum(axis=(-2, -1)))


def small(
    flow: str = "trace",
    poisson: str = "walk",
    n: int = 4,
    steps: int = 12,
    threads: int | None = None,
    seed: int = 1,
    every: int | None = 1,
) -> SlowWeights:
    """Return a run with few steps, all of them recorded."""
    eps = 0.2
    return slow_weights(
        TRANSITION, flow, WIDE, eps, steps * eps * 0.1, np.full((n, 1), 0.7), rng(seed),
        gamma=1.5, every=every, embedding=CURVE, poisson=poisson, threads=threads,
    )  # fmt: skip


class Second:
    """The same recursions from the recorded points, written out one by one."""

    def __init__(self, flow: str, poisson: str) -> None:
        operator: Any = TRANSITION if poisson == "walk" else TRANSITION.generator
        law = TRANSITION.weights if poisson == "walk" else TRANSITION.generator.mass
        self.flow, self.h, self.gamma, self.eps = FLOWS[flow], 0.1, 1.5, 0.2
        S = products(TRANSITION.nodes)
        self.mean = square(law @ S)
        self.phi = operator.poisson(S)
        # one step ahead: the walk's own, or what the diffusion's equation says of it
        self.ahead = (
            TRANSITION.apply(self.phi) if poisson == "walk" else self.phi - self.h * (S - law @ S)
        )
        self.before = square(self.ahead if poisson == "walk" else self.phi)
        self.law, self.S = law, square(S)

    def at(self, values: Array, points: Array) -> Array:
        return square(TRANSITION.generator.interpolate(values, points))

    def drift(self, W: Array, S: Array) -> Array:
        return self.gamma * self.flow.drift(W, S)

    def second_drift(self, V: Array) -> Array:
        """Return mbar, node by node."""
        along = self.gamma * self.flow.drift(V[:, None], self.S)
        each = self.gamma * self.flow.derivative(V[:, None], self.before, along)
        return np.einsum("k,nkij->nij", self.law, each)

    def run(self, points: Array) -> dict[str, Array]:
        eps, h, n = self.eps, self.h, points.shape[1]
        W = D = np.tile(WIDE, (n, 1, 1))
        mean = WIDE
        V = W + eps * self.drift(W, self.at(self.phi, points[0]))
        found = {"weights": [W], "averaged": [mean], "driven": [D], "lifted": [V], "second": [V]}
        for x, y in itertools.pairwise(points):
            dM = self.at(self.phi, y) - self.at(self.ahead, x)
            W = W + eps * h * self.drift(W, square(products(x)))
            mean = mean + eps * h * self.drift(mean, self.mean)
            D = D + eps * h * self.drift(D, self.mean) + eps * self.drift(D, dM)
            slow = self.drift(V, self.mean) + eps * self.second_drift(V)
            V = V + eps * h * slow + eps * self.drift(V, dM)
            lifted = W + eps * self.drift(W, self.at(self.phi, y))
            for name, value in zip(found, (W, mean, D, lifted, V), strict=True):
                found[name].append(value)
        return {name: np.stack(values) for name, values in found.items()}


# -- what is recorded is what the formulas say ----------------------------------------------------

# The Poisson solve is right to cond u: the gap of I - P is above 0.05, on 49 nodes. Then some 50
# operations on numbers of size 2, in each of 12 steps that grow by at most 1.5.
EXACT = 49 * UNIT / 0.05 * 100


@every_flow
@every_poisson
def test_the_recursions_are_those_of_the_docstring(flow: str, poisson: str) -> None:
    run = small(flow, poisson)
    for name, values in Second(flow, poisson).run(run.points).items():
        assert np.abs(getattr(run, name) - values).max() <= EXACT, name
    assert run.times == pytest.approx(0.02 * np.arange(13), abs=4 * UNIT)


@every_flow
def test_the_lifted_weights_have_the_increment_of_the_module(flow: str) -> None:
    run, other = small(flow), Second(flow, "walk")
    eps, h = 0.2, 0.1
    for k in range(12):
        x, y, W, W_next = *run.points[k : k + 2], *run.weights[k : k + 2]
        phi = other.at(other.phi, y)
        dM = phi - other.at(other.ahead, x)
        bracket = other.drift(W_next, phi) - other.drift(W, phi)
        step = eps * (h * other.drift(W, other.mean) + other.drift(W, dM) + bracket)
        assert np.abs(run.lifted[k + 1] - run.lifted[k] - step).max() <= EXACT
        # and the weights themselves
        back = eps * other.drift(W, phi - other.at(other.phi, x))
        step = eps * (h * other.drift(W, other.mean) + other.drift(W, dM)) - back
        assert np.abs(W_next - W - step).max() <= EXACT


def test_the_corrected_flow_is_driven_with_its_boundary_term() -> None:
    run = small()
    boundary = [0.2 * 1.5 * FLOWS["trace"].drift(W, phi(x)) for W, x in zip_path(run)]
    corrected = run.driven + boundary[0] - np.stack(boundary)
    assert np.abs(run.corrected - corrected).max() <= EXACT


def phi(points: Array) -> Array:
    solution = TRANSITION.poisson(products(TRANSITION.nodes))
    return square(TRANSITION.generator.interpolate(solution, points))


def zip_path(run: SlowWeights) -> list[tuple[Array, Array]]:
    return list(zip(run.weights, run.points, strict=True))


def test_errors_are_roots_of_mean_squares_over_all_steps() -> None:
    # of which no mean is largest at the last step
    every, few = (small(n=7, steps=48, every=stride) for stride in (1, 4))
    gaps = {
        "averaged": every.weights - every.averaged[:, None],
        "driven": every.weights - every.driven,
        "corrected": every.weights - every.corrected,
        "second": every.lifted - every.second,
    }
    for name, gap in gaps.items():
        squares = size(gap) ** 2
        peak = squares[squares.mean(axis=1).argmax()]
        for kind, sample in (("error", squares.max(axis=0)), ("rms", peak)):
            value = math.sqrt(sample.mean())
            # the standard error of a mean, through the derivative of the root
            error = sample.std(ddof=1) / math.sqrt(7) / (2 * value)
            for run in (every, few):
                found = getattr(run, f"{name}_{kind}")
                # differences of numbers below 2 that are right to some u, 60 operations
                assert found.value == pytest.approx(value, abs=100 * UNIT)
                assert found.error == pytest.approx(error, abs=100 * UNIT)


def test_what_is_recorded_changes_nothing() -> None:
    every, some, ends = small(), small(every=3), small(every=None)
    for name in ("times", "points", "weights", "averaged", "driven", "lifted", "second"):
        assert (getattr(every, name)[::3] == getattr(some, name)).all()
        assert (getattr(every, name)[::12] == getattr(ends, name)).all()
    assert every.second_error == ends.second_error


def test_the_walk_is_simulate_s_own() -> None:
    run = small(n=5)
    path = simulate(WALK, np.full((5, 1), 0.7), 12, rng(), every=1)
    assert (run.points == path).all()


def test_the_numbers_depend_on_the_seed_alone() -> None:
    one, two = (small(n=25_010, steps=2, threads=threads) for threads in (1, 2))
    assert (one.second == two.second).all()
    assert one.averaged_error == two.averaged_error
    assert (one.weights != small(n=25_010, steps=2, seed=2).weights).any()


def test_a_flow_is_its_name() -> None:
    named, given = (
        slow_weights(TRANSITION, flow, W0, 0.1, 0.1, np.zeros((2, 1)), rng())
        for flow in ("sanger", FLOWS["sanger"])
    )
    assert (named.second == given.second).all()
    assert all(issubclass(flow, WeightFlow) for flow in FLOWS.values())
    assert [flow.__name__.lower() for flow in FLOWS.values()] == [f"{name}flow" for name in FLOWS]


# -- the corrector --------------------------------------------------------------------------------


@functools.cache
def corrector(poisson: str) -> Corrector:
    return solve(TRANSITION, CURVE, poisson)


@every_poisson
def test_few_matrices_hold_the_mean_products(poisson: str) -> None:
    found, other = corrector(poisson), Second("trace", poisson)
    whole = np.einsum("k,kij,kpq->ijpq", other.law, other.before, other.S)
    assert len(found.left) <= 6
    assert np.abs(np.einsum("rij,rpq->ijpq", found.left, found.right) - whole).max() <= EXACT
    C = np.einsum("rij,rpq->ijpq", found.noise, found.noise).reshape(9, 9)
    operator: Any = TRANSITION if poisson == "walk" else TRANSITION.generator
    expected = operator.asymptotic_covariance(products(TRANSITION.nodes))
    assert np.abs(C - expected).max() <= EXACT


def test_the_martingale_s_steps_have_mean_zero_and_the_covariance_c() -> None:
    # from nodes exactly: E dM = P Phi - P Phi; E dM (x) dM, by P of the products of Phi
    solution, P = TRANSITION.poisson(products(TRANSITION.nodes)), TRANSITION
    outer = np.einsum("ki,kj->kij", solution, solution).reshape(len(solution), -1)
    ahead = P.apply(solution)
    square_of_mean = np.einsum("ki,kj->kij", ahead, ahead).reshape(len(ahead), -1)
    covariance = (P.weights @ (P.apply(outer) - square_of_mean)).reshape(9, 9)
    noise = corrector("walk").noise.reshape(-1, 9)
    # products of Phi have twice the waves; the 24 held leave 1e-9 of them
    assert np.abs(covariance - 0.1 * noise.T @ noise).max() <= 1e-8


@pytest.mark.parametrize(
    ("kind", "place"),
    [(GeodesicWalk, "circle"), (BarkerWalk, "circle"), (GeodesicWalk, "sphere")],
)
def test_the_martingale_s_steps_have_mean_zero_off_the_nodes(kind: Any, place: str) -> None:
    n, on_circle = 100_000, place == "circle"
    problem, embedding = (PROBLEM, CURVE) if on_circle else (SPHERE, None)
    x = np.array([[2.345] if on_circle else [0.48, -0.6, 0.64]])
    generator = FourierGenerator(problem, 32) if on_circle else HarmonicGenerator(problem, 16)
    walk = kind(problem, 0.1)
    found = solve(generator.transition(walk), embedding, "walk")
    S, here = found.at(x)
    ahead = found.at(walk.step_from(np.repeat(x, n, axis=0), rng()))[1]
    steps = (ahead - here + 0.1 * (S - found.mean)).reshape(n, -1)
    # five standard errors
    assert (np.abs(steps.mean(axis=0)) <= 5 * steps.std(axis=0) / math.sqrt(n)).all()


def test_without_a_force_everything_is_known() -> None:
    # S - Sigma = [[c, s], [s, -c]]/2 with c, s = cos 2t, sin 2t, and P is e^{-4h/beta} on them
    problem = Langevin(Torus(1), zero(), beta=2.0)
    found = solve(FourierGenerator(problem, 4).transition(GeodesicWalk(problem, 0.3)), None, "walk")
    q = math.exp(-4 * 0.3 / 2)
    t = np.array([[0.4]])
    S, there = found.at(t)
    assert np.abs(found.mean - np.eye(2) / 2).max() <= 20 * UNIT
    # 9 nodes, and 1 - q = 0.45
    assert np.abs(there - 0.3 / (1 - q) * (S - np.eye(2) / 2)).max() <= 9 * 20 * UNIT / 0.45
    assert len(found.left) == 2


# -- the orders -----------------------------------------------------------------------------------

EPS = [0.1, 0.05, 0.025, 0.0125]


@functools.cache
def runs(flow: str) -> list[SlowWeights]:
    n = 600 if flow == "trace" else 200
    start = TRANSITION.stationary.quantiles(n)[:, None]  # type: ignore[attr-defined]
    return [slow_weights(TRANSITION, flow, W0, eps, 1.0, start, rng(7)) for eps in EPS]


@functools.cache
def runs_on_the_sphere() -> list[SlowWeights]:
    transition = HarmonicGenerator(SPHERE, 12).transition(GeodesicWalk(SPHERE, 0.1))
    start = Sphere(2).random_point(150, rng(2))
    return [slow_weights(transition, "trace", WIDE, eps, 1.0, start, rng(7)) for eps in EPS]


@pytest.mark.parametrize("where", ["trace", "sanger", "sphere"])
def test_the_orders_are_a_half_one_one_and_three_halves(where: str) -> None:
    done = runs_on_the_sphere() if where == "sphere" else runs(where)
    # terms of relative order eps^{1/2} and sampling: intervals that the specification asks for
    for kind in ("error", "rms"):
        found = {
            name: fit_order(EPS, [getattr(run, f"{name}_{kind}") for run in done])
            for name in ("averaged", "driven", "corrected", "second")
        }
        assert 0.45 <= found["averaged"].slope <= 0.55
        assert 0.9 <= found["driven"].slope <= 1.1
        assert 0.9 <= found["corrected"].slope <= 1.15
        assert 1.35 <= found["second"].slope <= 1.6
        assert found["corrected"].constant < found["driven"].constant
    assert found["averaged"].low <= 0.5 <= found["averaged"].high


def test_errors_tend_to_zero_with_eps() -> None:
    for name in ("averaged", "driven", "corrected", "second"):
        errors = [getattr(run, f"{name}_error").value for run in runs("trace")]
        assert (np.diff(errors) < 0).all()


def test_the_averaged_flow_is_near_its_differential_equation() -> None:
    run = runs("trace")[-1]
    found = solve(TRANSITION, None, "walk")
    exact = FLOWS["trace"](found.mean).solve(W0, [1.0])[0]
    eta = EPS[-1] * 0.1
    # Euler: e^{L} eta/2 max |W''|, and L, |W''| are below 2 here
    assert size(run.averaged[-1] - exact) <= math.exp(2) * eta
    assert size(run.averaged[-1] - exact) > 0


def test_the_diffusion_s_equation_leaves_a_floor() -> None:
    eps, start = 0.004, np.full((100, 1), 0.7)
    own, other = (
        slow_weights(TRANSITION, "trace", W0, eps, 0.4, start, rng(), poisson=poisson)
        for poisson in ("walk", "diffusion")
    )
    assert (own.weights == other.weights).all()
    apart = size(own.averaged - other.averaged).max()
    assert apart > 0.005  # O(h), whatever eps
    assert other.averaged_error.value > apart - own.averaged_error.value
    assert other.second_error.value > 2 * own.second_error.value


# -- the fluctuation ------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [1.0, 1.7])
def test_the_covariance_without_a_force_has_a_closed_form(gamma: float) -> None:
    # Hebb: W = w e^{gamma s/2}, drift(W, dB) = W dB with C = c (J (x) J + K (x) K), where
    # c = (2 h/(1 - q) - h)/8: W J and W K are orthogonal, so Q' = gamma Q + gamma^2 c |W|^2 I
    problem, h = Langevin(Torus(1), zero(), beta=2.0), 0.3
    transition = FourierGenerator(problem, 4).transition(GeodesicWalk(problem, h))
    c = (2 * h / (1 - math.exp(-2 * h)) - h) / 8
    times = np.array([2.0, 0.0, 0.5])
    found = fluctuation_covariance(transition, "hebb", [[0.6, 0.8]], times, gamma=gamma)
    for s, Q in zip(times, found, strict=True):
        expected = gamma**2 * c * s * math.exp(gamma * s) * np.eye(2)
        assert np.abs(Q - expected).max() <= 1e-9 * (1 + expected.max())


@every_flow
def test_the_covariance_obeys_the_recursion_of_small_steps(flow: str) -> None:
    # of the linear recursion z' = z + eta DG z + sqrt(eta) G(W, noise), first order in eta
    found, rule, s = corrector("walk"), FLOWS[flow], 0.5

    def stepped(n: int) -> Array:
        eta, W, Q = s / n, WIDE, np.zeros((6, 6))
        for _ in range(n):
            moves = rule.derivative(W, found.mean, np.eye(6).reshape(6, 2, 3)).reshape(6, 6)
            noise = rule.drift(W, found.noise).reshape(-1, 6)
            A = np.eye(6) + eta * moves.T
            Q = A @ Q @ A.T + eta * noise.T @ noise
            W = W + eta * rule.drift(W, found.mean)
        return Q

    coarse, fine = stepped(200), stepped(400)
    exact = fluctuation_covariance(TRANSITION, flow, WIDE, [s], embedding=CURVE)[0]
    extrapolated = 2 * fine - coarse
    # what extrapolation leaves is eta times its own correction, with room for constants
    left = 10 / 200 * np.abs(fine - coarse).max()
    assert np.abs(extrapolated - exact).max() <= left


@pytest.mark.parametrize("flow", ["trace", "hebb"])
def test_the_fluctuation_has_the_predicted_covariance(flow: str) -> None:
    n, eps, s = 2000, 0.005, 0.4
    start = TRANSITION.stationary.quantiles(n)[:, None]  # type: ignore[attr-defined]
    run = slow_weights(TRANSITION, flow, W0, eps, s, start, rng(5))
    Z = ((run.weights[-1] - run.averaged[-1]) / math.sqrt(eps)).reshape(n, 4)
    Q = fluctuation_covariance(TRANSITION, flow, W0, [s])[0]
    # of a Gaussian sample: five standard errors; eps/s of it is still missing
    error = np.sqrt((np.outer(Q.diagonal(), Q.diagonal()) + Q**2) / n)
    assert (np.abs(np.cov(Z.T) - Q) <= 5 * error + 5 * eps / s * np.abs(Q).max()).all()
    assert (np.linalg.eigvalsh(Q) > -1e-12).all()


def test_a_covariance_that_grows_beyond_the_numbers_is_an_error() -> None:
    with pytest.raises(DivergenceError, match="before time 2000") as caught:
        fluctuation_covariance(TRANSITION, "hebb", W0, [1.0, 2000.0])
    assert caught.value.step == 1
    once = fluctuation_covariance(TRANSITION, "hebb", W0, [1.0])[0]
    assert caught.value.state == pytest.approx(once, rel=1e-8)
    with pytest.raises(DivergenceError, match="before time 2000") as caught:
        fluctuation_covariance(TRANSITION, "hebb", W0, [2000.0])
    assert caught.value.step == 0
    assert not caught.value.state.any()


@every_flow
def test_where_nothing_moves_nothing_fluctuates(flow: str) -> None:
    assert not fluctuation_covariance(TRANSITION, flow, W0, [0.0, 0.0]).any()
    for start in (0 * W0, 1e-320 * W0):
        found = fluctuation_covariance(TRANSITION, flow, start, [0.0, 1.0])
        assert found.shape == (2, 4, 4)
        assert not found.any()


@every_flow
@pytest.mark.parametrize("gamma", [1e-8, 1e8, 1e300])
def test_the_covariance_for_any_speed_is_that_for_speed_1(flow: str, gamma: float) -> None:
    one = fluctuation_covariance(TRANSITION, flow, W0, [0.5, 1.0])
    times = np.array([0.5, 1.0]) / gamma
    found = fluctuation_covariance(TRANSITION, flow, W0, times, gamma=gamma)
    # the same up to rounding of the times, and the solver's own 1e-10
    np.testing.assert_allclose(found / gamma, one, rtol=0, atol=1e-9 * np.abs(one).max())


def test_large_weights_forget_their_size() -> None:
    # W is within 1/|W0|^2 of the limit of large W0, and so is its fluctuation
    large, largest = (
        fluctuation_covariance(TRANSITION, "trace", c * W0, [1.0])[0] for c in (3e3, 1.5e4)
    )
    np.testing.assert_allclose(large, largest, rtol=0, atol=10 / 3e3**2 * np.abs(large).max())


def test_what_would_take_for_ever_is_refused() -> None:
    for given, message in (
        ({"times": [1.0], "gamma": 1e300}, r"times must be .*; got 1 with gamma = 1e\+300"),
        ({"times": [1e9]}, r"times must be at most 1e\+06/\(gamma lambda_1\); got 1e\+09"),
        ({"times": [1.0], "W0": 1e100 * W0}, r"W0 must have entries up to 10000; got 6e\+99"),
    ):
        with pytest.raises(ValueError, match=message):
            fluctuation_covariance(TRANSITION, "trace", **{"W0": W0, **given})  # type: ignore[arg-type]


# -- what holds for every path --------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["trace", "subspace"])
def test_weights_are_bounded_along_every_path(flow: str) -> None:
    # per sample with eps h gamma <= 1/max(|x|^2, |Wx|^2): |W|^2 <= max(|W_0|^2, 3/2)
    run = slow_weights(
        TRANSITION, flow, 2 * W0, 0.5, 20.0, np.full((200, 1), 0.7), rng(), every=1, gamma=2.0
    )
    bound = max(float(size(2 * W0)) ** 2, 1.5)
    assert (size(run.weights) ** 2).max() <= bound * (1 + 20 * UNIT)
    assert (size(run.weights[-1]) ** 2).min() > 0.5


def test_nothing_moves_without_chance() -> None:
    # S the same everywhere: no corrector, no martingale, and all five are one flow
    same = Embedding(
        lambda t: np.tile([0.6, -0.8], (len(t), 1)), lambda t: np.zeros((len(t), 2, 1))
    )
    run = slow_weights(
        TRANSITION, "trace", W0, 0.1, 1.0, np.zeros((3, 1)), rng(), embedding=same, every=10
    )
    for name in ("averaged", "driven", "corrected", "second"):
        # 100 steps of some ten roundings; the Poisson solve divides them by the gap 0.05
        assert getattr(run, f"{name}_error").value <= 100 * 10 * UNIT / 0.05
    assert np.abs(fluctuation_covariance(TRANSITION, "trace", W0, [1.0], embedding=same)).max() == (
        pytest.approx(0, abs=1e-14)
    )


def test_rows_that_are_equal_stay_equal() -> None:
    twin = np.tile([[0.3, 0.4]], (2, 1))
    run = slow_weights(TRANSITION, "subspace", twin, 0.1, 1.0, np.zeros((5, 1)), rng())
    for weights in (run.weights, run.driven, run.second, run.lifted):
        # 100 steps, in each of which products of rows may be added in another order
        assert np.abs(weights[..., 0, :] - weights[..., 1, :]).max() <= 100 * 10 * UNIT


# -- what cannot be served ------------------------------------------------------------------------


def test_a_large_step_diverges_and_says_where() -> None:
    start = np.full((3, 1), 0.7)
    with pytest.raises(DivergenceError, match="at step") as caught:
        slow_weights(TRANSITION, "trace", 5 * W0, 100.0, 1000.0, start, rng(), every=1)
    error = caught.value
    assert error.step >= 2
    assert error.state.shape == (3, 2, 2)
    assert np.isfinite(error.state).all()
    assert error.path is not None
    assert error.path.shape == (error.step, 3, 2, 2)
    assert (error.path[-1] == error.state).all()


@pytest.mark.parametrize(("eps", "gamma"), [(0.1, 1e300), (1e308, 1.0), (1e307, 1e3)])
def test_a_speed_beyond_the_numbers_diverges_at_once(eps: float, gamma: float) -> None:
    start = np.full((3, 1), 0.7)
    with pytest.raises(DivergenceError, match="at step 1 ") as caught:
        slow_weights(TRANSITION, "trace", W0, eps, eps * 0.1, start, rng(), gamma=gamma)
    np.testing.assert_array_equal(caught.value.state, np.tile(W0, (3, 1, 1)))


def test_growth_is_no_divergence() -> None:
    run = slow_weights(TRANSITION, "hebb", W0, 0.5, 60.0, np.zeros((2, 1)), rng())
    assert size(run.weights[-1]).min() > 1e8
    assert math.isfinite(run.averaged_error.error)


def test_nodes_that_do_not_hold_the_features_products_are_refused() -> None:
    sphere = Langevin(Sphere(2), linear([0.0, 0.0, -1.0]))
    zonal = ZonalGenerator(sphere, 16).transition(GeodesicWalk(sphere, 0.1))
    few = FourierGenerator(Langevin(Torus(1), zero()), 1)
    coarse: SpectralTransition = few.transition(GeodesicWalk(few.langevin, 0.1))
    for transition, width in ((zonal, 3), (coarse, 2)):
        start = transition.nodes[:2]
        with pytest.raises(ValueError, match="transition must hold the products"):
            slow_weights(transition, "trace", np.ones((1, width)), 0.1, 0.1, start, rng())
        with pytest.raises(ValueError, match="transition must hold the products"):
            fluctuation_covariance(transition, "trace", np.ones((1, width)), [1.0])


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("transition", WALK, "transition must be made by a generator"),
        ("flow", "oja", "flow must be one of 'hebb'"),
        ("flow", int, "flow must be one of"),
        ("W0", np.ones((1, 3)), r"W0 must have shape \(m, 2\)"),
        ("W0", np.ones((0, 2)), "W0 must have at least one row"),
        ("eps", 0.0, "eps must be a finite real number > 0"),
        ("time", 0.0, "time must be a finite real number > 0"),
        ("time", 0.105, "time must be a positive multiple of eps"),
        ("time", 0.001, "time must be a positive multiple of eps"),
        ("time", 1e300, "time must be a positive multiple of eps"),
        ("start", np.zeros((1, 1)), "start must have at least two rows"),
        ("start", np.full((2, 1), 7.0), "start must"),
        ("rng", 1, "rng must be a numpy.random.Generator"),
        ("gamma", -1.0, "gamma must be a finite real number > 0"),
        ("every", 3, "every must divide"),
        ("every", 0, "every must be an integer >= 1"),
        ("embedding", np.cos, "embedding must be an Embedding"),
        ("poisson", "graph", "poisson must be one of 'walk', 'diffusion'"),
        ("threads", 0, "threads must be an integer >= 1"),
    ],
)
def test_bad_arguments_are_refused_by_name(argument: str, value: Any, message: str) -> None:
    good = {
        "transition": TRANSITION, "flow": "trace", "W0": W0, "eps": 0.1, "time": 0.1,
        "start": np.zeros((2, 1)), "rng": rng(),
    }  # fmt: skip
    call: Any = slow_weights
    call(**good)
    with pytest.raises((TypeError, ValueError), match=message):
        call(**{**good, argument: value})


@pytest.mark.parametrize("times", [[], [-1.0], [[1.0]], [math.nan], "now"])
def test_bad_times_are_refused(times: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="times must"):
        fluctuation_covariance(TRANSITION, "trace", W0, times)
