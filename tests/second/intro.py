"""The numbers of the opening page: distances on the sphere from one ring, and their order."""

from __future__ import annotations

import json
import re
from functools import cache

import numpy as np
import pytest

from tests.second.checks import Check
from tests.second.fits import PRINTED, SAME, Fit, fit
from tests.second.shown import outputs
from tests.second.sphere import from_ring, sphere_distance, sphere_limit, sphere_walk
from tools.execution import Executed

PAGE = "book/intro"
COUNTS = [8, 16, 32, 64, 128, 256, 512]


@cache
def apart(n: int) -> float:
    ring = from_ring(-0.64)
    return sphere_distance(sphere_walk(ring, 1 / n, 1.0), sphere_limit(1.0) @ ring)


def opening() -> Fit:
    return fit(1 / np.array(COUNTS), [apart(n) for n in COUNTS])


GLUED: dict[str, Check] = {"opening": (opening, PRINTED + SAME)}
TYPED = {
    "Python 3.11 or newer": "a version",
    "CC BY 4.0": "a version",
    "abs/2604.16801": "an address",
}
SAID = re.compile(r"Steps of 1/(\d+): .* is (\S+) radians .* it is (\S+) times as far\.")


def test_the_explorer_says_what_is_seen(executed: dict[str, Executed]) -> None:
    found = [
        json.loads(table[1])["words"]
        for output in outputs(executed[PAGE])
        if (
            table := re.search(
                r'<script type="application/json">(.*?)</script>',
                output.get("data", {}).get("text/html", ""),
                re.DOTALL,
            )
        )
    ]
    assert len(found) == 1
    said = [match.groups() for words in found[0] if (match := SAID.fullmatch(words))]
    assert [int(n) for n, *_ in said] == COUNTS
    for n, distance, ratio in said:
        # two digits, and three decimals
        assert float(distance) == pytest.approx(apart(int(n)), rel=0.05)
        assert float(ratio) == pytest.approx(apart(2 * int(n)) / apart(int(n)), abs=PRINTED + SAME)
