"""Manifolds: exp, log and distances against an ODE, other formulas and brute force."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from coupled_flows import Embedding, Euclidean, Sphere, Torus
from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.workspace import Workspace

UNIT = 2.0**-53
TURN = 2 * math.pi
ALL: list[Manifold] = [
    Euclidean(1),
    Euclidean(3),
    Torus(1),
    Torus(2),
    Sphere(1),
    Sphere(2),
    Sphere(9),
]
SPHERES = [Sphere(1), Sphere(2), Sphere(9)]
every_manifold = pytest.mark.parametrize("manifold", ALL, ids=repr)
every_sphere = pytest.mark.parametrize("sphere", SPHERES, ids=repr)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def lengths(v: Array) -> Array:
    """Euclidean length of each row, without overflow or underflow."""
    return np.array([math.hypot(*row) for row in v])


def tangents(manifold: Manifold, x: Array, length: float, seed: int = 2) -> Array:
    """Tangent vectors of one length, one at each point."""
    v = manifold.random_tangent(x, rng(seed))
    if isinstance(manifold, Sphere):  # a short vector made long brings its rounding with it
        v /= lengths(v)[:, None]
        v -= (v * x).sum(1, keepdims=True) * x
    return v / lengths(v)[:, None] * length


def off(sphere: Sphere, x: Array) -> float:
    return float(np.abs(np.linalg.norm(x, axis=1) - 1).max())


# -- exp ------------------------------------------------------------------------------------


@every_sphere
def test_exp_solves_the_geodesic_equation(sphere: Sphere) -> None:
    p = sphere.point_dim
    x = sphere.random_point(3, rng())
    for length in (0.1, 1.0, 3.0):
        v = tangents(sphere, x, length)
        for start, velocity, end in zip(x, v, sphere.exp(x, v), strict=True):
            path = solve_ivp(
                lambda t, s: np.concatenate([s[p:], -(s[p:] @ s[p:]) * s[:p]]),
                (0, 1),
                np.concatenate([start, velocity]),
                method="DOP853",
                rtol=1e-12,
                atol=1e-12,
            )
            # the solver keeps 1e-12 a step and takes fewer than 100
            np.testing.assert_allclose(end, path.y[:p, -1], rtol=0, atol=1e-10)


@every_sphere
@pytest.mark.parametrize(
    "length", [0.0, 1e-300, 1e-150, 1e-8, 0.5, 0.999, 1.0, math.pi, 3 * math.pi, 1e8]
)
def test_exp_is_cosine_and_sine_along_a_great_circle(sphere: Sphere, length: float) -> None:
    x = sphere.random_point(50, rng())
    v = tangents(sphere, x, length)
    r = lengths(v)[:, None]
    direction = v / r if length else v
    # v's own rounding and that of |v|^2 move the angle by (p + 4) u |v|; 10 u for the rest
    tolerance = UNIT * ((sphere.point_dim + 4) * length + 10)
    np.testing.assert_allclose(
        sphere.exp(x, v), np.cos(r) * x + np.sin(r) * direction, rtol=0, atol=tolerance
    )


@every_sphere
@pytest.mark.parametrize("length", [1e-300, 1e-150])
def test_a_tiny_step_from_a_pole_is_not_lost(sphere: Sphere, length: float) -> None:
    pole, v = np.zeros((1, sphere.point_dim)), np.zeros((1, sphere.point_dim))
    pole[0, 0], v[0, -1] = 1.0, length
    for moved in (sphere.exp(pole, v), sphere.retract(pole, v)):
        # three products
        assert moved[0, -1] == pytest.approx(length, rel=4 * UNIT, abs=0)


@every_manifold
def test_exp_of_zero_is_the_point(manifold: Manifold) -> None:
    x = manifold.random_point(20, rng())
    for moved in (manifold.exp(x, 0 * x), manifold.retract(x, 0 * x)):
        # normalising costs 4 u
        np.testing.assert_allclose(moved, x, rtol=0, atol=4 * UNIT)


@given(st.integers(0, 10**6), st.floats(0, 1e8))
def test_exp_and_retraction_stay_on_the_sphere(seed: int, length: float) -> None:
    for sphere in SPHERES:
        x = sphere.random_point(4, rng(seed))
        v = sphere.to_tangent(x, tangents(sphere, x, length, seed + 1))
        # p products, a root and a division in every component: (p + 4) u, below 1e-13
        assert off(sphere, sphere.exp(x, v)) <= (sphere.point_dim + 4) * UNIT
        assert off(sphere, sphere.retract(x, v)) <= (sphere.point_dim + 4) * UNIT


@every_sphere
@pytest.mark.parametrize("length", [1e150, 1e160, 1e200, 1e300])
def test_an_absurd_vector_gives_a_point_or_an_error(sphere: Sphere, length: float) -> None:
    x = np.zeros((1, sphere.point_dim))
    v = x.copy()
    x[0, 0], v[0, 1] = 1.0, length
    for move in (sphere.exp, sphere.retract):
        try:
            moved = move(x, v)
        except ValueError as refusal:
            sound = str(refusal).startswith("v must")
        else:
            # the claim of the library
            sound = off(sphere, moved) <= 1e-13
        assert sound


@pytest.mark.parametrize("move", ["exp", "retract"])
def test_a_sum_beyond_the_finite_numbers_is_an_error(move: str) -> None:
    with pytest.raises(ValueError, match=r"v must .*got"):
        getattr(Euclidean(1), move)([[1e308]], [[1e308]])


@every_sphere
def test_there_and_back_along_a_geodesic(sphere: Sphere) -> None:
    x = sphere.random_point(100, rng())
    v = tangents(sphere, x, 0.7)
    y = sphere.exp(x, v)
    transported = -np.sin(0.7) * 0.7 * x + np.cos(0.7) * v
    # two moves of p + 12 u each
    np.testing.assert_allclose(
        sphere.exp(y, -sphere.to_tangent(y, transported)), x, rtol=0, atol=60 * UNIT
    )


# -- angles ---------------------------------------------------------------------------------

near_the_seam = st.sampled_from(
    [0.0, -0.0, 5e-324, 1e-300, 1e-17, 4.4e-16, math.nextafter(TURN, 0), TURN - 1e-9, math.pi]
)
angle = st.one_of(near_the_seam, st.floats(0, TURN, exclude_max=True))
shift = st.one_of(
    near_the_seam,
    near_the_seam.map(lambda t: -t),
    st.integers(-(10**6), 10**6).map(lambda k: k * TURN),
    st.integers(-(10**6), 10**6).map(lambda k: math.nextafter(k * TURN, -math.inf)),
    st.floats(-1e8, 1e8),
    st.floats(-1e300, 1e300),
)


@given(angle, shift)
def test_angles_stay_in_the_half_open_turn(t: float, v: float) -> None:
    for move in (Torus(1).exp, Torus(1).retract):
        moved = float(move([[t]], [[v]])[0, 0])
        assert 0 <= moved < TURN


@given(angle, st.floats(-1e8, 1e8))
def test_angles_are_the_sum_up_to_whole_turns(t: float, v: float) -> None:
    moved = float(Torus(1).exp([[t]], [[v]])[0, 0])
    gap = math.remainder(moved - math.fmod(t + v, TURN), TURN)
    # the sum, its turns and their product are each rounded: 3 u |t + v|, and u 2 pi at the end
    assert abs(gap) <= UNIT * (4 * (abs(v) + TURN) + TURN)


def test_each_angle_of_a_torus_turns_on_its_own() -> None:
    moved = Torus(3).exp([[6.0, 1.0, 3.0]], [[1.0, -2.0, 0.0]])
    # a few roundings of numbers below 8
    np.testing.assert_allclose(moved, [[7 - TURN, TURN - 1, 3.0]], rtol=0, atol=40 * UNIT)


# -- log and distance -----------------------------------------------------------------------


@given(st.integers(0, 10**6), st.floats(1e-12, 1))
def test_log_undoes_exp(seed: int, share: float) -> None:
    for manifold in ALL:
        x = manifold.random_point(3, rng(seed))
        reach = share * (math.pi - 1e-3)
        v = tangents(manifold, x, reach, seed + 1)
        back = manifold.log(x, manifold.exp(x, v))
        # a point is right to 20 u; sin in the formula divides by up to 1e-3/pi near the antipode
        tolerance = 20 * UNIT * (1 + np.abs(x).max() + reach * math.pi / (math.pi - reach))
        np.testing.assert_allclose(back, v, rtol=0, atol=tolerance)


@given(st.integers(0, 10**6))
def test_exp_undoes_log(seed: int) -> None:
    for manifold in ALL:
        x, y = manifold.random_point(3, rng(seed)), manifold.random_point(3, rng(seed + 1))
        if isinstance(manifold, Torus):
            gap = manifold.dist(manifold.exp(x, manifold.log(x, y)), y)
        else:
            gap = lengths(manifold.exp(x, manifold.log(x, y)) - y)
        # the end of a vector of length below 10 that is right to 10 u
        assert gap.max() <= 100 * UNIT


@every_sphere
@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-7, 1e-8, 2e-9])
def test_log_almost_to_the_antipode_is_tangent_and_leads_there(sphere: Sphere, gap: float) -> None:
    x = sphere.random_point(200, rng(3))
    y = sphere.exp(x, tangents(sphere, x, math.pi - gap))
    v = sphere.log(x, y)
    # projecting a unit vector twice leaves u, times pi, and p products: 8 p u
    assert np.abs(np.einsum("ij,ij->i", x, v)).max() <= 8 * sphere.point_dim * UNIT
    # sin(pi - gap) forgives the direction's error u/gap: p u in the end
    assert lengths(sphere.exp(x, v) - y).max() <= 8 * sphere.point_dim * UNIT


@every_sphere
def test_log_to_the_antipode_is_refused(sphere: Sphere) -> None:
    x = sphere.random_point(3, rng())
    with pytest.raises(ValueError, match=r"(?s)y must not be antipodal.*got .* in row 0"):
        sphere.log(x, -x)


@every_sphere
def test_log_agrees_with_the_formula_of_angle_over_sine(sphere: Sphere) -> None:
    x, y = sphere.random_point(200, rng(1)), sphere.random_point(200, rng(2))
    cos = np.einsum("ij,ij->i", x, y)[:, None]
    across = y - cos * x
    sin = np.linalg.norm(across, axis=1, keepdims=True)
    keep = (sin > 0.05)[:, 0]
    expected = (np.arctan2(sin, cos) / sin * across)[keep]
    # `across` is right to (p + 2) u and is stretched by at most pi/0.05 = 63
    np.testing.assert_allclose(
        sphere.log(x, y)[keep], expected, rtol=0, atol=64 * (sphere.point_dim + 2) * UNIT
    )


@given(angle, angle)
def test_log_on_the_circle_is_the_shortest_of_all_turns(s: float, t: float) -> None:
    log = float(Torus(1).log([[s]], [[t]])[0, 0])
    shortest = min((abs(t - s + k * TURN), t - s + k * TURN) for k in range(-2, 3))
    # a difference of angles below 2 pi and one product: 3 u 2 pi
    assert abs(log) == pytest.approx(shortest[0], abs=3 * TURN * UNIT)
    if abs(abs(log) - math.pi) > 1e-12:
        assert log == pytest.approx(shortest[1], abs=3 * TURN * UNIT)


@pytest.mark.parametrize("gap", [1e-150, 1e-100, 1e-12, 1e-8, 1e-4, 0.1, 1.0, 1.5])
def test_a_small_distance_on_the_sphere_keeps_all_its_digits(gap: float) -> None:
    pole, there = np.array([[1.0, 0, 0]]), np.array([[math.cos(gap), math.sin(gap), 0]])
    # chord, root, arctan and the points' own rounding: 8 u, relative
    assert Sphere(2).dist(pole, there)[0] == pytest.approx(gap, rel=8 * UNIT, abs=0)
    assert Sphere(2).pairwise(pole, there)[0, 0] == pytest.approx(gap, rel=8 * UNIT, abs=0)
    assert Sphere(2).log(pole, there)[0, 1] == pytest.approx(gap, rel=8 * UNIT, abs=0)
    opposite = np.array([[-math.cos(gap), math.sin(gap), 0]])
    # an angle below 4 with the same 8 u
    assert Sphere(2).dist(pole, opposite)[0] == pytest.approx(math.pi - gap, rel=8 * UNIT)


@pytest.mark.parametrize("gap", [1e-300, 1e-200, 1e-160, 1e160, 1e200, 1e300])
def test_distances_neither_vanish_nor_overflow(gap: float) -> None:
    x, y = np.array([[0.0, 0.0]]), np.array([[gap, 0.0]])
    # one difference and a scaled root
    assert Euclidean(2).dist(x, y)[0] == pytest.approx(gap, rel=4 * UNIT, abs=0)


def test_distance_on_the_two_sphere_is_the_angle_of_cross_and_dot_product() -> None:
    x, y = Sphere(2).random_point(500, rng(1)), Sphere(2).random_point(500, rng(2))
    angle = np.arctan2(np.linalg.norm(np.cross(x, y), axis=1), np.einsum("ij,ij->i", x, y))
    # products of unit vectors: 10 u each way
    np.testing.assert_allclose(Sphere(2).dist(x, y), angle, rtol=0, atol=20 * UNIT)


def test_distance_on_a_torus_is_the_least_over_its_lattice() -> None:
    x, y = Torus(2).random_point(300, rng(1)), Torus(2).random_point(300, rng(2))
    shifts = [(a * TURN, b * TURN) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    least = np.min([np.hypot(*(y - x + s).T) for s in shifts], axis=0)
    # differences of numbers below 13
    np.testing.assert_allclose(Torus(2).dist(x, y), least, rtol=0, atol=50 * UNIT)


@every_manifold
def test_distance_is_a_metric_and_the_length_of_log(manifold: Manifold) -> None:
    x, y, z = (manifold.random_point(200, rng(seed)) for seed in (1, 2, 3))
    # values below 10 that are right to 8 u: 100 u
    slack = 100 * UNIT
    assert (manifold.dist(x, x) == 0).all()
    np.testing.assert_allclose(manifold.dist(x, y), manifold.dist(y, x), rtol=0, atol=slack)
    assert (manifold.dist(x, z) <= manifold.dist(x, y) + manifold.dist(y, z) + slack).all()
    np.testing.assert_allclose(manifold.dist(x, y), lengths(manifold.log(x, y)), rtol=0, atol=slack)


@every_manifold
def test_pairwise_distances_are_the_distances_of_pairs(manifold: Manifold) -> None:
    x, y = manifold.random_point(30, rng(1)), manifold.random_point(20, rng(2))
    y[:5] = x[:5]
    table = manifold.pairwise(x, y)
    rows = np.repeat(x, 20, axis=0), np.tile(y, (30, 1))
    # arccos below 0.9 stretches the p + 2 u of a product by 2.3, and distances are below 10
    np.testing.assert_allclose(
        table,
        manifold.dist(*rows).reshape(30, 20),
        rtol=0,
        atol=10 * (manifold.point_dim + 2) * UNIT,
    )
    assert (np.diag(table)[:5] == 0).all()
    assert manifold.pairwise(x[:0], y).shape == (0, 20)


# -- tangent vectors ------------------------------------------------------------------------


@every_manifold
def test_projection_is_idempotent_symmetric_and_tangent(manifold: Manifold) -> None:
    x = manifold.random_point(100, rng(1))
    v, w = rng(2).standard_normal(x.shape), rng(3).standard_normal(x.shape)
    pv, pw = manifold.to_tangent(x, v), manifold.to_tangent(x, w)
    # inner products of vectors of length below 8: p u 64
    tolerance = 64 * manifold.point_dim * UNIT
    np.testing.assert_allclose(manifold.to_tangent(x, pv), pv, rtol=0, atol=tolerance)
    np.testing.assert_allclose((pv * w).sum(1), (v * pw).sum(1), rtol=0, atol=tolerance)
    if isinstance(manifold, Sphere):
        np.testing.assert_allclose((pv * x).sum(1), 0, rtol=0, atol=tolerance)
    else:
        assert (pv == v).all()


@every_manifold
def test_random_tangents_are_standard_gaussian_in_the_tangent_space(manifold: Manifold) -> None:
    n, p = 40_000, manifold.point_dim
    x = np.tile(manifold.random_point(1, rng(1)), (n, 1))
    v = manifold.random_tangent(x, rng(2))
    projection = np.eye(p) - (np.outer(x[0], x[0]) if isinstance(manifold, Sphere) else 0)
    covariance = v.T @ v / n
    d = np.diag(projection)
    # 5 standard errors of a Gaussian covariance entry, (P_ii P_jj + P_ij^2)/n; mean P_ii/n
    error = np.sqrt((np.outer(d, d) + projection**2) / n)
    assert (np.abs(covariance - projection) <= 5 * error + 1e-12).all()
    assert (np.abs(v.mean(0)) <= 5 * np.sqrt(d / n) + 1e-12).all()


def test_random_tangents_of_two_walkers_differ() -> None:
    x = np.tile([[0.0, 0.0, 1.0]], (2, 1))
    first, second = Sphere(2).random_tangent(x, rng())
    assert not np.allclose(first, second)


@every_sphere
def test_the_retraction_turns_by_the_arctangent_of_the_length(sphere: Sphere) -> None:
    x = sphere.random_point(30, rng())
    for length in (1e-6, 0.1, 1.0, 30.0):
        v = tangents(sphere, x, length)
        expected = sphere.exp(x, v / length * math.atan(length))
        # both to (p + 12) u
        np.testing.assert_allclose(
            sphere.retract(x, v), expected, rtol=0, atol=2 * (sphere.point_dim + 12) * UNIT
        )


@every_sphere
def test_the_retraction_has_no_acceleration_at_rest(sphere: Sphere) -> None:
    x = sphere.random_point(30, rng())
    gaps = []
    for length in (0.02, 0.01):
        v = tangents(sphere, x, length)
        gaps.append(lengths(sphere.retract(x, v) - sphere.exp(x, v)).max())
    # |v| - arctan|v| = |v|^3/3 (1 - 3|v|^2/5): the ratio is 8 (1 - 0.0002), rounding 1e-10 of it
    assert gaps[0] / gaps[1] == pytest.approx(8, rel=3e-4)


@pytest.mark.parametrize("manifold", [Euclidean(3), Torus(2)], ids=repr)
def test_on_flat_manifolds_the_retraction_is_exp(manifold: Manifold) -> None:
    x = manifold.random_point(30, rng())
    v = manifold.random_tangent(x, rng(2))
    assert (manifold.retract(x, v) == manifold.exp(x, v)).all()


# -- parallel transport ---------------------------------------------------------------------


def trio(manifold: Manifold, n: int = 100) -> tuple[Array, Array, Array, Array]:
    """Return points x, y and two standard Gaussian tangent vectors at x."""
    x, y = manifold.random_point(n, rng(1)), manifold.random_point(n, rng(2))
    return x, y, manifold.random_tangent(x, rng(3)), manifold.random_tangent(x, rng(4))


@every_manifold
def test_transport_is_a_linear_isometry_onto_the_tangent_space(manifold: Manifold) -> None:
    x, y, v, w = trio(manifold)
    tv, tw = manifold.transport(x, y, v), manifold.transport(x, y, w)
    # inner products of p terms, of vectors of length below 8, each transported to 8 u
    tolerance = 64 * (manifold.point_dim + 16) * UNIT
    for a, b, c, d in ((v, v, tv, tv), (v, w, tv, tw), (w, w, tw, tw)):
        before, after = np.einsum("ij,ij->i", a, b), np.einsum("ij,ij->i", c, d)
        np.testing.assert_allclose(after, before, rtol=0, atol=tolerance)
    np.testing.assert_allclose(manifold.to_tangent(y, tv), tv, rtol=0, atol=tolerance)
    both = manifold.transport(x, y, 2 * v - w)
    np.testing.assert_allclose(both, 2 * tv - tw, rtol=0, atol=tolerance)


@every_manifold
def test_transport_there_and_back_changes_nothing(manifold: Manifold) -> None:
    x, y, v, _ = trio(manifold)
    back = manifold.transport(y, x, manifold.transport(x, y, v))
    # two reflections and projections of vectors below 8: (p + 4) u each
    tolerance = 4 * 8 * (manifold.point_dim + 4) * UNIT
    np.testing.assert_allclose(back, v, rtol=0, atol=tolerance)
    np.testing.assert_allclose(manifold.transport(x, x, v), v, rtol=0, atol=tolerance)


@every_manifold
def test_transport_takes_the_velocity_of_a_geodesic_with_it(manifold: Manifold) -> None:
    x, y, _, _ = trio(manifold)
    arrived = manifold.transport(x, y, manifold.log(x, y))
    left = math.pi - (manifold.dist(x, y) if isinstance(manifold, Sphere) else 0 * x[:, 0])
    # both logarithms to 20 u, and pi/left of that near the antipode
    gap = lengths(arrived + manifold.log(y, x))
    assert (gap <= 100 * UNIT * (1 + np.abs(x).max() + math.pi / left)).all()


@pytest.mark.parametrize("sphere", [Sphere(2), Sphere(9)], ids=repr)
def test_transport_solves_its_equation(sphere: Sphere) -> None:
    p = sphere.point_dim
    x, y, v, _ = trio(sphere, 4)
    velocity = sphere.log(x, y)
    for here, there, u, w, t in zip(x, y, velocity, v, sphere.transport(x, y, v), strict=True):

        def slope(_: float, s: Array) -> Array:
            # along the geodesic g: g'' = -|g'|^2 g, and what V changes is normal: V' = -<V, g'> g
            place, speed, vector = np.split(s, 3)
            return np.concatenate([speed, -(speed @ speed) * place, -(speed @ vector) * place])

        state = np.concatenate([here, u, w])
        path = solve_ivp(slope, (0, 1), state, method="DOP853", rtol=1e-12, atol=1e-12)
        # the solver keeps 1e-12 a step and takes fewer than 100
        np.testing.assert_allclose(path.y[:p, -1], there, rtol=0, atol=1e-10)
        np.testing.assert_allclose(path.y[2 * p :, -1], t, rtol=0, atol=1e-10)


@every_sphere
def test_transport_to_the_antipode_is_the_identity(sphere: Sphere) -> None:
    x, _, v, _ = trio(sphere)
    # the projection of a tangent vector of length below 8
    tolerance = 8 * (sphere.point_dim + 4) * UNIT
    np.testing.assert_allclose(sphere.transport(x, -x, v), v, rtol=0, atol=tolerance)


@every_sphere
@pytest.mark.parametrize("gap", [1e-2, 1e-5, 1e-8, 2e-9, 5e-10, 1e-12])
def test_transport_almost_to_the_antipode_is_an_isometry(sphere: Sphere, gap: float) -> None:
    x, _, v, _ = trio(sphere)
    v /= lengths(v)[:, None]
    y = sphere.exp(x, tangents(sphere, x, math.pi - gap, 5))
    moved = sphere.transport(x, y, v)
    # rounding turns the reflection by (p + 4) u/gap out of the tangent space, and below 1e-9 the
    # identity turns by the gap; the projection takes that away, and half its square of the length
    turn = gap if gap < 1e-9 else (sphere.point_dim + 4) * UNIT / gap
    np.testing.assert_allclose(
        lengths(moved), 1, rtol=0, atol=turn**2 + (sphere.point_dim + 8) * UNIT
    )
    assert np.abs(np.einsum("ij,ij->i", moved, y)).max() <= (sphere.point_dim + 4) * UNIT


@pytest.mark.parametrize("manifold", [Euclidean(3), Torus(2)], ids=repr)
def test_on_flat_manifolds_transport_is_the_identity(manifold: Manifold) -> None:
    x, y, v, _ = trio(manifold)
    assert (manifold.transport(x, y, v) == v).all()


@every_sphere
@pytest.mark.parametrize("normal", [1.0, -1e3])
def test_what_is_normal_stays_normal(sphere: Sphere, normal: float) -> None:
    x, y, v, _ = trio(sphere)
    w = (v + normal * x).T.copy()
    sphere.carry(x.T.copy(), y.T.copy(), w, Workspace())
    # the reflection sends x to -y, up to (p + 4) u of a vector of this length, over |x + y|
    far = np.linalg.norm(x + y, axis=1)
    tolerance = 2 * (sphere.point_dim + 4) * UNIT * (abs(normal) + 8) / far.min()
    np.testing.assert_allclose(w.T, sphere.transport(x, y, v) - normal * y, rtol=0, atol=tolerance)


# -- what the walks run: component first, any w, in place ---------------------------------------


@every_sphere
@pytest.mark.parametrize("normal", [0.0, 1.0, 1e3, -1e5, 1e7])
@pytest.mark.parametrize("length", [1e-3, 0.5, 2.0, 30.0])
@pytest.mark.parametrize("method", ["move", "shift"])
def test_the_normal_part_of_a_step_is_taken_away_first(
    sphere: Sphere, normal: float, length: float, method: str
) -> None:
    x = sphere.random_point(40, rng(1))
    v = tangents(sphere, x, length)
    moved = x.T.copy()
    getattr(sphere, method)(moved, (v + normal * x).T.copy(), Workspace())
    expected = (sphere.exp if method == "move" else sphere.retract)(x, sphere.to_tangent(x, v))
    # taking <w, x> x from w leaves (p + 4) u |w| of v, and nothing in the formula enlarges that
    tolerance = (sphere.point_dim + 4) * UNIT * (abs(normal) + length + 4)
    np.testing.assert_allclose(moved.T, expected, rtol=0, atol=tolerance)
    # the claim of the library
    assert off(sphere, moved.T) <= 1e-13


# -- points ---------------------------------------------------------------------------------


@every_manifold
def test_random_points_belong(manifold: Manifold) -> None:
    x = manifold.random_point(1000, rng())
    assert x.shape == (1000, manifold.point_dim)
    assert manifold.belongs(x, atol=1e-13).all()
    assert manifold.random_point(0, rng()).shape == (0, manifold.point_dim)


def test_random_points_of_the_sphere_are_uniform() -> None:
    n = 100_000
    x = Sphere(2).random_point(n, rng())
    # Archimedes: each coordinate is uniform on [-1, 1]. Massart's bound for one in a million
    bound = math.sqrt(math.log(2e6) / (2 * n))
    for column in x.T:
        rank = np.arange(1, n + 1) / n
        assert np.abs(rank - (1 + np.sort(column)) / 2).max() <= bound + 1 / n
    # 5 standard errors: E x_i x_j = 1/3 or 0, variances 4/45 and 1/15
    second = x.T @ x / n
    error = np.sqrt(np.where(np.eye(3, dtype=bool), 4 / 45, 1 / 15) / n)
    assert (np.abs(second - np.eye(3) / 3) <= 5 * error).all()


def test_random_angles_are_uniform_and_independent() -> None:
    n = 100_000
    x = Torus(2).random_point(n, rng())
    z = np.exp(1j * np.stack([x[:, 0], x[:, 1], x[:, 0] - x[:, 1], 2 * x[:, 0]]))
    # each part of a mean of unit numbers has variance 1/(2 n); 5 standard errors
    assert np.abs(z.mean(1).real).max() <= 5 / math.sqrt(2 * n)
    assert np.abs(z.mean(1).imag).max() <= 5 / math.sqrt(2 * n)


def test_belonging_is_said_row_by_row() -> None:
    rows = np.array([[1, 0, 0], [1 + 1e-6, 0, 0], [0, 0, 0]])
    assert Sphere(2).belongs(rows).tolist() == [True, False, False]
    assert Sphere(2).belongs([[1 + 1e-6, 0, 0]], atol=1e-5).all()
    assert Torus(1).belongs([[0.0], [TURN], [-1e-9], [math.nextafter(TURN, 0)]]).tolist() == [
        True,
        False,
        False,
        True,
    ]
    assert Torus(2).belongs([[1.0, 7.0]]).tolist() == [False]
    assert Euclidean(1).belongs([[1e300]]).all()


@every_manifold
def test_manifolds_are_equal_by_kind_and_dimension(manifold: Manifold) -> None:
    twin = type(manifold)(manifold.dim)  # type: ignore[call-arg]
    assert manifold == twin
    assert hash(manifold) == hash(twin)
    assert repr(manifold) == f"{type(manifold).__name__}({manifold.dim})"
    assert manifold != type(manifold)(manifold.dim + 1)  # type: ignore[call-arg]
    assert sum(manifold == other for other in ALL) == 1
    assert manifold.point_dim == manifold.dim + isinstance(manifold, Sphere)


@every_manifold
def test_no_method_changes_its_input_or_returns_it(manifold: Manifold) -> None:
    x, y = manifold.random_point(5, rng(1)), manifold.random_point(5, rng(2))
    v = manifold.random_tangent(x, rng(3))
    kept = x.copy(), y.copy(), v.copy()
    results = [
        manifold.exp(x, v), manifold.retract(x, v), manifold.log(x, y), manifold.dist(x, y),
        manifold.pairwise(x, y), manifold.to_tangent(x, v), manifold.belongs(x),
        manifold.random_tangent(x, rng(4)), manifold.transport(x, y, v),
    ]  # fmt: skip
    for before, after in zip(kept, (x, y, v), strict=True):
        assert (before == after).all()
        assert not any(np.shares_memory(after, result) for result in results)


# -- embeddings -----------------------------------------------------------------------------


@every_manifold
def test_the_jacobian_of_the_embedding_is_its_derivative(manifold: Manifold) -> None:
    embedding: Embedding = manifold.embedding
    x = manifold.random_point(6, rng())
    jacobian = embedding.jacobian(x)
    for i in range(manifold.point_dim):
        moved: Any = x.astype(complex)
        moved[:, i] += 1e-150j
        # a complex step cancels nothing: 4 u
        np.testing.assert_allclose(
            jacobian[:, :, i], embedding.value(moved).imag / 1e-150, rtol=0, atol=4 * UNIT
        )


@every_manifold
def test_covectors_are_pulled_back_by_the_jacobian(manifold: Manifold) -> None:
    embedding: Embedding = manifold.embedding
    x = manifold.random_point(6, rng())
    y = embedding.value(x)
    v = rng().standard_normal(y.shape)
    plain = Embedding(embedding.value, embedding.jacobian)
    expected = np.einsum("nij,ni->nj", embedding.jacobian(x), v)
    # two products and a sum, of vectors shorter than 8
    for one in (embedding, plain):
        np.testing.assert_allclose(one.pull(x, y, v), expected, rtol=0, atol=4 * 8 * UNIT)


@pytest.mark.parametrize("d", [1, 3])
def test_the_torus_is_embedded_isometrically_by_cosines_and_sines(d: int) -> None:
    x = Torus(d).random_point(5, rng())
    value, jacobian = Torus(d).embedding.value(x), Torus(d).embedding.jacobian(x)
    assert value.shape == (5, 2 * d)
    assert (value[:, 0::2] == np.cos(x)).all()
    assert (value[:, 1::2] == np.sin(x)).all()
    gram = np.einsum("nij,nik->njk", jacobian, jacobian)
    # cos^2 + sin^2 to 4 u
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(d), gram.shape), rtol=0, atol=4 * UNIT)


@pytest.mark.parametrize("manifold", [Euclidean(3), Sphere(2)], ids=repr)
def test_elsewhere_the_embedding_is_the_identity(manifold: Manifold) -> None:
    x = manifold.random_point(5, rng())
    assert (manifold.embedding.value(x) == x).all()
    assert (manifold.embedding.jacobian(x) == np.eye(3)).all()
