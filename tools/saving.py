"""Save a notebook into the page it was opened from, and touch nothing there but what was edited.

A page is written by hand: its captions stand on one line each, its statements have the blank lines
that they need. A writer of Markdown that starts from the notebook sets all of it anew. Here the
cells that are still what the page says keep their text to the byte, whatever ran in between.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import jupytext
import nbformat
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from jupytext.myst import myst_to_notebook
from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class
from nbformat import NotebookNode
from tornado.web import HTTPError

# What ends a line for Python and not for Markdown, or what no YAML may hold: a page with one of
# these is read as other cells than were saved, or not at all.
UNREADABLE = re.compile("[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class UnsavableError(Exception):
    """A page cannot hold what a notebook has; the message says what."""


@dataclass(frozen=True)
class Cell:
    """A cell, its text in the page, and what stands between it and the next one."""

    kind: str
    source: str
    metadata: str
    text: str
    gap: str

    @property
    def says(self) -> tuple[str, str, str]:
        """What the cell is to a notebook, but for blank lines at its ends, which get lost."""
        return self.kind, self.source.strip("\n"), self.metadata


def save(page: str, notebook: NotebookNode) -> str:
    """Return the page with the notebook's cells, and the page's own text where they are as before.

    The front matter is the page's: a notebook does not show it, so nobody edits it there.

    Raises
    ------
    UnsavableError
        If the page would lose something of the notebook, or could not be read any more.
    """
    check(notebook)
    bare = nbformat.from_dict({**notebook, "metadata": {**notebook["metadata"]}})
    # Jupyter's name for the language of a cell; the page has its own.
    bare["metadata"].pop("language_info", None)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "The following metadata cannot be exported")
        written = jupytext.writes(bare, fmt="md:myst")
    for text in (page, written):
        if odd := UNREADABLE.search(text):
            raise UnsavableError(f"a page cannot hold the character U+{ord(odd[0]):04X}")
    head, lead, old = _cells(page)
    _, new_lead, new = _cells(written)
    kept = list(_kept(old, new))
    saved = head + "".join(_joined(lead, old, kept))
    if [cell.says for cell in _cells(saved)[2]] != [cell.says for cell in new]:
        saved = head + "\n" + new_lead + "".join(cell.text + cell.gap for cell in new)
    return saved


def check(notebook: NotebookNode) -> None:
    """Raise UnsavableError if a cell shows a picture that was pasted into it."""
    for cell in notebook.cells:
        for name in cell.get("attachments", {}):
            if f"attachment:{name}" in cell.source:
                raise UnsavableError(
                    f"{name} was pasted into a cell, and a page cannot hold it: put the picture"
                    f" into a file and show that"
                )


def _cells(page: str) -> tuple[str, str, list[Cell]]:
    """Split a page into its front matter, what stands between that and its cells, and these."""
    read = myst_to_notebook(page, add_source_map=True)
    lines = page.splitlines(keepends=True)
    # A code cell's line is the first one inside its fence.
    starts = [
        line - (cell.cell_type != "markdown")
        for line, cell in zip(read.metadata["source_map"], read.cells, strict=True)
    ]
    if not starts:
        return page, "", []
    starts[0] += _blank(lines[starts[0] :])
    found: list[Cell] = []
    for cell, start, end in zip(read.cells, starts, [*starts[1:], len(lines)], strict=True):
        block = lines[start:end]
        if cell.cell_type == "markdown":
            # Blank lines above a cell belong to the gap before it.
            skip = _blank(block)
            if found and skip:
                found[-1] = replace(found[-1], gap=found[-1].gap + "".join(block[:skip]))
            block = block[skip:]
        stop = len(block) - _blank(block[::-1])
        metadata = json.dumps(cell.metadata, sort_keys=True)
        text, gap = "".join(block[:stop]), "".join(block[stop:])
        found.append(Cell(cell.cell_type, cell.source, metadata, text, gap))
    above = lines[: starts[0]]
    stop = len(above) - _blank(above[::-1])
    while stop < len(above) and not above[stop].startswith("+++"):
        stop += 1
    return "".join(above[:stop]), "".join(above[stop:]), found


def _blank(lines: list[str]) -> int:
    """Return how many lines at the beginning are no part of a cell."""
    for count, line in enumerate(lines):
        if line.strip() and not line.startswith("+++"):
            return count
    return len(lines)


def _kept(old: list[Cell], new: list[Cell]) -> Iterator[tuple[int | None, Cell]]:
    """Give each new cell, in the page's own text where there is one, and its number in the page."""
    matcher = SequenceMatcher(None, [c.says for c in old], [c.says for c in new], autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            yield from zip(range(i, i_end), old[i:i_end], strict=True)
            continue
        for cell in new[j:j_end]:
            before = next((k for k in range(i, i_end) if _alike(old[k], cell)), None)
            if before is None:
                yield None, _as_on_the_page(cell, old)
            else:
                i = before + 1
                yield before, _edited(old[before], cell)


def _alike(old: Cell, new: Cell) -> bool:
    return (old.kind, old.metadata) == (new.kind, new.metadata)


def _edited(old: Cell, new: Cell) -> Cell:
    """Put the new source under the options that the page has."""
    if new.kind == "markdown":
        return new
    opening, *inner = old.text.splitlines(keepends=True)
    if not inner:  # a fence that nothing closes
        return new
    closing = inner.pop()
    body = old.source.count("\n") + 1 if old.source else 0
    options = inner[: len(inner) - body]
    fence = opening[: len(opening) - len(opening.lstrip("`"))]
    if fence in new.source:
        return new
    source = new.source.rstrip("\n")
    end = old.source[len(old.source.rstrip("\n")) :] + "\n" if source else ""
    return replace(new, text="".join([opening, *options, source, end, closing]))


def _as_on_the_page(cell: Cell, page: list[Cell]) -> Cell:
    """Open a new code cell as the page's other code cells are opened, with their language."""
    language = next((c.text.splitlines()[0].lstrip("`") for c in page if c.kind == "code"), None)
    opening, line_end, rest = cell.text.partition("\n")
    if cell.kind != "code" or language is None:
        return cell
    fence = opening[: len(opening) - len(opening.lstrip("`"))]
    return replace(cell, text=f"{fence}{language}{line_end}{rest}")


def _joined(lead: str, old: list[Cell], cells: list[tuple[int | None, Cell]]) -> Iterator[str]:
    """Give the text of the cells, with the page's gaps between those that were neighbours there."""
    if cells and cells[0][0] == 0:
        yield lead
    elif cells and cells[0][1].kind == "markdown" and cells[0][1].metadata != "{}":
        yield f"+++ {cells[0][1].metadata}\n\n"
    for place, (number, cell) in enumerate(cells):
        yield cell.text
        if place + 1 == len(cells):
            yield old[-1].gap if old else ""
            return
        following, after = cells[place + 1]
        if number is not None and following == number + 1:
            yield old[number].gap
        elif after.kind == "markdown" and after.metadata != "{}":
            yield f"\n+++ {after.metadata}\n\n"
        elif cell.kind == after.kind == "markdown":
            yield "\n+++\n\n"
        else:
            yield "\n"


class PageManager(build_sync_jupytext_contents_manager_class(LargeFileManager)):  # type: ignore[misc]
    """What JupyterLab reads pages with, as notebooks, and saves them with."""

    def save(self, model: dict[str, Any], path: str = "") -> Any:
        """Save what was edited, as text."""
        if model["type"] == "notebook" and path.endswith(".md"):
            notebook = nbformat.from_dict(model["content"])
            try:
                check(notebook)
                if self.file_exists(path):
                    page = self.get(path, type="file", format="text")["content"]
                    model = {"type": "file", "format": "text", "content": save(page, notebook)}
            except Exception as error:
                raise HTTPError(500, f"{path} was not saved: {error}") from error
        return super().save(model, path)
