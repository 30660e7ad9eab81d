"""Along paths: sums, time averages and discounted sums against exact one-step operators."""

from __future__ import annotations

import functools
import itertools
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

from coupled_flows import (
    BarkerWalk,
    BoundedWalk,
    DivergenceError,
    Estimate,
    Euclidean,
    FourierGenerator,
    GeodesicWalk,
    Langevin,
    MetropolisWalk,
    PathSum,
    Potential,
    RetractionWalk,
    Sphere,
    Torus,
    Transition,
    ZonalGenerator,
    feynman_kac,
    fourier,
    linear,
    quadratic,
    simulate,
    time_average,
    zero,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.walks.paths import FEWEST
from coupled_flows.walks.steps import Walk

UNIT = 2.0**-53
CIRCLE = Langevin(Torus(1), fourier(cos={1: 0.8}, sin={2: 0.4}))
SPHERE = Langevin(Sphere(2), linear([0.0, 0.0, -1.5]))
FLAT = Langevin(Torus(1), zero())
FOURIER, ZONAL = FourierGenerator(CIRCLE, 40), ZonalGenerator(SPHERE, 40)
WALKS: dict[str, Walk] = {
    "geodesic": GeodesicWalk(CIRCLE, 0.25),
    "bounded": BoundedWalk(CIRCLE, 0.25),
    "ball": BoundedWalk(CIRCLE, 0.25, law="ball"),
    "metropolis": MetropolisWalk(CIRCLE, 0.25),
    "barker": BarkerWalk(CIRCLE, 0.25),
    "geodesic on the sphere": GeodesicWalk(SPHERE, 0.25),
    "retraction on the sphere": RetractionWalk(SPHERE, 0.25),
    "bounded on the sphere": BoundedWalk(SPHERE, 0.25),
}
WALK = WALKS["geodesic"]
every_walk = pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS.keys())
# x' = 1001 x: beyond the largest number at step 103
RUNAWAY = GeodesicWalk(Langevin(Euclidean(1), quadratic([[-1000.0]]), beta=1e300), 1.0)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@functools.cache
def transition(walk: Walk) -> Transition:
    return (FOURIER if walk.langevin is CIRCLE else ZONAL).transition(walk)


def first(x: Array) -> Array:
    """Return a function with a mean, of low degree: on the sphere it depends on z alone."""
    return np.exp(np.cos(x[:, 0])) if x.shape[1] == 1 else 1 + x[:, 2] + x[:, 2] ** 2


def wave(x: Array) -> Array:
    return np.cos(x[:, 0])


def resolvent(step: Transition, f: Array, lam: float) -> Array:
    matrix = np.asarray(step.matrix)
    one = np.eye(len(f))
    return np.linalg.solve(lam * one + (one - matrix) / step.step, f)


# -- the resolvent ------------------------------------------------------------------------------


@every_walk
@pytest.mark.parametrize("lam", [0.2, 1.0, 20.0])
def test_paths_solve_the_resolvent_equation_of_the_walk(walk: Walk, lam: float) -> None:
    step = transition(walk)
    node = len(step.nodes) // 3
    exact = resolvent(step, first(step.nodes), lam)[node]
    got = feynman_kac(walk, first, lam, step.nodes[node], 4000, rng(11))
    # four standard errors, demanded; the exact one is right to 1e-10
    assert abs(got.value - exact) <= 4 * got.error
    # and it is an estimate of the walk's, not of the diffusion's, and no wide one
    assert got.error <= 0.05 * abs(exact)


def test_it_is_the_walks_resolvent_and_not_that_of_the_diffusion() -> None:
    exact = resolvent(transition(WALK), first(FOURIER.nodes), 1.0)[5]
    got = feynman_kac(WALK, first, 1.0, FOURIER.nodes[5], 40_000, rng(12))
    assert abs(got.value - exact) <= 4 * got.error
    assert abs(got.value - FOURIER.resolvent(first(FOURIER.nodes), 1.0)[5]) >= 8 * got.error


@pytest.mark.parametrize("lam", [0.1, 3.0])
def test_in_space_it_is_the_closed_form(lam: float) -> None:
    a, h, beta, x = 1.2, 0.3, 2.0, 1.7
    walk = GeodesicWalk(Langevin(Euclidean(1), quadratic([[a]]), beta), h)
    # P x^2 = s^2 x^2 + v with s = 1 - h a, v = 2 h/beta
    s, v = 1 - h * a, 2 * h / beta
    square = h / (1 + lam * h - s**2)
    exact = square * x**2 + square * v / (lam * h)
    got = feynman_kac(walk, lambda x: x[:, 0] ** 2, lam, [x], 8000, rng(13))
    assert abs(got.value - exact) <= 4 * got.error


def exact_variance(h: float, lam: float, x: float, n: int) -> float:
    """Return the variance of the estimate for cos on the circle without a force."""
    q, r = 1 / (1 + lam * h), math.exp(-h)
    # the discount is at most 2^-j after so many steps
    ends = [math.floor(j * math.log(2) / -math.log(q)) + 1 for j in range(54)]
    ends[0] = 0
    weights, alive = [], n
    for begin, end in itertools.pairwise(ends):
        weights += [(h * q ** (k + 1), alive) for k in range(begin, end)]
        alive = alive // 2 if alive >= 2 * FEWEST else alive
    k = np.arange(len(weights))
    w, paths = np.array(weights).T
    low, gap = np.minimum.outer(k, k), np.abs(np.subtract.outer(k, k))
    mean = r**k * math.cos(x)
    covariance = r**gap * (1 + r ** (4.0 * low) * math.cos(2 * x)) / 2 - np.outer(mean, mean)
    # of the paths at one time, those under way at the later one: 1 over the larger number
    return float((np.outer(w, w) * covariance / np.maximum.outer(paths, paths)).sum())


@pytest.mark.parametrize("n", [2, 500])
def test_the_standard_error_is_that_of_replicas(n: int) -> None:
    h, lam, runs = 0.5, 3.0, 200
    walk = GeodesicWalk(FLAT, h)
    exact = h / (1 + lam * h - math.exp(-h)) * math.cos(1.0)
    found = [feynman_kac(walk, wave, lam, [1.0], n, rng(seed)) for seed in range(runs)]
    values = np.array([one.value for one in found])
    squares = np.array([one.error**2 for one in found])
    variance = exact_variance(h, lam, 1.0, n)
    # 5 standard errors each: of the mean, of a variance from Gaussian numbers, of its estimate
    assert abs(values.mean() - exact) <= 5 * math.sqrt(variance / runs)
    assert abs(values.var(ddof=1) / variance - 1) <= 5 * math.sqrt(2 / (runs - 1))
    assert abs(squares.mean() - variance) <= 5 * squares.std(ddof=1) / math.sqrt(runs)
    # which is sharper the more paths there are: of Gaussian numbers sqrt(2/(n - 1)), but those
    # that stop last are fewer
    assert squares.std() <= 1.5 * math.sqrt(2 / (n - 1)) * variance


def test_on_the_sphere_too() -> None:
    walk, runs = GeodesicWalk(SPHERE, 0.7), 100
    exact = resolvent(transition(walk), first(ZONAL.nodes), 1.5)[7]
    found = [
        feynman_kac(walk, first, 1.5, ZONAL.nodes[7], 300, rng(seed)) for seed in range(100, 200)
    ]
    scores = np.array([(one.value - exact) / one.error for one in found])
    # 5 standard errors; Student's variance at some 200 degrees of freedom is 1.01
    assert abs(scores.mean()) <= 5 / math.sqrt(runs)
    assert abs(scores.var() - 1.01) <= 5 * math.sqrt(2 / runs)


@pytest.mark.parametrize("n", [2, 63, 64, 65, 1000])
@pytest.mark.parametrize("lam", [0.1, 1.0, 1e3, 1e12])
def test_a_constant_has_no_error(n: int, lam: float) -> None:
    got = feynman_kac(WALK, lambda x: np.full(len(x), 3.0), lam, [1.0], n, rng())
    # discounts exp(-k rate), k rate < 37 + rate, are right to (2 k rate + 4) u; 37/rate + 1 of them
    # and then n numbers are added; the rest of the sum is u
    rate = math.log1p(lam * 0.25)
    tolerance = (2 * (37 + rate) + 4 + 37 / rate + 1 + n + 1) * UNIT
    assert abs(got.value * lam / 3 - 1) <= tolerance
    assert got.error <= tolerance * 3 / lam


def test_it_is_linear_in_f() -> None:
    one, two, both, large = (
        feynman_kac(WALK, f, 0.5, [1.0], 3000, rng(3))
        for f in (first, wave, lambda x: 2 * first(x) - 3 * wave(x), lambda x: -1e6 * wave(x))
    )
    # 3000 numbers below 20 are added in another order
    assert abs(both.value - 2 * one.value + 3 * two.value) <= 3000 * 20 * UNIT
    assert both.error <= 2 * one.error + 3 * two.error
    assert math.isclose(large.value, -1e6 * two.value, rel_tol=1e-10)
    assert math.isclose(large.error, 1e6 * two.error, rel_tol=1e-10)


def test_for_large_lambda_only_the_point_counts() -> None:
    for lam in (1e3, 1e6, 1e12):
        got = feynman_kac(WALK, wave, lam, [1.0], 500, rng())
        # f(x)/(lam + 1/h), and the rest has the factor 1/(1 + lam h) and is at most 1
        assert abs(got.value * (lam + 4) - math.cos(1.0)) <= 1 / (lam / 4) + 1e-13


def test_for_small_lambda_it_is_the_stationary_mean() -> None:
    step, lam = transition(WALK), 0.05
    values = first(step.nodes)
    got = feynman_kac(WALK, first, lam, [1.0], 2000, rng(4))
    # 5 standard errors, and lam phi
    rest = lam * np.abs(step.poisson(values)).max()
    assert abs(lam * got.value - step.stationary_mean(values)) <= 5 * lam * got.error + rest
    assert lam * got.error <= 0.02


def test_half_of_the_paths_stop_whenever_the_discount_has_halved() -> None:
    h, lam, n = 0.25, 0.1, 100_000
    counts: list[int] = []

    def count(x: Array) -> Array:
        counts.append(len(x))
        return np.ones(len(x))

    feynman_kac(WALK, count, lam, [1.0], n, rng())
    counts = [count for count in counts if count > 1]  # the first look is at the point
    assert counts[0] == n
    assert FEWEST <= counts[-1] < 2 * FEWEST
    q = 1 / (1 + lam * h)
    # at step k of the paths n q^k to 2 n q^k, whole numbers rounded down by less than 1
    share = n * q ** np.arange(len(counts))
    assert (np.array(counts) > share - 1).all()
    many = np.array(counts) >= 2 * FEWEST
    assert (np.array(counts)[many] <= 2 * share[many] * (1 + 1e-9)).all()
    # the discount ends below 2^-53, and not a step later than it has to
    assert q ** len(counts) <= UNIT < q ** (len(counts) - 2)
    # 2 log 2 n/(lam h), with a step more for each halving, and the last ones
    most = 2 * n * (math.log(2) / math.log1p(lam * h) + 1)
    assert most - 3 * n <= sum(counts) <= most + 2 * FEWEST * len(counts)


def test_the_numbers_do_not_depend_on_the_threads() -> None:
    expected = feynman_kac(WALK, first, 1.0, [1.0], 60_000, rng(), threads=1)
    for threads in (None, 2, 3):
        assert feynman_kac(WALK, first, 1.0, [1.0], 60_000, rng(), threads=threads) == expected
    assert isinstance(expected, Estimate)
    assert feynman_kac(WALK, first, 1.0, [1.0], 60_000, rng(2)) != expected


def test_a_point_may_come_as_a_row() -> None:
    numbers = [
        feynman_kac(WALK, wave, 1.0, x, 10, rng()) for x in ([1.0], [[1.0]], np.ones((1, 1)))
    ]
    assert numbers[0] == numbers[1] == numbers[2]


def test_divergence_counts_the_steps_of_the_paths() -> None:
    with pytest.raises(DivergenceError) as plain:
        simulate(RUNAWAY, np.ones((100, 1)), 300, rng())
    # the discount has halved after 8 steps, so that only half of the paths are left
    with pytest.raises(DivergenceError, match=r"after \d+ steps of a path, the walk") as caught:
        feynman_kac(RUNAWAY, lambda x: np.tanh(x[:, 0]), 0.1, [1.0], 100, rng())
    assert caught.value.step == plain.value.step
    assert caught.value.state.shape == (50, 1)
    # growth without noise, up to 1e-150 of it
    np.testing.assert_allclose(caught.value.state, plain.value.state[:50], rtol=1e-12)


# -- sums and means -------------------------------------------------------------------------------


@every_walk
def test_a_time_average_is_the_mean_along_the_path(walk: Walk) -> None:
    start = walk.langevin.manifold.random_point(300, rng(9))
    path = simulate(walk, start, 57, rng(), every=1)
    for f in (first, lambda x: np.stack([first(x), x[:, 0], x[:, 0] ** 2], axis=1)):
        values = np.stack([f(x) for x in path])
        for burn_in in (0, 1, 17):
            got = time_average(walk, f, start, 57 - burn_in, rng(), burn_in)
            # 57 numbers below 40 in another order
            np.testing.assert_allclose(
                got, values[burn_in:57].mean(axis=0), rtol=0, atol=57 * 40 * UNIT
            )


def exact_spread(step: Transition, f: Array, n_steps: int) -> float:
    """Return t Var of the mean over n steps of a stationary walk: it tends to C_h."""
    centred: Array = f - step.stationary_mean(f)
    later, total = step.apply(centred), float(step.stationary_mean(centred**2))
    for k in range(1, n_steps):
        total += 2 * (1 - k / n_steps) * float(step.stationary_mean(centred * later))
        later = step.apply(later)
    return step.step * total


def asymptotic(step: Transition, f: Array) -> float:
    """Return C_h = 2 <f, phi_h> - h |f|^2, f centred."""
    centred = f - step.stationary_mean(f)
    return float(step.stationary_mean(centred * (2 * step.poisson(f) - step.step * centred)))


@every_walk
def test_time_averages_have_the_mean_and_the_covariance_of_the_walk(walk: Walk) -> None:
    step, n, n_steps = transition(walk), 4000, 400
    values = first(step.nodes)
    start = np.repeat(step.nodes[:1], n, axis=0)
    # the gap is above 0.4: 1e-9 is left of the start after 200 steps
    means = time_average(walk, first, start, n_steps, rng(21), 200)
    spread, limit = exact_spread(step, values, n_steps), asymptotic(step, values)
    t = n_steps * walk.step
    # 5 standard errors of a mean, and of a variance of numbers close to Gaussian ones
    assert abs(means.mean() - step.stationary_mean(values)) <= 5 * math.sqrt(spread / (t * n))
    assert abs(t * means.var() / spread - 1) <= 5 * math.sqrt(2 / n) * 1.1
    # 1/gap over t
    assert abs(spread / limit - 1) <= 2.5 / t


def test_the_mean_is_that_of_the_walk_and_not_of_the_diffusion() -> None:
    walk = GeodesicWalk(CIRCLE, 0.5)
    means = time_average(walk, first, np.ones((4000, 1)), 200, rng(5), 50)
    error = means.std() / math.sqrt(len(means))
    values = first(FOURIER.nodes)
    assert abs(means.mean() - transition(walk).stationary_mean(values)) <= 5 * error
    assert abs(means.mean() - FOURIER.stationary_mean(values)) >= 10 * error


@every_walk
def test_itos_formula_of_a_walk(walk: Walk) -> None:
    step, n, n_steps = transition(walk), 2000, 60
    generator = FOURIER if walk.langevin is CIRCLE else ZONAL
    values, h = first(step.nodes), walk.step
    mean, phi = step.stationary_mean(values), step.poisson(values)
    after = step.apply(phi)

    def at(g: Array, x: Array) -> Array:
        return generator.interpolate(g, x)

    sums = PathSum(
        lambda x, y: np.stack([h * (first(x) - mean), at(phi, y) - at(after, x)], axis=1)
    )
    start = simulate(walk, np.repeat(step.nodes[:1], n, axis=0), 200, rng(30))
    end = simulate(walk, start, n_steps, rng(31), observe=sums)
    integral, martingale = sums.total.T
    # 60 numbers that are right to the 1e-11 of the Poisson equation and its interpolation
    np.testing.assert_allclose(
        integral, at(phi, start) - at(phi, end) + martingale, rtol=0, atol=60 * 1e-11
    )
    # increments are uncorrelated, each has mean 0 and second moment h C_h; 5 standard errors,
    # for numbers close to Gaussian ones
    variance = n_steps * h * asymptotic(step, values)
    assert abs(martingale.mean()) <= 5 * math.sqrt(variance / n)
    assert abs(martingale.var() / variance - 1) <= 5 * math.sqrt(2 / n) * 1.1
    # Green-Kubo: what is left of f after 60 steps is below 3e-3
    product = (first(start) - mean) * integral
    covariance = 2 * product.mean() - h * ((first(start) - mean) ** 2).mean()
    error = 2 * product.std() / math.sqrt(n)
    assert abs(covariance - asymptotic(step, values)) <= 5 * error + 3e-3


def test_a_sum_goes_on_over_several_calls() -> None:
    start = np.ones((50, 1))
    sums, one = PathSum(lambda x, y: y - x), rng(8)
    end = simulate(WALK, simulate(WALK, start, 3, one, observe=sums), 4, one, observe=sums)
    # of differences of angles the turns are left
    turns = (end - start - sums.total) / (2 * np.pi)
    assert sums.total.shape == (50, 1)
    np.testing.assert_allclose(turns, 0, rtol=0, atol=7 * 20 * UNIT)
    for other in (start[:7], np.ones((51, 1))):
        with pytest.raises(ValueError, match=r"must keep its shape \(50, 1\); got shape"):
            simulate(WALK, other, 1, one, observe=sums)


def test_the_seed_alone_decides() -> None:
    start = np.ones((30_000, 1))
    expected = time_average(WALK, first, start, 5, rng(), 2, threads=1)
    for threads in (None, 2, 3):
        assert (time_average(WALK, first, start, 5, rng(), 2, threads=threads) == expected).all()
    assert (time_average(WALK, first, start, 5, rng(2), 2) != expected).any()
    assert time_average(WALK, first, start[:0], 5, rng()).shape == (0,)


def test_memory_does_not_grow_with_the_number_of_steps() -> None:
    def peak(n_steps: int) -> int:
        tracemalloc.start()
        time_average(WALK, first, np.ones((20_000, 1)), n_steps, rng())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # less than one more state
    assert peak(200) <= peak(5) + 160_000


# -- refusals (every argument by property: test_errors) -------------------------------------------

START = np.ones((4, 1))


@pytest.mark.parametrize("f", [None, 3.0, "cos", np.ones(4)])
def test_f_must_be_a_function(f: Any) -> None:
    with pytest.raises(TypeError, match=r"f must be a function of points \(n, p\); got "):
        time_average(WALK, f, START, 3, rng())
    with pytest.raises(TypeError, match=r"f must be a function of points \(n, p\); got "):
        feynman_kac(WALK, f, 1.0, [1.0], 4, rng())
    with pytest.raises(TypeError, match=r"g must be a function of \(x, x_next\); got "):
        PathSum(f)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: 1.0,
        lambda x: x[:1, 0] if len(x) > 1 else np.ones(2),
        lambda x: np.ones((len(x), 1, 1)),
        lambda x: np.full(len(x), np.nan),
        lambda x: np.where(np.arange(len(x)) == 0, np.inf, 1.0),
    ],
)
def test_f_must_have_finite_values_one_for_each_point(f: Any) -> None:
    with pytest.raises(ValueError, match=r"f\(x\) must .*; got "):
        time_average(WALK, f, START, 3, rng())
    with pytest.raises(ValueError, match=r"f\(x\) must .*; got "):
        feynman_kac(WALK, f, 1.0, [1.0], 4, rng())
    with pytest.raises(ValueError, match=r"g\(x, x_next\) must .*; got "):
        simulate(WALK, START, 3, rng(), observe=PathSum(lambda x, y: f(x)))


def test_f_is_watched_all_along() -> None:
    # near the start all is well
    problem, start = GeodesicWalk(Langevin(Euclidean(1), zero()), 1.0), np.zeros((100, 1))

    def far(x: Array) -> Array:
        return np.where(np.abs(x[:, 0]) > 5, np.nan, 1.0)

    def wide(x: Array) -> Array:
        return np.ones((len(x), 1 + (np.abs(x) > 5).any()))

    with pytest.raises(ValueError, match=r"f\(x\) must be finite; got nan at"):
        time_average(problem, far, start, 1000, rng())
    with pytest.raises(ValueError, match=r"f\(x\) must be finite; got nan at"):
        feynman_kac(problem, far, 0.01, [0.0], 100, rng())
    with pytest.raises(ValueError, match=r"f\(x\) must have shape \(100, 1\); got shape"):
        time_average(problem, wide, start, 1000, rng())


def test_a_resolvent_is_of_one_function_at_one_point() -> None:
    with pytest.raises(ValueError, match=r"f\(x\) must have shape \(1,\); got shape \(1, 1\)"):
        feynman_kac(WALK, np.cos, 1.0, [1.0], 4, rng())
    for x in (START, np.zeros((0, 1))):
        with pytest.raises(ValueError, match=rf"x must be one point; got {len(x)}"):
            feynman_kac(WALK, wave, 1.0, x, 4, rng())
    for bad in ([7.0], [-1.0], [[7.0]]):
        with pytest.raises(ValueError, match="x must lie on Torus"):
            feynman_kac(WALK, wave, 1.0, bad, 4, rng())


@pytest.mark.parametrize("lam", [0, -1.0, 3e-9, 5e-324, math.nan, math.inf])
def test_lambda_must_end_the_paths(lam: float) -> None:
    with pytest.raises(ValueError, match=r"lam must be a finite real number >= 4e-09; got "):
        feynman_kac(WALK, wave, lam, [1.0], 4, rng())


def test_there_must_be_paths_and_steps() -> None:
    for n in (1, 0, -3):
        with pytest.raises(ValueError, match=f"n_paths must be an integer >= 2; got {n}"):
            feynman_kac(WALK, wave, 1.0, [1.0], n, rng())
        with pytest.raises(ValueError, match="n_steps must be an integer >= 1; got 0"):
            time_average(WALK, wave, START, 0, rng())
    with pytest.raises(ValueError, match="burn_in must be an integer >= 0; got -1"):
        time_average(WALK, wave, START, 3, rng(), -1)


def test_divergence_passes_through() -> None:
    with pytest.raises(DivergenceError, match="at step 10") as caught:
        time_average(RUNAWAY, np.tanh, START, 100, rng(), 90)
    with pytest.raises(DivergenceError) as plain:
        simulate(RUNAWAY, START, 190, rng())
    assert caught.value.step == plain.value.step
    assert (caught.value.state == plain.value.state).all()


def test_f_sees_points_that_it_cannot_change() -> None:
    start = START.copy()

    def write(x: Array) -> Array:
        x[:] = 0.0
        return x[:, 0]

    for call in (
        lambda: time_average(WALK, write, start, 3, rng()),
        lambda: feynman_kac(WALK, write, 1.0, start[0], 4, rng()),
    ):
        with pytest.raises(ValueError, match="read-only"):
            call()
    assert (start == START).all()


def test_a_potential_that_fails_is_heard() -> None:
    def gradient(x: Array) -> Array:
        if len(x) == 10:
            raise KeyError("mine")
        return np.zeros(x.shape)

    walk = GeodesicWalk(Langevin(Euclidean(1), Potential(lambda x: 0 * x[:, 0], gradient)), 1.0)
    with pytest.raises(KeyError, match="mine"):
        feynman_kac(walk, wave, 1.0, [0.0], 10, rng())
