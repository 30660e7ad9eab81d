"""The coupled flow without a centre: agents that move, learn and gossip.

Agent i holds its own point x_i, weights W_i and an estimate T_i of the matrix T of (7). With y_i
the embedded point and S_i = y_i y_i', it takes in each step h, in this order:

    T_i <- (1 - share) T_i + share T(S_i, W_i)          its own sample;  then gossip on T
    f_i  = kappa W_i' T_i^{-1} W_i y_i                  the force, from what it holds
    x_i <- exp(-h grad U(x_i) + h f_i + sqrt(2h/beta) xi)
    W_i <- W_i + h gamma (W_i S_i - T(S_i, W_i) W_i)    its own sample;  then gossip on W

Growth and decay are local: the mean over agents with one W of T(S_i, W) W is T W. The force is not:
T^{-1} is no mean over agents, and a sample's own T has rank one, so T must be gossiped too. In the
mean over agents T_i is the mean of the samples, smoothed over 1/share steps. On a complete graph,
with share = 1 and one W_0, the agents are interacting particles that take Euler's steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coupled_flows.coupled.functional import Coupling
from coupled_flows.coupled.network import Network
from coupled_flows.geometry.errors import (
    Array,
    DivergenceError,
    check_array,
    check_every,
    check_integer,
    check_real,
    check_rng,
    check_type,
)
from coupled_flows.geometry.potentials import Embedding
from coupled_flows.geometry.workspace import Workspace
from coupled_flows.measure.features import principal_angles
from coupled_flows.walks.langevin import Langevin
from coupled_flows.walks.steps import GeodesicWalk
from coupled_flows.weights.flow import in_range


@dataclass(frozen=True, eq=False)
class GossipPath:
    """What agents held at recorded times.

    Attributes
    ----------
    times : ndarray, shape (time,)
    points : ndarray, shape (time, n, p)
    weights : ndarray, shape (time, n, m, D)
    tensions : ndarray, shape (time, n, m, m)
        Each agent's T, with which it took its last step.
    alive : ndarray of bool, shape (time, n)
        Whether an agent took part.
    sent : ndarray, shape (time, n)
        How many numbers each agent has sent, from the start.
    """

    times: Array
    points: Array
    weights: Array
    tensions: Array
    alive: NDArray[np.bool_]
    sent: NDArray[np.int64]

    @property
    def mean_weights(self) -> Array:
        """Mean of W over the agents that take part, (time, m, D)."""
        total = np.einsum("tn,tnmD->tmD", self.alive, self.weights)
        return total / self.alive.sum(axis=1)[:, None, None]

    @property
    def consensus_error(self) -> Array:
        """Root of the mean of |W_i - mean W|^2 over those that take part, liars too, (time,)."""
        off = self.weights - self.mean_weights[:, None]
        squares = np.einsum("tnmD,tnmD,tn->t", off, off, self.alive)
        return np.sqrt(squares / self.alive.sum(axis=1))

    def misalignment(self, frame: ArrayLike) -> Array:
        """Return the largest angle between each agent's row space and that of a frame.

        Parameters
        ----------
        frame : array_like, shape (r, D)

        Returns
        -------
        ndarray, shape (time, n)
            Radians, from 0 to pi/2; the largest entry of a row is the worst agent's.
        """
        return np.array([[principal_angles(W, frame)[-1] for W in now] for now in self.weights])


def simulate_gossip(
    langevin: Langevin,
    network: Network,
    start: ArrayLike,
    W0: ArrayLike,
    step: float,
    n_steps: int,
    rng: np.random.Generator,
    *,
    kappa: float,
    gamma: float = 1.0,
    kind: str = "logdet",
    embedding: Embedding | None = None,
    share: float = 0.1,
    rounds: int = 1,
    every: int | None = None,
    failures: Mapping[int, int] | None = None,
    lies: Mapping[int, ArrayLike] | None = None,
) -> GossipPath:
    """Run agents that take the coupled flow (7) without a centre; see the module for their step.

    Parameters
    ----------
    langevin : Langevin
    network : Network
        Who speaks with whom.
    start : array_like, shape (n, p)
        Where the agents start.
    W0 : array_like, shape (m, D) or (n, m, D)
        Their weights: the same for all, or each its own.
    step : float
        h > 0.
    n_steps : int
        >= 0.
    rng : numpy.random.Generator
    kappa : float
        Strength of the coupling, >= 0.
    gamma : float
        Speed of the weights, > 0.
    kind : "logdet" or "logtrace"
    embedding : Embedding, optional
        Where the weights see points; by default the manifold's own.
    share : float
        How much of T_i the newest sample replaces, > 0 and <= 1.
    rounds : int
        Rounds of gossip on T and on W in each step, >= 0.
    every : int, optional
        Record the start and every `every`-th step, a divisor of `n_steps`; by default both ends.
    failures : mapping of int to int, optional
        Agent to the number of steps after which it rests, silent; see `Network.without`.
    lies : mapping of int to array_like (m, D), optional
        Agent to the weights that it holds and sends whatever it hears.

    Returns
    -------
    GossipPath

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or some T_i is not positive definite: too few samples.
    DivergenceError
        If a point or weights leave the finite numbers: carries the step and the last points.

    Notes
    -----
    T_i starts as T(I, W_0), as if Sigma were I; that counts (1 - share)^k after k steps. A step
    sends to each neighbour, in each round, m D numbers for W, and 1 for T or m (m + 1)/2.

    Means are no longer than the longest, so agents of "logtrace" that hear no liar keep
    |W_i|^2 <= B, the largest of 3/2 and their |W_0|^2, if h gamma |y|^2 B <= 1 at all points.

    Examples
    --------
    >>> from coupled_flows import Langevin, Network, Sphere, simulate_gossip, zero
    >>> problem, rng = Langevin(Sphere(2), zero()), np.random.default_rng(1)
    >>> start = Sphere(2).random_point(20, rng)
    >>> path = simulate_gossip(problem, Network.ring(20), start, [[0.0, 0.0, 1.0]], 0.01, 100, rng,
    ...                        kappa=4.0)
    >>> path.weights.shape, path.sent[-1, 0]  # two neighbours, 3 + 1 numbers, 100 steps
    ((2, 20, 1, 3), np.int64(800))
    """
    check_type("langevin", langevin, Langevin, "a Langevin problem")
    check_type("network", network, Network, "a Network, such as Network.ring(8)")
    points = langevin.manifold.check_points("start", start)
    if len(points) != network.size:
        raise ValueError(f"start must have {network.size} rows, as agents; got {len(points)}")
    seen = langevin.manifold.embedding if embedding is None else embedding
    coupling = Coupling(kind, kappa, gamma, seen)
    agents = _Agents(
        coupling,
        GeodesicWalk(langevin, step),
        network,
        points.T.copy(),
        _weights(W0, network.size, coupling.embed(points).shape[1]),
        check_real("share", share, above=0, most=1),
        check_integer("rounds", rounds),
    )
    n_steps = check_integer("n_steps", n_steps)
    every = check_every(every, n_steps)
    silent = _by_agent("failures", failures, network, check_integer)
    if len(silent) == network.size:
        raise ValueError(f"failures must leave an agent; got all {network.size}")
    like = agents.W.shape[1:]
    agents.lies = _by_agent("lies", lies, network, lambda name, W: check_array(name, W, like))
    agents.begin()
    check_rng(rng)
    recorded = []
    for k in range(n_steps + 1):
        agents.silence([i for i, last in silent.items() if last == k])
        if k % every == 0:
            recorded.append(agents.record())
        if k < n_steps:
            agents.advance(k + 1, rng)
    points, W, T, alive, sent = (np.stack(part) for part in zip(*recorded, strict=True))
    times = np.arange(len(points)) * (agents.walk.step * every)
    return GossipPath(times, points, W, T, alive, sent)


def _weights(W0: ArrayLike, n: int, D: int) -> Array:
    """Return the weights of each agent, (n, m, D), m >= 1."""
    try:
        own = np.ndim(W0) == 3
    except (TypeError, ValueError):
        own = False  # ragged: the next line says so
    W = check_array("W0", W0, (n, "m", D) if own else ("m", D))
    if not W.size:
        raise ValueError(f"W0 must not be empty; got shape {W.shape}")
    return np.broadcast_to(W, (n, *W.shape[-2:])).copy()


def _by_agent(
    name: str, given: Mapping[int, Any] | None, network: Network, check: Callable[[str, Any], Any]
) -> dict[int, Any]:
    """Return a mapping from agents' numbers to checked values."""
    pairs = check_type(name, {} if given is None else given, Mapping, "a mapping from agents")
    agent = f"an agent of {name}"
    return {network.check_agent(agent, i): check(f"{name}[{i}]", v) for i, v in pairs.items()}


@dataclass(eq=False)
class _Agents:
    """All agents: points x (p, n), weights W (n, m, D), tensions T (n, m, m)."""

    coupling: Coupling
    walk: GeodesicWalk
    network: Network
    x: Array
    W: Array
    share: float
    rounds: int
    lies: dict[int, Array] = field(default_factory=dict)

    def begin(self) -> None:
        """Set what follows from the points and the weights."""
        n, m, D = self.W.shape
        self.lie()
        with np.errstate(all="ignore"):
            self.T = in_range(self.coupling.tension(np.eye(D), self.W), self.W, "W0")
        self.alive = np.ones(n, dtype=bool)
        self.sent = np.zeros(n, dtype=np.int64)
        self.numbers = m * D + (1 if self.coupling.kind == "logtrace" else m * (m + 1) // 2)

    def record(self) -> tuple[Any, ...]:
        return self.x.T.copy(), self.W.copy(), self.T.copy(), self.alive.copy(), self.sent.copy()

    def silence(self, agents: list[int]) -> None:
        """Take agents out of the network."""
        self.alive[agents] = False
        self.network = self.network.without(agents) if agents else self.network

    def lie(self) -> None:
        """Put the lies in the place of what liars have heard."""
        for agent, lie in self.lies.items():
            self.W[agent] = lie

    def advance(self, k: int, rng: np.random.Generator) -> None:
        """Take step k."""
        before, held, rests = self.x.copy(), self.W, ~self.alive
        y = self.coupling.embed(before.T)
        with np.errstate(all="ignore"):  # what is not finite is found and reported below
            S = y[:, :, None] * y[:, None, :]
            sample = self.coupling.tension(S, held)
            W = held + self.walk.step * self.coupling.weight_rate(S, held)
        self.check(k, before, sample, W)
        T = self.network.mix((1 - self.share) * self.T + self.share * sample, self.rounds)
        self.T = np.where(rests[:, None, None], self.T, T)
        with np.errstate(all="ignore"):
            w = rng.standard_normal(self.x.shape) * self.walk.noise
            w += self.walk.step * self.coupling.pull(before.T, self.force(k, y), y).T
            self.walk.drive(self.x, w, Workspace())
        self.check(k, before, self.x)
        self.x[:, rests] = before[:, rests]
        self.W = np.where(rests[:, None, None], held, W)
        self.lie()
        for _ in range(self.rounds):
            self.W = self.network.mix(self.W)
            self.lie()
        self.sent += self.network.degrees * (self.rounds * self.numbers)

    def check(self, k: int, before: Array, *found: Array) -> None:
        """See that numbers of step k are finite."""
        if not all(np.isfinite(numbers).all() for numbers in found):
            raise DivergenceError(
                f"the agents left the finite numbers at step {k} (step = {self.walk.step:g}); the"
                " error carries their last points; a smaller step may cure it",
                k,
                before.T,
            )

    def force(self, k: int, y: Array) -> Array:
        """Return each agent's force, (n, D)."""
        try:
            return self.coupling.force(y[:, None], self.W, self.T)[:, 0]
        except ValueError:
            lowest = np.linalg.eigvalsh(self.T)[:, 0]
            raise ValueError(
                "share, rounds and W0 must be such that every T_i > 0; got the eigenvalue"
                f" {lowest.min():g} at agent {np.argmin(lowest)} in step {k}"
            ) from None
