"""Formulas drawn at build time: they look as MathJax draws them in a browser, and are heard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser

from tools import assets
from tools.formulas import HEARD, FormulaError, Typesetter, words

ROOT = Path(__file__).resolve().parent.parent
SHEET = ROOT / "book" / "_static" / "book.css"
WIDE = 100  # pixels of a letter M, so that a hundredth of a pixel is a ten-thousandth of it

# Every kind of thing that MathJax draws: letters, their styles, scripts in scripts, bars, roots,
# fractions, brackets of all sizes, what is stretched and put together of pieces, tables, words.
FORMULAS = [
    r"x",
    r"-\tfrac{1}{2}",
    r"W^{k+1}_{ij} = \mathbb R^{D_{n_k}}",
    r"\overline{W}\,\widehat{abc}\,\widetilde{XYZ}\,\vec v\,\dot{\hat x}",
    r"\frac{a+\frac bc}{\sqrt[3]{x^2+1}}",
    r"\Bigl(\tfrac12\Bigr) \bigl\| \Bigl\langle \biggl[ \Biggl\{",
    r"\left(\begin{matrix} 1 & 0 \\ 0 & 1 \\ x & y \\ z & w \\ 5 & 6 \end{matrix}\right)",
    r"\left\{\begin{array}{ll} \sum_{k=0}^{n-1} & \text{if } x < 0 \\ \int_M f\,d\mu & \text{else}"
    r" \end{array}\right.",
    r"\underbrace{a + b + c + d + e}_{\text{sum}} \overbrace{uvwxyz}^{\text{six}}",
    r"\xrightarrow{\ n \to \infty\ } \Longrightarrow \overrightarrow{AB} \overline{abcdefgh}",
    r"\begin{aligned} a &= b \\ &\le \sup_{x \in M}\;\Bigl|\,\prod_{i}\Bigr| \end{aligned}",
    r"\mathcal{L} \mathfrak{g} \mathrm{Tr} \mathbf{W} \mathsf{A} \mathtt{do} \boldsymbol{\Sigma}",
    r"\operatorname{tr}(A) \pmod{n} \binom{n}{k} x' x'' \square \cdots \ddots",
    r"\sqrt{\begin{matrix} 1 \\ 2 \\ 3 \\ 4 \\ 5 \\ 6 \\ 7 \end{matrix}}",
    r"\text{It is } \|x\|^2 \text{ where } x \ne 0,\ \lfloor y \rfloor \not\subset Z",
]

# The boxes of all that is drawn in a formula, from the corner of the formula's own.
BOXES = """svg => {
  const own = svg.getBoundingClientRect();
  return [own, ...[...svg.querySelectorAll('use, rect')].map(e => e.getBoundingClientRect())]
    .map(box => [box.left - own.left, box.top - own.top, box.width, box.height])
}"""


@pytest.fixture(scope="module")
def typesetter() -> Iterator[Typesetter]:
    assets.install(ROOT)
    found = Typesetter(assets.mathjax(ROOT))
    yield found
    found.end()


def parsed(drawn: str) -> Any:
    return BeautifulSoup(drawn, "html.parser")


@pytest.mark.parametrize("display", [False, True])
def test_all_stands_where_mathjax_puts_it_in_a_browser(
    typesetter: Typesetter, browser: Browser, tmp_path: Path, display: bool
) -> None:
    ours = [typesetter.draw(tex, display=display) for tex in FORMULAS]
    document = tmp_path / "formulas.html"
    document.write_text(
        f"<!DOCTYPE html><meta charset=utf-8><style>{SHEET.read_text(encoding='utf8')}"
        f"body {{ font-size: {WIDE}px; width: {80 * WIDE}px }}</style>"
        "<script>MathJax = {startup: {typeset: false}, svg: {fontCache: 'global'}}</script>"
        f'<script src="{(assets.mathjax(ROOT) / "tex-svg.js").as_uri()}"></script>'
        f"{typesetter.letters(''.join(ours))}"
        f"<div id=ours>{''.join(f'<p>{one}</p>' for one in ours)}</div><div id=theirs></div>",
        encoding="utf8",
    )
    page = browser.new_page()
    page.goto(document.as_uri(), wait_until="load")
    page.evaluate(
        """async ([all, display]) => {
          for (const tex of all) {
            const place = document.createElement('p')
            place.append(await MathJax.tex2svgPromise(tex, {display}))
            theirs.append(place)
          }
          const letters = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
          letters.append(MathJax.startup.document.outputJax.fontCache.getCache())
          document.body.append(letters)
        }""",
        [FORMULAS, display],
    )
    for tex, own, their in zip(
        FORMULAS,
        page.locator("#ours mjx-container > svg").all(),
        page.locator("#theirs mjx-container > svg").all(),
        strict=True,
    ):
        found, expected = (sorted(svg.evaluate(BOXES)) for svg in (own, their))
        assert len(found) == len(expected) > 1, tex
        off = max(
            abs(a - b)
            for one, other in zip(found, expected, strict=True)
            for a, b in zip(one, other, strict=True)
        )
        # a place and a size are each rounded to a thousandth of an em
        assert off <= float(own.evaluate("e => e.getScreenCTM().a")), tex
    page.close()


def test_a_page_holds_the_letters_of_its_formulas_once(typesetter: Typesetter) -> None:
    body = typesetter.draw("x + x + y", display=False) + typesetter.draw("y", display=True)
    typesetter.draw("z", display=False)  # on another page
    held = [path["id"] for path in parsed(typesetter.letters(body)).select("defs > path")]
    used = [use["href"].removeprefix("#") for use in parsed(body).select("use")]
    assert len(used) == 6
    assert held == sorted(set(used))
    assert len(held) == 3
    assert typesetter.letters("a page without formulas") == ""


def test_a_formula_is_heard_and_keeps_its_tex(typesetter: Typesetter) -> None:
    tex = r'\{x : 0 < x \le \tfrac{a}{b}\} \text{ & "so" on}'
    for display in (False, True):
        drawn = parsed(typesetter.draw(f" {tex}\n", display=display)).contents
        assert len(drawn) == 1
        formula = drawn[0]
        assert formula["data-tex"] == tex
        assert formula.get("display") == ("true" if display else None)
        assert formula.svg["aria-hidden"] == "true"
        heard = formula.select_one("mjx-assistive-mml > math")
        words = heard.get_text().replace("\N{NO-BREAK SPACE}", " ")
        assert words == '{x:0<x≤ab} & "so" on'
        assert len(heard.select("mfrac > mi")) == 2
        assert not [tag for tag in heard.find_all(True) if any("data-" in a for a in tag.attrs)]


@pytest.mark.parametrize(
    ("tex", "said"),
    [
        (r"\pi", "π"),
        (r"\mathbb R^d", "R^d"),
        (r"|W_0| \le 1", "|W_0|≤1"),
        (r"E_{\mathrm{tr}}(\bar W)", "E_(tr)(W\u0304)"),
        (
            r"\frac{\lambda_1^2}{2h} + \sqrt{\varepsilon} + \sqrt[3]{xy}",
            "(λ_1^2)/(2h)+√(ε)+√^3(xy)",
        ),
        (r"\sup_{x \in M} \tfrac12 f(x)", "sup_(x∈M)1/2f(x)"),
        (r"\sum_{k=0}^n e^{tL}", "∑_(k=0)^ne^(tL)"),
        (r'\text{a < "b"}', 'a < "b"'),
    ],
)
def test_a_formula_has_a_name_of_one_line(typesetter: Typesetter, tex: str, said: str) -> None:
    mathml = HEARD.search(typesetter.draw(tex, display=True))
    assert mathml is not None
    assert words(mathml[0]) == said


@pytest.mark.parametrize(
    ("tex", "kept"),
    [
        (r"\begin{split}a \\ b\end{split}", r"a \\ b"),  # Sphinx adds it to lines
        (
            "\\begin{split}\n\\begin{aligned} a \\\\ b \\end{aligned}\n\\end{split}",
            r"\begin{aligned} a \\ b \end{aligned}",
        ),
        (r"\begin{align}a \\ b\end{align}", r"\begin{align}a \\ b\end{align}"),
    ],
)
def test_the_tex_kept_is_the_authors(typesetter: Typesetter, tex: str, kept: str) -> None:
    assert parsed(typesetter.draw(tex, display=True)).contents[0]["data-tex"] == kept


@pytest.mark.parametrize(
    ("tex", "said"),
    [
        (r"\unknown{x}", r"Undefined control sequence \unknown: \unknown{x}"),
        (r"\frac{1}{2", "Missing close brace"),
        ("x^2^3", "Double exponent"),
        (r"\boxed{x}", 'MathJax drew <rect fill="none">, which this book has not met'),
        (r"\begin{array}{|c|}x\end{array}", "MathJax drew <line"),
        (r"\mmlToken{mi}[mathcolor=red]{x}", 'MathJax drew <g fill="red">, which'),
        (r"\text{für}", "MathJax's fonts have no ü"),
        # what would hold for other formulas too, on pages read before or after
        (r"\newcommand{\own}{x}\own", r"Undefined control sequence \newcommand"),
        (r"\DeclareMathOperator{\own}{own}\own", r"sequence \DeclareMathOperator"),
        (r"x \label{one}", r"Undefined control sequence \label"),
        (r"x \tag{1}", r"Undefined control sequence \tag"),
        (r"\eqref{one}", r"Undefined control sequence \eqref"),
    ],
)
def test_tex_that_is_none_is_refused(typesetter: Typesetter, tex: str, said: str) -> None:
    with pytest.raises(FormulaError, match=re.escape(said)):
        typesetter.draw(tex, display=False)
    assert "letter-" in typesetter.draw("x", display=False)  # it goes on


def test_the_end_of_mathjax_is_told() -> None:
    lost = Typesetter(ROOT / "nowhere")
    with pytest.raises(FormulaError, match="MathJax ended with status 1"):
        lost.draw("x", display=False)
    lost.end()
