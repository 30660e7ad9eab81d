"""What a manifold can do: formulas component first and in place, methods on points in rows.

Each formula is written once, component first and in place, on arrays of shape `(p, n)`: that is
what the walks run. The public methods take points in rows, `(n, p)`, check them, and are views
of the same formulas.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coupled_flows.geometry.errors import Array, check_array, check_real, check_rng
from coupled_flows.geometry.potentials import Embedding
from coupled_flows.geometry.workspace import Workspace

Mask = NDArray[np.bool_]


class Manifold(ABC):
    """A Riemannian manifold given by points in coordinates.

    Attributes
    ----------
    dim : int
        Dimension d of the manifold.
    point_dim : int
        Number p of coordinates of a point.
    embedding : Embedding
        The default map into R^D.
    """

    dim: int
    point_dim: int

    # -- in place, component first: x and w are (p, n), x is overwritten, w is used up ---------

    @abstractmethod
    def project(self, x: Array, w: Array, work: Workspace) -> None:
        """Overwrite w with its tangential part at x, component first."""

    @abstractmethod
    def move(self, x: Array, w: Array, work: Workspace) -> None:
        """Overwrite x with exp_x of the tangential part of w, component first; w is used up."""

    @abstractmethod
    def carry(self, x: Array, y: Array, w: Array, work: Workspace) -> None:
        """Overwrite w at x with its parallel transport to y; what is normal stays normal."""

    def shift(self, x: Array, w: Array, work: Workspace) -> None:
        """Overwrite x with the retraction of the tangential part of w, component first."""
        self.move(x, w, work)

    # -- rows -------------------------------------------------------------------------------

    @property
    @abstractmethod
    def embedding(self) -> Embedding:
        """The default embedding into R^D."""

    @abstractmethod
    def random_point(self, n: int, rng: np.random.Generator) -> Array:
        """Return n random points in rows (uniform on a compact manifold).

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n, p)

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 0 or `rng` not a Generator.
        """

    @abstractmethod
    def pairwise(self, x: ArrayLike, y: ArrayLike) -> Array:
        """Return the geodesic distance of each x to each y.

        Parameters
        ----------
        x : array_like, shape (n, p)
        y : array_like, shape (m, p)

        Returns
        -------
        ndarray, shape (n, m)

        Raises
        ------
        ValueError
            If a point is off the manifold.
        """

    @abstractmethod
    def _distance_to_manifold(self, x: Array) -> Array:
        """How far each row of x is from the manifold; 0 inside a chart's range."""

    @abstractmethod
    def _log(self, x: Array, y: Array) -> Array:
        """Return the logarithm, in rows; both points are on the manifold."""

    def belongs(self, x: ArrayLike, atol: float = 1e-9) -> Mask:
        """Say of each row whether it is a point of the manifold.

        Parameters
        ----------
        x : array_like, shape (n, p)
        atol : float
            How far from the manifold a point may be.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        points = check_array("x", x, ("n", self.point_dim))
        return self._distance_to_manifold(points) <= check_real("atol", atol, least=0)

    def check_points(self, name: str, x: ArrayLike) -> Array:
        """Return x as points (n, p) of this manifold, or raise ValueError naming `name`."""
        points = check_array(name, x, ("n", self.point_dim))
        off = self._distance_to_manifold(points)
        if (off > 1e-9).any():
            worst = int(np.argmax(off))
            raise ValueError(
                f"{name} must lie on {self!r} ({self._range}); got {points[worst]} in row {worst}"
            )
        return points

    def check_tangent(self, x: Array, v: ArrayLike, name: str = "v") -> Array:
        """Return v as tangent vectors (n, p) at x, or raise ValueError naming `name`."""
        vectors = check_array(name, v, (len(x), self.point_dim))
        normal = np.abs(vectors - self._tangential(x, vectors)).max(axis=1, initial=0.0)
        if (normal > 1e-9 * (1 + np.abs(vectors).max(axis=1, initial=0.0))).any():
            worst = int(np.argmax(normal))
            raise ValueError(
                f"{name} must be tangent to {self!r} at x (see to_tangent);"
                f" got a normal part of size {normal[worst]:g} in row {worst}"
            )
        return vectors

    _range: str = ""

    def _tangential(self, x: Array, v: Array) -> Array:
        w = v.T.copy()
        self.project(np.ascontiguousarray(x.T), w, Workspace())
        return w.T

    def exp(self, x: ArrayLike, v: ArrayLike) -> Array:
        """Follow the geodesic from x with velocity v for unit time.

        Parameters
        ----------
        x : array_like, shape (n, p)
            Points.
        v : array_like, shape (n, p)
            Tangent vectors at x.

        Returns
        -------
        ndarray, shape (n, p)

        Raises
        ------
        ValueError
            If a point is off the manifold, or a vector is not tangent there.

        Examples
        --------
        >>> from coupled_flows import Sphere
        >>> Sphere(2).exp([[0.0, 0.0, 1.0]], [[np.pi / 2, 0.0, 0.0]]).round(12) + 0.0
        array([[1., 0., 0.]])
        """
        return self._moved(self.move, x, v)

    def retract(self, x: ArrayLike, v: ArrayLike) -> Array:
        """Move from x by v along a second-order retraction (acceleration 0 at v = 0).

        On the sphere (x + v)/|x + v|; on flat manifolds the exponential map itself.

        Parameters
        ----------
        x, v : array_like, shape (n, p)
            Points, and tangent vectors at them.

        Returns
        -------
        ndarray, shape (n, p)

        Raises
        ------
        ValueError
            If a point is off the manifold, or a vector is not tangent there.

        Examples
        --------
        >>> from coupled_flows import Sphere
        >>> Sphere(2).retract([[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]]) * 2**0.5
        array([[1., 0., 1.]])
        """
        return self._moved(self.shift, x, v)

    def _moved(
        self, how: Callable[[Array, Array, Workspace], None], x: ArrayLike, v: ArrayLike
    ) -> Array:
        points = self.check_points("x", x)
        vectors = self.check_tangent(points, v)
        moved = points.T.copy()
        with np.errstate(all="ignore"):  # what is not finite is found and reported below
            how(moved, vectors.T.copy(), Workspace())
        lost = ~np.isfinite(moved).all(axis=0)
        if lost.any():
            row = int(np.argmax(lost))
            raise ValueError(
                f"v must be so short that x + v and |v|^2 are finite;"
                f" got {vectors[row]} in row {row}"
            )
        return moved.T

    def log(self, x: ArrayLike, y: ArrayLike) -> Array:
        """Return the shortest tangent vector v at x with exp_x(v) = y.

        Parameters
        ----------
        x, y : array_like, shape (n, p)

        Returns
        -------
        ndarray, shape (n, p)

        Raises
        ------
        ValueError
            If a point is off the manifold, or two points of a sphere are antipodal.

        Examples
        --------
        >>> from coupled_flows import Torus
        >>> Torus(1).log([[0.1]], [[6.2]]).round(4)
        array([[-0.1832]])
        """
        points = self.check_points("x", x)
        targets = check_array("y", self.check_points("y", y), points.shape)
        return self._log(points, targets)

    def dist(self, x: ArrayLike, y: ArrayLike) -> Array:
        """Return the geodesic distance of each x to the y of the same row.

        Parameters
        ----------
        x, y : array_like, shape (n, p)

        Returns
        -------
        ndarray, shape (n,)
            In the manifold's own units: radians on torus and sphere.

        Raises
        ------
        ValueError
            If a point is off the manifold, or the shapes differ.

        Examples
        --------
        >>> from coupled_flows import Sphere
        >>> Sphere(2).dist([[0.0, 0.0, 1.0]], [[0.0, 0.0, -1.0]])
        array([3.14159265])
        """
        points = self.check_points("x", x)
        targets = check_array("y", self.check_points("y", y), points.shape)
        return self._dist(points, targets)

    @abstractmethod
    def _dist(self, x: Array, y: Array) -> Array:
        """Return the distance of rows that are on the manifold."""

    def to_tangent(self, x: ArrayLike, v: ArrayLike) -> Array:
        """Return the orthogonal projection of v on the tangent space at x.

        Parameters
        ----------
        x, v : array_like, shape (n, p)

        Returns
        -------
        ndarray, shape (n, p)

        Raises
        ------
        ValueError
            If a point is off the manifold, or the shapes differ.

        Examples
        --------
        >>> from coupled_flows import Sphere
        >>> Sphere(2).to_tangent([[0.0, 0.0, 1.0]], [[1.0, 2.0, 3.0]])
        array([[1., 2., 0.]])
        """
        points = self.check_points("x", x)
        return self._tangential(points, check_array("v", v, points.shape))

    def transport(self, x: ArrayLike, y: ArrayLike, v: ArrayLike) -> Array:
        """Return the parallel transport of v along the shortest geodesic from x to y.

        A linear isometry of the tangent space at x onto that at y. On flat manifolds the identity;
        on the sphere the reflection v - 2 <s, v>/<s, s> s with s = x + y. Antipodes (to 1e-9) have
        no shortest geodesic but the same tangent vectors: there it is the identity, an isometry
        too.

        Parameters
        ----------
        x, y : array_like, shape (n, p)
            Points.
        v : array_like, shape (n, p)
            Tangent vectors at x.

        Returns
        -------
        ndarray, shape (n, p)

        Raises
        ------
        ValueError
            If a point is off the manifold, or a vector is not tangent at x.

        Examples
        --------
        >>> from coupled_flows import Sphere
        >>> north, east = [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]]
        >>> Sphere(2).transport(north, east, [[2.0, 3.0, 0.0]]) + 0.0
        array([[ 0.,  3., -2.]])
        """
        points = self.check_points("x", x)
        targets = check_array("y", self.check_points("y", y), points.shape)
        w = self.check_tangent(points, v).T.copy()
        here, there = (np.ascontiguousarray(rows.T) for rows in (points, targets))
        self.carry(here, there, w, Workspace())
        return self._tangential(targets, w.T)

    def random_tangent(self, x: ArrayLike, rng: np.random.Generator) -> Array:
        """Return one standard Gaussian tangent vector at each x, independent of each other.

        Parameters
        ----------
        x : array_like, shape (n, p)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n, p)

        Raises
        ------
        ValueError, TypeError
            If a point is off the manifold or `rng` not a Generator.

        Examples
        --------
        >>> from coupled_flows import Torus
        >>> rng = np.random.default_rng(1)
        >>> Torus(2).random_tangent([[0.0, 0.0]], rng).shape
        (1, 2)
        """
        points = self.check_points("x", x)
        return self._tangential(points, check_rng(rng).standard_normal(points.shape))
