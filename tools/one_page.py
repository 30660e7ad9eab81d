"""The whole book as one HTML page, for print: the articles of a built site in reading order.

An id gets its page's name before it, and a link to another page leads to that page's place here, so
that both work inside one document. What is folded on the site is open.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from bs4 import BeautifulSoup, Tag
from sphinx_external_toc.parsing import parse_toc_yaml

from tools.formulas import letters

# What paper has no use for: anchors of headings, lists of what follows, sliders.
NOT_PRINTED = (
    "a.headerlink, script, noscript, .toctree-wrapper, .sd-summary-state-marker, .explorer-controls"
)
FOLDED_CODE = "details.hide"
SOLVED = ".solution, #check-yourself details > :not(summary)"
# Names and signs of code, in ink: half the elements of the PDF, if they were marked as on the site.
PLAIN_CODE = ", ".join(f".highlight span.{kind}" for kind in ("n", "nn", "p", "w", "o"))
NAMING = ("id", "for", "aria-labelledby", "aria-describedby")


@dataclass
class Part:
    """A part of the book: its title, empty before the first, and its pages' names."""

    title: str
    pages: list[str]


def parts(root: Path) -> list[Part]:
    """Return the parts that ``_toc.yml`` names; the root page is in the first."""
    toc = parse_toc_yaml(root / "_toc.yml")
    first = toc.root.docname
    found = [Part(tree.caption or "", [*map(str, tree.files())]) for tree in toc[first].subtrees]
    if found and not found[0].title:
        return [Part("", [first, *found[0].pages]), *found[1:]]
    return [Part("", [first]), *found]


def assemble(
    site: Path, book: Iterable[Part], *, front: str, title: str, solutions: bool = True
) -> str:
    """Return the pages of a site as one HTML document that stands beside the site's folder.

    Parameters
    ----------
    site : Path
        The folder with the built site.
    book : iterable of Part
        Which pages to print.
    front : str
        HTML of the title page.
    title : str
        The document's title.
    solutions : bool
        Whether to print the solutions of exercises and the answers to the questions.
    """
    book = list(book)
    articles = {name: _article(site / f"{name}.html") for part in book for name in part.pages}
    for name, article in articles.items():
        _unfold(article, solutions)
        _own_ids(article, _key(name))
    outlines = {
        str(path["id"]): str(path["d"])
        for article in articles.values()
        for path in article.select("svg.letters path")
    }
    for drawing in [svg for article in articles.values() for svg in article.select("svg.letters")]:
        drawing.decompose()
    targets = _targets(articles)
    told: set[str] = set()
    for name, article in articles.items():
        _link(article, name, targets, told)
        for image in article.find_all("img", src=True):
            image["src"] = f"{site.name}/{_address(name, str(image['src']))}"
    heads = {_key(name): _title(article).get_text().strip() for name, article in articles.items()}
    body = [f'<div class="title-page">{front}</div>', _contents(book, articles)]
    for part in book:
        if part.title:
            body.append(f'<h1 class="part" id="{_part_key(part)}">{html.escape(part.title)}</h1>')
        for name in part.pages:
            if part.title:
                _lower(articles[name])
            body.append(f'<div class="page page-{_key(name)}" id="{_key(name)}">')
            body.append(f"{articles[name].decode_contents()}</div>")
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en" data-theme="light" data-mode="light"><head>',
            f'<meta charset="utf-8"><title>{html.escape(title)}</title>',
            *_head(site, next(iter(articles))),
            f"<style>{(Path(__file__).parent / 'print.css').read_text(encoding='utf8')}",
            *(_running_head(key, head) for key, head in heads.items()),
            f'</style></head><body>{letters(outlines)}<article class="bd-article">',
            *body,
            "</article></body></html>\n",
        ]
    )


def _article(path: Path) -> Tag:
    text = path.read_text(encoding="utf8")
    found = re.search(r"<article\b.*</article>", text, flags=re.S)
    if found is None:
        raise ValueError(f"{path} holds no article: is it a page of the built site?")
    article = BeautifulSoup(found[0], "html.parser").article
    assert article is not None
    return article


def _unfold(article: Tag, solutions: bool) -> None:
    for controls in article.select(".explorer-controls"):
        words = controls.find_previous_sibling(class_="explorer-words")
        if isinstance(words, Tag):
            state = ", ".join(map(_setting, controls.find_all(recursive=False)))
            words.insert(0, f"Shown: {state}. ")
    for tag in article.select(f"{NOT_PRINTED}, {FOLDED_CODE}"):
        if not tag.decomposed:  # with what it stands in
            tag.decompose()
    for tag in article.select(PLAIN_CODE):
        tag.unwrap()
    if not solutions:
        for tag in article.select(SOLVED):
            if not tag.decomposed:
                tag.decompose()
    for tag in article.find_all("details"):
        tag.name, tag.attrs = "div", {"class": "unfolded"}
    for tag in article.find_all("summary"):
        tag.name, tag.attrs = "p", {"class": "unfolded-title"}
    for tag in article.find_all(tabindex=True):
        del tag["tabindex"]


def _setting(control: Tag) -> str:
    """Return what a slider or a choice is called, and where it stands."""
    chosen = control.select_one("b, label:has(> :checked)")
    return " = ".join(
        tag.get_text() for tag in (control.find(["legend", "label"]), chosen) if tag is not None
    )


def _own_ids(article: Tag, key: str) -> None:
    for tag in article.find_all(True):
        # The ids inside a figure are made of its content, and its own links lead to them.
        if tag.name != "svg" and tag.find_parent("svg") is None:
            for name in set(NAMING) & set(tag.attrs):
                tag[name] = " ".join(f"{key}--{word}" for word in str(tag[name]).split())
    # Chromium knows no place for an anchor without content. Before a heading it would be a line of
    # its own, left behind at the foot of a page when the heading goes to the next.
    for tag in reversed(article.select("span[id]")):
        if not tag.get_text() and not tag.find(True):
            after = tag.find_next_sibling()
            if (
                isinstance(after, Tag)
                and re.fullmatch("h[1-6]", after.name)
                and "id" not in after.attrs
            ):
                after["id"] = tag["id"]
                tag.decompose()
            else:
                tag.string = "\N{ZERO WIDTH NO-BREAK SPACE}"


def _targets(articles: dict[str, Tag]) -> dict[str, Tag]:
    found = {_key(name): _title(article) for name, article in articles.items()}
    for article in articles.values():
        found |= {str(tag["id"]): tag for tag in article.find_all(id=True)}
    return found


def _link(article: Tag, page: str, targets: dict[str, Tag], told: set[str]) -> None:
    for link in article.find_all("a"):
        address = str(link.get("href", ""))
        if urlsplit(address).scheme in {"http", "https", "mailto"}:
            # An address is printed where it is met first, unless the text says it already.
            if address not in told and _tail(address) not in link.get_text():
                link["data-address"] = address
            told.add(address)
            continue
        path, fragment = urldefrag(address)
        name = _address(page, path).removesuffix(".html") if path else page
        target = f"{_key(name)}--{unquote(fragment)}" if fragment else _key(name)
        link.attrs = {name: link[name] for name in ("class", "id") if name in link.attrs}
        if target in targets:
            link["href"] = f"#{target}"
            if place := _place(link, targets[target]):
                link["data-place"] = place
        else:  # it is not printed, or a file of the site
            link.name = "span"


def _place(link: Tag, target: Tag) -> str:
    """Return the number of what a link leads to, unless its words do: "(why)" is lost on paper."""
    words = link.get_text()
    if re.search(r"\d", words) or not link.select("span.doc, span.std-doc, span.std-ref"):
        return ""
    box = target.css.closest(".exercise, .proof:not(.proof-type-proof)")
    section = target.css.closest("section")
    if caption := box and box.select_one(".caption-number"):
        kind, number = caption.get_text().lower().split()
    elif section is None or section is link.css.closest("section"):
        return ""
    elif found := section.select_one(":scope > :is(h1, h2, h3) > .section-number"):
        number = found.get_text().strip(". \N{NO-BREAK SPACE}")
        kind = "section" if "." in number else "chapter"
    else:
        return ""
    return number if words.endswith(kind) else f"{kind}\N{NO-BREAK SPACE}{number}"


def _tail(address: str) -> str:
    return re.sub(r"^\w+://(doi\.org/)?|/$", "", address)


def _lower(article: Tag) -> None:
    """Put the headings of a page one level down, under those of the parts."""
    for level in (5, 4, 3, 2, 1):
        for heading in article.find_all(f"h{level}"):
            heading.name = f"h{level + 1}"
            heading["class"] = f"was-h{level}"


def _title(article: Tag) -> Tag:
    found = article.find("h1")
    if not isinstance(found, Tag):
        raise ValueError("a page without a title cannot be printed")
    return found


def _running_head(key: str, title: str) -> str:
    text = json.dumps(title, ensure_ascii=False)
    return f"@page p-{key} {{ @top-right {{ content: {text} }} }} .page-{key} {{ page: p-{key} }}"


def _part_key(part: Part) -> str:
    return f"part--{_key(part.title)}"


def _contents(book: Iterable[Part], articles: dict[str, Tag]) -> str:
    lines = []
    for part in book:
        if part.title:
            lines.append(_line(_part_key(part), html.escape(part.title), "contents-part"))
        for name in part.pages:
            title = _title(articles[name])
            lines.append(_line(_key(name), title.decode_contents(), "contents-page"))
            for heading in articles[name].find_all("h2"):
                section = heading.find_parent("section")
                if section is not None and section.get("id"):
                    inside = heading.decode_contents()
                    lines.append(_line(str(section["id"]), inside, "contents-section"))
    return f'<nav class="book-contents"><h1>Contents</h1>{"".join(lines)}</nav>'


def _line(target: str, title: str, depth: str) -> str:
    title = re.sub(r"</?a\b[^>]*>", "", title)
    return (
        f'<p class="{depth}"><a href="#{target}"><span class="contents-title">{title}</span>'
        f'<span class="folio" data-target="{target}"></span></a></p>'
    )


def _head(site: Path, page: str) -> Iterable[str]:
    """Yield the style sheets of a page of the site."""
    soup = BeautifulSoup((site / f"{page}.html").read_text(encoding="utf8"), "html.parser")
    for sheet in soup.select("head link[rel=stylesheet]"):
        address = _address(page, str(sheet["href"]))
        yield f'<link rel="stylesheet" href="{site.name}/{address}">'


def _address(page: str, address: str) -> str:
    """Return a link of a page as seen from the site's folder, without its query."""
    return unquote(urlsplit(urljoin(f"/{page}.html", address)).path).lstrip("/")


def _key(name: str) -> str:
    return re.sub(r"\W+", "-", name.removeprefix("book/")).strip("-").lower()
