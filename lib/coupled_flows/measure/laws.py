"""Laws: what all share, finitely many points, and Gaussians."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import (
    Array,
    check_array,
    check_columns,
    check_integer,
    check_rng,
    check_symmetric,
    check_type,
)
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.manifolds import TURN, Euclidean


class Law(ABC):
    """A probability measure that can be sampled."""

    @property
    @abstractmethod
    def manifold(self) -> Manifold:
        """The manifold it lives on."""

    @abstractmethod
    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points of the law in rows, (n, p)."""


@dataclass(frozen=True, eq=False)
class PointLaw(Law):
    """Finitely many points with weights.

    Parameters
    ----------
    points : array_like, shape (n, p)
    weights : array_like, shape (n,), optional
        Non-negative, normalised for you; equal by default.
    manifold : Manifold
        Where the points lie.

    Raises
    ------
    TypeError
        If `manifold` is not a manifold.
    ValueError
        If there is no point, a point is off the manifold, or a weight is negative.

    Examples
    --------
    >>> from coupled_flows import Torus
    >>> law = PointLaw([[0.0], [1.0]], weights=[3.0, 1.0], manifold=Torus(1))
    >>> float(law.mean(lambda x: x[:, 0]))
    0.25
    """

    points: Array
    weights: Array | None = None
    manifold: Manifold = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        check_type("manifold", self.manifold, Manifold, "a manifold, such as Torus(1)")
        points = self.manifold.check_points("points", self.points)
        if not len(points):
            raise ValueError("points must hold at least one point; got none")
        object.__setattr__(self, "points", points.copy())  # what is given may change later
        object.__setattr__(self, "weights", normalised(self.weights, len(points)))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points in rows, (n, p), drawn with replacement.

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 0 or `rng` not a Generator.
        """
        n = check_integer("n", n)
        return self.points[check_rng(rng).choice(len(self.points), n, p=self.weights)]

    def mean(self, f: Callable[[Array], ArrayLike]) -> Array:
        """Return the integral of f, a function of points (n, p).

        Raises
        ------
        ValueError
            If `f` gives a wrong shape or a value that is not finite.
        """
        return np.asarray(self.weights) @ values_at(f, self.points)


@dataclass(frozen=True, eq=False)
class GaussianLaw(Law):
    """The Gaussian law on R^d.

    Parameters
    ----------
    mean : array_like, shape (d,)
    covariance : array_like, shape (d, d)
        Symmetric, positive semidefinite; zero for a point.

    Raises
    ------
    ValueError
        If the shapes do not fit or `covariance` is not symmetric positive semidefinite.

    Examples
    --------
    >>> GaussianLaw([0.0, 1.0], [[2.0, 0.0], [0.0, 1.0]]).manifold
    Euclidean(2)
    """

    mean: Array
    covariance: Array

    def __post_init__(self) -> None:
        mean = check_array("mean", self.mean, ("d",))
        if not len(mean):
            raise ValueError("mean must have at least one entry; got none")
        matrix = check_symmetric("covariance", self.covariance, len(mean), kind="semidefinite")
        object.__setattr__(self, "mean", mean.copy())
        object.__setattr__(self, "covariance", matrix.copy())

    @property
    def manifold(self) -> Manifold:
        """R^d."""
        return Euclidean(len(self.mean))

    def density(self, x: ArrayLike) -> Array:
        """Return the density at points (n, d), as an array (n,).

        Raises
        ------
        ValueError
            If the covariance is singular (there is no density) or `x` of another shape.
        """
        points = self.manifold.check_points("x", x)
        scale, frame = np.linalg.eigh(self.covariance)
        if scale[0] <= 1e-14 * scale[-1]:
            raise ValueError(
                "covariance must be positive definite for a density;"
                f" got the eigenvalue {scale[0]:g}"
            )
        z = (points - self.mean) @ frame / np.sqrt(scale)
        # a sum of logarithms: the product of the scales may leave the range of numbers
        return np.exp(-0.5 * ((z**2).sum(axis=1) + np.log(TURN * scale).sum()))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points in rows, (n, d).

        Raises
        ------
        TypeError, ValueError
            If `n` is not an integer >= 0 or `rng` not a Generator.
        """
        scale, frame = np.linalg.eigh(self.covariance)
        root = frame * np.sqrt(np.maximum(scale, 0.0))
        noise = check_rng(rng).standard_normal((check_integer("n", n), len(self.mean)))
        return self.mean + noise @ root.T


def normalised(weights: ArrayLike | None, n: int, name: str = "weights") -> Array:
    """Return n non-negative weights of sum 1; None stands for equal ones."""
    if weights is None:
        return np.full(n, 1 / n)
    array = check_array(name, weights, (n,))
    with np.errstate(over="ignore"):
        total = array.sum()
    if array.min() < 0 or not 0 < total < np.inf:
        raise ValueError(
            f"{name} must be non-negative with a positive, finite sum; got values from"
            f" {array.min():g} to {array.max():g}"
        )
    return array / total


def values_at(f: Callable[[Array], ArrayLike], points: Array) -> Array:
    """Return f at points as a checked array, (n,) or (n, k)."""
    if not callable(f):
        raise TypeError(f"f must be a function of points; got {f!r}")
    return check_columns("f(x)", f(points), len(points))
