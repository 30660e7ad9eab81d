"""What all tests share: one BLAS thread, repeatable examples, the website in its quick edition."""

from __future__ import annotations

import os

# Before NumPy is imported: the number of threads must not change what a test sees.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tools import address

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
