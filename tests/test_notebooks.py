"""What readers take away: downloads, published notebooks, and the links that open those."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
import sphinx_book_theme
from bs4 import BeautifulSoup
from pybtex.database import parse_file

from coupled_flows.display.page import quote
from tools import address, buttons, notebooks, provenance
from tools.pages import notebook, pages
from tools.plain import MATHEMATICS, Said, plain

ROOT = Path(__file__).resolve().parent.parent
BOOK = pages(ROOT)
WITH_CODE = [page for page in BOOK if notebook(page) is not None]
PUBLIC = "https://github.com/Someone/coupled-flows"
CLAIMS = [
    {"key": "C2a", "page": "book/many_walks", "title": "Bounded", "statement": "$|W| < 1$.",
     "assumptions": ["H1", "H2"], "measured": 0.5, "low": 0.5, "high": 0.5,
     "expected": "≤ 1e-12", "verdict": "holds if"},
    {"key": "C2b", "page": "book/many_walks", "title": "Aligned", "statement": "Any start.",
     "assumptions": [], "measured": 90.0, "low": 89.5, "high": 90.25,
     "expected": -1.0, "verdict": "fails for our instance"},
]  # fmt: skip
SAID = Said(
    labels={"thm-one": "Theorem 1.1", "eq-one": "(1.2)", "ex-one": "Exercise 1.3"},
    values={
        "slope": "0.98765",
        "order": "1.000 [0.9, 1.1]",
        "name": "'sphere'",
        "count": "12",
        "down": "-0.186",
        "many_walks.md::slope": "2.5",
    },
    works=parse_file(ROOT / "book" / "references.bib"),
    run_time="about 2 s",
    notebooks=frozenset({"many_walks"}),
    claims=CLAIMS,
)
# what only the book's own website understands
OWN = re.compile(
    r"\{[\w:-]+\}`|^\s*(?:`{3,}\{|:{3,})|^:[\w-]+:|^\([\w-]+\)=$|^\{\.|^\*\*(Grid|Card)",
    re.MULTILINE,
)


def links(site: Path, name: str, kind: str) -> list[str]:
    page = site / f"{name}.html"
    found = BeautifulSoup(page.read_text(encoding="utf8"), "html.parser")
    return [str(link["href"]) for link in found.select(f".dropdown-{kind}-buttons a[href]")]


# --- downloads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", BOOK, ids=lambda page: page.name)
def test_page_can_be_downloaded(quick_site: Path, page: Any) -> None:
    found = links(quick_site, page.name, "download")
    kinds = [".ipynb", ".md"] if page in WITH_CODE else [".md"]
    assert [Path(link).suffix for link in found] == kinds
    files = [(quick_site / "book" / link).resolve() for link in found]
    assert files[0].is_file()
    if page in WITH_CODE:
        assert files[-1].read_bytes() == page.path.read_bytes()
    else:
        assert OWN.findall(files[-1].read_text(encoding="utf8")) == []


def test_the_ledger_is_downloaded_with_its_tables(
    quick_site: Path, claims: dict[str, dict[str, Any]]
) -> None:
    text = (quick_site / "_sources" / "book" / "ledger.md").read_text(encoding="utf8")
    rows = [re.split(r" *\| *", line)[1:-1] for line in text.splitlines() if line[:3] == "| ["]
    assert all(len(row) == 5 for row in rows)
    found = {re.sub(r"\[(\w+)\].*", r"\1", row[0]): row for row in rows}
    assert set(found) == set(claims)
    assert all(row[4] == claims[key]["verdict"] for key, row in found.items())


def test_the_references_are_downloaded_with_every_work(quick_site: Path) -> None:
    text = (quick_site / "_sources" / "book" / "references.md").read_text(encoding="utf8")
    works = [line for line in text.splitlines() if line.startswith("- ")]
    years = sorted(entry.fields["year"] for entry in SAID.works.entries.values())
    assert len(works) == len(years)
    assert all(any(year in work for work in works) for year in years)


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_notebook_is_executed_valid_and_of_no_machine(quick_site: Path, page: Any) -> None:
    path = quick_site / "_sources" / f"{page.name}.ipynb"
    read = nbformat.read(path, as_version=4)
    nbformat.validate(read)
    code = [cell for cell in read.cells if cell.cell_type == "code"]
    source = notebook(page)
    assert source is not None
    assert [cell.source for cell in code] == [
        cell.source for cell in source.cells if cell.cell_type == "code"
    ]
    assert all(cell.execution_count for cell in code)
    shown = [out for cell in code for out in cell.outputs if "data" in out]
    kinds = {"text/plain", "text/html", "text/markdown", "image/svg+xml", "image/png"}
    assert all(kinds & set(output.data) for output in shown)  # any Jupyter has one of these
    text = path.read_text(encoding="utf8")
    assert str(ROOT) not in text
    assert str(Path.home()) + "/" not in text
    assert len({cell.id for cell in read.cells}) == len(read.cells)


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_prose_of_a_notebook_is_plain_markdown(quick_site: Path, page: Any) -> None:
    read = nbformat.read(quick_site / "_sources" / f"{page.name}.ipynb", as_version=4)
    for cell in read.cells:
        if cell.cell_type == "markdown":
            assert OWN.findall(cell.source) == [], cell.source
            for target in re.findall(r"\]\(([^)#:]+)\)", MATHEMATICS.sub("", cell.source)):
                assert (quick_site / "_sources" / "book" / target).is_file(), target


# --- plain Markdown ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("By {prf:ref}`thm-one` and {eq}`eq-one`.", "By Theorem 1.1 and (1.2)."),
        ("By {prf:ref}`the theorem <thm-one>`.", "By the theorem."),
        ("About {glue:text}`slope:.2f`, {glue:text}`order`.", "About 0.99, 1.000 [0.9,\xa01.1]."),
        ("{glue:text}`name` {glue:text}`count:.1f` {glue:text}`lost:.1f`", "sphere 12.0 lost"),
        ("{glue:text}`many_walks.md::slope:.2f` {glue:text}`slope`", "2.50 0.98765"),
        ("{glue:text}`down:+.2f` and -1", "\N{MINUS SIGN}0.19 and -1"),
        ("{cite:t}`LiXuTongLuZhao2026`", "Li et al. (2026)"),
        ("{cite:p}`LiXuTongLuZhao2026,Jorgensen1975`", "(Li et al., 2026; Jørgensen, 1975)"),
        ("It runs in {run-time}`this page`.", "It runs in about 2 s."),
        ("[a](many_walks.md) [b](many_walks.md#c) [d](ledger.md) [e](H1)",
         "[a](many_walks.ipynb) [b](many_walks.ipynb) d e"),
        ("[a](https://example.org/x) ![b](c.png)", "[a](https://example.org/x) ![b](c.png)"),
        ("$\\mathbb E[f](x)$ and [e](H1)", "$\\mathbb E[f](x)$ and e"),
        ("(top)=\n# Title", "# Title"),
        ("```{math}\n:label: eq-one\n\nx = 1\n```", "$$\nx = 1\n\\tag{1.2}\n$$"),
        ("```{math}\nx = 1\n```", "$$\nx = 1\n$$"),
        ("```{prf:theorem} Why\n:label: thm-one\n\nBy\n\n$$\nx\n$$\n```",
         "**Theorem 1.1 (Why)**\n\nBy\n\n$$\nx\n$$"),
        (":::{dropdown} Proof\n:open:\nShort.\n\n```{math}\ny\n```\n:::",
         "<details><summary>Proof</summary>\n\nShort.\n\n$$\ny\n$$\n\n</details>"),
        (":::{admonition} Mind\n:class: tip\n\n**You** do.\n:::", "**Mind**\n\n**You** do."),
        ("{.ways}\nNew here?", "New here?"),
        (":::::{grid} 1 1 3 3\n:gutter: 3\n\n::::{grid-item-card} 1. Walks\nThey **walk**.\n"
         ":::{card-footer}\n{verdicts}`C2`\n:::\n::::\n:::::",
         "**1. Walks**\n\nThey **walk**.\n\n2 lines decided: 1 holds if assumptions are granted,"
         " 1 fails for our instance"),
        ("```{ledger}\nC2: weights | book/many_walks\nC3: the rest | later\n```",
         "2 lines decided: 1 holds if assumptions are granted, 1 fails for our instance.\n\n"
         "| Claim | What the book shows | Measured | Expected | Verdict |\n"
         "| --- | --- | --- | --- | --- |\n"
         "| C2 | **weights** |  |  | [many_walks](many_walks.ipynb) |\n"
         "| [C2a](many_walks.ipynb) | **Bounded** $\\vert W\\vert  < 1$. Under H1, H2."
         " | 0.5 | ≤ 1e\N{MINUS SIGN}12 | holds if |\n"
         "| [C2b](many_walks.ipynb) | **Aligned** Any start."
         " | 90.00 [89.50,\xa090.25] | \N{MINUS SIGN}1 | fails for our instance |\n"
         "| C3 | **the rest** |  |  | later |"),
        ("```{not-held}\n```", "1 line fails for our instance:\n\n- C2b Aligned\n\n"
         "No line is undecided or is contradicted."),
        ("````{solution-start} ex-one\n:class: dropdown\n````", "**Solution of Exercise 1.3**"),
        ("```{solution-end}\n```", ""),
        ("```python\n{not} a directive\n```", "```python\n{not} a directive\n```"),
    ],
)  # fmt: skip
def test_the_books_own_markdown_becomes_plain(written: str, shown: str) -> None:
    assert plain(written, SAID) == shown


# --- published -----------------------------------------------------------------------------------


def test_published_notebooks_install_the_library_first(
    quick_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(address.VARIABLE, PUBLIC)
    monkeypatch.setattr(provenance, "full_commit_of", lambda root: "0123abcd")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.ipynb").write_text("{}", encoding="utf8")
    assert notebooks.main(["--quick", str(tmp_path / "out")]) == 0
    made = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.*")}
    assert made == {Path(f"{page.name}.ipynb") for page in WITH_CODE} | {
        Path("README.md"), Path("requirements.txt"), Path("runtime.txt"),
    }  # fmt: skip
    library = f"coupled-flows[display] @ {PUBLIC}/archive/0123abcd.zip"
    for page in WITH_CODE:
        read = nbformat.read(tmp_path / "out" / f"{page.name}.ipynb", as_version=4)
        nbformat.validate(read)
        first, *rest = read.cells
        assert f'%pip install --quiet "{library}"' in first.source
        download = quick_site / "_sources" / f"{page.name}.ipynb"
        assert [c.source for c in rest] == [
            c.source for c in nbformat.read(download, as_version=4).cells
        ]
    pinned = (tmp_path / "out" / "requirements.txt").read_text(encoding="utf8").splitlines()
    lock = (ROOT / "requirements.txt").read_text(encoding="utf8").splitlines()
    assert [line if line != "-e ." else library for line in lock] == pinned


def test_what_is_missing_to_publish_is_said(
    quick_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(address.VARIABLE, raising=False)
    with pytest.raises(notebooks.UnpublishableError, match=address.VARIABLE):
        notebooks.publish(ROOT, quick_site, tmp_path / "out")
    with pytest.raises(notebooks.UnpublishableError, match="make book"):
        notebooks.publish(ROOT, tmp_path, tmp_path / "out")
    monkeypatch.setenv(address.VARIABLE, PUBLIC)
    monkeypatch.setattr(provenance, "full_commit_of", lambda root: None)
    with pytest.raises(notebooks.UnpublishableError, match="no commit"):
        notebooks.publish(ROOT, quick_site, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_quoting_needs_nothing_of_the_book(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    quote(slope=1.0)


# --- links to services ---------------------------------------------------------------------------


@pytest.mark.parametrize("page", BOOK, ids=lambda page: page.name)
def test_no_service_is_offered_before_its_link_can_work(quick_site: Path, page: Any) -> None:
    assert links(quick_site, page.name, "launch") == []


def test_services_are_offered_once_both_settings_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(address.LAUNCH, "binder colab")
    monkeypatch.delenv(address.VARIABLE, raising=False)
    assert "coupled_flows_launch" not in address.settings()
    monkeypatch.setenv(address.VARIABLE, PUBLIC)
    launch = address.settings()["coupled_flows_launch"]
    context: dict[str, Any] = {"header_buttons": []}
    app: Any = SimpleNamespace(config=SimpleNamespace(coupled_flows_launch=launch))
    buttons.offer_services(app, context, "book/intro")
    (group,) = context["header_buttons"]
    assert [button["url"] for button in group["buttons"]] == [
        "https://mybinder.org/v2/gh/Someone/coupled-flows/notebooks?urlpath=lab/tree/book/intro.ipynb",
        "https://colab.research.google.com/github/Someone/coupled-flows/blob/notebooks/book/intro.ipynb",
    ]
    theme = Path(sphinx_book_theme.get_html_theme_path())
    for button in group["buttons"]:
        assert (theme / str(button["icon"]).removeprefix("_")).is_file()


def test_services_are_named_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(address.VARIABLE, PUBLIC)
    monkeypatch.delenv(address.LAUNCH, raising=False)
    assert address.settings()["coupled_flows_launch"] == {}
    context: dict[str, Any] = {"header_buttons": []}
    app: Any = SimpleNamespace(config=SimpleNamespace(coupled_flows_launch={}))
    buttons.offer_services(app, context, "book/intro")
    assert context == {"header_buttons": []}
    monkeypatch.setenv(address.LAUNCH, "binder deepnote")
    with pytest.raises(ValueError, match=r"deepnote.*binder, colab"):
        address.settings()
