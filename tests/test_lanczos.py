"""The largest eigenvalues of symmetric operators: their multiplicities, against all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from scipy.sparse.linalg import eigsh as plain

from coupled_flows.generators import lanczos
from coupled_flows.generators.lanczos import largest
from coupled_flows.geometry.errors import Array

U = 2.0**-53


def check(matrix: Array, count: int, least: float) -> None:
    """Compare with all eigenvalues; 8 n u of the norm: LAPACK, ARPACK, and what is let pass."""
    n = len(matrix)
    values, vectors = largest(aslinearoperator(matrix), count, least)
    noise = 8 * n * U * float(np.abs(np.linalg.eigvalsh(matrix)).max())
    expected = np.linalg.eigvalsh(matrix)[-count:]
    np.testing.assert_allclose(values, expected, rtol=0, atol=noise)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), rtol=0, atol=8 * n * U)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, rtol=0, atol=noise)


@given(seed=st.integers(0, 10**6), times=st.integers(1, 12), count=st.integers(1, 30))
@settings(max_examples=25)
def test_every_eigenvalue_comes_as_often_as_it_occurs(seed: int, times: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    spectrum = np.repeat(rng.uniform(-1, 1, 240 // times + 1), times)[:240]
    frame = np.linalg.qr(rng.standard_normal((240, 240)))[0]
    matrix = frame * spectrum @ frame.T
    check((matrix + matrix.T) / 2, count, -2.0)


@pytest.mark.parametrize("count", [1, 5, 33])
def test_copies_that_rounding_cannot_bring_in_are_found(count: int) -> None:
    # of a diagonal matrix of small whole numbers products are exact: 40 copies of each
    check(np.diag(np.repeat(np.arange(6.0), 40)), count, 0.0)


@pytest.mark.parametrize("seed", range(40))
def test_a_vector_that_misses_its_value_is_searched_again(seed: int) -> None:
    # twenty eigenvalues, twelve times each: one search alone leaves 1e-10 in one of eleven
    rng = np.random.default_rng(seed)
    spectrum = np.repeat(rng.uniform(-1, 1, 20), 12)
    frame = np.linalg.qr(rng.standard_normal((240, 240)))[0]
    matrix = frame * spectrum @ frame.T
    check((matrix + matrix.T) / 2, 2, -2.0)


def test_of_all_searches_the_best_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    # each search spoilt, the third the least: nothing is lost, nothing goes on for ever
    spoilt = iter([1e-5, 1e-6, 1e-9, 1e-7, *[1e-5] * lanczos.TRIES])

    def eigsh(*given: Any, **named: Any) -> Any:
        if not named.get("return_eigenvectors", True):
            return plain(*given, **named)
        values, vectors = plain(*given, **named)
        return values, vectors + next(spoilt) * np.ones((60, 1)) / np.sqrt(60)

    monkeypatch.setattr(lanczos, "eigsh", eigsh)
    matrix = np.diag(np.arange(60.0))
    values, vectors = largest(aslinearoperator(matrix), 2, 0.0)
    np.testing.assert_allclose(values, [58.0, 59.0], rtol=0, atol=8 * 60 * U * 59)
    miss = np.linalg.norm(matrix @ vectors - vectors * values, axis=0)
    assert (miss > 1e-10).all()
    assert (miss < 1e-9 * 59).all()


def test_every_call_gives_the_same_numbers() -> None:
    # many copies, where the method has to begin anew at random
    operator = aslinearoperator(np.diag(np.repeat(np.arange(6.0), 40)))
    first, second = largest(operator, 9, 0.0), largest(operator, 9, 0.0)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_where_all_are_equal_the_search_ends() -> None:
    # nothing but copies: the search must not trade one for another for ever
    check(np.eye(250), 9, 0.0)


def test_near_copies_are_told_apart() -> None:
    # pairs with relative distances 1e-6, between which the count ends
    spectrum = np.repeat(np.linspace(0.1, 1, 120), 2) * (1 + np.tile([0.0, 1e-6], 120))
    for count in (1, 2, 3, 8, 9):
        check(np.diag(spectrum), count, 0.0)


def test_the_search_for_what_was_missed_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    # products with the operator, all of them, against those of one run of Lanczos' method: at most
    # half as many again for many eigenvalues, 21 at least, and one with each vector found
    spectrum = 1 / (1 + np.arange(2000.0))
    taken: list[int] = []
    runs: list[int] = []

    def product(v: Array) -> Array:
        taken.append(1)
        return spectrum * v.ravel()

    def eigsh(*given: object, **named: object) -> object:
        before = len(taken)
        found = plain(*given, **named)
        runs.append(len(taken) - before)
        return found

    monkeypatch.setattr(lanczos, "eigsh", eigsh)
    operator = LinearOperator((2000, 2000), matvec=product, dtype=np.float64)
    for count in (9, 33):
        runs.clear()
        taken.clear()
        largest(operator, count, 0.0)
        assert len(runs) == 2
        assert len(taken) <= 1.5 * runs[0] + 21 + count
