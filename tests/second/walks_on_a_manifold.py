"""The numbers of the page on walks: one step and many from the north pole, computed a second time.

The factors by which a step shrinks the mean height are a power series and Gauss-Laguerre sums
here; what a sample shows is held against its exact mean and standard error.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from numpy.polynomial import hermite_e, laguerre

from tests.second.checks import Check, between, sampled
from tests.second.fits import PRINTED, Array, Fit, fit
from tests.second.shown import numbers, table
from tools.execution import Executed

PAGE = "book/walks_on_a_manifold"
U = 2.0**-53

# -- the mean height after steps h with U = 0, beta = 1, from the pole -----------------------------

STEPS = 2.0 ** -np.arange(4, 13)
TAU, SHARE = laguerre.laggauss(100)  # |xi|^2/2 is standard exponential


def cosine(h: float, times: int = 1) -> float:
    """E cos(k |v|) - 1 for |v|^2 = 4 h tau, by its series: E tau^j = j!."""
    term, total = 1.0, 0.0
    for j in range(1, 80):
        term *= -4 * times**2 * h * j / ((2 * j - 1) * 2 * j)
        total += term
    return total


def less(walk: str, h: float) -> float:
    """By what share a step changes the mean of z = P_1."""
    if walk == "geodesic":
        return cosine(h)
    if walk == "retraction":
        return float(SHARE @ ((1 + 4 * h * TAU) ** -0.5 - 1))
    return math.expm1(-h)


def second_factor(walk: str, h: float) -> float:
    """By what a step multiplies the mean of P_2 = (3 z^2 - 1)/2; in coordinates, of 2 z^2 - 1."""
    if walk == "geodesic":
        return 1 + 3 * cosine(h, 2) / 4
    if walk == "retraction":
        return float(SHARE @ (1.5 / (1 + 4 * h * TAU) - 0.5))
    return math.exp(-4 * h)


def height(walk: str, h: float, n: int) -> tuple[float, float]:
    """Mean and variance of the height after n steps."""
    mean, second = (1 + less(walk, h)) ** n, second_factor(walk, h) ** n
    square = (1 + second) / 2 if walk == "in coordinates" else (1 + 2 * second) / 3
    return mean, square - mean**2


def gap(walk: str, h: float) -> float:
    """Mean height at time 1, less that of Brownian motion, to eleven digits."""
    return math.exp(-2) * math.expm1(math.log1p(less(walk, h)) / h + 2)


def order(walk: str) -> Fit:
    return fit(STEPS, [abs(gap(walk, h)) for h in STEPS])


def constant(walk: str) -> float:
    return gap(walk, STEPS[-1]) / STEPS[-1] * math.exp(2)


# -- the exercises ---------------------------------------------------------------------------------


def laplacian() -> Fit:
    """4/r^2 (P_3(cos r) - 1) + 12, where P_3(cos r) = (5 cos 3r + 3 cos r)/8."""
    r = 2.0 ** -np.arange(2, 8)
    sine = 5 * np.sin(1.5 * r) ** 2 + 3 * np.sin(0.5 * r) ** 2
    return fit(r, np.abs(12 - sine / r**2))


def near_a_pole(time: float) -> float:
    """P(|sin(theta)| < sin(0.1)) for a centred Gaussian angle of variance 2t."""
    turns = math.pi * np.arange(-20, 21)
    ends = [(turn + side) / (2 * math.sqrt(time)) for turn in turns for side in (-0.1, 0.1)]
    below = [math.erf(end) / 2 for end in ends]
    return sum(below[1::2]) - sum(below[::2])


SHORT = 2.0 ** -np.arange(5, 11)


@cache
def pushes() -> Array:
    """(E z' - z)/h from z = 0.6, with the noise by Gauss-Hermite in the plane."""
    node, weight = hermite_e.hermegauss(40)
    weight = np.outer(weight, weight) / weight.sum() ** 2
    found = []
    for h in SHORT:
        north = math.sqrt(2 * h) * node[:, None] + 0.8 * h * (node[:, None] ** 2 + node**2)
        r = np.hypot(north, math.sqrt(2 * h) * node)
        # less z: both terms are small
        rise = -2 * np.sin(r / 2) ** 2 * 0.6 + np.sinc(r / math.pi) * north * 0.8
        found.append(float((weight * rise).sum()) / h)
    return np.array(found)


# -- what the page says ----------------------------------------------------------------------------

# Powers of up to 4096 of a factor right to 2 u, over an error of (2/3)/4096 of the result: 5e-9.
# A slope between neighbours moves by twice that over log 2.
POWERS = 2e-8
WALKERS, ANGLES = 20_000, 50_000  # of the quick edition
SQUARE, NEAR = (1 + math.exp(-12)) / 2, near_a_pole(3.0)

GLUED: dict[str, Check] = {
    # A point is right to 20 u, a distance to 8 u more: see tests/test_manifolds.py.
    "by_exp": (lambda: 0.5, 28 * U),
    "by_retraction": (lambda: math.pi / 4 - math.atan(1 / 3), 28 * U),
    "arctan": (lambda: math.pi / 4 - math.atan(1 / 3), 4 * U),
    # 0; what tests/test_onestep.py asks of the library's one-step operators
    "second_method": (lambda: 0.0, 1e-12),
    # The largest of 24 deviations in standard errors. One is above 5.6 with probability 2.2e-8, and
    # those of the three walks are independent: all three are below 0.01 with (0.008)^3 = 5e-7.
    "off": between(0.01, 5.6),
    "n_walkers": (lambda: WALKERS, 0),
    "order_exp": (lambda: order("geodesic"), PRINTED + POWERS),
    "order_retraction": (lambda: order("retraction"), PRINTED + POWERS),
    # a power of 4096 of a factor right to 4 u, divided by 1/4096
    "constant_exp": (lambda: constant("geodesic"), 4 * U * 4096**2),
    "constant_retraction": (lambda: constant("retraction"), 4 * U * 4096**2),
    "stays": (lambda: -math.exp(-1) * math.expm1(-1), 4096 * U),  # a power of 4096
    "stays_exact": (lambda: -math.exp(-1) * math.expm1(-1), 4 * U),
    # 0; products of three coordinates of points that are right to 20 u, and ten operations
    "formula": (lambda: 0.0, 70 * U),
    # such a product times 4/r^2 is 5e-10 off, over an error of 5e-4 times f = 0.18 at the last r
    "laplacian": (laplacian, PRINTED + 2e-5),
    # Of cos(theta)^2 the variance is 1/8 and the fourth central moment 3/128, but for e^-12; a
    # share has (1 - p)/p for its kurtosis, nearly.
    "square": sampled(SQUARE, math.sqrt(1 / 8 / ANGLES), math.sqrt(0.5 / (4 * ANGLES))),
    "square_exact": (lambda: SQUARE, 4 * U),
    "share": sampled(NEAR, math.sqrt(NEAR * (1 - NEAR) / ANGLES), math.sqrt(1 / NEAR / 4 / ANGLES)),
    "share_limit": (lambda: 1 / (5 * math.pi), 2 * U),
    "share_sphere": (lambda: 2 * math.sin(0.05) ** 2, 2 * U),  # 1 - cos, rounded near 1
    # heights right to 20 u, divided by 1/1024; over differences above 4e-3 for the slope
    "pushed": (lambda: float(pushes()[-1]), 20 * 1024 * U),
    "expected": (lambda: 0.08, 4 * U),
    "without": (lambda: -1.2, 0),
    "push": (lambda: fit(SHORT, np.abs(pushes() - 0.08)), PRINTED + 2e-9),
}
TYPED = {
    "is within 0.1 radians of a pole in the limit": "what the exercise asks for",
    "the share near a pole tends to $0.2/\\pi$": "the same, as a formula",
    "over that of the sphere, $1 - \\cos 0.1$": "the same, as a formula",
    "one step from $z = 0.6$": "the point that the exercise asks for",
}

# -- what the page says beside ---------------------------------------------------------------------


def test_the_table_of_mean_heights_is_right(executed: dict[str, Executed]) -> None:
    rows = {name: row for (name,), row in table(executed[PAGE], "Mean height at time 1").items()}
    assert list(rows) == ["geodesic", "retraction", "in coordinates"]
    for name, (walkers, coarse, fine, limit) in rows.items():
        mean, variance = height(name, 1 / 4, 4)
        # of numbers in [-1, 1]: the kurtosis is at most (1 + |mean|)^2/variance
        wobble = math.sqrt((1 + abs(mean)) ** 2 / variance / (4 * WALKERS))
        (expected, tolerance) = sampled(mean, math.sqrt(variance / WALKERS), wobble)
        assert (np.abs(np.subtract(numbers(walkers), expected())) <= tolerance).all(), name
        assert coarse == f"{mean:.4f}"
        assert fine == f"{height(name, 1 / 64, 64)[0]:.4f}"
        assert limit == f"{math.exp(-2):.4f}"


@pytest.mark.parametrize(("walk", "limit"), [("geodesic", -2 / 3), ("retraction", 10.0)])
def test_the_constants_tend_to_what_is_said(walk: str, limit: float) -> None:
    # C (1 + c h + ...): what is left halves with the step
    left = [gap(walk, h) / h * math.exp(2) - limit for h in (2.0**-12, 2.0**-13)]
    assert left[0] / left[1] == pytest.approx(2, abs=0.02)


def test_the_walk_in_coordinates_is_wrong_at_every_step() -> None:
    for h in STEPS:
        assert gap("in coordinates", h) == pytest.approx(math.exp(-1) - math.exp(-2), rel=1e-12)
