"""Particles and weights coupled both ways, alone and beside copies of their limit."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from coupled_flows import (
    BarkerWalk,
    BoundedWalk,
    DensityLaw,
    DivergenceError,
    Embedding,
    Euclidean,
    GaussianLaw,
    GeodesicWalk,
    Langevin,
    MetropolisWalk,
    Potential,
    RetractionWalk,
    Sphere,
    Torus,
    fit_order,
    fourier,
    linear,
    quadratic,
    simulate,
    zero,
)
from coupled_flows.coupled.closure import GaussianClosure
from coupled_flows.coupled.euler import evolve_walk
from coupled_flows.coupled.functional import Coupling
from coupled_flows.coupled.naive import NaiveCoupling
from coupled_flows.coupled.particles import ParticlePath, simulate_particles
from coupled_flows.coupled.synchronous import simulate_synchronous
from coupled_flows.geometry.errors import Array

UNIT = 2.0**-53
KINDS = ["logtrace", "logdet"]
every_kind = pytest.mark.parametrize("kind", KINDS)
CIRCLE = Langevin(Torus(1), fourier(cos={1: 0.5, 2: -0.3}), 1.5)
BALL = Langevin(Sphere(2), linear([0.3, 0.0, -1.0]), 2.0)
SPACE = Langevin(Euclidean(3), quadratic(np.diag([1.0, 1.5, 2.0])), 0.8)


def seen(problem: Langevin) -> Embedding | None:
    return problem.manifold.embedding if isinstance(problem.manifold, Torus) else None


def coupling_on(problem: Langevin, kind: str, kappa: float = 1.2, gamma: float = 0.9) -> Coupling:
    return Coupling(kind, kappa, gamma, seen(problem))


def weights(problem: Langevin) -> Array:
    return np.array([[0.5, 0.6], [-0.2, 0.9]]) if problem is CIRCLE else np.eye(3)[:2] + 0.3


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def last(path: ParticlePath) -> Array:
    return path.laws[-1].points


# -- one step, written out --------------------------------------------------------------------


def written_out(problem: Langevin, kind: str, h: float, n: int, seed: int) -> tuple[Array, ...]:
    """Return points, W and Sigma after n steps of the geodesic walk, by plain loops."""
    coupling, W = coupling_on(problem, kind), weights(problem)
    x = problem.manifold.random_point(40, generator(seed + 1))
    drawn = np.random.Generator(
        np.random.SFC64(generator(seed).bit_generator.seed_seq.spawn(1)[0])  # type: ignore[attr-defined]
    )

    def embedded(x: Array) -> Array:
        return np.hstack([np.cos(x), np.sin(x)]) if problem is CIRCLE else x

    sigma = embedded(x).T @ embedded(x) / len(x)
    for _ in range(n):
        T = W @ sigma @ W.T
        T = np.trace(T) * np.eye(2) if kind == "logtrace" else T
        noise = drawn.standard_normal(x.T.shape).T * np.sqrt(2 * h / problem.beta)
        pull = coupling.kappa * embedded(x) @ W.T @ np.linalg.inv(T) @ W
        if problem is CIRCLE:
            pull = (-np.sin(x) * pull[:, :1]) + np.cos(x) * pull[:, 1:]
        v = h * (pull - problem.potential.gradient(x)) + noise
        if problem is CIRCLE:
            x = np.mod(x + v, 2 * np.pi)
        elif problem is BALL:
            v = v - np.sum(v * x, axis=1, keepdims=True) * x
            angle = np.linalg.norm(v, axis=1, keepdims=True)
            x = np.cos(angle) * x + np.sin(angle) / angle * v
        else:
            x = x + v
        sigma = embedded(x).T @ embedded(x) / len(x)
        # exactly, with Sigma at rest: (3), and the representative of (5) up to a turn
        values, frame = np.linalg.eigh(sigma)
        E = W @ frame * np.exp(coupling.gamma * h * values) @ frame.T
        if kind == "logtrace":
            W = E / np.sqrt(1 + np.sum(E**2) - np.sum(W**2))
        else:
            size, turn = np.linalg.eigh(np.eye(2) - W @ W.T + E @ E.T)
            W = turn / np.sqrt(size) @ turn.T @ E
    return x, W, sigma


@every_kind
@pytest.mark.parametrize("problem", [CIRCLE, BALL, SPACE], ids=["circle", "sphere", "space"])
def test_some_steps_against_plain_loops(kind: str, problem: Langevin) -> None:
    x, W, sigma = written_out(problem, kind, 0.05, 6, 3)
    start = problem.manifold.random_point(40, generator(4))
    coupling = coupling_on(problem, kind)
    path = simulate_particles(problem, coupling, start, weights(problem), 0.05, 6, generator(3))
    # 6 steps of some hundred roundings; T has condition numbers up to 100, which the points feel
    size = 6 * 100 * 100 * UNIT
    assert problem.manifold.dist(last(path), x).max() < size
    np.testing.assert_allclose(path.moments[-1], sigma, rtol=0, atol=size)
    # the turn of the features is that of the library; nothing depends on it
    np.testing.assert_allclose(path.weights[-1].T @ path.weights[-1], W.T @ W, rtol=0, atol=size)
    energy = problem.energy(x).mean() + coupling.kappa * coupling.energy(sigma, W)
    assert path.energy[-1] == pytest.approx(energy, rel=0, abs=10 * size)
    assert path.times.tolist() == [0.0, pytest.approx(0.3)]


@pytest.mark.parametrize(
    "walk", [GeodesicWalk, RetractionWalk, BoundedWalk, MetropolisWalk, BarkerWalk]
)
def test_without_coupling_the_points_are_those_of_simulate(walk: Any) -> None:
    for problem in (CIRCLE, BALL, SPACE):
        start = problem.manifold.random_point(50, generator(1))
        path = simulate_particles(
            problem, coupling_on(problem, "logdet", 0.0), start, weights(problem), 0.05, 20,
            generator(2), walk=walk,
        )  # fmt: skip
        alone = simulate(walk(problem, 0.05), start, 20, generator(2))
        np.testing.assert_array_equal(last(path), alone)


def test_a_walk_with_a_law_of_its_own() -> None:
    walk = partial(BoundedWalk, law="ball")
    start = BALL.manifold.random_point(50, generator(1))
    coupling = coupling_on(BALL, "logtrace", 0.0)
    path = simulate_particles(BALL, coupling, start, [[1.0, 0, 0]], 0.1, 5, generator(2), walk=walk)
    alone = simulate(walk(BALL, 0.1), start, 5, generator(2))
    np.testing.assert_array_equal(last(path), alone)


def test_any_embedding_through_its_jacobian() -> None:
    # features cos 2t, sin 2t of the circle are those of the doubled angle, with a force twice as
    # strong, and noise twice as large
    twice = Embedding(
        lambda t: np.hstack([np.cos(2 * t), np.sin(2 * t)]),
        lambda t: np.stack([-2 * np.sin(2 * t), 2 * np.cos(2 * t)], axis=1),
    )
    W, h = np.array([[0.8, 0.1]]), 0.05
    start = np.linspace(0, 3, 30)[:, None]
    one = simulate_particles(
        Langevin(Torus(1), zero(), 4.0), Coupling("logtrace", 1.0, 1.0, twice), start, W, h, 10,
        generator(5),
    )  # fmt: skip
    # t = s/2 moves as s with four times the speed: h kappa by 4, 2h/beta by 4, h gamma by 1
    other = simulate_particles(
        Langevin(Torus(1), zero(), 1.0), Coupling("logtrace", 4.0, 1.0, Torus(1).embedding),
        2 * start, W, h, 10, generator(5),
    )  # fmt: skip
    gap = Torus(1).dist(np.mod(2 * last(one), 2 * np.pi), last(other))
    assert gap.max() < 10 * 100 * 100 * UNIT
    np.testing.assert_allclose(one.weights, other.weights, rtol=0, atol=1000 * UNIT)


# -- what is recorded -------------------------------------------------------------------------


def test_what_is_recorded() -> None:
    start = BALL.manifold.random_point(20, generator(1))
    coupling = coupling_on(BALL, "logdet")

    def run(n: int, **named: Any) -> ParticlePath:
        return simulate_particles(
            BALL, coupling, start, weights(BALL), 0.1, n, generator(2), **named
        )

    fine, coarse, short = run(6, every=1), run(6, every=3), run(6, every=3, keep_points=False)
    np.testing.assert_allclose(fine.times, 0.1 * np.arange(7), rtol=4 * UNIT)
    for k, at in enumerate((0, 3, 6)):
        np.testing.assert_array_equal(coarse.laws[k].points, fine.laws[at].points)
        np.testing.assert_array_equal(coarse.laws[k].points, last(run(at)))
        for path in (coarse, short):
            np.testing.assert_array_equal(path.weights[k], fine.weights[at])
            np.testing.assert_array_equal(path.moments[k], fine.moments[at])
            assert path.energy[k] == fine.energy[at]
            assert path.times[k] == pytest.approx(fine.times[at], rel=4 * UNIT)
    assert len(short.laws) == 1
    np.testing.assert_array_equal(last(short), last(fine))
    there = fine.laws[2].points
    np.testing.assert_allclose(fine.moments[2], there.T @ there / 20, rtol=0, atol=20 * UNIT)
    still = run(0)
    assert still.times.tolist() == [0.0]
    np.testing.assert_array_equal(last(still), start)


def test_the_number_of_threads_changes_nothing() -> None:
    start = BALL.manifold.random_point(60_000, generator(1))  # three blocks
    coupling = coupling_on(BALL, "logdet")
    one, two = (
        simulate_particles(BALL, coupling, start, weights(BALL), 0.1, 3, generator(2), threads=k)
        for k in (1, 2)
    )
    np.testing.assert_array_equal(last(one), last(two))
    np.testing.assert_array_equal(one.weights, two.weights)
    # blocks do not repeat each other
    assert not np.array_equal(
        last(one)[:25_000] - start[:25_000], last(one)[25_000:50_000] - start[25_000:50_000]
    )


# -- the limit --------------------------------------------------------------------------------


def gaussian_limit(kind: str, step: float, n_steps: int) -> tuple[Any, ...]:
    coupling = Coupling(kind, 1.5, 1.0)
    closure = GaussianClosure(SPACE, coupling)
    law = GaussianLaw(np.array([0.5, 0.0, -0.5]), np.diag([1.0, 0.6, 0.8]))
    W = np.array([[0.6, 0.5, 0.3], [0.1, -0.7, 0.5]])
    limit = evolve_walk(closure, law, W, step, n_steps)
    return coupling, law, limit, limit.moments


@every_kind
def test_many_particles_are_their_limit_in_the_mean(kind: str) -> None:
    coupling, law, limit, sigmas = gaussian_limit(kind, 0.1, 10)
    runs = 30
    found, grams = [], []
    for seed in range(runs):
        rng = generator(seed)
        path = simulate_particles(
            SPACE, coupling, law.sample(2000, rng), limit.weights[0], 0.1, 10, rng
        )
        found.append(path.moments[-1])
        grams.append(path.weights[-1].T @ path.weights[-1])
    for values, exact in ((found, sigmas[-1]), (grams, limit.weights[-1].T @ limit.weights[-1])):
        error = np.std(values, axis=0, ddof=1) / np.sqrt(runs)
        # five standard errors; the bias is O(1/2000), a tenth of most
        assert (np.abs(np.mean(values, axis=0) - exact) < 5 * error + 1 / 2000).all()
        assert (error < 0.02).all()


@every_kind
def test_particles_are_their_own_copies_if_these_see_what_they_see(kind: str) -> None:
    for problem in (CIRCLE, BALL, SPACE):
        start = problem.manifold.random_point(40, generator(1))
        coupling, W0 = coupling_on(problem, kind), weights(problem)
        for walk in (GeodesicWalk, RetractionWalk):
            path = simulate_particles(
                problem, coupling, start, W0, 0.05, 8, generator(2), every=1, walk=walk
            )
            both = simulate_synchronous(
                problem, coupling, start, path.weights, path.moments, 0.05, generator(2), walk=walk
            )
            # the noise is carried from a point to itself: a rounding, then as above
            size = 8 * 100 * 100 * UNIT
            assert both.distance.max() < size
            assert both.distance.shape == both.times.shape == (9,)
            assert problem.manifold.dist(both.points, last(path)).max() < size
            np.testing.assert_allclose(both.weights, path.weights, rtol=0, atol=size)
            np.testing.assert_allclose(both.moments, path.moments, rtol=0, atol=size)


@every_kind
def test_the_first_step_from_the_limit_is_known(kind: str) -> None:
    coupling, law, limit, sigmas = gaussian_limit(kind, 0.1, 1)
    x, W = law.sample(30, generator(1)), limit.weights[0]
    path = simulate_synchronous(SPACE, coupling, x, limit.weights, sigmas, 0.1, generator(2))
    # one noise and one U: all that differs is the force
    tensions = [coupling.tension(sigma, W) for sigma in (x.T @ x / 30, sigmas[0])]
    forces = [1.5 * x @ W.T @ np.linalg.solve(T, W) for T in tensions]
    expected = 0.1 * (forces[0] - forces[1])
    # some ten roundings, of T of condition number below 10
    np.testing.assert_allclose(path.points - path.copies, expected, rtol=0, atol=1000 * UNIT)
    assert path.distance[0] == 0
    root = np.sqrt(np.mean(np.sum(expected**2, axis=1)))
    assert path.distance[1] == pytest.approx(root, rel=0, abs=1000 * UNIT)


def test_copies_have_the_law_of_the_limit() -> None:
    coupling, law, limit, sigmas = gaussian_limit("logdet", 0.1, 10)
    rng, n = generator(1), 20_000
    path = simulate_synchronous(
        SPACE, coupling, law.sample(n, rng), limit.weights, sigmas, 0.1, rng
    )
    products = path.copies[:, :, None] * path.copies[:, None, :]
    error = products.std(axis=0) / np.sqrt(n)
    assert (np.abs(products.mean(axis=0) - sigmas[-1]) < 5 * error).all()


@every_kind
def test_the_distance_to_the_limit_has_order_one_half(kind: str) -> None:
    coupling, law, limit, sigmas = gaussian_limit(kind, 0.1, 10)
    sizes, runs, roots, noise = [64, 256, 1024], 128, [], []
    for n in sizes:
        squares = []
        for seed in range(runs):
            rng = np.random.default_rng([n, seed])
            path = simulate_synchronous(
                SPACE, coupling, law.sample(n, rng), limit.weights, sigmas, 0.1, rng
            )
            grams = [V[-1].T @ V[-1] for V in (path.weights, limit.weights)]
            squares.append(
                [
                    path.distance[-1] ** 2,
                    np.sum((path.moments[-1] - sigmas[-1]) ** 2),
                    np.sum((grams[0] - grams[1]) ** 2),
                ]
            )
        mean = np.mean(squares, axis=0)
        roots.append(np.sqrt(mean))
        noise.append(np.std(squares, axis=0, ddof=1) / np.sqrt(runs) / mean / 2)
    # on a grid of even spacing the slope is that of the ends; the next term is O(1/64) at the first
    spread = np.hypot(noise[0], noise[-1]) / np.log(16)
    for i, column in enumerate(np.array(roots).T):
        order = fit_order(1 / np.array(sizes), column)
        assert abs(order.slope - 0.5) < 5 * spread[i] + 0.02
    assert spread.max() < 0.04


# -- at rest ----------------------------------------------------------------------------------


def strength(half: float) -> tuple[float, float]:
    """Return b and A(b) = E (w.x)^2 with b A(b) = half, rho = exp(b z^2) on S^2."""

    def share(b: float) -> float:
        top = quad(lambda z: z * z * np.exp(b * (z * z - 1)), 0, 1)[0]
        return float(top / quad(lambda z: np.exp(b * (z * z - 1)), 0, 1)[0])

    b = brentq(lambda b: b * share(b) - half, 0, 100, xtol=1e-12)
    return b, share(b)


def long_run(walk: Any, step: float, runs: int) -> tuple[Array, float]:
    """Return largest eigenvalues of Sigma at rest, in the mean over time, and the exact one."""
    beta, kappa = 2.0, 2.0
    b, exact = strength(beta * kappa / 2)
    law = DensityLaw(lambda x: np.exp(b * (x[:, 2] ** 2 - 1)), 1.0, Sphere(2))
    found = []
    for seed in range(runs):
        rng = generator(seed)
        path = simulate_particles(
            Langevin(Sphere(2), zero(), beta), Coupling("logtrace", kappa), law.sample(4000, rng),
            [[0.0, 0.0, 1.0]], step, 60, rng, every=4, walk=walk, keep_points=False,
        )  # fmt: skip
        found.append(np.linalg.eigvalsh(path.moments)[5:, -1].mean())
    return np.array(found), exact


@pytest.mark.parametrize("walk", [BarkerWalk, MetropolisWalk])
def test_reversible_particles_keep_the_closed_form_at_a_large_step(walk: Any) -> None:
    found, exact = long_run(walk, 0.2, 12)
    error = found.std(ddof=1) / np.sqrt(len(found))
    # Student's 11 degrees of freedom: 6.5 is passed as rarely as 4 by a Gaussian number; 1/N of
    # bias for the fluctuating direction
    assert abs(found.mean() - exact) < 6.5 * error + 2 / 4000
    assert error < 0.002
    # which the test can see: the geodesic walk is off by O(h)
    off, _ = long_run(GeodesicWalk, 0.2, 4)
    assert abs(off.mean() - exact) > 0.02


@pytest.mark.parametrize("tilt", [1e-3, 1e-7])
def test_rows_that_are_nearly_parallel_see_their_plane(tilt: float) -> None:
    start = BALL.manifold.random_point(50, generator(3))
    coupling, far = Coupling("logdet", 2.0, gamma=1e-9), []  # rows that hardly move
    for rows in (np.eye(2, 3), np.array([[1.0, 0.0, 0.0], [1.0, tilt, 0.0]])):
        path = simulate_particles(BALL, coupling, start, rows, 0.05, 10, generator(4))
        far.append(last(path))
    # and 1e-9 of time with which they move
    np.testing.assert_allclose(far[0], far[1], rtol=0, atol=1e4 * UNIT / tilt + 1e-7)


def test_the_naive_coupling_runs_away_with_its_particles() -> None:
    start = generator(1).standard_normal((500, 3))
    path = simulate_particles(
        SPACE, NaiveCoupling(3.0), start, [[1.0, 0.0, 0.0]], 0.05, 100, generator(2)
    )
    # (1 + 2h)^200 of the variance along e_1
    assert path.moments[-1, 0, 0] > 1e8
    held = simulate_particles(
        SPACE, Coupling("logtrace", 3.0), start, [[1.0, 0.0, 0.0]], 0.05, 100, generator(2)
    )
    assert np.trace(held.moments[-1]) < 10


# -- errors -----------------------------------------------------------------------------------

STEEP = Langevin(Euclidean(1), Potential(lambda x: x[:, 0] ** 4 / 4, lambda x: x**3))


def test_points_that_leave_the_finite_numbers_say_where_they_were() -> None:
    start, coupling = np.array([[1.0], [8.0], [-2.0]]), Coupling("logtrace", 1.0)
    for n_steps in (5, 200):
        with pytest.raises(DivergenceError, match="left the finite numbers at step") as caught:
            simulate_particles(STEEP, coupling, start, [[1.0]], 0.2, n_steps, generator(1), every=1)
        error = caught.value
        before = simulate_particles(
            STEEP, coupling, start, [[1.0]], 0.2, error.step - 1, generator(1), every=1
        )
        np.testing.assert_array_equal(error.state, last(before))


def test_pairs_that_leave_the_finite_numbers_say_where_they_were() -> None:
    start, coupling = np.array([[1.0], [8.0], [-2.0]]), Coupling("logtrace", 1.0)
    limit = np.ones((20, 1, 1))
    with pytest.raises(DivergenceError, match="left the finite numbers at step") as caught:
        simulate_synchronous(STEEP, coupling, start, limit, limit, 0.2, generator(1))
    step = caught.value.step
    before = simulate_synchronous(
        STEEP, coupling, start, limit[:step], limit[:step], 0.2, generator(1)
    )
    np.testing.assert_array_equal(caught.value.state, np.hstack([before.points, before.copies]))


PLANE = Langevin(Euclidean(2), quadratic(np.eye(2)))
TRACE = Coupling("logtrace", 1.0)
START = np.array([[1.0, 0.0], [0.0, 2.0]])
ONE = [[1.0, 0.0]]
TEXT: Any = "text"


def go(**named: Any) -> Any:
    given: dict[str, Any] = {
        "langevin": PLANE, "coupling": TRACE, "start": START, "W0": ONE, "step": 0.1, "n_steps": 4,
        "rng": generator(1),
    }  # fmt: skip
    return simulate_particles(**(given | named))


def pair(**named: Any) -> Any:
    given: dict[str, Any] = {
        "langevin": PLANE, "coupling": TRACE, "start": START, "weights": [ONE, ONE],
        "moments": [np.eye(2), np.eye(2)], "step": 0.1, "rng": generator(1),
    }  # fmt: skip
    return simulate_synchronous(**(given | named))


@pytest.mark.parametrize("run", [go, pair])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"langevin": TEXT}, "langevin must be"),
        ({"coupling": TEXT}, "coupling must be a Coupling"),
        ({"start": [[1.0]]}, "start must have shape"),
        ({"start": [[np.nan, 1.0]]}, "start must be finite"),
        ({"start": np.zeros((0, 2))}, "start must hold at least one point"),
        ({"start": [[0.0, 1.0]]}, r"(W0|weights\[0\]) must have Tr"),
        ({"start": [[1.0, 1.0]], "coupling": Coupling("logdet", 1.0), "W0": np.eye(2),
          "weights": [np.eye(2), np.eye(2)]}, r"(W0|weights\[0\]) must have W Sigma W' > 0"),
        ({"step": 0.0}, "step must be"),
        ({"step": TEXT}, "step must be"),
        ({"rng": 1}, "rng must be"),
        ({"threads": 0}, "threads must be"),
        ({"walk": TEXT}, "walk must be a class of walks"),
        ({"walk": lambda problem, step: problem}, r"walk\(langevin, step\) must be a walk"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_said(run: Any, bad: dict[str, Any], message: str) -> None:
    skipped = {"W0"} if run is pair else {"weights"}
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        run(**{name: value for name, value in bad.items() if name not in skipped})
    assert re.search(r"got ", str(caught.value))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: go(W0=[[1.0]]), "W0 must have shape"),
        (lambda: go(W0=np.zeros((0, 2))), "W0 must not be empty"),
        (lambda: go(W0=[[0.0, 0.0]]), "W0 must have Tr"),
        (lambda: go(n_steps=-1), "n_steps must be"),
        (lambda: go(n_steps=1.5), "n_steps must be"),
        (lambda: go(every=3), "every must divide n_steps = 4"),
        (lambda: go(every=3, keep_points=False), "every must divide n_steps = 4"),
        (lambda: go(every=0), "every must be"),
        (lambda: go(coupling=NaiveCoupling(1.0), W0=[[2.0, 0.0]]), r"W0 must have \|W\| = 1"),
        (lambda: pair(walk=BarkerWalk), "must be a walk with Gaussian steps"),
        (lambda: pair(weights=ONE), "weights must have shape"),
        (lambda: pair(weights=np.zeros((0, 1, 2))), "weights must not be empty"),
        (lambda: pair(moments=[np.eye(2)]), r"moments must have shape \(2, 2, 2\)"),
        (lambda: pair(weights=[[[1.0]]]), r"weights\[0\] must have shape"),
    ],
)
def test_what_only_one_of_them_takes(call: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        call()
    assert re.search(r"got ", str(caught.value))
