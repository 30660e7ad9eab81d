"""The Gaussian case: closed equations, states of rest, the Euler walk, the naive coupling."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from coupled_flows import (
    DivergenceError,
    Embedding,
    Euclidean,
    GaussianGenerator,
    GaussianLaw,
    GeodesicWalk,
    Langevin,
    Potential,
    SubspaceFlow,
    Torus,
    TraceFlow,
    fourier,
    quadratic,
)
from coupled_flows.coupled.closure import GaussianClosure
from coupled_flows.coupled.equilibrium import at_rest, second_moment_bound, stable_state
from coupled_flows.coupled.euler import evolve_walk
from coupled_flows.coupled.functional import Coupling
from coupled_flows.coupled.naive import NaiveCoupling
from coupled_flows.geometry.errors import Array

UNIT = 2.0**-53
KINDS = ["logtrace", "logdet", "naive"]
every_kind = pytest.mark.parametrize("kind", KINDS)
logarithmic = pytest.mark.parametrize("kind", KINDS[:2])
seeds = st.integers(0, 2**32 - 1)


def coupling_of(kind: str, kappa: float, gamma: float = 1.0) -> Coupling:
    return NaiveCoupling(kappa, gamma) if kind == "naive" else Coupling(kind, kappa, gamma)


def closure_of(
    A: Array, coupling: Coupling, beta: float = 1.0, centre: Array | float = 0.0
) -> GaussianClosure:
    potential = Potential(
        lambda x: 0.5 * np.einsum("ij,jk,ik->i", x - centre, A, x - centre) + 0.25,
        lambda x: (x - centre) @ A,
    )
    return GaussianClosure(Langevin(Euclidean(len(A)), potential, beta), coupling)


def gaussian(mean: Any, covariance: Any) -> GaussianLaw:
    return GaussianLaw(np.array(mean), np.array(covariance))


def rotation(n: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def positive(rng: np.random.Generator, d: int) -> Array:
    """Return a random symmetric matrix of eigenvalues from 0.5 to 2."""
    turn = rotation(d, rng)
    made = turn * rng.uniform(0.5, 2, d) @ turn.T
    return (made + made.T) / 2


def instance(kind: str, seed: int) -> tuple[GaussianClosure, GaussianLaw, Array]:
    """Return a random problem of size one, off its centre, with a law and weights."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 5))
    m = int(rng.integers(1, d + 1))
    W = rotation(d, rng)[:m] * rng.uniform(0.5, 2, m)[:, None]
    if kind == "naive":
        W /= np.linalg.norm(W)
    coupling = coupling_of(kind, rng.uniform(0, 2), rng.uniform(0.5, 2))
    closure = closure_of(positive(rng, d), coupling, rng.uniform(0.5, 2), rng.standard_normal(d))
    return closure, GaussianLaw(rng.standard_normal(d), positive(rng, d)), W


def sigma_of(law: GaussianLaw) -> Array:
    return law.covariance + np.outer(law.mean, law.mean)


def slope(f: Any) -> float:
    """Return f'(0) by differences of order six over widths 0.02: of size one, right to 1e-9."""
    h = 0.02
    weights = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
    return sum(w * (f(k * h) - f(-k * h)) for k, w in weights.items()) / h


# -- the equations ----------------------------------------------------------------------------


@every_kind
@given(seed=seeds)
@settings(max_examples=25)
def test_the_flow_is_the_gradient_flow_of_the_free_energy(kind: str, seed: int) -> None:
    # in W2 on Gaussian laws dm/dt = -F_m, dC/dt = -2 (F_C C + C F_C); for the weights -T F_W
    closure, law, W = instance(kind, seed)
    rng = np.random.default_rng(seed)
    mean, C = law.mean, law.covariance
    dm, dC, dW = closure.rate(mean, C, W)
    u, V = rng.standard_normal(mean.shape), rng.standard_normal(W.shape)
    u /= np.linalg.norm(u)
    V /= np.linalg.norm(V) * 4
    V_square = rng.standard_normal(C.shape)
    H = V_square + V_square.T
    H /= np.linalg.norm(H) * 8
    along_mean = slope(lambda s: closure.free_energy(GaussianLaw(mean + s * u, C), W))
    # 1e-9 of numbers up to 100, as all matrices have condition numbers below 16
    assert along_mean == pytest.approx(-u @ dm, rel=0, abs=1e-7)
    # with dC/dt = M C + C M, M symmetric, F_C is -M/2
    apart = np.linalg.eigh(C)
    turned = apart[1].T @ dC @ apart[1] / (apart[0][:, None] + apart[0])
    M = apart[1] @ turned @ apart[1].T
    along_C = slope(lambda s: closure.free_energy(GaussianLaw(mean, C + s * H), W))
    assert along_C == pytest.approx(-np.sum(H * M) / 2, rel=0, abs=1e-7)
    coupling, sigma = closure.coupling, sigma_of(law)
    if kind == "naive":
        V -= np.sum(V * W) * W  # on the unit sphere

    def along(s: float) -> float:
        moved = W + s * V
        return float(
            coupling.energy(sigma, moved / np.linalg.norm(moved) if kind == "naive" else moved)
        )

    pulled = np.linalg.solve(coupling.tension(sigma, W), dW)
    assert slope(along) == pytest.approx(-np.sum(V * pulled) / coupling.gamma, rel=0, abs=1e-7)


@every_kind
@given(seed=seeds)
@settings(max_examples=25)
def test_the_free_energy_falls_by_the_dissipation(kind: str, seed: int) -> None:
    closure, law, W = instance(kind, seed)
    dm, dC, dW = closure.rate(law.mean, law.covariance, W)
    size = 16 * max(1.0, *(float(np.abs(v).max()) for v in (dm, dC, dW)))

    def along(s: float) -> float:
        moved = W + s / size * dW
        if kind == "naive":
            moved = moved / np.linalg.norm(moved)
        there = GaussianLaw(law.mean + s / size * dm, law.covariance + s / size * dC)
        return closure.free_energy(there, moved)

    lost = closure.dissipation(law, W)
    assert lost.min() >= 0
    # 1e-9 of numbers up to 100, times the size
    assert slope(along) * size == pytest.approx(-lost.sum(), rel=0, abs=1e-7 * size)


def test_without_coupling_the_least_free_energy_is_that_of_gibbs() -> None:
    closure, _, W = instance("logdet", 4)
    free = GaussianClosure(closure.langevin, Coupling("logdet", 0.0))
    beta, rest = closure.langevin.beta, GaussianGenerator(closure.langevin).stationary
    # -(1/beta) log of the integral of e^{-beta U}, with U = 1/4 at its minimum
    expected = 0.25 - np.log(2 * np.pi / beta / closure.rates).sum() / 2 / beta
    # some hundred roundings
    assert free.free_energy(rest, W) == pytest.approx(expected, rel=0, abs=100 * UNIT)


@logarithmic
@given(seed=seeds)
@settings(max_examples=25)
def test_the_virial_identity(kind: str, seed: int) -> None:
    closure, law, W = instance(kind, seed)
    dm, dC, _ = closure.rate(law.mean, law.covariance, W)
    A, c, beta = closure.hessian, closure.centre, closure.langevin.beta
    r = len(W) if kind == "logdet" else 1
    pulled = np.sum(A * sigma_of(law)) - law.mean @ A @ c  # E <x, grad U>
    expected = -pulled + closure.d / beta + closure.coupling.kappa * r
    # some hundred roundings of numbers up to 50, of condition numbers up to 16
    assert np.trace(dC) / 2 + law.mean @ dm == pytest.approx(expected, rel=0, abs=100 * 800 * UNIT)


@logarithmic
@given(seed=seeds, far=st.floats(0, 3))
@settings(max_examples=40)
def test_outside_the_ball_the_second_moment_falls(kind: str, seed: int, far: float) -> None:
    closure, law, W = instance(kind, seed)
    bound = second_moment_bound(closure, len(W))
    # of the same shape, on the sphere E |x|^2 = (1 + far) bound or outside
    scale = np.sqrt((1 + far) * bound / np.trace(sigma_of(law)))
    dm, dC, _ = closure.rate(scale * law.mean, scale**2 * law.covariance, W)
    rise = np.trace(dC) / 2 + scale * law.mean @ dm
    assert rise <= 100 * 800 * UNIT * (1 + far) * bound


@logarithmic
def test_the_ball_is_the_smallest_for_a_round_well(kind: str) -> None:
    closure = closure_of(1.5 * np.eye(3), coupling_of(kind, 2.0), beta=0.5)
    for m in (1, 2):
        law, _ = stable_state(closure, m)
        # three divisions and a sum
        expected = pytest.approx(second_moment_bound(closure, m), rel=20 * UNIT)
        assert np.trace(law.covariance) == expected
        assert second_moment_bound(closure, m) == pytest.approx(
            (3 / 0.5 + 2.0 * (m if kind == "logdet" else 1)) / 1.5, rel=20 * UNIT
        )


# -- paths ------------------------------------------------------------------------------------


@every_kind
def test_without_coupling_the_law_is_that_of_ornstein_and_uhlenbeck(kind: str) -> None:
    closure, law, W = instance(kind, 7)
    free = GaussianClosure(closure.langevin, coupling_of(kind, 0.0, 0.7))
    generator = GaussianGenerator(closure.langevin)
    times = np.array([0.0, 0.3, 2.0])
    path = free.solve(law, W, times)
    for found, expected in zip(path.laws, generator.evolve(law, times), strict=True):
        # 1e-12 a step, some 50 steps
        np.testing.assert_allclose(found.mean, expected.mean, rtol=0, atol=5e-11)
        np.testing.assert_allclose(found.covariance, expected.covariance, rtol=0, atol=5e-11)
    walked = evolve_walk(free, law, W, 0.1, 20, every=20).laws[-1]
    alone = generator.evolve_walk(GeodesicWalk(closure.langevin, 0.1), law, 20)
    # twenty products of small matrices against powers
    np.testing.assert_allclose(walked.mean, alone.mean, rtol=0, atol=2000 * UNIT)
    np.testing.assert_allclose(walked.covariance, alone.covariance, rtol=0, atol=2000 * UNIT)


@logarithmic
def test_weights_that_do_not_pull_follow_their_own_flow(kind: str) -> None:
    closure, _, W = instance(kind, 5)
    free = GaussianClosure(closure.langevin, coupling_of(kind, 0.0, 0.7))
    rest = GaussianGenerator(closure.langevin).stationary
    times = np.array([0.5, 3.0])
    flow = (TraceFlow if kind == "logtrace" else SubspaceFlow)(sigma_of(rest), 0.7)
    found = free.solve(rest, W, times).weights
    np.testing.assert_allclose(found, flow.solve(W, times), rtol=0, atol=5e-11)


@every_kind
@given(seed=seeds)
@settings(max_examples=6)
def test_the_free_energy_falls_all_the_way(kind: str, seed: int) -> None:
    closure, law, W = instance(kind, seed)
    path = closure.solve(law, W, np.linspace(0, 2, 21))
    # the path is right to 5e-11 of its size
    size = 1 + np.abs(path.free_energy).max() + np.abs(path.moments).max()
    assert np.diff(path.free_energy).max() <= 1e-10 * size
    # Simpson's rule, over half the time to halve its width
    fine = closure.solve(law, W, np.linspace(0, 0.2, 401))
    rate = fine.dissipation.sum(axis=1)
    lost = (rate[0] + rate[-1] + 4 * rate[1:-1:2].sum() + 2 * rate[2:-1:2].sum()) * 0.0005 / 3
    drop = fine.free_energy[0] - fine.free_energy[-1]
    # widths of 5e-4 to the fourth, with rates that fall no faster than exp(-100 t)
    assert drop == pytest.approx(lost, rel=1e-6, abs=1e-9 * size)


@every_kind
def test_a_path_can_be_taken_in_two(kind: str) -> None:
    closure, law, W = instance(kind, 11)
    once = closure.solve(law, W, [0.4, 1.0])
    repeated = closure.solve(law, W, [0.4, 0.4, 1.0])
    np.testing.assert_array_equal(repeated.weights, once.weights[[0, 0, 1]])
    np.testing.assert_array_equal(repeated.moments, once.moments[[0, 0, 1]])
    again = closure.solve(once.laws[0], once.weights[0], [0.6])
    np.testing.assert_allclose(again.moments[0], once.moments[1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(again.weights[0], once.weights[1], rtol=0, atol=1e-10)


@logarithmic
def test_an_explicit_method_finds_the_same(kind: str) -> None:
    closure, law, W = instance(kind, 12)
    far, times, d = GaussianLaw(10 * law.mean, 100 * law.covariance), [0.1, 1.0, 5.0], closure.d
    path = closure.solve(far, W, times)

    def rate(t: float, x: Any) -> Any:
        parts = closure.rate(x[:d], x[d : d + d * d].reshape(d, d), x[d + d * d :].reshape(W.shape))
        return np.concatenate([part.ravel() for part in parts])

    start = np.concatenate([far.mean, far.covariance.ravel(), np.ravel(W)])
    found = solve_ivp(
        rate, (0, 5), start, method="DOP853", t_eval=times, rtol=1e-12, atol=1e-14
    ).y.T
    C = found[:, d : d + d * d].reshape(-1, d, d)
    moments = C + found[:, :d, None] * found[:, None, :d]
    # of the size of 1000 at the start; 1e-12 a step, of some hundred
    np.testing.assert_allclose(path.moments, moments, rtol=0, atol=1e-7)
    weights = found[:, d + d * d :].reshape(-1, *np.shape(W))
    np.testing.assert_allclose(path.weights, weights, rtol=0, atol=1e-10)
    # and where an explicit one takes for ever: weights of the rate 3e6
    wild = closure.solve(GaussianLaw(law.mean, 1e6 * law.covariance), W, [60.0])
    late = closure.solve(law, W, [60.0])
    assert wild.free_energy[0] == pytest.approx(late.free_energy[0], rel=0, abs=1e-3)


@logarithmic
@pytest.mark.parametrize(("kappa", "time"), [(1.0, 1e4), (1e4, 5.0)])
def test_long_times_and_strong_couplings_end(kind: str, kappa: float, time: float) -> None:
    problem = Langevin(Euclidean(2), quadratic([[1.0, 0.0], [0.0, 2.0]]))
    closure = GaussianClosure(problem, Coupling(kind, kappa))
    path = closure.solve(GaussianLaw(np.zeros(2), np.eye(2)), [[0.6, 0.8]], [time])
    assert np.isfinite(path.free_energy).all()
    if kappa == 1.0:
        law, W = stable_state(closure)
        np.testing.assert_allclose(path.moments[-1], law.covariance, rtol=0, atol=1e-9)
        np.testing.assert_allclose(np.abs(path.weights[-1]), np.abs(W), rtol=0, atol=1e-9)


@pytest.mark.parametrize("tilt", [1e-3, 1e-7])
def test_rows_that_are_nearly_parallel_see_their_plane(tilt: float) -> None:
    problem = Langevin(Euclidean(3), quadratic(np.diag([1.0, 2.0, 4.0])))
    closure = GaussianClosure(problem, Coupling("logdet", 2.0))
    rows = np.array([[1.0, 0.0, 0.0], [1.0, tilt, 0.0]])
    sigma = np.diag([3.0, 2.0, 1.0]) + 0.1
    # the rows span the plane of e_1, e_2; they do so up to rounding over the tilt
    plane = closure.attraction(sigma, np.eye(2, 3))
    noise = 100 * UNIT / tilt
    np.testing.assert_allclose(closure.attraction(sigma, rows), plane, rtol=0, atol=10 * noise)
    rest = at_rest(closure, [[1e6, 0.0, 0.0], [0.0, 1e-3, 0.0]]).covariance
    np.testing.assert_allclose(rest, np.diag([3.0, 1.5, 0.25]), rtol=0, atol=100 * UNIT)
    near = at_rest(closure, rows).covariance
    np.testing.assert_allclose(near, np.diag([3.0, 1.5, 0.25]), rtol=0, atol=10 * noise)


@logarithmic
@pytest.mark.parametrize("kappa", [1e6, 1e12, 1e18])
def test_the_law_at_rest_keeps_its_digits(kind: str, kappa: float) -> None:
    # along the row (kappa + 1/beta) w'A^{-1}w, across w what A leaves
    problem = Langevin(Euclidean(2), quadratic([[2.0, 0.3], [0.3, 1.0]]), beta=0.5)
    closure = GaussianClosure(problem, Coupling(kind, kappa))
    w = np.array([0.6, 0.8])
    inverse = np.linalg.inv([[2.0, 0.3], [0.3, 1.0]])
    covariance = at_rest(closure, w[None]).covariance
    # C w = (kappa + 1/beta) A^{-1} w; the determinant of a rank-one change
    np.testing.assert_allclose(covariance @ w, (kappa + 2) * inverse @ w, rtol=1e-13, atol=0)
    both = np.outer(inverse @ w, inverse @ w) / (w @ inverse @ w)
    np.testing.assert_allclose(covariance, 2 * inverse + kappa * both, rtol=1e-13, atol=0)


@every_kind
def test_a_turned_problem_has_the_turned_solution(kind: str) -> None:
    closure, law, W = instance(kind, 12)
    turn = rotation(closure.d, np.random.default_rng(1))
    turned = closure_of(
        turn @ closure.hessian @ turn.T,
        closure.coupling,
        closure.langevin.beta,
        turn @ closure.centre,
    )
    there = GaussianLaw(turn @ law.mean, turn @ law.covariance @ turn.T)
    for run in (
        lambda case, at, V: case.solve(at, V, [0.0, 0.7]),
        lambda case, at, V: evolve_walk(case, at, V, 0.05, 14, every=14),
    ):
        one, other = run(closure, law, W), run(turned, there, W @ turn.T)
        np.testing.assert_allclose(other.weights, one.weights @ turn.T, rtol=0, atol=1e-10)
        np.testing.assert_allclose(other.moments, turn @ one.moments @ turn.T, rtol=0, atol=1e-10)
        np.testing.assert_allclose(other.free_energy, one.free_energy, rtol=0, atol=1e-9)
        np.testing.assert_allclose(other.dissipation, one.dissipation, rtol=0, atol=1e-9)


@every_kind
def test_the_euler_walk_tends_to_the_flow_with_order_one(kind: str) -> None:
    closure, law, W = instance(kind, 12)
    exact = closure.solve(law, W, [0.5])

    def error(n: int) -> Array:
        path = evolve_walk(closure, law, W, 0.5 / n, n, every=n)
        # for the determinant W is followed up to a turn of the features
        gram = [np.swapaxes(V, 1, 2) @ V for V in (path.weights[-1:], exact.weights)]
        return np.concatenate(
            [(path.moments[-1] - exact.moments[0]).ravel(), (gram[0] - gram[1]).ravel()]
        )

    errors = [error(n) for n in (64, 128, 256)]
    first, second = (
        2 * np.linalg.norm(b) / np.linalg.norm(a) for a, b in itertools.pairwise(errors)
    )
    # 1 + O(h), the next term halving
    assert abs(second - 1) < 0.02
    assert abs(second - 1) < 0.7 * abs(first - 1) + 1e-3
    # extrapolated, of order two
    assert np.linalg.norm(2 * errors[2] - errors[1]) < 0.02 * np.linalg.norm(errors[2])


# -- where it rests ---------------------------------------------------------------------------


@logarithmic
@given(seed=seeds, kappa=st.floats(0, 100))
@settings(max_examples=40)
def test_at_rest_nothing_moves_and_the_free_energy_is_least(
    kind: str, seed: int, kappa: float
) -> None:
    drawn, law, W = instance(kind, seed)
    closure = closure_of(drawn.hessian, coupling_of(kind, kappa), drawn.langevin.beta)
    rest = at_rest(closure, W)
    dm, dC, _ = closure.rate(rest.mean, rest.covariance, W)
    assert not dm.any()
    # an inverse of condition number up to 16 (1 + beta kappa), of which A - K cancels
    size = (1 + 2 * kappa) ** 2
    np.testing.assert_allclose(dC, 0, rtol=0, atol=2e4 * UNIT * size)
    least = closure.free_energy(rest, W)
    for at in (law, GaussianLaw(rest.mean, 1.01 * rest.covariance)):
        assert closure.free_energy(at, W) > least - 1e-13 * size
    # a random direction, a little along which F rises
    step = 0.01 * (law.covariance * rest.covariance)
    there = GaussianLaw(rest.mean, rest.covariance + (step + step.T) / 2)
    assert closure.free_energy(there, W) > least - 1e-13 * size


@logarithmic
def test_one_feature_at_rest(kind: str) -> None:
    rng = np.random.default_rng(3)
    A, kappa, beta = positive(rng, 4), 1.3, 0.7
    closure = closure_of(A, coupling_of(kind, kappa), beta)
    values = []
    for _ in range(5):
        w = rotation(4, rng)[:1]
        law, share = at_rest(closure, w), float((w @ np.linalg.solve(A, w.T))[0, 0])
        variance = float((w @ law.covariance @ w.T)[0, 0])
        # solves of condition number 4, an inverse of condition number 16
        assert variance == pytest.approx((kappa + 1 / beta) * share, rel=1000 * UNIT)
        values.append(closure.free_energy(law, w) + kappa / 2 * np.log(share))
    # min F = const - (kappa/2) log w'A^{-1}w
    np.testing.assert_allclose(values, values[0], rtol=0, atol=1e-13)


def jacobian(closure: GaussianClosure, law: GaussianLaw, W: Array) -> Array:
    """Return the derivative of the flow at a state of mean, covariance and weights."""
    d = closure.d
    start = np.concatenate([law.mean, law.covariance.ravel(), W.ravel()])

    def rate(x: Array) -> Array:
        C = x[d : d + d * d].reshape(d, d)
        parts = closure.rate(x[:d], (C + C.T) / 2, x[d + d * d :].reshape(W.shape))
        return np.concatenate([part.ravel() for part in parts])

    return np.array(
        [[slope(lambda s, e=e, i=i: rate(start + s * e)[i]) for e in np.eye(len(start)) / 10]
         for i in range(len(start))]
    ) * 10  # fmt: skip


@every_kind
def test_only_the_bottom_eigenvector_is_stable(kind: str) -> None:
    A = np.diag([1.0, 1.3, 2.0])
    for kappa in (0.2, 0.9) if kind == "naive" else (0.2, 5.0):
        closure = closure_of(A, coupling_of(kind, kappa), beta=1.5)
        energies = []
        for j in range(3):
            w = np.eye(3)[j : j + 1]
            law = at_rest(closure, w)
            dm, dC, dW = closure.rate(law.mean, law.covariance, w)
            assert max(np.abs(part).max() for part in (dm, dC, dW)) < 1000 * UNIT
            fastest = np.linalg.eigvals(jacobian(closure, law, w)).real.max()
            # off the diagonal the skew part of C does not move: an eigenvalue 0 of its own
            assert fastest > 0.01 if j else abs(fastest) < 1e-6
            energies.append(closure.free_energy(law, w))
        assert np.argmin(energies) == 0
        law, W = stable_state(closure)
        np.testing.assert_allclose(np.abs(W), [[1, 0, 0]], rtol=0, atol=4 * UNIT)
        along = (1 / 1.5 + kappa) / 1 if kind != "naive" else 1 / 1.5 / (1 - kappa)
        expected = np.diag([along, 1 / 1.5 / 1.3, 1 / 1.5 / 2])
        np.testing.assert_allclose(law.covariance, expected, rtol=0, atol=100 * UNIT * along)


@every_kind
@pytest.mark.parametrize("m", [1, 2])
def test_generic_starts_tend_to_the_stable_state(kind: str, m: int) -> None:
    rng = np.random.default_rng(m)
    turn = rotation(3, rng)
    A = turn * [0.8, 1.6, 3.0] @ turn.T
    for kappa in (0.5, 0.7) if kind == "naive" else (0.5, 4.0):
        closure = closure_of((A + A.T) / 2, coupling_of(kind, kappa), beta=2.0)
        W = rng.standard_normal((m, 3))
        start = GaussianLaw(rng.standard_normal(3), positive(rng, 3))
        path = closure.solve(start, W / np.linalg.norm(W), [400.0])
        law, V = stable_state(closure, m)
        # means fall with the rate a_1/(1 + beta kappa) or a_1 - kappa, 400 of which are 35 or more;
        # 1e-12 a step is left
        np.testing.assert_allclose(path.moments[0], law.covariance, rtol=0, atol=1e-9)
        found = path.weights[0]
        np.testing.assert_allclose(found.T @ found, V.T @ V, rtol=0, atol=1e-9)
        assert path.free_energy[0] == pytest.approx(closure.free_energy(law, V), rel=0, abs=1e-9)
        # their dissipation is of second order
        assert path.dissipation.max() < 1e-12


def test_the_trace_has_saddles_of_higher_rank() -> None:
    a, kappa, beta = np.array([1.0, 1.2, 1.5]), 4.0, 0.8
    closure = closure_of(np.diag(a), Coupling("logtrace", kappa), beta)
    for k in (2, 3):
        # equal variances T = (kappa + k/beta)/sum a_i on k directions
        T = (kappa + k / beta) / a[:k].sum()
        W = np.diag(np.sqrt((a * T - 1 / beta) / kappa))[:k]
        assert np.sum(W**2) == pytest.approx(1, rel=20 * UNIT)
        law = at_rest(closure, W)
        assert np.trace(W @ law.covariance @ W.T) == pytest.approx(T, rel=100 * UNIT)
        rates = closure.rate(law.mean, law.covariance, W)
        assert max(np.abs(part).max() for part in rates) < 1000 * UNIT * T
        assert np.linalg.eigvals(jacobian(closure, law, W)).real.max() > 0.01
        assert closure.free_energy(law, W) > closure.free_energy(*stable_state(closure, k)) + 0.01


# -- the naive coupling -----------------------------------------------------------------------


def test_above_the_smallest_rate_the_naive_coupling_runs_away() -> None:
    closure = closure_of(np.diag([1.0, 2.0, 3.0]), NaiveCoupling(1.5))
    W = np.array([[0.1, 0.7, -0.7]]) / np.linalg.norm([0.1, 0.7, -0.7])
    start = GaussianLaw(np.zeros(3), np.eye(3))
    with pytest.raises(DivergenceError, match=r"the points run away: E \|x\|\^2 exceeds") as caught:
        closure.solve(start, W, np.arange(0.0, 60.0, 2.0))
    path = caught.value.path
    assert path is not None
    assert len(path) == caught.value.step
    np.testing.assert_array_equal(path[-1], caught.value.state)
    size = np.trace(path, axis1=1, axis2=2)
    # like e^{2 (kappa - a_min) t} = e^{t}, once w = e_1 and 2/beta is small beside: 1 + O(e^-16)
    np.testing.assert_allclose(size[-1] / size[-2], np.exp(2.0), rtol=1e-6)
    # and F has no lower bound
    early = closure.solve(start, W, np.arange(0.0, 18.0, 2.0))
    assert np.diff(early.free_energy).max() < 0
    assert early.free_energy[-1] < -100


def test_below_the_smallest_rate_the_naive_coupling_is_bounded() -> None:
    closure = closure_of(np.diag([1.0, 2.0, 3.0]), NaiveCoupling(0.9))
    path = closure.solve(gaussian([3.0, 0.0, 0.0], np.eye(3)), [[0.6, 0.8, 0.0]], [400.0])
    # the variance along e_1 is 1/(beta (a_1 - kappa))
    np.testing.assert_allclose(path.moments[0], np.diag([10, 1 / 2, 1 / 3]), rtol=0, atol=1e-8)


def test_at_the_smallest_rate_the_naive_variance_grows_in_proportion_to_time() -> None:
    closure = closure_of(np.diag([1.0, 2.0]), NaiveCoupling(1.0), beta=0.5)
    path = closure.solve(gaussian([0.0, 0.0], np.eye(2)), [[1.0, 0.0]], [0.0, 1.0, 50.0])
    np.testing.assert_allclose(path.moments[:, 0, 0], [1, 1 + 4, 1 + 200], rtol=1e-10)


def test_the_naive_coupling_stays_on_its_saddles() -> None:
    closure = closure_of(np.diag([1.0, 2.0]), NaiveCoupling(1.5))
    path = closure.solve(gaussian([0.0, 0.0], np.eye(2)), [[0.0, 1.0]], [60.0])
    np.testing.assert_allclose(path.weights[0], [[0, 1]], rtol=0, atol=1e-12)
    # 1/(beta (a_2 - kappa)), and the first without coupling
    np.testing.assert_allclose(path.moments[0], np.diag([1, 2]), rtol=0, atol=1e-10)


# -- errors -----------------------------------------------------------------------------------

PLANE = Langevin(Euclidean(2), quadratic(np.diag([1.0, 2.0])))
CASE = GaussianClosure(PLANE, Coupling("logdet", 1.0))
TRACE = GaussianClosure(PLANE, Coupling("logtrace", 1.0))
NAIVE = GaussianClosure(PLANE, NaiveCoupling(1.0))
LAW = gaussian([0.0, 0.0], np.eye(2))
POINT = gaussian([1.0, 1.0], np.zeros((2, 2)))
ONE = [[1.0, 0.0]]
TEXT: Any = "text"
DOUBLED = Embedding(lambda x: 2 * x, lambda x: np.broadcast_to(2 * np.eye(2), (len(x), 2, 2)))
ON_CIRCLE = Langevin(Torus(1), fourier(cos={1: 1.0}))
ASIDE = closure_of(np.eye(2), Coupling("logdet", 1.0), centre=np.array([1.0, 0.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GaussianClosure(ON_CIRCLE, Coupling("logdet", 1.0)), "langevin must be on Euclid"),
        (lambda: GaussianClosure(PLANE, TEXT), "coupling must be a Coupling"),
        (
            lambda: GaussianClosure(PLANE, Coupling("logdet", 1.0, embedding=DOUBLED)),
            "coupling must see points as they are",
        ),
        (lambda: CASE.solve(POINT, ONE, [1.0]), "law must have a density"),
        (lambda: CASE.solve(TEXT, ONE, [1.0]), "law must be a GaussianLaw"),
        (lambda: CASE.solve(gaussian([0.0], [[1.0]]), ONE, [1.0]), "law must live on"),
        (lambda: CASE.solve(LAW, [[1.0]], [1.0]), "W0 must have shape"),
        (lambda: CASE.solve(LAW, np.zeros((0, 2)), [1.0]), "W0 must not be empty"),
        (lambda: CASE.solve(LAW, [[np.nan, 0.0]], [1.0]), "W0 must be finite"),
        (lambda: CASE.solve(LAW, [[1.0, 1.0], [1.0, 1.0]], [1.0]), "W0 must have linearly indep"),
        (lambda: TRACE.solve(LAW, [[0.0, 0.0]], [1.0]), "W0 must have Tr"),
        (lambda: NAIVE.solve(LAW, [[2.0, 0.0]], [1.0]), r"W0 must have \|W\| = 1"),
        (lambda: CASE.solve(LAW, ONE, []), "times must not be empty"),
        (lambda: CASE.solve(LAW, ONE, [-1.0, 1.0]), "times must be >= 0"),
        (lambda: CASE.solve(LAW, ONE, [1.0, 0.5]), "times must be ascending"),
        (lambda: CASE.solve(LAW, ONE, [np.inf]), "times must be finite"),
        (lambda: CASE.free_energy(POINT, ONE), "law must have a density"),
        (lambda: CASE.dissipation(POINT, ONE), "law must have a density"),
        (lambda: evolve_walk(TEXT, LAW, ONE, 0.1, 1), "closure must be a GaussianClosure"),
        (lambda: evolve_walk(CASE, LAW, ONE, 0.0, 1), "step must be"),
        (lambda: evolve_walk(CASE, LAW, ONE, 0.1, -1), "n_steps must be"),
        (lambda: evolve_walk(CASE, LAW, ONE, 0.1, 3, every=2), "every must divide"),
        (lambda: evolve_walk(CASE, LAW, [[0.0, 0.0]], 0.1, 3), "W0 must have linearly"),
        (lambda: at_rest(TEXT, ONE), "closure must be a GaussianClosure"),
        (lambda: at_rest(ASIDE, ONE), "closure must have the minimum of U at 0"),
        (lambda: at_rest(CASE, [[1.0, 1.0], [1.0, 1.0]]), "W must have T > 0"),
        (lambda: at_rest(TRACE, [[0.0, 0.0]]), "W must have T > 0"),
        (lambda: at_rest(NAIVE, ONE), r"W must have kappa W A\^\(-1\) W' < 1"),
        (lambda: stable_state(CASE, 3), "m must be at most d = 2"),
        (lambda: stable_state(CASE, 0), "m must be an integer >= 1"),
        (lambda: second_moment_bound(NAIVE), "closure must have a logarithmic coupling"),
        (lambda: second_moment_bound(CASE, 0), "m must be an integer >= 1"),
        (lambda: NaiveCoupling(-1.0), "kappa must be"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_said(call: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        call()
    assert re.search(r"got ", str(caught.value))


def test_a_walk_with_too_long_a_step_says_where_it_was() -> None:
    with pytest.raises(DivergenceError, match=r"run away: .* at step") as caught:
        evolve_walk(CASE, LAW, ONE, 5.0, 1000)
    step = caught.value.step
    last = evolve_walk(CASE, LAW, ONE, 5.0, step - 1, every=step - 1)
    np.testing.assert_array_equal(caught.value.state, last.moments[-1])


def test_nothing_happens_in_no_time() -> None:
    path = CASE.solve(LAW, ONE, [0.0])
    np.testing.assert_array_equal(path.weights, [ONE])
    np.testing.assert_array_equal(path.laws[0].covariance, LAW.covariance)
    still = evolve_walk(CASE, LAW, ONE, 0.1, 0)
    np.testing.assert_array_equal(still.weights, [ONE])
    assert still.times.tolist() == [0.0]
