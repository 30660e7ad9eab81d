"""The pages as executed notebooks: to download, and to publish for Binder and Colab.

A page without code is downloaded as plain Markdown, with the tables and lists that the build fills.

python -m tools.notebooks FOLDER     what the deploy workflow puts on the branch `notebooks`

A service opens notebooks from a public repository, so those have one more cell, the first, which
installs the library at the commit that made them, and lie beside the versions of everything.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from pybtex.database import parse_file

from tools import address, claims, provenance
from tools.execution import Executed
from tools.pages import pages
from tools.plain import Said, labels_of, plain, values_of
from tools.run_time import about

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "python-3.11"  # a service's own may be older than the library allows

FRONT_MATTER = re.compile(r"\A---\n.*?^---\n", re.MULTILINE | re.DOTALL)

INSTALL = """\
# The library of the book, if it is not here yet, as it was when this notebook was made.
try:
    import coupled_flows
except ModuleNotFoundError:
    %pip install --quiet "{library}"
"""

README = """\
# Coupled Flows: the notebooks

The pages of [the book]({repository}) with code, executed, as the website shows them. Made from
{commit} by `python -m tools.notebooks`; what is changed here is lost with the next page.
"""


def main(arguments: list[str] | None = None) -> int:
    """Write the notebooks to publish, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebooks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where to write; what is there is replaced")
    parser.add_argument("--quick", action="store_true", help="take the quick edition")
    given = parser.parse_args(arguments)
    edition = "quick" if given.quick else "full"
    try:
        publish(ROOT, ROOT / "_build" / edition / "html", given.folder)
    except UnpublishableError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The notebooks ({edition} edition) are in {given.folder}")
    return 0


class UnpublishableError(Exception):
    """There is nothing to publish, or nowhere; the message says what is missing."""


def write_downloads(root: Path, html: Path, edition: str, run: Mapping[str, Executed]) -> None:
    """Write every executed page as a notebook beside its source, every other page in its place."""
    sources = html / "_sources"
    for old in sources.rglob("*.ipynb"):
        old.unlink()
    labels = labels_of(sorted((html / "book").glob("*.html")))
    works = parse_file(root / "book" / "references.bib")
    notebooks = frozenset(Path(page).name for page in run)
    own = {page: values_of(done.notebook) for page, done in run.items()}
    others = {
        f"{Path(page).name}.md::{name}": value
        for page, values in own.items()
        for name, value in values.items()
    }
    unsaid = Said(labels, others, works, "", notebooks, claims.collect(run))
    for page in pages(root):
        if page.name in run:
            done = run[page.name]
            values = {**others, **own[page.name]}
            said = replace(unsaid, values=values, run_time=about(done.seconds, edition))
            _save(taken_away(done.notebook, said), sources / f"{page.name}.ipynb")
        else:
            source = FRONT_MATTER.sub("", page.path.read_text(encoding="utf8"))
            text = plain(source, unsaid)
            (sources / f"{page.name}.md").write_text(f"{text}\n", encoding="utf8")


def taken_away(page: NotebookNode, said: Said) -> NotebookNode:
    """Return an executed page as a notebook that needs the library and nothing of the book."""
    cells = []
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cells.append(nbformat.v4.new_markdown_cell(plain(cell.source, said)))
            continue
        code = nbformat.v4.new_code_cell(cell.source, execution_count=cell.execution_count)
        # Results kept for the prose are in the prose, and are seen nowhere else.
        code.outputs = [out for out in cell.outputs if "scrapbook" not in out.get("metadata", {})]
        tags = cell.metadata.get("tags", [])
        if "hide-input" in tags or "remove-cell" in tags:
            code.metadata["jupyter"] = {"source_hidden": True}
        cells.append(code)
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "caption" in figure:
            number = said.labels.get(figure.get("name", "").lower(), "Figure")
            caption = plain(figure["caption"], said)
            cells.append(nbformat.v4.new_markdown_cell(f"**{number}.** {caption}"))
    return _notebook([cell for cell in cells if cell.source])


def publish(root: Path, html: Path, folder: Path) -> None:
    """Write the notebooks with a first cell that installs the library, and what they need.

    Raises
    ------
    UnpublishableError
        If the website is not built, has no public address, or was built from no commit.
    """
    repository = address.repository()
    found = sorted((html / "_sources").rglob("*.ipynb"))
    commit = provenance.full_commit_of(root)
    if not found:
        raise UnpublishableError("There are no executed notebooks yet: make book makes them.")
    if repository is None:
        raise UnpublishableError(f"Set {address.VARIABLE} to the address of the public repository.")
    if commit is None:
        raise UnpublishableError("This copy of the book has no commit that could be installed.")
    library = f"{repository}/archive/{commit}.zip"
    install = nbformat.v4.new_code_cell(
        INSTALL.format(library=f"coupled-flows[display] @ {library}").rstrip()
    )
    shutil.rmtree(folder, ignore_errors=True)
    for path in found:
        page = nbformat.read(path, as_version=4)
        target = folder / path.relative_to(html / "_sources")
        _save(_notebook([install, *page.cells]), target)
    lock = (root / "requirements.txt").read_text(encoding="utf8")
    pinned = re.sub(r"^-e \.$", f"coupled-flows[display] @ {library}", lock, flags=re.MULTILINE)
    (folder / "requirements.txt").write_text(pinned, encoding="utf8")
    (folder / "runtime.txt").write_text(f"{PYTHON}\n", encoding="utf8")
    (folder / "README.md").write_text(
        README.format(repository=repository, commit=f"commit {commit}"), encoding="utf8"
    )


def _notebook(cells: list[NotebookNode]) -> NotebookNode:
    for number, cell in enumerate(cells):
        # The same page gives the same file.
        cell["id"] = hashlib.sha256(f"{number}\0{cell.source}".encode()).hexdigest()[:12]
    return nbformat.v4.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python", "file_extension": ".py"},
        },
    )


def _save(notebook: NotebookNode, path: Path) -> None:
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    raise SystemExit(main())
