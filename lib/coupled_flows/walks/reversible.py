"""The walks that may stay: a geodesic proposal, accepted or not, equations (1d) and (1d')."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.workspace import Workspace
from coupled_flows.walks.steps import Walk


@dataclass(frozen=True)
class ReversibleWalk(Walk):
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
        y = work.take("y", *x.shape)
        np.copyto(y, x)
        w = rng.standard_normal(out=work.take("w", *x.shape))
        w *= self.spread
        self.langevin.manifold.move(y, w, work)
        rise = self.langevin.beta * (self._energy(y) - self._energy(x))
        taken = rng.random(out=work.take("share", n)) < self.acceptance(rise)
        # a walker whose energy is not a number must not look as if it had stayed
        lost = np.isnan(rise)
        np.copyto(x, y, where=taken)
        if lost.any():
            x[:, lost] = np.nan


@dataclass(frozen=True)
class MetropolisWalk(ReversibleWalk):
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
class BarkerWalk(ReversibleWalk):
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
