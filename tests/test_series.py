"""Cosine and sine by series, against 60-digit decimals; Gauss-Legendre rules."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows.geometry.series import cos_sinc, cos_turns, gauss_legendre

UNIT = 2.0**-53  # unit roundoff u
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")


def exact_cos_sin(angle: Decimal) -> tuple[Decimal, Decimal]:
    """Cosine and sine by their Taylor series with 60 digits, after reduction by 2 pi."""
    with localcontext() as context:
        context.prec = 60
        r = angle.remainder_near(2 * PI)
        cos, sin, term = Decimal(1), r, Decimal(1)
        for k in range(1, 30):
            term *= -r * r / ((2 * k - 1) * (2 * k))
            cos += term
            sin += term * r / (2 * k + 1)
        return cos, sin


def exact_cos_of_turns(turns: float) -> Decimal:
    with localcontext() as context:
        context.prec = 60
        angle = 2 * PI * Decimal(turns)
    return exact_cos_sin(angle)[0]


def both(square: float) -> tuple[float, float, bool]:
    """Return cos r, sin(r)/r and whether the series was used, of one r^2."""
    cos, sinc = np.empty(1), np.empty(1)
    series = cos_sinc(np.array([square]), cos, sinc)
    return float(cos[0]), float(sinc[0]), series


@given(st.floats(1e-300, 1, exclude_max=True))
def test_below_one_the_series_is_right_to_the_last_digits(square: float) -> None:
    cos, sinc, series = both(square)
    r = Decimal(square).sqrt()
    true_cos, true_sin = exact_cos_sin(r)
    assert series
    # Horner on an alternating sum whose terms fall by 6 or more: 3 u; cos adds 3 u and a root: 6 u
    assert abs(Decimal(sinc) - true_sin / r) <= Decimal(3 * UNIT)
    assert abs(Decimal(cos) - true_cos) <= Decimal(6 * UNIT)


@given(st.floats(1, 1e6))
def test_from_one_on_the_functions_are_right_to_the_rounding_of_r(square: float) -> None:
    cos, sinc, series = both(square)
    r = Decimal(square).sqrt()
    true_cos, true_sin = exact_cos_sin(r)
    assert not series
    # the rounded root moves the angle by u r, the function adds 2 u
    tolerance = Decimal(UNIT) * (r + 2)
    assert abs(Decimal(cos) - true_cos) <= tolerance
    assert abs(Decimal(sinc) - true_sin / r) <= tolerance / r + Decimal(UNIT)


@given(st.lists(st.floats(0, 0.999), min_size=1, max_size=8), st.floats(1e-12, 0.999))
def test_a_neighbour_changes_the_length_of_the_series_but_not_the_result(
    squares: list[float], largest: float
) -> None:
    alone = np.array([both(square)[:2] for square in squares])
    square = np.array([*squares, largest])
    cos, sinc = np.empty_like(square), np.empty_like(square)
    cos_sinc(square, cos, sinc)
    # two results that are each 6 u from the truth
    np.testing.assert_allclose(cos[:-1], alone[:, 0], rtol=0, atol=12 * UNIT)
    np.testing.assert_allclose(sinc[:-1], alone[:, 1], rtol=0, atol=12 * UNIT)


@pytest.mark.parametrize("others", [[], [0.5], [4.0]])
def test_at_zero_both_are_exactly_one(others: list[float]) -> None:
    square = np.array([0.0, *others])
    cos, sinc = np.empty_like(square), np.empty_like(square)
    cos_sinc(square, cos, sinc)
    assert (cos[0], sinc[0]) == (1.0, 1.0)


@pytest.mark.parametrize("others", [[], [0.5], [4.0]])
def test_a_square_that_rounding_made_negative_counts_as_zero(others: list[float]) -> None:
    square = np.array([-1e-17, *others])
    cos, sinc = np.empty_like(square), np.empty_like(square)
    cos_sinc(square, cos, sinc)
    # 1e-17 is below u
    assert (cos[0], sinc[0]) == (1.0, 1.0)


def test_no_walkers_are_no_work() -> None:
    assert cos_sinc(np.empty(0), np.empty(0), np.empty(0))


def test_what_is_not_a_number_stays_visible() -> None:
    square = np.array([0.25, np.nan])
    cos, sinc = np.zeros(2), np.zeros(2)
    assert not cos_sinc(square, cos, sinc)
    assert np.isnan([cos[1], sinc[1]]).all()
    # the healthy neighbour, by the functions: 2 u
    assert cos[0] == pytest.approx(np.cos(0.5), abs=2 * UNIT)


@given(st.floats(-1000, 1000))
def test_cosines_of_turns_are_right_to_the_last_digits(turns: float) -> None:
    got = float(cos_turns(np.array([turns]))[0])
    true = exact_cos_of_turns(turns)
    # 1/4 - |z| rounds by u/4 (times 2 pi: 1.6 u), the polynomial by 3 u
    assert abs(Decimal(got) - true) <= Decimal(5 * UNIT)


@given(st.floats(1e-12, 0.25), st.integers(-3, 3))
def test_near_a_zero_of_the_cosine_no_digit_is_lost(gap: float, quarters: int) -> None:
    turns = (2 * quarters + 1) / 4 + gap / 4
    got = float(cos_turns(np.array([turns]))[0])
    true = exact_cos_of_turns(turns)
    # the distance to the zero is exact there, so the error is relative: 5 u
    assert abs(Decimal(got) - true) <= Decimal(5 * UNIT) * abs(true)


@given(st.integers(-(2**20), 2**20), st.integers(-1000, 1000))
def test_whole_turns_change_nothing_and_the_cosine_is_even(part: int, whole: int) -> None:
    z = part / 2**20
    here, turned, mirrored = cos_turns(np.array([z, z + whole, -z]))
    assert here == turned == mirrored


def test_quarter_turns_are_exact() -> None:
    values = cos_turns(np.array([0.25, -0.25, 0.75, 2.25]))
    assert (values == 0).all()
    # the polynomial's own rounding: 3 u
    np.testing.assert_allclose(
        cos_turns(np.array([0.0, 0.5, 1.0])), [1, -1, 1], rtol=0, atol=3 * UNIT
    )


@given(st.floats(-50, 50))
def test_cosines_of_turns_stay_within_one_up_to_rounding(turns: float) -> None:
    # 5 u is the error of the polynomial
    assert abs(float(cos_turns(np.array([turns]))[0])) <= 1 + 5 * UNIT


@pytest.mark.parametrize("order", [1, 2, 7, 40])
def test_a_gauss_legendre_rule_is_exact_up_to_its_degree(order: int) -> None:
    nodes, weights = gauss_legendre(order)
    for k in range(2 * order):
        exact = 0.0 if k % 2 else 2 / (k + 1)
        # a sum of `order` terms whose total is at most 2, nodes and weights right to a few u
        assert float(weights @ nodes**k) == pytest.approx(exact, abs=8 * (order + 2) * UNIT)
    assert not nodes.flags.writeable
    assert not weights.flags.writeable


@pytest.mark.parametrize("order", [5, 31, 101])
def test_gauss_legendre_weights_keep_their_digits_near_the_ends(order: int) -> None:
    nodes, weights = gauss_legendre(order)
    x: Any = nodes.astype(np.longdouble)  # Newton's method, with three digits more
    for _ in range(4):
        before, here = np.ones_like(x), x.copy()
        for k in range(1, order):
            before, here = here, ((2 * k + 1) * x * here - k * before) / (k + 1)
        slope = order * (before - x * here) / (1 - x * x)
        x -= here / slope
    exact = 2 / ((1 - x * x) * slope * slope)
    # P_l moves by l^2/2 times what a node is off by, half a unit; twice, and sums of `order` terms
    assert np.abs(weights / exact - 1).max() < (order**2 + 2 * order) * 2.0**-53
