"""Read the claims off the executed pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.execution import Executed

MIME = "application/vnd.coupled-flows.claim+json"
FIELDS = (
    "key",
    "title",
    "statement",
    "assumptions",
    "measured",
    "low",
    "high",
    "expected",
    "verdict",
    "anchor",
)

Claim = dict[str, Any]


class ClaimError(ValueError):
    """A page shows a claim that the ledger cannot enter."""


def collect(executed: Mapping[str, Executed]) -> list[Claim]:
    """Return every claim shown by an executed page, in reading order, with its page.

    Raises
    ------
    ClaimError
        If a claim lacks a field, or two claims have one key.
    """
    claims: dict[str, Claim] = {}
    for page, run in executed.items():
        for cell in run.notebook.cells:
            for output in cell.get("outputs", []):
                claim = output.get("data", {}).get(MIME)
                if claim is None:
                    continue
                missing = [field for field in FIELDS if field not in claim]
                if missing:
                    raise ClaimError(f"{page}: a claim lacks {', '.join(missing)}: {claim}")
                if claim["key"] in claims:
                    other = claims[claim["key"]]["page"]
                    raise ClaimError(f"{page}: claim {claim['key']} is shown on {other} too")
                claims[claim["key"]] = {**claim, "page": page}
    return list(claims.values())
