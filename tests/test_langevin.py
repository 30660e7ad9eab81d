"""The problem: what it accepts, what it refuses, and its Riemannian gradient."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows import Euclidean, Langevin, Potential, Sphere, Torus, fourier, linear, quadratic
from coupled_flows import zero as no_potential
from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.manifold import Manifold

UNIT = 2.0**-53
TWO_ANGLES = Potential(
    lambda t: np.cos(t[:, 0]) * np.sin(2 * t[:, 1]),
    lambda t: np.stack(
        [
            -np.sin(t[:, 0]) * np.sin(2 * t[:, 1]),
            2 * np.cos(t[:, 0]) * np.cos(2 * t[:, 1]),
        ],
        axis=1,
    ),
)
PROBLEMS: list[tuple[Manifold, Potential]] = [
    (Euclidean(2), quadratic([[2.0, 0.5], [0.5, 1.0]])),
    (Euclidean(3), linear([1.0, -2.0, 3.0])),
    (Torus(1), fourier(cos={1: 1.0, 3: -0.5}, sin={2: 2.0})),
    (Torus(2), TWO_ANGLES),
    (Sphere(2), linear([0.3, -1.0, 2.0])),
    (Sphere(9), quadratic(np.diag(np.arange(10.0)))),
    (Sphere(1), no_potential()),
]
every_problem = pytest.mark.parametrize(("manifold", "potential"), PROBLEMS)


@every_problem
def test_the_gradient_is_the_slope_along_geodesics(
    manifold: Manifold, potential: Potential
) -> None:
    problem = Langevin(manifold, potential)
    x = manifold.random_point(50, np.random.default_rng(1))
    v = manifold.random_tangent(x, np.random.default_rng(2))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    width = 1e-3
    rises = [
        problem.energy(manifold.exp(x, s * width * v)) for s in (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)
    ]
    slope = np.array([-1, 9, -45, 45, -9, 1]) @ np.array(rises) / (60 * width)
    along = np.einsum("ij,ij->i", problem.gradient(x), v)
    # sixth-order differences: width^6 U^(7)/140 < 1e-15; values below 100 rounded: 100 u/width
    np.testing.assert_allclose(along, slope, rtol=0, atol=100 * 2 * UNIT / width)


@every_problem
def test_the_gradient_is_tangent(manifold: Manifold, potential: Potential) -> None:
    problem = Langevin(manifold, potential)
    x = manifold.random_point(50, np.random.default_rng(1))
    gradient = problem.gradient(x)
    # inner products of p terms below 10
    np.testing.assert_allclose(
        manifold.to_tangent(x, gradient), gradient, rtol=0, atol=10 * manifold.point_dim * 2 * UNIT
    )


def test_on_the_sphere_the_gradient_is_the_projection_of_the_ambient_one() -> None:
    x = Sphere(2).random_point(50, np.random.default_rng(1))
    k = np.array([0.3, -1.0, 2.0])
    # k - <k, x> x by hand; |k| < 3, p = 3: 10 u |k|
    np.testing.assert_allclose(
        Langevin(Sphere(2), linear(k)).gradient(x), k - (x @ k)[:, None] * x, rtol=0, atol=30 * UNIT
    )


@every_problem
def test_the_energy_is_the_value_of_the_potential(manifold: Manifold, potential: Potential) -> None:
    x = manifold.random_point(5, np.random.default_rng(1))
    assert (Langevin(manifold, potential).energy(x) == potential.value(x)).all()


@given(st.integers(1, 1000), st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_right_gradient_is_never_refused(k: int, weight: float, beta: float) -> None:
    Langevin(Torus(1), fourier(cos={k: weight}, sin={1: weight}), beta)
    Langevin(Sphere(2), quadratic(np.diag([weight, -k, 0.0])), beta)
    Langevin(Euclidean(2), quadratic(np.diag([weight, float(k)])), beta)
    Langevin(Sphere(9), linear(np.full(10, weight * k)), beta)


@given(
    st.sampled_from(PROBLEMS[:-1]),
    st.floats(-3, 3).filter(lambda factor: abs(factor - 1) > 0.01),
)
def test_a_wrong_gradient_is_refused(problem: tuple[Manifold, Potential], factor: float) -> None:
    manifold, potential = problem
    wrong = Potential(potential.value, lambda x: factor * potential.gradient(x))
    with pytest.raises(ValueError, match=r"potential must have the gradient of its value"):
        Langevin(manifold, wrong)


@pytest.mark.parametrize(
    ("manifold", "potential"),
    [
        (Torus(1), quadratic([[1.0]])),
        (Torus(2), linear([0.0, 1.0])),
        (Torus(1), Potential(lambda t: np.cos(t[:, 0] / 2), lambda t: -np.sin(t / 2) / 2)),
    ],
)
def test_a_potential_that_jumps_over_a_turn_is_refused(
    manifold: Manifold, potential: Potential
) -> None:
    with pytest.raises(ValueError, match=r"potential must be 2 pi-periodic on Torus.*angle \d"):
        Langevin(manifold, potential)


@pytest.mark.parametrize(
    ("manifold", "potential", "argument"),
    [
        (Sphere(2), linear([1.0, 2.0]), "vector"),
        (Sphere(2), quadratic([[1.0]]), "matrix"),
        (Euclidean(1), linear([1.0, 2.0]), "vector"),
        (Sphere(2), fourier(cos={1: 1.0}), "potential"),
        (Torus(2), fourier(cos={1: 1.0}), "potential"),
    ],
)
def test_a_potential_of_another_dimension_is_refused(
    manifold: Manifold, potential: Potential, argument: str
) -> None:
    with pytest.raises(ValueError, match=rf"{argument}.* must .*got"):
        Langevin(manifold, potential)


SPOILT: list[tuple[str, Callable[[Array], Any]]] = [
    ("value", lambda x: 0.0),
    ("value", lambda x: np.zeros((len(x), 1))),
    ("value", lambda x: np.full(len(x), math.nan)),
    ("value", lambda x: np.full(len(x), math.inf)),
    ("value", lambda x: np.full(len(x), 1j)),
    ("value", lambda x: None),
    ("value", lambda x: "U"),
    ("gradient", lambda x: 0.0),
    ("gradient", lambda x: np.zeros(len(x))),
    ("gradient", lambda x: np.zeros((len(x), 1))),
    ("gradient", lambda x: np.zeros(x.T.shape)),
    ("gradient", lambda x: np.full(x.shape, math.nan)),
    ("gradient", lambda x: None),
]


@pytest.mark.parametrize(("name", "function"), SPOILT)
def test_what_is_no_field_is_refused_by_name(name: str, function: Callable[[Array], Any]) -> None:
    parts: dict[str, Any] = {
        "value": lambda x: np.zeros(len(x)),
        "gradient": lambda x: np.zeros(x.shape),
    }
    with pytest.raises((TypeError, ValueError), match=rf"potential\.{name}\(x\) must .*got"):
        Langevin(Sphere(2), Potential(**{**parts, name: function}))


def test_an_error_inside_a_potential_reaches_the_caller() -> None:
    def value(x: Array) -> Array:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Langevin(Sphere(2), Potential(value, value))


def test_the_problem_is_frozen_and_keeps_beta_as_a_float() -> None:
    problem = Langevin(Torus(1), no_potential(), beta=2)
    assert isinstance(problem.beta, float)
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.beta = 3.0  # type: ignore[misc]
