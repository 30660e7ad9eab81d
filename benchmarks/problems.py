"""The walks that are timed, each with a number that tells whether it is the right walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad

from coupled_flows import (
    BarkerWalk,
    BoundedWalk,
    Euclidean,
    GeodesicWalk,
    Langevin,
    MetropolisWalk,
    Potential,
    RetractionWalk,
    Sphere,
    Torus,
    fourier,
    linear,
    quadratic,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.walks.steps import Walk

STEP = 0.01
# E z of the stationary law of U = -2 z on S^2: what every peer must show, too.
MEAN_Z = 1 / np.tanh(2.0) - 1 / 2.0


@dataclass(frozen=True)
class Problem:
    """A walk to time, and the check that it is the right one.

    Attributes
    ----------
    name : str
    walk : Walk
    observable, what, expected
        A function of points (n, p), its name, and its mean under the stationary law.
    settle : float
        Time after which nothing is left of the start, as far as the check can see.
    target : dict of int to float
        Largest ratio to the floor that we allow ourselves, by number of threads.
    """

    name: str
    walk: Walk
    what: str
    observable: Callable[[Array], Array]
    expected: float
    settle: float
    target: dict[int, float]

    @property
    def point_dim(self) -> int:
        """Number of coordinates of a point, and of normals that a step draws."""
        return self.walk.langevin.manifold.point_dim


def tolerance(deviation: float, walkers: int) -> float:
    """Return how far a mean may be from its stationary value: h, and five standard errors.

    The walks are of weak order one, with constants below one in these problems.
    """
    return STEP + 5 * deviation / walkers**0.5


def problems() -> list[Problem]:
    """Return every problem, the one with peers first."""
    tilt = Langevin(Sphere(2), linear([0.0, 0.0, -2.0]))
    every = {1: 2.5, 2: 2.5}

    def of(name: str, walk: Walk, check: tuple[str, Observable, float], settle: float) -> Problem:
        return Problem(name, walk, *check, settle, every)

    z = ("E z", _last, MEAN_Z)
    high = np.zeros(10)
    high[-1] = -2.0
    form, ball = np.diag([0.0] * 9 + [-4.0]), np.diag([0.0] * 2 + [-4.0])
    return [
        Problem("S^2, linear", GeodesicWalk(tilt, STEP), *z, 3.0, {1: 1.4, 2: 0.8}),
        of("S^2, linear, bounded", BoundedWalk(tilt, STEP), z, 3.0),
        of("S^2, linear, retraction", RetractionWalk(tilt, STEP), z, 3.0),
        of("S^2, linear, Metropolis", MetropolisWalk(tilt, STEP), z, 3.0),
        of("S^2, linear, Barker", BarkerWalk(tilt, STEP), z, 3.0),
        of(
            "S^2, quadratic",
            GeodesicWalk(Langevin(Sphere(2), quadratic(ball)), STEP),
            ("E z^2", _last_squared, _zonal_mean(3, lambda t: -2 * t**2, lambda t: t**2)),
            3.0,
        ),
        of(
            "S^2, a user's own potential",
            GeodesicWalk(Langevin(Sphere(2), _own_potential()), STEP),
            ("E z", _last, _zonal_mean(3, lambda t: t**3 - 2 * t, lambda t: t)),
            3.0,
        ),
        of(
            "Torus(1), fourier(cos={1: 1})",
            GeodesicWalk(Langevin(Torus(1), fourier(cos={1: 1.0})), STEP),
            ("E cos", lambda x: np.cos(x[:, 0]), _circle_mean(np.cos, np.cos)),
            6.0,
        ),
        of(
            "S^9, linear",
            GeodesicWalk(Langevin(Sphere(9), linear(high)), STEP),
            ("E z", _last, _zonal_mean(10, lambda t: -2 * t, lambda t: t)),
            1.0,
        ),
        of(
            "S^9, quadratic",
            GeodesicWalk(Langevin(Sphere(9), quadratic(form)), STEP),
            ("E z^2", _last_squared, _zonal_mean(10, lambda t: -2 * t**2, lambda t: t**2)),
            1.0,
        ),
        of(
            "R^10, quadratic",
            GeodesicWalk(Langevin(Euclidean(10), quadratic(_FORM)), STEP),
            # the walk's own stationary covariance, (A - h A^2 / 2)^-1, not the diffusion's
            ("E <x, A x> / 10", _form_value, float(np.mean(1 / (1 - STEP * _EIGENVALUES / 2)))),
            3.0,
        ),
    ]


Observable = Callable[[Array], Array]


def _last(x: Array) -> Array:
    return x[:, -1]


def _last_squared(x: Array) -> Array:
    return x[:, -1] ** 2


def _form_value(x: Array) -> Array:
    return np.einsum("ij,ij->i", x @ _FORM, x) / 10


def _own_potential() -> Potential:
    """U = z^3 - 2 z, written as a reader would write it."""

    def gradient(x: Array) -> Array:
        slope = np.zeros_like(x)
        slope[:, 2] = 3 * x[:, 2] ** 2 - 2
        return slope

    return Potential(lambda x: x[:, 2] ** 3 - 2 * x[:, 2], gradient)


def _a_form(eigenvalues: Array) -> Array:
    """Return a full symmetric matrix."""
    size = len(eigenvalues)
    rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))
    form = (rotation * eigenvalues) @ rotation.T
    return (form + form.T) / 2


_EIGENVALUES = np.linspace(1.0, 3.0, 10)
_FORM = _a_form(_EIGENVALUES)


def _zonal_mean(p: int, u: Callable[[float], float], f: Callable[[float], float]) -> float:
    """Return the mean of f(z) under exp(-u(z)) on the unit sphere of R^p, by quadrature in z."""
    return _mean(lambda t: np.exp(-u(t)) * (1 - t * t) ** ((p - 3) / 2), f, -1.0, 1.0)


def _circle_mean(u: Callable[[float], float], f: Callable[[float], float]) -> float:
    return _mean(lambda t: np.exp(-u(t)), f, 0.0, 2 * np.pi)


def _mean(
    weight: Callable[[float], float], f: Callable[[float], float], low: float, high: float
) -> float:
    return quad(lambda t: weight(t) * f(t), low, high)[0] / quad(weight, low, high)[0]
