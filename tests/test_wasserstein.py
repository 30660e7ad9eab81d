"""Wasserstein distances against closed forms, a linear program, and a dense search by hand."""

from __future__ import annotations

import decimal
import math
import warnings
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import cumulative_simpson, quad
from scipy.linalg import sqrtm

from coupled_flows import (
    CircleLaw,
    Estimate,
    Euclidean,
    GaussianLaw,
    NoiseFloor,
    PointLaw,
    RingLaw,
    Sphere,
    Torus,
    ZonalLaw,
    coupled_distance,
    noise_floor,
    wasserstein,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.manifold import Manifold

ROUND_OFF = 2.0**-53
TURN = 2 * math.pi
UNIFORM = CircleLaw(np.array([1.0]))
ROUND = ZonalLaw(np.array([1.0]))
HUMPS: dict[str, Callable[[Array], Array]] = {
    "one": lambda t: np.exp(2 * np.cos(t - 1)),
    "two": lambda t: np.exp(np.cos(t - 4) + 0.5 * np.sin(2 * t)),
    "zero at a point": lambda t: 1 + np.cos(t),
    "near one": lambda t: np.exp(2 * np.cos(t - 1.05)),
}


def exponential(k: float, z: Array) -> Array:
    return np.exp(k * z)


def humps(name: str) -> CircleLaw:
    return CircleLaw.from_density(lambda x: HUMPS[name](x[:, 0]), 40)


def von_mises(centre: float, kappa: float = 2.0) -> CircleLaw:
    return CircleLaw.from_density(lambda x: np.exp(kappa * (np.cos(x[:, 0] - centre) - 1)), 40)


def at(*angles: float) -> PointLaw:
    return PointLaw(np.array(angles)[:, None], manifold=Torus(1))


# -- closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1, 2, 3, 4.5])
@pytest.mark.parametrize("where", [0.0, 1.0, math.nextafter(TURN, 0)])
def test_uniform_to_a_point_of_the_circle(p: float, where: float) -> None:
    # the distance is uniform on [0, pi]: W_p^p = pi^p/(p + 1); quadrature exact between the cuts,
    # the search for the rotation stops within 1e-9 of a flat minimum (p = 1: of a flat stretch)
    expected = math.pi / (p + 1) ** (1 / p)
    assert wasserstein(UNIFORM, at(where), p) == pytest.approx(expected, rel=1e-12)
    assert wasserstein(at(where), UNIFORM, p) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_uniform_to_evenly_spaced_points(k: int) -> None:
    # each atom takes the arc of length 2 pi/k around it: W_2 = pi/(k sqrt 3)
    points = at(*(0.3 + TURN * np.arange(k) / k) % TURN)
    assert wasserstein(UNIFORM, points) == pytest.approx(math.pi / (k * math.sqrt(3)), rel=1e-12)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_uniform_to_a_pole(p: float) -> None:
    power = quad(lambda t: t**p * math.sin(t) / 2, 0, math.pi, epsabs=1e-14)[0]
    # Gauss-Legendre quadrature of 256 nodes: rounding 256 * 1.1e-16
    for pole in (RingLaw(np.array([1.0])), RingLaw(np.array([-1.0]))):
        assert wasserstein(ROUND, pole, p) == pytest.approx(power ** (1 / p), rel=1e-13)


def test_uniform_on_the_sphere_to_the_equator() -> None:
    # E (theta - pi/2)^2 = int s^2 cos(s)/2 ds over [-pi/2, pi/2] = pi^2/4 - 2
    expected = math.sqrt(math.pi**2 / 4 - 2)
    assert wasserstein(ROUND, RingLaw(np.array([0.0]))) == pytest.approx(expected, rel=1e-13)


@given(s=st.floats(0, 6.28), t=st.floats(0, 6.28), p=st.floats(1, 8))
def test_point_to_point_on_the_circle(s: float, t: float, p: float) -> None:
    gap = abs(s - t)
    # turns and back again, and a p-th root: some roundings of one turn
    assert wasserstein(at(s), at(t), p) == pytest.approx(min(gap, TURN - gap), abs=1e-14)


@given(z=st.floats(-1, 1), y=st.floats(-1, 1), p=st.floats(1, 8))
def test_ring_to_ring(z: float, y: float, p: float) -> None:
    expected = abs(math.acos(z) - math.acos(y))
    first = wasserstein(RingLaw(np.array([z])), RingLaw(np.array([y])), p)
    # two angles up to pi, each right to a unit in its last place, 4 u, here and there
    assert first == pytest.approx(expected, rel=0, abs=16 * ROUND_OFF)


def test_point_to_point_elsewhere() -> None:
    pole = np.array([[0.0, 0.0, 1.0]])
    assert wasserstein(pole, -pole, manifold=Sphere(2)) == pytest.approx(math.pi, rel=1e-15)
    assert wasserstein([[0.0, 0.0]], [[3.0, 4.0]], manifold=Euclidean(2)) == 5.0
    near = np.array([[math.sin(1e-9), 0.0, math.cos(1e-9)]])
    # the angle comes from the chord: all digits of 1e-9
    assert wasserstein(pole, near, manifold=Sphere(2)) == pytest.approx(1e-9, rel=1e-12)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("turn", [1e-7, 1e-3, 0.5, 3.0])
def test_a_rotated_law_is_at_most_its_rotation_away(p: float, turn: float) -> None:
    distance = wasserstein(von_mises(0.3), von_mises(0.3 + turn), p)
    # a rotation moves every point by `turn`; angles are good to 1e-14
    assert distance <= turn + 1e-13
    if p == 1 and turn < 1e-2:  # W_1 >= |E e^(ix) - E e^(iy)|
        moment = abs(von_mises(0.3).moments[1])
        assert distance >= moment * 2 * math.sin(turn / 2) - 1e-13


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("turn", [0.1, 2.0, 5.9])
def test_rotating_both_laws_changes_nothing(p: int, turn: float) -> None:
    still = wasserstein(von_mises(0.3, 1.0), von_mises(2.0, 4.0), p)
    turned = wasserstein(von_mises(0.3 + turn, 1.0), von_mises(2.0 + turn, 4.0), p)
    # quadrature and search are good to 1e-12 of the cost; the kink of |x|^p, where the quantiles
    # cross between nodes that are some 1e-3 of a turn apart, leaves the power p + 1 of that
    assert turned == pytest.approx(still, rel={1: 1e-5, 2: 1e-10, 3: 1e-9}[p])


@pytest.mark.parametrize("p", [1, 2, 3])
def test_a_wide_and_a_narrow_law_either_way_round(p: int) -> None:
    wide, narrow = von_mises(0.3, 1.0), von_mises(2.0, 6.0)
    # as above
    assert wasserstein(wide, narrow, p) == pytest.approx(
        wasserstein(narrow, wide, p), rel={1: 1e-5, 2: 1e-10, 3: 1e-9}[p]
    )


def test_zonal_laws_either_way_round() -> None:
    wide = ZonalLaw.from_density(lambda z: np.exp(-z), 48)
    narrow = ZonalLaw.from_density(lambda z: np.exp(10 * z), 48)
    # quadrature on either law is good to rounding of 256 nodes
    assert wasserstein(wide, narrow) == pytest.approx(wasserstein(narrow, wide), rel=1e-10)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_a_translated_law_on_the_line(p: float) -> None:
    x = np.random.default_rng(1).standard_normal((200, 1))
    assert wasserstein(x, x + 0.7, p, Euclidean(1)) == pytest.approx(0.7, rel=1e-13)


# -- a linear program, and a search by hand --------------------------------------------------------


def program(cost: Array, a: Array, b: Array) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return float(ot.emd2(a, b, cost, numItermax=10**6))


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("kind", ["circle", "torus", "sphere", "line", "plane"])
def test_point_clouds_against_a_linear_program(kind: str, p: int) -> None:
    rng = np.random.default_rng(2)
    n, m = 23, 31
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    if kind in ("circle", "torus"):
        d = 1 if kind == "circle" else 2
        manifold: Any = Torus(d)
        x, y = rng.uniform(0, TURN, (n, d)), rng.normal(1, 1, (m, d)) % TURN
        gap = np.abs(x[:, None] - y[None])
        cost = np.linalg.norm(np.minimum(gap, TURN - gap), axis=2)
    elif kind == "sphere":
        manifold = Sphere(2)
        x, y = rng.standard_normal((n, 3)), rng.standard_normal((m, 3)) + np.eye(3)[0]
        x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))
        cost = np.arccos(np.clip(x @ y.T, -1, 1))
    else:
        d = 1 if kind == "line" else 2
        manifold = Euclidean(d)
        x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) * 2
        cost = np.linalg.norm(x[:, None] - y[None], axis=2)
    expected = program(cost**p, a / a.sum(), b / b.sum()) ** (1 / p)
    laws = PointLaw(x, a, manifold), PointLaw(y, b, manifold)
    # both are exact solvers; arccos near 1 loses half the digits of a close pair, whose share of
    # the cost is small
    assert wasserstein(*laws, p) == pytest.approx(expected, rel=1e-9)


def quantiles_by_integration(density: Callable[[Array], Array], shares: Array) -> Array:
    """Inverse of the distribution function on the line, beyond one turn too."""
    angle = np.linspace(0, TURN, 2**14 + 1)
    below = cumulative_simpson(density(angle), x=angle, initial=0)
    below /= below[-1]
    turns = np.floor(shares)
    return np.interp(shares - turns, below, angle) + TURN * turns


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize(
    ("one", "two"), [("one", "two"), ("two", "zero at a point"), ("one", "near one")]
)
def test_densities_on_the_circle_against_a_dense_search(one: str, two: str, p: int) -> None:
    shares = (np.arange(10_000) + 0.5) / 10_000
    here = quantiles_by_integration(HUMPS[one], shares)

    def cost(rotation: float) -> float:
        there = quantiles_by_integration(HUMPS[two], shares + rotation)
        return float(np.mean(np.abs(here - there) ** p))

    rotations = np.linspace(-1, 1, 81)
    middle = rotations[int(np.argmin([cost(r) for r in rotations]))]
    low, high = middle - 0.05, middle + 0.05
    for _ in range(30):  # convex: thirds
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if cost(left) < cost(right) else (left, high)
    # 10 000 shares: the midpoint rule, 1e-8/24 times the slopes of quantiles; where a density is
    # zero its quantile rises with infinite slope, like the cube root: (1e-4)^(4/3) = 5e-6
    expected = cost((low + high) / 2) ** (1 / p)
    assert wasserstein(humps(one), humps(two), p) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_zonal_densities_against_closed_quantiles(p: int) -> None:
    # mass below height z of exp(k z): (e^(k(z+1)) - 1)/(e^(2k) - 1)
    def height(k: float, share: float) -> float:
        return math.log1p(share * math.expm1(2 * k)) / k - 1

    def power(share: float) -> float:
        return abs(math.acos(height(3.0, share)) - math.acos(height(1.0, share))) ** p

    expected = quad(power, 0, 1, epsabs=1e-13, limit=200)[0] ** (1 / p)
    one, two = (ZonalLaw.from_density(partial(exponential, k), 40) for k in (3.0, 1.0))
    # quad near the ends, where the quantile has an infinite slope: 1e-10
    assert wasserstein(one, two, p) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_a_density_and_points_of_the_circle(p: int) -> None:
    points = np.random.default_rng(3).uniform(0, TURN, 7)
    masses = np.arange(1.0, 8.0)
    first = wasserstein(humps("two"), PointLaw(points[:, None], masses, Torus(1)), p)
    # own linear program on 1001 quantiles; moving a law to its n quantiles of equal mass costs at
    # most 2 pi/n on average
    x = quantiles_by_integration(HUMPS["two"], (np.arange(1001) + 0.5) / 1001)
    gap = np.abs(x[:, None] - points)
    cost = np.minimum(gap, TURN - gap) ** p
    second = program(cost, np.full(1001, 1 / 1001), masses / masses.sum()) ** (1 / p)
    assert first == pytest.approx(second, abs=TURN / 1001)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_a_density_and_rings(p: int) -> None:
    law = ZonalLaw.from_density(lambda z: np.exp(z), 24)
    rings = RingLaw(np.array([0.9, 0.1, -0.5]), np.array([0.5, 0.3, 0.2]))
    # monotone transport: shares [0, .5] to arccos .9, [.5, .8] to arccos .1, the rest to the south
    total = math.exp(1) - math.exp(-1)
    power = 0.0
    for low, high, z in ((0, 0.5, 0.9), (0.5, 0.8, 0.1), (0.8, 1.0, -0.5)):
        angles = [math.acos(math.log(math.e - s * total)) for s in (low, min(high, 1 - 1e-17))]
        angles[1] = math.pi if high == 1 else angles[1]
        power += quad(
            lambda t, z=z: abs(t - math.acos(z)) ** p * math.exp(math.cos(t)) * math.sin(t) / total,
            *angles,
            points=[math.acos(z)],
            epsabs=1e-14,
        )[0]
    # quadrature between the cuts of masses and at the rings: exact to rounding, quad to 1e-13
    assert wasserstein(law, rings, p) == pytest.approx(power ** (1 / p), rel=1e-11)


# -- Gaussians ----------------------------------------------------------------------------------


def bures_of_two_by_two(a: Array, b: Array) -> float:
    """Trace formula in 60 digits: Tr(sqrt(AB)) = sqrt(Tr AB + 2 sqrt(det A det B)) for 2 x 2."""
    with decimal.localcontext(prec=60):
        (a11, a12), (_, a22) = [[Decimal(float(x)) for x in row] for row in a]
        (b11, b12), (_, b22) = [[Decimal(float(x)) for x in row] for row in b]
        product = a11 * b11 + 2 * a12 * b12 + a22 * b22
        root = ((a11 * a22 - a12**2) * (b11 * b22 - b12**2)).sqrt()
        square = a11 + a22 + b11 + b22 - 2 * (product + 2 * root).sqrt()
        return float(square.sqrt())


def test_gaussians_against_the_trace_formula() -> None:
    rng = np.random.default_rng(4)
    a, b = (np.cov(rng.standard_normal((4, 12))) for _ in range(2))
    cross = np.real(sqrtm(sqrtm(a) @ b @ sqrtm(a)))
    shift = np.array([1.0, 0.0, 2.0, 0.0])
    expected = math.sqrt(5 + np.trace(a + b - 2 * cross))
    # three matrix roots of condition about 10 each
    assert wasserstein(GaussianLaw(np.zeros(4), a), GaussianLaw(shift, b)) == pytest.approx(
        expected, rel=1e-12
    )


def test_gaussians_that_commute() -> None:
    frame = np.linalg.qr(np.random.default_rng(5).standard_normal((3, 3)))[0]
    s, t = np.array([1.0, 2.0, 5.0]), np.array([3.0, 0.5, 0.1])
    one, two = (GaussianLaw(np.zeros(3), (frame * v**2) @ frame.T) for v in (s, t))
    assert wasserstein(one, two) == pytest.approx(float(np.linalg.norm(s - t)), rel=1e-12)


@pytest.mark.parametrize("gap", [1e-2, 1e-5, 1e-9])
def test_gaussians_that_are_close_keep_their_digits(gap: float) -> None:
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    b = a + gap * np.array([[1.0, -0.3], [-0.3, 0.7]])
    first = wasserstein(GaussianLaw(np.zeros(2), a), GaussianLaw(np.zeros(2), b))
    # roots are good to 1e-15, so their difference, of size gap/3, to 3e-15/gap
    assert first == pytest.approx(bures_of_two_by_two(a, b), rel=1e-12 + 1e-14 / gap)


def test_gaussians_without_spread_are_points() -> None:
    point = GaussianLaw(np.zeros(2), np.zeros((2, 2)))
    law = GaussianLaw(np.array([3.0, 4.0]), np.diag([1.0, 2.0]))
    assert wasserstein(point, law) == pytest.approx(math.sqrt(25 + 3), rel=1e-14)
    assert wasserstein(point, point) == 0


def test_gaussians_are_farther_apart_than_their_samples_say_within_noise() -> None:
    one, two = GaussianLaw(np.zeros(1), np.eye(1)), GaussianLaw(np.ones(1), 4 * np.eye(1))
    rng = np.random.default_rng(6)
    x, y = one.sample(20_000, rng), two.sample(20_000, rng)
    # W_2 = sqrt 2; W_2^2 of samples varies like 2 (x - y) (dx - dy): five standard errors of
    # sd about 3/sqrt(n) each side
    assert wasserstein(x, y, manifold=Euclidean(1)) == pytest.approx(
        math.sqrt(2), abs=5 * 3 / math.sqrt(20_000)
    )


# -- metric axioms ------------------------------------------------------------------------------


weights = st.lists(st.floats(0.01, 1), min_size=3, max_size=3)
angles = st.lists(st.floats(0, 6.28), min_size=3, max_size=3)


@given(
    data=st.lists(st.tuples(angles, weights), min_size=3, max_size=3), p=st.sampled_from([1, 2, 3])
)
def test_points_of_the_circle_obey_the_axioms(data: list[Any], p: int) -> None:
    a, b, c = (PointLaw(np.array(x)[:, None], np.array(w), Torus(1)) for x, w in data)
    ab, ba = wasserstein(a, b, p), wasserstein(b, a, p)
    # a p-th root of a sum that is good to 1e-15: 1e-5 for the cube root of nothing
    slack = 3 * 1e-14 ** (1 / p)
    assert ab == pytest.approx(ba, abs=slack)
    assert wasserstein(a, c, p) <= ab + wasserstein(b, c, p) + slack
    assert wasserstein(a, a, p) <= slack


coefficients = st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))


@given(data=st.lists(coefficients, min_size=3, max_size=3), p=st.sampled_from([1, 2, 3]))
@settings(max_examples=15)
def test_densities_on_the_circle_obey_the_axioms(data: list[Any], p: int) -> None:
    # |moments| sum to below 1/2 each: the density is positive
    a, b, c = (CircleLaw(np.array([1, (u + 1j * v) / 2, w / 2])) for u, v, w in data)
    ab, ba = wasserstein(a, b, p), wasserstein(b, a, p)
    # the kink of |x|^p where quantiles cross leaves 1/4000^2 for p = 1; else 1e-10
    slack = 1e-5 if p == 1 else 1e-6
    assert ab == pytest.approx(ba, abs=slack)
    assert wasserstein(a, c, p) <= ab + wasserstein(b, c, p) + slack
    assert wasserstein(a, a, p) <= slack


@given(data=st.lists(coefficients, min_size=3, max_size=3), p=st.sampled_from([1, 2, 3]))
@settings(max_examples=15)
def test_zonal_densities_obey_the_axioms(data: list[Any], p: int) -> None:
    a, b, c = (ZonalLaw(np.array([1, u / 3, v / 5, w / 7])) for u, v, w in data)
    ab, ba = wasserstein(a, b, p), wasserstein(b, a, p)
    # as on the circle, with 256 nodes: 1/256^2
    slack = 1e-4 if p == 1 else 1e-6
    assert ab == pytest.approx(ba, abs=slack)
    assert wasserstein(a, c, p) <= ab + wasserstein(b, c, p) + slack
    assert wasserstein(a, a, p) <= slack


matrices = st.lists(st.floats(-2, 2), min_size=4, max_size=4)


@given(data=st.lists(matrices, min_size=3, max_size=3))
def test_gaussians_obey_the_axioms(data: list[list[float]]) -> None:
    roots = [np.array(x).reshape(2, 2) for x in data]
    a, b, c = (GaussianLaw(r[0], r @ r.T) for r in roots)
    ab, ba = wasserstein(a, b), wasserstein(b, a)
    # an eigenvalue that is 1e-16 instead of 0 has the root 1e-8; the largest here is 4
    slack = 1e-6
    assert ab == pytest.approx(ba, abs=slack)
    assert wasserstein(a, c) <= ab + wasserstein(b, c) + slack


def test_a_larger_power_gives_a_larger_distance() -> None:
    distances = [wasserstein(humps("one"), humps("two"), p) for p in (1, 1.5, 2, 3, 6)]
    assert (np.diff(distances) > 0).all()


# -- what POT does silently is an error here -------------------------------------------------------


def test_the_distance_is_the_root_and_in_radians() -> None:
    x = np.array([[0.1], [0.2]])
    # POT's circle functions take turns and return the power; both would show here
    assert wasserstein(x, x + 3.0, manifold=Torus(1)) == pytest.approx(3.0, rel=1e-12)
    assert wasserstein(x, x + 3.0, 2, Euclidean(1)) == pytest.approx(3.0, rel=1e-12)
    pole = np.array([[0.0, 0.0, 1.0]])
    assert wasserstein(pole, pole[:, ::-1], 3, Sphere(2)) == pytest.approx(math.pi / 2, rel=1e-12)


def test_an_angle_just_below_a_turn_is_next_to_zero() -> None:
    last = math.nextafter(TURN, 0)
    # one unit in the last place of a turn, both ways
    assert wasserstein(at(last), at(0.0)) < 1e-14
    assert wasserstein(at(last, 1.0), at(0.0, 1.0)) < 1e-14
    assert wasserstein(at(last), at(math.pi)) == pytest.approx(math.pi, rel=1e-14)


@pytest.mark.parametrize("angle", [TURN, 7.0, -0.1, 100.0])
def test_angles_beyond_a_turn_are_not_wrapped(angle: float) -> None:
    with pytest.raises(ValueError, match=r"b must lie on Torus\(1\) .*got"):
        wasserstein([[0.1]], [[angle]], manifold=Torus(1))


def test_masses_of_another_sum_are_normalised() -> None:
    heavy = PointLaw(np.eye(3), np.array([0.5, 0.5, 0.5]), Sphere(2))
    light = PointLaw(np.eye(3), manifold=Sphere(2))
    # equal weights up to rounding move a mass of 1e-16 by pi/2 at most, of which the root is 2e-8
    assert wasserstein(heavy, light) < 2e-8


@pytest.mark.parametrize("masses", [[-0.5, 1.5], [math.nan, 1.0], [math.inf, 1.0], [0.0, 0.0]])
def test_masses_that_are_none_are_refused(masses: list[float]) -> None:
    with pytest.raises(ValueError, match=r"weights must .*got"):
        PointLaw(np.array([[0.0], [1.0]]), np.array(masses), Torus(1))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("manifold", [Torus(1), Euclidean(1), Euclidean(2), Sphere(2)])
def test_points_that_are_none_are_refused(manifold: Any, bad: float) -> None:
    good = manifold.random_point(3, np.random.default_rng(1))
    spoilt = good.copy()
    spoilt[1, 0] = bad
    with pytest.raises(ValueError, match=r"a must be finite; got .* at index \(1, 0\)"):
        wasserstein(spoilt, good, manifold=manifold)
    with pytest.raises(ValueError, match=r"b must be finite; got"):
        wasserstein(good, spoilt, manifold=manifold)


@pytest.mark.parametrize(
    ("a", "b", "manifold", "message"),
    [
        ([[0.1]], [[0.1]], None, "manifold must be given"),
        (UNIFORM, ROUND, None, r"b must live on Torus\(1\); got a law on Sphere\(2\)"),
        (UNIFORM, ROUND, Sphere(2), r"a must live on Sphere\(2\); got a law on Torus\(1\)"),
        (UNIFORM, UNIFORM, Sphere(2), r"a must live on Sphere\(2\)"),
        (np.zeros((0, 1)), [[0.1]], Torus(1), "a must hold at least one point; got none"),
        (UNIFORM, [[0.1, 0.2]], None, "b must have shape"),
        (ROUND, [[0.0, 0.0, 1.0]], None, "no exact method for a ZonalLaw and a PointLaw"),
        (
            GaussianLaw(np.array([0.0]), np.array([[1.0]])),
            [[0.0]],
            None,
            "no exact method for a GaussianLaw",
        ),
        (
            GaussianLaw(np.array([0.0]), np.array([[1.0]])),
            GaussianLaw(np.array([0.0, 0.0]), np.eye(2)),
            None,
            "b must live on",
        ),
        (CircleLaw(np.array([1, 0.9, 0.9])), UNIFORM, None, "density must be resolved"),
        (at(1.0), CircleLaw(np.array([1, 0.9, 0.9])), None, "density must be resolved"),
    ],
)
def test_pairs_that_cannot_be_compared_are_refused(
    a: Any, b: Any, manifold: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        wasserstein(a, b, manifold=manifold)


@pytest.mark.parametrize("p", [0.5, 0, -1, 32.5, 1000, math.nan, math.inf])
def test_powers_out_of_range_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match=r"p must be a finite real number >= 1 and <= 32; got"):
        wasserstein(UNIFORM, at(1.0), p)


def test_gaussians_take_the_power_two_only() -> None:
    law = GaussianLaw(np.array([0.0]), np.array([[1.0]]))
    with pytest.raises(ValueError, match="p must be 2 for Gaussian laws; got 3"):
        wasserstein(law, law, 3)


@pytest.mark.parametrize("p", [1, 2, 17.5, 32])
def test_a_large_power_keeps_small_distances(p: float) -> None:
    for gap in (1.0, 1e-3, 1e-6):
        # three points moved alike: everybody goes to its own; positions are right to u, 4 u with
        # the difference, over the gap
        cloud = at(1.0, 2.0, 4.0), at(1.0 + gap, 2.0 + gap, 4.0 + gap)
        assert wasserstein(*cloud, p) == pytest.approx(
            gap, rel=16 * ROUND_OFF / gap + 64 * ROUND_OFF
        )
        plane = [[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]]
        moved = [[x, gap] for x, _ in plane]
        found = wasserstein(plane, moved, p, manifold=Torus(2))
        assert found == pytest.approx(gap, rel=16 * ROUND_OFF / gap + 64 * ROUND_OFF)


@pytest.mark.parametrize("p", [1, 2, 5, 10])
@pytest.mark.parametrize("manifold", [Torus(1), Euclidean(1)], ids=repr)
def test_rounding_of_masses_moves_nothing(manifold: Manifold, p: float) -> None:
    rng = np.random.default_rng(6)
    for n in (2, 5, 9, 40):
        points, masses, order = (
            rng.uniform(0, 6, (n, 1)),
            rng.dirichlet(np.ones(n)),
            rng.permutation(n),
        )
        law = PointLaw(points, masses, manifold)
        assert wasserstein(law, PointLaw(points[order], masses[order], manifold), p) == 0.0
        # each atom in three parts
        split = PointLaw(np.repeat(points, 3, axis=0), np.repeat(masses, 3), manifold)
        assert wasserstein(law, split, p) == 0.0
        moved = PointLaw(points + 1e-3, masses, manifold)  # positions right to 4 u
        assert wasserstein(law, moved, p) == pytest.approx(1e-3, rel=16e3 * ROUND_OFF)


def test_a_power_that_leaves_nothing_is_refused() -> None:
    near = [[1.0, 0.0], [2.0, 1e-12]]
    with pytest.raises(ValueError, match=r"p must leave powers .*; got 32 for clouds"):
        wasserstein([[1.0, 0.0], [2.0, 0.0]], near, 32, manifold=Torus(2))
    assert wasserstein(near, near, 32, manifold=Torus(2)) == 0.0


@pytest.mark.parametrize("p", [1, 2, 17.5, 32])
def test_a_large_power_gives_a_number_in_range(p: float) -> None:
    for a, b in ((UNIFORM, at(1.0)), (at(1.0, 2.0), at(1.5)), (ROUND, RingLaw(np.array([1.0])))):
        assert 0 < wasserstein(a, b, p) <= math.pi * (1 + 1e-12)


# -- what samples cannot tell apart ----------------------------------------------------------------


def test_the_floor_on_the_circle_is_in_closed_form() -> None:
    n, repeats = 1000, 200
    floor = noise_floor(UNIFORM, n, np.random.default_rng(7), repeats=repeats)
    # n W_2^2/(2 (2 pi)^2) is Watson's statistic, of mean 1/12 and E sqrt = log 2/sqrt(2 pi);
    # finite n changes both by 2/n
    mean = TURN * math.log(2) / math.sqrt(math.pi * n)
    assert abs(floor.value - mean) < 5 * floor.error + 2 / n * mean
    square = floor.value**2 + floor.error**2 * (repeats - 1)
    # the variance of Watson's statistic is 1/360: its relative standard error is sqrt(0.4/repeats)
    assert square == pytest.approx(TURN**2 / (6 * n), rel=5 * math.sqrt(0.4 / repeats) + 2 / n)


def test_the_floor_on_the_sphere_grows_with_a_logarithm() -> None:
    repeats, sizes = 40, (60, 480)
    squares, errors = [], []
    for n in sizes:
        floor = noise_floor(ROUND, n, np.random.default_rng(8), repeats=repeats)
        variance = floor.error**2 * repeats
        squares.append(n * (floor.value**2 + variance * (repeats - 1) / repeats))
        errors.append(n * 2 * floor.value * floor.error)
    # n E W_2^2 = 2 log n + O(1): the difference of two sizes is 2 log 8 + O(1/60)
    assert squares[1] - squares[0] == pytest.approx(
        2 * math.log(8), abs=5 * math.hypot(*errors) + 1 / 60
    )


def test_the_floor_of_a_point_is_zero() -> None:
    floor = noise_floor(at(1.0), 10, np.random.default_rng(9))
    assert floor.value == 0
    assert floor.error == 0


def test_the_floor_is_the_mean_over_pairs() -> None:
    law, n = humps("one"), 20
    floor = noise_floor(law, n, np.random.default_rng(10), p=1, repeats=5)
    rng = np.random.default_rng(10)
    pairs = [(law.sample(n, rng), law.sample(n, rng)) for _ in range(5)]
    values = [wasserstein(x, y, 1, Torus(1)) for x, y in pairs]
    assert floor.value == pytest.approx(np.mean(values), rel=1e-14)
    assert floor.error == pytest.approx(np.std(values, ddof=1) / math.sqrt(5), rel=1e-13)


def test_the_floor_knows_its_least_and_largest_pair() -> None:
    law, n = humps("two"), 20
    floor = noise_floor(law, n, np.random.default_rng(11))
    rng = np.random.default_rng(11)
    pairs = [(law.sample(n, rng), law.sample(n, rng)) for _ in range(39)]
    values = [wasserstein(x, y, 2, Torus(1)) for x, y in pairs]
    assert (floor.low, floor.high) == (min(values), max(values))


def test_one_more_pair_falls_outside_the_range_as_often_as_the_rule_says() -> None:
    law, n, repeats, trials = humps("one"), 15, 4, 200
    rng = np.random.default_rng(12)
    below = above = 0
    for _ in range(trials):
        floor = noise_floor(law, n, rng, repeats=repeats)
        more = wasserstein(law.sample(n, rng), law.sample(n, rng), 2, Torus(1))
        below += more < floor.low
        above += more > floor.high
    # exchangeable and never tied: each side has 1 in repeats + 1. 5 standard errors of a share
    for count, share in ((below, 0.2), (above, 0.2), (below + above, 0.4)):
        assert abs(count / trials - share) <= 5 * math.sqrt(share * (1 - share) / trials)


@pytest.mark.parametrize(
    ("floor", "text"),
    [
        (NoiseFloor(0.5031, 0.0021, 0.45, 0.5678), "0.503 ± 0.002 (0.450 to 0.568)"),
        (NoiseFloor(3, 0, 3, 3), "3 ± 0 (3 to 3)"),
        (NoiseFloor(12.34, 3.0, 4.6, 31.2), "12 ± 3 (5 to 31)"),
    ],
)
def test_a_floor_shows_the_digits_that_count(floor: NoiseFloor, text: str) -> None:
    assert repr(floor) == text


def test_the_ends_of_a_floor_are_in_order() -> None:
    with pytest.raises(ValueError, match=r"high must be a finite real number >= 2; got 1"):
        NoiseFloor(1.5, 0.1, low=2, high=1)


# -- pairs as a bound ----------------------------------------------------------------------------


def test_pairs_that_are_one_point_are_at_no_distance() -> None:
    for manifold in (Torus(2), Sphere(2), Euclidean(3)):
        x = manifold.random_point(5, np.random.default_rng(1))
        assert coupled_distance(x, x, manifold) == Estimate(0, 0)


@pytest.mark.parametrize("p", [1, 2, 3.5, 300])
@pytest.mark.parametrize("gap", [1e-200, 1e-3, 1.0, 1e200])
def test_pairs_all_equally_far_apart_have_no_error(p: float, gap: float) -> None:
    x = np.zeros((7, 2))
    got = coupled_distance(x, np.tile([gap, 0.0], (7, 1)), Euclidean(2), p)
    # the mean of equal numbers, and its root
    assert got.value == pytest.approx(gap, rel=1e-15, abs=0)
    assert got.error == 0


def test_pairs_around_a_seam_are_near() -> None:
    got = coupled_distance([[0.1], [0.3]], [[6.2], [0.3]], Torus(1), p=1)
    # one of two pairs is 0.1832 apart: the mean is half of that, and so is its standard error
    gap = 0.1 + TURN - 6.2
    assert got.value == pytest.approx(gap / 2, rel=1e-14)
    assert got.error == pytest.approx(gap / 2, rel=1e-14)


@pytest.mark.parametrize(
    ("p", "mean", "variance", "fourth"),
    # moments of |g|^p for a standard Gaussian g: mean, variance, fourth central moment
    [
        (1, math.sqrt(2 / math.pi), 1 - 2 / math.pi, 0.5109),
        (2, 1.0, 2.0, 60.0),
    ],
)
def test_gaussian_differences_have_their_closed_form(
    p: float, mean: float, variance: float, fourth: float
) -> None:
    n, sigma = 100_000, 0.3
    rng = np.random.default_rng(3)
    x = rng.standard_normal((n, 1))
    got = coupled_distance(x, x + sigma * rng.standard_normal((n, 1)), Euclidean(1), p)
    expected = sigma * mean ** (1 / p)
    error = expected / (p * mean) * math.sqrt(variance / n)
    # 5 standard errors; the root's curvature is of order 1/n, the error of the error below
    assert abs(got.value - expected) <= 5 * error + 5 * expected / n
    spread = math.sqrt((fourth / variance**2 - 1) / (4 * n))
    # what the value is off by enters too, with a factor below p + 1
    relative = 5 * spread + (p + 1) * 5 * error / expected
    assert got.error == pytest.approx(error, rel=relative)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("manifold", [Euclidean(1), Euclidean(2), Torus(1), Torus(2), Sphere(2)])
def test_pairs_bound_the_distance_of_their_clouds(manifold: Any, p: float) -> None:
    x, y = (manifold.random_point(40, np.random.default_rng(seed)) for seed in (1, 2))
    bound = coupled_distance(x, y, manifold, p).value
    distance = wasserstein(x, y, p, manifold)
    assert distance < bound
    if manifold == Euclidean(1):
        # sorted pairs are optimal on a line
        best = coupled_distance(np.sort(x, 0), np.sort(y, 0), manifold, p).value
        assert best == pytest.approx(distance, rel=1e-12)


@pytest.mark.parametrize("n", [0, 1])
def test_one_pair_has_no_standard_error(n: int) -> None:
    with pytest.raises(ValueError, match=f"x must hold at least two points; got {n}"):
        coupled_distance(np.zeros((n, 1)), np.zeros((n, 1)), Torus(1))


# -- Estimate -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.5031, 0.0021), "0.503 ± 0.002"),
        (Estimate(3, 0), "3 ± 0"),
        (Estimate(12.34, 3.0), "12 ± 3"),
        (Estimate(-1.5, 0.25), "-1.5 ± 0.2"),
    ],
)
def test_an_estimate_shows_the_digits_that_count(estimate: Estimate, text: str) -> None:
    assert repr(estimate) == text


@pytest.mark.parametrize(("value", "error"), [(math.nan, 1), (1, math.nan), (1, -1), (math.inf, 1)])
def test_an_estimate_is_of_finite_numbers(value: float, error: float) -> None:
    with pytest.raises(ValueError, match=r"(value|error) must be a finite real number.*got"):
        Estimate(value, error)


@given(
    x=st.lists(st.floats(0, 6.28), min_size=1, max_size=12),
    seed=st.integers(0, 99),
    p=st.sampled_from([1.0, 1.5, 2.0, 3.0]),
)
def test_equal_atoms_are_matched_as_unequal_ones_are(x: list[float], seed: int, p: float) -> None:
    points = np.array(x)[:, None]
    other = Torus(1).random_point(len(points), np.random.default_rng(seed))
    # the same law with each atom cut in two unequal parts goes another way: bisection on the slope
    share = np.concatenate([np.full(len(x), 0.3), np.full(len(x), 0.7)])
    parted = PointLaw(np.concatenate([points, points]), share, Torus(1))
    expected = wasserstein(parted, PointLaw(other, manifold=Torus(1)), p)
    # the other way finds the rotation to 2^-58 and sums 36 terms
    assert wasserstein(points, other, p, Torus(1)) == pytest.approx(expected, rel=1e-12, abs=1e-13)
