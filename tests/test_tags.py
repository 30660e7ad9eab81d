"""What a page's head tells search engines, on a public site and on another."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from tools import tags, verdicts

ADDRESS = "https://someone.github.io/book/"
WRITTEN = '<meta content="Of one &amp; all." name="description" />\n'
OPEN_GRAPH = (
    '<meta property="og:url" content="x" />\n<meta property="og:description" content="$x$" />\n'
)


def application(folder: Path, address: str) -> Any:
    return SimpleNamespace(
        outdir=folder,
        env=SimpleNamespace(found_docs={"book/b", "book/a"}),
        builder=SimpleNamespace(get_target_uri=lambda page: f"{page}.html"),
        config=SimpleNamespace(
            html_baseurl=address,
            root_doc="book/a",
            project="Coupled Flows",
            author="The authors",
            copyright="2026",
        ),
    )


def test_a_public_site_has_a_map_and_says_where(tmp_path: Path) -> None:
    app = application(tmp_path, ADDRESS)
    tags.map_site(app, None)
    found = ElementTree.parse(tmp_path / "sitemap.xml").getroot()
    assert [place.text for place in found.iterfind("{*}url/{*}loc")] == [
        f"{ADDRESS}book/a.html",
        f"{ADDRESS}book/b.html",
    ]
    assert f"Sitemap: {ADDRESS}sitemap.xml" in (tmp_path / "robots.txt").read_text(encoding="utf8")
    tags.map_site(application(tmp_path, ""), None)  # built again, for oneself
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_failed_maps_nothing(tmp_path: Path) -> None:
    tags.map_site(application(tmp_path, ADDRESS), RuntimeError("no theme"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_a_page_has_its_authors_description_and_an_address_if_there_is_one(
    tmp_path: Path, address: str
) -> None:
    context = {"metatags": WRITTEN + OPEN_GRAPH, "title": "B", "docstitle": "Coupled Flows"}
    tags.complete(application(tmp_path, address), "book/b", "page.html", context, None)
    assert 'og:description" content="Of one &amp; all."' in context["metatags"]
    assert ("og:url" in context["metatags"]) == bool(address)
    assert context["title"] == "B"


def test_the_first_page_names_the_book_and_others_are_not_for_search(tmp_path: Path) -> None:
    app = application(tmp_path, ADDRESS)
    context: dict[str, Any] = {"metatags": WRITTEN, "title": "A", "docstitle": "Coupled Flows"}
    tags.complete(app, "book/a", "page.html", context, None)
    assert f'"url": "{ADDRESS}book/a.html"' in context["metatags"]
    assert '"description": "Of one & all."' in context["metatags"]
    assert context["docstitle"] == ""  # the title is not said twice
    for name in tags.NOT_FOR_SEARCH:
        context = {"pageurl": f"{ADDRESS}{name}.html"}
        tags.complete(app, name, "page.html", context, None)
        assert "noindex" in context["metatags"]
        assert context["pageurl"] is None


def test_verdicts_are_counted_in_words() -> None:
    def claims(*given: str) -> list[dict[str, str]]:
        return [{"verdict": verdict} for verdict in given]

    assert verdicts.counted(claims("holds")) == "1 line decided: 1 holds"
    assert verdicts.counted(
        claims("undecided", "holds if", "fails for the instance (W)", "holds if", "contradicted")
    ) == (
        "5 lines decided: 2 hold if assumptions are granted, 1 fails for our instance,"
        " 1 is undecided, 1 is contradicted"
    )
