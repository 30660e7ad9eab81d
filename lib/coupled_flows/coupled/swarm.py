"""What points and weights that are coupled both ways share, and how all of them step together.

Points feel the potential

    U(x) - (kappa/2) (W y)' T^{-1} (W y),    y the embedded point x,                             (7)

with W and T as they stand; weights follow Sigma, the mean of y y' over the points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.coupled.functional import Coupling
from coupled_flows.geometry.errors import Array, DivergenceError, check_array, check_type
from coupled_flows.geometry.potentials import Embedding, Potential
from coupled_flows.walks.engine import Observer, Step, run
from coupled_flows.walks.langevin import Langevin
from coupled_flows.walks.steps import Walk
from coupled_flows.weights.flow import not_empty


class Swarm:
    """W and Sigma as they stand, and the points' potential.

    Parameters
    ----------
    langevin : Langevin
        The problem without coupling.
    coupling : Coupling
    start : array_like, shape (n, p)
    W0 : array_like, shape (m, D)
    name : str
        What `W0` is called in errors.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or T is singular at the start.
    """

    def __init__(
        self,
        langevin: Langevin,
        coupling: Coupling,
        start: ArrayLike,
        W0: ArrayLike,
        name: str = "W0",
    ) -> None:
        check_type("langevin", langevin, Langevin, "a Langevin problem")
        check_type("coupling", coupling, Coupling, "a Coupling, such as Coupling('logdet', 1.0)")
        self.coupling, self.uncoupled = coupling, langevin
        self.points = langevin.manifold.check_points("start", start)
        if not len(self.points):
            raise ValueError("start must hold at least one point; got none")
        y = coupling.embed(self.points)
        W = not_empty(name, check_array(name, W0, ("m", y.shape[1])))
        sigma = coupling.second_moments(y)
        coupling.energy(sigma, W, name)  # which says if T is singular
        self.see(sigma, W)

    def see(self, sigma: Array, W: Array) -> None:
        """Let the points feel W at these second moments from now on."""
        self.sigma, self.W, self._felt = sigma, W, self.coupling.spanning(W)
        self._T = self.coupling.tension(sigma, self._felt)

    def follow(self, step: int, points: Array, h: float) -> None:
        """Let the weights follow the points, which have taken a step of length h."""
        with np.errstate(over="ignore", invalid="ignore"):
            sigma = self.coupling.second_moments(self.coupling.embed(points))
        if not np.isfinite(sigma).all():
            message = f"Sigma left the finite numbers at step {step} (step = {h:g})"
            raise DivergenceError(message, step, points)
        self.see(sigma, self.coupling.weight_step(sigma, self.W, h))

    def walk(
        self, kind: Callable[[Langevin, float], Walk], step: float, base: type, allowed: str
    ) -> Any:
        """Return a walk in the potential that the points feel."""
        if not callable(kind):
            raise TypeError(f"walk must be a class of walks, such as GeodesicWalk; got {kind!r}")
        potential = Potential(self._value, self._gradient)
        # U was probed with its problem; what may still be wrong is the Jacobian of a user
        problem = Langevin if type(self.coupling.embedding) is Embedding else _Probed
        coupled = problem(self.uncoupled.manifold, potential, self.uncoupled.beta)
        return check_type("walk(langevin, step)", kind(coupled, step), base, allowed)

    # unchecked: a point that leaves the finite numbers is found by the engine

    def _value(self, x: Array) -> Array:
        energy = np.asarray(self.uncoupled.potential.value(x))
        return energy + self.coupling.field(self.coupling.seen(x), self._felt, self._T)

    def _gradient(self, x: Array) -> Array:
        y = self.coupling.seen(x)
        force = self.coupling.pull(x, self.coupling.force(y, self._felt, self._T), y)
        return np.asarray(self.uncoupled.potential.gradient(x)) - force


class _Probed(Langevin):
    """A problem whose potential needs no probe."""

    def _probe(self) -> None:
        pass


def run_together(
    advance: Step,
    h: float,
    start: Array,
    n_steps: int,
    rng: np.random.Generator,
    observe: Observer,
    every: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Array:
    """Do what `run` says for points that see what `observe` changes after each step.

    Where they were before an error cannot be found by running them again: it is kept.
    """
    last = start

    def watch(k: int, x: Array, x_next: Array) -> None:
        nonlocal last
        last = x
        observe(k, x, x_next)
        last = x_next

    try:
        return run(advance, h, start, n_steps, rng, every, watch, threads, progress)
    except DivergenceError as error:
        raise DivergenceError(error.message, error.step, last.copy(), error.path) from None
