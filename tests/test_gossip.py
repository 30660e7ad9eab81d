"""Agents that move, learn and gossip: against a centre, closed forms, and bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows import (
    DivergenceError,
    Embedding,
    Euclidean,
    Langevin,
    Potential,
    Sphere,
    Torus,
    fourier,
    linear,
    principal_angles,
    quadratic,
    zero,
)
from coupled_flows.coupled.gossip import GossipPath, simulate_gossip
from coupled_flows.coupled.network import Network
from coupled_flows.geometry.errors import Array

UNIT = 2.0**-53
seeds = st.integers(0, 2**32 - 1)
kinds = pytest.mark.parametrize("kind", ["logdet", "logtrace"])
# a temperature at which noise is below rounding
COLD = 1e300
SPHERE = Langevin(Sphere(2), quadratic(np.diag([1.0, 0.5, -1.0])), beta=2.0)
CIRCLE = Langevin(Torus(1), fourier(cos={2: -0.5}, sin={1: 0.3}), beta=1.5)
FRAME = np.array([[0.3, 0.2, 0.5], [0.1, -0.4, 0.2]])


def tension(W: Array, S: Array, kind: str) -> Array:
    T = W @ S @ W.T
    return T if kind == "logdet" else np.trace(T) * np.eye(len(W))


def rotation(n: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


# -- the same as a centre, where everyone hears everyone -------------------------------------------


@kinds
@pytest.mark.parametrize("problem", [SPHERE, CIRCLE], ids=["sphere", "circle"])
def test_on_a_complete_graph_agents_are_particles_with_one_centre(
    kind: str, problem: Langevin
) -> None:
    manifold, h, kappa, gamma, n = problem.manifold, 0.01, 1.5, 0.8, 12
    seen = manifold.embedding
    x = manifold.random_point(n, np.random.default_rng(1))
    W = FRAME[:, : seen.value(x).shape[1]]
    path = simulate_gossip(
        problem, Network.complete(n), x, W, h, 200, np.random.default_rng(2),
        kappa=kappa, gamma=gamma, kind=kind, share=1.0,
    )  # fmt: skip
    rng = np.random.default_rng(2)
    for _ in range(200):
        y = seen.value(x)
        sigma = y.T @ y / n
        T = tension(W, sigma, kind)
        force = kappa * y @ W.T @ np.linalg.inv(T) @ W
        noise = math.sqrt(2 * h / problem.beta) * rng.standard_normal(x.T.shape).T
        drift = np.einsum("nDp,nD->np", seen.jacobian(x), force) - problem.potential.gradient(x)
        x = manifold.exp(x, manifold.to_tangent(x, h * drift + noise))
        W = W + h * gamma * (W @ sigma - T @ W)
    # 200 steps of a flow whose errors grow by exp(200 h times a rate below 10) at most
    assert manifold.dist(path.points[-1], x).max() <= 1e-10
    np.testing.assert_allclose(
        path.weights[-1], np.broadcast_to(W, (n, *W.shape)), rtol=0, atol=1e-11
    )
    np.testing.assert_allclose(path.tensions[-1][3], T, rtol=0, atol=1e-11)
    assert path.consensus_error[-1] <= 1e-13


@kinds
def test_the_mean_of_the_estimates_is_the_mean_sample_smoothed(kind: str) -> None:
    rng = np.random.default_rng(3)
    n, share = 15, 0.3
    network = Network.random(n, 0.3, rng)
    path = simulate_gossip(
        SPHERE, network, Sphere(2).random_point(n, rng), rng.standard_normal((n, 2, 3)), 0.02, 20,
        rng, kappa=0.5, kind=kind, share=share, rounds=2, every=1,
    )  # fmt: skip
    mean = np.mean([tension(W, np.eye(3), kind) for W in path.weights[0]], axis=0)
    np.testing.assert_allclose(path.tensions[0].mean(axis=0), mean, rtol=1e-14)
    for k in range(20):
        sample = np.mean(
            [
                tension(W, np.outer(y, y), kind)
                for W, y in zip(path.weights[k], path.points[k], strict=True)
            ],
            axis=0,
        )
        mean = (1 - share) * mean + share * sample
        np.testing.assert_allclose(path.tensions[k + 1].mean(axis=0), mean, rtol=0, atol=1e-13)
    # symmetric and positive definite: each a mean of samples and of a positive start
    assert (path.tensions == np.swapaxes(path.tensions, -1, -2)).all()
    assert np.linalg.eigvalsh(path.tensions).min() > 0


@kinds
def test_the_names_of_agents_and_the_axes_of_space_do_not_matter(kind: str) -> None:
    rng = np.random.default_rng(4)
    n = 9
    order, turn, mirror = rng.permutation(n), rotation(3, rng), rotation(2, rng)
    network = Network.random(n, 0.4, rng)
    start, W0 = Sphere(2).random_point(n, rng), rng.standard_normal((n, 2, 3))
    matrix = np.diag([1.0, 0.5, -1.0])

    def run(network: Network, form: Array, start: Array, W0: Array) -> GossipPath:
        problem = Langevin(Sphere(2), quadratic((form + form.T) / 2), beta=COLD)
        return simulate_gossip(
            problem, network, start, W0, 0.02, 50, np.random.default_rng(1), kappa=0.7, kind=kind
        )

    first = run(network, matrix, start, W0)
    other = run(
        Network(network.links[order][:, order]),
        turn.T @ matrix @ turn,
        start[order] @ turn,
        mirror @ W0[order] @ turn,
    )
    # fifty steps of numbers of size 1, with T up to a condition number of 1e3
    np.testing.assert_allclose(other.points[-1], first.points[-1][order] @ turn, rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        other.weights[-1], mirror @ first.weights[-1][order] @ turn, rtol=0, atol=1e-10
    )
    assert (other.sent == first.sent[:, order]).all()


# -- consensus ------------------------------------------------------------------------------------


def test_agents_that_rest_disagree_as_the_network_says() -> None:
    # no noise, no force: points rest, and to first order in h gamma the weights obey
    # e <- (P - J)(e + h gamma g) with g the rate of each: e = h gamma P (I - P + J)^{-1} (g - mean)
    rng = np.random.default_rng(5)
    n, speed = 10, 1e-7
    problem = Langevin(Sphere(2), zero(), beta=COLD)
    y = Sphere(2).random_point(n, rng)
    rates = np.array([FRAME @ np.outer(v, v) @ (np.eye(3) - FRAME.T @ FRAME) for v in y])
    rates -= rates.mean(axis=0)
    for network in (Network.ring(n), Network.grid(2, 5), Network.complete(n)):
        path = simulate_gossip(
            problem, network, y, FRAME, 1.0, 600, rng, kappa=0.0, gamma=speed, kind="logdet"
        )
        P, J = network.matrix.toarray(), np.full((n, n), 1 / n)
        exact = np.einsum("ij,jmD->imD", P @ np.linalg.inv(np.eye(n) - P + J), speed * rates)
        off = path.weights[-1] - path.mean_weights[-1]
        # the rates change by 600 speed = 6e-5 of their size, and 600 steps take (1 - gap)^600
        # below rounding
        assert np.abs(off - exact).max() <= 2e-4 * speed
        error = path.consensus_error[-1]
        assert error == pytest.approx(math.sqrt((exact**2).sum() / n), rel=0, abs=2e-4 * speed)
        # the bound by the gap
        assert (
            error
            <= speed
            * (1 - network.gap)
            / network.gap
            * math.sqrt((rates**2).sum() / n)
            * (1 + 1e-3)
            + 1e-15
        )


def test_more_rounds_are_as_many_powers() -> None:
    rng = np.random.default_rng(6)
    n = 8
    network, W0 = Network.ring(n), rng.standard_normal((n, 2, 3))
    y = Sphere(2).random_point(n, rng)
    path = simulate_gossip(
        SPHERE, network, y, W0, 1e-200, 3, rng, kappa=1.0, rounds=4, share=1e-100
    )
    np.testing.assert_allclose(path.weights[-1], network.mix(W0, 12), rtol=0, atol=1e-14)
    assert path.consensus_error[0] == pytest.approx(math.sqrt(((W0 - W0.mean(0)) ** 2).sum() / n))
    np.testing.assert_allclose(path.mean_weights[-1], W0.mean(axis=0), rtol=0, atol=1e-14)


def test_the_bound_for_one_sample_holds_for_all_agents() -> None:
    rng = np.random.default_rng(7)
    for size in (0.1, 1.0, 3.0):
        W0 = rng.standard_normal((20, 2, 3))
        W0 *= size / np.linalg.norm(W0, axis=(1, 2), keepdims=True)
        most = max(1.5, size**2)
        path = simulate_gossip(
            SPHERE, Network.ring(20), Sphere(2).random_point(20, rng), W0, 0.01, 300, rng,
            kappa=1.0, gamma=100 / most, kind="logtrace", every=1,
        )  # fmt: skip
        squares = (path.weights**2).sum(axis=(2, 3))
        assert squares.max() <= most * (1 + 1e-12)


# -- what agents learn ----------------------------------------------------------------------------


def test_all_agents_learn_the_closed_form_of_the_sphere() -> None:
    # U = 0, m = 1: rho ~ exp(b (w.x)^2) with b A(b) = beta kappa/2, A(b) = E (w.x)^2
    t, mass = np.polynomial.legendre.leggauss(64)

    def mean_square(b: float) -> float:
        law = mass * np.exp(b * (t**2 - 1))
        return float(law @ t**2 / law.sum())

    b = 3.0
    kappa, n, h = 2 * b * mean_square(b), 200, 0.01
    rng = np.random.default_rng(8)
    start, W0 = Sphere(2).random_point(n, rng), np.array([[0.0, 0.6, 0.8]])
    path = simulate_gossip(
        Langevin(Sphere(2), zero()), Network.random(n, 0.1, rng), start, W0, h, 1500, rng,
        kappa=kappa, gamma=2.0, share=0.05, every=10,
    )  # fmt: skip
    late = slice(50, None)
    frame = path.mean_weights[late, 0]
    frame /= np.linalg.norm(frame, axis=1, keepdims=True)
    found = np.einsum("tnp,tp->tn", path.points[late], frame) ** 2
    # agents are nearly independent, so their time averages give the standard error; Euler's steps
    # and the noise of 200 agents in T and in the frame shift the mean by some h and 1/n
    means = found.mean(axis=0)
    error = means.std(ddof=1) / math.sqrt(n)
    assert abs(means.mean() - mean_square(b)) <= 5 * error + 0.005
    # the worst agent's direction: near that of the mean
    angles = replace(path, weights=path.weights[-1:]).misalignment(path.mean_weights[-1])[0]
    assert angles.max() <= 0.1
    assert angles[7] == principal_angles(path.weights[-1, 7], path.mean_weights[-1])[-1]
    # and the length of each W: |W| = 1 in the limit
    assert np.abs(np.linalg.norm(path.weights[-1], axis=(1, 2)) - 1).max() <= 0.1


def test_misalignment_is_the_largest_angle_of_each_agent() -> None:
    # planes that share an axis and are turned about it
    angles = np.array([[0.0, 0.3, 1.2], [0.1, math.pi / 2, 0.7]])
    shared, free = np.array([1.0, 1.0, 0.0]), np.array([1.0, -1.0, 0.0]) / math.sqrt(2)
    turned = np.cos(angles)[..., None] * free + np.sin(angles)[..., None] * [0.0, 0.0, 1.0]
    weights = np.stack([np.broadcast_to(shared, turned.shape), 2 * turned + shared], axis=2)
    times, T, sent = np.arange(2.0), np.zeros((2, 3, 2, 2)), np.zeros((2, 3), dtype=np.int64)
    path = GossipPath(times, weights[:, :, 0], weights, T, angles >= 0, sent)
    np.testing.assert_allclose(path.misalignment(np.eye(3)[:2]), angles, rtol=0, atol=1e-15)


# -- what is sent, silence and lies ---------------------------------------------------------------


@pytest.mark.parametrize(("kind", "numbers"), [("logdet", 6 + 3), ("logtrace", 6 + 1)])
def test_what_is_sent_is_counted(kind: str, numbers: int) -> None:
    rng = np.random.default_rng(9)
    network = Network.grid(2, 3)
    path = simulate_gossip(
        SPHERE, network, Sphere(2).random_point(6, rng), FRAME, 0.01, 10, rng,
        kappa=0.1, kind=kind, rounds=3, every=5, failures={0: 5},
    )  # fmt: skip
    full, left = network.degrees, network.without([0]).degrees
    assert path.sent.tolist() == [
        [0] * 6,
        (5 * 3 * numbers * full).tolist(),
        (5 * 3 * numbers * (full + left)).tolist(),
    ]
    assert path.times.tolist() == [0.0, 0.05, 0.1]


def test_who_falls_silent_rests_and_the_others_go_on() -> None:
    rng = np.random.default_rng(10)
    n = 8
    start, W0 = Sphere(2).random_point(n, rng), rng.standard_normal((n, 2, 3))

    def run(network: Network, failures: dict[int, int] | None) -> GossipPath:
        return simulate_gossip(
            SPHERE, network, start, W0, 0.01, 30, np.random.default_rng(1),
            kappa=0.5, every=1, failures=failures,
        )  # fmt: skip

    ring = Network.ring(n)
    whole, broken = run(ring, None), run(ring, {3: 10, 4: 10, 6: 20})
    for name in ("points", "weights", "tensions"):
        a, b = getattr(whole, name), getattr(broken, name)
        assert (a[:11] == b[:11]).all()
        assert (b[10:, 3] == b[10, 3]).all()
        assert (b[20:, 6] == b[20, 6]).all()
        assert (b[11, 6] != b[20, 6]).any()
    assert broken.alive.sum(axis=1).tolist() == [8] * 10 + [6] * 10 + [5] * 11
    # from the first step on it is the network without them
    early = run(ring.without([3]), None)
    without = run(ring, {3: 0})
    others = np.arange(n) != 3
    assert (early.points[:, others] == without.points[:, others]).all()
    assert (early.weights[:, others] == without.weights[:, others]).all()
    # the mean and the error are those of the others
    kept = without.weights[-1][others]
    np.testing.assert_allclose(without.mean_weights[-1], kept.mean(axis=0), rtol=1e-14, atol=1e-15)
    error = math.sqrt(((kept - kept.mean(axis=0)) ** 2).sum() / (n - 1))
    assert without.consensus_error[-1] == pytest.approx(error, rel=1e-12)


def test_one_liar_is_believed_and_between_two_one_interpolates() -> None:
    rng = np.random.default_rng(11)
    n = 7
    network = Network.random(n, 0.5, rng)
    start, W0 = Sphere(2).random_point(n, rng), rng.standard_normal((n, 2, 3))
    lies = {2: np.ones((2, 3)), 5: np.diag([-1.0, 2.0, 0.0])[:2]}

    def run(lies: dict[int, Any]) -> Array:
        # weights that do not learn
        return simulate_gossip(
            SPHERE, network, start, W0, 1e-200, 4, rng, kappa=0.0, lies=lies, rounds=200
        ).weights[-1]

    np.testing.assert_allclose(run({2: lies[2]}), np.ones((n, 2, 3)), rtol=0, atol=1e-12)
    found = run(lies)
    P = network.matrix.toarray()
    told, honest = np.array([2, 5]), np.array([0, 1, 3, 4, 6])
    inside = np.eye(5) - P[np.ix_(honest, honest)]
    shares = np.linalg.solve(inside, P[np.ix_(honest, told)])
    exact = np.einsum("hl,lmD->hmD", shares, np.array([lies[2], lies[5]]))
    np.testing.assert_allclose(found[honest], exact, rtol=0, atol=1e-12)
    assert (found[5] == lies[5]).all()


# -- starts, chance, errors -----------------------------------------------------------------------


def test_a_run_repeats_with_its_seed_and_does_not_depend_on_what_is_recorded() -> None:
    start = Torus(1).random_point(5, np.random.default_rng(1))

    def run(seed: int, every: int | None) -> GossipPath:
        return simulate_gossip(
            CIRCLE, Network.ring(5), start, np.eye(2), 0.01, 12, np.random.default_rng(seed),
            kappa=0.3, every=every,
        )  # fmt: skip

    first, again, other = run(1, None), run(1, 4), run(2, None)
    assert (first.points[-1] == again.points[-1]).all()
    assert (first.weights[-1] == again.weights[-1]).all()
    assert (first.points[-1] != other.points[-1]).any()
    assert (first.points[0] == start).all()
    assert again.points.shape == (4, 5, 1)
    none = simulate_gossip(
        CIRCLE, Network.ring(5), start, np.eye(2), 0.01, 0, np.random.default_rng(1), kappa=0.3
    )
    assert none.points.shape == (1, 5, 1)


def test_an_embedding_of_ones_own_gives_the_features() -> None:
    # the circle seen at twice the angle: the same as angles doubled, where U = 0 and nothing is
    # random, with the force doubled once more by the map
    double = Embedding(
        lambda t: np.hstack([np.cos(2 * t), np.sin(2 * t)]),
        lambda t: np.stack([-2 * np.sin(2 * t), 2 * np.cos(2 * t)], axis=1),
    )
    problem = Langevin(Torus(1), zero(), beta=COLD)
    start = np.random.default_rng(1).uniform(0, 3, (6, 1))
    W0 = np.array([[0.5, 0.2]])

    def run(start: Array, kappa: float, embedding: Embedding | None) -> GossipPath:
        return simulate_gossip(
            problem, Network.ring(6), start, W0, 0.01, 40, np.random.default_rng(1),
            kappa=kappa, embedding=embedding,
        )  # fmt: skip

    first, second = run(start, 0.3, double), run(2 * start, 1.2, None)
    assert Torus(1).dist((2 * first.points[-1]) % (2 * np.pi), second.points[-1]).max() <= 1e-13
    np.testing.assert_allclose(first.weights[-1], second.weights[-1], rtol=0, atol=1e-13)


START = Sphere(2).random_point(4, np.random.default_rng(1))
GOOD: dict[str, Any] = {
    "langevin": SPHERE,
    "network": Network.ring(4),
    "start": START,
    "W0": FRAME,
    "step": 0.01,
    "n_steps": 4,
    "rng": np.random.default_rng(1),
    "kappa": 0.5,
}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"langevin": Sphere(2)}, r"langevin must be a Langevin problem"),
        ({"network": np.eye(4)}, r"network must be a Network"),
        ({"start": 2 * START}, r"start must lie on Sphere"),
        ({"start": START[:3]}, r"start must have 4 rows, as agents; got 3"),
        ({"W0": np.eye(2)}, r"W0 must have shape \(m, 3\); got shape \(2, 2\)"),
        ({"W0": np.zeros((0, 3))}, r"W0 must not be empty; got shape \(0, 3\)"),
        ({"W0": np.ones((3, 2, 3))}, r"W0 must have shape \(4, m, 3\)"),
        ({"W0": [[1.0], [1.0, 2.0]]}, r"W0 must be an array of real numbers"),
        ({"W0": np.full((1, 3), np.nan)}, r"W0 must be finite"),
        ({"step": 0.0}, r"step must be a finite real number > 0"),
        ({"n_steps": -1}, r"n_steps must be an integer >= 0"),
        ({"rng": 1}, r"rng must be a numpy\.random\.Generator"),
        ({"kappa": -1.0}, r"kappa must be a finite real number >= 0"),
        ({"gamma": 0.0}, r"gamma must be a finite real number > 0"),
        ({"kind": "trace"}, r"kind must be one of 'logdet', 'logtrace'"),
        ({"embedding": np.cos}, r"embedding must be an Embedding"),
        ({"share": 0.0}, r"share must be a finite real number > 0 and <= 1"),
        ({"share": 1.5}, r"share must be a finite real number > 0 and <= 1"),
        ({"rounds": -1}, r"rounds must be an integer >= 0"),
        ({"every": 3}, r"every must divide n_steps = 4; got 3"),
        ({"every": 0}, r"every must be an integer >= 1"),
        ({"failures": [1]}, r"failures must be a mapping from agents"),
        ({"failures": {4: 1}}, r"an agent of failures must be an integer < 4; got 4"),
        ({"failures": {1: -1}}, r"failures\[1\] must be an integer >= 0"),
        ({"failures": dict.fromkeys(range(4), 9)}, r"failures must leave an agent; got all 4"),
        ({"lies": {1: np.eye(3)}}, r"lies\[1\] must have shape \(2, 3\)"),
        ({"lies": {-1: FRAME}}, r"an agent of lies must be an integer >= 0"),
        ({"share": 1.0, "rounds": 0}, r"share, rounds and W0 must be such that every"),
        ({"W0": 1e200 * FRAME}, r"W0 must be small enough"),
        ({"W0": np.ones((2, 3))}, r"every T_i > 0; got the eigenvalue"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], match: str) -> None:
    assert simulate_gossip(**GOOD).points.shape == (2, 4, 3)
    with pytest.raises((TypeError, ValueError), match=match):
        simulate_gossip(**(GOOD | change))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: {"W0": 1e90 * FRAME, "gamma": 1e60},
        lambda: {
            "langevin": Langevin(Euclidean(3), quadratic(-np.eye(3))),
            "step": 1e6,
            "n_steps": 100,
            "kappa": 0.0,
            "W0": 1e-150 * FRAME,
            "gamma": 1e-300,
        },
    ],
)
def test_a_blow_up_carries_its_step_and_the_last_points(
    spoil: Callable[[], dict[str, Any]],
) -> None:
    with pytest.raises(
        DivergenceError, match=r"the agents left the finite numbers at step"
    ) as lost:
        simulate_gossip(**(GOOD | spoil()))
    assert lost.value.step >= 1
    assert lost.value.state.shape == (4, 3)
    assert np.isfinite(lost.value.state).all()


@given(seed=seeds)
def test_potentials_act_as_on_single_walkers(seed: int) -> None:
    # without coupling an agent is a walker of its own
    rng = np.random.default_rng(seed)
    slope = rng.standard_normal(3)
    problem = Langevin(Sphere(2), linear(slope), beta=COLD)
    assert isinstance(problem.potential, Potential)
    path = simulate_gossip(**(GOOD | {"langevin": problem, "kappa": 0.0}))
    x = START
    for _ in range(4):
        x = Sphere(2).exp(x, Sphere(2).to_tangent(x, np.tile(-0.01 * slope, (4, 1))))
    np.testing.assert_allclose(path.points[-1], x, rtol=0, atol=1e-14)
