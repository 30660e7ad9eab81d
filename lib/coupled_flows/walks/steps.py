"""The walks that always move: one step of each, equations (1a) to (1c).

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
    DivergenceError,
    check_choice,
    check_real,
    check_rng,
    check_type,
)
from coupled_flows.geometry.workspace import Workspace
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
        DivergenceError
            If a walker leaves the finite numbers.

        Examples
        --------
        >>> from coupled_flows import GeodesicWalk, Langevin, Sphere, zero
        >>> walk = GeodesicWalk(Langevin(Sphere(2), zero()), step=0.01)
        >>> north = np.array([[0.0, 0.0, 1.0]])
        >>> walk.step_from(north, np.random.default_rng(1)).shape
        (1, 3)
        """
        here = self.langevin.manifold.check_points("x", x).T.copy()
        start = here.T.copy()
        with np.errstate(all="ignore"):  # what is not finite is found and reported below
            self.advance(here, check_rng(rng), Workspace())
        if not np.isfinite(here).all():
            raise DivergenceError(
                f"the step left the finite numbers (step = {self.step:g}); a smaller one may cure"
                " it",
                step=1,
                state=start,
            )
        return here.T

    def _pull(self, x: Array, w: Array, work: Workspace) -> None:
        """Add the drift -h grad U (ambient) to w, component first."""
        gradient = np.asarray(self.langevin.potential.gradient(read_only(x.T)))
        _check_shape("potential.gradient(x)", gradient, x.T.shape)
        pull = np.multiply(gradient.T, -self.step, out=work.take("pull", *x.shape))
        w += pull

    def _energy(self, x: Array) -> Array:
        """Return U at positions that are component first."""
        energy = np.asarray(self.langevin.potential.value(read_only(x.T)))
        _check_shape("potential.value(x)", energy, x.T.shape[:1])
        return energy


def read_only(x: Array) -> Array:
    """Return a view of x that cannot be written to."""
    view = x.view()
    view.flags.writeable = False
    return view


def _check_shape(name: str, value: Array, shape: tuple[int, ...]) -> None:
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}; got shape {value.shape}")


@dataclass(frozen=True)
class GaussianWalk(Walk):
    """A walk whose noise is a Gaussian tangent vector, so that another walk can lend it."""

    @abstractmethod
    def drive(self, x: Array, w: Array, work: Workspace) -> None:
        """Take the step with the noise w, component first: x is overwritten, w is used up.

        Parameters
        ----------
        x, w : ndarray, shape (p, n)
            Positions, and vectors whose tangential part is the noise sqrt(2h/beta) xi.
        work : Workspace
        """

    def advance(self, x: Array, rng: np.random.Generator, work: Workspace) -> None:
        w = rng.standard_normal(out=work.take("w", *x.shape))
        w *= self.noise
        self.drive(x, w, work)


@dataclass(frozen=True)
class GeodesicWalk(GaussianWalk):
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

    def drive(self, x: Array, w: Array, work: Workspace) -> None:
        self._pull(x, w, work)
        self.langevin.manifold.move(x, w, work)


@dataclass(frozen=True)
class RetractionWalk(GaussianWalk):
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

    def drive(self, x: Array, w: Array, work: Workspace) -> None:
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
