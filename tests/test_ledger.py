"""Claims: the verdict against a second statement of it, records, cards, and what is refused."""

from __future__ import annotations

import json
import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coupled_flows import Estimate, fit_order
from coupled_flows.display.ledger import (
    CONTRADICTED,
    FAILS,
    HOLDS,
    HOLDS_IF,
    MIME,
    UNDECIDED,
    Claim,
    Ledger,
    bracketed,
    verdict,
)
from coupled_flows.measure.convergence import Order
from tools import claims as reader

WORDS = (HOLDS, HOLDS_IF, FAILS)
GRID = (-1.0, 0.0, 0.5, 1.0, 2.0)
finite = st.floats(-1e6, 1e6)


def restated(conclusion: str, low: float, high: float, least: float, most: float) -> str:
    """Say it once more: by what is left of the interval when the band is taken from it."""
    below = (low, min(high, least)) if low < least else None
    above = (max(low, most), high) if high > most else None
    if below is None and above is None:
        return conclusion
    rests = [rest for rest in (below, above) if rest is not None]
    untouched = any(rest == (low, high) for rest in rests)
    # an end of the interval on an end of the band touches it
    touches = high == least or low == most
    return "contradicted" if untouched and not touches else "undecided"


@st.composite
def cases(draw: st.DrawFn) -> tuple[float, float, float, float, float]:
    low, measured, high = sorted(draw(st.lists(finite, min_size=3, max_size=3)))
    least, most = sorted(draw(st.lists(finite, min_size=2, max_size=2)))
    return measured, low, high, least, most


# -- the verdict -----------------------------------------------------------------------------------


@pytest.mark.parametrize("conclusion", WORDS)
def test_the_verdict_is_the_same_said_otherwise_on_a_grid(conclusion: str) -> None:
    tried = set()
    bands = [*product(GRID, GRID), (-math.inf, 0.5), (0.5, math.inf), (-math.inf, math.inf)]
    for (low, measured, high), (least, most) in product(product(GRID, GRID, GRID), bands):
        if low <= measured <= high and least <= most:
            found = verdict(conclusion, measured, low, high, least, most)
            assert found == restated(conclusion, low, high, least, most)
            tried.add(found)
    assert tried == {conclusion, UNDECIDED, CONTRADICTED}


@given(cases(), st.sampled_from(WORDS))
def test_the_verdict_is_the_same_said_otherwise(case: Any, conclusion: str) -> None:
    assert verdict(conclusion, *case) == restated(conclusion, *case[1:])


@pytest.mark.parametrize(
    ("case", "word"),
    [
        ((1.003, 0.998, 1.007, 0.98, 1.02), "holds"),
        ((1.0, 0.98, 1.02, 0.98, 1.02), "holds"),  # ends on ends are inside
        ((1.02, 1.02, 1.03, 0.98, 1.02), "undecided"),  # touches the band in one number
        ((1.03, 1.0200001, 1.04, 0.98, 1.02), "contradicted"),
        ((0.97, 0.9, 0.98, 0.98, 1.02), "undecided"),
        ((1.0, 0.5, 1.5, 0.98, 1.02), "undecided"),  # the value agrees, the interval is too wide
        ((0.88, 0.88, 0.88, -math.inf, 1.0), "holds"),
        ((1.1, 1.1, 1.1, -math.inf, 1.0), "contradicted"),
    ],
)
def test_the_verdict_by_hand(case: Any, word: str) -> None:
    assert verdict("holds", *case) == word


@given(cases(), st.floats(0, 1), st.floats(0, 1))
def test_a_shorter_interval_only_decides_what_was_undecided(
    case: Any, left: float, right: float
) -> None:
    measured, low, high, least, most = case
    shorter = (min(measured, low + left * (measured - low)),
               max(measured, high - right * (high - measured)))  # fmt: skip
    assume(low <= shorter[0] and shorter[1] <= high)  # rounding
    before = verdict("holds", *case)
    after = verdict("holds", measured, *shorter, least, most)
    assert before in (after, "undecided")


@given(cases(), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_wider_band_never_speaks_against_a_statement(
    case: Any, left: float, right: float
) -> None:
    measured, low, high, least, most = case
    order = ["contradicted", "undecided", "holds"]
    wider = verdict("holds", measured, low, high, least - left, most + right)
    assert order.index(wider) >= order.index(verdict("holds", *case))


@given(cases(), st.integers(-20, 20), st.sampled_from(WORDS))
def test_the_verdict_knows_no_sign_no_unit_and_no_word(
    case: Any, power: int, conclusion: str
) -> None:
    measured, low, high, least, most = case
    found = verdict("holds", *case)
    assert found == verdict("holds", -measured, -high, -low, -most, -least)
    unit = 2.0**power  # exact
    assume(all(number == 0 or abs(number) > 1e-290 for number in case))
    assert found == verdict("holds", *(unit * number for number in case))
    said = verdict(conclusion, *case)
    assert said == (conclusion if found == "holds" else found)


@given(cases(), st.integers(0, 4), st.sampled_from([math.nan, math.inf, -math.inf, "1", None, 1j]))
def test_a_broken_number_has_no_verdict(case: Any, place: int, broken: Any) -> None:
    numbers: list[Any] = list(case)
    numbers[place] = broken
    name = ("measured", "low", "high", "least", "most")[place]
    # an infinite band is a statement such as "at most 1"
    assume((name, broken) not in {("least", -math.inf), ("most", math.inf)})
    with pytest.raises((ValueError, TypeError), match=name):
        verdict("holds", *numbers)


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ((1.0, 1.1, 1.2, 0.0, 2.0), "low"),  # measured below its interval
        ((1.0, 0.8, 0.9, 0.0, 2.0), "high"),  # above it
        ((1.0, 1.2, 0.8, 0.0, 2.0), "low"),  # the interval is empty
        ((1.0, 0.9, 1.1, 2.0, 0.0), "least"),  # the band is
    ],
)
def test_an_empty_interval_or_band_has_no_verdict(case: Any, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be .*got "):
        verdict("holds", *case)


@pytest.mark.parametrize("word", ["Holds", "fails", "contradicted", "undecided", "", None, 1])
def test_only_three_conclusions_can_be_drawn(word: Any) -> None:
    with pytest.raises(ValueError, match=r"conclusion must be one of .*got "):
        verdict(word, 1.0, 1.0, 1.0, 0.0, 2.0)


# -- claims ----------------------------------------------------------------------------------------

ORDER = fit_order(np.array([0.5, 0.25, 0.125]), np.array([0.52, 0.26, 0.128]))


def claim(measured: Any = 1.0, **changed: Any) -> Claim:
    given: dict[str, Any] = {
        "key": "C1a",
        "title": "Order one",
        "statement": "The law converges at order $1$.",
        "expected": 1.0,
        "within": 0.05,
        "anchor": "order",
        **changed,
    }
    return Claim(measured=measured, **given)


MEASURED: list[tuple[Any, tuple[float, float, float]]] = [
    (ORDER, (ORDER.slope, math.log2(0.52 / 0.26), math.log2(0.26 / 0.128))),
    (Estimate(1.0, 0.0078125), (1.0, 1 - 5 * 0.0078125, 1 + 5 * 0.0078125)),
    (Estimate(1.0, 0.0), (1.0, 1.0, 1.0)),
    ((1.0, 0.99, 1.02), (1.0, 0.99, 1.02)),
    ((np.float64(1.0), np.float32(0.5), 2), (1.0, 0.5, 2.0)),
    (1.01, (1.01, 1.01, 1.01)),
    (np.float64(1.01), (1.01, 1.01, 1.01)),
    (1, (1.0, 1.0, 1.0)),
]


@pytest.mark.parametrize(("measured", "expected"), MEASURED)
def test_the_interval_comes_from_what_was_measured(measured: Any, expected: Any) -> None:
    found = claim(measured).interval
    # two logarithms and a quotient near 1: 4 u; the rest is exact
    np.testing.assert_allclose(found, expected, rtol=0, atol=4 * 2.0**-53)
    assert claim(measured).verdict == restated("holds", *found[1:], 1 - 0.05, 1 + 0.05)


@pytest.mark.parametrize(("measured", "expected"), MEASURED)
def test_a_record_survives_json_and_enters_the_ledger(measured: Any, expected: Any) -> None:
    record = claim(measured, conclusion=HOLDS_IF, assumptions=("H1", "H2")).record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert set(reader.FIELDS) <= set(record)
    numbers = (record["measured"], record["low"], record["high"])
    assert restated(HOLDS_IF, *numbers[1:], 1 - 0.05, 1 + 0.05) == record["verdict"]
    assert (record["expected"], record["within"]) == (1.0, 0.05)
    assert record["assumptions"] == ["H1", "H2"]


def test_a_record_of_numpy_numbers_survives_json() -> None:
    one = np.float32(1)
    steps = np.array([0.5, 0.25])
    order = Order(one, one, one, one, steps, steps)  # type: ignore[arg-type]
    for measured in (order, (one, one, one), one):
        record = claim(measured, expected=one, within=np.float32(0.5)).record()
        assert json.loads(json.dumps(record)) == record


def test_at_most_has_no_lower_end() -> None:
    for measured, word in ((-1e9, "holds"), (1.0, "holds"), (1.04, "holds"), (1.06, CONTRADICTED)):
        assert claim(measured, at_most=True).verdict == word
    bound = claim((0.9, 0.8, 1.2), at_most=True)
    assert bound.verdict == UNDECIDED
    assert bound.record()["expected"].removeprefix("\N{LESS-THAN OR EQUAL TO} ") == "1"
    assert "expected at most 1" in repr(bound)


def test_the_verdict_is_computed_and_cannot_be_given() -> None:
    with pytest.raises(TypeError, match="verdict"):
        claim(0.5, verdict="holds")
    assert claim(0.5).verdict == CONTRADICTED
    with pytest.raises(AttributeError):
        claim().verdict = "holds"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("measured", "conclusion", "assumptions", "state", "said"),
    [
        (1.0, HOLDS, (), "agrees", "**Holds:**"),
        (1.0, HOLDS_IF, ("H1", "H3"), "agrees", "**Holds if H1, H3:**"),
        (1.0, FAILS, (), "agrees", "**Fails for our instance:**"),
        (0.5, HOLDS_IF, ("H1",), "differs", "**Contradicted:**"),
        ((1.0, 0.5, 1.5), HOLDS, (), "differs", "**Undecided:**"),
    ],
)
def test_a_card_says_what_the_claim_says(
    measured: Any, conclusion: str, assumptions: tuple[str, ...], state: str, said: str
) -> None:
    shown = claim(measured, conclusion=conclusion, assumptions=assumptions)
    bundle = shown._repr_mimebundle_(include=None, exclude=None)
    assert bundle[MIME] == shown.record()
    assert bundle["text/plain"] == repr(shown)
    card = bundle["text/markdown"]
    assert card.startswith(f"::::{{div}} claim claim-{state}\n")
    assert card.endswith("\n::::\n")
    assert card.count("::::") == 2
    assert said.lower() in card.lower()
    numbers = f"measured {bracketed(*shown.interval)}, expected 1 within 0.05."
    for part in ("**C1a** Order one.", "The law converges at order $1$.", numbers):
        assert part in card


def test_a_card_names_the_instance_as_the_ledger_does() -> None:
    card = claim(conclusion=FAILS)._repr_mimebundle_()["text/markdown"]
    assert "**Fails for our instance:**" in card


def test_a_claim_tells_the_collector_the_same_type_of_data() -> None:
    assert reader.MIME == MIME


@pytest.mark.parametrize("key", ["C1", "C1a", "C2c", "C0"])
def test_good_keys(key: str) -> None:
    assert claim(key=key).record()["key"] == key


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    *[({"key": key}, ValueError, "key") for key in ("", "c1", "1a", "C", "C1A", "C1 ", "C1a\n")],
    *[({name: 1}, TypeError, name) for name in ("key", "title", "statement", "anchor")],
    *[({name: None}, TypeError, name) for name in ("key", "expected", "within", "measured")],
    ({"expected": math.nan}, ValueError, "expected"),
    ({"within": math.inf}, ValueError, "within"),
    ({"within": -0.01}, ValueError, "within"),
    ({"within": (0.1, -0.01)}, ValueError, "within"),
    ({"within": (0.1, 0.1, 0.1)}, ValueError, "within"),
    ({"within": [0.1, 0.1]}, TypeError, "within"),
    ({"measured": math.nan}, ValueError, "measured"),
    ({"measured": math.inf}, ValueError, "measured"),
    ({"measured": "1"}, TypeError, "measured"),
    ({"measured": True}, TypeError, "measured"),
    ({"measured": [1.0, 0.9, 1.1]}, TypeError, "measured"),
    ({"measured": (1.0, 0.9)}, ValueError, "measured"),
    ({"measured": (1.0, 0.9, math.nan)}, ValueError, "measured"),
    ({"measured": (1.0, 1.1, 1.2)}, ValueError, "low"),
    ({"measured": (1.0, 0.8, 0.9)}, ValueError, "high"),
    ({"conclusion": "fails"}, ValueError, "conclusion"),
    ({"conclusion": None}, ValueError, "conclusion"),
    ({"conclusion": HOLDS_IF}, ValueError, "assumptions"),
    ({"conclusion": HOLDS_IF, "assumptions": "H1"}, TypeError, "assumptions"),
]


@pytest.mark.parametrize(("changed", "error", "name"), REFUSED)
def test_a_claim_that_cannot_be_judged_is_refused(
    changed: dict[str, Any], error: type[Exception], name: str
) -> None:
    with pytest.raises(error, match=rf"{name} must be .*got "):
        claim(**{"measured": 1.0, **changed})


def test_a_claim_that_holds_if_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"assumptions must be named .*; got none"):
        claim(conclusion=HOLDS_IF)


def test_a_band_may_reach_farther_on_one_side() -> None:
    wide = {"expected": 0.5, "within": (0.06, 0.02)}
    for measured in (0.44, 0.5, 0.52):
        assert claim(measured, **wide).verdict == "holds"
    for measured in (0.4399, 0.5201):
        assert claim(measured, **wide).verdict == CONTRADICTED
    record = claim(0.5, **wide).record()
    assert json.loads(json.dumps(record)) == record
    assert record["within"] == [0.06, 0.02]
    card = claim(0.5, **wide)._repr_mimebundle_()["text/markdown"]
    assert "measured 0.5, expected 0.5, allowed 0.44 to 0.52." in card
    assert claim(0.5, **wide | {"within": (0.06, 0.06)}).record()["within"] == 0.06


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.99812, 0.9961, 1.0012, "0.9981 [0.9961, 1.0012]"),
        (-2.001, -2.5, -1.5, "\N{MINUS SIGN}2.0 [\N{MINUS SIGN}2.5, \N{MINUS SIGN}1.5]"),
        (3.2e-13, 0.0, 1e-12, "3.2e\N{MINUS SIGN}13 [0, 1e\N{MINUS SIGN}12]"),
        (1e-12, 1e-12, 1e-12, "1e\N{MINUS SIGN}12"),
        (0.5, 0.5, 0.5, "0.5"),
        (1234.0, 1000.0, 1500.0, "1234 [1000, 1500]"),
    ],
)
def test_measured_value_is_printed_with_its_interval(
    value: float, low: float, high: float, text: str
) -> None:
    assert bracketed(value, low, high) == text.replace(", ", ",\N{NO-BREAK SPACE}")


# -- several together ------------------------------------------------------------------------------


def test_a_ledger_shows_its_claims_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    two = [claim(key="C1b"), claim(0.5, key="C1a")]
    assert repr(Ledger(two)) == "\n".join(map(repr, two))
    shown: list[object] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    Ledger(two)._ipython_display_()
    assert shown == two


def test_a_ledger_refuses_one_key_twice() -> None:
    with pytest.raises(ValueError, match=r"claims must have distinct keys; got \['C1a', 'C1a'\]"):
        Ledger([claim(), claim(0.5)])


def test_a_ledger_holds_claims() -> None:
    with pytest.raises(TypeError, match=r"claims must be .*got "):
        Ledger([claim(), "C1b"])  # type: ignore[list-item]
