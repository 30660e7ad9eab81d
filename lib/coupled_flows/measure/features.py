"""What features see: the angles between row spaces, how many directions, how much alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import orth

from coupled_flows.geometry.errors import Array, check_array


def principal_angles(A: ArrayLike, B: ArrayLike) -> Array:
    """Return the principal angles between the row spaces of two matrices.

    The first is the smallest angle between a vector of one space and a vector of the other; the
    k-th is the smallest one among vectors orthogonal to those of the angles before.

    Parameters
    ----------
    A : array_like, shape (m, D)
    B : array_like, shape (n, D)
        Rows that span the two spaces; they need be neither orthonormal nor independent.

    Returns
    -------
    ndarray, shape (r,)
        Radians from 0 to pi/2, ascending; r is the smaller of the two dimensions, which are the
        numerical ranks of `A` and `B`.

    Raises
    ------
    TypeError, ValueError
        If a matrix is not as above, is zero, or their rows differ in length.

    Notes
    -----
    Cosines are the singular values of Q_A Q_B' for orthonormal bases Q, sines those of what is left
    of the smaller basis outside the other space (Bjorck and Golub 1973). Both together resolve
    small angles and right ones.

    Examples
    --------
    >>> principal_angles([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    array([0.        , 0.78539816])
    """
    first = _spanning("A", A, "D")
    second = _spanning("B", B, first.shape[1])
    small, large = sorted([orth(first.T), orth(second.T)], key=lambda basis: basis.shape[1])
    inside = large.T @ small
    cosines = np.linalg.svd(inside, compute_uv=False)
    sines = np.linalg.svd(small - large @ inside, compute_uv=False)[::-1]
    return np.arctan2(sines, cosines)


def stable_rank(W: ArrayLike) -> float:
    """Return |W|^2 over the square of its largest singular value.

    Parameters
    ----------
    W : array_like, shape (m, D)
        Not zero.

    Returns
    -------
    float
        From 1 to min(m, D): the rank if all singular values that are not 0 are equal, and less
        the more they differ. Unlike the rank it is continuous.

    Raises
    ------
    TypeError, ValueError
        If `W` is not as above.

    Examples
    --------
    >>> stable_rank([[2.0, 0.0], [0.0, 1.0]])
    1.25
    """
    size = np.linalg.svd(_spanning("W", W, "D"), compute_uv=False)
    return float(((size / size[0]) ** 2).sum())


def correlation(x: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Return the correlation of each two features: their covariance over both deviations.

    Parameters
    ----------
    x : array_like, shape (n, m)
        Features of n points, one column each; every column varies.
    weights : array_like, shape (n,), optional
        How much each point counts, >= 0; by default all count alike.

    Returns
    -------
    ndarray, shape (m, m)
        From -1 to 1, with ones on the diagonal.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    Examples
    --------
    >>> correlation([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]])
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    features = check_array("x", x, ("n", "m"))
    z, _, varies = standardised(features, check_shares(weights, len(features)))
    if not varies.all():
        raise ValueError(f"x must vary in each column; got column {np.argmin(varies)} constant")
    found = np.clip(z.T @ z, -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return found


def check_shares(weights: ArrayLike | None, n: int) -> Array:
    """Return weights of sum 1."""
    given = np.ones(n) if weights is None else check_array("weights", weights, (n,))
    if given.min(initial=0.0) < 0 or not given.any():
        raise ValueError(f"weights must be >= 0 and not all 0; got {given.min(initial=0.0):g}")
    given = given / given.max()
    return given / given.sum()


def standardised(x: Array, shares: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return sqrt(share) (x - mean) with columns of length 1, the roots, and which columns vary."""
    root = np.sqrt(shares)
    size = np.abs(x).max(axis=0, initial=0.0)
    z = x / np.where(size > 0, size, 1.0)
    seen = z[shares > 0]
    varies = seen.max(axis=0) > seen.min(axis=0)
    for _ in range(2):  # the second takes off what rounding left of the mean
        z = z - shares @ z
    z *= root[:, None]
    length = np.linalg.norm(z, axis=0)
    return z / np.where(varies, length, 1.0), root, varies


def _spanning(name: str, value: ArrayLike, D: int | str) -> Array:
    """Return rows as an array (m, D) of entries up to 1, not all 0."""
    rows = check_array(name, value, ("m", D))
    largest = np.abs(rows).max(initial=0.0)
    if largest == 0:
        raise ValueError(f"{name} must not be zero; got zeros of shape {rows.shape}")
    return rows / largest
