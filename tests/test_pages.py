"""What every page keeps: numbers computed twice, claims, prose without a typed result, questions.

The second computations are in `tests/second/`, a module for each page.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from bs4 import BeautifulSoup

from coupled_flows.display.ledger import verdict
from tests.second.checks import Check, agree, computed, of_claim, seconds
from tests.second.shown import numbers
from tools.pages import pages

ROOT = Path(__file__).resolve().parent.parent
EVERY_PAGE = [page.name for page in pages(ROOT)]


def below(entry: dict[str, Any]) -> Iterator[str]:
    yield entry["file"]
    for inner in entry.get("sections", ()):
        yield from below(inner)


CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))
NUMBERED = [
    page
    for part in CONTENTS["parts"]
    if part.get("numbered")
    for chapter in part["chapters"]
    for page in below(chapter)
]
SECONDS = seconds()
GLUED = {(page, key): check for page in SECONDS for key, check in SECONDS[page].glued.items()}
CLAIMED = {(page, key): check for page in SECONDS for key, check in SECONDS[page].claimed.items()}

Claim = dict[str, Any]

# -- the second computations -----------------------------------------------------------------------


def test_every_second_computation_is_of_a_page() -> None:
    assert set(SECONDS) <= set(EVERY_PAGE)


def test_no_second_computation_uses_the_library() -> None:
    uses = re.compile(r"^\s*(?:from|import) coupled_flows", re.MULTILINE)
    for room in (ROOT / "tests" / "second").glob("*.py"):
        assert not uses.search(room.read_text(encoding="utf8")), room.name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3", [3.0]),
        ("-0.25", [-0.25]),
        ("1.5e-07", [1.5e-7]),
        ("\N{MINUS SIGN}1.5e\N{MINUS SIGN}07", [-1.5e-7]),
        ("1.001 [0.998, 1.004]", [1.001, 0.998, 1.004]),
        ("0.503 ± 0.002", [0.503, 0.002]),
        ("0.0123 ± 0.0004 (0.0110 to 0.0139)", [0.0123, 0.0004, 0.0110, 0.0139]),
    ],
)
def test_the_numbers_of_a_text_are_read(text: str, found: list[float]) -> None:
    assert numbers(text) == found


@pytest.mark.parametrize(
    "text", ["", "about 3", "1.0 [0.9]", "1 ± ", "1.0 1.1", "nan", "1..0", "1 (0 to 2)"]
)
def test_a_text_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(AssertionError):
        numbers(text)


@pytest.mark.parametrize(
    ("shown", "check", "agrees"),
    [
        ([1.0], (lambda: 1.0, 0), True),
        ([1.25], (lambda: 1.0, 0.25), True),
        ([1.26], (lambda: 1.0, 0.25), False),
        ([math.nan], (lambda: 1.0, 0.25), False),
        ([1.0, 1.0, 1.0], (lambda: 1.0, 0.25), False),  # an Order where a number is due
        ([1.0, 0.9, 1.1], (lambda: (1.0, 0.8, 1.2), 0.11), True),
        ([1.0, 0.9, 1.1], (lambda: (1.0, 0.8, 1.2), 0.09), False),
        ([0.5, 0.02], (lambda: (0.4, 0.03), (0.11, 0.011)), True),
        ([0.5, 0.02], (lambda: (0.4, 0.03), (0.11, 0.009)), False),
        ([0.5, 0.02], (lambda: (0.4, 0.03), lambda: (0.11, 0.011)), True),
        ([0.5, 0.02], (lambda: (0.4, 0.03), lambda: 0.09), False),
    ],
)
def test_numbers_agree_within_their_tolerance(
    shown: list[float], check: Check, agrees: bool
) -> None:
    if agrees:
        agree(shown, check)
    else:
        with pytest.raises(AssertionError):
            agree(shown, check)


def test_the_interval_of_a_claim_is_that_of_its_numbers() -> None:
    for expected, interval in (
        (2.0, (2.0, 2.0, 2.0)),
        ((1.0, 0.25), (1.0, -0.25, 2.25)),
        ((1.0, 0.5, 2.0), (1.0, 0.5, 2.0)),
    ):
        found, tolerance = of_claim((lambda expected=expected: expected, 0.1))  # type: ignore[misc]
        assert found() == interval
        assert computed(tolerance) == 0.1
    for given in ((0.5, 0.125), lambda: (0.5, 0.125)):
        assert computed(of_claim((lambda: (1.0, 0.25), given))[1]) == (0.5, 1.125, 1.125)


# -- numbers ---------------------------------------------------------------------------------------


def test_every_glued_number_is_checked(glued: dict[tuple[str, str], str]) -> None:
    assert set(glued) == set(GLUED)


@pytest.mark.parametrize(("page", "key"), GLUED)
def test_a_glued_number_is_right(glued: dict[tuple[str, str], str], page: str, key: str) -> None:
    agree(numbers(glued[page, key]), GLUED[page, key])


# -- prose -----------------------------------------------------------------------------------------

REFERENCE = re.compile(
    r"\{glue:\w*\}`(?:(?P<page>[\w./-]+)\.md::)?(?P<key>\w+)(?::(?P<spec>[^`]+))?`"
)


def source(page: str) -> str:
    return (ROOT / f"{page}.md").read_text(encoding="utf8")


def prose(page: str) -> str:
    """Return the text of a page with its mathematics, without code, captions and directives."""
    text = re.sub(r"\A---\n.*?\n---\n", "", source(page), flags=re.S)
    text = re.sub(r"^(`{3,})\{code-cell\}.*?^\1$", "", text, flags=re.S | re.M)
    return re.sub(r"^```bash$.*?^```$", "", text, flags=re.S | re.M)


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_no_result_is_typed(page: str) -> None:
    text = re.sub(r"\{[\w:]+\}`[^`]*`", "", prose(page))
    for words, reason in SECONDS[page].typed.items() if page in SECONDS else ():
        assert text.count(words) == 1, words
        assert reason
        text = text.replace(words, "")
    assert re.findall(r".*\d\.\d.*", text) == []


def test_every_quotation_has_its_number_and_every_number_is_quoted(
    glued: dict[tuple[str, str], str],
) -> None:
    quoted = {
        (f"book/{found['page']}" if found["page"] else page, found["key"])
        for page in EVERY_PAGE
        for found in REFERENCE.finditer(prose(page))
    }
    assert quoted == set(glued)


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_a_quotation_is_printed_where_it_stands(
    quick_site: Path, glued: dict[tuple[str, str], str], page: str
) -> None:
    soup = BeautifulSoup((quick_site / f"{page}.html").read_text(encoding="utf8"), "html.parser")
    article = soup.find("article")
    assert article is not None
    shown = " ".join(article.get_text().split())
    text = prose(page)
    for found in REFERENCE.finditer(text):
        raw = glued[f"book/{found['page']}" if found["page"] else page, found["key"]]
        number = format(float(raw), found["spec"]) if found["spec"] else raw
        before = re.search(r"[\w ,]*$", text[: found.start()])
        assert before is not None
        signed = re.sub(r"(?<![\w-])-(?=\d)|(?<=\de)-", "\N{MINUS SIGN}", number)
        assert f"{before[0]}{signed}" in shown, found[0]


# -- what a numbered page owes its reader ----------------------------------------------------------

QUESTION = re.compile(r"^(:{3,})\{dropdown\} (?P<title>.*)\n(?P<answer>(?s:.*?))^\1$", re.MULTILINE)


@pytest.mark.parametrize("page", NUMBERED)
def test_a_page_says_at_its_top_what_it_gives_needs_and_takes(page: str) -> None:
    top = prose(page).split("\n## ")[0]
    boxes = re.findall(r"^:::\{admonition\} At a glance\n:class: tip\n(.*?)^:::$", top, re.S | re.M)
    assert len(boxes) == 1
    for part in (
        r"^\*\*You will be able to\*\* \w",
        r"^\*\*It needs\*\* \S",
        r"It \*\*runs\*\* in \{run-time\}`this page`\.",
    ):
        assert len(re.findall(part, boxes[0], re.MULTILINE)) == 1, part


@pytest.mark.parametrize("page", NUMBERED)
def test_a_page_asks_five_questions_and_answers_them(page: str) -> None:
    sections = re.findall(r"^## Check yourself\n(.*?)(?=^## |\Z)", prose(page), re.S | re.M)
    assert len(sections) == 1
    questions = list(QUESTION.finditer(sections[0]))
    assert sections[0].count("{dropdown}") == len(questions) == 5
    for number, question in enumerate(questions, 1):
        title = re.fullmatch(rf"{number}\. \S.*\?", question["title"])
        assert title is not None, question["title"]
        assert "{glue" not in title[0]  # a title shows no number that is computed
        answer = re.sub(r"^:[\w-]+:.*$", "", question["answer"], flags=re.MULTILINE)
        assert answer.strip(), title[0]


@pytest.mark.parametrize("page", NUMBERED)
def test_a_page_has_exercises_and_each_its_solution(page: str) -> None:
    text = source(page)
    exercises = re.findall(
        r"^(`{3,}|:{3,})\{exercise\}.*\n:label: (\S+)\n(?:.*\n)*?\1$", text, re.MULTILINE
    )
    labels = [label for _, label in exercises]
    assert text.count("{exercise}") == len(labels) == len(set(labels)) >= 3
    solved = re.findall(
        r"^(`{3,}|:{3,})\{solution-start\} (\S+)\n:label: \S+\n:class: dropdown\n\1\n"
        r"((?s:.*?))^\1\{solution-end\}\n\1$",
        text,
        re.MULTILINE,
    )
    assert text.count("{solution-start}") == text.count("{solution-end}") == len(solved)
    assert [label for _, label, _ in solved] == labels
    for _, label, solution in solved:
        assert solution.strip(), label


# -- claims ----------------------------------------------------------------------------------------


def ends(expected: float | str, within: float | list[float]) -> tuple[float, float]:
    """Return the least and the largest value in a band."""
    below, above = within if isinstance(within, list) else (within, within)
    if isinstance(expected, str):
        return -math.inf, float(expected.removeprefix("\N{LESS-THAN OR EQUAL TO} ")) + above
    return expected - below, expected + above


def band(claim: Claim) -> tuple[float, float]:
    return ends(claim["expected"], claim["within"])


def judged(claim: Claim) -> str:
    """Return the verdict once more: how many of the interval's ends are in the band, and where."""
    least, most = band(claim)
    inside = [least <= end <= most for end in (claim["low"], claim["high"])]
    if all(inside):
        return str(claim["conclusion"])
    apart = max(claim["low"], least) > min(claim["high"], most)
    return "contradicted" if apart else "undecided"


def test_every_claim_is_computed_twice_and_in_its_place(claims: dict[str, Claim]) -> None:
    shown = [(claim["page"], key) for key, claim in claims.items()]
    assert shown == [(page, key) for page in EVERY_PAGE for of, key in CLAIMED if of == page]


@pytest.mark.parametrize("page", SECONDS)
def test_every_claim_has_its_band_and_its_verdict(page: str) -> None:
    second = SECONDS[page]
    assert set(second.bands) == set(second.verdicts) == set(second.claimed)


@pytest.mark.parametrize(("page", "key"), CLAIMED)
def test_a_claim_keeps_the_band_that_was_fixed(
    claims: dict[str, Claim], page: str, key: str
) -> None:
    claim = claims[key]
    assert (claim["expected"], claim["within"]) == SECONDS[page].bands[key]


@pytest.mark.parametrize(("page", "key"), CLAIMED)
def test_a_claim_says_what_was_measured(claims: dict[str, Claim], page: str, key: str) -> None:
    claim = claims[key]
    agree([claim[name] for name in ("measured", "low", "high")], of_claim(CLAIMED[page, key]))


@pytest.mark.parametrize(("page", "key"), CLAIMED)
def test_a_verdict_follows_from_its_numbers(claims: dict[str, Claim], page: str, key: str) -> None:
    claim = claims[key]
    assert claim["verdict"] == judged(claim)
    assert (claim["verdict"], bool(claim["assumptions"])) == SECONDS[page].verdicts[key]


@pytest.mark.parametrize(("page", "key"), CLAIMED)
def test_a_broken_number_breaks_the_verdict(claims: dict[str, Claim], page: str, key: str) -> None:
    claim = claims[key]
    least, most = band(claim)
    inside = most if math.isinf(least) else (least + most) / 2
    width = 1 + abs(most)
    for low, high, expected in (
        (most + 0.5 * width, most + width, "contradicted"),
        (least - width, least - 0.5 * width, "contradicted"),
        (inside, most + width, "undecided"),
        (least - width, inside, "undecided"),
        (inside, inside, claim["conclusion"]),
    ):
        if math.isinf(low):  # below an upper bound nothing is wrong
            continue
        spoilt = {**claim, "measured": low, "low": low, "high": high}
        found = verdict(claim["conclusion"], low, low, high, least, most)
        assert found == judged(spoilt) == expected
