"""The problem: overdamped Langevin dynamics on a manifold, equation (0)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coupled_flows.geometry.errors import Array, check_array, check_real, check_type
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.manifolds import TURN, Torus
from coupled_flows.geometry.potentials import Potential


@dataclass(frozen=True)
class Langevin:
    """The diffusion dX = -grad U(X) dt + sqrt(2/beta) dB on a manifold, equation (0).

    Its generator is L f = (1/beta) Lap f - <grad U, grad f>, negative semidefinite in L2(pi), and
    its stationary law is pi proportional to exp(-beta U) dvol.

    Parameters
    ----------
    manifold : Manifold
    potential : Potential
        Probed at a few points: shapes, finite values, periodicity on a torus, and agreement of
        the gradient with differences of the value.
    beta : float
        Inverse temperature, > 0.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `beta` is not positive or the probe finds `potential` at fault.

    Examples
    --------
    >>> from coupled_flows import Langevin, Sphere, linear
    >>> Langevin(Sphere(2), linear([0.0, 0.0, -2.0]), beta=2.0).beta
    2.0
    """

    manifold: Manifold
    potential: Potential
    beta: float = 1.0

    def __post_init__(self) -> None:
        check_type("manifold", self.manifold, Manifold, "a manifold, such as Sphere(2)")
        check_type("potential", self.potential, Potential, "a Potential, such as zero()")
        object.__setattr__(self, "beta", check_real("beta", self.beta, above=0))
        self._probe()

    def _probe(self) -> None:
        x = self.manifold.random_point(4, np.random.default_rng(0))
        # a wide difference is spoilt by fast waves, a narrow one by rounding: one must agree
        missed = self._miss(x, 1e-3)
        if missed and self._miss(x, 1e-6):
            raise ValueError(missed)
        if isinstance(self.manifold, Torus):
            for axis in range(self.manifold.dim):
                turned = x.copy()
                turned[:, axis] += TURN
                jump = float(np.abs(self.energy(turned) - self.energy(x)).max())
                if jump > 1e-9 * (1 + float(np.abs(self.energy(x)).max())):
                    raise ValueError(
                        f"potential must be 2 pi-periodic on {self.manifold!r}; its value changes"
                        f" by {jump:g} over a turn of angle {axis}"
                    )

    def _miss(self, x: Array, width: float) -> str:
        """Compare the gradient with differences of the value; say how they differ, if they do."""
        v = self.manifold.random_tangent(x, np.random.default_rng(1))
        v *= width / np.linalg.norm(v, axis=1, keepdims=True)
        ahead, behind = (self.energy(self.manifold.exp(x, sign * v)) for sign in (1, -1))
        rise = (ahead - behind) / 2
        slope = np.einsum("ij,ij->i", self.gradient(x), v)
        scale = width * np.linalg.norm(self.gradient(x), axis=1) + np.abs(rise)
        noise = 1e-13 * (1 + np.abs(self.energy(x))) + width**3
        wrong = np.abs(rise - slope) > 1e-3 * scale + noise
        if not wrong.any():
            return ""
        row = int(np.argmax(wrong))
        return (
            f"potential must have the gradient of its value; at {x[row]} the value rises by"
            f" {rise[row] / width:g} per unit length along a direction where the gradient"
            f" says {slope[row] / width:g}"
        )

    def energy(self, x: Array) -> Array:
        """Return U at points (n, p) as a checked array (n,).

        Raises
        ------
        ValueError
            If the potential gives another shape, or a value that is not finite.

        Examples
        --------
        >>> from coupled_flows import Langevin, Torus, fourier
        >>> Langevin(Torus(1), fourier(cos={1: 1.0})).energy(np.array([[0.0]]))
        array([1.])
        """
        points = check_array("x", x, ("n", self.manifold.point_dim))
        return check_array("potential.value(x)", self.potential.value(points), (len(points),))

    def gradient(self, x: Array) -> Array:
        """Return the Riemannian gradient of U at points (n, p), checked: (n, p), tangent.

        Raises
        ------
        ValueError
            If the potential gives another shape, or a value that is not finite.

        Examples
        --------
        >>> from coupled_flows import Langevin, Sphere, linear
        >>> Langevin(Sphere(2), linear([1.0, 0.0, 1.0])).gradient(np.array([[0.0, 0.0, 1.0]]))
        array([[1., 0., 0.]])
        """
        points = self.manifold.check_points("x", x)
        ambient = check_array(
            "potential.gradient(x)", self.potential.gradient(points), points.shape
        )
        return self.manifold.to_tangent(points, ambient)
