"""Laws on the sphere that depend on the height z, with U = -a z, beta = 1, and their distance.

A law is its Legendre coefficients a_l = E P_l(z), l in DEGREE; the diffusion is a tridiagonal
matrix on them, a step of the walk with a = 1 a matrix by quadrature. The library is not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.polynomial import legendre
from scipy.linalg import expm

from tests.second.fits import Array

DEGREE = np.arange(49)


def from_ring(z: float) -> Array:
    return legendre.legvander(np.array([z]), DEGREE[-1])[0]


def from_height(weight: Callable[[Array], Array]) -> Array:
    z, area = legendre.leggauss(80)
    return legendre.legvander(z, DEGREE[-1]).T @ (area * weight(z)) / (area @ weight(z))


def sphere_rate(pull: float) -> Array:
    """Matrix of d a_l/dt = -l(l+1) a_l + a l(l+1)/(2l+1) (a_(l-1) - a_(l+1))."""
    turning = DEGREE * (DEGREE + 1)
    bent = pull * turning / (2 * DEGREE + 1)
    return np.diag(-turning) + np.diag(bent[1:], -1) - np.diag(bent[:-1], 1)


@cache
def sphere_limit(time: float, pull: float = 1.0) -> Array:
    return expm(time * sphere_rate(pull))


@cache
def sphere_step(h: float) -> Array:
    """One step with U = -z, from Gauss nodes; the noise by the trapezoidal rule in the plane."""
    z, area = legendre.leggauss(72)
    sine = np.sqrt(1 - z**2)
    xi = np.arange(-51, 52) / 6  # what aliases has frequency 6 * 2 pi - 48 sqrt(2h) > 13
    gauss = np.exp(-(xi**2) / 2)
    half = gauss[51:] * np.where(xi[51:] == 0, 1, 2)
    rule = np.outer(gauss, half).ravel() / (gauss.sum() ** 2)
    east = np.tile(math.sqrt(2 * h) * xi[51:], len(xi))
    after = np.empty((len(z), len(DEGREE)))
    for i in range(len(z)):
        north = h * sine[i] + math.sqrt(2 * h) * np.repeat(xi, len(half))
        r = np.hypot(north, east)
        lands = np.cos(r) * z[i] + np.sinc(r / math.pi) * north * sine[i]
        below, here = np.ones_like(lands), lands
        after[i, :2] = rule.sum(), rule @ lands
        for degree in DEGREE[1:-1]:
            below, here = here, ((2 * degree + 1) * lands * here - degree * below) / (degree + 1)
            after[i, degree + 1] = rule @ here
    return after.T @ (area[:, None] * legendre.legvander(z, DEGREE[-1])) * (DEGREE + 0.5)


def sphere_walk(a: Array, h: float, time: float) -> Array:
    for _ in range(round(time / h)):
        a = sphere_step(h) @ a
    return a


NODE, NODE_WEIGHT = legendre.leggauss(240)
AS_UNIFORM = (NODE + 1) * (math.pi / 2)  # the polar angle of the uniform law with the same share


def polar_quantiles(a: Array) -> Array:
    density = (DEGREE + 0.5) * a
    rest = np.zeros(len(a) + 1)  # 1/2 sum_(l>0) a_l (P_(l-1) - P_(l+1))
    rest[:-2] += a[1:] / 2
    rest[2:] -= a[1:] / 2
    grid = np.linspace(0, math.pi, 4097)
    below = np.sin(grid / 2) ** 2 + legendre.legval(np.cos(grid), rest)
    table = 2 * np.arcsin(np.sqrt(np.clip(below, 0, 1)))
    polar = np.interp(AS_UNIFORM, table, grid)
    for _ in range(5):
        z = np.cos(polar)
        excess = np.sin(polar / 2) ** 2 + legendre.legval(z, rest) - np.sin(AS_UNIFORM / 2) ** 2
        polar = polar - excess / (legendre.legval(z, density) * np.sin(polar))
    return polar


def sphere_distance(a: Array, b: Array) -> float:
    share = NODE_WEIGHT * np.sin(AS_UNIFORM)
    return math.sqrt(share @ (polar_quantiles(a) - polar_quantiles(b)) ** 2 / share.sum())
