"""Particles beside copies of their mean-field limit, moved by one noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.coupled.functional import Coupling
from coupled_flows.coupled.swarm import Swarm, run_together
from coupled_flows.geometry.errors import Array, check_array
from coupled_flows.walks.coupling import Pair
from coupled_flows.walks.langevin import Langevin
from coupled_flows.walks.steps import GaussianWalk, GeodesicWalk, Walk
from coupled_flows.weights.flow import not_empty


@dataclass(frozen=True, eq=False)
class SynchronousPath:
    """Particles beside copies of their limit, at every step; made by `simulate_synchronous`.

    Attributes
    ----------
    times : ndarray, shape (time,)
    weights : ndarray, shape (time, m, D)
        Of the particles.
    moments : ndarray, shape (time, D, D)
        Sigma of the particles.
    distance : ndarray, shape (time,)
        Root mean square over the pairs of the distance between a particle and its copy.
    points, copies : ndarray, shape (n, p)
        Where both stand at the end.
    """

    times: Array
    weights: Array
    moments: Array
    distance: Array
    points: Array
    copies: Array


def simulate_synchronous(
    langevin: Langevin,
    coupling: Coupling,
    start: ArrayLike,
    weights: ArrayLike,
    moments: ArrayLike,
    step: float,
    rng: np.random.Generator,
    *,
    walk: Callable[[Langevin, float], Walk] = GeodesicWalk,
    threads: int | None = None,
) -> SynchronousPath:
    """Run coupled particles beside copies that see the limit, moved by one noise.

    Each copy starts where its particle does and sees W and T of the limit N to infinity, which are
    given, in place of those of the N particles: so the copies are independent. The noise of a copy
    is carried to its particle along the shortest geodesic, as in `simulate_coupled`.

    Parameters
    ----------
    langevin : Langevin
    coupling : Coupling
    start : array_like, shape (n, p)
        Independent points of the limit's law at time 0.
    weights : array_like, shape (k + 1, m, D)
        W of the limit before each of k steps and after the last; the particles start with the
        first. With the step of the particles, and not that of a finer solver, no error of the step
        is left beside that of N.
    moments : array_like, shape (k + 1, D, D)
        Sigma of the limit at the same times.
    step : float
        h > 0.
    rng : numpy.random.Generator
    walk : callable, (langevin, step) -> Walk
        `GeodesicWalk` or `RetractionWalk`.
    threads : int, optional
        As for `simulate`; the numbers do not depend on it.

    Returns
    -------
    SynchronousPath

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or T becomes singular.
    DivergenceError
        If a point or Sigma leaves the finite numbers: carries the step, and all particles and, in
        the columns beside them, copies before it.

    Examples
    --------
    >>> from coupled_flows import (
    ...     Coupling, Euclidean, GaussianClosure, GaussianLaw, Langevin, evolve_walk, quadratic
    ... )
    >>> problem = Langevin(Euclidean(2), quadratic([[1.0, 0.0], [0.0, 2.0]]))
    >>> coupling, law = Coupling("logtrace", kappa=1.0), GaussianLaw([0.0, 0.0], np.eye(2))
    >>> closure, rng = GaussianClosure(problem, coupling), np.random.default_rng(1)
    >>> limit = evolve_walk(closure, law, [[0.6, 0.8]], 0.05, 40)
    >>> path = simulate_synchronous(
    ...     problem, coupling, law.sample(10_000, rng), limit.weights, limit.moments, 0.05, rng
    ... )
    >>> bool(path.distance[-1] < 0.02), bool(np.abs(path.weights - limit.weights).max() < 0.02)
    (True, True)
    """
    bar = not_empty("weights", check_array("weights", weights, ("k + 1", "m", "D")))
    swarm = Swarm(langevin, coupling, start, bar[0], "weights[0]")
    sigmas = check_array("moments", moments, (len(bar), *swarm.sigma.shape))
    least = np.linalg.eigvalsh(coupling.tension(sigmas, bar)).min(axis=-1)
    if least.min() <= 0:
        raise ValueError(
            "weights and moments must have T > 0 together; got the eigenvalue"
            f" {least.min():g} of T at step {np.argmin(least)}"
        )
    copies = Swarm(langevin, coupling, start, bar[0], "weights[0]")
    allowed = "a walk with Gaussian steps, such as GeodesicWalk"
    moves = [each.walk(walk, step, GaussianWalk, allowed) for each in (swarm, copies)]
    h, p, pair = moves[0].step, langevin.manifold.point_dim, Pair(moves[0], moves[1], 1)
    record = [(swarm.W, swarm.sigma, 0.0)]
    copies.see(sigmas[0], bar[0])

    def observe(k: int, both: Array, both_next: Array) -> None:
        x, y = both_next[:, :p], both_next[:, p:]
        swarm.follow(k + 1, x, h)
        copies.see(sigmas[k + 1], bar[k + 1])
        apart = langevin.manifold.dist(x, y)
        record.append((swarm.W, swarm.sigma, float(np.sqrt(np.mean(apart**2)))))

    both = np.concatenate([swarm.points, swarm.points], axis=1)
    both = run_together(pair.advance, h, both, len(bar) - 1, rng, observe, None, threads)
    W, sigma, distance = (np.array(column) for column in zip(*record, strict=True))
    return SynchronousPath(
        h * np.arange(len(bar)), W, sigma, distance, both[:, :p].copy(), both[:, p:].copy()
    )
