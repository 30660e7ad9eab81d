"""Bad input, by property, over every public callable of laws, generators, weights, coupled."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coupled_flows
from coupled_flows import (
    BarkerWalk,
    CircleCells,
    CircleLaw,
    CoupledFlow,
    Coupling,
    DataWalk,
    DensityLaw,
    Embedding,
    Estimate,
    Euclidean,
    FourierGenerator,
    GaussianClosure,
    GaussianGenerator,
    GaussianLaw,
    GeodesicWalk,
    GraphGenerator,
    HarmonicGenerator,
    HarmonicLaw,
    HebbFlow,
    Langevin,
    MeshGenerator,
    NaiveCoupling,
    Network,
    NoiseFloor,
    Order,
    PointLaw,
    Potential,
    RingLaw,
    SangerFlow,
    Sphere,
    SubspaceFlow,
    Torus,
    TraceFlow,
    ZonalCells,
    ZonalGenerator,
    ZonalLaw,
    at_rest,
    correlation,
    coupled_distance,
    evolve_walk,
    explore,
    fisher_ratio,
    fit_order,
    fluctuation_covariance,
    fourier,
    icosphere,
    linear,
    linear_accuracy,
    linear_margin,
    noise_floor,
    over_splits,
    principal_angles,
    quadratic,
    second_moment_bound,
    settle,
    simulate_gossip,
    simulate_synchronous,
    slow_weights,
    stable_rank,
    stable_state,
    step_limit,
    sweep,
    wasserstein,
)

Strategy = st.SearchStrategy[Any]

# -- what is bad ----------------------------------------------------------------------------------

not_a_number: Strategy = st.one_of(
    st.sampled_from([None, True, False, 1j, [], [[1], [1, 2]], {}, object(), "1", b"1"]),
    st.text(max_size=5),
)
not_finite: Strategy = st.sampled_from([math.nan, math.inf, -math.inf])
not_an_integer: Strategy = st.one_of(not_a_number, st.floats())
not_an_array: Strategy = st.sampled_from(
    [None, "points", b"1", {}, object(), np.sin, [[1.0], [1.0, 2.0]], [[1j, 0]], ["a", "b"], 1j]
)
count: Strategy = st.one_of(not_an_integer, st.integers(max_value=-1))
at_least_one: Strategy = st.one_of(not_an_integer, st.integers(max_value=0))
at_least_two: Strategy = st.one_of(not_an_integer, st.integers(max_value=1))
positive: Strategy = st.one_of(not_a_number, not_finite, st.floats(max_value=0))
not_negative: Strategy = st.one_of(not_a_number, not_finite, st.floats(max_value=-5e-324))
anything: Strategy = st.one_of(not_an_integer, st.integers())
random: Strategy = st.one_of(
    anything, st.sampled_from([np.random, np.random.RandomState(1), np.random.PCG64(1), "seed"])
)


def of_shape(*shapes: tuple[int, ...]) -> Strategy:
    return st.sampled_from([np.full(shape, 0.5) for shape in shapes])


def spoilt(good: Any) -> Strategy:
    """Return the good array with an entry that is not finite, or of another type."""

    def spoil(index: int, entry: float) -> Any:
        bad = np.array(good, dtype=float)
        bad.flat[index % bad.size] = entry
        return bad

    good = np.asarray(good)
    return st.one_of(
        st.builds(spoil, st.integers(0, 10), not_finite),
        st.sampled_from([good + 0j, good.astype(str), None]),
    )


def giving(*values: Any) -> Strategy:
    """Return functions whose values are useless."""
    return st.sampled_from([lambda x, v=v: np.full(len(x), v) for v in values])


no_density: Strategy = st.one_of(
    anything,
    giving(math.nan, math.inf, -1.0, 0.0, 1j, "1", None),
    st.sampled_from([lambda x: 1.0, lambda x: np.ones(len(x) + 1), lambda x: None, lambda x: "a"]),
)
no_function: Strategy = st.one_of(
    anything,
    giving(math.nan, math.inf, 1j, "a", None),
    st.sampled_from([lambda x: 1.0, lambda x: np.ones(len(x) + 1), lambda x: None, lambda x: "a"]),
)

# -- every public callable of floors 1, 3, 4, 5, with good arguments and what is bad for each -----


@dataclass(frozen=True)
class Case:
    """A callable, good arguments for it, and a strategy of bad values for each."""

    call: Callable[..., object]
    good: dict[str, Any]
    bad: dict[str, Strategy]


RNG = np.random.default_rng(1)
CIRCLE = Langevin(Torus(1), fourier(cos={1: 1.0}))
SPHERE = Langevin(Sphere(2), linear([0.0, 0.0, -1.0]))
SPACE = Langevin(Euclidean(2), quadratic(np.eye(2)))
FOURIER = FourierGenerator(CIRCLE, 16)
ZONAL = ZonalGenerator(SPHERE, 16)
HARMONIC = HarmonicGenerator(SPHERE, 9)
GAUSSIAN = GaussianGenerator(SPACE)
ARC = CircleLaw(np.array([1.0, 0.3]))
CAP = ZonalLaw(np.array([1.0, 0.3]))
BUMP = HarmonicLaw(np.array([1.0, 0.3, -0.2, 0.1]))
ARCS = CircleCells(np.array([1.0, 2.0, 2.0, 1.0]))
ZONES = ZonalCells(np.array([1.0, 2.0, 2.0, 1.0]))
RINGS = RingLaw(np.array([0.5, -0.5]))
POINTS = PointLaw(np.array([[0.5], [1.5]]), manifold=Torus(1))
NORMAL = GaussianLaw(np.zeros(2), np.eye(2))
DATA = DataWalk(np.cos(np.arange(6.0))[:, None], 0.5)
GRAPH = GraphGenerator(DATA)
BALL, FACES = icosphere(0)
MESH = MeshGenerator(BALL, FACES, linear([0.0, 0.0, -1.0]))
UNRESOLVED = CircleLaw(np.array([1.0, 0.9, 0.9]))
problems: Strategy = st.one_of(
    anything, st.sampled_from([Langevin, Sphere(2), SPHERE, CIRCLE, SPACE])
)
some_law: Strategy = st.one_of(anything, st.sampled_from([np.zeros((2, 1)), Torus(1)]))
walks: Strategy = st.one_of(
    anything,
    st.sampled_from(
        [
            GeodesicWalk,
            SPHERE,
            GeodesicWalk(Langevin(Torus(1), fourier(cos={1: 1.0})), 0.1),
            GeodesicWalk(Langevin(Sphere(2), linear([0.0, 0.0, -1.0])), 0.1),
            BarkerWalk(Langevin(Euclidean(2), quadratic(np.eye(2))), 0.1),
        ]
    ),
)
times: Strategy = st.one_of(
    st.sampled_from([None, "1", 1j, [1j], [[0.5]], {}, object(), [None], ["a"], b"1"]),
    not_finite,
    st.floats(max_value=-5e-324),
    st.sampled_from([[0.5, -1.0], [0.5, math.nan], np.array([math.inf])]),
)
points: Strategy = st.one_of(not_an_array, of_shape((1,), (1, 2), (1, 1, 1)), spoilt([[0.5]]))


def two_plus_cos(x: Any) -> Any:
    return 2 + np.cos(x[:, 0])


CASES: dict[str, Case] = {
    "Estimate": Case(
        Estimate,
        {"value": 1.0, "error": 0.1},
        {"value": not_a_number | not_finite, "error": not_negative},
    ),
    "wasserstein": Case(
        wasserstein,
        {"a": [[0.5]], "b": [[1.5]], "p": 2, "manifold": Torus(1)},
        {
            "a": points | st.sampled_from([[[7.0]], np.zeros((0, 1)), CAP, UNRESOLVED]),
            "b": points | st.sampled_from([[[7.0]], np.zeros((0, 1)), CAP, UNRESOLVED]),
            "p": not_a_number | not_finite | st.floats(max_value=0.999),
            "manifold": anything | st.sampled_from([Torus, CIRCLE]),
        },
    ),
    "noise_floor": Case(
        noise_floor,
        {"law": ARC, "n": 3, "rng": RNG, "p": 2, "repeats": 2},
        {
            "law": some_law | st.just(UNRESOLVED),
            "n": at_least_one,
            "rng": random,
            "p": not_a_number | not_finite | st.floats(max_value=0.999),
            "repeats": at_least_two,
        },
    ),
    "NoiseFloor": Case(
        NoiseFloor,
        {"value": 1.0, "error": 0.1, "low": 0.5, "high": 2.0},
        {
            "value": not_a_number | not_finite,
            "error": not_negative,
            "low": not_a_number | not_finite,
            "high": not_a_number | not_finite | st.floats(max_value=0.499),
        },
    ),
    "coupled_distance": Case(
        coupled_distance,
        {"x": [[0.5], [1.0]], "y": [[1.5], [2.5]], "manifold": Torus(1), "p": 2},
        {
            "x": not_an_array
            | of_shape((2,), (2, 2), (2, 1, 1))
            | spoilt([[0.5], [1.0]])
            | st.sampled_from([[[7.0], [1.0]], ARC]),
            "y": points | of_shape((1, 1), (3, 1)) | st.sampled_from([[[7.0], [1.0]], ARC]),
            "manifold": anything | st.sampled_from([Torus, CIRCLE]),
            "p": not_a_number | not_finite | st.floats(max_value=0.999),
        },
    ),
    "DensityLaw": Case(
        DensityLaw,
        {"density": two_plus_cos, "bound": 3.0, "manifold": Torus(1)},
        {
            # zero everywhere is found out when it is sampled: test_laws
            "density": no_function | giving(-1.0, 4.0),
            "bound": positive | st.just(1.1),
            "manifold": anything | st.sampled_from([Torus, CIRCLE, Euclidean(1)]),
        },
    ),
    "fit_order": Case(
        fit_order,
        {"steps": [0.2, 0.1], "errors": [2.0, 1.0]},
        {
            "steps": not_an_array
            | of_shape((), (2, 1))
            | spoilt([0.2, 0.1])
            | st.sampled_from([[0.1, 0.1], [0.1, 0.0], [0.1, -1.0]]),
            "errors": not_an_array
            | of_shape((1,), (2, 1), (3,))
            | spoilt([0.2, 0.1])
            | st.sampled_from([[0.1, 0.0], [Estimate(1, 1), 1.0], [Estimate(1, 0)] * 2, 1.0]),
        },
    ),
    "sweep": Case(
        sweep,
        {"function": abs, "points": [1], "executor": None},
        {
            "function": anything,
            "points": st.sampled_from([None, 1, 1.5, object(), True]),
            "executor": anything.filter(lambda value: value is not None),
        },
    ),
    "CircleLaw": Case(
        CircleLaw,
        {"moments": [1.0, 0.3]},
        {
            "moments": st.sampled_from(
                [None, "1", {}, [], [0.5], [[1.0]], 1.0, ["1"], [1.0, math.nan], [1, 1j * math.inf]]
            )
        },
    ),
    "ZonalLaw": Case(
        ZonalLaw,
        {"moments": [1.0, 0.3]},
        {
            "moments": st.sampled_from(
                [None, "1", {}, [], [0.5], [[1.0]], 1.0, ["1"], [1.0, math.nan], [1.0, 0.5j]]
            )
        },
    ),
    "CircleLaw.from_density": Case(
        CircleLaw.from_density,
        {"density": lambda x: 2 + np.cos(x[:, 0]), "modes": 8},
        {"density": no_density, "modes": at_least_one},
    ),
    "ZonalLaw.from_density": Case(
        ZonalLaw.from_density,
        {"density": lambda z: 2 + z, "degree": 8},
        {"density": no_density, "degree": at_least_one},
    ),
    "HarmonicLaw": Case(
        HarmonicLaw,
        {"moments": [1.0, 0.3, 0.0, 0.0]},
        {
            "moments": st.sampled_from(
                [None, "1", {}, [], [0.5], [[1.0]], 1.0, ["1"], [1.0] * 3, [1.0, math.nan, 0, 0]]
            )
            | st.just([1.0, 0.5j, 0, 0])
        },
    ),
    "HarmonicLaw.from_density": Case(
        HarmonicLaw.from_density,
        {"density": lambda x: 2 + x[:, 0], "degree": 8},
        {"density": no_density, "degree": at_least_one},
    ),
    **{
        kind.__name__: Case(
            kind,
            {"masses": [1.0, 2.0, 2.0, 1.0]},
            {
                "masses": not_an_array
                | of_shape((), (3,), (4, 1))
                | spoilt([1.0, 2.0, 2.0, 1.0])
                | st.sampled_from([[1.0, -1.0, 2.0, 2.0], [0.0] * 4])
            },
        )
        for kind in (CircleCells, ZonalCells)
    },
    **{
        f"{kind.__name__}.uniform": Case(
            kind.uniform, {"n": 4}, {"n": not_an_integer | st.integers(max_value=3)}
        )
        for kind in (CircleCells, ZonalCells)
    },
    **{
        f"{kind.__name__}.from_density": Case(
            kind.from_density,
            {"density": lambda x: np.ones(len(x)), "n": 4},
            {"density": no_density, "n": not_an_integer | st.integers(max_value=3)},
        )
        for kind in (CircleCells, ZonalCells)
    },
    "RingLaw": Case(
        RingLaw,
        {"heights": [0.5, -0.5], "weights": [1.0, 2.0]},
        {
            "heights": not_an_array
            | of_shape((), (2, 1), (0,))
            | spoilt([0.5, -0.5])
            | st.just([0.5, 1.5]),
            "weights": not_an_array.filter(lambda value: value is not None)
            | of_shape((), (2, 1), (3,))
            | spoilt([0.5, 0.5]).filter(lambda value: value is not None)
            | st.sampled_from([[1.0, -1.0], [0.0, 0.0]]),
        },
    ),
    "PointLaw": Case(
        PointLaw,
        {"points": [[0.5], [1.5]], "weights": [1.0, 2.0], "manifold": Torus(1)},
        {
            "points": points | st.sampled_from([[[7.0]], np.zeros((0, 1))]),
            "weights": not_an_array.filter(lambda value: value is not None)
            | of_shape((), (2, 1), (3,))
            | spoilt([0.5, 0.5]).filter(lambda value: value is not None)
            | st.sampled_from([[1.0, -1.0], [0.0, 0.0]]),
            "manifold": anything | st.just(Torus),
        },
    ),
    "GaussianLaw": Case(
        GaussianLaw,
        {"mean": [0.0, 1.0], "covariance": np.eye(2)},
        {
            "mean": not_an_array | of_shape((), (2, 1), (0,)) | spoilt([0.0, 1.0]),
            "covariance": not_an_array
            | of_shape((2,), (1, 1), (3, 3))
            | spoilt(np.eye(2))
            | st.sampled_from([-np.eye(2), np.array([[1.0, 2.0], [0.0, 1.0]])]),
        },
    ),
    "FourierGenerator": Case(
        FourierGenerator,
        {"langevin": CIRCLE, "modes": 16},
        {
            "langevin": problems.filter(lambda value: value is not CIRCLE)
            | st.just(Langevin(Torus(1), fourier(cos={1: 30.0}))),
            "modes": at_least_one | st.sampled_from([1, 2, 5]),
        },
    ),
    "ZonalGenerator": Case(
        ZonalGenerator,
        {"langevin": SPHERE, "degree": 16},
        {
            "langevin": problems.filter(lambda value: value is not SPHERE)
            | st.just(Langevin(Sphere(2), linear([0.0, 0.0, 30.0])))
            | st.just(Langevin(Sphere(2), linear([1.0, 0.0, 0.0]))),
            "degree": at_least_one | st.sampled_from([1, 2, 5]),
        },
    ),
    "HarmonicGenerator": Case(
        HarmonicGenerator,
        {"langevin": SPHERE, "degree": 12},
        {
            "langevin": problems.filter(lambda value: value is not SPHERE)
            | st.just(Langevin(Sphere(2), linear([0.0, 30.0, 0.0]))),
            "degree": at_least_one | st.sampled_from([1, 2, 5]),
        },
    ),
    "GaussianGenerator": Case(
        GaussianGenerator,
        {"langevin": SPACE},
        {"langevin": problems.filter(lambda value: value is not SPACE)},
    ),
    "DataWalk": Case(
        DataWalk,
        {"points": [[0.5], [1.5], [1.6]], "bandwidth": 0.1, "alpha": 0.5, "cutoff": 6.0},
        {
            "points": not_an_array
            | of_shape((), (2,), (0, 1), (1, 1), (2, 0), (2, 1, 1))
            | spoilt([[0.5], [1.5]])
            | st.just([[0.5], [1e200]]),
            "bandwidth": positive,
            "alpha": not_a_number | not_finite | st.sampled_from([1e4, -1e4]),
            "cutoff": not_a_number
            | st.sampled_from([math.nan, -math.inf, [6.0], np.ones(2)])
            | st.floats(max_value=0),
        },
    ),
    "GraphGenerator": Case(
        GraphGenerator,
        {"walk": DATA},
        {"walk": anything | st.sampled_from([DataWalk, GRAPH, DATA.matrix, DATA.points])},
    ),
    "MeshGenerator": Case(
        MeshGenerator,
        {"vertices": BALL, "triangles": FACES, "potential": quadratic(np.eye(3)), "beta": 1.0},
        {
            "vertices": not_an_array
            | of_shape((), (12,), (12, 2), (11, 3), (13, 3), (0, 3))
            | spoilt(BALL)
            | st.sampled_from([0 * BALL, 1e200 * BALL, 1e-200 * BALL]),
            "triangles": not_an_array
            | st.sampled_from(
                [
                    *[FACES[1:], FACES[:, :2], FACES[0], FACES + 1, FACES - 1, FACES * 1.0],
                    *[FACES > 3, np.zeros_like(FACES), np.tile(FACES, (2, 1)), FACES[:0]],
                    np.concatenate([FACES[:1, ::-1], FACES[1:]]),
                ]
            ),
            "potential": anything
            | st.sampled_from(
                [
                    *[linear, SPHERE, linear([0.0, 0.0, 100.0])],
                    Potential(lambda x: x, np.sin),
                    Potential(lambda x: np.full(len(x), math.nan), np.sin),
                ]
            ),
            "beta": positive,
        },
    ),
}
for name, law, where in (
    ("CircleLaw", ARC, [[0.5]]),
    ("ZonalLaw", CAP, [0.5]),
    ("CircleCells", ARCS, [[0.5]]),
    ("ZonalCells", ZONES, [0.5]),
    ("HarmonicLaw", BUMP, [[0.6, 0.0, 0.8]]),
    ("RingLaw", RINGS, None),
    ("PointLaw", POINTS, None),
    ("GaussianLaw", NORMAL, [[0.5, 0.5]]),
    ("DensityLaw", DensityLaw(two_plus_cos, 3.0, Torus(1)), None),
):
    CASES[f"{name}.sample"] = Case(law.sample, {"n": 3, "rng": RNG}, {"n": count, "rng": random})
    if hasattr(law, "mean") and callable(law.mean):
        CASES[f"{name}.mean"] = Case(law.mean, {"f": lambda x: np.ones(len(x))}, {"f": no_function})
    if hasattr(law, "quantiles"):
        CASES[f"{name}.quantiles"] = Case(law.quantiles, {"n": 3}, {"n": at_least_one})
    if where is not None:
        argument = "z" if name.startswith("Zonal") else "x"
        CASES[f"{name}.density"] = Case(
            law.density,  # type: ignore[union-attr]
            {argument: where},
            {argument: not_an_array | of_shape((), (1, 1, 1), (1, 3)) | spoilt(where)},
        )
    if isinstance(law, CircleLaw | ZonalLaw | CircleCells | ZonalCells):
        off: Strategy = st.sampled_from([np.array([-0.1]), np.array([7.0]), np.array([math.nan])])
        CASES[f"{name}.distribution"] = Case(
            law.distribution, {"angle": np.array([0.5])}, {"angle": not_an_array | off}
        )
        share: Strategy = st.sampled_from([np.array([-0.1]), np.array([1.1]), np.array([math.nan])])
        CASES[f"{name}.angle_density"] = Case(
            law.angle_density, {"angle": np.array([0.5])}, {"angle": not_an_array | off}
        )
        CASES[f"{name}.angle_at"] = Case(
            law.angle_at, {"share": np.array([0.5])}, {"share": not_an_array | share}
        )
        CASES[f"{name}.grid"] = Case(law.grid, {"finer": 2}, {"finer": at_least_one})
        CASES[f"{name}.panels"] = Case(
            law.panels, {"cuts": np.array([0.5, 1.0])}, {"cuts": not_an_array | off}
        )
for name, generator, law in (
    ("FourierGenerator", FOURIER, ARC),
    ("ZonalGenerator", ZONAL, CAP),
    ("HarmonicGenerator", HARMONIC, BUMP),
):
    n = len(generator.nodes)
    f = np.ones(n)
    no_values: Strategy = (
        not_an_array | of_shape((), (n + 1,), (n - 1, 1), (n, 1, 1), (1,)) | spoilt(f)
    )
    no_law: Strategy = some_law | st.sampled_from([NORMAL, CAP if law is ARC else ARC])
    walk = GeodesicWalk(generator.langevin, 0.1)
    transition = generator.transition(walk)
    for method in ("apply", "poisson", "stationary_mean", "asymptotic_covariance"):
        CASES[f"{name}.{method}"] = Case(getattr(generator, method), {"f": f}, {"f": no_values})
    for method in ("apply", "poisson", "stationary_mean"):
        CASES[f"{name}, Transition.{method}"] = Case(
            getattr(transition, method), {"f": f}, {"f": no_values}
        )
    CASES |= {
        f"{name}.semigroup": Case(
            generator.semigroup, {"f": f, "time": 1.0}, {"f": no_values, "time": not_negative}
        ),
        f"{name}.resolvent": Case(
            generator.resolvent, {"f": f, "lam": 1.0}, {"f": no_values, "lam": positive}
        ),
        f"{name}.eigenfunctions": Case(
            generator.eigenfunctions, {"count": 2}, {"count": at_least_one | st.just(n + 1)}
        ),
        f"{name}.interpolate": Case(
            generator.interpolate,
            {"f": f, "points": generator.nodes},
            {
                "f": no_values,
                "points": not_an_array
                | of_shape((), (n, 4), (3,))
                | spoilt(generator.nodes)
                | st.just(generator.nodes + 7),
            },
        ),
        f"{name}.law": Case(
            generator.law,
            {"density": lambda x: np.ones(len(x))},
            {"density": no_density},
        ),
        f"{name}.weights_of": Case(generator.weights_of, {"law": law}, {"law": no_law}),
        f"{name}.law_of": Case(
            generator.law_of,
            {"weights": generator.mass},
            {"weights": not_an_array | of_shape((n + 1,), (), (n, n)) | spoilt(generator.mass)},
        ),
        f"{name}.evolve": Case(
            generator.evolve, {"law": law, "times": 1.0}, {"law": no_law, "times": times}
        ),
        f"{name}.transition": Case(generator.transition, {"walk": walk}, {"walk": walks}),
        f"{name}.evolve_walk": Case(
            generator.evolve_walk,
            {"walk": walk, "law": law, "n_steps": 2},
            {"walk": walks, "law": no_law, "n_steps": count},
        ),
        f"{name}, Transition.evolve": Case(
            transition.evolve,
            {"law": law, "n_steps": 4, "every": 2},
            {
                "law": no_law,
                "n_steps": count,
                "every": (at_least_one | st.just(3)).filter(lambda value: value is not None),
            },
        ),
    }
f = np.arange(6.0)
no_values = not_an_array | of_shape((), (7,), (5, 1), (6, 1, 1), (1,)) | spoilt(f)
on_data = PointLaw(DATA.points[:1], manifold=Euclidean(1))
no_law = some_law | st.sampled_from(
    [
        *[ARC, NORMAL, POINTS, GaussianLaw(np.zeros(1), np.eye(1))],
        PointLaw(np.array([[0.123]]), manifold=Euclidean(1)),
        PointLaw(np.array([[1.0, 0.0]]), manifold=Euclidean(2)),
    ]
)
for thing in (DATA, GRAPH):
    name = type(thing).__name__
    for method in ("apply", "poisson", "stationary_mean", "asymptotic_covariance"):
        if hasattr(thing, method):
            CASES[f"{name}.{method}"] = Case(getattr(thing, method), {"f": f}, {"f": no_values})
CASES |= {
    "DataWalk.weights_of": Case(DATA.weights_of, {"law": on_data}, {"law": no_law}),
    "DataWalk.law_of": Case(
        DATA.law_of,
        {"weights": DATA.weights},
        {
            "weights": (not_an_array | of_shape((7,), (), (6, 6)) | spoilt(f)).filter(
                lambda value: value is not None
            )
        },
    ),
    "DataWalk.evolve": Case(
        DATA.evolve,
        {"law": on_data, "n_steps": 4, "every": 2},
        {
            "law": no_law,
            "n_steps": count,
            "every": (at_least_one | st.just(3)).filter(lambda value: value is not None),
        },
    ),
    "DataWalk.resolvent": Case(
        DATA.resolvent, {"f": f, "lam": 1.0}, {"f": no_values, "lam": positive}
    ),
    "GraphGenerator.resolvent": Case(
        GRAPH.resolvent, {"f": f, "lam": 1.0}, {"f": no_values, "lam": positive}
    ),
    "GraphGenerator.eigenfunctions": Case(
        GRAPH.eigenfunctions, {"count": 2}, {"count": at_least_one | st.just(7)}
    ),
}
f = np.arange(12.0)
no_values = not_an_array | of_shape((), (13,), (11, 1), (12, 1, 1), (1,)) | spoilt(f)
for method in ("apply", "poisson", "stationary_mean", "asymptotic_covariance"):
    CASES[f"MeshGenerator.{method}"] = Case(getattr(MESH, method), {"f": f}, {"f": no_values})
CASES |= {
    "MeshGenerator.resolvent": Case(
        MESH.resolvent, {"f": f, "lam": 1.0}, {"f": no_values, "lam": positive}
    ),
    "MeshGenerator.eigenfunctions": Case(
        MESH.eigenfunctions, {"count": 2}, {"count": at_least_one | st.just(13)}
    ),
}
euler = GeodesicWalk(SPACE, 0.1)
no_gaussian: Strategy = some_law | st.sampled_from(
    [ARC, GaussianLaw(np.array([0.0]), np.array([[1.0]]))]
)
CASES |= {
    "GaussianGenerator.evolve": Case(
        GAUSSIAN.evolve, {"law": NORMAL, "times": 1.0}, {"law": no_gaussian, "times": times}
    ),
    "GaussianGenerator.transition": Case(GAUSSIAN.transition, {"walk": euler}, {"walk": walks}),
    "GaussianGenerator.evolve_walk": Case(
        GAUSSIAN.evolve_walk,
        {"walk": euler, "law": NORMAL, "n_steps": 2},
        {"walk": walks, "law": no_gaussian, "n_steps": count},
    ),
    "GaussianGenerator, Transition.evolve": Case(
        GAUSSIAN.transition(euler).evolve,
        {"law": NORMAL, "n_steps": 4, "every": 2},
        {
            "law": no_gaussian,
            "n_steps": count,
            "every": (at_least_one | st.just(3)).filter(lambda value: value is not None),
        },
    ),
}
MOMENTS, WEIGHTS = np.diag([2.0, 1.0]), np.array([[0.5, 0.2]])
no_moments: Strategy = (
    not_an_array
    | of_shape((), (2,), (0, 0), (1, 2), (1, 2, 2))
    | spoilt(MOMENTS)
    | st.sampled_from([-MOMENTS, np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[0.0, 1.0]] * 2)])
)
no_start: Strategy = not_an_array | of_shape((), (2,), (1, 3), (0, 2), (1, 1, 2)) | spoilt(WEIGHTS)
no_weights: Strategy = (
    not_an_array | of_shape((), (2,), (1, 3), (0, 2), (1, 1, 3)) | spoilt(WEIGHTS)
)
no_times: Strategy = (
    not_an_array
    | of_shape((), (0,), (1, 1))
    | spoilt([0.5, 1.0])
    | st.sampled_from([[-1.0], [0.5, -1e-300]])
)
no_rate: Strategy = (
    not_negative.filter(lambda value: not isinstance(value, list))
    | spoilt([0.1])
    | st.sampled_from([[0.1, -0.1], [[1], [1, 2]]])
)
for kind in (HebbFlow, TraceFlow, SubspaceFlow, SangerFlow):
    name, flow = kind.__name__, kind(MOMENTS, 2.0)
    solution = {"W0": WEIGHTS, "times": [0.5, 1.0]}
    no_solution = {"W0": no_start, "times": no_times}
    CASES |= {
        name: Case(
            kind, {"sigma": MOMENTS, "gamma": 2.0}, {"sigma": no_moments, "gamma": positive}
        ),
        f"{name}.rhs": Case(flow.rhs, {"W": WEIGHTS}, {"W": no_weights}),
        f"{name}.solve": Case(flow.solve, solution, no_solution),
        f"{name}.row_space": Case(
            flow.row_space, solution, {**no_solution, "W0": no_start | st.just([[0.0, 0.0]])}
        ),
        f"{name}.update": Case(
            flow.update,
            {"W": WEIGHTS, "eta": 0.1, "steps": 2},
            {"W": no_weights, "eta": no_rate, "steps": count},
        ),
    }
TRACE, SUBSPACE = TraceFlow(MOMENTS), SubspaceFlow(MOMENTS)
no_energy: Strategy = no_weights | st.sampled_from([[[0.0, 0.0]], [[1e200, 0.0]]])
CASES |= {
    "TraceFlow.closed_form": Case(TRACE.closed_form, solution, no_solution),
    "TraceFlow.from_hebb": Case(
        TRACE.from_hebb,
        {"E": [[[0.5, 0.2]]]},
        {
            "E": not_an_array
            | of_shape((), (2,), (1, 2), (1, 1, 1, 2))
            | spoilt([[[0.5, 0.2]]])
            | st.just([[[2.0]], [[1.0]]])
        },
    ),
    "TraceFlow.energy": Case(TRACE.energy, {"W": WEIGHTS}, {"W": no_energy}),
    "SubspaceFlow.closed_form_gram": Case(SUBSPACE.closed_form_gram, solution, no_solution),
    "SubspaceFlow.energy": Case(
        SUBSPACE.energy, {"W": WEIGHTS}, {"W": no_energy | st.just([[1.0, 2.0], [2.0, 4.0]])}
    ),
    "step_limit": Case(
        step_limit,
        {"sigma": MOMENTS, "W0": WEIGHTS},
        {"sigma": no_moments | st.just(np.zeros((2, 2))), "W0": no_weights},
    ),
    "principal_angles": Case(
        principal_angles,
        {"A": WEIGHTS, "B": MOMENTS},
        {
            "A": not_an_array | of_shape((), (2,), (0, 2), (1, 1, 2)) | spoilt(WEIGHTS),
            "B": no_start | st.just([[0.0, 0.0]]),
        },
    ),
    "stable_rank": Case(
        stable_rank,
        {"W": WEIGHTS},
        {
            "W": not_an_array
            | of_shape((), (2,), (0, 2), (1, 1, 2))
            | spoilt(WEIGHTS)
            | st.just([[0.0, 0.0]])
        },
    ),
}
CLASSED, LABELS = (
    np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0], [3.5, 2.0], [3.0, 1.0]]),
    [0, 0, 1, 1, 1],
)
no_points: Strategy = not_an_array | of_shape((), (5,), (5, 2, 1)) | spoilt(CLASSED)
no_labels: Strategy = st.sampled_from(
    [None, 1, "ab", [0.0, 0.0, 1.0, 1.0, 1.0], [0, 0, 1, 1], [2] * 5, [[0], [0, 1]], [LABELS], {}]
)
no_masses: Strategy = (
    not_an_array.filter(lambda value: value is not None)
    | of_shape((), (4,), (5, 1))
    | st.sampled_from([[-1.0, 1.0, 1.0, 1.0, 1.0], [0.0] * 5, [math.nan] * 5])
)
no_part: Strategy = positive | st.floats(min_value=1)
CASES |= {
    "correlation": Case(
        correlation,
        {"x": CLASSED, "weights": np.ones(5)},
        {"x": no_points | st.just(np.ones((5, 2))), "weights": no_masses},
    ),
    "fisher_ratio": Case(
        fisher_ratio,
        {"x": CLASSED, "labels": LABELS, "weights": np.ones(5)},
        {
            "x": no_points | st.just(np.ones((5, 2))),
            "labels": no_labels,
            "weights": no_masses | st.just([1.0, 1.0, 0.0, 0.0, 0.0]),
        },
    ),
    "linear_margin": Case(
        linear_margin,
        {"x": CLASSED, "labels": LABELS},
        {"x": no_points, "labels": no_labels},
    ),
    "linear_accuracy": Case(
        linear_accuracy,
        {"x": CLASSED, "labels": LABELS, "seeds": [1], "train": 0.5, "C": 1.0},
        {
            "x": no_points,
            "labels": no_labels | st.just([0, 1, 1, 1, 1]),
            "seeds": st.sampled_from([None, 1, [], "12", {1}, [-1], [1.5], [None], ["a"]]),
            "train": no_part,
            "C": positive,
        },
    ),
    "over_splits": Case(
        over_splits,
        {"accuracies": [0.9, 0.8], "train": 0.5},
        {
            "accuracies": not_an_array | of_shape((), (0,), (1,), (2, 1)) | spoilt([0.9, 0.8]),
            "train": no_part,
        },
    ),
}
RING = Network.ring(4)
ROUND = Sphere(2).random_point(4, np.random.default_rng(1))
agents: Strategy = st.sampled_from([4, -1, None, 1.5, "1"])
no_agents: Strategy = st.one_of(
    st.sampled_from([[1], 1, "1", object()]), agents.map(lambda agent: {agent: 0})
)
CASES |= {
    "Network": Case(
        Network,
        {"links": RING.links},
        {
            "links": not_an_array
            | st.sampled_from([np.eye(2), np.eye(2, dtype=bool), np.zeros((2, 3), bool), True])
            | st.just(np.zeros((0, 0), bool))
        },
    ),
    "Network.ring": Case(Network.ring, {"n": 4}, {"n": at_least_one}),
    "Network.grid": Case(
        Network.grid, {"rows": 2, "columns": 2}, {"rows": at_least_one, "columns": at_least_one}
    ),
    "Network.complete": Case(Network.complete, {"n": 4}, {"n": at_least_one}),
    "Network.random": Case(
        Network.random,
        {"n": 4, "probability": 0.9, "rng": RNG},
        {
            "n": at_least_one,
            "probability": not_a_number | not_finite | st.sampled_from([-0.1, 1.1, 0.0]),
            "rng": random,
        },
    ),
    "Network.mix": Case(
        RING.mix,
        {"values": np.ones(4), "rounds": 1},
        {"values": not_an_array | of_shape((), (3,), (3, 4)) | spoilt(np.ones(4)), "rounds": count},
    ),
    "Network.without": Case(
        RING.without,
        {"agents": [1]},
        {"agents": st.one_of(st.sampled_from([None, 1, object()]), agents.map(lambda a: [a]))},
    ),
    "simulate_gossip": Case(
        simulate_gossip,
        {
            "langevin": SPHERE,
            "network": RING,
            "start": ROUND,
            "W0": [[0.5, 0.2, 0.1]],
            "step": 0.1,
            "n_steps": 2,
            "rng": RNG,
            "kappa": 1.0,
            "gamma": 1.0,
            "kind": "logdet",
            "embedding": None,
            "share": 0.5,
            "rounds": 1,
            "every": 1,
            "failures": {1: 1},
            "lies": {2: [[1.0, 0.0, 0.0]]},
        },
        {
            "langevin": problems.filter(lambda problem: not isinstance(problem, Langevin)),
            "network": anything | st.just(RING.links),
            "start": not_an_array
            | of_shape((), (4,), (4, 2), (1, 4, 3))
            | spoilt(ROUND)
            | st.just(2 * ROUND)
            | st.just(ROUND[:3]),
            "W0": not_an_array
            | of_shape((), (3,), (1, 2), (0, 3), (3, 1, 3))
            | spoilt([[0.5, 0.2, 0.1]])
            | st.just([[1e200, 0.0, 0.0]]),
            "step": positive,
            "n_steps": count,
            "rng": random,
            "kappa": not_negative,
            "gamma": positive,
            "kind": anything | st.just("trace"),
            "embedding": anything.filter(lambda value: value is not None),
            "share": not_a_number | not_finite | st.sampled_from([0.0, -1.0, 1.5]),
            "rounds": count,
            "every": (at_least_one | st.just(3)).filter(lambda value: value is not None),
            "failures": no_agents
            | st.sampled_from([{1: -1}, {1: None}, dict.fromkeys(range(4), 1)]),
            "lies": no_agents
            | st.sampled_from([{1: None}, {1: [[1.0, 0.0]]}, {1: [[math.nan] * 3]}]),
        },
    ),
}
one_step = FOURIER.transition(GeodesicWalk(CIRCLE, 0.1))
no_step: Strategy = anything | st.sampled_from([FOURIER, DATA, GeodesicWalk(CIRCLE, 0.1)])
no_flow: Strategy = anything | st.sampled_from(["oja", int, np.tanh])
no_matrix: Strategy = not_an_array | of_shape((2,), (1, 3), (0, 2), (1, 1, 2)) | spoilt([[0.5, 1]])
no_operator: Strategy = anything | st.sampled_from(["graph", FOURIER])
# none: the manifold's own
no_embedding: Strategy = anything.filter(lambda value: value is not None) | st.sampled_from(
    [np.cos, *(Embedding(value, np.cos) for value in (np.sum, np.ravel, np.sqrt))]
)
CASES |= {
    "slow_weights": Case(
        slow_weights,
        {
            "transition": one_step,
            "flow": "trace",
            "W0": [[0.5, 1.0]],
            "eps": 0.5,
            "time": 0.1,
            "start": [[0.5], [1.5]],
            "rng": RNG,
            "gamma": 1.0,
            "every": 1,
            "embedding": None,
            "poisson": "walk",
            "threads": 1,
        },
        {
            "transition": no_step,
            "flow": no_flow,
            "W0": no_matrix,
            "eps": positive | st.just(0.3),
            "time": positive | st.sampled_from([0.01, 0.12, 1e300]),
            "start": points | st.sampled_from([[[7.0], [0.0]], [[1.0]]]),
            "rng": random,
            "gamma": positive,
            "every": (at_least_one | st.just(3)).filter(lambda value: value is not None),
            "embedding": no_embedding,
            "poisson": no_operator,
            "threads": at_least_one.filter(lambda value: value is not None),
        },
    ),
    "fluctuation_covariance": Case(
        fluctuation_covariance,
        {
            "transition": one_step,
            "flow": "trace",
            "W0": [[0.5, 1.0]],
            "times": [1.0],
            "gamma": 1.0,
            "embedding": None,
            "poisson": "walk",
        },
        {
            "transition": no_step,
            "flow": no_flow,
            "W0": no_matrix,
            "times": not_an_array | st.sampled_from([[], [-1.0], [math.nan], [[1.0]]]),
            "gamma": positive,
            "embedding": no_embedding,
            "poisson": no_operator,
        },
    ),
}
COUPLED = CoupledFlow(CIRCLE, 1.0)
no_flat_law: Strategy = some_law | st.sampled_from([POINTS, CAP, NORMAL])
singular = st.just([[1.0, 2.0], [2.0, 4.0]])
CASES |= {
    "CoupledFlow": Case(
        CoupledFlow,
        {"langevin": CIRCLE, "kappa": 1.0, "gamma": 1.0, "kind": "logdet", "embedding": None},
        {
            "langevin": anything | st.sampled_from([Langevin, Torus(1), FOURIER]),
            "kappa": not_negative,
            "gamma": positive,
            "kind": anything | st.just("det"),
            "embedding": no_embedding,
        },
    ),
    "CoupledFlow.free_energy": Case(
        COUPLED.free_energy,
        {"law": ARC, "W": WEIGHTS},
        {"law": no_flat_law, "W": no_weights | singular},
    ),
    "CoupledFlow.dissipation": Case(
        COUPLED.dissipation,
        {"law": ARC, "W": WEIGHTS},
        {"law": no_flat_law, "W": no_weights | singular},
    ),
    "CoupledFlow.solve_density": Case(
        COUPLED.solve_density,
        {"density": ARC, "W0": WEIGHTS, "times": [0.0, 0.1], "cells": 8, "step": 0.05},
        {
            "density": no_density | st.sampled_from([POINTS, CAP]),
            "W0": no_start,
            "times": no_times | st.just([0.5, 0.1]),
            "cells": not_an_integer | st.integers(max_value=3),
            "step": positive,
        },
    ),
    "CoupledFlow.simulate_particles": Case(
        COUPLED.simulate_particles,
        {
            "start": [[0.5], [1.5]],
            "W0": WEIGHTS,
            "step": 0.1,
            "n_steps": 2,
            "rng": RNG,
            "every": 1,
        },
        {
            "start": points | st.just([[7.0], [0.0]]),
            "W0": no_start,
            "step": positive,
            "n_steps": count,
            "rng": random,
            "every": (at_least_one | st.just(3)).filter(lambda value: value is not None),
        },
    ),
}
LOGDET, LOGTRACE = Coupling("logdet", 1.0), Coupling("logtrace", 1.0)
CLOSURE, LINES = GaussianClosure(SPACE, LOGDET), np.array([[0.0, 0.6, 0.8]])
off_centre = Langevin(
    Euclidean(2), Potential(lambda x: ((x - 1) ** 2).sum(axis=1) / 2, lambda x: x - 1)
)
no_closure: Strategy = anything | st.sampled_from([GaussianClosure, SPACE, LOGDET, GAUSSIAN])
no_normal: Strategy = no_gaussian | st.sampled_from(
    [GaussianLaw(np.zeros(2), np.diag([1.0, 0.0])), GaussianLaw(np.zeros(3), np.eye(3))]
)
other_space = Coupling("logdet", 1.0, embedding=Torus(1).embedding)
no_coupling: Strategy = anything | st.sampled_from([Coupling, "logdet", COUPLED, other_space])
no_naive_embedding: Strategy = anything.filter(lambda value: value is not None) | st.just(np.cos)
for name, coupling in (("Coupling", LOGDET), ("NaiveCoupling", NaiveCoupling(1.0))):
    CASES[f"{name}.weight_step"] = Case(
        coupling.weight_step,
        {"sigma": MOMENTS, "W": WEIGHTS, "time": 0.5},
        {"sigma": no_moments, "W": no_start, "time": not_negative},
    )
CASES |= {
    "Coupling": Case(
        Coupling,
        {"kind": "logdet", "kappa": 1.0, "gamma": 1.0, "embedding": None},
        {
            "kind": anything | st.just("det"),
            "kappa": not_negative,
            "gamma": positive,
            "embedding": no_naive_embedding,
        },
    ),
    "NaiveCoupling": Case(
        NaiveCoupling,
        {"kappa": 1.0, "gamma": 1.0, "embedding": None},
        {"kappa": not_negative, "gamma": positive, "embedding": no_naive_embedding},
    ),
    "GaussianClosure": Case(
        GaussianClosure,
        {"langevin": SPACE, "coupling": LOGDET},
        {
            "langevin": problems.filter(lambda value: value is not SPACE),
            "coupling": no_coupling
            | st.just(Coupling("logdet", 1.0, embedding=Embedding(lambda x: 2 * x, np.cos))),
        },
    ),
    "GaussianClosure.free_energy": Case(
        CLOSURE.free_energy,
        {"law": NORMAL, "W": WEIGHTS},
        {"law": no_normal, "W": no_weights | singular},
    ),
    "GaussianClosure.dissipation": Case(
        CLOSURE.dissipation,
        {"law": NORMAL, "W": WEIGHTS},
        {"law": no_normal, "W": no_weights | singular},
    ),
    "GaussianClosure.solve": Case(
        CLOSURE.solve,
        {"law": NORMAL, "W0": WEIGHTS, "times": [0.0, 0.1]},
        {"law": no_normal, "W0": no_start | singular, "times": no_times | st.just([0.5, 0.1])},
    ),
    "at_rest": Case(
        at_rest,
        {"closure": CLOSURE, "W": WEIGHTS},
        {
            "closure": no_closure | st.just(GaussianClosure(off_centre, LOGDET)),
            "W": no_weights | singular,
        },
    ),
    "stable_state": Case(
        stable_state,
        {"closure": CLOSURE, "m": 2},
        {
            "closure": no_closure | st.just(GaussianClosure(off_centre, LOGDET)),
            "m": at_least_one | st.just(3),
        },
    ),
    "second_moment_bound": Case(
        second_moment_bound,
        {"closure": CLOSURE, "m": 2},
        {
            "closure": no_closure | st.just(GaussianClosure(SPACE, NaiveCoupling(0.5))),
            "m": at_least_one,
        },
    ),
    "simulate_synchronous": Case(
        simulate_synchronous,
        {
            "langevin": SPHERE,
            "coupling": LOGDET,
            "start": ROUND,
            "weights": [LINES] * 3,
            "moments": [np.eye(3) / 3] * 3,
            "step": 0.1,
            "rng": RNG,
            "walk": GeodesicWalk,
            "threads": 1,
        },
        {
            "langevin": problems.filter(lambda problem: not isinstance(problem, Langevin)),
            "coupling": no_coupling,
            "start": not_an_array
            | of_shape((), (4,), (4, 2), (1, 4, 3))
            | spoilt(ROUND)
            | st.sampled_from([2 * ROUND, ROUND[:0]]),
            "weights": not_an_array
            | of_shape((), (3,), (3, 3), (3, 1, 2), (0, 1, 3), (3, 0, 3))
            | spoilt([LINES] * 3)
            | st.sampled_from([[0 * LINES] * 3, [LINES, 0 * LINES, LINES]]),
            "moments": not_an_array
            | of_shape((), (3,), (3, 3), (3, 2, 2), (2, 3, 3))
            | spoilt([np.eye(3)] * 3)
            | st.sampled_from([[-np.eye(3)] * 3, [np.eye(3), np.eye(3), 0 * np.eye(3)]]),
            "step": positive,
            "rng": random,
            "walk": anything | st.sampled_from([BarkerWalk, lambda langevin, step: None]),
            "threads": at_least_one.filter(lambda value: value is not None),
        },
    ),
}
CASES |= {
    "evolve_walk": Case(
        evolve_walk,
        {"closure": CLOSURE, "law": NORMAL, "W0": WEIGHTS, "step": 0.1, "n_steps": 2, "every": 1},
        {
            "closure": no_closure,
            "law": no_normal,
            "W0": no_start | singular,
            "step": positive,
            "n_steps": count,
            "every": (at_least_one | st.just(3)).filter(lambda value: value is not None),
        },
    ),
    "settle": Case(
        settle,
        {"points": ROUND, "masses": np.ones(4), "m": 1, "strength": 1.0, "W0": [[1.0, 0.0, 0.0]]},
        {
            "points": not_an_array | of_shape((), (4,), (0, 3)) | spoilt(ROUND),
            "masses": (
                not_an_array
                | of_shape((), (3,), (4, 1))
                | spoilt(np.ones(4))
                | st.sampled_from([np.zeros(4), [1.0, 1.0, -0.1, 1.0], np.full(4, 1e308)])
            ).filter(lambda value: value is not None),
            "m": at_least_one | st.just(4),
            "strength": positive,
            "W0": (
                not_an_array
                | of_shape((), (3,), (2, 3), (1, 2))
                | spoilt([[1.0, 0.0, 0.0]])
                | st.just([[0.0, 0.0, 0.0]])
            ).filter(lambda value: value is not None),
        },
    ),
    "explore": Case(
        explore,
        {
            "draw": lambda ax, h: ax.plot([0, 1], [0, h]),
            "describe": lambda h: f"It rises by {h}.",
            "title": "A line",
            "h": [0.25, 0.75],
            "start": 0.75,
            "columns": 1,
            "size": (2.0, 1.0),
            "labels": {"h": "step h"},
        },
        {
            "draw": anything,
            "describe": anything | st.sampled_from([lambda h: "", lambda h: None]),
            "title": anything.filter(lambda value: not isinstance(value, str)) | st.just(" "),
            "h": anything
            | st.sampled_from([[], [1], [2, 1], [1, 1], ["a", "a"], ["a", 1], [1, math.nan]])
            | st.sampled_from([np.eye(2), "ab", {1: 2, 3: 4}, [True, False], range(401)]),
            "start": (
                anything | st.sampled_from([{"h": 0.5}, {"k": 0.25}, np.ones(2), "0.25"])
            ).filter(lambda value: value is not None),
            "columns": at_least_one,
            "size": not_an_array
            | of_shape((), (1,), (2, 2))
            | spoilt([2.0, 1.0])
            | st.just((0, 1)),
            "labels": (anything | st.sampled_from([{"k": "step"}, {"h": 1}, {"h": ""}])).filter(
                lambda value: value not in (None, {})
            ),
        },
    ),
}
# made by the library, not by its users; or building blocks whose arguments are checked above
MADE = {"Transition", "Order"}
INNER = {"basis", "expected_basis", "values", "gaussian", "in_frame", "atoms", "quadrature"}
INNER |= {"deflated", "drift", "derivative", "decay", "exponents", "columns"}
INNER |= {"check_weights", "check_start", "check_agent"}
# inner loops of a coupling and of its closure: they take what their callers have checked
for name in ("Coupling", "NaiveCoupling"):
    MADE |= {f"{name}.{method}" for method in ("seen", "embed", "pull", "square", "spanning")}
    MADE |= {f"{name}.{method}" for method in ("tension", "energy", "whitened", "field", "force")}
    MADE |= {f"{name}.{method}" for method in ("second_moments", "weight_rate")}
    MADE |= {f"{name}.weight_dissipation"}
MADE |= {f"GaussianClosure.{method}" for method in ("attraction", "rate", "record", "too_far")}
INNER |= {"check_law"}
# the graph's solver, which its walk and its generator check for
MADE |= {"DataWalk.solve"}
# any truth value will do
FREE = {("sweep", "progress"), ("slow_weights", "progress")}
# handed on by name to what checks them
FREE |= {("CoupledFlow.simulate_particles", "options"), ("explore", "values")}


def arguments(function: Any) -> set[str]:
    return {name for name in inspect.signature(function).parameters if name not in ("self", "cls")}


def public_arguments() -> set[tuple[str, str]]:
    """Every argument of every public callable of the four floors."""
    found: set[tuple[str, str]] = set()
    for name, thing in vars(coupled_flows).items():
        home = getattr(thing, "__module__", "")
        if (
            not re.match(r"coupled_flows\.(measure|generators|weights|coupled)\.", home)
            or name in MADE
        ):
            continue
        found |= {(name, argument) for argument in arguments(thing)}
        if inspect.isclass(thing):
            for method, code in inspect.getmembers(
                thing, lambda code: inspect.isfunction(code) or inspect.ismethod(code)
            ):
                whole = f"{name}.{method}"
                if not method.startswith("_") and method not in INNER and whole not in MADE:
                    found |= {(whole, argument) for argument in arguments(code)}
    return found - FREE


def test_every_argument_of_every_public_callable_is_tried() -> None:
    tried = {(name, argument) for name, case in CASES.items() for argument in case.bad}
    assert public_arguments() <= tried


@pytest.mark.parametrize("name", CASES)
def test_good_arguments_are_served(name: str) -> None:
    result = CASES[name].call(**CASES[name].good)
    if isinstance(result, np.ndarray | float):
        assert np.isfinite(result).all()


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, argument) for name, case in CASES.items() for argument in case.bad],
)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_bad_argument_is_refused_by_name(name: str, argument: str, data: st.DataObject) -> None:
    case = CASES[name]
    value = data.draw(case.bad[argument])
    with pytest.raises((TypeError, ValueError)) as caught:
        case.call(**{**case.good, argument: value})
    message = str(caught.value)
    # a law that is not resolved speaks of its own density
    assert re.search(rf"\b{argument}\b|\blaw's density\b", message), message
    # what is allowed, and what was given
    assert " must " in message, message
    assert re.search(r"\b(got|with|differ|has negative mass)\b", message.split(" must ", 1)[1])


def test_an_order_is_made_by_fit_order_only() -> None:
    # its fields are numbers and arrays that were checked there
    assert isinstance(fit_order([0.2, 0.1], [2.0, 1.0]), Order)


# -- nothing returns NaN --------------------------------------------------------------------------


@given(
    a=st.floats(-3, 3),
    b=st.floats(-3, 3),
    beta=st.floats(0.1, 5),
    step=st.floats(1e-2, 1.0),
    time=st.floats(0, 1e6),
)
@settings(max_examples=25)
def test_any_problem_gives_numbers_or_an_error(
    a: float, b: float, beta: float, step: float, time: float
) -> None:
    for problem, build in (
        (Langevin(Torus(1), fourier(cos={1: a}, sin={2: b}), beta), FourierGenerator),
        (Langevin(Sphere(2), linear([0.0, 0.0, a]), beta), ZonalGenerator),
    ):
        try:
            generator = build(problem, 24)
        except ValueError as error:
            assert re.match(r"(langevin|modes|degree) must ", str(error))  # noqa: PT017
            continue
        f = np.cos(generator.nodes[:, -1])
        assert generator.gap > 0
        for value in (
            generator.apply(f),
            generator.poisson(f),
            generator.resolvent(f, step),
            generator.semigroup(f, time),
            generator.asymptotic_covariance(f),
        ):
            assert np.isfinite(value).all()
        law = generator.evolve(generator.stationary, time)
        assert np.isfinite(law.moments).all()  # type: ignore[attr-defined]
        for kind in (GeodesicWalk, BarkerWalk):
            matrix = generator.transition(kind(problem, step)).matrix
            assert np.isfinite(matrix).all()


@given(u=st.floats(-0.3, 0.3), v=st.floats(-0.3, 0.3), w=st.floats(-0.3, 0.3), p=st.floats(1, 32))
@settings(max_examples=25)
def test_any_two_laws_have_a_distance(u: float, v: float, w: float, p: float) -> None:
    arc, other = CircleLaw(np.array([1, (u + 1j * v) / 2])), CircleLaw(np.array([1, 0, w / 2]))
    cap, band = ZonalLaw(np.array([1, u / 3])), ZonalLaw(np.array([1, 0, v / 5]))
    for pair in (
        (arc, other),
        (arc, PointLaw(np.array([[1.0], [2.0]]), manifold=Torus(1))),
        (cap, band),
        (cap, RingLaw(np.array([w, -w]))),
    ):
        distance = wasserstein(pair[0], pair[1], p)
        # no two points are farther apart than half a turn
        assert 0 <= distance <= math.pi * (1 + 1e-9)
