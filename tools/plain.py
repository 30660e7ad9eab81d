"""Turn a page's Markdown into Markdown that any program shows: for what readers take away.

The page's own language has statements, numbered equations, folded proofs, references and quoted
results. Away from the book nothing knows them, so each becomes what it looks like on the page.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup
from nbformat import NotebookNode
from pybtex.database import BibliographyData
from pybtex.plugin import find_plugin

from coupled_flows.display.page import typeset
from tools import ledger, verdicts
from tools.claims import Claim

OPENING = re.compile(r"(?P<fence>`{3,}|:{3,})\{(?P<name>[\w:-]+)\} *(?P<title>.*)")
OPTION = re.compile(r":(?P<name>[\w-]+): *(?P<value>.*)")
TARGET = re.compile(r"\([\w-]+\)=\n?", re.MULTILINE)
ATTRIBUTES = re.compile(r"^\{\.[\w-]+\}\n", re.MULTILINE)
ROLE = re.compile(r"\{(?P<name>[\w:-]+)\}`(?P<text>[^`]*)`")
MATHEMATICS = re.compile(r"(\$\$.*?\$\$|\$[^$]*\$)", re.DOTALL)
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s:]+)\)")


@dataclass(frozen=True)
class Said:
    """What the pages say that a page's source does not.

    Attributes
    ----------
    labels : Mapping[str, str]
        What a reference to a label shows, such as Theorem 4.1; labels in lower case.
    values : Mapping[str, str]
        What the page's code has computed for its prose, by name, and other pages' code by their
        file and name, as in page.md::name.
    works : BibliographyData
        The works cited.
    run_time : str
        How long the page ran.
    notebooks : frozenset[str]
        The pages that are notebooks too, by file name without suffix.
    claims : Sequence[Claim]
        The claims that the executed pages show, in reading order.
    """

    labels: Mapping[str, str]
    values: Mapping[str, str]
    works: BibliographyData
    run_time: str
    notebooks: frozenset[str]
    claims: Sequence[Claim] = ()


def labels_of(pages: Iterable[Path]) -> dict[str, str]:
    """Return what references show, by label in lower case, as the built pages have it."""
    found: dict[str, str] = {}
    for path in pages:
        article = BeautifulSoup(path.read_text(encoding="utf8"), "html.parser").select_one(
            "article"
        )
        if article is None:
            continue
        for named in article.select("div.proof[id], div.exercise[id], figure[id]"):
            number = named.select_one(".caption-number")
            if number is not None:
                found[str(named["id"])] = number.get_text().strip()
        for number in article.select("div.math[id] > .eqno"):
            label = str(number.parent["id"]).removeprefix("equation-") if number.parent else ""
            found[label] = number.get_text().removesuffix("#")
        for link in article.select("a.reference.internal[href]"):
            found.setdefault(str(link["href"]).partition("#")[2], link.get_text())
    return {label.lower(): text for label, text in found.items() if label}


def values_of(notebook: NotebookNode) -> dict[str, str]:
    """Return what a page's code has computed for its prose."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return {
        scrap["name"]: output["data"][scrap["mime_prefix"] + "text/plain"]
        for output in outputs
        if (scrap := output.get("metadata", {}).get("scrapbook")) is not None
    }


def plain(source: str, said: Said) -> str:
    """Return the Markdown without anything that only the book's own website shows."""
    source = ATTRIBUTES.sub("", TARGET.sub("", source))
    text = _blocks(source.splitlines(), said)
    text = ROLE.sub(lambda role: _role(role["name"], role["text"], said), text)
    parts = MATHEMATICS.split(text)
    # Outside mathematics, where [f](x) is no link.
    for place in range(0, len(parts), 2):
        parts[place] = LINK.sub(
            lambda link: _link(link["text"], link["target"], said), parts[place]
        )
    text = "".join(parts)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _blocks(lines: list[str], said: Said) -> str:
    written: list[str] = []
    rest = iter(lines)
    for line in rest:
        opening = OPENING.fullmatch(line.strip())
        if opening is None:
            written.append(line)
            continue
        body = []
        for inner in rest:
            if re.fullmatch(f"{opening['fence'][0]}{{{len(opening['fence'])},}}", inner.strip()):
                break
            body.append(inner)
        options = {}
        while body and (option := OPTION.fullmatch(body[0].strip())):
            options[option["name"]] = option["value"]
            body.pop(0)
        write = DIRECTIVES.get(opening["name"], _statement)
        written += ["", write(opening["name"], opening["title"].strip(), options, body, said), ""]
    return "\n".join(written)


def _statement(name: str, title: str, options: dict[str, str], body: list[str], said: Said) -> str:
    kind = name.rpartition(":")[2].capitalize()
    number = said.labels.get(options.get("label", "").lower(), kind)
    return f"**{number}{f' ({title})' if title else ''}**\n\n{_blocks(body, said)}"


def _titled(name: str, title: str, options: dict[str, str], body: list[str], said: Said) -> str:
    return f"**{title or name.capitalize()}**\n\n{_blocks(body, said)}"


def _solution(name: str, title: str, options: dict[str, str], body: list[str], said: Said) -> str:
    return f"**Solution of {said.labels.get(title.lower(), 'the exercise')}**"


def _folded(name: str, title: str, options: dict[str, str], body: list[str], said: Said) -> str:
    shown = _blocks(body, said).strip()
    return f"<details><summary>{title}</summary>\n\n{shown}\n\n</details>"


def _equation(name: str, title: str, options: dict[str, str], body: list[str], said: Said) -> str:
    number = said.labels.get(options.get("label", "").lower(), "").strip("()")
    tag = [f"\\tag{{{number}}}"] if number else []
    return "\n".join(["$$", *(line for line in body if line.strip()), *tag, "$$"])


def _ledger(name: str, title: str, options: dict[str, str], body: list[str], said: Said) -> str:
    return ledger.markdown(body, said.claims)


def _not_held(name: str, title: str, options: dict[str, str], body: list[str], said: Said) -> str:
    lines = []
    for words, claims in verdicts.not_held(said.claims):
        lines += [words, "", *(f"- {claim['key']} {claim['title']}" for claim in claims), ""]
    return "\n".join(lines)


def _works(name: str, title: str, options: dict[str, str], body: list[str], said: Said) -> str:
    style = find_plugin("pybtex.style.formatting", "alpha")()
    backend = find_plugin("pybtex.backends", "markdown")()
    works = (work.text.render(backend) for work in style.format_bibliography(said.works))
    # One line a work, and no sign escaped that Markdown reads as itself here.
    return "\n".join(re.sub(r"\\([.()-])", r"\1", f"- {' '.join(work.split())}") for work in works)


def _inside(name: str, title: str, options: dict[str, str], body: list[str], said: Said) -> str:
    return _blocks(body, said)


def _nothing(name: str, title: str, options: dict[str, str], body: list[str], said: Said) -> str:
    return ""


DIRECTIVES: dict[str, Callable[[str, str, dict[str, str], list[str], Said], str]] = {
    "admonition": _titled,
    "bibliography": _works,
    "card-footer": _inside,
    "warning": _titled,
    "dropdown": _folded,
    "grid": _inside,
    "grid-item-card": _titled,
    "ledger": _ledger,
    "list-table": _inside,
    "math": _equation,
    "not-held": _not_held,
    "solution-start": _solution,
    "solution-end": _nothing,
}


def _role(name: str, text: str, said: Said) -> str:
    if name == "glue:text":
        return _value(text, said)
    if name in {"cite:p", "cite:t"}:
        works = [_work(key.strip(), said) for key in text.split(",")]
        if name == "cite:t":
            return ", ".join(f"{authors} ({year})" for authors, year in works)
        return f"({'; '.join(f'{authors}, {year}' for authors, year in works)})"
    if name == "run-time":
        return said.run_time
    if name == "verdicts":
        return verdicts.counted(verdicts.below(text, said.claims))
    words, label = re.fullmatch(r"(?:(.*?) *<)?(.*?)>?", text, re.DOTALL).groups()  # type: ignore[union-attr]
    return words or said.labels.get(label.lower(), label)


def _value(text: str, said: Said) -> str:
    page, name, style = re.fullmatch(r"(?:(.*)::)?([^:]*):?(.*)", text).groups()  # type: ignore[union-attr]
    if page is not None:
        name = f"{Path(page).name}::{name}"
    shown = said.values.get(name, name)
    try:
        value = ast.literal_eval(shown)
    except (ValueError, SyntaxError):  # an object's own words
        return typeset(shown)
    return typeset(format(value, style))


def _work(key: str, said: Said) -> tuple[str, str]:
    entry = said.works.entries[key]
    names = [
        " ".join(author.prelast_names + author.last_names) for author in entry.persons["author"]
    ]
    if len(names) > 2:
        return f"{names[0]} et al.", entry.fields["year"]
    return " and ".join(names), entry.fields["year"]


def _link(text: str, target: str, said: Said) -> str:
    page = target.partition("#")[0]
    if page.removesuffix(".md") in said.notebooks:
        return f"[{text}]({page.removesuffix('.md')}.ipynb)"
    return text
