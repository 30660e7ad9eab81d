"""Orders of convergence with their intervals, and sweeps over parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import Array, check_array, check_real
from coupled_flows.measure.estimates import Estimate

_Point = TypeVar("_Point")
_Value = TypeVar("_Value")


@dataclass(frozen=True, eq=False)
class Order:
    """A fitted order of convergence: error = constant * step^slope.

    Parameters
    ----------
    slope : float
    low, high : float
        The interval, low <= slope <= high; `fit_order` says which.
    constant : float
    steps, errors : ndarray, shape (n,)
        What was fitted, steps descending.

    Raises
    ------
    ValueError
        If the slope is not a finite number inside its interval.

    Examples
    --------
    >>> fit_order([0.4, 0.2, 0.1], [0.8, 0.4, 0.2])
    1.000 [1.000, 1.000]
    """

    slope: float
    low: float
    high: float
    constant: float
    steps: Array
    errors: Array

    def __post_init__(self) -> None:
        check_real("slope", self.slope, least=check_real("low", self.low))
        check_real("high", self.high, least=self.slope)
        check_real("constant", self.constant, least=0)

    @property
    def local(self) -> Array:
        """The slope between each step and the next smaller one, shape (n - 1,)."""
        return np.diff(np.log(self.errors)) / np.diff(np.log(self.steps))

    def __repr__(self) -> str:
        return f"{self.slope:.3f} [{self.low:.3f}, {self.high:.3f}]"


def fit_order(steps: ArrayLike, errors: Sequence[float] | Sequence[Estimate] | Array) -> Order:
    """Fit error = C step^p on logarithmic axes.

    Parameters
    ----------
    steps : array_like, shape (n,)
        Positive and distinct, n >= 2.
    errors : array_like, shape (n,), or n Estimates
        Positive. Numbers are taken as free of noise; Estimates by their standard errors.

    Returns
    -------
    Order
        Without noise: the least-squares slope, and the smallest interval that holds the slopes
        of all neighbouring pairs. The fitted slope is an average of those with positive
        weights, so it lies inside; the interval shows how far from straight the line is. With
        Estimates: the weighted least-squares slope and its 95 % interval, 1.96 standard errors
        each way, widened by the root of chi^2 per degree of freedom where that exceeds 1.

    Raises
    ------
    ValueError
        If a step or an error is not positive, the steps are not distinct, the lengths differ,
        or an Estimate has no standard error.

    Examples
    --------
    >>> steps = np.array([0.4, 0.2, 0.1])
    >>> fit_order(steps, 3 * steps**2).slope
    2.0
    """
    h = check_array("steps", steps, ("n",))
    if isinstance(errors, str) or not isinstance(errors, Sequence | np.ndarray):
        raise TypeError(f"errors must be an array of shape ({len(h)},); got {errors!r}")
    estimates = [error for error in errors if isinstance(error, Estimate)]
    if estimates and len(estimates) < len(errors):
        raise ValueError("errors must be all numbers or all Estimates; got a mixture")
    values = [error.value for error in estimates] if estimates else errors
    e = check_array("errors", values, (len(h),))  # type: ignore[arg-type]
    if len(h) < 2 or len(np.unique(h)) < len(h) or h.min() <= 0:
        raise ValueError(f"steps must be at least two distinct positive numbers; got {h}")
    if e.min() <= 0:
        raise ValueError(f"errors must be positive to have an order; got {e.min():g}")
    down = np.argsort(-h)
    h, e = h[down], e[down]
    x, y = np.log(h), np.log(e)
    if not estimates:
        weight = np.full(len(h), 1.0)
    else:
        spread = check_array("errors", [error.error for error in estimates], ("n",))[down]
        if spread.min() <= 0:
            raise ValueError(f"errors must have positive standard errors; got {spread.min():g}")
        weight = (e / spread) ** 2
    centre = weight @ x / weight.sum()
    inertia = weight @ (x - centre) ** 2
    slope = float(weight @ ((x - centre) * y) / inertia)
    offset = float(weight @ (y - slope * x) / weight.sum())
    if estimates:
        misfit = float(weight @ (y - offset - slope * x) ** 2)
        widen = max(1.0, misfit / (len(h) - 2)) if len(h) > 2 else 1.0
        half = 1.96 * float(np.sqrt(widen / inertia))
        low, high = slope - half, slope + half
    else:
        local = np.diff(y) / np.diff(x)
        low, high = float(min(local.min(), slope)), float(max(local.max(), slope))
    with np.errstate(over="ignore"):  # found out by Order
        constant = float(np.exp(offset))
    return Order(slope, low, high, constant, h, e)


def sweep(
    function: Callable[[_Point], _Value],
    points: Iterable[_Point],
    executor: Executor | None = None,
    progress: bool = False,
) -> list[_Value]:
    """Return [function(point) for point in points], spread over an executor if one is given.

    Parameters
    ----------
    function : callable
        Of one argument; must be picklable for a process pool.
    points : iterable
    executor : concurrent.futures.Executor, optional
        A thread or process pool, or a Dask client's `get_executor()`.
    progress : bool
        Show a tqdm bar (needs tqdm).

    Returns
    -------
    list
        In the order of `points`.

    Raises
    ------
    TypeError
        If `function` is not callable or `executor` not an Executor.

    Examples
    --------
    >>> sweep(abs, [-1, 2, -3])
    [1, 2, 3]
    """
    if not callable(function):
        raise TypeError(f"function must be callable; got {function!r}")
    if executor is not None and not hasattr(executor, "submit"):
        raise TypeError(f"executor must be a concurrent.futures.Executor; got {executor!r}")
    if not isinstance(points, Iterable):
        raise TypeError(f"points must be iterable; got {points!r}")
    listed = list(points)
    results: Iterable[_Value]
    if executor is None:
        results = map(function, listed)
    else:
        futures = [executor.submit(function, point) for point in listed]
        results = (future.result() for future in futures)
    if progress:
        from tqdm.auto import tqdm

        results = tqdm(results, total=len(listed))
    return list(results)
