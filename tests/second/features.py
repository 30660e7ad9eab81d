"""The numbers of the page on features, computed a second time.

Gaussian laws follow the projector onto the row space, without weights. Two wells are sums along a
line, and the learnt direction is where E (w.x)(w'.x) = 0 across it. The particles are the page's,
from its seeds, by code of our own. Resting laws of points are found by following Sigma alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import eigh, expm, orth
from scipy.optimize import brentq, linprog
from scipy.special import erfc, ndtr

from tests.second.checks import Check
from tests.second.fits import Array
from tests.second.shown import numbers, spoken_values, table
from tools.execution import Executed

PAGE = "book/features"
U = 2.0**-53
SOLVED = 1e-10  # what the library's Gaussian closure promises of its size; its size is below 4
STILL = 1e-10  # how far a frame of `settle` may move in its last turn

# -- two features of a Gaussian law ----------------------------------------------------------------

KAPPA, LAST = 2.0, 24.0
SPECTRUM = np.array([1.0, 2.0, 4.0, 5.0])
TIMES = np.linspace(0, LAST, 97)


@cache
def instance() -> tuple[Array, Array, Array]:
    """The page's first: A, its frame in columns, and two rows."""
    rng = np.random.default_rng(20270501)
    frame = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    return frame @ np.diag(SPECTRUM) @ frame.T, frame, rng.standard_normal((2, 4)) / 3


def eased(pull: Array, C: Array) -> Array:
    return pull @ C + C @ pull + 2 * np.eye(4)


def integrate(rate: Callable[[Array], Array], start: Array, end: float, exact: bool) -> Array:
    times = TIMES[: 4 * int(end) + 1]
    found = solve_ivp(lambda _, x: rate(x), (0, end), start, method="DOP853", t_eval=times,
                      rtol=1e-13 if exact else 1e-10, atol=1e-15 if exact else 1e-12)  # fmt: skip
    return np.asarray(found.y.T)


@cache
def projected() -> tuple[Array, Array]:
    """Covariances and the projector P onto the row space, P' = P S (I-P) + (I-P) S P."""
    _, frame, W0 = instance()

    def rate(x: Array) -> Array:
        C, P = x.reshape(2, 4, 4)
        basis = eigh(P)[1][:, 2:]
        K = KAPPA * basis @ np.linalg.inv(basis.T @ C @ basis) @ basis.T
        turned = P @ C @ (np.eye(4) - P)
        return np.stack([eased(K - np.diag(SPECTRUM), C), turned + turned.T]).ravel()

    basis = orth((W0 @ frame).T)
    start = np.stack([np.eye(4), basis @ basis.T]).ravel()
    found = integrate(rate, start, LAST, exact=True).reshape(-1, 2, 4, 4)
    return frame @ found[:, 0] @ frame.T, found[:, 1]


@cache
def tilted() -> float:
    """The angle between the rows and the plane of the first two eigenvectors of A."""
    P = projected()[1][-1]
    basis = eigh(P)[1][:, 2:]
    return float(np.linalg.norm(basis[2:], 2))  # its sine


@cache
def shrunk() -> float:
    """The square of the second singular value over the first, log trace, at half of the time."""
    A, _, W0 = instance()

    def rate(x: Array) -> Array:
        C, W = x[:16].reshape(4, 4), x[16:].reshape(2, 4)
        t = np.trace(W @ C @ W.T)
        return np.concatenate([eased(KAPPA * W.T @ W / t - A, C).ravel(), (W @ C - t * W).ravel()])

    start = np.concatenate([np.eye(4).ravel(), W0.ravel()])
    size = np.linalg.svd(integrate(rate, start, LAST / 2, True)[-1, 16:].reshape(2, 4))[1]
    return float((size[1] / size[0]) ** 2)


@cache
def by_triangle() -> tuple[Array, Array]:
    """The page's second solver with its tolerance, row by row."""
    A, _, W0 = instance()

    def rate(x: Array) -> Array:
        C, (v, w) = x[:16].reshape(4, 4), x[16:].reshape(2, 4)
        a, b, c = v @ C @ v, w @ C @ v, w @ C @ w
        both = np.outer(v, v) * c - b * (np.outer(v, w) + np.outer(w, v)) + np.outer(w, w) * a
        rows = np.concatenate([C @ v - a * v, C @ w - b * v - c * w])
        return np.concatenate([eased(KAPPA * both / (a * c - b * b) - A, C).ravel(), rows])

    start = np.concatenate([np.eye(4).ravel(), W0.ravel()])
    found = integrate(rate, start, LAST, exact=False)
    return found[:, :16].reshape(-1, 4, 4), found[:, 16:].reshape(-1, 2, 4)


def one_law() -> float:
    return float(np.abs(by_triangle()[0] - projected()[0]).max())


def last_correlation() -> float:
    C, W = by_triangle()[0][-1], by_triangle()[1][-1]
    T = W @ C @ W.T
    return float(abs(T[0, 1]) / math.sqrt(T[0, 0] * T[1, 1]))


def stays() -> float:
    """Variances s' = -2 a s + 2 (kappa + 1), from 1, at time 12."""
    a = SPECTRUM[:2]
    s = (KAPPA + 1) / a + (1 - (KAPPA + 1) / a) * np.exp(-24 * a)
    return float((s[0] - s[1]) / s.sum())


# -- two wells -------------------------------------------------------------------------------------

APART, WITHIN = 1.5, 1.0


@dataclass(frozen=True)
class Wells:
    """Wells at +-1.5 e_1 of covariance diag(1, c2), tilted along w = (cos, sin) with strength k."""

    c2: float
    k: float
    angle: float

    @property
    def along(self) -> tuple[float, float]:
        """Centre of the first well and variance of each, along w."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return APART * c, WITHIN * c * c + self.c2 * s * s

    def line(self, q: float) -> tuple[Array, Array]:
        """Places y and the masses there of both wells under pi exp(q y^2/2), q S < 1."""
        centre, S = self.along
        g = 1 / (1 - q * S)
        y = (14 * math.sqrt(g * S) + g * centre) * np.linspace(-1, 1, 2001)
        wells = -((y - np.array([[centre], [-centre]])) ** 2) / (2 * S) + q * y * y / 2
        mass = np.exp(wells - wells.max())
        return y, mass / mass.sum()

    @property
    def tilted(self) -> tuple[Array, Array]:
        """At rest for this w: q E y^2 = k."""
        S = self.along[1]

        def surplus(r: float) -> float:
            y, mass = self.line(r / S)
            return r / S * float((mass * y * y).sum()) - self.k

        most = self.k / (1 + self.k)  # without wells; they need less
        r = brentq(surplus, 0.0, most + 1e-12, xtol=1e-15, rtol=1e-15) if self.k else 0.0
        return self.line(r / S)

    @property
    def across(self) -> float:
        """E (w.x)(v.x) for v = (-sin, cos): minus the slope of F in the angle, over q."""
        (centre, S), (c, s) = self.along, (math.cos(self.angle), math.sin(self.angle))
        y, mass = self.tilted
        sign = np.array([[1.0], [-1.0]])
        other = -APART * s * sign + (self.c2 - WITHIN) * s * c / S * (y - sign * centre)
        return float((mass * y * other).sum())

    @property
    def separation(self) -> float:
        """r^2 of a well along w."""
        y, mass = self.tilted
        p = mass[0] / mass[0].sum()
        mean = p @ y
        return float(mean**2 / (p @ (y - mean) ** 2))

    @property
    def next_angle(self) -> float:
        """Of the top eigenvector of the second moments, after a turn of `settle`."""
        y, mass = self.tilted
        (centre, S), (c, s) = self.along, (math.cos(self.angle), math.sin(self.angle))
        slope, sign = (self.c2 - WITHIN) * s * c / S, np.array([[1.0], [-1.0]])
        other = -APART * s * sign + slope * (y - sign * centre)
        rest = WITHIN * s * s + self.c2 * c * c - slope**2 * S
        moved = 2 * self.across / float((mass * (y * y - other**2)).sum() - rest)
        return self.angle + math.atan(moved) / 2


@cache
def learnt(c2: float, k: float) -> Wells:
    """Where F is least: inside, where `across` is zero, or at an end."""
    low, high = 1e-3, math.pi / 2 - 1e-3
    ends = Wells(c2, k, low).across, Wells(c2, k, high).across
    if ends[0] > 0 > ends[1]:
        return Wells(c2, k, brentq(lambda t: Wells(c2, k, t).across, low, high, xtol=1e-14))
    assert ends[0] * ends[1] > 0
    return Wells(c2, k, math.pi / 2 if ends[0] > 0 else 0.0)


def missed(c2: float, k: float) -> float:
    return float(ndtr(-math.sqrt(learnt(c2, k).separation)))


def at_infinity() -> float:
    """Error for k to infinity: r^2 is a power series in 1/k."""
    k = 400.0
    r2 = [learnt(2.0, k * 2**i).separation for i in range(4)]
    for order in range(1, 4):
        r2 = [(2**order * b - a) / (2**order - 1) for a, b in pairwise(r2)]
    return float(ndtr(-math.sqrt(r2[0])))


CASES = (2.0, 5.0), (4.0, 2.0)


def left_of_turns(c2: float, k: float) -> float:
    """How far the frame of the masses is from its limit, if it moved by STILL in the last turn."""
    at, d = learnt(c2, k), 1e-3
    ratio = (Wells(c2, k, at.angle + d).next_angle - Wells(c2, k, at.angle - d).next_angle) / 2 / d
    assert 0 < ratio < 0.95
    return STILL / (1 - ratio)


def outside(c2: float, k: float) -> float:
    """Second moments beyond the page's grid, over those within: Gaussians along each axis."""
    total, at = 0.0, learnt(c2, k)
    c, s = math.cos(at.angle), math.sin(at.angle)
    y, mass = at.tilted
    p = mass[0] / mass[0].sum()
    mean = float(p @ y)
    grown = float(p @ (y - mean) ** 2) - at.along[1]  # of the variance along w
    lean = np.array([WITHIN * c, c2 * s]) / at.along[1]  # Cov(x, y)/S
    middles = np.array([APART, 0.0]) + lean * (mean - at.along[0])
    for middle, var, own in zip(
        middles, np.array([WITHIN, c2]) + lean**2 * grown, (WITHIN + APART**2, c2), strict=True
    ):
        edge = 5.5 * math.sqrt((1 + k) * own) - 0.6
        x, deviation = edge - abs(middle), math.sqrt(var)
        tail = erfc(x / deviation / math.sqrt(2)) / 2
        total += 2 * tail * (edge**2 / var + 2)  # x^2 grows by less than the tail falls
    return total


def off_the_grid() -> float:
    """What turns and tails leave of cos^2 and r^2; ten for what second moments do to them."""
    worst = 0.0
    for c2, k in CASES:
        at, d = learnt(c2, k), 1e-4
        slope = Wells(c2, k, at.angle + d).separation - Wells(c2, k, at.angle - d).separation
        steep = max(abs(math.sin(2 * at.angle)), abs(slope) / 2 / d)
        # where w is across, what tails leave of odd moments enters squared
        tails = outside(c2, k) if at.angle < math.pi / 2 else outside(c2, k) ** 2
        worst = max(worst, steep * left_of_turns(c2, k) + 10 * tails)
    return worst + 1e-12


# -- wells on the circle ---------------------------------------------------------------------------

CELLS = 128
ANGLE = math.pi / CELLS * (2 * np.arange(CELLS) + 1)
LOW = np.cos(2 * ANGLE) < 0  # the wells at +-e_2


def on_circle(b: float) -> Array:
    p = np.exp(2 * np.cos(4 * ANGLE) + (0.2 + b / 2) * np.cos(2 * ANGLE))
    return p / p.sum()


def sides(kind: str, kappa: float = 2.0) -> float:
    """Follow the moment: b = kappa/s, or kappa (1/s - 1/(1-s)), s = E cos^2."""
    s = 0.5
    for _ in range(10_000):
        b = kappa / s - (kappa / (1 - s) if kind == "logdet" else 0.0)
        new = float(on_circle(b) @ (1 + np.cos(2 * ANGLE))) / 2
        if abs(new - s) < 1e-15:
            break
        s += (new - s) / 10
    return float(on_circle(b)[LOW].sum())


# -- particles -------------------------------------------------------------------------------------

N, RUNS, STEPS, H = 1000, 8, 50, 0.8
ACROSS, THIRD = 1.5, 0.5  # C = diag(1, ACROSS, THIRD)
K = 2.0


@cache
def turn() -> Array:
    return np.linalg.qr(np.random.default_rng(20270502).standard_normal((3, 3)))[0]


def felt(x: Array, w: Array, t: float) -> Array:
    """The energy of points in columns: minus the logarithm of both wells, and the pull."""
    z = turn().T @ x
    both = np.logaddexp(-((z[0] - APART) ** 2) / 2, -((z[0] + APART) ** 2) / 2)
    return z[1] ** 2 / 2 / ACROSS + z[2] ** 2 / 2 / THIRD - both - K / 2 * (w @ x) ** 2 / t


def run(rng: np.random.Generator) -> tuple[Array, Array]:
    """One of the page's, in its order of random numbers."""
    x = 1.5 * rng.standard_normal((N, 3)).T
    w = rng.standard_normal((1, 3))[0]
    noise = np.random.Generator(np.random.SFC64(rng.bit_generator.seed_seq.spawn(1)[0]))  # type: ignore[attr-defined]
    sigma = x @ x.T / N
    for _ in range(STEPS):
        t = w @ sigma @ w
        y = x + math.sqrt(4 * H) * noise.standard_normal((3, N))
        taken = noise.random(N) < 1 / (1 + np.exp(felt(y, w, t) - felt(x, w, t)))
        x = np.where(taken, y, x)
        sigma = x @ x.T / N
        e = w @ expm(H * sigma)  # the closed form, Sigma at rest
        w = e / math.sqrt(1 + e @ e - w @ w)
    return x, w


@dataclass(frozen=True)
class Run:
    x: Array
    w: Array

    @property
    def coin(self) -> Array:
        z = turn()[:, 0] @ self.x
        first, second = (np.exp(-((z - s * APART) ** 2) / 2) for s in (1, -1))
        return np.asarray(first / (first + second))

    @property
    def error(self) -> float:
        side = (self.w @ self.x) * (self.w @ turn()[:, 0]) > 0
        return float(np.where(side, 1 - self.coin, self.coin).mean())

    @property
    def angle(self) -> float:
        inside = turn().T @ self.w
        return math.degrees(math.atan2(math.hypot(inside[1], inside[2]), abs(inside[0])))


@cache
def runs() -> tuple[list[Run], NDArray[np.bool_]]:
    """All, and the classes of the last one's points."""
    rng = np.random.default_rng(20270503)
    found = [Run(*run(rng)) for _ in range(RUNS)]
    return found, rng.random(N) < found[-1].coin


def error() -> tuple[float, float]:
    each = [r.error for r in runs()[0]]
    return float(np.mean(each)), float(np.std(each, ddof=1) / math.sqrt(RUNS))


@cache
def in_theory() -> Wells:
    """In three dimensions the learnt direction has no part along the third axis."""
    return learnt(ACROSS, K)


def no_margin() -> float:
    """Zero if the hulls meet: a linear programme for a common point."""
    (last, label) = runs()[0][-1], runs()[1]
    a, b = last.x[:, label], last.x[:, ~label]
    shares = np.block([[a, -b], [np.ones(a.shape[1]), np.zeros(b.shape[1])],
                       [np.zeros(a.shape[1]), np.ones(b.shape[1])]])  # fmt: skip
    found = linprog(np.zeros(N), A_eq=shares, b_eq=[0, 0, 0, 1, 1])
    return 0.0 if found.status == 0 else math.inf


# -- a linear rule, on points not seen -------------------------------------------------------------


NEAR = 1e-6


def accuracies(x: Array, label: NDArray[np.int64], seeds: Sequence[int]) -> tuple[Array, Array]:
    """Shares that are right, and of points within NEAR of the border, for each split.

    The minimiser starts from 0 and turns with the features: what differs between two frames of one
    space is rounding, and STILL.
    """
    from sklearn.linear_model import LogisticRegression

    right, close = [], []
    for seed in seeds:
        rng, train = np.random.default_rng(seed), np.zeros(len(x), dtype=bool)
        for c in np.unique(label):
            members = rng.permutation(np.flatnonzero(label == c))
            train[members[: round(len(members) / 2)]] = True
        z = x - x[train].mean(axis=0)
        z /= math.sqrt((z[train] ** 2).mean())
        rule = LogisticRegression(max_iter=10_000).fit(z[train], label[train])
        scores = rule.decision_function(z[~train])
        if scores.ndim == 1:
            scores = np.stack([-scores, scores], axis=1) / 2
        right.append((rule.classes_[scores.argmax(axis=1)] == label[~train]).mean())
        top = np.sort(scores, axis=1)
        close.append((top[:, -1] - top[:, -2] <= NEAR).mean())
    return np.array(right), np.array(close)


def of_splits(values: Array) -> tuple[float, float]:
    """Mean and error over splits of one half: variance times 1/k + 1."""
    k = len(values)
    return float(values.mean()), float(math.sqrt(values.var(ddof=1) * (1 / k + 1)))


# -- the digits ------------------------------------------------------------------------------------

EVERY, BANDWIDTH, M = 6, 0.5, 2
SPLITS = (400, 401)


@cache
def images() -> tuple[Array, NDArray[np.int64]]:
    home = find_spec("sklearn")
    assert home is not None
    assert home.submodule_search_locations is not None
    file = Path(home.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    whole = np.loadtxt(file, delimiter=",", dtype=np.int64)[::EVERY]
    return whole[:, :64] / 16, whole[:, 64]


@cache
def walk() -> tuple[Array, dict[str, Array]]:
    """The stationary law, and both ways to see an image."""
    x = images()[0]
    square = (x * x).sum(axis=1)
    kernel = np.exp(-(square[:, None] + square - 2 * x @ x.T) / (4 * BANDWIDTH))
    q = kernel.sum(axis=1)
    joint = kernel / np.sqrt(np.outer(q, q))
    joint /= joint.sum()
    pi = joint.sum(axis=1)
    values, functions = eigh(joint, np.diag(pi))
    slow = functions[:, -2:-22:-1] * values[-2:-22:-1]
    return pi, {"pixels": x - pi @ x, "slow functions": slow}


@cache
def rest(name: str, k: float) -> tuple[Array, Array]:
    """Masses and the top two eigenvectors: p = pi exp(k/2 sum (v.x)^2/lambda), Sigma averaged."""
    pi, seen = walk()
    x, p = seen[name], pi
    S = (1 + k) * (x.T * pi) @ x  # as a Gaussian would have it
    for _ in range(5000):
        values, vectors = np.linalg.eigh(S)
        top = vectors[:, -M:]
        if not k:
            break
        p = np.log(pi) + k / 2 * ((x @ top) ** 2 / values[-M:]).sum(axis=1)
        p = np.exp(p - p.max())
        p /= p.sum()
        new = (x.T * p) @ x
        if np.abs(new - S).max() < 1e-14 * S.max():
            break
        S = S + (new - S) / 5
    else:
        raise AssertionError("Sigma does not come to rest")
    return p, top


def spread(name: str, k: float) -> float:
    p = rest(name, k)[0]
    return math.exp(-float(p @ np.log(p)))


def not_at_rest() -> float:
    """How far masses and weights may be off it if the frame moved by STILL in the last turn."""
    worst = 0.0
    for name, x in walk()[1].items():
        for k in (0.0, 1.0):
            p, top = rest(name, k)
            S = (x.T * p) @ x
            # y' T^-1 y moves by 2 |T^-1 y| |x| and, through T^-1, by |T^-1 y|^2 times 2 |S|
            size = np.linalg.norm(np.linalg.solve(top.T @ S @ top, top.T @ x.T), axis=0)
            moved = 2 * size * np.linalg.norm(x, axis=1) + 2 * size**2 * np.linalg.norm(S, 2)
            worst = max(worst, k / 2 * 2 * float(moved.max()), 2 * float(np.linalg.norm(S, 2)))
    return worst * STILL + 1e-12


KAPPAS = (0.0, 1.0)
VIEWS = ("pixels", "slow functions")


@cache
def accuracy(name: str, k: float = 0.0) -> tuple[Array, Array]:
    x, label = images()
    centred = x - x.mean(axis=0)
    if name == "PCA":
        y = centred @ np.linalg.svd(centred, full_matrices=False)[2][:M].T
    elif name == "random":
        G = np.random.default_rng(20270505).standard_normal((1, 64, 64))[0, :, :M]
        y = centred @ orth(G)
    elif name == "raw":
        y = centred
    else:
        y = walk()[1][name] @ rest(name, k)[1]
    return accuracies(y, label, SPLITS)


def difference(a: tuple[str, float], b: tuple[str, float]) -> Check:
    """The mean over splits."""
    return (
        lambda: float((accuracy(*a)[0] - accuracy(*b)[0]).mean()),
        lambda: float((accuracy(*a)[1] + accuracy(*b)[1]).mean()) + 4 * U,
    )


def gains() -> list[tuple[float, float]]:
    return [of_splits(accuracy(name, 1.0)[0] - accuracy("PCA")[0]) for name in VIEWS]


def gain(pick: Callable[[list[float]], float]) -> Check:
    def slack() -> float:
        return max(float((accuracy(v, 1.0)[1] + accuracy("PCA")[1]).mean()) for v in VIEWS) + 4 * U

    return lambda: pick([value for value, _ in gains()]), slack


# -- exercises -------------------------------------------------------------------------------------


def on_line(centres: Sequence[float], k: float) -> tuple[Array, Array]:
    """Places and the masses there of wells of variance 1, at rest for m = D = 1."""
    y = np.linspace(-40, 40, 4001)
    log = -((y - np.array(centres)[:, None]) ** 2) / 2

    def law(q: float) -> Array:
        e = log + q * y * y / 2
        mass = np.exp(e - e.max())
        return np.asarray(mass / mass.sum())

    def surplus(q: float) -> float:
        return q * float((law(q) * y * y).sum()) - k

    return y, law(brentq(surplus, 0, 0.75, xtol=1e-15, rtol=1e-15))


@cache
def in_the_plane() -> float:
    y, mass = on_line((APART, -APART), 2.0)
    p = mass[0] / mass[0].sum()
    return float((p @ y) ** 2 / (p @ y**2 - (p @ y) ** 2))


def middle() -> float:
    return float(on_line((-3.0, 0.0, 3.0), 2.0)[1][1].sum())


# of the minimiser's last bracket: sqrt(u) of 2.5 and a third of 1e-8, four times; and what the
# separation, whose slopes at its peak are below 2, may lose there
BRACKET = 4 * (1.5e-8 * 2.5 + 1e-8 / 3)

# -- what the page says ----------------------------------------------------------------------------

DRAWN = 1e-9  # of what is drawn from the same seeds: fifty steps, each right to rounding
# entries right to SOLVED, up to 4 in size, eight of the rows and sixteen of the law
ENTRIES = 4 * SOLVED
LAW = 1e-9  # the promise of the density solver

GLUED: dict[str, Check] = {
    "second": (lambda: math.sqrt(shrunk()), math.sqrt(8) * ENTRIES),
    "skew": (lambda: 0.0, 2 * ENTRIES),
    "tilted": (tilted, math.sqrt(8) * ENTRIES),
    "same_law": (one_law, ENTRIES),
    "by_sanger": (last_correlation, 1e-10),
    "stays": (stays, ENTRIES),
    "wells_off": (lambda: 0.0, off_the_grid),
    "across": (
        lambda: math.degrees(learnt(4.0, 2.0).angle),
        lambda: math.degrees(left_of_turns(4.0, 2.0) + 10 * outside(4.0, 2.0) ** 2),
    ),
    "error_none": (lambda: missed(2.0, 0.0), 1e-12),
    "error_best": (lambda: missed(2.0, 2.5), 1e-12),
    "error_limit": (at_infinity, 1e-8),
    "side_none": (lambda: sides("logdet", 0.0), 1e-13),
    "side_trace": (lambda: sides("logtrace"), LAW),
    "side_det": (lambda: sides("logdet"), LAW),
    "empty_off": (lambda: 0.0, LAW),
    "error": (error, (5e-5, 5e-5)),  # as they are shown
    "error_theory": (lambda: float(ndtr(-math.sqrt(in_theory().separation))), 1e-12),
    "off_line": (lambda: max(r.angle for r in runs()[0]), math.degrees(DRAWN)),
    "margin": (no_margin, 0),
    "rest": (lambda: 0.0, not_at_rest),
    "n_digits": (lambda: float(len(images()[0])), 0),
    "pixels_low": difference(("pixels", 1.0), ("pixels", 0.0)),
    "pixels_high": difference(("pixels", 1.0), ("pixels", 0.0)),
    "slow_low": difference(("slow functions", 1.0), ("slow functions", 0.0)),
    "slow_high": difference(("slow functions", 1.0), ("slow functions", 0.0)),
    "two_slow": difference(("slow functions", 0.0), ("PCA", 0.0)),
    "better": (lambda: float(sum(value > 2 * error for value, error in gains())), 0),
    "worse": (lambda: float(sum(value < -2 * error for value, error in gains())), 0),
    "entries": (lambda: float(len(VIEWS)), 0),
    "largest": gain(max),
    "least": gain(min),
    # an entropy moves by 2 log 300 times what logarithms of masses do
    "fewest": (
        lambda: min(spread(name, k) for name in VIEWS for k in KAPPAS),
        lambda: 300 * 2 * math.log(300) * not_at_rest(),
    ),
    "plane": (in_the_plane, 1e-11),
    "plane_theory": (in_the_plane, 1e-11),
    # its last digits are tails at 7.6 deviations
    "plane_wide": (lambda: 3 * 4.0, 12 * 100 * math.erfc(7.6 / math.sqrt(2))),
    "best_k": (lambda: 2.0 * (2.25 - 1) / (2.0 - 1.0), BRACKET),
    "best_r2": (lambda: learnt(2.0, 2.5).separation, 2 * BRACKET),
    "middle": (middle, 1e-11),
    "middle_theory": (middle, 1e-11),
}

CLAIMED: dict[str, Check] = {
    "C3ca": (lambda: 1.0 + shrunk(), 8 * ENTRIES**2 + 8 * U),
    "C3cb": GLUED["skew"],
    "C3cc": GLUED["tilted"],
    "C3cd": GLUED["stays"],
    "C3ce": GLUED["by_sanger"],
    "C3cf": GLUED["same_law"],
    "C3da": GLUED["wells_off"],
    "C3db": (error, (DRAWN, DRAWN)),
    "C3dc": GLUED["across"],
    "C3dd": (
        lambda: math.sqrt(learnt(2.0, 5.0).separation) / APART,
        off_the_grid,
    ),
    "C3de": GLUED["margin"],
    "C3df": GLUED["empty_off"],
}
FAILS = "fails for our instance"
BANDS: dict[str, tuple[float | str, float | list[float]]] = {
    "C3ca": (1.0, 1e-6),
    "C3cb": ("≤ 1e-06", 0.0),
    "C3cc": ("≤ 1e-06", 0.0),
    "C3cd": (1 / 3, 1e-6),
    "C3ce": ("≤ 1e-06", 0.0),
    "C3cf": ("≤ 1e-06", 0.0),
    "C3da": ("≤ 1e-06", 0.0),
    "C3db": (0.034699152203764266, 0.015),
    "C3dc": (90.0, 1e-6),
    "C3dd": (math.sqrt(8 / 9), 1e-6),
    "C3de": (0.0, 1e-6),
    "C3df": ("≤ 1e-06", 0.0),
}
VERDICTS = {
    "C3ca": (FAILS, False),
    "C3cb": ("holds if", True),
    "C3cc": ("holds if", True),
    "C3cd": (FAILS, False),
    "C3ce": ("holds if", True),
    "C3cf": ("holds", False),
    "C3da": ("holds", False),
    "C3db": ("holds", False),
    "C3dc": (FAILS, False),
    "C3dd": (FAILS, False),
    "C3de": (FAILS, False),
    "C3df": ("holds", False),
}
TYPED: dict[str, str] = {}


# -- what the page says beside ---------------------------------------------------------------------


def test_the_table_of_wells_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Two wells in the plane", named=2)
    assert list(rows) == [("2.0", "5.0"), ("4.0", "2.0")]
    for (c2, k), cells in rows.items():
        at = learnt(float(c2), float(k))
        for place, right in ((0, math.cos(at.angle) ** 2), (2, missed(float(c2), float(k)))):
            for cell in cells[place : place + 2]:
                assert abs(float(cell) - right) <= 5.001e-7


def test_the_explorer_of_two_wells_is_right(executed: dict[str, Executed]) -> None:
    said = spoken_values(executed[PAGE], "Strength, and variance across")
    assert list(said) == [("2", "2.5"), ("2", "5"), ("4", "2.5"), ("4", "5")]
    for (c2, k), (angle, error) in said.items():
        assert abs(angle - math.degrees(learnt(float(c2), float(k)).angle)) <= 0.0501
        assert abs(error - missed(float(c2), float(k))) <= 5.001e-5


def test_the_table_of_views_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Particles of the last run")
    (last, label), axes, at = (runs()[0][-1], runs()[1]), turn(), in_theory()
    assert at.angle == 0.0
    y, mass = at.tilted
    p = mass[0] / mass[0].sum()
    grown = float(p @ y**2 - (p @ y) ** 2)
    shift, wide = p @ y * axes[:, 0], axes @ np.diag([grown, ACROSS, THIRD]) @ axes.T
    some = np.random.default_rng(20270504).standard_normal((5, 3))
    ratios = [(w @ shift) ** 2 / (w @ wide @ w) for w in some]
    views = {
        "three raw coordinates": np.eye(3),
        "learnt feature": last.w[None],
        "random direction, best of 5": some[np.argmax(ratios)][None],
        "principal direction of C": axes[:, 1:2].T,
    }
    assert list(rows) == [(name,) for name in views]
    for name, V in views.items():
        exact, fisher, best, measured = rows[name,]
        view = V @ shift
        ratio = float(view @ np.linalg.inv(V @ wide @ V.T) @ view)
        points = (V @ last.x).T / np.linalg.norm(V[0])
        groups = [points[label], points[~label]]
        share = label.mean()
        within = sum(
            s * np.atleast_2d(np.cov(g.T, bias=True))
            for s, g in zip((share, 1 - share), groups, strict=True)
        )
        gap = groups[0].mean(axis=0) - groups[1].mean(axis=0)
        sample = share * (1 - share) * float(gap @ np.linalg.solve(within, gap))
        assert abs(float(exact) - ratio) <= 5.001e-3
        assert abs(float(fisher) - sample) <= 5.001e-3
        assert abs(float(best) - ndtr(math.sqrt(ratio))) <= 5.001e-4
        right, close = accuracies(points, label.astype(np.int64), (300, 301))
        for shown, value in zip(numbers(measured), of_splits(right), strict=True):
            assert abs(shown - value) <= 5.001e-4 + 2 * close.mean()


def test_the_table_of_digits_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Accuracy on images not trained with")
    named = {f"{name}, βκ = {k:g}": (name, k) for name in VIEWS for k in KAPPAS}
    others = {"PCA": "PCA", "random projections": "random", "all 64 pixels": "raw"}
    assert list(rows) == [(name,) for name in (*named, *others)]
    for (name,), (cell,) in rows.items():
        if name in named:
            cell, images_ = cell.removesuffix(")").split(" (")
            assert abs(float(images_) - spread(*named[name])) <= 0.5
        right, close = accuracy(*named[name]) if name in named else accuracy(others[name])
        for shown, value in zip(numbers(cell), of_splits(right), strict=True):
            assert abs(shown - value) <= 5.001e-4 + 2 * close.mean()


def test_particles_from_other_seeds_err_as_the_theorem_says() -> None:
    rng = np.random.default_rng(4700)
    each = np.array([Run(*run(rng)).error for _ in range(24)])
    right = float(ndtr(-math.sqrt(in_theory().separation)))
    # a mean of 24, and what is of order 1/N: here less than a tenth of what is measured
    assert abs(each.mean() - right) <= 5 * each.std(ddof=1) / math.sqrt(24) + right / 10
