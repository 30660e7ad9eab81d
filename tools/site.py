"""The book's own Sphinx extension: what is out of date, ledger, run time, provenance footer.

Sphinx sees that a page's source changed. It does not see that its outputs did (the library was
edited), nor that its footer did (a commit was made), nor its run time; `tools.build` records them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

from coupled_flows.display.page import typeset
from tools import formulas, tags
from tools.buttons import offer_notebook, offer_services
from tools.ledger import (
    Assumption,
    LedgerDirective,
    NotHeldDirective,
    check_complete,
    link_assumptions,
)
from tools.run_time import UNKNOWN, RunTime, RunTimeRole
from tools.verdicts import VerdictsRole

CLAIMS, FOOTERS, OUTPUTS = "claims.json", "footers.json", "outputs.json"
RUN_TIMES = "run_times.json"

# A formula in the text with the bracket before it or the sign, the bracket, the ending after it;
# and the box that ends a proof, with the word or the formula before it.
_FORMULA = r'<span class="math notranslate nohighlight">(?:(?!</span>).)*</span>'
_BOX = _FORMULA.replace(">(?:", r'><mjx-container[^>]* data-tex="\\square">(?:')
BESIDE_FORMULA = re.compile(
    rf"(?:{_FORMULA})?[^\s<>]{{0,30}}\s{_BOX}"
    rf"|\({_FORMULA}[.,;:?!)’”]*|{_FORMULA}(?:[.,;:?!)’”]+|-\w+)"
)

# What is code or TeX: there a space is a space.
AS_TYPED = (nodes.FixedTextElement, nodes.literal, nodes.math)

logger = logging.getLogger(__name__)


def record(app: Sphinx, name: str) -> dict[str, str]:
    """Return one of the records that `tools.build` left for this build."""
    folder = app.config.coupled_flows_record
    if not folder:  # somebody runs Jupyter Book itself
        return {}
    found: dict[str, str] = json.loads((Path(folder) / name).read_text(encoding="utf8"))
    return found


def outdated(app: Sphinx, env: BuildEnvironment, added: Any, changed: Any, removed: Any) -> Any:
    """Name the pages whose outputs are not those they were last read with."""
    now = record(app, OUTPUTS)
    before = getattr(env, "coupled_flows_outputs", {})
    env.coupled_flows_outputs = now  # type: ignore[attr-defined]
    return [page for page in env.found_docs if now.get(page) != before.get(page)]


def note_read(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    """Remember whether any page is read in this build."""
    app.coupled_flows_read = bool(pages)  # type: ignore[attr-defined]


def rewritten(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Name the pages to write again although their source is as it was.

    A page shows other pages' titles, numbers of theorems and glued results. So once one page was
    read anew, all are written; else those with a new footer or run time.
    """
    footers, times = record(app, FOOTERS), record(app, RUN_TIMES)
    now = {page: (footer, times.get(page)) for page, footer in footers.items()}
    before = getattr(env, "coupled_flows_footers", {})
    env.coupled_flows_footers = now  # type: ignore[attr-defined]
    if getattr(app, "coupled_flows_read", False):
        return sorted(env.found_docs)
    return sorted(page for page in env.found_docs if now.get(page) != before.get(page))


def show_run_time(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Say how long the page ran, where it asks for that."""
    for place in list(doctree.findall(RunTime)):
        said = record(app, RUN_TIMES).get(page, UNKNOWN)
        if said == UNKNOWN and app.config.coupled_flows_record:
            logger.warning("a page without code has no run time", location=place)
        kept = re.sub(r"(?<=\d) (?=s\b)", "\N{NO-BREAK SPACE}", said)
        place.replace_self(nodes.inline("", kept, classes=["run-time"]))


def typeset_numbers(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Typeset quoted numbers, and the references; keep per cent with its number."""
    for node in doctree.findall(nodes.inline):
        if "pasted-text" in node["classes"]:
            node[:] = [nodes.Text(typeset(node.astext()))]
    for work in doctree.findall(nodes.citation):
        for text in list(work.findall(nodes.Text)):
            text.parent.replace(text, nodes.Text(typeset(text)))
    for text in list(doctree.findall(nodes.Text)):
        if " %" in text and not isinstance(text.parent, AS_TYPED):
            kept = nodes.Text(text.replace(" %", "\N{NO-BREAK SPACE}%"))
            text.parent.replace(text, kept)


def free_ids(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Take the id off the inside of theorems and exercises: it is the same in all of them."""
    for section in doctree.findall(nodes.section):
        if {"proof-content", "exercise-content", "solution-content"} & set(section["ids"]):
            section["classes"] = [*section["classes"], *section["ids"]]
            section["ids"] = []


def add_footer(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Put the provenance footer under an executed page."""
    if doctree is not None and "body" in context:
        context["body"] += record(app, FOOTERS).get(page, "")


def add_downloads(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Offer an executed page as a notebook, before the theme makes its buttons."""
    if page in record(app, FOOTERS):
        offer_notebook(context, page)


def add_services(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Offer to open an executed page elsewhere, after the theme has made its buttons."""
    if page in record(app, FOOTERS):
        offer_services(app, context, page)


def list_works(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Make the works cited a list to a screen reader: docutils gives them roles long withdrawn."""
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def keep_signs(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Keep a formula on one line with the sign beside it, where a browser sees a drawing."""
    if "body" in context:
        context["body"] = BESIDE_FORMULA.sub(
            r'<span class="with-sign">\g<0></span>', context["body"]
        )


def name_folds(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Call the fold of a cell's code what is written on it."""
    if "body" in context:
        context["body"] = context["body"].replace(
            '<summary aria-label="Toggle hidden content">', "<summary>"
        )


def lead_back(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Say on the page for a missing address where to go from there."""
    if page == app.config.notfound_pagename:
        home = app.config.notfound_urls_prefix
        context["body"] = (
            f"<h1>{context['title']}</h1><p>Nothing has this address. Go to the"
            f' <a href="{home}{app.config.root_doc}.html">first page</a>, to the'
            f' <a href="{home}book/ledger.html">ledger of all claims</a>, or'
            f' <a href="{home}search.html">search the book</a>.</p>'
        )


def search_from_disk(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Show what was found without its surroundings, where a browser lets no page read another."""
    if page == "search":
        no_summary = "DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false"
        app.add_js_file(None, body=f'if (location.protocol === "file:") {no_summary}')


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the extension."""
    app.add_config_value("coupled_flows_record", "", "", types=(str,))
    app.add_config_value("coupled_flows_launch", {}, "html", types=(dict,))
    app.add_directive("ledger", LedgerDirective)
    app.add_directive("not-held", NotHeldDirective)
    app.add_role("run-time", RunTimeRole())
    app.add_role("verdicts", VerdictsRole())
    app.add_node(Assumption)
    app.add_node(RunTime)
    app.connect("env-get-outdated", outdated)
    app.connect("env-before-read-docs", note_read)
    app.connect("env-updated", rewritten)
    app.connect("doctree-read", check_complete)
    app.connect("doctree-resolved", link_assumptions)
    app.connect("doctree-resolved", show_run_time)
    app.connect("doctree-resolved", typeset_numbers)
    app.connect("doctree-resolved", free_ids)
    app.connect("html-page-context", add_footer)
    app.connect("html-page-context", add_downloads)
    app.connect("html-page-context", add_services, priority=502)
    app.connect("html-page-context", list_works)
    app.connect("html-page-context", keep_signs)
    app.connect("html-page-context", name_folds)
    app.connect("html-page-context", lead_back)
    app.connect("html-page-context", search_from_disk)
    formulas.connect(app)
    tags.connect(app)
    return {"parallel_read_safe": False, "parallel_write_safe": False, "version": "1"}
