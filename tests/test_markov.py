"""Resolvent, Poisson equation and covariance of chains: against sums over their steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coupled_flows import (
    BarkerWalk,
    DataWalk,
    FourierGenerator,
    GeodesicWalk,
    GraphGenerator,
    Langevin,
    MeshGenerator,
    Sphere,
    Torus,
    Transition,
    ZonalGenerator,
    fit_order,
    fourier,
    icosphere,
    linear,
    zero,
)
from coupled_flows.geometry.errors import Array

U = 2.0**-53
CIRCLE = FourierGenerator(Langevin(Torus(1), fourier(cos={1: 1.0}, sin={2: 0.3}), 1.5), 24)
SPHERE = ZonalGenerator(Langevin(Sphere(2), linear([0.0, 0.0, -1.0]), 1.3), 24)
CLOUD = DataWalk(np.random.default_rng(5).standard_normal((60, 3)), 1.0, 0.5, math.inf)
CHAINS: dict[str, Transition] = {
    "geodesic": CIRCLE.transition(GeodesicWalk(CIRCLE.langevin, 0.3)),  # not reversible
    "Barker": CIRCLE.transition(BarkerWalk(CIRCLE.langevin, 0.2)),
    "sphere": SPHERE.transition(GeodesicWalk(SPHERE.langevin, 0.25)),
    "data": CLOUD,
}
each = pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)


def two(chain: Transition) -> Array:
    x = chain.nodes
    if x.shape[1] == 1:
        return np.column_stack([np.cos(x[:, 0]) + 2.0, np.sin(2 * x[:, 0])])
    return np.column_stack([x[:, 2], x[:, 2] ** 2])


def tolerance(chain: Transition) -> float:
    """Rounding of sums of n terms over the gap of I - P, and what conjugate gradients leave."""
    rates = np.sort(np.abs(1 - np.linalg.eigvals(dense(chain))))
    return 16 * (len(chain.nodes) * U + 1e-13) / float(rates[1])


def dense(chain: Transition) -> Array:
    matrix = chain.matrix
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.toarray())


@each
@pytest.mark.parametrize("lam", [0.05, 1.0, 30.0])
def test_the_resolvent_is_the_discounted_sum(chain: Transition, lam: float) -> None:
    f, h = two(chain), chain.step
    total, moved, discount = np.zeros_like(f), f, h / (1 + lam * h)
    for _ in range(math.ceil(38 / math.log1p(lam * h))):  # e^-38 of it is left
        total += discount * moved
        moved, discount = chain.apply(moved), discount / (1 + lam * h)
    found = chain.resolvent(f, lam)
    np.testing.assert_allclose(found, total, rtol=0, atol=3 * (h + 1 / lam) * tolerance(chain))
    equation = lam * found - (chain.apply(found) - found) / h
    np.testing.assert_allclose(equation, f, rtol=0, atol=8 * (1 + 1 / (lam * h)) * tolerance(chain))


@each
@settings(max_examples=10)
@given(a=st.floats(0.01, 100), b=st.floats(0.01, 100))
def test_the_resolvent_identity(chain: Transition, a: float, b: float) -> None:
    f = two(chain)
    left = chain.resolvent(f, a) - chain.resolvent(f, b)
    right = (b - a) * chain.resolvent(chain.resolvent(f, b), a)
    # both are at most (1/a + 1/b) max f, twice
    bound = 8 * (1 / a + 1 / b) * (1 + abs(b - a) / min(a, b)) * tolerance(chain)
    np.testing.assert_allclose(left, right, rtol=0, atol=bound)


@each
def test_the_poisson_equation_is_the_limit_of_the_resolvent(chain: Transition) -> None:
    f = two(chain)
    phi, mean = chain.poisson(f), chain.stationary_mean(f)
    assert np.abs(chain.stationary_mean(phi)).max() <= tolerance(chain)
    left = (phi - chain.apply(phi)) / chain.step
    np.testing.assert_allclose(left, f - mean, rtol=0, atol=4 / chain.step * tolerance(chain))
    lam = 2.0 ** -np.arange(4, 9)
    gaps = [np.abs(chain.resolvent(f - mean, x) - phi).max() for x in lam]
    assert fit_order(lam, gaps).slope == pytest.approx(1, abs=0.1)  # lam R phi, next lam^2


@each
def test_the_covariance_is_the_sum_of_autocovariances(chain: Transition) -> None:
    pi = chain.weights
    f: Array = two(chain) - pi @ two(chain)
    total: Array = f.T @ (pi[:, None] * f)
    moved = f
    for _ in range(4000):
        moved = chain.apply(moved)
        ahead = f.T @ (pi[:, None] * moved)
        total = total + ahead + ahead.T
    found = chain.asymptotic_covariance(two(chain))
    np.testing.assert_allclose(found, chain.step * total, rtol=0, atol=8 * tolerance(chain))
    assert np.array_equal(found, found.T)
    assert np.linalg.eigvalsh(found)[0] > 0


def test_the_covariance_of_a_mean_over_n_steps_tends_to_it() -> None:
    chain, n = CHAINS["geodesic"], 400
    pi = chain.weights
    f: Array = two(chain) - pi @ two(chain)
    moved = f
    # n Var of the mean of n steps: autocovariances, with 1 - k/n
    total: Array = f.T @ (pi[:, None] * f)
    for k in range(1, n):
        moved = chain.apply(moved)
        ahead = f.T @ (pi[:, None] * moved)
        total = total + (1 - k / n) * (ahead + ahead.T)
    phi = chain.poisson(f)
    second = f.T @ (pi[:, None] * chain.poisson(phi))  # sum of k times the autocovariance, h^2
    edge = second - chain.step * f.T @ (pi[:, None] * phi)
    expected = chain.asymptotic_covariance(f) - (edge + edge.T) / (n * chain.step)
    # what is left is the tail of the sum from n on: the gap is above 0.2, e^{-0.2 n h} is 4e-11
    np.testing.assert_allclose(chain.step * total, expected, rtol=0, atol=1e-9)


def test_constants_are_exact_whatever_lambda_is() -> None:
    each_one: list[Any] = [*CHAINS.values(), GraphGenerator(CLOUD), CIRCLE, SPHERE]
    for chain in each_one:
        one = np.full(len(chain.nodes), 3.0)
        for lam in (1e-12, 1.0, 1e9):
            np.testing.assert_allclose(chain.resolvent(one, lam), 3 / lam, rtol=200 * U)
        assert np.abs(chain.poisson(one)).max() <= 1e-12


EACH_ONE: dict[str, Any] = {
    **CHAINS,
    "graph": GraphGenerator(CLOUD),
    "mesh": MeshGenerator(*icosphere(2), zero()),
    "circle": CIRCLE,
    "zonal": SPHERE,
}
each_one = pytest.mark.parametrize("operator", EACH_ONE.values(), ids=EACH_ONE)


@each_one
@pytest.mark.parametrize("power", [-990, -600, -500, 500, 600, 990])
def test_functions_of_any_size_are_served(operator: Any, power: int) -> None:
    # powers of two change no digit, but for those of numbers below 2^-1022
    f = two(operator)
    for apply in (operator.poisson, lambda g: operator.resolvent(g, 0.7)):
        expected = apply(f)
        # a mean below 2^-1022 is right to 2^-1074
        noise = 8 * len(f) * 2.0 ** (-1074 - power) if power < 0 else 0.0
        found = np.ldexp(apply(np.ldexp(f, power)), -power)
        np.testing.assert_allclose(found, expected, rtol=0, atol=noise)


@each_one
def test_what_leaves_the_range_of_numbers_is_refused(operator: Any) -> None:
    f = two(operator)
    with pytest.raises(ValueError, match=r"lam and f must keep .*; got lam = 4\.94066e-324 and"):
        operator.resolvent(f, 5e-324)
    # of mean 0 exactly, there is nothing that 1/lam could enlarge
    assert not operator.resolvent(0 * f, 5e-324).any()
    for call in (operator.poisson, operator.asymptotic_covariance):
        with pytest.raises(ValueError, match=r"f must keep the result within .*up to 1\.7e\+308"):
            call(np.where(f == f.max(axis=0), 1.7e308, -1.7e308))
    with pytest.raises(ValueError, match="f must keep the result within"):
        operator.asymptotic_covariance(1e200 * f)


def test_a_generator_and_its_chain_agree_in_the_limit() -> None:
    f = two(CHAINS["geodesic"])
    steps = 2.0 ** -np.arange(3, 8)
    exact = CIRCLE.asymptotic_covariance(f)
    gaps = [
        np.abs(
            CIRCLE.transition(GeodesicWalk(CIRCLE.langevin, h)).asymptotic_covariance(f) - exact
        ).max()
        for h in steps
    ]
    assert fit_order(steps, gaps).slope == pytest.approx(1, abs=0.1)
