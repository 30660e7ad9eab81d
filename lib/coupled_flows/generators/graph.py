"""The generator of the data walk: what (P - I)/eps knows of the operator it approximates."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator

from coupled_flows.generators.data import DataWalk
from coupled_flows.generators.lanczos import largest
from coupled_flows.generators.operators import Generator
from coupled_flows.geometry.errors import Array, check_type

# where few eigenvalues are left to ask for, all of them are computed
DENSE = 200


class GraphGenerator(Generator):
    """The generator L = (P - I)/eps of a data walk.

    Parameters
    ----------
    walk : DataWalk

    Attributes
    ----------
    walk : DataWalk
    nodes : ndarray, shape (N, D)
    mass : ndarray, shape (N,)
        The walk's exact stationary law.
    matrix : sparse array, shape (N, N)

    Raises
    ------
    TypeError
        If `walk` is not a DataWalk.

    Notes
    -----
    On a sample of the density p it approximates Lap + 2(1 - alpha) <grad log p, grad>: for
    U = -log p and beta = 2(1 - alpha) that is beta times the Langevin generator, whose clock runs
    slower by that factor. Equations are solved by conjugate gradients on the symmetric matrix
    D^{1/2} P D^{-1/2}, D the diagonal of the stationary law; eigenfunctions by Lanczos' method.
    Rates are right up to rounding over eps, some 1e-15/eps.

    Examples
    --------
    >>> from coupled_flows import Torus
    >>> angle = 2 * np.pi * np.arange(200)[:, None] / 200
    >>> circle = DataWalk(Torus(1).embedding.value(angle), bandwidth=0.001)
    >>> GraphGenerator(circle).eigenfunctions(5)[0].round(1)  # 0, 1, 1, 4, 4 on the circle
    array([0., 1., 1., 4., 4.])
    """

    def __init__(self, walk: DataWalk) -> None:
        self.walk: DataWalk = check_type("walk", walk, DataWalk, "a DataWalk")
        self.nodes = walk.points
        self.mass = walk.weights

    @cached_property
    def matrix(self) -> sparse.csr_array:  # type: ignore[override]
        """L, in compressed rows, (N, N)."""
        one = sparse.eye_array(len(self.nodes), format="csr")
        return (self.walk.matrix - one) / self.walk.step

    def _apply(self, f: Array) -> Array:
        return (self.walk.multiplier @ f - f) / self.walk.step

    def _solve(self, f: Array, lam: float) -> Array:
        return self.walk.solve(f, lam)

    def _lowest(self, count: int) -> tuple[Array, Array]:
        walk, n, others = self.walk, len(self.nodes), count - 1
        walk.check_connected()
        highest: Array = np.empty(0)
        frame: Array = np.empty((n, 0))
        if others and (n <= DENSE or others > n // 4):
            highest, frame = eigh(walk.deflated(np.eye(n)), subset_by_index=(n - others, n - 1))
        elif others:
            symmetric = LinearOperator((n, n), matvec=walk.deflated, dtype=np.float64)
            highest, frame = largest(symmetric, others, least=-2.0)
        rates = np.maximum(1 - highest[::-1], 0.0) / walk.step
        return np.append(0.0, rates), np.column_stack([walk.root, frame[:, ::-1]])
