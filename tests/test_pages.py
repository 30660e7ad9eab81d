"""The pages' numbers, each computed once more, and what their prose and their claims say of them.

The second computations share nothing with the library: they know the page's words, and formulas.
With U = cos t, beta = 1 a step of the walk is a matrix of Bessel functions on c_k = E exp(-ikX);
with U = -a z the diffusion is a tridiagonal matrix on a_l = E P_l(z).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.linalg import expm, sqrtm
from scipy.special import binom as choose_from
from scipy.special import iv, jv

from coupled_flows.display.ledger import verdict
from tools import execution
from tools.execution import Executed
from tools.pages import notebook, pages

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Fit = tuple[float, float, float]  # slope, and the least and the largest slope of neighbours

ROOT = Path(__file__).resolve().parent.parent
TURN = 2 * math.pi
STEPS = 2.0 ** -np.arange(3, 11)
EIGHTHS = np.arange(1, 17) / 8
LAW, INTRO = "book/law_converges", "book/intro"


def fit(steps: Array, errors: Iterable[float]) -> Fit:
    x, y = np.log(steps), np.log(np.array(list(errors)))
    local = np.diff(y) / np.diff(x)
    return float(np.polyfit(x, y, 1)[0]), float(local.min()), float(local.max())


def last_halvings(steps: Array, errors: Iterable[float]) -> Fit:
    return fit(steps[-4:], list(errors)[-4:])


# -- the circle, U = cos t, beta = 1 ---------------------------------------------------------------

WAVES = np.arange(-96, 97)
SHARES = np.arange(2048) / 2048


def from_point(x: float) -> Complex:
    return np.exp(-1j * WAVES * x)


def from_weight(weight: Callable[[Array], Array]) -> Complex:
    angle = TURN * np.arange(512) / 512
    return np.exp(-1j * np.outer(WAVES, angle)) @ weight(angle) / weight(angle).sum()


STARTS = {
    "exp(sin t)": from_weight(lambda t: np.exp(np.sin(t))),
    "1 + cos(3t)/2": from_weight(lambda t: 1 + np.cos(3 * t) / 2),
    "point t = 1": from_point(1.0),
}


@cache
def circle_step(h: float, noise: str = "gauss") -> Complex:
    """x' = x + h sin x + noise, and exp(-ikh sin x) = sum_n J_n(kh) exp(-inx)."""
    damping = np.exp(-h * WAVES**2) if noise == "gauss" else np.cos(WAVES * math.sqrt(2 * h))
    return damping[:, None] * jv(WAVES[None, :] - WAVES[:, None], WAVES[:, None] * h)


@cache
def circle_limit(time: float) -> Complex:
    """d c_k/dt = -k^2 c_k - k/2 (c_(k-1) - c_(k+1)), since U' = -sin."""
    half = WAVES / 2
    rate = -np.diag(WAVES**2) - np.diag(half[1:], -1) + np.diag(half[:-1], 1)
    return expm(time * rate.astype(float))


def circle_walk(c: Complex, h: float, time: float, noise: str = "gauss") -> Complex:
    for _ in range(round(time / h)):
        c = circle_step(h, noise) @ c
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
    """Least L2 distance of the quantiles over all rotations: a dense search, ten times finer."""
    here, there = quantiles(a), np.fft.rfft(quantiles(b) - TURN * SHARES)
    waves = np.arange(len(there))

    def cost(rotation: float) -> float:
        moved = np.fft.irfft(there * np.exp(1j * TURN * waves * rotation), len(SHARES))
        return float(np.mean((here - TURN * (SHARES + rotation) - moved) ** 2))

    centre, reach = 0.0, 0.5
    for _ in range(9):
        tried = centre + reach * np.linspace(-1, 1, 21)
        centre, reach = min(tried, key=cost), reach / 10
    return math.sqrt(cost(centre))


@cache
def circle_errors(start: str, noise: str = "gauss") -> tuple[float, ...]:
    limit = circle_limit(1.0) @ STARTS[start]
    return tuple(circle_distance(circle_walk(STARTS[start], h, 1.0, noise), limit) for h in STEPS)


@cache
def circle_point_errors() -> Array:
    """Rows: steps 1/64 to 1/512; the worst of four starts and times 1/2, 1, 3/2, 2."""
    worst = []
    for h in STEPS[3:7]:
        found = 0.0
        for x in (0.0, TURN / 4, TURN / 2, 3 * TURN / 4):
            walked, truth = from_point(x), from_point(x)
            for _ in range(4):
                walked, truth = circle_walk(walked, h, 0.5), circle_limit(0.5) @ truth
                found = max(found, circle_distance(walked, truth))
        worst.append(found)
    return np.array(worst)


COS_2T_PLUS_SIN_T = np.where(np.abs(WAVES) == 2, 0.5, 0) + np.where(
    np.abs(WAVES) == 1, 0.5j * WAVES, 0
)  # f(x) = sum f_k exp(-ikx)
EVERYWHERE = np.exp(-1j * np.outer(WAVES, np.linspace(0, TURN, 4001)))


def circle_backward(h: float) -> Array:
    """P_h^n f - e^(tL) f on 4001 angles, a row for each eighth up to 2."""
    walked, truth, rows = COS_2T_PLUS_SIN_T, COS_2T_PLUS_SIN_T, []
    for _ in EIGHTHS:
        for _ in range(round(1 / 8 / h)):
            walked = walked @ circle_step(h)
        truth = truth @ circle_limit(1 / 8)
        rows.append(((walked - truth) @ EVERYWHERE).real)
    return np.array(rows)


@cache
def circle_sups() -> list[float]:
    return [float(np.abs(circle_backward(h)).max()) for h in STEPS]


def richardson() -> Fit:
    h = STEPS[:5]
    at_1 = [circle_backward(step)[7] for step in h]
    return fit(
        h[:-1], [float(np.abs(2 * b - a).max()) for a, b in zip(at_1, at_1[1:], strict=False)]
    )


def stationary_errors(noise: str) -> list[float]:
    """W2 to pi, whose c_k = (-1)^k I_k(1)/I_0(1), in eighths to sixty-fourths."""
    pi = (-1.0) ** WAVES * iv(np.abs(WAVES), 1.0) / iv(0, 1.0)
    found = []
    for h in STEPS[:4]:
        rates, frame = np.linalg.eig(circle_step(h, noise))
        kept = frame[:, np.argmin(abs(rates - 1))]
        found.append(circle_distance(kept / kept[len(WAVES) // 2], pi.astype(complex)))
    return found


def metropolis_errors() -> list[float]:
    """The walk on 1024 equally spaced angles, with its rejections on the diagonal."""
    angle = TURN * np.arange(1024) / 1024
    back = np.exp(-1j * np.outer(WAVES, angle))
    apart = angle[None, :] - angle[:, None]
    accepted = np.exp(np.minimum(0.0, np.cos(angle)[:, None] - np.cos(angle)[None, :]))
    found = []
    for h in STEPS[:4]:
        images = sum(np.exp(-((apart + TURN * n) ** 2) / (4 * h)) for n in range(-2, 3))
        step = accepted * images / images.sum(axis=1, keepdims=True)
        step += np.diag(1 - step.sum(axis=1))
        mass = np.exp(np.sin(angle))
        mass /= mass.sum()
        for _ in range(round(1 / h)):
            mass = mass @ step
        found.append(circle_distance(back @ mass, circle_limit(1.0) @ STARTS["exp(sin t)"]))
    return found


# -- the circle, U = 0, beta = 1, from the point 1 -------------------------------------------------

HEAT = np.exp(-(WAVES**2)) * from_point(1.0)


def interval_errors() -> list[float]:
    """Uniform on [-r, r], r^2 = 3 * 2h: c_k is multiplied by sin(kr)/(kr)."""
    found = []
    for h in STEPS:
        waves = np.arange(-256, 257)
        walk = np.sinc(waves * math.sqrt(6 * h) / math.pi) ** round(1 / h) * np.exp(-1j * waves)
        found.append(circle_distance(walk, np.pad(HEAT, 256 - 96)))
    return found


def sign_errors() -> list[float]:
    """A binomial lattice against the heat kernel: atoms get intervals of shares, in order."""
    node, weight = legendre.leggauss(6)
    k = np.arange(1, 8)

    def density(y: Array) -> Array:
        return (1 + 2 * np.tensordot(np.exp(-(k**2)), np.cos(np.multiply.outer(k, y - 1)), 1)) / TURN

    grid = np.linspace(-TURN, 2 * TURN, 60001)
    below = (
        grid
        + 2 * (np.exp(-(k**2)) / k) @ (np.sin(np.outer(k, grid - 1)) + np.sin(k)[:, None])
    ) / TURN
    found = []
    for h in STEPS:
        n = round(1 / h)
        heads = np.arange(n + 1)
        tails = np.exp([math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
                        - n * math.log(2) for i in heads])
        at = (1 + math.sqrt(2 * h) * (2 * heads - n)) % TURN
        order = np.argsort(at)
        shares = np.concatenate([[0], np.cumsum(tails[order])])

        def cost(rotation: float, at: Array = at[order], shares: Array = shares) -> float:
            edge = np.interp(shares + rotation, below, grid)
            half = np.diff(edge)[:, None] / 2
            y = edge[:-1, None] + half * (1 + node)
            return float(np.sum((at[:, None] - y) ** 2 * density(y) * half * weight))

        centre, reach = 0.0, 0.5
        for _ in range(7):
            tried = centre + reach * np.linspace(-1, 1, 21)
            centre, reach = min(tried, key=cost), reach / 10
        found.append(math.sqrt(cost(centre)))
    return found


# -- the sphere, U = -a z, beta = 1 ----------------------------------------------------------------

DEGREE = np.arange(49)


def from_ring(z: float) -> Array:
    return legendre.legvander(np.array([z]), DEGREE[-1])[0]


def from_height(weight: Callable[[Array], Array]) -> Array:
    z, area = legendre.leggauss(80)
    return legendre.legvander(z, DEGREE[-1]).T @ (area * weight(z)) / (area @ weight(z))


def sphere_rate(pull: float) -> Array:
    """d a_l/dt = -l(l+1) a_l + a l(l+1)/(2l+1) (a_(l-1) - a_(l+1))."""
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


@cache
def sphere_errors(start: str) -> tuple[float, ...]:
    begin = {
        "exp(-z)": from_height(lambda z: np.exp(-z)),
        "1 + z/2": from_height(lambda z: 1 + z / 2),
        "ring z = 0.3": from_ring(0.3),
        "opening": from_ring(-0.64),
    }[start]
    limit = sphere_limit(1.0) @ begin
    return tuple(sphere_distance(sphere_walk(begin, h, 1.0), limit) for h in STEPS)


@cache
def sphere_ring_errors() -> Array:
    worst = []
    for h in STEPS[3:7]:
        found = 0.0
        for z in (-1.0, 0.0, 1.0):
            walked, truth = from_ring(z), from_ring(z)
            for _ in range(4):
                walked, truth = sphere_walk(walked, h, 0.5), sphere_limit(0.5) @ truth
                found = max(found, sphere_distance(walked, truth))
        worst.append(found)
    return np.array(worst)


@cache
def sphere_sups() -> list[float]:
    """f = z + z^3 = 1.6 P_1 + 0.4 P_3, on 4001 heights."""
    everywhere = legendre.legvander(np.linspace(-1, 1, 4001), DEGREE[-1]).T
    f = np.zeros(len(DEGREE))
    f[1], f[3] = 1.6, 0.4
    found = []
    for h in STEPS:
        walked, truth, worst = f, f, 0.0
        for _ in EIGHTHS:
            for _ in range(round(1 / 8 / h)):
                walked = walked @ sphere_step(h)
            truth = truth @ sphere_limit(1 / 8)
            worst = max(worst, float(np.abs((walked - truth) @ everywhere).max()))
        found.append(worst)
    return found


@cache
def approach(pull: float) -> tuple[float, float]:
    """Largest share of the bound exp(-(1 - a) t) after time 0, and the late rate."""
    first = math.acos(-0.2) - math.acos(0.9)
    a, b, distances = from_ring(0.9), from_ring(-0.2), [first]
    times = np.linspace(0, 4, 33)
    for _ in times[1:]:
        a, b = sphere_limit(1 / 8, pull) @ a, sphere_limit(1 / 8, pull) @ b
        distances.append(sphere_distance(a, b))
    share = np.array(distances) / (np.exp(-(1 - pull) * times) * first)
    return float(share[1:].max()), math.log(distances[-9] / distances[-1])


# -- R^2 ------------------------------------------------------------------------------------------


def bures(m: Array, s: Array, n: Array, t: Array) -> float:
    root = sqrtm(s)
    cross = np.real(np.trace(s + t - 2 * sqrtm(root @ t @ root)))
    return math.sqrt(float((m - n) @ (m - n)) + max(cross, 0.0))


@cache
def euler_errors() -> tuple[list[float], list[float]]:
    """Worst W2 at the eighths from the point (2, -1), and W2 of the stationary laws."""
    A = np.array([[2.0, 1.0], [1.0, 3.0]])
    rates, frame = np.linalg.eigh(A)
    worst, bias = [], []
    for h in STEPS[1:]:
        m, s, found = np.array([2.0, -1.0]), np.zeros((2, 2)), []
        one = np.eye(2) - h * A
        for t in EIGHTHS:
            for _ in range(round(1 / 8 / h)):
                m, s = one @ m, one @ s @ one.T + 2 * h * np.eye(2)
            n = expm(-t * A) @ [2.0, -1.0]
            found.append(bures(m, s, n, frame @ np.diag((1 - np.exp(-2 * rates * t)) / rates) @ frame.T))
        worst.append(max(found))
        bias.append(float(np.linalg.norm(rates**-0.5 * ((1 - h * rates / 2) ** -0.5 - 1))))
    return worst, bias
