"""Averaged weight flows: closed forms, energies, row spaces, explicit updates and their steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from coupled_flows import (
    DivergenceError,
    HebbFlow,
    SangerFlow,
    SubspaceFlow,
    TraceFlow,
    principal_angles,
    stable_rank,
    step_limit,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.weights.flow import WeightFlow
from coupled_flows.weights.products import product

UNIT = 2.0**-53
KINDS: list[type[WeightFlow]] = [HebbFlow, TraceFlow, SubspaceFlow, SangerFlow]
every_kind = pytest.mark.parametrize("kind", KINDS)
seeds = st.integers(0, 2**32 - 1)
THREE_TWO_ONE = np.diag([3.0, 2.0, 1.0])
EQUAL_ROWS = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
FULL_RANK = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])


def rotation(n: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def moments(rng: np.random.Generator, D: int, rank: int | None = None) -> Array:
    """Return random second moments of largest eigenvalue 1."""
    rates = np.append(1.0, rng.uniform(0.05, 1, D - 1))
    rates[D if rank is None else rank :] = 0.0
    turn = rotation(D, rng)
    sigma = turn * rates @ turn.T
    return (sigma + sigma.T) / 2


def instance(seed: int, kind: type[WeightFlow] = TraceFlow) -> tuple[Any, Array]:
    """Return a flow with random second moments and speed, and random weights."""
    rng = np.random.default_rng(seed)
    D = int(rng.integers(1, 6))
    m = int(rng.integers(1, D + 1))
    W = rng.standard_normal((m, D)) * 10 ** rng.uniform(-2, 1)
    return kind(moments(rng, D), gamma=10 ** rng.uniform(-1, 1)), W


def by_solver(flow: WeightFlow, W0: Array, times: Array) -> Array:
    path = solve_ivp(
        lambda _, w: flow.rhs(w.reshape(W0.shape)).ravel(),
        (0, times[-1]),
        W0.ravel(),
        method="DOP853",
        t_eval=times,
        rtol=1e-13,
        atol=1e-15,
    )
    return path.y.T.reshape(-1, *W0.shape)


# -- the drift, its derivative, the right-hand side -----------------------------------------------


def written_out(kind: type[WeightFlow], W: Array, S: Array) -> Array:
    M = W @ S @ W.T
    feedback = {
        HebbFlow: 0 * M,
        TraceFlow: np.trace(M) * np.eye(len(M)),
        SubspaceFlow: M,
        SangerFlow: np.array([[M[i, j] * (j <= i) for j in range(len(M))] for i in range(len(M))]),
    }
    return W @ S - feedback[kind] @ W


@every_kind
def test_the_drift_is_its_formula_for_many_weights_at_once(kind: type[WeightFlow]) -> None:
    rng = np.random.default_rng(1)
    W, V = rng.standard_normal((2, 3, 1, 2, 4))
    S = rng.standard_normal((5, 4, 4))
    S = S + np.swapaxes(S, 1, 2)
    drift, derivative = kind.drift(W, S), kind.derivative(W, S, V)
    assert drift.shape == derivative.shape == (3, 5, 2, 4)
    for i in range(3):
        for j in range(5):
            # sums of 16 and of 8 products of numbers below 4
            np.testing.assert_allclose(
                drift[i, j], written_out(kind, W[i, 0], S[j]), rtol=0, atol=1e-13
            )
            # a complex step of 1e-100 cancels nothing
            step = kind.drift(W[i, 0] + 1e-100j * V[i, 0], S[j]).imag / 1e-100
            np.testing.assert_allclose(derivative[i, j], step, rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        kind.drift(W, 2 * S[0] - S[1]),
        2 * kind.drift(W, S[0]) - kind.drift(W, S[1]),
        rtol=0,
        atol=1e-13,
    )


@every_kind
@pytest.mark.parametrize("shape", [(6, 4, 4), (5, 1, 4, 4), (5, 6, 4, 4), (4, 4)])
def test_the_order_in_memory_does_not_matter(
    kind: type[WeightFlow], shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(3)
    W, V = rng.standard_normal((2, 6, 3, 4))
    any_matrix = rng.standard_normal(shape)
    S = any_matrix + np.swapaxes(any_matrix, -1, -2)
    # the same numbers, each entry's side by side
    dense = [np.moveaxis(np.moveaxis(each, 0, -1).copy(), -1, 0) for each in (W, V)]
    for got, expected in (
        (product(dense[0], any_matrix), W @ any_matrix),
        (kind.drift(dense[0], S), kind.drift(W, S)),
        (kind.derivative(dense[0], S, dense[1]), kind.derivative(W, S, V)),
        (kind.drift(W[0, ::2, ::3], np.eye(2)), kind.drift(W[0, ::2, ::3].copy(), np.eye(2))),
    ):
        # sums of at most 48 products, of sizes that add up to less than 700
        np.testing.assert_allclose(got, expected, rtol=0, atol=48 * 700 * UNIT)


@every_kind
@given(seed=seeds)
@settings(max_examples=20)
def test_the_right_hand_side_has_the_speed_and_sigma(kind: type[WeightFlow], seed: int) -> None:
    flow, W = instance(seed, kind)
    expected = flow.gamma * written_out(kind, W, flow.sigma)
    size = flow.gamma * (1 + np.abs(W).max()) ** 3
    np.testing.assert_allclose(flow.rhs(W), expected, rtol=0, atol=400 * UNIT * size)
    np.testing.assert_allclose(
        flow.rhs(np.stack([0 * W, W]))[1], expected, rtol=0, atol=400 * UNIT * size
    )


# -- solutions ------------------------------------------------------------------------------------


@every_kind
@given(seed=seeds)
@settings(max_examples=8)
def test_solutions_against_an_ode_solver(kind: type[WeightFlow], seed: int) -> None:
    flow, W0 = instance(seed, kind)
    times = np.array([0.0, 0.1, 0.7, 2.0, 6.0]) / flow.gamma
    size = max(1.0, float(np.abs(W0).max())) * (math.exp(6) if kind is HebbFlow else 1)
    # demanded: 1e-10
    np.testing.assert_allclose(
        flow.solve(W0, times), by_solver(flow, W0, times), rtol=0, atol=1e-10 * size
    )


@given(seed=seeds)
@settings(max_examples=8)
def test_the_gram_matrix_of_the_subspace_flow(seed: int) -> None:
    flow, W0 = instance(seed, SubspaceFlow)
    times = np.array([0.0, 0.1, 1.0, 10.0]) / flow.gamma
    W = flow.solve(W0, times)
    found = flow.closed_form_gram(W0, times)
    size = max(1.0, float((W0**2).sum()))
    # the solver keeps 1e-13 a step, some 50 steps
    np.testing.assert_allclose(found, np.swapaxes(W, 1, 2) @ W, rtol=0, atol=1e-11 * size)
    # largest singular value
    bound = max(1.0, float(np.linalg.norm(W0, 2)) ** 2)
    assert (np.linalg.norm(found, 2, (1, 2)) <= bound * (1 + 1e-13)).all()
    # where E and N are numbers that can be written down
    E = W0 @ expm(flow.sigma * flow.gamma * times[2])
    N = np.eye(len(W0)) - W0 @ W0.T + E @ E.T
    np.testing.assert_allclose(found[2], E.T @ np.linalg.solve(N, E), rtol=0, atol=1e-12 * size)


def expm(sigma: Array) -> Array:
    rates, frame = np.linalg.eigh(sigma)
    return frame * np.exp(rates) @ frame.T


@every_kind
@given(seed=seeds)
@settings(max_examples=4)
def test_the_flow_is_one_and_gamma_its_speed(kind: type[WeightFlow], seed: int) -> None:
    flow, W0 = instance(seed, kind)
    s = 0.8 / flow.gamma
    W = flow.solve(W0, [2 * s, 0.0, s, s])  # in any order
    size = max(1.0, float(np.abs(W).max()))
    np.testing.assert_allclose(W[1], W0, rtol=0, atol=40 * UNIT * size)
    np.testing.assert_array_equal(W[2], W[3])
    # two solutions to some 1e-12
    np.testing.assert_allclose(flow.solve(W[2], [s])[0], W[0], rtol=0, atol=1e-11 * size)
    slow = kind(flow.sigma)
    np.testing.assert_allclose(slow.solve(W0, [0.8])[0], W[2], rtol=0, atol=1e-11 * size)


@pytest.mark.parametrize("kind", [TraceFlow, SubspaceFlow])
@given(seed=seeds, exponent=st.floats(-300, 300))
@settings(max_examples=30)
def test_closed_forms_know_no_overflow(kind: Any, seed: int, exponent: float) -> None:
    rng = np.random.default_rng(seed)
    flow, W0 = instance(seed, kind)
    W0 = W0 * 10.0 ** rng.uniform(-150, 100)
    times = 10.0 ** np.array([exponent, rng.uniform(-3, 4)])
    size = max(1.0, float(np.abs(W0).max()))
    if kind is TraceFlow:
        length = np.linalg.norm(flow.closed_form(W0, times) / size, axis=(1, 2))
    else:
        length = np.sqrt(np.linalg.norm(flow.closed_form_gram(W0, times) / size**2, 2, (1, 2)))
    # |W| <= max(1, |W_0|)
    assert (length <= max(1.0, float(np.linalg.norm(W0 / size))) * (1 + 1e-13)).all()


def test_no_time_is_too_long() -> None:
    limit = np.array([[math.sqrt(0.5), 0.0, 0.0]] * 2)
    fast = TraceFlow(1e10 * THREE_TWO_ONE, gamma=1e10)
    np.testing.assert_allclose(
        fast.closed_form(FULL_RANK, [1e300])[0], limit, rtol=0, atol=8 * UNIT
    )
    assert principal_angles(fast.row_space(FULL_RANK, [1e300])[0], np.eye(3)[[0, 2]]).max() == 0
    # long enough for what decays to leave the range of numbers
    W0 = np.array([[1.0, 1.0, 0.5], [1.0, 0.3, 1.0]])
    W = SangerFlow(THREE_TWO_ONE).solve(W0, [420.0])[0]
    np.testing.assert_allclose(np.abs(W), np.eye(2, 3), rtol=0, atol=1e-12)


@given(seed=seeds)
@settings(max_examples=20)
def test_the_trace_flow_aligns_with_what_it_meets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turn = rotation(4, rng)
    # a double top eigenvalue
    sigma = turn * np.array([1.0, 1.0, 0.5, 0.2]) @ turn.T
    W0 = rng.standard_normal((2, 4))
    top = W0 @ turn[:, :2] @ turn[:, :2].T
    found = TraceFlow((sigma + sigma.T) / 2).solve(W0, [100.0])[0]
    # e^{-50} is left; the two top eigenvalues are equal to 4 u, and 100 of time make 400 u of it
    share = float(np.linalg.norm(W0) / np.linalg.norm(top))
    np.testing.assert_allclose(found, top / np.linalg.norm(top), rtol=0, atol=2000 * UNIT * share)


def test_hebb_grows_until_the_numbers_end() -> None:
    flow, W0 = HebbFlow(np.diag([2.0, 0.0])), np.array([[1.0, 3.0]])
    path = flow.solve(W0, [0.0, 1.0, 300.0])
    np.testing.assert_allclose(path[:, 0, 0], np.exp([0.0, 2.0, 600.0]), rtol=1e-13)
    np.testing.assert_allclose(path[:, 0, 1], 3, rtol=8 * UNIT)
    with pytest.raises(DivergenceError, match=r"Hebb's weights .* before s = 400") as lost:
        flow.solve(W0, [0.0, 1.0, 400.0, 500.0])
    assert lost.value.step == 2
    np.testing.assert_allclose(lost.value.state, path[1], rtol=8 * UNIT)
    np.testing.assert_allclose(lost.value.path, path[:2], rtol=8 * UNIT)  # type: ignore[arg-type]
    with pytest.raises(DivergenceError) as lost:
        flow.solve(W0, [400.0])
    np.testing.assert_array_equal(lost.value.state, W0)
    # not where the weights do not grow
    late = HebbFlow(np.diag([2.0, 0.0])).solve([[0.0, 3.0]], [1e300])
    np.testing.assert_allclose(late, [[[0.0, 3.0]]], rtol=8 * UNIT)


# -- along any path -------------------------------------------------------------------------------


@given(seed=seeds, size=st.floats(0.01, 10))
@settings(max_examples=25)
def test_the_closed_form_holds_along_every_path(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    D, gamma = int(rng.integers(1, 5)), 0.7
    W0 = rng.standard_normal((2, D))
    W0 *= size / np.linalg.norm(W0)
    E, W = [W0], [W0]
    for x in rng.standard_normal((40, D)):
        flow = TraceFlow(np.outer(x, x), gamma), HebbFlow(np.outer(x, x), gamma)
        W.append(flow[0].solve(W[-1], [0.1])[0])
        E.append(flow[1].solve(E[-1], [0.1])[0])
    found = TraceFlow.from_hebb(np.array(E))
    # 40 products, each right to some 10 u; |E|^2 - |W_0|^2 is right to as much of |E|^2
    np.testing.assert_allclose(found, W, rtol=0, atol=1000 * UNIT * max(1, size) ** 3)
    length = np.linalg.norm(found, axis=(1, 2))
    assert (length <= max(1, size) * (1 + 8 * UNIT)).all()
    # towards 1, from either side
    assert (np.diff(length) * np.sign(1 - size) >= -8 * UNIT * max(1, size)).all()


def test_a_path_that_shrinks_is_none() -> None:
    with pytest.raises(ValueError, match=r"E must not be shorter than E\[0\].*= -3"):
        TraceFlow.from_hebb([[[2.0]], [[1.0]]])
    same = TraceFlow.from_hebb([[[1e300]], [[1e300]]])
    np.testing.assert_allclose(same, [[[1e300]], [[1e300]]], rtol=8 * UNIT)


# -- energies -------------------------------------------------------------------------------------


def tolerance(W: Array, energy: Array) -> Array:
    """Rounding of an energy: sums of m D terms, a logarithm, and what rounds W itself."""
    square = (W**2).sum(axis=(-2, -1))
    return 4 * W.shape[-1] * W.shape[-2] * UNIT * (1 + square + np.abs(energy))


@pytest.mark.parametrize("kind", [TraceFlow, SubspaceFlow])
@given(seed=seeds)
@settings(max_examples=30)
def test_the_energy_is_its_formula(kind: Any, seed: int) -> None:
    flow, W = instance(seed, kind)
    M = W @ flow.sigma @ W.T
    part = np.trace(M) if kind is TraceFlow else np.linalg.det(M)
    expected = (W**2).sum() / 2 - math.log(part) / 2
    # a determinant is right to its condition number
    noise = 100 * UNIT * (np.linalg.cond(M) if kind is SubspaceFlow else 1)
    assert flow.energy(W) == pytest.approx(expected, rel=1e-13, abs=1e-13 + noise)
    both = flow.energy(np.stack([W, 2 * W]))
    np.testing.assert_allclose(both, [flow.energy(W), flow.energy(2 * W)], rtol=1e-15)
    # log of a scale: (m or 1) log 2
    power = 1 if kind is TraceFlow else len(W)
    fall = 1.5 * (W**2).sum() - power * math.log(2)
    assert both[1] - both[0] == pytest.approx(fall, abs=float(tolerance(2 * W, both[1])))


@pytest.mark.parametrize("kind", [TraceFlow, SubspaceFlow])
@given(seed=seeds)
@settings(max_examples=6)
def test_energies_fall_along_the_flow(kind: Any, seed: int) -> None:
    flow, W0 = instance(seed, kind)
    times = np.linspace(0, 8 / flow.gamma, 9)
    W = flow.solve(W0, times)
    energy = flow.energy(W)
    # the solver's 1e-13 a step too, times a gradient below |W| + 1/least singular value
    slack = tolerance(W, energy)
    if kind is SubspaceFlow:
        size = np.linalg.svd(W, compute_uv=False)
        slack = slack + 1e-11 * (size[:, 0] + 1 / size[:, -1])
    assert (np.diff(energy) <= slack[:-1] + slack[1:]).all()


@pytest.mark.parametrize("kind", [TraceFlow, SubspaceFlow])
@given(seed=seeds)
@settings(max_examples=30)
def test_the_flow_is_a_preconditioned_gradient(kind: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    flow = kind(moments(rng, 3), gamma=0.6)
    W, V = rotation(3, rng)[:2] * rng.uniform(0.5, 1.5, (2, 1)), rng.standard_normal((2, 3))
    M = W @ flow.sigma @ W.T
    precondition = np.trace(M) * np.eye(2) if kind is TraceFlow else M
    gradient = -np.linalg.solve(precondition, flow.rhs(W)) / 0.6
    h = 1e-3 * np.linalg.eigvalsh(M)[0]
    ahead, behind = (flow.energy(W[None] + sign * h * V * [[[1]], [[2]]]) for sign in (1, -1))
    slope = (8 * (ahead[0] - behind[0]) - (ahead[1] - behind[1])) / (12 * h)
    # differences of order four: rounding of 10 u over h, h^4 of a fifth derivative in units of M
    allowed = 100 * UNIT / h + 1e-10 / np.linalg.eigvalsh(M)[0]
    assert (gradient * V).sum() == pytest.approx(slope, abs=allowed)


def test_the_energy_of_singular_weights_is_infinite() -> None:
    # turned, so that what is 0 is so up to rounding alone
    turn = rotation(3, np.random.default_rng(5))
    sigma = turn * [2.0, 1.0, 0.0] @ turn.T
    sigma = (sigma + sigma.T) / 2
    trace, det = TraceFlow(sigma), SubspaceFlow(sigma)
    for W in (turn.T[2:], np.zeros((1, 3)), 1e-200 * turn.T[2:]):
        with pytest.raises(ValueError, match=r"W must have Tr\(W Sigma W'\) > 0; got "):
            trace.energy(W)
    for W in (turn.T[1:], turn.T, turn.T[2:], turn.T @ turn, np.eye(3)):
        with pytest.raises(ValueError, match=r"W must have W Sigma W' > 0; got "):
            det.energy(W)
    for W in (EQUAL_ROWS, np.zeros((2, 3)), EQUAL_ROWS @ turn):
        with pytest.raises(ValueError, match=r"W must have linearly independent rows; got "):
            det.energy(W)
    with pytest.raises(ValueError, match=r"W must have at most D = 3 rows .*; got 4"):
        det.energy(np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"W must have Tr\(W Sigma W'\) > 0; got "):
        TraceFlow(np.zeros((2, 2))).energy(np.eye(2))
    # small or nearly dependent is not singular
    assert trace.energy(1e-200 * turn.T[:1]) == pytest.approx(200 * math.log(10) - math.log(2) / 2)
    nearly = np.array([[1.0, 0.0, 0.0], [1.0, 1e-12, 0.0]])
    assert SubspaceFlow(np.eye(3)).energy(nearly) == pytest.approx(1 + 12 * math.log(10), rel=1e-5)


# -- symmetry, rank, row space --------------------------------------------------------------------


@every_kind
@given(seed=seeds)
@settings(max_examples=5)
def test_rotated_features_and_rotated_data(kind: type[WeightFlow], seed: int) -> None:
    rng = np.random.default_rng(seed)
    flow, W0 = instance(seed, kind)
    m, D = W0.shape
    Q, R = rotation(m, rng), rotation(D, rng)
    if kind is SangerFlow:
        Q = np.diag(np.sign(np.diag(Q)))  # features have an order here: only signs are free
    turned = R @ flow.sigma @ R.T
    other: Any = kind((turned + turned.T) / 2, flow.gamma)
    times = np.array([0.3, 3.0]) / flow.gamma
    W, U = flow.solve(W0, times), other.solve(Q @ W0 @ R.T, times)
    size = max(1.0, float(np.abs(W).max()))
    # two solutions to some 1e-12; eigenvalues that differ by rounding
    np.testing.assert_allclose(U, Q @ W @ R.T, rtol=0, atol=1e-11 * size)
    # a short update is rounded 20 times
    eta = 0.1 / max(1.0, float((W0**2).sum()))
    np.testing.assert_allclose(
        other.update(Q @ W0 @ R.T, eta, 3),
        Q @ flow.update(W0, eta, 3) @ R.T,
        rtol=0,
        atol=1000 * UNIT * size,
    )
    if kind in (TraceFlow, SubspaceFlow):
        energy = float(flow.energy(W0))
        noise = 200 * UNIT * (1 + np.linalg.cond(W0 @ flow.sigma @ W0.T))
        assert other.energy(Q @ W0 @ R.T) == pytest.approx(energy, rel=1e-13, abs=noise)


@pytest.mark.parametrize("kind", [HebbFlow, TraceFlow, SubspaceFlow])
@given(seed=seeds)
@settings(max_examples=4)
def test_equal_rows_stay_equal_and_zero_rows_zero(kind: type[WeightFlow], seed: int) -> None:
    rng = np.random.default_rng(seed)
    flow = kind(moments(rng, 4))
    row = rng.standard_normal(4)
    W0 = np.stack([row, np.zeros(4), rng.standard_normal(4), row])
    path = flow.solve(W0, [0.5, 30.0])
    for W in (*path, flow.update(W0, 0.02, 200)):
        assert (W[1] == 0).all()
        # equal but for the order of a processor's sums
        np.testing.assert_allclose(W[0], W[3], rtol=0, atol=1e-11 * np.abs(W).max())


def test_a_zero_row_stays_zero_under_sangers_rule() -> None:
    W0 = np.array([[0.0, 0.0, 0.0], [0.3, -0.2, 0.5]])
    flow = SangerFlow(THREE_TWO_ONE)
    for W in (*flow.solve(W0, [1.0, 30.0]), flow.update(W0, 0.1, 50)):
        assert (W[0] == 0).all()


@every_kind
def test_nothing_comes_of_nothing(kind: type[WeightFlow]) -> None:
    zero = np.zeros((2, 3))
    assert not kind(THREE_TWO_ONE).solve(zero, [0.0, 1.0, 9.0]).any()
    assert not kind(THREE_TWO_ONE).update(zero, 0.5, 5).any()
    # nor of no moments
    np.testing.assert_allclose(
        kind(np.zeros((3, 3))).solve(FULL_RANK, [7.0])[0], FULL_RANK, rtol=8 * UNIT
    )


@every_kind
@pytest.mark.parametrize("start", [EQUAL_ROWS, FULL_RANK], ids=["equal rows", "full rank"])
def test_the_row_space_of_every_flow_is_known_for_any_time(
    kind: type[WeightFlow], start: Array
) -> None:
    flow = kind(THREE_TWO_ONE, gamma=0.5)
    for s in (0.0, 1.0, 17.0, 100.0, 1e4, 1e300):
        # of (1, 1, 0) e^{gamma s Sigma}, and of e_3 if it is there
        mixed = np.array([1.0, math.exp(-0.5 * s), 0.0])
        exact = np.array([mixed, [0.0, 0.0, 1.0]])[: 1 if start is EQUAL_ROWS else 2]
        found = flow.row_space(start, [s])[0]
        assert len(found) == len(exact)
        np.testing.assert_allclose(found @ found.T, np.eye(len(found)), rtol=0, atol=8 * UNIT)
        assert principal_angles(found, exact).max() <= 16 * UNIT
    times = np.array([0.1, 2.0, 9.0])
    for W, basis in zip(flow.solve(start, times), flow.row_space(start, times), strict=True):
        # e^{-4.5} is the least singular value, 1e-12 the solver's error
        assert principal_angles(W / np.abs(W).max(), basis)[: len(basis)].max() <= 1e-9


@given(seed=seeds)
@settings(max_examples=25)
def test_row_spaces_against_exponentials(seed: int) -> None:
    rng = np.random.default_rng(seed)
    flow, W0 = instance(seed)
    if rng.random() < 0.5:  # dependent rows
        W0 = rng.integers(-2, 3, (len(W0) + 1, len(W0))) @ W0
    times = np.array([0.0, 0.5, 3.0]) / flow.gamma
    rank = np.linalg.matrix_rank(W0)
    if rank == 0:
        return
    for s, basis in zip(times, flow.row_space(W0, times), strict=True):
        E = W0 @ expm(flow.sigma * flow.gamma * s)
        size = np.linalg.svd(E, compute_uv=False)
        assert len(basis) == rank
        # rounding of E over its least singular value
        assert principal_angles(E, basis).max() <= 100 * UNIT * size[0] / size[rank - 1]


def test_what_the_repair_cures_and_what_not() -> None:
    trace, det = TraceFlow(THREE_TWO_ONE), SubspaceFlow(THREE_TWO_ONE)
    generic = np.array([[0.3, 0.1, -0.2], [0.1, -0.4, 0.3]])
    top, other = np.eye(3)[:2], np.eye(3)[[0, 2]]
    late = [30.0]
    # one feature is left of two; the subspace flow keeps both
    assert stable_rank(trace.solve(generic, late)[0]) == pytest.approx(1, abs=1e-14)
    assert stable_rank(det.solve(generic, late)[0]) == pytest.approx(2, abs=1e-11)
    assert principal_angles(det.solve(generic, late)[0], top).max() <= 1e-11
    # rank that is not there is not made, even long after rounding has had its chance
    assert stable_rank(det.solve(EQUAL_ROWS, [200.0])[0]) == pytest.approx(1, abs=1e-14)
    # and a full-rank start whose rows all meet e_1 and e_2 ends in span(e_1, e_3)
    W = det.solve(FULL_RANK, [200.0])[0]
    assert principal_angles(W, other).max() <= 1e-11
    np.testing.assert_allclose(W @ W.T, np.eye(2), rtol=0, atol=1e-11)
    np.testing.assert_allclose(
        det.closed_form_gram(FULL_RANK, [1e6])[0], np.diag([1.0, 0.0, 1.0]), rtol=0, atol=16 * UNIT
    )
    np.testing.assert_allclose(
        trace.solve(FULL_RANK, [1e6])[0], [[math.sqrt(0.5), 0, 0]] * 2, rtol=0, atol=8 * UNIT
    )


def test_the_second_singular_value_dies_at_the_rate_of_the_gap() -> None:
    W0 = np.array([[0.3, 0.1, -0.2], [0.1, -0.4, 0.3]])
    size = np.linalg.svd(TraceFlow(THREE_TWO_ONE, 2.0).solve(W0, [6.0, 7.0]), compute_uv=False)
    # gamma (lambda_1 - lambda_2) = 2; corrections e^{-2 * 6 * gap}
    assert math.log(size[0, 1] / size[1, 1]) == pytest.approx(2, abs=1e-4)
    lost = np.linalg.svd(TraceFlow(THREE_TWO_ONE).solve(W0, [38.0])[0], compute_uv=False)
    assert lost[1] < 2 * UNIT


def test_sanger_finds_the_eigenvectors_one_by_one() -> None:
    rng = np.random.default_rng(2)
    turn = rotation(4, rng)
    sigma = turn * [4.0, 3.0, 2.0, 1.0] @ turn.T
    W = SangerFlow((sigma + sigma.T) / 2).solve(0.1 * rng.standard_normal((3, 4)), [40.0])[0]
    # e^{-40} is left, and 1e-12 of the solver's errors
    np.testing.assert_allclose(np.abs(W @ turn), np.eye(3, 4), rtol=0, atol=1e-11)


@every_kind
def test_at_time_0_nothing_has_moved(kind: type[WeightFlow]) -> None:
    W = kind(THREE_TWO_ONE).solve(FULL_RANK, [0.0, 0.0])
    # turned into the eigenframe and back, and a triangle solved
    np.testing.assert_allclose(W, [FULL_RANK, FULL_RANK], rtol=0, atol=100 * UNIT)


@pytest.mark.parametrize("kind", [SubspaceFlow, SangerFlow])
@pytest.mark.parametrize("size", [1e8, 1e30, 1e59])
def test_large_weights_come_down_or_are_refused(kind: type[WeightFlow], size: float) -> None:
    # N = E E' - W0 W0' + I: of W0 = c A, rows of A independent, I is lost in c^2, and so is c;
    # the first row of Sanger's flow is the trace flow of one feature
    W0 = np.array([[0.1, 0.2, 0.3], [0.3, 0.1, 0.1]])
    flow = kind(THREE_TWO_ONE)
    found = flow.solve(size * W0, [1.0])[0]
    if kind is SangerFlow:
        W0, found = W0[:1], found[:1]
    grown = W0 * np.exp([3.0, 2.0, 1.0])
    expected = grown.T @ np.linalg.solve(grown @ grown.T - W0 @ W0.T, grown)
    # 1e-13 a step, some thousand steps while c^2 falls, and a condition number
    np.testing.assert_allclose(found.T @ found, expected, rtol=0, atol=1e-9)
    for gamma, start in ((1.0, 1e70 * W0), (1.0, 1e300 * W0), (1e308, W0)):
        with pytest.raises(ValueError, match=r"W0 must be small .* < 1e\+60; got .* gamma = "):
            kind(THREE_TWO_ONE, gamma=gamma).solve(start, [1.0])


def test_growth_from_next_to_nothing_is_not_missed() -> None:
    for size in (1e-3, 1e-30, 1e-150):
        W0 = size * np.array([[1.0, 1.0, 0.5], [1.0, 0.3, 1.0]])
        s = -math.log(size) / 3 + np.array([-1.0, 0.0, 1.0, 8.0])
        # to a time long after it, so that a solver would like to hurry
        W = SubspaceFlow(THREE_TWO_ONE).solve(W0, np.append(s, 200.0))[:-1]
        # once more, from where it has just begun to be seen
        again = by_solver(SubspaceFlow(THREE_TWO_ONE), W[0], s - s[0])
        np.testing.assert_allclose(W, again, rtol=0, atol=1e-9)


# -- fixed points ---------------------------------------------------------------------------------


def test_fixed_points_and_their_multipliers() -> None:
    rates, eta = np.array([3.0, 2.0, 1.0, 0.0]), 0.2
    flow = TraceFlow(np.diag(rates), gamma=1.7)
    a = np.array([[0.6], [0.8]])
    for k in range(3):
        W = a * np.eye(4)[k]
        np.testing.assert_allclose(flow.rhs(W), 0, rtol=0, atol=16 * UNIT)
        np.testing.assert_allclose(flow.update(W, eta, 5), W, rtol=0, atol=16 * UNIT)
        basis = np.eye(8).reshape(8, 2, 4)
        update = np.eye(8) + eta * flow.derivative(W, flow.sigma, basis).reshape(8, 8)
        # along W once, along other features once, other directions twice each
        expected = [1 - 2 * eta * rates[k], 1.0]
        expected += [1 - eta * (rates[k] - rates[j]) for j in range(4) if j != k for _ in range(2)]
        np.testing.assert_allclose(
            np.sort(np.linalg.eigvals(update).real), np.sort(expected), rtol=0, atol=1e-13
        )
    # the rest of LaSalle's set
    assert not flow.rhs(np.array([[0.0, 0.0, 0.0, 5.0]])).any()
    # orthonormal rows in any eigenspace are fixed points of the other two
    for kind in (SubspaceFlow, SangerFlow):
        assert not kind(np.diag(rates)).rhs(np.eye(4)[[2, 0]]).any()


# -- explicit updates -----------------------------------------------------------------------------


@every_kind
def test_updates_are_eulers_method_for_many_rates_at_once(kind: type[WeightFlow]) -> None:
    rng = np.random.default_rng(3)
    flow = kind(moments(rng, 3), gamma=7.0)
    W = rng.standard_normal((2, 3))
    rates = np.array([0.0, 0.05, 0.1])
    many = flow.update(W, rates, 4)
    for eta, found in zip(rates, many, strict=True):
        by_hand = W
        for _ in range(4):
            by_hand = by_hand + eta * written_out(kind, by_hand, flow.sigma)
        np.testing.assert_allclose(found, by_hand, rtol=0, atol=1e-13)
        np.testing.assert_array_equal(found, flow.update(W, eta, 4))
    np.testing.assert_array_equal(flow.update(np.stack([W, W, W]), rates, 4), many)
    assert flow.update(W, 0.1, 0) is not W
    np.testing.assert_array_equal(flow.update(W, 0.1, 0), W)


def test_an_update_that_blows_up_says_when() -> None:
    flow = TraceFlow(np.eye(1))
    with pytest.raises(DivergenceError, match=r"the weights left the finite numbers") as lost:
        flow.update([[3.0]], 1.0, 100)
    before = flow.update([[3.0]], 1.0, lost.value.step - 1)
    np.testing.assert_array_equal(lost.value.state, before)
    r = float(before[0, 0])
    assert abs(r) > 1e100  # and its cube is too large
    with pytest.raises(DivergenceError):
        flow.update(before, 1.0)


def first_rate(happens: Callable[[Array], Any], low: float, high: float) -> float:
    """Return the least rate between two at which something happens, by dividing intervals by 32."""
    for _ in range(3):
        rates = np.linspace(low, high, 33)
        there = np.flatnonzero(happens(rates[1:]))
        assert len(there)
        low, high = rates[there[0]], rates[there[0] + 1]
    return (low + high) / 2


def test_thresholds_of_the_explicit_update() -> None:
    # an aligned start: the radial map r -> r (1 + a - a r^2)
    flow, start = TraceFlow(np.diag([1.0, 0.4])), np.array([[0.3, 0.0], [0.4, 0.0]])

    def late(rates: Array) -> Array:
        return flow.update(start, rates, 20_000)

    def after(W: Array, rates: Array, steps: int) -> Array:
        return np.abs(flow.update(W, rates, steps) - W).max(axis=(1, 2))

    # at a distance of 5e-4 the multiplier is 0.999: e^{-20} after 20 000 steps, against an
    # amplitude of about the root of the distance on the other side
    two = first_rate(lambda rates: after(late(rates), rates, 1) > 1e-3, 0.7, 1.2)
    assert two == pytest.approx(1, abs=5e-4)
    four = first_rate(lambda rates: after(late(rates), rates, 2) > 1e-3, 1.05, 1.29)
    assert four == pytest.approx(math.sqrt(5) - 1, abs=5e-4)

    def flips(rates: Array) -> Array:
        W, seen = start, np.zeros(len(rates), bool)
        for _ in range(1000):
            W = flow.update(W, rates)
            seen |= W[:, 0, 0] < 0
        return seen

    assert first_rate(flips, 1.45, 1.7) == pytest.approx(3 * math.sqrt(3) / 2 - 1, abs=5e-4)

    def escapes(rates: Array) -> Array:
        def one(rate: float) -> bool:
            try:
                flow.update(start, rate, 3000)
            except DivergenceError:
                return True
            return False

        return np.array([one(rate) for rate in rates])

    assert first_rate(escapes, 1.9, 2.1) == pytest.approx(2, abs=5e-4)
    # at a rate a, exactly the starts with |W_0|^2 <= 1 + 2/a stay bounded
    for a in (0.5, 1.0, 1.9):
        edge = math.sqrt(1 + 2 / a)
        assert np.abs(flow.update([[edge * (1 - 1e-9), 0.0]], a, 3000)).max() <= edge
        with pytest.raises(DivergenceError):
            flow.update([[edge * (1 + 1e-9), 0.0]], a, 3000)


# -- the step-size theorem ------------------------------------------------------------------------


@given(
    seed=seeds, share=st.floats(0.01, 1), size=st.floats(-3, 3), rank=st.sampled_from([None, 1, 2])
)
@settings(max_examples=300)
def test_one_update_under_the_rule(seed: int, share: float, size: float, rank: int | None) -> None:
    rng = np.random.default_rng(seed)
    D, m = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    flow = TraceFlow(moments(rng, D, rank))
    W = rng.standard_normal((m, D)) * 10**size
    T = float(np.trace(W @ flow.sigma @ W.T))
    eta = share / max(flow.spectrum[0][-1], T) * (1 - 4 * D * UNIT)
    after, n = flow.update(W, eta), (W**2).sum()
    # (i), as rounded
    assert (after**2).sum() - 1.5 <= (1 - eta * T) ** 2 * (n - 1.5) + 40 * D * UNIT * (1 + n)
    # (ii)
    energy, less = flow.energy(W), flow.energy(after)
    assert less <= energy + tolerance(W, energy)


@given(seed=seeds, share=st.floats(0.01, 1), size=st.floats(-3, 3))
@settings(max_examples=200)
def test_one_update_of_the_subspace_flow_under_its_rule(
    seed: int, share: float, size: float
) -> None:
    rng = np.random.default_rng(seed)
    D = int(rng.integers(2, 6))
    flow = SubspaceFlow(moments(rng, D))
    W = rng.standard_normal((int(rng.integers(1, D + 1)), D)) * 10**size
    M = W @ flow.sigma @ W.T
    eta = share / max(1.0, float(np.linalg.norm(M, 2))) * (1 - 8 * D * UNIT)
    after = flow.update(W, eta)
    n = float(np.linalg.norm(W, 2)) ** 2
    assert np.linalg.norm(after, 2) ** 2 <= max(n, 1.5) * (1 + 40 * D * UNIT)
    # tested, not proved: the energy falls too, as far as its condition number lets it be seen
    noise = 100 * UNIT * np.linalg.cond(W) * np.linalg.cond(flow.sigma)
    energy, less = flow.energy(W), flow.energy(after)
    assert less <= energy + tolerance(W, energy) + noise * (1 + n)


def test_the_constant_of_the_theorem_is_sharp() -> None:
    flow, W = TraceFlow(np.eye(1)), [[1 - 1e-3]]
    assert flow.energy(flow.update(W, 1.0)) < flow.energy(W)
    assert flow.energy(flow.update(W, 1.01)) > flow.energy(W)


def many_instances(n: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    B = rng.standard_normal((n, 4, 4)) * 10 ** rng.uniform(-1, 1, (n, 1, 1))
    W = rng.standard_normal((n, 2, 4))
    W *= 10 ** rng.uniform(-1.5, 1, (n, 1, 1)) / np.linalg.norm(W, axis=(1, 2), keepdims=True)
    return B @ np.swapaxes(B, 1, 2), W


def test_the_rule_survives_ten_thousand_instances_and_is_not_timid() -> None:
    S, W0 = many_instances(10_000, 4)
    limit = np.array([step_limit(s, w) for s, w in zip(S[:500], W0, strict=False)])
    top = np.linalg.eigvalsh(S)[:, -1]
    eta = 1 / (top * np.maximum((W0**2).sum(axis=(1, 2)), 1.5))
    np.testing.assert_allclose(limit, eta[:500], rtol=1e-13)

    def square(W: Array) -> Array:
        return (W**2).sum(axis=(1, 2))

    def energy(W: Array) -> Array:
        return square(W) / 2 - np.log(np.einsum("kij,kij->k", W @ S, W)) / 2

    W: Array = W0
    bound, before = np.maximum(square(W0), 1.5), energy(W0)
    for _ in range(200):
        W = W + eta[:, None, None] * TraceFlow.drift(W, S)
        assert (square(W) <= bound * (1 + 1e-13)).all()
        now = energy(W)
        assert (now <= before + tolerance(W0, before)).all()
        before = now
    # nine in ten are on the sphere by then
    assert np.quantile(np.abs(square(W) - 1), 0.9) < 0.1

    # the largest rate at which 300 of them stay bounded, by bisection
    S, W0, eta = S[:300], W0[:300], eta[:300]
    low, high = eta, 64 * eta
    for _ in range(12):
        middle, W = np.sqrt(low * high), W0
        with np.errstate(all="ignore"):
            for _ in range(300):
                W = W + middle[:, None, None] * TraceFlow.drift(W, S)
            stays = square(W) < 1e6
        low, high = np.where(stays, middle, low), np.where(stays, high, middle)
    # demanded: at least a quarter in the median
    assert np.median(eta / low) >= 0.25


@given(seed=seeds, size=st.floats(-1, 1))
@settings(max_examples=20)
def test_per_sample_the_bound_holds(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    W: Array = rng.standard_normal((2, 3)) * 10**size
    bound = max((W**2).sum(), 1.5)
    # heavy tails
    for x in rng.standard_t(1.5, (200, 3)):
        eta = 1 / max((x**2).sum(), ((W @ x) ** 2).sum())
        W = TraceFlow(np.outer(x, x)).update(W, eta)
        assert (W**2).sum() <= bound * (1 + 1e-13)


# -- what cannot be served ------------------------------------------------------------------------


@every_kind
def test_second_moments_are_checked_and_kept(kind: type[WeightFlow]) -> None:
    sigma = np.eye(2)
    flow = kind(sigma, gamma=2)
    sigma[0, 0] = 5
    assert flow.sigma[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        flow.sigma[0, 0] = 5
    with pytest.raises(AttributeError):
        flow.gamma = 3.0  # type: ignore[misc]
    bad: list[tuple[Any, str]] = [
        ([[1.0, 2.0], [0.0, 1.0]], "sigma must be symmetric; got "),
        ([[1.0, 0.0], [0.0, -1.0]], "sigma must be positive semidefinite; got "),
        (np.ones((2, 3)), r"sigma must have shape \(2, 2\)"),
        (np.zeros((0, 0)), "sigma must have at least one row"),
        (np.full((3, 3), 1e308), r"sigma must have a norm within .*; got 1e\+308"),
    ]
    for value, message in bad:
        with pytest.raises(ValueError, match=message):
            kind(value)
    for gamma in (0.0, -1.0, math.inf):
        with pytest.raises(ValueError, match="gamma must be a finite real number > 0"):
            kind(np.eye(2), gamma)


@every_kind
def test_weights_times_and_rates_are_checked(kind: type[WeightFlow]) -> None:
    flow, W = kind(np.eye(2)), np.ones((1, 2))
    for wrong in (np.ones(2), np.ones((1, 3)), 1.0):
        with pytest.raises(ValueError, match=r"W must have shape \(m, 2\)"):
            flow.rhs(wrong)
        with pytest.raises(ValueError, match=r"W0 must have shape \(m, 2\)"):
            flow.solve(wrong, [1.0])
    with pytest.raises(ValueError, match=r"W must have shape \(\.\.\., m, 2\)"):
        flow.rhs(np.ones((4, 1, 3)))
    with pytest.raises(ValueError, match="W must not be empty"):
        flow.update(np.ones((0, 2)), 0.1)
    for times in ([-1.0], [0.5, -0.5]):
        with pytest.raises(ValueError, match="times must be >= 0; got -"):
            flow.solve(W, times)
    with pytest.raises(ValueError, match="times must not be empty"):
        flow.row_space(W, [])
    with pytest.raises(ValueError, match="W0 must not be zero"):
        flow.row_space(0 * W, [1.0])
    for eta in (-0.1, [0.1, -0.1]):
        with pytest.raises(ValueError, match=r"eta must be >= 0; got -0\.1"):
            flow.update(W, eta)
    with pytest.raises(ValueError, match=r"eta must have a shape .* \(3,\), .*; got \(2,\)"):
        flow.update(np.ones((3, 1, 2)), [0.1, 0.2])
    with pytest.raises(ValueError, match="steps must be an integer >= 0"):
        flow.update(W, 0.1, -1)


def test_a_result_beyond_the_numbers_is_refused() -> None:
    large = np.full((1, 2), 1e200)
    with pytest.raises(ValueError, match=r"W must be small enough .* up to 1e\+200"):
        TraceFlow(np.eye(2)).rhs(large)
    with pytest.raises(ValueError, match="W must be small enough"):
        TraceFlow(np.eye(2)).energy(large)
    with pytest.raises(ValueError, match="W must be small enough"):
        SubspaceFlow(np.eye(2)).energy(large)
    with pytest.raises(ValueError, match="W0 must be small enough"):
        SubspaceFlow(np.eye(2)).closed_form_gram(large, [0.0])


def test_a_step_limit_needs_an_eigenvalue() -> None:
    with pytest.raises(ValueError, match=r"sigma must have an eigenvalue of at least .*; got 0"):
        step_limit(np.zeros((2, 2)), np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"sigma must have an eigenvalue of .*; got 1e-310"):
        step_limit(np.diag([1e-310, 0.0]), np.ones((1, 2)))
    np.testing.assert_allclose(
        step_limit(np.diag([2.0, 1.0]), [[[1.0, 0.0]], [[2.0, 0.0]]]), [1 / 3, 1 / 8]
    )
