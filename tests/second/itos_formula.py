"""The numbers of the page on Ito's formula, computed a second time.

Variances of the diffusion are integrals of closed forms. Of a walk on the circle they come from its
density, a wrapped Gaussian on a fine grid, and on the sphere from moments. The coefficient of h is
extrapolated from these, without its formula. The page's draws are taken once more from their seeds,
by a walk of this module; what is made of them here needs no operator at points between nodes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.special import erf, iv, ndtr

from tests.second.checks import Check, between
from tests.second.circle import TURN, WAVES, circle_limit
from tests.second.fits import PRINTED, Array, Fit, fit
from tests.second.shown import numbers, outputs, table
from tests.second.sphere import DEGREE, sphere_rate, sphere_step
from tools.execution import Executed

PAGE = "book/itos_formula"
U = 2.0**-53
H = 1 / 4
PATHS, WALKERS, BATCHES, AVERAGES = 20, 4000, 18, 8000  # the quick edition
FORMS = ((0, 0), (0, 1), (1, 1))

# -- the diffusion: integrals of closed forms ------------------------------------------------------

X = TURN * np.arange(256) / 256
PI = np.exp(-np.cos(X)) / np.exp(-np.cos(X)).sum()


def mean_cos(k: int) -> float:
    return (-1) ** k * float(iv(k, 1) / iv(0, 1))


@cache
def slopes() -> Array:
    """Slopes of phi for cos x and sin x + cos 2x: e^U (c - F), where F' is e^-U times f - pi f.

    The Fourier coefficients of e^-U are Bessel functions, and that of sin x is its derivative.
    """
    k = np.arange(1, 40)

    def coefficient(n: NDArray[np.int_]) -> Array:
        return np.asarray((-1.0) ** n * iv(np.abs(n), 1))

    found = []
    for wave in (1, 2):
        source = coefficient(k - wave) + coefficient(k + wave) - 2 * mean_cos(wave) * coefficient(k)
        F = np.sin(np.outer(X, k)) @ (source / k)
        if wave == 2:
            F = F + np.exp(-np.cos(X))
        rise = np.exp(np.cos(X))
        found.append(rise * ((rise * F).sum() / rise.sum() - F))
    return np.array(found)


@cache
def diffusion() -> Array:
    return 2 * (slopes() * PI) @ slopes().T


@cache
def sphere_diffusion() -> Array:
    """The same for z and z^2, U = -z: integrals of z e^z are closed forms."""
    z, area = legendre.leggauss(64)

    def below(end: Array) -> Array:  # of 1, z, z^2
        return np.exp(end) * np.array([np.ones_like(end), end - 1, end**2 - 2 * end + 2])

    part, total = below(z) - below(-np.ones(1)), below(np.ones(1)) - below(-np.ones(1))
    flux = part[1:] - total[1:] / total[0] * part[0]
    return 2 * (flux * area * np.exp(-z) / (1 - z**2)) @ flux.T / total[0, 0]


def cost(a: float) -> float:
    """2 pi(phi'^2) over the variance of sin x, U = a cos 2x: F is an error function of cos x."""
    if a == 0:
        return 2.0
    F = math.exp(a) * math.sqrt(math.pi / (8 * a)) * erf(math.sqrt(2 * a) * np.cos(X))
    weight = np.exp(a * np.cos(2 * X))
    C = 2 * (F**2 * weight).mean() / float(iv(0, a))
    return float(C) / well_variance(a)


def well_variance(a: float) -> float:
    return (1 + float(iv(1, a) / iv(0, a))) / 2


def well_gap(a: float) -> float:
    """Of the diffusion on waves: d c_k/dt = -k^2 c_k - k a (c_(k-2) - c_(k+2))."""
    k = np.arange(-80, 81)
    rate = np.diag(k**2.0) + np.diag(a * k[2:], -2) - np.diag(a * k[:-2], 2)
    return float(np.sort(np.linalg.eigvals(rate).real)[1])


# -- walks: a density on a grid, and moments -------------------------------------------------------


class Chain:
    """Rows of transition probabilities, and what follows from them."""

    def __init__(self, matrix: Array, h: float) -> None:
        self.matrix, self.h = matrix, h
        n = len(matrix)
        rows = np.vstack([(np.eye(n) - matrix.T)[1:], np.ones(n)])
        self.weights: Array = np.linalg.solve(rows, np.eye(n)[-1])

    def centred(self, f: Array) -> Array:
        return f - np.expand_dims(f @ self.weights, -1)

    def poisson(self, f: Array) -> Array:
        n = len(self.matrix)
        fundamental = np.eye(n) - self.matrix + self.weights
        return self.h * np.linalg.solve(fundamental, self.centred(f).T).T

    def covariance(self, f: Array) -> Array:
        bar = self.centred(f)
        half = (bar * self.weights) @ self.poisson(f).T
        return half + half.T - self.h * (bar * self.weights) @ bar.T


def grid(n: int) -> Array:
    return TURN * np.arange(n) / n


def on_circle(h: float, n: int, pull: Callable[[Array], Array] = np.sin) -> Chain:
    """The Gaussian of variance 2h around x + h pull(x), wrapped, times the grid's distance."""
    apart = grid(n)[None, :] - (grid(n) + h * pull(grid(n)))[:, None]
    apart -= TURN * np.round(apart / TURN)
    density = sum(np.exp(-((apart + TURN * k) ** 2) / (4 * h)) for k in (-2, -1, 0, 1, 2))
    return Chain(np.asarray(density) * TURN / n / math.sqrt(4 * math.pi * h), h)


def waves(x: Array) -> Array:
    return np.array([np.cos(x), np.sin(x) + np.cos(2 * x)])


NODES = 64


@cache
def walk() -> Chain:
    return on_circle(H, NODES)


AT_NODES = waves(grid(NODES))


@cache
def of_walk() -> Array:
    return walk().covariance(AT_NODES)


@cache
def sphere_walk_covariance() -> Array:
    """Functions are series of P_l, and P_h P_l = sum_m S_lm P_m with the moments' matrix S."""
    S, top = sphere_step(H), len(DEGREE)
    z, area = legendre.leggauss(80)
    values = legendre.legvander(z, top - 1)
    analysis = (values * area[:, None]).T * (DEGREE + 0.5)[:, None]
    moments = np.linalg.solve(np.vstack([np.eye(top)[:1], (np.eye(top) - S)[1:]]), np.eye(top)[0])
    weights = moments @ analysis  # a mean of values at the z
    f = np.array([z, z**2])
    bar = f - (f @ weights)[:, None]
    keeps = np.eye(top) - S + np.outer(moments, np.eye(top)[0])
    series = H * np.linalg.solve(keeps.T, (bar @ analysis.T).T)
    phi = (values @ series).T
    phi -= (phi @ weights)[:, None]
    half = (bar * weights) @ phi.T
    return half + half.T - H * (bar * weights) @ bar.T


# -- small steps -----------------------------------------------------------------------------------

STEPS = 2.0 ** -np.arange(2, 10)


@cache
def bias() -> Array:
    """C_h - C of both functions, at all steps. The least spread is five half distances."""
    return np.array([np.diag(on_circle(h, 256).covariance(waves(X)) - diffusion()) for h in STEPS])


def extrapolated(first: int) -> Array:
    """The value at h = 0 of the polynomial through (C_h - C)/h at the steps from `first` on."""
    h, values = STEPS[first:], bias()[first:] / STEPS[first:, None]
    others = [np.delete(h, i) for i in range(len(h))]
    weights = np.array([np.prod(o / (o - one)) for one, o in zip(h, others, strict=True)])
    return np.asarray(weights @ values)


def first_order(i: int) -> float:
    return float(extrapolated(1)[i])


def extrapolation_error() -> float:
    """A step less changes it by more than is left; and C_h right to 1e-14/h, over h."""
    return float(np.abs(extrapolated(1) - extrapolated(2)).max()) + 8e-14 / STEPS[-1] ** 2


@cache
def watched() -> Array:
    """Differences h <f, (I + e^hL)(I - e^hL)^-1 f> - C, f = cos x, by coefficients of laws."""
    size, middle = len(WAVES), len(WAVES) // 2
    # means of e^(-ikx) e^(-imx) under pi, and the series of f - pi f
    products = np.array([[mean_cos(abs(int(k + m))) for m in WAVES] for k in WAVES])
    bar = np.where(np.abs(WAVES) == 1, 0.5, 0.0)
    bar[middle] = -mean_cos(1)
    found = []
    for h in STEPS:
        E = np.asarray(circle_limit(h)).real
        constant = np.outer(products[middle], np.eye(size)[middle])
        later = np.linalg.solve((np.eye(size) - E + constant).T, bar)
        found.append(h * bar @ products @ (later + later @ E))
    return np.array(found) - diffusion()[0, 0]


def watch_size() -> float:
    """What is measured over h^2/6 pi(f'^2)."""
    return float(watched()[-1] / STEPS[-1] ** 2 * 6 / (PI @ np.sin(X) ** 2))


# -- the page's draws ------------------------------------------------------------------------------


def drawn(seed: int) -> np.random.Generator:
    """Each call of the page has its own child seed."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed).spawn(1)[0]))


def circle_path(
    seed: int, start: Array, n: int, h: float = H, a: float = 0, wrong: float = 0
) -> Array:
    """Angles at the times 0 .. n, U = cos x, or a cos 2x. A step errs by `wrong`."""
    rng, errors = drawn(seed), np.random.default_rng(1)
    path = [start]
    for _ in range(n):
        x = path[-1]
        force = 2 * a * np.sin(2 * x) if a else np.sin(x)
        x = x + h * force + math.sqrt(2 * h) * rng.standard_normal(len(x))
        path.append(x + wrong * errors.standard_normal(len(x)) if wrong else x)
    return np.array(path)


def sphere_path(seed: int, start: int, n: int, wrong: float = 0) -> Array:
    """Heights at the times start .. n - 1 of a walk from the north pole, U = -z."""
    rng, errors = drawn(seed), np.random.default_rng(1)
    x, found = np.zeros((3, WALKERS)), []
    x[2] = 1
    for k in range(n):
        if k >= start:
            found.append(x[2])
        v = math.sqrt(2 * H) * rng.standard_normal((3, WALKERS))
        v[2] += H
        v -= (v * x).sum(axis=0) * x
        r = np.sqrt((v**2).sum(axis=0))
        x = np.cos(r) * x + np.sin(r) / r * v
        if wrong:
            x += wrong * errors.standard_normal(x.shape)
        x /= np.sqrt((x**2).sum(axis=0))
    return np.array(found)


def between_nodes(values: Array, x: Array) -> Array:
    """Functions, in rows, at angles: their waves -20 to 20 by Horner's rule."""
    series = values @ np.exp(-1j * np.outer(grid(NODES), np.arange(-20, 21))) / NODES
    e = np.exp(1j * x)
    return np.array([(np.polynomial.polynomial.polyval(e, c) * e**-20).real for c in series])


def phi(x: Array) -> Array:
    return between_nodes(walk().poisson(AT_NODES), x)


def centred_waves(x: Array) -> Array:
    means = (AT_NODES @ walk().weights).reshape(2, *(1,) * x.ndim)
    return waves(x) - means


@cache
def formula(wrong: float = 0) -> tuple[float, float, float]:
    """Largest sum, bounded term, and difference of the two sides."""
    path = circle_path(20260511, np.ones(PATHS), 400, wrong=wrong)
    sums = H * np.cumsum(centred_waves(path[:-1]), axis=1)
    at = phi(path)
    after = between_nodes(walk().poisson(AT_NODES) @ walk().matrix.T, path[:-1])
    martingale = np.cumsum(at[:, 1:] - after, axis=1)
    ends = at[:, :1] - at[:, 1:]
    gap = float(np.abs(sums - ends - martingale).max())
    return float(np.abs(sums).max()), float(np.abs(ends).max()), gap


def brackets(path: Array, h: float) -> Array:
    """phi(y) - phi(x) + h (f - pi f)(x), with phi and pi of the walk with step h."""
    chain = walk() if h == H else on_circle(h, NODES)
    at = between_nodes(chain.poisson(AT_NODES), path)
    means = (AT_NODES @ chain.weights)[:, None, None]
    return np.asarray(at[:, 1:] - at[:, :-1] + h * (waves(path[:-1]) - means))


def six_means(path: Array, h: float) -> tuple[Array, Array]:
    """Means over paths, and standard errors, of sums of brackets times 1, cos x and sin x."""
    x = path[:-1]
    weights = np.array([np.ones_like(x), np.cos(x), np.sin(x)])
    each = np.einsum("ktn,atn->kan", weights, brackets(path, h))
    return each.mean(axis=2), each.std(axis=2, ddof=1) / math.sqrt(path.shape[1])


@cache
def score(h: float = H, wrong: float = 0) -> float:
    """Worst of the six in standard errors."""
    means, errors = six_means(circle_path(20260511, np.ones(PATHS), 400, wrong=wrong), h)
    return float(np.abs(means / errors).max())


def moments(v: Array) -> Array:
    """Covariance of rows (k, batches, walkers), within walkers and between them, for each."""
    n, centre = v.shape[2], v.mean(axis=1, keepdims=True)
    within = np.einsum("ajn,bjn->abn", v - centre, v - centre) / v.shape[1]
    over = centre[:, 0] - centre[:, 0].mean(axis=1, keepdims=True)
    return np.asarray(within + np.einsum("an,bn->abn", over, over) * n / (n - 1))


def batched(values: Array, batch: int, h: float) -> tuple[Array, Array]:
    """C_h and its standard error from values (k, time, walkers)."""
    k, time, n = values.shape
    means = values.reshape(k, time // batch, batch, n).mean(axis=2)
    each = batch * h * (moments(means[:, 1:] + means[:, :-1]) - moments(means))
    return each.mean(axis=2), each.std(axis=2, ddof=1) / math.sqrt(n)


@cache
def settled(wrong: float = 0) -> Array:
    return circle_path(20260512, np.zeros(WALKERS), 48, wrong=wrong)[-1]


@cache
def batches(wrong: float = 0) -> dict[str, tuple[Array, Array]]:
    on = circle_path(20260513, settled(wrong), 24 * BATCHES - 1, wrong=wrong)
    z = sphere_path(20260514, 48, 48 + 16 * BATCHES, wrong=wrong)
    return {"circle": batched(waves(on), 24, H), "S²": batched(np.array([z, z**2]), 16, H)}


def truth(space: str) -> Array:
    return of_walk() if space == "circle" else sphere_walk_covariance()


@cache
def compared(wrong: float = 0) -> tuple[list[float], list[float]]:
    """Differences in standard errors, and these in per cent, of the six entries."""
    off, errors = [], []
    for space, (value, error) in batches(wrong).items():
        right = truth(space)
        for i, j in FORMS:
            off.append(abs(value[i, j] - right[i, j]) / error[i, j])
            errors.append(100 * error[i, j] / math.sqrt(right[i, i] * right[j, j]))
    return off, errors


@cache
def increments(wrong: float = 0) -> tuple[float, float]:
    """Worst of three entries in standard errors, and how many times fewer steps."""
    path = circle_path(20260515, settled(wrong), 40, wrong=wrong)
    at = phi(path)
    m = at[:, 1:] - at[:, :-1] + H * centred_waves(path[:-1])
    each = np.array([(m[i] * m[j]).mean(axis=0) / H for i, j in FORMS])
    error = each.std(axis=1, ddof=1) / math.sqrt(WALKERS)
    off = np.abs(each.mean(axis=1) - [of_walk()[i, j] for i, j in FORMS]) / error
    ratio = batches(wrong)["circle"][1][0, 0] / error[0]
    return float(off.max()), float(ratio**2 * 24 * BATCHES / 40)


def trapped() -> tuple[float, float]:
    """What batches of time 2 say in one well."""
    path = circle_path(20260517, np.full(500, math.pi / 2), 639, 1 / 32, 4)
    value, error = batched(np.sin(path)[None], 64, 1 / 32)
    return float(value[0, 0]), float(error[0, 0])


def left_out() -> float:
    """What batches of time 2 that are two apart add, with walkers in both wells."""
    start = np.repeat([math.pi / 2, 3 * math.pi / 2], 250)
    path = circle_path(20260518, start, 639, 1 / 32, 4)
    means = np.sin(path).reshape(10, 64, 500).mean(axis=1)[None]
    far = moments(means[:, 2:] + means[:, :-2]) - 2 * moments(means)
    return 2 * float(far.mean())


def own_4() -> float:
    wells = on_circle(1 / 32, 256, lambda x: 8 * np.sin(2 * x))
    return float(wells.covariance(np.sin(X)[None])[0, 0])


# -- the law of an average -------------------------------------------------------------------------

DURATIONS = 2.0 ** np.arange(2, 9)
U_STEP = 0.25  # the law comes again at a distance of 8 pi = 25, and has no mass beyond 20
FINE = np.linspace(-5, 5, 8001)


@cache
def law(t: float, of: Callable[[Array], Array] = np.cos) -> Array:
    """Distribution function on FINE. Powers by squaring; P's matrix on 48 points."""
    chain, values = on_circle(H, 48), of(grid(48))
    f = chain.centred(values) / math.sqrt(chain.covariance(values[None])[0, 0] * t)
    u = U_STEP * (np.arange(72) + 0.5)
    power = np.exp(1j * H * u[:, None] * f)[:, :, None] * chain.matrix
    for _ in range(round(math.log2(t / H))):
        power = power @ power
    characteristic = power.sum(axis=2) @ chain.weights
    wave = np.exp(-1j * np.outer(FINE, u)) * characteristic
    return 0.5 - U_STEP / math.pi * (wave.imag / u).sum(axis=1)


def distance(t: float, of: Callable[[Array], Array] = np.cos) -> float:
    return float(np.abs(law(t, of) - ndtr(FINE)).max())


def clt(of: Callable[[Array], Array] = np.cos) -> Fit:
    return fit(1 / DURATIONS[-4:], [distance(t, of) for t in DURATIONS[-4:]])


@cache
def cumulants() -> Array:
    """kappa_1, kappa_2, kappa_3: the leading eigenvalue's series in theta, term by term.

    (P - I) v_n + sum_j (h f)^j/j! P v_(n-j) = sum_j lambda_j v_(n-j), and pi_h v_n = 0.
    """
    chain = walk()
    f, P, w = H * chain.centred(AT_NODES[0]), chain.matrix, chain.weights
    v: list[Array] = [np.ones(NODES)]
    lam = [1.0]
    for n in (1, 2, 3):
        source = sum(f**j / math.factorial(j) * (P @ v[n - j]) for j in range(1, n + 1))
        rest = source - sum(lam[j] * v[n - j] for j in range(1, n))
        lam.append(float(w @ rest))
        v.append(np.linalg.solve(np.eye(NODES) - P + w, rest - lam[n]))
    _, a, b, c = lam
    return np.array([a, 2 * (b - a**2 / 2), 6 * (c - a * b + a**3 / 3)]) / H


def edge_ratio() -> float:
    first = abs(cumulants()[2]) / (6 * math.sqrt(TURN) * of_walk()[0, 0] ** 1.5)
    return distance(DURATIONS[-1]) * math.sqrt(DURATIONS[-1]) / float(first)


def kolmogorov() -> float:
    """Mean of the law's largest distance times the root of n: int 2 sum -(-1)^k e^(-2 k^2 x^2)."""
    return math.sqrt(math.pi / 8) * 2 * math.log(2)


@cache
def averages(wrong: float = 0) -> tuple[float, float]:
    """Largest distances of the sample's steps to the exact law and to the Gaussian."""
    path = circle_path(20260516, np.zeros(AVERAGES), 111, wrong=wrong)[48:]
    S = np.sort(centred_waves(path)[0].mean(axis=0)) * math.sqrt(16 / of_walk()[0, 0])
    found = []
    for at in (np.interp(S, FINE, law(16.0)), ndtr(S)):
        above = np.arange(1, AVERAGES + 1) / AVERAGES - at
        found.append(float(max(above.max(), (1 / AVERAGES - above).max())))
    return found[0], found[1]


# -- exercises -------------------------------------------------------------------------------------


def signs(k: int) -> float:
    """C_h of cos kx for steps of an eighth of the circle: a chain on eight places."""
    matrix = (np.roll(np.eye(8), 1, axis=0) + np.roll(np.eye(8), -1, axis=0)) / 2
    chain = Chain(matrix, math.pi**2 / 32)
    return float(chain.covariance(np.cos(k * grid(8))[None])[0, 0])


@cache
def batch_of(b: int) -> tuple[float, float]:
    """Time times variance, from the sum's second moment at each place; what the formula says."""
    chain = walk()
    f, P, w = chain.centred(AT_NODES[0]), chain.matrix, chain.weights
    mass, first, second = w.copy(), np.zeros(NODES), np.zeros(NODES)  # of 1, S, S^2 at X_k
    for _ in range(b):
        second = (second + 2 * f * first + f**2 * mass) @ P
        first = (first + f * mass) @ P
    value = H / b * float(second.sum())
    chi = np.linalg.matrix_power(np.linalg.inv(np.eye(NODES) - P + w), 2) @ f
    predicted = 2 / (b * H) * H**2 * float((w * f) @ (P @ chi))
    return value, float(of_walk()[0, 0]) - predicted


def batch_bias() -> float:
    return batch_of(32)[0] / float(of_walk()[0, 0]) - 1


def batch_check() -> float:
    value, predicted = batch_of(32)
    C = float(of_walk()[0, 0])
    return abs((C - value) / (C - predicted) - 1)


def control() -> tuple[float, float]:
    """The best a, and C over what is left: phi' is projected to -sin x."""
    wave = -np.sin(X)
    a = float(PI @ (slopes()[0] * wave) / (PI @ wave**2))
    return a, float(diffusion()[0, 0] / (2 * PI @ (slopes()[0] - a * wave) ** 2))


# -- what the page says ----------------------------------------------------------------------------

# A Poisson equation at 49 nodes with rates from 0.5 to 24^2 is solved to 49 (24^2/0.5) u = 6e-12;
# Green-Kubo leaves out what is after 32, twice exp(-32 gap), gap 0.9.
ROUNDED = 1e-11
# Paths taken once more: a test has errors of 1e-11 in each step, 1000 times what rounding has.
DRAWN = 1e-9
WORST = ROUNDED / 3e-4 + DRAWN  # in standard errors, of which the least is that
# 400 brackets of two values, over standard errors above 0.8; a mean, and two of these errors
SCORE = 3 * 400 * 2 * ROUNDED / 0.8 + DRAWN
GRID = 1e-5  # the largest of 2001 points, relative: (0.0025)^2/2 times 3, of (1 - x^2) e^(-x^2/2)
BEHIND = 5e-9  # behind the barrier, relative: 81 nodes, rates from 0.0032 to 40^2
BIAS = 4e-8  # of C_h - C, relative: two numbers right to 1e-14/h, above 2.5e-4
WATCHED = 2e-14 / STEPS[-1] ** 3 / 0.08  # the same for the diffusion watched, h^2 times 0.08
EIGHT = 13 * 16 * U  # a chain of 13 nodes whose waves have 1 - q above 1/4

GLUED: dict[str, Check] = {
    "gap_left": between(0, 1e-12),  # rounding; the band
    "largest_sum": (lambda: formula()[0], DRAWN),
    "largest_end": (lambda: formula()[1], DRAWN),
    "own_score": (score, SCORE),
    "other_score": (lambda: score(H / 2), 8 * SCORE),  # of 22
    "paths_seen": (lambda: float(PATHS), 0),
    "apart": between(0, ROUNDED),
    "c_cos": (lambda: float(diffusion()[0, 0]), ROUNDED),
    "ch_cos": (lambda: float(of_walk()[0, 0]), ROUNDED),
    "walk_order": (lambda: fit(STEPS[-4:], np.abs(bias()[-4:, 0])), PRINTED + 3 * BIAS),
    "watch_order": (lambda: fit(STEPS[-4:], watched()[-4:]), PRINTED + 3 * WATCHED),
    "ratio_cos": (lambda: float(bias()[-1, 0] / STEPS[-1]) / first_order(0),
                  lambda: 5 * extrapolation_error() + 2 * BIAS),
    "ratio_g": (lambda: float(bias()[-1, 1] / STEPS[-1]) / first_order(1),
                lambda: 7 * extrapolation_error() + 2 * BIAS),
    "first_cos": (lambda: first_order(0), lambda: extrapolation_error()),
    "first_g": (lambda: first_order(1), lambda: extrapolation_error()),
    "watch_size": (watch_size, WATCHED),
    "worst": (lambda: float(np.max(compared()[0])), WORST),
    "largest_error": (lambda: float(np.max(compared()[1])), DRAWN),
    "batch_steps": (lambda: 24.0 * BATCHES, 0),
    "off": (lambda: increments()[0], WORST),
    "gain": (lambda: increments()[1], 25 * DRAWN),
    "seen_walkers": (lambda: float(WALKERS), 0),
    "clt": (clt, PRINTED + 2 * GRID),
    "clt_sine": (lambda: clt(np.sin), PRINTED + 2 * GRID),  # less curved
    "edge_ratio": (edge_ratio, 2 * GRID),
    # eigenvalues right to 49 u in a matrix of norm 3, over h, radius^2/2 and C_h
    "kappa_2": between(0, 3 * 49 * U / H / 0.08 / 0.64),
    "to_own": (lambda: averages()[0], 2e-6),  # the page's law is a broken line: 0.005^2/8 of 0.24
    "to_normal": (lambda: averages()[1], DRAWN),
    "predicted_gap": (lambda: distance(16.0), 0.041 * GRID),
    "floor": (lambda: kolmogorov() / math.sqrt(AVERAGES), 16 * U),
    "n_averages": (lambda: float(AVERAGES), 0),
    "last_t": (lambda: 256.0, 0),
    "cost_0": (lambda: cost(0), 2 * BEHIND),
    "cost_4": (lambda: cost(4), 628 * BEHIND),
    "growth": (lambda: math.log(cost(4) / cost(2)) / 2, 2 * BEHIND),
    "kramers": (lambda: math.log(math.exp(8) / 4 / (math.exp(4) / 2)) / 2, 16 * U),
    "own_4": (own_4, 487 * BEHIND),
    "wrong": (trapped, 0.05 + DRAWN),  # one decimal is shown
    "third": (lambda: signs(3), EIGHT),
    "third_by_hand": (lambda: signs(3), EIGHT),
    "fourth": (lambda: 0.0, EIGHT),
    "batch_bias": (batch_bias, 2 * ROUNDED),
    "batch_check": (batch_check, 40 * ROUNDED),
    "best": (lambda: control()[0], ROUNDED),
    "shorter": (lambda: control()[1], 20 * 2 * ROUNDED / 0.03),  # a quotient by 0.03
}  # fmt: skip
CLAIMED: dict[str, Check] = {
    "C2cg": (lambda: float(np.max([formula()[2] / 1e-12, score() / 4])), SCORE / 4),
    "C2ch": GLUED["apart"],
    "C2ci": (
        lambda: float(np.max([compared()[0], 4 * np.array(compared()[1])])),
        WORST + 4 * DRAWN,
    ),
    "C2cj": GLUED["clt"],
}
BANDS: dict[str, tuple[float | str, float | list[float]]] = {
    "C2cg": ("≤ 1", 0.0),
    "C2ch": ("≤ 1e-08", 0.0),
    "C2ci": ("≤ 4", 0.0),
    "C2cj": (0.5, 0.02),
}
VERDICTS = dict.fromkeys(CLAIMED, ("holds if", True))
TYPED = {
    r"within 0.02 of one half, for $\cos x$, over the last three doublings": "the band of C2cj"
}

# -- what the page says beside ---------------------------------------------------------------------


def test_the_table_of_forms_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Forms of C; f, g", named=2)
    three = ["gradient", "pairing", "Green–Kubo"]
    spaces = {
        "circle": (diffusion(), [*three, "flux"]),
        "circle, walk": (of_walk(), three),
        "S²": (sphere_diffusion(), [*three, "flux"]),
        "S², walk": (sphere_walk_covariance(), three),
    }
    assert list(rows) == [(space, form) for space, (_, forms) in spaces.items() for form in forms]
    for (space, _), row in rows.items():
        right = [spaces[space][0][i, j] for i, j in FORMS]
        np.testing.assert_allclose([float(x) for x in row], right, rtol=0, atol=ROUNDED)


def test_the_table_of_batch_means_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "and by batch means")
    names = ("f, f", "f, g", "g, g"), ("z, z", "z, z²", "z², z²")
    cases = [(space, f"{space}: {name}", i, j)
             for space, of in zip(("circle", "S²"), names, strict=True)
             for name, (i, j) in zip(of, FORMS, strict=True)]  # fmt: skip
    assert list(rows) == [(name,) for _, name, _, _ in cases]
    for (space, name, i, j), off, percent in zip(cases, *compared(), strict=True):
        own, seen, times, share = rows[name,]
        value, error = (found[i, j] for found in batches()[space])
        shown, its_error = numbers(seen)
        digit = 10.0 ** -len(seen.split("±")[1].split(".")[1]) / 2
        assert abs(float(own) - truth(space)[i, j]) <= 5e-5 + ROUNDED
        assert max(abs(shown - value), abs(its_error - error)) <= digit + DRAWN
        assert abs(float(times) - off) <= 0.05 + WORST
        assert abs(float(share.removesuffix(" %")) - percent) <= 0.005 + DRAWN


def test_the_table_of_draws_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "f = sin x in two wells")
    assert list(rows) == [("0",), ("1",), ("2",), ("4",)]
    for (a,), row in rows.items():
        each = cost(int(a))
        slowest = 2 / well_gap(int(a))
        right = [well_variance(int(a)), each, slowest, 1000 / each]
        digits = [5e-5, 5e-4, 5e-4, 0.05]
        for shown, value, digit in zip(row, right, digits, strict=True):
            assert abs(float(shown) - value) <= digit + BEHIND * value
        assert each <= slowest * (1 + BEHIND)


def test_what_is_printed_is_right(executed: dict[str, Executed]) -> None:
    shown = [output.get("data", {}).get("text/plain", "") + output.get("text", "")
             for output in outputs(executed[PAGE])]  # fmt: skip
    refused = [text for text in shown if "batches two apart are uncorrelated" in text]
    assert len(refused) == 1
    added = re.search(r"they add \[\[(.*)\]\] to C_h", refused[0])
    assert added is not None
    assert abs(float(added[1]) - left_out()) <= 10 * DRAWN
    for pair in (
        (signs(3), 0.0),
        batch_of(32),
        (float(diffusion()[0, 0]) / control()[1],) * 2,
    ):
        assert any(
            len(found) == 2 and np.abs(np.array(found) - pair).max() <= ROUNDED * 4
            for found in (
                [float(x) for x in re.findall(r"-?\d+\.\d+(?:e-\d+)?", text)] for text in shown
            )
        ), pair


def test_a_path_taken_once_more_is_the_page_s() -> None:
    # 1e-11 is 1000 times the rounding of a step, 90 u; so rounding moves it by less than DRAWN
    moved = [
        np.abs(np.array(of(1e-11)) - of(0.0)).max()
        for of in (
            lambda w: formula(w)[:2],
            lambda w: score(H, w),
            lambda w: score(H / 2, w),
            increments,
            averages,
            lambda w: compared(w)[1],
        )
    ]
    assert max(moved) < 1000 * DRAWN
    assert np.abs(np.array(compared(1e-11)[0]) - compared(0.0)[0]).max() < 1000 * DRAWN


def test_the_formula_is_an_identity_of_the_walk_alone() -> None:
    assert formula()[2] < 1e-12
    path = circle_path(20260511, np.ones(PATHS), 400)
    slope = np.fft.rfft(slopes()[0])[1:21] / len(X)  # phi of the diffusion instead
    k = np.arange(1, 21)
    value = np.array([2 * (slope / (1j * k) * np.exp(1j * k * x)).sum().real
                      for x in path[:41, 0]])  # fmt: skip
    assert np.abs(H * centred_waves(path[:40, 0])[0] - (value[:-1] - value[1:])).max() > 0.1


def test_brackets_have_mean_zero_along_their_own_walk_alone() -> None:
    path = circle_path(1, np.ones(200), 400)
    own, errors = six_means(path, H)
    assert (np.abs(own) < 5 * errors).all()
    other, errors = six_means(path, H / 2)
    assert (np.abs(other) > 20 * errors).any()
    page_s = circle_path(20260511, np.ones(PATHS), 400)
    assert min(six_means(page_s, h)[1].min() for h in (H, H / 2)) > 0.8


def test_other_draws_say_the_same() -> None:
    path = circle_path(1, settled(), 24 * BATCHES - 1)
    value, error = batched(waves(path), 24, H)
    assert (np.abs(value - of_walk()) < 5 * error).all()


def test_the_law_of_an_average_has_no_second_copy() -> None:
    # no mass beyond 20 of its units: it may not be larger than its time allows, or is Gaussian
    for of in (np.cos, np.sin):
        f = walk().centred(of(grid(NODES)))
        bound = float(np.abs(f).max()) / math.sqrt(walk().covariance(f[None])[0, 0])
        assert all(bound * math.sqrt(t) < 20 for t in DURATIONS[:-1])
    far = [float(law(t, of)[end])
           for t in DURATIONS[2:] for of in (np.cos, np.sin) for end in (0, -1)]  # fmt: skip
    np.testing.assert_allclose(far[::2], 0, rtol=0, atol=2e-5)
    np.testing.assert_allclose(far[1::2], 1, rtol=0, atol=2e-5)


def test_the_first_cumulant_is_zero_and_the_second_the_variance() -> None:
    first, second, _ = cumulants()
    assert abs(first) < ROUNDED
    assert abs(second - of_walk()[0, 0]) < ROUNDED


def test_enough_waves_and_degrees() -> None:
    coarse = on_circle(H, 48).covariance(waves(grid(48)))
    assert np.abs(coarse - of_walk()).max() < ROUNDED
    # the diffusion's moments, by degrees, against its integrals
    top, z = len(DEGREE), legendre.leggauss(80)
    weight = z[1] * np.exp(z[0])
    f = np.array([z[0], z[0] ** 2])
    bar = f - (f @ weight)[:, None] / weight.sum()
    rate = sphere_rate(1.0)
    values = legendre.legvander(z[0], top - 1)
    series = bar @ ((values * z[1][:, None]) * (DEGREE + 0.5))
    mean = weight @ values / weight.sum()
    solved = np.linalg.solve((np.outer(mean, np.eye(top)[0]) - rate).T, series.T)
    C = 2 * (bar * weight / weight.sum()) @ (values @ solved)
    assert np.abs(C - sphere_diffusion()).max() < ROUNDED
