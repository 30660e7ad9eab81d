"""The notation page: how the brackets after its two examples are made."""

from __future__ import annotations

import math
import re

import numpy as np

from tests.second.fits import PRINTED, SAME, fit
from tests.second.shown import numbers, outputs
from tools.execution import Executed

PAGE = "book/notation"
STEPS = 2.0 ** -np.arange(3, 7)

TYPED = {
    "drifts from 0.97 to 0.999": "an imagined order, to explain a bracket",
    r"$0.503 \pm 0.002$": "an imagined estimate, to explain a bracket",
}


def test_the_brackets_are_right(executed: dict[str, Executed]) -> None:
    shown = [output["data"]["text/plain"] for output in outputs(executed[PAGE])]
    h = STEPS
    assert len(shown) == 2
    np.testing.assert_allclose(numbers(shown[0]), fit(h, h + h**2), rtol=0, atol=PRINTED + SAME)
    # estimates: each logarithm weighs as its relative error says, and the slope's bracket is 1.96
    # standard errors, or more if the scatter is larger than that explains
    values = h * (1 + 0.02 * np.random.default_rng(1).standard_normal(4))
    root = values / (0.02 * h)
    rows = np.column_stack([np.log(h), np.ones(4)]) * root[:, None]
    line, (misfit,), *_ = np.linalg.lstsq(rows, np.log(values) * root)
    error = math.sqrt(np.linalg.inv(rows.T @ rows)[0, 0] * max(1.0, misfit / 2))
    first, order = re.fullmatch(r"\((.*), (\S+ \[.*\])\)", shown[1]).groups()  # type: ignore[union-attr]
    expected = [line[0], line[0] - 1.96 * error, line[0] + 1.96 * error]
    np.testing.assert_allclose(numbers(order), expected, rtol=0, atol=PRINTED + SAME)
    # shown to the first digit of the error, 0.0025
    np.testing.assert_allclose(numbers(first), [values[0], 0.02 * h[0]], rtol=0, atol=PRINTED)
