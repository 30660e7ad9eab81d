"""What a generator and a one-step operator have in common: resolvents, means, covariances.

A chain with step h and one-step operator P has the generator L = (P - I)/h. Functions are their
values at nodes. Constants are treated apart, exactly: a solver sees functions of stationary mean
0 only, where L is invertible.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import Array, check_columns, check_real


class MarkovOperator(ABC):
    """A generator L on nodes, of a diffusion (time runs continuously) or of a chain with steps."""

    @property
    @abstractmethod
    def _pi(self) -> Array:
        """The stationary law on the nodes, (n,)."""

    @property
    @abstractmethod
    def _h(self) -> float:
        """The time of one step; 0 for a diffusion."""

    @abstractmethod
    def _solve(self, f: Array, lam: float) -> Array:
        """Return the solution u of (lam - L) u = f of mean 0, lam >= 0; f (n, k) has mean 0.

        The largest entry of a column of f is of size 1/2 to 1, if not 0.
        """

    def _solution(self, f: Array, lam: float) -> Array:
        """Return what `_solve` says for f of any size: columns are scaled, by powers of two."""
        _, power = np.frexp(np.abs(f).max(axis=0))
        return np.ldexp(self._solve(np.ldexp(f, -power), lam), power)

    def stationary_mean(self, f: ArrayLike) -> Array:
        """Return pi f: a number for f of shape (n,), an array (k,) for (n, k).

        Raises
        ------
        ValueError
            If `f` has another shape or is not finite.
        """
        return self._pi @ check_columns("f", f, len(self._pi))

    def resolvent(self, f: ArrayLike, lam: float) -> Array:
        """Return u = (lam - L)^{-1} f, with f as given (not centred).

        u(x) is the mean of the integral of e^{-lam t} f(X_t) over t >= 0, started from x; for a
        chain, of the sum of h (1 + lam h)^{-(k+1)} f(X_k) over k >= 0.

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
            If `f` has another shape or is not finite, `lam` is not positive, or f/lam leaves the
            range of numbers.
        """
        shift = check_real("lam", lam, above=0)
        centred, mean = self._split(f)
        with np.errstate(over="ignore", invalid="ignore"):
            found = self._solution(centred, shift).reshape(np.shape(f)) + mean / shift
        return _in_range(found, f, shift)

    def poisson(self, f: ArrayLike) -> Array:
        """Return the solution phi of -L phi = f - pi f with pi phi = 0.

        For a chain that is (I - P) phi = h (f - pi f).

        Parameters
        ----------
        f : array_like, shape (n,) or (n, k)

        Returns
        -------
        ndarray, of the shape of f

        Raises
        ------
        ValueError
            If `f` has another shape or is not finite, the stationary law is not unique, or phi
            leaves the range of numbers.
        """
        centred, _ = self._split(f)
        with np.errstate(over="ignore"):
            found = self._solution(centred, 0.0).reshape(np.shape(f))
        return _in_range(found, f)

    def asymptotic_covariance(self, f: ArrayLike) -> Array:
        """Return C: time averages of f over a long time t have covariance C/t.

        With centred f and the solution phi of the Poisson equation, C = 2 <f, phi>_pi for a
        diffusion and 2 <f, phi>_pi - h <f, f>_pi for a chain, made symmetric.

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
            If `f` has another shape or is not finite, the stationary law is not unique, or C
            leaves the range of numbers.
        """
        centred, _ = self._split(f)
        with np.errstate(over="ignore", invalid="ignore"):
            phi = self._solution(centred, 0.0)
            half = centred.T @ (self._pi[:, None] * (phi - self._h / 2 * centred))
            return _in_range(half + half.T, f)

    def _split(self, f: ArrayLike) -> tuple[Array, Array]:
        """Return f less its mean, in columns (n, k), and the mean."""
        values = check_columns("f", f, len(self._pi))
        with np.errstate(over="ignore", invalid="ignore"):
            mean = self._pi @ values
            centred = _in_range(values - mean, f)
        return centred.reshape(len(values), -1), mean


def _in_range(result: Array, f: ArrayLike, lam: float = 0.0) -> Array:
    """Return a result that is finite, or say which argument is too small or too large."""
    if not np.isfinite(result).all():
        given = f"values of f up to {np.abs(f).max():g}"
        name, given = ("lam and f", f"lam = {lam:g} and {given}") if lam else ("f", given)
        raise ValueError(f"{name} must keep the result within the range of numbers; got {given}")
    return result
