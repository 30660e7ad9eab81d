"""The role ``{run-time}``: how long the page ran, where its reader decides whether to run it.

A page writes::

    It **runs** in {run-time}`this page`.

and shows "about 10 s", from the run that made the page, so coarsely that the next run of the same
page says the same. The footer has the tenths.
"""

from __future__ import annotations

from bisect import bisect
from itertools import pairwise
from math import sqrt

from docutils import nodes
from sphinx.util.docutils import SphinxRole

# What is said, each about half as much again as the one before: seconds, then minutes.
SAID = {1: "1 s", 2: "2 s", 3: "3 s", 5: "5 s", 7: "7 s", 10: "10 s", 15: "15 s", 20: "20 s",
        30: "30 s", 45: "45 s", 60: "a minute", 90: "a minute and a half", 120: "2 minutes",
        180: "3 minutes", 300: "5 minutes", 600: "10 minutes"}  # fmt: skip
BETWEEN = [sqrt(shorter * longer) for shorter, longer in pairwise(SAID)]
IN_EDITION = {"full": "", "quick": " (quick edition)"}
UNKNOWN = "a time that the build measures"  # somebody runs Jupyter Book itself


def about(seconds: float, edition: str) -> str:
    """Return in words how long a page runs."""
    return f"about {list(SAID.values())[bisect(BETWEEN, seconds)]}{IN_EDITION[edition]}"


class RunTime(nodes.inline):
    """A place for a page's run time, filled when the page is written."""


class RunTimeRole(SphinxRole):
    """Leave the place: the run may be another by the time the page is written."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the place."""
        if self.text != "this page":
            message = self.inliner.reporter.error(
                f"the role is written {{run-time}}`this page`, not `{self.text}`", line=self.lineno
            )
            return [], [message]
        place = RunTime(self.rawtext, "")
        self.set_source_info(place)
        return [place], []
