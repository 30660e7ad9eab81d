"""Fitted orders with their intervals, and sweeps over executors."""

from __future__ import annotations

import math
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from coupled_flows import Estimate, fit_order, sweep

STEPS = 2.0 ** -np.arange(3, 9)


@given(
    slope=st.floats(-3, 3),
    constant=st.floats(1e-3, 1e3),
    ratios=st.lists(st.floats(0.2, 0.9), min_size=1, max_size=8),
)
def test_a_power_law_has_its_order(slope: float, constant: float, ratios: list[float]) -> None:
    steps = np.cumprod([1.0, *ratios])
    order = fit_order(steps, constant * steps**slope)
    # logarithms up to 30 are good to 30 * 2^-53 = 3e-15; the shortest base is -log 0.9
    assert order.slope == pytest.approx(slope, abs=1e-13)
    assert order.low <= order.slope <= order.high
    assert order.high - order.low < 2e-13
    assert order.constant == pytest.approx(constant, rel=1e-12)
    np.testing.assert_allclose(order.local, slope, rtol=0, atol=1e-13)


@given(errors=st.lists(st.floats(1e-6, 1e3), min_size=6, max_size=6))
def test_the_interval_is_that_of_neighbouring_slopes_and_holds_the_slope(
    errors: list[float],
) -> None:
    order = fit_order(STEPS, errors)
    assert order.low <= order.slope <= order.high
    local = np.diff(np.log(errors)) / np.diff(np.log(STEPS))
    # one more or less rounding of a logarithm, over log 2
    assert order.low == pytest.approx(local.min(), abs=1e-13)
    assert order.high == pytest.approx(local.max(), abs=1e-13)


def test_the_fit_is_least_squares() -> None:
    errors = np.array([0.9, 0.5, 0.2, 0.13, 0.05, 0.03])
    expected = np.polyfit(np.log(STEPS), np.log(errors), 1)
    order = fit_order(STEPS, errors)
    # two solvers of one well-conditioned system
    np.testing.assert_allclose([order.slope, math.log(order.constant)], expected, rtol=1e-12)


def test_steps_may_come_in_any_order() -> None:
    errors = 0.3 * STEPS**1.5 * (1 + STEPS)
    mixed = np.array([3, 0, 5, 1, 4, 2])
    order, again = fit_order(STEPS, errors), fit_order(STEPS[mixed], errors[mixed])
    assert repr(order) == repr(again)
    np.testing.assert_array_equal(again.steps, STEPS)
    np.testing.assert_array_equal(again.errors, errors)


@pytest.mark.parametrize("widened", [False, True])
def test_estimates_are_fitted_by_their_weights(widened: bool) -> None:
    rng = np.random.default_rng(1)
    spread = np.array([0.01, 0.02, 0.01, 0.05, 0.02, 0.03])
    noise = rng.standard_normal(6) * spread * (5 if widened else 0.1)
    value = 2 * STEPS * np.exp(noise)
    order = fit_order(STEPS, [Estimate(v, s * v) for v, s in zip(value, spread, strict=True)])
    fit, covariance = curve_fit(
        lambda x, a, b: a + b * x,
        np.log(STEPS),
        np.log(value),
        sigma=spread,
        absolute_sigma=not widened,
    )
    # curve_fit stops at 1.5e-8 of its parameters
    assert order.slope == pytest.approx(fit[1], rel=1e-7)
    assert order.constant == pytest.approx(math.exp(fit[0]), rel=1e-6)
    half = 1.96 * math.sqrt(covariance[1, 1])
    assert order.high - order.slope == pytest.approx(half, rel=1e-5)
    assert order.slope - order.low == pytest.approx(half, rel=1e-5)


def test_two_estimates_give_the_propagated_error() -> None:
    order = fit_order([0.2, 0.1], [Estimate(4.0, 0.04), Estimate(2.0, 0.06)])
    assert order.slope == pytest.approx(1, abs=1e-14)
    # errors of logarithms 0.01 and 0.03, over log 2
    half = 1.96 * math.hypot(0.01, 0.03) / math.log(2)
    assert order.high - 1 == pytest.approx(half, rel=1e-12)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    repeats, relative, covered = 4000, 0.02, 0
    for _ in range(repeats):
        value = 3 * STEPS**0.5 * (1 + relative * rng.standard_normal(6))
        order = fit_order(STEPS, [Estimate(v, relative * abs(v)) for v in value])
        covered += order.low <= 0.5 <= order.high
    # at least 95 %: widening only adds. By simulation of the rule itself with chi^2 of 4 degrees
    # of freedom, independent of the slope, the expected share is
    ratio = np.random.default_rng(3).chisquare(4, 10**6) / 4
    expected = np.mean(
        [math.erf(1.96 * math.sqrt(max(1, r)) / math.sqrt(2)) for r in ratio[:20000]]
    )
    # five standard errors of a share, both of them, and 0.02^2 of curvature of the logarithm
    error = math.sqrt(expected * (1 - expected) * (1 / repeats + 1 / 20000))
    assert covered / repeats == pytest.approx(expected, abs=5 * error + relative**2)
    assert covered / repeats > 0.95 - 5 * error


@pytest.mark.parametrize(
    ("steps", "errors", "message"),
    [
        ([0.1], [1.0], "steps must be at least two distinct positive numbers"),
        ([], [], "steps must be at least two"),
        ([0.1, 0.1], [1.0, 2.0], "steps must be at least two distinct"),
        ([0.1, -0.2], [1.0, 2.0], "steps must be at least two distinct positive"),
        ([0.1, 0.0], [1.0, 2.0], "steps must be at least two distinct positive"),
        ([0.1, math.nan], [1.0, 2.0], "steps must be finite"),
        ([[0.1, 0.2]], [1.0, 2.0], "steps must have shape"),
        ([0.1, 0.2], [1.0], "errors must have shape"),
        ([0.1, 0.2], [[1.0, 2.0]], "errors must have shape"),
        ([0.1, 0.2], [1.0, 0.0], "errors must be positive"),
        ([0.1, 0.2], [1.0, -1.0], "errors must be positive"),
        ([0.1, 0.2], [1.0, math.inf], "errors must be finite"),
        ([0.1, 0.2], [1.0, "2"], "errors must"),
        ([0.1, 0.2], [1.0, 1j], "errors must"),
        ([0.1, 0.2], [None, 1.0], "errors must"),
        ([0.1, 0.2], [Estimate(1, 0), Estimate(2, 1)], "errors must have positive standard errors"),
        ([0.1, 0.2], [Estimate(1, 1), 2.0], "errors must be all numbers or all Estimates"),
        ([0.1, 0.2], [Estimate(-1, 1), Estimate(2, 1)], "errors must be positive"),
    ],
)
def test_what_has_no_order_is_refused(steps: Any, errors: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"{message}.*got"):
        fit_order(steps, errors)


@given(
    errors=st.lists(st.floats(1e-300, 1e300), min_size=2, max_size=2),
    steps=st.lists(st.floats(1e-300, 1e300), min_size=2, max_size=2, unique=True),
)
def test_numbers_of_any_size_give_a_number_or_an_error(
    errors: list[float], steps: list[float]
) -> None:
    try:
        order = fit_order(steps, errors)
    except ValueError as error:
        assert "must" in str(error)  # noqa: PT017 - or it is served
    else:
        assert np.isfinite([order.slope, order.low, order.high]).all()
        assert np.isfinite(order.local).all()


def test_an_order_says_slope_and_interval() -> None:
    assert repr(fit_order([0.4, 0.2, 0.1], [0.9, 0.4, 0.2])) == "1.085 [1.000, 1.170]"


# -- sweeps -------------------------------------------------------------------------------------


def square(x: int) -> int:
    return x * x


def fail(x: int) -> int:
    raise RuntimeError(f"at {x}")


def test_a_sweep_without_an_executor_is_a_loop() -> None:
    assert sweep(square, iter(range(5))) == [0, 1, 4, 9, 16]
    assert sweep(square, []) == []


def test_a_sweep_over_threads_keeps_the_order() -> None:
    last = threading.Event()

    def wait(x: int) -> int:
        if x == 3:
            last.set()
        assert last.wait(10)  # none returns before the last has started: they do run at once
        return x * x

    with ThreadPoolExecutor(4) as pool:
        assert sweep(wait, range(4), pool) == [0, 1, 4, 9]


def test_a_sweep_over_processes() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert sweep(abs, [-1, 2, -3], pool) == [1, 2, 3]


def test_any_executor_will_do() -> None:
    class Here(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(fn(*args, **kwargs))
            return future

    assert sweep(square, [1, 2], Here()) == [1, 4]


@pytest.mark.parametrize("pool", [None, "threads"])
def test_an_error_comes_through(pool: str | None) -> None:
    if pool is None:
        with pytest.raises(RuntimeError, match="at 1"):
            sweep(fail, [1, 2])
    else:
        with ThreadPoolExecutor(2) as threads, pytest.raises(RuntimeError, match="at 1"):
            sweep(fail, [1, 2], threads)


def test_a_bar_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(square, range(3), progress=True) == [0, 1, 4]
    assert "3/3" in capsys.readouterr().err


@pytest.mark.parametrize("executor", ["pool", 4, map])
def test_what_is_no_executor_is_refused(executor: Any) -> None:
    with pytest.raises(TypeError, match=r"executor must be a concurrent.futures.Executor; got"):
        sweep(square, [1], executor)


@pytest.mark.parametrize("points", [None, 3])
def test_what_is_no_sequence_is_refused(points: Any) -> None:
    with pytest.raises(TypeError, match=r"points must .*got"):
        sweep(square, points)
