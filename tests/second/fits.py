"""Orders of convergence, fitted without the library, and how exactly a page has to agree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Fit = tuple[float, float, float]  # slope, and the least and the largest slope of neighbours

# Distances of both computations are right to 1e-8: quantiles to 1e-13 against differences above
# 1e-4, and a factor of ten for the tails. A slope between neighbours then moves by 4e-8/log 2.
SAME = 6e-8
PRINTED = 5e-4  # half of the last decimal that an Order shows


def fit(steps: Array, errors: Iterable[float]) -> Fit:
    x, y = np.log(steps), np.log(np.array(list(errors)))
    local = np.diff(y) / np.diff(x)
    return float(np.polyfit(x, y, 1)[0]), float(local.min()), float(local.max())


def last_halvings(steps: Array, errors: Iterable[float]) -> Fit:
    return fit(steps[-4:], list(errors)[-4:])
