"""Generators on a manifold with a basis, and the one-step operators of walks on the same nodes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.generators.dense import DenseGenerator
from coupled_flows.generators.onestep import check_known
from coupled_flows.generators.operators import Transition
from coupled_flows.geometry.errors import (
    Array,
    check_array,
    check_columns,
    check_type,
)
from coupled_flows.measure.angles import checked_fit
from coupled_flows.measure.laws import Law
from coupled_flows.walks.steps import Walk


class SpectralGenerator(DenseGenerator):
    """A generator on a manifold with a basis: it evolves laws, and walks, without sampling.

    `basis(points)` holds the basis functions at points in rows, `analysis` turns node values
    into coefficients; their product interpolates.
    """

    analysis: Array

    @abstractmethod
    def basis(self, points: Array) -> Array:
        """Return the basis functions at points, (m, p) -> (m, n)."""

    @abstractmethod
    def law(self, density: Callable[[Array], ArrayLike]) -> Law:
        """Return the law with that density, normalised for you."""

    @abstractmethod
    def weights_of(self, law: Law) -> Array:
        """Return a law as weights (n,) on the nodes."""

    @abstractmethod
    def law_of(self, weights: Array) -> Law:
        """Return the law with those weights (n,) on the nodes."""

    @abstractmethod
    def expected_basis(self, walk: Walk) -> Array:
        """Return the mean of the basis functions one step after each node, (n, n)."""

    def interpolate(self, f: ArrayLike, points: ArrayLike) -> Array:
        """Return f, given at the nodes, at other points of the manifold.

        Parameters
        ----------
        f : array_like, shape (n,) or (n, k)
        points : array_like, shape (m, p)

        Returns
        -------
        ndarray, shape (m,) or (m, k)

        Raises
        ------
        ValueError
            If `f` has another shape, or a point is off the manifold.
        """
        where = self.langevin.manifold.check_points("points", points)
        return self.basis(where) @ (self.analysis @ check_columns("f", f, len(self.nodes)))

    @property
    def stationary(self) -> Law:
        """The law pi."""
        return self.law_of(self.mass)

    @overload
    def evolve(self, law: Law, times: float) -> Law: ...
    @overload
    def evolve(self, law: Law, times: Array | list[float]) -> list[Law]: ...
    def evolve(self, law: Law, times: float | Array | list[float]) -> Law | list[Law]:
        """Return the diffusion's law after some time, by the Fokker-Planck equation.

        Parameters
        ----------
        law : Law
            At time 0: a density made by `law`, or atoms (`PointLaw`, `RingLaw`).
        times : float or array_like of float, shape (k,)
            Times >= 0.

        Returns
        -------
        Law, or list of Law for an array of times

        Raises
        ------
        ValueError
            If a time is negative or `law` cannot be written on this generator's nodes.
        """
        start = self.weights_of(law)
        single = np.ndim(times) == 0
        when = check_array("times", np.atleast_1d(times), ("k",))
        if when.min(initial=0.0) < 0:
            raise ValueError(f"times must be >= 0; got {when.min():g}")
        rates, frame = self._spectrum
        root = np.sqrt(self.mass)
        spectrum = (start / root) @ frame
        laws = [
            law if t == 0 else self.law_of(((spectrum * np.exp(-rates * t)) @ frame.T) * root)
            for t in when
        ]
        return laws[0] if single else laws

    def transition(self, walk: Walk) -> SpectralTransition:
        """Return the one-step operator of a walk on this generator's nodes.

        Parameters
        ----------
        walk : Walk
            Of the same Langevin problem.

        Returns
        -------
        SpectralTransition

        Raises
        ------
        TypeError, ValueError
            If `walk` is not a walk of this Langevin problem.
        """
        return SpectralTransition(self, walk)

    def evolve_walk(self, walk: Walk, law: Law, n_steps: int) -> Law:
        """Return the walk's law after `n_steps` steps; see `transition`.

        Raises
        ------
        TypeError, ValueError
            As `transition` and `SpectralTransition.evolve`.
        """
        return self.transition(walk).evolve(law, n_steps)


@dataclass(frozen=True, eq=False)
class SpectralTransition(Transition):
    """The one-step operator P_h f(x) = E f(X_{k+1}) given X_k = x of a walk, on nodes.

    Parameters
    ----------
    generator : SpectralGenerator
        Gives nodes and basis.
    walk : Walk

    Raises
    ------
    TypeError, ValueError
        If `generator` is not a spectral generator, or `walk` not a walk of its Langevin problem.

    Examples
    --------
    >>> from coupled_flows import FourierGenerator, GeodesicWalk, Langevin, Torus, zero
    >>> problem = Langevin(Torus(1), zero(), beta=2.0)
    >>> generator = FourierGenerator(problem, modes=4)
    >>> step = generator.transition(GeodesicWalk(problem, step=0.5))
    >>> wave = np.cos(2 * step.nodes[:, 0])
    >>> bool(np.allclose(step.apply(wave), np.exp(-1) * wave))
    True
    """

    generator: SpectralGenerator
    walk: Walk

    def __post_init__(self) -> None:
        check_type("generator", self.generator, SpectralGenerator, "a spectral generator")
        check_type("walk", self.walk, Walk, "a walk, such as GeodesicWalk(langevin, step)")
        check_known(self.walk)
        if self.walk.langevin != self.generator.langevin:
            raise ValueError(
                "walk must be a walk of the generator's own Langevin problem; got one of"
                f" {self.walk.langevin!r}"
            )

    @cached_property
    def matrix(self) -> Array:
        """P_h on node values, (n, n); its rows sum to 1."""
        return self.generator.expected_basis(self.walk) @ self.generator.analysis

    @property
    def nodes(self) -> Array:
        """The generator's nodes, (n, p)."""
        return self.generator.nodes

    @property
    def step(self) -> float:
        """The walk's step h."""
        return self.walk.step

    @cached_property
    def weights(self) -> Array:
        """The stationary law pi_h of the walk, as weights on the nodes."""
        n = len(self.nodes)
        pi = self.generator.mass
        # m (I - P) = 0 and m 1 = 1 together are m (I - P + 1 pi') = pi'
        return np.linalg.solve((np.eye(n) - self.matrix + np.outer(np.ones(n), pi)).T, pi)

    def weights_of(self, law: Law) -> Array:
        """Return a law as weights (n,) on the nodes."""
        return self.generator.weights_of(law)

    def law_of(self, weights: Array) -> Law:
        """Return the law with those weights (n,) on the nodes."""
        return self.generator.law_of(weights)

    def _solve(self, f: Array, lam: float) -> Array:
        n = len(self.nodes)
        system = (1 + lam * self.step) * np.eye(n) - self.matrix
        return np.linalg.solve(system + np.outer(np.ones(n), self.weights), self.step * f)


def check_gibbs(generator: SpectralGenerator, off: Array, argument: str) -> None:
    """Compare the interpolant of exp(-beta U) with its values at points off the nodes.

    Raises
    ------
    ValueError
        If they differ: the nodes do not resolve it.
    """
    langevin = generator.langevin
    energy = langevin.beta * langevin.energy(np.concatenate([generator.nodes, off]))
    density = np.exp(energy.min() - energy)
    n = len(generator.nodes)
    series = generator.basis(off) @ (generator.analysis @ density[:n])
    checked_fit(series, density[n:], argument, "exp(-beta U)")
