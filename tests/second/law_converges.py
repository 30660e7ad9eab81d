"""The numbers of the law's page: circle, sphere and R^2, computed a second time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.polynomial import legendre
from scipy.linalg import expm, sqrtm
from scipy.special import gammaln, iv, jv

from tests.second.checks import Check
from tests.second.circle import (
    TURN,
    WAVES,
    circle_distance,
    circle_limit,
    circle_step,
    circle_walk,
    from_point,
    from_weight,
    least,
    pushed,
)
from tests.second.fits import PRINTED, SAME, Array, Fit, fit, last_halvings
from tests.second.shown import numbers, prints, spoken, table
from tests.second.sphere import (
    DEGREE,
    from_height,
    from_ring,
    sphere_distance,
    sphere_limit,
    sphere_rate,
    sphere_step,
    sphere_walk,
)
from tools.execution import Executed

PAGE = "book/law_converges"
STEPS = 2.0 ** -np.arange(3, 11)
EIGHTHS = np.arange(1, 17) / 8

# -- the circle, U = cos x, beta = 1 ---------------------------------------------------------------

STARTS = {
    "exp(sin x)": from_weight(lambda t: np.exp(np.sin(t))),
    "1 + cos(3x)/2": from_weight(lambda t: 1 + np.cos(3 * t) / 2),
    "point x = 1": from_point(1.0),
}


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
    """Rows: steps 1/64 to 1/512; the worst of three starts and times 1/4 to 2."""
    worst, quarter = [], circle_limit(0.25)
    for h in STEPS[3:7]:
        found = 0.0
        for x in (0.0, TURN / 3, 2 * TURN / 3):
            walked, truth = from_point(x), from_point(x)
            for _ in range(8):
                walked, truth = circle_walk(walked, h, 0.25), quarter @ truth
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


@cache
def sphere_errors(start: str) -> tuple[float, ...]:
    begin = {
        "exp(-z)": from_height(lambda z: np.exp(-z)),
        "1 + z/2": from_height(lambda z: 1 + z / 2),
        "ring z = 0.3": from_ring(0.3),
    }[start]
    limit = sphere_limit(1.0) @ begin
    return tuple(sphere_distance(sphere_walk(begin, h, 1.0), limit) for h in STEPS)


@cache
def sphere_ring_errors() -> Array:
    worst, quarter = [], sphere_limit(0.25)
    for h in STEPS[3:7]:
        found = 0.0
        for z in (-1.0, 0.0, 1.0):
            walked, truth = from_ring(z), from_ring(z)
            for _ in range(8):
                walked, truth = sphere_walk(walked, h, 0.25), quarter @ truth
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


# -- R^2 -------------------------------------------------------------------------------------------


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


# -- what the page says ----------------------------------------------------------------------------

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


POINT_1 = "point x = 1"
GLUED: dict[str, Check] = {
    "coarse": (lambda: circle_errors(POINT_1)[3], 1e-8 * 0.003),
    "halving": (lambda: circle_errors(POINT_1)[3] / circle_errors(POINT_1)[4], SAME),
    "from_point": (lambda: fit(STEPS, circle_errors(POINT_1)), PRINTED + SAME),
    "circle_sup": (lambda: fit(STEPS, circle_sups()), PRINTED + SAME),
    "sphere_sup": (lambda: fit(STEPS, sphere_sups()), PRINTED + SAME),
    "circle_low": (lambda: slopes("circle").min(), SAME),
    "circle_high": (lambda: slopes("circle").max(), SAME),
    "circle_last_low": (lambda: slopes("circle_last").min(), SAME),
    "circle_last_high": (lambda: slopes("circle_last").max(), SAME),
    "sphere_low": (lambda: slopes("sphere").min(), SAME),
    "sphere_high": (lambda: slopes("sphere").max(), SAME),
    "sphere_last_low": (lambda: slopes("sphere_last").min(), SAME),
    "sphere_last_high": (lambda: slopes("sphere_last").max(), SAME),
    "missed": (lambda: int((np.abs(slopes("sphere") - 1) > 0.02).sum()), 0),
    "of": (lambda: 3, 0),  # the quick edition's cases on each space
    "every_point": (lambda: fit(STEPS[3:7], circle_point_errors()), PRINTED + SAME),
    "every_ring": (lambda: fit(STEPS[3:7], sphere_ring_errors()), PRINTED + SAME),
    "n_points": (lambda: 3, 0),
    "n_rings": (lambda: 1, 0),
    "euler": (lambda: fit(STEPS[1:], euler_errors()[0]), PRINTED + SAME),
    "kept": (lambda: fit(STEPS[1:], euler_errors()[1]), PRINTED + SAME),
    "signs": (lambda: fit(STEPS, sign_errors()), PRINTED + SAME),
    "interval": (lambda: fit(STEPS, interval_errors()), PRINTED + SAME),
    "ratio": (lambda: max(approach(0.0)[0], approach(0.5)[0]), SAME),
    "rate_free": (lambda: approach(0.0)[1], SAME),
    "rate_tilted": (lambda: approach(0.5)[1], SAME),
    "gap_free": (lambda: 2.0, ROUNDING),
    "gap_tilted": (gap_tilted, 2 * ROUNDING),
    # Zero. The rows of Metropolis' operator bend like (2/3) q |x|^3 at 0 and pi, q = 2.26 at most;
    # the waves above 64 of that sum to 1.5e-5, and W2 <= 2 |.|_(H^-1(pi)) divides them by 64 and by
    # the root of the least density of pi, 0.29.
    "residue": (lambda: 0.0, 1e-6),
    "stationary_order": (lambda: fit(STEPS[:4], stationary_errors("gauss")), PRINTED + SAME),
    # the grid's own error, of order two in its cell: see the test of it
    "metropolis": (lambda: fit(STEPS[:4], metropolis_errors()), PRINTED + 1e-4),
    "richardson": (richardson, PRINTED + SAME),
    "too_wide": (lambda: 1.1, 8 * 2.0**-53),  # five operations on numbers near 1
    "from_density": (lambda: fit(STEPS, smooth_sign_errors()), PRINTED + SAME),
    # twice as many waves move a slope by 2e-7
    "blurred": (lambda: fit(STEPS[4:], blurred_errors()), PRINTED + 1e-6),
}
CLAIMED: dict[str, Check] = {
    "C1a": (lambda: last_halvings(STEPS, circle_sups()), SAME),
    "C1b": (lambda: last_halvings(STEPS, sphere_sups()), SAME),
    "C1c": (lambda: spread("circle_last"), SAME),
    "C1d": (lambda: spread("sphere_last"), SAME),
    "C1e": (lambda: fit(STEPS[3:7], circle_point_errors()), SAME),
    "C1f": (lambda: fit(STEPS[3:7], sphere_ring_errors()), SAME),
    "C1g": (lambda: last_halvings(STEPS[1:], euler_errors()[0]), SAME),
    "C1h": (lambda: fit(STEPS, sign_errors()), SAME),
    "C1i": (lambda: max(approach(0.0)[0], approach(0.5)[0]), SAME),
}
ONE = (1.0, 0.02)
BANDS: dict[str, tuple[float | str, float]] = {
    "C1a": ONE,
    "C1b": ONE,
    "C1c": (1.0, 0.01),
    "C1d": ONE,
    "C1e": ONE,
    "C1f": ONE,
    "C1g": ONE,
    "C1h": (0.5, 0.05),
    "C1i": ("≤ 1", 0.0),
}
VERDICTS = dict.fromkeys(CLAIMED, ("holds if", True)) | {"C1h": ("holds", False)}
TYPED = {
    "be within 0.02 of one": "a band, fixed beforehand; C1d has it",
    "within 0.02 of one, and within 0.01 for the laws on the circle (C1c)": (
        "the bands of C1a to C1g"
    ),
    "set beforehand for the sphere, 0.02 from": "the band that was replaced",
    "within 0.05 of one half": "the band of C1h",
    "It is $1.1$ at": "what the exercise asks for",
    r"(1 - \frac1{1.1})": "the same",
}

# -- what the page says beside ---------------------------------------------------------------------


def test_what_is_left_of_pi_is_what_is_said(glued: dict[tuple[str, str], str]) -> None:
    # a tenth of a per mille of what the geodesic walk is off by, at the smallest step
    assert 0 <= numbers(glued[PAGE, "residue"])[0] < 1e-4 * stationary_errors("gauss")[-1]


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


def test_the_table_of_orders_is_right(executed: dict[str, Executed]) -> None:
    rows = table(executed[PAGE], "Order of W₂ between", named=3)
    assert [start for *_, start in rows] == [*ON_CIRCLE, *ON_SPHERE]
    for (*_, start), (whole, to_128, last) in rows.items():
        errors = circle_errors(start) if start in STARTS else sphere_errors(start)
        expected = [*fit(STEPS, errors), fit(STEPS[:5], errors[:5])[0],
                    last_halvings(STEPS, errors)[0]]  # fmt: skip
        shown = [*numbers(whole), float(to_128), float(last)]
        np.testing.assert_allclose(shown, expected, rtol=0, atol=PRINTED + SAME)


def test_the_table_of_stationary_laws_is_right(executed: dict[str, Executed]) -> None:
    rows = {name: row for (name,), row in table(executed[PAGE], "stationary law").items()}
    assert list(rows) == ["geodesic", "retraction", "bounded (signs)", "Metropolis", "Barker"]
    for name in ("geodesic", "retraction", "bounded (signs)"):
        noise = "signs" if name == "bounded (signs)" else "gauss"
        for shown, expected in zip(rows[name], stationary_errors(noise), strict=True):
            assert shown == f"{expected:.1e}"


# -- two wells, U = a cos 2x, from the point 1 -----------------------------------------------------


@cache
def in_wells(depth: float, n: int) -> float:
    """W2 at time 1 of the walk with n steps to the diffusion, a = depth/2.

    exp(-ikh 2a sin 2x) = sum_m J_m(2akh) exp(-2imx), and
    d c_k/dt = -k^2 c_k - a k (c_(k-2) - c_(k+2)).
    """
    apart = WAVES[None, :] - WAVES[:, None]
    moved = np.where(apart % 2, 0.0, jv(apart // 2, depth / n * WAVES[:, None]))
    step = np.exp(-(WAVES**2) / n)[:, None] * moved
    pull = depth / 2 * WAVES
    rate = -np.diag(WAVES**2) - np.diag(pull[2:], -2) + np.diag(pull[:-2], 2)
    c = from_point(1.0)
    for _ in range(n):
        c = step @ c
    return circle_distance(c, expm(rate) @ from_point(1.0))


def test_the_walk_in_wells_is_as_far_as_is_said(executed: dict[str, Executed]) -> None:
    said = spoken(executed[PAGE], "The step and the wells")
    assert list(said) == [(n, depth) for n in ("2", "4", "8", "16") for depth in ("1", "4")]
    for (steps, depth), (*state, factor, apart, over) in said.items():
        assert state == ["1", steps, depth]
        n, d = int(steps), float(depth)
        assert float(factor) == 1 - 2 * d / n
        now, finer = in_wells(d, n), in_wells(d, 2 * n)
        assert prints([apart, over], [now, now / finer], ".3g", 2e-8)
