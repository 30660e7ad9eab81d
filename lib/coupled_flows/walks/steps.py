"""The walks: one step of each, equations (1a) to (1d').

A walk advances a block of walkers in place, component first; `step_from` is the same step on
points in rows. In all of them h is `step`, and xi is a standard Gaussian in the tangent space
unless said otherwise.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import (
    Array,
    check_choice,
    check_real,
    check_rng,
    check_type,
)
from coupled_flows.geometry.manifold import Workspace
from coupled_flows.walks.langevin import Langevin


@dataclass(frozen=True)
class Walk(ABC):
    """A discrete-time Markov chain on the manifold with time step h.

    Parameters
    ----------
    langevin : Langevin
    step : float
        h > 0, in units of time.

    Raises
    ------
    TypeError, ValueError
        If `langevin` is not a Langevin problem or `step` not a positive number.
    """

    langevin: Langevin
    step: float

    def __post_init__(self) -> None:
        check_type("langevin", self.langevin, Langevin, "a Langevin problem")
        object.__setattr__(self, "step", check_real("step", self.step, above=0))

    @property
    def noise(self) -> float:
        """Standard deviation of one component of a step's noise: sqrt(2h/beta)."""
        return math.sqrt(2 * self.step / self.langevin.beta)

    @abstractmethod
    def advance(self, x: Array, rng: np.random.Generator, work: Workspace) -> None:
        """Overwrite x, component first (p, n), with the next positions."""

    def step_from(self, x: ArrayLike, rng: np.random.Generator) -> Array:
        """Take one step from each point.

        Parameters
        ----------
        x : array_like, shape (n, p)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n, p)

        Raises
        ------
        ValueError, TypeError
            If a point is off the manifold or `rng` not a Generator.

        Examples
        --------
        >>> from coupled_flows import GeodesicWalk, Langevin, Sphere, zero
        >>> walk = GeodesicWalk(Langevin(Sphere(2), zero()), step=0.01)
        >>> north = np.array([[0.0, 0.0, 1.0]])
        >>> walk.step_from(north, np.random.default_rng(1)).shape
        (1, 3)
        """
        here = self.langevin.manifold.check_points("x", x).T.copy()
        self.advance(here, check_rng(rng), Workspace())
        return here.T

    def _pull(self, x: Array, w: Array, work: Workspace) -> None:
        """Add the drift -h grad U (ambient) to w."""
        gradient = self.langevin.potential.gradient(x.T).T
        pull = np.multiply(gradient, -self.step, out=work.take("pull", *x.shape))
        w += pull


@dataclass(frozen=True)
class GeodesicWalk(Walk):
    """The geodesic walk x' = exp_x(-h grad U + sqrt(2h/beta) xi), equation (1a).

    Parameters
    ----------
    langevin : Langevin
    step : float
        h > 0.

    Raises
    ------
    TypeError, ValueError
        As for every walk.

    Examples
    --------
    >>> from coupled_flows import GeodesicWalk, Langevin, Torus, fourier
    >>> walk = GeodesicWalk(Langevin(Torus(1), fourier(cos={1: 1.0})), step=0.1)
    >>> walk.step_from(np.array([[1.0]]), np.random.default_rng(1)).round(4)
    array([[1.2387]])
    """

    def advance(self, x: Array, rng: np.random.Generator, work: Workspace) -> None:
        w = rng.standard_normal(out=work.take("w", *x.shape))
        w *= self.noise
        self._pull(x, w, work)
        self.langevin.manifold.move(x, w, work)


@dataclass(frozen=True)
class RetractionWalk(Walk):
    """The walk (1c): (1a) with exp replaced by a second-order retraction.

    On the sphere (x + v)/|x + v|; on flat manifolds it is the geodesic walk.

    Parameters
    ----------
    langevin : Langevin
    step : float
        h > 0.

    Raises
    ------
    TypeError, ValueError
        As for every walk.

    Examples
    --------
    >>> from coupled_flows import Langevin, RetractionWalk, Sphere, zero
    >>> walk = RetractionWalk(Langevin(Sphere(2), zero()), step=0.1)
    >>> north = np.array([[0.0, 0.0, 1.0]])
    >>> bool(walk.langevin.manifold.belongs(walk.step_from(north, np.random.default_rng(1)))[0])
    True
    """

    def advance(self, x: Array, rng: np.random.Generator, work: Workspace) -> None:
        w = rng.standard_normal(out=work.take("w", *x.shape))
        w *= self.noise
        self._pull(x, w, work)
        self.langevin.manifold.shift(x, w, work)


@dataclass(frozen=True)
class BoundedWalk(Walk):
    """The walk (1b): bounded noise, symmetric, of mean 0 and covariance I, isotropic.

    Parameters
    ----------
    langevin : Langevin
    step : float
        h > 0.
    law : {"sphere", "ball"}
        xi uniform on the sphere of radius sqrt(d) in the tangent space (on the circle: random
        signs), or uniform in the ball of radius sqrt(d + 2) (on the circle: uniform on
        [-sqrt(3), sqrt(3)]).

    Raises
    ------
    TypeError, ValueError
        As for every walk, and if `law` is another word.

    Examples
    --------
    >>> from coupled_flows import BoundedWalk, Langevin, Torus, zero
    >>> walk = BoundedWalk(Langevin(Torus(1), zero()), step=0.5)
    >>> walk.step_from(np.array([[2.0], [2.0]]), np.random.default_rng(1))
    array([[3.],
           [3.]])
    """

    law: str = "sphere"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("law", self.law, ("sphere", "ball"))

    @property
    def radius(self) -> float:
        """Largest length of xi: sqrt(d) for the sphere, sqrt(d + 2) for the ball."""
        return math.sqrt(self.langevin.manifold.dim + (2 if self.law == "ball" else 0))

    def advance(self, x: Array, rng: np.random.Generator, work: Workspace) -> None:
        manifold = self.langevin.manifold
        w = rng.standard_normal(out=work.take("w", *x.shape))
        manifold.project(x, w, work)
        length = np.einsum("ij,ij->j", w, w, out=work.take("length", x.shape[1]))
        np.sqrt(length, out=length)
        np.divide(self.noise * self.radius, length, out=length)
        if self.law == "ball":
            share = rng.random(out=work.take("share", x.shape[1]))
            length *= np.power(share, 1 / manifold.dim, out=share)
        w *= length
        self._pull(x, w, work)
        manifold.move(x, w, work)


@dataclass(frozen=True)
class _ReversibleWalk(Walk):
    """A geodesic proposal, accepted by a rule that keeps pi exactly at every step size.

    Reversible on any complete manifold: the geodesic flow to time 1 followed by a flip of the
    velocity preserves Liouville measure, and the noise density depends on |v| only.
    """

    @property
    @abstractmethod
    def spread(self) -> float:
        """Standard deviation of one component of the proposal."""

    @abstractmethod
    def acceptance(self, rise: Array) -> Array:
        """Return the probability of a move that raises beta U by `rise`.

        Parameters
        ----------
        rise : ndarray

        Returns
        -------
        ndarray
            Of the same shape, in [0, 1].
        """

    def advance(self, x: Array, rng: np.random.Generator, work: Workspace) -> None:
        n = x.shape[1]
        energy = self.langevin.potential.value
        y = work.take("y", *x.shape)
        np.copyto(y, x)
        w = rng.standard_normal(out=work.take("w", *x.shape))
        w *= self.spread
        self.langevin.manifold.move(y, w, work)
        rise = self.langevin.beta * (energy(y.T) - energy(x.T))
        taken = rng.random(out=work.take("share", n)) < self.acceptance(rise)
        # a walker whose energy is not a number must not look as if it had stayed
        lost = np.isnan(rise)
        np.copyto(x, y, where=taken)
        if lost.any():
            x[:, lost] = np.nan


@dataclass(frozen=True)
class MetropolisWalk(_ReversibleWalk):
    """The Metropolis walk (1d): proposal exp_x(sqrt(2h/beta) xi), accepted with min(1, e^-s).

    s = beta (U(y) - U(x)). Reversible, pi exact; the kink of min(1, .) makes its generator
    error O(h^(1/2)).

    Parameters
    ----------
    langevin : Langevin
    step : float
        h > 0.

    Raises
    ------
    TypeError, ValueError
        As for every walk.

    Examples
    --------
    >>> from coupled_flows import Langevin, MetropolisWalk, Torus, fourier
    >>> walk = MetropolisWalk(Langevin(Torus(1), fourier(cos={1: 1.0})), step=0.1)
    >>> walk.acceptance(np.array([-1.0, 0.0, np.log(2)]))
    array([1. , 1. , 0.5])
    """

    @property
    def spread(self) -> float:
        """Standard deviation of one component of the proposal: sqrt(2h/beta)."""
        return self.noise

    def acceptance(self, rise: Array) -> Array:
        """Return min(1, exp(-rise))."""
        return np.exp(-np.maximum(rise, 0.0))


@dataclass(frozen=True)
class BarkerWalk(_ReversibleWalk):
    """Barker's walk (1d'): proposal exp_x(sqrt(4h/beta) xi), accepted with 1/(1 + e^s).

    s = beta (U(y) - U(x)). Reversible, pi exact, and of order one.

    Parameters
    ----------
    langevin : Langevin
    step : float
        h > 0.

    Raises
    ------
    TypeError, ValueError
        As for every walk.

    Examples
    --------
    >>> from coupled_flows import BarkerWalk, Langevin, Torus, fourier
    >>> walk = BarkerWalk(Langevin(Torus(1), fourier(cos={1: 1.0})), step=0.1)
    >>> walk.acceptance(np.array([0.0, np.log(3)]))
    array([0.5 , 0.25])
    """

    @property
    def spread(self) -> float:
        """Standard deviation of one component of the proposal: sqrt(4h/beta)."""
        return math.sqrt(2) * self.noise

    def acceptance(self, rise: Array) -> Array:
        """Return 1/(1 + exp(rise))."""
        return 0.5 * (1 - np.tanh(rise / 2))
