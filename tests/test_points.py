"""The stable state on points: closed forms on grids, the equations at rest, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.special import i0e, i1e

from coupled_flows import DivergenceError
from coupled_flows.coupled import points as room
from coupled_flows.coupled.points import settle
from coupled_flows.geometry.errors import Array

U = 2.0**-53


def energy(x: Array, pi: Array, k: float, p: Array, W: Array) -> float:
    """F times beta, from its definition."""
    T = W @ (x.T * p) @ x.T.T @ W.T
    entropy = p[p > 0] @ np.log(p[p > 0] / pi[p > 0])
    return float(entropy + k / 2 * ((W**2).sum() - np.linalg.slogdet(T)[1]))


def cloud(seed: int, n: int, D: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    pi = rng.uniform(0.1, 1, n)
    return rng.standard_normal((n, D)) * np.linspace(1, 2, D), pi / pi.sum()


def off_rest(x: Array, pi: Array, k: float, p: Array, W: Array) -> tuple[float, float]:
    """How far masses and weights are from the equations at rest."""
    y = x @ W.T
    sigma = (x.T * p) @ x
    exponent = k / 2 * np.einsum("ni,ij,nj->n", y, np.linalg.inv(W @ sigma @ W.T), y)
    mu = np.log(p / pi) - exponent
    rest = W @ sigma - W @ sigma @ W.T @ W
    return float(np.ptp(mu)), float(np.abs(rest).max() / np.abs(sigma).max())


@given(
    seed=st.integers(0, 10**6),
    D=st.integers(1, 5),
    m=st.integers(1, 5),
    k=st.sampled_from([0.01, 0.5, 2.0, 10.0]),
)
@settings(max_examples=60, deadline=None)
def test_it_rests_where_the_equations_say(seed: int, D: int, m: int, k: float) -> None:
    x, pi = cloud(seed, 60, D)
    m = min(m, D)
    p, W = settle(x, 3 * pi, m, k)
    of_mu, of_weights = off_rest(x, pi, k, p, W)
    # the row space moved by 1e-10 in the last turn: T^{-1} by twice that, and so y'T^{-1}y/2, at
    # most |y|^2/T of which is below 1/min p
    assert of_mu <= 10 * k * room.STILL / p.min() + 1e-9
    assert of_weights <= 1e-12
    np.testing.assert_allclose(W @ W.T, np.eye(m), rtol=0, atol=100 * U)
    assert abs(p.sum() - 1) < 100 * U
    # no eigenvalue is left out that is larger than one taken
    sigma = (x.T * p) @ x
    largest = np.linalg.eigvalsh(sigma)[::-1][:m]
    np.testing.assert_allclose(np.diag(W @ sigma @ W.T), largest, rtol=1e-12, atol=0)


@pytest.mark.parametrize("k", [0.1, 2.0, 8.0])
def test_evenly_on_a_circle(k: float) -> None:
    # b E cos^2 = k/2 with exp(b cos^2): E cos^2 = (1 + I1(b/2)/I0(b/2))/2; sums over 200 even
    # points are integrals up to terms I_100(b/2), below 1e-16
    angle = 2 * np.pi * np.arange(200) / 200
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    p, W = settle(x, np.ones(200), 1, k, [[2.0, 0.0]])

    def top(b: float) -> float:
        return float(1 + i1e(b / 2) / i0e(b / 2)) / 2

    b = brentq(lambda b: b * top(b) - k / 2, 0, 2 * k, xtol=1e-15, rtol=1e-15)
    np.testing.assert_allclose(np.abs(W), [[1.0, 0.0]], rtol=0, atol=1e-12)
    assert abs(p @ x[:, 0] ** 2 - top(b)) < 1e-11


@pytest.mark.parametrize("k", [0.5, 4.0])
def test_a_gaussian_grows_by_one_and_k(k: float) -> None:
    # on a grid of spacing 1/4 of a standard deviation sums are integrals to exp(-2 pi^2 16)
    line = np.arange(-9, 9.01, 0.25)
    x = np.stack(np.meshgrid(line * np.sqrt(1 + k), line), axis=-1).reshape(-1, 2)
    pi = np.exp(-(x**2).sum(axis=1) / 2)
    p, W = settle(x, pi, 1, k, [[1.0, 0.0]])
    assert abs(p @ x[:, 0] ** 2 - (1 + k)) < 1e-10 * (1 + k)
    assert abs(p @ x[:, 1] ** 2 - 1) < 1e-10
    np.testing.assert_allclose(np.abs(W), [[1.0, 0.0]], rtol=0, atol=1e-10)


def test_no_law_is_better_for_these_weights() -> None:
    # a second method: F minimised over all masses at once
    x, pi = cloud(3, 25, 3)
    p, W = settle(x, pi, 2, 3.0)

    def value(logits: Array) -> float:
        law = np.exp(logits - logits.max())
        return energy(x, pi, 3.0, law / law.sum(), W)

    found = minimize(value, np.zeros(25), method="BFGS", options={"gtol": 1e-9, "maxiter": 2000})
    law = np.exp(found.x - found.x.max())
    # gradients from differences: of size 1e-8, so F to 1e-13 and masses to 1e-6
    assert energy(x, pi, 3.0, p, W) <= found.fun + 1e-12
    np.testing.assert_allclose(p, law / law.sum(), rtol=0, atol=1e-5)


def test_every_turn_lowers_the_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    x, pi = cloud(4, 40, 4)
    start = np.random.default_rng(5).standard_normal((2, 4))
    frame = np.linalg.svd(start, full_matrices=False)[2]
    fallen = [energy(x, pi, 2.0, pi, frame)]
    for turns in range(1, 12):
        monkeypatch.setattr(room, "ROUNDS", turns)
        with pytest.raises(DivergenceError, match="still moves") as error:
            settle(x, pi, 2, 2.0, start)
        p = np.asarray(error.value.state)
        top = np.linalg.eigh((x.T * p) @ x)[1][:, -2:].T
        fallen.append(energy(x, pi, 2.0, p, top))
        assert error.value.step == turns
    assert (np.diff(fallen) < 0).all()


def test_rotations_orders_scales_and_empty_points_change_nothing() -> None:
    x, pi = cloud(6, 50, 3)
    rng = np.random.default_rng(7)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    order = rng.permutation(50)
    p, W = settle(x, pi, 2, 1.5)
    other, V = settle(
        np.concatenate([1e200 * x[order] @ turn, np.full((1, 3), 1e199)]), [*pi[order], 0.0], 2, 1.5
    )
    assert other[-1] == 0
    np.testing.assert_allclose(other[:-1], p[order], rtol=1e-7, atol=0)
    np.testing.assert_allclose(V.T @ V, turn.T @ W.T @ W @ turn, rtol=0, atol=1e-9)


def test_a_start_may_decide_the_end() -> None:
    # wells at +-e_1 and +-e_2, equally deep: each start stays at its own
    x = np.concatenate([np.eye(2), -np.eye(2)])
    for row in np.eye(2):
        p, W = settle(x, np.ones(4), 1, 1.0, row[None])
        np.testing.assert_allclose(np.abs(W), row[None], rtol=0, atol=1e-12)
        # q on the pair, 1/2 - q each beside: log(q/(1/2 - q)) = k/2 (1/2q)
        q = brentq(lambda q: np.log(q / (0.5 - q)) - 0.25 / q, 0.26, 0.49, xtol=1e-15)
        assert abs(p @ (x @ row) ** 2 - 2 * q) < 1e-10


@pytest.mark.parametrize(
    ("points", "masses", "m", "strength", "W0", "said"),
    [
        (np.eye(3), -np.ones(3), 1, 1.0, None, "masses must be non-negative"),
        (np.eye(3), np.zeros(3), 1, 1.0, None, "masses must be non-negative"),
        (np.eye(3), np.ones(2), 1, 1.0, None, "masses"),
        (np.eye(3), np.ones(3), 4, 1.0, None, "m must be at most D = 3"),
        (np.eye(3), np.ones(3), 0, 1.0, None, "m must be"),
        (np.eye(3), np.ones(3), 1, 0.0, None, "strength must be"),
        (np.eye(3), np.ones(3), 2, 1.0, [[1, 0, 0], [2, 0, 0]], "W0 must have rank m = 2"),
        (np.eye(3)[:2], np.ones(2), 1, 1.0, [[0, 0, 1]], "T = W Sigma W' > 0"),
        (np.zeros((2, 2)), np.ones(2), 1, 1.0, None, "T = W Sigma W' > 0"),
        (np.zeros((0, 2)), np.zeros(0), 1, 1.0, None, "points must not be empty"),
    ],
)
def test_bad_input(
    points: Array, masses: Array, m: int, strength: float, W0: object, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        settle(points, masses, m, strength, W0)  # type: ignore[arg-type]


def test_masses_that_are_not_found_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    x, pi = cloud(8, 30, 2)
    monkeypatch.setattr(room, "MOST_STEPS", 1)
    with pytest.raises(DivergenceError, match="masses of turn 1 were not found") as error:
        settle(x, pi, 1, 5.0)
    assert error.value.step == 1
    np.testing.assert_allclose(error.value.state, pi, rtol=1e-15, atol=0)


@pytest.mark.parametrize("strength", [1e-12, 1e3])
def test_strengths_from_nothing_to_all(strength: float) -> None:
    # without coupling pi; with all of it the farthest points alone
    x, pi = cloud(8, 30, 2)
    p, _ = settle(x, pi, 1, strength)
    if strength < 1:
        np.testing.assert_allclose(p, pi, rtol=1e-10, atol=0)
    else:
        assert np.isfinite(p).all()
        assert (p > 0.01).sum() <= 2


def test_a_strength_beyond_numbers_is_said() -> None:
    x, pi = cloud(8, 30, 2)
    with pytest.raises(DivergenceError, match=r"not found, with strength = 1e\+100"):
        settle(x, pi, 1, 1e100)
