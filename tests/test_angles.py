"""Quantiles, quadrature and resolution of laws described by one angle, on circle and sphere."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq

from coupled_flows import CircleLaw, ZonalLaw
from coupled_flows.geometry.errors import Array
from coupled_flows.measure.angles import SmoothLaw

TURN = 2 * math.pi

# law, and the density of its angle, not normalised, in formulas of its own
LAWS: dict[str, tuple[SmoothLaw, Callable[[float], float]]] = {
    "two humps": (
        CircleLaw.from_density(
            lambda x: np.exp(np.cos(x[:, 0] - 4) + 0.5 * np.sin(2 * x[:, 0])), 40
        ),
        lambda t: math.exp(math.cos(t - 4) + 0.5 * math.sin(2 * t)),
    ),
    "narrow": (
        CircleLaw.from_density(lambda x: np.exp(30 * np.cos(x[:, 0] - 0.1)), 64),
        lambda t: math.exp(30 * (math.cos(t - 0.1) - 1)),
    ),
    "zero at a point": (
        CircleLaw.from_density(lambda x: 1 + np.cos(x[:, 0]), 4),
        lambda t: 1 + math.cos(t),
    ),
    "polar cap": (
        ZonalLaw.from_density(lambda z: np.exp(3 * z), 40),
        lambda t: math.exp(3 * math.cos(t)) * math.sin(t),
    ),
    "band": (
        ZonalLaw.from_density(lambda z: np.exp(-8 * z**2), 48),
        lambda t: math.exp(-8 * math.cos(t) ** 2) * math.sin(t),
    ),
    "linear": (
        ZonalLaw.from_density(lambda z: 1 + z, 3),
        lambda t: (1 + math.cos(t)) * math.sin(t),
    ),
}
each_law = pytest.mark.parametrize("name", LAWS)


def below(name: str, angle: float) -> float:
    """Share of mass below an angle, by adaptive integration, good to 1e-13."""
    law, density = LAWS[name]

    def integral(low: float, high: float) -> float:
        cuts = [c for c in np.linspace(0, law.end, 9) if low < c < high]
        ends = [low, *cuts, high]
        return sum(
            quad(density, a, b, epsabs=1e-14, epsrel=1e-13)[0] for a, b in itertools.pairwise(ends)
        )

    return integral(0, angle) / integral(0, law.end)


@each_law
def test_quantiles_are_where_the_integrated_density_says(name: str) -> None:
    law, density = LAWS[name]
    shares = (np.arange(5) + 0.5) / 5
    total = quad(density, 0, law.end, limit=200, epsabs=1e-13)[0]
    for share, angle in zip(shares, law.quantiles(5), strict=True):
        root = brentq(lambda t, s=share: below(name, t) - s, 0, law.end, xtol=1e-13)
        # both distribution functions are good to 1e-13, over the density there
        assert abs(angle - root) < 4e-13 / (density(root) / total) + 1e-12


@each_law
def test_the_distribution_function_is_the_integral_of_the_density(name: str) -> None:
    law, _ = LAWS[name]
    for angle in np.linspace(0, law.end, 7):
        # a series of up to 64 terms, and an integral to 1e-13
        assert law.distribution(np.array([angle]))[0] == pytest.approx(
            below(name, angle), abs=3e-13
        )


@each_law
@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_angles_of_shares_invert_the_distribution(name: str, shares: list[float]) -> None:
    law, _ = LAWS[name]
    share = np.array(shares)
    angle = law.angle_at(share)
    assert np.isfinite(angle).all()
    assert ((angle >= 0) & (angle <= law.end)).all()
    # Newton stops at 1e-14 plus the rounding of a series of 64 terms in [0, 1], 64 * 1.1e-16
    assert np.abs(law.distribution(angle) - share).max() < 4e-14


@each_law
@pytest.mark.parametrize("n", [1, 2, 3, 1000])
def test_quantiles_ascend(name: str, n: int) -> None:
    quantiles = LAWS[name][0].quantiles(n)
    assert quantiles.shape == (n,)
    assert (np.diff(quantiles) > 0).all()


@each_law
def test_quadrature_has_mass_one_and_integrates(name: str) -> None:
    law, density = LAWS[name]
    total = quad(density, 0, law.end, limit=200, epsabs=1e-13)[0]
    expected = (
        quad(lambda t: density(t) * math.cos(2 * t), 0, law.end, limit=200, epsabs=1e-13)[0] / total
    )
    cuts = np.sort(np.concatenate([law.grid(), [0.3, 0.3, 1.0, 2.5]]))
    rules = [law.panels(law.grid()), law.panels(cuts)]
    for angle, share, weight in rules:
        # sums of some thousand weights, 1e3 * 1.1e-16
        assert weight.sum() == pytest.approx(1, abs=2e-13)
        assert weight.min() >= 0
        assert np.dot(weight, np.cos(2 * angle)) == pytest.approx(expected, abs=2e-12)
        np.testing.assert_allclose(share, law.distribution(angle), rtol=0, atol=1e-13)


def test_panels_take_an_integrand_that_jumps_at_the_cut() -> None:
    law, _ = LAWS["two humps"]
    angle, _, weight = law.panels(np.sort(np.append(law.grid(), 2.0)))
    # the indicator of [0, 2] is constant on both sides of the cut: the rule's own accuracy
    assert weight[angle < 2].sum() == pytest.approx(below("two humps", 2.0), abs=1e-12)


def test_the_ends_of_the_angle_are_the_quantiles_of_all_and_nothing() -> None:
    for law, _ in LAWS.values():
        low, high = law.angle_at(np.array([0.0, 1.0]))
        # where the density vanishes like the angle's k-th power a share of rounding reaches far
        assert law.distribution(np.array([low]))[0] < 1e-14
        assert law.distribution(np.array([high]))[0] > 1 - 1e-14


# -- what is not resolved is refused ------------------------------------------------------------


@pytest.mark.parametrize("moments", [[1, 0.9, 0.9, 0.9], np.exp(-1j * np.arange(30))])
def test_a_series_that_goes_negative_is_refused_when_used(moments: Array) -> None:
    law = CircleLaw(np.asarray(moments))
    with pytest.raises(ValueError, match=r"density must be resolved .* negative mass .*allowed"):
        law.quantiles(3)
    with pytest.raises(ValueError, match="must be resolved"):
        law.sample(3, np.random.default_rng(1))


def test_a_zonal_series_that_goes_negative_is_refused_when_used() -> None:
    law = ZonalLaw(np.array([1.0, 0.9, 0.0, 0.0]))
    with pytest.raises(ValueError, match="must be resolved"):
        law.quantiles(3)


@pytest.mark.parametrize("width", [0.02, 0.1])
def test_a_density_that_asks_for_more_terms_is_refused(width: float) -> None:
    def narrow(x: Array) -> Array:
        return np.exp((np.cos(x[:, 0]) - 1) / width**2)

    with pytest.raises(ValueError, match=r"modes must be large enough .*allowed"):
        CircleLaw.from_density(narrow, 16)
    with pytest.raises(ValueError, match=r"degree must be large enough .*allowed"):
        ZonalLaw.from_density(lambda z: np.exp((z - 1) / width**2), 16)


def test_a_jump_is_never_resolved() -> None:
    with pytest.raises(ValueError, match="modes must be large enough"):
        CircleLaw.from_density(lambda x: (x[:, 0] < 1).astype(float), 256)
    with pytest.raises(ValueError, match="degree must be large enough"):
        ZonalLaw.from_density(lambda z: (z > 0).astype(float), 64)


@pytest.mark.parametrize(
    "moments",
    [[], [0.5], [1.0, math.nan], [1.0, math.inf], [[1.0]], ["1"], [None], [2.0, 0.0], 1.0, "1"],
)
@pytest.mark.parametrize("kind", [CircleLaw, ZonalLaw])
def test_moments_that_are_none_are_refused(kind: type, moments: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"moments must .*got"):
        kind(moments)


@pytest.mark.parametrize("moments", [[1.0, 1.5], [1.0, -1.2, 0.1], [1.0, 0.0, 3.0]])
def test_moments_of_no_law_are_refused_at_the_latest_when_used(moments: list[float]) -> None:
    # no probability has |m_k| > 1
    for law in (CircleLaw(np.array(moments)), ZonalLaw(np.array(moments))):
        with pytest.raises(ValueError, match=r"must"):
            law.quantiles(2)


@pytest.mark.parametrize(
    "density",
    [
        lambda x: -np.ones(len(x)),
        lambda x: np.zeros(len(x)),
        lambda x: np.full(len(x), math.nan),
        lambda x: np.full(len(x), math.inf),
        lambda x: np.ones(len(x) + 1),
        lambda x: 1.0,
        lambda x: np.ones(len(x)) * 1j,
        lambda x: "density",
        lambda x: None,
        lambda x: np.sin(3 * np.asarray(x).ravel()),
    ],
)
@pytest.mark.parametrize("kind", [CircleLaw, ZonalLaw])
def test_densities_that_are_none_are_refused(
    kind: type[CircleLaw | ZonalLaw], density: Callable[[Array], Array]
) -> None:
    with pytest.raises((TypeError, ValueError), match=r"density(\(x\))? must .*got"):
        kind.from_density(density, 8)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_a_density_of_any_mass_is_normalised(scale: float) -> None:
    plain = CircleLaw.from_density(lambda x: 2 + np.cos(x[:, 0]), 4)
    scaled = CircleLaw.from_density(lambda x: scale * (2 + np.cos(x[:, 0])), 4)
    # one rounding per value, averaged
    np.testing.assert_allclose(scaled.moments, plain.moments, rtol=0, atol=4 * 2**-53)
