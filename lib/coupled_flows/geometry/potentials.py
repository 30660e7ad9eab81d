"""Potentials U with their gradients, and embeddings with their Jacobians."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import (
    Array,
    check_array,
    check_integer,
    check_real,
    check_type,
)
from coupled_flows.geometry.series import cos_turns


@dataclass(frozen=True)
class Potential:
    """A potential U and its gradient, both as functions of points in rows.

    Parameters
    ----------
    value : callable, (n, p) -> (n,)
        U at each point.
    gradient : callable, (n, p) -> (n, p)
        The gradient in point coordinates as given: ambient on the sphere. Walks project it.

    Raises
    ------
    TypeError
        If either is not callable.

    Examples
    --------
    >>> tilt = Potential(lambda x: -x[:, 2], lambda x: np.tile([0.0, 0.0, -1.0], (len(x), 1)))
    >>> tilt.value(np.array([[0.0, 0.6, 0.8]]))
    array([-0.8])
    """

    value: Callable[[Array], Array]
    gradient: Callable[[Array], Array]

    def __post_init__(self) -> None:
        for name in ("value", "gradient"):
            if not callable(getattr(self, name)):
                raise TypeError(
                    f"{name} must be a function of points (n, p); got {getattr(self, name)!r}"
                )


@dataclass(frozen=True)
class Embedding:
    """A smooth map of the manifold into R^D with its Jacobian.

    Parameters
    ----------
    value : callable, (n, p) -> (n, D)
    jacobian : callable, (n, p) -> (n, D, p)
        Derivatives of the D coordinates along the p point coordinates.

    Raises
    ------
    TypeError
        If either is not callable.

    Examples
    --------
    >>> circle = Embedding(
    ...     lambda t: np.hstack([np.cos(t), np.sin(t)]),
    ...     lambda t: np.stack([-np.sin(t), np.cos(t)], axis=1))
    >>> circle.value(np.array([[0.0]]))
    array([[1., 0.]])
    """

    value: Callable[[Array], Array]
    jacobian: Callable[[Array], Array]

    def __post_init__(self) -> None:
        for name in ("value", "jacobian"):
            if not callable(getattr(self, name)):
                raise TypeError(
                    f"{name} must be a function of points (n, p); got {getattr(self, name)!r}"
                )

    def pull(self, x: Array, y: Array, v: Array) -> Array:
        """Return covectors v (n, D) at y = value(x) in point coordinates, J(x)' v: (n, p)."""
        return np.einsum("nDp,nD->np", self.jacobian(x), v)


class _Identity(Embedding):
    """Points as they are; its Jacobian is I."""

    def pull(self, x: Array, y: Array, v: Array) -> Array:
        return v


class _CosAndSin(Embedding):
    """Cos and sin of each angle; its Jacobian is made of these."""

    def pull(self, x: Array, y: Array, v: Array) -> Array:
        return y[:, ::2] * v[:, 1::2] - y[:, 1::2] * v[:, ::2]


def identity(d: int) -> Embedding:
    """Return the embedding of points of R^d as they are."""
    return _Identity(lambda x: x, lambda x: np.broadcast_to(np.eye(d), (len(x), d, d)))


def cos_and_sin(d: int) -> Embedding:
    """Return the embedding of d angles by cos t_1, sin t_1, cos t_2, ..."""

    def value(x: Array) -> Array:
        # each coordinate of all points in one piece
        return np.stack([np.cos(x.T), np.sin(x.T)], axis=1).reshape(2 * d, len(x)).T

    def jacobian(x: Array) -> Array:
        out = np.zeros((len(x), 2 * d, d))
        for i in range(d):
            out[:, 2 * i, i] = -np.sin(x[:, i])
            out[:, 2 * i + 1, i] = np.cos(x[:, i])
        return out

    return _CosAndSin(value, jacobian)


def zero() -> Potential:
    """Return U = 0, for which the diffusion is Brownian motion of speed 2/beta.

    Examples
    --------
    >>> zero().value(np.ones((2, 3)))
    array([0., 0.])
    """
    return Potential(lambda x: np.zeros(len(x)), lambda x: np.broadcast_to(0.0, x.shape))


def linear(vector: ArrayLike) -> Potential:
    """Return U(x) = <vector, x>.

    Parameters
    ----------
    vector : array_like, shape (p,)

    Raises
    ------
    ValueError
        If `vector` is not a finite vector.

    Examples
    --------
    >>> linear([0.0, 0.0, -2.0]).value(np.array([[0.0, 0.6, 0.8]]))
    array([-1.6])
    """
    slope = check_array("vector", vector, ("p",)).copy()

    def value(x: Array) -> Array:
        _check_fit("vector", len(slope), x)
        return x @ slope

    def gradient(x: Array) -> Array:
        _check_fit("vector", len(slope), x)
        return np.broadcast_to(slope, x.shape)

    return Potential(value, gradient)


def quadratic(matrix: ArrayLike) -> Potential:
    """Return U(x) = x'Ax/2 for a symmetric matrix A.

    Parameters
    ----------
    matrix : array_like, shape (p, p)
        A; need not be positive here (on a sphere any symmetric matrix serves).

    Raises
    ------
    ValueError
        If `matrix` is not square, finite and symmetric.

    Examples
    --------
    >>> quadratic([[2.0, 0.0], [0.0, 1.0]]).value(np.array([[1.0, 2.0]]))
    array([3.])
    """
    form = check_array("matrix", matrix, ("p", "p"))
    if form.shape[0] != form.shape[1]:
        raise ValueError(f"matrix must be square; got shape {form.shape}")
    skew = float(np.abs(form - form.T).max(initial=0.0))
    if skew > 1e-12 * float(np.abs(form).max(initial=0.0)):
        raise ValueError(f"matrix must be symmetric; got entries that differ by {skew:g}")
    form = form / 2 + form.T / 2

    def gradient(x: Array) -> Array:
        _check_fit("matrix", len(form), x)
        # written through the transpose, so that component-major points stay contiguous
        return (form @ x.T).T

    def value(x: Array) -> Array:
        _check_fit("matrix", len(form), x)
        return 0.5 * np.einsum("ji,ji->i", x.T, form @ x.T)

    return Potential(value, gradient)


def fourier(
    cos: Mapping[int, float] | None = None, sin: Mapping[int, float] | None = None
) -> Potential:
    """Return U(t) = sum_k a_k cos(k t) + b_k sin(k t) on the circle `Torus(1)`.

    Parameters
    ----------
    cos, sin : mapping of int to float
        Wave number k >= 1 to coefficient a_k or b_k.

    Raises
    ------
    TypeError, ValueError
        If a wave number is not an integer >= 1 or a coefficient not a finite number.

    Examples
    --------
    >>> fourier(cos={1: 1.0}, sin={2: 0.5}).value(np.array([[0.0], [np.pi / 4]]))
    array([1.        , 1.20710678])
    """
    a = _coefficients("cos", cos)
    b = _coefficients("sin", sin)

    # (k, phase in turns, weight): weight * cos(k t - 2 pi phase); sin is cos a quarter turn late
    waves = [(k, 0.0, weight) for k, weight in a] + [(k, 0.25, weight) for k, weight in b]
    slopes = [(k, phase - 0.25, k * weight) for k, phase, weight in waves]

    def value(x: Array) -> Array:
        return _sum_of_waves(waves, x[:, 0])

    def gradient(x: Array) -> Array:
        return _sum_of_waves(slopes, x[:, 0])[:, None]

    return Potential(value, gradient)


def _check_fit(name: str, size: int, x: Array) -> None:
    if x.shape[1] != size:
        raise ValueError(
            f"{name} must have one entry for each coordinate of a point; got {size} for points of"
            f" shape {x.shape}"
        )


def _sum_of_waves(waves: list[tuple[int, float, float]], t: Array) -> Array:
    total = np.zeros_like(t)
    for k, phase, weight in waves:
        turns = t * (k / (2 * np.pi))
        turns -= phase
        wave = cos_turns(turns)
        wave *= weight
        total += wave
    return total


def _coefficients(name: str, terms: Mapping[int, float] | None) -> list[tuple[int, float]]:
    check_type(name, terms, (Mapping, type(None)), "a mapping {wave number: coefficient}")
    pairs = [
        (check_integer(f"a wave number of {name}", k, least=1), check_real(f"{name}[{k}]", weight))
        for k, weight in (terms or {}).items()
    ]
    return [(k, weight) for k, weight in pairs if weight]
