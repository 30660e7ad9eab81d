"""Smooth laws on S^2 by their moments, the means of spherical harmonics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import Array, check_integer, check_rng
from coupled_flows.geometry.harmonics import degrees_and_orders, harmonic_grid, harmonics
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.manifolds import TURN, Sphere
from coupled_flows.measure.angles import (
    UNRESOLVED,
    checked_density,
    checked_fit,
    checked_moments,
    irregular,
    resolved,
)
from coupled_flows.measure.density import DensityLaw
from coupled_flows.measure.laws import Law, values_at

# points whose harmonics are held at one time
BLOCK = 2048


@dataclass(frozen=True, eq=False)
class HarmonicLaw(Law):
    """A law on S^2, given by its moments E Y_lm, l = 0 .. L, real harmonics of mean square 1.

    Parameters
    ----------
    moments : array_like, shape ((L + 1)^2,)
        E Y_lm at index l^2 + l + m, so that the first is 1: see `geometry.harmonics`.

    Raises
    ------
    TypeError
        If the moments are complex.
    ValueError
        If they are not finite, not a square number of them, or the first is not 1.

    Examples
    --------
    >>> law = HarmonicLaw([1.0, 0.0, np.sqrt(3) / 6, 0.0])
    >>> float(law.mean(lambda x: x[:, 2]).round(12))  # Y_10 = sqrt(3) z
    0.166666666667
    """

    moments: Array

    def __post_init__(self) -> None:
        moments = checked_moments(self.moments)
        if np.iscomplexobj(moments):
            raise TypeError(f"moments must be real numbers; got {moments[:3]} ...")
        if math.isqrt(len(moments)) ** 2 != len(moments):
            raise ValueError(f"moments must have shape ((L + 1)^2,); got shape {moments.shape}")
        object.__setattr__(self, "moments", moments)

    @classmethod
    def from_density(cls, density: Callable[[Array], ArrayLike], degree: int) -> HarmonicLaw:
        """Expand a non-negative function of points, normalised for you.

        Parameters
        ----------
        density : callable, (n, 3) -> (n,)
            Smooth, non-negative, of any positive mass.
        degree : int
            Highest degree kept.

        Returns
        -------
        HarmonicLaw

        Raises
        ------
        TypeError, ValueError
            If `density` is not a function, is negative, not finite, zero, or not resolved by that
            degree.

        Examples
        --------
        >>> law = HarmonicLaw.from_density(lambda x: 1 + x[:, 1], degree=2)
        >>> float(law.mean(lambda x: x[:, 1]).round(12))
        0.333333333333
        """
        degree = check_integer("degree", degree, least=1)
        points, weight = harmonic_grid(2 * degree)
        mass = weight * checked_density(density, points)
        moments = mass @ harmonics(points, degree) / mass.sum()
        law = cls(np.real(resolved(moments, "degree")))
        off = scattered()
        series = law.density(off) * (2 * TURN * mass.sum())
        checked_fit(series, checked_density(density, off), "degree", "the density")
        return law

    @property
    def manifold(self) -> Manifold:
        """The sphere S^2."""
        return Sphere(2)

    @property
    def degree(self) -> int:
        """The highest degree L."""
        return math.isqrt(len(self.moments)) - 1

    def density(self, x: ArrayLike) -> Array:
        """Return the density with respect to area at points (n, 3), as an array (n,).

        Raises
        ------
        ValueError
            If a point is off the sphere.
        """
        points = self.manifold.check_points("x", x)
        values = np.empty(len(points))
        for k in range(0, len(points), BLOCK):
            values[k : k + BLOCK] = harmonics(points[k : k + BLOCK], self.degree) @ self.moments
        return values / (2 * TURN)

    def mean(self, f: Callable[[Array], ArrayLike]) -> Array:
        """Return the integral of f, a smooth function of points (n, 3).

        Raises
        ------
        ValueError
            If `f` gives a wrong shape or a value that is not finite.
        """
        points, weight = harmonic_grid(2 * self.degree + 16)
        return (weight * self.density(points) * (2 * TURN)) @ values_at(f, points)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points in rows, (n, 3), by rejection; see `DensityLaw`.

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 0, `rng` not a Generator, or the density not resolved by
            its series, so that it has negative mass.
        """
        n = check_integer("n", n)
        check_rng(rng)
        points, weight = harmonic_grid(2 * self.degree + 16)
        negative = 2 * TURN * float(weight @ np.maximum(-self.density(points), 0.0))
        if negative > UNRESOLVED:
            raise ValueError(
                "the law's density must be resolved by its series; it has negative mass"
                f" {negative:g} (allowed: {UNRESOLVED:g}): use a higher degree, or a later time"
            )
        # sum_m Y_lm^2 = 2l + 1, so that sum_m a_lm Y_lm is at most sqrt(2l + 1) |a_l|
        of, _ = degrees_and_orders(self.degree)
        sizes = np.sqrt(np.bincount(of, self.moments**2) * (2 * np.arange(self.degree + 1) + 1))
        law = DensityLaw(
            lambda x: np.maximum(self.density(x), 0.0), sizes.sum() / (2 * TURN), self.manifold
        )
        return law.sample(n, rng)


def scattered(n: int = 256) -> Array:
    """Return n points of the sphere that no grid sees alike, (n, 3): a spiral of golden turns."""
    z = 1 - (2 * np.arange(n) + 1) / n
    s, angle = np.sqrt((1 - z) * (1 + z)), TURN * irregular(n)
    return np.column_stack([s * np.cos(angle), s * np.sin(angle), z])
