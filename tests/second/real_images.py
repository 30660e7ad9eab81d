"""The numbers of the page on real images, computed a second time.

Squared distances are integers over 256 here. A walk is the dense matrix of its joint law, and its
spectrum that of a generalised problem; powers are sums over the spectrum, hitting times sums of
survivals, paths the cheapest with k steps for every k, Gaussian clouds integrals on a grid. What is
simulated on the page is held against exact numbers. How far it is off there, and the clouds, are
random: the same seeds, by code of our own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, cached_property
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import eigh, eigvalsh, subspace_angles
from scipy.optimize import brentq

from tests.second.checks import Check, computed, sampled
from tests.second.fits import Array
from tests.second.shown import numbers, table
from tools.execution import Executed

PAGE = "book/real_images"
EVERY = 3  # and the next two: the quick edition
CHAINS, COMMITTED = 2000, 500
Whole = NDArray[np.int64]
UNIT = 2.0**-53

# -- the images ------------------------------------------------------------------------------------


@cache
def file() -> Whole:
    home = find_spec("sklearn")
    assert home is not None
    assert home.submodule_search_locations is not None
    table = Path(home.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    return np.loadtxt(table, delimiter=",", dtype=np.int64)[::EVERY]


def pixels() -> Whole:
    return file()[:, :64]


def labels() -> Whole:
    return file()[:, 64]


@cache
def apart() -> Whole:
    """256 times the squared distances, by the law of cosines."""
    inner = pixels() @ pixels().T
    return np.diag(inner)[:, None] + np.diag(inner) - 2 * inner


@cache
def histogram() -> tuple[Array, Array]:
    """The squared distances that occur, and how often, of all N^2."""
    found, often = np.unique(apart(), return_counts=True)
    return found / 256, often.astype(float)


N = 599
PAIRS = np.triu_indices(N, 1)

# -- the walk --------------------------------------------------------------------------------------


class Chain:
    """The walk on points with the squared distances `squares`, through its joint law of a step."""

    def __init__(self, squares: Array, bandwidth: float, alpha: float = 0.5) -> None:
        self.bandwidth = bandwidth
        kernel = np.exp(-squares / (4 * bandwidth))
        self.q = kernel.sum(axis=1)
        joint = kernel * np.outer(self.q, self.q) ** -alpha
        self.joint: Array = joint / joint.sum()
        self.pi: Array = self.joint.sum(axis=1)

    @cached_property
    def matrix(self) -> Array:
        return self.joint / self.pi[:, None]

    @cached_property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues, the largest first, and functions, orthonormal in L2(pi)."""
        values, functions = eigh(self.joint, np.diag(self.pi))
        return values[::-1], functions[:, ::-1]

    @cached_property
    def rates(self) -> Array:
        return (1 - self.spectrum[0]) / self.bandwidth

    @cached_property
    def functions(self) -> Array:
        return self.spectrum[1]

    def lonely(self) -> Array:
        """For each point its bound on the slowest rate."""
        stay = np.diag(self.joint) / self.pi
        return (1 - stay) / (self.bandwidth * (1 - self.pi))

    def alone(self, k: int) -> float:
        """The largest squared correlation of phi_k with the indicator of a point."""
        return float((self.pi * self.functions[:, k] ** 2 / (1 - self.pi)).max())

    def same_label(self, steps: int) -> float:
        """sum_c <1_c, P^n 1_c>, by the spectrum."""
        values, functions = self.spectrum
        parts = np.array([functions[labels() == c].T @ self.pi[labels() == c] for c in range(10)])
        return float(((parts**2) @ values**steps).sum())

    def between(self, k: int) -> float:
        """The share of the variance of phi_k that lies between the labels."""
        f = self.functions[:, k]
        within = 0.0
        for c in range(10):
            mine, mass = f[labels() == c], self.pi[labels() == c]
            within += float(mass @ (mine - mass @ mine / mass.sum()) ** 2)
        return 1 - within / float(self.pi @ (f - self.pi @ f) ** 2)


@cache
def eps() -> float:
    return round(top(), 2)


@cache
def walk(times: float = 1.0, alpha: float = 0.5) -> Chain:
    return Chain(apart() / 256, times * eps(), alpha)


# -- the rule --------------------------------------------------------------------------------------


def moments(bandwidth: float) -> tuple[float, float]:
    """The mean and the variance of |x_i - x_j|^2/(4 eps) when pairs weigh k_ij."""
    squares, often = histogram()
    u = squares / (4 * bandwidth)
    weight = often * np.exp(-u)
    weight /= weight.sum()
    mean = float(weight @ u)
    return mean, float(weight @ (u - mean) ** 2)


def beyond_top(log: float) -> float:
    """The derivative of the slope, d(mean)/d(log eps) = variance - mean, with the other sign."""
    mean, variance = moments(math.exp(log))
    return mean - variance


@cache
def top() -> float:
    return math.exp(brentq(beyond_top, math.log(0.1), math.log(2), xtol=1e-13))


@cache
def variances() -> Array:
    """Those of the principal coordinates, by singular values."""
    found = np.linalg.svd((pixels() - pixels().mean(axis=0)) / 16, compute_uv=False) ** 2
    return found[: np.linalg.matrix_rank(pixels() - pixels()[0])] / (N - 1)


def cloud_slope(log: float) -> float:
    """That of the mean of S over Gaussian clouds, each coordinate integrated on a grid."""
    z = np.linspace(-12, 12, 481)
    u = np.outer(variances() / (2 * math.exp(log)), z**2)  # differences have twice the variance
    density = np.exp(-(z**2) / 2 - u) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    mean = density.sum(axis=1)
    pairs = (1 - 1 / N) * float(np.prod(mean))
    return pairs * float(((u * density).sum(axis=1) / mean).sum()) / (1 / N + pairs)


def highest(f: Callable[[float], float], low: float, high: float) -> float:
    """The maximum, from ever finer grids round the best of 41 points."""
    while high - low > 1e-6:
        grid = np.linspace(low, high, 41)
        i = int(np.argmax([f(float(x)) for x in grid]))
        low, high = float(grid[max(i - 1, 0)]), float(grid[min(i + 1, 40)])
    return f((low + high) / 2)


# -- Gaussian clouds -------------------------------------------------------------------------------


@cache
def slowest(bandwidth: float, variance: float) -> float:
    """The second eigenvalue of the walk on one Gaussian coordinate, on a grid of it."""
    x = np.linspace(-9, 9, 361) * math.sqrt(variance)
    mass = np.exp(-(x**2) / (2 * variance))
    mass /= mass.sum()
    kernel = np.exp(-((x[:, None] - x) ** 2) / (4 * bandwidth))
    reach = np.sqrt(kernel @ mass)
    joint = kernel * np.outer(mass / reach, mass / reach)
    root = np.sqrt(joint.sum(axis=1))
    return float(eigvalsh(joint / np.outer(root, root), subset_by_index=(359, 359))[0])


def exact_rate(bandwidth: float) -> float:
    return (1 - slowest(bandwidth, float(variances()[0]))) / bandwidth


@cache
def clouds(seed: int = 20260417) -> Array:
    drawn = np.random.default_rng(seed).standard_normal((2, N, len(variances())))
    return np.asarray(drawn * np.sqrt(variances()))


@cache
def on_cloud(which: int, times: float, seed: int = 20260417) -> Chain:
    cloud = clouds(seed)[which]
    inner = cloud @ cloud.T
    squares = np.diag(inner)[:, None] + np.diag(inner) - 2 * inner
    return Chain(squares, times * eps())


def cloud_rates(times: float) -> Array:
    return np.array([on_cloud(i, times).rates[1] for i in (0, 1)])


def planes(times: float) -> list[float]:
    return [overlap(on_cloud(i, times).functions[:, 1:3], clouds()[i][:, :2]) for i in (0, 1)]


# -- spaces of functions ---------------------------------------------------------------------------


def overlap(f: Array, g: Array) -> float:
    """The mean squared cosine of the principal angles, every point weighing the same."""
    angle = subspace_angles(f - f.mean(axis=0), g - g.mean(axis=0))
    return float((np.cos(angle) ** 2).mean())


def survives(times: float, count: int) -> float:
    """The overlap of the first functions at another bandwidth with those at the rule's."""
    return overlap(walk(times).functions[:, 1 : count + 1], walk().functions[:, 1 : count + 1])


@cache
def half(chosen: tuple[int, ...]) -> Chain:
    return Chain(apart()[np.ix_(chosen, chosen)] / 256, eps())


def extended(chosen: tuple[int, ...]) -> Array:
    """The nine functions of some images, at every image: one step of the walk from there."""
    chain = half(chosen)
    weight = np.exp(-apart()[:, chosen] / (1024 * eps())) / np.sqrt(chain.q)
    values, functions = chain.spectrum
    reached: Array = (weight @ functions[:, 1:10]) / weight.sum(axis=1)[:, None]
    return reached / values[1:10]


def parts(seed: int | None) -> list[tuple[int, ...]]:
    order = np.arange(N) if seed is None else np.random.default_rng(seed).permutation(N)
    return [tuple(order[: N // 2].tolist()), tuple(order[N // 2 :].tolist())]


@cache
def halves(seed: int | None) -> float:
    one, other = parts(seed)
    return overlap(extended(one), extended(other))


# -- the order of the file -------------------------------------------------------------------------


@cache
def nearest() -> Whole:
    """The nearest other image, the first of those that are equally near."""
    return np.asarray((apart() + np.diag(np.full(N, 10**9))).argmin(axis=1))


def within_twentieth(where: Whole) -> float:
    """How many images have their nearest within N/20, if image i has the place where[i]."""
    return float((np.abs(where - where[nearest()]) <= N // 20).mean())


@cache
def by_chance() -> float:
    """The mean of that when images of one label change places: for each image, count the pairs."""
    places = [np.flatnonzero(labels() == c) for c in range(10)]

    @cache
    def chance(a: int, b: int) -> float:
        near = sum(int((np.abs(places[b] - place) <= N // 20).sum()) for place in places[a])
        size = len(places[a])
        return (near - size * (a == b)) / (size * (len(places[b]) - (a == b)))

    pairs = zip(labels().tolist(), labels()[nearest()].tolist(), strict=True)
    return float(np.mean([chance(a, b) for a, b in pairs]))


# -- paths -----------------------------------------------------------------------------------------

BEGIN, END = 0, 7  # the first zero and the first one of the file, see the test


def cheapest(cost: Array) -> tuple[float, list[list[int]]]:
    """The least cost of a path from BEGIN to END, and all paths that have it, up to rounding.

    For each k the least cost with exactly k steps, until every k-step path is dearer.
    """
    layers = [np.where(np.arange(N) == BEGIN, 0.0, np.inf)]
    while layers[-1].min() <= min(layer[END] for layer in layers):
        layers.append((layers[-1][:, None] + cost).min(axis=0))
    least = min(float(layer[END]) for layer in layers)
    found = []
    for k, layer in enumerate(layers):
        ways = [[END]] if layer[END] <= least * (1 + 1e-12) else []
        for before in layers[:k][::-1]:
            ways = [
                [int(i), *way]
                for way in ways
                for i in np.flatnonzero(
                    before + cost[:, way[0]] <= (before + cost[:, way[0]]).min() + 1e-12
                )
            ]
        found += ways
    return least, found


@cache
def likeliest(times: float) -> tuple[float, list[list[int]]]:
    """Of -log P, through logarithms of sums in which the largest term is 1: that of i itself."""
    u = apart() / (1024 * times * eps())
    log_q = np.log(np.exp(-u).sum(axis=1))
    log_reach = np.log(np.exp(-u - log_q / 2).sum(axis=1))
    cost = u + log_q / 2 + log_reach[:, None]
    return cheapest(np.where(apart() > 0, cost, np.inf))  # to stay put makes nothing likelier


@cache
def longest() -> int:
    """The least possible largest step, 256 times its square: Bellman's iteration with maxima."""
    best, better = np.full(N, 10**9), np.full(N, 10**9)
    better[BEGIN] = 0
    while (better < best).any():
        best = better
        better = np.minimum(best, np.maximum(best[:, None], apart()).min(axis=0))
    return int(best[END])


@cache
def in_squares(narrow: bool) -> tuple[float, list[list[int]]]:
    allowed = (apart() > 0) & ((apart() <= longest()) | (not narrow))
    return cheapest(np.where(allowed, apart().astype(float), np.inf))


def flooded(start: int) -> NDArray[np.bool_]:
    """What is reached from an image in steps shorter than the longest."""
    wet = np.arange(N) == start
    while (more := (apart()[wet] < longest()).any(axis=0) & ~wet).any():
        wet |= more
    return wet


def steps(paths: list[list[int]]) -> int:
    """The number of steps, if there is one path."""
    assert len(paths) == 1
    return len(paths[0]) - 1


# -- hitting times, labels kept, the committor -----------------------------------------------------


@cache
def time_to_one(start: int) -> float:
    """The mean number of steps, at least one, from pi on a label to a one: a sum of survivals."""
    one = labels() == 1
    mass = np.where(labels() == start, walk().pi, 0.0)
    mass /= mass.sum()
    total = 0.0
    while (left := mass.sum()) > 1e-18:
        total += float(left)
        mass = np.where(one, 0.0, mass @ walk().matrix)
    return total


@cache
def kept() -> list[tuple[float, float]]:
    """For each label the probability to keep it for one step and for five, law by law."""
    found = []
    for c in range(10):
        mine = labels() == c
        mass = np.where(mine, walk().pi, 0.0)
        mass /= mass.sum()
        left = []
        for _ in range(5):
            mass = np.where(mine, mass @ walk().matrix, 0.0)
            left.append(float(mass.sum()))
        found.append((left[0], left[4]))
    return found


@cache
def committor() -> Array:
    """P(an 8 before a 3) for the images that are neither, by iteration."""
    three, eight = labels() == 3, labels() == 8
    h, change = eight.astype(float), 1.0
    while change > 1e-17:
        better = np.where(three | eight, eight, walk().matrix @ h)
        h, change = better, float(np.abs(better - h).max())
    return h[~(three | eight)]


# -- the simulation --------------------------------------------------------------------------------


def correlation(k: int) -> float:
    f = walk().functions[:, 1]
    ahead = f
    for _ in range(k):
        ahead = walk().matrix @ ahead
    return float(walk().pi @ (f * ahead))


@cache
def truth() -> dict[str, float]:
    return {
        "autocorrelation of φ₁, 1 step": correlation(1),
        "same label after 1 step": walk().same_label(1),
        "autocorrelation of φ₁, 5 steps": correlation(5),
        "same label after 5 steps": walk().same_label(5),
        "steps from a zero to the first one": time_to_one(0),
        "steps from a one to the next one": time_to_one(1),
    }


@cache
def samples() -> dict[str, Array]:
    """What the page draws, with its seed: an image is where the shares of a row pass a number."""
    rng, chain = np.random.default_rng(5), walk()
    shares = np.cumsum(chain.matrix, axis=1)
    shares[:, -1] = 1.0

    def from_law(weight: Array, size: int) -> Whole:
        cumulative = np.cumsum(weight) / weight.sum()
        return (cumulative <= rng.random(size)[:, None]).sum(axis=1)

    def moved(rows: Whole) -> Whole:
        return (shares[rows] <= rng.random(len(rows))[:, None]).sum(axis=1)

    found: dict[str, Array] = {}
    f, rows = chain.functions[:, 1], from_law(chain.pi, CHAINS)
    first = rows
    for k in range(1, 6):
        rows = moved(rows)
        if k in (1, 5):
            steps = f"{k} step" + "s" * (k > 1)
            found[f"autocorrelation of φ₁, {steps}"] = f[first] * f[rows]
            found[f"same label after {steps}"] = (labels()[first] == labels()[rows]).astype(float)
    for what, start, walkers in (
        ("steps from a zero to the first one", 0, CHAINS // 5),
        ("steps from a one to the next one", 1, CHAINS),
    ):
        rows = from_law(np.where(labels() == start, chain.pi, 0.0), walkers)
        taken, moving = np.zeros(walkers), np.arange(walkers)
        while len(moving):
            rows = moved(rows)
            taken[moving] += 1
            rows, moving = rows[labels()[rows] != 1], moving[labels()[rows] != 1]
        found[what] = taken
    return found


@cache
def errors_apart() -> dict[str, float]:
    return {
        what: float((sample.mean() - truth()[what]) / sample.std(ddof=1) * math.sqrt(len(sample)))
        for what, sample in samples().items()
    }


# -- shifted images --------------------------------------------------------------------------------


@cache
def shifted() -> Whole:
    """256 times the squared distance of an image from itself, moved to the right by a pixel."""
    image = pixels().reshape(N, 8, 8)
    blank = np.zeros((N, 8, 1), np.int64)
    return np.asarray((np.diff(image, axis=2, prepend=blank) ** 2).sum(axis=(1, 2)))


def other_label() -> Whole:
    return np.where(labels()[:, None] == labels(), 10**9, apart()).min(axis=1)


# -- how exactly the page has to agree -------------------------------------------------------------

# Two computations of an eigenvalue of a walk: each has entries right to 2N u, relative, and a
# solver whose backward error is N 2^-52, of a matrix of norm 1 or, where constants are moved to
# -2, of norm 2.
VALUE = 6 * N * 2.0**-52
# Sums, each of at most N positive terms: one in q, one in d, one in what is shown, twice.
SUMS = 8 * N * UNIT
# A space turns by VALUE over the gap behind it. Weights, of ratios up to 4, double that; there are
# two spaces, an overlap is quadratic in them, and an extension divides by eigenvalues above 0.6.
TURNS = 16
# A second decimal of eps is safe by 0.0038. Brent's method stops at 2e-5 in log eps, where the
# slope is off by half its second derivative, below 50, times that squared.
HEIGHT = 1e-8
# Variances of both computations are right to 64 2^-52; 59 of them with differences of normal
# numbers, squared, below 100, move squared distances by 2e-10, the kernel by half of that, and what
# is normalised twice by three halves.
CLOUD = 2e-10
GRID = 2 * 361 * 2.0**-52  # of an eigenvalue on a grid; the sums themselves err by less than 1e-18
MASS = 20 * SUMS  # of hitting probabilities: a mean of at most 20 steps, each right to SUMS/2


def turned(*places: tuple[Chain, int]) -> float:
    """How far an overlap, or a share of variances, of the first k functions may be off."""
    gaps = [
        min(chain.spectrum[0][k] - chain.spectrum[0][k + 1] for k in (0, count))
        for chain, count in places
    ]
    return float(TURNS * VALUE / min(gaps))


def halves_turned(*seeds: int | None) -> float:
    return turned(*((half(part), 9) for seed in seeds for part in parts(seed)))


def residual() -> float:
    """VALUE at unit vectors; an image's share in these is the root of its weight."""
    return float(2 * VALUE / (eps() * np.sqrt(walk().pi.min())))


def cloud_turned(times: float) -> float:
    """How far a plane on the clouds may be off."""
    values = [on_cloud(i, times).spectrum[0] for i in (0, 1)]
    return float(TURNS * 2 * CLOUD / min(v[k] - v[k + 1] for v in values for k in (0, 2)))


@cache
def met_eight() -> Check:
    """Walks that meet an 8 first: a share of 500, and its error sqrt(h(1 - h)/500)."""
    h = float(committor().min())
    error = math.sqrt(h * (1 - h) / COMMITTED)
    return sampled(h, error, (1 - 2 * h) / (2 * h * (1 - h)) * error)


SEEDS = (1, 2, 3)
GLUED: dict[str, Check] = {
    # the images: integers, roots and ratios of them
    "n_images": (lambda: len(file()), 0),
    "blank": (lambda: int((np.ptp(pixels(), axis=0) == 0).sum()), 0),
    "nearest": (lambda: math.sqrt(apart()[PAIRS].min()) / 16, 4 * UNIT),
    "usual": (lambda: math.sqrt(np.median(apart()[PAIRS])) / 16, 8 * UNIT),
    # the rule
    "eps": (eps, 0),
    "height": (lambda: 2 * moments(top())[0], HEIGHT),
    "rank": (lambda: int(np.linalg.matrix_rank(pixels() - pixels()[0])), 0),
    "cloud_height": (lambda: 2 * highest(cloud_slope, math.log(0.1), math.log(2)), HEIGHT),
    "kernel_variance": (lambda: 2 * eps(), UNIT),
    "widest": (lambda: float(variances()[0]), 2 * 64 * 2.0**-52),
    # zero, but for rounding
    "exact": (lambda: 0.0, SUMS),
    "residual": (lambda: 0.0, residual),
    "dense": (lambda: 0.0, lambda: VALUE / eps()),
    "bellman": (lambda: 0.0, 64 * UNIT),  # two sums of at most two numbers below 16
    "matrix": (lambda: 0.0, SUMS),
    # slow functions
    "least": (lambda: float(walk().spectrum[0][-1]), VALUE),
    "gap": (lambda: float(walk().rates[1]), lambda: VALUE / eps()),
    "relax": (lambda: 1 / (eps() * float(walk().rates[1])), lambda: 20 * VALUE),  # 1/0.25^2
    "between": (lambda: walk().between(1), lambda: turned((walk(), 1))),
    "lonely": (lambda: float(walk().lonely().min()), lambda: SUMS / eps()),
    # simulations; a draw within rounding of an edge would be another, once in 1e5 seeds. Exact
    # values and samples are right to 1e-10, standard errors above 0.009.
    "worst": (lambda: max(map(abs, errors_apart().values())), 1e-7),
    "n_checks": (lambda: len(truth()), 0),
    # paths
    "hops": (lambda: steps(likeliest(1.0)[1]), 0),
    "hops_squares": (lambda: steps(in_squares(False)[1]), 0),
    "hops_chain": (lambda: steps(in_squares(True)[1]), 0),
    "longest": (lambda: math.sqrt(longest()) / 16, 4 * UNIT),
    "with_zero": (lambda: int(flooded(BEGIN).sum()), 0),
    "with_one": (lambda: int(flooded(END).sum()), 0),
    # other bandwidths
    "rate_half": (lambda: float(walk(0.5).rates[1]), lambda: 2 * VALUE / eps()),
    "rate_double": (lambda: float(walk(2.0).rates[1]), lambda: VALUE / eps()),
    "time_half": (lambda: walk(0.5).same_label(4), 10 * VALUE),  # four steps, twice
    "time_one": (lambda: walk().same_label(2), 10 * VALUE),
    "time_double": (lambda: walk(2.0).same_label(1), 10 * VALUE),
    # k^2 is the kernel of half the bandwidth
    "few": (lambda: float(np.median(walk(0.5).q ** 2 / walk(0.25).q)), 10 * SUMS),
    "usual_few": (lambda: float(np.median(walk().q ** 2 / walk(0.5).q)), 100 * SUMS),
    "many": (lambda: float(np.median(walk(2.0).q ** 2 / walk().q)), 1000 * SUMS),
    "nine_half": (lambda: survives(0.5, 9), lambda: turned((walk(0.5), 9), (walk(), 9))),
    "nine_double": (lambda: survives(2.0, 9), lambda: turned((walk(2.0), 9), (walk(), 9))),
    "one_half": (lambda: survives(0.5, 1), lambda: turned((walk(0.5), 1), (walk(), 1))),
    "one_double": (lambda: survives(2.0, 1), lambda: turned((walk(2.0), 1), (walk(), 1))),
    # halves
    "nine_low": (lambda: min(map(halves, SEEDS)), lambda: halves_turned(*SEEDS)),
    "nine_high": (lambda: max(map(halves, SEEDS)), lambda: halves_turned(*SEEDS)),
    "order_nine": (lambda: halves(None), lambda: halves_turned(None)),
    "near": (lambda: within_twentieth(np.arange(N)), UNIT),
    "by_chance": (by_chance, 2 * N * UNIT),
    # clouds: the same seed
    "missed": (lambda: cloud_rates(1.0).mean() / exact_rate(eps()), 4 * CLOUD),
    "met": (lambda: cloud_rates(4.0).mean() / exact_rate(4 * eps()), 4 * CLOUD),
    "missed_plane": (lambda: max(planes(1.0)), lambda: cloud_turned(1.0)),
    "met_plane": (lambda: min(planes(4.0)), lambda: cloud_turned(4.0)),
    "bias": (lambda: exact_rate(4 * eps()) * float(variances()[0]), 4 * GRID),
    "one_bias": (lambda: exact_rate(eps()) * float(variances()[0]), 4 * GRID),
    "alike": (
        lambda: float(walk(4.0).rates[1]) / exact_rate(4 * eps()),
        lambda: 4 * (VALUE + GRID),
    ),
    # exercises
    "beyond": (lambda: float((shifted() > apart()[np.arange(N), nearest()]).mean()), 0),
    "beyond_other": (lambda: float((shifted() > other_label()).mean()), 0),
    "ratio": (
        lambda: float(np.median(np.sqrt(shifted() / apart()[np.arange(N), nearest()]))),
        8 * UNIT,
    ),
    # shown with two decimals, and read from there
    "least_ratio": (lambda: min(five / one**5 for one, five in kept()), 0.005 + MASS),
    "largest_ratio": (lambda: max(five / one**5 for one, five in kept()), 0.005 + MASS),
    "h_first": (lambda: float(committor().min()), MASS),
    "h_last": (lambda: float(committor().max()), MASS),
    "simulated_h": (lambda: met_eight()[0](), lambda: computed(met_eight()[1])),
}


# -- what is used above ----------------------------------------------------------------------------


def test_the_ends_of_the_paths_are_the_first_zero_and_the_first_one() -> None:
    assert len(file()) == N
    assert [int(np.flatnonzero(labels() == c)[0]) for c in (0, 1)] == [BEGIN, END]


def test_the_slope_has_one_maximum_and_its_second_decimal_is_safe() -> None:
    falling = [beyond_top(log) > 0 for log in np.linspace(math.log(0.1), math.log(2), 200)]
    assert sum(a != b for a, b in pairwise(falling)) == 1
    assert abs(top() - eps()) < 0.0039
    log, step = math.log(top()), 1e-3
    for slope in (lambda x: moments(math.exp(x))[0], cloud_slope):
        bend = 2 * (slope(log + step) - 2 * slope(log) + slope(log - step)) / step**2
        assert abs(bend) < 50


def test_weights_and_eigenvalues_are_as_the_tolerances_suppose() -> None:
    chains = [walk(), walk(0.5), walk(2.0), *map(half, parts(1))]
    for chain in chains:
        assert chain.pi.max() < 4 * chain.pi.min()
    assert all(half(part).spectrum[0][9] > 0.5 for seed in (*SEEDS, None) for part in parts(seed))
    moving = ~((labels() == 3) | (labels() == 8))
    inner = walk().matrix[np.ix_(moving, moving)]
    assert np.linalg.solve(np.eye(len(inner)) - inner, np.ones(len(inner))).max() < 20
    assert np.ptp(clouds() / np.sqrt(variances()), axis=1).max() < 10


# -- what the page says beside ---------------------------------------------------------------------


def test_the_gaussian_formulas_agree_with_their_integrals() -> None:
    for times in (1.0, 2.0, 4.0):
        e, found = times * eps(), []
        for variance in map(float, variances()[:3]):
            mean = 1 / (1 + 2 * e * (1 / variance - 0.5 / (variance + 2 * e)))
            found.append(slowest(e, variance))
            assert abs(found[-1] - mean) < GRID
        # so the plane of the first two coordinates is the right one: no product is in between
        assert found[1] > found[2] > found[0] ** 2
    for log in np.linspace(-2, 1, 7):
        mean = (1 - 1 / N) * np.prod((1 + variances() / math.exp(log)) ** -0.5)
        slope = np.sum(variances() / (variances() + math.exp(log))) / 2 * mean / (1 / N + mean)
        # a product of 59 sums of 481 numbers, with a tenth more for their exponents
        assert abs(cloud_slope(float(log)) - slope) < 2 * 59 * 530 * UNIT * slope


def test_the_exact_rate_overshoots_its_limit_by_less_than_a_twentieth() -> None:
    # in units of the variance
    shares = [(1 - slowest(e, 1.0)) / e for e in (0.01, 0.03, 0.07, 0.1, 0.11, 0.15, 0.2, 0.3, 1.0)]
    assert 1 < shares[0] < shares[1] < max(shares) < 1.05
    assert shares[-1] < 1


@pytest.mark.parametrize("seed", [1, 2])
def test_other_clouds_say_the_same(seed: int) -> None:
    exact = {times: exact_rate(times * eps()) for times in (1.0, 4.0)}
    for i in (0, 1):
        narrow, wide = (on_cloud(i, times, seed) for times in (1.0, 4.0))
        assert narrow.rates[1] < 0.5 * exact[1.0]
        # "near its bound": a tenth at most
        assert 0.9 < narrow.rates[1] / narrow.lonely().min() <= 1
        assert narrow.alone(1) > 0.9
        assert abs(wide.rates[1] / exact[4.0] - 1) < 0.05


def test_on_the_clouds_the_slow_function_is_a_point() -> None:
    for i in (0, 1):
        assert on_cloud(i, 1.0).alone(1) > 0.99
    assert walk().alone(1) < 0.02  # on the images it is none
    assert walk(0.5).alone(1) > 0.9  # but at half the bandwidth, where the bound is near
    assert walk(0.5).rates[1] > 0.9 * walk(0.5).lonely().min()


def test_a_quarter_of_the_bandwidth_has_the_path_of_least_squares() -> None:
    assert likeliest(0.25)[1] == in_squares(False)[1]
    assert likeliest(1.0)[1] == [[BEGIN, END]]


def test_without_the_longest_steps_the_ends_are_in_different_pieces() -> None:
    assert not (flooded(BEGIN) & flooded(END)).any()
    path = in_squares(True)[1][0]
    assert max(apart()[a, b] for a, b in pairwise(path)) == longest()


def test_images_that_change_places_are_as_near_as_is_said() -> None:
    rng, found = np.random.default_rng(3), []
    for _ in range(400):
        where = np.arange(N)
        for c in range(10):
            mine = np.flatnonzero(labels() == c)
            where[mine] = rng.permutation(mine)
        found.append(within_twentieth(where))
    assert abs(np.mean(found) - by_chance()) < 5 * np.std(found) / math.sqrt(len(found))
    assert within_twentieth(np.arange(N)) > by_chance() + 20 * np.std(found)


def test_the_simulated_numbers_are_within_five_errors_of_the_exact_ones() -> None:
    assert max(map(abs, errors_apart().values())) < 5


# -- tables ----------------------------------------------------------------------------------------


def shows(text: str, value: float) -> bool:
    """Whether a text is a number with the value, up to half its last decimal."""
    decimals = len(text.partition(".")[2])
    return abs(float(text) - value) <= 0.5 * 10.0**-decimals + 1e-9


def shows_three(text: str, value: float) -> bool:
    """The same for three digits, of which zeros at the end are not shown."""
    return abs(float(text) - value) <= 0.5 * 10.0 ** (math.floor(math.log10(value)) - 2) + 1e-9


def test_the_table_of_what_is_exact_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Largest errors of row sums")
    assert list(rows) == [("0",), ("0.5",), ("1",)]
    for (name,), (*rounding, weights, line, limit) in rows.items():
        chain = walk(1.0, float(name))
        assert all(0 <= float(text) <= 1.05 * SUMS for text in rounding)  # one digit is shown
        least, most = weights.split(" to ")
        assert shows(least, N * chain.pi.min())
        assert shows(most, N * chain.pi.max())
        x, y = np.log(chain.q), np.log(chain.pi)
        assert shows(line, float(((x - x.mean()) @ y) / ((x - x.mean()) @ x)))
        assert float(limit) == 1 - 2 * float(name)


def test_the_table_of_rates_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Rates, relaxation times")
    assert list(rows) == [(str(k),) for k in range(1, 10)]
    for (k,), (rate, relax, share) in rows.items():
        assert shows(rate, walk().rates[int(k)])
        assert shows(relax, 1 / (eps() * walk().rates[int(k)]))
        assert shows(share, walk().between(int(k)))


def test_the_table_of_simulations_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "from its matrix and from paths")
    assert [what for (what,) in rows] == list(truth())
    for (what,), (right, simulated, z) in rows.items():
        assert shows(right, truth()[what])
        value, error = numbers(simulated)
        sample = samples()[what]
        own = sample.std(ddof=1) / math.sqrt(len(sample))
        digit = 10.0 ** math.floor(math.log10(own)) / 2
        assert abs(value - truth()[what]) <= 5 * own + digit
        assert abs(error - own) <= digit
        assert shows(z, errors_apart()[what])


def test_the_table_of_bandwidths_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "The same walk at three bandwidths")
    for column, times in enumerate((0.5, 1.0, 2.0)):
        chain = walk(times)
        right = [
            float(np.median(chain.q**2 / walk(times / 2).q)),
            float(np.diag(chain.joint).sum()),
            float(chain.rates[1]),
            float(chain.rates[2]),
            float(chain.lonely().min()),
            chain.same_label(round(2 / times)),
            float(np.mean([chain.between(k) for k in range(1, 10)])),
            *(survives(times, count) for count in (1, 2, 9)),
        ]
        for (what, shown), line in zip(rows.items(), right, strict=True):
            assert shows_three(shown[column], line), what


def test_the_table_of_clouds_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "The walk on Gaussian clouds")
    for ((name,), shown), times in zip(rows.items(), (1.0, 2.0, 4.0), strict=True):
        assert name == ("ε" if times == 1 else f"{times:g}ε")
        rates, lonely, right, limit, plane = shown
        for i in (0, 1):
            assert shows(rates.split()[i], on_cloud(i, times).rates[1])
            assert shows(lonely.split()[i], on_cloud(i, times).lonely().min())
            assert shows(plane.split()[i], planes(times)[i])
        assert shows(right, exact_rate(times * eps()))
        # Lap + 2(1 - alpha) <grad log p, grad> f = -f/variance for the first coordinate
        assert shows(limit, 1 / variances()[0])


def test_the_table_of_labels_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "The probability to keep the label")
    assert list(rows) == [(str(c),) for c in range(10)]
    for ((_,), shown), (one, five) in zip(rows.items(), kept(), strict=True):
        assert five >= one**5
        for text, value in zip(shown, (one, one**5, five, five / one**5), strict=True):
            assert shows(text, value)
