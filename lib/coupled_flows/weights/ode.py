"""Ordinary differential equations: the solution at given times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from coupled_flows.geometry.errors import Array


def integrate(
    rate: Callable[[float, Array], Array],
    start: Array,
    times: Array,
    *,
    rtol: float,
    atol: float,
    longest: float = np.inf,
) -> Array:
    """Return the solution of dx/ds = rate(s, x), x(0) = start (n,), at ascending times (k,).

    By Dormand and Prince's method of order 8, in steps up to `longest`. Fewer rows than times, if
    x leaves the range of numbers before the next time.
    """
    begun = np.repeat(start[None], np.count_nonzero(times == 0), axis=0)
    later = times[len(begun) :]
    if not later.size:
        return begun  # of a span of length 0 the solver says nothing
    path = solve_ivp(
        rate,
        (0.0, later[-1]),
        start,
        method="DOP853",
        t_eval=later,
        max_step=longest,
        rtol=rtol,
        # not 0, of which the errors of nothing would be 0/0
        atol=max(atol, np.finfo(np.float64).tiny),
    )
    return np.concatenate([begun, np.reshape(path.y, (len(start), -1)).T])
