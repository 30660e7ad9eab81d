"""The benchmarks of the coupled flow run, in miniature: every row is there and right."""

from __future__ import annotations

import re

import pytest

from benchmarks import coupled
from benchmarks.clock import Reading, timed


def test_the_coupled_flow_is_timed_in_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("PARTICLE_STEPS", 200), ("FINE", 64), ("SOLVES", 2), ("AGENT_STEPS", 2)):
        monkeypatch.setattr(coupled, name, size)
    result = coupled.run(1, swarms=(20, 40), cells=(8, 16), agents=(4, 8), errors=(0.05,))
    assert result.sound
    assert "WRONG" not in result.markdown
    rows = [line for line in result.markdown.splitlines() if re.match(r"\| [^-w]", line)]
    # walk, observed and two or three features in two sizes; steps and solves; agents and mixing
    walks = [line for line in result.markdown.splitlines() if line.startswith("| walk")]
    assert len(walks) == 4
    assert len(rows) == (2 * 3 + 2 * 4) + 8 + 8 + 2
    assert result.markdown.count("### ") == 4


def test_a_row_that_computes_something_else_is_marked() -> None:
    row = coupled.Run("one", lambda: 3, wrong=lambda found: "" if found == 2 else f"it is {found}")
    reading = row.run()
    assert isinstance(reading, Reading)
    assert row.check == "**WRONG:** it is 3"
    assert timed(lambda: None).seconds > 0
