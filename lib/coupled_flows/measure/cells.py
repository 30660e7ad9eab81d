"""Laws by the masses of cells: on the circle, and on S^2 symmetric about the z axis.

The density is constant in each cell. Each cell has a node, the place at which functions are taken
for it, so that means are quadratures: of equal weights on the circle, of Gauss and Legendre on the
sphere. Both are right to rounding for smooth integrands.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from coupled_flows.geometry.errors import (
    Array,
    check_array,
    check_integer,
    check_rng,
)
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.manifolds import TURN, Sphere, Torus
from coupled_flows.geometry.series import gauss_legendre
from coupled_flows.measure.angles import SmoothLaw, checked_density
from coupled_flows.measure.laws import normalised, values_at

FEWEST = 4


@dataclass(frozen=True, eq=False)
class CellLaw(SmoothLaw):
    """A law by the masses of its cells; the subclass says which.

    Attributes
    ----------
    masses : ndarray, shape (n,)
        Of sum 1.
    """

    masses: Array

    def __post_init__(self) -> None:
        masses = check_array("masses", self.masses, ("n",))
        if len(masses) < FEWEST:
            raise ValueError(f"masses must be those of {FEWEST} cells or more; got {len(masses)}")
        masses = normalised(masses, len(masses), "masses")
        masses.flags.writeable = False
        object.__setattr__(self, "masses", masses)

    @classmethod
    def uniform(cls, n: int) -> CellLaw:
        """Return the uniform law on n cells.

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 4.
        """
        start = cls(np.ones(check_integer("n", n, least=FEWEST)))
        return cls(start.volumes)

    @classmethod
    def from_density(cls, density: Callable[[Array], ArrayLike], n: int) -> CellLaw:
        """Take a density at the nodes of n cells, normalised for you.

        Parameters
        ----------
        density : callable
            Non-negative function of `places`: of points (n, 1) on the circle, z (n,) on S^2.
        n : int
            Number of cells, >= 4.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above.
        """
        grid = cls.uniform(n)
        values = checked_density(density, grid.places)
        return cls(grid.volumes * (values / values.max()))

    @property
    @abstractmethod
    def nodes(self) -> Array:
        """A point of each cell, (n, p)."""

    @property
    @abstractmethod
    def places(self) -> Array:
        """What functions are given as arguments: points (n, 1) on the circle, z (n,) on S^2."""

    @property
    @abstractmethod
    def volumes(self) -> Array:
        """Length or area of each cell, (n,)."""

    @property
    @abstractmethod
    def conductances(self) -> Array:
        """Size of the face from each cell to the next, over the distance of their nodes.

        (n,) on the circle, where the first cell follows the last; (n - 1,) on S^2.
        """

    @property
    def _cells(self) -> int:
        return len(self.masses)

    def entropy(self) -> float:
        """Return E log density: the integral of rho log rho over length or area."""
        return float(xlogy(self.masses, self.masses / self.volumes).sum())

    def mean(self, f: Callable[[Array], ArrayLike]) -> Array:
        """Return the mean of f: of points (n, 1) on the circle, of z (n,) on S^2.

        Raises
        ------
        ValueError
            If `f` gives a wrong shape or a value that is not finite.
        """
        return self.masses @ values_at(f, self.places)

    def _below(self, x: Array, edges: Array) -> tuple[Array, Array]:
        """Return mass per unit of x, and mass below x, for x between ascending edges (n + 1,)."""
        cell = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(self.masses) - 1)
        slope = self.masses[cell] / (edges[cell + 1] - edges[cell])
        before = np.append(0.0, np.cumsum(self.masses))
        return slope, before[cell] + (x - edges[cell]) * slope


@dataclass(frozen=True, eq=False)
class CircleCells(CellLaw):
    """A law on the circle by the masses of n equal arcs, the first from angle 0.

    Parameters
    ----------
    masses : array_like, shape (n,)
        Non-negative, n >= 4; normalised for you.

    Raises
    ------
    TypeError, ValueError
        If `masses` are not as above.

    Examples
    --------
    >>> from coupled_flows import CircleCells
    >>> law = CircleCells.from_density(lambda x: 1 + np.cos(x[:, 0]), 64)
    >>> round(float(law.mean(lambda x: np.cos(x[:, 0]))), 12)
    0.5
    """

    @property
    def manifold(self) -> Manifold:
        """The circle."""
        return Torus(1)

    @property
    def end(self) -> float:
        """One turn."""
        return TURN

    @property
    def nodes(self) -> Array:
        n = len(self.masses)
        return ((np.arange(n) + 0.5) * (TURN / n))[:, None]

    @property
    def places(self) -> Array:
        return self.nodes

    @property
    def volumes(self) -> Array:
        return np.full(len(self.masses), TURN / len(self.masses))

    @property
    def conductances(self) -> Array:
        return 1 / self.volumes

    def _densities(self, angle: Array) -> tuple[Array, Array]:
        return self._below(angle, np.linspace(0.0, TURN, len(self.masses) + 1))

    def density(self, x: ArrayLike) -> Array:
        """Return the density with respect to the angle at points (n, 1), as an array (n,).

        Raises
        ------
        ValueError
            If a point is not an angle in [0, 2 pi).
        """
        return self._densities(self.manifold.check_points("x", x)[:, 0])[0]

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent angles in rows, (n, 1).

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 0 or `rng` not a Generator.
        """
        share = check_rng(rng).random(check_integer("n", n))
        return np.minimum(self.angle_at(share), np.nextafter(TURN, 0))[:, None]


@dataclass(frozen=True, eq=False)
class ZonalCells(CellLaw):
    """A law on S^2, symmetric about the z axis, by the masses of n zones, from south to north.

    The nodes are those of Gauss and Legendre in z, and the areas of the zones are 2 pi times the
    weights: each zone holds its node (Chebyshev, Markov and Stieltjes).

    Parameters
    ----------
    masses : array_like, shape (n,)
        Non-negative, n >= 4; normalised for you.

    Raises
    ------
    TypeError, ValueError
        If `masses` are not as above.

    Examples
    --------
    >>> from coupled_flows import ZonalCells
    >>> law = ZonalCells.from_density(lambda z: 1 + z, 64)
    >>> round(float(law.mean(lambda z: z)), 12)
    0.333333333333
    """

    @property
    def manifold(self) -> Manifold:
        """The sphere S^2."""
        return Sphere(2)

    @property
    def end(self) -> float:
        """Half a turn."""
        return np.pi

    @property
    def places(self) -> Array:
        return gauss_legendre(len(self.masses))[0]

    @property
    def nodes(self) -> Array:
        z = self.places
        return np.column_stack([np.sqrt((1 - z) * (1 + z)), np.zeros_like(z), z])

    @property
    def volumes(self) -> Array:
        return TURN * gauss_legendre(len(self.masses))[1]

    @cached_property
    def edges(self) -> Array:
        """Heights between the zones, and of the poles: (n + 1,)."""
        weights = gauss_legendre(len(self.masses))[1]
        south = np.append(0.0, np.cumsum(weights)) - 1
        # the rule is symmetric, and so are these, to the last digit
        edges = (south - south[::-1]) / 2
        edges[[0, -1]] = -1.0, 1.0
        return edges

    @property
    def conductances(self) -> Array:
        faces = self.edges[1:-1]
        return TURN * (1 - faces) * (1 + faces) / np.diff(self.places)

    def _densities(self, angle: Array) -> tuple[Array, Array]:
        slope, below = self._below(np.cos(angle), self.edges)
        return slope * np.sin(angle), 1 - below

    def grid(self, finer: int = 1) -> Array:
        edges = np.arccos(self.edges[::-1])
        parts = check_integer("finer", finer, least=1)
        return np.interp(np.arange(parts * self._cells) / parts, np.arange(len(edges)), edges)

    def density(self, z: ArrayLike) -> Array:
        """Return the density with respect to area at heights z, as an array (n,).

        Raises
        ------
        ValueError
            If a height is not in [-1, 1].
        """
        heights = check_array("z", z, ("n",))
        if (far := float(np.abs(heights).max(initial=0.0))) > 1:
            raise ValueError(f"z must lie in [-1, 1]; got a height of size {far!r}")
        return self._below(heights, self.edges)[0] / TURN

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points of the sphere in rows, (n, 3).

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 0 or `rng` not a Generator.
        """
        share = check_rng(rng).random((2, check_integer("n", n)))
        polar, turn = self.angle_at(share[0]), TURN * share[1]
        return np.column_stack(
            [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)]
        )
