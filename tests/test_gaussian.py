"""Gaussian laws on R^d: the Ornstein-Uhlenbeck diffusion and the Euler walk, in closed form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm, solve_continuous_lyapunov, solve_discrete_lyapunov

from coupled_flows import (
    BarkerWalk,
    BoundedWalk,
    DivergenceError,
    Euclidean,
    GaussianGenerator,
    GaussianLaw,
    GeodesicWalk,
    Langevin,
    MetropolisWalk,
    Potential,
    RetractionWalk,
    Sphere,
    Torus,
    linear,
    quadratic,
    simulate,
    wasserstein,
    zero,
)
from coupled_flows.geometry.errors import Array

A = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.7]])
CENTRE = np.array([1.0, -2.0, 0.5])
BETA = 1.7
PROBLEM = Langevin(
    Euclidean(3),
    Potential(
        lambda x: 0.5 * np.einsum("ij,jk,ik->i", x - CENTRE, A, x - CENTRE),
        lambda x: (x - CENTRE) @ A,
    ),
    BETA,
)
START = GaussianLaw(
    np.array([3.0, 0.0, -1.0]), np.array([[1.0, 0.2, 0.0], [0.2, 0.5, 0.1], [0.0, 0.1, 2.0]])
)


def close(law: GaussianLaw, mean: Array, covariance: Array, size: float = 1.0) -> None:
    # a few products of well-conditioned 3 x 3 matrices: some hundred roundings
    np.testing.assert_allclose(law.mean, mean, rtol=0, atol=1e-13 * size)
    np.testing.assert_allclose(law.covariance, covariance, rtol=0, atol=1e-13 * size)


def test_the_frame_the_rates_and_the_centre() -> None:
    generator = GaussianGenerator(PROBLEM)
    again = generator.frame @ np.diag(generator.rates) @ generator.frame.T
    # rounding of an eigendecomposition of size 2
    np.testing.assert_allclose(again, A, rtol=0, atol=1e-14)
    np.testing.assert_allclose(generator.centre, CENTRE, rtol=0, atol=1e-14)
    assert (np.diff(generator.rates) > 0).all()
    assert generator.gap == generator.rates[0]


def test_the_stationary_law_solves_the_lyapunov_equation() -> None:
    # A S + S A = (2/beta) I
    covariance = solve_continuous_lyapunov(A, 2 / BETA * np.eye(3))
    close(GaussianGenerator(PROBLEM).stationary, CENTRE, covariance)


@pytest.mark.parametrize("time", [0.0, 0.01, 0.7, 5.0, 1e6])
def test_the_diffusion_against_matrix_exponentials(time: float) -> None:
    late = solve_continuous_lyapunov(A, 2 / BETA * np.eye(3))
    decay = expm(-A * time)
    expected = late + decay @ (START.covariance - late) @ decay
    close(
        GaussianGenerator(PROBLEM).evolve(START, time),
        CENTRE + decay @ (START.mean - CENTRE),
        expected,
    )


def test_the_diffusion_is_a_semigroup() -> None:
    generator = GaussianGenerator(PROBLEM)
    twice = generator.evolve(generator.evolve(START, 0.3), 0.5)
    once = generator.evolve(START, 0.8)
    close(twice, once.mean, once.covariance)


def test_many_times_at_once() -> None:
    generator = GaussianGenerator(PROBLEM)
    laws = generator.evolve(START, [0.0, 0.3, 0.8])
    assert len(laws) == 3
    close(laws[0], START.mean, START.covariance)
    for law, time in zip(laws, [0.0, 0.3, 0.8], strict=True):
        single = generator.evolve(START, time)
        close(law, single.mean, single.covariance)


def test_a_point_spreads() -> None:
    point = GaussianLaw(CENTRE, np.zeros((3, 3)))
    law = GaussianGenerator(PROBLEM).evolve(point, 1e-9)
    # (1 - e^(-2at))/(a beta) = 2t/beta to first order: relative a t
    np.testing.assert_allclose(law.covariance, 2e-9 / BETA * np.eye(3), rtol=1e-8, atol=1e-17)


@pytest.mark.parametrize("kind", [GeodesicWalk, RetractionWalk])
@pytest.mark.parametrize("h", [0.01, 0.3, 0.9])
def test_the_walk_against_its_recursion(kind: Any, h: float) -> None:
    generator = GaussianGenerator(PROBLEM)
    factor = np.eye(3) - h * A
    mean, covariance = START.mean - CENTRE, START.covariance
    laws = generator.transition(kind(PROBLEM, h)).evolve(START, 12, every=4)
    for k in range(13):
        if k % 4 == 0:
            close(laws[k // 4], CENTRE + mean, covariance, size=10)
        mean = factor @ mean
        covariance = factor @ covariance @ factor + 2 * h / BETA * np.eye(3)
    close(generator.evolve_walk(kind(PROBLEM, h), START, 12), laws[3].mean, laws[3].covariance)


@pytest.mark.parametrize("h", [0.01, 0.3, 0.9])
def test_the_walks_stationary_law(h: float) -> None:
    transition = GaussianGenerator(PROBLEM).transition(GeodesicWalk(PROBLEM, h))
    factor = np.eye(3) - h * A
    # its own discrete Lyapunov equation, the written formula, and a long walk; rounding of h a is
    # divided by 2 - h a, twice in the equation
    size = 10 / (1 - h * np.linalg.eigvalsh(A)[-1] / 2)
    equation = solve_discrete_lyapunov(factor, 2 * h / BETA * np.eye(3))
    close(transition.stationary, CENTRE, equation, size)
    close(transition.stationary, CENTRE, np.linalg.inv(A - h * A @ A / 2) / BETA, size)
    late = transition.evolve(START, 100_000)
    close(late, transition.stationary.mean, transition.stationary.covariance, size)


def test_the_walk_against_simulation() -> None:
    n, h = 40_000, 0.5
    walk = GeodesicWalk(PROBLEM, h)
    rng = np.random.default_rng(1)
    x = simulate(walk, START.sample(n, rng), 3, rng, threads=1)
    law = GaussianGenerator(PROBLEM).evolve_walk(walk, START, 3)
    variance = np.diag(law.covariance)
    # five standard errors of means and of second moments
    assert (np.abs(x.mean(axis=0) - law.mean) < 5 * np.sqrt(variance / n)).all()
    centred = x - law.mean
    spread = np.sqrt((np.outer(variance, variance) + law.covariance**2) / n)
    assert (np.abs(centred.T @ centred / n - law.covariance) < 5 * spread).all()


def test_the_distance_between_walk_and_diffusion_is_of_order_one() -> None:
    generator = GaussianGenerator(Langevin(Euclidean(1), quadratic([[1.0]]), 1.0))
    start = GaussianLaw(np.array([1.0]), np.array([[0.25]]))
    limit = generator.evolve(start, 1.0)
    errors = [
        wasserstein(generator.evolve_walk(GeodesicWalk(generator.langevin, 1 / n), start, n), limit)
        for n in (512, 1024)
    ]
    # the next order is h relative to the first: log2 of a ratio 2(1 + O(h))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=4 / 512)


def test_at_h_a_equal_to_two_the_noise_adds_up() -> None:
    problem = Langevin(Euclidean(1), quadratic([[2.0]]), 1.0)
    transition = GaussianGenerator(problem).transition(GeodesicWalk(problem, 1.0))
    law = transition.evolve(GaussianLaw(np.array([1.0]), np.array([[0.5]])), 1001)
    # x -> -x + noise of variance 2h/beta = 2
    assert law.mean[0] == pytest.approx(-1)
    assert law.covariance[0, 0] == pytest.approx(0.5 + 2 * 1001, rel=1e-14)
    with pytest.raises(ValueError, match=r"step must be below 2/a_max = 1 .*got 1"):
        _ = transition.stationary


@pytest.mark.parametrize("offset", [1e-9, 1e-11, 1e-13, 1e-15, -1e-9, -1e-11, -1e-13])
def test_next_to_h_a_equal_to_two_nothing_is_lost(offset: float) -> None:
    problem = Langevin(Euclidean(1), quadratic([[2.0]]), 1.0)
    walk = GeodesicWalk(problem, 1.0 + offset)
    law = (
        GaussianGenerator(problem)
        .transition(walk)
        .evolve(GaussianLaw(np.array([1.0]), np.array([[0.0]])), 1000)
    )
    factor, variance = 1 - walk.step * 2.0, 0.0
    for _ in range(1000):
        variance = factor**2 * variance + 2 * walk.step
    # the loop's own rounding, 1000 * 2^-53, and a geometric sum of ratio 1 + 4e: its cancellation
    # costs what expm1 and log1p would not
    assert law.covariance[0, 0] == pytest.approx(variance, rel=1e-12)


@pytest.mark.parametrize("h", [1.1, 3.0, 1e3])
def test_beyond_it_the_walk_diverges_and_says_when(h: float) -> None:
    problem = Langevin(Euclidean(1), quadratic([[2.0]]), 1.0)
    transition = GaussianGenerator(problem).transition(GeodesicWalk(problem, h))
    start = GaussianLaw(np.array([1.0]), np.array([[1.0]]))
    with pytest.raises(DivergenceError, match="exceeds 2") as caught:
        transition.evolve(start, 100_000)
    assert caught.value.step > 1
    assert np.isfinite(caught.value.state).all()
    before = transition.evolve(start, caught.value.step - 1)
    assert np.isfinite(before.mean).all()
    assert np.isfinite(before.covariance).all()


@given(h=st.floats(1e-3, 1e6), mean=st.floats(-1e150, 1e150), n=st.integers(0, 10**6))
@settings(max_examples=60)
def test_any_step_gives_a_law_or_says_that_it_diverged(h: float, mean: float, n: int) -> None:
    problem = Langevin(Euclidean(1), quadratic([[2.0]]), 1.0)
    transition = GaussianGenerator(problem).transition(GeodesicWalk(problem, h))
    try:
        law = transition.evolve(GaussianLaw(np.array([mean]), np.array([[1.0]])), n)
    except DivergenceError as error:
        assert np.isfinite(error.state).all()  # noqa: PT017 - or it is served
    else:
        assert np.isfinite(law.mean).all()
        assert np.isfinite(law.covariance).all()


def test_no_time_changes_nothing() -> None:
    generator = GaussianGenerator(PROBLEM)
    close(generator.evolve(START, 0.0), START.mean, START.covariance)
    close(generator.evolve_walk(GeodesicWalk(PROBLEM, 0.1), START, 0), START.mean, START.covariance)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (Langevin(Torus(1), zero()), r"langevin must be on Euclidean\(d\); got Torus\(1\)"),
        (Langevin(Sphere(2), zero()), r"langevin must be on Euclidean\(d\); got Sphere\(2\)"),
        (Langevin(Euclidean(2), zero()), "positive definite"),
        (Langevin(Euclidean(2), linear([1.0, 0.0])), "positive definite"),
        (
            Langevin(Euclidean(2), quadratic(-np.eye(2))),
            "positive definite .*got the eigenvalue -1",
        ),
        (Langevin(Euclidean(2), quadratic(np.diag([1.0, 0.0]))), "positive definite"),
        (
            Langevin(Euclidean(1), Potential(lambda x: np.cos(x[:, 0]), lambda x: -np.sin(x))),
            "langevin must have a quadratic potential",
        ),
        (
            Langevin(Euclidean(1), Potential(lambda x: x[:, 0] ** 4, lambda x: 4 * x**3)),
            "langevin must have a quadratic potential",
        ),
    ],
)
def test_problems_without_gaussian_laws_are_refused(problem: Langevin, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GaussianGenerator(problem)


@pytest.mark.parametrize("kind", [BoundedWalk, MetropolisWalk, BarkerWalk])
def test_walks_without_gaussian_laws_are_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"walk must be a GeodesicWalk or RetractionWalk .*got"):
        GaussianGenerator(PROBLEM).transition(kind(PROBLEM, 0.1))


def test_walks_of_another_problem_are_refused() -> None:
    other = Langevin(Euclidean(3), quadratic(A), BETA)
    with pytest.raises(ValueError, match=r"walk must be a walk of the generator's own .*got"):
        GaussianGenerator(PROBLEM).transition(GeodesicWalk(other, 0.1))


def test_laws_on_another_space_are_refused() -> None:
    with pytest.raises(ValueError, match=r"law must live on Euclidean\(3\); got one on"):
        GaussianGenerator(PROBLEM).evolve(GaussianLaw(np.array([0.0]), np.array([[1.0]])), 1.0)


def test_every_must_divide_the_steps() -> None:
    transition = GaussianGenerator(PROBLEM).transition(GeodesicWalk(PROBLEM, 0.1))
    with pytest.raises(ValueError, match="every must divide n_steps = 7; got 2"):
        transition.evolve(START, 7, every=2)
