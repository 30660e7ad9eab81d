"""The energies that weight flows descend: a logarithm of the trace, or of the determinant.

The size of W is taken out first, so that small weights are told from singular ones.
"""

from __future__ import annotations

import numpy as np

from coupled_flows.geometry.errors import Array

EPS = float(np.finfo(np.float64).eps)


def log_trace_energy(W: Array, S: Array, name: str = "W") -> Array:
    """Return E_tr(W) = |W|^2/2 - log Tr(W S W')/2 for W (..., m, D), S (..., D, D): equation (4).

    Raises
    ------
    ValueError
        If W S = 0.
    """
    length = np.hypot.reduce(W, axis=(-2, -1))
    unit = W / np.where(length > 0, length, 1.0)[..., None, None]
    share = np.einsum("...ij,...ij->...", unit @ S, unit)
    _check_positive(name, "Tr(W Sigma W') > 0", share, _floor(S))
    with np.errstate(over="ignore"):
        return length**2 / 2 - np.log(length) - np.log(share) / 2


def log_det_energy(W: Array, S: Array, name: str = "W") -> Array:
    """Return E_det(W) = |W|^2/2 - log det(W S W')/2 for W (..., m, D), S (..., D, D): equation (5).

    Raises
    ------
    ValueError
        If W S W' is singular.
    """
    m, D = W.shape[-2:]
    if m > D:
        raise ValueError(f"{name} must have at most D = {D} rows for W Sigma W' > 0; got {m}")
    _, size, rows = np.linalg.svd(W, full_matrices=False)
    _check_positive(name, "linearly independent rows", size, D * EPS * size[..., :1])
    share = np.linalg.eigvalsh(rows @ S @ np.swapaxes(rows, -1, -2))
    _check_positive(name, "W Sigma W' > 0", share, _floor(S)[..., None])
    with np.errstate(over="ignore"):
        return (size**2 / 2 - np.log(size) - np.log(share) / 2).sum(axis=-1)


def _floor(S: Array) -> Array:
    """Return what rounding in S may add to a quadratic form of unit vectors."""
    return S.shape[-1] * EPS * np.trace(S, axis1=-2, axis2=-1)


def _check_positive(name: str, wanted: str, value: Array, floor: Array) -> None:
    if (value <= floor).any():
        raise ValueError(
            f"{name} must have {wanted}; got {value.min():.3g}, which rounding cannot tell from 0"
        )
