"""The role ``{verdicts}``: how the ledger's lines on one of the abstract's claims were decided.

``{verdicts}`C1` `` becomes "25 lines decided: 10 hold, 15 hold if assumptions are granted", counted
in the claims that the executed pages show, with a link to the first of them in the ledger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxRole

from tools.claims import Claim

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


def kind(claim: Claim) -> str:
    """Return how the verdict on a claim begins, one of `ORDER`."""
    return next(kind for kind in SPOKEN if str(claim["verdict"]).startswith(kind))


def below(key: str, claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims that decide a claim of the abstract, or a part of it."""
    return [claim for claim in claims if re.fullmatch(rf"{re.escape(key)}[a-z]*", claim["key"])]


def counted(claims: Sequence[Claim]) -> str:
    """Return in words how many claims have which verdict."""
    counts = dict.fromkeys(ORDER, 0)
    for claim in claims:
        counts[kind(claim)] += 1
    told = [f"{n} {SPOKEN[kind][n > 1]}" for kind, n in counts.items() if n]
    return f"{len(claims)} line{'s' * (len(claims) > 1)} decided: {', '.join(told)}"


def not_held(claims: Sequence[Claim]) -> Iterator[tuple[str, list[Claim]]]:
    """Yield the claims that do not hold, by verdict, each time with words to stand before them."""
    groups = {word: [claim for claim in claims if kind(claim) == word] for word in ORDER[2:]}
    for word, group in groups.items():
        if group:
            several = len(group) > 1
            yield f"{len(group)} line{'s' * several} {SPOKEN[word][several]}:", group
    if none := [SPOKEN[word][0] for word, group in groups.items() if not group]:
        yield f"No line {' or '.join(none)}.", []


class VerdictsRole(SphinxRole):
    """Count the claims below a key, and link to them."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the link to the ledger."""
        folder, anchor, said = self.config.coupled_flows_record, "", "see the ledger"
        if folder:  # else somebody runs Jupyter Book itself
            path = Path(folder) / "claims.json"
            self.env.note_dependency(str(path))
            claims = json.loads(path.read_text(encoding="utf8"))
            own = below(self.text, claims)
            if not own:
                message = self.inliner.reporter.error(
                    f"no page shows a claim below {self.text!r}", line=self.lineno
                )
                return [], [message]
            anchor, said = f"#{row(own[0]['key'])}", counted(own)
        address = self.env.app.builder.get_relative_uri(self.env.docname, LEDGER)
        return [nodes.reference("", said, internal=True, refuri=f"{address}{anchor}")], []
