"""The largest eigenvalues of a symmetric operator, each as often as it occurs."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from coupled_flows.geometry.errors import Array

# asked of the search for what was missed: to know that there is something takes no more
ENOUGH = 1e-8
# searches at most where a vector does not fit its value, as happens in up to one of ten
TRIES = 8


def largest(operator: LinearOperator, count: int, least: float) -> tuple[Array, Array]:
    """Return the `count` largest eigenvalues of a symmetric operator, and eigenvectors.

    Lanczos' method from one vector sees one eigenvector of each eigenvalue; only rounding brings in
    others. So what was found is moved to minus the norm and the rest searched from another vector,
    until it holds nothing larger. What is missed then is above the least value found by rounding,
    2 n u of the norm, or by about ENOUGH of itself if others lie as near. Where the space of the
    method closes early, as it does with many copies, a vector may miss its value by a millionth of
    a millionth of the norm though the method calls it found: it is then searched again, from
    another vector, and of TRIES searches the best is taken.

    Parameters
    ----------
    operator : LinearOperator, shape (n, n)
        Symmetric.
    count : int
        From 1 to n - 2.
    least : float
        At most the least eigenvalue, and below all that are asked for.

    Returns
    -------
    values : ndarray, shape (count,)
        Ascending.
    vectors : ndarray, shape (n, count)
        Orthonormal columns.
    """
    n, norm = operator.shape[0], -least
    rounding = n * np.finfo(np.float64).eps
    rng = np.random.default_rng(0)  # the same vectors at every call
    values, frame, asked = np.empty(0), np.empty((n, 0)), count

    def rest(v: Array) -> Array:
        return operator @ v - frame @ ((values + norm) * (frame.T @ v))

    def search(k: int, room: int, **options: Any) -> Any:
        start, moved = rng.standard_normal(n), LinearOperator((n, n), matvec=rest, dtype=float)
        room = min(n, max(room, 4 * k))
        return eigsh(moved, k, which="LA", v0=start, ncv=room, rng=rng, **options)

    def found(k: int) -> tuple[Array, Array]:
        tried = []
        for _ in range(TRIES):
            more, vectors = search(k, 40)
            left = np.column_stack([rest(v) for v in vectors.T]) - vectors * more
            tried.append((np.linalg.norm(left, axis=0).max(), more, vectors))
            if tried[-1][0] <= rounding * max(norm, np.abs(more).max()):
                break
        return min(tried, key=lambda each: each[0])[1:]

    while True:
        more, vectors = found(asked)
        values, frame = np.append(values, more), np.column_stack([frame, vectors])
        kept = np.argsort(values)[-count:]
        values, frame, norm, asked = values[kept], frame[:, kept], max(norm, values.max()), 1
        (above,) = search(1, 20, tol=ENOUGH, return_eigenvectors=False)
        if above <= values[0] + rounding * norm:
            return values, frame
