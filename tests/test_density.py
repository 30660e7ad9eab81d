"""Implicit steps: positive, of mass one, and F falls for any length of the step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows import DivergenceError, Embedding, Langevin, Potential, Torus, zero
from coupled_flows.coupled.density import Trial, step_both, step_masses
from coupled_flows.coupled.functional import Coupling
from coupled_flows.coupled.volumes import CellFlow
from coupled_flows.geometry.errors import Array
from coupled_flows.measure.cells import CircleCells
from tests.test_volumes import both_kinds, random_flow, rate

U = 2.0**-53


def step_with(flow: CellFlow, masses: Array, V: Array, time: float) -> Array:
    """Return the implicit step in a given field V: the whole matrix, and no structure."""
    left, right = flow.faces
    there, back, _ = flow.rates(V)
    matrix = np.eye(len(masses))
    for i, j, out, into in zip(left, right, there, back, strict=True):
        out, into = time * out / flow.cells.volumes[i], time * into / flow.cells.volumes[j]
        matrix[[i, j], i] += [out, -out]
        matrix[[j, i], j] += [into, -into]
    return np.linalg.solve(matrix, masses)


# -- what a step is -------------------------------------------------------------------------------


@both_kinds
@given(seed=st.integers(0, 10**6), power=st.floats(-3, 2))
def test_a_step_solves_its_equation_with_everything_at_its_end(
    kind: str, seed: int, power: float
) -> None:
    flow, masses, W = random_flow(seed, kind)
    after = step_masses(flow, masses, W, 10**power)
    again = step_with(flow, masses, flow.field(after, W), 10**power)
    # the matrix has the condition 1 + time * rates; T is asked for to 1e-13
    there, back, _ = flow.rates(flow.field(after, W))
    fastest = 10**power * float(max(there.max(), back.max()) / flow.cells.volumes.min())
    assert np.abs(after - again).max() < 1e-11 + 100 * U * fastest


@both_kinds
@given(seed=st.integers(0, 10**6), power=st.floats(-5, 5))
def test_masses_are_positive_and_their_sum_is_one(kind: str, seed: int, power: float) -> None:
    flow, masses, W = random_flow(seed, kind)
    after = step_masses(flow, masses, W, 10**power)
    assert after.min() > 0
    assert abs(after.sum() - 1) <= len(after) * U


@both_kinds
@given(seed=st.integers(0, 10**6), power=st.floats(-4, 4))
def test_f_falls_by_more_than_the_dissipation_at_the_end(
    kind: str, seed: int, power: float
) -> None:
    # F is convex in rho: F(p+) - F(p) <= <mu+, p+ - p> = -time * dissipation
    flow, masses, W = random_flow(seed, kind)
    before, after = flow.free_energy(masses, W), step_masses(flow, masses, W, 10**power)
    lost = 10**power * flow.dissipation(after, W)[0]
    slack = 1e-12 * (1 + abs(before) + abs(before - flow.free_energy(after, W)))
    assert flow.free_energy(after, W) - before <= -lost * (1 - 1e-9) + slack


@both_kinds
@given(seed=st.integers(0, 10**6), power=st.floats(-3, 3))
def test_both_fall_together(kind: str, seed: int, power: float) -> None:
    flow, masses, W = random_flow(seed, kind)
    energy = [flow.free_energy(masses, W)]
    for _ in range(5):
        masses, W = step_both(flow, masses, W, 10**power)
        energy.append(flow.free_energy(masses, W))
    rise = np.diff(energy) / (1 + np.abs(energy[1:]))
    assert rise.max() <= 1e-12


def test_without_coupling_a_wave_decays_as_the_implicit_step_says() -> None:
    # U = 0, kappa = 0: cos k t is an eigenvector, rate (2 - 2 cos k h)/(beta h^2)
    n, beta, time = 50, 2.0, 0.3
    cells = CircleCells.uniform(n)
    coupling = Coupling("logdet", 0.0, embedding=Torus(1).embedding)
    flow = CellFlow(Langevin(Torus(1), zero(), beta), coupling, cells)
    wave = np.cos(3 * cells.places[:, 0])
    after = step_masses(flow, cells.masses * (1 + 0.5 * wave), np.array([[1.0, 0.0]]), time)
    h = 2 * np.pi / n
    factor = 1 / (1 + time * (2 - 2 * np.cos(3 * h)) / (beta * h**2))
    np.testing.assert_allclose(after * n, 1 + 0.5 * factor * wave, rtol=0, atol=1e-13)


def test_turning_the_circle_turns_the_step() -> None:
    flow, masses, W = random_flow(2, "logdet", n=40)
    places = 5
    turn = 2 * np.pi * places / 40
    c, s = np.cos(turn), np.sin(turn)
    turned = CellFlow(
        Langevin(
            Torus(1),
            Potential(
                lambda t: flow.langevin.energy(np.mod(t - turn, 2 * np.pi)),
                lambda t: flow.langevin.gradient(np.mod(t - turn, 2 * np.pi)),
            ),
            flow.langevin.beta,
        ),
        flow.coupling,
        flow.cells,
    )
    one = step_both(flow, masses, W, 0.3)
    R = np.array([[c, s], [-s, c]])
    two = step_both(turned, np.roll(masses, places), W @ R, 0.3)
    np.testing.assert_allclose(np.roll(one[0], places), two[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose((one[1] @ R).T @ (one[1] @ R), two[1].T @ two[1], rtol=0, atol=1e-12)


@both_kinds
def test_turning_the_features_turns_the_step(kind: str) -> None:
    seed = next(s for s in range(0, 50, 2) if len(random_flow(s, kind)[2]) == 2)
    flow, masses, W = random_flow(seed, kind)
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]])
    one, two = step_both(flow, masses, W, 0.5), step_both(flow, masses, turn @ W, 0.5)
    np.testing.assert_allclose(one[0], two[0], rtol=0, atol=1e-11)
    np.testing.assert_allclose(turn @ one[1], two[1], rtol=0, atol=1e-11)


# -- why T is taken at the end --------------------------------------------------------------------


@both_kinds
@pytest.mark.parametrize(("time", "rise"), [(0.1, 0.16), (1.0, 3.6)])
def test_with_t_of_the_beginning_f_rises_and_with_t_of_the_end_it_falls(
    kind: str, time: float, rise: float
) -> None:
    # the named counterexample, which random instances do not find
    well = Potential(lambda t: 8 * np.sin(t[:, 0]) ** 2, lambda t: 8 * np.sin(2 * t))
    sine = Embedding(np.sin, lambda t: np.cos(t)[:, :, None])
    law = CircleCells.from_density(lambda t: np.exp(-11 * np.sin(t[:, 0]) ** 2), 64)
    flow = CellFlow(Langevin(Torus(1), well, 10.0), Coupling(kind, 1.0, 1.0, sine), law)
    W = np.array([[1.0]])
    start = flow.free_energy(law.masses, W)
    lagged = step_with(flow, law.masses, flow.field(law.masses, W), time)
    # one unit of the last digit given
    assert abs(flow.free_energy(lagged, W) - start - rise) < (0.01 if rise < 1 else 0.1)
    change = flow.free_energy(step_masses(flow, law.masses, W, time), W) - start
    assert abs(change - (-0.030 if time == 0.1 else -0.033)) < 1e-3


def test_rows_that_are_nearly_parallel_see_their_plane() -> None:
    # in the plane of the circle any two rows span all: T may be far from I, the step may not
    law = CircleCells.from_density(
        lambda t: np.exp(np.sin(t[:, 0]) + 0.3 * np.cos(2 * t[:, 0])), 48
    )
    flow = CellFlow(
        Langevin(Torus(1), zero(), 2.0), Coupling("logdet", 3.0, 1.0, Torus(1).embedding), law
    )
    same = step_masses(flow, law.masses, np.eye(2), 0.5)
    for tilt in (1e-3, 1e-7):
        rows = np.array([[1.0, 0.0], [1.0, tilt]])
        near = step_masses(flow, law.masses, rows, 0.5)
        np.testing.assert_allclose(near, same, rtol=0, atol=1e4 * 2.0**-53 / tilt / 48)


# -- limits ---------------------------------------------------------------------------------------


@both_kinds
def test_the_step_is_of_first_order(kind: str) -> None:
    # p+ = p + time dp/dt + O(time^2)
    flow, masses, W = random_flow(4, kind, n=24)
    masses = step_masses(flow, masses, W, 0.1)  # smooth, so that the order is seen
    slope, errors = rate(flow, masses, W), []
    for time in 1e-5 / 2.0 ** np.arange(3):
        errors.append(np.abs(step_masses(flow, masses, W, time) - masses - time * slope).max())
    assert (np.abs(-np.diff(np.log2(errors)) - 2) < 0.05).all()


@both_kinds
def test_the_longest_step_ends_at_rest(kind: str) -> None:
    flow, masses, W = random_flow(3, kind)
    after = step_masses(flow, masses, W, 1e9)
    V = flow.field(after, W)
    gibbs = flow.cells.volumes * np.exp(-flow.langevin.beta * (V - V.min()))
    # 1/(1 + gap time) of the start is left
    np.testing.assert_allclose(after, gibbs / gibbs.sum(), rtol=0, atol=1e-8)


@both_kinds
@pytest.mark.parametrize("seed", [2, 3, 4, 5, 9, 11])
def test_newton_s_corrections_are_quadratic(kind: str, seed: int) -> None:
    # a T off by 1e-5 in every direction is off by some 1e-10 after one of them
    flow, masses, W = random_flow(seed, kind)
    squares = flow.coupling.square(flow.moments, W)
    T = np.tensordot(step_masses(flow, masses, W, 0.1), squares, 1)
    root = np.linalg.cholesky(T)
    off = 1e-5 * np.random.default_rng(seed).uniform(0.5, 1.0, T.shape)
    here = Trial(flow, masses, squares, root @ (np.eye(len(T)) + np.tril(off)), 0.1)
    assert here.miss > 2e-6
    there = here.moved(here.correction())
    assert there.miss < 100 * here.miss**2


@both_kinds
@pytest.mark.parametrize("time", [1.0, 100.0])
def test_a_hard_start_is_reached_by_parts_of_the_step(kind: str, time: float) -> None:
    # nearly all mass in few cells, four features of six waves: T changes by orders in one step,
    # and for most of these Newton's method has to start from parts of it
    k = np.arange(1.0, 4.0)
    waves = Embedding(
        lambda t: np.hstack([np.cos(k * t), np.sin(k * t)]),
        lambda t: np.hstack([-k * np.sin(k * t), k * np.cos(k * t)])[:, :, None],
    )
    for seed in range(6):
        rng = np.random.default_rng(seed)
        law, W = CircleCells(np.exp(8 * rng.normal(size=48))), rng.normal(size=(4, 6))
        flow = CellFlow(Langevin(Torus(1), zero()), Coupling(kind, 5.0, 1.0, waves), law)
        after = step_masses(flow, law.masses, W, time)
        again = step_with(flow, law.masses, flow.field(after, W), time)
        np.testing.assert_allclose(after, again, rtol=1e-7)  # T is badly conditioned
        fall = flow.free_energy(law.masses, W) - flow.free_energy(after, W)
        assert fall >= time * flow.dissipation(after, W)[0] * (1 - 1e-9)


def test_masses_that_are_not_found_are_an_error() -> None:
    # time times rates beyond the range of numbers
    flow, masses, W = random_flow(2, "logdet")
    with pytest.raises(DivergenceError, match="the masses after step 7 ") as caught:
        step_both(flow, masses, W, 1e308, 7)
    assert caught.value.step == 7
    np.testing.assert_array_equal(caught.value.state, masses)
