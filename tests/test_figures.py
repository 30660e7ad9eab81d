"""Figures: the palette, the canvas, and a picture's SVG as it stands in a page."""

from __future__ import annotations

import io
import math
import re
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from coupled_flows.display import figures
from coupled_flows.display.figures import DASHES, INK, MARKERS, PALETTE, STYLE, Picture, canvas
from coupled_flows.display.panels import AS_DRAWN

ROOT = Path(__file__).resolve().parent.parent

SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
ALT = "Two curves fall together, one <dashed> & one \"plain\", 'both' red."


def drawn(scale: float = 1.0) -> Figure:
    figure, ax = canvas()
    x = np.linspace(0.0, 3.0, 40)
    ax.plot(x, scale * np.exp(-x), label=r"$e^{-x}$ & co", marker="o")
    ax.plot(x, scale * np.exp(-2 * x), label="a < b")
    ax.fill_between(x, 0, scale * np.exp(-x), alpha=0.2)
    ax.set(xlabel="time", ylabel=r"$W_2$ (radians)", title="Decay", yscale="log")
    ax.legend()
    assert isinstance(figure, Figure)
    return figure


def raw(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


# -- palette ---------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2: linear light, weighted as the eye does."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def lightness(light: float) -> float:
    """L* of CIE 1976, 0 for black and 100 for white."""
    return 116 * light ** (1 / 3) - 16 if light > (6 / 29) ** 3 else light * (29 / 3) ** 3


def test_contrast_of_colours_whose_contrast_is_known() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48  # the grey that just fails WCAG's AA


@pytest.mark.parametrize("page", ["#ffffff", "#121212"])
@pytest.mark.parametrize("colour", PALETTE)
def test_colours_are_seen_on_a_white_and_on_a_dark_page(colour: str, page: str) -> None:
    assert contrast(colour, page) >= 3  # WCAG 1.4.11, for graphics


def test_colours_differ_in_grey() -> None:
    # 3:1 on both pages leaves L* between the two below: 41 to 62. Five colours can be 5.2 apart
    # there; four just noticeable differences is what is asked.
    least = lightness(3 * (luminance("#121212") + 0.05) - 0.05)
    most = lightness(1.05 / 3 - 0.05)
    assert (most - least) / (len(PALETTE) - 1) > 4
    shades = [lightness(luminance(colour)) for colour in PALETTE]
    assert min(abs(a - b) for a, b in combinations(shades, 2)) >= 4, shades


def test_colours_of_a_dark_page_are_lighter_and_differ_in_grey() -> None:
    sheet = (ROOT / "book" / "_static" / "book.css").read_text(encoding="utf8")
    rule = re.compile(
        r'dark"\] \.picture-frame \[style\*="(stroke|fill): (#\w+)"\] \{ \1: (#\w+) !important; \}'
    )
    strokes, fills = (
        {colour: seen for what, colour, seen in rule.findall(sheet) if what == kind}
        for kind in ("stroke", "fill")
    )
    assert strokes == fills
    assert strokes.keys() < {*PALETTE}
    shown = [strokes.get(colour, colour) for colour in PALETTE]
    assert min(contrast(colour, "#121212") for colour in shown) >= 4.5
    shades = [lightness(luminance(colour)) for colour in shown]
    assert min(abs(a - b) for a, b in combinations(shades, 2)) >= 4, shades


def test_a_series_has_a_marker_and_a_dash_of_its_own_too() -> None:
    assert len({*PALETTE}) == len({*MARKERS}) == len({*map(str, DASHES)}) == len(PALETTE)
    cycle = STYLE["axes.prop_cycle"].by_key()
    assert (tuple(cycle["color"]), tuple(cycle["linestyle"])) == (PALETTE, DASHES)


# -- canvas ----------------------------------------------------------------------------------------


def test_a_canvas_has_the_size_and_the_axes_it_was_asked_for() -> None:
    figure, axes = canvas(2, 3, size=(6.0, 4.0))
    assert axes.shape == (2, 3)
    assert tuple(figure.get_size_inches()) == (6.0, 4.0)
    figure, ax = canvas()
    assert [*figure.axes] == [ax]
    assert to_hex(ax.xaxis.label.get_color()) == INK
    assert [line.get_color() for line in (*ax.plot([1, 2]), *ax.plot([1, 2]))] == [*PALETTE[:2]]


@pytest.mark.parametrize("bad", [{"rows": 0}, {"columns": -1}, {"rows": 1.5}, {"size": (0.0, 1.0)}])
def test_a_canvas_without_axes_is_refused(bad: dict[str, Any]) -> None:
    name = {"rows": "rows", "columns": "columns", "size": "size"}[next(iter(bad))]
    with pytest.raises((ValueError, TypeError), match=name):
        canvas(**bad)


# -- the SVG ---------------------------------------------------------------------------------------


def ids(svg: str) -> set[str]:
    return set(re.findall(r'\bid="([^"]*)"', svg))


def test_the_svg_is_well_formed_xml() -> None:
    root = ET.fromstring(Picture(drawn(), alt=ALT).svg())
    assert root.tag == f"{SVG}svg"


def test_every_reference_stays_inside_the_picture() -> None:
    svg = Picture(drawn(), alt=ALT).svg()
    targets = re.findall(r'href="([^"]*)"', svg) + re.findall(r"url\(([^)]*)\)", svg)
    assert targets
    assert {target[0] for target in targets} == {"#"}
    assert {target[1:] for target in targets} <= ids(svg)
    # the names of XML's own vocabularies are no addresses
    assert "://" not in re.sub(r'\bxmlns(:\w+)?="[^"]*"', "", svg)
    assert "font" not in svg  # letters are shapes, so they need none
    assert not re.search(r"<(text|image|script|foreignObject|metadata|!DOCTYPE)\b", svg)


def test_no_id_is_shared_by_two_pictures_nor_used_twice_in_one() -> None:
    found = [
        Picture(drawn(), alt=ALT).svg(),
        Picture(drawn(), alt=ALT + " Again.").svg(),  # the same figure, said otherwise
        Picture(drawn(2.0), alt=ALT).svg(),  # another figure, described in the same words
    ]
    for svg in found:
        every = re.findall(r'\bid="([^"]*)"', svg)
        assert len(every) == len(set(every)) > 10
    for one, other in combinations(found, 2):
        assert not ids(one) & ids(other)


def test_a_picture_is_the_same_each_time() -> None:
    picture = Picture(drawn(), alt=ALT)
    assert picture.svg() == picture.svg() == Picture(drawn(), alt=ALT).svg()


def test_ink_is_the_colour_of_the_page() -> None:
    figure = drawn()
    svg = Picture(figure, alt=ALT).svg()
    assert INK in raw(figure)
    assert INK not in svg
    assert svg.count("currentColor") == raw(figure).count(INK)
    assert "#000000" not in svg  # what is neither ink nor palette is a half-transparent grey
    assert set(re.findall(r"#[0-9a-f]{6}\b", re.sub(r'(href="|url\()#[^")]*', "", svg))) <= {
        *PALETTE,
        "#808080",
    }


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_what_is_seen_is_said_whatever_it_says(words: str) -> None:
    alt = f"What is seen here is this: {words}"
    figure, _ = canvas(size=(1.0, 1.0))
    tag = BeautifulSoup(Picture(figure, alt=alt).svg(), "html.parser").find("svg")
    assert tag is not None
    assert (tag["role"], tag["aria-label"]) == ("img", alt)


def test_the_picture_fits_its_column_and_keeps_its_shape() -> None:
    picture = Picture(drawn(), alt=ALT)
    opening = picture.svg().split(">", 1)[0]
    assert "max-width:691px" in opening  # 7.2 inches of 96
    assert 'viewBox="0 0 518.4 230.4"' in opening
    assert not re.search(r'\b(width|height)="', opening)
    frame = BeautifulSoup(picture._repr_html_(), "html.parser").find("div")
    assert frame is not None
    assert frame["tabindex"] == "0"
    assert "\n" not in picture._repr_html_()  # Markdown would end an HTML block at an empty line
    assert repr(picture) == f"Picture: {ALT}"


def transforms(svg: str) -> list[tuple[str, list[float]]]:
    found = re.findall(r'transform="([^"]*)"', svg)
    return [
        (name, [float(number) for number in numbers.split()])
        for whole in found
        for name, numbers in re.findall(r"(\w+)\(([^)]*)\)", whole)
    ]


def test_shorter_numbers_leave_every_letter_its_shape_and_place() -> None:
    figure = drawn()
    after = transforms(Picture(figure, alt=ALT).svg())
    before = transforms(raw(figure))  # after what Picture does to logarithmic axes
    assert len(before) > 50
    assert [name for name, _ in before] == [name for name, _ in after]
    for (name, exact), (_, short) in zip(before, after, strict=True):
        if name == "translate":
            # hundredths: of a point on the page, of a hundredth of an em within a word
            np.testing.assert_allclose(short, exact, rtol=0, atol=0.00501)
        else:
            # four digits: half a unit of the last is at most 5e-4
            np.testing.assert_allclose(short, exact, rtol=1e-3, atol=0)


def test_shorter_numbers_leave_every_curve_in_place() -> None:
    figure = drawn()

    def curves(svg: str) -> list[float]:
        paths = re.findall(r'<path d="([^"]*)"', svg)
        return [float(number) for path in paths for number in re.findall(r"-?\d+\.?\d*", path)]

    after = curves(Picture(figure, alt=ALT).svg())
    before = curves(raw(figure))
    assert len(before) > 100
    np.testing.assert_allclose(after, before, rtol=0, atol=0.00501)  # hundredths of a point
    assert math.fsum(map(len, re.findall(r"\d+\.\d{4,}", Picture(figure, alt=ALT).svg()))) < len(
        re.findall(r"\d+\.\d{4,}", raw(figure))
    )


def test_small_numbers_are_still_numbers() -> None:
    figure, ax = canvas(size=(2.0, 2.0))
    ax.plot([0, 1], [0, 1], linewidth=1.23456e-3, alpha=0.000123456)
    svg = Picture(figure, alt=ALT).svg()
    style = re.search(r"stroke-opacity: ([^;\"]*)", svg[svg.index("line2d_1") :])
    widths = [float(number) for number in re.findall(r"stroke-width: ([^;\"]*)", svg)]
    assert style is not None
    assert any(math.isclose(width, 1.23456e-3, rel_tol=1e-3) for width in widths)
    opacities = [float(number) for number in re.findall(r"stroke-opacity: ([^;\"]*)", svg)]
    assert any(math.isclose(opacity, 1.23456e-4, rel_tol=1e-2) for opacity in opacities)


# -- its panels ------------------------------------------------------------------------------------


def beside(rows: int = 1, columns: int = 2) -> tuple[Figure, Any]:
    figure, axes = canvas(rows, columns)
    for ax in np.ravel(axes):
        ax.plot([0, 1], [1, 2], label="a line")
        ax.set(xlabel="time", ylabel="height")
    return figure, axes


def where(figure: Figure) -> list[tuple[float, ...]]:
    """Return what a phone moves: across, down and scale of each axes."""
    made = Picture(figure, ALT)._repr_html_()
    found = re.findall(r'class="picture-panel" style="--at:([^"]*)"', made)
    assert ('tabindex="0" style="--rows:' in made) == ("<style>" in made) == bool(found)
    assert "\ue002" not in made
    return [tuple(map(float, re.findall(r"-?[\d.]+", at))) for at in found]


def test_panels_go_below_each_other_on_a_phone() -> None:
    (x, y, scale), (right, below, same) = where(beside()[0])
    assert 2 <= scale == same < 2.2  # half the width or less becomes the whole width
    assert x - right == pytest.approx(scale * 518.4 / 2, abs=5)
    assert scale * 190 < below - y < scale * 240


def test_each_column_is_a_panel() -> None:
    up, over, down, under = where(beside(rows=2)[0])
    assert up == down != over == under


# What a panel does not have for itself.
SHARED: dict[str, Any] = {
    "ticks": lambda figure, axes: axes[1].tick_params(labelleft=False),
    "a label": lambda figure, axes: axes[1].set_ylabel(""),
    "a legend": lambda figure, axes: figure.legend(["a line"]),
}


@pytest.mark.parametrize("name", SHARED)
def test_panels_that_need_each_other_stay_side_by_side(name: str) -> None:
    figure, axes = beside()
    assert len(where(figure)) == 2
    SHARED[name](figure, axes)
    assert where(figure) == []


def test_a_globe_stands_above_a_curve() -> None:
    figure, (globe, _) = beside()
    globe.set_ylabel("")
    globe.axis("off")
    assert len(where(figure)) == 2


def test_one_panel_stays_as_it_is() -> None:
    assert where(drawn()) == []
    figure = Figure()
    figure.add_axes((0.1, 0.1, 0.8, 0.8))
    assert where(figure) == []


def test_panels_change_nothing_but_where_they_are_on_a_phone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figure, _ = beside()
    before = figure.dpi
    shown = Picture(figure, ALT).svg()
    assert figure.dpi == before
    monkeypatch.setattr(figures, "stack_alone", lambda figure: AS_DRAWN)
    other = Picture(beside()[0], ALT).svg()
    shown, count = re.subn(r' class="picture-panel" style="[^"]*"', "", shown)
    assert count == 2
    assert re.sub("p[0-9a-f]{8}-", "", shown) == re.sub("p[0-9a-f]{8}-", "", other)


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("figure", [None, 1, "figure", Figure])
def test_a_picture_needs_a_figure(figure: Any) -> None:
    with pytest.raises(TypeError, match=r"^figure must be .*got "):
        Picture(figure, alt=ALT)


@given(st.one_of(st.none(), st.integers(), st.binary(), st.lists(st.text())))
def test_alt_is_a_string(alt: Any) -> None:
    with pytest.raises(TypeError, match=r"^alt must be .*got "):
        Picture(Figure(), alt=alt)


@given(st.lists(st.from_regex(r"\w{1,8}", fullmatch=True), max_size=5))
def test_alt_is_a_sentence(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^alt must be a sentence .*got "):
        Picture(Figure(), alt=" ".join(words))


@pytest.mark.parametrize(
    ("high", "labels", "minor"),
    [
        (2e-2, ["10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²"], 0),
        (1e-4, ["10⁻⁶", "10⁻⁵", "10⁻⁴"], 3 * 8),
        (7e-7, ["2×10⁻⁷", "3×10⁻⁷", "4×10⁻⁷", "6×10⁻⁷"], 6),
    ],
)
def test_powers_of_ten_are_plain_text(high: float, labels: list[str], minor: int) -> None:
    figure, ax = canvas()
    ax.set(yscale="log", ylim=(1.5e-7, high))
    Picture(figure, alt=ALT).svg()
    low, high = ax.get_ylim()
    ticks = [*ax.yaxis.get_major_ticks(), *ax.yaxis.get_minor_ticks()]
    said = [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high]
    assert not any("$" in text for text in said)
    assert [text for text in said if text] == labels
    assert len([y for y in ax.get_yticks(minor=True) if low <= y <= high]) == minor


def test_whole_powers_and_fractions_of_a_decade() -> None:
    label = figures._Powers(labelOnlyBase=False, minor_thresholds=(np.inf, np.inf))
    label.create_dummy_axis()
    said = [label(x) for x in (1e-10, 1.0, 10.0, 5e3, 1e23)]
    assert said == ["10⁻¹⁰", "10⁰", "10¹", "5×10³", "10²³"]


def test_minus_signs_in_all_words_of_a_figure_and_in_no_tex() -> None:
    figure, ax = canvas()
    ax.plot([0, 1], [0, 1], label="slope -0.5 [-1, 0]")
    ax.set(xlabel="from -a", ylabel="f(-x)", title="U = -z, $-e^{-x}$ -1")
    ax.annotate("-2", (0.5, 0.5))
    ax.legend(title="at -3")
    figure.suptitle("-4 half-way")
    words = re.findall("<!-- (.*?) -->", Picture(figure, alt=ALT).svg())
    assert {
        "slope −0.5 [−1,\xa00]", "from −a", "f(−x)", "U = −z, $-e^{-x}$ −1", "−2", "at −3",
        "−4 half-way",
    } <= set(words)  # fmt: skip


def test_axes_that_are_not_logarithmic_are_left_alone() -> None:
    figure, ax = canvas()
    ax.set_xscale("log")
    own = FuncFormatter(lambda x, _: f"{x:g} m")
    ax.xaxis.set_major_formatter(own)
    before = ax.yaxis.get_major_formatter()
    Picture(figure, alt=ALT).svg()
    assert ax.xaxis.get_major_formatter() is own
    assert ax.yaxis.get_major_formatter() is before
