"""What all averaged weight flows have in common.

Weights W (m, D) map embedded points x to m features W x, one row each. Averaged over a fast walk
of second moments Sigma = E x x', they follow

    dW/ds = gamma (W Sigma - decay),    decay = C(W) W for a matrix C(W), (m, m).

The decay tells the rules apart. The row space moves alike for all of them: W = A E with
E = W0 e^{gamma s Sigma} and dA/ds = -gamma C(W) A, A(0) = I, so A stays invertible.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import (
    Array,
    DivergenceError,
    check_array,
    check_integer,
    check_real,
    check_symmetric,
)
from coupled_flows.weights import graded
from coupled_flows.weights.ode import integrate
from coupled_flows.weights.products import product

TINY = 1e-100
# rates, over what is asked of the solver, have squares within the range of numbers
STIFFEST = 1e60


@dataclass(frozen=True, eq=False)
class WeightFlow(ABC):
    """A flow dW/ds = gamma (W Sigma - decay); see the module for what all of them share.

    Attributes
    ----------
    sigma : ndarray, shape (D, D)
        Second moments; symmetric, positive semidefinite.
    gamma : float
        The speed, > 0.
    """

    sigma: Array
    gamma: float = 1.0

    def __post_init__(self) -> None:
        size = len(check_array("sigma", self.sigma, ("D", "D")))
        if not size:
            raise ValueError("sigma must have at least one row; got none")
        sigma = check_symmetric("sigma", self.sigma, size, kind="semidefinite")
        sigma.flags.writeable = False
        object.__setattr__(self, "sigma", sigma)
        object.__setattr__(self, "gamma", check_real("gamma", self.gamma, above=0))

    @staticmethod
    @abstractmethod
    def decay(A: Array, W: Array, X: Array) -> Array:
        """Return the decay with W Sigma, W and W replaced by A, W and X: linear in each of them."""

    @classmethod
    def drift(cls, W: Array, S: Array) -> Array:
        """Return W S - decay, linear in S: the right-hand side for gamma = 1, Sigma = S.

        Nothing is checked: the inner loop of what has many weights at once.

        Parameters
        ----------
        W : ndarray, shape (..., m, D)
        S : ndarray, shape (..., D, D)
            Symmetric, of any sign; leading axes are broadcast.

        Returns
        -------
        ndarray, shape (..., m, D)
        """
        A = product(W, S)
        return A - cls.decay(A, W, W)

    @classmethod
    def derivative(cls, W: Array, S: Array, V: Array) -> Array:
        """Return the derivative of `drift(., S)` at W in the direction V.

        Parameters
        ----------
        W, V : ndarray, shape (..., m, D)
        S : ndarray, shape (..., D, D)

        Returns
        -------
        ndarray, shape (..., m, D)
        """
        A, B = product(W, S), product(V, S)
        return B - cls.decay(B, W, W) - cls.decay(A, V, W) - cls.decay(A, W, V)

    def rhs(self, W: ArrayLike) -> Array:
        """Return dW/ds = gamma drift(W, sigma).

        Parameters
        ----------
        W : array_like, shape (..., m, D)

        Returns
        -------
        ndarray, shape (..., m, D)

        Raises
        ------
        TypeError, ValueError
            If `W` has another shape, is not finite, or is too large for the result to be.
        """
        W = self.check_weights(W)
        with np.errstate(all="ignore"):
            return in_range(self.gamma * self.drift(W, self.sigma), W)

    def solve(self, W0: ArrayLike, times: ArrayLike) -> Array:
        """Return the flow from W0: Hebb's and the trace flow in closed form, else to some 1e-12.

        Where there is no closed form, W = X R: R is in closed form, with the row space of W and
        also of each of its first rows; the (m, m) matrix X stays bounded and is integrated. So
        rounding moves no row space, however long the time. The work grows like gamma lambda_1 s.
        It takes W0 up to (gamma lambda_1)^(1/2) max(1, |W0|) = 1e60.

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
            If an argument is not as above, or `W0` too large.
        DivergenceError
            If Hebb's weights leave the range of numbers; no others do. Its `step` is the position
            of the first such time, `path` the weights before it, `state` the last of them.
        """
        W0, times = self.check_start(W0), check_times(times)
        rates, turn = self.spectrum
        pace = np.sqrt(self.gamma) * np.sqrt(rates[-1])
        with np.errstate(over="ignore", invalid="ignore"):
            stiffness = pace * max(1.0, np.hypot.reduce(W0, axis=(0, 1)))
        if not stiffness < STIFFEST:
            raise ValueError(
                "W0 must be small enough for (gamma lambda_1)^(1/2) max(1, |W0|) <"
                f" {STIFFEST:g}; got {stiffness:g} with gamma = {self.gamma:g}"
            )
        start, m, fastest = W0 @ turn, len(W0), self.gamma * rates[-1]

        def rate(s: float, x: Array) -> Array:
            X, R = x.reshape(m, m), graded.frame(self.exponents(s), start)
            # dR/ds = gamma (R Sigma - G R), as L L' = N and dN/ds = 2 gamma E Sigma E'
            K = R * rates @ R.T
            G = 2 * np.tril(K) - np.diag(np.diag(K))
            slope = self.gamma * (X @ G - self.decay(X @ K, X, X)).ravel()
            # nothing that can be seen; the solver's estimate of errors that underflow is 0/0
            slope[np.abs(slope) < TINY * fastest] = 0.0
            return slope

        when, place = np.unique(times, return_inverse=True)
        # stable, and short enough to see what grows from next to nothing
        longest = 2 / fastest if fastest > 0 else np.inf
        path = integrate(rate, np.eye(m).ravel(), when, rtol=1e-13, atol=1e-15, longest=longest)
        X = path.reshape(-1, m, m)
        R = np.array([graded.frame(x, start) for x in self.exponents(when)])
        return in_range(X[place] @ R[place] @ turn.T, W0, "W0")

    def update(self, W: ArrayLike, eta: ArrayLike, steps: int = 1) -> Array:
        """Return W after the explicit updates W + eta (W Sigma - decay).

        The speed gamma plays no part: a step h of Euler's method for the flow has eta = gamma h.

        Parameters
        ----------
        W : array_like, shape (..., m, D)
        eta : float or array_like, shape (...)
            Learning rates >= 0; leading axes of W and eta are broadcast.
        steps : int
            >= 0.

        Returns
        -------
        ndarray, shape (..., m, D)

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above.
        DivergenceError
            If the weights leave the finite numbers: carries the step, and the weights before it.
        """
        W = self.check_weights(W)
        eta = check_array("eta", eta, ("...",) * _depth(eta))[..., None, None]
        if eta.min(initial=0.0) < 0:
            raise ValueError(f"eta must be >= 0; got {eta.min():g}")
        try:
            W = W + np.zeros_like(eta)
        except ValueError:
            raise ValueError(
                f"eta must have a shape that broadcasts with {W.shape[:-2]}, the leading axes of W;"
                f" got {eta.shape[:-2]}"
            ) from None
        for step in range(1, check_integer("steps", steps) + 1):
            with np.errstate(all="ignore"):
                after = W + eta * self.drift(W, self.sigma)
            if not np.isfinite(after).all():
                raise DivergenceError(
                    f"the weights left the finite numbers at step {step}; the error carries the"
                    " last finite ones; a smaller eta may cure it",
                    step=step,
                    state=W,
                )
            W = after
        return W

    def row_space(self, W0: ArrayLike, times: ArrayLike) -> Array:
        """Return orthonormal bases of the row space of W(s), that of W0 e^{gamma s Sigma}.

        Exact for any s. In W(s) itself rounding hides the smaller directions: those of the trace
        flow are lost after s = 36/(gamma (lambda_1 - lambda_2)), when their share is 2^-53.

        Parameters
        ----------
        W0 : array_like, shape (m, D)
            Not zero; its rank r does not change.
        times : array_like, shape (k,)

        Returns
        -------
        ndarray, shape (k, r, D)
            Orthonormal rows.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above.
        """
        W0, times = self.check_start(W0), check_times(times)
        if not W0.any():
            raise ValueError("W0 must not be zero, to have a row space; got zero")
        _, turn = self.spectrum
        return graded.row_bases(self.exponents(times), W0 @ turn) @ turn.T

    @cached_property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues of Sigma (D,), ascending and >= 0, and eigenvectors in columns (D, D)."""
        rates, frame = np.linalg.eigh(self.sigma)
        return np.maximum(rates, 0.0), frame

    def exponents(self, times: Array | float) -> Array:
        """Return gamma s lambda_i for times (...), (..., D); finite, for any finite times."""
        rates, _ = self.spectrum
        with np.errstate(over="ignore", divide="ignore"):
            last = min(np.finfo(np.float64).max, 1e300 / rates[-1])
            return np.minimum(self.gamma * times, last)[..., None] * rates

    def columns(self, W0: Array) -> tuple[Array, Array, Array]:
        """Return W0 in the eigenframe: columns of length 1, the logarithms of their lengths, frame.

        A column of zeros has the logarithm -inf.
        """
        _, frame = self.spectrum
        turned = W0 @ frame
        size = np.hypot.reduce(turned, axis=0)
        with np.errstate(divide="ignore"):
            return turned / np.where(size > 0, size, 1.0), np.log(size), frame

    def check_weights(self, W: ArrayLike, name: str = "W") -> Array:
        """Return W as a finite array (..., m, D), not empty."""
        leading = ("...",) * max(_depth(W) - 2, 0)
        return not_empty(name, check_array(name, W, (*leading, "m", len(self.sigma))))

    def check_start(self, W0: ArrayLike, name: str = "W0") -> Array:
        """Return W0 as a finite array (m, D), not empty."""
        return not_empty(name, check_array(name, W0, ("m", len(self.sigma))))


def check_times(times: ArrayLike, *, ascending: bool = False) -> Array:
    """Return times as a finite array (k,) of numbers >= 0, not empty."""
    when = not_empty("times", check_array("times", times, ("k",)))
    if when.min() < 0:
        raise ValueError(f"times must be >= 0; got {when.min():g}")
    if ascending and (back := float(np.diff(when).min(initial=0.0))) < 0:
        raise ValueError(f"times must be ascending; got one {-back:g} before the last")
    return when


def in_range(result: Array, W: Array, name: str = "W") -> Array:
    """Return a result that is finite, or say that W is too large."""
    if not np.isfinite(result).all():
        raise ValueError(
            f"{name} must be small enough to keep the result within the range of numbers; got"
            f" entries up to {np.abs(W).max():g}"
        )
    return result


def _depth(value: ArrayLike) -> int:
    try:
        return np.ndim(value)
    except (TypeError, ValueError):
        return 0  # ragged, which check_array says


def not_empty(name: str, array: Array) -> Array:
    """Return an array that has entries."""
    if not array.size:
        raise ValueError(f"{name} must not be empty; got shape {array.shape}")
    return array
