"""Generators of reversible diffusions and one-step operators of chains, on nodes.

Functions are their values at nodes, and `mass` holds the mass of pi at each node. A generator is
reversible: self-adjoint and negative semidefinite for the inner product that mass gives, with
constants in its kernel. A law is its weights on the nodes: the numbers that integrate every
function held there.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import overload

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from coupled_flows.generators.markov import MarkovOperator
from coupled_flows.geometry.errors import Array, check_columns, check_every, check_integer
from coupled_flows.measure.laws import Law


class Generator(MarkovOperator):
    """A reversible generator L on nodes.

    Attributes
    ----------
    nodes : ndarray, shape (n, p)
        Points of the manifold.
    mass : ndarray, shape (n,)
        Mass of pi at each node, of sum 1.
    matrix : ndarray or sparse array, shape (n, n)
        L on node values; its rows sum to 0.
    """

    nodes: Array
    mass: Array
    matrix: Array | sparse.csr_array

    @property
    def _pi(self) -> Array:
        return self.mass

    @property
    def _h(self) -> float:
        return 0.0

    @abstractmethod
    def _lowest(self, count: int) -> tuple[Array, Array]:
        """Return the lowest eigenvalues of -L, ascending, with sqrt(mass) times eigenfunctions."""

    def eigenfunctions(self, count: int) -> tuple[Array, Array]:
        """Return the slowest rates and their eigenfunctions, -L f = rate f.

        Parameters
        ----------
        count : int
            How many, from 1 to n; the first is the constant 1, of rate 0.

        Returns
        -------
        rates : ndarray, shape (count,)
            Ascending, in units of 1/time.
        functions : ndarray, shape (n, count)
            Orthonormal in L2(pi); in each the value of largest size is positive.

        Raises
        ------
        TypeError, ValueError
            If `count` is not an integer from 1 to n.
        """
        count = check_integer("count", count, least=1)
        if count > len(self.nodes):
            raise ValueError(f"count must be at most {len(self.nodes)}; got {count}")
        rates, frame = self._lowest(count)
        functions = frame / np.sqrt(self.mass)[:, None]
        functions[:, 0] = 1.0
        top = np.take_along_axis(functions, np.abs(functions).argmax(axis=0)[None, :], axis=0)
        return rates, functions * np.sign(top)

    @property
    def gap(self) -> float:
        """The smallest positive eigenvalue of -L on the functions held here, in units of 1/time."""
        return float(self._lowest(2)[0][1])

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
        return self._apply(check_columns("f", f, len(self.nodes)))

    def _apply(self, f: Array) -> Array:
        return self.matrix @ f


class Transition(MarkovOperator):
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
    def matrix(self) -> Array | sparse.csr_array:
        """P on node values, (n, n); its rows sum to 1."""

    @property
    def multiplier(self) -> Array | sparse.csr_array:
        """P in the form that products are taken with."""
        return self.matrix

    @property
    @abstractmethod
    def step(self) -> float:
        """The time that one step takes."""

    @property
    @abstractmethod
    def weights(self) -> Array:
        """The stationary law on the nodes, (n,): the numbers of sum 1 with weights P = weights."""

    @abstractmethod
    def weights_of(self, law: Law) -> Array:
        """Return a law as weights (n,) on the nodes."""

    @abstractmethod
    def law_of(self, weights: Array) -> Law:
        """Return the law with those weights (n,) on the nodes."""

    @property
    def _pi(self) -> Array:
        return self.weights

    @property
    def _h(self) -> float:
        return self.step

    @property
    def stationary(self) -> Law:
        """The stationary law."""
        return self.law_of(self.weights)

    def apply(self, f: ArrayLike) -> Array:
        """Return P f for values f at the nodes, (n,) or (n, k).

        Raises
        ------
        ValueError
            If `f` has another shape or is not finite.
        """
        return self.multiplier @ check_columns("f", f, len(self.nodes))

    @overload
    def evolve(self, law: Law, n_steps: int) -> Law: ...
    @overload
    def evolve(self, law: Law, n_steps: int, every: int) -> list[Law]: ...
    def evolve(self, law: Law, n_steps: int, every: int | None = None) -> Law | list[Law]:
        """Return the chain's law after `n_steps` steps.

        Parameters
        ----------
        law : Law
            The law of the start.
        n_steps : int
            >= 0.
        every : int, optional
            Return a list: the start, and the law after each `every` steps.

        Returns
        -------
        Law, or list of Law with `every`

        Raises
        ------
        TypeError, ValueError
            If `n_steps` is not an integer >= 0, `every` does not divide it, or `law` cannot be
            written on the nodes.
        """
        n_steps = check_integer("n_steps", n_steps)
        stride = check_every(every, n_steps)
        weights = self.weights_of(law)
        laws = [law]
        for k in range(1, n_steps + 1):
            weights = weights @ self.multiplier
            if k % stride == 0:
                laws.append(self.law_of(weights))
        return laws[-1] if every is None else laws
