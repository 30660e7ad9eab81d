"""Claims: a statement, what was measured, what was expected, and a verdict computed from them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coupled_flows.geometry.errors import check_choice, check_real, check_type
from coupled_flows.measure.convergence import Order
from coupled_flows.measure.estimates import Estimate

HOLDS = "holds"
HOLDS_IF = "holds if"
FAILS = "fails for our instance"
UNDECIDED = "undecided"
CONTRADICTED = "contradicted"
MIME = "application/vnd.coupled-flows.claim+json"


def verdict(
    conclusion: str, measured: float, low: float, high: float, least: float, most: float
) -> str:
    """Return what a measurement says of a statement.

    Parameters
    ----------
    conclusion : {"holds", "holds if", "fails for our instance"}
        What is concluded if the measurement agrees with the expectation.
    measured, low, high : float
        The measured value and its interval, low <= measured <= high.
    least, most : float
        What the statement expects: a value in [least, most].

    Returns
    -------
    str
        `conclusion` if the whole interval lies in [least, most], "contradicted" if none of it
        does, "undecided" otherwise.

    Raises
    ------
    ValueError, TypeError
        If a number is not finite (`least` and `most` may be infinite), or an interval is empty,
        or `conclusion` another word.

    Examples
    --------
    >>> verdict("holds", 1.003, 0.998, 1.007, 0.98, 1.02)
    'holds'
    >>> verdict("holds", 0.5, 0.48, 0.52, 0.98, 1.02)
    'contradicted'
    """
    check_choice("conclusion", conclusion, (HOLDS, HOLDS_IF, FAILS))
    value = check_real("measured", measured)
    bottom = check_real("low", low, most=value)
    top = check_real("high", high, least=value)
    for name, end in (("least", least), ("most", most)):
        if end not in (-math.inf, math.inf):  # half a line, or all of it, is a band too
            check_real(name, end)
    if not least <= most:
        raise ValueError(f"least must be <= most; got {least!r} and {most!r}")
    if least <= bottom and top <= most:
        return conclusion
    if top < least or bottom > most:
        return CONTRADICTED
    return UNDECIDED


def number(value: float, decimals: int | None = None) -> str:
    """Return a number as it is printed: 4 digits, or `decimals` unless they would show nothing."""
    if decimals is None or (value != 0 and abs(value) < 10.0**-decimals):
        text = f"{value:.4g}"
    else:
        text = f"{value:.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def bracketed(value: float, low: float, high: float) -> str:
    """Return a number with its interval, to two digits of its width; an exact one alone."""
    if low == high:
        return number(value)
    width = high - low
    decimals = max(0, 1 - math.floor(math.log10(width))) if 1e-6 < width < 1e6 else None
    ends = f"{number(low, decimals)},\N{NO-BREAK SPACE}{number(high, decimals)}"
    return f"{number(value, decimals)} [{ends}]"


@dataclass(frozen=True)
class Claim:
    """One line of the ledger.

    Parameters
    ----------
    key : str
        Which claim of the abstract it decides, and a letter: "C1a".
    title, statement : str
        In a few words, and precisely; both may hold MyST mathematics.
    measured : Order, Estimate, (value, low, high) or float
        An Order comes with its interval; an Estimate gets 5 standard errors each way; a float
        is exact to rounding.
    expected : float
        What theory says.
    within : float or (float, float)
        Half-width of the band around `expected`, or how far it reaches below and above; fixed
        before measuring.
    at_most : bool
        The statement is an inequality: anything up to expected + within agrees.
    conclusion : str
        "holds", "holds if" (the assumptions are named) or "fails for our instance".
    assumptions : sequence of str
        Numbers of the assumptions on the notation page, such as "H1".
    anchor : str
        The target on the page, `(anchor)=`, where the evidence stands.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; "holds if" needs assumptions.

    Examples
    --------
    >>> Claim("C1a", "Order one", "The law converges at order one.", measured=1.0, expected=1.0,
    ...     within=0.02, anchor="order")
    C1a: holds; measured 1, expected 1
    """

    key: str
    title: str
    statement: str
    measured: Order | Estimate | tuple[float, float, float] | float
    expected: float
    within: float | tuple[float, float]
    anchor: str
    at_most: bool = False
    conclusion: str = HOLDS
    assumptions: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("key", "title", "statement", "anchor"):
            check_type(name, getattr(self, name), str, "a string")
        if not re.fullmatch(r"C\d[a-z]*", self.key):
            raise ValueError(f"key must be like 'C1a'; got {self.key!r}")
        check_real("expected", self.expected)
        _ = self.reach
        if isinstance(self.assumptions, str):  # would be read letter by letter
            raise TypeError(
                f"assumptions must be a sequence such as ('H1',); got {self.assumptions!r}"
            )
        if self.conclusion == HOLDS_IF and not self.assumptions:
            raise ValueError("assumptions must be named for a claim that holds if; got none")
        _ = self.verdict  # checks `measured` and the rest

    @property
    def reach(self) -> tuple[float, float]:
        """How far the band goes below and above what is expected."""
        both = self.within if isinstance(self.within, tuple) else (self.within, self.within)
        if len(both) != 2:
            raise ValueError(f"within must be a number or (below, above); got {self.within!r}")
        below, above = (check_real("within", end, least=0) for end in both)
        return below, above

    @property
    def interval(self) -> tuple[float, float, float]:
        """Measured value and interval: (value, low, high)."""
        if isinstance(self.measured, Order):
            order = self.measured
            return float(order.slope), float(order.low), float(order.high)
        if isinstance(self.measured, Estimate):
            value, reach = self.measured.value, 5 * self.measured.error
            return value, value - reach, value + reach
        if isinstance(self.measured, tuple):
            if len(self.measured) != 3:
                raise ValueError(f"measured must be (value, low, high); got {self.measured!r}")
            value, low, high = (check_real("measured", number) for number in self.measured)
            return value, low, high
        value = check_real("measured", self.measured)
        return value, value, value

    @property
    def verdict(self) -> str:
        """What the measurement says; see `verdict`."""
        below, above = self.reach
        least = -math.inf if self.at_most else self.expected - below
        return verdict(self.conclusion, *self.interval, least, self.expected + above)

    def record(self) -> dict[str, Any]:
        """Return the claim as the data that the ledger is built from."""
        value, low, high = self.interval
        below, above = self.reach
        return {
            "key": self.key,
            "title": self.title,
            "statement": self.statement,
            "assumptions": list(self.assumptions),
            "measured": value,
            "low": low,
            "high": high,
            "expected": f"≤ {self.expected:.4g}" if self.at_most else float(self.expected),
            "within": below if below == above else [below, above],
            "conclusion": self.conclusion,
            "verdict": self.verdict,
            "anchor": self.anchor,
        }

    def __repr__(self) -> str:
        return f"{self.key}: {self.verdict}; {self._compared}"

    @property
    def _compared(self) -> str:
        bound = "at most " if self.at_most else ""
        return f"measured {bracketed(*self.interval)}, expected {bound}{number(self.expected)}"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        state = "agrees" if self.verdict == self.conclusion else "differs"
        named = f" {', '.join(self.assumptions)}" if self.verdict == HOLDS_IF else ""
        word = self.verdict[0].upper() + self.verdict[1:]
        below, above = self.reach
        allowed = f" within {number(above)}" if above else ""
        if below != above:
            least, most = number(self.expected - below), number(self.expected + above)
            allowed = f", allowed {least} to {most}"
        card = (
            f"::::{{div}} claim claim-{state}\n**{self.key}** {self.title}."
            f" {self.statement} **{word}{named}:** {self._compared}{allowed}.\n::::\n"
        )
        return {MIME: self.record(), "text/markdown": card, "text/plain": repr(self)}


@dataclass(frozen=True)
class Ledger:
    """Several claims together, as a page shows them.

    Parameters
    ----------
    claims : sequence of Claim
        With distinct keys.

    Raises
    ------
    TypeError, ValueError
        If an entry is not a Claim, or two claims have one key.

    Examples
    --------
    >>> Ledger([Claim("C1a", "Order one", "Order one.", 1.0, 1.0, 0.02, anchor="order")])
    C1a: holds; measured 1, expected 1
    """

    claims: Sequence[Claim]

    def __post_init__(self) -> None:
        for claim in self.claims:
            check_type("claims", claim, Claim, "a sequence of Claim")
        keys = [claim.key for claim in self.claims]
        if len(set(keys)) < len(keys):
            raise ValueError(f"claims must have distinct keys; got {keys}")

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.claims))

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for claim in self.claims:
            display(claim)  # type: ignore[no-untyped-call]
