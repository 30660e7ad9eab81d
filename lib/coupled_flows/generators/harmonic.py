"""The generator on S^2 for any smooth potential, in spherical harmonics."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from coupled_flows.generators.dense import gibbs_mass
from coupled_flows.generators.onestep import REACH
from coupled_flows.generators.spectral import SpectralGenerator, SpectralTransition
from coupled_flows.geometry.errors import Array, check_array, check_integer, check_type
from coupled_flows.geometry.harmonics import (
    degrees_and_orders,
    harmonic_grid,
    harmonic_slopes,
    harmonics,
    south_and_east,
)
from coupled_flows.geometry.manifolds import TURN, Sphere
from coupled_flows.measure.angles import checked_fit, fill_moments
from coupled_flows.measure.harmonic import HarmonicLaw, scattered
from coupled_flows.measure.laws import Law, PointLaw
from coupled_flows.walks.langevin import Langevin
from coupled_flows.walks.steps import GeodesicWalk, RetractionWalk, Walk

# lattice points in a direction, and those whose harmonics are held at one time
LARGEST_COUNT = 200
BLOCK = 2048


class HarmonicGenerator(SpectralGenerator):
    """The generator on `Sphere(2)` for any smooth potential, in harmonics up to a degree.

    Exact for U = 0 (eigenvalues -l(l+1)/beta); otherwise the error falls exponentially with the
    degree once exp(-beta U/2) is resolved.

    Parameters
    ----------
    langevin : Langevin
        On `Sphere(2)`.
    degree : int
        Highest degree L. There are (L + 1)^2 functions on (L + 1)(2L + 1) nodes; time grows like
        the sixth power: 30 takes a second, 60 a minute and 2.4 GB.

    Attributes
    ----------
    nodes : ndarray, shape (n, 3)
        Gauss-Legendre heights times equally spaced meridians: `harmonic_grid`.
    quadrature : ndarray, shape (n,)
        The share of the sphere's area at each node.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the manifold is another one, `degree` < 1 or too small to resolve exp(-beta U), or the
        barrier too high for float64.

    Notes
    -----
    There are more nodes than functions. Held are the f for which exp(-beta U/2) f is a polynomial
    of degree L; of any other, given by its values at the nodes, every operator sees the projection
    onto these in the inner product that `mass` gives. So `resolvent` is Galerkin's solution:
    lam <u, v> + <u, -L v> = <f, v> in L2(pi), for every v held, with the Dirichlet form

        <u, -L v> = (1/beta) int <grad u, grad v> dpi = (1/beta) int <G p, G q> dx,
        p = exp(-beta U/2) u,  q = exp(-beta U/2) v,  G p = grad p + (beta/2) p grad U,

    self-adjoint and negative to the last digit, whatever the degree.

    Examples
    --------
    >>> from coupled_flows import Langevin, Sphere, linear
    >>> generator = HarmonicGenerator(Langevin(Sphere(2), linear([0.3, 0.0, -0.4])), degree=12)
    >>> round(generator.gap, 4)
    2.0374
    """

    def __init__(self, langevin: Langevin, degree: int) -> None:
        check_type("langevin", langevin, Langevin, "a Langevin problem")
        if langevin.manifold != Sphere(2):
            raise ValueError(f"langevin must be on Sphere(2); got {langevin.manifold!r}")
        self.langevin = langevin
        self.degree = check_integer("degree", degree, least=1)
        self.nodes, self.quadrature = harmonic_grid(self.degree)
        self.mass = gibbs_mass(langevin, self.nodes, self.quadrature)
        self._at_nodes = self.basis(self.nodes)
        self.analysis = self._at_nodes.T * self.quadrature
        self._check_resolved()

    def _check_resolved(self) -> None:
        points = np.concatenate([self.nodes, scattered()])
        energy = self.langevin.beta * self.langevin.energy(points)
        density = np.exp(np.outer(energy.min() - energy, [0.5, 1.0]))
        n = len(self.nodes)
        series = self.basis(points[n:]) @ (self.analysis @ density[:n])
        checked_fit(series, density[n:], "degree", "exp(-beta U) and its root")

    @cached_property
    def factor(self) -> Array:  # type: ignore[override]
        """G/sqrt(beta) on coefficients of harmonics, up to a rotation, so that F'F is -L there."""
        beta, slope = self.langevin.beta, self.langevin.gradient(self.nodes)
        rows = []
        for table, tangent in zip(
            harmonic_slopes(self.nodes, self.degree), south_and_east(self.nodes), strict=True
        ):
            pull = beta / 2 * np.einsum("ij,ij->i", slope, tangent)
            rows.append(
                np.sqrt(self.quadrature / beta)[:, None] * (table + pull[:, None] * self._at_nodes)
            )
        return np.asarray(np.linalg.qr(np.concatenate(rows), mode="r"))

    @cached_property
    def _spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues of -L, ascending, and sqrt(mass) times the eigenfunctions, in columns."""
        root = np.sqrt(self.mass)
        _, singular, rows = np.linalg.svd(self.factor)
        rates = singular[::-1] ** 2
        frame = np.sqrt(self.quadrature)[:, None] * (self._at_nodes @ rows[::-1].T)
        # the first is known: constants, which every other function is orthogonal to
        rates[0] = 0.0
        frame[:, 0] = root
        frame[:, 1:] -= np.outer(root, root @ frame[:, 1:])
        return rates, frame

    @cached_property
    def matrix(self) -> Array:  # type: ignore[override]
        """L on node values, (n, n)."""
        return self._apply(np.eye(len(self.nodes)))

    def _apply(self, f: Array) -> Array:
        return self._through_spectrum(f, np.negative)

    def _lowest(self, count: int) -> tuple[Array, Array]:
        held = (self.degree + 1) ** 2
        if count > held:
            raise ValueError(f"count must be at most {held}; got {count}")
        return super()._lowest(count)

    def basis(self, points: Array) -> Array:
        """Return the harmonics up to `degree` at points (k, 3), as (k, (degree + 1)^2)."""
        return harmonics(points, self.degree)

    def law(self, density: Callable[[Array], ArrayLike]) -> HarmonicLaw:
        """Return the law with a density given as a function of points (n, 3), normalised.

        Raises
        ------
        TypeError, ValueError
            If `density` is not a function, is negative, zero, not finite or not resolved.
        """
        return HarmonicLaw.from_density(density, self.degree)

    def weights_of(self, law: Law) -> Array:
        """Return a law as weights (n,) on the nodes.

        Raises
        ------
        TypeError
            If it is neither a `HarmonicLaw` nor a `PointLaw` on the sphere.
        ValueError
            If it is smooth and has moments that count beyond `degree`.
        """
        if isinstance(law, PointLaw) and law.manifold == Sphere(2):
            return np.asarray(law.weights) @ self.basis(law.points) @ self.analysis
        check_type("law", law, HarmonicLaw, "a HarmonicLaw, or a PointLaw on Sphere(2)")
        moments = np.zeros((self.degree + 1) ** 2)
        fill_moments(moments, law.moments)  # type: ignore[attr-defined]
        return moments @ self.analysis

    def law_of(self, weights: Array) -> HarmonicLaw:
        """Return the law with those weights (n,) on the nodes."""
        checked = check_array("weights", weights, (len(self.nodes),))
        return HarmonicLaw(checked @ self._at_nodes)

    def transition(self, walk: Walk) -> SpectralTransition:
        """Return the one-step operator of a walk of Gaussian steps on this generator's nodes.

        Parameters
        ----------
        walk : GeodesicWalk or RetractionWalk
            Of the same Langevin problem.

        Returns
        -------
        SpectralTransition

        Raises
        ------
        TypeError, ValueError
            If `walk` is another walk, or one of another problem. Its matrix needs noise that does
            not wind around the sphere too often.
        """
        kinds = (GeodesicWalk, RetractionWalk)
        check_type("walk", walk, kinds, "a GeodesicWalk or RetractionWalk here")
        return super().transition(walk)

    def expected_basis(self, walk: Walk) -> Array:
        """Return the mean of the basis functions one step after each node, in rows.

        Integrals over the tangent plane, on one lattice for all nodes of a latitude: their drifts
        shift the Gaussian weights, their meridians turn the harmonics.
        """
        meridians = 2 * self.degree + 1
        frames = np.stack(south_and_east(self.nodes), axis=1)
        drift = -walk.step * np.einsum("nij,nj->ni", frames, self.langevin.gradient(self.nodes))
        lattice = _lattice(walk, self.degree, float(np.linalg.norm(drift, axis=1).max()))
        manifold = self.langevin.manifold
        move = manifold.retract if isinstance(walk, RetractionWalk) else manifold.exp
        means = np.zeros((len(self.nodes), (self.degree + 1) ** 2))
        for k in range(0, len(self.nodes), meridians):
            here = slice(k, k + meridians)
            mass = np.exp(-cdist(drift[here], lattice, "sqeuclidean") / (2 * walk.noise**2))
            mass /= mass.sum(axis=1, keepdims=True)
            start = np.broadcast_to(self.nodes[k], (len(lattice), 3))
            after = move(start, lattice @ frames[k])
            for j in range(0, len(lattice), BLOCK):
                means[here] += mass[:, j : j + BLOCK] @ self.basis(after[j : j + BLOCK])
        # T_m turned by an angle a is cos(m a) T_m - sin(m a) T_-m
        of, order = degrees_and_orders(self.degree)
        angle = np.tile(np.arange(meridians) * (TURN / meridians), self.degree + 1)
        turn = np.outer(angle, order)
        return np.cos(turn) * means - np.sin(turn) * means[:, of * (of + 1) - order]


def _lattice(walk: Walk, degree: int, drift: float) -> Array:
    """Return the points of the tangent plane where the trapezoidal rule takes a step's end, (k, 2).

    Harmonics along a step are entire functions of it, of exponential type `degree`, which together
    with the Gaussian's width gives the spacing; see `onestep`. A retraction has branch points
    where |v|^2 = -1, which ask for a finer one.
    """
    depth = min(REACH, 0.5 / walk.noise) if isinstance(walk, RetractionWalk) else REACH
    spacing = TURN / (degree * walk.noise + REACH**2 / 2 / depth + depth / 2)
    count = math.ceil((REACH + drift / walk.noise) / spacing)
    if count > LARGEST_COUNT:
        raise ValueError(
            f"walk must have a smaller step: its noise winds around the sphere, and {walk.step:g}"
            f" asks for {count} nodes in a direction (allowed: {LARGEST_COUNT})"
        )
    line = spacing * np.arange(-count, count + 1)
    square = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return square[np.hypot(*square.T) <= REACH + drift / walk.noise] * walk.noise
