"""The build, on a scratch book: pages, claims, both editions, what is rebuilt and what fails."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

from tools.run_time import about

ROOT = Path(__file__).resolve().parent.parent

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
myst:
  html_meta:
    description: A page of the scratch book.
---

"""
LIBRARY = '''\
"""A library small enough for a test."""

import os

NUMBER = 41
EDITION = os.environ["COUPLED_FLOWS_EDITION"]


class Shown(dict):
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"application/vnd.coupled-flows.claim+json": dict(self), "text/html": "<p>C1a</p>"}
'''
CLAIM = {
    "key": "C1a",
    "title": "The number.",
    "statement": "It is near $42$.",
    "assumptions": ["H1", "H9"],
    "measured": 41.0312,
    "low": 41.01,
    "high": 41.05,
    "expected": "≤ 1e-02",
    "verdict": "fails for our instance",
    "anchor": "claim-C1a",
}
LAW = f"""\
# The law

It **runs** in {{run-time}}`this page`.

```{{prf:theorem}} One
:label: thm-one
One.
```

```{{code-cell}} python
from coupled_flows import EDITION, NUMBER, Shown
from myst_nb import glue

glue("number", NUMBER, display=False)
print(f"edition {{EDITION}}, number {{NUMBER}}")
```

(claim-C1a)=
```{{code-cell}} python
Shown({CLAIM!r})
```
"""
INTRO = """\
# Scratch

See {prf:ref}`thm-one`. The law says {glue:text}`law.md::number:.0f`.

(H1)=
**H1.** Compact.
"""
LEDGER = """\
# Ledger

```{not-held}
```

## One

```{ledger}
C1: the abstract's *first* words | book/law
```

## Two

```{ledger}
C2a: the second | a later part
```
"""


class Book:
    """A scratch book with its own library, built by its own copy of tools/."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(
            ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copytree(ROOT / "book" / "_static", root / "book" / "_static")
        for name in ("package.json", "package-lock.json", ".npmrc", "pyproject.toml"):
            shutil.copy2(ROOT / name, root / name)
        (root / "requirements.txt").write_text("", encoding="utf8")
        (root / ".gitignore").write_text("_build/\nnode_modules\n__pycache__/\n", encoding="utf8")
        self.write("lib/coupled_flows/__init__.py", LIBRARY)
        self.write("book/references.bib", "")
        self.write("_config.yml", (ROOT / "_config.yml").read_text(encoding="utf8"))
        self.page("intro", INTRO)
        self.page("law", LAW)
        self.page("ledger", LEDGER)
        self.contents("law", "ledger")
        for stray in ("NOTES.md", ".pytest_cache/README.md", ".venv/lib/read.md", "book/draft.md"):
            self.write(stray, "No page of the book.")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf8")

    def page(self, name: str, text: str) -> None:
        self.write(f"book/{name}.md", HEADER + text)

    def contents(self, *names: str) -> None:
        chapters = [{"file": f"book/{name}"} for name in names]
        part = {"caption": "Part", "numbered": True, "chapters": chapters}
        toc = {"format": "jb-book", "root": "book/intro", "parts": [part]}
        self.write("_toc.yml", yaml.safe_dump(toc))

    def build(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tools.build", *arguments],
            cwd=self.root,
            capture_output=True,
            text=True,
        )

    def soup(self, edition: str, name: str) -> BeautifulSoup:
        html = self.root / "_build" / edition / "html" / "book" / f"{name}.html"
        return BeautifulSoup(html.read_text(encoding="utf8"), "html.parser")

    def text(self, edition: str, name: str) -> str:
        article = self.soup(edition, name).find("article")
        assert article is not None
        return " ".join(article.get_text().split())

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=A reader", "-c", "user.email=reader@example.org")
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True)


def built(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A scratch book in a path with a space, its quick edition built once."""
    scratch = Book(tmp_path_factory.mktemp("a clone"))
    assert "executing 1 of 1 pages" in built(scratch.build("--quick"))
    return scratch


def test_build_executes_the_page_in_its_edition(book: Book) -> None:
    assert "edition quick, number 41" in book.text("quick", "law")


def test_build_collects_the_claims_with_their_page(book: Book) -> None:
    text = (book.root / "_build/quick/claims.json").read_text(encoding="utf8")
    assert json.loads(text) == [{**CLAIM, "page": "book/law"}]


def test_ledger_shows_decided_and_open_claims(book: Book) -> None:
    rows = book.soup("quick", "ledger").select("table.ledger tbody tr")
    cells = [
        [" ".join(cell.get_text().split()) for cell in row.find_all(["th", "td"])] for row in rows
    ]
    assert cells == [
        ["C1", "the abstract’s first words", "The law"],
        [
            "C1a",
            "The number. It is near 42. Under H1, H9.",
            "41.031 [41.010, 41.050]",
            "≤ 1e\N{MINUS SIGN}02",
            "fails for our instance",
        ],
        ["C2a", "the second", "open: a later part"],
    ]


def test_ledger_marks_a_verdict_by_its_kind(book: Book) -> None:
    verdicts = book.soup("quick", "ledger").select("table.ledger .verdict")
    assert [verdict["class"] for verdict in verdicts] == [
        ["verdict", "verdict-fails"],
        ["verdict", "verdict-open"],
    ]


def test_ledger_leads_to_what_does_not_hold_and_counts_each_table(book: Book) -> None:
    page = book.soup("quick", "ledger")
    (item,) = page.select("ul.not-held > li")
    assert " ".join(item.get_text().split()) == "C1a The number."
    (link,) = item.select("a")
    target = page.find(id=str(link["href"]).removeprefix("#"))
    assert target is not None
    assert target.name == "tr"
    text = book.text("quick", "ledger")
    assert "1 line fails for our instance: C1a" in text
    assert "No line is undecided or is contradicted." in text
    counted = [section.select_one("p") for section in page.select("section section")]
    assert [found and found.get_text() for found in counted][:1] == [
        "1 line decided: 1 fails for our instance."
    ]


def test_ledger_links_claim_page_and_assumption(book: Book) -> None:
    links = {
        " ".join(link.get_text().split()): link["href"]
        for link in book.soup("quick", "ledger").select("table.ledger a")
    }
    # H9 is on no page, so it is a word and no link.
    assert links == {"The law": "law.html", "C1a": "law.html#claim-c1a", "H1": "intro.html#h1"}
    assert book.soup("quick", "law").find(id="claim-c1a") is not None


def test_pages_share_one_counter_and_quote_each_other(book: Book) -> None:
    assert "Theorem 1.1 (One)" in book.text("quick", "law")
    assert "See Theorem 1.1. The law says 41." in book.text("quick", "intro")


def test_footer_is_on_executed_pages_alone(book: Book) -> None:
    footer = book.soup("quick", "law").select_one("section.provenance")
    assert footer is not None
    text = footer.get_text(" ")
    assert "quick edition" in text
    assert "none: nothing on this page is random" in text
    assert re.search(r"\d+\.\d s on \d{4}-\d\d-\d\d \(UTC\)", text)
    assert book.soup("quick", "intro").select_one("section.provenance") is None


def test_site_opens_at_its_root(book: Book) -> None:
    index = (book.root / "_build/quick/html/index.html").read_text(encoding="utf8")
    assert "url=book/intro.html" in index


def test_editions_do_not_disturb_each_other(book: Book) -> None:
    assert "executing 1 of 1 pages" in built(book.build())
    assert "edition full" in book.text("full", "law")
    assert "edition quick" in book.text("quick", "law")
    assert "executing" not in built(book.build("--quick"))
    assert "executing" not in built(book.build())


def test_page_says_how_long_it_runs_in_the_words_of_its_edition(book: Book) -> None:
    for edition, arguments, words in (
        ("full", (), r"It runs in about \d+ s\. "),
        ("quick", ("--quick",), r"It runs in about \d+ s \(quick edition\)\. "),
    ):
        built(book.build(*arguments))
        assert re.search(words, book.text(edition, "law"))
        footer = book.soup(edition, "law").select_one("section.provenance")
        assert footer is not None
        seconds = re.search(r"(\d+\.\d) s on", footer.get_text())
        assert seconds is not None
        times = json.loads((book.root / f"_build/{edition}/run_times.json").read_text("utf8"))
        assert times["book/law"] in {
            about(float(seconds[1]) + rounding, edition) for rounding in (-0.05, 0.05)
        }


def test_unchanged_rebuild_writes_no_page_and_a_commit_writes_footers(book: Book) -> None:
    html = book.root / "_build/quick/html/book"

    def stamps() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in html.glob("*.html")}

    built(book.build("--quick"))
    before = stamps()
    book.git("init", "-q")
    book.git("add", ".")
    book.git("commit", "-q", "-m", "one")
    assert "executing" not in built(book.build("--quick"))
    after = stamps()
    assert after["law.html"] > before["law.html"]
    assert "commit " in book.text("quick", "law")
    assert "uncommitted" not in book.text("quick", "law")
    built(book.build("--quick"))
    assert stamps() == after
    # The ledger has no footer, so a commit does not change it. (Sphinx always writes the root.)
    assert after["ledger.html"] == before["ledger.html"]


def test_editing_the_library_changes_the_page_and_those_that_quote_it(book: Book) -> None:
    book.write("lib/coupled_flows/__init__.py", LIBRARY.replace("41", "43"))
    assert "executing 1 of 1 pages" in built(book.build("--quick"))
    assert "number 43" in book.text("quick", "law")
    assert "The law says 43." in book.text("quick", "intro")
    book.write("lib/coupled_flows/__init__.py", LIBRARY)
    assert "executing" not in built(book.build("--quick"))  # the old numbers are still there
    assert "number 41" in book.text("quick", "law")


@pytest.fixture
def broken(book: Book) -> Iterator[Book]:
    """The scratch book, to be given a bad page and mended after the test."""
    yield book
    (book.root / "book/bad.md").unlink()
    book.contents("law", "ledger")


@pytest.mark.parametrize(("key", "said"), [("C2", "no lines"), ("C1", "2 lines")])
def test_claim_that_has_not_one_line_fails_the_build(broken: Book, key: str, said: str) -> None:
    text = LEDGER.replace("C1:", f"{key}:") if key == "C2" else LEDGER.replace("C2a:", "C1:")
    broken.page("bad", text)
    broken.contents("law", "bad")
    done = broken.build("--quick")
    assert done.returncode == 1
    assert f"{said} of the ledger hold C1a" in done.stderr


def test_failing_cell_fails_the_build(broken: Book) -> None:
    broken.page("bad", "# Bad\n\n```{code-cell} python\nquotient = 1 / 0\n```\n")
    broken.contents("law", "ledger", "bad")
    done = broken.build("--quick")
    assert done.returncode == 1
    assert "bad.md did not run" in done.stderr
    assert "quotient = 1 / 0" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_warning_fails_the_build_every_time(broken: Book) -> None:
    broken.page("bad", "# Bad\n\nSee {doc}`nowhere`.\n")
    broken.contents("law", "ledger", "bad")
    for _ in range(2):  # Sphinx alone would forget the warning: the page did not change
        done = broken.build("--quick")
        assert done.returncode == 1
        assert "nowhere" in done.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("It runs in {run-time}`this page`.", "a page without code has no run time"),
        ("It runs in {run-time}`10 s`.", "the role is written {run-time}`this page`, not `10 s`"),
    ],
)
def test_run_time_that_nobody_measured_fails_the_build(
    broken: Book, words: str, complaint: str
) -> None:
    broken.page("bad", f"# Bad\n\n{words}\n")
    broken.contents("law", "ledger", "bad")
    done = broken.build("--quick")
    assert done.returncode == 1
    assert complaint in done.stderr
    assert re.search(r"bad\.md:\d+", done.stderr)


def test_what_cannot_be_drawn_is_told_with_its_line(broken: Book) -> None:
    broken.page(
        "bad",
        "# Bad $\\Omega$\n\n## Good $\\Omega$\n\n"
        "One $x$\nand $\\one$.\n\n| a |\n|---|\n| $\\two$ |\n\n"
        "```{math}\n:nowrap:\nthree\n```\n",
    )
    broken.contents("law", "ledger", "bad")
    first = (
        broken.root.joinpath("book/bad.md").read_text("utf8").splitlines().index("# Bad $\\Omega$")
        + 1
    )
    done = broken.build("--quick")
    assert done.returncode == 1
    told = re.findall(r"bad\.md:(\d+): WARNING: (.*)", done.stderr)
    assert [(int(line) - first, said.partition(":")[0]) for line, said in told] == [
        (0, "the title of a page has no formulas"),
        (4, r"Undefined control sequence \one"),
        (9, r"Undefined control sequence \two"),
        (11, "a formula that Sphinx does not wrap is not drawn"),
    ]
