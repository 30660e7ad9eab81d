"""Where the Gaussian case rests, and the ball that it enters: closed forms."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from coupled_flows.coupled.closure import GaussianClosure
from coupled_flows.coupled.naive import NaiveCoupling
from coupled_flows.geometry.errors import Array, check_integer, check_type
from coupled_flows.measure.laws import GaussianLaw


def at_rest(closure: GaussianClosure, W: ArrayLike) -> GaussianLaw:
    """Return the law that minimises F while W rests: mean 0, covariance (A - K)^{-1}/beta.

    For S = W A^{-1} W' its T is (kappa + 1/beta) S for the determinant; for the trace t I, with t
    the root above kappa s_max of sum_i s_i/(t - kappa s_i) = beta, s_i the eigenvalues of S, which
    is (kappa + 1/beta) w'A^{-1}w for one row. For a naive coupling it exists if kappa s_max < 1.

    Parameters
    ----------
    closure : GaussianClosure
        With U centred: c = 0.
    W : array_like, shape (m, d)
        With S > 0 for the determinant, not zero for the trace.

    Returns
    -------
    GaussianLaw

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or there is no such law.

    Examples
    --------
    >>> from coupled_flows import (
    ...     Coupling, Euclidean, GaussianClosure, Langevin, at_rest, quadratic
    ... )
    >>> problem = Langevin(Euclidean(2), quadratic([[1.0, 0.0], [0.0, 2.0]]))
    >>> closure = GaussianClosure(problem, Coupling("logtrace", kappa=3.0))
    >>> at_rest(closure, [[0.0, 1.0]]).covariance  # (3 + 1)/2 along the row
    array([[1., 0.],
           [0., 2.]])
    """
    closure = _check_centred(closure)
    W = closure.coupling.spanning(closure.check_weights("W", W))
    inverse = closure.frame / closure.rates @ closure.frame.T
    seen = W @ inverse
    # by Woodbury's identity: no difference of A and K, which for large kappa is lost in rounding
    pull = seen.T @ np.linalg.solve(_left_of_tension(closure, W), seen)
    covariance = (inverse + closure.coupling.kappa * pull) / closure.langevin.beta
    return GaussianLaw(np.zeros(closure.d), (covariance + covariance.T) / 2)


def stable_state(closure: GaussianClosure, m: int = 1) -> tuple[GaussianLaw, Array]:
    """Return the stable state: a law and W (m, d), unique up to a rotation of the features.

    For the determinant the rows of W are the eigenvectors of the m smallest eigenvalues of A, those
    of the largest variances without coupling; the variances are (kappa + 1/beta)/a_i along them,
    1/(beta a_i) across. For the trace, whatever m, one row does so and the others are zero. If
    a_m = a_(m+1), for the trace a_1 = a_2, it is one of many.

    Parameters
    ----------
    closure : GaussianClosure
        With U centred: c = 0.
    m : int
        Number of features, from 1 to d.

    Returns
    -------
    law : GaussianLaw
    W : ndarray, shape (m, d)

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or a naive coupling has kappa >= a_min.

    Examples
    --------
    >>> from coupled_flows import (
    ...     Coupling, Euclidean, GaussianClosure, Langevin, quadratic, stable_state
    ... )
    >>> problem = Langevin(Euclidean(2), quadratic([[1.0, 0.0], [0.0, 2.0]]))
    >>> law, W = stable_state(GaussianClosure(problem, Coupling("logdet", kappa=3.0)))
    >>> np.abs(W), law.covariance
    (array([[1., 0.]]), array([[4. , 0. ],
           [0. , 0.5]]))
    """
    closure = _check_centred(closure)
    m = check_integer("m", m, least=1)
    if m > closure.d:
        raise ValueError(f"m must be at most d = {closure.d}; got {m}")
    W = closure.frame[:, :m].T.copy()
    if closure.coupling.kind == "logtrace":
        W[1:] = 0.0
    return at_rest(closure, W), W


def second_moment_bound(closure: GaussianClosure, m: int = 1) -> float:
    """Return a bound of limsup E |x|^2, from every start: dissipativity with its constant.

    By the virial identity, exact for every state,

        d/dt E |x|^2/2 = -E <x, grad U> + d/beta + kappa r,

    r = 1 for the trace, m for the determinant, and E <x, grad U> = v - E <x, A c> with
    v = E x'Ax >= a_min E |x|^2. It is negative while 2 sqrt(v) exceeds
    q + sqrt(q^2 + 4 (d/beta + kappa r)), q^2 = c'Ac. The bound is (d/beta + kappa r)/a_min for
    c = 0: attained where A is a multiple of I.

    Parameters
    ----------
    closure : GaussianClosure
    m : int
        Number of features, >= 1.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or the coupling a naive one, without such a bound.

    Examples
    --------
    >>> from coupled_flows import (
    ...     Coupling, Euclidean, GaussianClosure, Langevin, quadratic, second_moment_bound
    ... )
    >>> problem = Langevin(Euclidean(2), quadratic([[2.0, 0.0], [0.0, 3.0]]))
    >>> round(second_moment_bound(GaussianClosure(problem, Coupling("logtrace", 3.0))), 9)
    2.5
    """
    check_type("closure", closure, GaussianClosure, "a GaussianClosure")
    m = check_integer("m", m, least=1)
    coupling = closure.coupling
    if isinstance(coupling, NaiveCoupling):
        raise ValueError("closure must have a logarithmic coupling for a bound; got a naive one")
    r = m if coupling.kind == "logdet" else 1
    source = closure.d / closure.langevin.beta + coupling.kappa * r
    q = math.sqrt(closure.centre @ closure.hessian @ closure.centre)
    return float((q + math.sqrt(q**2 + 4 * source)) ** 2 / 4 / closure.rates[0])


def _left_of_tension(closure: GaussianClosure, W: Array) -> Array:
    """Return T - kappa S of the law at rest, S = W A^{-1} W'."""
    kappa, beta = closure.coupling.kappa, closure.langevin.beta
    root = W @ closure.frame / np.sqrt(closure.rates)
    S = root @ root.T
    s, axes = np.linalg.eigh(S)
    if isinstance(closure.coupling, NaiveCoupling):
        if kappa * s[-1] >= 1:
            raise ValueError(
                f"W must have kappa W A^(-1) W' < 1 for a law at rest; got {kappa * s[-1]:g}"
            )
        return np.eye(len(W)) - kappa * S
    if s[-1 if closure.coupling.kind == "logtrace" else 0] <= 1e-14 * s[-1]:
        raise ValueError(f"W must have T > 0; got eigenvalues {s} of W A^(-1) W'")
    if closure.coupling.kind == "logdet":
        return S / beta
    # u = t/s_max - kappa: the sum is above beta at the lower end, below it at the upper one
    share = s / s[-1]
    u = brentq(
        lambda u: (share / (u + kappa * (1 - share))).sum() - beta,
        (1 - 1e-12) / beta,
        (1 + 1e-12) * share.sum() / beta,
        xtol=1e-15 / beta,
        rtol=1e-15,
    )
    return axes * s[-1] * (u + kappa * (1 - share)) @ axes.T


def _check_centred(closure: GaussianClosure) -> GaussianClosure:
    check_type("closure", closure, GaussianClosure, "a GaussianClosure")
    width = math.sqrt(1 / (closure.langevin.beta * closure.rates[-1]))
    if np.abs(closure.centre).max() > 1e-9 * width:
        raise ValueError(
            "closure must have the minimum of U at 0 for a law at rest in closed form;"
            f" got {closure.centre}"
        )
    return closure
