"""The data walk: exact identities at finite N, the bound on the cutoff, exact ground, refusals."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import ive

from coupled_flows import DataWalk, Euclidean, PointLaw, Sphere, fit_order
from coupled_flows.geometry.errors import Array
from coupled_flows.measure.laws import Law

U = 2.0**-53
alphas = st.floats(-1, 2) | st.sampled_from([0.0, 0.5, 1.0])
cutoffs = st.floats(0.5, 8) | st.sampled_from([6.0, math.inf])
bandwidths = st.sampled_from([1e-3, 0.02, 0.3, 10.0])


@st.composite
def clouds(draw: st.DrawFn) -> Array:
    """Return random points: in a ball, in clusters, on a curve, some of them twice."""
    n, dim = draw(st.integers(2, 40)), draw(st.sampled_from([1, 2, 3, 9]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["ball", "clusters", "curve", "twice"]))
    points = rng.standard_normal((n, dim))
    if kind == "clusters":
        points = 0.1 * points + rng.integers(3, size=(n, 1))
    elif kind == "curve":
        points = np.cos(np.arange(1, dim + 1) * rng.random((n, 1)) * 6)
    elif kind == "twice":
        points[n // 2 :] = points[: n - n // 2]
    return points


def squares(points: Array) -> Array:
    return ((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)


def by_the_book(
    points: Array, eps: float, alpha: float, cutoff: float
) -> tuple[Array, Array, Array]:
    """Equation (1e), as it stands: P, its stationary law, and the kernel sums."""
    square = squares(points)
    k = np.exp(-square / (4 * eps)) * (square <= cutoff**2 * 2 * eps)
    q = k.sum(axis=1)
    k_alpha = k / np.outer(q, q) ** alpha
    d = k_alpha.sum(axis=1)
    return k_alpha / d[:, None], d / d.sum(), q


def on_the_edge(points: Array, eps: float, cutoff: float) -> bool:
    """Whether a pair is so near the cutoff that rounding decides on which side it is."""
    ratio = squares(points) / (2 * eps * cutoff**2)
    return bool((np.abs(ratio - 1) < 1e-12).any())


def weights_in(law: Law) -> Array:
    assert isinstance(law, PointLaw)
    return np.asarray(law.weights)


def circle(n: int) -> Array:
    angle = 2 * np.pi * np.arange(n) / n
    return np.column_stack([np.cos(angle), np.sin(angle)])


# -- identities that hold for any points -----------------------------------------------------------


@given(points=clouds(), eps=bandwidths, alpha=alphas, cutoff=cutoffs)
def test_it_is_a_reversible_chain_with_the_law_it_says(
    points: Array, eps: float, alpha: float, cutoff: float
) -> None:
    walk = DataWalk(points, eps, alpha, cutoff)
    p, weights = walk.matrix.toarray(), walk.weights
    # all demanded to 1e-12; sums of at most 40 positive numbers are right to 40 u
    assert (walk.matrix.data >= 0).all()
    assert np.abs(p.sum(axis=1) - 1).max() < 1e-12
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(weights @ p, weights, rtol=1e-12)
    flow = weights[:, None] * p
    # down to where numbers have fewer digits
    np.testing.assert_allclose(flow, flow.T, rtol=1e-12, atol=1e-300)
    assert (p.diagonal() > 0).all()


@given(points=clouds(), eps=bandwidths, alpha=alphas, cutoff=cutoffs)
def test_it_is_the_walk_of_the_book(points: Array, eps: float, alpha: float, cutoff: float) -> None:
    assume(not on_the_edge(points, eps, cutoff))
    walk = DataWalk(points, eps, alpha, cutoff)
    p, weights, q = by_the_book(points, eps, alpha, cutoff)
    # an entry k with exponent x is right to x (2 D + 6) u: absolutely, x e^-x <= 1/2; sums of 40
    # of them, the diagonal 1 among them, and powers up to 2: below 1000 u
    np.testing.assert_allclose(walk.kernel_sums, q, rtol=1000 * U)
    np.testing.assert_allclose(walk.weights, weights, rtol=4000 * U)
    np.testing.assert_allclose(walk.matrix.toarray(), p, rtol=0, atol=4000 * U)
    assert walk.step == eps
    assert walk.nodes is walk.points


@given(points=clouds(), eps=bandwidths, alpha=st.floats(-3, 3), cutoff=st.floats(0.2, 8))
@settings(max_examples=150)
def test_what_the_cutoff_changes_is_bounded(
    points: Array, eps: float, alpha: float, cutoff: float
) -> None:
    near, full = DataWalk(points, eps, alpha, cutoff), DataWalk(points, eps, alpha, math.inf)
    assert full.neglected == 0
    off = np.abs(near.matrix.toarray() - full.matrix.toarray()).sum(axis=1).max() / 2
    # rounding as in the test above, for powers up to 3
    assert off <= near.neglected + 6000 * U
    assert 0 <= near.neglected <= 1
    # where nothing is cut nothing is lost
    assert near.matrix.nnz < len(points) ** 2 or near.neglected == 0


def test_the_bound_can_be_reached() -> None:
    # two points just beyond the cutoff, alpha = 0: k = e^{-c^2/2}, P_12 = k/(1 + k)
    cutoff, eps = 0.7, 0.3
    apart = cutoff * math.sqrt(2 * eps) * (1 + 1e-9)
    walk = DataWalk(np.array([[0.0], [apart]]), eps, 0.0, cutoff)
    k = math.exp(-(cutoff**2) / 2)
    assert walk.matrix.nnz == 2
    # exponents that differ by 1e-9
    assert walk.neglected == pytest.approx(k / (1 + k), rel=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_bound_at_six_deviations_is_of_use(alpha: float) -> None:
    # on S^2 the tail beyond c is e^{-c^2/2} of a row, about; the bound takes all N points for as
    # heavy as one at the cutoff, which is N/q times as much, and each power q^-alpha twice
    rng = np.random.default_rng(5)
    points = Sphere(2).random_point(2000, rng)
    eps = 4e-3
    near, full = DataWalk(points, eps, alpha), DataWalk(points, eps, alpha, math.inf)
    off = np.abs(near.matrix.toarray() - full.matrix.toarray()).sum(axis=1).max() / 2
    share = 2000 / near.kernel_sums.min()
    assert off <= near.neglected <= (1 + 2 * alpha) * math.exp(-18) * share * 1.01
    assert near.neglected < 2e-5
    assert off > near.neglected / (2 * share)


@given(points=clouds(), eps=bandwidths, alpha=alphas, cutoff=cutoffs, power=st.integers(-20, 20))
def test_it_scales(points: Array, eps: float, alpha: float, cutoff: float, power: int) -> None:
    # powers of four move exponents only: nothing else may change
    scale = 2.0**power
    walk = DataWalk(points, eps, alpha, cutoff)
    other = DataWalk(scale * points, scale**2 * eps, alpha, cutoff)
    assert np.array_equal(walk.matrix.indices, other.matrix.indices)
    # the root of 2 eps, and so a pair at the cutoff, is the same up to the power of two
    assert np.array_equal(walk.matrix.data, other.matrix.data)
    assert np.array_equal(walk.weights, other.weights)
    assert walk.neglected == other.neglected


@given(points=clouds(), eps=bandwidths, alpha=alphas, cutoff=cutoffs, seed=st.integers(0, 99))
def test_it_does_not_see_where_the_points_lie_or_how_they_are_numbered(
    points: Array, eps: float, alpha: float, cutoff: float, seed: int
) -> None:
    assume(not on_the_edge(points, eps, cutoff))
    rng = np.random.default_rng(seed)
    n, dim = points.shape
    turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    order = rng.permutation(n)
    walk = DataWalk(points, eps, alpha, cutoff)
    moved = (points @ turn + rng.standard_normal(dim))[order]
    assume(not on_the_edge(moved, eps, cutoff))
    other = DataWalk(moved, eps, alpha, cutoff)
    # coordinates below 8 are moved with an error of 16 D u, squares r^2 by 64 D u r, which enters
    # divided by 4 eps; entries are e^{-r^2/(4 eps)}: at most 16 D u/sqrt(eps), sums and powers as
    # before
    noise = 4000 * U + 40 * 3 * 16 * dim * U / math.sqrt(eps)
    both = np.ix_(order, order)
    np.testing.assert_allclose(
        other.matrix.toarray(), walk.matrix.toarray()[both], rtol=0, atol=noise
    )
    np.testing.assert_allclose(other.weights, walk.weights[order], rtol=noise)
    np.testing.assert_allclose(other.kernel_sums, walk.kernel_sums[order], rtol=noise)
    assert other.neglected == pytest.approx(walk.neglected, rel=100 * noise, abs=noise)


def test_a_point_far_from_all_others_stays() -> None:
    points = np.array([[0.0], [0.1], [50.0], [0.2]])
    walk = DataWalk(points, 0.01, 1.0)
    assert walk.kernel_sums[2] == 1
    assert np.array_equal(walk.matrix.toarray()[2], [0, 0, 1, 0])
    law = walk.evolve(PointLaw(points[2:3], manifold=Euclidean(1)), 5)
    assert np.array_equal(weights_in(law), [0, 0, 1, 0])


# -- exact ground: equally spaced points on the circle ---------------------------------------------


@pytest.mark.parametrize("eps", [0.2, 0.05, 0.0125])
def test_kernel_sums_on_the_circle_are_bessel_functions(eps: float) -> None:
    # |x - y|^2 = 2 - 2 cos t, and the mean of exp(cos(t)/(2 eps)) is I_0(1/(2 eps)); the mean over
    # n = 400 points adds 2 I_400, which is below 1e-100
    z = 1 / (2 * eps)
    walk = DataWalk(circle(400), eps, cutoff=math.inf)
    # the argument z is rounded where it is subtracted: z u, and the sum of 400 terms
    np.testing.assert_allclose(walk.kernel_sums / 400, ive(0, z), rtol=(4 * z + 400) * U)
    # near 1/(2 pi): I_0(z) e^{-z} sqrt(2 pi z) = 1 + 1/(8 z) + 9/(128 z^2) + 75/(1024 z^3) + ...
    estimate = walk.kernel_sums[0] / (400 * math.sqrt(4 * math.pi * eps))
    assert estimate * 2 * math.pi == pytest.approx(
        1 + eps / 4 + 9 * eps**2 / 32, abs=2 * eps**3, rel=0
    )


def test_kernel_sums_estimate_the_density() -> None:
    # points at equal shares of p = (1 + cos(t)/2)/(2 pi)
    share = (np.arange(2000) + 0.5) / 2000
    angle = 2 * np.pi * share
    for _ in range(60):
        angle -= (angle + np.sin(angle) / 2 - 2 * np.pi * share) / (1 + np.cos(angle) / 2)
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    density = (1 + np.cos(angle) / 2) / (2 * np.pi)
    bandwidths = [0.04, 0.02, 0.01, 0.005]
    errors = []
    for eps in bandwidths:
        q = DataWalk(points, eps).kernel_sums
        errors.append(np.abs(q / (2000 * math.sqrt(4 * np.pi * eps)) - density).max())
    # first order; the next one bends the slope by the largest bandwidth
    assert fit_order(bandwidths, errors).slope == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_on_the_circle_it_is_a_convolution(alpha: float) -> None:
    n, eps = 60, 0.03
    points = circle(n)
    walk = DataWalk(points, eps, alpha)
    row = np.exp(-((points - points[0]) ** 2).sum(axis=1) / (4 * eps))
    row[row < math.exp(-18)] = 0
    row /= row.sum()
    step = (np.arange(n)[None, :] - np.arange(n)[:, None]) % n
    # angles are right to 8 u, squares of distances to 32 u, over 4 eps
    noise = (32 / (4 * eps) + 100) * U
    np.testing.assert_allclose(walk.matrix.toarray(), row[step], rtol=0, atol=noise)
    np.testing.assert_allclose(walk.weights, 1 / n, rtol=noise)
    angle = 2 * np.pi * np.arange(n) / n
    for k in (1, 2, 7):
        wave = np.column_stack([np.cos(k * angle), np.sin(k * angle)])
        factor = row @ np.cos(k * angle)
        np.testing.assert_allclose(walk.apply(wave), factor * wave, rtol=0, atol=n * noise)
        # (I - P) phi = eps wave; the residual is demanded to 1e-13, over the gap
        expected = eps * wave / (1 - factor)
        np.testing.assert_allclose(walk.poisson(wave), expected, rtol=0, atol=1e-11)


# -- the transition --------------------------------------------------------------------------------

RNG = np.random.default_rng(6)
WALK = DataWalk(Sphere(2).random_point(120, RNG), 0.05, 0.5)
VALUES = np.column_stack([WALK.points[:, 2], np.exp(WALK.points[:, 0])])


@pytest.mark.parametrize("offset", [0.0, 1.0, -1e6])
def test_the_poisson_equation_is_solved(offset: float) -> None:
    phi = WALK.poisson(VALUES + offset)
    left = phi - WALK.apply(phi)
    right = WALK.step * (VALUES - WALK.stationary_mean(VALUES))
    # residuals of 1e-13 in the mean over the law, over its root at the rarest point; the offset is
    # rounded away to u of it
    noise = 1e-13 / math.sqrt(WALK.weights.min()) + 4 * abs(offset) * U
    np.testing.assert_allclose(left, right, rtol=0, atol=noise)
    assert np.abs(WALK.stationary_mean(phi)).max() < 1e-13


def test_a_constant_has_the_poisson_solution_zero() -> None:
    for value in (1.0, -3e5, 0.0):
        # what is left of it, u times its size, times eps over the gap
        phi = WALK.poisson(np.full(120, value))
        assert np.abs(phi).max() <= 10 * U * abs(value)


def test_a_small_cloud_has_the_same_equation_in_its_own_units() -> None:
    # lengths times 2^-250: eps and the solution times 2^-500, and squares of them no numbers
    scale = 2.0**-250
    small = DataWalk(WALK.points * scale, WALK.step * scale**2, WALK.alpha)
    expected = WALK.poisson(VALUES) * scale**2
    np.testing.assert_array_equal(small.poisson(VALUES), expected)
    small.resolvent(VALUES, 1.0)


def test_n_steps_are_the_matrix_to_the_power_n() -> None:
    start = PointLaw(WALK.points[[17]], manifold=Euclidean(3))
    laws = WALK.evolve(start, 12, every=4)
    power = np.linalg.matrix_power(WALK.matrix.toarray(), 4)
    weights = np.eye(120)[17]
    assert laws[0] is start
    for law in laws[1:]:
        weights = weights @ power
        found = weights_in(law)
        # 12 steps of sums of 120 terms
        np.testing.assert_allclose(found, weights, rtol=0, atol=12 * 120 * U * weights.max())
        assert found.sum() == pytest.approx(1, abs=120 * U)
        assert law.manifold == Euclidean(3)
        assert isinstance(law, PointLaw)
        assert np.array_equal(law.points, WALK.points)


def test_the_law_tends_to_the_stationary_one_and_stays() -> None:
    start = PointLaw(WALK.points[[17, 3, 17]], np.array([1.0, 2.0, 1.0]), Euclidean(3))
    assert WALK.weights_of(start)[17] == pytest.approx(0.5)
    late = WALK.evolve(start, 2000)
    # the second eigenvalue is below 0.95: 0.95^2000 is nothing; the rest is as above
    np.testing.assert_allclose(weights_in(late), WALK.weights, rtol=1e-12)
    kept = WALK.evolve(WALK.stationary, 50)
    np.testing.assert_allclose(weights_in(kept), WALK.weights, rtol=1e-12)
    assert WALK.evolve(start, 0) is start


def test_a_law_may_sit_on_points_that_are_there_twice() -> None:
    points = np.array([[0.0], [1.0], [1.0], [2.0]])
    walk = DataWalk(points, 0.3)
    law = walk.evolve(PointLaw(points[[1]], manifold=Euclidean(1)), 1)
    assert np.allclose(weights_in(law), walk.matrix.toarray()[1])


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "message"),
    [
        (
            PointLaw(WALK.points[[3]] + 1e-12, manifold=Euclidean(3)),
            r"law must have its points among the data points; got \[",
        ),
        (
            PointLaw(WALK.points[[3]], manifold=Sphere(2)),
            r"law must live on Euclidean\(3\); got a law on Sphere\(2\)",
        ),
        (
            PointLaw(np.array([[0.5]]), manifold=Euclidean(1)),
            r"law must live on Euclidean\(3\); got",
        ),
    ],
)
def test_a_law_elsewhere_is_refused(law: PointLaw, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WALK.evolve(law, 1)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"points": [0.0, 1.0]}, ValueError, r"points must have shape \(N, D\); got shape \(2,\)"),
        ({"points": [[0.0]]}, ValueError, r"points must be at least two rows.*got shape \(1, 1\)"),
        ({"points": np.empty((3, 0))}, ValueError, r"points must be at least two rows.*\(3, 0\)"),
        ({"points": [[0.0], [math.nan]]}, ValueError, r"points must be finite; got nan at"),
        ({"points": [[0.0], [1e200]]}, ValueError, r"points must have coordinates up to .*1e\+200"),
        ({"points": "points"}, TypeError, r"points must be an array of real numbers"),
        ({"bandwidth": 0.0}, ValueError, r"bandwidth must be a finite real number > 0; got 0"),
        ({"bandwidth": -1}, ValueError, r"bandwidth must be .* > 0; got -1"),
        ({"bandwidth": math.inf}, ValueError, r"bandwidth must be .* > 0; got inf"),
        ({"alpha": math.nan}, ValueError, r"alpha must be a finite real number; got nan"),
        ({"alpha": 500.0}, ValueError, r"alpha must leave q\^-alpha within .* got 500 for kernel"),
        ({"alpha": -500.0}, ValueError, r"alpha must leave q\^-alpha within .* got -500 for"),
        ({"alpha": "1"}, TypeError, r"alpha must be a finite real number; got '1'"),
        ({"cutoff": 0.0}, ValueError, r"cutoff must be .* > 0; got 0"),
        ({"cutoff": math.nan}, ValueError, r"cutoff must be .* > 0; got nan"),
        ({"cutoff": -math.inf}, ValueError, r"cutoff must be .* > 0; got -inf"),
        ({"cutoff": np.ones(2)}, TypeError, r"cutoff must be .* > 0; got array"),
    ],
)
def test_bad_input_is_refused(given: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        DataWalk(**{"points": [[0.0], [0.1], [3.0], [0.05]], "bandwidth": 0.1, **given})


@given(
    alpha=st.floats(-1e300, 1e300) | st.floats(-500, 500),
    eps=st.sampled_from([5e-324, 1e-300, 0.1, 1e300, 1.7e308]),
    cutoff=st.floats(1e-300, 1e300) | st.just(math.inf),
)
@settings(max_examples=200)
def test_extreme_numbers_are_served_or_refused(alpha: float, eps: float, cutoff: float) -> None:
    # a warning would be an error here
    points = np.array([[0.0], [0.1], [0.11], [3.0], [1e140]])
    try:
        walk = DataWalk(points, eps, alpha, cutoff)
    except ValueError as error:
        assert re.match(r"alpha must leave q\^-alpha within", str(error))  # noqa: PT017
        return
    assert (walk.weights > 0).all()
    assert np.abs(walk.matrix.sum(axis=1) - 1).max() < 1e-12
    np.testing.assert_allclose(walk.weights @ walk.matrix, walk.weights, rtol=1e-12)
    assert 0 <= walk.neglected <= 1


@pytest.mark.parametrize("cutoff", [6.0, math.inf])
@pytest.mark.parametrize("apart", [5.0, 50.0])
def test_pieces_have_no_poisson_equation(cutoff: float, apart: float) -> None:
    # at 5 the kernel between the pieces is e^-600 and not zero, at 50 it is
    piece = 0.1 * np.random.default_rng(7).standard_normal((40, 2))
    walk = DataWalk(np.concatenate([piece, piece + apart]), 0.02, cutoff=cutoff)
    with pytest.raises(ValueError, match=r"points must be connected .*got 2 pieces"):
        walk.poisson(walk.points[:, 0])
    # the chain itself is one
    assert np.abs(walk.matrix.sum(axis=1) - 1).max() < 1e-12


@pytest.mark.parametrize("apart", [0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6])
def test_loose_pieces_are_served_right_or_refused(apart: float) -> None:
    piece = 0.1 * np.random.default_rng(7).standard_normal((80, 2))
    walk = DataWalk(np.concatenate([piece, piece + np.array([apart, 0.0])]), 0.004, cutoff=math.inf)
    f = walk.points[:, 0]
    try:
        phi = walk.poisson(f)
    except (ArithmeticError, ValueError) as error:
        assert "connected" in str(error)  # noqa: PT017
        assert apart > 0.8
        return
    root = np.sqrt(walk.weights)
    symmetric = np.eye(160) - root[:, None] * walk.matrix.toarray() / root
    rates, frame = np.linalg.eigh((symmetric + symmetric.T) / 2)
    right = root * (f - walk.stationary_mean(f)) * walk.step
    expected = (frame[:, 1:] / rates[1:]) @ (frame[:, 1:].T @ right) / root
    # rounding of I - P, some 100 u, over the gap, in both
    np.testing.assert_allclose(
        phi, expected, rtol=0, atol=100 * U / rates[1] * np.abs(expected).max()
    )


@pytest.mark.parametrize(("n", "cutoff"), [(2, math.inf), (30, math.inf), (30, 40.0), (30, 2.0)])
def test_products_are_taken_with_the_same_numbers(n: int, cutoff: float) -> None:
    points = np.random.default_rng(8).standard_normal((n, 3))
    walk = DataWalk(points, 0.1, 0.5, cutoff)
    whole = walk.multiplier if isinstance(walk.multiplier, np.ndarray) else walk.matrix.toarray()
    assert isinstance(walk.multiplier, np.ndarray) == (cutoff > 2)
    np.testing.assert_array_equal(whole, walk.matrix.toarray())


def test_a_walk_cannot_be_written_over() -> None:
    walk = DataWalk(np.array([[0.0], [1.0]]), 1.0)
    arrays = (walk.matrix.data, walk.matrix.indices, walk.matrix.indptr, walk.weights)
    for array in (*arrays, walk.points, walk.kernel_sums):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
