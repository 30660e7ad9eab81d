"""What all tests share: one BLAS thread, repeatable examples, the website in its quick edition."""

from __future__ import annotations

import os

# Before NumPy is imported: the number of threads must not change what a test sees.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from playwright.sync_api import Browser

from tests.second.shown import outputs
from tools import address, execution
from tools.browser import NoBrowserError, chromium
from tools.execution import Executed
from tools.pages import notebook, pages

ROOT = Path(__file__).resolve().parent.parent

# The same examples at every run, so that a test that passed does not fail by bad luck.
settings.register_profile("book", derandomize=True, deadline=None)
settings.load_profile("book")


@pytest.fixture(scope="session")
def quick_site() -> Path:
    """Build the quick edition as `make quick` does, and return the folder of the website."""
    # Without a public address, which is how a reader builds it.
    environment = {name: value for name, value in os.environ.items() if name != address.VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", "tools.build", "--quick"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "_build" / "quick" / "html"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium; one for all tests, since two cannot be driven from one thread."""
    with ExitStack() as stack:
        try:
            started = stack.enter_context(chromium())
        except NoBrowserError as error:
            if os.environ.get("CI"):
                pytest.fail(str(error))
            pytest.skip(str(error))
        yield started


@pytest.fixture(scope="session")
def executed(quick_site: Path) -> dict[str, Executed]:
    """The pages with code as the quick edition ran them, by page."""
    cache_of_the_build = execution.open_cache(ROOT, "quick")
    with_code = [page for page in pages(ROOT) if notebook(page) is not None]
    found = dict(execution.executed(cache_of_the_build, with_code))
    shown = json.loads((quick_site.parent / "outputs.json").read_text(encoding="utf8"))
    assert shown == {name: run.outputs for name, run in found.items()}
    return found


@pytest.fixture(scope="session")
def glued(executed: dict[str, Executed]) -> dict[tuple[str, str], str]:
    """What the pages glue, as text, by page and key."""
    found: dict[tuple[str, str], str] = {}
    for page, run in executed.items():
        for output in outputs(run):
            scrap = output.get("metadata", {}).get("scrapbook")
            if scrap is not None:
                assert (page, scrap["name"]) not in found, scrap["name"]
                text = output["data"][scrap["mime_prefix"] + "text/plain"]
                found[page, scrap["name"]] = text
    return found


@pytest.fixture(scope="session")
def claims(quick_site: Path) -> dict[str, dict[str, Any]]:
    """The claims that the pages show, in reading order, by key."""
    read = json.loads((quick_site.parent / "claims.json").read_text(encoding="utf8"))
    return {claim["key"]: claim for claim in read}
