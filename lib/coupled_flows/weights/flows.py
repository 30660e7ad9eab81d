"""Hebb's rule, and three ways to keep it bounded: by a trace, by a matrix, by a triangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import Array, DivergenceError, check_array
from coupled_flows.weights import graded
from coupled_flows.weights.energies import log_det_energy, log_trace_energy
from coupled_flows.weights.flow import WeightFlow, check_times, in_range
from coupled_flows.weights.products import product

# the logarithm of a number that leaves room for a sum
LARGEST = 700.0
# how much |E|^2 may have lost by rounding
SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class HebbFlow(WeightFlow):
    """Hebb's rule dW/ds = gamma W Sigma: without decay.

    Parameters
    ----------
    sigma : array_like, shape (D, D)
        Second moments of the embedded points; symmetric, positive semidefinite.
    gamma : float
        The speed, > 0.

    Raises
    ------
    TypeError, ValueError
        If `sigma` is not symmetric and positive semidefinite, or `gamma` not positive.

    Examples
    --------
    >>> HebbFlow([[2.0, 0.0], [0.0, 1.0]]).solve([[1.0, 1.0]], [0.0, 1.0]).round(3)
    array([[[1.   , 1.   ]],
           [[7.389, 2.718]]])
    """

    @staticmethod
    def decay(A: Array, W: Array, X: Array) -> Array:
        return np.zeros_like(A)

    def solve(self, W0: ArrayLike, times: ArrayLike) -> Array:
        W0, times = self.check_start(W0), check_times(times)
        start, size, frame = self.columns(W0)
        grown = self.exponents(times) + size
        lost = np.flatnonzero(grown.max(axis=1) > LARGEST)
        path = start * np.exp(np.minimum(grown, LARGEST))[:, None, :] @ frame.T
        if lost.size:
            first = int(lost[0])
            raise DivergenceError(
                f"Hebb's weights leave the range of numbers before s = {times[first]:g}",
                step=first,
                state=path[first - 1] if first else W0,
                path=path[:first],
            )
        return path


@dataclass(frozen=True, eq=False)
class TraceFlow(WeightFlow):
    """The trace flow (W): dW/ds = gamma (W Sigma - Tr(W Sigma W') W).

    Parameters
    ----------
    sigma : array_like, shape (D, D)
        Second moments of the embedded points; symmetric, positive semidefinite.
    gamma : float
        The speed, > 0.

    Raises
    ------
    TypeError, ValueError
        If `sigma` is not symmetric and positive semidefinite, or `gamma` not positive.

    Notes
    -----
    For m = 1 it is Oja's rule (1982). Every solution is bounded, |W(s)| <= max(1, |W_0|), whatever
    Sigma; W(s) tends to W_0 P_1/|W_0 P_1|, P_1 the projection to the top eigenspace of Sigma,
    if that is not zero. The energy `energy` falls along it.

    Examples
    --------
    >>> flow = TraceFlow([[2.0, 0.0], [0.0, 1.0]])
    >>> flow.solve([[0.3, 0.4]], [0.0, 10.0]).round(3)
    array([[[0.3, 0.4]],
           [[1. , 0. ]]])
    """

    @staticmethod
    def decay(A: Array, W: Array, X: Array) -> Array:
        return np.einsum("...ij,...ij->...", A, W)[..., None, None] * X

    def solve(self, W0: ArrayLike, times: ArrayLike) -> Array:
        return self.closed_form(W0, times)

    def closed_form(self, W0: ArrayLike, times: ArrayLike) -> Array:
        """Return W = E/sqrt(1 + |E|^2 - |W_0|^2), E = W_0 e^{gamma s Sigma}: equation (3).

        Evaluated without overflow and without cancellation for any times.

        Parameters
        ----------
        W0 : array_like, shape (m, D)
        times : array_like, shape (k,)
            s >= 0, in any order.

        Returns
        -------
        ndarray, shape (k, m, D)

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above.
        """
        W0, times = self.check_start(W0), check_times(times)
        start, size, frame = self.columns(W0)
        x = self.exponents(times)
        # everything is divided by e^scale, the size of the largest column of E, or 1
        scale = np.maximum((x + size).max(axis=1, keepdims=True), 0.0)
        grown = np.exp(x + size - scale)
        # 1 + |E|^2 - |W_0|^2 is a sum of squares: 1, and (1 - e^{-2x}) |column of E|^2
        parts = np.hstack([np.exp(-scale), grown * np.sqrt(-np.expm1(-2 * x))])
        grown /= np.hypot.reduce(parts, axis=1, keepdims=True)
        return in_range(start * grown[:, None, :] @ frame.T, W0, "W0")

    @staticmethod
    def from_hebb(E: ArrayLike) -> Array:
        """Return the trace flow along any path Sigma_t >= 0, from Hebb's along the same path.

        If dE/dt = gamma E Sigma_t with E_0 = W_0, then W = E/sqrt(1 + |E|^2 - |W_0|^2) solves
        dW/dt = gamma (W Sigma_t - Tr(W Sigma_t W') W): equation (3), for second moments that change
        in time, x x' of one walker among them. |E| grows, so |W| <= max(1, |W_0|) for every path.

        Parameters
        ----------
        E : array_like, shape (k, m, D)
            Hebb's weights at some times, the first at the start. A path that becomes too large
            is cut: the last W starts a new one.

        Returns
        -------
        ndarray, shape (k, m, D)

        Raises
        ------
        TypeError, ValueError
            If `E` has another shape, is not finite, or is ever shorter than E[0].

        Examples
        --------
        >>> TraceFlow.from_hebb([[[2.0, 0.0]], [[2.0, 1.0]], [[2e200, 2e200]]])[:, 0].round(3)
        array([[2.   , 0.   ],
               [1.414, 0.707],
               [0.707, 0.707]])
        """
        E = check_array("E", E, ("k", "m", "D"))
        scale = np.maximum(np.abs(E).max(axis=(1, 2), keepdims=True, initial=0.0), 1.0)
        scaled, first = E / scale, E[:1] / scale
        # |E|^2 - |W_0|^2, over scale^2
        rise = ((scaled - first) * (scaled + first)).sum(axis=(1, 2), keepdims=True)
        if rise.min(initial=0.0) < -SLACK * (scaled**2).sum(axis=(1, 2)).max(initial=1.0):
            raise ValueError(
                "E must not be shorter than E[0], as it is along no path of second moments;"
                f" got |E|^2 - |E[0]|^2 = {(rise * scale**2).min():g}"
            )
        return scaled / np.hypot(1 / scale, np.sqrt(np.maximum(rise, 0.0)))

    def energy(self, W: ArrayLike) -> Array:
        """Return E_tr(W) = |W|^2/2 - log Tr(W Sigma W')/2: equation (4).

        dW/ds = -gamma Tr(W Sigma W') grad E_tr, so it falls along the flow. It falls in explicit
        updates too, if eta max(lambda_1, Tr W Sigma W') <= 1; see `step_limit`.

        Parameters
        ----------
        W : array_like, shape (..., m, D)

        Returns
        -------
        ndarray, shape (...)
            A number for W of shape (m, D).

        Raises
        ------
        TypeError, ValueError
            If `W` is not as above or too large, or W Sigma = 0: the energy is infinite there.
        """
        W = self.check_weights(W)
        return in_range(log_trace_energy(W, self.sigma), W)


@dataclass(frozen=True, eq=False)
class SubspaceFlow(WeightFlow):
    """Oja's subspace flow (5): dW/ds = gamma (W Sigma - W Sigma W' W).

    Parameters
    ----------
    sigma : array_like, shape (D, D)
        Second moments of the embedded points; symmetric, positive semidefinite.
    gamma : float
        The speed, > 0.

    Raises
    ------
    TypeError, ValueError
        If `sigma` is not symmetric and positive semidefinite, or `gamma` not positive.

    Notes
    -----
    Where the trace flow keeps one feature in the end, this keeps the rank. If W_0 Sigma^{1/2}
    has rank m, the rows become orthonormal; if W_0 P_{1..m} has, and lambda_m > lambda_{m+1},
    they span the top-m eigenspace. The largest singular value stays below max(1, its start).

    Examples
    --------
    >>> flow = SubspaceFlow([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    >>> W = flow.solve([[0.1, 0.2, 0.3], [0.1, 0.1, 0.1]], [20.0])[0]
    >>> np.abs(W.T @ W).round(6)
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 0.]])
    """

    @staticmethod
    def decay(A: Array, W: Array, X: Array) -> Array:
        return product(product(A, np.swapaxes(W, -1, -2)), X)

    def closed_form_gram(self, W0: ArrayLike, times: ArrayLike) -> Array:
        """Return W'W = E'N^{-1}E, E = W_0 e^{gamma s Sigma}, N = I - W_0 W_0' + E E'.

        W itself is N^{-1/2} E up to a rotation of the features, which has no closed form.
        Evaluated without overflow for any times.

        Parameters
        ----------
        W0 : array_like, shape (m, D)
        times : array_like, shape (k,)
            s >= 0, in any order.

        Returns
        -------
        ndarray, shape (k, D, D)

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above.
        """
        W0, times = self.check_start(W0), check_times(times)
        _, turn = self.spectrum
        rows = np.array([graded.frame(x, W0 @ turn) for x in self.exponents(times)]) @ turn.T
        with np.errstate(over="ignore"):
            return in_range(np.swapaxes(rows, 1, 2) @ rows, W0, "W0")

    def energy(self, W: ArrayLike) -> Array:
        """Return E_det(W) = |W|^2/2 - log det(W Sigma W')/2: equation (5).

        dW/ds = -gamma (W Sigma W') grad E_det, so it falls along the flow.

        Parameters
        ----------
        W : array_like, shape (..., m, D)

        Returns
        -------
        ndarray, shape (...)
            A number for W of shape (m, D).

        Raises
        ------
        TypeError, ValueError
            If `W` is not as above or too large, or W Sigma W' is singular: the energy is infinite
            there.
        """
        W = self.check_weights(W)
        return in_range(log_det_energy(W, self.sigma), W)


@dataclass(frozen=True, eq=False)
class SangerFlow(WeightFlow):
    """Sanger's flow: dW/ds = gamma (W Sigma - LT(W Sigma W') W).

    LT keeps the lower triangle with its diagonal: each feature is freed from those before it.

    Parameters
    ----------
    sigma : array_like, shape (D, D)
        Second moments of the embedded points; symmetric, positive semidefinite.
    gamma : float
        The speed, > 0.

    Raises
    ------
    TypeError, ValueError
        If `sigma` is not symmetric and positive semidefinite, or `gamma` not positive.

    Notes
    -----
    The rows tend to the eigenvectors, up to sign, one by one, if lambda_1 > ... > lambda_(m+1) and
    the first k rows of W_0 P_{1..k} have rank k for every k <= m. It is no gradient flow.

    Examples
    --------
    >>> flow = SangerFlow([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    >>> np.abs(flow.solve([[0.1, 0.2, 0.3], [0.1, 0.1, 0.1]], [20.0])[0]).round(6)
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """

    @staticmethod
    def decay(A: Array, W: Array, X: Array) -> Array:
        return product(np.tril(product(A, np.swapaxes(W, -1, -2))), X)
