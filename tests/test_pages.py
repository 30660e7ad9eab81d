"""The pages' numbers, each computed once more, and what their prose and their claims say of them.

The second computations share nothing with the library: they know the page's words, and formulas.
With U = cos x, beta = 1 a step of the walk is a matrix of Bessel functions on c_k = E exp(-ikX);
with U = -a z the diffusion is a tridiagonal matrix on a_l = E P_l(z).
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.linalg import expm, sqrtm
from scipy.special import gammaln, iv, jv

from coupled_flows.display.ledger import verdict
from tools import execution
from tools.execution import Executed
from tools.pages import notebook, pages

Array = NDArray[np.floating[Any]]
Complex = NDArray[np.complexfloating[Any, Any]]
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


# -- the circle, U = cos x, beta = 1 ---------------------------------------------------------------

WAVES = np.arange(-96, 97)
SHARES = np.arange(2048) / 2048


def from_point(x: float) -> Complex:
    return np.exp(-1j * WAVES * x)


def from_weight(weight: Callable[[Array], Array]) -> Complex:
    angle = TURN * np.arange(512) / 512
    return np.exp(-1j * np.outer(WAVES, angle)) @ weight(angle) / weight(angle).sum()


STARTS = {
    "exp(sin x)": from_weight(lambda t: np.exp(np.sin(t))),
    "1 + cos(3x)/2": from_weight(lambda t: 1 + np.cos(3 * t) / 2),
    "point x = 1": from_point(1.0),
}


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


@cache
def circle_errors(start: str) -> tuple[float, ...]:
    limit = circle_limit(1.0) @ STARTS[start]
    return tuple(circle_distance(circle_walk(STARTS[start], h, 1.0), limit) for h in STEPS)


def blurred_errors() -> list[float]:
    """Random signs from a point, 1/128 to 1/1024. Only the force damps waves, so there are more."""
    limit = np.pad(circle_limit(1.0) @ STARTS["point x = 1"], 224)
    k = np.arange(-320, 321)
    found = []
    for h in STEPS[4:]:
        step = np.cos(k * math.sqrt(2 * h))[:, None] * pushed(k, h)
        c = np.exp(-1j * k)
        for _ in range(round(1 / h)):
            c = step @ c
        found.append(circle_distance(c, limit))
    return found


@cache
def circle_point_errors() -> Array:
    """Rows: steps 1/64 to 1/512; the worst of three starts and times 1, 2."""
    worst = []
    for h in STEPS[3:7]:
        found = 0.0
        for x in (0.0, TURN / 3, 2 * TURN / 3):
            walked, truth = from_point(x), from_point(x)
            for _ in range(2):
                walked, truth = circle_walk(walked, h, 1.0), circle_limit(1.0) @ truth
                found = max(found, circle_distance(walked, truth))
        worst.append(found)
    return np.array(worst)


COS_2T_PLUS_SIN_T = np.where(np.abs(WAVES) == 2, 0.5, 0) + np.where(
    np.abs(WAVES) == 1, 0.5j * WAVES, 0
)  # f(x) = sum f_k exp(-ikx)
# as the page has it, 257 angles and 65 heights; and ten times as many
ANGLES = {n: np.exp(-1j * np.outer(WAVES, TURN * np.arange(n) / n)) for n in (257, 2570)}
HEIGHTS = {"nodes": legendre.leggauss(65)[0], "dense": np.linspace(-1, 1, 4001)}


def circle_backward(h: float, n: int = 257) -> Array:
    """P_h^n f - e^(tL) f at n angles, a row for each eighth up to 2."""
    walked, truth, rows = COS_2T_PLUS_SIN_T, COS_2T_PLUS_SIN_T, []
    for _ in EIGHTHS:
        for _ in range(round(1 / 8 / h)):
            walked = walked @ circle_step(h)
        truth = truth @ circle_limit(1 / 8)
        rows.append(((walked - truth) @ ANGLES[n]).real)
    return np.array(rows)


@cache
def circle_sups(n: int = 257) -> list[float]:
    return [float(np.abs(circle_backward(h, n)).max()) for h in STEPS]


def richardson() -> Fit:
    h = STEPS[:5]
    at_1 = [circle_backward(step)[7] for step in h]
    return fit(h[:-1], [float(np.abs(2 * b - a).max()) for a, b in pairwise(at_1)])


def stationary_errors(noise: str) -> list[float]:
    """W2 to pi, whose c_k = (-1)^k I_k(1)/I_0(1), in eighths to sixty-fourths."""
    pi = (-1.0) ** WAVES * iv(np.abs(WAVES), 1.0) / iv(0, 1.0)
    found = []
    for h in STEPS[:4]:
        damping = np.exp(-h * WAVES**2) if noise == "gauss" else np.cos(WAVES * math.sqrt(2 * h))
        rates, frame = np.linalg.eig(damping[:, None] * pushed(WAVES, h))
        kept = frame[:, np.argmin(abs(rates - 1))]
        found.append(circle_distance(kept / kept[len(WAVES) // 2], pi.astype(complex)))
    return found


@cache
def metropolis_errors(n: int = 1024) -> list[float]:
    """The walk on n equally spaced angles, with its rejections on the diagonal."""
    angle = TURN * np.arange(n) / n
    back = np.exp(-1j * np.outer(WAVES, angle))
    apart = angle[None, :] - angle[:, None]
    accepted = np.exp(np.minimum(0.0, np.cos(angle)[:, None] - np.cos(angle)[None, :]))
    found = []
    for h in STEPS[:4]:
        proposed = np.exp(-(((apart + TURN / 2) % TURN - TURN / 2) ** 2) / (4 * h))
        step = accepted * proposed / proposed.sum(axis=1, keepdims=True)
        step += np.diag(1 - step.sum(axis=1))
        mass = np.exp(np.sin(angle))
        mass /= mass.sum()
        for _ in range(round(1 / h)):
            mass = mass @ step
        found.append(circle_distance(back @ mass, circle_limit(1.0) @ STARTS["exp(sin x)"]))
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


def smooth_sign_errors() -> list[float]:
    """From exp(sin x), with random signs: c_k is multiplied by cos(k sqrt(2h))."""
    start = STARTS["exp(sin x)"]
    return [
        circle_distance(
            np.cos(WAVES * math.sqrt(2 * h)) ** round(1 / h) * start, np.exp(-(WAVES**2)) * start
        )
        for h in STEPS
    ]


@cache
def sign_errors() -> list[float]:
    """A binomial lattice against the heat kernel: atoms get intervals of shares, in order."""
    node, weight = legendre.leggauss(6)
    k = np.arange(1, 8)
    heat = np.exp(-(k**2.0))

    def density(y: Array) -> Array:
        return (1 + 2 * np.tensordot(heat, np.cos(np.multiply.outer(k, y - 1)), 1)) / TURN

    def below(y: Array) -> Array:
        return (y + 2 * (heat / k) @ (np.sin(np.outer(k, y - 1)) + np.sin(k)[:, None])) / TURN

    grid = np.linspace(-TURN, 2 * TURN, 20001)
    table = below(grid)
    found = []
    for h in STEPS:
        n = round(1 / h)
        heads = np.arange(n + 1)
        ways = gammaln(n + 1) - gammaln(heads + 1) - gammaln(n - heads + 1)
        mass = np.exp(ways - n * math.log(2))
        at = (1 + math.sqrt(2 * h) * (2 * heads - n)) % TURN
        order = np.argsort(at)
        atoms, shares = at[order], np.concatenate([[0], np.cumsum(mass[order])])

        def cost(rotation: float, atoms: Array = atoms, shares: Array = shares) -> float:
            edge = np.interp(shares + rotation, table, grid)
            edge -= (below(edge) - shares - rotation) / density(edge)
            half = np.diff(edge)[:, None] / 2
            y = edge[:-1, None] + half * (1 + node)
            return float(np.sum((atoms[:, None] - y) ** 2 * density(y) * half * weight))

        found.append(math.sqrt(least(cost)))
    return found


# -- the sphere, U = -a z, beta = 1 ----------------------------------------------------------------

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
            for _ in range(2):
                walked, truth = sphere_walk(walked, h, 1.0), sphere_limit(1.0) @ truth
                found = max(found, sphere_distance(walked, truth))
        worst.append(found)
    return np.array(worst)


@cache
def sphere_sups(where: str = "nodes") -> list[float]:
    """Largest error of f = z + z^3 = 1.6 P_1 + 0.4 P_3 at the eighths."""
    everywhere = legendre.legvander(HEIGHTS[where], DEGREE[-1]).T
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
            limit = frame @ np.diag((1 - np.exp(-2 * rates * t)) / rates) @ frame.T
            found.append(bures(m, s, n, limit))
        worst.append(max(found))
        bias.append(float(np.linalg.norm(rates**-0.5 * ((1 - h * rates / 2) ** -0.5 - 1))))
    return worst, bias


# -- what the pages say ----------------------------------------------------------------------------

# Distances of both computations are right to 1e-8: quantiles to 1e-13 against differences above
# 1e-4, and a factor of ten for the tails. A slope between neighbours then moves by 4e-8/log 2.
SAME = 6e-8
PRINTED = 5e-4  # half of the last decimal that an Order shows
ROUNDING = 65 * 4160 * 2.0**-53  # of an eigenvalue: 65 rows, the largest of size 64 * 65


def of_all(orders: Callable[[str], Fit], starts: Iterable[str]) -> Array:
    return np.array([orders(start)[0] for start in starts])


ON_CIRCLE, ON_SPHERE = tuple(STARTS), ("exp(-z)", "1 + z/2", "ring z = 0.3")


@cache
def slopes(where: str) -> Array:
    return {
        "circle": lambda: of_all(lambda s: fit(STEPS, circle_errors(s)), ON_CIRCLE),
        "circle_last": lambda: of_all(lambda s: last_halvings(STEPS, circle_errors(s)), ON_CIRCLE),
        "sphere": lambda: of_all(lambda s: fit(STEPS[:5], sphere_errors(s)[:5]), ON_SPHERE),
        "sphere_last": lambda: of_all(lambda s: last_halvings(STEPS, sphere_errors(s)), ON_SPHERE),
    }[where]()


def spread(where: str) -> Fit:
    return float(slopes(where).mean()), float(slopes(where).min()), float(slopes(where).max())


def gap_tilted() -> float:
    return float(np.sort(-np.linalg.eigvals(sphere_rate(0.5)).real)[1])


# every glued key of every page: what it is, and how far the page may be from that
Check = tuple[Callable[[], float | Fit], float]
POINT_1 = "point x = 1"
GLUED: dict[tuple[str, str], Check] = {
    (INTRO, "opening"): (lambda: fit(STEPS[1:7], sphere_errors("opening")[1:7]), PRINTED + SAME),
    (LAW, "coarse"): (lambda: circle_errors(POINT_1)[3], 1e-8 * 0.003),
    (LAW, "halving"): (lambda: circle_errors(POINT_1)[3] / circle_errors(POINT_1)[4], SAME),
    (LAW, "from_point"): (lambda: fit(STEPS, circle_errors(POINT_1)), PRINTED + SAME),
    (LAW, "circle_sup"): (lambda: fit(STEPS, circle_sups()), PRINTED + SAME),
    (LAW, "sphere_sup"): (lambda: fit(STEPS, sphere_sups()), PRINTED + SAME),
    (LAW, "circle_low"): (lambda: slopes("circle").min(), SAME),
    (LAW, "circle_high"): (lambda: slopes("circle").max(), SAME),
    (LAW, "circle_last_low"): (lambda: slopes("circle_last").min(), SAME),
    (LAW, "circle_last_high"): (lambda: slopes("circle_last").max(), SAME),
    (LAW, "sphere_low"): (lambda: slopes("sphere").min(), SAME),
    (LAW, "sphere_high"): (lambda: slopes("sphere").max(), SAME),
    (LAW, "sphere_last_low"): (lambda: slopes("sphere_last").min(), SAME),
    (LAW, "sphere_last_high"): (lambda: slopes("sphere_last").max(), SAME),
    (LAW, "missed"): (lambda: int((np.abs(slopes("sphere") - 1) > 0.02).sum()), 0),
    (LAW, "of"): (lambda: 3, 0),  # the quick edition's cases on each space
    (LAW, "every_point"): (lambda: fit(STEPS[3:7], circle_point_errors()), PRINTED + SAME),
    (LAW, "every_ring"): (lambda: fit(STEPS[3:7], sphere_ring_errors()), PRINTED + SAME),
    (LAW, "n_points"): (lambda: 3, 0),
    (LAW, "n_rings"): (lambda: 1, 0),
    (LAW, "euler"): (lambda: fit(STEPS[1:], euler_errors()[0]), PRINTED + SAME),
    (LAW, "kept"): (lambda: fit(STEPS[1:], euler_errors()[1]), PRINTED + SAME),
    (LAW, "signs"): (lambda: fit(STEPS, sign_errors()), PRINTED + SAME),
    (LAW, "interval"): (lambda: fit(STEPS, interval_errors()), PRINTED + SAME),
    (LAW, "ratio"): (lambda: max(approach(0.0)[0], approach(0.5)[0]), SAME),
    (LAW, "rate_free"): (lambda: approach(0.0)[1], SAME),
    (LAW, "rate_tilted"): (lambda: approach(0.5)[1], SAME),
    (LAW, "gap_free"): (lambda: 2.0, ROUNDING),
    (LAW, "gap_tilted"): (gap_tilted, 2 * ROUNDING),
    # Zero. The rows of Metropolis' operator bend like (2/3) q |x|^3 at 0 and pi, q = 2.26 at most;
    # the waves above 64 of that sum to 1.5e-5, and W2 <= 2 |.|_(H^-1(pi)) divides them by 64 and by
    # the root of the least density of pi, 0.29.
    (LAW, "residue"): (lambda: 0.0, 1e-6),
    (LAW, "stationary_order"): (lambda: fit(STEPS[:4], stationary_errors("gauss")), PRINTED + SAME),
    # the grid's own error, of order two in its cell: see the test of it
    (LAW, "metropolis"): (lambda: fit(STEPS[:4], metropolis_errors()), PRINTED + 1e-4),
    (LAW, "richardson"): (richardson, PRINTED + SAME),
    (LAW, "too_wide"): (lambda: 1.1, 8 * 2.0**-53),  # five operations on numbers near 1
    (LAW, "from_density"): (lambda: fit(STEPS, smooth_sign_errors()), PRINTED + SAME),
    # twice as many waves move a slope by 2e-7
    (LAW, "blurred"): (lambda: fit(STEPS[4:], blurred_errors()), PRINTED + 1e-6),
}
CLAIMED: dict[str, Callable[[], float | Fit]] = {
    "C1a": lambda: last_halvings(STEPS, circle_sups()),
    "C1b": lambda: last_halvings(STEPS, sphere_sups()),
    "C1c": lambda: spread("circle_last"),
    "C1d": lambda: spread("sphere_last"),
    "C1e": lambda: fit(STEPS[3:7], circle_point_errors()),
    "C1f": lambda: fit(STEPS[3:7], sphere_ring_errors()),
    "C1g": lambda: last_halvings(STEPS[1:], euler_errors()[0]),
    "C1h": lambda: fit(STEPS, sign_errors()),
    "C1i": lambda: max(approach(0.0)[0], approach(0.5)[0]),
}


@pytest.fixture(scope="module")
def executed(quick_site: Path) -> dict[str, Executed]:
    cache_of_the_build = execution.open_cache(ROOT, "quick")
    with_code = [page for page in pages(ROOT) if notebook(page) is not None]
    found = dict(execution.executed(cache_of_the_build, with_code))
    shown = json.loads((quick_site.parent / "outputs.json").read_text(encoding="utf8"))
    assert shown == {name: run.outputs for name, run in found.items()}
    return found


@pytest.fixture(scope="module")
def glued(executed: dict[str, Executed]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for page, run in executed.items():
        for output in outputs(run):
            scrap = output.get("metadata", {}).get("scrapbook")
            if scrap is not None:
                assert (page, scrap["name"]) not in found, scrap["name"]
                text = output["data"][scrap["mime_prefix"] + "text/plain"]
                found[page, scrap["name"]] = text
    return found


@pytest.fixture(scope="module")
def claims(quick_site: Path) -> dict[str, dict[str, Any]]:
    read = json.loads((quick_site.parent / "claims.json").read_text(encoding="utf8"))
    return {claim["key"]: claim for claim in read}


def outputs(run: Executed) -> list[Any]:
    return [output for cell in run.notebook.cells for output in cell.get("outputs", [])]


def numbers(text: str) -> list[float]:
    """Return the one number of a text, or the three of an Order."""
    assert re.fullmatch(r"[-\d.e]+|[-\d.]+ \[[-\d.]+, [-\d.]+\]", text), text
    return [float(part) for part in re.findall(r"[-\d.e]+", text)]


def test_every_glued_number_is_checked(glued: dict[tuple[str, str], str]) -> None:
    assert set(glued) == set(GLUED)


@pytest.mark.parametrize(("page", "key"), GLUED)
def test_a_glued_number_is_right(glued: dict[tuple[str, str], str], page: str, key: str) -> None:
    expected, tolerance = GLUED[page, key]
    np.testing.assert_allclose(
        numbers(glued[page, key]), np.atleast_1d(expected()), rtol=0, atol=tolerance
    )


def test_what_is_left_of_pi_is_what_is_said(glued: dict[tuple[str, str], str]) -> None:
    # a tenth of a per mille of what the geodesic walk is off by, at the smallest step
    assert 0 <= numbers(glued[LAW, "residue"])[0] < 1e-4 * stationary_errors("gauss")[-1]


def test_the_grid_of_the_metropolis_walk_is_fine_enough() -> None:
    coarse, fine = (fit(STEPS[:4], metropolis_errors(n)) for n in (512, 1024))
    # of order two, so what is left at 1024 is a third of the difference
    assert np.abs(np.subtract(coarse, fine)).max() / 3 < 1e-4


def test_the_worst_node_is_the_worst_start() -> None:
    # Functions of degree 4 at most but for a hundredth: a cosine of wave 4 misses (4 pi/257)^2/2
    # of its top; near a pole P_4 loses l(l+1)/2 = 10 times 1 - z, and the last node has 1 - z =
    # (2.405/65.5)^2/2. A hundredth more for what is above.
    for sups, n, missed in (
        (circle_sups, 2570, (4 * math.pi / 257) ** 2 / 2),
        (sphere_sups, "dense", 10 * (2.405 / 65.5) ** 2 / 2),
    ):
        for at_nodes, everywhere in zip(sups(), sups(n), strict=True):
            assert at_nodes <= everywhere * (1 + 1e-9)
            assert at_nodes >= everywhere * (1 - 1.01 * missed)


# -- prose -----------------------------------------------------------------------------------------

REFERENCE = re.compile(
    r"\{glue:\w*\}`(?:(?P<page>[\w./-]+)\.md::)?(?P<key>\w+)(?::(?P<spec>[^`]+))?`"
)
# decimals that are typed, with the reason; by the words around them
TYPED = {
    (INTRO, "Python 3.11 or newer"): "a version",
    (INTRO, "CC BY 4.0"): "a version",
    (LAW, "be within 0.02 of one"): "a band, fixed beforehand; C1d has it",
    (
        LAW,
        "within 0.02 of one, for the nine cases on the circle (C1c) within 0.01;",
    ): "the bands of C1a to C1g",
    (LAW, "first set for the sphere, 0.02 from"): "the band that was replaced",
    (LAW, "within 0.05 of one half"): "the band of C1h",
    (LAW, "It is $1.1$ at"): "what the exercise asks for",
    (LAW, r"(1 - \frac1{1.1})"): "the same",
    ("book/notation", "drifts from 0.97 to 0.999"): "an imagined order, to explain a bracket",
    ("book/notation", r"$0.503 \pm 0.002$"): "an imagined estimate, to explain a bracket",
}


def prose(page: str) -> str:
    """Return the text of a page with its mathematics, without code, captions and directives."""
    text = (ROOT / f"{page}.md").read_text(encoding="utf8")
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)
    text = re.sub(r"^(`{3,})\{code-cell\}.*?^\1$", "", text, flags=re.S | re.M)
    return re.sub(r"^```bash$.*?^```$", "", text, flags=re.S | re.M)


EVERY_PAGE = [page.name for page in pages(ROOT)]


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_no_result_is_typed(page: str) -> None:
    text = re.sub(r"\{[\w:]+\}`[^`]*`", "", prose(page))
    for place, words in TYPED:
        if place == page:
            assert text.count(words) == 1, words
            text = text.replace(words, "")
    assert re.findall(r".*\d\.\d.*", text) == []


def test_every_typed_decimal_has_a_page() -> None:
    assert {page for page, _ in TYPED} <= set(EVERY_PAGE)


def test_every_quotation_has_its_number_and_every_number_is_quoted(
    glued: dict[tuple[str, str], str],
) -> None:
    quoted = {
        (f"book/{found['page']}" if found["page"] else page, found["key"])
        for page in EVERY_PAGE
        for found in REFERENCE.finditer(prose(page))
    }
    assert quoted == set(glued)


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_a_quotation_is_printed_where_it_stands(
    quick_site: Path, glued: dict[tuple[str, str], str], page: str
) -> None:
    soup = BeautifulSoup((quick_site / f"{page}.html").read_text(encoding="utf8"), "html.parser")
    article = soup.find("article")
    assert article is not None
    shown = " ".join(article.get_text().split())
    text = prose(page)
    for found in REFERENCE.finditer(text):
        raw = glued[f"book/{found['page']}" if found["page"] else page, found["key"]]
        number = format(float(raw), found["spec"]) if found["spec"] else raw
        before = re.search(r"[\w ,]*$", text[: found.start()])
        assert before is not None
        assert f"{before[0]}{number}" in shown, found[0]


def table(run: Executed, caption: str) -> dict[tuple[str, ...], list[str]]:
    """Return the cells of a table by the text of its first cells, which are no numbers."""
    shown = next(
        output["data"]["text/html"]
        for output in outputs(run)
        if html.escape(caption) in output.get("data", {}).get("text/html", "")
    )
    rows = BeautifulSoup(shown, "html.parser").select("tbody tr")
    listed = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows]
    named = {True: 3, False: 1}["Order" in caption]
    return {tuple(row[:named]): row[named:] for row in listed}


def test_the_table_of_orders_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[LAW], "Order of W2 between")
    assert [start for *_, start in rows] == [*ON_CIRCLE, *ON_SPHERE]
    for (*_, start), (whole, to_128, last) in rows.items():
        errors = circle_errors(start) if start in STARTS else sphere_errors(start)
        expected = [*fit(STEPS, errors), fit(STEPS[:5], errors[:5])[0],
                    last_halvings(STEPS, errors)[0]]  # fmt: skip
        shown = [*numbers(whole), float(to_128), float(last)]
        np.testing.assert_allclose(shown, expected, rtol=0, atol=PRINTED + SAME)


def test_the_table_of_stationary_laws_is_right(executed: dict[str, Executed]) -> None:
    rows = {name: row for (name,), row in table(executed[LAW], "stationary law").items()}
    assert list(rows) == ["geodesic", "retraction", "bounded (signs)", "Metropolis", "Barker"]
    for name in ("geodesic", "retraction", "bounded (signs)"):
        noise = "signs" if name == "bounded (signs)" else "gauss"
        for shown, expected in zip(rows[name], stationary_errors(noise), strict=True):
            assert shown == f"{expected:.1e}"


def test_the_brackets_on_the_notation_page_are_right(executed: dict[str, Executed]) -> None:
    shown = [output["data"]["text/plain"] for output in outputs(executed["book/notation"])]
    h = STEPS[:4]
    assert len(shown) == 2
    np.testing.assert_allclose(numbers(shown[0]), fit(h, h + h**2), rtol=0, atol=PRINTED + SAME)
    # estimates: each logarithm weighs as its relative error says, and the slope's bracket is 1.96
    # standard errors, or more if the scatter is larger than that explains
    values = h * (1 + 0.02 * np.random.default_rng(1).standard_normal(4))
    root = values / (0.02 * h)
    rows = np.column_stack([np.log(h), np.ones(4)]) * root[:, None]
    line, (misfit,), *_ = np.linalg.lstsq(rows, np.log(values) * root)
    error = math.sqrt(np.linalg.inv(rows.T @ rows)[0, 0] * max(1.0, misfit / 2))
    first, order = re.fullmatch(r"\((.*), (\S+ \[.*\])\)", shown[1]).groups()  # type: ignore[union-attr]
    expected = [line[0], line[0] - 1.96 * error, line[0] + 1.96 * error]
    np.testing.assert_allclose(numbers(order), expected, rtol=0, atol=PRINTED + SAME)
    value, spread_shown = map(float, first.split(" \N{PLUS-MINUS SIGN} "))
    # shown to the first digit of the error, 0.0025
    np.testing.assert_allclose(
        [value, spread_shown], [values[0], 0.02 * h[0]], rtol=0, atol=PRINTED
    )


# -- claims ----------------------------------------------------------------------------------------


def band(claim: dict[str, Any]) -> tuple[float, float]:
    if isinstance(claim["expected"], str):
        bound = float(claim["expected"].removeprefix("\N{LESS-THAN OR EQUAL TO} "))
        return -math.inf, bound + claim["within"]
    return claim["expected"] - claim["within"], claim["expected"] + claim["within"]


def judged(claim: dict[str, Any]) -> str:
    """Return the verdict once more: how many of the interval's ends are in the band, and where."""
    least, most = band(claim)
    inside = [least <= end <= most for end in (claim["low"], claim["high"])]
    if all(inside):
        return str(claim["conclusion"])
    apart = max(claim["low"], least) > min(claim["high"], most)
    return "contradicted" if apart else "undecided"


def test_the_first_claim_is_decided_line_by_line(claims: dict[str, dict[str, Any]]) -> None:
    assert list(claims) == list(CLAIMED)
    assert {claim["page"] for claim in claims.values()} == {LAW}


@pytest.mark.parametrize("key", CLAIMED)
def test_a_claim_keeps_the_band_that_was_fixed(claims: dict[str, dict[str, Any]], key: str) -> None:
    fixed = {"C1c": (1.0, 0.01), "C1h": (0.5, 0.05), "C1i": ("\N{LESS-THAN OR EQUAL TO} 1", 0.0)}
    claim = claims[key]
    assert (claim["expected"], claim["within"]) == fixed.get(key, (1.0, 0.02))


@pytest.mark.parametrize("key", CLAIMED)
def test_a_claim_says_what_was_measured(claims: dict[str, dict[str, Any]], key: str) -> None:
    claim = claims[key]
    shown = [claim["measured"], claim["low"], claim["high"]]
    expected = np.broadcast_to(np.array(CLAIMED[key]()), (3,))
    np.testing.assert_allclose(shown, expected, rtol=0, atol=SAME)


@pytest.mark.parametrize("key", CLAIMED)
def test_a_verdict_follows_from_its_numbers(claims: dict[str, dict[str, Any]], key: str) -> None:
    claim = claims[key]
    assert claim["verdict"] == judged(claim)
    # as in the full edition
    assert claim["verdict"] == ("holds" if key == "C1h" else "holds if")
    assert bool(claim["assumptions"]) == (key != "C1h")


@pytest.mark.parametrize("key", CLAIMED)
def test_a_broken_number_breaks_the_verdict(claims: dict[str, dict[str, Any]], key: str) -> None:
    claim = claims[key]
    broken = {"C1h": 1.0, "C1i": 1.5}.get(
        key, 0.5
    )  # 0.5 is what C1h expects, and below C1i's bound
    spoilt = {**claim, "measured": broken, "low": broken - 0.01, "high": broken + 0.01}
    found = verdict(claim["conclusion"], broken, broken - 0.01, broken + 0.01, *band(claim))
    assert found == judged(spoilt) == "contradicted" != claim["verdict"]
