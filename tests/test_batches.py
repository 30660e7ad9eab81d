"""Batch means: against sums written out, exact covariances, and replicas."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

from coupled_flows import (
    BarkerWalk,
    DivergenceError,
    Estimate,
    Euclidean,
    FourierGenerator,
    GeodesicWalk,
    Langevin,
    MetropolisWalk,
    Torus,
    Transition,
    batch_means,
    fourier,
    quadratic,
    simulate,
    zero,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.walks.steps import Walk

UNIT = 2.0**-53
FLAT = GeodesicWalk(Langevin(Torus(1), zero()), 0.5)
CIRCLE = Langevin(Torus(1), fourier(cos={1: 0.8}, sin={2: 0.4}))
FOURIER = FourierGenerator(CIRCLE, 40)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def pair(x: Array) -> Array:
    """Two functions that are correlated."""
    return np.stack([np.cos(x[:, 0]), 2 + np.sin(x[:, 0]) + np.cos(2 * x[:, 0])], axis=1)


def uniform(n: int, seed: int = 9) -> Array:
    return Torus(1).random_point(n, rng(seed))


def asymptotic(step: Transition, f: Array) -> Array:
    """Return C_h = <f, phi> + <phi, f> - h <f, f>, f centred, phi of the chain."""
    centred, weights = f - step.stationary_mean(f), step.weights[:, None]
    half = centred.T @ (weights * step.poisson(f))
    return half + half.T - step.step * centred.T @ (weights * centred)


def cosine_covariance(lags: Array) -> Array:
    """Return Cov(cos X_0, cos X_l) of the stationary walk without a force."""
    return np.exp(-FLAT.step * np.abs(lags)) / 2


def batch_covariance(b: int, apart: int) -> float:
    """Return the covariance of the means of cos over two batches, for the same walk."""
    k = np.arange(b)
    return float(cosine_covariance(np.subtract.outer(k, k + apart * b)).mean())


# -- the numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("burn_in", [0, 7])
@pytest.mark.parametrize(("batch", "n_batches"), [(1, 3), (4, 3), (10, 12)])
def test_it_is_what_the_sums_say(batch: int, n_batches: int, burn_in: int) -> None:
    n, n_steps = 200, batch * n_batches
    # one step apart is far enough only for steps that mix
    walk = GeodesicWalk(FLAT.langevin, 8.0 / batch)
    path = simulate(walk, uniform(n), burn_in + n_steps, rng(), every=1)[burn_in:-1]
    values = np.stack([pair(x) for x in path])
    means = values.reshape(n_batches, batch, n, 2).mean(axis=1).transpose(1, 0, 2)

    def covariance(v: Array) -> Array:
        """Products about the mean, whose square is estimated from pairs of different walkers."""
        each = v.mean(axis=1)
        total = each.sum(axis=0)
        square = (np.outer(total, total) - each.T @ each) / (n * (n - 1))
        return np.einsum("ijk,ijl->kl", v, v) / (v.shape[0] * v.shape[1]) - square

    one, two = covariance(means), covariance(means[:, 1:] + means[:, :-1])
    three = covariance(means[:, 2:] + means[:, :-2])
    found = batch_means(walk, pair, uniform(n), n_steps, batch, rng(), burn_in)
    # sums of at most 24 000 products below 100, in another order, times the length of a batch, 8
    close = 8 * 24_000 * 100 * UNIT
    np.testing.assert_allclose(found.covariance, 8 * (two - one), rtol=0, atol=close)
    np.testing.assert_allclose(found.remainder, 8 * (three - 2 * one), rtol=0, atol=close)
    np.testing.assert_allclose(found.mean, values.mean(axis=(0, 1)), rtol=0, atol=close)
    error = values.mean(axis=0).std(axis=0, ddof=1) / math.sqrt(n)
    np.testing.assert_allclose(found.mean_error, error, rtol=0, atol=close)


@pytest.mark.parametrize("kind", [GeodesicWalk, BarkerWalk, MetropolisWalk])
def test_batch_means_agree_with_the_walks_own_covariance(kind: type[Walk]) -> None:
    walk = kind(CIRCLE, 0.25)
    step = FOURIER.transition(walk)
    values = pair(step.nodes)
    exact, mean = asymptotic(step, values), step.stationary_mean(values)
    # the gap is above 0.5: 1e-5 is left of the start, and batches two apart have 1e-3 in common
    found = batch_means(walk, pair, uniform(4000), 60 * 25, 60, rng(2), 100)
    # demanded: four standard errors, and at most 1 % on the diagonal
    assert (np.abs(found.covariance - exact) <= 4 * found.covariance_error).all()
    assert (np.diag(found.covariance_error) <= 0.01 * np.diag(exact)).all()
    assert (np.abs(found.mean - mean) <= 4 * found.mean_error).all()
    # which says how well the mean is known
    time = 4000 * 60 * 25 * 0.25
    np.testing.assert_allclose(found.mean_error, np.sqrt(np.diag(exact) / time), rtol=0.06)
    # not the diffusion's
    diffusion = FOURIER.asymptotic_covariance(values)
    assert abs(found.covariance - diffusion).max() >= 8 * found.covariance_error.max()
    assert (found.covariance == found.covariance.T).all()


def test_few_walkers_give_no_bias_and_the_standard_error_of_replicas() -> None:
    n, b, m, runs = 6, 8, 3, 500
    exact = b * FLAT.step * (batch_covariance(b, 0) + 2 * batch_covariance(b, 1))
    found = [
        batch_means(FLAT, lambda x: np.cos(x[:, 0]), uniform(n, seed), m * b, b, rng(seed + 10_000))
        for seed in range(runs)
    ]
    values = np.array([one.covariance[0, 0] for one in found])
    errors = np.array([one.covariance_error[0, 0] for one in found])
    # 5 standard errors. Without n/(n - 1) the mean would be low by 3/18 of the value, 6 of them
    assert abs(values.mean() - exact) <= 5 * values.std() / math.sqrt(runs)
    # the walkers' values are independent but for the common mean, whose part in the variance is
    # of the order 1/(n m) of it
    spread = (errors**2).std() / math.sqrt(runs) + math.sqrt(2 / runs) * values.var() * 1.5
    assert abs((errors**2).mean() - values.var()) <= 5 * spread + values.var() / (n * m)
    # what is left out is the covariance of batches two apart
    left = np.array([one.remainder[0, 0] for one in found])
    rest = 2 * b * FLAT.step * batch_covariance(b, 2)
    assert abs(left.mean() - rest) <= 5 * left.std() / math.sqrt(runs)


def test_many_walkers_give_the_standard_error_of_replicas() -> None:
    n, b, m, runs = 100, 10, 10, 100
    exact = b * FLAT.step * (batch_covariance(b, 0) + 2 * batch_covariance(b, 1))
    scores = []
    for seed in range(runs):
        found = batch_means(FLAT, np.cos, uniform(n, seed), m * b, b, rng(seed + 20_000))
        scores.append((found.entry().value - exact) / found.entry().error)
    # 5 standard errors for numbers close to Gaussian ones; 99 degrees of freedom and the skewness
    # of a variance, 2/sqrt(1000/6), move the moments by less than a tenth
    assert abs(np.mean(scores)) <= 5 / math.sqrt(runs) + 0.1
    assert abs(np.var(scores) - 1) <= 5 * math.sqrt(2 / runs) + 0.1


def test_the_remainder_is_what_batches_two_apart_have_in_common() -> None:
    b, n = 6, 2000
    found = batch_means(FLAT, np.cos, uniform(n), 20 * b, b, rng(3))
    rest = 2 * b * FLAT.step * batch_covariance(b, 2)
    assert abs(found.remainder[0, 0] - rest) <= 5 * found.remainder_error[0, 0]
    # and is told apart from nothing, though it is no cause for refusal here
    assert found.remainder_error[0, 0] < 2 * rest


def test_a_linear_map_of_f_is_one_of_the_covariance() -> None:
    turn = np.array([[1.0, 2.0], [-3.0, 0.5], [0.0, 1.0]])
    start = uniform(300)
    one = batch_means(FLAT, pair, start, 200, 20, rng())
    three = batch_means(FLAT, lambda x: pair(x) @ turn.T - 4, start, 200, 20, rng())
    # sums of 300 x 200 numbers below 100
    close = 60_000 * 100 * 10 * UNIT
    np.testing.assert_allclose(three.covariance, turn @ one.covariance @ turn.T, rtol=0, atol=close)
    np.testing.assert_allclose(three.remainder, turn @ one.remainder @ turn.T, rtol=0, atol=close)
    np.testing.assert_allclose(three.mean, turn @ one.mean - 4, rtol=0, atol=close)
    assert three.covariance.shape == (3, 3)


def test_a_large_mean_costs_no_digits() -> None:
    start = uniform(300)
    near, far = (
        batch_means(FLAT, f, start, 200, 20, rng())
        for f in (lambda x: np.cos(x[:, 0]), lambda x: np.cos(x[:, 0]) + 2.0**40)
    )
    # cosines are rounded to 2^40 u, a half of 1e-4; the same in their means, times 10 and 2 each
    np.testing.assert_allclose(far.covariance, near.covariance, rtol=0, atol=40 * 2**40 * UNIT)
    assert far.mean[0] - 2.0**40 == pytest.approx(near.mean[0], abs=2 * 2**40 * UNIT)


def test_a_constant_has_no_covariance() -> None:
    found = batch_means(FLAT, lambda x: np.full(len(x), 0.1), uniform(10), 30, 10, rng())
    assert found.mean == 0.1
    for zero_matrix in (found.covariance, found.covariance_error, found.remainder):
        assert (zero_matrix == np.zeros((1, 1))).all()


def test_entries_are_estimates() -> None:
    found = batch_means(FLAT, pair, uniform(100), 100, 20, rng())
    for i in (0, 1):
        for j in (0, 1):
            assert found.entry(i, j) == Estimate(
                found.covariance[i, j], found.covariance_error[i, j]
            )
    assert found.entry() == found.entry(0, 0)


def test_the_seed_alone_decides() -> None:
    start = uniform(30_000)
    expected = batch_means(FLAT, pair, start, 30, 10, rng(), 2, threads=1)
    for threads in (None, 2, 3):
        found = batch_means(FLAT, pair, start, 30, 10, rng(), 2, threads=threads)
        for name in vars(expected):
            assert (getattr(found, name) == getattr(expected, name)).all()
    other = batch_means(FLAT, pair, start, 30, 10, rng(2), 2)
    assert (other.covariance != expected.covariance).any()


def test_memory_does_not_grow_with_the_number_of_steps() -> None:
    def peak(n_batches: int) -> int:
        tracemalloc.start()
        batch_means(FLAT, np.cos, uniform(20_000), 10 * n_batches, 10, rng())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # two more states at most, which half-made sums take; the means of 17 batches would take 17
    assert peak(20) <= peak(3) + 2 * 160_000


# -- refusals (every argument by property: test_errors) -------------------------------------------


@pytest.mark.parametrize("batch", [1, 2])
def test_batches_that_are_too_short_are_refused(batch: int) -> None:
    with pytest.raises(ValueError, match=rf"batch must be so long .*; got {batch}, where they add"):
        batch_means(FLAT, np.cos, uniform(1000), 60 * batch, batch, rng())


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_walkers_are_not_refused_by_chance(n: int) -> None:
    # Student's quantile for n - 1 degrees of freedom: five standard errors are exceeded by chance
    # in one of eight runs with two walkers
    for seed in range(40):
        batch_means(FLAT, np.cos, uniform(n, seed), 60, 20, rng(seed))


@pytest.mark.parametrize(("n_steps", "batch"), [(100, 30), (100, 50), (100, 100), (0, 5), (3, 4)])
def test_batch_must_divide_the_steps_three_times(n_steps: int, batch: int) -> None:
    said = rf"batch must divide n_steps = {n_steps} three times or more; got {batch}"
    with pytest.raises(ValueError, match=said):
        batch_means(FLAT, np.cos, uniform(10), n_steps, batch, rng())


def test_one_walker_gives_no_error() -> None:
    for n in (0, 1):
        with pytest.raises(ValueError, match=rf"start must hold at least 2 walkers; got {n}"):
            batch_means(FLAT, np.cos, uniform(n), 100, 10, rng())


@pytest.mark.parametrize(
    "f", [lambda x: 1.0, lambda x: np.ones(7), lambda x: np.full(len(x), np.nan)]
)
def test_f_must_have_finite_values_one_for_each_point(f: Any) -> None:
    with pytest.raises(ValueError, match=r"f\(x\) must .*; got "):
        batch_means(FLAT, f, uniform(10), 100, 10, rng())
    with pytest.raises(TypeError, match=r"f must be a function of points \(n, p\); got 3"):
        batch_means(FLAT, 3, uniform(10), 100, 10, rng())  # type: ignore[arg-type]


def test_divergence_passes_through() -> None:
    # x' = 1001 x
    walk = GeodesicWalk(Langevin(Euclidean(1), quadratic([[-1000.0]]), beta=1e300), 1.0)
    start = np.ones((4, 1))
    with pytest.raises(DivergenceError) as plain:
        simulate(walk, start, 150, rng())
    for burn_in in (0, 50):
        with pytest.raises(DivergenceError, match="at step 10") as caught:
            batch_means(walk, np.tanh, start, 120, 20, rng(), burn_in)
        assert caught.value.step == plain.value.step
        assert (caught.value.state == plain.value.state).all()
