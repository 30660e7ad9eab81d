"""The numbers of the page on the generator: means, gaps and a resolvent, computed a second time.

Functions and laws are Fourier coefficients, as in `circle`. A gap is an eigenvalue of the
symmetric operator that L is conjugate to, or comes from integrals of positive functions.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from numpy.polynomial import legendre

from tests.second.checks import Check, between, sampled
from tests.second.circle import (
    TURN,
    WAVES,
    Complex,
    circle_limit,
    circle_step,
    circle_walk,
    from_point,
)
from tests.second.fits import PRINTED, Array, Fit, fit
from tests.second.shown import numbers, prints, spoken, table
from tools.execution import Executed

PAGE = "book/generator_and_semigroup"
U = 2.0**-53

# -- the mean of sin x + cos 2x from x = 5, U = cos x, beta = 1 ------------------------------------

TIMES = (1 / 4, 1 / 2, 1.0, 2.0)
WALKERS = 100_000  # of the quick edition
F = np.where(np.abs(WAVES) == 2, 0.5, 0) + np.where(np.abs(WAVES) == 1, 0.5j * WAVES, 0)
F_SQUARED = np.convolve(F, F)[96:-96]  # f(x) = sum f_k exp(-ikx)


def after(time: float, h: float | None = None) -> Complex:
    """Law from the point 5: of the diffusion, or of the walk with step h."""
    start = from_point(5.0)
    return circle_limit(time) @ start if h is None else circle_walk(start, h, time)


def mean(law: Complex) -> float:
    return float((F @ law).real)


def error(time: float) -> float:
    """Exact standard error of the walkers' mean, h = 1/8."""
    law = after(time, 1 / 8)
    return math.sqrt(((F_SQUARED @ law).real - mean(law) ** 2) / WALKERS)


def bias(h: float, time: float = 2.0) -> float:
    return mean(after(time, h)) - mean(after(time))


# -- gaps ------------------------------------------------------------------------------------------


def scaled_gap(beta: float) -> float:
    """Gap times beta for U = cos x, by -d^2 + beta^2 U'^2/4 - beta U''/2 on Fourier modes."""
    k = np.arange(-12, 13)  # more waves would only be rounded more
    matrix = np.diag(k**2 + beta**2 / 8)
    for apart, entry in ((1, beta / 4), (2, -(beta**2) / 16)):
        matrix += entry * (np.eye(25, k=apart) + np.eye(25, k=-apart))
    return float(np.linalg.eigvalsh(matrix)[1])


@cache
def gap_behind(beta: float, n: int = 80) -> float:
    """Gap for U = cos 2x, to as many digits relative to itself.

    Its function is odd about the barrier at 0 and even about the well at pi/2. There
    u = gap beta int_0^x e^(beta U) int_y^(pi/2) e^(-beta U) u, iterated from u = 1; each round
    brings 1 to 10 digits.
    """
    node, weight = legendre.leggauss(n)
    x, quarter = (node + 1) * (math.pi / 4), math.pi / 4
    degree = np.arange(n)
    analysis = (degree[:, None] + 0.5) * legendre.legvander(node, n - 1).T * weight
    to_here = legendre.legvander(node, n) @ legendre.legint(analysis, lbnd=-1, axis=0) * quarter
    to_end = quarter * weight - to_here
    u, gap = np.ones(n), 0.0
    for _ in range(30):
        flow = np.exp(beta * np.cos(2 * x)) * (to_end @ (np.exp(-beta * np.cos(2 * x)) * u))
        top = float(quarter * weight @ flow)  # where the well is, u = 1
        u, gap = to_here @ flow / top, 1 / (beta * top)
    return gap


def bessel_mean(beta: float) -> tuple[float, float]:
    """I_0(beta) and the mean of cos x under exp(-beta cos x), by the trapezoidal rule."""
    angle = TURN * np.arange(64) / 64
    weight = np.exp(-beta * np.cos(angle))
    return float(weight.mean()), float(weight @ np.cos(angle) / weight.sum())


def over_flow(beta: float) -> float:
    return gap_behind(beta) * beta * (math.pi * bessel_mean(beta)[0]) ** 2 / 4


def over_kramers(beta: float) -> float:
    return gap_behind(beta) * math.pi / 8 * math.exp(2 * beta)


def late_rate(flat: bool) -> float:
    """Rate at which f's distance from its mean falls between the times 31/8 and 4."""
    if flat:
        # d^2 = (e^(-2t) + e^(-8t))/2
        low, high = (-2 * t + math.log1p(math.exp(-6 * t)) for t in (4, 31 / 8))
        return 4 * (high - low)
    angle = TURN * np.arange(512) / 512
    pi = np.exp(-np.cos(angle)) / np.exp(-np.cos(angle)).sum()
    waves = np.exp(-1j * np.outer(WAVES, angle))
    squares = []
    for t in (31 / 8, 4.0):
        later = (F @ circle_limit(t) @ waves).real
        squares.append(pi @ (later - pi @ later) ** 2)
    return 4 * math.log(squares[0] / squares[1])


SMALL = 2.0 ** -np.arange(1, 6)


def rises() -> Array:
    return np.array([scaled_gap(beta) - 1 for beta in SMALL])


# -- stopped at a random time ----------------------------------------------------------------------


def clock() -> Fit:
    """The walk stopped with probability 1 - e^(-2h) before each step, from 129 starts."""
    steps = 2.0 ** -np.arange(3, 9)
    half = WAVES / 2
    rate = -np.diag(WAVES**2) - np.diag(half[1:], -1) + np.diag(half[:-1], 1)
    exact = np.linalg.solve((np.eye(len(WAVES)) - rate / 2).T, F)
    starts = np.exp(-1j * np.outer(WAVES, TURN * np.arange(129) / 129))
    errors = []
    for h in steps:
        goes_on = math.exp(-2 * h)
        stopped = np.linalg.solve((np.eye(len(WAVES)) - goes_on * circle_step(h)).T, F)
        stopped *= -math.expm1(-2 * h)
        errors.append(float(np.abs(((stopped - exact) @ starts).real).max()))
    return fit(steps, errors)


# -- what the page says ----------------------------------------------------------------------------

# A mean is three sums of 129 terms: onto the eigenvectors, back, and between the nodes. Values are
# below 2, the mass differs by e^2 over the circle and enters by its root, and the interpolation
# sums to 4.1 at most.
ROUNDING = 3 * 129 * 2 * math.e * 4.1 * U  # 1e-12
# A singular value is right to 129 u of the largest, 64, and the gap is its square: 1 and 1.08^2.
GAP = 2 * 1.08 * 129 * 64 * U

GLUED: dict[str, Check] = {
    "duality": (lambda: 0.0, ROUNDING),
    "by_library": (lambda: 0.0, ROUNDING),
    # The largest of four deviations in standard errors: one is above 5.3 with probability 1.2e-7.
    "off": between(0.0, 5.3),
    # The same deviations, moved by the bias: the largest moves by no more than the largest of them,
    # and the exact errors differ from those seen by far less than 5.3 times a hundredth.
    "far": (lambda: max(abs(bias(1 / 8, t)) / error(t) for t in TIMES), 5.4),
    "n_walkers": (lambda: WALKERS, 0),
    "bias": (lambda: bias(1 / 8), 2 * ROUNDING),
    "halving": (lambda: bias(1 / 8) / bias(1 / 16), 1e-9),  # 3 times that, over the bias 0.006
    "stays": (lambda: bessel_mean(1.0)[1], 129 * U),  # a sum of 129 terms below 1
    "bessel": (lambda: bessel_mean(1.0)[1], 64 * U),
    "balance": (lambda: 0.0, ROUNDING / 0.046),  # divided by the least density of pi
    # distances above 0.0064, right to the rounding, times 8
    "rate_tilted": (lambda: late_rate(flat=False), 16 * ROUNDING / 0.0064),
    "gap_tilted": (lambda: scaled_gap(1.0), GAP),
    # not symmetric: right to 129 u of the largest, 64^2, times the root e of the ratio of masses
    "second": (lambda: scaled_gap(1.0), 129 * 4096 * math.e * U),
    "rate_free": (lambda: late_rate(flat=True), 16 * ROUNDING / 0.0064),
    "gap_free": (lambda: 1.0, GAP),
    "closed": (lambda: 0.0, ROUNDING),
    # 65 nodes, largest singular value 32/sqrt(beta); over beta^2/6 at beta = 1/32, and log 2 for
    # two of them: 8e-9
    "rise": (lambda: fit(SMALL, rises()), PRINTED + 1e-8),
    "constant": (lambda: float(rises()[-1]) * 1024, 2 * 65 * 32 * 1024 * U),
    "sixth": (lambda: 1 / 6, U),
    # The rounding of 193 rows whose length is below 30 adds up like its root, 14 * 30 u, and the
    # singular value is the root of 9.4e-11. A test looks at what this computation leaves.
    "last_flow": (lambda: over_flow(12.0), 1e-8),
    "last_kramers": (lambda: over_kramers(12.0), 1e-8),
    # errors above 1e-3, right to the rounding
    "clock": (clock, PRINTED + 4 * ROUNDING / 1e-3),
    "uniform": (lambda: 0.0, ROUNDING),
}

# -- what the page says beside ---------------------------------------------------------------------


def test_the_table_of_means_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Mean of sin x + cos 2x")
    assert list(rows) == [(f"{t:g}",) for t in TIMES]
    for t, row in zip(TIMES, rows.values(), strict=True):
        forward, backward, apart, walk, walkers = row
        assert forward == backward == f"{mean(after(t)):.6f}"
        assert 0 <= float(apart) <= ROUNDING
        assert walk == f"{mean(after(t, 1 / 8)):.4f}"
        # values between -2 and 9/8: the kurtosis is at most (25/8)^2 over the variance
        wobble = 25 / 8 / (error(t) * math.sqrt(WALKERS)) / math.sqrt(4 * WALKERS)
        expected, tolerance = sampled(mean(after(t, 1 / 8)), error(t), wobble)
        assert (np.abs(np.subtract(numbers(walkers), expected())) <= tolerance).all()


def test_the_table_of_barriers_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "The gap behind a barrier")
    assert list(rows) == [("2",), ("4",), ("8",), ("12",)]
    for (beta,), (gap, flow, kramers) in rows.items():
        b = float(beta)
        assert gap == f"{gap_behind(b):.3e}"
        assert abs(float(flow) - over_flow(b)) <= 0.5e-8 + 1e-8
        assert kramers == f"{over_kramers(b):.4f}"


@pytest.mark.parametrize("beta", [2.0, 4.0, 8.0, 12.0])
def test_the_gap_behind_a_barrier_does_not_depend_on_the_nodes(beta: float) -> None:
    assert gap_behind(beta, 60) == pytest.approx(gap_behind(beta), rel=1e-11)


def test_two_ways_to_a_gap_agree() -> None:
    # -d^2 + beta^2 U'^2/4 - beta U''/2 with U = cos 2x, beta = 2, where the gap is not small
    k = np.arange(-20, 21)
    matrix = np.diag(k**2 + 2.0)
    for apart, entry in ((2, 2.0), (4, -1.0)):
        matrix += entry * (np.eye(41, k=apart) + np.eye(41, k=-apart))
    # 41 u of the largest eigenvalue, 400, over twice the gap 0.041: 2e-11
    assert np.linalg.eigvalsh(matrix)[1] / 2 == pytest.approx(gap_behind(2.0), rel=3e-11)


# -- between two wells -----------------------------------------------------------------------------

# Three sums of 129 terms in L2(pi), where the ratio has a norm below 9, and its values are right to
# the rounding of densities over pi's least, 2.6e-4 for beta = 4; relative, the least is e^(-64 gap)
# times 0.1. A gap is right to GAP, times 64.
WELLS = 3 * 129 * 9 * U / math.sqrt(2.6e-4)


@cache
def between_wells(beta: float) -> tuple[Array, Array]:
    """Rates but for 0, and coefficients of rho/sqrt(pi), U = cos 2x, from exp(6 cos(x - 1)).

    sqrt(pi) times a ratio to pi evolves by -d^2/beta + beta U'^2/4 - U''/2, here on Fourier modes.
    """
    k, angle = np.arange(-60, 61), TURN * np.arange(256) / 256
    matrix = np.diag(k**2 / beta + beta / 2)
    for apart, entry in ((2, 1.0), (4, -beta / 4)):
        matrix += entry * (np.eye(121, k=apart) + np.eye(121, k=-apart))
    rates, frame = np.linalg.eigh(matrix)
    pi = np.exp(-beta * np.cos(2 * angle)) / np.exp(-beta * np.cos(2 * angle)).sum()
    bump = np.exp(6 * np.cos(angle - 1)) / np.exp(6 * np.cos(angle - 1)).sum()
    waves = np.exp(-1j * np.outer(k, angle)) @ (bump / np.sqrt(pi)) / 16
    return rates[1:], np.abs(frame.T @ waves)[1:]


def test_the_law_between_wells_is_as_far_as_is_said(executed: dict[str, Executed]) -> None:
    said = spoken(executed[PAGE], "A law between two wells")
    assert len(said) == 10
    for (beta, time), (*state, distance, bound) in said.items():
        assert state == [beta, time]
        rates, parts = between_wells(float(beta))
        t = float(time)
        now = float(np.linalg.norm(np.exp(-rates * t) * parts))
        most = float(np.linalg.norm(parts)) * math.exp(-rates[0] * t)
        assert now <= most
        for text, value in ((distance, now), (bound, most)):
            assert prints([text], [value], ".3g", (WELLS + GAP * t) / value)
