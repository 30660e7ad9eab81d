"""The headline: W2 between the geodesic walk's law and the diffusion's is of order one in h.

Three potentials and three starts on each of circle and S^2, fixed beforehand. Every distance is
computed twice. `python -m tests.test_orders` prints the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from coupled_flows import (
    FourierGenerator,
    GeodesicWalk,
    Langevin,
    Order,
    PointLaw,
    Potential,
    RingLaw,
    Sphere,
    Torus,
    ZonalGenerator,
    fit_order,
    fourier,
    linear,
    quadratic,
    wasserstein,
)
from coupled_flows.geometry.errors import Array

Complex = NDArray[np.complex128]
TIME = 1.0
TURN = 2 * math.pi
CIRCLE_STEPS = [2.0**-j for j in range(3, 11)]
SPHERE_STEPS = [2.0**-j for j in range(3, 8)]


def cubic_value(x: Array) -> Array:
    return 0.5 * x[:, 2] ** 3 - x[:, 2]


def cubic_gradient(x: Array) -> Array:
    return np.stack([0 * x[:, 2], 0 * x[:, 2], 1.5 * x[:, 2] ** 2 - 1], axis=1)


@dataclass(frozen=True)
class Problem:
    """A potential for the library, and once more in formulas of its own for the second method."""

    potential: Potential
    beta: float
    slope: Any  # circle: U'(t) as a function; S^2: coefficients of u'(z), lowest first


@dataclass(frozen=True)
class Start:
    """A density for the library (None: a point, a ring), and its moments for the second method."""

    density: Callable[[Array], Array] | None
    weight: Callable[[Array], Array] | None  # of the angle, or of z


CIRCLE_PROBLEMS = {
    "cos t, beta 1": Problem(fourier(cos={1: 1.0}), 1.0, lambda t: -np.sin(t)),
    "0.5 cos 2t + 0.3 sin t, beta 2": Problem(
        fourier(cos={2: 0.5}, sin={1: 0.3}), 2.0, lambda t: -np.sin(2 * t) + 0.3 * np.cos(t)
    ),
    "sin t, beta 0.5": Problem(fourier(sin={1: 1.0}), 0.5, np.cos),
}
CIRCLE_STARTS = {
    "exp(sin t)": Start(lambda x: np.exp(np.sin(x[:, 0])), lambda t: np.exp(np.sin(t))),
    "1 + 0.5 cos 3t": Start(
        lambda x: 1 + 0.5 * np.cos(3 * x[:, 0]), lambda t: 1 + 0.5 * np.cos(3 * t)
    ),
    "point t = 1": Start(None, None),
}
SPHERE_PROBLEMS = {
    "-z, beta 1": Problem(linear([0.0, 0.0, -1.0]), 1.0, [-1.0]),
    "z^2, beta 2": Problem(quadratic(np.diag([0.0, 0.0, 2.0])), 2.0, [0.0, 2.0]),
    "0.5 z^3 - z, beta 1": Problem(Potential(cubic_value, cubic_gradient), 1.0, [-1.0, 0.0, 1.5]),
}
SPHERE_STARTS = {
    "exp(-z)": Start(lambda z: np.exp(-z), lambda z: np.exp(-z)),
    "1 + 0.5 z": Start(lambda z: 1 + 0.5 * z, lambda z: 1 + 0.5 * z),
    "ring z = 0.3": Start(None, None),
}
CASES = [("circle", u, s) for u in CIRCLE_PROBLEMS for s in CIRCLE_STARTS]
CASES += [("sphere", u, s) for u in SPHERE_PROBLEMS for s in SPHERE_STARTS]
each_case = pytest.mark.parametrize(("where", "problem", "start"), CASES)


# -- by the library -------------------------------------------------------------------------------


@cache
def circle_errors(name: str, modes: int = 64) -> dict[str, list[float]]:
    problem = CIRCLE_PROBLEMS[name]
    generator = FourierGenerator(Langevin(Torus(1), problem.potential, problem.beta), modes)
    starts = {
        key: generator.law(start.density)
        if start.density is not None
        else PointLaw(np.array([[1.0]]), manifold=Torus(1))
        for key, start in CIRCLE_STARTS.items()
    }
    limit = {key: generator.evolve(law, TIME) for key, law in starts.items()}
    errors: dict[str, list[float]] = {key: [] for key in starts}
    for h in CIRCLE_STEPS:
        transition = generator.transition(GeodesicWalk(generator.langevin, h))
        for key, law in starts.items():
            errors[key].append(wasserstein(transition.evolve(law, round(TIME / h)), limit[key]))
    return errors


@cache
def sphere_errors(name: str, degree: int = 48) -> dict[str, list[float]]:
    problem = SPHERE_PROBLEMS[name]
    generator = ZonalGenerator(Langevin(Sphere(2), problem.potential, problem.beta), degree)
    starts = {
        key: generator.law(start.density) if start.density is not None else RingLaw(np.array([0.3]))
        for key, start in SPHERE_STARTS.items()
    }
    limit = {key: generator.evolve(law, TIME) for key, law in starts.items()}
    errors: dict[str, list[float]] = {key: [] for key in starts}
    for h in SPHERE_STEPS:
        transition = generator.transition(GeodesicWalk(generator.langevin, h))
        for key, law in starts.items():
            errors[key].append(wasserstein(transition.evolve(law, round(TIME / h)), limit[key]))
    return errors


def order_of(where: str, problem: str, start: str) -> Order:
    if where == "circle":
        return fit_order(CIRCLE_STEPS, circle_errors(problem)[start])
    return fit_order(SPHERE_STEPS, sphere_errors(problem)[start])


# -- once more, sharing nothing with the library but the problem ----------------------------------

K = 48  # Fourier modes; what is dropped is damped by exp(-K^2/beta) within the time
DEGREE = 40  # Legendre degrees; damped by exp(-DEGREE^2/beta)
GRID = 2**15
SHARES = (np.arange(4096) + 0.5) / 4096


@cache
def circle_again(name: str) -> dict[str, list[float]]:
    """c'_k = e^(-h k^2/beta) (1/2 pi) int rho e^(-ik(x - h U')) dx, and a banded matrix's expm."""
    problem = CIRCLE_PROBLEMS[name]
    k = np.arange(-K, K + 1)
    t = np.arange(1024) * (TURN / 1024)
    slope = problem.slope(t)
    starts: dict[str, Complex] = {}
    for key, start in CIRCLE_STARTS.items():
        weight = start.weight(t) if start.weight is not None else None
        wave = np.exp(-1j * np.outer(k, t))
        starts[key] = np.exp(-1j * k) if weight is None else wave @ weight / weight.sum()
    # d c_k/dt = -k^2/beta c_k + i k sum_m u_m c_(k-m), u = coefficients of U'
    u = np.fft.fft(slope) / len(t)
    fokker_planck = 1j * k[:, None] * u[np.subtract.outer(k, k)] - np.diag(k**2 / problem.beta)
    forward = expm(TIME * fokker_planck)
    errors: dict[str, list[float]] = {key: [] for key in starts}
    for h in CIRCLE_STEPS:
        # row k: the coefficients of exp(i k h U')
        turned = np.fft.fft(np.exp(1j * np.outer(k, h * slope)), axis=1) / len(t)
        step = np.exp(-h * k**2 / problem.beta)[:, None] * np.take_along_axis(
            turned, np.subtract.outer(k, k) % len(t), axis=1
        )
        walked = np.linalg.matrix_power(step, round(TIME / h))
        for key, c in starts.items():
            errors[key].append(distance_on_circle(walked @ c, forward @ c))
    return errors


def share_below(c: Complex) -> Array:
    """Return the distribution function on a grid of one turn, by the trapezoidal rule."""
    spectrum = np.zeros(GRID, dtype=complex)
    spectrum[np.arange(-K, K + 1)] = c
    density = np.fft.ifft(spectrum).real
    density = np.append(density, density[0])
    below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return below / below[-1]


def distance_on_circle(a: Complex, b: Complex) -> float:
    angle = np.linspace(0, TURN, GRID + 1)
    below = share_below(b)
    here = np.interp(SHARES, share_below(a), angle)
    # three turns of the quantile function, so that a rotation never leaves it
    shares = np.concatenate([below[:-1] - 1, below[:-1], below + 1])
    angles = np.concatenate([angle[:-1] - TURN, angle[:-1], angle + TURN])

    def cost(rotation: float) -> float:
        return float(np.mean((here - np.interp(SHARES + rotation, shares, angles)) ** 2))

    low, high = -0.3, 0.3  # convex in the rotation: thirds
    for _ in range(60):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if cost(left) < cost(right) else (left, high)
    return math.sqrt(cost((low + high) / 2))


@cache
def sphere_again(name: str) -> dict[str, list[float]]:
    """Moments E P_l(z): an ordinary differential equation, and polar quadrature of the step."""
    problem = SPHERE_PROBLEMS[name]
    z, area = legendre.leggauss(96)
    table = legendre.legvander(z, DEGREE)
    starts: dict[str, Array] = {}
    for key, start in SPHERE_STARTS.items():
        if start.weight is None:
            starts[key] = legendre.legvander(np.array([0.3]), DEGREE)[0]
        else:
            mass = area * start.weight(z)
            starts[key] = table.T @ mass / mass.sum()
    drift = legendre_equation(problem.slope, problem.beta)
    limit = {
        key: solve_ivp(
            lambda _, m: drift @ m, (0, TIME), a, method="DOP853", rtol=1e-10, atol=1e-13
        ).y[:, -1]
        for key, a in starts.items()
    }
    node, weight = legendre.leggauss(64)
    length, mass = 4.5 * (node + 1), 4.5 * weight  # a Rayleigh law has 1e-18 beyond 9
    mass = mass * length * np.exp(-(length**2) / 2)
    direction = (np.arange(64) + 0.5) * (math.pi / 64)
    errors: dict[str, list[float]] = {key: [] for key in starts}
    sine = np.sqrt(1 - z**2)
    pull = np.polynomial.polynomial.polyval(z, problem.slope) * sine
    for h in SPHERE_STEPS:
        noise = math.sqrt(2 * h / problem.beta) * length
        north = np.outer(noise, np.cos(direction)).ravel()
        east = np.outer(noise, np.sin(direction)).ravel()
        rule = np.repeat(mass / mass.sum() / 64, 64)
        after = np.empty((len(z), DEGREE + 1))
        for i in range(len(z)):
            v = north - h * pull[i]
            r = np.hypot(v, east)
            after[i] = rule @ legendre.legvander(
                np.cos(r) * z[i] + np.sin(r) / r * v * sine[i], DEGREE
            )
        # E P_l after a step from z is sum_m step[l, m] P_m(z)
        scale = (2 * np.arange(DEGREE + 1) + 1) / 2
        step = after.T @ (area[:, None] * table) * scale
        walked = np.linalg.matrix_power(step, round(TIME / h))
        for key, a in starts.items():
            errors[key].append(distance_on_sphere(walked @ a, limit[key]))
    return errors


def legendre_equation(slope: list[float], beta: float) -> Array:
    """Matrix of d/dt E P_l = -l(l+1)/beta E P_l - E u'(z) (1 - z^2) P_l'(z)."""
    size = DEGREE + 6  # room for the products; cut off at the end
    degree = np.arange(size)
    times_z = np.zeros((size, size))  # z P_l in row l
    times_z[degree[:-1], degree[1:]] = (degree[:-1] + 1) / (2 * degree[:-1] + 1)
    times_z[degree[1:], degree[:-1]] = degree[1:] / (2 * degree[1:] + 1)
    bent = np.zeros((size, size))  # (1 - z^2) P_l' = l(l+1)/(2l+1) (P_(l-1) - P_(l+1))
    factor = degree * (degree + 1) / (2 * degree + 1)
    bent[degree[1:], degree[:-1]] = factor[1:]
    bent[degree[:-1], degree[1:]] = -factor[:-1]
    pulled = sum(
        (c * bent @ np.linalg.matrix_power(times_z, n) for n, c in enumerate(slope)),
        np.zeros((size, size)),
    )
    full = -np.diag(degree * (degree + 1) / beta) - pulled
    return full[: DEGREE + 1, : DEGREE + 1]


def distance_on_sphere(a: Array, b: Array) -> float:
    polar = np.linspace(0, math.pi, GRID + 1)
    scale = (2 * np.arange(DEGREE + 1) + 1) / 2
    quantiles = []
    for moments in (a, b):
        density = legendre.legval(np.cos(polar), scale * moments) * np.sin(polar)
        below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
        quantiles.append(np.interp(SHARES, below / below[-1], polar))
    return float(np.sqrt(np.mean((quantiles[0] - quantiles[1]) ** 2)))


# -- what is asserted -----------------------------------------------------------------------------


# The bar that is not reached, and is reported as such on the page: from 1/8 on, the next order of
# h shows. Should it be reached one day, this says so too.
NOT_REACHED = {("sphere", "0.5 z^3 - z, beta 1", "exp(-z)")}


@each_case
def test_the_order_is_one(where: str, problem: str, start: str) -> None:
    order = order_of(where, problem, start)
    # demanded: 0.02 on S^2 from 1/8 to 1/128; 0.04 on the circle from 1/8 to 1/1024
    reached = abs(order.slope - 1) <= (0.02 if where == "sphere" else 0.04)
    assert reached == ((where, problem, start) not in NOT_REACHED), order.local
    # what is missed shrinks like h all the same: each halving of h halves it, up to a third
    missed = np.abs(order.local - 1)
    assert reached or (missed[1:] / missed[:-1] < 2 / 3).all(), order.local
    if where == "circle":
        late = fit_order(CIRCLE_STEPS[-4:], order.errors[-4:])
        assert abs(late.slope - 1) <= 0.01, order.local  # demanded, over the last three halvings


@each_case
def test_every_distance_agrees_with_a_second_computation(
    where: str, problem: str, start: str
) -> None:
    first = (circle_errors if where == "circle" else sphere_errors)(problem)[start]
    second = (circle_again if where == "circle" else sphere_again)(problem)[start]
    # demanded: 1 %
    np.testing.assert_allclose(first, second, rtol=0.01)


@pytest.mark.parametrize("problem", CIRCLE_PROBLEMS)
def test_more_modes_do_not_change_a_distance_on_the_circle(problem: str) -> None:
    # quantiles are good to 1e-13 and their differences are above 1e-4: relative 1e-8 with the
    # factor of ten that W2 puts on the tails, where the density is small
    coarse, fine = circle_errors(problem), circle_errors(problem, modes=96)
    for start in coarse:
        np.testing.assert_allclose(coarse[start], fine[start], rtol=1e-8)


@pytest.mark.parametrize("problem", SPHERE_PROBLEMS)
def test_a_higher_degree_does_not_change_a_distance_on_the_sphere(problem: str) -> None:
    # as on the circle
    coarse, fine = sphere_errors(problem), sphere_errors(problem, degree=64)
    for start in coarse:
        np.testing.assert_allclose(coarse[start], fine[start], rtol=1e-8)


def main() -> None:
    """Print the table: fitted order, its interval, the order of the last steps, both distances."""
    lines = [
        f"{'manifold':9}{'U, beta':32}{'start':16}{'order':>23}{'last':>7}"
        f"{'W2, smallest h':>16}{'once more':>12}"
    ]
    for where, problem, start in CASES:
        order = order_of(where, problem, start)
        again = (circle_again if where == "circle" else sphere_again)(problem)[start]
        late = fit_order(order.steps[-4:], order.errors[-4:])
        lines.append(
            f"{where:9}{problem:32}{start:16}{order!r:>23}{late.slope:7.3f}"
            f"{order.errors[-1]:16.4e}{again[-1]:12.4e}"
        )
    print("\n".join(lines))  # noqa: T201 - the table is what one runs this file for


if __name__ == "__main__":
    main()
