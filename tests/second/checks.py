"""What a page's module exports, and how a number is held against it."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import tests.second

# one number; the three of an Order; an Estimate's value and standard error, and with a NoiseFloor's
# least and largest four
Number = float | tuple[float, ...]
# how far a page may be from each of its numbers, or from all; computed, if it is long to compute
Tolerance = float | tuple[float, ...] | Callable[[], float | tuple[float, ...]]
Check = tuple[Callable[[], Number], Tolerance]  # how to compute it, and how far a page may be off


@dataclass(frozen=True)
class Second:
    """One page's numbers. Its module may leave out what the page has not.

    Attributes
    ----------
    page : str
        ``PAGE``: the page's name in the table of contents, "book/" and the module's name.
    glued : mapping
        ``GLUED``: every key that the page glues, with its check, in the quick edition.
    claimed : mapping
        ``CLAIMED``: every claim the page shows, in its order, with the check of what was measured.
        A number stands alone, a pair is an Estimate, three are a value and its interval.
    bands : mapping
        ``BANDS``: for every claim what is expected ("≤ 1" for an upper bound), and within what.
    verdicts : mapping
        ``VERDICTS``: for every claim its verdict, which is that of the full edition too, and
        whether it names assumptions.
    typed : mapping
        ``TYPED``: words of the prose around a decimal that is typed, with the reason.
    """

    page: str
    glued: Mapping[str, Check]
    claimed: Mapping[str, Check]
    bands: Mapping[str, tuple[float | str, float | list[float]]]
    verdicts: Mapping[str, tuple[str, bool]]
    typed: Mapping[str, str]


def seconds() -> dict[str, Second]:
    """Return what every page's module exports, by page.

    Raises
    ------
    ValueError
        If a module is not named as its page.
    """
    found = {}
    for module in pkgutil.iter_modules(tests.second.__path__):
        of_page = importlib.import_module(f"tests.second.{module.name}")
        page = getattr(of_page, "PAGE", None)
        if page is None:  # what several pages need
            continue
        if page != f"book/{module.name}":
            raise ValueError(f"tests/second/{module.name}.py says that it is of the page {page}")
        names = ("GLUED", "CLAIMED", "BANDS", "VERDICTS", "TYPED")
        found[page] = Second(page, *(getattr(of_page, name, {}) for name in names))
    return found


def agree(shown: Sequence[float], check: Check) -> None:
    """Hold the numbers that a page shows against their check."""
    right, tolerance = np.atleast_1d(check[0]()), computed(check[1])
    assert len(shown) == len(right), f"{shown} is shown for {right}"
    apart = np.abs(np.array(shown) - right)
    assert (apart <= tolerance).all(), f"{shown} is shown for {right}, not within {tolerance}"


def computed(tolerance: Tolerance) -> float | tuple[float, ...]:
    return tolerance() if callable(tolerance) else tolerance


def of_claim(check: Check) -> Check:
    """Return the check of a claim's value and interval: that of an Estimate is 5 errors wide."""

    def interval() -> Number:
        numbers = np.atleast_1d(check[0]())
        if len(numbers) == 1:
            return (float(numbers[0]),) * 3
        if len(numbers) == 2:
            value, error = numbers
            return value, value - 5 * error, value + 5 * error
        return tuple(numbers)

    def tolerance() -> float | tuple[float, ...]:
        given = computed(check[1])
        if isinstance(given, tuple) and len(given) == 2:
            value, error = given
            return value, value + 5 * error, value + 5 * error
        return given

    return interval, tolerance


def between(low: float, high: float) -> Check:
    """Return the check of a number that may be anything from `low` to `high`."""
    return (lambda: (low + high) / 2), (high - low) / 2


def sampled(value: float, error: float, wobble: float) -> Check:
    """Return the check of an Estimate as it is shown: five standard errors, and half a digit.

    `wobble` is the standard error of its standard error, as a share of it.
    """
    digit = 10.0 ** math.floor(math.log10(error)) / 2
    return (lambda: (value, error)), (5 * error + digit, 5 * wobble * error + digit)
