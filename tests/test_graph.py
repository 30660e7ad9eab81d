"""The generator (P - I)/eps of the data walk: equations, spectra, exact ground."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.special import ive

from coupled_flows import DataWalk, GraphGenerator, Sphere, Torus, fit_order
from coupled_flows.generators import graph
from coupled_flows.geometry.errors import Array

U = 2.0**-53


def on_sphere(n: int, alpha: float, eps: float = 0.06) -> GraphGenerator:
    """Return the generator on points of S^2, denser in the north."""
    points = Sphere(2).random_point(2 * n, np.random.default_rng(1))
    return GraphGenerator(DataWalk(points[np.argsort(-points[:, 2])[:n]], eps, alpha))


FEW, MANY = on_sphere(150, 1.0), on_sphere(420, 0.5)
each = pytest.mark.parametrize("generator", [FEW, MANY], ids=["dense", "lanczos"])


def smooth(generator: GraphGenerator, seed: int) -> Array:
    """Return some function of the points, two columns of it."""
    x = generator.nodes
    waves = np.column_stack([x, x**2, np.sin(3 * x), np.exp(x[:, :1])])
    return waves @ np.random.default_rng(seed).standard_normal((waves.shape[1], 2))


def dense(generator: GraphGenerator) -> tuple[Array, Array]:
    """Return all rates of the conjugated matrix, and its eigenvectors."""
    root = np.sqrt(generator.mass)
    symmetric = root[:, None] * generator.walk.matrix.toarray() / root
    values, frame = np.linalg.eigh((symmetric + symmetric.T) / 2)
    return (1 - values[::-1]) / generator.walk.step, frame[:, ::-1]


def circle(n: int, eps: float) -> GraphGenerator:
    angle = 2 * np.pi * np.arange(n)[:, None] / n
    return GraphGenerator(DataWalk(Torus(1).embedding.value(angle), eps))


# -- what it is ------------------------------------------------------------------------------------


@each
def test_it_is_the_walk_less_the_identity_over_eps(generator: GraphGenerator) -> None:
    walk, f = generator.walk, smooth(generator, 0)
    eps, n = walk.step, len(generator.nodes)
    assert np.array_equal(generator.mass, walk.weights)
    assert np.array_equal(generator.nodes, walk.points)
    # sums of n terms, over eps
    noise = 2 * n * U / eps * np.abs(f).max()
    np.testing.assert_allclose(generator.apply(f), (walk.apply(f) - f) / eps, rtol=0, atol=noise)
    np.testing.assert_allclose(generator.matrix @ f, generator.apply(f), rtol=0, atol=noise)
    assert np.abs(generator.matrix.sum(axis=1)).max() <= n * U / eps
    assert np.abs(generator.apply(np.ones(n))).max() <= n * U / eps
    assert np.abs(generator.stationary_mean(generator.apply(f))).max() <= noise


# -- eigenfunctions --------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("count", [1, 2, 9, 60, None])
def test_eigenfunctions_are_what_they_are(generator: GraphGenerator, count: int | None) -> None:
    n, eps = len(generator.nodes), generator.walk.step
    count = n if count is None else count
    rates, f = generator.eigenfunctions(count)
    assert rates.shape == (count,)
    assert f.shape == (n, count)
    assert rates[0] == 0
    assert (f[:, 0] == 1).all()
    assert (np.diff(rates) >= 0).all()
    expected, _ = dense(generator)
    # LAPACK and ARPACK leave some n u of the norm, 1
    np.testing.assert_allclose(rates, expected[:count], rtol=0, atol=n * U / eps)
    inner = f.T @ (generator.mass[:, None] * f)
    np.testing.assert_allclose(inner, np.eye(count), rtol=0, atol=4 * n * U)
    residual = generator.apply(f) + rates * f
    norm = np.sqrt(generator.stationary_mean(residual**2))
    # the same, and another n u of the sums
    assert norm.max() <= 4 * n * U / eps
    top = f[np.abs(f).argmax(axis=0), np.arange(count)]
    assert (top > 0).all()


def test_both_ways_to_the_eigenfunctions_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rates, f = MANY.eigenfunctions(12)
    monkeypatch.setattr(graph, "DENSE", 1000)
    again, g = MANY.eigenfunctions(12)
    # an eigenvector is right to u over the distance to the next eigenvalue
    gaps = np.diff(MANY.eigenfunctions(13)[0]).min() * MANY.walk.step
    assert gaps > 1e-5
    np.testing.assert_allclose(rates, again, rtol=0, atol=420 * U / MANY.walk.step)
    root = np.sqrt(MANY.mass)[:, None]
    np.testing.assert_allclose(root * f, root * g, rtol=0, atol=420 * U / gaps)


@each
def test_they_are_the_same_at_every_call(generator: GraphGenerator) -> None:
    twin = GraphGenerator(DataWalk(generator.nodes, generator.walk.step, generator.walk.alpha))
    for other in (generator, twin):
        for one, two in zip(generator.eigenfunctions(7), other.eigenfunctions(7), strict=True):
            assert np.array_equal(one, two)


@each
def test_the_gap_is_the_second_rate(generator: GraphGenerator) -> None:
    assert generator.gap == generator.eigenfunctions(2)[0][1]
    assert generator.gap > 0


def test_two_points_have_one_rate() -> None:
    # k = e^{-1/(4 eps)} and alpha = 0: P = [[1, k], [k, 1]]/(1 + k), rate 2 k/(1 + k)/eps
    eps = 0.25
    generator = GraphGenerator(DataWalk(np.array([[0.0], [1.0]]), eps, 0.0))
    k = math.exp(-1)
    rates, f = generator.eigenfunctions(2)
    np.testing.assert_allclose(rates, [0, 2 * k / (1 + k) / eps], rtol=8 * U)
    np.testing.assert_allclose(np.abs(f), 1, rtol=8 * U)


@pytest.mark.parametrize("apart", [0.9, 1.1, 1.3])
def test_loose_pieces_keep_eigenfunctions_orthonormal(apart: float) -> None:
    # the second eigenvalue of P comes within rounding of 1: no mixing with the constants
    piece = 0.1 * np.random.default_rng(7).standard_normal((150, 2))
    points = np.concatenate([piece, piece + np.array([apart, 0.0])])
    generator = GraphGenerator(DataWalk(points, 0.006, cutoff=math.inf))
    rates, f = generator.eigenfunctions(4)
    inner = f.T @ (generator.mass[:, None] * f)
    np.testing.assert_allclose(inner, np.eye(4), rtol=0, atol=4 * 300 * U)
    # the slow one tells the pieces apart
    assert (rates >= 0).all()
    assert rates[1] < 0.1
    assert rates[2] > 10
    assert (f[:150, 1] * f[150:, 1] < 0).all()


# -- equations -------------------------------------------------------------------------------------


@each
@given(seed=st.integers(1, 1000), lam=st.floats(0.01, 100), mu=st.floats(0.01, 100))
@settings(max_examples=15)
def test_the_resolvent_identity(
    generator: GraphGenerator, seed: int, lam: float, mu: float
) -> None:
    f = smooth(generator, seed)
    first, second = generator.resolvent(f, lam), generator.resolvent(f, mu)
    # R_lam - R_mu = (mu - lam) R_lam R_mu. Conjugate gradients leave 1e-13 of eps f in the mean
    # over pi, which the inverse makes 1e-13/lam of f: twice, over the root of the rarest mass
    size = np.abs(f).max() * (1 + abs(mu - lam) / min(lam, mu)) / min(lam, mu)
    noise = 4e-13 * size / math.sqrt(generator.mass.min())
    np.testing.assert_allclose(
        first - second, (mu - lam) * generator.resolvent(second, lam), rtol=0, atol=noise
    )


@each
@pytest.mark.parametrize("lam", [1e-6, 0.01, 1.0, 100.0, 1e6])
def test_the_resolvent_solves_its_equation(generator: GraphGenerator, lam: float) -> None:
    f = smooth(generator, 3)
    u = generator.resolvent(f, lam)
    # residuals of 1e-13 |f|, over the root of the rarest mass; the mean is right to u, over eps lam
    noise = 1e-13 / math.sqrt(generator.mass.min()) + 420 * U / min(1, generator.walk.step * lam)
    np.testing.assert_allclose(
        lam * u - generator.apply(u), f, rtol=0, atol=noise * np.abs(f).max()
    )
    # constants are known: 1/lam
    np.testing.assert_allclose(generator.resolvent(np.ones(len(f)), lam) * lam, 1, rtol=420 * U)
    mean = generator.stationary_mean(f)
    np.testing.assert_allclose(
        lam * generator.stationary_mean(u), mean, rtol=0, atol=1e-13 * abs(f).max()
    )


@each
@given(seed=st.integers(1, 1000), lam=st.floats(0.01, 100))
@settings(max_examples=15)
def test_everything_is_self_adjoint_in_pi(generator: GraphGenerator, seed: int, lam: float) -> None:
    f, g = smooth(generator, seed).T
    size = math.sqrt(generator.stationary_mean(f**2) * generator.stationary_mean(g**2))
    # norms: 2/eps, 1/lam, 1/gap; conjugate gradients leave 1e-13 of it, times eps over the gap
    for apply, norm in (
        (generator.apply, 2 / generator.walk.step),
        (lambda u: generator.resolvent(u, lam), 1 / lam),
        (generator.poisson, 1 / generator.gap),
    ):
        left, right = (generator.stationary_mean(a * apply(b)) for a, b in ((f, g), (g, f)))
        assert abs(left - right) <= 1e-12 * norm * size
    assert generator.stationary_mean(f * generator.apply(f)) <= 0


@each
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_the_poisson_equation_is_solved(generator: GraphGenerator, offset: float) -> None:
    f = smooth(generator, 4)
    phi = generator.poisson(f + offset)
    centred = f - generator.stationary_mean(f)
    noise = 2e-13 / math.sqrt(generator.mass.min()) * np.abs(f).max() + 8 * U * offset
    np.testing.assert_allclose(-generator.apply(phi), centred, rtol=0, atol=noise)
    assert np.abs(generator.stationary_mean(phi)).max() < 1e-14 * max(1, np.abs(phi).max())
    # the walk's own equation is (I - P) phi = eps (f - pi f): the same
    np.testing.assert_array_equal(generator.poisson(f), generator.walk.poisson(f))


@each
def test_the_resolvent_tends_to_the_poisson_solution(generator: GraphGenerator) -> None:
    f = smooth(generator, 5)
    centred = f - generator.stationary_mean(f)
    phi = generator.poisson(f)
    size = np.sqrt(generator.stationary_mean(phi**2))
    for lam in (1.0, 1e-2, 1e-4):
        away = generator.resolvent(centred, lam) - phi
        gap = np.sqrt(generator.stationary_mean(away**2))
        # |u_lam - phi| <= lam/(lam + gap) |phi|, and the mean of `centred`, right to 4 u, over lam
        assert (gap <= lam / (lam + generator.gap) * size + 1e-14 / lam).all()


# -- the asymptotic covariance ---------------------------------------------------------------------


@each
def test_the_asymptotic_covariance_is_one(generator: GraphGenerator) -> None:
    f = smooth(generator, 6)
    covariance = generator.asymptotic_covariance(f)
    assert np.array_equal(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance)[0] > 0
    # phi is right to 1e-13 eps/(eps gap), f is of size 10
    noise = 1e-11 * covariance.max()
    again = generator.asymptotic_covariance(f + np.array([3.0, -4.0]))
    np.testing.assert_allclose(again, covariance, rtol=0, atol=noise)
    one = generator.asymptotic_covariance(f[:, 0])
    np.testing.assert_allclose(one, covariance[:1, :1], rtol=0, atol=noise)
    # 2 <f, (-L)^{-1} f> by the whole spectrum
    rates, frame = dense(generator)
    modes = frame[:, 1:].T @ (np.sqrt(generator.mass)[:, None] * f)
    np.testing.assert_allclose(covariance, 2 * (modes.T / rates[1:]) @ modes, rtol=0, atol=noise)


def test_it_is_the_integral_of_the_covariances_in_time() -> None:
    generator = on_sphere(60, 0.5, eps=0.2)
    f = smooth(generator, 7)[:, 0]
    f = f - generator.stationary_mean(f)
    step, n = 1 / 64, 4096
    flow = expm(step * generator.matrix.toarray())
    covariances: list[float] = []
    g: Array = f
    for _ in range(n + 1):
        covariances.append(float(generator.stationary_mean(f * g)))
        g = flow @ g
    assert abs(covariances[-1]) < 1e-14 * covariances[0]
    # the trapezoidal rule errs by step^2/12 of the jump of the derivative, -<f, L f>, then step^4
    total = step * (sum(covariances) - covariances[0] / 2)
    total += step**2 / 12 * float(generator.stationary_mean(f * generator.apply(f)))
    largest = (step * generator.eigenfunctions(60)[0][-1]) ** 4 / 720
    expected = generator.asymptotic_covariance(f)[0, 0]
    assert 2 * total == pytest.approx(expected, rel=2 * largest)


def test_the_chain_itself_has_eps_times_the_variance_less() -> None:
    # time averages of the chain: eps (sum over all k of E f(X_0) f(X_k)) = C - eps E f^2
    generator = on_sphere(60, 1.0, eps=0.2)
    walk, f = generator.walk, smooth(generator, 8)
    f = f - generator.stationary_mean(f)
    variance = f.T @ (generator.mass[:, None] * f)
    total: Array = variance.copy()
    g: Array = f
    for _ in range(2000):
        g = walk.apply(g)
        total += 2 * f.T @ (generator.mass[:, None] * g)
    expected = generator.asymptotic_covariance(f) - walk.step * variance
    np.testing.assert_allclose(walk.step * total, expected, rtol=0, atol=1e-11 * expected.max())


# -- exact ground ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [90, 600], ids=["dense", "lanczos"])
def test_on_the_circle_the_rates_are_ratios_of_bessel_functions(n: int) -> None:
    # equally spaced points: P is circulant, its eigenvalues are Fourier coefficients of the kernel
    # by n points, or I_k(z)/I_0(z) with z = 1/(2 eps), but for I_{n-k} and the cutoff e^{-18}
    eps, angle = 0.02, 2 * np.pi * np.arange(n) / n
    kernel = np.exp(-(1 - np.cos(angle)) / (2 * eps))
    kernel[kernel < math.exp(-18)] = 0
    generator = circle(n, eps)
    rates, f = generator.eigenfunctions(21)
    waves = np.repeat(np.arange(11), 2)[1:]
    factors = np.array([kernel @ np.cos(k * angle) for k in waves]) / kernel.sum()
    # demanded: 1e-12 of 1/eps
    np.testing.assert_allclose(rates, (1 - factors) / eps, rtol=0, atol=1e-12 / eps)
    bessel = ive(waves, 1 / (2 * eps)) / ive(0, 1 / (2 * eps))
    np.testing.assert_allclose(rates, (1 - bessel) / eps, rtol=0, atol=2 * math.exp(-18) / eps)
    # the pairs span cosine and sine
    for k in range(1, 11):
        exact = math.sqrt(2) * np.column_stack([np.cos(k * angle), np.sin(k * angle)])
        pair = f[:, 2 * k - 1 : 2 * k + 1]
        turn = exact.T @ pair / n
        # n u over the distance of the eigenvalues, at least 0.02
        np.testing.assert_allclose(exact @ turn, pair, rtol=0, atol=n * U / 0.01)
        np.testing.assert_allclose(turn.T @ turn, np.eye(2), rtol=0, atol=n * U / 0.01)


def test_on_the_circle_the_rates_tend_to_those_of_the_laplacian() -> None:
    bandwidths = [0.02, 0.01, 0.005, 0.0025]
    found = np.array([circle(400, eps).eigenfunctions(7)[0][1::2] for eps in bandwidths])
    for k, rates in zip((1, 2, 3), found.T, strict=True):
        errors = np.abs(rates - k**2)
        # (1 - I_k(z)/I_0(z))/eps = k^2 - eps (k^4 - 2 k^2)/2 + ...; the next term is up to 5 eps of
        # that for k <= 3: it bends the slope by less than 5 times the largest bandwidth
        assert fit_order(bandwidths, errors).slope == pytest.approx(1, abs=0.1)
        assert errors[-1] == pytest.approx(abs(k**4 - 2 * k**2) / 2 * 0.0025, rel=5 * 0.0025)
        bessel = (1 - ive(k, 1 / (2 * 0.0025)) / ive(0, 1 / (2 * 0.0025))) / 0.0025
        assert rates[-1] == pytest.approx(bessel, abs=2 * math.exp(-18) / 0.0025)


def test_on_the_product_of_two_circles_the_rates_have_their_multiplicities() -> None:
    # the kernel is a product, so its eigenvalues are; up to eight of them are equal, which a
    # method that starts from one vector may miss
    n, eps = 24, 0.03
    angle = 2 * np.pi * np.arange(n) / n
    first, second = (grid.ravel() for grid in np.meshgrid(angle, angle))
    points = np.column_stack([np.cos(first), np.sin(first), np.cos(second), np.sin(second)])
    generator = GraphGenerator(DataWalk(points, eps, cutoff=math.inf))
    kernel = np.exp(-(1 - np.cos(angle)) / (2 * eps))
    factor = np.array([kernel @ np.cos(k * angle) for k in range(n)]) / kernel.sum()
    expected = np.sort([(1 - a * b) / eps for a, b in itertools.product(factor, factor)])
    for count in (2, 6, 14, 40, 100):
        rates, _ = generator.eigenfunctions(count)
        np.testing.assert_allclose(rates, expected[:count], rtol=0, atol=n**2 * U / eps)
    assert np.ptp(expected[13:21]) < 1e-12 / eps  # (1, 2), (2, 1) with all signs


@pytest.mark.parametrize("eps", [0.03, 0.003])
def test_on_a_small_flat_torus_no_copy_is_lost(eps: float) -> None:
    # translations and the symmetries of a square: up to eight equal rates
    angle = 2 * np.pi * np.arange(20) / 20
    first, second = (grid.ravel() for grid in np.meshgrid(angle, angle))
    points = np.column_stack([np.cos(first), np.sin(first), np.cos(second), np.sin(second)])
    generator = GraphGenerator(DataWalk(points, eps))
    expected, _ = dense(generator)
    for count in range(2, 42):
        rates, _ = generator.eigenfunctions(count)
        # ARPACK and LAPACK leave some n u of the norm, and so much is let pass
        np.testing.assert_allclose(rates, expected[:count], rtol=0, atol=4 * 400 * U / eps)


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("walk", [None, np.eye(3), DataWalk, FEW])
def test_only_a_data_walk_has_one(walk: Any) -> None:
    with pytest.raises(TypeError, match=r"walk must be a DataWalk; got "):
        GraphGenerator(walk)


@pytest.mark.parametrize(
    ("count", "kind"), [(0, ValueError), (-1, ValueError), (151, ValueError), (2.0, TypeError)]
)
def test_a_count_out_of_range_is_refused(count: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=rf"count must be .*(1|150); got {count}"):
        FEW.eigenfunctions(count)


def test_pieces_are_refused_where_constants_are_not_alone() -> None:
    pieces = GraphGenerator(DataWalk(np.array([[0.0], [0.1], [9.0], [9.1]]), 0.1))
    for call in (
        lambda: pieces.eigenfunctions(2),
        lambda: pieces.poisson(np.arange(4.0)),
        lambda: pieces.asymptotic_covariance(np.arange(4.0)),
        lambda: pieces.gap,
    ):
        with pytest.raises(ValueError, match=r"points must be connected .*got 2 pieces"):
            call()
    # a resolvent they have
    f, lam = np.array([1.0, 1.0, -2.0, -2.0]), 0.3
    np.testing.assert_allclose(pieces.resolvent(f, lam), f / lam, rtol=1e-12)
