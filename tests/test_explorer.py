"""Explorers: every frame as if drawn alone, in words too, with a kernel and without."""

from __future__ import annotations

import ast
import gzip
import json
import re
import symtable
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Circle, ConnectionPatch
from playwright.sync_api import Browser, Page

from coupled_flows import explore
from coupled_flows.display import explorer as room
from coupled_flows.display.changes import Drawing, plain
from coupled_flows.display.explorer import Explorer
from coupled_flows.display.figures import INK, framed, owned
from coupled_flows.display.live import LiveExplorer
from coupled_flows.display.studio import Scene, Studio
from tools.pages import notebook, pages

ROOT = Path(__file__).resolve().parent.parent
BOOK = {page.name: read for page in pages(ROOT) if (read := notebook(page)) is not None}

ANGLES = np.linspace(0, 2 * np.pi, 200)
STEPS = 2.0 ** -np.arange(6, 0.9, -0.25)


def two_panels(ax: Any, h: float) -> None:
    left, right = ax
    left.fill_between(ANGLES, np.exp(np.cos(ANGLES)), alpha=0.3, label="diffusion")
    left.plot(ANGLES, np.exp(np.cos(ANGLES + h)), label=f"walk, h = {h:.3g}")
    left.set(xlim=(0, 6.3), ylim=(0, 3), xlabel="angle (radians)", ylabel="density")
    left.legend(loc="upper center")
    right.loglog(STEPS, STEPS / 10, "o")
    right.plot(h, h / 10, "s")
    right.set(xlim=(1e-2, 1), ylim=(1e-3, 1), xlabel="step $h$", title=f"{h / 10:.3f}")


def far(h: float) -> str:
    return f"With the step {h:.3g} the laws are {h / 10:.3g} apart."


def of_a_kind(ax: Any, beta: float, kind: str) -> None:
    # limits are left to Matplotlib, and what is drawn is not of one length
    ax.plot(ANGLES[::4], np.exp(beta * np.cos(ANGLES[::4])), label=kind)
    for k in range(int(beta)):
        ax.plot(k, k, "os^"[k])
    if kind == "log det":
        ax.text(1, 2, "det")
        ax.legend(loc="upper right")


def peak(beta: float, kind: str) -> str:
    return f"With {kind} at <beta> {beta} & more the peak is {np.exp(beta):.2f} high."


def scattered(ax: Any, n: int) -> None:
    x = np.linspace(0, 1, n)
    ax.scatter(x, x**2, c=x, cmap="viridis")
    ax.set(xlim=(0, n), ylim=(1, -1), title=f"{n} points")


CASES: dict[str, dict[str, Any]] = {
    "one slider": {
        "draw": two_panels,
        "describe": far,
        "title": "Two laws",
        "columns": 2,
        "h": STEPS,
        "start": STEPS[7],
        "labels": {"h": "step h"},
    },
    "a slider and a choice": {
        "draw": of_a_kind,
        "describe": peak,
        "title": 'Wells "in" <two> kinds',
        "size": (4.0, 2.0),
        "start": {"kind": "log det", "beta": 2.0},
        "beta": [0.5, 1.0, 2.0, 3.0],
        "kind": ["log Tr", "log det"],
    },
    "axes that change": {
        "draw": scattered,
        "describe": lambda n: f"There are {n} points on a parabola.",
        "title": "Points",
        "size": (3.0, 2.0),
        "n": [2, 5, 9],
    },
}
PARAMETERS = {
    "one slider": ["h"],
    "a slider and a choice": ["beta", "kind"],
    "axes that change": ["n"],
}
every_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The markup of every case."""
    return {name: explore(**case)._repr_html_() for name, case in CASES.items()}


def states(name: str) -> list[dict[str, Any]]:
    parameters = PARAMETERS[name]
    values = [CASES[name][parameter] for parameter in parameters]
    return [dict(zip(parameters, state, strict=True)) for state in product(*values)]


def table(markup: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json">(.*?)</script>', markup)
    assert found is not None
    return dict(json.loads(found[1]))


def svg(markup: str) -> ET.Element:
    return ET.fromstring(markup[markup.index("<svg") : markup.index("</svg>") + 6])


def at(markup: str, k: int) -> ET.Element:
    """Do to the drawing in the page what explorer.js does."""
    root = svg(markup)
    nodes = {element.get("data-v"): element for element in root.iter()}
    for number, key, template, values, *index in table(markup)["moves"]:
        value = values[index[0][k] if index else k]
        if template:
            words = iter(value.split(" "))
            value = re.sub("~", lambda _: next(words), template)  # noqa: B023
        node = nodes[str(number)]
        if key:
            node.set(key, value)
        else:
            node[:] = list(ET.fromstring(f"<g>{value}</g>"))
    return root


def seen(root: ET.Element) -> list[Any]:
    """What is drawn, in order: references followed, groups that only hold changes taken off."""
    shared = {e.get("id"): e for defs in root.iter("defs") for e in defs}

    def look(element: ET.Element) -> Iterator[Any]:
        held = dict(element.attrib)
        mark = held.pop("data-v", None)
        if held.get("class") == "picture-panel":  # where it goes on a phone
            del held["class"], held["style"]
        used = []
        for key, value in held.items():
            for name in re.findall(r"#([^)\"';]+)", value):
                if name in shared:
                    copy = ET.fromstring(ET.tostring(shared[name]))
                    copy.attrib.pop("id")
                    used.append(ET.tostring(copy))
                    held[key] = value.replace(name, "")
        inside = [item for child in element if child.tag != "defs" for item in look(child)]
        if element.tag == "g" and mark is not None and not held:
            yield from inside
        else:
            yield element.tag, sorted(held.items()), used, inside

    # of the outermost element only the box is drawn
    return [
        root.get("viewBox"),
        [item for child in root if child.tag != "defs" for item in look(child)],
    ]


def alone(name: str) -> dict[int, list[Any]]:
    """Some states drawn whole, one by one, in the places and limits of the start."""
    case = CASES[name]
    scene = Scene(
        case["draw"], case["describe"], case["title"], {}, {}, {},
        case.get("columns", 1), case.get("size", (7.2, 3.2)),
    )  # fmt: skip
    figures = [scene.drawn(state) for state in states(name)]
    scene.same_limits(figures)
    studio = Studio()
    begin = states(name).index(start(name))
    order = [begin, *(k for k in range(0, len(figures), 1 + len(figures) // 8) if k != begin)]
    return {k: seen(Drawing([plain(studio.svg(figures[k]))], 0).root) for k in order}


def start(name: str) -> dict[str, Any]:
    given = CASES[name].get("start", states(name)[0])
    return dict(given) if isinstance(given, dict) else dict.fromkeys(PARAMETERS[name], given)


# -- the frames -----------------------------------------------------------------------------------


@every_case
def test_a_frame_is_as_if_drawn_alone(made: dict[str, str], name: str) -> None:
    expected = alone(name)
    for k, whole in expected.items():
        assert seen(at(made[name], k)) == whole
    different = {json.dumps(whole, default=str) for whole in expected.values()}
    assert len(different) == len(expected)


# What a state may do to its axes: each leaves the ticks where they are, but not how they look.
TOUCHES: dict[str, Callable[[Any], object]] = {
    "a tick's colour": lambda ax: ax.get_xticklabels()[1].set_color("red"),
    "a tick's grid line": lambda ax: ax.get_ygridlines()[2].set_linewidth(3),
    "a tick in a box": lambda ax: ax.get_xticklabels()[0].set_bbox({"facecolor": "C1"}),
    "a tick's size": lambda ax: ax.get_yticklabels()[-1].set_fontsize(4),
    "slanting ticks": lambda ax: ax.set_xticks([0, 0.2, 1], ["a", "b", "c"], rotation=30),
    "longer ticks": lambda ax: ax.tick_params(length=6, direction="in"),
    "minor ticks": lambda ax: ax.minorticks_on(),
    "a label's weight": lambda ax: ax.xaxis.label.set_weight("bold"),
    "a label's angle": lambda ax: ax.yaxis.label.set_rotation(0),
    "a label's distance": lambda ax: ax.set_ylabel("height", labelpad=9),
    "a label's place": lambda ax: ax.xaxis.set_label_coords(0.2, -0.1),
    "a label's end": lambda ax: ax.set_xlabel("time", loc="right"),
    "a label in a box": lambda ax: ax.xaxis.label.set_bbox({"facecolor": "C1"}),
    "no label": lambda ax: ax.xaxis.label.set_visible(False),
    "faint ticks": lambda ax: ax.xaxis.set_alpha(0.3),
    "ticks on top": lambda ax: ax.xaxis.tick_top(),
    "an offset": lambda ax: ax.yaxis.set_major_formatter("{x:.1f}"),
    "no axes": lambda ax: ax.axis("off"),
    "nothing at all": lambda ax: ax.set_visible(False),
    "no y axis": lambda ax: ax.yaxis.set_visible(False),
    "no grid": lambda ax: ax.grid(visible=False),
    "a square": lambda ax: ax.set_box_aspect(1),
    "one scale": lambda ax: ax.set_aspect("equal"),
    "an axis in the middle": lambda ax: ax.spines.bottom.set_position("center"),
    "an axis at zero": lambda ax: ax.spines.left.set_position(("data", 0.4)),
    "curves above all": lambda ax: ax.set_axisbelow(True),
    "axes above all": lambda ax: ax.set_axisbelow(False),
    "a grey axis": lambda ax: ax.xaxis.label.set_color("grey"),
    "an axis upside down": lambda ax: ax.invert_yaxis(),
    "anew": lambda ax: (ax.clear(), ax.plot([0, 1], [0, 1])),
    "a group": lambda ax: ax.plot([0, 1], [1, 0], gid="same-0x"),
    "an inset": lambda ax: ax.inset_axes([0.6, 0.6, 0.3, 0.3]),
    "a second axis": lambda ax: ax.secondary_xaxis("top"),
    "a clip": lambda ax: ax.lines[0].set_clip_path(Circle((90, 90), 40)),
    "hatches": lambda ax: ax.bar([0.2, 0.6], [0.5, 0.9], hatch=["/", "x"]),
    "an image": lambda ax: ax.imshow(np.eye(3), extent=(0, 1, 0, 1), aspect="auto"),
    "a point": lambda ax: ax.scatter([0.3], [0.7], s=80, marker="*"),
    "gaps": lambda ax: ax.plot([0, 0.5, np.nan, 1, np.inf], [0, 1, 2, 3, 4]),
    "words": lambda ax: ax.text(0.1, 0.8, "<b>&\"' ~ # $x^2$ \u00e9"),
}


def touched(ax: Any, done: list[str], k: int) -> None:
    ax.plot([0, 1], [0, 1e-9 + k / 9])
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="time", ylabel="height", title=f"{k}", xscale="linear")
    for name in done:
        TOUCHES[name](ax)
    ax.plot([0.5], [k / 9], "o")


def as_alone(draw: Any, values: list[int], begin: int = 0) -> None:
    """Compare the frames of an explorer with figures that are drawn whole."""
    made = explore(
        draw, title="Axes", describe=lambda k: f"It is {k}.", k=values, start=values[begin],
        size=(3.0, 2.0),
    )._repr_html_()  # fmt: skip
    scene = Scene(draw, str, "Axes", {}, {}, {}, 1, (3.0, 2.0))
    figures = [scene.drawn({"k": k}) for k in values]
    scene.same_limits(figures)
    studio = Studio()
    for i in [begin, *(i for i in range(len(values)) if i != begin)]:
        assert seen(at(made, i)) == seen(Drawing([plain(studio.svg(figures[i]))], 0).root), i
    assert "#b0b0b0" not in made  # Matplotlib's own grid


@pytest.mark.parametrize("name", TOUCHES)
def test_whatever_a_state_does_to_its_axes_is_seen(name: str) -> None:
    for begin in (0, 1):
        as_alone(lambda ax, k: touched(ax, [name] if k == 2 else [], k), [1, 2, 3], begin)


def test_ticks_are_those_after_the_layout() -> None:
    # the second axis takes height, and with less of it there are other ticks
    done = ["an offset", "a second axis"]
    as_alone(lambda ax, k: touched(ax, [done[k]], k), [0, 1], 1)


@settings(max_examples=10)
@given(st.lists(st.lists(st.sampled_from(list(TOUCHES)), max_size=4), min_size=2, max_size=4))
def test_whatever_states_do_together_is_seen(done: list[list[str]]) -> None:
    as_alone(lambda ax, k: touched(ax, done[k], k), list(range(len(done))), len(done) - 1)


def around(ax: Any, k: int) -> None:
    figure = ax.figure
    ax.remove()
    ax = figure.add_subplot(projection="polar")
    ax.plot([0, 1], [0, 1])
    ax.set_theta_offset(k)


def in_space(ax: Any, k: int) -> None:
    figure = ax.figure
    ax.remove()
    ax = figure.add_subplot(projection="3d")
    ax.plot([0, 1], [0, 1], [0, 1])
    ax.view_init(30, 30 * k)


def with_a_bar(ax: Any, k: int) -> None:
    ax.figure.colorbar(ax.imshow(k * np.eye(3)))


def twins(ax: Any, k: int) -> None:
    ax.plot([0, 1], [0, 1])
    ax.twinx().plot([0, 1], [0, 10**k])


@pytest.mark.parametrize("draw", [around, in_space, with_a_bar, twins])
def test_other_axes_are_as_if_drawn_alone(draw: Any) -> None:
    as_alone(draw, [1, 2, 3])


def test_limits_of_twins_are_common_too() -> None:
    scene = Scene(twins, str, "Twins", {}, {}, {}, 1, (3.0, 2.0))
    figures = [scene.drawn({"k": k}) for k in (1, 2)]
    scene.same_limits(figures)
    assert [figure.axes[1].get_ylim()[1] for figure in figures] == pytest.approx([105, 105])


@every_case
def test_the_page_holds_the_start(made: dict[str, str], name: str) -> None:
    begin = states(name).index(start(name))
    assert table(made[name])["start"] == begin
    assert seen(svg(made[name])) == seen(at(made[name], begin))


@every_case
def test_every_state_has_its_words(made: dict[str, str], name: str) -> None:
    described = [CASES[name]["describe"](**state) for state in states(name)]
    assert table(made[name])["words"] == described
    soup = BeautifulSoup(made[name], "html.parser")
    words = CASES[name]["describe"](**start(name))
    # whoever reads on hears them once: a title, the words, the sliders
    assert soup.select_one("svg")["aria-label"] == CASES[name]["title"]  # type: ignore[index]
    assert soup.select_one(".explorer-words").get_text() == words  # type: ignore[union-attr]
    assert not [
        tag for tag in soup.find_all(True) if words in " ".join(map(str, tag.attrs.values()))
    ]
    assert repr(Explorer("", words)) == f"Explorer: {words}"
    for control in soup.select("[type=range]"):
        assert control["aria-valuetext"] == control.find_next("b").get_text()  # type: ignore[union-attr]
        assert soup.select_one(f"label[for={control['id']}]") is not None
    for control in soup.select("[type=radio]"):
        assert control.parent is not None
        assert control.parent.name == "label"


@every_case
def test_nothing_of_a_frame_is_written_twice(made: dict[str, str], name: str) -> None:
    for _, key, template, values, *index in table(made[name])["moves"]:
        assert len(values) == len(set(values)) > 1
        assert not index or (
            len(index[0]) == len(states(name)) and set(index[0]) == set(range(len(values)))
        )
        assert index or len(values) == len(states(name))
        assert not template or key


def test_ids_are_the_same_each_time_and_no_other_explorers(made: dict[str, str]) -> None:
    case = CASES["axes that change"]
    again = explore(**case)._repr_html_()
    assert again == made["axes that change"]
    other = explore(**case | {"describe": lambda n: f"Of {n} points this is the parabola."})
    found = [
        set(re.findall(r'\bid="([^"]+)"', text)) for text in [*made.values(), other._repr_html_()]
    ]
    assert all(found)
    assert max(Counter(name for ids in found for name in ids).values()) == 1
    for text in made.values():
        ids = re.findall(r'\bid="([^"]+)"', text)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(ids)


def test_a_page_can_hold_it(made: dict[str, str]) -> None:
    for text in made.values():
        assert "\n\n" not in text  # Markdown would end a block of HTML there
        assert "\ue000" not in text
        assert INK not in text
        assert "currentColor" in text


def test_frames_have_minus_signs_where_code_has_hyphens() -> None:
    def drawn(sign: str) -> str:
        def draw(ax: Any, n: int) -> None:
            ax.plot([0, n], [0, 1], label=f"slope {sign}{n}")
            ax.set(xlim=(0, 3), title=f"{sign}{n} and $-n$")
            ax.legend(loc="upper left")

        said = f"It is {sign}1."
        return explore(draw, n=[1, 2], title="A line", describe=lambda n: said)._repr_html_()

    assert drawn("-") == drawn("\N{MINUS SIGN}")


# -- its panels ------------------------------------------------------------------------------------


def two(ax: Any, k: int) -> None:
    for panel in ax:
        panel.plot([0, 1], [0, k])
        panel.set(xlim=(0, 1), ylim=(0, 2), xlabel="time", ylabel="height", title=f"{k}")


def across(ax: Any) -> None:
    line = ConnectionPatch((1, 1), (0, 1), ax[0].transData, ax[1].transData)
    line.set_in_layout(False)  # as Matplotlib's manual has it
    ax[1].add_artist(line)


def panels(draw: Any, columns: int = 2) -> list[str]:
    """Where the axes of an explorer go on a phone."""
    made = explore(draw, title="Two", describe=said, columns=columns, k=[1, 2])._repr_html_()
    found = re.findall(r'class="picture-panel" style="--at:([^"]*)"', made)
    assert ('style="--rows:' in made) == bool(found)
    return found


def test_panels_stand_below_each_other_on_a_phone_at_one_scale() -> None:
    found = [[*map(float, re.findall(r"-?[\d.]+", at))] for at in panels(two)]
    (x, y, scale), (right, below, same) = found
    assert scale == same
    assert 518.4 / 259.2 <= scale < 2.2  # half the width or less becomes the whole width
    assert x - right == pytest.approx(scale * 518.4 / 2, abs=5)
    assert scale * 200 < below - y < scale * 250


def test_axes_of_one_panel_go_together() -> None:
    def draw(ax: Any, k: int) -> None:
        two(ax, k)
        ax[1].twinx().plot([0, 1], [0, 10])
        ax[0].inset_axes([0.6, 0.6, 0.3, 0.3])

    left, right, twin = panels(draw)
    assert right == twin != left


# What may happen to two panels, so that they are no longer two.
BINDS: dict[str, Callable[[Any], object]] = {
    "a title of both": lambda ax: ax[0].figure.suptitle("Both"),
    "a legend of both": lambda ax: ax[0].figure.legend(["a line"]),
    "words of one in the other": lambda ax: ax[1].text(-1, 1, "of the left one too"),
    "a colour bar": lambda ax: ax[0].figure.colorbar(ax[0].imshow(np.eye(3))),
    "one taken off": lambda ax: ax[1].remove(),
    "a line across": across,
}


@pytest.mark.parametrize("name", BINDS)
def test_panels_that_cannot_be_told_apart_stay_where_they_are(name: str) -> None:
    def draw(ax: Any, k: int) -> None:
        two(ax, k)
        BINDS[name](ax)

    assert panels(draw) == []


def test_labels_in_the_gap_do_not_hold_panels_together() -> None:
    def draw(ax: Any, k: int) -> None:
        two(ax, k)
        if k == 2:  # the start was laid out without them
            ax[1].set_ylabel("height", labelpad=10)
            ax[0].text(1.02, 0.5, "end")

    assert len(panels(draw)) == 2


@pytest.mark.parametrize("draw", [lambda ax, k: ax.plot([0, k], [0, 1]), with_a_bar])
def test_one_panel_stays_where_it_is(draw: Any) -> None:
    assert panels(draw, columns=1) == []


# -- its weight -----------------------------------------------------------------------------------


def test_an_explorer_is_light(made: dict[str, str]) -> None:
    # 21 frames of a curve of 200 points, a legend, a second panel; 8 frames of another
    weights = {name: len(gzip.compress(text.encode())) for name, text in made.items()}
    assert weights["one slider"] < 22_000
    assert weights["a slider and a choice"] < 10_000
    assert len(room._asset("js")) < 2500
    assert len(room._asset("css")) < 1600


def test_too_much_is_refused() -> None:
    rng = np.random.default_rng(1)

    def draw(ax: Any, k: int) -> None:
        ax.plot(rng.random(4000), rng.random(4000))

    with pytest.raises(ValueError, match=r"^values and draw must make at most 60000 bytes.*got \d"):
        explore(draw, k=range(5), title="Noise", describe=lambda k: f"Noise number {k}.")


# -- what is refused ------------------------------------------------------------------------------


def line(ax: Any, **state: Any) -> None:
    ax.plot([0, 1], [0, 1], linewidth=len(f"{state}"))
    ax.set_title(f"{state}")


def said(**state: Any) -> str:
    return "A line rises from left to right."


@pytest.mark.parametrize("values", [{}, {"a": [1, 2], "b": [1, 2], "c": [1, 2]}])
def test_one_or_two_parameters(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^values must name one or two parameters.*got \d"):
        explore(line, title="A line", describe=said, **values)


def test_too_many_frames_are_refused_before_any_is_drawn() -> None:
    def never(ax: Any, **state: Any) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match=r"^values must make at most 400 frames; got 420$"):
        explore(never, title="A line", describe=said, a=range(20), b=range(21))


@pytest.mark.parametrize(
    "values", [{"a", "b"}, frozenset([1, 2]), [1, 10**400], [0, 10**400], ["a", " a"], ["a", "\n"]]
)
def test_values_have_an_order_and_tell_apart(values: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^k must be at least two increasing num"):
        explore(line, title="A line", describe=said, k=values)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.1, 0.25], ["0.1", "0.25"]),
        ([1 / 3, 0.5, 1000.0], ["0.333", "0.5", "1000"]),
        ([0.3331111, 0.3332222, 1], ["0.333111", "0.333222", "1"]),
        ([1234567, 1234568], ["1234567", "1234568"]),
        ([2**53, 2**53 + 1], ["9007199254740992", "9007199254740993"]),
        ([0.12345678, 0.12345679], ["0.12345678", "0.12345679"]),
        ([2**63, 2**64], ["9.22e+18", "1.84e+19"]),
        (["log \n\n Tr", "log det"], ["log Tr", "log det"]),
    ],
)
def test_no_two_values_are_shown_alike(values: list[Any], shown: list[str]) -> None:
    made = explore(line, title="A line", describe=said, k=values, labels={"k": "a\n\nb"})
    assert table(made._repr_html_())["shown"] == [shown]
    assert "\n\n" not in made._repr_html_()


def test_start_is_no_truth_value() -> None:
    with pytest.raises(ValueError, match=r"^start must be one of k = \[1, 2\]; got True$"):
        explore(line, title="A line", describe=said, k=[1, 2], start=True)


def elsewhere(ax: Any, k: int) -> None:
    plt.figure().add_subplot().plot([0, 1], [0, k])
    plt.close("all")


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (
            elsewhere,
            r"^draw must draw on ax what depends on k; got the same picture at all 2 states$",
        ),
        (
            lambda ax, k: ax.figure.set_size_inches(k, 2),
            r"^draw must leave the figure's size, \(7.2, 3.2\) inches; got \(1, 2\) at k = 1$",
        ),
        (lambda ax, k: ax.remove(), r"^draw must leave as many axes .*, and at least one; got 0$"),
        (lambda ax, k: ax.twinx() if k == 2 else 0, r"^draw must leave as many .*; got 1 or 2$"),
    ],
)
def test_a_picture_is_drawn_where_it_is_looked_for(draw: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        explore(draw, title="A line", describe=said, k=[1, 2])


def test_two_parameters_start_at_a_mapping() -> None:
    with pytest.raises(TypeError, match=r"^start must be a mapping with a, b; got 1"):
        explore(line, title="A line", describe=said, start=1, a=[1, 2], b=[1, 2])


@pytest.mark.parametrize(("what", "doing"), [("draw", "drawing"), ("describe", "describing")])
def test_an_error_says_at_which_state(what: str, doing: str) -> None:
    def fails(*ax: Any, h: float) -> str:
        if h > 0.1:
            raise ZeroDivisionError("nothing to divide by")
        return "It is well here and there."

    functions: dict[str, Any] = {"draw": line, "describe": said} | {what: fails}
    with pytest.raises(ZeroDivisionError) as caught:
        explore(**functions, title="A line", h=[0.1, 0.2])
    assert caught.value.__notes__ == [f"explore was {doing} h = 0.2"]


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import coupled_flows

    monkeypatch.delitem(vars(coupled_flows), "explore", raising=False)
    for name in [name for name in sys.modules if name.startswith("coupled_flows.display.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"^explore needs matplotlib: install coupled"):
        coupled_flows.explore  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'explored'"):
        coupled_flows.explored  # noqa: B018


# -- in a live kernel -----------------------------------------------------------------------------


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel, as `explore` sees one."""
    shell = SimpleNamespace(kernel=object())
    ipython = SimpleNamespace(get_ipython=lambda: shell, version_info=(9, 0))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.delenv("COUPLED_FLOWS_BUILD", raising=False)


def live(**arguments: Any) -> LiveExplorer:
    made = explore(**arguments)
    assert isinstance(made, LiveExplorer)
    return made


@pytest.mark.usefixtures("kernel")
def test_between_two_frames_is_a_third_picture() -> None:
    case = CASES["axes that change"] | {"n": [2.0, 5.0, 9.0]}
    case["draw"] = lambda ax, n: (ax.plot([0, n], [0, 1]), ax.set(xlim=(0, 9), ylim=(0, 1)))
    case["describe"] = lambda n: f"The line ends at {n:g} on the axis."
    made = live(**case)
    shown = {2.0: made._repr_html_()}
    for n in (5.0, 3.7):
        made.controls["n"].value = n
        shown[n] = made._repr_html_()
        assert repr(made) == f"Explorer: Points. The line ends at {n:g} on the axis."
        assert f"The line ends at {n:g} on the axis.</p>" in shown[n]
    assert len(set(shown.values())) == 3
    # each as if drawn alone, in the places of the first
    studio = Studio()
    for n, html in shown.items():
        svg = studio.svg(made._scene.drawn({"n": n}))
        assert framed(owned(svg, "Points", 3.0)) in html


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 5], "IntSlider"),
        ([0.5, 1, 2.5], "FloatSlider"),
        ([0.01, 0.1, 1.0], "FloatLogSlider"),
        (["log Tr", "log det"], "ToggleButtons"),
    ],
)
def test_a_slider_reaches_all_between_the_first_value_and_the_last(
    values: list[Any], kind: str
) -> None:
    made = live(draw=line, describe=said, title="A line", k=values, start=values[1],
                labels={"k": "number"})  # fmt: skip
    control = made.controls["k"]
    assert type(control).__name__ == kind
    assert control.description == "number"
    assert control.value == values[1]
    for value in (values[0], values[-1]):
        control.value = value
        assert control.value == value
    if kind == "IntSlider":
        control.value = 3
        assert type(made._state()["k"]) is int


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(
    "values", [[7e-5, 7e-4, 7e-3], [0.3, 3.0, 30.0], [0.1, 0.2, 0.3], [-0.3, 0.0, 0.3], [1e-9, 1e9]]
)
def test_a_slider_draws_at_the_values_themselves(values: list[float]) -> None:
    drawn = []
    made = live(draw=lambda ax, k: drawn.append(k), describe=said, title="A line", k=values)
    for value in values:
        for rounded in (value - 1e-15 * value, value + 1e-17, value + 1e-15 * value):
            made.controls["k"].value = rounded
            made._drawn()
            assert drawn.pop() == value
    made.controls["k"].value = middle = 0.7 * values[0] + 0.3 * values[1]
    assert drawn.pop() == pytest.approx(middle, rel=1e-12)


@pytest.mark.usefixtures("kernel")
def test_limits_that_are_not_set_grow_and_do_not_shrink() -> None:
    made = live(draw=lambda ax, k: ax.plot([0, 1], [0, k]), describe=said, title="A line",
                k=[1.0, 2.0])  # fmt: skip
    for k, high in ((1.0, 1.0), (2.0, 2.0), (1.5, 2.0)):
        made.controls["k"].value = k
        assert made._before is not None
        assert made._before.axes[0].get_ylim()[1] == pytest.approx(1.05 * high, rel=1e-12)


@pytest.mark.usefixtures("kernel")
def test_an_error_is_seen_and_the_next_value_drawn() -> None:
    def draw(ax: Any, k: float) -> None:
        if k > 1.5:
            raise ZeroDivisionError("nothing <here>")

    made = live(draw=draw, describe=said, title="A line", k=[1.0, 2.0])
    made.controls["k"].value = 1.75
    assert "ZeroDivisionError: nothing &lt;here&gt;" in made._repr_html_()
    assert "explore was drawing k = 1.75" in made._repr_html_()
    made.controls["k"].value = 1.25
    assert "<svg" in made._repr_html_()
    with pytest.raises(ZeroDivisionError):
        explore(draw, describe=said, title="A line", k=[1.0, 2.0], start=2.0)


@pytest.mark.usefixtures("kernel")
def test_it_is_shown_as_widgets() -> None:
    made = live(draw=line, describe=said, title="A line", k=[1.0, 2.0])
    bundle = made._repr_mimebundle_(include=None, exclude=None)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == repr(made)


@pytest.mark.usefixtures("kernel")
def test_a_build_has_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPLED_FLOWS_BUILD", "1")
    assert isinstance(explore(line, describe=said, title="A line", k=[1, 2]), Explorer)


@pytest.mark.usefixtures("kernel")
def test_without_widgets_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ModuleNotFoundError, match=r"explore needs ipywidgets in a live kernel: "):
        explore(line, describe=said, title="A line", k=[1, 2])


def reads(table: symtable.SymbolTable) -> set[str]:
    """The names of the page that a function reads, or one within it."""
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    return own.union(*(reads(inner) for inner in table.get_children()))


@pytest.mark.parametrize("page", BOOK)
def test_no_later_cell_changes_what_an_explorer_draws(page: str) -> None:
    # a live one draws when its slider moves, which may be after all cells have run
    known: dict[str, set[str]] = {}
    needed: set[str] = set()
    for code in [cell.source for cell in BOOK[page].cells if cell.cell_type == "code"]:
        module = symtable.symtable(code, page, "exec")
        assert not needed & {s.get_name() for s in module.get_symbols() if s.is_assigned()}
        known |= {inner.get_name(): reads(inner) for inner in module.get_children()}
        for call in ast.walk(ast.parse(code)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "explore":
                (describe,) = [k.value for k in call.keywords if k.arg == "describe"]
                for given in (call.args[0], describe):
                    asked = ast.unparse(given)
                    if isinstance(given, ast.Lambda):
                        (inner,) = symtable.symtable(asked, page, "eval").get_children()
                        found = reads(inner)
                    else:
                        found = known[asked]
                    while found - needed:
                        needed |= found
                        found = set().union(*(known.get(name, set()) for name in found))


# -- in a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(
    made: dict[str, str], browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Page]:
    """Open a page with two explorers from disk."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Explorers</title>'
        "<style>@media (prefers-color-scheme: dark) { body { color: #ccc } }</style>"
        f"<main><h1>Explorers</h1>{made['one slider']}{made['a slider and a choice']}</main>",
        encoding="utf8",
    )

    def open_page(**options: Any) -> Page:
        page = browser.new_page(**options)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.as_uri())
        assert errors == []
        return page

    return open_page


def test_keys_change_the_picture_and_what_is_said(
    made: dict[str, str], opened: Callable[..., Page]
) -> None:
    page = opened()
    explorer = page.locator("flow-explorer").first
    slider, picture = explorer.get_by_role("slider", name="step h"), explorer.get_by_role("img")
    begin, words = table(made["one slider"])["start"], table(made["one slider"])["words"]
    before = picture.inner_html()
    slider.press("ArrowRight")
    after = picture.inner_html()
    assert before != after
    assert slider.get_attribute("aria-valuetext") == f"0.0625: {words[begin + 1]}"
    assert explorer.locator("b").text_content() == "0.0625"
    assert explorer.locator(".explorer-words").text_content() == words[begin + 1]
    assert picture.get_attribute("aria-label") == "Two laws"
    assert seen(ET.fromstring(f"<svg viewBox='0 0 518.4 230.4'>{after}</svg>")) == seen(
        at(made["one slider"], begin + 1)
    )
    slider.press("ArrowLeft")
    assert picture.inner_html() == before
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == f"0.5: {words[-1]}"
    last = picture.inner_html()
    # on paper stands the start
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert picture.inner_html() == before
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert picture.inner_html() == last
    page.close()


def test_a_choice_is_made_by_keys_and_spoken_once(
    made: dict[str, str], opened: Callable[..., Page]
) -> None:
    page = opened()
    explorer = page.locator("flow-explorer").nth(1)
    text = explorer.locator(".explorer-words")
    assert text.get_attribute("aria-live") == "off"
    assert explorer.get_by_role("radio", name="log det").is_checked()
    slider = explorer.get_by_role("slider", name="beta")
    explorer.get_by_role("radio", name="log det").press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "2"
    assert text.get_attribute("aria-live") == "polite"
    assert text.text_content() == peak(2.0, "log Tr")
    slider.press("ArrowLeft")
    assert text.get_attribute("aria-live") == "off"  # the slider says it
    assert text.text_content() == peak(1.0, "log Tr")
    assert slider.get_attribute("aria-valuetext") == f"1: {peak(1.0, 'log Tr')}"
    slider.blur()  # it stands under the figure for whoever reads on
    assert slider.get_attribute("aria-valuetext") == "1"
    inner = explorer.get_by_role("img").inner_html()
    assert seen(ET.fromstring(f"<svg viewBox='0 0 288 144'>{inner}</svg>")) == seen(
        at(made["a slider and a choice"], 2)
    )
    for control in explorer.locator("input[type=range], .explorer-controls label").all():
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= 44
    page.close()


def test_without_javascript_the_start_stands_alone(
    made: dict[str, str], opened: Callable[..., Page]
) -> None:
    page = opened(java_script_enabled=False)
    for i, name in enumerate(["one slider", "a slider and a choice"]):
        explorer = page.locator("flow-explorer").nth(i)
        assert explorer.get_by_role("img").is_visible()
        assert table(made[name])["words"][table(made[name])["start"]] in explorer.inner_text()
        assert not explorer.locator(".explorer-controls").is_visible()
    page.close()


def test_on_paper_there_are_no_controls_and_in_the_dark_the_ink_is_light(
    opened: Callable[..., Page],
) -> None:
    page = opened(color_scheme="dark", viewport={"width": 390, "height": 844})
    controls = page.locator(".explorer-controls")
    assert controls.first.is_visible()
    ink = "getComputedStyle(document.querySelector('flow-explorer [style*=currentColor]'))"
    assert page.evaluate(f"[{ink}.fill, {ink}.stroke].includes('rgb(204, 204, 204)')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.emulate_media(media="print")
    assert not controls.first.is_visible()
    assert not controls.nth(1).is_visible()
    page.close()


def test_the_same_explorer_stands_on_a_page_twice(
    made: dict[str, str], browser: Browser, tmp_path: Path
) -> None:
    twice = 2 * made["a slider and a choice"]
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    path = tmp_path / "page.html"
    path.write_text(f'<!doctype html><html lang="en"><title>Twice</title>{twice}', encoding="utf8")
    page.goto(path.as_uri())
    first, second = page.locator("flow-explorer").all()
    first.get_by_role("radio", name="log Tr").check()
    second.get_by_role("slider", name="beta").press("End")
    assert first.locator(".explorer-words").text_content() == peak(2.0, "log Tr")
    assert second.locator(".explorer-words").text_content() == peak(3.0, "log det")
    assert errors == []
    page.close()


# What a page has of its first explorer: the height of its least letters, its panels' boxes.
LETTERS = """() => Math.min(...[...document.querySelector("flow-explorer").querySelectorAll(
    ".picture-panel g[transform*=scale]")].map(e => {
        const {a, b} = e.getScreenCTM()
        return 100 * Math.hypot(a, b) }))"""
PANELS = """() => [...document.querySelectorAll(".picture-panel")].map(e => {
    const box = e.getBoundingClientRect()
    return [box.left, box.top, box.right, box.bottom] })"""


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("width", [360, 390, 430])
def test_on_a_phone_panels_stand_one_below_the_other(
    opened: Callable[..., Page], width: int, script: bool
) -> None:
    page = opened(viewport={"width": width, "height": 844}, java_script_enabled=script)
    picture = page.get_by_role("img").first.bounding_box()
    assert picture is not None
    (left, top, right, bottom), (_, below, _, last) = boxes = page.evaluate(PANELS)
    assert bottom < below
    assert right - left > 0.9 * picture["width"]
    assert picture["width"] > 0.9 * (width - 16)  # less the margins of the page
    for box in boxes:
        assert 0 <= picture["x"] <= box[0] < box[2] <= picture["x"] + picture["width"] <= width
    assert picture["y"] <= top < last <= picture["y"] + picture["height"]
    # a letter's size is a hundred units of its shape in Matplotlib's drawings
    assert page.evaluate(LETTERS) >= 9
    # what has a single panel is as it was
    assert page.locator("flow-explorer").nth(1).locator(".picture-panel").count() == 0
    # letters in the picture are no other text than its name
    assert page.get_by_role("img").count() == 2
    page.close()


def test_on_a_phone_one_slider_moves_both_panels(opened: Callable[..., Page]) -> None:
    page = opened(viewport={"width": 390, "height": 844})
    panels = page.locator(".picture-panel").all()
    before = [panel.screenshot() for panel in panels]
    page.get_by_role("slider", name="step h").press("End")
    for panel, old in zip(panels, before, strict=True):
        assert panel.screenshot() != old
    page.close()


def test_on_a_low_screen_the_slider_stays_at_its_foot(opened: Callable[..., Page]) -> None:
    page = opened(viewport={"width": 390, "height": 600})
    box = page.locator("flow-explorer").first.locator("[type=range]").bounding_box()
    picture = page.get_by_role("img").first.bounding_box()
    assert box is not None
    assert picture is not None
    assert box["y"] + box["height"] <= 600 < picture["y"] + picture["height"]
    page.close()


@pytest.mark.parametrize(
    ("width", "media"), [(1280, "screen"), (640, "screen"), (390, "print"), (643, "print")]
)
def test_elsewhere_panels_stand_side_by_side(
    opened: Callable[..., Page], width: int, media: Any
) -> None:
    page = opened(viewport={"width": width, "height": 844})
    page.emulate_media(media=media)
    picture = page.get_by_role("img").first
    before = picture.screenshot()
    page.evaluate("""() => {
        document.querySelector("flow-explorer").removeAttribute("style")
        for (const panel of document.querySelectorAll(".picture-panel"))
            for (const name of ["class", "style"]) panel.removeAttribute(name) }""")
    assert picture.screenshot() == before
    page.close()
