"""Laws described by one angle: on the circle, or on S^2 and symmetric about the z axis.

The angle is the point itself, or the polar angle. A smooth law has a density that a short
series gives to the last digit, hence a distribution function and quantiles without sampling.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coupled_flows.geometry.errors import Array, check_array, check_integer
from coupled_flows.geometry.series import gauss_legendre
from coupled_flows.measure.laws import Law

Moments = NDArray[np.complexfloating[Any, Any]] | Array
UNRESOLVED = 1e-9
# angles searched at once: so many that their arrays stay in a processor's cache
BLOCK = 16384


class AngleLaw(Law):
    """A law described by one angle: all of it on the circle, the polar angle on the sphere."""

    @property
    @abstractmethod
    def end(self) -> float:
        """The angle runs over [0, end]: 2 pi on the circle, pi on the sphere."""

    @abstractmethod
    def quantiles(self, n: int) -> Array:
        """Return the n angles at which the distribution function is (i + 1/2)/n, ascending."""

    @abstractmethod
    def mean(self, f: Callable[[Array], ArrayLike]) -> Array:
        """Return the integral of f against the law."""


class SmoothLaw(AngleLaw):
    """An `AngleLaw` with a smooth density."""

    @abstractmethod
    def _densities(self, angle: Array) -> tuple[Array, Array]:
        """Return density and distribution function of the angle."""

    @property
    @abstractmethod
    def _cells(self) -> int:
        """A number of equal cells in each of which the density is smooth."""

    @cached_property
    def _table(self) -> tuple[Array, Array, Array]:
        """Angles, slopes of the quantile function there, and shares below them."""
        angle = np.linspace(0.0, self.end, 16 * self._cells + 1)
        density, distribution = self._densities(angle)
        negative = float(-np.minimum(density, 0.0).sum() * (angle[1] - angle[0]))
        if negative > UNRESOLVED:
            raise ValueError(
                "the law's density must be resolved by its series; it has negative mass"
                f" {negative:g} (allowed: {UNRESOLVED:g}): use more modes, or a later time"
            )
        np.maximum.accumulate(distribution, out=distribution)
        slope = np.divide(1.0, density, out=np.zeros_like(density), where=density > 0)
        return angle, slope, np.clip(distribution, 0.0, 1.0)

    def angle_density(self, angle: Array) -> Array:
        """Return the density with respect to the angle, at angles (n,) in [0, end].

        Raises
        ------
        ValueError
            If an angle is outside.
        """
        return self._densities(check_within("angle", angle, self.end))[0]

    def distribution(self, angle: Array) -> Array:
        """Return the share of mass below each of the angles (n,) in [0, end].

        Raises
        ------
        ValueError
            If an angle is outside.
        """
        return self._densities(check_within("angle", angle, self.end))[1]

    def angle_at(self, share: Array) -> Array:
        """Return the angles below which lie given shares (n,) of the mass, in [0, 1].

        Raises
        ------
        ValueError
            If a share is outside, or the density not resolved by its series.
        """
        share = check_within("share", share, 1.0)
        found = np.empty_like(share)
        for first in range(0, len(share), BLOCK):
            block = slice(first, first + BLOCK)
            found[block] = self._angle_at(share[block])
        return found

    def _angle_at(self, share: Array) -> Array:
        angle, slope, distribution = self._table
        cell = np.clip(np.searchsorted(distribution, share, side="right") - 1, 0, len(angle) - 2)
        low, high = angle[cell], angle[cell + 1]
        rise = distribution[cell + 1] - distribution[cell]
        part = np.divide(
            share - distribution[cell], rise, out=np.full_like(share, 0.5), where=rise > 0
        )
        part = np.clip(part, 0.0, 1.0)
        # the cubic through both ends of the cell with their slopes, where it stays inside
        start, end = slope[cell] * rise, slope[cell + 1] * rise
        rest = 1 - part
        x = (
            low
            + (high - low) * part**2 * (1 + 2 * rest)
            + part * rest * (start * rest - end * part)
        )
        x = np.where((x >= low) & (x <= high), x, low + part * (high - low))
        for _ in range(60):  # Newton, kept in its bracket by bisection
            density, value = self._densities(x)
            excess = value - share
            far = np.abs(excess) > 1e-14
            if not far.any():
                break
            low = np.where(excess < 0, x, low)
            high = np.where(excess > 0, x, high)
            step = np.divide(excess, density, out=np.full_like(x, np.inf), where=density > 0)
            newton = x - step
            inside = (newton >= low) & (newton <= high)
            x = np.where(far, np.where(inside, newton, (low + high) / 2), x)
        return x

    def quantiles(self, n: int) -> Array:
        """Return the n angles at which the distribution function is (i + 1/2)/n, ascending.

        Parameters
        ----------
        n : int
            Number of quantiles, >= 1.

        Returns
        -------
        ndarray, shape (n,)
            Angles in radians, from 0 on the circle, from the north pole on the sphere.

        Raises
        ------
        ValueError
            If `n` < 1, or the density is not resolved by its series.
        """
        n = check_integer("n", n, least=1)
        return self.angle_at((np.arange(n) + 0.5) / n)

    def grid(self, finer: int = 1) -> Array:
        """Return angles, from 0 to below `end`, so dense that the density is smooth between.

        Parameters
        ----------
        finer : int
            How many times denser than that, >= 1.

        Returns
        -------
        ndarray

        Raises
        ------
        TypeError, ValueError
            If `finer` is not an integer >= 1.
        """
        cells = check_integer("finer", finer, least=1) * self._cells
        return np.arange(cells) * (self.end / cells)

    def panels(self, cuts: Array) -> tuple[Array, Array, Array]:
        """Return Gauss nodes between cuts: angles, shares below them, weights of sum 1.

        Parameters
        ----------
        cuts : ndarray, shape (k,)
            Angles in [0, end], ascending, `grid` among them, between which the integrand is
            smooth.

        Returns
        -------
        tuple of ndarray

        Raises
        ------
        ValueError
            If a cut is outside.
        """
        edges = np.append(check_within("cuts", cuts, self.end), self.end)
        nodes, weights = gauss_legendre(8)
        half = np.diff(edges)[:, None] / 2
        angle = ((edges[:-1, None] + half) + half * nodes).ravel()
        density, distribution = self._densities(angle)
        mass = np.maximum(density, 0.0) * (half * weights).ravel()
        return angle, distribution, mass / mass.sum()


def check_within(name: str, value: ArrayLike, most: float) -> Array:
    """Return `value` as an array (n,) of numbers in [0, most]."""
    array = check_array(name, value, ("n",))
    if array.min(initial=0.0) < 0 or array.max(initial=0.0) > most:
        raise ValueError(
            f"{name} must lie in [0, {most:.6g}]; got values from {array.min():g} to"
            f" {array.max():g}"
        )
    return array


def irregular(n: int = 64) -> Array:
    """Return n points of (0, 1) that no even grid sees alike: fractions of the golden ratio."""
    return np.mod(0.5 + np.arange(1, n + 1) * ((np.sqrt(5) - 1) / 2), 1.0)


def checked_fit(series: Array, values: Array, argument: str, what: str) -> None:
    """Compare a series with what it stands for, at points off its own grid."""
    miss = float(np.abs(series - values).max() / np.abs(values).max())
    if miss > 100 * UNRESOLVED:
        raise ValueError(
            f"{argument} must be large enough to resolve {what}; got a series that is off by"
            f" {miss:g} of its size between the nodes (allowed: {100 * UNRESOLVED:g})"
        )


def checked_moments(moments: ArrayLike) -> NDArray[np.complexfloating[Any, Any]]:
    """Return moments as an array whose first entry is 1, or say what is wrong with them."""
    array = np.asarray(moments)
    if array.ndim != 1 or not len(array) or array.dtype.kind not in "iufc":
        raise ValueError(f"moments must be numbers of shape (K + 1,); got {moments!r}")
    if not np.isfinite(array).all() or abs(array[0] - 1) > 1e-9:
        raise ValueError(f"moments must be finite and start with 1; got {array[:3]} ...")
    return array / array[0]


def fill_moments(room: Moments, moments: Moments) -> None:
    """Copy moments to where there is room for them; what does not fit must be negligible."""
    kept = min(len(room), len(moments))
    lost = float(np.abs(moments[kept:]).max(initial=0.0))
    if lost > UNRESOLVED:
        raise ValueError(
            f"law must have no more moments than the generator has room for, {kept - 1}; got one of"
            f" size {lost:g} beyond (allowed: {UNRESOLVED:g})"
        )
    room[:kept] = moments[:kept]


def last_that_counts(coefficients: NDArray[np.complexfloating[Any, Any]] | Array) -> int:
    """Return the index of the last coefficient above rounding."""
    return int(np.nonzero(np.abs(coefficients) > 1e-14)[0][-1])


def resolved(moments: Moments, argument: str) -> Moments:
    """Return the moments if the last of them are negligible, or ask for more of them."""
    tail = float(np.abs(moments[-max(1, len(moments) // 8) :]).max())
    if tail > UNRESOLVED:
        raise ValueError(
            f"{argument} must be large enough to resolve the density; with"
            f" {len(moments) - 1} the last moments still have size {tail:g}"
            f" (allowed: {UNRESOLVED:g})"
        )
    return moments


def checked_density(density: Callable[[Array], ArrayLike], points: Array) -> Array:
    """Return a density's values at points."""
    if not callable(density):
        raise TypeError(f"density must be a function of points; got {density!r}")
    values = check_array("density(x)", density(points), (len(points),))
    if values.min() < 0 or values.max() <= 0:
        raise ValueError(
            "density must be non-negative and not zero everywhere; got values from"
            f" {values.min():g} to {values.max():g}"
        )
    return values
