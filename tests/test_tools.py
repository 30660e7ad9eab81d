"""The parts of the build: cache keys, pruning, seeds, claims, footers, the public address."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from tools import address, claims, execution, pages, provenance, run_time

CLAIM = {
    "key": "C1a",
    "title": "The number.",
    "statement": "It is near $42$.",
    "assumptions": ["H1"],
    "measured": 41.0312,
    "low": 41.01,
    "high": 41.05,
    "expected": "≤ 42",
    "verdict": "fails",
    "anchor": "claim-C1a",
}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder with what a page's outputs depend on."""
    for name in ("lib/coupled_flows/law.py", "requirements.txt", "book/data.csv", "book/page.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one", encoding="utf8")
    return tmp_path


@pytest.mark.parametrize("name", ["lib/coupled_flows/law.py", "requirements.txt", "book/data.csv"])
def test_cache_key_follows_what_outputs_depend_on(inputs: Path, name: str) -> None:
    before = execution.cache_key(inputs, "full")
    (inputs / name).write_text("two", encoding="utf8")
    assert execution.cache_key(inputs, "full") != before


def test_cache_key_follows_the_edition_and_new_files(inputs: Path) -> None:
    keys = {execution.cache_key(inputs, "full"), execution.cache_key(inputs, "quick")}
    (inputs / "lib/coupled_flows/new.py").touch()
    keys.add(execution.cache_key(inputs, "full"))
    assert len(keys) == 3


def test_cache_key_ignores_prose_and_compiled_files(inputs: Path) -> None:
    before = execution.cache_key(inputs, "full")
    (inputs / "book/page.md").write_text("two", encoding="utf8")
    for name in ("lib/coupled_flows/__pycache__/law.pyc", "lib/coupled_flows.egg-info/PKG-INFO"):
        (inputs / name).parent.mkdir()
        (inputs / name).touch()
    assert execution.cache_key(inputs, "full") == before


def test_prune_keeps_the_newest_of_the_edition(tmp_path: Path) -> None:
    for age, name in enumerate(["full-c", "full-b", "quick-z", "full-a", "full-d"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "last-used").touch()
        os.utime(tmp_path / name / "last-used", (1e9 - age, 1e9 - age))
    (tmp_path / "full-unfinished").mkdir()
    execution.prune(tmp_path, "full", keep=2)
    assert {path.name for path in tmp_path.iterdir()} == {"full-c", "full-b", "quick-z"}


def cells(*sources: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in sources])


def test_seeds_are_the_integers_handed_to_generators() -> None:
    page = cells(
        "%matplotlib inline\nrng = np.random.default_rng(20260417)",
        "children = SeedSequence(entropy=[5, 3]).spawn(8)\nrng = default_rng(children[2])",
        "Generator(SFC64(9)).normal(size=100)",
    )
    assert pages.seeds(page) == [3, 5, 9, 20260417]
    assert pages.seeds(cells("x = 1 + 1", "a mistake shown on purpose")) == []


@pytest.mark.parametrize(
    "code",
    [
        "np.random.default_rng()",
        "default_rng(None)",
        "default_rng(seed)",
        "numpy.random.normal(size=3)",
    ],
)
def test_unseeded_page_is_refused(code: str) -> None:
    with pytest.raises(pages.UnseededError, match=re.escape(code.split("(")[0])):
        pages.seeds(cells(code))


def executed(*shown: dict[str, Any], code: str = "") -> execution.Executed:
    notebook = cells(code)
    notebook.cells[0].outputs = [
        nbformat.v4.new_output("display_data", {claims.MIME: claim}) for claim in shown
    ]
    return execution.Executed(notebook, seconds=1.0, date="2026-01-01")


def test_unseeded_page_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1"\n', encoding="utf8")
    runs = {"book/law": executed(code="default_rng()")}
    with pytest.raises(pages.UnseededError, match="book/law: default_rng"):
        provenance.footers(tmp_path, "full", runs)


def test_claim_that_lacks_a_field_is_refused() -> None:
    lacking = {name: value for name, value in CLAIM.items() if name != "verdict"}
    with pytest.raises(claims.ClaimError, match="book/law: a claim lacks verdict"):
        claims.collect({"book/law": executed(lacking)})


def test_claim_shown_twice_is_refused() -> None:
    with pytest.raises(claims.ClaimError, match="C1a is shown on book/law too"):
        claims.collect({"book/law": executed(CLAIM), "book/other": executed(CLAIM)})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.02, "about 1 s"),
        (1.4, "about 1 s"),
        (1.5, "about 2 s"),
        (8.6, "about 10 s"),
        (12.2, "about 10 s"),
        (55.0, "about a minute"),
        (299.0, "about 5 minutes"),
        (3600.0, "about 10 minutes"),
    ],
)
def test_run_time_is_said_coarsely(seconds: float, words: str) -> None:
    assert run_time.about(seconds, "full") == words
    assert run_time.about(seconds, "quick") == f"{words} (quick edition)"


def test_run_time_of_the_next_run_is_most_often_the_same() -> None:
    said = [run_time.about(2.0**power, "full") for power in np.linspace(0, 9, 901)]
    # at most sixteen things are said between a second and ten minutes, each once in a row
    assert len(set(said)) == 1 + sum(a != b for a, b in itertools.pairwise(said)) <= 16


def test_commit_is_the_one_of_this_folder(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=A reader", "-c", "user.email=reader@example.org")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    assert provenance.commit_of(tmp_path) == "a copy without its history"
    git("init", "-q")
    assert provenance.commit_of(tmp_path) == "nothing committed yet"
    (tmp_path / "page.md").touch()
    git("add", ".")
    git("commit", "-q", "-m", "one")
    assert re.fullmatch("commit [0-9a-f]{12}", provenance.commit_of(tmp_path))
    (tmp_path / "page.md").write_text("two", encoding="utf8")
    assert provenance.commit_of(tmp_path).endswith(" + uncommitted changes")
    (tmp_path / "inner").mkdir()
    assert provenance.commit_of(tmp_path / "inner") == "a copy without its history"


def test_public_address_is_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(address.VARIABLE, raising=False)
    assert address.settings() == {"notfound_urls_prefix": "/"}
    monkeypatch.setenv(address.VARIABLE, "https://github.com/Someone/coupled-flows/")
    public = address.settings()
    assert public["html_baseurl"] == "https://someone.github.io/coupled-flows/"
    assert public["html_theme_options"]["repository_url"] == (
        "https://github.com/Someone/coupled-flows"
    )
    monkeypatch.setenv(address.VARIABLE, "coupled-flows")
    with pytest.raises(ValueError, match="COUPLED_FLOWS_URL is 'coupled-flows'"):
        address.settings()
