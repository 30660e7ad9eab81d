"""Potentials: values against plain formulas, gradients against a complex step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows import Embedding, Potential, fourier, linear, quadratic, zero
from coupled_flows.geometry.errors import Array

UNIT = 2.0**-53
coefficients = st.integers(-(10**7), 10**7).map(lambda a: a / 10**6)
waves = st.dictionaries(st.integers(1, 12), coefficients, max_size=4)


def complex_step(value: Callable[[Any], Any], x: Array) -> Array:
    """Gradient of an analytic formula: Im U(x + i s e)/s, exact to rounding as nothing cancels."""
    out = np.empty_like(x)
    for i in range(x.shape[1]):
        moved = x.astype(complex)
        moved[:, i] += 1e-150j
        out[:, i] = value(moved).imag / 1e-150
    return out


def plain_fourier(cos: dict[int, float], sin: dict[int, float]) -> Callable[[Any], Any]:
    def value(x: Any) -> Any:
        total = 0 * x[:, 0]
        for k, a in cos.items():
            total = total + a * np.cos(k * x[:, 0])
        for k, b in sin.items():
            total = total + b * np.sin(k * x[:, 0])
        return total

    return value


def fourier_rounding(cos: dict[int, float], sin: dict[int, float], power: int) -> float:
    """An angle below 2 pi times k is rounded four times: 4 u 2 pi k a wave, and 6 u its value."""
    terms = [*cos.items(), *sin.items()]
    return 1e-300 + UNIT * sum(
        abs(a) * k**power * (8 * np.pi * k + 6 + len(terms)) for k, a in terms
    )


@given(waves, waves, st.lists(st.floats(0, 2 * np.pi), min_size=1, max_size=5))
def test_a_fourier_potential_is_its_sum_of_waves(
    cos: dict[int, float], sin: dict[int, float], angles: list[float]
) -> None:
    x = np.array(angles)[:, None]
    potential, plain = fourier(cos=cos, sin=sin), plain_fourier(cos, sin)
    # derived in fourier_rounding
    np.testing.assert_allclose(
        potential.value(x), plain(x), rtol=0, atol=fourier_rounding(cos, sin, 0)
    )
    np.testing.assert_allclose(
        potential.gradient(x), complex_step(plain, x), rtol=0, atol=fourier_rounding(cos, sin, 1)
    )


def test_a_fourier_potential_without_waves_is_zero() -> None:
    x = np.array([[0.3], [2.0]])
    for potential in (fourier(), fourier({}, {}), fourier(cos={3: 0.0})):
        assert (potential.value(x) == 0).all()
        assert (potential.gradient(x) == 0).all()


@given(st.lists(coefficients, min_size=1, max_size=6), st.integers(0, 5))
def test_a_linear_potential_is_an_inner_product(vector: list[float], seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((4, len(vector)))
    potential = linear(vector)
    by_sum = sum(a * x[:, i] for i, a in enumerate(vector))
    # p products and sums in another order: p u sum |a x|
    scale = (np.abs(x) @ np.abs(vector)).max() * len(vector)
    np.testing.assert_allclose(potential.value(x), by_sum, rtol=0, atol=2 * UNIT * scale + 1e-300)
    np.testing.assert_allclose(
        potential.gradient(x), complex_step(potential.value, x), rtol=4 * UNIT, atol=1e-300
    )


@given(st.integers(1, 6), st.integers(0, 20))
def test_a_quadratic_potential_is_half_the_form(p: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    root, x = rng.standard_normal((p, p)), rng.standard_normal((4, p))
    matrix = root + root.T
    potential = quadratic(matrix)
    by_loop = [
        sum(matrix[i, j] * row[i] * row[j] for i in range(p) for j in range(p)) / 2 for row in x
    ]
    # p^2 products of three factors, summed in another order: (2 p + 2) u sum |A x x|
    scale = (np.abs(x) @ np.abs(matrix) * np.abs(x)).sum(axis=1).max() * (2 * p + 2)
    np.testing.assert_allclose(potential.value(x), by_loop, rtol=0, atol=UNIT * scale)
    np.testing.assert_allclose(
        potential.gradient(x),
        complex_step(potential.value, x),
        rtol=0,
        atol=2 * UNIT * (np.abs(x) @ np.abs(matrix)).max() * (p + 2),
    )


def test_zero_is_zero() -> None:
    x = np.ones((3, 2))
    assert (zero().value(x) == np.zeros(3)).all()
    assert (zero().gradient(x) == np.zeros((3, 2))).all()


POTENTIALS = {
    "zero": (zero(), 3),
    "linear": (linear([1.0, -2.0, 0.5]), 3),
    "quadratic": (quadratic([[2.0, 1.0], [1.0, -3.0]]), 2),
    "fourier": (fourier(cos={1: 1.0}, sin={2: 0.5}), 1),
}


@pytest.mark.parametrize("name", POTENTIALS)
@pytest.mark.parametrize("n", [0, 1, 7])
def test_shapes_are_n_and_n_p(name: str, n: int) -> None:
    potential, p = POTENTIALS[name]
    x = np.random.default_rng(1).standard_normal((n, p))
    assert potential.value(x).shape == (n,)
    assert potential.gradient(x).shape == (n, p)


@pytest.mark.parametrize("name", POTENTIALS)
def test_the_layout_of_points_in_memory_does_not_matter(name: str) -> None:
    potential, p = POTENTIALS[name]
    x = np.random.default_rng(1).standard_normal((7, p))
    # the same sums in another order: 8 u for numbers below 10
    np.testing.assert_allclose(
        potential.value(x), potential.value(np.asfortranarray(x)), rtol=0, atol=80 * UNIT
    )
    np.testing.assert_allclose(
        potential.gradient(x), potential.gradient(np.asfortranarray(x)), rtol=0, atol=80 * UNIT
    )


@pytest.mark.parametrize("name", POTENTIALS)
def test_points_are_read_only_to_a_potential(name: str) -> None:
    potential, p = POTENTIALS[name]
    x = np.random.default_rng(1).standard_normal((7, p))
    x.flags.writeable = False
    potential.value(x)
    potential.gradient(x)


def test_a_potential_does_not_follow_later_changes_of_its_numbers() -> None:
    vector, matrix, terms = np.ones(2), np.eye(2), {1: 1.0}
    x = np.array([[1.0, 2.0]])
    made = linear(vector), quadratic(matrix), fourier(cos=terms)
    before = made[0].value(x), made[1].value(x), made[2].value(x[:, :1])
    vector[:], matrix[:], terms[1] = 9.0, 9.0, 9.0
    after = made[0].value(x), made[1].value(x), made[2].value(x[:, :1])
    assert before == after


@pytest.mark.parametrize("size", [1e308, 1.7e308])
def test_the_largest_numbers_survive_making_the_form_symmetric(size: float) -> None:
    gradient = quadratic([[size]]).gradient(np.array([[0.5]]))
    # one product
    np.testing.assert_allclose(gradient, [[size / 2]], rtol=2 * UNIT)


@pytest.mark.parametrize(
    ("matrix", "why"),
    [
        ([[1.0, 2.0]], "square"),
        ([[1.0, 2.0], [2.1, 1.0]], "symmetric"),
        ([[1.0, np.nan], [np.nan, 1.0]], "finite"),
    ],
)
def test_a_form_that_is_not_one_is_refused(matrix: Any, why: str) -> None:
    with pytest.raises(ValueError, match=rf"matrix must .*{why}"):
        quadratic(matrix)


@pytest.mark.parametrize("terms", [{0: 1.0}, {-1: 1.0}, {1: np.nan}, {1: np.inf}])
@pytest.mark.parametrize("name", ["cos", "sin"])
def test_a_wave_that_is_not_one_is_refused_by_value(terms: Any, name: str) -> None:
    with pytest.raises(ValueError, match=rf"\b{name}\b.* must .*got"):
        fourier(**{name: terms})


@pytest.mark.parametrize("terms", [[1.0], "cos", 3, {1.5: 1.0}, {"1": 1.0}, {1: "a"}, {1: 1j}])
@pytest.mark.parametrize("name", ["cos", "sin"])
def test_a_wave_that_is_not_one_is_refused_by_type(terms: Any, name: str) -> None:
    with pytest.raises(TypeError, match=rf"\b{name}\b.* must .*got"):
        fourier(**{name: terms})


@pytest.mark.parametrize("kind", [Potential, Embedding])
@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("bad", [None, 3.0, "U", np.zeros(3)])
def test_what_cannot_be_called_is_no_function(kind: Any, position: int, bad: Any) -> None:
    arguments: list[Any] = [np.cos, np.sin]
    arguments[position] = bad
    name = ("value", "gradient" if kind is Potential else "jacobian")[position]
    with pytest.raises(TypeError, match=rf"{name} must .*got"):
        kind(*arguments)
