"""What a page's head tells search engines and those who share its address.

The description is the one its author wrote, the title names page and book, and no page has an
address unless the site has a public one; then there are a map of the site and a robots.txt too.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

BOOK = "Coupled Flows"
ABOUT = f"{BOOK}: a companion to Continuous Limits of Coupled Flows in Representation Learning"
NOT_FOR_SEARCH = ("404", "search")
PAPER = {
    "@type": "ScholarlyArticle",
    "name": "Continuous Limits of Coupled Flows in Representation Learning",
    "url": "https://arxiv.org/abs/2604.16801",
}


def complete(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Mend the tags of one page."""
    tags = context.get("metatags", "")
    written = re.search(r'<meta content="([^"]*)" [^>]*name="description"[^>]*>', tags)
    if written:  # not the page's first words with their TeX
        tags = re.sub(
            r'(<meta property="og:description" content=")[^"]*',
            lambda found: found[1] + written[1],
            tags,
        )
    if not app.config.html_baseurl:
        tags = re.sub(r'<meta property="og:url"[^>]*>\n?', "", tags)
    if page in NOT_FOR_SEARCH:
        tags += '<meta name="robots" content="noindex">\n'
        context["pageurl"] = None
    if page == app.config.root_doc:
        context["title"], context["docstitle"] = ABOUT, ""
        tags += _described(app, html.unescape(written[1]) if written else "")
    context["metatags"] = tags


def _described(app: Sphinx, description: str) -> str:
    """Say of the book as a whole what it is, in the words of schema.org."""
    book = {
        "@context": "https://schema.org",
        "@type": ["Book", "LearningResource"],
        "name": app.config.project,
        "description": description,
        "author": {"@type": "Organization", "name": app.config.author},
        "datePublished": app.config.copyright,
        "inLanguage": "en",
        "isAccessibleForFree": True,
        "isBasedOn": PAPER,
        "license": "https://creativecommons.org/licenses/by/4.0/",
    }
    if app.config.html_baseurl:
        book["url"] = f"{app.config.html_baseurl}{app.builder.get_target_uri(app.config.root_doc)}"
    return f'<script type="application/ld+json">{json.dumps(book)}</script>\n'


def map_site(app: Sphinx, error: Exception | None) -> None:
    """Write the map of a public site and where crawlers find it; remove them from another."""
    site, address = Path(app.outdir), app.config.html_baseurl
    pages = sorted(app.env.found_docs)
    texts = {
        "sitemap.xml": "\n".join(
            [
                '<?xml version="1.0" encoding="utf-8"?>',
                '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
                *(
                    f"<url><loc>{address}{app.builder.get_target_uri(page)}</loc></url>"
                    for page in pages
                ),
                "</urlset>\n",
            ]
        ),
        # read at the root of a host only; elsewhere it tells a person where the map is
        "robots.txt": f"User-agent: *\nAllow: /\nSitemap: {address}sitemap.xml\n",
    }
    for name, text in texts.items():
        (site / name).unlink(missing_ok=True)
        if address and error is None:
            (site / name).write_text(text, encoding="utf8")


def connect(app: Sphinx) -> None:
    """Have every page's tags mended after they were written, and the site mapped at the end."""
    app.connect("html-page-context", complete, priority=900)
    app.connect("build-finished", map_site)
