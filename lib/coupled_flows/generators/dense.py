"""Generators held as dense matrices: everything through one singular value decomposition.

The matrix comes with a factor F of its Dirichlet form,

    <f, -L g>_pi = (F M^{1/2} f)' (F M^{1/2} g),   -L = M^{-1/2} F'F M^{1/2},   F M^{1/2} 1 = 0.

F is the gradient conjugated with the root of pi: its entries do not grow with the height of the
barriers, and its singular vectors give resolvent, Poisson equation and semigroup together.
Constants are kept, and mass, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.generators.operators import Generator
from coupled_flows.geometry.errors import Array, check_columns, check_real
from coupled_flows.walks.langevin import Langevin

LARGEST_BARRIER = 30.0


class DenseGenerator(Generator):
    """The generator of a Langevin problem, as a dense matrix; see the module for the form it has.

    Attributes
    ----------
    langevin : Langevin
    factor : ndarray, shape (n, n)
        F, the factor of the Dirichlet form.
    """

    langevin: Langevin
    matrix: Array
    factor: Array

    @cached_property
    def _spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues of -L, ascending, and eigenvectors of F'F in columns."""
        root = np.sqrt(self.mass)
        _, singular, rows = np.linalg.svd(self.factor)
        rates, frame = singular[::-1] ** 2, rows[::-1].T.copy()
        # the first is known: constants, which every other function is orthogonal to
        rates[0] = 0.0
        frame[:, 0] = root
        frame[:, 1:] -= np.outer(root, root @ frame[:, 1:])
        return rates, frame

    def _through_spectrum(self, f: Array, scale: Callable[[Array], Array]) -> Array:
        """Return scale(-L) f."""
        rates, frame = self._spectrum
        root = np.sqrt(self.mass).reshape(-1, *[1] * (f.ndim - 1))
        weights = scale(rates).reshape(-1, *[1] * (f.ndim - 1))
        return frame @ (weights * (frame.T @ (root * f))) / root

    def semigroup(self, f: ArrayLike, time: float) -> Array:
        """Return e^{tL} f: at each node x, the mean of f(X_t) started from x.

        Parameters
        ----------
        f : array_like, shape (n,) or (n, k)
        time : float
            t >= 0.

        Returns
        -------
        ndarray, of the shape of f

        Raises
        ------
        ValueError
            If `f` has another shape, or `time` is negative.
        """
        t = check_real("time", time, least=0)
        return self._through_spectrum(
            check_columns("f", f, len(self.nodes)), lambda rate: np.exp(-rate * t)
        )

    def _solve(self, f: Array, lam: float) -> Array:
        def inverse(rates: Array) -> Array:
            return np.append(0.0, 1 / (lam + rates[1:]))

        return self._through_spectrum(f, inverse)

    def _lowest(self, count: int) -> tuple[Array, Array]:
        rates, frame = self._spectrum
        return rates[:count].copy(), frame[:, :count]


def gibbs_mass(langevin: Langevin, nodes: Array, quadrature: Array) -> Array:
    """Return the mass of pi at nodes with quadrature weights, of sum 1.

    Raises
    ------
    ValueError
        If beta (max U - min U) exceeds 30: the root of pi then spans e^{15}, and a law that
        starts where pi is smallest would keep fewer than nine digits.
    """
    energy = langevin.beta * langevin.energy(nodes)
    energy -= energy.min()
    if energy.max() > LARGEST_BARRIER:
        raise ValueError(
            f"langevin must have beta (max U - min U) <= {LARGEST_BARRIER:g} here;"
            f" got {energy.max():g}"
        )
    mass = quadrature * np.exp(-energy)
    return mass / mass.sum()
