"""The built website: what its HTML says, and what a real browser makes of it."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import chain, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from bs4 import BeautifulSoup, Comment, Tag
from myst_nb.core.read import is_myst_markdown_notebook
from playwright.sync_api import Browser, Locator, Page, expect
from pypdf import PdfReader

from tools.pages import notebook, pages

ROOT = Path(__file__).resolve().parent.parent
BOOK = pages(ROOT)
NAMES = [page.name for page in BOOK]

WEIGHT_LIMIT = 500_000  # bytes, gzipped: a page's own HTML and pictures
SHORTEST, LONGEST = 50, 160  # characters of a description that search engines do not cut
PHONE, DESK = 390, 1280  # CSS pixels

# What the theme itself says or does, by name; anything else fails.
CONSOLE_OF_THE_THEME = {"Got invalid theme mode: . Resetting to auto."}
AXE_OF_THE_THEME = {
    # The theme puts its skip link and its back-to-top button outside the landmarks.
    "region",
}


# --- the HTML ------------------------------------------------------------------------------------


@cache
def read(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf8"), "html.parser")


def article(site: Path, name: str) -> Tag:
    found = read(site / f"{name}.html").find("article")
    assert isinstance(found, Tag)
    return found


def outside(address: str) -> bool:
    return urlsplit(address).netloc != ""


def test_every_page_of_the_contents_is_built_and_no_other(quick_site: Path) -> None:
    assert {path.stem for path in (quick_site / "book").glob("*.html")} == {
        name.removeprefix("book/") for name in NAMES
    }


def test_every_source_page_is_in_the_contents() -> None:
    assert {f"book/{path.stem}" for path in (ROOT / "book").glob("*.md")} == set(NAMES)


@pytest.mark.parametrize("page", BOOK, ids=NAMES)
def test_source_has_the_jupytext_header(page: Any) -> None:
    # Without it the cells of a page are shown and silently not run.
    text = page.path.read_text(encoding="utf8")
    assert is_myst_markdown_notebook(text)
    assert re.search(r"^kernelspec:\n(  .*\n)*  name: python3$", text, re.MULTILINE)


def test_nothing_is_loaded_from_another_host(quick_site: Path) -> None:
    found = []
    for path in quick_site.rglob("*.html"):
        for tag in read(path).find_all(True):
            if tag.name == "a":
                continue
            for attribute in ("src", "href", "srcset", "poster", "data", "action"):
                address = str(tag.get(attribute) or "")
                if outside(address) and tag.get("rel") != ["canonical"]:
                    found.append((path.name, tag.name, address))
            if re.search(r"url\(\s*['\"]?(https?:)?//", str(tag.get("style") or "")):
                found.append((path.name, tag.name, str(tag["style"])))
        for script in read(path).find_all("script", src=False):
            if script.get("type") == "application/ld+json":  # names, and loads nothing
                continue
            found += [
                (path.name, "script", host) for host in re.findall(r"https?://\S+", script.text)
            ]
    assert found == []


def test_no_style_sheet_loads_from_another_host(quick_site: Path) -> None:
    loads = re.compile(r"""(?:url\(|@import)\s*['"]?(?:https?:)?//[^)'";]*""")
    assert [
        (path.name, found)
        for path in quick_site.rglob("*.css")
        for found in loads.findall(path.read_text(encoding="utf8"))
    ] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_image_has_an_alt_text_that_is_a_text(quick_site: Path, name: str) -> None:
    for image in read(quick_site / f"{name}.html").find_all("img"):
        alt = str(image.get("alt", ""))
        assert " " in alt.strip(), f"{image} has no alt text"
        assert not re.search(r"\.(png|svg|jpe?g|gif|webp)$|_images/|^[0-9a-f]{16,}", alt), alt


@pytest.mark.parametrize("name", NAMES)
def test_every_drawing_in_the_page_is_named(quick_site: Path, name: str) -> None:
    for drawing in article(quick_site, name).select(".output svg"):
        named = drawing.get("aria-label") or drawing.get("aria-labelledby") or drawing.find("title")
        inside = drawing.find_parent(attrs={"aria-label": True}) or drawing.find_parent(
            attrs={"aria-hidden": "true"}
        )
        assert named or inside, str(drawing)[:200]


def test_the_search_names_no_section_by_tex(quick_site: Path) -> None:
    index = (quick_site / "searchindex.js").read_text(encoding="utf8")
    titles = json.loads(index[index.index("(") + 1 : index.rindex(")")])["alltitles"]
    assert "What each walk keeps of π" in titles
    assert [title for title in titles if "\\" in title] == []


def test_every_slider_has_a_name_in_words(quick_site: Path) -> None:
    labels = [
        label.get_text()
        for name in NAMES
        for label in article(quick_site, name).select("flow-explorer :is([for], legend)")
    ]
    assert len(labels) > 10
    assert [label for label in labels if not re.search("[a-z]{4}", label)] == []


def test_every_internal_link_leads_somewhere(quick_site: Path) -> None:
    broken = []
    for path in quick_site.rglob("*.html"):
        if path.name == "404.html":  # its links start at the public root, which is not here
            continue
        for link in read(path).find_all("a", href=True):
            address, fragment = urldefrag(str(link["href"]))
            if outside(address) or address.startswith(("mailto:", "javascript:")):
                continue
            target = (path.parent / unquote(address)).resolve() if address else path
            if not target.is_file() or unquote(fragment) not in anchors(target):
                broken.append((path.name, link["href"]))
    assert broken == []


@cache
def anchors(path: Path) -> set[str]:
    """Return what links can lead to in a file, the empty fragment among it."""
    if path.suffix != ".html":
        return {""}
    page = read(path)
    named = {str(tag["name"]) for tag in page.find_all("a", attrs={"name": True})}
    return {"", *named, *(str(tag["id"]) for tag in page.find_all(id=True))}


@pytest.mark.parametrize("name", NAMES)
def test_page_has_a_title_and_a_description_in_words(quick_site: Path, name: str) -> None:
    soup = read(quick_site / f"{name}.html")
    assert soup.title is not None
    heading = article(quick_site, name).find("h1")
    assert isinstance(heading, Tag)
    title = soup.title.get_text().strip()
    if name == NAMES[0]:
        assert title.startswith("Coupled Flows: a companion to ")
    else:
        assert title == f"{heading.get_text().rstrip('#')} \N{EM DASH} Coupled Flows"
    said = set()
    for tag in ('meta[name="description"]', 'meta[property="og:description"]'):
        found = soup.select(tag)
        assert len(found) == 1, f"{name} needs one {tag}: html_meta in its header"
        text = str(found[0]["content"])
        assert SHORTEST <= len(text) <= LONGEST, (len(text), text)
        assert not re.search(r"[\\${}]", text), text  # TeX is no description
        said.add(text)
    assert len(said) == 1


def test_no_two_pages_have_one_title_or_one_description(quick_site: Path) -> None:
    heads = [read(quick_site / f"{name}.html") for name in NAMES]
    for tag in ("title", 'meta[name="description"]'):
        assert len({str(head.select_one(tag)) for head in heads}) == len(NAMES)


def test_no_page_has_an_address_that_nobody_can_reach(quick_site: Path) -> None:
    for name in NAMES:
        soup = read(quick_site / f"{name}.html")
        assert soup.select('[rel="canonical"], [property="og:url"], [property="og:image"]') == []
    assert not any((quick_site / name).exists() for name in ("sitemap.xml", "robots.txt"))


def test_every_page_says_its_language_and_search_engines_skip_what_is_no_page(
    quick_site: Path,
) -> None:
    no_pages = set()
    for path in [*quick_site.glob("*.html"), *quick_site.glob("book/*.html")]:
        soup = read(path)
        assert soup.html is not None
        assert soup.html["lang"] == "en", path.name
        if soup.select('meta[name="robots"][content="noindex"]'):
            no_pages.add(path.name)
    assert no_pages == {"404.html", "search.html"}


def test_the_first_page_says_what_the_book_is_in_the_words_of_search_engines(
    quick_site: Path,
) -> None:
    found = read(quick_site / f"{NAMES[0]}.html").select('script[type="application/ld+json"]')
    assert len(found) == 1
    book = json.loads(found[0].text)
    assert book["@type"] == ["Book", "LearningResource"]
    assert book["isBasedOn"]["url"] == "https://arxiv.org/abs/2604.16801"
    assert "url" not in book


@pytest.mark.parametrize("name", NAMES)
def test_no_level_of_headings_is_left_out(quick_site: Path, name: str) -> None:
    levels = [
        int(heading.name[1])
        for heading in article(quick_site, name).find_all(re.compile("^h[1-6]$"))
    ]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_missing_page_leads_home(quick_site: Path) -> None:
    led = {str(link["href"]) for link in article(quick_site, "404").find_all("a")}
    assert {f"/{NAMES[0]}.html", "/book/ledger.html", "/search.html"} <= led
    assert all((quick_site / link.lstrip("/")).is_file() for link in led if link != "#")


def test_the_first_page_counts_the_verdicts_of_the_ledger(
    quick_site: Path, claims: dict[str, dict[str, Any]]
) -> None:
    cards = article(quick_site, NAMES[0]).select(".results .sd-card-footer")
    assert len(cards) == 3
    for number, card in enumerate(cards, 1):
        own = [claim["verdict"] for key, claim in claims.items() if key.startswith(f"C{number}")]
        said = [int(count) for count in re.findall(r"\d+", card.get_text())]
        assert said[0] == sum(said[1:]) == len(own)
        granted = re.search(r"(\d+) holds? if", card.get_text())
        assert (int(granted[1]) if granted else 0) == own.count("holds if")


def test_the_ledger_explains_verdicts_and_leads_to_failures_before_its_tables(
    quick_site: Path, claims: dict[str, dict[str, Any]]
) -> None:
    page = article(quick_site, "book/ledger")
    first = page.select("table.ledger")[0]
    before = "".join(map(str, first.find_all_previous(["li", "p"])))
    for word in ("Holds", "Holds if", "Fails for our instance", "Undecided", "contradicted"):
        assert f"<em>{word}</em>" in before
    linked = [str(link["href"]) for link in page.select(".not-held a")]
    kept = ("holds", "holds if")
    assert linked == [f"#ledger-{key}" for key, c in claims.items() if c["verdict"] not in kept]
    assert all(f'href="{target}"' in before for target in linked)
    assert [str(row["id"]) for row in page.select("tr[id]")] == [
        f"ledger-{key}" for key in sorted(claims, key=lambda key: (key[1] == "0", key))
    ]
    for table in page.select("table.ledger"):
        heading = table.find_previous("h2")
        assert heading is not None
        counts = table.find_all_previous("p")[0]
        assert str(len(table.select("tr[id]"))) in counts.get_text()


def test_a_work_is_labelled_by_initials_and_year(quick_site: Path) -> None:
    # A name with an accent in TeX was spelled out: [AKomlosTusnady84].
    labels = [tag.get_text() for tag in article(quick_site, "book/references").select(".label")]
    assert len(labels) > 50
    assert not [it for it in labels if not re.fullmatch(r"\[[A-Za-z]{1,5}\+?\d\d[a-z]?\]", it)]
    assert "[AKT84]" in labels


@pytest.mark.parametrize("page", BOOK, ids=NAMES)
def test_executed_page_says_where_its_numbers_come_from(quick_site: Path, page: Any) -> None:
    footer = article(quick_site, page.name).select_one("section.provenance")
    if notebook(page) is None:
        assert footer is None
        return
    assert footer is not None
    assert [term.get_text() for term in footer.find_all("dt")] == [
        "Source",
        "Versions",
        "Seeds",
        "Run",
    ]
    assert "quick edition" in footer.get_text()


@pytest.mark.parametrize("page", BOOK, ids=NAMES)
def test_page_says_how_long_it_runs_at_its_top_if_it_says_so_at_all(
    quick_site: Path, page: Any
) -> None:
    places = article(quick_site, page.name).select(".run-time")
    assert len(places) == page.path.read_text(encoding="utf8").count("{run-time}`this page`")
    for place in places:
        box = place.find_parent(class_="admonition")
        assert box is not None
        assert re.match(r"At a glance\b", box.get_text().strip())
        assert re.fullmatch(r"about (\d+\xa0s|[\w ]+) \(quick edition\)", place.get_text())
        assert not re.search(r"\d s\b", place.get_text())


@pytest.mark.parametrize("name", NAMES)
def test_page_is_light(quick_site: Path, name: str) -> None:
    path = quick_site / f"{name}.html"
    own = [path] + [
        (path.parent / unquote(str(image["src"]))).resolve()
        for image in article(quick_site, name).find_all("img", src=True)
        if not str(image["src"]).startswith("data:")
    ]
    assert sum(len(gzip.compress(part.read_bytes())) for part in set(own)) <= WEIGHT_LIMIT


@pytest.mark.parametrize("name", NAMES)
def test_formulas_are_drawn_and_no_tex_is_left(quick_site: Path, name: str) -> None:
    page = read(quick_site / f"{name}.html")
    for formula in page.select(".math"):
        drawn = [part for part in formula.contents if isinstance(part, Tag)]
        assert [part.name for part in drawn if part.get("class") != ["eqno"]] == ["mjx-container"]
        assert drawn[-1].select("svg > use") or drawn[-1].select("svg > :is(rect, g)")
    used = {str(use["href"]) for use in page.select("mjx-container use")}
    held = [f"#{path['id']}" for path in page.select("svg.letters path")]
    assert held == sorted(used)
    left = [
        text
        for text in page.find_all(string=re.compile(r"\\[(\[]|\$"))
        if not text.find_parent(["code", "pre", "script", "style", "svg"])
    ]
    assert left == []
    assert not page.select('script[src*="mathjax" i]')


@pytest.mark.parametrize("name", NAMES)
def test_no_two_elements_share_an_id(quick_site: Path, name: str) -> None:
    ids = [str(tag["id"]) for tag in article(quick_site, name).find_all(id=True)]
    assert sorted(ids) == sorted(set(ids))


def test_site_does_not_tell_on_which_machine_it_was_built(quick_site: Path) -> None:
    told = {str(ROOT), str(Path.home()) + "/"}
    for path in quick_site.rglob("*"):
        if path.suffix in {".html", ".ipynb", ".md", ".json"} or path.name == "searchindex.js":
            text = path.read_text(encoding="utf8")
            assert not [word for word in told if word in text], path


# Hyphens in the place of minus signs, and mathematics as a programmer types it.
TYPED_SIGN = re.compile(
    r"(?<![\w)\]-])-(?=[\d.]|[^\W\d_]\b)|(?<=\de)-(?=\d)|<=|>=|->|\w\^|\w_\w|\b[A-Z]'[A-Z]\b"
    r"|\b[WL]2\b|\b(?:eps|pi|sqrt)\b"
)


def words(page: Tag) -> Iterator[str]:
    """Yield what an article says outside code and formulas, its figures and explorers too."""
    unread = ["code", "pre", "script", "style", "svg", "mjx-container"]
    for text in page.find_all(string=True):
        if isinstance(text, Comment):
            if text.find_parent("svg"):  # a word of a figure, beside the paths of its letters
                yield "".join(text.split("$")[::2])
        elif not text.find_parent(unread) and not text.find_parent(class_="provenance"):
            yield str(text)
    for drawing in page.select("flow-explorer svg[aria-label]"):
        yield str(drawing["aria-label"])
    for script in page.select("flow-explorer script[type='application/json']"):
        table = json.loads(script.text)
        yield from [*table["words"], *chain.from_iterable(table["shown"])]


def test_typed_signs_are_told_from_others() -> None:
    for typed in (
        "U = -z",
        "slope -0.5",
        "1.5e-07",
        "[0, -1]",
        "h^1",
        "C_h",
        "L2(pi)",
        "W'W",
        "a -> b",
    ):
        assert TYPED_SIGN.search(typed), typed
    for right in (
        "U = −z",
        "1.5e−07",
        "half-way",
        "2-samples",
        "the -th",
        "h¹",
        "W₂",
        "log-log",
        "CO2",
    ):
        assert not TYPED_SIGN.search(right), right


@pytest.mark.parametrize("name", NAMES)
def test_no_mathematics_is_left_as_it_was_typed(quick_site: Path, name: str) -> None:
    assert [said for said in words(article(quick_site, name)) if TYPED_SIGN.search(said)] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_fold_of_code_follows_one_that_shows_nothing(quick_site: Path, name: str) -> None:
    silent = "div.cell.tag_hide-input:not(:has(> .cell_output))"
    assert article(quick_site, name).select(f"{silent} + div.cell.tag_hide-input") == []


# --- in a browser --------------------------------------------------------------------------------


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def served(quick_site: Path) -> Iterator[str]:
    """The site behind a web server of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(quick_site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@dataclass
class Log:
    """What a page complained of while it was open."""

    here: str
    console: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("requestfailed", lambda request: self.failed.append(request.url))
        page.on(
            "response",
            lambda answer: self.failed.append(answer.url) if answer.status >= 400 else None,
        )
        page.on("request", lambda request: self._asked(request.url))

    def _said(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and text not in CONSOLE_OF_THE_THEME:
            self.console.append(text)

    def _asked(self, address: str) -> None:
        if not address.startswith((self.here, "data:", "blob:")):
            self.outside.append(address)


BARRIERS = """rules => axe.run(document, {runOnly: rules, resultTypes: ["violations"]})
    .then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 160))]))"""
LEVELS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
# what the colours of a page may break
OF_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}


# The layout shift of a page while it loads, and what is called good: https://web.dev/articles/cls
SHIFT = """() => new Promise(done => {
  let moved = 0
  new PerformanceObserver(list => { for (const each of list.getEntries()) moved += each.value })
    .observe({type: 'layout-shift', buffered: true})
  setTimeout(() => done(moved), 100)
})"""
SHIFT_LIMIT = 0.1

# A script of the page that waits for its layout, and then for a frame, has done its work.
FRAMES = """() => new Promise(done => {
  let left = 4
  const next = () => { left-- ? requestAnimationFrame(next) : done() }
  next()
})"""


# What axe has nothing to say of, a third of a page: the letters of formulas and their MathML, which
# are named as a whole, and words of code in colours that a word before them has too.
SAID_ONCE = """() => {
  for (const part of document.querySelectorAll('mjx-container :is(svg, math)'))
    part.replaceChildren();
  for (const code of document.querySelectorAll('.highlight')) {
    const met = new Set();
    for (const word of code.querySelectorAll('pre span[class]')) {
      if (met.has(word.className)) word.replaceWith(...word.childNodes);
      met.add(word.className);
    }
  }
}"""


def barriers(page: Page, rules: Any) -> list[Any]:
    return [rule for rule in page.evaluate(BARRIERS, rules) if rule[0] not in AXE_OF_THE_THEME]


def still(page: Page) -> list[str]:
    """Name the sliders that an arrow key does not move, with the figure and what is said of it."""
    faults = []
    for explorer in page.locator("flow-explorer").all():
        for slider in explorer.locator("input[type=range]").all():

            def state(explorer: Locator = explorer, slider: Locator = slider) -> list[Any]:
                drawn = explorer.locator("svg")
                return [
                    slider.input_value(),
                    slider.get_attribute("aria-valuetext"),
                    explorer.locator(".explorer-words").text_content(),
                    drawn.inner_html(),
                ]

            before = state()
            last = slider.get_attribute("max") == before[0]
            there, back = ("ArrowLeft", "ArrowRight")[:: 1 if last else -1]
            slider.press(there)
            if any(now == then for now, then in zip(state(), before, strict=True)):
                faults.append(str(before[2]))
            slider.press(back)  # another slider may move nothing from there
            slider.blur()  # what it spoke is under the figure
            if state() != before:
                faults.append(f"{before[2]}, and back")
    return faults


# What no page may have, in the article: [what, how to find it].
NOT_IN_AN_ARTICLE = {
    "stops of the keyboard where nothing is to be done": """
        [...document.querySelectorAll('.bd-article [tabindex="0"]')].filter(e =>
            !e.matches('.output, pre') && e.scrollWidth <= e.clientWidth)""",
    "what scrolls and cannot be reached or shows no edge": """
        [...document.querySelectorAll('.bd-article')].flatMap(e => [...e.querySelectorAll(
            'mjx-container, .picture-frame, .table-wrapper')])
            .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 8)
            .filter(e => !e.matches('.scrolls[tabindex="0"][role][aria-label]'))""",
    "scroll bars inside a line": """
        [...document.querySelectorAll('.bd-article mjx-container:not([display])')].filter(e =>
            getComputedStyle(e).overflowX !== 'visible' &&
            getComputedStyle(e).scrollbarWidth !== 'none')""",
    "signs that begin a line after a formula": """
        [...document.querySelectorAll('.bd-article span.math')].filter(e => {
            const after = e.nextSibling
            if (after?.nodeType !== 3 || !/^[.,;:?!)]/.test(after.data)) return false
            const sign = document.createRange()
            sign.setStart(after, 0)
            sign.setEnd(after, 1)
            return sign.getBoundingClientRect().top >= e.getBoundingClientRect().bottom })""",
    "panels side by side on a phone too, where their letters are small": """
        [...document.querySelectorAll('.bd-article flow-explorer:not(:has([style*="--rows"]))')]""",
    "lines that part a value": """
        (() => {
            const outside = 'pre, code, svg, script, style, mjx-container'
            const article = document.querySelector('.bd-article')
            const walk = document.createTreeWalker(article, NodeFilter.SHOW_TEXT)
            const box = (node, i) => {
                const range = document.createRange()
                range.setStart(node, i)
                range.setEnd(node, i + 1)
                return [...range.getClientRects()].at(-1)
            }
            const parted = new Set()
            for (let node; (node = walk.nextNode());) {
                if (node.parentElement.closest(outside)) continue
                const parts = /\\S(\\s[%±]|\\s?±\\s\\d|,\\s[\\d.e−]+\\])|^(\\s?)%/g
                for (const found of node.data.matchAll(parts)) {
                    const before = found[2] === undefined ? box(node, found.index)
                        : [...node.previousSibling?.getClientRects?.() ?? []].at(-1)
                    const after = box(node, found.index + found[0].length - 1)
                    if (before && after?.width && after.top >= before.bottom)
                        parted.add(node.parentElement)
                }
            }
            return [...parted] })()""",
    "code that scrolls and shows no edge": """
        [...document.querySelectorAll('.bd-article div.cell_input pre')].filter(e =>
            e.scrollWidth > e.clientWidth && getComputedStyle(e).backgroundImage === 'none')""",
    "edges that show what is behind in another colour": """
        (() => {
            const canvas = document.createElement('canvas')
                .getContext('2d', {willReadFrequently: true})
            const seen = colours => {
                for (const colour of ['white', ...colours]) {
                    canvas.fillStyle = colour
                    canvas.fillRect(0, 0, 1, 1)
                }
                return [...canvas.getImageData(0, 0, 1, 1).data]
            }
            const frames = 'mjx-container.scrolls, .picture-frame, .table-wrapper, pre'
            const article = document.querySelector('.bd-article')
            return [...article.querySelectorAll(frames)].filter(e => {
                const cover = /to right, (.*?) 40%/.exec(getComputedStyle(e).backgroundImage)
                if (!e.offsetParent || !cover) return false
                const behind = []
                for (let of = e; of; of = of.parentElement)
                    behind.unshift(getComputedStyle(of).backgroundColor)
                const under = seen(behind), over = seen([...behind, cover[1]])
                return under.some((part, i) => Math.abs(part - over[i]) > 2) }) })()""",
    "captions wider than what is seen of their tables": """
        [...document.querySelectorAll('.table-wrapper caption')].filter(e =>
            e.getBoundingClientRect().width > e.closest('.table-wrapper').clientWidth + 1)""",
    "values under their sliders": """
        [...document.querySelectorAll('.explorer-controls b')].filter(e => innerWidth > 600 &&
            e.getBoundingClientRect().top >=
            e.parentElement.querySelector('input').getBoundingClientRect().bottom)""",
    "boxes at the end of a proof that are alone on a line": """
        [...document.querySelectorAll('.bd-article .math > [data-tex$="square"]:not([display])')]
            .filter(e => {
                const line = e.getBoundingClientRect(), before = document.createRange()
                before.setStart(e.closest('p, li'), 0)
                before.setEndBefore(e)
                return e.offsetParent && ![...before.getClientRects()].some(box =>
                    box.width > 1 && box.left < line.left - 8 &&
                    box.bottom > line.top && box.top < line.bottom) })""",
    "ways to the next page that are cut off": """
        [...document.querySelectorAll('.prev-next-area a')].filter(e =>
            e.scrollWidth > e.clientWidth ||
            innerWidth < 600 && e.getBoundingClientRect().width < 0.4 * innerWidth &&
            e.querySelector('.prev-next-title').getClientRects().length > 1)""",
    "folds without a name": """
        [...document.querySelectorAll('.bd-article :is(summary, .toggle-button)')].filter(e =>
            !(e.getAttribute('aria-label') ?? e.textContent).trim() ||
            e.getAttribute('aria-label') === 'Toggle hidden content')""",
}


# Words of figures that lie on others, or that a curve runs through or a marker hides. Of explorers
# no ids are left that tell words from curves.
UNREADABLE = """() => [...document.querySelectorAll('.bd-article svg.picture')].flatMap(svg => {
    const named = name => [...svg.querySelectorAll(`g[id*="-${name}"]`)]
    const words = named('text_').map(g => ({
        said: [...g.childNodes].find(node => node.nodeType === 8)?.data.trim(),
        of: g.closest('g[id*="axis_"]'), box: g.getBoundingClientRect()})).filter(w => w.box.width)
    const inside = (box, x, y, by) =>
        box.left - by < x && x < box.right + by && box.top - by < y && y < box.bottom + by
    const faults = words.filter((one, i) => words.slice(0, i).some(({box}) =>
        Math.min(box.right, one.box.right) > Math.max(box.left, one.box.left) - 1 &&
        Math.min(box.bottom, one.box.bottom) > Math.max(box.top, one.box.top) + 1))
    const free = words.filter(word => !word.of)
    for (const line of [...named('line2d_'), ...named('LineCollection_')]) {
        if (line.closest('g[id*="axis_"], g[id*="legend_"]')) continue
        for (const path of line.querySelectorAll('path')) {
            if (path.closest('defs') || getComputedStyle(path).stroke === 'none') continue
            const length = path.getTotalLength(), steps = Math.max(20, length / 3)
            const onto = path.getScreenCTM()
            for (let k = 0; k <= steps; k += 1) {
                const {x, y} = path.getPointAtLength(length * k / steps).matrixTransform(onto)
                faults.push(...free.filter(word => inside(word.box, x, y, -1)))
            }
        }
        for (const use of line.querySelectorAll('use')) {
            const {left, right, top, bottom} = use.getBoundingClientRect()
            faults.push(...free.filter(word =>
                inside(word.box, (left + right) / 2, (top + bottom) / 2, 2)))
        }
    }
    return [...new Set(faults.map(word => word.said))]
})"""


# A formula alone on its line is typed so that a desk shows all of it, in a fold as well.
UNFOLDED = """() => {
    for (const fold of document.querySelectorAll('details')) fold.open = true
    for (const fold of document.querySelectorAll('.toggle-hidden'))
        fold.classList.remove('toggle-hidden')
}"""
CUT = """() => [...document.querySelectorAll('.bd-article mjx-container[display]')].filter(e =>
    e.scrollWidth > e.clientWidth + 2).map(e => e.dataset.tex)"""

WIDTHS = """() => [...document.querySelectorAll('.bd-article :is(.picture-frame, .table-wrapper)')]
    .map(e => e.getBoundingClientRect().width)"""


def found(page: Page) -> dict[str, list[str]]:
    shown = "(found => found.map(e => e.outerHTML.slice(0, 160)))"
    return {what: page.evaluate(f"{shown}({how})") for what, how in NOT_IN_AN_ARTICLE.items()}


@pytest.mark.parametrize("name", NAMES)
def test_page_in_a_browser(quick_site: Path, served: str, browser: Browser, name: str) -> None:
    # opened once for all that is looked for; every fault is told
    log = Log(served)
    page = browser.new_page(color_scheme="light", viewport={"width": DESK, "height": 900})
    log.listen(page)
    page.goto(f"{served}/{name}.html", wait_until="load")
    page.evaluate(FRAMES)
    faults: dict[str, Any] = found(page)
    shift = page.evaluate(SHIFT)
    faults["moves while it loads"] = [shift] if shift > SHIFT_LIMIT else []
    faults["words of figures under others"] = page.evaluate(UNREADABLE)
    page.evaluate(SAID_ONCE)
    # a script of ours, which is no request of the page
    page.evaluate((ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    faults["barriers, light"] = barriers(page, LEVELS)
    faults["sliders that move nothing"] = still(page)
    page.add_style_tag(content="* { transition: none !important }")  # colours at once
    in_light = page.evaluate(WIDTHS)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'", timeout=5000)
    faults["of another width in the dark"] = [
        pair for pair in zip(in_light, page.evaluate(WIDTHS), strict=True) if pair[0] != pair[1]
    ]
    # half the page, whose colours axe does not judge
    page.evaluate("document.querySelectorAll('article svg').forEach(e => e.replaceChildren())")
    faults["barriers, dark"] = barriers(page, OF_COLOURS)
    page.evaluate(UNFOLDED)
    faults["formulas wider than a desk"] = page.evaluate(CUT)
    page.set_viewport_size({"width": PHONE, "height": 844})
    wide = page.evaluate("document.documentElement.scrollWidth")
    faults["wider than a phone"] = [wide] if wide > PHONE else []
    page.evaluate(FRAMES)
    faults |= {f"{what}, on a phone": those for what, those in found(page).items()}
    page.close()
    faults |= {"console": log.console, "not loaded": log.failed, "from outside": log.outside}
    assert {fault: found for fault, found in faults.items() if found} == {}


def test_pages_that_sphinx_adds_ask_no_other_host(
    quick_site: Path, served: str, browser: Browser
) -> None:
    # the search, the page for a missing address
    added = {path.name for path in quick_site.glob("*.html")} - {"index.html"}
    assert added == {"search.html", "404.html"}
    log = Log(served)
    page = browser.new_page()
    log.listen(page)
    for name in sorted(added):
        page.goto(f"{served}/{name}", wait_until="networkidle")  # what is left counts as failed
    assert (log.console, log.failed, log.outside) == ([], [], [])
    page.goto(f"{served}/search.html?q=Wasserstein", wait_until="load")
    page.wait_for_function("document.querySelectorAll('#search-results li p.context').length > 5")
    assert (log.console, log.failed, log.outside) == ([], [], [])
    page.close()


def test_the_keyboard_skips_to_the_text_and_sees_where_it_is(served: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": DESK, "height": 800})
    page.goto(f"{served}/{NAMES[0]}.html", wait_until="load")
    page.keyboard.press("Tab")
    skip = page.locator(".skip-link a")
    assert skip.evaluate("e => e === document.activeElement")
    assert skip.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    page.close()


@pytest.mark.parametrize("width", [PHONE, 800, DESK])
def test_contents_open_and_close(served: str, browser: Browser, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 844}, has_touch=width == PHONE)
    page.goto(f"{served}/{NAMES[0]}.html", wait_until="load")
    book = page.locator("nav.bd-links").get_by_role("link", name="Notation")
    button = page.locator("button.primary-toggle:visible")
    if width == DESK:
        expect(book).to_be_in_viewport()
        button.click()
        expect(book).not_to_be_in_viewport()
        button.click()
        expect(book).to_be_in_viewport()
        page.close()
        return
    places = page.locator("#pst-secondary-sidebar-modal a.nav-link").first
    other = page.locator("button.secondary-toggle:visible")
    for press, link in ((button, book), (other, places)):
        expect(link).not_to_be_in_viewport()
        press.tap() if width == PHONE else press.press("Enter")
        expect(link).to_be_in_viewport()
        page.keyboard.press("Escape")
        expect(link).not_to_be_in_viewport()
    page.close()


def test_a_formula_is_copied_as_tex(served: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{served}/book/walks_on_a_manifold.html", wait_until="load")
    copied = page.evaluate(
        """() => {
          const formula = document.querySelector('.bd-article p mjx-container')
          const display = document.querySelector('.bd-article div.math')
          const selected = document.createRange()
          selected.setStartBefore(formula.closest('p'))
          selected.setEndAfter(display)
          getSelection().addRange(selected)
          const taken = new DataTransfer()
          const event = new ClipboardEvent('copy', {clipboardData: taken, cancelable: true})
          document.dispatchEvent(event)
          return [taken.getData('text/plain'), formula.dataset.tex,
            display.querySelector('mjx-container').dataset.tex, event.defaultPrevented,
            document.querySelectorAll('.copied').length]
        }"""
    )
    text, formula, display, done, left = copied
    assert f"${formula}$" in text
    assert f"$${display}$$" in text
    assert "\n" in text
    assert (done, left) == (True, 0)
    page.close()


def test_what_is_called_by_a_formula_is_called_by_all_of_it(served: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{served}/book/law_converges.html", wait_until="load")
    for role in ("heading", "link"):
        named = page.get_by_role(role, name=re.compile(r"On R\^d ?, in closed form"))
        assert named.count() > 0, role
    page.goto(f"{served}/book/poisson_four_ways.html", wait_until="load")
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    folds = [
        node["name"]["value"]
        for node in tree
        if node.get("role", {}).get("value") == "DisclosureTriangle"
    ]
    questions = [fold for fold in folds if re.match(r"1\. ", fold)]
    assert len(questions) == 1
    assert re.match(r"1\. What does φ\(x\) say about the walker that starts at x ?, ", questions[0])
    page.close()


# What is put on the clipboard, as text and as HTML, and whether the page itself put it there.
COPIED = """place => {
  const taken = new DataTransfer();
  const event = new ClipboardEvent(
    'copy', {clipboardData: taken, cancelable: true, bubbles: true});
  (place ?? document).dispatchEvent(event);
  return [taken.getData('text/plain'), taken.getData('text/html'), event.defaultPrevented];
}"""


def test_a_formula_alone_is_selected_and_copied(served: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{served}/book/walks_on_a_manifold.html", wait_until="load")
    for formula in (
        page.locator(".bd-article p mjx-container").first,
        page.locator(".bd-article div.math mjx-container").first,
    ):
        sign = "$$" if formula.get_attribute("display") else "$"
        tex = f"{sign}{formula.get_attribute('data-tex')}{sign}"
        formula.dblclick()
        assert page.evaluate(COPIED)[0] == tex
        formula.evaluate("e => getSelection().selectAllChildren(e.querySelector('svg'))")
        assert page.evaluate(COPIED)[0] == tex
    page.close()


def test_what_is_copied_is_what_the_browser_copies_but_for_formulas(
    served: str, browser: Browser
) -> None:
    page = browser.new_page()
    page.goto(f"{served}/book/stationary_limit.html", wait_until="load")
    select = "e => getSelection().selectAllChildren(e)"
    code = page.locator(".bd-article .cell_input pre").first
    code.evaluate(select)
    assert page.evaluate(COPIED) == ["", "", False]  # the browser does it
    # what is written into a field is no part of the page
    page.locator("article").evaluate(select)
    field = page.locator("body").evaluate_handle(
        "e => e.appendChild(document.createElement('input'))"
    )
    assert page.evaluate(COPIED, field) == ["", "", False]
    text, markup, done = page.evaluate(COPIED)
    assert done
    assert page.locator("flow-explorer").first.locator("p").inner_text() in text
    copied = BeautifulSoup(markup, "html.parser")
    assert not copied.select("script, style, .letters, mjx-container")
    links = [str(link["href"]) for link in copied.select("a[href]")]
    assert len(links) > 10
    assert [link for link in links if not urlsplit(link).scheme] == []
    page.close()


def test_a_selected_formula_looks_selected(served: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{served}/book/walks_on_a_manifold.html", wait_until="load")
    text = page.locator(".bd-article p:has(mjx-container)").first
    text.evaluate("e => getSelection().selectAllChildren(e)")
    chosen = page.locator("mjx-container.chosen")
    expect(chosen).to_have_count(text.locator("mjx-container").count())
    page.evaluate("getSelection().removeAllRanges()")
    expect(chosen).to_have_count(0)
    page.close()


def test_paper_is_white_in_the_dark_too(served: str, browser: Browser) -> None:
    ink = "getComputedStyle(document.querySelector('mjx-container svg')).fill"
    seen = []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(f"{served}/book/walks_on_a_manifold.html", wait_until="load")
        before = page.evaluate(ink)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        seen += [before, page.evaluate(ink)]
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(ink) == before
        page.close()
    light, on_paper, dark, on_paper_too = seen
    assert light == on_paper == on_paper_too != dark


def test_one_page_prints_whole(served: str, browser: Browser) -> None:
    # what is folded on the screen too, under the page's title
    page = browser.new_page()
    page.goto(f"{served}/book/walks_on_a_manifold.html", wait_until="load")
    printed = " ".join(part.extract_text() for part in PdfReader(BytesIO(page.pdf())).pages)
    words = " ".join(printed.split())
    assert re.search(r"1\.\s+Walks on a manifold\s+\w", words)
    proof = page.locator("article details p").first
    assert not proof.is_visible()
    begins = proof.evaluate(
        "e => document.createTreeWalker(e, NodeFilter.SHOW_TEXT).nextNode().data"
    )
    assert " ".join(begins.split()) in words
    assert not page.locator("article details[open]").count()
    page.close()


def test_the_first_slider_is_on_the_first_screen(served: str, browser: Browser) -> None:
    for width, height in ((DESK, 800), (PHONE, 844)):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(f"{served}/{NAMES[0]}.html", wait_until="load")
        box = page.locator("flow-explorer input[type=range]").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height
        page.close()


def test_page_works_when_opened_from_disk(quick_site: Path, browser: Browser) -> None:
    address = (quick_site / f"{NAMES[0]}.html").as_uri()
    log = Log(quick_site.as_uri())
    page = browser.new_page()
    log.listen(page)
    page.goto(address, wait_until="load")
    assert (log.console, log.failed, log.outside) == ([], [], [])
    page.close()
