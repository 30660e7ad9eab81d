"""How far apart classes are: Fisher's ratio, linear accuracy, margin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from coupled_flows.geometry.errors import Array
from coupled_flows.measure.separation import (
    fisher_ratio,
    linear_accuracy,
    linear_margin,
    over_splits,
)

UNIT = 2.0**-53
seeds = st.integers(0, 2**32 - 1)
HALVES = np.repeat([0, 1], 500)


def rotation(n: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def wells(n: int, m: int, delta: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
    """Return points of two wells at -delta and +delta with covariance I, and their labels."""
    labels = np.arange(n) % 2
    return rng.standard_normal((n, m)) + np.where(labels[:, None] == 1, delta, -delta), labels


# -- Fisher's ratio -------------------------------------------------------------------------------


@given(seed=seeds, m=st.integers(1, 5), classes=st.integers(2, 4))
def test_the_ratio_is_the_trace_of_its_definition(seed: int, m: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    n = 60
    labels = np.arange(n) % classes
    x = rng.standard_normal((n, m)) + rng.standard_normal((classes, m))[labels]
    weights = rng.uniform(0.1, 1, n)
    weights /= weights.sum()
    between, within = np.zeros((2, m, m))
    for c in range(classes):
        of_class = labels == c
        share = weights[of_class].sum()
        mean = weights[of_class] @ x[of_class] / share
        off = mean - weights @ x
        between += share * np.outer(off, off)
        within += (x[of_class] - mean).T * weights[of_class] @ (x[of_class] - mean)
    exact = np.trace(np.linalg.solve(within, between))
    # sixty points of a cloud whose covariance has a condition number below 1e3
    assert fisher_ratio(x, labels, weights) == pytest.approx(exact, rel=1e-11)
    assert fisher_ratio(x, labels, 1e300 * weights) == pytest.approx(exact, rel=1e-11)
    # what a linear map does to the points
    turn = rotation(m, rng) * rng.uniform(0.01, 100, m)
    moved = x @ turn + 10 * rng.standard_normal(m)
    assert fisher_ratio(moved, labels, weights) == pytest.approx(exact, rel=1e-8)
    # words, and classes in another order
    words = np.array(["d", "b", "c", "a"])[labels]
    assert fisher_ratio(x, words, weights) == pytest.approx(exact, rel=1e-11)


def test_two_classes_have_the_ratio_of_their_best_direction() -> None:
    rng = np.random.default_rng(2)
    x, labels = wells(400, 4, np.array([0.7, 0.0, 0.3, 0.0]), rng)
    found = fisher_ratio(x, labels)
    best = LinearDiscriminantAnalysis(solver="eigen").fit(x, labels).scalings_[:, :1]
    assert fisher_ratio(x @ best, labels) == pytest.approx(found, rel=1e-12)
    for w in rng.standard_normal((50, 4, 1)):
        assert fisher_ratio(x @ w, labels) <= found


def test_directions_in_which_nothing_differs_do_not_count() -> None:
    rng = np.random.default_rng(5)
    x, labels = wells(100, 2, np.array([1.0, 0.0]), rng)
    exact = fisher_ratio(x, labels)
    more = np.column_stack([x, np.full(100, 0.1), x @ [1.0, 2.0], 1e-9 * x[:, 0]])
    assert fisher_ratio(more, labels) == pytest.approx(exact, rel=1e-10)
    # weights of 0 remove points
    weights = np.ones(100)
    weights[:10] = 0
    some = fisher_ratio(x[10:], labels[10:])
    assert fisher_ratio(x, labels, weights) == pytest.approx(some, rel=1e-13)


def test_tiny_and_huge_ratios_keep_their_digits() -> None:
    for gap in (1e-6, 1.0, 1e6):
        # variances gap^2/4 between and 1 within, exactly
        x = np.array([[-1.0], [1.0], [gap - 1], [gap + 1]])
        assert fisher_ratio(x, [0, 0, 1, 1]) == pytest.approx(gap**2 / 4, rel=1e-9)


def test_an_infinite_ratio_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"x must vary within classes in every direction"):
        fisher_ratio([[0.0, 1.0], [0.0, 2.0], [1.0, 1.0], [1.0, 3.0]], [0, 0, 1, 1])
    with pytest.raises(ValueError, match=r"x must vary within classes"):
        fisher_ratio([[0.0, 1.0], [1.0, 2.0]], [0, 1])
    with pytest.raises(ValueError, match=r"x must not be the same at all points"):
        fisher_ratio(np.full((4, 2), 0.1), [0, 0, 1, 1])
    with pytest.raises(ValueError, match=r"weights must be > 0 in two classes"):
        fisher_ratio([[0.0], [1.0], [2.0]], [0, 0, 1], [1.0, 1.0, 0.0])


# -- accuracy -------------------------------------------------------------------------------------


def test_the_accuracy_of_two_gaussian_wells_is_bayes() -> None:
    delta = np.array([1.0, 0.0, 0.0])
    x, labels = wells(20_000, 3, delta, np.random.default_rng(4))
    found = linear_accuracy(x, labels, range(8))
    # no rule is right more often than Phi(|delta|); the trained one loses some 3/20000, and the
    # share of 20000 points whose class is right has the standard error sqrt(p(1 - p)/20000)
    bayes = float(ndtr(1.0))
    error = math.sqrt(bayes * (1 - bayes) / 20_000)
    assert abs(found.mean() - bayes) <= 5 * error
    assert over_splits(found).error == pytest.approx(found.std(ddof=1) * math.sqrt(1 / 8 + 1))


def test_accuracy_does_not_see_rotations_shifts_and_scales_but_its_seed() -> None:
    rng = np.random.default_rng(7)
    x, labels = wells(300, 5, np.full(5, 0.4), rng)
    found = linear_accuracy(x, labels, [3, 1])
    moved = 1e-200 * (x @ rotation(5, rng) + 1e4)
    # the fit is right to its tolerance: at most a point on the border changes sides
    assert np.abs(linear_accuracy(moved, labels, [3, 1]) - found).max() <= 1.5 / 150
    assert (linear_accuracy(x, labels, [3, 1]) == found).all()
    assert linear_accuracy(x, labels, [1])[0] == found[1]
    assert len(set(linear_accuracy(x, labels, range(6)))) > 1
    assert (linear_accuracy(x, np.array(["a", "b"])[labels], [3, 1]) == found).all()


def test_labels_that_say_nothing_give_chance_and_separate_classes_all() -> None:
    rng = np.random.default_rng(8)
    x = rng.standard_normal((2000, 2))
    blind = linear_accuracy(x, rng.permutation(HALVES.repeat(2)), range(5))
    # 2000 points, each right with probability 1/2
    assert abs(blind.mean() - 0.5) <= 5 * 0.5 / math.sqrt(2000)
    # more features than points: the points seen are all right, the others are not
    wide, coin = rng.standard_normal((60, 200)), rng.permutation(np.arange(60) % 2)
    assert linear_accuracy(wide, coin, range(5), C=1e3).mean() <= 0.7
    apart = x + 20 * HALVES.repeat(2)[:, None]
    assert (linear_accuracy(apart, HALVES.repeat(2), range(3), train=0.01) == 1).all()
    # the same at all points: one class is guessed, and one point in three is of the other
    flat = linear_accuracy(np.ones((30, 2)), np.arange(30) % 3 == 0, [1])
    assert flat[0] == pytest.approx(2 / 3)


def test_every_class_is_trained_with_and_tested() -> None:
    x = np.array([[0.0], [0.1], [5.0], [5.1], [9.0], [9.1]])
    for train in (1e-9, 0.5, 1 - 1e-9):
        assert linear_accuracy(x, [0, 0, 1, 1, 2, 2], [1], train=train, C=1e3)[0] == 1


@pytest.mark.parametrize("train", [0.2, 0.5, 0.8])
@pytest.mark.parametrize(("C", "accuracy"), [(0.99, 2 / 3), (1.01, 1.0)])
def test_the_penalty_and_the_share_are_those_of_the_text(
    C: float, accuracy: float, train: float
) -> None:
    # twice as many points at one place as at another, n there; each counts one beside |w|^2/(2 C):
    # at C = 4 log(3)/(9 n) the edge is on the fewer, with odds of 1 and of 1/3 at the two places
    labels = np.repeat([0, 1], [20, 10])
    edge = 4 * math.log(3) / (9 * 10 * train)
    found = linear_accuracy(7.0 * labels[:, None] + 3, labels, [1], train=train, C=C * edge)
    assert found[0] == pytest.approx(accuracy)


def test_over_splits_takes_their_overlap_into_account() -> None:
    # k draws of variance 1 whose test sets are ninths of the training sets
    estimate = over_splits([0.0, 2.0, 0.0, 2.0], train=0.9)
    assert estimate.value == 1
    assert estimate.error == pytest.approx(math.sqrt(4 / 3 * (1 / 4 + 1 / 9)), rel=4 * UNIT)


# -- margin ---------------------------------------------------------------------------------------


@given(seed=seeds, m=st.integers(2, 6))
def test_projections_never_widen_the_margin(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    x, labels = wells(30, m, np.full(m, rng.uniform(0, 3)), rng)
    margin = linear_margin(x, labels)
    assert linear_margin(2 * x @ rotation(m, rng) + 1, labels) == pytest.approx(
        2 * margin, rel=0, abs=1e-10
    )
    basis = rotation(m, rng)[:, : m - 1]
    assert linear_margin(x @ basis, labels) <= margin + 1e-11
    assert linear_margin(x, 1 - labels) == pytest.approx(margin, rel=1e-11, abs=1e-11)


def test_several_classes_have_the_margin_of_the_nearest_two() -> None:
    x = np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 0.5], [0.5, 9.0]])
    assert linear_margin(x, ["a", "a", "b", "c"]) == pytest.approx(2.0, rel=4 * UNIT)
    assert linear_margin(x[[0, 1, 2, 3, 0]], [0, 0, 1, 2, 2]) == 0


def test_overlapping_wells_have_no_margin() -> None:
    x, labels = wells(1000, 2, np.array([1.0, 0.0]), np.random.default_rng(1))
    assert linear_margin(x, labels) == 0


# -- bad input ------------------------------------------------------------------------------------

X = [[0.0], [1.0], [2.0], [3.0]]


@pytest.mark.parametrize("function", [fisher_ratio, linear_margin, linear_accuracy])
def test_bad_points_and_labels_are_named(function: Any) -> None:
    more = ([1],) if function is linear_accuracy else ()
    for x in (None, "x", [0.0, 1.0], [[math.nan]] * 4, [[1j]] * 4):
        with pytest.raises((TypeError, ValueError), match=r"^x must "):
            function(x, [0, 0, 1, 1], *more)
    for labels in (
        None,
        [0.0, 0.0, 1.0, 1.0],
        [0, 0, 1],
        [0, 0, 0, 0],
        [[0], [0, 1]],
        [0, "a"][:1],
    ):
        with pytest.raises((TypeError, ValueError), match=r"^labels must .*got "):
            function(X, labels, *more)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"seeds": []}, r"seeds must be a sequence of integers >= 0, not empty; got \[\]"),
        ({"seeds": 3}, r"seeds must be a sequence"),
        ({"seeds": "12"}, r"seeds must be a sequence"),
        ({"seeds": [1.5]}, r"an entry of seeds must be an integer >= 0; got 1.5"),
        ({"seeds": [-1]}, r"an entry of seeds must be an integer >= 0; got -1"),
        ({"train": 0}, r"train must be a finite real number > 0; got 0"),
        ({"train": 1}, r"train must be < 1; got 1"),
        ({"C": 0.0}, r"C must be a finite real number > 0; got 0"),
        ({"labels": [0, 0, 0, 1]}, r"labels must have each class at two points"),
        ({"x": np.zeros((4, 0))}, r"x must have a column at least"),
    ],
)
def test_bad_settings_of_the_accuracy_are_named(change: dict[str, Any], match: str) -> None:
    good: dict[str, Any] = {"x": X, "labels": [0, 0, 1, 1], "seeds": [1]}
    with pytest.raises((TypeError, ValueError), match=match):
        linear_accuracy(**(good | change))


def test_one_split_has_no_error() -> None:
    with pytest.raises(ValueError, match=r"accuracies must have two entries at least; got 1"):
        over_splits([0.5])
    with pytest.raises(ValueError, match=r"train must be < 1; got 1.5"):
        over_splits([0.5, 0.6], train=1.5)
