"""What an explorer of an executed page says, frame by frame."""

from __future__ import annotations

import html
import json
import re
from itertools import product

from tests.second.shown import outputs, typed
from tools.execution import Executed

SAID = re.compile(r"-?\d+(?:\.\d+)?")


def sentences(run: Executed, title: str) -> dict[tuple[str, ...], str]:
    """Return the sentence of each frame, by what the controls show."""
    found = []
    for output in outputs(run):
        markup = typed(output.get("data", {}).get("text/html", ""))
        if f'aria-label="{html.escape(title)}"' in markup:
            data = re.search(r'<script type="application/json">(.*?)</script>', markup)
            assert data is not None
            found.append(json.loads(data[1]))
    assert len(found) == 1, f"{len(found)} explorers are called {title!r}"
    states = list(product(*found[0]["shown"]))
    return dict(zip(states, found[0]["words"], strict=True))


def spoken(run: Executed, title: str) -> dict[tuple[str, ...], list[float]]:
    """Return the numbers in the sentence of each frame."""
    every = sentences(run, title)
    return {
        state: [float(number) for number in SAID.findall(said)] for state, said in every.items()
    }
