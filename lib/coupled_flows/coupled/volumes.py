"""The coupled flow on cells: finite volumes for which F falls at a rate known exactly.

On the cells of `measure.cells`, with masses p_i, volumes v_i, rho_i = p_i/v_i, conductances c and

    V_i = U_i - (kappa/2) Tr(T^{-1} q_i),    mu_i = V_i + (1/beta) log rho_i,    T = sum_i p_i q_i,

q_i the square of W in cell i (`Coupling.square`), the flux from cell i to the next is that of
Scharfetter and Gummel,

    J = (c/beta) (B(d) rho_i - B(-d) rho_{i+1}),    d = beta (V_{i+1} - V_i),  B(d) = d/(e^d - 1).

It has the sign of mu_i - mu_{i+1}, so that F of (6), with sums for integrals, falls along
dp_i/dt = J_{i-1} - J_i at the rate sum J (mu_i - mu_{i+1}) exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coupled_flows.coupled.functional import Coupling
from coupled_flows.geometry.errors import Array, check_array
from coupled_flows.geometry.manifolds import Sphere
from coupled_flows.measure.cells import CellLaw
from coupled_flows.walks.langevin import Langevin
from coupled_flows.weights.flow import not_empty

Indices = NDArray[np.integer[Any]]


def bernoulli(d: Array) -> Array:
    """Return B(d) = d/(e^d - 1), without overflow."""
    size = np.abs(d)
    with np.errstate(over="ignore", invalid="ignore"):
        right = np.where(size > 0, size / np.expm1(size), 1.0)
    return np.where(d < 0, right + size, right)


def bernoulli_slope(d: Array) -> Array:
    """Return B'(d)."""
    near = np.abs(d) < 1e-3
    apart = np.where(near, 1.0, d)
    return np.where(near, d / 6 - 0.5, bernoulli(apart) * (1 - bernoulli(-apart)) / apart)


@dataclass(frozen=True, eq=False)
class CellFlow:
    """The coupled flow on cells.

    In its methods masses are (n,), of sum 1, and W is (m, D), which `check_weights` has passed.

    Parameters
    ----------
    langevin : Langevin
    coupling : Coupling
    cells : CellLaw
        Any law on the cells to be used.

    Raises
    ------
    ValueError
        If the law is on another manifold; on S^2, if the potential is not a function of z or points
        are not seen as they are.
    """

    langevin: Langevin
    coupling: Coupling
    cells: CellLaw

    def __post_init__(self) -> None:
        langevin, cells = self.langevin, self.cells
        if langevin.manifold != cells.manifold:
            raise ValueError(
                f"law must live on {langevin.manifold!r}; got one on {cells.manifold!r}"
            )
        if not self.zonal:
            return
        x = cells.manifold.random_point(8, np.random.default_rng(0))
        turned = np.column_stack([np.hypot(x[:, 0], x[:, 1]), 0 * x[:, 0], x[:, 2]])
        energy = langevin.energy(x)
        spread = float(np.abs(energy - langevin.energy(turned)).max())
        if spread > 1e-9 * (1 + float(np.abs(energy).max())):
            raise ValueError(
                "langevin must have a potential that depends on z only; its values differ by"
                f" {spread:g} around a circle of latitude"
            )
        seen = self.coupling.embed(x)
        if seen.shape != x.shape or float(np.abs(seen - x).max()) > 1e-12:
            raise ValueError("embedding must leave points of Sphere(2) as they are; got another")

    @property
    def zonal(self) -> bool:
        """Whether cells are zones of the sphere, over which W must not tell directions apart."""
        return self.cells.manifold == Sphere(2)

    @cached_property
    def potential(self) -> Array:
        """U in the cells, (n,)."""
        return self.langevin.energy(self.cells.nodes)

    @cached_property
    def moments(self) -> Array:
        """Means of x x' over the cells, (n, D, D)."""
        if self.zonal:
            z = self.cells.places
            across = (1 - z) * (1 + z) / 2
            return np.stack([across, across, z**2], axis=1)[:, :, None] * np.eye(3)
        y = self.coupling.embed(self.cells.nodes)
        return y[:, :, None] * y[:, None, :]

    @cached_property
    def faces(self) -> tuple[Indices, Indices]:
        """The cells on both sides of each face."""
        left = np.arange(len(self.cells.conductances))
        return left, (left + 1) % len(self.cells.masses)

    @cached_property
    def rows(self) -> tuple[Indices, int]:
        """Rows of the cells in a banded matrix, and the width of the band."""
        left, right = self.faces
        n = len(self.cells.masses)
        rows = np.arange(n)
        if len(left) == n:  # around the circle: from both sides of the first cell
            rows = np.where(rows <= (n - 1) // 2, 2 * rows, 2 * (n - rows) - 1)
        return rows, int(np.abs(rows[left] - rows[right]).max())

    def check_weights(self, name: str, W: ArrayLike) -> Array:
        """Return W as finite weights (m, D) that see cells; on S^2 none that break the symmetry.

        Raises
        ------
        TypeError, ValueError
            If they do not.
        """
        W = not_empty(name, check_array(name, W, ("m", self.moments.shape[-1])))
        if not self.zonal:
            return W
        even = np.eye(3) / 3
        K = self.coupling.whitened(W, self.coupling.tension(even, W))
        form = K.T @ K
        wrong = form - np.diag([*[(form[0, 0] + form[1, 1]) / 2] * 2, form[2, 2]])
        if (miss := float(np.abs(wrong).max())) > 1e-10:
            raise ValueError(
                f"{name} must see laws that are symmetric about the z axis as such: rows that span"
                " the axis, its orthogonal plane or R^3 (for 'logtrace', W'W = diag(a, a, b));"
                f" got W'T^-1 W off that form by {miss:g}"
            )
        # what is 0 but for rounding is 0, and stays so
        return np.where(np.abs(W).max(axis=0) > 1e-10 * np.abs(W).max(), W, 0.0)

    def sigma(self, masses: Array) -> Array:
        """Return Sigma, (D, D)."""
        return np.tensordot(masses, self.moments, 1)

    def free_energy(self, masses: Array, W: Array) -> float:
        """Return F, equation (6), with sums for integrals.

        Raises
        ------
        ValueError
            If T is singular.
        """
        coupled = self.coupling.kappa * self.coupling.energy(self.sigma(masses), W)
        entropy = type(self.cells)(masses).entropy()
        return float(masses @ self.potential + entropy / self.langevin.beta + coupled)

    def field(self, masses: Array, W: Array) -> Array:
        """Return V in the cells: U and the field of the coupling, (n,)."""
        coupling, W = self.coupling, self.coupling.spanning(W)
        share = np.linalg.inv(coupling.square(self.sigma(masses), W))
        squares = coupling.square(self.moments, W)
        return self.potential - coupling.kappa / 2 * np.einsum("nab,ab->n", squares, share)

    def dissipation(self, masses: Array, W: Array) -> Array:
        """Return both parts of -dF/dt, equation (7): sum J (mu_i - mu_{i+1}), and the weights'.

        Raises
        ------
        ValueError
            If a cell is empty, or T is singular.
        """
        if masses.min() <= 0:
            raise ValueError("law must have mass in every cell for a dissipation; got an empty one")
        sigma = self.sigma(masses)
        self.coupling.energy(sigma, W)  # which says if T is singular
        left, right = self.faces
        beta, rho, V = self.langevin.beta, masses / self.cells.volumes, self.field(masses, W)
        there, back, _ = self.rates(V)
        fall = V[left] - V[right] + np.log(rho[left] / rho[right]) / beta
        points = (there * rho[left] - back * rho[right]) @ fall
        return np.array([points, self.coupling.weight_dissipation(sigma, W)])

    def rates(self, V: Array) -> tuple[Array, Array, Array]:
        """Return what J is made of: its coefficients of rho_i and of -rho_{i+1}; and d."""
        left, right = self.faces
        d = self.langevin.beta * (V[right] - V[left])
        scale = self.cells.conductances / self.langevin.beta
        return scale * bernoulli(d), scale * bernoulli(-d), d
