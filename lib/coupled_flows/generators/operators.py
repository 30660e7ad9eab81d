"""What generators and transitions have in common: resolvents, Poisson equations, semigroups.

Functions are their values at nodes, and M = diag(mass) holds the mass of pi at each node. A
reversible generator is given by its matrix L and by a factor F of its Dirichlet form,

    <f, -L g>_pi = (F M^{1/2} f)' (F M^{1/2} g),   -L = M^{-1/2} F'F M^{1/2},   F M^{1/2} 1 = 0.

F is the gradient conjugated with the root of pi: its entries do not grow with the height of the
barriers, and its singular vectors give resolvent, Poisson equation and semigroup together.
Constants are kept, and mass, to rounding. A law is its weights on the nodes: the numbers that
integrate every resolved function.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import (
    Array,
    check_columns,
    check_real,
)
from coupled_flows.measure.laws import Law
from coupled_flows.walks.langevin import Langevin

LARGEST_BARRIER = 30.0


class Generator(ABC):
    """The generator L of a Langevin problem on nodes; see the module for the form it has.

    Attributes
    ----------
    langevin : Langevin
    nodes : ndarray, shape (n, p)
        Points of the manifold.
    mass : ndarray, shape (n,)
        Mass of pi at each node, of sum 1.
    matrix : ndarray, shape (n, n)
        L on node values; its rows sum to 0.
    factor : ndarray, shape (n, n)
        F, the factor of the Dirichlet form.
    """

    langevin: Langevin
    nodes: Array
    mass: Array
    matrix: Array
    factor: Array

    @cached_property
    def _spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues of -L, ascending, and eigenvectors of F'F in columns."""
        root = np.sqrt(self.mass)
        _, singular, rows = np.linalg.svd(self.factor)
        rates, frame = singular[::-1] ** 2, rows[::-1].T.copy()
        # the first is known: constants, which every other function is orthogonal to
        rates[0] = 0.0
        frame[:, 0] = root
        frame[:, 1:] -= np.outer(root, root @ frame[:, 1:])
        return rates, frame

    def _through_spectrum(self, f: Array, scale: Callable[[Array], Array]) -> Array:
        """Return scale(-L) f."""
        rates, frame = self._spectrum
        root = np.sqrt(self.mass).reshape(-1, *[1] * (f.ndim - 1))
        weights = scale(rates).reshape(-1, *[1] * (f.ndim - 1))
        return frame @ (weights * (frame.T @ (root * f))) / root

    @property
    def gap(self) -> float:
        """The smallest positive eigenvalue of -L on the functions held here, in units of 1/time."""
        return float(self._spectrum[0][1])

    def apply(self, f: ArrayLike) -> Array:
        """Return L f.

        Parameters
        ----------
        f : array_like, shape (n,) or (n, k)
            Values at the nodes.

        Returns
        -------
        ndarray, of the shape of f

        Raises
        ------
        ValueError
            If `f` has another shape or is not finite.
        """
        return self.matrix @ check_columns("f", f, len(self.nodes))

    def semigroup(self, f: ArrayLike, time: float) -> Array:
        """Return e^{tL} f: at each node x, the mean of f(X_t) started from x.

        Parameters
        ----------
        f : array_like, shape (n,) or (n, k)
        time : float
            t >= 0.

        Returns
        -------
        ndarray, of the shape of f

        Raises
        ------
        ValueError
            If `f` has another shape, or `time` is negative.
        """
        t = check_real("time", time, least=0)
        return self._through_spectrum(
            check_columns("f", f, len(self.nodes)), lambda rate: np.exp(-rate * t)
        )

    def resolvent(self, f: ArrayLike, lam: float) -> Array:
        """Return u = (lam - L)^{-1} f, with f as given (not centred).

        u(x) is the mean of the integral of e^{-lam t} f(X_t) over t >= 0, started from x.

        Parameters
        ----------
        f : array_like, shape (n,) or (n, k)
        lam : float
            lambda > 0, in units of 1/time.

        Returns
        -------
        ndarray, of the shape of f

        Raises
        ------
        ValueError
            If `f` has another shape, or `lam` is not positive.
        """
        shift = check_real("lam", lam, above=0)
        return self._through_spectrum(
            check_columns("f", f, len(self.nodes)), lambda rate: 1 / (shift + rate)
        )

    def poisson(self, f: ArrayLike) -> Array:
        """Return the solution phi of -L phi = f - pi f with pi phi = 0.

        Parameters
        ----------
        f : array_like, shape (n,) or (n, k)

        Returns
        -------
        ndarray, of the shape of f

        Raises
        ------
        ValueError
            If `f` has another shape or is not finite.
        """
        centred = self._centred(check_columns("f", f, len(self.nodes)))

        def inverse(rates: Array) -> Array:
            return np.concatenate([[0.0], 1 / rates[1:]])

        return self._through_spectrum(centred, inverse)

    def stationary_mean(self, f: ArrayLike) -> Array:
        """Return pi f: a number for f of shape (n,), an array (k,) for (n, k).

        Raises
        ------
        ValueError
            If `f` has another shape or is not finite.
        """
        return self.mass @ check_columns("f", f, len(self.nodes))

    def _centred(self, f: Array) -> Array:
        return f - self.mass @ f

    def asymptotic_covariance(self, f: ArrayLike) -> Array:
        """Return C = 2 <f - pi f, phi>_pi: time averages of f have covariance C/t for large t.

        Parameters
        ----------
        f : array_like, shape (n,) or (n, k)

        Returns
        -------
        ndarray, shape (k, k)
            Symmetric, positive semidefinite; (1, 1) for f of shape (n,).

        Raises
        ------
        ValueError
            If `f` has another shape or is not finite.
        """
        values = check_columns("f", f, len(self.nodes))
        columns = self._centred(values.reshape(len(values), -1))
        half = columns.T @ (self.mass[:, None] * self.poisson(columns))
        return half + half.T


class Transition(ABC):
    """A Markov chain's one-step operator P f(x) = E f(X_{k+1}) given X_k = x, on nodes.

    Raises
    ------
    TypeError
        If it is called: a generator's `transition(walk)` makes one.

    Examples
    --------
    >>> from coupled_flows import FourierGenerator, GeodesicWalk, Langevin, Torus, zero
    >>> problem = Langevin(Torus(1), zero(), beta=2.0)
    >>> one_step = FourierGenerator(problem, modes=4).transition(GeodesicWalk(problem, step=0.5))
    >>> isinstance(one_step, Transition)
    True
    """

    @property
    @abstractmethod
    def nodes(self) -> Array:
        """The points it acts on, (n, p)."""

    @property
    @abstractmethod
    def matrix(self) -> Array:
        """P on node values, (n, n); its rows sum to 1."""

    @property
    @abstractmethod
    def step(self) -> float:
        """The time that one step takes."""

    @property
    @abstractmethod
    def weights(self) -> Array:
        """The stationary law on the nodes, (n,): the numbers of sum 1 with weights P = weights."""

    @property
    @abstractmethod
    def stationary(self) -> Law:
        """The stationary law."""

    def apply(self, f: ArrayLike) -> Array:
        """Return P f for values f at the nodes, (n,) or (n, k).

        Raises
        ------
        ValueError
            If `f` has another shape or is not finite.
        """
        return self.matrix @ check_columns("f", f, len(self.nodes))

    def stationary_mean(self, f: ArrayLike) -> Array:
        """Return the stationary mean of values f at the nodes, (n,) or (n, k).

        Raises
        ------
        ValueError
            If `f` has another shape or is not finite.
        """
        return self.weights @ check_columns("f", f, len(self.nodes))

    def poisson(self, f: ArrayLike) -> Array:
        """Return the solution phi of (I - P) phi = h (f - mean f) of stationary mean 0.

        Parameters
        ----------
        f : array_like, shape (n,) or (n, k)

        Returns
        -------
        ndarray, of the shape of f

        Raises
        ------
        ValueError
            If `f` has another shape or is not finite.
        """
        values = check_columns("f", f, len(self.nodes))
        n = len(self.nodes)
        matrix = np.eye(n) - self.matrix + np.outer(np.ones(n), self.weights)
        return np.linalg.solve(matrix, self.step * (values - self.weights @ values))

    @overload
    def evolve(self, law: Law, n_steps: int) -> Law: ...
    @overload
    def evolve(self, law: Law, n_steps: int, every: int) -> list[Law]: ...
    @abstractmethod
    def evolve(self, law: Law, n_steps: int, every: int | None = None) -> Law | list[Law]:
        """Return the chain's law after `n_steps` steps."""


def gibbs_mass(langevin: Langevin, nodes: Array, quadrature: Array) -> Array:
    """Return the mass of pi at nodes with quadrature weights, of sum 1.

    Raises
    ------
    ValueError
        If beta (max U - min U) exceeds 30: the root of pi then spans e^{15}, and a law that
        starts where pi is smallest would keep fewer than nine digits.
    """
    energy = langevin.beta * langevin.energy(nodes)
    energy -= energy.min()
    if energy.max() > LARGEST_BARRIER:
        raise ValueError(
            f"langevin must have beta (max U - min U) <= {LARGEST_BARRIER:g} here;"
            f" got {energy.max():g}"
        )
    mass = quadrature * np.exp(-energy)
    return mass / mass.sum()
