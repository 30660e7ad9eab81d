"""Laws on the circle with U = cos x, beta = 1, and their distance, by formulas of their own.

A law is its Fourier coefficients c_k = E exp(-ikX), k in WAVES; a step of the walk is a matrix of
Bessel functions on them, the diffusion a tridiagonal matrix. The library is not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.special import jv

from tests.second.fits import Array

Complex = NDArray[np.complexfloating[Any, Any]]

TURN = 2 * math.pi
WAVES = np.arange(-96, 97)
SHARES = np.arange(2048) / 2048


def from_point(x: float) -> Complex:
    return np.exp(-1j * WAVES * x)


def from_weight(weight: Callable[[Array], Array]) -> Complex:
    angle = TURN * np.arange(512) / 512
    return np.exp(-1j * np.outer(WAVES, angle)) @ weight(angle) / weight(angle).sum()


@cache
def circle_step(h: float) -> Complex:
    """Step x' = x + h sin x + noise, where exp(-ikh sin x) = sum_n J_n(kh) exp(-inx)."""
    return np.exp(-h * WAVES**2)[:, None] * pushed(WAVES, h)


def pushed(k: NDArray[np.int_], h: float) -> Complex:
    return jv(k[None, :] - k[:, None], k[:, None] * h)


@cache
def circle_limit(time: float) -> Complex:
    """Solve d c_k/dt = -k^2 c_k - k/2 (c_(k-1) - c_(k+1)), since U' = -sin."""
    half = WAVES / 2
    rate = -np.diag(WAVES**2) - np.diag(half[1:], -1) + np.diag(half[:-1], 1)
    return expm(time * rate.astype(float))


def circle_walk(c: Complex, h: float, time: float) -> Complex:
    for _ in range(round(time / h)):
        c = circle_step(h) @ c
    return c


def quantiles(c: Complex) -> Array:
    """Angles from 0 below which lie the SHARES: the distribution function's series, inverted."""
    k = np.arange(1, len(c) // 2 + 1)
    series = np.concatenate([[0], c[len(c) // 2 + 1 :] / (1j * k)])
    slopes = np.concatenate([[0.5], c[len(c) // 2 + 1 :]])

    def on(coefficients: Complex, angle: Array) -> Array:
        return np.polynomial.polynomial.polyval(np.exp(1j * angle), coefficients).real / math.pi

    grid = np.linspace(0, TURN, 8193)
    zero = on(series, np.zeros(1))
    angle = np.interp(SHARES, grid / TURN + on(series, grid) - zero, grid)
    for _ in range(4):  # Newton: 1e-6 from the table, then rounding
        angle -= (angle / TURN + on(series, angle) - zero - SHARES) / on(slopes, angle)
    return angle


def circle_distance(a: Complex, b: Complex) -> float:
    """Least L2 distance of the quantiles over all rotations."""
    here, there = quantiles(a), np.fft.rfft(quantiles(b) - TURN * SHARES)
    waves = np.arange(len(there))

    def cost(rotation: float) -> float:
        moved = np.fft.irfft(there * np.exp(1j * TURN * waves * rotation), len(SHARES))
        return float(np.mean((here - TURN * (SHARES + rotation) - moved) ** 2))

    return math.sqrt(least(cost))


def least(cost: Callable[[float], float]) -> float:
    """Least cost over rotations by up to half a turn: a dense search, ten times finer each time."""
    centre, reach = 0.0, 0.5
    for _ in range(9):
        tried = centre + reach * np.linspace(-1, 1, 21)
        centre, reach = float(min(tried, key=cost)), reach / 10
    return cost(centre)


def draws(c: Complex, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Independent angles of a law, from a table of its quantiles: right to 1e-5."""
    shares, angles = np.append(SHARES, 1.0), quantiles(c)
    return np.interp(rng.random(shape), shares, np.append(angles, angles[0] + TURN))


def sample_distances(a: Array, b: Array) -> Array:
    """W2 of samples of one size, row by row.

    Sorted points are matched with a shift of their order. Less the even spacing they are periodic,
    so one circular correlation has the costs of all shifts.
    """
    n = a.shape[1]
    even = TURN * np.arange(n) / n
    here, there = np.sort(a) - even, np.sort(b) - even
    matched = np.fft.irfft(np.conj(np.fft.rfft(here)) * np.fft.rfft(there), n) / n
    turn = TURN * ((np.arange(n) + n // 2) % n - n // 2) / n
    apart = (here.mean(axis=1) - there.mean(axis=1))[:, None]
    squares = (here**2).mean(axis=1) + (there**2).mean(axis=1)
    return np.sqrt((squares[:, None] - 2 * matched + turn**2 - 2 * turn * apart).min(axis=1))
