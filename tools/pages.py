"""The pages of the book: which there are, in reading order, and what code they hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager
from myst_nb.core.read import is_myst_markdown_notebook, myst_nb_reader_plugin
from nbformat import NotebookNode
from sphinx_external_toc.parsing import parse_toc_yaml

# Where randomness starts. Anything else in numpy.random is the hidden global generator.
GENERATORS = {"default_rng", "SeedSequence", "PCG64", "PCG64DXSM", "SFC64", "Philox", "MT19937"}
ALLOWED_IN_NUMPY_RANDOM = GENERATORS | {"Generator", "BitGenerator"}


@dataclass(frozen=True)
class Page:
    """A page: its name as the table of contents has it, and its file."""

    name: str
    path: Path


class UnseededError(ValueError):
    """A page draws numbers that nobody could draw again."""


def pages(root: Path) -> list[Page]:
    """Return the pages that ``_toc.yml`` names, in reading order."""
    toc = parse_toc_yaml(root / "_toc.yml")

    def walk(name: str) -> Iterator[str]:
        yield name
        for child in toc[name].child_files():
            yield from walk(child)

    return [Page(name, root / f"{name}.md") for name in walk(toc.root.docname)]


def notebook(page: Page) -> NotebookNode | None:
    """Read a page as a notebook without outputs; None if it has no code cell."""
    if not is_myst_markdown_notebook(page.path.read_text(encoding="utf8")):
        return None
    read = myst_nb_reader_plugin(str(page.path))
    return read if any(cell.cell_type == "code" for cell in read.cells) else None


def seeds(page: NotebookNode) -> list[int]:
    """Return every integer that the page hands to a random generator, in increasing order.

    Raises
    ------
    UnseededError
        If the page makes a generator without a seed or from a name, or uses NumPy's global one.
    """
    found: set[int] = set()
    for cell in page.cells:
        if cell.cell_type == "code":
            try:
                code = ast.parse(TransformerManager().transform_cell(cell.source))
            except SyntaxError:  # shown on purpose, since the cell was executed; it draws nothing
                continue
            for node in ast.walk(code):
                if isinstance(node, ast.Call) and _last_name(node.func) in GENERATORS:
                    found |= _seeds_of(node)
                _refuse_global_generator(node)
    return sorted(found)


def _seeds_of(call: ast.Call) -> set[int]:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not given or any(isinstance(arg, ast.Constant) and arg.value is None for arg in given):
        raise UnseededError(f"{ast.unparse(call)} has no seed: give it an integer")
    if all(isinstance(arg, ast.Name) for arg in given):
        raise UnseededError(f"{ast.unparse(call)} hides its seed: write the integer there")
    return {number for arg in given for number in _integers(arg)}


def _integers(node: ast.AST) -> Iterator[int]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            yield node.value
        return
    for name, child in ast.iter_fields(node):
        # In `children[3]` the 3 says which child, and is no seed.
        if not (isinstance(node, ast.Subscript) and name == "slice"):
            for part in child if isinstance(child, list) else [child]:
                if isinstance(part, ast.AST):
                    yield from _integers(part)


def _refuse_global_generator(node: ast.AST) -> None:
    if (
        isinstance(node, ast.Attribute)
        and _last_name(node.value) == "random"
        and isinstance(node.value, ast.Attribute)
        and _last_name(node.value.value) in {"np", "numpy"}
        and node.attr not in ALLOWED_IN_NUMPY_RANDOM
    ):
        raise UnseededError(f"{ast.unparse(node)} uses NumPy's global generator: pass an rng")


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
