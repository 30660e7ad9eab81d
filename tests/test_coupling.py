"""Coupled walkers: each with its own law, near each other, and the same for any threads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from coupled_flows import (
    BarkerWalk,
    BoundedWalk,
    DivergenceError,
    Euclidean,
    FourierGenerator,
    GaussianGenerator,
    GaussianLaw,
    GeodesicWalk,
    Langevin,
    PointLaw,
    Potential,
    RetractionWalk,
    RingLaw,
    Sphere,
    Torus,
    ZonalGenerator,
    coupled_distance,
    fit_order,
    fourier,
    linear,
    quadratic,
    simulate,
    simulate_coupled,
    wasserstein,
    zero,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.walks.steps import GaussianWalk

UNIT = 2.0**-53
Kind = type[GaussianWalk]
# without any symmetry
ON_SPHERE = Langevin(
    Sphere(2),
    Potential(
        lambda x: x[:, 0] + 0.7 * x[:, 1] * x[:, 2] + 0.5 * x[:, 2] ** 2 - 0.4 * x[:, 0] * x[:, 1],
        lambda x: np.stack(
            [
                1 - 0.4 * x[:, 1],
                0.7 * x[:, 2] - 0.4 * x[:, 0],
                0.7 * x[:, 1] + x[:, 2],
            ],
            axis=1,
        ),
    ),
)
ON_TORUS = Langevin(
    Torus(2),
    Potential(
        lambda t: 0.6 * np.cos(t[:, 0]) + 0.5 * np.sin(t[:, 0] - t[:, 1] + 0.3),
        lambda t: np.stack(
            [
                -0.6 * np.sin(t[:, 0]) + 0.5 * np.cos(t[:, 0] - t[:, 1] + 0.3),
                -0.5 * np.cos(t[:, 0] - t[:, 1] + 0.3),
            ],
            axis=1,
        ),
    ),
    beta=1.3,
)
IN_SPACE = Langevin(Euclidean(2), quadratic([[2.0, 0.5], [0.5, 1.0]]), beta=0.8)
PROBLEMS = {"sphere": ON_SPHERE, "torus": ON_TORUS, "space": IN_SPACE}
every_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS.keys())


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def child(seed: int = 1) -> np.random.Generator:
    """Return the generator of the first block of a run with this seed."""
    return np.random.Generator(np.random.SFC64(rng(seed).bit_generator.seed_seq.spawn(1)[0]))  # type: ignore[attr-defined]


def points(problem: Langevin, n: int) -> Array:
    return problem.manifold.random_point(n, rng(99))


def in_errors(sample: Array, mean: Array, variance: Array) -> float:
    """Return by how many standard errors the sample's means are off, at most."""
    return float((np.abs(sample.mean(0) - mean) / np.sqrt(variance / len(sample))).max())


# -- each walker alone has the law of its own walk ------------------------------------------------


@every_problem
@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("fine", [GeodesicWalk, RetractionWalk])
def test_the_fine_walker_takes_the_very_steps_of_its_walk(
    problem: Langevin, m: int, fine: Kind
) -> None:
    start = points(problem, 25_100)
    walk = fine(problem, 0.1 / m)
    _, y = simulate_coupled(GeodesicWalk(problem, 0.1), walk, start, 4, rng())
    assert (y == simulate(walk, start, 4 * m, rng())).all()


@pytest.mark.parametrize("m", [2, 3])
def test_moments_on_the_circle_are_those_of_each_walk(m: int) -> None:
    n, h = 40_000, 0.25
    problem = Langevin(Torus(1), fourier(cos={1: 1.0}, sin={2: 0.5}), beta=1.2)
    start = PointLaw(np.ones((1, 1)), manifold=Torus(1))
    walks = GeodesicWalk(problem, h), GeodesicWalk(problem, h / m)
    generator = FourierGenerator(problem, 48)
    for walk, t, steps in zip(
        walks, simulate_coupled(*walks, np.ones((n, 1)), 4, rng(2)), (4, 4 * m), strict=True
    ):
        law: Any = generator.evolve_walk(walk, start, steps)
        k = np.arange(1, 5)
        wave, twice = law.moments[k], law.moments[2 * k].real
        # 5 standard errors; m_k = E exp(-i k X), and the squares are waves of twice the number
        assert in_errors(np.cos(k * t), wave.real, (1 + twice) / 2 - wave.real**2) <= 5
        assert in_errors(np.sin(k * t), -wave.imag, (1 - twice) / 2 - wave.imag**2) <= 5


@pytest.mark.parametrize("coarse", [GeodesicWalk, RetractionWalk])
@pytest.mark.parametrize("m", [2, 4])
def test_heights_on_the_sphere_are_those_of_each_walk(coarse: Kind, m: int) -> None:
    n, h, z = 40_000, 0.5, 0.3
    problem = Langevin(Sphere(2), linear([0.0, 0.0, -1.5]), beta=0.8)
    start = np.tile([math.sqrt(1 - z**2), 0.0, z], (n, 1))
    walks = coarse(problem, h), GeodesicWalk(problem, h / m)
    generator = ZonalGenerator(problem, 48)
    for walk, x, steps in zip(
        walks, simulate_coupled(*walks, start, 3, rng(3)), (3, 3 * m), strict=True
    ):
        law: Any = generator.evolve_walk(walk, RingLaw(np.array([z])), steps)
        mean = law.mean(lambda z: np.stack([z**k for k in range(1, 9)], axis=1))
        # 5 standard errors: the variance of z^k is E z^2k - (E z^k)^2
        powers = x[:, 2:] ** np.arange(1, 5)
        assert in_errors(powers, mean[:4], mean[1::2] - mean[:4] ** 2) <= 5


def test_means_and_covariances_in_space_are_those_of_each_walk() -> None:
    n, h, m = 40_000, 0.4, 2
    walks = GeodesicWalk(IN_SPACE, h), RetractionWalk(IN_SPACE, h / m)
    first = np.array([1.0, -2.0])
    generator = GaussianGenerator(IN_SPACE)
    for walk, x, steps in zip(
        walks, simulate_coupled(*walks, np.tile(first, (n, 1)), 5, rng(4)), (5, 5 * m), strict=True
    ):
        law: Any = generator.evolve_walk(walk, GaussianLaw(first, np.zeros((2, 2))), steps)
        c, d = law.covariance, np.diag(law.covariance)
        # 5 standard errors of the mean and of a Gaussian covariance entry
        assert in_errors(x, law.mean, d) <= 5
        centred = x - law.mean
        products = np.einsum("ni,nj->nij", centred, centred)
        assert in_errors(products, c, np.outer(d, d) + c**2) <= 5


@pytest.mark.parametrize("problem", [ON_SPHERE, ON_TORUS], ids=["sphere", "torus"])
@pytest.mark.parametrize("coarse", [GeodesicWalk, RetractionWalk])
def test_the_coarse_walker_agrees_with_its_walk_alone(problem: Langevin, coarse: Kind) -> None:
    # steps so long that the two walkers are far apart, where transport matters
    n = 40_000
    start = np.repeat(points(problem, 1), n, axis=0)
    walk = coarse(problem, 0.8)
    x, y = simulate_coupled(walk, GeodesicWalk(problem, 0.2), start, 3, rng(5))
    alone = simulate(walk, start, 3, rng(6))
    assert problem.manifold.dist(x, y).mean() > 0.3

    def features(x: Array) -> Array:
        e = problem.manifold.embedding.value(x)
        i, j = np.triu_indices(e.shape[1])
        return np.concatenate([e, e[:, i] * e[:, j]], axis=1)

    one, two = features(x), features(alone)
    error = np.sqrt((one.var(0) + two.var(0)) / n)
    # 5 standard errors of a difference of two independent means; some features are constant
    assert (np.abs(one.mean(0) - two.mean(0)) <= 5 * error + 1e-12).all()


# -- the coupling itself --------------------------------------------------------------------------


@every_problem
@pytest.mark.parametrize("m", [1, 2, 5])
def test_the_coarse_noise_is_the_transported_sum(problem: Langevin, m: int) -> None:
    manifold, start, steps = problem.manifold, points(problem, 200), 5
    coarse, fine = RetractionWalk(problem, 0.3), GeodesicWalk(problem, 0.3 / m)
    got = simulate_coupled(coarse, fine, start, steps, rng())
    noise, x, y = child(), start, start
    for _ in range(steps):
        total = np.zeros(start.shape)
        for _ in range(m):
            drawn = fine.noise * noise.standard_normal((start.shape[1], len(start))).T
            zeta = manifold.to_tangent(y, drawn)
            total += manifold.transport(y, x, zeta)
            y = manifold.exp(y, zeta - fine.step * problem.gradient(y))
        v = manifold.to_tangent(x, total - coarse.step * problem.gradient(x))
        x = manifold.retract(x, v)
    # 25 steps that are right to 100 u each and part by less than exp(4 t), t = 1.5; transport
    # between points 0.01 short of antipodes adds a factor 100
    for ours, theirs in zip(got, (x, y), strict=True):
        assert manifold.dist(ours, theirs).max() <= 25 * 100 * UNIT * math.exp(6) * 100


@pytest.mark.parametrize("problem", [ON_TORUS, IN_SPACE], ids=["torus", "space"])
@pytest.mark.parametrize("fine", [GeodesicWalk, RetractionWalk])
def test_on_flat_manifolds_two_walks_of_one_step_are_one(problem: Langevin, fine: Kind) -> None:
    x, y = simulate_coupled(
        GeodesicWalk(problem, 0.1), fine(problem, 0.1), points(problem, 500), 50, rng()
    )
    assert (x == y).all()


@pytest.mark.parametrize("kind", [GeodesicWalk, RetractionWalk])
def test_on_the_sphere_two_walks_of_one_step_are_one_up_to_rounding(kind: Kind) -> None:
    walk = kind(ON_SPHERE, 0.05)
    x, y = simulate_coupled(walk, walk, points(ON_SPHERE, 500), 40, rng())
    # 40 steps of 30 u, which part by less than exp(3 t), t = 2
    assert np.abs(x - y).max() <= 40 * 30 * UNIT * math.exp(6)


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("m", [2, 7])
def test_without_a_force_in_space_the_walkers_are_one_up_to_rounding(d: int, m: int) -> None:
    problem = Langevin(Euclidean(d), zero())
    walks = GeodesicWalk(problem, 0.1), GeodesicWalk(problem, 0.1 / m)
    x, y = simulate_coupled(*walks, np.zeros((300, d)), 20, rng())
    # sums of 20 m terms in another order, below 10
    np.testing.assert_allclose(x, y, rtol=0, atol=20 * m * 10 * UNIT)
    assert (x != 0).all()


def both_walkers(a: float, beta: float, h: float, m: int, start: float, n: int) -> Any:
    """Return mean and covariance of (x, y) after n steps for U = a x^2/2 on the line."""
    shrink = 1 - h * a / m
    step = np.diag([1 - h * a, shrink**m])
    # what is left of the k-th piece of noise at the end of the step
    left = np.stack([np.ones(m), shrink ** np.arange(m)[::-1]])
    noise = 2 * h / (beta * m) * left @ left.T
    mean, covariance = np.full(2, start), np.zeros((2, 2))
    for _ in range(n):
        mean, covariance = step @ mean, step @ covariance @ step.T + noise
    return mean, covariance


@pytest.mark.parametrize("m", [2, 3, 10])
@pytest.mark.parametrize("h", [0.05, 0.4])
def test_the_mean_square_distance_for_ornstein_uhlenbeck(m: int, h: float) -> None:
    n, a, beta = 50_000, 1.5, 2.0
    problem = Langevin(Euclidean(1), quadratic([[a]]), beta)
    walks = GeodesicWalk(problem, h), GeodesicWalk(problem, h / m)
    x, y = simulate_coupled(*walks, np.full((n, 1), 0.7), 6, rng(7))
    mean, covariance = both_walkers(a, beta, h, m, 0.7, 6)
    gap = mean[0] - mean[1]
    variance = covariance[0, 0] - 2 * covariance[0, 1] + covariance[1, 1]
    square = ((x - y) ** 2).mean()
    # 5 standard errors: the square of a Gaussian number has variance 2 v^2 + 4 v gap^2
    error = math.sqrt((2 * variance**2 + 4 * variance * gap**2) / n)
    assert abs(square - (variance + gap**2)) <= 5 * error
    both = np.concatenate([x, y], axis=1)
    assert in_errors(both, mean, np.diag(covariance)) <= 5
    estimate = coupled_distance(x, y, Euclidean(1))
    root = math.sqrt(variance + gap**2)
    # the same through the root, whose curvature is of order error^2
    assert abs(estimate.value - root) <= 5 * error / (2 * root) + error**2 / root**3


@pytest.mark.parametrize("problem", [ON_SPHERE, ON_TORUS], ids=["sphere", "torus"])
def test_walks_of_a_step_and_of_half_of_it_are_at_a_distance_of_order_one(
    problem: Langevin,
) -> None:
    steps = [1 / 16, 1 / 32, 1 / 64, 1 / 128]
    start = np.repeat(points(problem, 1), 20_000, axis=0)
    order = fit_order(
        steps,
        [
            coupled_distance(
                *simulate_coupled(
                    GeodesicWalk(problem, h),
                    GeodesicWalk(problem, h / 2),
                    start,
                    round(1 / h),
                    rng(8),
                ),
                problem.manifold,
            )
            for h in steps
        ],
    )
    # demanded beforehand: the 95 % interval of the fit meets 1 within 0.05 and is at most 0.1 wide
    assert order.low <= 1.05
    assert order.high >= 0.95
    assert order.high - order.low <= 0.1


@pytest.mark.parametrize("h", [1 / 4, 1 / 16, 1 / 64])
def test_the_pairs_bound_the_distance_of_the_laws(h: float) -> None:
    problem = Langevin(Torus(1), fourier(cos={1: 1.0}))
    walks = GeodesicWalk(problem, h), GeodesicWalk(problem, h / 2)
    start, generator = PointLaw(np.ones((1, 1)), manifold=Torus(1)), FourierGenerator(problem, 96)
    n = round(1 / h)
    one, two = (generator.evolve_walk(w, start, n * k) for w, k in zip(walks, (1, 2), strict=True))
    bound = coupled_distance(
        *simulate_coupled(*walks, np.ones((20_000, 1)), n, rng(9)), problem.manifold
    )
    exact = wasserstein(one, two)
    # 5 standard errors
    assert exact <= bound.value + 5 * bound.error
    # not an empty one: it goes to 0 with the step
    assert bound.value <= h


# -- the engine -----------------------------------------------------------------------------------


@every_problem
def test_the_numbers_depend_on_the_seed_alone(problem: Langevin) -> None:
    start = points(problem, 30_000)
    walks = RetractionWalk(problem, 0.1), GeodesicWalk(problem, 0.05)
    expected = simulate_coupled(*walks, start, 3, rng(), threads=1)
    for threads in (None, 2, 3, 5):
        got = simulate_coupled(*walks, start, 3, rng(), threads=threads)
        assert all((a == b).all() for a, b in zip(got, expected, strict=True))
    one = rng()
    simulate_coupled(*walks, start[:3], 3, one)
    for a, b in zip(simulate_coupled(*walks, start[:3], 3, one), expected, strict=True):
        assert (a != b[:3]).any()


@pytest.mark.parametrize("n", [0, 1, 25_001])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_any_number_of_pairs_takes_any_number_of_steps(n: int, steps: int) -> None:
    start = points(ON_SPHERE, n)
    kept = start.copy()
    x, y = simulate_coupled(
        GeodesicWalk(ON_SPHERE, 0.1), GeodesicWalk(ON_SPHERE, 0.05), start, steps, rng()
    )
    assert (start == kept).all()
    for end in (x, y):
        assert end.shape == start.shape
        assert end.flags.c_contiguous
        assert end.flags.writeable
        assert not np.shares_memory(end, start)
        assert ON_SPHERE.manifold.belongs(end, atol=1e-13).all()  # the claim of the library
        assert steps or (end == start).all()
    assert not np.shares_memory(x, y)


@pytest.mark.parametrize("threads", [1, 3])
def test_divergence_names_the_coarse_step_and_carries_both_walkers(threads: int) -> None:
    # the coarse walk grows by 2.2, the fine one shrinks; the walkers of block 1 start farther out
    problem = Langevin(Euclidean(1), quadratic([[3.2]]), beta=1e6)
    walks = GeodesicWalk(problem, 1.0), GeodesicWalk(problem, 0.25)
    start = np.concatenate([np.ones((25_000, 1)), np.full((10, 1), 1e290)])
    with pytest.raises(DivergenceError, match=r"at step \d+ \(step = 1\)") as caught:
        simulate_coupled(*walks, start, 200, rng(), threads=threads)
    # after k steps at 2.2^k 1e290, where the force is 3.2 times that: infinite in the next step
    step = 1 + math.ceil(math.log(np.finfo(float).max / 1e290 / 3.2) / math.log(2.2))
    assert caught.value.step == step
    assert caught.value.state.shape == (2, 25_010, 1)
    before = simulate_coupled(*walks, start, step - 1, rng())
    assert (caught.value.state == np.stack(before)).all()
    assert caught.value.path is None


def test_divergence_of_the_fine_walker_is_found_too() -> None:
    # beyond 20 there is no force for the fine walker to follow
    problem = Langevin(
        Euclidean(1),
        Potential(
            lambda x: np.where(np.abs(x[:, 0]) < 20, 0.0, np.nan),
            lambda x: np.where(np.abs(x) < 20, 0.0, np.nan),
        ),
    )
    walks = GeodesicWalk(problem, 2.0), GeodesicWalk(problem, 1.0)
    with pytest.raises(DivergenceError) as caught:
        simulate_coupled(*walks, np.zeros((5000, 1)), 500, rng())
    assert np.isfinite(caught.value.state).all()


# -- refusals (every argument by property: test_errors) -------------------------------------------


@pytest.mark.parametrize(
    "step", [0.2, 0.1 / 1.5, 0.1 / 2.0001, 0.1 * (1 + 1e-8), 0.1 * (1 - 1e-8), 1e-300, 5e-324]
)
def test_a_fine_step_that_does_not_divide_the_coarse_one_is_refused(step: float) -> None:
    fine = GeodesicWalk(ON_SPHERE, step)
    with pytest.raises(ValueError, match=r"fine must have a step .*; got .* for 0\.1"):
        simulate_coupled(GeodesicWalk(ON_SPHERE, 0.1), fine, points(ON_SPHERE, 2), 1, rng())


@pytest.mark.parametrize("m", [1, 3, 7, 49, 1000])
def test_steps_divide_each_other_up_to_rounding(m: int) -> None:
    start = points(ON_SPHERE, 2)
    for fine in (0.1 / m, 0.1 / m * (1 + 1e-10)):
        x, _ = simulate_coupled(
            GeodesicWalk(ON_SPHERE, 0.1), GeodesicWalk(ON_SPHERE, fine), start, 1, rng()
        )
        assert (x != start).any()


def test_walks_of_two_problems_are_not_coupled() -> None:
    for other in (
        Langevin(Sphere(2), ON_SPHERE.potential, beta=2.0),
        Langevin(Sphere(2), zero()),
        Langevin(Sphere(3), linear([1.0, 0.0, 0.0, 0.0])),
    ):
        with pytest.raises(
            ValueError, match=r"(?s)fine must be a walk of the coarse.*got Langevin"
        ):
            simulate_coupled(
                GeodesicWalk(ON_SPHERE, 0.1),
                GeodesicWalk(other, 0.1),
                points(ON_SPHERE, 2),
                1,
                rng(),
            )


class Drunk(GeodesicWalk):
    """A walk of one's own, with noise of its own."""

    def advance(self, x: Array, rng: np.random.Generator, work: Any) -> None:
        x += 1.0


@pytest.mark.parametrize("name", ["coarse", "fine"])
@pytest.mark.parametrize("kind", [BoundedWalk, BarkerWalk, Drunk])
def test_walks_with_other_noise_are_refused(name: str, kind: Any) -> None:
    walks: dict[str, Any] = dict.fromkeys(("coarse", "fine"), GeodesicWalk(ON_SPHERE, 0.1))
    walks[name] = kind(ON_SPHERE, 0.1)
    with pytest.raises(TypeError, match=rf"{name} must .*; got {kind.__name__}\("):
        simulate_coupled(**walks, start=points(ON_SPHERE, 2), n_steps=1, rng=rng())


def test_a_walk_of_ones_own_that_takes_the_noise_it_is_given_can_be_coupled() -> None:
    class Lazy(GeodesicWalk):
        def drive(self, x: Array, w: Array, work: Any) -> None:
            self.langevin.manifold.move(x, w, work)

    start = points(ON_SPHERE, 5)
    free = Langevin(Sphere(2), zero())
    lazy = simulate_coupled(Lazy(ON_SPHERE, 0.1), Lazy(ON_SPHERE, 0.05), start, 4, rng())
    plain = simulate_coupled(GeodesicWalk(free, 0.1), GeodesicWalk(free, 0.05), start, 4, rng())
    # no force at all, or one of size 0
    np.testing.assert_allclose(np.stack(lazy), np.stack(plain), rtol=0, atol=1e-14)
