"""What W0 e^{s Sigma} keeps when its parts differ by more than the range of numbers.

In the eigenframe of Sigma the columns of E = W0 e^{s Sigma} are e^{s lambda_i} a_i, with a_i those
of W0. For large s plain arithmetic sees the largest of them alone. Here each keeps its exponent
beside it: the features are eliminated from one another in the order of these sizes, then scaled to
1, and only then are exponentials taken. What is exactly zero stays so: a start that misses an
eigenvector never meets it, and features that are equal stay equal.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import qr

from coupled_flows.geometry.errors import Array


def row_bases(exponents: Array, start: Array) -> Array:
    """Return orthonormal bases (k, r, D) of the row space of start diag(e^x), x (D,) of (k, D)."""
    _, triangle, order = qr(start.T, mode="economic", pivoting=True)
    size = np.abs(np.diag(triangle))
    rank = np.count_nonzero(size > max(start.shape) * np.finfo(np.float64).eps * size[0])
    rows = start[order[:rank]].T
    with np.errstate(divide="ignore"):
        return np.array([np.linalg.qr(_scaled(x, *_eliminated(x, rows)))[0].T for x in exponents])


def frame(exponents: Array, start: Array) -> Array:
    """Return R = L^{-1} E (m, D), E = start diag(e^x), L L' = N = I - start start' + E E'.

    L is lower triangular with a positive diagonal: R is `start` for x = 0, and varies smoothly.
    L' is the triangle in the QR decomposition of F, F'F = N: the rows of I, and below them those
    of diag(sqrt(e^{2 x} - 1)) start'.
    """
    m = len(start)
    weights, rows = np.zeros(m + len(exponents)), np.concatenate([np.eye(m), start.T])
    with np.errstate(divide="ignore"):
        weights[m:] = exponents + np.log(-np.expm1(-2 * exponents)) / 2
        rows, shift = _eliminated(weights, rows)
        triangle = np.asarray(np.linalg.qr(_scaled(weights, rows, shift), mode="r"))
        grown = _scaled(exponents, rows[m:], shift)
    return np.linalg.solve(triangle.T * np.sign(np.diag(triangle)), grown.T)


def _eliminated(exponents: Array, rows: Array) -> tuple[Array, Array]:
    """Return rows Z (n, m), and shifts (m,): the logarithms of each column's largest e^x |entry|.

    Z is upper triangular with diagonal 1, and takes the largest entry of each column out of those
    to the right. So the columns diag(e^x) rows Z diag(e^-shift) are far from dependent, whatever
    the exponents.
    """
    rows, shift = rows.copy(), np.empty(rows.shape[1])
    for k, column in enumerate(rows.T):
        size = exponents + np.log(np.abs(column))
        pivot = size.argmax()
        shift[k] = size[pivot]
        rows[:, k + 1 :] -= column[:, None] * (rows[pivot, k + 1 :] / column[pivot])
        rows[pivot, k + 1 :] = 0.0
    return rows, shift


def _scaled(exponents: Array, rows: Array, shift: Array) -> Array:
    """Return diag(e^x) rows diag(e^-shift), of which only the product is within range."""
    return np.sign(rows) * np.exp(exponents[:, None] + np.log(np.abs(rows)) - shift)
