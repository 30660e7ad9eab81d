"""The directives ``{ledger}`` and ``{not-held}``: what the abstract claims, what the book found.

The body of a ledger lists claims of the abstract in their order, one a line::

    ```{ledger}
    C1: discrete transitions converge uniformly to a Langevin equation | book/law_converges
    C2a: the weights unconditionally avoid divergence | part two
    ```

After the bar stands where the claim is decided or will be: a page of the book, or words. A line is
decided by every claim that an executed page shows under its key, or under its key and one small
letter more: C1 by C1, C1a, C1b. A line without one is open. The ledgers of a page hold every claim
once between them.

``{not-held}`` lists the claims that fail, are undecided or contradicted, with links to their lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from coupled_flows.display.ledger import bracketed, number
from tools import verdicts
from tools.claims import Claim

COLUMNS = {"Claim": 6, "What the book shows": 46, "Measured": 18, "Expected": 10, "Verdict": 20}
LINE = re.compile(r"(?P<key>\w+):\s+(?P<words>.+?)\s+\|\s+(?P<where>.+)")
MATHEMATICS = re.compile(r"\$[^$]*\$")

logger = logging.getLogger(__name__)


class LineError(ValueError):
    """A line of a ledger is not `KEY: words | page`."""


class Assumption(nodes.inline):
    """The number of an assumption, linked once all pages are read."""


class ClaimsDirective(SphinxDirective):
    """What shows claims that executed pages have made."""

    def _claims(self) -> list[Claim]:
        folder = self.config.coupled_flows_record
        if not folder:
            raise self.error("the ledger is filled by `python -m tools.build`")
        path = Path(folder) / "claims.json"
        self.env.note_dependency(str(path))
        claims: list[Claim] = json.loads(path.read_text(encoding="utf8"))
        return claims

    def _inline(self, text: str) -> list[nodes.Node]:
        parsed, messages = self.parse_inline(text)
        return [*parsed, *messages]


class NotHeldDirective(ClaimsDirective):
    """List the claims that do not hold, by their verdicts."""

    def run(self) -> list[nodes.Node]:
        """Build a list for every verdict that some claim has, and name those that none has."""
        found: list[nodes.Node] = []
        for words, claims in verdicts.not_held(self._claims()):
            found.append(nodes.paragraph("", words))
            if claims:
                found.append(nodes.bullet_list("", *map(self._item, claims), classes=["not-held"]))
        return found

    def _item(self, claim: Claim) -> nodes.Node:
        line = nodes.reference(
            "", claim["key"], internal=True, refuri=f"#{verdicts.row(claim['key'])}"
        )
        words = [nodes.Text(" "), *self._inline(claim["title"])]
        return nodes.list_item("", nodes.paragraph("", "", line, *words))


class LedgerDirective(ClaimsDirective):
    """Render a table of claims, under their number."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Build the table from the body's lines and the claims that the pages show."""
        body = nodes.tbody()
        shown = []
        try:
            for match, own in decided(self.content, self._claims()):
                body += self._abstract(match, bool(own))
                for claim in own:
                    body += self._claim(claim)
                shown += own
        except LineError as error:
            raise self.error(str(error)) from error
        counted = [nodes.paragraph("", f"{verdicts.counted(shown)}.")] if shown else []
        return [*counted, _table(body)]

    def _abstract(self, match: re.Match[str], decided: bool) -> nodes.row:
        where = match["where"]
        if where in self.env.found_docs:
            place: list[nodes.Node] = [_to_page(self.env.docname, where)]
        else:
            place = self._inline(where)
        if not decided:
            place = [_verdict([nodes.Text("open")], "open"), nodes.Text(": "), *place]
        row = _row([nodes.Text(match["key"])], self._inline(match["words"]), place, spans=(0, 2, 0))
        row["classes"] += ["ledger-line", "ledger-decided" if decided else "ledger-open"]
        return row

    def _claim(self, claim: Claim) -> nodes.row:
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
            [_verdict(self._inline(str(claim["verdict"])), verdicts.kind(claim))],
        )
        row["classes"].append("ledger-claim")
        row["ids"].append(verdicts.row(claim["key"]))
        return row


def decided(
    lines: Iterable[str], claims: Sequence[Claim]
) -> Iterator[tuple[re.Match[str], list[Claim]]]:
    """Yield every line of a ledger with the claims that decide it.

    Raises
    ------
    LineError
        If a line is not as it should be.
    """
    for line in lines:
        if not line.strip():
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise LineError(f"a line of the ledger is `KEY: words | page`, not {line!r}")
        yield match, [claim for claim in claims if _decides(claim["key"], match["key"])]


def markdown(lines: Iterable[str], claims: Sequence[Claim]) -> str:
    """Return a ledger as a table in Markdown, which any program shows."""
    table = [list(COLUMNS), ["---"] * len(COLUMNS)]
    shown = []
    for match, own in decided(lines, claims):
        page = match["where"].removeprefix("book/")
        where = match["where"] if page == match["where"] else f"[{page}]({page}.md)"
        table.append([match["key"], f"**{match['words']}**", "", "", where])
        for claim in own:
            page = claim["page"].removeprefix("book/")
            under = f" Under {', '.join(claim['assumptions'])}." if claim["assumptions"] else ""
            table.append(
                [
                    f"[{claim['key']}]({page}.md)",
                    f"**{claim['title']}** {claim['statement']}{under}",
                    bracketed(claim["measured"], claim["low"], claim["high"]),
                    _expected(claim["expected"]),
                    claim["verdict"],
                ]
            )
        shown += own
    rows = [f"| {' | '.join(MATHEMATICS.sub(_no_bar, cell) for cell in row)} |" for row in table]
    return "\n".join([*([f"{verdicts.counted(shown)}.", ""] if shown else []), *rows])


def _no_bar(found: re.Match[str]) -> str:
    # A bar would end the cell.
    return found[0].replace(r"\|", r"\Vert ").replace("|", r"\vert ")


def _expected(value: float | str) -> str:
    said = value if isinstance(value, str) else number(value)
    return said.replace("-", "\N{MINUS SIGN}")


def check_complete(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of every claim that the ledgers of a page do not hold, or hold twice."""
    tables = [table for table in doctree.findall(nodes.table) if "ledger" in table["classes"]]
    if not tables:
        return
    rows = [name for row in doctree.findall(nodes.row) for name in row["ids"]]
    path = Path(app.config.coupled_flows_record) / "claims.json"
    for claim in json.loads(path.read_text(encoding="utf8")):
        times = rows.count(verdicts.row(claim["key"]))
        if times != 1:
            logger.warning(
                f"{times or 'no'} lines of the ledger hold {claim['key']}", location=tables[-1]
            )


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


def _to_claim(here: str, claim: Claim) -> nodes.Node:
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


def _verdict(words: list[nodes.Node], kind: str) -> nodes.Node:
    return nodes.inline("", "", *words, classes=["verdict", f"verdict-{kind.replace(' ', '-')}"])


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
