"""The ``{ledger}`` directive: what the abstract claims, line by line, and what the book found.

Its body lists the abstract's claims in their order, one a line::

    ```{ledger}
    C1: discrete transitions converge uniformly to a Langevin equation | book/law_converges
    C2a: the weights unconditionally avoid divergence | part two
    ```

After the bar stands where the claim is decided or will be: a page of the book, or words. A line is
decided by every claim that an executed page shows under its key, or under its key and one small
letter more: C1 by C1, C1a, C1b. A line without one is open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from coupled_flows.display.ledger import bracketed, number
from tools import verdicts

COLUMNS = {"Claim": 6, "What the book shows": 46, "Measured": 18, "Expected": 10, "Verdict": 20}
LINE = re.compile(r"(?P<key>\w+):\s+(?P<words>.+?)\s+\|\s+(?P<where>.+)")


class Assumption(nodes.inline):
    """The number of an assumption, linked once all pages are read."""


class LedgerDirective(SphinxDirective):
    """Render the table of all claims."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Build the table from the body's lines and the claims that the pages show."""
        claims = self._claims()
        body = nodes.tbody()
        for line in self.content:
            if not line.strip():
                continue
            match = LINE.fullmatch(line.strip())
            if match is None:
                raise self.error(f"a line of the ledger is `KEY: words | page`, not {line!r}")
            own = [claim for claim in claims if _decides(claim["key"], match["key"])]
            claims = [claim for claim in claims if claim not in own]
            body += self._abstract(match, bool(own))
            for claim in own:
                body += self._claim(claim)
        if claims:
            raise self.error(f"no line of the ledger holds {[claim['key'] for claim in claims]}")
        return [_table(body)]

    def _claims(self) -> list[dict[str, Any]]:
        folder = self.config.coupled_flows_record
        if not folder:
            raise self.error("the ledger is filled by `python -m tools.build`")
        path = Path(folder) / "claims.json"
        self.env.note_dependency(str(path))
        claims: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf8"))
        return claims

    def _abstract(self, match: re.Match[str], decided: bool) -> nodes.row:
        where = match["where"]
        if where in self.env.found_docs:
            place: list[nodes.Node] = [_to_page(self.env.docname, where)]
        else:
            place = self._inline(where)
        if not decided:
            place = [_verdict([nodes.Text("open")]), nodes.Text(": "), *place]
        row = _row([nodes.Text(match["key"])], self._inline(match["words"]), place, spans=(0, 2, 0))
        row["classes"] += ["ledger-line", "ledger-decided" if decided else "ledger-open"]
        return row

    def _claim(self, claim: dict[str, Any]) -> nodes.row:
        shown: list[nodes.Node] = [
            nodes.strong("", "", *self._inline(claim["title"])),
            nodes.Text(" "),
            *self._inline(claim["statement"]),
        ]
        if claim["assumptions"]:
            shown.append(nodes.Text(" Under "))
            for position, key in enumerate(claim["assumptions"]):
                if position:
                    shown.append(nodes.Text(", "))
                shown.append(Assumption("", key, classes=["assumption"]))
            shown.append(nodes.Text("."))
        row = _row(
            [_to_claim(self.env.docname, claim)],
            shown,
            self._inline(bracketed(claim["measured"], claim["low"], claim["high"])),
            self._inline(_expected(claim["expected"])),
            [_verdict(self._inline(str(claim["verdict"])))],
        )
        row["classes"].append("ledger-claim")
        row["ids"].append(verdicts.row(claim["key"]))
        return row

    def _inline(self, text: str) -> list[nodes.Node]:
        parsed, messages = self.parse_inline(text)
        return [*parsed, *messages]


def _expected(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)


def link_assumptions(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Link H1 to the target `(H1)=`, wherever in the book it stands."""
    targets = app.env.domaindata["std"]["anonlabels"]
    for node in list(doctree.findall(Assumption)):
        text = node.astext()
        plain: nodes.Element = nodes.inline("", text, classes=node["classes"])
        if text.lower() in targets:
            target, anchor = targets[text.lower()]
            uri = app.builder.get_relative_uri(page, target)
            plain = nodes.reference("", "", plain, internal=True, refuri=f"{uri}#{anchor}")
        node.replace_self(plain)


def _decides(claim: str, line: str) -> bool:
    return re.fullmatch(re.escape(line) + "[a-z]?", claim) is not None


def _to_claim(here: str, claim: dict[str, Any]) -> nodes.Node:
    if not claim["anchor"]:
        return _to_page(here, claim["page"], claim["key"])
    label = claim["anchor"].lower()
    return _reference(here, "ref", label, claim["key"])


def _to_page(here: str, page: str, text: str | None = None) -> nodes.Node:
    return _reference(here, "doc", f"/{page}", text)


def _reference(here: str, kind: str, target: str, text: str | None) -> nodes.Node:
    return addnodes.pending_xref(
        "",
        nodes.inline("", text or "", classes=["xref", "std", f"std-{kind}"]),
        refdoc=here,
        refdomain="std",
        reftype=kind,
        reftarget=target,
        refexplicit=text is not None,
        refwarn=True,
    )


def _verdict(words: list[nodes.Node]) -> nodes.Node:
    return nodes.inline("", "", *words, classes=["verdict"])


def _row(*cells: Sequence[nodes.Node], spans: tuple[int, ...] = ()) -> nodes.row:
    row = nodes.row()
    for position, cell in enumerate(cells):
        entry = nodes.entry("", nodes.paragraph("", "", *cell))
        if spans and spans[position]:
            entry["morecols"] = spans[position]
        row += entry
    return row


def _table(body: nodes.tbody) -> nodes.table:
    group = nodes.tgroup(cols=len(COLUMNS))
    for position, width in enumerate(COLUMNS.values()):
        group += nodes.colspec(colwidth=width, stub=1 if position == 0 else 0)
    head = nodes.thead("", _row(*([nodes.Text(name)] for name in COLUMNS)))
    group += [head, body]
    return nodes.table("", group, classes=["ledger", "colwidths-auto"])
