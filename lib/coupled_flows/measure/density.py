"""A law given by its density on a compact manifold, sampled by rejection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import (
    Array,
    check_array,
    check_integer,
    check_real,
    check_rng,
    check_type,
)
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.manifolds import Sphere, Torus
from coupled_flows.measure.laws import Law

BATCH = 1 << 16
_HOPELESS = 10**7


@dataclass(frozen=True, eq=False)
class DensityLaw(Law):
    """The law with a given density with respect to the volume of a torus or a sphere.

    Sampled by rejection: a uniform point x is kept with probability density(x)/bound. The points
    kept are independent and have the law exactly.

    Parameters
    ----------
    density : callable, (n, p) -> (n,)
        Non-negative; need not have mass one. Probed at a few points.
    bound : float
        At least the maximum of `density`: the closer, the faster. One density above it by more
        than rounding (1e-12, relative), at any point that is tried, is an error, not a slightly
        wrong law.
    manifold : Torus or Sphere

    Raises
    ------
    TypeError
        If `density` is not a function or `manifold` not a manifold.
    ValueError
        If `manifold` is not compact, or `density` gives a wrong shape, a value that is not finite,
        negative or above `bound`.

    Examples
    --------
    >>> from coupled_flows import Torus
    >>> law = DensityLaw(lambda x: np.exp(np.cos(x[:, 0] - x[:, 1])), np.e, Torus(2))
    >>> law.sample(5, np.random.default_rng(1)).shape
    (5, 2)
    """

    density: Callable[[Array], ArrayLike]
    bound: float
    manifold: Manifold = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if not callable(self.density):
            raise TypeError(f"density must be a function of points; got {self.density!r}")
        object.__setattr__(self, "bound", check_real("bound", self.bound, above=0))
        check_type("manifold", self.manifold, Manifold, "a torus or a sphere, such as Sphere(2)")
        if not isinstance(self.manifold, Torus | Sphere):
            raise ValueError(
                "manifold must be a torus or a sphere, on which there is a uniform law;"
                f" got {self.manifold!r}"
            )
        self._shares(self.manifold.random_point(16, np.random.default_rng(0)))

    def _shares(self, x: Array) -> Array:
        """Return density(x)/bound, checked."""
        x.flags.writeable = False  # `density` is to look at the points, not to move them
        density = check_array("density(x)", self.density(x), (len(x),))
        lowest, highest = int(np.argmin(density)), int(np.argmax(density))
        if density[lowest] < 0:
            raise ValueError(f"density(x) must be >= 0; got {density[lowest]:g} at x = {x[lowest]}")
        if density[highest] > self.bound * (1 + 1e-12):
            raise ValueError(
                f"bound must be at least the largest density; got {self.bound:g}, and a density of"
                f" {density[highest]:g} at x = {x[highest]}"
            )
        return density / self.bound

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points in rows, (n, p).

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 0 or `rng` not a Generator, if `density` is not as promised
            at a point that is tried, or if not one in a million points is kept.
        """
        missing = check_integer("n", n)
        check_rng(rng)
        kept: list[Array] = [np.empty((0, self.manifold.point_dim))]
        tried = found = 0
        while missing > 0:
            # as many as are needed, judging by what was kept so far, and some to spare
            guess = 1.1 * missing * (tried + 1) / (found + 1) + 64
            x = self.manifold.random_point(min(int(guess), BATCH), rng)
            chosen = x[rng.random(len(x)) < self._shares(x)]
            kept.append(chosen[:missing])
            missing -= len(kept[-1])
            tried, found = tried + len(x), found + len(chosen)
            if tried >= _HOPELESS and found * 10**6 < tried:
                raise ValueError(
                    "bound must be near the largest density for points to be kept; got"
                    f" {self.bound:g}, with which {found} of {tried} points were"
                )
        return np.concatenate(kept)
