"""The numbers of the page on one functional, computed a second time.

The law on the circle follows its Fourier moments, whose equations are those of E cos(kt) and
E sin(kt): no density is differentiated. The scheme on cells is written out with full matrices, and
its T found by another method. The page's particles and random flows are drawn once more from their
seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.polynomial import legendre
from scipy.integrate import quad, solve_ivp
from scipy.linalg import expm
from scipy.optimize import brentq, root
from scipy.special import ive

from tests.second.checks import Check, computed
from tests.second.fits import PRINTED, Array, Fit, fit
from tests.second.shown import numbers, spoken_values, table
from tools.execution import Executed

PAGE = "book/one_functional"
U = 2.0**-53
TURN = 2 * math.pi
KINDS = {"logtrace": "log Tr", "logdet": "log det"}
WHERE = ("circle", "sphere")
CASES = list(product(WHERE, KINDS))
BETA, KAPPA, GAMMA = 2.0, 1.2, 0.8
W_CIRCLE = np.array([[0.3, 0.5], [0.2, -0.4]])
W_SPHERE = {
    "logtrace": np.diag([0.5, 0.5, 0.3]),
    "logdet": np.array([[0.5, 0.0, 0.0], [0.0, 0.6, 0.0]]),
}

# -- what law and weights share --------------------------------------------------------------------


def tension(kind: str, sigma: Array, W: Array) -> Array:
    square = W @ sigma @ W.T
    return np.trace(square) * np.eye(len(W)) if kind == "logtrace" else square


def pull(kind: str, sigma: Array, W: Array) -> Array:
    """P with (Wx)' T^{-1} (Wx) = x' P x."""
    return np.asarray(W.T @ np.linalg.solve(tension(kind, sigma, W), W))


def energy(kind: str, sigma: Array, W: Array) -> float:
    square = W @ sigma @ W.T
    logarithm = np.log(np.trace(square)) if kind == "logtrace" else np.linalg.slogdet(square)[1]
    return float(((W * W).sum() - logarithm) / 2)


def turned(kind: str, sigma: Array, W: Array) -> Array:
    """The rate of W over gamma."""
    return np.asarray(W @ sigma - tension(kind, sigma, W) @ W)


def of_weights(kind: str, sigma: Array, W: Array, gamma: float, kappa: float) -> float:
    """The weights' part of the rate: kappa/gamma times Tr(V' T^{-1} V)."""
    V = gamma * turned(kind, sigma, W)
    return kappa / gamma * float((V * np.linalg.solve(tension(kind, sigma, W), V)).sum())


def rested(kind: str, sigma: Array, W: Array, growth: float) -> Array:
    """Weights after a time at rest of Sigma, growth = gamma times the time, up to a rotation."""
    E = W @ expm(growth * sigma)
    if kind == "logtrace":
        return np.asarray(E / math.sqrt(1 + (E * E).sum() - (W * W).sum()))
    N = np.eye(len(W)) - W @ W.T + E @ E.T
    return np.linalg.solve(np.linalg.cholesky(N), E)


# -- the circle, by moments ------------------------------------------------------------------------
#
# With m_k = E exp(ikt) and V' the sum of v_j exp(ijt), j from -2 to 2, dm_k/dt is
# -k^2 m_k/beta - ik sum_j v_j m_(k+j), cut off at 24, where they are below 1e-15.

MODES = 24
POTENTIAL = np.array([-0.3 - 0.2j, 0.15, 0, 0.15, -0.3 + 0.2j])[::-1]  # of exp(-2it) ... exp(2it)
ANGLES = (np.arange(256) + 0.5) * TURN / 256


def moments(m: Array) -> Array:
    c, s = m[2].real / 2, m[2].imag / 2
    return np.array([[0.5 + c, s], [s, 0.5 - c]])


def field(kind: str, sigma: Array, W: Array) -> Array:
    """Coefficients of exp(-2it) ... exp(2it) of the potential, but for its mean."""
    P = KAPPA / 2 * pull(kind, sigma, W)
    even, odd = (P[0, 0] - P[1, 1]) / 4, P[0, 1] / 2
    return POTENTIAL - np.array([even + 1j * odd, 0, 0, 0, even - 1j * odd])


@dataclass(frozen=True)
class Moments:
    """Where the coupled flow is: moments m_0 ... m_24 and weights."""

    kind: str
    m: Array
    W: Array

    @property
    def sigma(self) -> Array:
        return moments(self.m)

    def series(self, power: int = 0) -> Array:
        """The density, or its derivative, at 256 angles."""
        k = np.arange(MODES + 1)
        waves = np.exp(-1j * np.outer(ANGLES, k)) * (-1j * k) ** power
        return np.asarray((waves @ (self.m * np.where(k > 0, 2, 1))).real / TURN)

    @property
    def mean_energy(self) -> float:
        """E U + kappa E."""
        average = (POTENTIAL[3:] * self.m[1:3]).sum()
        return 2 * float(average.real) + KAPPA * energy(self.kind, self.sigma, self.W)

    @property
    def free_energy(self) -> float:
        rho = self.series()
        return self.mean_energy + float((rho * np.log(rho)).mean()) * TURN / BETA

    @property
    def lost(self) -> tuple[float, float]:
        """The two parts of the rate."""
        j, rho = np.arange(-2, 3), self.series()
        V = np.exp(1j * np.outer(ANGLES, j)) @ (1j * j * field(self.kind, self.sigma, self.W))
        slope = V.real + self.series(1) / rho / BETA
        law = float((rho * slope**2).mean()) * TURN
        return law, of_weights(self.kind, self.sigma, self.W, GAMMA, KAPPA)


@cache
def followed(kind: str, times: tuple[float, ...], plain: bool = False) -> list[Moments]:
    """The coupled flow at some times."""
    k = np.arange(MODES + 1)
    # E exp(ikt) of exp(cos(t - 1))
    start = ive(k, 1.0) / ive(0, 1.0) * np.exp(1j * k)

    def read(x: Array) -> Moments:
        m = np.concatenate([[1.0], x[:MODES] + 1j * x[MODES : 2 * MODES]])
        return Moments(kind, m, x[2 * MODES :].reshape(2, 2))

    def rate(_: float, x: Array) -> Array:
        now = read(x)
        v = 1j * np.arange(-2, 3) * field(kind, now.sigma, now.W)
        around = np.concatenate([now.m[2:0:-1].conj(), now.m, [0, 0]])  # from k = -2 on
        drift = sum(v[j] * around[j : j + MODES + 1] for j in range(5))
        dm = (-(k**2) * now.m / BETA - 1j * k * drift)[1:]
        dW = GAMMA * turned(kind, now.sigma, now.W)
        if plain:
            dW = np.linalg.solve(tension(kind, now.sigma, now.W), dW)
        return np.concatenate([dm.real, dm.imag, dW.ravel()])

    x = np.concatenate([start[1:].real, start[1:].imag, W_CIRCLE.ravel()])
    found = solve_ivp(rate, (0, times[-1]), x, t_eval=times, method="DOP853",
                      rtol=1e-11, atol=1e-14)  # fmt: skip
    return [read(state) for state in found.y.T]


LATE = 0.4


def at_late(kind: str) -> Moments:
    return followed(kind, (LATE,))[0]


# -- cells -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cells:
    """A flow on cells: U, x x', volumes, faces over distances, and all numbers."""

    kind: str
    potential: Array
    squares: Array  # (n, D, D)
    volumes: Array
    faces: Array  # from each cell to the next
    beta: float = BETA
    kappa: float = KAPPA
    gamma: float = GAMMA

    def sigma(self, p: Array) -> Array:
        return np.tensordot(p, self.squares, 1)

    def free_energy(self, p: Array, W: Array) -> float:
        entropy = float(p @ np.log(p / self.volumes))
        coupled = self.kappa * energy(self.kind, self.sigma(p), W)
        return float(p @ self.potential) + entropy / self.beta + coupled

    def field(self, sigma: Array, W: Array) -> Array:
        P = pull(self.kind, sigma, W)
        return np.asarray(self.potential - self.kappa / 2 * (self.squares * P).sum(axis=(1, 2)))

    def flux(self, V: Array) -> tuple[Array, Array]:
        """What J has of the density on either side of each face."""
        n = len(self.faces)
        d = self.beta * (np.roll(V, -1) - V)[:n]
        small = np.abs(d) < 1e-8
        safe = np.where(small, 1.0, d)
        B = np.where(small, 1 - d / 2, safe / np.expm1(safe))
        return self.faces / self.beta * B, self.faces / self.beta * (B + d)

    def step(self, p: Array, V: Array, tau: float) -> Array:
        """An implicit step in the potential V."""
        n, (out, into) = len(p), self.flux(V)
        A = np.zeros((n, n))
        left = np.arange(len(self.faces))
        right = (left + 1) % n
        np.add.at(A, (left, left), out / self.volumes[left])
        np.add.at(A, (right, left), -out / self.volumes[left])
        np.add.at(A, (right, right), into / self.volumes[right])
        np.add.at(A, (left, right), -into / self.volumes[right])
        return np.linalg.solve(np.eye(n) + tau * A, p)

    def implicit(self, p: Array, W: Array, tau: float) -> Array:
        """The step whose T is its own; T in logarithms, by Powell's method, from shorter steps."""
        square = tension(self.kind, self.sigma(p), W)
        C = np.linalg.cholesky(square)
        size = 1 if self.kind == "logtrace" else len(W)
        lower = np.tril_indices(size)

        def of(x: Array) -> Array:
            L = np.zeros((size, size))
            L[lower] = x
            scale = expm((L + L.T) / 2)
            if self.kind == "logtrace":
                scale = scale[0, 0] * np.eye(len(W))
            T = C @ scale @ C.T
            P = W.T @ np.linalg.solve(T, W)
            V = self.potential - self.kappa / 2 * (self.squares * P).sum(axis=(1, 2))
            return self.step(p, V, part)

        def miss(x: Array) -> Array:
            after = of(x)
            own = tension(self.kind, self.sigma(after), W)
            L = np.zeros((size, size))
            L[lower] = x
            scale = expm((L + L.T) / 2)
            relative = np.linalg.solve(C, np.linalg.solve(C, own).T)
            return np.asarray((relative[:size, :size] - scale)[lower])

        x, done = np.zeros(len(lower[0])), 0.0
        part = tau
        while True:
            found = root(miss, x, tol=1e-14)
            if np.abs(found.fun).max() < 1e-11 * np.abs(found.x + 1).max():
                x, done = found.x, part
                if done == tau:
                    return of(x)
                part = min(tau, 8 * part)
            else:
                part = math.sqrt(done * part) if done else part / 64
                assert part > 1e-9 * tau

    def both(self, p: Array, W: Array, tau: float) -> tuple[Array, Array]:
        p = self.implicit(p, W, tau)
        p = p / p.sum()
        return p, rested(self.kind, self.sigma(p), W, self.gamma * tau)

    def lost(self, p: Array, W: Array) -> tuple[float, float]:
        sigma, rho = self.sigma(p), p / self.volumes
        V = self.field(sigma, W)
        mu, n = V + np.log(rho) / self.beta, len(self.faces)
        out, into = self.flux(V)
        J = out * rho[:n] - into * np.roll(rho, -1)[:n]
        points = float(J @ (mu - np.roll(mu, -1))[:n])
        return points, of_weights(self.kind, sigma, W, self.gamma, self.kappa)


def circle(kind: str, U: Callable[[Array], Array], n: int, *of: float) -> Cells:
    t = (np.arange(n) + 0.5) * TURN / n
    y = np.array([np.cos(t), np.sin(t)])
    squares = np.einsum("in,jn->nij", y, y)
    return Cells(kind, U(t), squares, np.full(n, TURN / n), np.full(n, n / TURN), *of)


def sphere(kind: str, U: Callable[[Array], Array], n: int, *of: float) -> Cells:
    z, weight = legendre.leggauss(n)
    face = (np.cumsum(weight) - 1)[:-1]
    across = (1 - z**2) / 2
    squares = np.array([np.diag([a, a, h * h]) for a, h in zip(across, z, strict=True)])
    faces = TURN * (1 - face**2) / np.diff(z)
    return Cells(kind, U(z), squares, TURN * weight, faces, *of)


def wells(t: Array) -> Array:
    return np.asarray(0.3 * np.cos(t) - 0.6 * np.cos(2 * t) + 0.4 * np.sin(2 * t))


def of_case(where: str, kind: str, n: int) -> tuple[Cells, Array, Array]:
    """The page's flow on n cells, the start, and the weights."""
    if where == "circle":
        cells, W = circle(kind, wells, n), W_CIRCLE
        p = np.exp(np.cos((np.arange(n) + 0.5) * TURN / n - 1))
    else:
        cells, W = sphere(kind, lambda z: z + z**2 / 2, n, 1.5), W_SPHERE[kind]
        p = cells.volumes * np.exp(legendre.leggauss(n)[0] / 2)
    return cells, p / p.sum(), W


def gap(where: str, kind: str, h: float) -> float:
    cells, p, W = of_case(where, kind, 32)
    F, lost = [cells.free_energy(p, W)], [sum(cells.lost(p, W))]
    for _ in range(round(0.025 / h)):
        p, W = cells.both(p, W, h)
        F.append(cells.free_energy(p, W))
        lost.append(sum(cells.lost(p, W)))
    mean = (np.array(lost)[1:] + np.array(lost)[:-1]) / 2
    return float(np.abs(np.diff(F) / h + mean).max())


STEPS, WIDTHS = 1 / np.array([160, 320, 640]), np.array([64, 128, 256, 512])


@cache
def in_time() -> dict[tuple[str, str], Fit]:
    return {case: fit(STEPS, [gap(*case, h) for h in STEPS]) for case in CASES}


@cache
def integral(where: str, kind: str) -> float:
    """Integral of |grad mu|^2 rho at the start, mu differentiated by hand."""
    if where == "circle":
        return followed(kind, (0.0, LATE))[0].lost[0]
    W = W_SPHERE[kind]
    mass = quad(lambda z: math.exp(z / 2), -1, 1, epsabs=0, epsrel=1e-13)[0]
    second = quad(lambda z: z * z * math.exp(z / 2), -1, 1, epsabs=0, epsrel=1e-13)[0] / mass
    P = pull(kind, np.diag([(1 - second) / 2, (1 - second) / 2, second]), W)

    def rate(z: float) -> float:
        slope = 1 + z - KAPPA * (P[2, 2] - P[0, 0]) * z + 1 / 2 / 1.5
        return (1 - z * z) * slope**2 * math.exp(z / 2) / mass

    return quad(rate, -1, 1, epsabs=0, epsrel=1e-13)[0]


def of_cells(where: str, kind: str, n: int) -> float:
    cells, p, W = of_case(where, kind, n)
    return cells.lost(p, W)[0]


@cache
def in_width() -> dict[tuple[str, str], Fit]:
    def off(case: tuple[str, str], n: int) -> float:
        return abs(of_cells(*case, n) - integral(*case))

    return {case: fit(1 / WIDTHS, [off(case, n) for n in WIDTHS]) for case in CASES}


def over(found: dict[tuple[str, str], Fit]) -> Fit:
    slope, low, high = np.array(list(found.values())).T
    return float(slope.mean()), float(low.min()), float(high.max())


def from_steps() -> float:
    """The derivative of F from three steps, over the rate."""
    cells, p, W = of_case("circle", "logdet", 32)
    first = cells.free_energy(p, W)
    found = [(cells.free_energy(*cells.both(p, W, k * 2e-4)) - first) / (k * 2e-4)
             for k in (1, 2, 4)]  # fmt: skip
    derivative = (8 * found[0] - 6 * found[1] + found[2]) / 3
    return abs(derivative / sum(cells.lost(p, W)) + 1)


@cache
def cells_off() -> float:
    worst = 0.0
    for kind in KINDS:
        cells, p, W = of_case("circle", kind, 64)
        for _ in range(20):
            p, W = cells.both(p, W, 0.02)
        worst = max(worst, abs(cells.free_energy(p, W) - at_late(kind).free_energy))
    return worst


# -- random flows ----------------------------------------------------------------------------------


def random_rise(seed: int, where: str, kind: str) -> float:
    rng = np.random.default_rng([20270501, seed])
    a, b, c = rng.normal(0, 1.5, 3)
    if where == "circle":
        W: Array = rng.normal(size=(2, 2))
        W = W[: rng.integers(1, 3)]
    else:
        rows = [np.eye(3)[:2], np.eye(3)[2:]][rng.integers(2)]
        W = rows * rng.uniform(0.1, 2)
    beta, kappa, gamma = 10 ** rng.uniform([-0.5, -1, -1], 1)
    tilt, step = rng.normal(0, 2), 10 ** rng.uniform(-3, 2)
    if where == "circle":
        cells = circle(kind, lambda t: a * np.cos(t) + b * np.cos(2 * t) + c * np.sin(t), 32,
                       beta, kappa, gamma)  # fmt: skip
        first = (np.arange(32) + 0.5) * TURN / 32
    else:
        cells = sphere(kind, lambda z: a * z + b * z * z, 32, beta, kappa, gamma)
        first = np.sqrt(1 - legendre.leggauss(32)[0] ** 2)
    p = cells.volumes * np.exp(tilt * first)
    p, F = p / p.sum(), list[float]()
    for _ in range(5):
        F.append(cells.free_energy(p, W))
        p, W = cells.both(p, W, step)
    F.append(cells.free_energy(p, W))
    return float((np.diff(F) / np.maximum(1, np.abs(F[1:]))).max())


@cache
def rise() -> float:
    return max(random_rise(seed, *case) for case in CASES for seed in range(3))


# -- the step that lags ----------------------------------------------------------------------------


@cache
def trap(n: int) -> tuple[Cells, Array, Array]:
    cells = circle("logdet", lambda t: 8 * np.sin(t) ** 2, n, 10.0, 1.0)
    p = np.exp(-11 * cells.squares[:, 1, 1])
    return cells, p / p.sum(), np.array([[0.0, 1.0]])


def seen(p: Array, cells: Cells) -> float:
    return float(p @ cells.squares[:, 1, 1])


@cache
def change(tau: float, new: bool, n: int = 64) -> float:
    """Change of F over a step, with the new T or with the old one."""
    cells, p, W = trap(n)

    def after(T: float) -> Array:
        return cells.step(p, cells.potential - cells.squares[:, 1, 1] / (2 * T), tau)

    T = seen(p, cells)
    if new:
        T = brentq(lambda T: seen(after(T), cells) - T, T / 20, 1.0, xtol=1e-15, rtol=1e-14)
    return cells.free_energy(after(T), W) - cells.free_energy(p, W)


@cache
def price() -> tuple[float, float, float]:
    """How T grows over the lagged step of 0.1; the change of the tangent; the price."""
    cells, p, _ = trap(64)
    T = seen(p, cells)
    V = cells.potential - cells.squares[:, 1, 1] / (2 * T)
    after = cells.step(p, V, 0.1)
    q = seen(after, cells) / T
    tangent = (after - p) @ V + (after @ np.log(after) - p @ np.log(p)) / 10
    return q, float(tangent), (q - 1 - math.log(q)) / 2


# -- particles -------------------------------------------------------------------------------------

SIZE, REPLICAS = 1000, 8


def observed(sigma: Array, W: Array, mean_energy: float) -> Array:
    gram = W.T @ W
    return np.array([sigma[0, 0], sigma[0, 1], gram[0, 0], gram[0, 1], gram[1, 1], mean_energy])


def walked(kind: str, rng: np.random.Generator, h: float) -> Array:
    """The page's particles at time 0.4, drawn once more: each call has its own child seed."""
    mass = np.exp(np.cos(ANGLES - 1))
    below = np.append(0.0, np.cumsum(mass / mass.sum()))
    t = np.interp(rng.random(SIZE), below, np.linspace(0, TURN, 257))
    seed = rng.bit_generator.seed_seq.spawn(1)[0]  # type: ignore[attr-defined]
    drawn, W = np.random.Generator(np.random.SFC64(seed)), W_CIRCLE

    def sigma() -> Array:
        y = np.array([np.cos(t), np.sin(t)])
        return y @ y.T / SIZE

    for _ in range(round(0.4 / h)):
        P = KAPPA * pull(kind, sigma(), W)
        slope = -0.3 * np.sin(t) + 1.2 * np.sin(2 * t) + 0.8 * np.cos(2 * t)
        slope -= P[0, 1] * np.cos(2 * t) + (P[1, 1] - P[0, 0]) / 2 * np.sin(2 * t)
        t = t - h * slope + math.sqrt(2 * h / BETA) * drawn.standard_normal(SIZE)
        W = rested(kind, sigma(), W, GAMMA * h)
    return observed(sigma(), W, float(wells(t).mean()) + KAPPA * energy(kind, sigma(), W))


@cache
def particles() -> dict[str, tuple[Array, Array, Array]]:
    """Means, standard errors, and what the density says."""
    rng, found = np.random.default_rng(20270502), {}
    for kind in KINDS:
        replicas = []
        for _ in range(REPLICAS):
            rough, fine = (walked(kind, rng, h) for h in (0.1, 0.05))
            replicas.append(2 * fine - rough)
        late, sample = at_late(kind), np.array(replicas)
        found[kind] = (
            sample.mean(0),
            sample.std(0, ddof=1) / math.sqrt(REPLICAS),
            observed(late.sigma, late.W, late.mean_energy),
        )
    return found


def worst_score() -> float:
    return max(float((np.abs(m - true) / e).max()) for m, e, true in particles().values())


# -- the plateau -----------------------------------------------------------------------------------


def level(axis: int) -> float:
    """F where the weights are on an axis, by adaptive integration."""

    def mean(f: Callable[[float], float], T: float) -> float:
        def rho(t: float) -> float:
            return math.exp(math.cos(2 * t) + shape(t) / (2 * T) - 1 / (2 * T))

        return quad(lambda t: f(t) * rho(t), 0, math.pi, epsabs=1e-13, epsrel=1e-13, limit=200)[0]

    def shape(t: float) -> float:
        return math.cos(t) ** 2 if axis == 0 else math.sin(t) ** 2

    def off(T: float) -> float:
        return mean(shape, T) / mean(lambda _: 1.0, T) - T

    T = float(brentq(off, 0.05, 1.0, xtol=1e-14))
    size = mean(lambda _: 1.0, T)
    # log rho = cos 2t + shape/(2T) - 1/(2T) - log(2 size), U = -cos(2t)/2: U and half the entropy
    # leave a quarter of E shape/T = 1
    free = (1 / (2 * T) * T - 1 / (2 * T) - math.log(2 * size)) / 2
    return free + (1 - math.log(T)) / 4


@cache
def plateau(tilt: float) -> tuple[Array, Array]:
    """F at the times of the clock, and the last weights."""
    cells = circle("logdet", lambda t: -np.cos(2 * t) / 2, 32, 2.0, 0.5, 1.0)
    p, W, F = np.full(32, 1 / 32), np.array([[tilt, 0.5]]), list[float]()
    for k in range(33):
        F.append(cells.free_energy(p, W))
        for _ in range(2 if k < 32 else 0):  # 1.25, in steps of at most one
            p, W = cells.both(p, W, 0.625)
    return np.array(F), W


def levels_off() -> float:
    found = [plateau(tilt)[0][-1] for tilt in (0.0, 1e-3)]
    return float(np.abs(np.subtract(found, [level(1), level(0)])).max())


# -- convex, until the weights follow --------------------------------------------------------------


@cache
def convex() -> tuple[float, float]:
    """How far F of the mean is above the mean of F, and below it with the weights held."""
    ratio = float(ive(1, 3.0) / ive(0, 3.0))
    size = float(ive(0, 3.0)) * math.exp(3)
    one = 3 * ratio - math.log(TURN * size)

    def mixed(t: float) -> float:
        rho = math.cosh(3 * math.cos(2 * t)) / (TURN * size)
        return rho * math.log(rho)

    # four times a quarter: no side is special
    entropy = 4 * quad(mixed, 0, math.pi / 2, epsabs=1e-13, epsrel=1e-13)[0]
    gained = (entropy - one) / 10
    lift = math.log(1 + ratio) / 2 + gained
    held = math.log(1 - ratio * ratio) / 4 + gained
    return lift, -held


# -- what the page says ----------------------------------------------------------------------------

# The page's integrator takes fewer than 30 steps to time 0.4, each right to 1e-9 of the entries,
# whose sum is one: F is off by that times the size of mu, 3, and the integrals by as much as they
# are large. A test looks for how much is lost.
INTEGRATED, LOST = 30 * 4e-9, 0.17
# The solver's own 1e-10, before and after, and the nodes; over a loss above one.
ON_PLANE = 4 * 1e-10
# F of 64 cells is a sum of that many terms below ten, right to 8 u each, and twice that a
# difference; T that is right to 1e-13 moves it less.
F_OFF = 2 * 64 * 8 * U
# Three changes of F on 32 cells, below four in size, over steps of 2e-4 and a rate above 2.
STEP_RATE = (8 + 6 / 2 + 1 / 4) / 3 / 2e-4 / 2 * 2 * 32 * 4 * U
# Fluxes on n cells are differences of terms n times as large, and so are those of mu.
SUMMED = 1e-12
IN_TIME = 2 * F_OFF * 640 / 7e-4 / math.log(2)  # the least gap is above 7e-4,
IN_WIDTH = 2 * 2 * SUMMED / 1e-5 / math.log(2)  # or above 1e-5
# What is left of a branch of the logarithm arsinh(pi/6) off the axis on 32 nodes of cos 2t
ENTROPY = math.exp(-32 * math.asinh(math.pi / 6)) / 32
# 64 steps, in each of which T is right to 1e-13, ten times over
RESTED = 64 * 1e-12
SCORED = INTEGRATED / 4e-4  # the least standard error is above that
TAUS = 10 ** np.linspace(-3, 1, 9)

GLUED: dict[str, Check] = {
    "circle_trace": (lambda: 0.0, INTEGRATED / LOST),
    "circle_det": (lambda: 0.0, INTEGRATED / LOST),
    "on_plane": (lambda: 0.0, ON_PLANE),
    "exact_cells": (from_steps, STEP_RATE),
    "smooth_cells": (
        lambda: abs(of_cells("circle", "logdet", 32) / integral("circle", "logdet") - 1),
        SUMMED,
    ),
    "flows": (lambda: 12, 0),
    "rise": (rise, F_OFF),
    "lagged": (lambda: change(0.1, False), F_OFF),
    "lagged_one": (lambda: change(1.0, False), F_OFF),
    "ours": (lambda: change(0.1, True), F_OFF),
    "ours_one": (lambda: change(1.0, True), F_OFF),
    "worst_ours": (lambda: max(change(float(tau), True) for tau in TAUS), F_OFF),
    "finer": (lambda: 128, 0),
    "finer_lagged": (lambda: change(0.1, False, 128), 2 * F_OFF),
    "worst_score": (worst_score, SCORED),
    "cells_off": (cells_off, INTEGRATED),
    "saddle": (lambda: float(plateau(0.0)[0][-1]), RESTED),
    "least": (lambda: float(plateau(1e-3)[0][-1]), RESTED),
    "levels_off": (levels_off, 2 * RESTED),
    "plain_off": (lambda: 0.0, INTEGRATED / LOST),
    "q": (lambda: price()[0], F_OFF),
    "of_tangent": (lambda: price()[1], F_OFF),
    "price": (lambda: price()[2], F_OFF),
    "price_off": (lambda: 0.0, F_OFF),
    "lift": (lambda: convex()[0], ENTROPY),
    "sag": (lambda: convex()[1], ENTROPY),
    "lift_off": (lambda: 0.0, F_OFF),
}
CLAIMED: dict[str, Check] = {
    "C3aa": (lambda: 0.0, INTEGRATED / LOST),
    "C3ab": GLUED["on_plane"],
    "C3ac": (lambda: over(in_time()), IN_TIME),
    "C3ad": (lambda: over(in_width()), IN_WIDTH),
    "C3ae": GLUED["rise"],
    "C3af": GLUED["lagged"],
    "C3ag": GLUED["worst_score"],
}
BANDS: dict[str, tuple[float | str, float | list[float]]] = {
    "C3aa": ("≤ 1e-06", 0.0),
    "C3ab": ("≤ 1e-08", 0.0),
    "C3ac": (1.0, 0.05),
    "C3ad": (2.0, 0.05),
    "C3ae": ("≤ 1e-12", 0.0),
    "C3af": (0.16, 0.005),
    "C3ag": ("≤ 4", 0.0),
}
VERDICTS = dict.fromkeys(CLAIMED, ("holds if", True)) | {"C3af": ("holds", False)}
TYPED = {
    r"At $\tau = 0.1$ the lagged step": "the step of the counterexample",
    r"the lagged step at $\tau = 0.1$ raises": "the same",
    "with 64 of them and steps of 0.02, give": "the cells and steps that are tried",
    "orders within 0.05 of one and two": "the bands of C3ac and C3ad",
    r"Check it on the counterexample at $\tau = 0.1$.": "the step of the counterexample",
}

# -- what the page says beside ---------------------------------------------------------------------


def test_the_budget_closes_by_moments() -> None:
    node, weight = legendre.leggauss(60)
    times = (0.0, *(LATE / 2 * (1 + node)), LATE)
    for kind, plain in product(KINDS, (False, True)):
        path = followed(kind, times, plain)
        lost = path[0].free_energy - path[-1].free_energy
        assert lost > LOST
        sizes = (abs(x.free_energy) for x in path)
        assert max(sizes) < 10
        rates = []
        for now in path[1:-1]:
            law, weights = now.lost
            if plain:
                T = tension(kind, now.sigma, now.W)
                G = np.linalg.solve(T, turned(kind, now.sigma, now.W))
                weights = GAMMA * KAPPA * float((G * G).sum())
            rates.append(law + weights)
        # asked for 1e-11, as the page's integrator for 1e-9
        assert abs(LATE / 2 * weight @ rates - lost) < INTEGRATED / 100


def test_moments_and_cells_see_one_law() -> None:
    # the start, and both parts of the rate: the weights' exactly, the law's to second order
    for kind in KINDS:
        cells, p, W = of_case("circle", kind, 128)
        start = followed(kind, (0.0, LATE))[0]
        np.testing.assert_allclose(start.sigma, cells.sigma(p), rtol=0, atol=SUMMED)
        assert abs(start.free_energy - cells.free_energy(p, W)) < SUMMED
        assert abs(start.lost[1] - cells.lost(p, W)[1]) < SUMMED
        assert abs(start.lost[0] - cells.lost(p, W)[0]) < 1e-3


def test_the_budget_closes_on_the_plane() -> None:
    A, beta = np.array([[1.0, 0.3], [0.3, 2.0]]), 2.0
    node, weight = legendre.leggauss(30)
    times = (0.0, *(1.5 + 1.5 * node), 3.0)
    for kind in KINDS:

        def read(x: Array) -> tuple[Array, Array, Array, Array]:
            mean, C, W = x[:2], x[2:6].reshape(2, 2), x[6:].reshape(2, 2)
            return mean, C, W, C + np.outer(mean, mean)

        def rate(_: float, x: Array, kind: str = kind) -> Array:
            mean, C, W, sigma = read(x)
            drift = KAPPA * pull(kind, sigma, W) - A
            dC = drift @ C + C @ drift.T + 2 / beta * np.eye(2)
            dW = GAMMA * turned(kind, sigma, W)
            return np.concatenate([drift @ mean, dC.ravel(), dW.ravel()])

        def free(x: Array, kind: str = kind) -> float:
            _, C, W, sigma = read(x)
            entropy = -math.log(TURN * math.e) - np.linalg.slogdet(C)[1] / 2
            return float((A * sigma).sum() / 2 + entropy / beta + KAPPA * energy(kind, sigma, W))

        def lost(x: Array, kind: str = kind) -> float:
            _, C, W, sigma = read(x)
            # grad mu = (A - K) x - C^{-1} (x - mean)/beta, of which the mean square
            B = A - KAPPA * pull(kind, sigma, W)
            square = (B.T @ B * sigma).sum() - 2 / beta * np.trace(B)
            square += np.trace(np.linalg.inv(C)) / beta**2
            return float(square) + of_weights(kind, sigma, W, GAMMA, KAPPA)

        start = np.concatenate([[1.0, -0.5], [0.5, 0.2, 0.2, 0.4], W_CIRCLE.ravel()])
        path = solve_ivp(rate, (0, 3), start, t_eval=times, rtol=1e-12, atol=1e-14).y.T
        fallen = free(path[0]) - free(path[-1])
        assert fallen > 1
        integral = 1.5 * float(weight @ [lost(x) for x in path[1:-1]])
        assert abs(integral - fallen) < ON_PLANE


def test_the_table_of_orders_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Orders of dF/dt + dissipation", named=2)
    assert list(rows) == [(where, KINDS[kind]) for where, kind in CASES]
    for case, shown in zip(CASES, rows.values(), strict=True):
        for text, found in zip(shown, (in_time()[case], in_width()[case]), strict=True):
            np.testing.assert_allclose(numbers(text), found, rtol=0, atol=PRINTED + IN_WIDTH)


def test_no_gap_is_smaller_than_its_tolerance_says() -> None:
    assert min(gap(*case, STEPS[-1]) for case in CASES) > 7e-4
    assert min(abs(of_cells(*case, 512) - integral(*case)) for case in CASES) > 1e-5
    cells, p, W = of_case("circle", "logdet", 32)
    assert sum(cells.lost(p, W)) > 2
    assert abs(cells.free_energy(p, W)) < 4


def test_the_weights_take_over() -> None:
    # the law's part is the larger one at first, that of the weights in the end
    times = tuple(np.linspace(0, 4, 81))
    for kind in KINDS:
        path = np.array([now.lost for now in followed(kind, times)])
        assert path[0, 0] > path[0, 1]
        assert path[-1, 0] < path[-1, 1]
        assert (np.diff(path[:, 0]) < 0).all()
        if kind == "logtrace":  # where the rate grows again
            rate = path.sum(axis=1)
            assert rate[50] > 1.1 * rate[30]
            assert rate[-1] < rate[30]
        cells, p, W = of_case("sphere", kind, 32)
        first = cells.lost(p, W)
        for _ in range(40):
            p, W = cells.both(p, W, 0.1)
        last = cells.lost(p, W)
        assert first[0] > first[1]
        assert last[0] < last[1] < first[1]


def test_where_the_lagged_step_turns() -> None:
    old = [change(float(tau), False) for tau in TAUS]
    assert all(change(float(tau), True) < 0 for tau in TAUS)
    np.testing.assert_array_equal(np.array(old) > 0, TAUS > 0.05)
    assert change(0.01, False) < 0 < change(0.1, False)
    assert old[-1] > 5
    # on the full edition's grid too, of which the ends are the same
    finer = 10 ** np.linspace(-3, 1, 25)
    assert max(change(float(tau), True) for tau in finer) == change(float(finer[0]), True)
    # and on its cells
    assert abs(change(0.1, False, 512) - 0.145) < 1e-3


def test_the_explorer_of_rows_is_right(executed: dict[str, Executed]) -> None:
    said = spoken_values(executed[PAGE], "What the rows become")
    times = [0, 2, 6, 20]
    assert list(said) == [(name, f"{time}") for name in KINDS.values() for time in times]
    for kind, name in KINDS.items():
        cells, p, W = of_case("circle", kind, 32)
        for step in range(41):
            if step / 2 in times:
                F, ratio = said[name, f"{step // 2}"]
                size = np.linalg.svd(W, compute_uv=False)
                # 40 steps whose T is right to 1e-10
                assert abs(F - cells.free_energy(p, W)) <= 5.001e-4
                assert abs(ratio - size[1] / size[0]) <= 5.001e-4
            p, W = cells.both(p, W, 0.5)


def test_the_table_of_particles_is_right(executed: dict[str, Executed]) -> None:
    rows = list(table(executed[PAGE], "Particles against the density").items())
    assert len(rows) == 12
    for (kind, label), cells in zip(KINDS.items(), (rows[:6], rows[6:]), strict=True):
        for ((name,), (sample, shown)), mean, error, true in zip(
            cells, *particles()[kind], strict=True
        ):
            assert name.startswith(f"{label}: ")
            np.testing.assert_allclose(
                numbers(sample), [mean, error], rtol=0, atol=5e-5 + INTEGRATED
            )
            assert abs(float(shown) - true) <= 5e-5 + INTEGRATED
        assert float(particles()[kind][1].min()) > 4e-4


def test_where_the_plateau_ends() -> None:
    upper, lower = level(1), level(0)
    straight, tilted = plateau(0.0), plateau(1e-3)
    assert (np.diff(np.concatenate([straight[0][:8], tilted[0]])[8:]) < F_OFF).all()
    assert (np.abs(straight[0][8:] - upper) < 1e-4).all()
    assert (np.abs(tilted[0][4:8] - upper) < 2e-3).all()  # rests for a while
    assert (tilted[0][20:] < (upper + lower) / 2).all()
    for (_, W), axis in ((straight, 1), (tilted, 0)):
        np.testing.assert_allclose(np.abs(W[0]), np.eye(2)[axis], rtol=0, atol=5e-4)


def test_the_tangent_and_its_price_make_the_change() -> None:
    _, tangent, cost = price()
    assert abs(tangent + cost - change(0.1, False)) < computed(GLUED["lagged"][1])  # type: ignore[operator]
    assert tangent < 0 < cost
