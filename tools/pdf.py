"""Print the book: one PDF with contents, outline and links, made by Chromium from the built site.

python -m tools.pdf                       the full edition
python -m tools.pdf --quick               the quick edition
python -m tools.pdf --without-solutions   exercises and questions, without solutions and answers
"""

from __future__ import annotations

import argparse
import html
import io
import logging
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, Page, ViewportSize
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

from tools import provenance
from tools.browser import NoBrowserError, chromium, find
from tools.build import BuildFailedError, build
from tools.one_page import Part, assemble, parts
from tools.shapes import share

ROOT = Path(__file__).resolve().parent.parent
# The text of a page of A4 in CSS pixels, as print.css has it.
SHEET = ViewportSize(width=643, height=972)
PATIENCE = 900_000  # milliseconds, for a whole book on a busy machine

# Calls each formula by its TeX, for those who listen, and keeps it with the sign after it; returns
# the headings in plain letters.
NAME = """() => {
  const formulas = [...document.querySelectorAll('mjx-container')];
  for (const formula of formulas) {
    const svg = formula.querySelector('svg');
    svg.removeAttribute('aria-hidden');
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', formula.dataset.tex);
  }
  const headings = [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(
    heading => heading.textContent.replace(/[\\s\\ufeff]+/g, ' ').trim());
  // each would be an element of the PDF
  for (const heard of document.querySelectorAll('mjx-assistive-mml')) heard.remove();
  for (const box of document.querySelectorAll('span.math, code > span.pre'))
    box.replaceWith(...box.childNodes);
  // no comma begins a line
  for (const formula of document.querySelectorAll('mjx-container:not([display])')) {
    const after = formula.nextSibling;
    const sign = after?.nodeType === 3 && after.data.match(/^[.,;:!?)’”]+/);
    if (!sign) continue;
    const kept = document.createElement('span');
    kept.className = 'kept';
    formula.replaceWith(kept);
    after.data = after.data.slice(sign[0].length);
    kept.append(formula, sign[0]);
  }
  // nor does the sign that ends a proof
  for (const end of formulas) {
    const before = end.previousSibling;
    if (end.dataset.tex !== '\\\\square' || before?.nodeType !== 3) continue;
    const word = before.data.match(/\\S*\\s*$/)[0], kept = document.createElement('span');
    kept.className = 'kept';
    before.data = before.data.slice(0, before.length - word.length);
    const formula = !word.trim() && before.previousSibling;
    end.replaceWith(kept);
    kept.append(...formula?.className === 'kept' ? [formula] : [], word, end);
  }
  return headings;
}"""

# Makes what is wider than its place as wide as that.
FIT = """() => {
  for (const formula of document.querySelectorAll('mjx-container')) {
    const svg = formula.querySelector('svg'), wide = svg.getBoundingClientRect();
    const place = formula.closest('p, div, li, td, dd');
    const number = place.querySelector(':scope > .eqno');
    const free = place.clientWidth - (number ? 2 * number.offsetWidth + 8 : 0);
    if (free > 0 && wide.width > free) {
      svg.style.width = `${free}px`;
      svg.style.height = `${wide.height * free / wide.width}px`;
    }
  }
  for (const table of document.querySelectorAll('table')) {
    const free = table.parentElement.clientWidth;
    if (table.offsetWidth > free) table.style.zoom = free / table.offsetWidth;
  }
}"""

# Keeps whole what has too few lines to be parted: Chromium would leave the last of three alone.
KEEP = """() => {
  for (const block of document.querySelectorAll('p, pre')) {
    const {lineHeight, paddingTop, paddingBottom, orphans, widows} = getComputedStyle(block);
    const within = block.clientHeight - parseFloat(paddingTop) - parseFloat(paddingBottom);
    if (Math.floor(within / parseFloat(lineHeight) + 0.1) < Number(orphans) + Number(widows))
      block.style.breakInside = 'avoid';
  }
}"""

COUNT = "on => document.documentElement.classList.toggle('counting', on)"

NUMBER = """pages => {
  for (const place of document.querySelectorAll('.folio'))
    place.textContent = pages[place.dataset.target];
}"""


def main(arguments: list[str] | None = None) -> int:
    """Build one edition, print it and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.pdf", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="print the quick edition")
    parser.add_argument("--without-solutions", action="store_true", help="leave solutions out")
    given = parser.parse_args(arguments)
    edition = "quick" if given.quick else "full"
    name = "coupled-flows" + "-quick" * given.quick + "-without-solutions" * given.without_solutions
    target = ROOT / "dist" / f"{name}.pdf"
    try:
        find()  # before minutes of building
        site = build(ROOT, edition)
        print("printing the book: two or three minutes", flush=True)
        with chromium() as browser:
            write(
                browser, site, target, edition, parts(ROOT), solutions=not given.without_solutions
            )
    except (BuildFailedError, NoBrowserError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    print(f"\nThe book as one PDF ({edition} edition): {target.relative_to(ROOT)}")
    return 0


def write(
    browser: Browser, site: Path, target: Path, edition: str, book: list[Part], *, solutions: bool
) -> None:
    """Print pages of a built site to a file."""
    names = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    title, author, made = names["title"], names["author"], provenance.date_of(ROOT)
    front = _front(title, author, edition, provenance.commit_of(ROOT), made, solutions)
    document = assemble(site, book, front=front, title=title, solutions=solutions)
    # Beside the site, whose style sheets it names; its own for each process.
    source = site.parent / f"print-{os.getpid()}.html"
    try:
        source.write_text(document, encoding="utf8")
        printed, headings = _pdf(browser, source.as_uri())
    finally:
        source.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    _finish(printed, target, headings, title, author, made)


def _pdf(browser: Browser, address: str) -> tuple[bytes, list[str]]:
    """Print a document, the pages in its contents filled in; return its headings too."""
    page = browser.new_page(viewport=SHEET, color_scheme="light")
    page.set_default_timeout(PATIENCE)
    page.emulate_media(media="print")
    page.goto(address, wait_until="load")
    headings = page.evaluate(NAME)
    page.evaluate(FIT)
    page.evaluate(KEEP)
    page.evaluate(COUNT, True)
    counted = _page_numbers(_print(page))
    page.evaluate(COUNT, False)
    page.evaluate(NUMBER, counted)
    printed = _print(page, outline=True, tagged=True)
    page.close()
    return printed, headings


def _print(page: Page, **how: bool) -> bytes:
    return page.pdf(prefer_css_page_size=True, print_background=True, **how)  # type: ignore[arg-type]


def _page_numbers(pdf: bytes) -> dict[str, int]:
    reader = PdfReader(io.BytesIO(pdf))
    return {
        name.removeprefix("/"): (reader.get_destination_page_number(place) or 0) + 1
        for name, place in reader.named_destinations.items()
    }


def _finish(
    pdf: bytes, target: Path, headings: list[str], title: str, author: str, made: datetime | None
) -> None:
    """Give the outline the headings' formulas, which Chromium leaves out, and say whose it is."""
    logging.getLogger("pypdf").setLevel("ERROR")  # Chromium states too few objects; all are read
    writer = PdfWriter(clone_from=io.BytesIO(pdf), keep_initial_header=True)
    for entry, heading in zip(_entries(writer.root_object["/Outlines"]), headings, strict=True):
        entry[NameObject("/Title")] = TextStringObject(heading)
    writer.page_mode = "/UseOutlines"
    writer.metadata = {"/Title": title, "/Author": author, "/Producer": "Chromium"}
    if made is not None:
        writer.add_metadata(dict.fromkeys(("/CreationDate", "/ModDate"), f"D:{made:%Y%m%d%H%M%S}Z"))
    share(writer)
    writer.write(target)


def _entries(above: Any) -> Iterator[Any]:
    entry = above.get("/First")
    while entry is not None:
        entry = entry.get_object()
        yield entry
        yield from _entries(entry)
        entry = entry.get("/Next")


def _front(
    title: str, author: str, edition: str, commit: str, made: datetime | None, solutions: bool
) -> str:
    date = "" if made is None else f", {made.day} {made:%B %Y}"
    left_out = "Code that is folded there is left out"
    if not solutions:
        left_out += ", and so are the solutions of the exercises and the answers to the questions"
    notes = [
        f"{provenance.EDITIONS[edition].capitalize()}, {commit}{date}. The lines at the foot of"
        " each chapter say which versions and seeds its numbers come from.",
        "What the text calls a page is a page of the website, and here a chapter. Proofs and hints"
        " that are folded there are open here, and what moves there stands in one state."
        f" {left_out}.",
        "Text and figures: CC BY 4.0. Code: BSD 3-Clause.",
    ]
    return (
        f'<p class="book-title">{html.escape(title)}</p>'
        '<p class="book-subtitle">A computational companion to <em>Continuous Limits of Coupled'
        " Flows in Representation Learning</em></p>"
        f'<p class="book-author">{html.escape(author)}</p>'
        f'<div class="book-notes">{"".join(f"<p>{html.escape(note)}</p>" for note in notes)}</div>'
    )


if __name__ == "__main__":
    raise SystemExit(main())
