"""Chromium, for the tests and the printed book: the system's own, without a word to anyone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = [
    "--no-sandbox",  # it may be started as root in a container, on pages of our own
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class NoBrowserError(RuntimeError):
    """No Chromium is on the path."""


def find() -> str:
    """Return where the system's Chromium is.

    Raises
    ------
    NoBrowserError
        If there is none; the message says what was looked for.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise NoBrowserError(
            f"NO BROWSER: none of {', '.join(NAMES)} is on the path. Install Chromium, try again."
        )
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium, and end it; see `find`."""
    found = find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=SWITCHES)
        try:
            yield browser
        finally:
            browser.close()
