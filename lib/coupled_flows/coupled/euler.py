"""Infinitely many particles on R^d with a quadratic potential: their Euler walk, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.coupled.closure import GaussianClosure, GaussianPath, second_moments
from coupled_flows.geometry.errors import (
    DivergenceError,
    check_every,
    check_integer,
    check_real,
    check_type,
)
from coupled_flows.measure.laws import GaussianLaw


def evolve_walk(
    closure: GaussianClosure,
    law: GaussianLaw,
    W0: ArrayLike,
    step: float,
    n_steps: int,
    every: int | None = 1,
) -> GaussianPath:
    """Return what infinitely many particles do: the law of their Euler walk, and W.

    One step takes the points with W and T at rest, and then the weights with Sigma at rest:

        m <- m + h (K m - A (m - c)),  C <- (I + h (K - A)) C (I + h (K - A)) + (2h/beta) I,
        W <- `Coupling.weight_step`(Sigma, W, h).

    So it is `simulate_particles` for N to infinity, with the same step.

    Parameters
    ----------
    closure : GaussianClosure
    law : GaussianLaw
        At time 0; with a density.
    W0 : array_like, shape (m, d)
    step : float
        h > 0.
    n_steps : int
        >= 0.
    every : int, optional
        Record the start and then every `every`-th step; it divides `n_steps`. None stands for
        start and end.

    Returns
    -------
    GaussianPath

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or the energy of W0 is infinite.
    DivergenceError
        If E |x|^2 grows by a factor of 1e9, as under a `NaiveCoupling`, or with too long a step:
        carries the step, and the Sigma before it.

    Examples
    --------
    >>> from coupled_flows import (
    ...     Coupling, Euclidean, GaussianClosure, GaussianLaw, Langevin, quadratic
    ... )
    >>> problem = Langevin(Euclidean(1), quadratic([[1.0]]))
    >>> closure = GaussianClosure(problem, Coupling("logtrace", kappa=3.0))
    >>> path = evolve_walk(closure, GaussianLaw([0.0], [[1.0]]), [[1.0]], 0.1, 200, every=200)
    >>> path.laws[-1].covariance.round(3)  # of the diffusion: 4
    array([[4.013]])
    """
    check_type("closure", closure, GaussianClosure, "a GaussianClosure")
    law, W = closure.check_law(law), closure.check_weights("W0", W0)
    h, n_steps = check_real("step", step, above=0), check_integer("n_steps", n_steps)
    every = check_every(every, n_steps)
    mean, C = law.mean, law.covariance
    sigma = second_moments(mean, C)
    closure.coupling.energy(sigma, W, "W0")
    states, far = [(mean, C, W)], closure.too_far(sigma, W)
    source = h * closure.hessian @ closure.centre
    noise = 2 * h / closure.langevin.beta * np.eye(closure.d)
    for k in range(1, n_steps + 1):
        factor = np.eye(closure.d) + h * (closure.attraction(sigma, W) - closure.hessian)
        mean, C = factor @ mean + source, factor @ C @ factor + noise
        C = (C + C.T) / 2
        moved = second_moments(mean, C)
        if not np.trace(moved) < far:
            raise DivergenceError(
                f"the points run away: E |x|^2 exceeds {far:g} at step {k} (step = {h:g}), as under"
                " a naive coupling it may; else a smaller step cures it",
                step=k,
                state=sigma,
            )
        sigma, W = moved, closure.coupling.weight_step(moved, W, h)
        if k % every == 0:
            states.append((mean, C, W))
    return closure.record(h * np.arange(0, n_steps + 1, every), states)
