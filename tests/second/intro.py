"""The number of the opening page: the order on the sphere from one ring."""

from __future__ import annotations

import numpy as np

from tests.second.checks import Check
from tests.second.fits import PRINTED, SAME, Fit, fit
from tests.second.sphere import from_ring, sphere_distance, sphere_limit, sphere_walk

PAGE = "book/intro"
STEPS = 2.0 ** -np.arange(4, 10)


def opening() -> Fit:
    ring = from_ring(-0.64)
    limit = sphere_limit(1.0) @ ring
    return fit(STEPS, [sphere_distance(sphere_walk(ring, h, 1.0), limit) for h in STEPS])


GLUED: dict[str, Check] = {"opening": (opening, PRINTED + SAME)}
TYPED = {"Python 3.11 or newer": "a version", "CC BY 4.0": "a version"}
