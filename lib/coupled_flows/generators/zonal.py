"""The generator on S^2 for what is symmetric about the z axis, in Legendre polynomials."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike

from coupled_flows.generators.dense import gibbs_mass
from coupled_flows.generators.onestep import zonal_step
from coupled_flows.generators.spectral import SpectralGenerator, check_gibbs
from coupled_flows.geometry.errors import Array, check_array, check_integer, check_type
from coupled_flows.geometry.manifolds import Sphere
from coupled_flows.geometry.series import gauss_legendre
from coupled_flows.measure.angles import fill_moments, irregular
from coupled_flows.measure.laws import Law, PointLaw
from coupled_flows.measure.zonal import RingLaw, ZonalLaw
from coupled_flows.walks.langevin import Langevin
from coupled_flows.walks.steps import Walk


class ZonalGenerator(SpectralGenerator):
    """The generator on `Sphere(2)` for U a function of z, acting on functions of z.

    On the degree + 1 Gauss-Legendre nodes in z. Polynomial collocation: exact for U = 0
    (eigenvalues -l(l+1)/beta), and to rounding once exp(-beta U) is resolved. Laws are symmetric
    about the z axis.

    Parameters
    ----------
    langevin : Langevin
        On `Sphere(2)`, with a potential that depends on z only.
    degree : int
        Highest degree.

    Attributes
    ----------
    nodes : ndarray, shape (n, 3)
        Points on the meridian y = 0, x >= 0, one at each node.
    z : ndarray, shape (n,)
        Their heights, ascending.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the manifold is another one, the potential not a function of z, `degree` < 1 or too
        small to resolve exp(-beta U), or the barrier too high for float64.

    Examples
    --------
    >>> from coupled_flows import Langevin, Sphere, ZonalGenerator, linear
    >>> generator = ZonalGenerator(Langevin(Sphere(2), linear([0.0, 0.0, -2.0])), degree=32)
    >>> float(generator.stationary_mean(generator.z) - (1 / np.tanh(2) - 1 / 2)).__round__(12)
    0.0
    """

    def __init__(self, langevin: Langevin, degree: int) -> None:
        check_type("langevin", langevin, Langevin, "a Langevin problem")
        if langevin.manifold != Sphere(2):
            raise ValueError(f"langevin must be on Sphere(2); got {langevin.manifold!r}")
        _check_zonal(langevin)
        self.langevin = langevin
        self.degree = check_integer("degree", degree, least=1)
        self.z, quadrature = gauss_legendre(self.degree + 1)
        sine = np.sqrt((1 - self.z) * (1 + self.z))
        self.nodes = np.column_stack([sine, np.zeros_like(sine), self.z])
        self.mass = gibbs_mass(langevin, self.nodes, quadrature)
        self._at_nodes = values = self.basis(self.nodes)
        scale = (2 * np.arange(self.degree + 1) + 1) / 2
        self.analysis = scale[:, None] * values.T * quadrature
        z = 2 * irregular() - 1
        off = np.column_stack([np.sqrt(1 - z**2), 0 * z, z])
        check_gibbs(self, off, "degree")
        derivative = _derivatives(values) @ self.analysis
        south = np.column_stack([self.z, np.zeros_like(sine), -sine])  # e_theta
        rise = -np.einsum("ij,ij->i", langevin.gradient(self.nodes), south)  # sin(theta) u'(z)
        square = sine[:, None] ** 2 * (derivative @ derivative)
        self.matrix = (square - 2 * self.z[:, None] * derivative) / langevin.beta
        self.matrix -= (sine * rise)[:, None] * derivative
        root = np.sqrt(quadrature)
        self.factor = sine[:, None] * derivative + np.diag(langevin.beta / 2 * rise)
        self.factor *= np.outer(root, 1 / root) / np.sqrt(langevin.beta)

    def basis(self, points: Array) -> Array:
        """Return the Legendre polynomials P_0 .. P_degree of z at points (m, 3), as (m, n)."""
        return legendre.legvander(np.clip(points[:, 2], -1.0, 1.0), self.degree)

    def law(self, density: Callable[[Array], ArrayLike]) -> ZonalLaw:
        """Return the law with a density given as a function of z (n,), normalised.

        Raises
        ------
        TypeError, ValueError
            If `density` is not a function, is negative, zero, not finite or not resolved.
        """
        return ZonalLaw.from_density(density, self.degree)

    def weights_of(self, law: Law) -> Array:
        """Return a law as weights (n,) on the nodes.

        Raises
        ------
        TypeError
            If it is neither a `ZonalLaw` nor a `RingLaw`.
        ValueError
            If it is a `PointLaw` whose points are not all poles, or smooth with moments that count
            beyond `degree`.
        """
        if isinstance(law, PointLaw) and law.manifold == Sphere(2):
            if np.abs(law.points[:, :2]).max() > 1e-12:
                raise ValueError(
                    "law must be symmetric about the z axis; got points off the poles (a ring at"
                    " height z is RingLaw([z]))"
                )
            law = RingLaw(np.sign(law.points[:, 2]), law.weights)
        if isinstance(law, RingLaw):
            values = legendre.legvander(law.heights, self.degree)
            return np.asarray(law.weights) @ values @ self.analysis
        check_type("law", law, ZonalLaw, "a ZonalLaw, a RingLaw, or a PointLaw on the poles")
        moments = np.zeros(self.degree + 1)
        fill_moments(moments, law.moments)  # type: ignore[attr-defined]
        return moments @ self.analysis

    def law_of(self, weights: Array) -> ZonalLaw:
        """Return the law with those weights (n,) on the nodes."""
        checked = check_array("weights", weights, (len(self.nodes),))
        return ZonalLaw(checked @ self._at_nodes)

    def expected_basis(self, walk: Walk) -> Array:
        """Return the mean of the basis functions one step after each node, (n, n)."""
        return zonal_step(walk, self.nodes, self.degree)


def _check_zonal(langevin: Langevin) -> None:
    z = np.linspace(-0.9, 0.9, 7)
    sine = np.sqrt(1 - z**2)
    rings = [
        langevin.energy(np.column_stack([sine * np.cos(a), sine * np.sin(a), z]))
        for a in (0.0, 1.0, 2.5, 4.0)
    ]
    spread = float(np.ptp(rings, axis=0).max())
    if spread > 1e-9 * (1 + float(np.abs(rings).max())):
        raise ValueError(
            "langevin must have a potential that depends on z only; its values differ by"
            f" {spread:g} around a circle of latitude"
        )


def _derivatives(values: Array) -> Array:
    """Return P_l' at the points where P_l is given, by P'_{l+1} = P'_{l-1} + (2l+1) P_l."""
    slopes = np.zeros_like(values)
    for degree in range(1, values.shape[1]):
        slopes[:, degree] = (2 * degree - 1) * values[:, degree - 1]
        if degree >= 2:
            slopes[:, degree] += slopes[:, degree - 2]
    return slopes
