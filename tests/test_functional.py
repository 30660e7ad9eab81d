"""The coupling: its field and its velocity are derivatives of one energy, and its step is exact."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows import Embedding, SubspaceFlow, Torus, TraceFlow
from coupled_flows.coupled.functional import Coupling
from coupled_flows.geometry.errors import Array

KINDS = ["logtrace", "logdet"]
U = 2.0**-53
both_kinds = pytest.mark.parametrize("kind", KINDS)
# a central difference of width d errs by d^2 f'''/6 + u |f|/d: 1e-10 and below at d = 1e-5 for
# these sizes; a hundred times that is allowed
WIDTH, DIFFERENCE = 1e-5, 1e-8


def instance(seed: int, m: int = 2, D: int = 4) -> tuple[Array, Array, Array]:
    """Return Sigma, W and points y: W neither small nor orthonormal, Sigma of full rank."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(D, D))
    return root @ root.T / D + np.eye(D) / 4, rng.normal(size=(m, D)), rng.normal(size=(5, D))


def slope(f: Callable[[Array], Any], x: Array, v: Array) -> Array:
    """Return the derivative of f at x along v, by a central difference."""
    return np.asarray((f(x + WIDTH * v) - f(x - WIDTH * v)) / (2 * WIDTH))


# -- (6) and (7) ----------------------------------------------------------------------------------


def test_the_tension_is_the_trace_or_the_matrix() -> None:
    sigma, W, _ = instance(1)
    matrix = W @ sigma @ W.T
    np.testing.assert_allclose(Coupling("logdet", 1.0).tension(sigma, W), matrix, rtol=1e-14)
    trace = Coupling("logtrace", 1.0).tension(sigma, W)
    np.testing.assert_allclose(trace, np.trace(matrix) * np.eye(2), rtol=1e-14)


def test_the_energy_is_that_of_the_weight_flow() -> None:
    sigma, W, _ = instance(2)
    assert Coupling("logtrace", 3.0).energy(sigma, W) == TraceFlow(sigma).energy(W)
    assert Coupling("logdet", 3.0).energy(sigma, W) == SubspaceFlow(sigma).energy(W)


def test_they_are_the_formulas_of_the_text() -> None:
    sigma, W, _ = instance(3)
    T = W @ sigma @ W.T
    size = (W**2).sum() / 2
    expected = {"logtrace": np.log(np.trace(T)), "logdet": np.log(np.linalg.det(T))}
    for kind in KINDS:
        found = Coupling(kind, 1.0).energy(sigma, W)
        assert abs(found - (size - expected[kind] / 2)) < 1e-13


@both_kinds
@given(seed=st.integers(0, 10**6))
def test_the_field_is_the_derivative_along_the_law(kind: str, seed: int) -> None:
    # mass s at y adds s y y' to Sigma
    sigma, W, y = instance(seed)
    coupling = Coupling(kind, kappa=1.7)
    field = coupling.field(y, W, coupling.tension(sigma, W))
    for at, value in zip(y, field, strict=True):
        rise = slope(lambda S: coupling.energy(S, W), sigma, np.outer(at, at))
        scale = 1 + abs(value) ** 3  # the third derivative along y y' is like the cube of y'Qy
        assert abs(1.7 * rise - value) < DIFFERENCE * scale


@both_kinds
@given(seed=st.integers(0, 10**6))
def test_the_force_is_the_field_s_slope(kind: str, seed: int) -> None:
    sigma, W, y = instance(seed)
    coupling = Coupling(kind, kappa=0.6)
    T = coupling.tension(sigma, W)
    force = coupling.force(y, W, T)
    for i, axis in enumerate(np.eye(4)):
        # the field is quadratic: the difference has only its rounding, u |field|/d
        fall = -slope(lambda x: coupling.field(x, W, T), y, axis)
        scale = 1 + np.abs(coupling.field(y, W, T)) + np.abs(force).max()
        assert (np.abs(fall - force[:, i]) < DIFFERENCE * scale).all()


@both_kinds
@given(seed=st.integers(0, 10**6))
def test_the_weights_descend_the_energy(kind: str, seed: int) -> None:
    sigma, W, _ = instance(seed)
    coupling = Coupling(kind, kappa=1.3, gamma=2.0)
    T, velocity = coupling.tension(sigma, W), coupling.weight_rate(sigma, W)
    gradient = np.zeros_like(W)
    for index in np.ndindex(W.shape):
        unit = np.zeros_like(W)
        unit[index] = 1.0
        gradient[index] = slope(lambda V: coupling.energy(sigma, V), W, unit)
    exact = W - np.linalg.solve(T, W @ sigma)
    scale = 1 + np.abs(exact).max() ** 3  # third derivatives, as above
    assert np.abs(gradient - exact).max() < DIFFERENCE * scale
    condition = np.linalg.cond(T)
    np.testing.assert_allclose(
        velocity, -2.0 * T @ exact, rtol=0, atol=100 * U * condition * np.abs(T).max() * scale
    )
    lost = 2.0 * 1.3 * np.trace(exact.T @ T @ exact)
    found = coupling.weight_dissipation(sigma, W)
    assert abs(found - lost) < 1000 * U * condition * (1 + lost)
    assert found >= 0


@both_kinds
def test_the_mean_of_the_force_along_the_point_is_known_for_every_state(kind: str) -> None:
    # virial: E <x, kappa W'T^{-1}W x> = kappa Tr(T^{-1} W Sigma W') = kappa, or kappa m
    _, W, y = instance(5, m=3)
    coupling = Coupling(kind, kappa=0.9)
    mass = np.arange(1.0, 6.0) / 15
    sigma = coupling.second_moments(y, mass)
    force = coupling.force(y, W, coupling.tension(sigma, W))
    virial = mass @ (y * force).sum(axis=1)
    assert abs(virial - 0.9 * (1 if kind == "logtrace" else 3)) < 1e-12


@both_kinds
def test_turning_the_features_changes_nothing_that_is_seen(kind: str) -> None:
    sigma, W, y = instance(6, m=3)
    turn, _ = np.linalg.qr(np.random.default_rng(6).normal(size=(3, 3)))
    coupling = Coupling(kind, kappa=2.0)
    seen = [
        (
            coupling.energy(sigma, V),
            coupling.weight_dissipation(sigma, V),
            coupling.field(y, V, coupling.tension(sigma, V)),
        )
        for V in (W, turn @ W)
    ]
    for one, two in zip(*seen, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12)


@both_kinds
def test_squares_are_linear_and_say_the_field(kind: str) -> None:
    sigma, W, y = instance(7)
    coupling = Coupling(kind, kappa=1.1)
    each = coupling.square(y[:, :, None] * y[:, None, :], W)
    mean = coupling.square(coupling.second_moments(y), W)
    np.testing.assert_allclose(each.mean(axis=0), mean, rtol=1e-13, atol=1e-13)
    Q = coupling.square(sigma, W)
    field = -0.55 * np.trace(np.linalg.solve(Q, each), axis1=1, axis2=2)
    found = coupling.field(y, W, coupling.tension(sigma, W))
    np.testing.assert_allclose(found, field, rtol=1e-12)


def test_many_weights_at_once_are_as_one_by_one() -> None:
    sigma, _, _ = instance(8)
    W = np.random.default_rng(8).normal(size=(3, 2, 4))
    for kind in KINDS:
        coupling = Coupling(kind, kappa=1.0)
        for method in ("tension", "energy", "weight_rate", "weight_dissipation"):
            f = getattr(coupling, method)
            each = np.array([f(sigma, V) for V in W])
            np.testing.assert_allclose(f(sigma, W), each, rtol=1e-13, atol=1e-13)


# -- points ---------------------------------------------------------------------------------------


def test_second_moments_are_symmetric_to_the_last_digit() -> None:
    y = np.random.default_rng(9).normal(size=(1000, 5))
    mass = np.random.default_rng(10).random(1000)
    sigma = Coupling("logdet", 1.0).second_moments(y, mass / mass.sum())
    np.testing.assert_array_equal(sigma, sigma.T)
    np.testing.assert_allclose(sigma, np.cov(y.T, aweights=mass, bias=True) + mean_square(y, mass))
    equal = Coupling("logdet", 1.0).second_moments(y)
    np.testing.assert_allclose(equal, y.T @ y / 1000, rtol=1e-13)


def mean_square(y: Array, mass: Array) -> Array:
    mean = mass @ y / mass.sum()
    return np.outer(mean, mean)


def test_the_force_is_pulled_back_by_the_jacobian() -> None:
    _, W, _ = instance(11, m=1, D=2)
    coupling = Coupling("logdet", 1.0, embedding=Torus(1).embedding)
    angle = np.linspace(0.1, 6.0, 7)[:, None]
    y = coupling.embed(angle)
    T = coupling.tension(np.eye(2) / 2, W)
    found = coupling.pull(angle, coupling.force(y, W, T))
    fall = -slope(lambda t: coupling.field(coupling.embed(t), W, T), angle, np.ones((7, 1)))
    assert np.abs(found[:, 0] - fall).max() < DIFFERENCE


@both_kinds
def test_many_weights_at_once_are_the_same_as_one_by_one(kind: str) -> None:
    coupling, cases = Coupling(kind, 3.0), [instance(seed) for seed in range(20, 24)]
    sigma, W, y = (np.stack(part) for part in zip(*cases, strict=True))
    T = coupling.tension(sigma, W)
    for method in (coupling.force, coupling.field):
        alone = np.stack([method(*one) for one in zip(y, W, T, strict=True)])
        # sums of four products in another order, over condition numbers below 1000
        np.testing.assert_allclose(method(y, W, T), alone, rtol=0, atol=1e-12)
    T[2] = -T[2]
    with pytest.raises(ValueError, match="W must have T > 0 for a force"):
        coupling.force(y, W, T)


def test_an_embedding_of_another_space_is_refused() -> None:
    coupling = Coupling("logdet", 1.0, embedding=Torus(1).embedding)
    with pytest.raises(ValueError, match=r"embedding must take points of shape \(5, 4\); got: "):
        coupling.embed(instance(13)[2])


def test_without_an_embedding_points_are_seen_as_they_are() -> None:
    _, _, y = instance(12)
    coupling = Coupling("logdet", 1.0)
    np.testing.assert_array_equal(coupling.embed(y), y)
    assert coupling.pull(y, y) is y


# -- the step of the weights ----------------------------------------------------------------------


def test_the_trace_s_step_is_its_closed_form() -> None:
    sigma, W, _ = instance(13)
    found = Coupling("logtrace", 1.0, gamma=1.5).weight_step(sigma, W, 0.7)
    np.testing.assert_array_equal(found, TraceFlow(sigma, 1.5).closed_form(W, [0.7])[0])


@pytest.mark.parametrize("time", [0.0, 1e-3, 0.1, 1.0, 10.0, 1e3, 1e6, 1e300])
def test_the_determinant_s_step_has_the_exact_gram_matrix(time: float) -> None:
    sigma, W, _ = instance(14, m=3)
    found = Coupling("logdet", 1.0, gamma=1.5).weight_step(sigma, W, time)
    exact = SubspaceFlow(sigma, 1.5).closed_form_gram(W, [time])[0]
    # both from the same frame, which one rotation of (m, m) turns: a few u of |W|^2
    assert np.abs(found.T @ found - exact).max() < 100 * U * (W**2).sum()


@pytest.mark.parametrize("time", [0.1, 1.0, 10.0])
def test_of_all_rotations_it_is_that_of_the_text(time: float) -> None:
    sigma, W = np.diag([2.0, 1.5, 0.5]), np.array([[0.3, -0.4, 0.2], [0.5, 0.1, -0.3]])
    E = W * np.exp(time * np.diag(sigma))
    sizes, turn = np.linalg.eigh(np.eye(2) - W @ W.T + E @ E.T)
    after = Coupling("logdet", 1.0).weight_step(sigma, W, time)
    # N has a condition number below 1e5
    np.testing.assert_allclose(after, turn / np.sqrt(sizes) @ turn.T @ E, rtol=0, atol=1e-10)


@given(seed=st.integers(0, 10**6), m=st.integers(1, 4))
def test_short_steps_are_those_of_long_ones(seed: int, m: int) -> None:
    # a short step takes the root of N at once, a long one by way of its triangle
    sigma, W, _ = instance(seed, m)
    coupling = Coupling("logdet", 1.0)
    short = coupling.weight_step(sigma, W, 0.05)
    with mock.patch("coupled_flows.coupled.functional.ROUND", 0.0):
        np.testing.assert_allclose(
            coupling.weight_step(sigma, W, 0.05), short, rtol=0, atol=200 * U * (W**2).sum()
        )


def test_it_follows_the_flow_itself_to_third_order() -> None:
    # N^{-1/2} is symmetric, and so is A of W = A E up to t^2: they part at t^3
    sigma, W, _ = instance(15, m=3)
    coupling, flow = Coupling("logdet", 1.0), SubspaceFlow(sigma)
    times = 0.004 / 2.0 ** np.arange(3)  # they part by 1e-9 and more, the solver errs by 1e-12
    away = [np.abs(coupling.weight_step(sigma, W, t) - flow.solve(W, [t])[0]).max() for t in times]
    order = -np.diff(np.log2(away))
    assert (np.abs(order - 3) < 0.1).all()


@both_kinds
@given(seed=st.integers(0, 10**6), time=st.floats(1e-3, 1e3), m=st.integers(1, 4))
def test_the_step_lowers_the_energy_and_keeps_the_bound(
    kind: str, seed: int, time: float, m: int
) -> None:
    sigma, W, _ = instance(seed, m)
    coupling = Coupling(kind, kappa=1.0)
    after = coupling.weight_step(sigma, W, time)
    before, later = coupling.energy(sigma, W), coupling.energy(sigma, after)
    assert later <= before + 1e-12 * (1 + abs(before))

    def size(V: Array) -> float:
        return float(np.linalg.norm(V, None if kind == "logtrace" else 2))

    assert size(after) <= max(1.0, size(W)) * (1 + 1e-13)


@both_kinds
def test_two_halves_of_a_step_are_the_step_up_to_a_turn(kind: str) -> None:
    sigma, W, _ = instance(16)
    coupling = Coupling(kind, kappa=1.0)
    whole = coupling.weight_step(sigma, W, 0.8)
    half = coupling.weight_step(sigma, coupling.weight_step(sigma, W, 0.4), 0.4)
    np.testing.assert_allclose(half.T @ half, whole.T @ whole, rtol=0, atol=1e-13)


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("log", 1.0), ValueError, "kind must be one of 'logdet', 'logtrace'; got 'log'"),
        (("logdet", -1.0), ValueError, "kappa must be a finite real number >= 0; got -1.0"),
        (("logdet", "1"), TypeError, "kappa must be a finite real number >= 0; got '1'"),
        (("logdet", 1.0, 0.0), ValueError, "gamma must be a finite real number > 0; got 0.0"),
        (("logdet", 1.0, 1.0, 3), TypeError, "embedding must be an Embedding"),
    ],
)
def test_a_coupling_says_what_it_takes(
    arguments: tuple[Any, ...], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=re.escape(said)):
        Coupling(*arguments)


def test_singular_features_have_no_energy_and_no_force() -> None:
    W = np.array([[1.0, 0.0], [1.0, 0.0]])
    coupling, sigma = Coupling("logdet", 1.0), np.eye(2)
    with pytest.raises(ValueError, match="W must have linearly independent rows"):
        coupling.energy(sigma, W)
    with pytest.raises(ValueError, match="W must have T > 0 for a force"):
        coupling.force(np.eye(2), W, coupling.tension(sigma, W))
    with pytest.raises(ValueError, match="W must have T > 0 for a dissipation"):
        coupling.weight_dissipation(sigma, W)
    with pytest.raises(ValueError, match="W must have"):
        Coupling("logtrace", 1.0).energy(sigma, 0 * W)


def test_a_step_checks_what_it_is_given() -> None:
    for kind in KINDS:
        coupling = Coupling(kind, 1.0)
        with pytest.raises(ValueError, match="time must be a finite real number >= 0"):
            coupling.weight_step(np.eye(2), [[1.0, 0.0]], -1.0)
        with pytest.raises(ValueError, match="sigma must be symmetric"):
            coupling.weight_step([[1.0, 1.0], [0.0, 1.0]], np.ones((1, 2)), 1.0)
        with pytest.raises(ValueError, match="W must"):
            coupling.weight_step(np.eye(2), np.ones((1, 3)), 1.0)


def test_an_embedding_s_values_are_checked() -> None:
    broken = Embedding(lambda x: np.full((len(x), 2), np.nan), lambda x: np.ones((len(x), 2, 1)))
    with pytest.raises(ValueError, match=r"embedding\.value\(x\) must be finite"):
        Coupling("logdet", 1.0, embedding=broken).embed(np.zeros((1, 1)))


@pytest.mark.parametrize("seed", range(40))
def test_a_singular_tension_is_refused_whatever_its_rounding_leaves(seed: int) -> None:
    # of rank one: Cholesky's last pivot T_22 - (T_12 / T_11^(1/2))^2 has six roundings of size
    # u T_22 at most, of either sign
    rng = np.random.default_rng(seed)
    coupling, y, W = Coupling("logdet", 1.0), rng.standard_normal((1, 3)), np.eye(2, 3)
    one = rng.standard_normal(2) * [1e3, 1e-3]
    with pytest.raises(ValueError, match="W must have T > 0 for a force"):
        coupling.force(y, W, np.outer(one, one))
    # one that is far from round is not
    coupling.force(y, W, np.diag(one**2))
