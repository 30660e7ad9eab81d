"""What a page needs: the edition's switch, numbers for the prose, tables as HTML and as text."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows import fit_order
from coupled_flows.display import page
from coupled_flows.display.page import Table, choose, quote, typeset

VARIABLE = "COUPLED_FLOWS_EDITION"
text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


# -- the switch ------------------------------------------------------------------------------------


def edition(value: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: word for name, word in os.environ.items() if name != VARIABLE}
    if value is not None:
        environment[VARIABLE] = value
    code = (
        "from coupled_flows.display import page; print(page.EDITION, page.choose(quick=1, full=2))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [("quick", "quick 1"), ("full", "full 2"), (None, "full 2"), ("", "full 2")],
)
def test_the_environment_chooses_the_edition(value: str | None, said: str) -> None:
    done = edition(value)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, said, "")


@pytest.mark.parametrize("value", ["fast", "Quick", "quick "])
def test_another_word_is_refused_and_named(value: str) -> None:
    done = edition(value)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == (
        f"ValueError: the environment variable {VARIABLE} must be one of 'quick', 'full';"
        f" got {value!r}"
    )


@pytest.mark.parametrize(("command", "shown"), [("IPython", "0.5"), ("code", "np.float64(0.5)")])
def test_a_page_shows_plain_numbers_and_a_script_is_left_alone(command: str, shown: str) -> None:
    code = "import coupled_flows.display.page, numpy; print(repr(numpy.float64(0.5)))"
    words = [sys.executable] + (["-m", "IPython", "--quick"] if command == "IPython" else [])
    done = subprocess.run([*words, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, shown)


@pytest.mark.parametrize(("word", "size"), [("quick", [1]), ("full", "many")])
def test_choose_returns_the_size_itself(
    monkeypatch: pytest.MonkeyPatch, word: str, size: object
) -> None:
    monkeypatch.setattr(page, "EDITION", word)
    given_sizes: dict[str, Any] = {"quick": [1], "full": "many", word: size}
    assert choose(**given_sizes) is size


@pytest.mark.parametrize("name", ["quick", "full"])
def test_choose_needs_both_sizes_by_name(name: str) -> None:
    other: Any = {"quick": {"full": 1}, "full": {"quick": 1}}[name]
    with pytest.raises(TypeError, match=name):
        choose(**other)
    with pytest.raises(TypeError):
        choose(1, 2)  # type: ignore[call-arg]


# -- numbers for the prose -------------------------------------------------------------------------


def test_quote_keeps_plain_numbers_and_whole_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, object] = {}

    def glue(name: str, value: object, display: bool = True) -> None:
        assert not display  # a quotation is in the prose, not under the cell
        kept[name] = value

    monkeypatch.setattr("myst_nb.glue", glue)
    order = fit_order([0.5, 0.25], [0.5, 0.25])
    quote(a=np.float64(0.1), b=np.int64(3), c=np.float32(0.5), d=2.5, e=order, f=np.bool_(True))
    # {glue:text}`a:.3f` reads the repr, and NumPy's own is not a number
    shown = {"a": "0.1", "b": "3", "c": "0.5", "d": "2.5", "e": "1.000 [1.000, 1.000]", "f": "True"}
    assert {name: repr(value) for name, value in kept.items()} == shown
    assert kept["e"] is order
    assert list(kept) == list(shown)


# -- tables ----------------------------------------------------------------------------------------


def read(table: Table) -> Tag:
    found = BeautifulSoup(table._repr_html_(), "html.parser").find("table")
    assert isinstance(found, Tag)
    return found


def typed(text: object) -> str:
    for shown, key in {"\N{MINUS SIGN}": "-", "\N{NO-BREAK SPACE}": " ", "’": "'"}.items():
        text = str(text).replace(shown, key)
    return str(text)


@given(st.data(), st.integers(1, 4), st.integers(0, 3))
def test_any_text_comes_back_from_the_html(data: st.DataObject, columns: int, rows: int) -> None:
    row = st.lists(text, min_size=columns, max_size=columns)
    names = st.lists(text.filter(str.strip), min_size=columns, max_size=columns)
    header, caption = data.draw(names), data.draw(text)
    body = data.draw(st.lists(row, min_size=rows, max_size=rows))
    table = read(Table(header, body, caption=caption))
    assert [typed(cell.get_text()) for cell in table.select("thead th")] == [*map(typed, header)]
    cells = [[typed(cell.get_text()) for cell in row] for row in table.select("tbody tr")]
    assert cells == [[*map(typed, row)] for row in body]
    assert typed(table.select("caption")[0].get_text()) == typed(caption)
    assert table.parent is not None
    assert typed(table.parent["aria-label"]) == typed(caption)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("-0.6667", "−0.6667"),
        ("by -3, to -.5", "by −3, to −.5"),
        ("1.5e-07", "1.5e−07"),
        ("-0.186 [-0.2, -1e-3]", "−0.186 [−0.2,\xa0−1e−3]"),
        ("U = -z, (-x)", "U = −z, (−x)"),
        ("2026-04-17, half-way, x-1, (a)-b, e-mail", "2026-04-17, half-way, x-1, (a)-b, e-mail"),
        ("--quick -> a - b", "--quick -> a - b"),
        ("the walk's 'a', f'", "the walk’s 'a', f'"),
    ],
)
def test_words_have_minus_signs_and_apostrophes(written: str, shown: str) -> None:
    assert typeset(written) == shown
    table = Table([written], [[written]], caption="Signs.")
    said = [cell.get_text().replace("\xa0", " ") for cell in read(table).select("th")]
    assert said == [shown.replace("\xa0", " ")] * 2
    assert written in repr(table)  # which is text, to be copied


@pytest.mark.parametrize(
    ("written", "in_prose", "in_a_cell"),
    [
        ("0.51 ± 0.006", "0.51~±~0.006", "0.51~±~0.006"),
        ("0.3 ± 0.1 (0.1 to 0.5)", "0.3~±~0.1 (0.1 to 0.5)", "0.3~±~0.1 (0.1~to~0.5)"),
        ("1.5 [1.25, 2]", "1.5 [1.25,~2]", "1.5 [1.25,~2]"),
        ("1 0; 0 1", "1 0; 0 1", "1~0; 0~1"),
        ("h = 1/8", "h = 1/8", "h~=~1/8"),
        ("at most 12 % of 3", "at most 12~% of 3", "at most 12~% of 3"),
        ("exact, h = 1/4", "exact, h = 1/4", "exact, h~=~1/4"),
        ("limit of ε → 0", "limit of ε → 0", "limit of ε~→~0"),
        ("0.5 cos 2x + 0.3 sin x, 2", "0.5 cos 2x + 0.3 sin x, 2", "0.5 cos~2x + 0.3 sin~x, 2"),
    ],
)
def test_no_end_of_a_line_parts_a_value(written: str, in_prose: str, in_a_cell: str) -> None:
    assert typeset(written) == in_prose.replace("~", "\N{NO-BREAK SPACE}")
    table = Table(["a name"], [[written]], caption="Values.")
    cell = read(table).select("tbody th")[0].get_text()
    assert cell == in_a_cell.replace("~", "\N{NO-BREAK SPACE}")
    assert written in repr(table)


def test_markup_in_a_cell_is_text() -> None:
    evil = '<script>alert("1")</script> & "quoted" \'single\''
    shown = Table([evil], [[evil]], caption=evil)._repr_html_()
    assert "<script" not in shown
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert {name for name, _ in attrs} <= {"class", "scope", "tabindex", "role",
                                                   "aria-label"}  # fmt: skip

    Reader().feed(shown)
    assert tags == ["div", "table", "caption", "thead", "tr", "th", "tbody", "tr", "th"]


def test_headers_say_what_they_head() -> None:
    table = read(Table(["walk", "1/8", "1/16"], [["a", 1, 2], ["b", 3, 4]], caption="Numbers."))
    assert [th.get("scope") for th in table.select("thead th")] == ["col"] * 3
    for row in table.select("tbody tr"):
        kinds = [(cell.name, cell.get("scope")) for cell in row.find_all(True)]
        assert kinds == [("th", "row"), ("td", None), ("td", None)]
    frame = table.parent
    assert frame is not None
    assert (frame["role"], frame["tabindex"]) == ("region", "0")  # scrolls by keyboard


def test_a_table_as_text_has_straight_columns() -> None:
    table = Table(["walk", "order"], [["geodesic", 1.0], ["Barker", "0.98"]], caption="Orders.")
    assert repr(table) == "walk      order\ngeodesic  1.0\nBarker    0.98"


def test_rows_may_come_from_a_generator_and_are_read_once() -> None:
    table = Table(["n", "square"], ([n, n * n] for n in range(3)), caption="Squares.")
    assert repr(table).count("\n") == 3
    assert len(read(table).select("tbody tr")) == 3
    assert repr(table).count("\n") == 3


@given(st.integers(1, 4), st.integers(0, 6))
def test_a_ragged_row_is_refused(columns: int, cells: int) -> None:
    header = [f"column {i}" for i in range(columns)]
    rows = [["good"] * columns, ["bad"] * cells]
    if cells == columns:
        Table(header, rows, caption="Even.")
        return
    with pytest.raises(ValueError, match=rf"rows must have {columns} cells; got \["):
        Table(header, rows, caption="Ragged.")


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(ValueError, match=r"header must .*got "):
        Table([], [[]], caption="Nothing.")


@pytest.mark.parametrize("header", [["", "order"], ["walk", " "]])
def test_every_column_of_a_table_has_a_name(header: list[str]) -> None:
    with pytest.raises(ValueError, match=r"header must name every column, .*; got \["):
        Table(header, [["geodesic", 1]], caption="A column without a name.")
