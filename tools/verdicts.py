"""The role ``{verdicts}``: how the ledger's lines on one of the abstract's claims were decided.

``{verdicts}`C1` `` becomes "25 lines decided: 10 hold, 15 hold if assumptions are granted", counted
in the claims that the executed pages show, with a link to the first of them in the ledger.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxRole

LEDGER = "book/ledger"
# how a verdict begins, and how one and several lines with it are spoken of; the first that fits
SPOKEN = {
    "holds if": ("holds if assumptions are granted", "hold if assumptions are granted"),
    "holds": ("holds", "hold"),
    "fails": ("fails for our instance", "fail for our instance"),
    "undecided": ("is undecided", "are undecided"),
    "contradicted": ("is contradicted", "are contradicted"),
}
ORDER = ("holds", "holds if", "fails", "undecided", "contradicted")


def row(key: str) -> str:
    """Return the anchor of a claim's row in the ledger."""
    return f"ledger-{key}"


def counted(claims: list[dict[str, Any]]) -> str:
    """Return in words how many claims have which verdict."""
    counts = dict.fromkeys(ORDER, 0)
    for claim in claims:
        counts[next(kind for kind in SPOKEN if str(claim["verdict"]).startswith(kind))] += 1
    told = [f"{n} {SPOKEN[kind][n > 1]}" for kind, n in counts.items() if n]
    return f"{len(claims)} line{'s' * (len(claims) > 1)} decided: {', '.join(told)}"


class VerdictsRole(SphinxRole):
    """Count the claims below a key, and link to them."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the link to the ledger."""
        folder, anchor, said = self.config.coupled_flows_record, "", "see the ledger"
        if folder:  # else somebody runs Jupyter Book itself
            path = Path(folder) / "claims.json"
            self.env.note_dependency(str(path))
            claims = json.loads(path.read_text(encoding="utf8"))
            own = [c for c in claims if re.fullmatch(rf"{re.escape(self.text)}[a-z]*", c["key"])]
            if not own:
                message = self.inliner.reporter.error(
                    f"no page shows a claim below {self.text!r}", line=self.lineno
                )
                return [], [message]
            anchor, said = f"#{row(own[0]['key'])}", counted(own)
        address = self.env.app.builder.get_relative_uri(self.env.docname, LEDGER)
        return [nodes.reference("", said, internal=True, refuri=f"{address}{anchor}")], []
