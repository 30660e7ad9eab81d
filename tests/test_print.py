"""What is handed out: the site in one file, opened from disk, and the book as one PDF."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, NameObject

from tests.test_site import Log
from tools import browser as browser_of_tools
from tools import bundle, one_page, pdf, shapes

ROOT = Path(__file__).resolve().parent.parent
NUMBERED = "book/walks_on_a_manifold"
BOOK = [
    one_page.Part("", ["book/notation"]),
    one_page.Part("Foundations", [NUMBERED]),
]
QUESTION = "When is a retraction of second order"
ANSWER = "Otherwise the limit has the extra drift"
SOLUTION = "the walkers gather in the north"
HINT = "Along exp the acceleration"


# --- the zip -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unpacked(quick_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip's folder, in a place with a blank in its name."""
    folder = tmp_path_factory.mktemp("a course")
    bundle.pack(ROOT, quick_site, folder / "book.zip", "quick")
    with zipfile.ZipFile(folder / "book.zip") as packed:
        packed.extractall(folder)
    return folder / bundle.FOLDER


def test_the_same_site_is_packed_to_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "site" / "book").mkdir(parents=True)
    for name in ("index.html", "book/b.html", "book/a.html", "404.html"):
        (tmp_path / "site" / name).write_text(name, encoding="utf8")
    bundle.pack(ROOT, tmp_path / "site", tmp_path / "one.zip", "quick")
    (tmp_path / "site" / "book" / "a.html").touch()
    bundle.pack(ROOT, tmp_path / "site", tmp_path / "two.zip", "quick")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        assert packed.namelist() == [
            f"coupled-flows/{name}"
            for name in (
                "LICENSE.txt", "START_HERE.txt", "book/a.html", "book/b.html", "index.html"
            )
        ]  # fmt: skip


def test_the_zip_holds_the_pages_and_their_sources_and_nothing_of_the_build(unpacked: Path) -> None:
    for name in ("index.html", f"{NUMBERED}.html", f"_sources/{NUMBERED}.md", "searchindex.js"):
        assert (unpacked / name).is_file(), name
    assert "index.html" in (unpacked / "START_HERE.txt").read_text(encoding="utf8")
    assert not [*unpacked.rglob("*.doctree"), *unpacked.rglob("lock"), *unpacked.rglob("*.db")]


def test_the_unpacked_book_works_from_disk(unpacked: Path, browser: Browser) -> None:
    log = Log(unpacked.as_uri())
    page = browser.new_page()
    log.listen(page)
    page.goto((unpacked / "index.html").as_uri(), wait_until="load")
    page.wait_for_url("**/book/intro.html")
    page.wait_for_load_state("networkidle")  # what is left while it loads counts as failed
    page.goto((unpacked / f"{NUMBERED}.html").as_uri(), wait_until="load")
    assert page.locator("mjx-container").count() > 100
    page.wait_for_load_state("networkidle")
    page.goto(f"{(unpacked / 'search.html').as_uri()}?q=Wasserstein", wait_until="load")
    page.wait_for_function("document.querySelectorAll('#search-results li').length > 5")
    page.wait_for_function("/finished/.test(document.querySelector('.search-summary').innerText)")
    found = page.locator("#search-results li a").evaluate_all("all => all.map(a => a.href)")
    assert all(Path(unquote(urlsplit(address).path)).is_file() for address in found), found
    assert (log.console, log.failed, log.outside) == ([], [], [])
    page.close()


# --- the PDF -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def printed(
    quick_site: Path, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> PdfReader:
    target = tmp_path_factory.mktemp("printed") / "book.pdf"
    pdf.write(browser, quick_site, target, "quick", BOOK, solutions=True)
    return PdfReader(target)


@pytest.fixture(scope="module")
def sheets(printed: PdfReader) -> list[str]:
    """What can be searched for on each page, its lines joined."""
    found = (page.extract_text() for page in printed.pages)
    return [" ".join(text.replace("-\n", "").split()) for text in found]


@pytest.fixture(scope="module")
def text(sheets: list[str]) -> str:
    return " ".join(sheets)


def outline(printed: PdfReader) -> Iterator[tuple[str, int]]:
    """Yield each entry's title and page."""
    rest: list[Any] = [*printed.outline]
    while rest:
        entry = rest.pop(0)
        if isinstance(entry, list):
            rest = entry + rest
        else:
            page = printed.get_destination_page_number(entry)
            assert page is not None
            yield str(entry.title), page


def links(printed: PdfReader) -> Iterator[Any]:
    for page in printed.pages:
        for note in page.get("/Annots", ()):
            yield note.get_object()


def test_the_outline_leads_to_parts_pages_and_sections(
    printed: PdfReader, sheets: list[str]
) -> None:
    entries = dict(outline(printed))
    assert list(entries)[:3] == ["Contents", "Notation and assumptions", "The model"]
    assert {"Foundations", "1. Walks on a manifold", "1.7. Exercises"} <= set(entries)
    for title, number in entries.items():
        assert title in sheets[number], title


def test_the_contents_give_the_right_page(printed: PdfReader, sheets: list[str]) -> None:
    for title, number in [*outline(printed)][1:]:
        assert f"{title} {number + 1}" in sheets[1]


def test_a_label_before_a_heading_is_not_a_line_of_its_own(quick_site: Path) -> None:
    # Such a line stayed at the foot of a page, and the contents gave that page.
    label = '<span id="walk-trap"></span><h2>'
    assert label in (quick_site / f"{NUMBERED}.html").read_text(encoding="utf8")
    document = one_page.assemble(quick_site, BOOK, front="", title="T")
    assert "\N{ZERO WIDTH NO-BREAK SPACE}" not in document
    assert re.search('<h3[^>]* id="walks_on_a_manifold--walk-trap"', document)


def test_what_moves_on_the_site_says_which_state_is_printed(quick_site: Path) -> None:
    book = [one_page.Part("", ["book/one_functional", "book/dissipativity"])]
    document = one_page.assemble(quick_site, book, front="", title="T")
    # As the two pages' calls of explore start: of a choice and a slider, and of one slider.
    words = re.findall('class="explorer-words">([^<]*)<', document)
    assert len(words) == 2
    assert words[0].startswith("Shown: functional = log Tr, time = 6. F is ")
    assert words[1].startswith("Shown: coupling κ = 1. Two limits")


def test_every_link_inside_leads_to_a_place_and_none_to_the_machine(printed: PdfReader) -> None:
    places = set(printed.named_destinations)
    inside = [note for note in links(printed) if "/Dest" in note]
    assert len(inside) > 20
    assert {str(note["/Dest"]) for note in inside} <= places
    addresses = [str(note["/A"]["/URI"]) for note in links(printed) if "/A" in note]
    assert all(address.startswith("https://") for address in addresses), addresses
    data = b"".join(page.get_contents().get_data() for page in printed.pages)  # type: ignore[union-attr]
    assert b"file:" not in data


def test_links_say_where_they_lead_unless_their_words_do(text: str) -> None:
    assert "(defined here [chapter 1])" in text
    assert "gather at the poles (exercise [1.2])" in text
    assert re.search(r"(Proposition|Fig\.) 1\.\d", text)
    assert not re.search(r"\d \[(chapter|section|proposition)", text)


def test_three_lines_and_short_code_stay_together(browser: Browser) -> None:
    # Chromium left the last line of three alone, and as many lines of code as there was room for.
    style = (ROOT / "tools" / "print.css").read_text(encoding="utf8")
    places = range(0, 964, 13)
    blocks = {"p": "one<br>two<br>three", "pre": "\n".join(["one", "two", *"345678", "three"])}
    body = "".join(
        f'<div class="page"><div style="height: {place}px"></div><{tag}>{words}</{tag}></div>'
        for place in places
        for tag, words in blocks.items()
    )
    page = browser.new_page(viewport=pdf.SHEET)
    page.emulate_media(media="print")
    page.set_content(f'<style>{style}</style><article class="bd-article">{body}</article>')
    page.evaluate(pdf.KEEP)
    printed = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True)))
    page.close()
    found = [sheet.extract_text().split() for sheet in printed.pages]
    assert len(found) > len(places) * len(blocks)  # some have not their place on the first page
    whole = [sheet for sheet in found if {"one", "two", "three"} <= {*sheet}]
    assert len(whole) == len(places) * len(blocks)


def test_what_is_printed_can_be_searched_for(text: str) -> None:
    for said in (
        "Proposition 1.1 (The Laplacian is a mean over geodesics)",  # a statement
        "are independent and standard normal",  # prose
        "0.463648",  # a number from the run
        "GeodesicWalk",  # code
        "Fig. 1.1",
        "has the law of",  # a proof, folded on the site
        *(QUESTION, ANSWER, SOLUTION, HINT.split(" exp")[0]),
        "quick edition",
        "Source commit",  # of the lines at the foot of a chapter
        "a page of the website, and here a chapter",
    ):
        assert said in text, said


def test_paper_has_no_buttons(text: str) -> None:
    for said in ("Show code cell source", "Link to this", "Skip to main", "On this page #"):
        assert said not in text


def test_title_and_author_are_told(printed: PdfReader) -> None:
    assert printed.metadata is not None
    assert (printed.metadata.title, printed.metadata.author) == (
        "Coupled Flows",
        "The Coupled Flows authors",
    )
    assert str(printed.root_object["/Lang"]) == "en"
    assert str(printed.root_object["/PageMode"]) == "/UseOutlines"


def drawing(page: Any) -> bytes:
    return bytes(page["/Contents"].get_object().get_data())


def forms(page: Any) -> dict[str, Any]:
    return dict(page["/Resources"].get("/XObject", {}))


def test_no_page_is_left_half_empty_before_its_chapter_ends(printed: PdfReader) -> None:
    starts = {number for title, number in outline(printed) if title[:2] in {"No", "Fo", "1."}}
    lowest = []
    for page in printed.pages:
        heights: list[float] = []
        page.extract_text(
            visitor_text=lambda text, user, own, *_, at=heights: (
                at.append(user[3] * own[5] + user[5]) if text.strip() else None
            )
        )
        lowest.append(sorted({round(height) for height in heights})[1])  # above the page's number
    within = [n for n in range(2, len(lowest)) if n + 1 not in starts | {len(lowest)}]
    assert len(within) > 5
    assert {n + 1: lowest[n] for n in within if lowest[n] > 0.45 * 842} == {}


def test_the_print_is_as_large_as_its_style_says(printed: PdfReader) -> None:
    # Chromium makes the whole book smaller if one thing on one page is too wide.
    sizes: Counter[float] = Counter()
    for page in printed.pages:
        page.extract_text(
            visitor_text=lambda text, user, own, font, size: sizes.update(
                {round(size * own[3] * user[3], 2): len(text)}
            )
        )
    assert abs(sizes.most_common(1)[0][0]) == 10.5


def test_an_outline_drawn_often_is_kept_once_and_drawn_the_same() -> None:
    letter = b"10 -20 m\n" + b"30 40 50.5 60 70 80 c\n" * 5 + b"h\nf\n"
    once = letter.replace(b"70", b"71")
    ink = b"q\n0 0 0 RG 0 0 0 rg\n/G3 gs\n%bQ\n"
    drawn = [ink % letter * 2 + ink % once, ink % letter + ink % (b"0 0 9 9 re\n" + letter)]
    writer = PdfWriter()
    for data in drawn:
        stream = DecodedStreamObject()
        stream.set_data(data)
        page = writer.add_blank_page(100, 100)
        page[NameObject("/Contents")] = writer._add_object(stream.flate_encode())
    shapes.share(writer)

    found = []
    for page in writer.pages:
        data = drawing(page)
        for name, form in forms(page).items():
            assert form["/BBox"] == [10 - 50, -20 - 50, 71 - 1 + 50, 80 + 50]
            assert data.count(letter) == data.count(b"re\n" + letter)
            data = data.replace(f"{name} Do\n".encode(), form.get_object().get_data())
        found.append(data)
    assert found == drawn


def test_a_letter_of_a_formula_is_in_the_book_once(printed: PdfReader) -> None:
    assert printed.pdf_header >= "%PDF-1.4"  # it is tagged
    left = Counter(
        outline
        for page in printed.pages
        for outline in shapes.OUTLINE.findall(drawing(page))
        if len(outline) > 200
    )
    assert {*left.values()} <= {1}
    assert sum(len(forms(page)) for page in printed.pages) > 50


def test_no_comma_and_no_end_of_a_proof_begins_a_line(quick_site: Path, browser: Browser) -> None:
    source = quick_site.parent / "print-lines.html"
    source.write_text(one_page.assemble(quick_site, BOOK, front="", title="T"), encoding="utf8")
    page = browser.new_page(viewport=pdf.SHEET)
    try:
        page.emulate_media(media="print")
        page.goto(source.as_uri(), wait_until="load")
        page.evaluate(pdf.NAME)
    finally:
        source.unlink()
    ends = page.locator('mjx-container:has(svg[aria-label="\\\\square"])')
    assert ends.count() >= 3
    alone = """all => all.filter(end => {
      const words = document.createRange(), own = end.getBoundingClientRect();
      words.setStart(end.closest('p, li, div'), 0);
      words.setEndBefore(end);
      return ![...words.getClientRects()].some(
        word => word.width > 1 && word.bottom > own.top + 1 && word.top < own.bottom - 1);
    }).length"""
    for width in range(300, 640, 10):
        page.set_viewport_size({"width": width, "height": 900})
        assert ends.evaluate_all(alone) == 0, width
    page.close()


def test_without_solutions_nothing_of_them_is_there(quick_site: Path) -> None:
    def document(solutions: bool) -> str:
        return one_page.assemble(quick_site, BOOK, front="", title="T", solutions=solutions)

    whole, without = document(True), document(False)
    for said in (ANSWER, SOLUTION, "Solution to"):
        assert said in whole
        assert said not in without
    for said in (QUESTION, "Exercise 1.1", "the acceleration of"):  # the hints stay
        assert said in without


def test_no_writing_in_a_figure_is_cut_and_no_title_holds_tex(
    quick_site: Path, browser: Browser
) -> None:
    page = browser.new_page(viewport=pdf.SHEET, java_script_enabled=False)
    beyond = """figures => figures.flatMap(figure => {
      const place = figure.getBoundingClientRect();
      return [...figure.querySelectorAll('g[id*=text_]')].filter(text => {
        const own = text.getBoundingClientRect();
        return own.left < place.left - 1 || own.right > place.right + 1
          || own.top < place.top - 1 || own.bottom > place.bottom + 1;
      }).map(text => text.innerHTML.match(/<!--(.*?)-->/)?.[1] ?? '');
    })"""
    for path in sorted((quick_site / "book").glob("*.html")):
        page.goto(path.as_uri(), wait_until="load")
        assert page.locator(".cell_output svg").evaluate_all(beyond) == [], path.name
    page.goto((quick_site / "book/references.html").as_uri(), wait_until="load")
    assert "$" not in page.locator("article").inner_text()
    page.close()


def test_every_page_of_the_contents_is_printed() -> None:
    from tools.pages import pages

    assert [name for part in one_page.parts(ROOT) for name in part.pages] == [
        page.name for page in pages(ROOT)
    ]


def test_without_a_browser_one_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(browser_of_tools, "NAMES", ("no-such-browser",))
    assert pdf.main(["--quick"]) == 1
    assert "NO BROWSER: none of no-such-browser is on the path" in capsys.readouterr().err
