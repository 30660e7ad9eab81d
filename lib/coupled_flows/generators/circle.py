"""The generator on the circle, in trigonometric polynomials."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.generators.dense import gibbs_mass
from coupled_flows.generators.onestep import circle_step
from coupled_flows.generators.spectral import SpectralGenerator, check_gibbs
from coupled_flows.geometry.errors import Array, check_array, check_integer, check_type
from coupled_flows.geometry.manifolds import TURN, Torus
from coupled_flows.measure.angles import fill_moments, irregular
from coupled_flows.measure.circle import CircleLaw
from coupled_flows.measure.laws import Law, PointLaw
from coupled_flows.walks.langevin import Langevin
from coupled_flows.walks.steps import Walk


class FourierGenerator(SpectralGenerator):
    """The generator on the circle `Torus(1)`, on 2 modes + 1 equally spaced nodes.

    Trigonometric collocation: exact for U = 0, and to rounding for smooth U once exp(-beta U) is
    resolved.

    Parameters
    ----------
    langevin : Langevin
        On `Torus(1)`.
    modes : int
        Highest wave number.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the manifold is another one, `modes` < 1 or too small to resolve exp(-beta U), or
        the potential's barrier too high for float64.

    Examples
    --------
    >>> from coupled_flows import FourierGenerator, Langevin, Torus, zero
    >>> generator = FourierGenerator(Langevin(Torus(1), zero(), beta=2.0), modes=8)
    >>> wave = np.cos(3 * generator.nodes[:, 0])
    >>> bool(np.allclose(generator.apply(wave), -9 / 2 * wave))
    True
    """

    def __init__(self, langevin: Langevin, modes: int) -> None:
        check_type("langevin", langevin, Langevin, "a Langevin problem")
        if langevin.manifold != Torus(1):
            raise ValueError(f"langevin must be on Torus(1); got {langevin.manifold!r}")
        self.langevin = langevin
        self.modes = check_integer("modes", modes, least=1)
        n = 2 * self.modes + 1
        angle = np.arange(n) * (TURN / n)
        self.nodes = angle[:, None]
        self.mass = gibbs_mass(langevin, self.nodes, np.full(n, 1 / n))
        self._at_nodes = self.basis(self.nodes)
        self.analysis = self._at_nodes.T * (2 / n)
        self.analysis[0] /= 2
        check_gibbs(self, TURN * irregular()[:, None], "modes")
        apart = np.subtract.outer(np.arange(n), np.arange(n))
        with np.errstate(divide="ignore"):
            derivative = 0.5 * (-1.0) ** apart / np.sin(apart * (np.pi / n))
        np.fill_diagonal(derivative, 0.0)
        slope = langevin.gradient(self.nodes)
        self.matrix = derivative @ derivative / langevin.beta - slope * derivative
        self.factor = derivative + np.diagflat(langevin.beta / 2 * slope)
        self.factor /= np.sqrt(langevin.beta)

    def basis(self, points: Array) -> Array:
        """Return 1, cos k t and sin k t for k = 1 .. modes at points (m, 1), as (m, n)."""
        values = np.ones((2 * self.modes + 1, len(points)))
        first = wave = np.exp(1j * points[:, 0])
        # products lose no more than the rounding of k t would, and are ten times faster
        for k in range(1, self.modes + 1):
            values[k], values[self.modes + k] = wave.real, wave.imag
            wave = wave * first
        return values.T

    def law(self, density: Callable[[Array], ArrayLike]) -> CircleLaw:
        """Return the law with a density given as a function of points (n, 1), normalised.

        Raises
        ------
        TypeError, ValueError
            If `density` is not a function, is negative, zero, not finite or not resolved.
        """
        return CircleLaw.from_density(density, self.modes)

    def weights_of(self, law: Law) -> Array:
        """Return a law as weights (n,) on the nodes.

        Raises
        ------
        TypeError
            If it is neither a `CircleLaw` nor a `PointLaw` on the circle.
        ValueError
            If it is smooth and has moments that count beyond `modes`.
        """
        if isinstance(law, PointLaw) and law.manifold == Torus(1):
            return np.asarray(law.weights) @ self.basis(law.points) @ self.analysis
        check_type("law", law, CircleLaw, "a CircleLaw, or a PointLaw on Torus(1)")
        moments = np.zeros(self.modes + 1, dtype=complex)
        fill_moments(moments, law.moments)  # type: ignore[attr-defined]
        return np.concatenate([moments.real, -moments[1:].imag]) @ self.analysis

    def law_of(self, weights: Array) -> CircleLaw:
        """Return the law with those weights (n,) on the nodes."""
        means = check_array("weights", weights, (len(self.nodes),)) @ self._at_nodes
        k = self.modes + 1
        moments = means[:k].astype(complex)
        moments[1:] -= 1j * means[k:]
        return CircleLaw(moments)

    def expected_basis(self, walk: Walk) -> Array:
        """Return the mean of the basis functions one step after each node, (n, n)."""
        return circle_step(walk, self.nodes, self.modes, self.basis)
