"""Bad input, by property, over every public callable of the geometry and the walks."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coupled_flows
from coupled_flows import (
    BarkerWalk,
    BoundedWalk,
    DivergenceError,
    Embedding,
    Euclidean,
    GeodesicWalk,
    Langevin,
    MetropolisWalk,
    PathSum,
    Potential,
    RetractionWalk,
    Sphere,
    Torus,
    batch_means,
    feynman_kac,
    fourier,
    icosphere,
    linear,
    quadratic,
    simulate,
    simulate_coupled,
    time_average,
    torus_mesh,
    zero,
)
from coupled_flows.geometry.errors import (
    check_array,
    check_choice,
    check_every,
    check_integer,
    check_real,
    check_rng,
    check_symmetric,
    check_type,
)
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.walks.steps import Walk

Strategy = st.SearchStrategy[Any]

# -- what is bad ----------------------------------------------------------------------------

not_a_number: Strategy = st.one_of(
    st.sampled_from(
        [None, True, False, np.True_, 1j, np.complex128(1), [], [1.0], [[1], [1, 2]], {}, object()]
    ),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.sampled_from(["1", b"1", "nan", np.str_("1"), np.ones(1), np.datetime64("2020-01-01")]),
)
not_finite: Strategy = st.sampled_from([math.nan, math.inf, -math.inf, 10**400, -(10**400)])
not_an_integer: Strategy = st.one_of(not_a_number, st.floats())
not_an_array: Strategy = st.one_of(
    st.sampled_from([None, "points", b"1", {}, {1.0}, object(), np.sin, [[1.0], [1.0, 2.0]]]),
    st.sampled_from([[["1", "0"]], [[True, False]], [[None, 1.0]], [[10**400, 0]], [[1j, 0]]]),
    st.sampled_from([np.datetime64("2020-01-01"), [[np.datetime64("2020-01-01")]]]),
    st.booleans(),
    st.floats(),
    st.text(max_size=5),
)


def wrong_shape(p: int) -> Strategy:
    """Arrays that are not (n, p): other dimensions, or p + 1 columns."""
    return st.sampled_from(
        [np.zeros(p), np.zeros((1, p + 1)), np.zeros((1, 1, p)), np.zeros((p + 1, p, 1)), 0.5]
    )


def spoilt(good: Any) -> Strategy:
    """Return the good array with one entry that is not finite, or of another type."""

    def spoil(index: int, entry: float) -> Any:
        bad = np.array(good, dtype=float)
        bad.flat[index % bad.size] = entry
        return bad

    return st.one_of(
        st.builds(spoil, st.integers(0, 10), st.sampled_from([math.nan, math.inf, -math.inf])),
        st.sampled_from(
            [np.asarray(good) + 0j, np.asarray(good) != 0, np.asarray(good).astype(str)]
        ),
    )


count: Strategy = st.one_of(not_an_integer, st.integers(max_value=-1))
at_least_one: Strategy = st.one_of(not_an_integer, st.integers(max_value=0))
positive: Strategy = st.one_of(not_a_number, not_finite, st.floats(max_value=0))
not_negative: Strategy = st.one_of(not_a_number, not_finite, st.floats(max_value=-5e-324))
anything: Strategy = st.one_of(not_an_integer, st.integers())
generator: Strategy = st.one_of(
    anything, st.sampled_from([np.random, np.random.RandomState(1), np.random.PCG64(1), "seed"])
)
function: Strategy = anything
terms: Strategy = st.one_of(
    anything.filter(lambda value: value is not None and not isinstance(value, dict)),
    st.dictionaries(
        st.one_of(st.floats(), st.integers(max_value=0), st.text()), st.just(1.0), min_size=1
    ),
    st.dictionaries(st.integers(1, 5), st.one_of(not_a_number, not_finite), min_size=1),
)
a_word: Strategy = st.one_of(anything, st.sampled_from(["cube", "Sphere", ""]))


# -- every public callable of floors 0 and 2, with good arguments and what is bad for each -----


@dataclass(frozen=True)
class Case:
    """A callable, good arguments for it, and a strategy of bad values for each."""

    call: Callable[..., object]
    good: dict[str, Any]
    bad: dict[str, Strategy]


RNG = np.random.default_rng(1)
SPHERE = Langevin(Sphere(2), linear([0.0, 0.0, -2.0]))
CASES: dict[str, Case] = {
    "Potential": Case(
        Potential,
        {"value": np.cos, "gradient": np.sin},
        {"value": function, "gradient": function},
    ),
    "Embedding": Case(
        Embedding,
        {"value": np.cos, "jacobian": np.sin},
        {"value": function, "jacobian": function},
    ),
    "zero": Case(zero, {}, {}),
    "linear": Case(
        linear,
        {"vector": [1.0, 2.0]},
        {"vector": not_an_array | spoilt([1.0, 2.0]) | st.just(np.eye(2))},
    ),
    "quadratic": Case(
        quadratic,
        {"matrix": np.eye(2)},
        {
            "matrix": not_an_array
            | spoilt(np.eye(2))
            | st.sampled_from([np.ones(2), np.ones((2, 3)), [[0.0, 1.0], [2.0, 0.0]]])
        },
    ),
    "icosphere": Case(icosphere, {"level": 1}, {"level": count | st.integers(min_value=11)}),
    "torus_mesh": Case(
        torus_mesh,
        {"n": 4, "m": 3, "radii": (2.0, 1.0)},
        {
            "n": count | st.integers(max_value=2),
            "m": count | st.integers(max_value=2),
            "radii": not_an_array
            | spoilt([2.0, 1.0])
            | st.sampled_from([(1.0, 2.0), (1.0, 0.0), (1.0, 1.0), (3.0, 2.0, 1.0), 2.0]),
        },
    ),
    "fourier": Case(fourier, {"cos": {1: 1.0}, "sin": {2: 1.0}}, {"cos": terms, "sin": terms}),
    "Langevin": Case(
        Langevin,
        {"manifold": Sphere(2), "potential": zero(), "beta": 1.0},
        {
            "manifold": anything | st.sampled_from([Sphere, SPHERE]),
            "potential": anything | st.sampled_from([zero, np.cos]),
            "beta": positive,
        },
    ),
    "simulate": Case(
        simulate,
        {
            "walk": GeodesicWalk(SPHERE, 0.1),
            "start": np.eye(3),
            "n_steps": 4,
            "rng": RNG,
            "every": 2,
            "observe": lambda k, x, y: None,
            "threads": 1,
        },
        {
            "walk": anything | st.sampled_from([GeodesicWalk, SPHERE, Sphere(2)]),
            "start": not_an_array
            | wrong_shape(3)
            | spoilt(np.eye(3))
            | st.sampled_from([2 * np.eye(3), np.zeros((1, 3)), np.full((1, 3), 1e200)]),
            "n_steps": count,
            "rng": generator,
            "every": (at_least_one | st.just(3)).filter(lambda value: value is not None),
            "observe": function.filter(lambda value: value is not None),
            "threads": at_least_one.filter(lambda value: value is not None),
        },
    ),
}
CASES["simulate_coupled"] = Case(
    simulate_coupled,
    {
        "coarse": GeodesicWalk(SPHERE, 0.2),
        "fine": RetractionWalk(SPHERE, 0.1),
        "threads": 1,
        **{name: CASES["simulate"].good[name] for name in ("start", "n_steps", "rng")},
    },
    {
        "coarse": anything | st.sampled_from([GeodesicWalk, SPHERE, BarkerWalk(SPHERE, 0.2)]),
        "fine": anything
        | st.sampled_from(
            [
                *[RetractionWalk, SPHERE, BoundedWalk(SPHERE, 0.1)],
                *[GeodesicWalk(SPHERE, h) for h in (0.4, 0.15, 0.1001, 1e-300)],
                GeodesicWalk(Langevin(Sphere(2), zero()), 0.1),
            ]
        ),
        **{name: CASES["simulate"].bad[name] for name in ("start", "n_steps", "rng", "threads")},
    },
)
common = {name: CASES["simulate"].good[name] for name in ("walk", "start", "rng", "threads")}
refused = {name: CASES["simulate"].bad[name] for name in ("walk", "start", "rng", "threads")}
no_observable: Strategy = anything | st.sampled_from(
    [
        lambda x: 1.0,
        lambda x: np.ones(len(x) + 1),
        lambda x: np.full(len(x), np.nan),
        lambda x: np.zeros((len(x), 1, 1)),
    ]
)
CASES |= {
    "PathSum": Case(PathSum, {"g": lambda x, y: x[:, 0]}, {"g": function}),
    "time_average": Case(
        time_average,
        {**common, "f": lambda x: x[:, 0], "n_steps": 3, "burn_in": 2},
        {**refused, "f": no_observable, "n_steps": at_least_one, "burn_in": count},
    ),
    "batch_means": Case(
        batch_means,
        {
            **common,
            "walk": GeodesicWalk(SPHERE, 1.0),
            "f": lambda x: x,
            "n_steps": 60,
            "batch": 20,
            "burn_in": 2,
        },
        {
            **refused,
            "start": refused["start"] | st.just(np.eye(3)[:1]),
            "f": no_observable,
            "n_steps": (count | st.sampled_from([0, 20, 40, 61])),
            "batch": at_least_one | st.sampled_from([7, 30, 60, 61]),
            "burn_in": count,
        },
    ),
    "feynman_kac": Case(
        feynman_kac,
        {
            **{name: common[name] for name in ("walk", "rng", "threads")},
            "f": lambda x: x[:, 0],
            "lam": 1.0,
            "x": [0.0, 0.6, 0.8],
            "n_paths": 2,
        },
        {
            **{name: refused[name] for name in ("walk", "rng", "threads")},
            "f": no_observable | st.just(lambda x: x),
            "lam": positive | st.floats(max_value=1e-9),
            "x": refused["start"] | st.just(np.eye(3)),
            "n_paths": not_an_integer | st.integers(max_value=1),
        },
    ),
}
MANIFOLDS: list[tuple[Manifold, Any, Any, Any, Strategy, Strategy]] = [
    # manifold, x, y, a tangent vector at x, points off it, vectors that are not tangent at x
    (Euclidean(2), [[0.0, 1.0]], [[2.0, 3.0]], [[1.0, 1.0]], st.nothing(), st.nothing()),
    (
        Torus(2),
        [[0.0, 1.0]],
        [[2.0, 3.0]],
        [[1.0, 1.0]],
        st.sampled_from([[[0.0, 7.0]], [[-1e-12, 1.0]], [[2 * math.pi, 0.0]]]),
        st.nothing(),
    ),
    (
        Sphere(2),
        [[0.0, 0.6, 0.8]],
        [[1.0, 0.0, 0.0]],
        [[2.0, 0.0, 0.0]],
        st.sampled_from([[[0.0, 0.0, 0.0]], [[0.0, 0.6, 0.81]], [[1e200, 0.0, 0.0]]]),
        st.sampled_from([[[0.0, 0.6, 0.8]], [[0.0, 0.0, 1e-6]], [[1e200, 0.0, 1e200]]]),
    ),
]
for manifold, x, y, v, off, skew in MANIFOLDS:
    kind = type(manifold).__name__
    array = not_an_array | wrong_shape(manifold.point_dim) | spoilt(x)
    point = array | off
    many = st.just(np.repeat(y, 3, axis=0))
    CASES |= {
        kind: Case(type(manifold), {"d": 2}, {"d": at_least_one}),
        f"{kind}.exp": Case(manifold.exp, {"x": x, "v": v}, {"x": point, "v": array | skew | many}),
        f"{kind}.retract": Case(
            manifold.retract, {"x": x, "v": v}, {"x": point, "v": array | skew | many}
        ),
        f"{kind}.log": Case(manifold.log, {"x": x, "y": y}, {"x": point, "y": point | many}),
        f"{kind}.dist": Case(manifold.dist, {"x": x, "y": y}, {"x": point, "y": point | many}),
        f"{kind}.pairwise": Case(manifold.pairwise, {"x": x, "y": y}, {"x": point, "y": point}),
        f"{kind}.to_tangent": Case(
            manifold.to_tangent, {"x": x, "v": v}, {"x": point, "v": array | many}
        ),
        f"{kind}.transport": Case(
            manifold.transport,
            {"x": x, "y": y, "v": v},
            {"x": point, "y": point | many, "v": array | skew | many},
        ),
        f"{kind}.random_tangent": Case(
            manifold.random_tangent, {"x": x, "rng": RNG}, {"x": point, "rng": generator}
        ),
        f"{kind}.random_point": Case(
            manifold.random_point, {"n": 3, "rng": RNG}, {"n": count, "rng": generator}
        ),
        f"{kind}.belongs": Case(
            manifold.belongs, {"x": x, "atol": 1e-9}, {"x": array, "atol": not_negative}
        ),
    }
for method in ("energy", "gradient"):
    CASES[f"Langevin.{method}"] = Case(
        getattr(SPHERE, method),
        {"x": np.eye(3)},
        {"x": not_an_array | wrong_shape(3) | spoilt(np.eye(3))},
    )
for walk_kind in (GeodesicWalk, RetractionWalk, BoundedWalk, MetropolisWalk, BarkerWalk):
    bad: dict[str, Strategy] = {
        "langevin": anything | st.sampled_from([Langevin, Sphere(2)]),
        "step": positive,
    }
    if walk_kind is BoundedWalk:
        bad["law"] = a_word
    CASES[walk_kind.__name__] = Case(walk_kind, {"langevin": SPHERE, "step": 0.1}, bad)
    CASES[f"{walk_kind.__name__}.step_from"] = Case(
        walk_kind(SPHERE, 0.1).step_from,
        {"x": np.eye(3), "rng": RNG},
        {
            "x": not_an_array | wrong_shape(3) | spoilt(np.eye(3)) | st.just(2 * np.eye(3)),
            "rng": generator,
        },
    )
# what the engine runs in its inner loop, component first and in place, checks nothing
INNER = {"project", "carry", "move", "shift", "advance", "drive", "acceptance", "pull"}
# these are checks themselves: the name is an argument of theirs
CHECKS = {"check_points", "check_tangent"}
# any truth value will do
FREE = {(name, "progress") for name in ("simulate", "time_average", "batch_means")}


def arguments(function: Any) -> set[str]:
    return {name for name in inspect.signature(function).parameters if name != "self"}


def public_arguments() -> set[tuple[str, str]]:
    """Every argument of every public callable of the two floors."""
    found: set[tuple[str, str]] = set()
    for name, thing in vars(coupled_flows).items():
        home = getattr(thing, "__module__", "")
        if not re.match(r"coupled_flows\.(geometry|walks)\.", home) or thing is DivergenceError:
            continue
        found |= {(name, argument) for argument in arguments(thing)}
        if inspect.isclass(thing):
            for method, code in inspect.getmembers(thing, inspect.isfunction):
                if not method.startswith("_") and method not in INNER | CHECKS:
                    found |= {(f"{name}.{method}", argument) for argument in arguments(code)}
    return found - FREE


def test_every_argument_of_every_public_callable_is_tried() -> None:
    assert {(name, argument) for name, case in CASES.items() for argument in case.bad} == (
        public_arguments()
    )


@pytest.mark.parametrize("name", CASES)
def test_good_arguments_are_served(name: str) -> None:
    result = CASES[name].call(**CASES[name].good)
    if isinstance(result, np.ndarray):
        assert np.isfinite(result).all()


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, argument) for name, case in CASES.items() for argument in case.bad],
)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_bad_argument_is_refused_by_name(name: str, argument: str, data: st.DataObject) -> None:
    case = CASES[name]
    value = data.draw(case.bad[argument])
    with pytest.raises((TypeError, ValueError)) as caught:
        case.call(**{**case.good, argument: value})
    message = str(caught.value)
    assert re.search(rf"\b{argument}\b", message), message
    # what is allowed, and what was given
    assert " must " in message
    assert "got " in message.split(" must ", 1)[1]


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("Langevin", "beta"),
        ("GeodesicWalk", "step"),
        ("BoundedWalk", "law"),
        ("Sphere", "d"),
        ("Torus.random_point", "n"),
        ("simulate", "n_steps"),
        ("simulate", "every"),
        ("simulate", "threads"),
        ("simulate", "rng"),
    ],
)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_the_value_given_is_repeated(name: str, argument: str, data: st.DataObject) -> None:
    case = CASES[name]
    value = data.draw(case.bad[argument])
    with pytest.raises((TypeError, ValueError)) as caught:
        case.call(**{**case.good, argument: value})
    assert str(caught.value).endswith(f"got {value!r}")


# -- nothing returns NaN ------------------------------------------------------------------------

huge = st.one_of(st.floats(-1e300, 1e300), st.floats(-10, 10), st.sampled_from([5e-324, -1e-300]))
GEOMETRY: list[Manifold] = [Euclidean(2), Torus(2), Sphere(1)]


@pytest.mark.parametrize("manifold", GEOMETRY, ids=repr)
@given(numbers=st.lists(huge, min_size=6, max_size=6))
@settings(deadline=None)
def test_finite_numbers_give_finite_numbers_or_an_error(
    manifold: Manifold, numbers: list[float]
) -> None:
    raw = np.array(numbers).reshape(3, 1, 2)
    if isinstance(manifold, Sphere):
        raw[:2] = np.stack([np.cos(raw[:2, :, 0]), np.sin(raw[:2, :, 0])], axis=2)
    elif isinstance(manifold, Torus):
        raw[:2] = np.clip(np.mod(raw[:2], 2 * math.pi), 0, math.nextafter(2 * math.pi, 0))
    x, y, v = raw
    calls: list[Callable[[], Any]] = [
        lambda: manifold.log(x, y),
        lambda: manifold.dist(x, y),
        lambda: manifold.to_tangent(x, v),
        lambda: manifold.exp(x, manifold.to_tangent(x, v)),
        lambda: manifold.transport(x, y, manifold.to_tangent(x, v)),
        lambda: manifold.retract(x, manifold.to_tangent(x, v)),
    ]
    for call in calls:
        try:
            result = call()
        except ValueError as refusal:
            finite = re.match(r"[yv] must ", str(refusal)) is not None
        else:
            finite = bool(np.isfinite(result).all())
        assert finite


@pytest.mark.parametrize(
    "kind", [GeodesicWalk, RetractionWalk, BoundedWalk, MetropolisWalk, BarkerWalk]
)
@pytest.mark.parametrize("manifold", GEOMETRY, ids=repr)
@given(h=st.floats(1e-300, 1e300), beta=st.floats(1e-300, 1e300), slope=st.floats(-1e100, 1e100))
@settings(max_examples=30, deadline=None)
def test_any_step_gives_a_point_or_says_that_it_diverged(
    kind: type[Walk], manifold: Manifold, h: float, beta: float, slope: float
) -> None:
    if isinstance(manifold, Torus):
        potential = Potential(
            lambda t: slope * np.cos(t[:, 0]),
            lambda t: np.stack([-slope * np.sin(t[:, 0]), 0 * t[:, 1]], axis=1),
        )
    else:
        potential = linear([slope, 0.0])
    walk = kind(Langevin(manifold, potential, beta), h)
    x = manifold.random_point(4, np.random.default_rng(1))
    for run in (walk.step_from, lambda x, rng: simulate(walk, x, 3, rng, threads=1)):
        try:
            result = run(x, np.random.default_rng(2))
        except DivergenceError as diverged:
            last = diverged.state
        else:
            last = result
        assert manifold.belongs(last).all()


# -- the checks themselves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [2, 2.0, np.float32(2), np.int8(2), np.array(2.0), Fraction(2), Decimal(2)]
)
def test_all_sorts_of_reals_are_reals(value: Any) -> None:
    number = check_real("h", value, above=1)
    assert number == 2.0
    assert isinstance(number, float)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e6, 1e6))
def test_bounds_are_kept_and_said(value: float, bound: float) -> None:
    for keyword, sign, fits in (
        ("above", ">", value > bound),
        ("least", ">=", value >= bound),
        ("most", "<=", value <= bound),
    ):
        if fits:
            assert check_real("h", value, **{keyword: bound}) == value
        else:
            said = re.escape(f"{sign} {bound:g}; got {value!r}")
            with pytest.raises(ValueError, match=rf"h must be a finite real number .*{said}$"):
                check_real("h", value, **{keyword: bound})


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_all_sorts_of_integers_are_integers(value: Any) -> None:
    assert type(check_integer("n", value)) is int
    assert check_integer("n", value, least=3) == 3
    with pytest.raises(ValueError, match=r"n must be an integer >= 4; got "):
        check_integer("n", value, least=4)


@pytest.mark.parametrize("value", [3.0, "3", True, np.True_, None, [3], 3j, np.float64(3)])
def test_what_only_looks_like_an_integer_is_none(value: Any) -> None:
    with pytest.raises(TypeError, match=r"n must be an integer >= 0; got "):
        check_integer("n", value)


def test_a_letter_stands_for_any_length() -> None:
    for shape in ((0, 2), (1, 2), (7, 2)):
        assert check_array("x", np.zeros(shape), ("n", 2)).shape == shape
    for wrong in ((7, 3), (2,), (1, 7, 2), ()):
        with pytest.raises(ValueError, match=r"x must have shape \(n, 2\); got shape "):
            check_array("x", np.zeros(wrong), ("n", 2))
    with pytest.raises(ValueError, match=r"x must have shape \(n,\); got shape \(1, 2\)"):
        check_array("x", [[1, 2]], ("n",))


def test_whatever_holds_numbers_becomes_float64() -> None:
    values: list[Any] = [[[1, 2]], ((1.0, 2),), np.array([[1, 2]], np.uint8), [[Fraction(1), 2]]]
    for value in values:
        array = check_array("x", value, ("n", 2))
        assert array.dtype == np.float64
        assert array.tolist() == [[1.0, 2.0]]


def test_the_place_of_what_is_not_finite_is_said() -> None:
    with pytest.raises(ValueError, match=r"x must be finite; got nan at index \(1, 0\)"):
        check_array("x", [[1.0, 2.0], [math.nan, math.inf]], ("n", 2))


def test_what_is_recorded_divides_the_steps() -> None:
    assert [check_every(every, 6) for every in (None, 1, np.int64(3), 6)] == [6, 1, 3, 6]
    assert check_every(None, 0) == check_every(1, 0) == 1
    with pytest.raises(ValueError, match="every must divide n_steps = 6; got 4"):
        check_every(4, 6)
    with pytest.raises(ValueError, match="every must be an integer >= 1; got 0"):
        check_every(0, 6)


def test_only_a_generator_is_a_generator() -> None:
    rng = np.random.default_rng(1)
    assert check_rng(rng) is rng
    with pytest.raises(TypeError, match=r"noise must be a numpy.random.Generator.*; got 3"):
        check_rng(3, "noise")


def test_kinds_and_choices_are_said() -> None:
    assert check_type("x", 3, int, "a whole number") == 3
    with pytest.raises(TypeError, match="x must be a whole number; got 'a'"):
        check_type("x", "a", int, "a whole number")
    assert check_choice("law", "ball", ("ball", "sphere")) == "ball"
    with pytest.raises(ValueError, match=r"law must be one of 'ball', 'sphere'; got 'cube'"):
        check_choice("law", "cube", ("ball", "sphere"))


@given(st.integers(1, 5), st.integers(0, 1000), st.floats(1e-100, 1e100))
def test_definite_matrices_are_told_from_others(n: int, seed: int, scale: float) -> None:
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]

    def form(lowest: float) -> Any:
        values = np.linspace(1.0, 2.0, n)
        values[0] = lowest
        matrix = basis * values @ basis.T * scale
        return (matrix + matrix.T) / 2

    for kind in ("definite", "semidefinite"):
        kept = check_symmetric("sigma", form(1.0), n, kind=kind)
        assert (kept == form(1.0)).all()
        with pytest.raises(ValueError, match=rf"sigma must be positive {kind}; got the eigenvalue"):
            check_symmetric("sigma", form(-0.5), n, kind=kind)
    singular = np.zeros((n, n))
    check_symmetric("sigma", singular, n, kind="semidefinite")
    with pytest.raises(ValueError, match="sigma must be positive definite"):
        check_symmetric("sigma", singular, n, kind="definite")


def test_a_matrix_that_is_not_symmetric_is_refused() -> None:
    with pytest.raises(ValueError, match="sigma must be symmetric; got entries that differ by 1"):
        check_symmetric("sigma", [[1.0, 0.0], [1.0, 1.0]], 2, kind="definite")
    with pytest.raises(ValueError, match=r"sigma must have shape \(2, 2\)"):
        check_symmetric("sigma", np.eye(3), 2, kind="definite")


@pytest.mark.parametrize("manifold", [Torus(2), Sphere(1)], ids=repr)
def test_points_are_refused_under_the_name_the_caller_gives(manifold: Manifold) -> None:
    with pytest.raises(ValueError, match=r"start must lie on .*got .* in row 1"):
        manifold.check_points("start", [[1.0, 0.0], [9.0, 9.0]])
    with pytest.raises(ValueError, match=r"drift must have shape \(1, 2\); got shape \(2, 2\)"):
        manifold.check_tangent(np.array([[1.0, 0.0]]), np.eye(2), "drift")


def test_a_vector_that_is_not_tangent_is_refused_under_its_name() -> None:
    with pytest.raises(ValueError, match=r"drift must be tangent to Sphere\(1\).*got .* row 0"):
        Sphere(1).check_tangent(np.array([[1.0, 0.0]]), [[0.5, 1.0]], "drift")


def test_divergence_carries_what_it_knows_through_copies_and_pickles() -> None:
    error = DivergenceError("lost", 3, np.ones((2, 1)), np.ones((4, 2, 1)))
    for twin in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert str(twin) == "lost"
        assert twin.step == 3
        assert (twin.state == error.state).all()
        assert np.array_equal(np.asarray(twin.path), np.ones((4, 2, 1)))
    assert issubclass(DivergenceError, ArithmeticError)
    assert DivergenceError("lost", 3, np.ones((2, 1))).path is None
