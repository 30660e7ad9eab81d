"""Execute the pages in parallel into a cache that knows what their outputs depend on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_cache.executors import load_executor
from nbformat import NotebookNode

from tools.pages import Page, notebook

READER = {"name": "myst_nb_md", "type": "plugin"}
CELL_TIMEOUT = 600  # seconds; a page that needs more has a loop that does not end
KEEP = 3  # caches of one edition: the present one and two to go back to

# Pages run side by side, one core each. BLAS threads on top of that only get in each other's way,
# and change the last digits with the number of cores.
KERNEL_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    # The debugger's start-up note on frozen modules would be an output on stderr.
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


# Kernels on one machine talk over loopback, signed; ipykernel warns of that on every start. And
# what is typed into a book's kernel is nobody's history.
KERNEL_CONFIG = """\
c.IPKernelApp.log_level = "ERROR"
c.HistoryManager.enabled = False
"""


class PageFailedError(Exception):
    """A page has a cell that raised; the message holds the traceback."""


@dataclass(frozen=True)
class Executed:
    """A page's notebook with its outputs, and what the cache knows of the run."""

    notebook: NotebookNode
    seconds: float
    date: str

    @property
    def outputs(self) -> str:
        """A digest of everything the page's code put on the page."""
        cells = [cell.get("outputs") for cell in self.notebook.cells]
        return hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()


def prepare_environment(root: Path, edition: str) -> None:
    """Set what the kernels inherit: the edition, one BLAS thread, this folder's library."""
    os.environ.update(KERNEL_ENVIRONMENT)
    os.environ["COUPLED_FLOWS_EDITION"] = edition
    os.environ["COUPLED_FLOWS_BUILD"] = "1"  # explorers that need no kernel
    # The pages show this folder's library, even in an environment that was made for another copy.
    inherited = os.environ.get("PYTHONPATH")
    lib = str(root / "lib")
    os.environ["PYTHONPATH"] = os.pathsep.join([lib, inherited] if inherited else [lib])
    # A user's own kernels, start-up files and settings do not belong to the book.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "PYTHONSTARTUP"):
        os.environ.pop(name, None)
    profile = root / "_build" / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text(KERNEL_CONFIG, encoding="utf8")
    os.environ["IPYTHONDIR"] = str(profile.parent)


def cache_key(root: Path, edition: str) -> str:
    """Return a digest of all that a page's outputs depend on, beside the page itself."""
    digest = hashlib.sha256()
    for part in (
        edition,
        platform.python_implementation(),
        platform.python_version(),
        platform.system(),
        platform.machine(),
        (root / "requirements.txt").read_text(encoding="utf8"),
        *sorted(f"{found.name}=={found.version}" for found in distributions()),
        *(f"{name}={value}" for name, value in sorted(KERNEL_ENVIRONMENT.items())),
    ):
        digest.update(part.encode() + b"\0")
    for path in _inputs(root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _inputs(root: Path) -> list[Path]:
    library = [
        path
        for path in (root / "lib").rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not any(part.endswith(".egg-info") for part in path.parts)
    ]
    # A page may read a data file beside it. Other pages and pictures are no input.
    data = [
        path
        for path in (root / "book").rglob("*")
        if path.is_file()
        and path.suffix not in {".md", ".bib"}
        and "_static" not in path.parts
        and not any(part.startswith((".", "__")) for part in path.relative_to(root).parts)
    ]
    return sorted(library + data)


def open_cache(root: Path, edition: str) -> JupyterCacheBase:
    """Return the cache of this key, and remove all but the newest few of the edition."""
    caches = root / "_build" / "cache"
    folder = caches / f"{edition}-{cache_key(root, edition)}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "last-used").touch()
    prune(caches, edition, KEEP)
    return get_cache(str(folder))


def prune(caches: Path, edition: str, keep: int) -> None:
    """Remove the caches of an edition that were not used lately, whole, but for `keep` of them."""

    def last_used(folder: Path) -> float:
        stamp = folder / "last-used"
        return stamp.stat().st_mtime if stamp.exists() else 0.0

    folders = sorted(caches.glob(f"{edition}-*"), key=last_used, reverse=True)
    for folder in folders[keep:]:
        shutil.rmtree(folder)


def execute(cache: JupyterCacheBase, pages: Iterable[Page]) -> None:
    """Execute the pages that the cache does not hold, as many at a time as there are cores.

    Raises
    ------
    PageFailedError
        If a cell of any page raised. Pages that ran are kept.
    """
    uris = [str(page.path.absolute()) for page in pages]
    for uri in uris:
        cache.add_nb_to_project(uri, read_data=READER)
    missing = {record.uri for record in cache.list_unexecuted(filter_uris=uris)}
    if not missing:
        return
    print(f"executing {len(missing)} of {len(uris)} pages with code", flush=True)
    # A cell that raised is reported by the traceback below, so only what has none is logged.
    logger = logging.getLogger("tools.execution")
    logger.setLevel(logging.ERROR)
    executor = load_executor("local-parallel", cache, logger)
    result = executor.run_and_cache(filter_uris=sorted(missing), timeout=CELL_TIMEOUT)
    failed = result.excepted + result.errored
    if failed:
        tracebacks = (cache.get_project_record(uri).traceback for uri in failed)
        raise PageFailedError(
            "\n".join(
                f"{uri} did not run:\n{text or 'its kernel died, or it is no notebook; see above'}"
                for uri, text in zip(failed, tracebacks, strict=True)
            )
        )


def executed(cache: JupyterCacheBase, pages: Iterable[Page]) -> Mapping[str, Executed]:
    """Return the executed notebooks of the pages, by page name."""
    found = {}
    for page in pages:
        source = notebook(page)
        record = cache.match_cache_notebook(source)
        _, merged = cache.merge_match_into_notebook(source)
        found[page.name] = Executed(
            notebook=merged,
            seconds=float(record.data["execution_seconds"]),
            date=record.created.date().isoformat(),
        )
    return found
