"""What is measured along paths: sums, time averages, discounted sums (Feynman-Kac).

All of it is seen by observers of the one engine: memory does not grow with the number of steps,
and the numbers depend on the seed alone. A walk with step h is taken as the Markov chain it is,
with its own stationary law pi_h and one-step operator P_h: its sums are compared with
`generator.transition(walk)`, and no step-size error is left between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import (
    Array,
    DivergenceError,
    check_array,
    check_columns,
    check_integer,
    check_real,
    check_type,
)
from coupled_flows.measure.estimates import Estimate
from coupled_flows.walks.engine import Observer, simulate
from coupled_flows.walks.steps import Walk, read_only

Function = Callable[[Array], ArrayLike]
# halvings of the discount until it is below the rounding of the sum
HALVINGS = 53
# paths that go on to the end
FEWEST = 32


class PathSum:
    """The sum of g(X_k, X_{k+1}) along each path: an observer for `simulate`.

    Parameters
    ----------
    g : callable, (n, p), (n, p) -> (n,) or (n, k)
        Of all walkers before and after a step; f(x) h adds up to the integral of f in time.

    Attributes
    ----------
    total : ndarray, shape (n,) or (n, k)
        The sums so far, one row for each walker; it goes on over several calls of `simulate`.

    Raises
    ------
    TypeError
        If `g` is not a function.
    ValueError
        In the run, if its values have another shape or are not finite.

    Examples
    --------
    Ito's formula on the circle without a force, where P_h cos = r cos, r = exp(-h), and so
    phi = cos h/(1 - r) solves (I - P_h) phi = h cos:

    >>> from coupled_flows import GeodesicWalk, Langevin, PathSum, Torus, simulate, zero
    >>> walk, h, r = GeodesicWalk(Langevin(Torus(1), zero()), 0.5), 0.5, np.exp(-0.5)
    >>> phi = lambda x: np.cos(x[:, 0]) * h / (1 - r)
    >>> sums = PathSum(lambda x, y: np.stack([h * np.cos(x[:, 0]), phi(y) - r * phi(x)], axis=1))
    >>> start = np.zeros((1000, 1))
    >>> end = simulate(walk, start, 100, np.random.default_rng(1), observe=sums)
    >>> integral, martingale = sums.total.T
    >>> bool(np.allclose(integral, phi(start) - phi(end) + martingale))
    True
    """

    def __init__(self, g: Callable[[Array, Array], ArrayLike]) -> None:
        if not callable(g):
            raise TypeError(f"g must be a function of (x, x_next); got {g!r}")
        self.g = g
        self.total: Array = np.zeros(())

    def __call__(self, k: int, x: Array, x_next: Array) -> None:
        """Add what step k + 1 gives."""
        values = check_columns("g(x, x_next)", self.g(x, x_next), len(x))
        if self.total.shape not in ((), values.shape):
            raise ValueError(
                f"g(x, x_next) must keep its shape {self.total.shape}; got shape {values.shape}"
            )
        self.total = self.total + values


def feynman_kac(
    walk: Walk,
    f: Function,
    lam: float,
    x: ArrayLike,
    n_paths: int,
    rng: np.random.Generator,
    *,
    threads: int | None = None,
) -> Estimate:
    """Estimate the walk's resolvent (lam - (P_h - I)/h)^{-1} f at a point from paths.

    It tends to E_x of the integral of e^{-lam t} f(X_t) over t >= 0 as h -> 0.

    Parameters
    ----------
    walk : Walk
    f : callable, (n, p) -> (n,)
        As given, not centred.
    lam : float
        lambda > 0, in units of 1/time; at least 1e-9/h, or the paths would have no end.
    x : array_like, shape (p,) or (1, p)
        The point.
    n_paths : int
        How many paths start there, >= 2.
    rng : numpy.random.Generator
    threads : int, optional
        As for `simulate`.

    Returns
    -------
    Estimate
        Unbiased, in units of f times time, with its standard error.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.
    DivergenceError
        If a walker leaves the finite numbers; its state is that of the paths then under way.

    Notes
    -----
    With q = 1/(1 + lam h) the resolvent is h sum_{k >= 0} q^{k+1} P_h^k f, and

        u(x) = h sum_{k < K} q^{k+1} (mean of f(X_k) over the n_k paths under way)

    is unbiased for it up to q^K < 2^-53 of max |f|/lam, which is the rounding of the sum. n_k
    starts at `n_paths` and is halved whenever the discount has halved, down to 32. Compared for
    f of mean 0, n paths and small lam, with C the asymptotic variance:

    * all paths to the end: variance C/(2 lam n) for 37 n/(lam h) steps;
    * each path killed with probability 1 - q in a step, no discount: C/(lam n) for n/(lam h)
      steps, and for f of another mean (mean/lam)^2/n more;
    * here: 3 C/(4 lam n) for 1.4 n/(lam h) steps, and constants have no variance.

    Paths are independent; those that stop together are alike, and the standard error is that of
    a sum over these groups.

    Examples
    --------
    >>> from coupled_flows import GeodesicWalk, Langevin, Torus, feynman_kac, zero
    >>> walk = GeodesicWalk(Langevin(Torus(1), zero()), step=0.1)
    >>> wave = lambda x: np.cos(x[:, 0])
    >>> u = feynman_kac(walk, wave, 1.0, [0.0], 10_000, np.random.default_rng(1))
    >>> u, round(0.1 / (1.1 - float(np.exp(-0.1))), 3)
    (0.514 ± 0.004, 0.512)
    """
    points, values = observed(walk, f, "x", _row(x))
    if len(points) != 1:
        raise ValueError(f"x must be one point; got {len(points)}")
    check_array("f(x)", values(points), (1,))
    rate = math.log1p(check_real("lam", lam, least=1e-9 / walk.step) * walk.step)
    n_paths = check_integer("n_paths", n_paths, least=2)
    sizes = [n_paths]
    while sizes[-1] >= 2 * FEWEST and len(sizes) < HALVINGS:
        sizes.append(sizes[-1] // 2)
    seen = _Discounted(values, walk.step, rate, np.zeros(n_paths))
    under_way = np.repeat(points, n_paths, axis=0)
    for size, halvings in zip(sizes, [*range(1, len(sizes)), HALVINGS], strict=True):
        done, until = seen.steps, math.floor(halvings * math.log(2) / rate) + 1
        try:
            under_way = simulate(
                walk, under_way[:size], until - done, rng, None, seen, threads=threads
            )
        except DivergenceError as error:
            raise DivergenceError(
                f"after {done} steps of a path, {error}", done + error.step, error.state
            ) from None
    groups = np.split(seen.shares, sizes[:0:-1])  # of paths that stop together
    variance = sum(len(group) * group.var(ddof=1) for group in groups)
    return Estimate(seen.shares.sum(), math.sqrt(variance))


@dataclass
class _Discounted:
    """Adds up h q^{k+1} f(X_k)/n_k for the n_k paths under way, the first ones of all."""

    values: Callable[[Array], Array]
    step: float
    rate: float
    shares: Array
    steps: int = 0

    def __call__(self, k: int, x: Array, x_next: Array) -> None:
        self.steps += 1
        weight = self.step * math.exp(-self.rate * self.steps) / len(x)
        self.shares[: len(x)] += weight * self.values(x)


def time_average(
    walk: Walk,
    f: Function,
    start: ArrayLike,
    n_steps: int,
    rng: np.random.Generator,
    burn_in: int = 0,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> Array:
    """Return each walker's mean of f over X_0, ..., X_{n_steps - 1}, after a burn-in.

    Parameters
    ----------
    walk : Walk
    f : callable, (n, p) -> (n,) or (n, k)
    start : array_like, shape (n, p)
    n_steps : int
        Number of points in each mean, >= 1.
    rng : numpy.random.Generator
    burn_in : int
        Number of steps before them, >= 0.
    threads : int, optional
    progress : bool
        As for `simulate`.

    Returns
    -------
    ndarray, shape (n,) or (n, k)

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.
    DivergenceError
        If a walker leaves the finite numbers.

    Examples
    --------
    >>> from coupled_flows import GeodesicWalk, Langevin, Torus, time_average, zero
    >>> walk = GeodesicWalk(Langevin(Torus(1), zero()), step=0.5)
    >>> start = Torus(1).random_point(2000, np.random.default_rng(1))
    >>> means = time_average(walk, np.cos, start, 400, np.random.default_rng(2))
    >>> float(200 * means.var()).__round__(2), round(0.25 / float(np.tanh(0.25)), 2)  # t Var, C_h
    (0.96, 1.02)
    """
    points, values = observed(walk, f, "start", start)
    n_steps = check_integer("n_steps", n_steps, least=1)
    burn_in = check_integer("burn_in", burn_in)
    sums = PathSum(lambda x, x_next: values(x))
    seen = after(burn_in, sums)
    simulate(walk, points, burn_in + n_steps, rng, None, seen, threads=threads, progress=progress)
    return sums.total / n_steps


def after(burn_in: int, observe: Observer) -> Observer:
    """Return an observer that looks away during the burn-in and counts from its end."""

    def seen(k: int, x: Array, x_next: Array) -> None:
        if k >= burn_in:
            observe(k - burn_in, x, x_next)

    return seen


def observed(
    walk: Walk, f: Function, name: str, x: ArrayLike
) -> tuple[Array, Callable[[Array], Array]]:
    """Return x as points of the walk's manifold, and f with its values checked."""
    check_type("walk", walk, Walk, "a walk, such as GeodesicWalk(langevin, step)")
    points = walk.langevin.manifold.check_points(name, x)
    if not callable(f):
        raise TypeError(f"f must be a function of points (n, p); got {f!r}")
    columns = check_columns("f(x)", f(read_only(points)), len(points)).shape[1:]
    return points, lambda at: check_array("f(x)", f(at), (len(at), *columns))


def _row(x: ArrayLike) -> ArrayLike:
    """Return one point (p,) as a row."""
    try:
        return np.atleast_2d(x)
    except ValueError:
        return x  # ragged: the check of points says so
