"""The numbers of the page on particles and their limit, computed a second time.

The limit on the sphere is carried by quadrature, that on the circle by Bessel functions; the drift
is the growth of a covariance, not the solution of an equation. The page's draws are taken once more
from their seeds and moved another way: the weights in the eigenframe of Sigma, regressions as
projections. Tests look at other samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial import legendre, polynomial
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.optimize import brentq
from scipy.special import ive, jv

from tests.second.checks import Check, agree, between
from tests.second.circle import sample_distances
from tests.second.fits import PRINTED, Array, Fit, fit
from tests.second.shown import numbers, table
from tools.execution import Executed

PAGE = "book/mean_field"
U = 2.0**-53
TURN = 2 * math.pi
# the same draws, moved another way: positions to 1e-12, errors above 1e-3 to 1e-8 of them
SAME = 1e-8
Rows = tuple[Array, Array, Array]

# -- the sphere: the limit -------------------------------------------------------------------------

STEP, STEPS, DEGREE = 0.25, 4, np.arange(29)


def sphere_step(law: Array, pull: float) -> Array:
    """Legendre coefficients after a step with V = -z - pull (1 - z^2)/2, by Gauss nodes."""
    z, area = legendre.leggauss(64)
    sine = np.sqrt(1 - z**2)
    xi = np.arange(-34, 35) / 4  # what aliases has frequency 4 * 2 pi - 28 sqrt(2h) > 5
    gauss = np.exp(-(xi**2) / 2)
    half = gauss[34:] * np.where(xi[34:] == 0, 1, 2)
    rule = np.outer(gauss, half).ravel() / gauss.sum() ** 2
    east = np.tile(math.sqrt(2 * STEP) * xi[34:], len(xi))
    density = legendre.legval(z, law * (DEGREE + 0.5))
    after: Array = np.zeros(len(DEGREE))
    for i in range(len(z)):
        north = STEP * (1 - pull * z[i]) * sine[i] + math.sqrt(2 * STEP) * np.repeat(xi, len(half))
        r = np.hypot(north, east)
        lands = np.cos(r) * z[i] + np.sinc(r / math.pi) * north * sine[i]
        below, here = np.ones_like(lands), lands
        moved = [rule.sum(), rule @ lands]
        for degree in DEGREE[1:-1]:
            below, here = here, ((2 * degree + 1) * lands * here - degree * below) / (degree + 1)
            moved.append(rule @ here)
        after += area[i] * density[i] * np.array(moved)
    return after


@cache
def limit(kappa: float) -> tuple[Array, Array]:
    """What W is, times the first two axes, and E z^2: before every step and after the last."""
    z, area = legendre.leggauss(80)
    law: Array = legendre.legvander(z, DEGREE[-1]).T @ (area * np.exp(z)) / (area @ np.exp(z))
    sizes, heights = [0.5], [(1 + 2 * law[2]) / 3]
    for _ in range(STEPS):
        law = sphere_step(law, 2 * kappa / (1 - heights[-1]))
        heights.append((1 + 2 * law[2]) / 3)
        grown = sizes[-1] * math.exp(STEP * (1 - heights[-1]) / 2)
        sizes.append(grown / math.sqrt(1 + grown**2 - sizes[-1] ** 2))
    return np.array(sizes), np.array(heights)


def least_T() -> float:
    size, height = limit(2.0)
    return float((size**2 * (1 - height) / 2).min())


# E z^2 = 1 - 2 (coth 1 - 1) for the density exp(z)
HEIGHT = 3 - 2 / math.tanh(1)

# -- the sphere: particles and copies --------------------------------------------------------------

RUNS = {64: 150, 4096: 64}


def child(rng: np.random.Generator) -> np.random.Generator:
    seed = rng.bit_generator.seed_seq.spawn(1)[0]  # type: ignore[attr-defined]
    return np.random.Generator(np.random.SFC64(seed))


def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    z = np.log1p(math.expm1(2) * rng.random(shape)) - 1
    turn = TURN * rng.random(shape)
    out = np.sqrt(1 - z * z)
    return np.stack([out * np.cos(turn), out * np.sin(turn), z], axis=-1)


def moved(x: Array, noise: Array, K: Array) -> Array:
    """A step along a geodesic with the force (0, 0, 1) + K x, and this noise, of rows."""
    v = noise + STEP * (x @ K + np.array([0.0, 0.0, 1.0]))
    v -= (v * x).sum(axis=1, keepdims=True) * x
    r = np.sqrt((v * v).sum(axis=1, keepdims=True))
    return np.cos(r) * x + np.sinc(r / math.pi) * v


def hidden(W: Array, sigma: Array, kappa: float) -> Array:
    return kappa * W.T @ np.linalg.inv(W @ sigma @ W.T) @ W


def side_by_side(x: Array, kappa: float, noises: np.random.Generator) -> Rows:
    """Squared distances, errors of W and errors of Sigma, at every time."""
    size, height = limit(kappa)
    y, W = x, size[0] * np.eye(2, 3)
    sigma = x.T @ x / len(x)
    apart, off_W, off_sigma = list[float](), list[Array](), list[Array]()
    for k in range(STEPS + 1):
        exact_W = size[k] * np.eye(2, 3)
        exact = np.diag([(1 - height[k]) / 2, (1 - height[k]) / 2, height[k]])
        chord = np.sqrt(((x - y) ** 2).sum(axis=1)) / 2
        apart.append(float((4 * np.arcsin(np.minimum(chord, 1)) ** 2).mean()))
        off_W.append(W - exact_W)
        off_sigma.append(sigma - exact)
        if k == STEPS:
            break
        w = math.sqrt(2 * STEP) * noises.standard_normal((3, len(x))).T
        at_y = w - (w * y).sum(axis=1, keepdims=True) * y
        along = (at_y * x).sum(axis=1, keepdims=True) / (1 + (x * y).sum(axis=1, keepdims=True))
        at_x = at_y - along * (x + y)
        x, y = (
            moved(x, at_x, hidden(W, sigma, kappa)),
            moved(y, at_y, hidden(exact_W, exact, kappa)),
        )
        sigma = x.T @ x / len(x)
        rate, frame = np.linalg.eigh(sigma)
        E = (W @ frame * np.exp(STEP * rate)) @ frame.T
        length, axes = np.linalg.eigh(np.eye(2) + E @ E.T - W @ W.T)
        W = (axes / np.sqrt(length)) @ axes.T @ E
    return np.array(apart), np.array(off_W), np.array(off_sigma)


@cache
def pairs(seed: int = 20270901) -> dict[int, list[Rows]]:
    rng = np.random.default_rng(seed)
    return {
        N: [side_by_side(x, 2.0, child(rng)) for x in draw(rng, (runs, N))]  # drawn first
        for N, runs in RUNS.items()
    }


def of_both(errors: list[tuple[float, float]], sizes: tuple[int, int]) -> Fit:
    """Slope through two values with standard errors, and 1.96 errors each way."""
    (a, da), (b, db) = errors
    wide = math.log(sizes[1] / sizes[0])
    slope, half = math.log(b / a) / wide, 1.96 * math.hypot(da / a, db / b) / wide
    return slope, slope - half, slope + half


def order(which: int, seed: int = 20270901) -> Fit:
    found = []
    for runs in pairs(seed).values():
        square = np.array(
            [
                (run[which] if which == 0 else (run[which] ** 2).sum(axis=(1, 2))).max()
                for run in runs
            ]
        )
        error = math.sqrt(square.var(ddof=1) / len(square))
        mean = float(square.mean())
        found.append((math.sqrt(mean), error / 2 / math.sqrt(mean)))
    return of_both(found, (64, 4096))


@cache
def first_error() -> tuple[float, float]:
    square = np.array(
        [N * float((run[2][0] ** 2).sum()) for N, runs in pairs().items() for run in runs]
    )
    exact = first_exact()
    return float(square.mean()) / exact, math.sqrt(square.var(ddof=1) / len(square)) / exact


def first_exact() -> float:
    return 1 - (1 - HEIGHT) ** 2 / 2 - HEIGHT**2


# -- the circle: the rest state --------------------------------------------------------------------
#
# x' = x - a sin 2x + noise, a = h kappa/(2T), takes exp(2ijx) to exp(-4 j^2 h) times the sum of
# J_n(2ja) exp(2i(j - n)x). Moments E exp(2ijX) are real.

KAPPA, GAMMA, H, END = 4.0, 4.0, 0.2, 20
J = 48
WAVES = np.arange(-J, J + 1)
ODD = WAVES[J + 1 :]  # sin 2jx, j > 0


def bessel(T: float, h: float) -> Array:
    """Column j: the waves in P exp(2ijx)."""
    turn = jv(WAVES[None, :] - WAVES[:, None], WAVES[None, :] * (h * KAPPA / T))
    return np.exp(-4 * h * WAVES[None, :] ** 2) * turn


def stationary(T: float, h: float) -> Array:
    A = bessel(T, h)
    system = A.T - np.eye(len(A))
    system[J] = WAVES == 0  # the wave that P leaves alone: the mass is 1
    return np.linalg.solve(system, (WAVES == 0).astype(float))


@dataclass(frozen=True, eq=False)
class Rest:
    T: float
    moments: Array
    P: Array  # on sines, column by column
    slopes: Array  # means of the derivatives of sines
    products: Array  # means of their products
    r: float
    c: float


@cache
def rest(h: float = H) -> Rest:
    T = brentq(lambda T: (1 + stationary(T, h)[J + 1]) / 2 - T, 0.5, 0.999, xtol=1e-15)
    moments = stationary(T, h)
    A = bessel(T, h)
    wave = np.concatenate([moments[J:], np.zeros(J)])
    products = (wave[np.abs(ODD[:, None] - ODD)] - wave[ODD[:, None] + ODD]) / 2
    z = float(moments[J + 1])
    r = math.exp(-GAMMA * h * z)
    return Rest(
        T,
        moments,
        A[J + 1 :, J + 1 :] - A[J - 1 :: -1, J + 1 :],
        2 * ODD * moments[J + 1 :],
        products,
        r,
        (1 - r) / z,
    )


def z_rest() -> float:
    return float(rest().moments[J + 1])


def linear_flow(h: float) -> Array:
    """The linearised flow of odd means and, last, of the angle of W."""
    at = rest(h)
    M = np.zeros((J + 1, J + 1))
    M[:J, :J] = at.P.T
    M[:J, J] = at.slopes - at.P.T @ at.slopes
    M[J] = at.c / 2 * M[0]
    M[J, J] += at.r
    return M


def variances(h: float, n: int) -> Array:
    """N times the variance of the angle, for many particles, after 0, 1, ..., n steps."""
    at, M = rest(h), linear_flow(h)
    new = np.vstack([np.eye(J), at.c / 2 * np.eye(J)[0]])
    noise = new @ (at.products - at.P.T @ at.products @ at.P) @ new.T
    covariance = np.zeros((J + 1, J + 1))
    covariance[:J, :J] = at.products
    found = [0.0]
    for _ in range(n):
        covariance = M @ covariance @ M.T + noise
        found.append(float(covariance[J, J]))
    return np.array(found)


@cache
def rate(h: float = H) -> float:
    """Growth per unit of time, once all has been forgotten but the rotation."""
    settled = math.ceil(
        30 / -math.log(float(np.sort(np.abs(np.linalg.eigvals(linear_flow(h))))[-2]))
    )
    late = variances(h, settled + 100)
    return float(late[-1] - late[-101]) / (100 * h)


def memory() -> float:
    at = rest()
    f, total = np.eye(J)[0] / 2, 0.0
    for _ in range(80):
        f = at.P @ f
        total += abs(at.c * float(at.slopes @ f))
    return total


# -- the circle: the diffusion ---------------------------------------------------------------------


def tilt() -> float:
    """Return b = kappa/(2T), where 2T - 1 = I_1(b/2)/I_0(b/2) is the mean of cos 2x."""
    return float(brentq(lambda b: KAPPA / b - 1 - ive(1, b / 2) / ive(0, b / 2), 2, 4, xtol=1e-14))


def drift(gamma: float = GAMMA) -> float:
    """Integrals by the trapezoidal rule: g' = a (1 - exp(-V)/its mean), Var growing as 2 E g'^2."""
    b = tilt()
    V = b * np.cos(TURN * np.arange(256) / 256) ** 2
    slope = gamma / (2 * b) * (1 - np.exp(-V) / np.exp(-V).mean())
    weight = np.exp(V) / np.exp(V).sum()
    return float(2 * weight @ slope**2 / (1 + weight @ slope) ** 2)


def fastest() -> float:
    b = tilt()
    return 2 / (1 - math.exp(-b) / float(ive(0, b / 2)) ** 2)


def in_h() -> Fit:
    h = np.array([0.05, 0.025, 0.0125])
    return fit(h, [rate(step) - drift() for step in h])


# -- the circle: particles and copies --------------------------------------------------------------

PLAN = {32: 3000, 256: 2000}


def places(share: Array) -> Array:
    """Angles below which lie these shares of the law at rest, counted from 0."""
    j = np.arange(1, 17)
    density = np.concatenate([[0.5], rest().moments[J + j]]) / math.pi
    below = np.concatenate([[0], rest().moments[J + j] / (2j * j)]) / math.pi

    def on(series: NDArray[Any], x: Array) -> Array:
        return polynomial.polyval(np.exp(2j * x), series).real

    grid = np.linspace(0, TURN, 4097)
    x = np.interp(share, grid / TURN + on(below, grid), grid)
    for _ in range(3):  # Newton: 1e-7 from the table, then rounding
        x -= (x / TURN + on(below, x) - share) / on(density, x)
    return x


Path = tuple[Array, Array, NDArray[np.complexfloating], NDArray[np.complexfloating]]


def turned(angle: Array, size: Array, z: NDArray[np.complexfloating]) -> tuple[Array, Array]:
    """Angle and length of W after a step: what is along the top axis of Sigma outgrows the rest."""
    axis, spread = np.angle(z) / 2, np.abs(z)
    along = size * np.cos(angle - axis) * np.exp(GAMMA * H * (1 + spread) / 2)
    across = size * np.sin(angle - axis) * np.exp(GAMMA * H * (1 - spread) / 2)
    square = along**2 + across**2
    return axis + np.arctan2(across, along), np.sqrt(square / (1 + square - size**2))


def circle_runs(rng: np.random.Generator, N: int, runs: int, wrong: float = 0.0) -> Path:
    """Angle and length of W, z, and z of the copies, at every step."""
    x = places(rng.random(N * runs)).reshape(runs, N) + wrong
    angle: Array = np.zeros(runs)
    size: Array = np.ones(runs)
    y = x.copy()
    e, f = np.exp(2j * x), np.exp(2j * y)
    seen = [(angle, size, e.mean(axis=1), f.mean(axis=1))]
    for _ in range(END):
        noise = math.sqrt(2 * H) * rng.standard_normal((runs, N))
        relative = seen[-1][2] * np.exp(-2j * angle)  # T = size^2 (1 + its real part)/2
        x += noise - (KAPPA * H / (1 + relative.real) * np.exp(-2j * angle)).real[:, None] * e.imag
        x -= (KAPPA * H / (1 + relative.real) * np.exp(-2j * angle)).imag[:, None] * e.real
        y += noise - KAPPA * H / (2 * rest().T) * f.imag
        e, f = np.exp(2j * x), np.exp(2j * y)
        z = e.mean(axis=1)
        angle, size = turned(angle, size, z)
        seen.append((angle, size, z, f.mean(axis=1)))
    return tuple(np.array(part).T for part in zip(*seen, strict=True))  # type: ignore[return-value]


@cache
def circle_paths() -> tuple[dict[int, Path], np.random.Generator]:
    """Return the page's runs, and its generator after them: what follows is drawn from it."""
    rng = np.random.default_rng(20270902)
    return {N: circle_runs(rng, N, runs) for N, runs in PLAN.items()}, rng


def controls(path: Path, N: int, k: int) -> Array:
    """What has mean zero: the copies' cos, and a square of a prediction less what it is known."""
    angle, _, _, copies = path
    f, lags = np.eye(J)[0], list[float]()
    for _ in range(k + 1):
        lags.append(float(rest().products[0] @ f))
        f = rest().P @ f
    Q, R = np.linalg.qr(copies.imag[:, : k + 1])
    b = np.linalg.solve(R, Q.T @ angle[:, k])
    known = sum(b[i] * b[j] * lags[abs(i - j)] for i in range(k + 1) for j in range(k + 1))
    return np.column_stack(
        [(copies.imag[:, : k + 1] @ b) ** 2 - known / N, copies.real[:, : k + 1] - z_rest()]
    )


def without(values: Array, zero: Array) -> tuple[float, float]:
    """Constant of a regression: project it and the values away from the rest."""
    Q, _ = np.linalg.qr(zero)
    one = np.ones(len(values))
    one, rest_of = one - Q @ (Q.T @ one), values - Q @ (Q.T @ values)
    best = float(one @ rest_of / (one @ one))
    left = rest_of - best * one
    variance = left @ left / (len(values) - zero.shape[1] - 1)
    return best, math.sqrt(variance / (one @ one))


def mean(values: Array) -> tuple[float, float]:
    return float(values.mean()), math.sqrt(values.var(ddof=1) / len(values))


def times(factor: float, pair: tuple[float, float]) -> tuple[float, float]:
    return factor * pair[0], abs(factor) * pair[1]


def gap(path: Path) -> Array:
    return path[2][:, END].real - z_rest()


@cache
def bias(N: int) -> tuple[float, float]:
    path = circle_paths()[0][N]
    return without(gap(path), controls(path, N, END))


def one_law() -> Fit:
    return of_both([times(-1, bias(32)), times(-1, bias(256))], (32, 256))


def sharper(N: int) -> float:
    return mean(gap(circle_paths()[0][N]))[1] / bias(N)[1]


@cache
def speed(N: int) -> tuple[float, float]:
    path = circle_paths()[0][N]
    both = np.column_stack([controls(path, N, k)[:, 0] for k in (5, END)])
    return times(N / 3, without(path[0][:, END] ** 2 - path[0][:, 5] ** 2, both))


def pooled() -> tuple[float, float]:
    (a, da), (b, db) = speed(32), speed(256)
    share = db**2 / (da**2 + db**2)
    return (share * a + (1 - share) * b) / rate(), da * db / math.hypot(da, db) / rate()


def slower() -> tuple[float, float]:
    path = circle_paths()[0][32]
    change = path[2][:, END].real - path[2][:, 10].real
    return times(16, without(change, controls(path, 32, END)))


# -- what the page draws after them ----------------------------------------------------------------


@cache
def later() -> tuple[list[Array], list[Rows]]:
    """Rows of the floor's table, and the runs without a force."""
    rng = np.random.default_rng(20270902)
    for N, runs in PLAN.items():
        rng.random(N * runs)
        for _ in range(END):
            rng.standard_normal((runs, N))
    rows = []
    for N in (64, 512):
        x = places(rng.random(N))
        x, apart = beside(x, child(rng))
        seen = sample_distances(x[None] % TURN, places(rng.random(N))[None])[0]
        draws = np.array([[places(rng.random(N)) for _ in range(2)] for _ in range(9)])
        floor = sample_distances(draws[:, 0], draws[:, 1])
        rows.append(np.array([apart, seen, floor.mean(), floor.min(), floor.max()]))
    return rows, [side_by_side(draw(rng, (N,)), 0.0, child(rng)) for N in (64, 1024)]


def beside(x: Array, noises: np.random.Generator) -> tuple[Array, float]:
    """Particles after five steps, and how far their copies are, root mean square."""
    angle: Array = np.zeros(1)
    size: Array = np.ones(1)
    y = x.copy()
    for _ in range(5):
        noise = math.sqrt(2 * H) * noises.standard_normal(len(x))
        z = np.exp(2j * x).mean()
        pull = KAPPA * H / (1 + (z * np.exp(-2j * angle)).real)
        x = x - pull * np.sin(2 * (x - angle)) + noise
        y = y - KAPPA * H / (2 * rest().T) * np.sin(2 * y) + noise
        angle, size = turned(angle, size, np.exp(2j * x).mean(keepdims=True))
    apart = np.angle(np.exp(1j * (x - y)))
    return x, math.sqrt(float((apart**2).mean()))


def floor_over_pairs() -> float:
    apart, _, floor, _, _ = later()[0][1]
    return float(floor / apart)


def alone(which: int) -> float:
    return float(np.linalg.norm(later()[1][which][1][-1]))


# -- what the page says ----------------------------------------------------------------------------


def shown(pair: Callable[[], tuple[float, float]]) -> Check:
    """The same draws: half of the last digit that an Estimate shows, and what is left."""

    def digit() -> float:
        return 10.0 ** min(0, math.floor(math.log10(pair()[1]))) / 2 + SAME

    return pair, digit


GLUED: dict[str, Check] = {
    "apart": (lambda: order(0), PRINTED + SAME),
    "of_W": (lambda: order(1), PRINTED + SAME),
    "of_Sigma": (lambda: order(2), PRINTED + SAME),
    "width": (lambda: order(0)[2] - order(0)[1], 2 * SAME),
    "in_all": (lambda: sum(RUNS.values()), 0),
    # at the start: a quadrature of exp(z), in both programs
    "least_T": (lambda: (1 - HEIGHT) / 8, 64 * U),
    "one_law": (one_law, PRINTED + SAME),
    # T is a root to 1e-13; the derivative of z by T is below 2
    "z_rest": (z_rest, 1e-12),
    "sharper_32": (lambda: sharper(32), 10 * SAME),
    "sharper_256": (lambda: sharper(256), 10 * SAME),
    "floor_over_pairs": (floor_over_pairs, lambda: SAME * floor_over_pairs()),
    # a variance near 8, less another, over 20; and T as above
    "rate": (rate, 1e-11),
    "memory": (memory, 1e-11),
    "pooled": shown(pooled),
    "turned": shown(slower),
    "turned_expected": (lambda: -2 * z_rest() * rate(), 2e-11),
    "first_exact": (first_exact, 64 * U),
    "first_error": shown(first_error),
    # four steps of some forty roundings, each at most doubled by those after it
    "farthest": between(0.0, 4 * 40 * 2 * U),
    "W_few": (lambda: alone(0), SAME),
    "W_many": (lambda: alone(1), SAME),
    # b from a root to 1e-14, or from a fixed point that contracts by more than 2 in 60 steps
    "D": (drift, 1e-12),
    # rates to 1e-11 at 0.05, at the smallest step to 4e-11, from D by more than 0.004
    "in_h": (in_h, PRINTED + 4e-8),
    "fastest": (fastest, 1e-12),
}

CLAIMED: dict[str, Check] = {
    "C3ak": (GLUED["apart"][0], SAME),
    "C3al": (GLUED["of_W"][0], SAME),
    "C3am": (GLUED["of_Sigma"][0], SAME),
    "C3an": (GLUED["one_law"][0], SAME),
    "C3ao": (pooled, SAME),
}
BANDS: dict[str, tuple[float | str, float | list[float]]] = {
    "C3ak": (-0.5, 0.05),
    "C3al": (-0.5, 0.1),
    "C3am": (-0.5, 0.1),
    "C3an": (-1.0, 0.2),
    "C3ao": (1.0, 0.2),
}
VERDICTS = dict.fromkeys(CLAIMED, ("holds if", True)) | {"C3ao": ("holds", False)}
TYPED = {
    r"to the copies within 0.05 of $-\frac12$": "the band of C3ak",
    "the whole interval is at most 0.1 wide": "what the band of C3ak asks for",
    r"of $W$ and $\Sigma$ within 0.1": "the bands of C3al and C3am",
    "of the bias within 0.2 of $-1$": "the bands of C3an and C3ao",
}

# -- what the page says beside ---------------------------------------------------------------------


def test_T_is_least_at_the_start() -> None:
    size, height = limit(2.0)
    assert abs(least_T() - (1 - HEIGHT) / 8) < 64 * U
    assert (size**2 * (1 - height)).argmin() == 0


def test_rounding_changes_nothing_that_is_shown() -> None:
    # 1e-12 at the start is more than a hundred steps' rounding, and moves errors by less than SAME
    nudge = np.random.default_rng(1)
    for N in RUNS:
        x = draw(np.random.default_rng(2), (N,))
        there = x + 1e-12 * nudge.standard_normal(x.shape)
        runs = [side_by_side(at, 2.0, np.random.default_rng(3)) for at in (x, there)]
        for a, b in zip(*runs, strict=True):
            assert np.abs(a - b).max() < SAME / 10 * np.abs(a).max()
    # means to 1e-11 of a bias above 1e-3
    a, b = (circle_runs(np.random.default_rng(4), 32, 400, wrong) for wrong in (0.0, 1e-12))
    assert max(float(np.abs(one - two).mean()) for one, two in zip(a, b, strict=True)) < SAME / 1000


def test_the_weights_follow_their_flow() -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        x = TURN * rng.random(9)
        y = np.stack([np.cos(x), np.sin(x)])
        angle: Array = 0.3 * rng.standard_normal(1)
        size: Array = 1 - 0.1 * rng.random(1)
        start = size * np.concatenate([np.cos(angle), np.sin(angle)])
        E = start @ expm(GAMMA * H * y @ y.T / 9)
        E /= math.sqrt(1 + E @ E - start @ start)
        angle, size = turned(angle, size, np.exp(2j * x).mean(keepdims=True))
        after = size * np.concatenate([np.cos(angle), np.sin(angle)])
        np.testing.assert_allclose(after, E, rtol=0, atol=64 * U)


def test_other_samples_fall_at_the_same_orders() -> None:
    for which in range(3):
        slope, low, high = order(which)
        other, least, most = order(which, seed=11)
        # Student's 63 degrees of freedom or more: a millionth is at 5.5 errors
        assert abs(slope - other) < 5.5 * math.hypot(high - low, most - least) / 2 / 1.96
        # and the next order at the fewer particles
        assert abs(other + 0.5) < 5.5 * (most - least) / 2 / 1.96 + 1 / 64


@cache
def others(N: int) -> Path:
    return circle_runs(np.random.default_rng(N), N, {32: 5000, 256: 1000}[N])


def test_other_samples_have_the_same_bias() -> None:
    for N in PLAN:
        path = others(N)
        # the copies alone: their mean is known
        value, error = mean(path[2][:, END].real - path[3][:, END].real)
        assert abs(value - bias(N)[0]) < 5 * math.hypot(error, bias(N)[1])
        # and the page's own estimate from them
        value, error = without(gap(path), controls(path, N, END))
        assert abs(value - bias(N)[0]) < 5 * math.hypot(error, bias(N)[1])


def test_other_samples_drift_as_predicted() -> None:
    exact = variances(H, END)
    assert abs((exact[END] - exact[5]) / 3 - rate()) < 1e-5  # all else is forgotten by time 1
    for N in PLAN:
        value, error = times(N / 3, mean(others(N)[0][:, END] ** 2 - others(N)[0][:, 5] ** 2))
        # the next order in N: a variance of rate 4/N makes cos 2x smaller by twice that
        assert abs(value - rate()) < 5 * error + 8 * rate() ** 2 / N
    value, error = pooled()
    assert abs(value - 1) < 5 * error + 8 * rate() / 32


def test_all_but_the_rotation_is_forgotten() -> None:
    assert memory() < 1
    for h in (H, 0.05, 0.0125):
        size = np.sort(np.abs(np.linalg.eigvals(linear_flow(h))))[::-1]
        assert abs(size[0] - 1) < 1e-12
        assert size[1] < 1 - 2 * h
        # the rotation itself: the means of derivatives, and the angle
        turn = np.append(rest(h).slopes, 1.0)
        np.testing.assert_allclose(linear_flow(h) @ turn, turn, rtol=0, atol=1e-13)


def test_the_series_of_the_proof_is_the_flow() -> None:
    # D_h by the formula of the proposition, and the increments of the angle by the proof's sum
    for h in (H, 0.0125):
        at = rest(h)
        s = np.eye(J)[0] / 2
        g = np.linalg.solve(np.eye(J) - at.P, at.c * at.P @ s)
        top = (g + at.c * s) @ at.products @ (g + at.c * s) - g @ at.products @ g
        assert abs(top / h / (1 + at.slopes @ g) ** 2 - rate(h)) < 4e-11
    at, state = rest(), np.append(np.random.default_rng(6).standard_normal(J) / ODD**2, 0.0)
    eta, angles, powers = state[:J], [0.0], [np.eye(J)[0] / 2]
    for _ in range(8):
        state = linear_flow(H) @ state
        angles.append(state[J])
        powers.append(at.P @ powers[-1])
    step, a = np.diff(angles), [at.c * float(at.slopes @ f) for f in powers]
    for k in range(1, 9):
        left = step[k - 1] + sum(a[i] * step[k - 1 - i] for i in range(1, k))
        assert abs(left - at.c * float(eta @ powers[k])) < 1e-14


def test_the_rate_tends_to_that_of_the_diffusion() -> None:
    twice = [2 * rate(h / 2) - rate(h) for h in (0.05, 0.025)]
    assert abs(twice[1] - drift()) < abs(twice[0] - drift()) / 3 < 1e-3
    # what is left in h is of order one: the slopes of neighbours rise towards it
    _, low, high = in_h()
    assert 0.9 < low < high < 1
    rates = [drift(gamma) for gamma in (1.0, 4.0, 100.0, 1e6)]
    assert rates == sorted(rates)
    assert 2 < fastest() * 0.999 < rates[-1] < fastest()


def test_the_table_of_the_bias_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Mean of cos 2x over one particle", named=2)
    for N, runs in PLAN.items():
        plain, off, scaled = rows[str(N), str(runs)]
        for text, pair in (
            (plain, mean(gap(circle_paths()[0][N]))),
            (off, bias(N)),
            (scaled, times(N, bias(N))),
        ):
            agree(numbers(text), shown(lambda pair=pair: pair))  # type: ignore[misc]


def test_the_table_of_the_growth_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Variance of the angle of W", named=2)
    for N, runs in PLAN.items():
        growth, predicted = rows[str(N), str(runs)]
        agree(numbers(growth), shown(lambda N=N: speed(N)))  # type: ignore[misc]
        assert abs(float(predicted) - rate()) <= 5e-5 + 1e-11


def test_the_table_of_the_floor_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Time 1, radians")
    for N, found in zip((64, 512), later()[0], strict=True):
        apart, seen, floor, span = rows[(str(N),)]
        shown_here = [apart, seen, floor, *span.split(" to ")]
        np.testing.assert_allclose([float(text) for text in shown_here], found, rtol=0, atol=6e-4)


def test_the_sampled_distance_is_one_more_floor() -> None:
    # copies are draws of the limit, so by the triangle what is seen is a floor up to their distance
    rng = np.random.default_rng(7)
    for N, (apart, seen, *_) in zip((64, 512), later()[0], strict=True):
        draws = places(rng.random((2, 999, N)))
        floors = sample_distances(draws[0], draws[1])
        # outside once in 500 times
        assert floors.min() - apart <= seen <= floors.max() + apart
    # the page says that the second is above its range of nine
    assert later()[0][0][1] < later()[0][0][4]
    assert later()[0][1][1] > later()[0][1][4]
