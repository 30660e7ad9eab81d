"""What the pages plot: the lines drawn are the numbers given, and the axes say what they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from coupled_flows import CircleLaw, Order, RingLaw, ZonalLaw, fit_order
from coupled_flows.display.figures import MARKERS, PALETTE, Picture, canvas
from coupled_flows.display.plots import arcs, globe, halvings, laws, orders

Array = NDArray[np.floating[Any]]
U = 2.0**-53


def axes() -> Any:
    return canvas()[1]


def data(line: Any) -> Array:
    return np.asarray(line.get_xydata())


# -- orders ----------------------------------------------------------------------------------------

STEPS = 2.0 ** -np.arange(3, 9)


def two_orders() -> dict[str, Order]:
    return {
        "one": fit_order(STEPS, 3 * STEPS + STEPS**2),
        "half": fit_order(STEPS[1:], 0.2 * STEPS[1:] ** 0.5),
    }


def test_orders_draw_what_was_measured_and_the_fitted_line() -> None:
    fitted = two_orders()
    ax = axes()
    assert orders(ax, fitted) is ax
    assert len(ax.lines) == 2 * len(fitted)
    for i, order in enumerate(fitted.values()):
        points, line = ax.lines[2 * i : 2 * i + 2]
        assert np.array_equal(data(points), np.column_stack([order.steps, order.errors]))
        assert (points.get_marker(), points.get_linestyle()) == (MARKERS[i], "None")
        x, y = data(line).T
        assert [*x] == [order.steps[0], order.steps[-1]]
        # its own least squares, on six numbers between -8 and 0: 100 u
        slope, offset = np.polyfit(np.log(order.steps), np.log(order.errors), 1)
        np.testing.assert_allclose(np.log(y), offset + slope * np.log(x), rtol=0, atol=100 * U)
        assert points.get_color() == line.get_color() == PALETTE[i]


def test_orders_name_axes_and_slopes() -> None:
    fitted = two_orders()
    ax: Any = orders(axes(), fitted, xlabel="step", ylabel="error (m)")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "error (m)")
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert shown == [f"{name}:\nslope {order!r}" for name, order in fitted.items()]
    plain = orders(axes(), fitted)
    assert "h" in plain.get_xlabel()
    assert "radians" in plain.get_ylabel()
    assert {*plain.get_xticks()} <= {*STEPS}


@pytest.mark.parametrize(
    ("errors", "labels"),
    [
        ((0.42, 0.21), ["3×10⁻¹", "4×10⁻¹"]),
        ((0.6, 0.015), ["2×10⁻²", "5×10⁻²", "10⁻¹", "2×10⁻¹", "5×10⁻¹"]),
        ((2.0, 0.002), ["10⁻²", "10⁻¹", "10⁰"]),
    ],
)
def test_orders_label_their_errors_with_one_digit(
    errors: tuple[float, float], labels: list[str]
) -> None:
    figure, ax = canvas()
    orders(ax, {"a walk": fit_order([0.2, 0.1], errors)})
    Picture(figure, alt="Two errors of a walk over two steps.").svg()
    low, high = ax.get_ylim()
    ticks = [tick for tick in ax.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert [tick.label1.get_text() for tick in ticks] == labels


def test_more_orders_than_colours_begin_again() -> None:
    one = fit_order(STEPS, STEPS)
    ax: Any = orders(axes(), {str(i): one for i in range(len(PALETTE) + 1)})
    assert ax.lines[-1].get_color() == PALETTE[0]


@pytest.mark.parametrize("bad", [1.0, (1.0, 0.9, 1.1), None, "1.0"])
def test_orders_refuse_what_is_none(bad: Any) -> None:
    with pytest.raises(TypeError, match=r"fitted\['walk'\] must be an Order.*got "):
        orders(axes(), {"walk": bad})


def test_orders_refuse_nothing() -> None:
    with pytest.raises(ValueError, match=r"fitted must .*got "):
        orders(axes(), {})


# -- halvings --------------------------------------------------------------------------------------


@given(st.sets(st.integers(-2, 20), min_size=1, max_size=20), st.randoms())
def test_ticks_are_steps_and_say_which(powers: set[int], random: Any) -> None:
    steps = [2.0**-j for j in powers] * 2
    random.shuffle(steps)
    ax: Any = halvings(axes(), np.array(steps))
    ticks = ax.get_xticks()
    assert {*ticks} <= {*steps}
    assert 1 <= len(ticks) <= 5
    assert [*ticks] == sorted({*ticks})
    label = ax.xaxis.get_major_formatter()
    assert [float(Fraction(label(tick))) for tick in ticks] == [*ticks]
    assert not len(ax.xaxis.get_minorticklocs())


@pytest.mark.parametrize("step", [0.3, 0.15, 0.4, 0.01, 3.0, 0.75])
def test_a_label_is_true_for_other_steps_too(step: float) -> None:
    ax: Any = halvings(axes(), np.array([step]))
    shown = float(Fraction(ax.xaxis.get_major_formatter()(step)))
    assert math.isclose(shown, step, rel_tol=1e-5)  # six digits


@pytest.mark.parametrize("steps", [[], [0.5, math.nan], [0.5, 0.0], [-0.5], "half", [[0.5]]])
def test_steps_are_positive_numbers(steps: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^steps must .*got "):
        halvings(axes(), steps)


# -- laws ------------------------------------------------------------------------------------------


def test_laws_draw_their_densities_on_the_circle() -> None:
    # density (1 + 2 Re c_1 exp(ix))/2 pi, with c_1 = 1/4 and c_1 = i/5
    shown = {"first": CircleLaw(np.array([1.0, 0.25])), "second": CircleLaw(np.array([1.0, 0.2j]))}
    ax = axes()
    assert laws(ax, shown, samples=50) is ax
    waves: list[Callable[[Array], Array]] = [lambda x: np.cos(x) / 2, lambda x: -0.4 * np.sin(x)]
    for line, wave in zip(ax.lines, waves, strict=True):
        x, y = data(line).T
        np.testing.assert_allclose(x, np.arange(50) * 2 * math.pi / 49, rtol=0, atol=8 * U)
        # a wave of size 1/2 at angles right to 8 u, over 2 pi, and three more operations
        np.testing.assert_allclose(y, (1 + wave(x)) / (2 * math.pi), rtol=0, atol=8 * U)
    assert ax.get_xlim() == (0, 2 * math.pi)
    assert ax.get_ylim()[0] == 0
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("angle (radians)", "density")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "π/2", "π", "3π/2", "2π"]
    np.testing.assert_allclose(ax.get_xticks(), np.arange(5) * math.pi / 2, rtol=4 * U, atol=0)


def test_laws_draw_their_densities_on_the_sphere() -> None:
    # density (1 + 3 a_1 z) sin(angle)/2 with a_1 = 0.3
    ax: Any = laws(axes(), {"a law": ZonalLaw(np.array([1.0, 0.3]))}, samples=50)
    x, y = data(ax.lines[0]).T
    np.testing.assert_allclose(y, (1 + 0.9 * np.cos(x)) * np.sin(x) / 2, rtol=0, atol=8 * U)
    assert ax.get_xlim() == (0, math.pi)
    assert ax.get_xlabel() == "polar angle (radians)"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "π/4", "π/2", "3π/4", "π"]


def test_the_first_law_is_filled_and_all_are_told_apart() -> None:
    shown = {str(i): CircleLaw(np.array([1.0, i / 20])) for i in range(6)}
    ax: Any = laws(axes(), shown)
    (filled,) = ax.collections
    assert to_hex(filled.get_facecolor()[0]) == PALETTE[0]
    top = filled.get_paths()[0].vertices
    assert {tuple(point) for point in data(ax.lines[0])} <= {tuple(point) for point in top}
    assert [line.get_color() for line in ax.lines] == [*PALETTE, PALETTE[0]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [*shown]


@pytest.mark.parametrize("bad", [RingLaw(np.array([0.3])), None, 1.0, lambda x: x])
def test_laws_refuse_what_has_no_density(bad: Any) -> None:
    with pytest.raises(TypeError, match=r"shown\['a'\] must be .*got "):
        laws(axes(), {"a": bad})


def test_laws_refuse_nothing() -> None:
    with pytest.raises(ValueError, match=r"shown must .*got "):
        laws(axes(), {})


@pytest.mark.parametrize("samples", [-1, 0, 1, 1.5, "many", None])
def test_a_curve_needs_two_points(samples: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^samples must .*got "):
        laws(axes(), {"a": CircleLaw(np.array([1.0]))}, samples=samples)


# -- globe -----------------------------------------------------------------------------------------


def random_path(seed: int, n: int = 60) -> Array:
    path = np.random.default_rng(seed).standard_normal((n, 3))
    return path / np.linalg.norm(path, axis=1, keepdims=True)


@pytest.mark.parametrize(("tilt", "turn"), [(0.5, 0.0), (0.35, -0.9), (-0.2, 2.0), (0.0, 0.0)])
def test_the_globe_draws_the_paths_it_is_given(tilt: float, turn: float) -> None:
    given_paths = {"one": random_path(1), "other": random_path(2)}
    ax: Any = axes()
    assert globe(ax, given_paths, tilt=tilt, turn=turn) is ax
    lines: Any = ax.lines[-2 * len(given_paths) :]
    # turn the world about its axis, then nod: the eye looks along the first axis
    cos, sin = math.cos, math.sin
    spin = np.array([[cos(turn), sin(turn), 0], [-sin(turn), cos(turn), 0], [0, 0, 1]])
    nod = np.array([[cos(tilt), 0, sin(tilt)], [0, 1, 0], [-sin(tilt), 0, cos(tilt)]])
    for i, (name, path) in enumerate(given_paths.items()):
        behind, before = lines[2 * i : 2 * i + 2]
        depth, right, up = nod @ spin @ path.T
        for line, where in ((before, depth >= 0), (behind, depth < 0)):
            seen = np.isfinite(data(line)).all(axis=1)
            assert np.array_equal(seen, where)
            # two products of rotations: sums of three, twice
            np.testing.assert_allclose(
                data(line)[seen], np.column_stack([right, up])[seen], rtol=0, atol=16 * U
            )
        assert behind.get_alpha() < 1
        assert before.get_alpha() is None
        assert before.get_label() == name
        assert behind.get_label().startswith("_")  # once in the legend
        assert before.get_color() == behind.get_color() == PALETTE[i]


def test_the_globe_is_round_and_nothing_is_cut_off() -> None:
    ax: Any = globe(axes(), {"path": random_path(3)})
    assert ax.get_aspect() == 1
    assert not ax.axison
    for line in ax.lines:
        x, y = data(line).T
        assert np.nanmax(np.hypot(x, y), initial=0.0) <= 1 + 8 * U
    for low, high in (ax.get_xlim(), ax.get_ylim()):
        assert low < -1
        assert high > 1


@pytest.mark.parametrize(
    "path",
    [np.zeros(3), np.zeros((2, 2)), [[math.nan, 0, 1]], [[0, 0, 2.0]], "path", [[1j, 0, 0]]],
)
def test_a_path_is_made_of_unit_vectors(path: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^paths\['a'\] must .*got "):
        globe(axes(), {"a": path})


# -- arcs ------------------------------------------------------------------------------------------


def angle_between(p: Array, q: Array) -> float:
    return math.atan2(float(np.linalg.norm(np.cross(p, q))), float(p @ q))


def slerp(p: Array, q: Array, share: float) -> Array:
    angle = angle_between(p, q)
    return (math.sin((1 - share) * angle) * p + math.sin(share * angle) * q) / math.sin(angle)


@given(st.floats(0.01, 3.1), st.integers(0, 10**6), st.integers(1, 20))
def test_an_arc_is_a_geodesic(angle: float, seed: int, samples: int) -> None:
    p, v = random_path(seed, 2)
    for _ in range(2):  # twice: the first leaves a part where v was nearly parallel to p
        v = v - (v @ p) * p
    q = math.cos(angle) * p + math.sin(angle) * v / np.linalg.norm(v)
    arc = arcs(np.array([p, q]), samples)
    assert arc.shape == (samples + 1, 3)
    # vectors right to 16 u; chord and sine divide by what is left to the antipode, or to zero
    slack = 100 * U / math.sin(angle)
    shares = [angle_between(p, point) / angle for point in arc]
    assert np.all(np.diff(shares) > 0)
    for point, share in zip(arc, shares, strict=True):
        assert abs(np.linalg.norm(point) - 1) <= 8 * U
        np.testing.assert_allclose(point, slerp(p, q, share), rtol=0, atol=slack)


def test_arcs_pass_through_every_point_in_turn() -> None:
    path = random_path(5, 30)
    drawn = arcs(path, samples=7)
    assert drawn.shape == (29 * 7 + 1, 3)
    # a point is divided by its own length once more
    np.testing.assert_allclose(drawn[::7], path, rtol=0, atol=4 * U)


def test_a_walker_that_stays_has_an_arc_too() -> None:
    path = np.repeat(random_path(6, 1), 3, axis=0)
    np.testing.assert_allclose(arcs(path, 4), np.repeat(path[:1], 9, axis=0), rtol=0, atol=4 * U)


@pytest.mark.parametrize(
    ("points", "samples", "name"),
    [
        (np.zeros(3), 4, "points"),
        (np.zeros((2, 3)), 4, "points"),
        (np.array([[0, 0, 1.0], [0, 0, math.nan]]), 4, "points"),
        (np.array([[0, 0, 1.0], [0, 0, -1.0]]), 4, "points"),  # no one arc, and 0/0 halfway
        ("points", 4, "points"),
        (np.eye(3), 0, "samples"),
        (np.eye(3), 1.5, "samples"),
        (np.eye(3), None, "samples"),
    ],
)
def test_arcs_refuse_what_has_none(points: Any, samples: Any, name: str) -> None:
    with pytest.raises((ValueError, TypeError), match=rf"^{name} must .*got "):
        arcs(points, samples)
