"""States of the coupled flow at rest on finitely many points, such as those of a data walk."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import (
    Array,
    DivergenceError,
    check_array,
    check_integer,
    check_real,
)
from coupled_flows.measure.laws import normalised
from coupled_flows.weights.flow import not_empty

# how far a projector may move in a round at the end, and how many rounds there may be
STILL, ROUNDS = 1e-10, 10_000
# the decrement of Newton's method, relative to the value, from which one more step is the last,
# since the next is its square; how many steps there may be, and the shortest
NEARLY, MOST_STEPS, SHORTEST = 1e-12, 200, 1e-10


def settle(
    points: ArrayLike,
    masses: ArrayLike | None,
    m: int,
    strength: float,
    W0: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Return masses p and weights W at which the coupled flow on points rests, log determinant.

    On points x_i with stationary masses pi_i, F of (6) times beta is, with k = beta kappa,

        sum_i p_i log(p_i/pi_i) + k (|W|^2/2 - log det T/2),    T = W Sigma_p W',

    and its critical points are p_i proportional to pi_i exp(k y_i' T^{-1} y_i/2), y = W x, with W
    an orthonormal frame of eigenvectors of Sigma_p = sum_i p_i x_i x_i'. Found by turns: p for W,
    which is a convex problem, by Newton's method in T^{-1} alone; then W = the top m eigenvectors
    of Sigma_p. Each turn lowers F. Another start may lead to another state; one on a saddle stays.

    Parameters
    ----------
    points : array_like, shape (n, D)
    masses : array_like, shape (n,), or None
        pi, of any sum; >= 0. None stands for equal ones.
    m : int
        Number of features, from 1 to D.
    strength : float
        k = beta kappa > 0.
    W0 : array_like, shape (m, D), optional
        Whose row space to start from, of rank m; by default the top m eigenvectors of Sigma_pi.

    Returns
    -------
    p : ndarray, shape (n,)
        Of sum 1; 0 where pi is.
    W : ndarray, shape (m, D)
        Orthonormal rows, the largest eigenvalue of Sigma_p first.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or the features of the points have T singular.
    DivergenceError
        If the frame has not come to rest after 10 000 turns, or the masses of a turn are not found:
        carries the turn, and the masses before it.

    Examples
    --------
    Evenly on a circle: p is proportional to exp(b cos^2) with b E cos^2 = k/2.

    >>> angle = 2 * np.pi * np.arange(64) / 64
    >>> x = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> p, W = settle(x, np.ones(64), 1, 2.0, [[1.0, 0.0]])
    >>> b = np.log(p[0] / p[16])
    >>> round(float(b * p @ x[:, 0] ** 2), 9)
    1.0
    """
    x = not_empty("points", check_array("points", points, ("n", "D")))
    n, D = x.shape
    pi = normalised(masses, n, "masses")
    k, m = check_real("strength", strength, above=0), check_integer("m", m, least=1)
    if m > D:
        raise ValueError(f"m must be at most D = {D}; got {m}")
    there = pi > 0
    x = x / (np.abs(x).max() or 1.0)  # of which p does not depend
    x, pi = x[there], pi[there]
    W = _top(x, pi, m) if W0 is None else _frame(check_array("W0", W0, (m, D)))
    p, first = pi, 1 / (1 + k)
    for turn in range(1, ROUNDS + 1):
        with np.errstate(all="ignore"):  # what is not finite is not found
            found = _masses(x @ W.T, pi, p, k, first)
        if found is None:
            raise DivergenceError(
                f"the masses of turn {turn} were not found, with strength = {k:g}; the error"
                " carries those before; a smaller strength may cure it",
                step=turn,
                state=p,
            )
        p, old, first = found, W, 1.0
        W = _top(x, p, m)
        change = float(np.linalg.norm(W - W @ old.T @ old))  # of the row space
        if change <= STILL:
            whole = np.zeros(n)
            whole[there] = p
            return whole, W
    raise DivergenceError(
        f"the frame did not come to rest in {ROUNDS} turns: it still moves by {change:g} in a turn,"
        " as it may where the eigenvalues m and m + 1 of Sigma nearly agree",
        step=ROUNDS,
        state=p,
    )


def _top(x: Array, p: Array, m: int) -> Array:
    """Return the top m eigenvectors of sum p x x', in rows."""
    return np.ascontiguousarray(np.linalg.eigh((x.T * p) @ x)[1][:, ::-1][:, :m].T)


def _frame(W: Array) -> Array:
    """Return orthonormal rows that span those of W."""
    sizes, right = np.linalg.svd(W, full_matrices=False)[1:]
    if sizes[-1] <= 1e-14 * sizes[0]:
        raise ValueError(f"W0 must have rank m = {len(W)}; got singular values {sizes}")
    return np.asarray(right)


def _masses(y: Array, pi: Array, p: Array, k: float, first: float) -> Array | None:
    """Return the masses that minimise F for features y, from masses p; None if not found.

    Minus the least F is the least of the convex -log det A + (2/k) log sum pi exp(k y'Ay/2) over
    A > 0, times k/2 and up to a constant; there A = T^{-1}. In features in which T of p is I, A
    starts from `first` times I.
    """
    T = (y.T * p) @ y
    sizes = np.linalg.eigvalsh(T)
    if sizes[0] <= 1e-14 * sizes[-1]:
        raise ValueError(f"points must have T = W Sigma W' > 0; got its eigenvalues {sizes}")
    y = np.linalg.solve(np.linalg.cholesky(T), y.T).T
    m = y.shape[1]
    a, b = np.triu_indices(m)
    unit = np.zeros((len(a), m, m))
    unit[np.arange(len(a)), a, b] = unit[np.arange(len(a)), b, a] = 1.0
    q = y[:, a] * y[:, b] * np.where(a == b, 1.0, 2.0)  # y'Ay = q @ entries of A
    log_pi = np.log(pi)

    def convex(A: Array) -> tuple[float, Array]:
        """Return the value at A, infinite if A is not positive, and the masses."""
        exponent = log_pi + k / 2 * q @ A[a, b]
        law = np.exp(exponent - (highest := exponent.max()))
        total = law.sum()
        lengths = np.linalg.eigvalsh(A)
        if lengths[0] <= 0:
            return np.inf, law
        return float(2 / k * (highest + np.log(total)) - np.log(lengths).sum()), law / total

    A = first * np.eye(m)
    value, law = convex(A)
    for _ in range(MOST_STEPS):
        inverse = np.linalg.inv(A)
        mean = law @ q
        slope = mean - (inverse[a, b] * np.where(a == b, 1.0, 2.0))
        B = inverse @ unit
        bend = np.einsum("aij,bji->ab", B, B)
        bend += k / 2 * ((q.T * law) @ q - np.outer(mean, mean))
        change = np.linalg.solve(bend, -slope)
        decrement, part, step = float(-slope @ change), 1.0, np.tensordot(change, unit, 1)
        if decrement <= NEARLY * (1 + abs(value)):
            return convex(A + step)[1]
        while not (found := convex(A + part * step))[0] <= value - part / 4 * decrement:
            part /= 2
            if part < SHORTEST:
                return None
        A, (value, law) = A + part * step, found
    return None
