"""Laws on S^2 that are symmetric about the z axis: smooth ones by their moments, and rings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import Array, check_array, check_integer, check_rng
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.manifolds import TURN, Sphere
from coupled_flows.geometry.series import gauss_legendre
from coupled_flows.measure.angles import (
    AngleLaw,
    Moments,
    SmoothLaw,
    checked_density,
    checked_fit,
    checked_moments,
    irregular,
    last_that_counts,
    resolved,
)
from coupled_flows.measure.laws import normalised, values_at


@dataclass(frozen=True, eq=False)
class ZonalLaw(SmoothLaw):
    """A law on S^2 symmetric about the z axis, given by its moments a_l = E P_l(z), l = 0 .. L.

    Parameters
    ----------
    moments : array_like, shape (L + 1,)
        With a_0 = 1.

    Raises
    ------
    ValueError
        If the moments are not finite or a_0 is not 1.

    Examples
    --------
    >>> uniform = ZonalLaw([1.0])
    >>> np.cos(uniform.quantiles(4)).round(12)
    array([ 0.75,  0.25, -0.25, -0.75])
    """

    moments: Moments

    def __post_init__(self) -> None:
        moments = checked_moments(self.moments)
        if np.iscomplexobj(moments):
            raise TypeError(f"moments must be real numbers; got {moments[:3]} ...")
        object.__setattr__(self, "moments", moments)

    @classmethod
    def from_density(cls, density: Callable[[Array], ArrayLike], degree: int) -> ZonalLaw:
        """Expand a non-negative function of z, normalised for you.

        Parameters
        ----------
        density : callable, (n,) -> (n,)
            Of z in [-1, 1]; smooth, non-negative, of any positive mass.
        degree : int
            Highest moment kept.

        Returns
        -------
        ZonalLaw

        Raises
        ------
        ValueError
            If `density` is negative, not finite, zero, or not resolved by that degree.

        Examples
        --------
        >>> ZonalLaw.from_density(lambda z: 1 + z, degree=3).moments.round(12) + 0.0
        array([1.        , 0.33333333, 0.        , 0.        ])
        """
        degree = check_integer("degree", degree, least=1)
        z, weight = gauss_legendre(4 * degree + 4)
        mass = weight * checked_density(density, z)
        moments = legendre.legvander(z, degree).T @ mass / mass.sum()
        law = cls(resolved(moments, "degree"))
        off = 2 * irregular() - 1
        series = law.density(off) * (TURN * mass.sum())
        checked_fit(series, checked_density(density, off), "degree", "the density")
        return law

    @property
    def manifold(self) -> Manifold:
        """The sphere S^2."""
        return Sphere(2)

    @property
    def end(self) -> float:
        """Half a turn."""
        return np.pi

    @cached_property
    def _series(self) -> Array:
        a = np.real(self.moments)
        a = a[: last_that_counts(a) + 1]
        density, distribution = np.zeros(len(a) + 1), np.zeros(len(a) + 1)
        density[:-1] = (2 * np.arange(len(a)) + 1) / 2 * a
        distribution[: len(a) - 1] += a[1:] / 2
        distribution[2:] -= a[1:] / 2
        return np.stack([density, distribution], axis=1)

    def _densities(self, angle: Array) -> tuple[Array, Array]:
        density, integral = legendre.legval(np.cos(angle), self._series)
        return density * np.sin(angle), np.sin(angle / 2) ** 2 + integral

    @property
    def _cells(self) -> int:
        return max(8, len(self._series) // 2 + 1)

    def density(self, z: ArrayLike) -> Array:
        """Return the density with respect to area at heights z, as an array (n,).

        Raises
        ------
        ValueError
            If a height is not in [-1, 1].
        """
        heights = _checked_heights("z", z)
        return legendre.legval(heights, self._series[:, 0]) / TURN

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points of the sphere in rows, (n, 3).

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 0 or `rng` not a Generator.
        """
        share = check_rng(rng).random((2, check_integer("n", n)))
        return _on_rings(self.angle_at(share[0]), TURN * share[1])

    def mean(self, f: Callable[[Array], ArrayLike]) -> Array:
        """Return the integral of f, a smooth function of heights z (n,).

        Raises
        ------
        ValueError
            If `f` gives a wrong shape or a value that is not finite.
        """
        angle, _, weight = self.panels(self.grid())
        return weight @ values_at(f, np.cos(angle))


@dataclass(frozen=True, eq=False)
class RingLaw(AngleLaw):
    """The law on S^2 spread evenly over horizontal rings; a ring at z = 1 or -1 is a pole.

    Parameters
    ----------
    heights : array_like, shape (k,)
        z of each ring, in [-1, 1].
    weights : array_like, shape (k,), optional
        Mass of each ring, normalised for you; equal by default.

    Raises
    ------
    ValueError
        If a height is outside [-1, 1] or a weight negative.

    Examples
    --------
    >>> RingLaw([1.0]).quantiles(2)
    array([0., 0.])
    """

    heights: Array
    weights: Array | None = None

    def __post_init__(self) -> None:
        heights = _checked_heights("heights", self.heights)
        object.__setattr__(self, "heights", heights.copy())
        object.__setattr__(self, "weights", normalised(self.weights, len(heights)))

    @property
    def manifold(self) -> Manifold:
        """The sphere S^2."""
        return Sphere(2)

    @property
    def end(self) -> float:
        """Half a turn."""
        return np.pi

    def atoms(self) -> tuple[Array, Array]:
        """Return the polar angles of the rings, ascending, and their masses."""
        return _sorted_atoms(np.arccos(self.heights), self.weights)

    def quantiles(self, n: int) -> Array:
        """Return the polar angles at which the distribution function passes (i + 1/2)/n.

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 1.
        """
        return _quantiles_of_atoms(self.atoms(), n)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points of the sphere in rows, (n, 3).

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 0 or `rng` not a Generator.
        """
        n = check_integer("n", n)
        ring = check_rng(rng).choice(len(self.heights), n, p=self.weights)
        return _on_rings(np.arccos(self.heights[ring]), TURN * rng.random(n))

    def mean(self, f: Callable[[Array], ArrayLike]) -> Array:
        """Return the integral of f, a function of heights z (n,).

        Raises
        ------
        ValueError
            If `f` gives a wrong shape or a value that is not finite.
        """
        return np.asarray(self.weights) @ values_at(f, self.heights)


def _checked_heights(name: str, z: ArrayLike) -> Array:
    heights = check_array(name, z, ("n",))
    if not len(heights):
        raise ValueError(f"{name} must hold at least one height; got none")
    if np.abs(heights).max() > 1:
        worst = heights[np.argmax(np.abs(heights))]
        raise ValueError(f"{name} must lie in [-1, 1]; got {worst!r}")
    return heights


def _sorted_atoms(angles: Array, weights: Array | None) -> tuple[Array, Array]:
    order = np.argsort(angles, kind="stable")
    return angles[order], np.asarray(weights)[order]


def _quantiles_of_atoms(atoms: tuple[Array, Array], n: int) -> Array:
    share = (np.arange(check_integer("n", n, least=1)) + 0.5) / n
    below = np.cumsum(atoms[1])
    return atoms[0][np.minimum(np.searchsorted(below, share), len(below) - 1)]


def _on_rings(polar: Array, azimuth: Array) -> Array:
    x = np.empty((len(polar), 3))
    x[:, 0] = np.sin(polar) * np.cos(azimuth)
    x[:, 1] = np.sin(polar) * np.sin(azimuth)
    x[:, 2] = np.cos(polar)
    return x
