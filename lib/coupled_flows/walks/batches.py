"""Batch means: the asymptotic covariance of a walk's time averages, from its paths."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from coupled_flows.geometry.errors import Array, check_integer
from coupled_flows.measure.estimates import Estimate
from coupled_flows.walks.engine import simulate
from coupled_flows.walks.paths import Function, after, observed
from coupled_flows.walks.steps import Walk

# batches count as correlated where a Gaussian number would be once in 1.7 million, on two sides
SURE = float(special.ndtr(5.0))


@dataclass(frozen=True, eq=False)
class BatchMeans:
    """Means of f under pi_h and the covariance of its time averages; made by `batch_means`.

    Attributes
    ----------
    mean, mean_error : ndarray, shape (k,)
        pi_h f and its standard error.
    covariance, covariance_error : ndarray, shape (k, k)
        C_h: over a long time t, time averages of f have covariance C_h/t.
    remainder, remainder_error : ndarray, shape (k, k)
        What batches two apart would add to C_h: the first term of what is left out.
    """

    mean: Array
    mean_error: Array
    covariance: Array
    covariance_error: Array
    remainder: Array
    remainder_error: Array

    def entry(self, i: int = 0, j: int = 0) -> Estimate:
        """Return the entry C_h(f_i, f_j) with its standard error."""
        return Estimate(self.covariance[i, j], self.covariance_error[i, j])


def batch_means(
    walk: Walk,
    f: Function,
    start: ArrayLike,
    n_steps: int,
    batch: int,
    rng: np.random.Generator,
    burn_in: int = 0,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> BatchMeans:
    """Estimate C_h = 2 <f - pi_h f, phi_h> - h |f - pi_h f|^2 of a walk from its paths.

    Parameters
    ----------
    walk : Walk
    f : callable, (n, p) -> (n,) or (n, k)
    start : array_like, shape (n, p)
        At least two walkers, which give the standard errors; stationary after the burn-in.
    n_steps : int
        Number of points of each path, at least three batches.
    batch : int
        Number of points in a batch; it divides `n_steps`.
    rng : numpy.random.Generator
    burn_in : int
        Number of steps before the first batch, >= 0.
    threads : int, optional
    progress : bool
        As for `simulate`.

    Returns
    -------
    BatchMeans

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If an argument is not as above, or `batch` too short: batches two apart are correlated
        by more than chance has once in a million runs.
    DivergenceError
        If a walker leaves the finite numbers.

    Notes
    -----
    A batch of b steps with mean F_j has b h Cov(F_j) = C_h - O(1/b). That bias goes with
    Richardson's extrapolation from b to 2b, and neighbours F_j, F_{j+1} make a batch of 2b:

        2 (2b h Cov((F_j + F_{j+1})/2)) - b h Cov(F_j) = b h (Cov(F_j + F_{j+1}) - Cov(F_j))
            = C_h - b h sum_{l >= 2} (Cov(F_j, F_{j+l}) + transpose),

    where the sum falls like exp(-gap b h); its first term is `remainder`. The relative variance
    of C_h is about 6 over the number of batches. No bias comes from the estimated mean:
    covariances within a walker and n/(n - 1) times those between walkers are added. Standard
    errors are those of means over walkers.

    Examples
    --------
    >>> from coupled_flows import GeodesicWalk, Langevin, Torus, batch_means, zero
    >>> walk = GeodesicWalk(Langevin(Torus(1), zero()), step=0.5)
    >>> start = Torus(1).random_point(1000, np.random.default_rng(1))
    >>> found = batch_means(walk, np.cos, start, 400, 20, np.random.default_rng(2))
    >>> found.entry(), round(0.25 / float(np.tanh(0.25)), 2)  # C_h without a force
    (1.04 ± 0.02, 1.02)
    """
    points, values = observed(walk, f, "start", start)
    if len(points) < 2:
        raise ValueError(f"start must hold at least 2 walkers; got {len(points)}")
    batch = check_integer("batch", batch, least=1)
    n_steps, burn_in = check_integer("n_steps", n_steps), check_integer("burn_in", burn_in)
    if n_steps % batch or n_steps < 3 * batch:
        raise ValueError(f"batch must divide n_steps = {n_steps} three times or more; got {batch}")
    seen = _Batches(values, batch)
    seen_after = after(burn_in, seen)
    simulate(
        walk, points, burn_in + n_steps, rng, None, seen_after, threads=threads, progress=progress
    )
    one, near, far = (moments.covariance() for moments in (seen.one, seen.near, seen.far))
    time = batch * walk.step
    mean, mean_error = _over_walkers(seen.centre + seen.one.mean())
    covariance, covariance_error = _over_walkers(time * (near - one))
    remainder, remainder_error = _over_walkers(time * (far - 2 * one))
    if (np.abs(remainder) > special.stdtrit(len(points) - 1, SURE) * remainder_error).any():
        raise ValueError(
            "batch must be so long that batches two apart are uncorrelated;"
            f" got {batch}, where they add {remainder.tolist()} to C_h"
        )
    return BatchMeans(mean, mean_error, covariance, covariance_error, remainder, remainder_error)


class _Batches:
    """Means of batches, of sums of neighbours, and of sums of those two apart; their moments."""

    def __init__(self, values: Callable[[Array], Array], batch: int) -> None:
        self.values, self.batch = values, batch
        self.one, self.near, self.far = _Moments(), _Moments(), _Moments()
        self.past: list[Array] = []

    def __call__(self, k: int, x: Array, x_next: Array) -> None:
        values = self.values(x).reshape(len(x), -1)
        if k == 0:
            # a value of f, so that nothing is lost where f is large and moves little
            self.centre = values[0].copy()
            self.sum = np.zeros(values.shape)
        self.sum += values - self.centre
        if (k + 1) % self.batch == 0:
            now = self.sum / self.batch
            self.sum[:] = 0.0
            self.one.add(now)
            for moments, before in zip((self.near, self.far), self.past, strict=False):
                moments.add(now + before)
            self.past = [now, *self.past[:1]]


class _Moments:
    """Sums of vectors, one for each walker, and of their products."""

    def __init__(self) -> None:
        self.count = 0
        self.total: Array = np.zeros(())
        self.square: Array = np.zeros(())

    def add(self, v: Array) -> None:
        self.count += 1
        self.total = self.total + v
        self.square = self.square + _outer(v)

    def mean(self) -> Array:
        return self.total / self.count

    def covariance(self) -> Array:
        """Return for each walker what has the covariance as its mean over stationary walkers."""
        n, mean = len(self.total), self.mean()
        within = self.square / self.count - _outer(mean)
        return within + n / (n - 1) * _outer(mean - mean.mean(axis=0))


def _outer(v: Array) -> Array:
    return v[:, :, None] * v[:, None, :]


def _over_walkers(each: Array) -> tuple[Array, Array]:
    return each.mean(axis=0), each.std(axis=0, ddof=1) / math.sqrt(len(each))
