"""Estimates from samples: a value and its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from coupled_flows.geometry.errors import check_real


@dataclass(frozen=True)
class Estimate:
    """A value estimated from samples, with its standard error.

    Parameters
    ----------
    value : float
    error : float
        Standard error, >= 0.

    Raises
    ------
    TypeError, ValueError
        If either is not a finite number, or `error` negative.

    Examples
    --------
    >>> Estimate(0.5031, 0.0021)
    0.503 ± 0.002
    """

    value: float
    error: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", check_real("value", self.value))
        object.__setattr__(self, "error", check_real("error", self.error, least=0))

    def __repr__(self) -> str:
        if self.error == 0:
            return f"{self.value:g} ± 0"
        digits = max(0, -math.floor(math.log10(self.error)))
        return f"{self.value:.{digits}f} ± {self.error:.{digits}f}"
