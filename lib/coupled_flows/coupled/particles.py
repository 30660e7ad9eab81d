"""N walkers and weights coupled both ways.

A step moves every point by a walk in the potential of `swarm`, with W and T as they stand; then
takes Sigma, the mean of y y' over all points, the weights exactly through the time h with Sigma at
rest, and T from both. The walk is any of the library's: the reversible ones keep the stationary law
of fixed W and T at any h. All blocks of points wait for one another, since each needs Sigma.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.coupled.functional import Coupling
from coupled_flows.coupled.swarm import Swarm, run_together
from coupled_flows.geometry.errors import Array, DivergenceError, check_every, check_integer
from coupled_flows.measure.laws import PointLaw
from coupled_flows.walks.langevin import Langevin
from coupled_flows.walks.steps import GeodesicWalk, Walk


@dataclass(frozen=True, eq=False)
class ParticlePath:
    """Particles and weights at some times; made by `simulate_particles`.

    Attributes
    ----------
    times : ndarray, shape (time,)
    laws : list of PointLaw
        The points, of equal weights; with `keep_points=False` those at the last time alone.
    weights : ndarray, shape (time, m, D)
    moments : ndarray, shape (time, D, D)
        Sigma, the mean of y y' over the points.
    energy : ndarray, shape (time,)
        Mean of U plus kappa E(W; Sigma): F without its entropy, which points do not have.
    """

    times: Array
    laws: list[PointLaw]
    weights: Array
    moments: Array
    energy: Array


def simulate_particles(
    langevin: Langevin,
    coupling: Coupling,
    start: ArrayLike,
    W0: ArrayLike,
    step: float,
    n_steps: int,
    rng: np.random.Generator,
    every: int | None = None,
    *,
    walk: Callable[[Langevin, float], Walk] = GeodesicWalk,
    keep_points: bool = True,
    threads: int | None = None,
    progress: bool = False,
) -> ParticlePath:
    """Run particles and weights coupled both ways.

    Parameters
    ----------
    langevin : Langevin
        The problem without coupling.
    coupling : Coupling
        Its embedding takes points of the manifold; None stands for points as they are.
    start : array_like, shape (n, p)
    W0 : array_like, shape (m, D)
        With T > 0 at the start.
    step : float
        h > 0.
    n_steps : int
        >= 0.
    rng : numpy.random.Generator
        Gives one child seed to each block of 25 000 points, as for `simulate`.
    every : int, optional
        Record the start and then every `every`-th step; it divides `n_steps`. By default start
        and end.
    walk : callable, (langevin, step) -> Walk
        Such as `GeodesicWalk`, `MetropolisWalk` or `BarkerWalk`.
    keep_points : bool
        Record the points too, not only W, Sigma and the energy.
    threads : int, optional
        As for `simulate`; the numbers do not depend on it.
    progress : bool
        Show a tqdm bar (needs tqdm).

    Returns
    -------
    ParticlePath

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or T becomes singular.
    DivergenceError
        If a point or Sigma leaves the finite numbers: carries the step, and all points before it.

    Notes
    -----
    On bounded times the weights and Sigma are O(N^{-1/2}) from those of N to infinity with the same
    step, which are O(h) from the coupled flow, with Metropolis' walk O(h^{1/2}). At rest, with a
    reversible walk, those of N to infinity do not depend on the step.

    Examples
    --------
    >>> from coupled_flows import BarkerWalk, Coupling, Langevin, Sphere, zero
    >>> problem, rng = Langevin(Sphere(2), zero()), np.random.default_rng(1)
    >>> coupling, start = Coupling("logtrace", kappa=10.0), Sphere(2).random_point(2000, rng)
    >>> path = simulate_particles(
    ...     problem, coupling, start, [[0.0, 0.0, 1.0]], 0.05, 200, rng, walk=BarkerWalk
    ... )
    >>> W = path.weights[-1]
    >>> (W @ W.T).round(3), (W @ path.moments[-1] @ W.T).round(1)
    (array([[1.]]), array([[0.8]]))
    """
    swarm = Swarm(langevin, coupling, start, W0)
    moves = swarm.walk(walk, step, Walk, "a walk")
    n_steps = check_integer("n_steps", n_steps)
    every = check_every(every, n_steps)
    record: list[tuple[Array, Array, float]] = []

    def keep(k: int, x: Array) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            energy = float(np.mean(langevin.potential.value(x)))
        if not np.isfinite(energy):
            raise DivergenceError(f"U left the finite numbers at step {k}", k, x)
        record.append((swarm.W, swarm.sigma, energy))

    def observe(k: int, x: Array, x_next: Array) -> None:
        swarm.follow(k + 1, x_next, moves.step)
        if (k + 1) % every == 0:
            keep(k + 1, x_next)

    keep(0, swarm.points)
    at = every if keep_points else None
    points = run_together(
        moves.advance, moves.step, swarm.points, n_steps, rng, observe, at, threads, progress
    )
    weights, moments, energy = (np.array(column) for column in zip(*record, strict=True))
    return ParticlePath(
        moves.step * every * np.arange(len(record)),
        [PointLaw(x, manifold=langevin.manifold) for x in (points if keep_points else [points])],
        weights,
        moments,
        energy + coupling.kappa * coupling.energy(moments, weights),
    )
