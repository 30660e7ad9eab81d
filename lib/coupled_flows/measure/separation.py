"""How far apart the classes of labelled points are, as a linear rule sees it.

Two numbers are exact for the points given, Fisher's ratio and the margin; one is measured on points
not seen before, the accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coupled_flows.geometry.errors import Array, check_array, check_integer, check_real
from coupled_flows.measure.estimates import Estimate
from coupled_flows.measure.features import check_shares, standardised
from coupled_flows.measure.hulls import hull_gap

EPS = float(np.finfo(np.float64).eps)


def fisher_ratio(x: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return Fisher's ratio Tr(S_w^{-1} S_b): variance between classes over that within.

    With p_c the share of class c, m_c its mean, C_c its covariance and m the mean of all,
    S_b = sum_c p_c (m_c - m)(m_c - m)' and S_w = sum_c p_c C_c. For two classes it is the largest
    ratio that any one direction has, p_1 p_2 (m_1 - m_2)' S_w^{-1} (m_1 - m_2); for more it is the
    sum over all discriminant directions.

    Parameters
    ----------
    x : array_like, shape (n, m)
    labels : array_like, shape (n,)
        The class of each point: integers, truth values or words; two classes at least.
    weights : array_like, shape (n,), optional
        How much each point counts, >= 0; by default all count alike.

    Returns
    -------
    float
        >= 0. Every invertible linear map of the points leaves it as it is.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or no point differs from its class's mean in some direction
        in which the points differ: the ratio is infinite there.

    Notes
    -----
    Directions in which no two points differ do not count. Fukunaga (1990), section 10.2.

    Examples
    --------
    >>> round(fisher_ratio([[-2.0], [0.0], [0.0], [2.0]], [0, 0, 1, 1]), 12)
    1.0
    """
    points = check_array("x", x, ("n", "m"))
    shares = check_shares(weights, len(points))
    group = _classes(labels, len(points))
    used = shares > 0
    names, group = np.unique(group[used], return_inverse=True)
    if len(names) < 2:
        raise ValueError("weights must be > 0 in two classes at least; got one")
    z, root, varies = standardised(points[used], shares[used])
    if not varies.any():
        raise ValueError("x must not be the same at all points; got one point")
    # coordinates in which the points have covariance I: S_w = I - S_b
    basis, size, _ = np.linalg.svd(z[:, varies], full_matrices=False)
    basis = basis[:, size > max(z.shape) * EPS * size[0]]
    member = np.where(group[:, None] == np.arange(len(names)), root[:, None], 0.0)
    member /= np.linalg.norm(member, axis=0)
    means = member.T @ basis
    _, spread, turn = np.linalg.svd(basis - member @ means, full_matrices=False)
    if len(spread) < basis.shape[1] or spread[-1] <= max(z.shape) * EPS:
        raise ValueError(
            "x must vary within classes in every direction in which it varies; got a direction in"
            " which it does not"
        )
    return float(((means @ turn.T / spread) ** 2).sum())


def linear_accuracy(
    x: ArrayLike,
    labels: ArrayLike,
    seeds: Sequence[int],
    *,
    train: float = 0.5,
    C: float = 1.0,
) -> Array:
    """Return the accuracy of a linear classifier on points that it has not seen, for each split.

    Each split takes the share `train` of every class for training, at random, at least one point
    and not all. The classifier is logistic regression (scikit-learn) with the penalty |w|^2/(2 C),
    after the mean of the training points is subtracted and all is divided by one number, the root
    mean square of their features. So rotated, shifted and scaled features have the same accuracy.

    Parameters
    ----------
    x : array_like, shape (n, m)
    labels : array_like, shape (n,)
        Integers, truth values or words; two classes at least, each of two points at least.
    seeds : sequence of int
        The seed of each split, >= 0: the same seed is the same split, whatever x.
    train : float
        Share of the points to train with, > 0 and < 1.
    C : float
        Inverse strength of the penalty, > 0.

    Returns
    -------
    ndarray, shape (len(seeds),)
        Shares of the points not trained with whose class is right, in the order of the seeds.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    Examples
    --------
    >>> x = np.array([[-1.0], [-1.1], [-0.9], [1.0], [1.2], [0.8]])
    >>> linear_accuracy(x, [0, 0, 0, 1, 1, 1], seeds=[1, 2])
    array([1., 1.])
    """
    from sklearn.linear_model import LogisticRegression

    points = check_array("x", x, ("n", "m"))
    if not points.shape[1]:
        raise ValueError("x must have a column at least; got none")
    group = _classes(labels, len(points))
    if np.bincount(group).min() < 2:
        raise ValueError("labels must have each class at two points at least; got one at one point")
    share = _train(train)
    if not isinstance(seeds, Sequence | np.ndarray) or isinstance(seeds, str) or not len(seeds):
        raise TypeError(f"seeds must be a sequence of integers >= 0, not empty; got {seeds!r}")
    chances = [np.random.default_rng(check_integer("an entry of seeds", seed)) for seed in seeds]
    strength = check_real("C", C, above=0)
    points = points / np.abs(points).max(initial=np.finfo(float).tiny)
    found = []
    for rng in chances:
        seen = _split(group, share, rng)
        moved = points - points[seen].mean(axis=0)
        size = np.sqrt((moved[seen] ** 2).mean())
        moved /= size if size > 0 else 1.0
        rule = LogisticRegression(C=strength, max_iter=10_000).fit(moved[seen], group[seen])
        found.append(rule.score(moved[~seen], group[~seen]))
    return np.array(found)


def over_splits(accuracies: ArrayLike, train: float = 0.5) -> Estimate:
    """Return the mean over random splits, with a standard error for splits that overlap.

    Splits of one set of points are no independent samples: the squared error is their variance
    times 1/k + (1 - train)/train, not 1/k (Nadeau and Bengio 2003).

    Parameters
    ----------
    accuracies : array_like, shape (k,)
        One number for each split, k >= 2; differences of two methods on the same splits, too.
    train : float
        Share of the points that each split trained with, > 0 and < 1.

    Returns
    -------
    Estimate

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    Examples
    --------
    >>> over_splits([0.9, 0.92, 0.88, 0.9])
    0.90 ± 0.02
    """
    values = check_array("accuracies", accuracies, ("k",))
    if len(values) < 2:
        raise ValueError(f"accuracies must have two entries at least; got {len(values)}")
    share = _train(train)
    factor = 1 / len(values) + (1 - share) / share
    return Estimate(float(values.mean()), float(np.sqrt(factor * values.var(ddof=1))))


def linear_margin(x: ArrayLike, labels: ArrayLike) -> float:
    """Return the margin of the best hyperplane: how far the nearest points of two classes are off.

    It is half the distance between the convex hulls of the classes; for more than two classes the
    smallest over all pairs. Nothing is fitted: the number is exact for these points.

    Parameters
    ----------
    x : array_like, shape (n, m)
    labels : array_like, shape (n,)
        The class of each point: integers, truth values or words; two classes at least.

    Returns
    -------
    float
        >= 0, in the units of x; 0 if hulls meet, so that no hyperplane separates the classes, or
        are nearer than some 1e-8 of the size of x. Orthogonal projections never make it larger.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    Notes
    -----
    The hyperplane is that of a support vector machine with hard margins (Vapnik 1982). The points
    of overlapping wells are not separable, however many: then the accuracy is what counts.

    Examples
    --------
    >>> linear_margin([[0.0, 0.0], [0.0, 1.0], [3.0, 0.0], [3.0, 5.0]], [0, 0, 1, 1])
    1.5
    """
    points = check_array("x", x, ("n", "m"))
    group = _classes(labels, len(points))
    parts = [points[group == c] for c in range(group.max() + 1)]
    return min(hull_gap(a, b) for a, b in combinations(parts, 2)) / 2


def _classes(labels: ArrayLike, n: int) -> NDArray[np.intp]:
    """Return the number 0, 1, ... of each point's class."""
    try:
        given = np.asarray(labels)
        if given.dtype.kind not in "iubU":
            raise TypeError
    except (TypeError, ValueError):
        raise TypeError(f"labels must be integers, truth values or words; got {labels!r}") from None
    if given.shape != (n,):
        raise ValueError(f"labels must have shape ({n},); got shape {given.shape}")
    names, group = np.unique(given, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"labels must have two classes at least; got {len(names)}")
    return group


def _train(train: float) -> float:
    share = check_real("train", train, above=0)
    if share >= 1:
        raise ValueError(f"train must be < 1; got {train!r}")
    return share


def _split(group: NDArray[np.intp], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Say which points to train with: the share of each class, at least one and not all."""
    seen = np.zeros(len(group), dtype=bool)
    for c in range(group.max() + 1):
        members = rng.permutation(np.flatnonzero(group == c))
        seen[members[: min(max(round(share * len(members)), 1), len(members) - 1)]] = True
    return seen
