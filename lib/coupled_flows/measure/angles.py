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
    def _nodes(self) -> tuple[Array, Array]:
        """Nodes in the angle and weights that integrate smooth functions of it."""

    @property
    @abstractmethod
    def _resolution(self) -> int:
        """A number of nodes that resolves the density."""

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        angle = np.linspace(0.0, self.end, 4 * self._resolution + 1)
        density, distribution = self._densities(angle)
        negative = float(-np.minimum(density, 0.0).sum() * (angle[1] - angle[0]))
        if negative > UNRESOLVED:
            raise ValueError(
                "the law's density must be resolved by its series; it has negative mass"
                f" {negative:g} (allowed: {UNRESOLVED:g}): use more modes, or a later time"
            )
        np.maximum.accumulate(distribution, out=distribution)
        return angle, np.clip(distribution, 0.0, 1.0)

    def angle_density(self, angle: Array) -> Array:
        """Return the density with respect to the angle, at angles in [0, end]."""
        return self._densities(angle)[0]

    def distribution(self, angle: Array) -> Array:
        """Return the share of mass below each angle in [0, end]."""
        return self._densities(angle)[1]

    def angle_at(self, share: Array) -> Array:
        """Return the angle below which lies the given share of mass, for shares in [0, 1]."""
        angle, distribution = self._table
        cell = np.clip(np.searchsorted(distribution, share, side="right") - 1, 0, len(angle) - 2)
        low, high = angle[cell], angle[cell + 1]
        rise = distribution[cell + 1] - distribution[cell]
        part = np.divide(
            share - distribution[cell], rise, out=np.full_like(share, 0.5), where=rise > 0
        )
        x = low + np.clip(part, 0.0, 1.0) * (high - low)
        for _ in range(60):  # Newton, kept in its bracket by bisection
            density, value = self._densities(x)
            excess = value - share
            low = np.where(excess < 0, x, low)
            high = np.where(excess > 0, x, high)
            step = np.divide(excess, density, out=np.full_like(x, np.inf), where=density > 0)
            newton = x - step
            x = np.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
            # quadratic convergence: the step just taken left no more than rounding
            if np.abs(excess).max(initial=0.0) <= 1e-14:
                break
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

    def quadrature(self) -> tuple[Array, Array, Array]:
        """Return angles, shares of mass below them, and weights of sum 1 that integrate the law."""
        angle, weight = self._nodes
        density, distribution = self._densities(angle)
        mass = np.maximum(density, 0.0) * weight
        return angle, distribution, mass / mass.sum()

    def panels(self, cuts: Array) -> tuple[Array, Array, Array]:
        """Return angles, shares and weights as `quadrature` does, between cuts in ascending order.

        Parameters
        ----------
        cuts : ndarray, shape (k,)
            Angles in [0, end] between which the integrand is smooth.

        Returns
        -------
        tuple of ndarray
        """
        edges = np.concatenate([[0.0], cuts, [self.end]])
        nodes, weights = gauss_legendre(self._resolution // (len(cuts) + 1) + 8)
        half = np.diff(edges)[:, None] / 2
        angle = ((edges[:-1, None] + half) + half * nodes).ravel()
        density, distribution = self._densities(angle)
        mass = np.maximum(density, 0.0) * (half * weights).ravel()
        return angle, distribution, mass / mass.sum()


def checked_moments(moments: ArrayLike) -> NDArray[np.complexfloating[Any, Any]]:
    """Return moments as an array whose first entry is 1, or say what is wrong with them."""
    array = np.asarray(moments)
    if array.ndim != 1 or not len(array) or array.dtype.kind not in "iufc":
        raise ValueError(f"moments must be numbers of shape (K + 1,); got {moments!r}")
    if not np.isfinite(array).all() or abs(array[0] - 1) > 1e-9:
        raise ValueError(f"moments must be finite and start with 1; got {array[:3]} ...")
    return array / array[0]


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
    """Return a density's values at points, scaled to a maximum of 1."""
    if not callable(density):
        raise TypeError(f"density must be a function of points; got {density!r}")
    values = check_array("density(x)", density(points), (len(points),))
    if values.min() < 0 or values.max() <= 0:
        raise ValueError(
            "density must be non-negative and not zero everywhere; got values from"
            f" {values.min():g} to {values.max():g}"
        )
    return values / values.max()
