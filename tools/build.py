"""Build the book: execute its pages, collect its claims, write its website.

python -m tools.build            the full edition
python -m tools.build --quick    small sizes, for a look and for the tests
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools import address, assets, claims, execution, notebooks, provenance, site
from tools.pages import Page, UnseededError, notebook, pages
from tools.run_time import about

ROOT = Path(__file__).resolve().parent.parent
LOCK_TIMEOUT = 1800  # seconds to wait for another build of the same edition


def main(arguments: list[str] | None = None) -> int:
    """Build one edition and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.build", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="build the quick edition")
    edition = "quick" if parser.parse_args(arguments).quick else "full"
    try:
        html = build(ROOT, edition)
    except BuildFailedError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    index = html / "index.html"
    print(f"\nThe book ({edition} edition) is in {html.relative_to(ROOT)}")
    print(f"Open it in a browser:  {index.as_uri()}")
    return 0


class BuildFailedError(Exception):
    """The book could not be built; the message says why, for the person at the terminal."""


def build(root: Path, edition: str) -> Path:
    """Execute what is not in the cache, write the website, return its folder.

    Raises
    ------
    BuildFailedError
        If a cell raised, a claim or a seed is not in order, or Sphinx gave a warning.
    """
    folder = root / "_build" / edition
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        execution.prepare_environment(root, edition)
        all_pages = pages(root)
        with_code = [page for page in all_pages if notebook(page) is not None]
        try:
            assets.install(root)
            cache = execution.open_cache(root, edition)
            execution.execute(cache, with_code)
            run = execution.executed(cache, with_code)
            _write(folder / site.CLAIMS, claims.collect(run))
            _write(folder / site.FOOTERS, provenance.footers(root, edition, run))
            times = {page: about(done.seconds, edition) for page, done in run.items()}
            _write(folder / site.RUN_TIMES, times)
            _write(folder / site.OUTPUTS, {page: done.outputs for page, done in run.items()})
        except (
            assets.NpmError,
            execution.PageFailedError,
            claims.ClaimError,
            UnseededError,
        ) as error:
            raise BuildFailedError(str(error)) from error
        print(f"writing {len(all_pages)} pages", flush=True)
        without_code = [page for page in all_pages if page not in with_code]
        html = _sphinx(root, folder, str(cache.path), without_code)
        notebooks.write_downloads(root, html, edition, run)
        return html


def _sphinx(root: Path, folder: Path, cache: str, without_code: list[Page]) -> Path:
    from jupyter_book.sphinx import build_sphinx  # only now: it is slow to import

    html, stamp = folder / "html", folder / "settings"
    settings = _settings_digest(root)
    # Sphinx gives a page's warnings when it reads the page, so a build that failed would pass when
    # repeated. A build that did not end well, or had other settings, is therefore not built upon.
    if not stamp.exists() or stamp.read_text(encoding="utf8") != settings:
        for old in (html, folder / "doctrees"):
            shutil.rmtree(old, ignore_errors=True)
    stamp.unlink(missing_ok=True)
    public = address.settings()
    status = build_sphinx(
        root,
        html,
        doctreedir=folder / "doctrees",
        noconfig=True,
        path_config=root / "_config.yml",
        confoverrides={
            "external_toc_path": str(root / "_toc.yml"),
            "latex_individualpages": False,
            "nitpicky": True,
            "nb_execution_mode": "cache",
            "nb_execution_cache_path": cache,
            "nb_execution_excludepatterns": [f"{page.name}.md" for page in without_code],
            "coupled_flows_record": str(folder),
            **public,
        },
        warningiserror=True,
        keep_going=True,
        quiet=True,
    )
    if status != 0:
        raise BuildFailedError("The website was not built: every warning above is an error.")
    first = pages(root)[0].name
    (html / "index.html").write_text(
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Coupled Flows</title>'
        f'<meta http-equiv="refresh" content="0; url={first}.html"></head>'
        f'<body><p><a href="{first}.html">Coupled Flows</a></p></body></html>\n',
        encoding="utf8",
    )
    stamp.write_text(settings, encoding="utf8")
    return html


def _settings_digest(root: Path) -> str:
    digest = hashlib.sha256(json.dumps(address.settings(), sort_keys=True).encode())
    for path in (
        *(root / name for name in ("_config.yml", "_toc.yml", "package-lock.json")),
        root / "requirements.txt",
        *sorted((root / "tools").glob("*.*")),
        *sorted(path for path in (root / "book").glob("_*/**/*") if path.is_file()),
    ):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _write(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    # The ledger is read again when the file is newer, so a file with nothing new stays as it is.
    if not path.exists() or path.read_text(encoding="utf8") != text:
        path.write_text(text, encoding="utf8")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one build at a time work in a folder; a lock that ends with its process, everywhere."""
    lock = sqlite3.connect(folder / "lock", timeout=LOCK_TIMEOUT, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        lock.close()


if __name__ == "__main__":
    raise SystemExit(main())
