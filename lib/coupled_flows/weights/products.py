"""Products of many small matrices."""

from __future__ import annotations

import numpy as np

from coupled_flows.geometry.errors import Array


def product(A: Array, B: Array) -> Array:
    """Return A @ B for A (..., m, k), fast also where the axis before m lies densest in memory.

    Of many small matrices the products are then taken entry by entry, along that axis.
    """
    if A.ndim == 2 or A.itemsize in A.strides[-2:]:
        return A @ B
    if B.shape[-3:-2] in ((), (1,)):  # the same for all of them
        return np.moveaxis(np.swapaxes(B, -1, -2) @ np.moveaxis(A, -3, -1), -1, -3)
    return np.einsum("...ij,...jk->...ik", A, B)
