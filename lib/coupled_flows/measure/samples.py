"""Distances from samples: the floor that no sampled distance goes below, and pairs as a bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import check_integer, check_real, check_rng, check_type
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.measure.estimates import Estimate
from coupled_flows.measure.laws import Law
from coupled_flows.measure.wasserstein import wasserstein


@dataclass(frozen=True, repr=False)
class NoiseFloor(Estimate):
    """The mean W_p between two samples of one law, with the range of what was seen.

    Made by `noise_floor`.

    Parameters
    ----------
    value : float
        Mean over the pairs of samples.
    error : float
        Its standard error, >= 0.
    low, high : float
        Least and largest distance of a pair.

    Raises
    ------
    TypeError, ValueError
        If one is not a finite number, `error` negative, or `high` below `low`.

    Examples
    --------
    >>> NoiseFloor(0.2312, 0.0043, low=0.1523, high=0.3481)
    0.231 ± 0.004 (0.152 to 0.348)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "low", check_real("low", self.low))
        object.__setattr__(self, "high", check_real("high", self.high, least=self.low))

    def __repr__(self) -> str:
        low, high = (repr(Estimate(end, self.error)).split()[0] for end in (self.low, self.high))
        return f"{super().__repr__()} ({low} to {high})"


def noise_floor(
    law: Law, n: int, rng: np.random.Generator, p: float = 2, repeats: int = 39
) -> NoiseFloor:
    """Measure W_p between two independent n-samples of one law, many times.

    What a sampled distance shows, however close the two laws are.

    Parameters
    ----------
    law : Law
    n : int
        Points in each sample, >= 1.
    rng : numpy.random.Generator
    p : float
        Power, >= 1.
    repeats : int
        Number of pairs, >= 2.

    Returns
    -------
    NoiseFloor
        Mean and standard error over the pairs, least and largest pair, in the manifold's units.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    Notes
    -----
    The distance of one more pair of n-samples of the law is exchangeable with those of the
    `repeats` pairs, so it is as likely to be the least or the largest of all as any of them: it
    falls outside `low` to `high` with probability 2/(repeats + 1), less if distances are tied.
    With 39 pairs that is one in twenty. A distance above `high` thus tells two laws apart at level
    1/(repeats + 1), whatever the law, n and p.

    Examples
    --------
    >>> from coupled_flows import CircleLaw
    >>> floor = noise_floor(CircleLaw([1.0]), 100, np.random.default_rng(1))
    >>> floor.low < floor.value < floor.high
    True
    """
    check_type("law", law, Law, "a law, such as CircleLaw(moments)")
    n = check_integer("n", n, least=1)
    repeats = check_integer("repeats", repeats, least=2)
    check_rng(rng)
    seen = [
        wasserstein(law.sample(n, rng), law.sample(n, rng), p, law.manifold) for _ in range(repeats)
    ]
    error = float(np.std(seen, ddof=1) / math.sqrt(repeats))
    return NoiseFloor(float(np.mean(seen)), error, min(seen), max(seen))


def coupled_distance(x: ArrayLike, y: ArrayLike, manifold: Manifold, p: float = 2) -> Estimate:
    """Estimate (E dist(X, Y)^p)^(1/p) from pairs: at least W_p of the laws of X and of Y.

    Parameters
    ----------
    x, y : array_like, shape (n, p)
        Independent pairs in rows, n >= 2, such as `simulate_coupled` gives.
    manifold : Manifold
    p : float
        Power, >= 1.

    Returns
    -------
    Estimate
        In the manifold's units. The standard error is that of the mean of dist^p times the slope
        of the p-th root there; 0 for pairs that are all equally far apart.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    Examples
    --------
    >>> from coupled_flows import Euclidean
    >>> coupled_distance([[0.0], [1.0]], [[3.0], [4.0]], Euclidean(1))
    3 ± 0
    """
    check_type("manifold", manifold, Manifold, "a manifold, such as Sphere(2)")
    p = check_real("p", p, least=1)
    distance = manifold.dist(x, y)
    n = len(distance)
    if n < 2:
        raise ValueError(f"x must hold at least two points; got {n}")
    scale = float(distance.max())
    if scale == 0:
        return Estimate(0.0, 0.0)
    powers = (distance / scale) ** p  # neither overflow nor vanish
    mean = float(powers.mean())
    root = scale * mean ** (1 / p)
    error = float(powers.std(ddof=1)) / math.sqrt(n)
    return Estimate(root, root / (p * mean) * error)
