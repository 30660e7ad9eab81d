"""Euclidean space, the flat torus and the round sphere."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import Array, check_integer, check_rng
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.potentials import Embedding, cos_and_sin, identity
from coupled_flows.geometry.series import cos_sinc
from coupled_flows.geometry.workspace import Workspace

TURN = 2 * math.pi
_BELOW_TURN = math.nextafter(TURN, 0.0)


class _Flat(Manifold):
    """What Euclidean space and the flat torus share."""

    def __init__(self, d: int) -> None:
        self.dim = self.point_dim = check_integer("d", d, least=1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dim})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash((type(self), self.dim))

    def project(self, x: Array, w: Array, work: Workspace) -> None:
        pass

    def carry(self, x: Array, y: Array, w: Array, work: Workspace) -> None:
        pass

    def _dist(self, x: Array, y: Array) -> Array:
        # hypot neither overflows nor underflows where a sum of squares would
        return np.hypot.reduce(self._log(x, y), axis=1, initial=0.0)

    def pairwise(self, x: ArrayLike, y: ArrayLike) -> Array:
        rows = self.check_points("x", x)
        columns = self.check_points("y", y)
        squared = np.zeros((len(rows), len(columns)))
        for i in range(self.dim):
            squared += self._difference(rows[:, i, None], columns[None, :, i]) ** 2
        return np.sqrt(squared, out=squared)

    def _log(self, x: Array, y: Array) -> Array:
        return self._difference(x, y)

    @abstractmethod
    def _difference(self, x: Array, y: Array) -> Array:
        """Return the shortest difference y - x, coordinate by coordinate."""


class Euclidean(_Flat):
    """Euclidean space R^d.

    Parameters
    ----------
    d : int
        Dimension, >= 1.

    Raises
    ------
    TypeError, ValueError
        If `d` is not an integer >= 1.

    Examples
    --------
    >>> Euclidean(2).dist([[0.0, 0.0]], [[3.0, 4.0]])
    array([5.])
    """

    _range = "finite coordinates"

    def move(self, x: Array, w: Array, work: Workspace) -> None:
        x += w

    def random_point(self, n: int, rng: np.random.Generator) -> Array:
        """Return n standard Gaussian points in rows: there is no uniform law on R^d.

        Examples
        --------
        >>> Euclidean(3).random_point(4, np.random.default_rng(1)).shape
        (4, 3)
        """
        return check_rng(rng).standard_normal((check_integer("n", n), self.dim))

    @property
    def embedding(self) -> Embedding:
        """The identity."""
        return identity(self.dim)

    def _difference(self, x: Array, y: Array) -> Array:
        return y - x

    def _distance_to_manifold(self, x: Array) -> Array:
        return np.zeros(len(x))


class Torus(_Flat):
    """The flat torus of d angles in [0, 2 pi); `Torus(1)` is the circle.

    Parameters
    ----------
    d : int
        Dimension, >= 1.

    Raises
    ------
    TypeError, ValueError
        If `d` is not an integer >= 1.

    Examples
    --------
    >>> Torus(1).dist([[0.1]], [[6.2]]).round(4)
    array([0.1832])
    """

    _range = "angles in [0, 2 pi); numpy.mod(x, 2 * numpy.pi) brings them there"

    def move(self, x: Array, w: Array, work: Workspace) -> None:
        x += w
        np.multiply(x, 1 / TURN, out=w)
        np.floor(w, out=w)
        w *= TURN
        x -= w
        # the division rounds: what ends up just outside [0, 2 pi) is moved by that rounding
        np.maximum(x, 0.0, out=x)
        np.minimum(x, _BELOW_TURN, out=x)

    def random_point(self, n: int, rng: np.random.Generator) -> Array:
        """Return n uniform points in rows.

        Examples
        --------
        >>> Torus(2).random_point(4, np.random.default_rng(1)).shape
        (4, 2)
        """
        return check_rng(rng).uniform(0.0, TURN, (check_integer("n", n), self.dim))

    @property
    def embedding(self) -> Embedding:
        """Cos and sin of each angle: R^D with D = 2 d, as (cos t_1, sin t_1, cos t_2, ...)."""
        return cos_and_sin(self.dim)

    def _difference(self, x: Array, y: Array) -> Array:
        gap = y - x
        gap -= TURN * np.round(gap / TURN)
        return gap

    def _distance_to_manifold(self, x: Array) -> Array:
        return np.where((x >= 0) & (x < TURN), 0.0, np.inf).max(axis=1, initial=0.0)


class Sphere(Manifold):
    """The unit sphere S^d of unit vectors in R^(d+1).

    Parameters
    ----------
    d : int
        Dimension, >= 1.

    Raises
    ------
    TypeError, ValueError
        If `d` is not an integer >= 1.

    Examples
    --------
    >>> Sphere(2).belongs([[0.0, 0.6, 0.8], [0.0, 0.0, 2.0]])
    array([ True, False])
    """

    _range = "unit vectors"

    def __init__(self, d: int) -> None:
        self.dim = check_integer("d", d, least=1)
        self.point_dim = self.dim + 1

    def __repr__(self) -> str:
        return f"Sphere({self.dim})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sphere) and other.dim == self.dim

    def __hash__(self) -> int:
        return hash((Sphere, self.dim))

    def project(self, x: Array, w: Array, work: Workspace) -> None:
        radial = np.einsum("ij,ij->j", w, x, out=work.take("radial", x.shape[1]))
        normal = np.multiply(x, radial, out=work.take("normal", *x.shape))
        w -= normal

    def carry(self, x: Array, y: Array, w: Array, work: Workspace) -> None:
        # the reflection that takes x to -y and leaves what is orthogonal to both: along the great
        # circle from x to y it turns the velocity with the circle, and across it changes nothing
        half = np.add(x, y, out=work.take("half", *x.shape))
        length = np.einsum("ij,ij->j", half, half, out=work.take("square", x.shape[1]))
        np.sqrt(length, out=length)
        length[length < 1e-9] = np.inf  # antipodes: no reflection, for they share tangent vectors
        half /= length
        along = np.einsum("ij,ij->j", half, w, out=work.take("along", x.shape[1]))
        along *= 2.0
        half *= along
        w -= half

    def move(self, x: Array, w: Array, work: Workspace) -> None:
        # exp_x(v) = cos|v| x + sinc|v| v with v = w - <w, x> x, put together without forming v:
        # (cos|v| - sinc|v| <w, x>) x + sinc|v| w, and |v|^2 = |w|^2 - <w, x>^2
        n = x.shape[1]
        radial = np.einsum("ij,ij->j", w, x, out=work.take("radial", n))
        square = np.einsum("ij,ij->j", w, w, out=work.take("square", n))
        along = np.multiply(radial, radial, out=work.take("along", n))
        if not along.max(initial=0.0) <= 16.0:
            # |w|^2 - <w, x>^2 would lose |v|^2 by cancellation: take the normal part away first
            self.project(x, w, work)
            np.einsum("ij,ij->j", w, x, out=radial)
            np.einsum("ij,ij->j", w, w, out=square)
            np.multiply(radial, radial, out=along)
        square -= along
        sinc = work.take("sinc", n)
        series = cos_sinc(square, along, sinc)
        radial *= sinc
        along -= radial
        x *= along
        w *= sinc
        x += w
        np.einsum("ij,ij->j", x, x, out=square)
        if series:  # |x|^2 is 1 up to rounding: one Newton step for its inverse root
            square *= -0.5
            square += 1.5
            x *= square
        else:
            np.sqrt(square, out=square)
            x /= square

    def shift(self, x: Array, w: Array, work: Workspace) -> None:
        n = x.shape[1]
        radial = np.einsum("ij,ij->j", w, x, out=work.take("radial", n))
        if not np.abs(radial).max(initial=0.0) <= 4.0:  # as in `move`
            self.project(x, w, work)
            np.einsum("ij,ij->j", w, x, out=radial)
        np.subtract(1.0, radial, out=radial)
        x *= radial
        x += w
        square = np.einsum("ij,ij->j", x, x, out=work.take("square", n))
        if not square.max(initial=0.0) < np.inf:  # dividing by infinity would look like a point
            square[np.isinf(square)] = np.nan
        np.sqrt(square, out=square)
        x /= square

    def random_point(self, n: int, rng: np.random.Generator) -> Array:
        """Return n uniform points in rows.

        Examples
        --------
        >>> Sphere(2).random_point(4, np.random.default_rng(1)).shape
        (4, 3)
        """
        x = check_rng(rng).standard_normal((check_integer("n", n), self.point_dim))
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    @property
    def embedding(self) -> Embedding:
        """The identity: the sphere is given in R^(d+1)."""
        return identity(self.point_dim)

    def pairwise(self, x: ArrayLike, y: ArrayLike) -> Array:
        rows = self.check_points("x", x)
        columns = self.check_points("y", y)
        # arccos loses half the digits where points are close, which is where transport happens:
        # the angle comes from the chord there
        cosine = rows @ columns.T
        angle = np.arccos(np.clip(cosine, -1.0, 1.0))
        near = np.nonzero(np.abs(cosine) > 0.9)
        angle[near] = self._dist(rows[near[0]], columns[near[1]])
        return angle

    def _dist(self, x: Array, y: Array) -> Array:
        return 2 * np.arctan2(np.linalg.norm(x - y, axis=1), np.linalg.norm(x + y, axis=1))

    def _log(self, x: Array, y: Array) -> Array:
        angle = self._dist(x, y)
        opposite = np.pi - angle < 1e-9
        if opposite.any():
            row = int(np.argmax(opposite))
            raise ValueError(
                f"y must not be antipodal to x (every direction is shortest); got {y[row]}"
                f" opposite {x[row]} in row {row}"
            )
        tangent = self._tangential(x, y - x)
        length = np.linalg.norm(tangent, axis=1, keepdims=True)
        np.divide(tangent, length, out=tangent, where=length > 0)
        # near the antipode the first projection leaves little but rounding: a second one
        tangent = self._tangential(x, tangent)
        again = np.linalg.norm(tangent, axis=1, keepdims=True)
        scale = np.divide(angle[:, None], again, out=np.ones_like(again), where=length > 0)
        return tangent * scale

    def _distance_to_manifold(self, x: Array) -> Array:
        with np.errstate(over="ignore"):  # infinitely far is far enough
            return np.abs(np.linalg.norm(x, axis=1) - 1)
