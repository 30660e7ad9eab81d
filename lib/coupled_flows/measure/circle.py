"""Smooth laws by their moments: on the circle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike, NDArray

from coupled_flows.geometry.errors import Array, check_integer, check_rng
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.manifolds import TURN, Torus
from coupled_flows.measure.angles import (
    Moments,
    SmoothLaw,
    checked_density,
    checked_fit,
    checked_moments,
    irregular,
    last_that_counts,
    resolved,
)
from coupled_flows.measure.laws import values_at


@dataclass(frozen=True, eq=False)
class CircleLaw(SmoothLaw):
    """A law on the circle given by its moments m_k = E exp(-i k X), k = 0 .. K.

    Parameters
    ----------
    moments : array_like of complex, shape (K + 1,)
        With m_0 = 1.

    Raises
    ------
    ValueError
        If the moments are not finite or m_0 is not 1.

    Examples
    --------
    >>> uniform = CircleLaw([1.0])
    >>> uniform.quantiles(4) / np.pi
    array([0.25, 0.75, 1.25, 1.75])
    """

    moments: Moments

    def __post_init__(self) -> None:
        object.__setattr__(self, "moments", checked_moments(self.moments))

    @classmethod
    def from_density(cls, density: Callable[[Array], ArrayLike], modes: int) -> CircleLaw:
        """Expand a non-negative density, normalised for you.

        Parameters
        ----------
        density : callable, (n, 1) -> (n,)
            Smooth, non-negative; of any positive mass.
        modes : int
            Highest moment kept.

        Returns
        -------
        CircleLaw

        Raises
        ------
        ValueError
            If `density` is negative, not finite, zero, or not resolved by that many modes.

        Examples
        --------
        >>> law = CircleLaw.from_density(lambda x: 1 + np.cos(x[:, 0]), modes=4)
        >>> law.moments.real.round(12) + 0.0
        array([1. , 0.5, 0. , 0. , 0. ])
        """
        modes = check_integer("modes", modes, least=1)
        n = 8 * modes + 8
        angle = np.arange(n) * (TURN / n)
        checked = checked_density(density, angle[:, None])
        moments = np.fft.rfft(checked)[: modes + 1] / checked.sum()
        law = cls(resolved(moments, "modes"))
        off = TURN * irregular()
        series = law.angle_density(off) * (checked.sum() * (TURN / n))
        checked_fit(series, checked_density(density, off[:, None]), "modes", "the density")
        return law

    @property
    def manifold(self) -> Manifold:
        """The circle."""
        return Torus(1)

    @property
    def end(self) -> float:
        """One turn."""
        return TURN

    @cached_property
    def _series(self) -> NDArray[np.complexfloating[Any, Any]]:
        # rho(t) = Re sum_k c_k exp(i k t) and its integral less t/2 pi, in powers of exp(i t)
        density = np.asarray(self.moments, dtype=complex) / np.pi
        density = density[: last_that_counts(density) + 1]
        density[0] /= 2
        integral = np.zeros_like(density)
        integral[1:] = density[1:] / (1j * np.arange(1, len(density)))
        integral[0] = -integral[1:].real.sum()
        return np.stack([density, integral], axis=1)

    def _densities(self, angle: Array) -> tuple[Array, Array]:
        density, integral = polynomial.polyval(np.exp(1j * angle), self._series).real
        return density, angle / TURN + integral

    @property
    def _cells(self) -> int:
        return max(16, len(self._series))

    def density(self, x: ArrayLike) -> Array:
        """Return the density with respect to the angle at points (n, 1), as an array (n,).

        Raises
        ------
        ValueError
            If a point is not an angle in [0, 2 pi).
        """
        points = self.manifold.check_points("x", x)
        return self._densities(points[:, 0])[0]

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent angles in rows, (n, 1).

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 0 or `rng` not a Generator.
        """
        share = check_rng(rng).random(check_integer("n", n))
        return np.minimum(self.angle_at(share), np.nextafter(TURN, 0))[:, None]

    def mean(self, f: Callable[[Array], ArrayLike]) -> Array:
        """Return the integral of f, a smooth function of points (n, 1).

        Raises
        ------
        ValueError
            If `f` gives a wrong shape or a value that is not finite.
        """
        angle, _, weight = self.panels(self.grid())
        return weight @ values_at(f, angle[:, None])
