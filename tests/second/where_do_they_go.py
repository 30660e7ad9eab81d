"""The numbers of the page on the limits of the weights, computed a second time.

The flows are closed forms in the frame of the eigenvectors, by minors where the page has singular
values; Sanger's rule, which has none, is integrated more finely. Where the page draws walkers, this
room draws others, turns their weights as complex numbers, and allows five standard errors of both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.special import erfinv

from tests.second.checks import Check, Number, between, computed
from tests.second.fits import PRINTED, Array, Fit, fit
from tests.second.shown import table
from tools.execution import Executed

PAGE = "book/where_do_they_go"
U = 2.0**-53
SPEEDS = 1 / np.array([16.0, 64.0, 256.0])  # these, the walkers and the steps: the quick edition
WALKERS, OURS = 1500, 12_000
H, GAP = 1.0, 1.5

# -- noise: a walker on the circle, seen on an ellipse ---------------------------------------------

# the step times the sum of the walk's autocovariances of sin 2 theta, exp(-4 h k)/2
VARIANCE = H * (0.5 + sum(math.exp(-4 * H * k) for k in range(1, 12)))


def escape(share: float, eps: float) -> float:
    """Time by which a share has left: |N| is above sqrt 2 erfinv(1 - share) with this chance."""
    seed = math.sqrt(2) * float(erfinv(1 - share)) * math.sqrt(eps * VARIANCE / (2 * GAP))
    return -math.log(seed) / GAP


def walked(
    seed: int,
    first: complex,
    rate: Callable[[int], float],
    n_steps: int,
    look: Callable[[int, NDArray[np.complexfloating]], None],
) -> None:
    """Directions of rows of weights, v_1 + i v_2, each on a walk of its own."""
    rng = np.random.default_rng(seed)
    angle = 2 * math.pi * rng.random(OURS)
    z = np.full(OURS, first / abs(first))
    for k in range(n_steps):
        angle += math.sqrt(2 * H) * rng.standard_normal(OURS)
        x = 2 * np.cos(angle) + 1j * np.sin(angle)
        size = np.abs(x)
        x /= size
        # along x it grows, across it does not
        turned = z * x.conj()
        turned.real *= np.exp(rate(k) * size**2)
        z = turned * x
        z /= np.abs(z)
        look(k + 1, z)


@cache
def leaving(eps: float) -> Array:
    """Times of escape, sorted; infinite for those that have not left in the end."""
    left, before = np.full(OURS, math.inf), np.full(OURS, -math.inf)

    def look(k: int, z: NDArray[np.complexfloating]) -> None:
        now = np.log(np.abs(z.real)) - np.log(np.abs(z.imag))
        out = np.isinf(left) & (now >= 0)
        left[out] = eps * H * (k - (now / (now - before))[out])
        before[:] = now

    walked(round(1 / eps), 1j, lambda k: eps * H, int(escape(0.7, eps) / (eps * H)), look)
    return np.sort(left)


def median(eps: float) -> float:
    return float(np.quantile(leaving(eps), 0.5, method="nearest"))


def spread_of_median(eps: float, n: int) -> float:
    """Standard error of the median of n: half of what lies between half -+ 1/(2 sqrt n)."""
    around = 0.5 + np.array([-0.5, 0.5]) / math.sqrt(WALKERS)
    low, high = np.quantile(leaving(eps), around, method="nearest")
    return float(high - low) / 2 * math.sqrt(WALKERS / n)


# angles to v_1 from 45 degrees: a seed, the growth in a step, steps
COURSES: dict[str, tuple[int, Callable[[int], float], int]] = {
    "1/16": (1, lambda _: H / 16, 80),
    "1/64": (2, lambda _: H / 64, 320),
    "1/256": (3, lambda _: H / 256, 1280),
    "falling": (4, lambda k: 1 / (k + 4), 1024),
    "steep": (5, lambda k: 0.25 / (k + 4), 1024),
}


@cache
def course(name: str) -> dict[int, Array]:
    """Squared angles after some steps."""
    seed, rate, steps = COURSES[name]
    path: dict[int, Array] = {}

    def look(k: int, z: NDArray[np.complexfloating]) -> None:
        if k in (128, steps):
            path[k] = np.arctan2(np.abs(z.imag), np.abs(z.real)) ** 2

    walked(seed, 1 + 1j, rate, steps, look)
    return path


def constant(eps: float) -> Array:
    return course(f"1/{1 / eps:g}")[round(5 / (eps * H))]


def falling(k: int) -> Array:
    return course("falling")[k]


def steep(k: int) -> Array:
    return course("steep")[k]


def root(square: Array) -> float:
    return math.sqrt(float(square.mean()))


def relative(square: Array, n: int) -> float:
    """Standard error of a root mean square of n, over it."""
    return float(square.std() / square.mean()) / 2 / math.sqrt(n)


def wobble(square: Array) -> float:
    """Standard error of the page's standard error, over it."""
    centred = square - square.mean()
    peak = float((centred**4).mean() / (centred**2).mean() ** 2)
    return math.sqrt((peak - 1) / WALKERS) / 2 + relative(square, WALKERS)


# -- Orders with noise -----------------------------------------------------------------------------
#
# Of three points the interval is widened by the root of chi^2 of one degree, above 4.9 once in a
# million. Standard errors of the page are estimates: of a median from sqrt(1500) = 39 neighbours,
# a Gamma variable that is above twice its mean less than once in a million; below half of it 2e-4,
# two of three 1e-7, and one of them alone, however small, leaves the root of 2/5 of the half width.
# Their weights then make a slope's own error a fifth larger at most (they are within a factor of
# 4). Of a mean square they are right to a quarter, and the weights matter less.


def noisy(slope: float, error: float, ours: float, least: float, most: float) -> Check:
    """Check of an Order, `error` the page's slope's; half widths are 1.96 of it, least to most."""
    middle, reach = 1.96 * error * (least + most) / 2, 1.96 * error * (most - least) / 2
    off = 5 * math.hypot(1.2 * error, ours) + PRINTED
    return (lambda: (slope, slope - middle, slope + middle)), (off, off + reach, off + reach)


def of_three(values: Array, errors: Array, least: float, most: float) -> Check:
    """The same, three points; `values` are logarithms, at distances log 4, `errors` of the page."""
    local = np.diff(values) / math.log(4)
    error = float(errors.max()) / math.sqrt(2) / math.log(4)
    check = noisy(float(local.mean()), error, error * math.sqrt(WALKERS / OURS), least, most)
    numbers, tolerance = check
    bend = abs(local[1] - local[0]) / 2  # weights favour one or the other
    return numbers, tuple(np.array(computed(tolerance)) + bend)


@cache
def escape_order() -> Check:
    medians = np.array([median(eps) for eps in SPEEDS])
    errors = np.array([spread_of_median(eps, WALKERS) for eps in SPEEDS])
    return of_three(medians, errors, 0.3, 2 * 4.9)


@cache
def misaligned() -> Check:
    found = [constant(eps) for eps in SPEEDS]
    errors = np.array([relative(square, WALKERS) for square in found])
    return of_three(-np.log([root(square) for square in found]), errors, 0.75, 1.25 * 4.9)


def of_two(early: Array, late: Array) -> Check:
    slope = math.log(root(early) / root(late)) / math.log(8)
    error = math.hypot(relative(early, WALKERS), relative(late, WALKERS)) / math.log(8)
    return noisy(slope, error, error * math.sqrt(WALKERS / OURS), 0.75, 1.25)


def lazily(check: Callable[[], Check]) -> Check:
    def numbers() -> Number:
        return check()[0]()

    def tolerance() -> float | tuple[float, ...]:
        return computed(check()[1])

    return numbers, tolerance


def rms_check(square: Callable[[], Array]) -> Check:
    """In thousandths: the page's value and ours, each with its error."""
    return (lambda: 1000 * root(square())), (
        lambda: 5000 * root(square()) * relative(square(), WALKERS) * math.sqrt(1 + WALKERS / OURS)
    )


def error_check(square: Callable[[], Array]) -> Check:
    def error() -> float:
        return 1000 * root(square()) * relative(square(), WALKERS)

    return error, lambda: 5 * wobble(square()) * math.sqrt(1 + WALKERS / OURS) * error()


@cache
def half() -> Check:
    """An Estimate with two decimals; its error from 39 neighbours, so right to 1/sqrt 39."""
    error = spread_of_median(SPEEDS[-1], WALKERS)
    off = 5 * error * math.sqrt(1 + WALKERS / OURS) + 0.005
    return (lambda: (median(SPEEDS[-1]), error)), (off, 5 * error / math.sqrt(39) + 0.005)


# -- the averaged flows in their eigenframe --------------------------------------------------------

RATES = np.array([2.5, 2.0, 0.5])
TIMES = (12.0, 14.0)
PAIRS = list(combinations(range(3), 2))


@cache
def starts() -> list[Array]:
    """Starts of two rows, along the eigenvectors: the page's draws, the first for the rank."""
    rng = np.random.default_rng(20260705)
    found = []
    for _ in range(4):
        frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        found.append(np.einsum("ij,kj->ik", rng.standard_normal((2, 3)) / 2, frame))
    return found


def trace(a: Array, s: float, rates: Array = RATES) -> Array:
    """W(s) of the trace flow; all is divided by exp(lambda_1 s)."""
    grown = a * np.exp((rates - rates[0]) * s)
    one = math.exp(-2 * rates[0] * s)
    return grown / np.sqrt(one * (1 - (a**2).sum()) + (grown**2).sum())


def minor(a: Array, i: int, j: int) -> float:
    return float(a[0, i] * a[1, j] - a[0, j] * a[1, i])


def second_singular(a: Array, s: float, rates: Array = RATES) -> float:
    """By minors: their squares sum to the product, the squares of the entries to the sum."""
    pairs = combinations(range(len(rates)), 2)
    w = trace(a, s, rates)
    shrunk = float((w**2).sum()) / float(((a * np.exp((rates - rates[0]) * s)) ** 2).sum())
    product = sum(
        (minor(a, i, j) * math.exp((rates[i] + rates[j] - 2 * rates[0]) * s)) ** 2 for i, j in pairs
    )
    product *= shrunk**2
    total = float((w**2).sum())
    return math.sqrt(2 * product / (total + math.sqrt(total**2 - 4 * product)))


def tangents(a: Array, s: float) -> Array:
    """The row space is that of (I, t) with this t."""
    return np.linalg.solve(a[:, :2], a[:, 2]) * np.exp((RATES[2] - RATES[:2]) * s)


def det_gap(a: Array, s: float) -> float:
    """|W'W - P| = |(I t)' G (I t) - P|, E = M (I t), G = (I + t t' + M^-1 (I - a a') M^-T)^-1."""
    t = tangents(a, s)[:, None]
    back = np.exp(-RATES[:2] * s)[:, None] * np.linalg.inv(a[:, :2])
    more = t @ t.T + back @ (np.eye(2) - a @ a.T) @ back.T
    g = np.linalg.inv(np.eye(2) + more)
    beside = np.linalg.norm(g @ t)
    corner = float((t.T @ g @ t)[0, 0])
    return math.sqrt(float(np.linalg.norm(g @ more)) ** 2 + 2 * float(beside) ** 2 + corner**2)


def rule(name: str) -> Callable[[float, Array], Array]:
    def rhs(_: float, w: Array) -> Array:
        w = w.reshape(2, 3)
        seen = (w * RATES) @ w.T
        if name == "trace":
            return (w * RATES - (seen[0, 0] + seen[1, 1]) * w).ravel()
        if name == "sanger":
            seen[0, 1] = 0
        return (w * RATES - seen @ w).ravel()

    return rhs


def explicit(name: str, a: Array) -> tuple[Array, int]:
    """The page's method in this frame: W at the two times, and its steps in a unit of time."""
    run = solve_ivp(rule(name), (0, 14), a.ravel(), method="DOP853", t_eval=TIMES,
                    rtol=1e-12, atol=1e-14)  # fmt: skip
    return run.y.T.reshape(2, 2, 3), math.ceil(run.nfev / 12 / 14)


@cache
def sanger(index: int) -> Array:
    """Sanger's flow at the two times, each the end of a finer run by an implicit method."""
    w, found = starts()[index].ravel(), []
    for start, end in ((0.0, 12.0), (12.0, 14.0)):
        run = solve_ivp(rule("sanger"), (start, end), w, method="Radau", rtol=1e-10, atol=1e-13)
        w = run.y[:, -1]
        found.append(w.reshape(2, 3))
    return np.array(found)


def off_axes(w: Array) -> float:
    return float(np.linalg.norm(np.abs(w) - np.eye(2, 3)))


def off_limit(a: Array, w: Array) -> float:
    limit = np.zeros((2, 3))
    limit[:, 0] = a[:, 0] / np.linalg.norm(a[:, 0])
    return float(np.linalg.norm(w - limit))


def tangent(w: Array) -> float:
    """Of the largest angle to the span of the first two axes."""
    return float(np.linalg.norm(np.linalg.solve(w[:, :2], w[:, 2])))


PREDICTED = {
    "matrix, log trace": 0.5,
    "row space, log trace": 1.5,
    "second singular value, log trace": 0.5,
    "projection, log det": 1.5,
    "rows, Sanger": 0.5,
}


def exactly(name: str, index: int) -> Array:
    """What the page measures at the two times."""
    a = starts()[index]
    if name == "rows, Sanger":
        return np.array([off_axes(w) for w in sanger(index)])
    of: dict[str, Callable[[float], float]] = {
        "matrix, log trace": lambda s: off_limit(a, trace(a, s)),
        "row space, log trace": lambda s: float(np.linalg.norm(tangents(a, s))),
        "second singular value, log trace": lambda s: second_singular(a, s),
        "projection, log det": lambda s: det_gap(a, s),
    }
    return np.array([of[name](s) for s in TIMES])


def explicitly(name: str, index: int) -> tuple[Array, int]:
    """The same of an explicit method, and its steps in a unit of time."""
    a = starts()[index]
    flow = {"projection, log det": "subspace", "rows, Sanger": "sanger"}.get(name, "trace")
    path, steps = explicit(flow, a)
    of: dict[str, Callable[[Array], float]] = {
        "matrix, log trace": lambda w: off_limit(a, w),
        "row space, log trace": tangent,
        "second singular value, log trace": lambda w: float(np.linalg.svd(w)[1][1]),
        "projection, log det": lambda w: float(np.linalg.norm(w.T @ w - np.diag([1, 1, 0]))),
        "rows, Sanger": off_axes,
    }
    return np.array([of[name](w) for w in path]), steps


def ratio(name: str, index: int) -> float:
    early, late = exactly(name, index)
    return math.log(early / late) / (TIMES[1] - TIMES[0]) / PREDICTED[name]


@cache
def ratio_error(name: str, index: int) -> float:
    """What an explicit method of this tolerance and rounding may change of a ratio.

    Twice what this room's run of the method is off by. A step rounds by 40 u in twelve stages; what
    it moves falls at the rate in question, so only the steps of a time 1/rate count, and what is
    measured in the end is rounded once more. A row space is turned by that over the second singular
    value, which then was larger by exp((t - s)/2): the turn falls at the rate 2.
    """
    seen, steps = explicitly(name, index)
    right = exactly(name, index)
    rounding = np.full(2, 40 * U * (1 + steps / PREDICTED[name]))
    if name == "row space, log trace":
        a = starts()[index]
        rounding = 40 * U * (1 + steps / 2) / np.array([second_singular(a, s) for s in TIMES])
    off = (2 * np.abs(seen - right) + rounding) / right
    return float(off.sum()) / (TIMES[1] - TIMES[0]) / PREDICTED[name]


@cache
def ratios(name: str) -> Fit:
    found = [ratio(name, index) for index in (1, 2, 3)]
    return float(np.mean(found)), min(found), max(found)


def ratios_error(name: str) -> float:
    return max(ratio_error(name, index) for index in (1, 2, 3))


# -- the rank --------------------------------------------------------------------------------------

SEEN = np.arange(20.0, 51.0)  # times


@cache
def sizes() -> Array:
    return np.array([second_singular(starts()[0], s) for s in SEEN])


def rank_error() -> Array:
    """Relative, of the page's second singular values: entries below one right to 16 u."""
    return 16 * U / sizes()


def rank_fit() -> tuple[float, float]:
    """Slope and constant against exp(-s)."""
    slope, offset = np.polyfit(-SEEN, np.log(sizes()), 1)
    return float(slope), float(math.exp(offset))


def constant_error() -> float:
    """Of the constant: a sum of the logarithms with weights."""
    weights = np.linalg.pinv(np.stack([-SEEN, np.ones_like(SEEN)], axis=1))[1]
    return float(np.abs(weights) @ rank_error()) * rank_fit()[1]


def leading() -> float:
    a = starts()[0]
    return abs(minor(a, 0, 1)) / float((a[:, 0] ** 2).sum())


# -- pivots ----------------------------------------------------------------------------------------


def pivots(rows: tuple[tuple[int, ...], ...]) -> list[int]:
    """Columns that are no combination of those before, in exact arithmetic."""
    matrix, found = [[Fraction(x) for x in row] for row in rows], []
    for column in range(len(rows[0])):
        lead = next((row for row in matrix if row[column]), None)
        if lead is None:
            continue
        found.append(column)
        matrix.remove(lead)
        matrix = [[x - y * row[column] / lead[column] for x, y in zip(row, lead, strict=True)]
                  for row in matrix]  # fmt: skip
    return found


FOUR = np.array([4.0, 3.0, 2.0, 1.0])
PIVOT_START = np.array([[1.0, 2.0, 0.0, 1.0], [2.0, 4.0, 1.0, 0.0]])


def pivot_size(s: float) -> float:
    return second_singular(PIVOT_START, s, FOUR)


# -- what the page says ----------------------------------------------------------------------------


def limits_off() -> float:
    """At s = 50: 3/2 e^-50 of the second start is the largest part."""
    return 1.5 * math.exp(-50)


GLUED: dict[str, Check] = {
    "limits_off": (limits_off, 4 * U),  # entries below one, right to 4 u
    "variance": (lambda: VARIANCE, 40 * U),  # 17 nodes; sums of that many terms below one
    "variance_off": (lambda: 0.0, 160 * U),  # the same, relative
    "escape": lazily(escape_order),
    "escape_expected": (lambda: 1 / 3, U),
    "half": lazily(half),
    "half_expected": (lambda: escape(0.5, SPEEDS[-1]), 160 * U),
    "slowest": (lambda: 256.0, 0),
    # a grid of 0.1, from a first component of one to eight roundings, or an eighth of one
    "rounding_left": between(math.log(2.0**50) / GAP, math.log(2.0**56) / GAP + 0.1),
    "rounding_expected": (lambda: 53 * math.log(2) / GAP, 100 * U),
    "cross": (lambda: 0.0, 0),  # at every point one of the two coordinates is 0
    "misaligned": lazily(misaligned),
    "falls": lazily(lambda: of_two(falling(128), falling(1024))),
    "finest": (lambda: 256.0, 0),
    "end": rms_check(lambda: constant(SPEEDS[-1])),
    "end_error": error_check(lambda: constant(SPEEDS[-1])),
    "end_expected": (lambda: 1000 * math.sqrt(SPEEDS[-1] * VARIANCE / (2 * GAP)), 26 * 160 * U),
    "fall": rms_check(lambda: falling(1024)),
    "fall_error": error_check(lambda: falling(1024)),
    "fall_expected": (
        lambda: 1000 * math.sqrt(VARIANCE / H / (2 * GAP - 1) / 1024),
        16 * 160 * U,
    ),
    "fall_steps": (lambda: 1024.0, 0),
    # neighbours' slopes: two logarithms
    "rank_rate": (lambda: (rank_fit()[0], *fit(np.exp(-SEEN), sizes())[1:]),
                  lambda: PRINTED + 2 * float(rank_error().max())),
    "rank_constant": (lambda: rank_fit()[1], constant_error),
    "rank_leading": (leading, 100 * U),
    # a plane through v_1 and a direction that is noise: 20 of them all below 45 degrees, 1e-6
    "lost": between(45, 90),
    "below": (lambda: 90.0, 90 * 4 * U),
    # exponents of 2e6, twice, right to 2e6 u each; half the sine of 80 degrees
    "at_crossing": (lambda: 40.0, math.degrees(0.5 * 2 * 2 * 2e6 * U)),
    "above": (lambda: 0.0, 90 * 4 * U),
    "pivot_away": (lambda: 2 * math.exp(-60), 4 * U),  # cosines and sines right to 4 u
    "pivot_rate": (lambda: math.log(pivot_size(6) / pivot_size(8)) / 2,
                   lambda: 16 * U / pivot_size(8)),
    "forgets": lazily(lambda: of_two(steep(128), steep(1024))),
    # at most 1000 steps, each right to 3e-11 of both components
    "passage_back": (lambda: 1e-3, 1000 * 3e-11 * 1e-3),
}  # fmt: skip

CLAIMED: dict[str, Check] = {}


def claims() -> None:
    of_ratios = {
        "C2ba": "matrix, log trace",
        "C2bg": "row space, log trace",
        "C2bh": "second singular value, log trace",
        "C2bi": "projection, log det",
        "C2bj": "rows, Sanger",
    }
    others: dict[str, Check] = {
        "C2bb": (lambda: 90.0, 90 * 4 * U),
        "C2bc": GLUED["escape"],
        "C2bd": GLUED["misaligned"],
        "C2be": GLUED["falls"],
        "C2bf": (lambda: 90.0, 90 * 4 * U),
    }
    for key in (f"C2b{letter}" for letter in "abcdefghij"):
        if key in others:
            CLAIMED[key] = others[key]
        else:
            name = of_ratios[key]
            CLAIMED[key] = (
                lambda name=name: ratios(name),  # type: ignore[misc]
                lambda name=name: ratios_error(name),  # type: ignore[misc]
            )


claims()
BANDS: dict[str, tuple[float | str, float | list[float]]] = {
    **dict.fromkeys(("C2ba", "C2bg", "C2bh", "C2bi", "C2bj"), (1.0, 0.02)),
    **dict.fromkeys(("C2bb", "C2bf"), (90.0, 1e-6)),
    "C2bc": (1 / 3, 0.05),
    **dict.fromkeys(("C2bd", "C2be"), (0.5, 0.05)),
}
VERDICTS = dict.fromkeys(CLAIMED, ("holds if", True)) | dict.fromkeys(
    ("C2bb", "C2bd", "C2bf", "C2bh"), ("fails for our instance", False)
)
TYPED = {
    "ratios of rates within 0.02 of one": "the band of C2ba and C2bg to C2bj",
    "and that of its fall within 0.05 of theirs": "the bands of C2bc, C2bd and C2be",
}

# -- what the page says beside ---------------------------------------------------------------------


def test_the_table_of_limits_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "The flow (W) with eigenvalues 3, 2, 1")
    assert rows == {
        ("generic",): ["1 2 3; 2 0 1", f"{5**-0.5:.3f} 0 0; {2 * 5**-0.5:.3f} 0 0"],
        ("misses the first eigenvector",): ["0 2 3; 0 0 1", "0 1 0; 0 0 0"],
        ("on a saddle",): ["0 0.6 0; 0 0.8 0", "0 0.6 0; 0 0.8 0"],
    }


def test_the_table_of_row_spaces_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Limits, at s = 200", named=2)
    assert len(rows) == 5
    for (spectrum, start), (singular, angles, diagonal) in rows.items():
        rates = [int(x) for x in spectrum.strip("()").split(", ")]
        matrix = tuple(tuple(int(x) for x in row.split()) for row in start.split("; "))
        # the columns of the largest eigenvalue that is met
        top = max(rates[i] for i in range(3) if any(row[i] for row in matrix))
        met = np.array(matrix)[:, [i for i in range(3) if rates[i] == top]] / 1.0
        size = np.linalg.svd(met / np.linalg.norm(met), compute_uv=False)
        assert singular == " ".join(f"{x:.3f}" for x in [*size, 0.0][:2])
        found = pivots(matrix)
        tilt = sorted(90 * (column > 1) for column in found)
        assert angles == " ".join(f"{x}°" for x in tilt)
        assert diagonal == " ".join(f"{float(column in found):.2f}" for column in range(3))


def test_the_table_of_rates_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Measured over predicted rates")
    assert [name for (name,) in rows] == list(PREDICTED)
    for (name,), (rate, *shown) in rows.items():
        assert float(rate) == PREDICTED[name]
        apart = np.abs(np.array([float(x) for x in shown]) - ratios(name))
        assert (apart <= 5e-5 + ratios_error(name)).all()


def test_the_pivots_of_the_exercise_are_what_is_said() -> None:
    assert pivots(((1, 2, 0, 1), (2, 4, 1, 0))) == [0, 2]


def test_the_ratios_are_those_of_the_theorems() -> None:
    # what is left of the next terms at s = 12: exp(-12 (1/2)) squared, times what the start gives
    for name in PREDICTED:
        assert np.abs(np.array(ratios(name)) - 1).max() < 0.02


def test_falling_rates_reach_what_is_predicted() -> None:
    # the slope is a little above a half because the first point is still above the prediction
    expected = math.sqrt(VARIANCE / H / (2 * GAP - 1) / 128)
    assert 1.01 * expected < root(falling(128)) < 1.06 * expected
    assert 1 / 3 < math.log(root(steep(128)) / root(steep(1024))) / math.log(8) < 3 / 8
