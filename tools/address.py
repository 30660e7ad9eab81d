"""The project's public address: one setting, the environment variable COUPLED_FLOWS_URL.

It holds the address of the public repository, such as https://github.com/someone/coupled-flows;
the address of the published site follows from it. Unset, the pages have no repository button, no
edit link and no canonical address, since nobody could follow one. The deploy workflow sets it.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

VARIABLE = "COUPLED_FLOWS_URL"


def settings() -> dict[str, Any]:
    """Return what the public address adds to the Sphinx configuration.

    Raises
    ------
    ValueError
        If COUPLED_FLOWS_URL is set to something else than a repository on GitHub.
    """
    address = os.environ.get(VARIABLE, "").rstrip("/")
    if not address:
        # The page for a missing address can only guess where the site begins.
        return {"notfound_urls_prefix": "/"}
    parts = urlsplit(address)
    owner, _, name = parts.path.strip("/").partition("/")
    if (parts.scheme, parts.netloc) != ("https", "github.com") or not owner or not name:
        raise ValueError(
            f"{VARIABLE} is {address!r}; it has to be https://github.com/OWNER/REPOSITORY"
        )
    host = f"{owner.lower()}.github.io"
    prefix = "/" if name.lower() == host else f"/{name}/"
    return {
        "html_baseurl": f"https://{host}{prefix}",
        "ogp_site_url": f"https://{host}{prefix}",
        "notfound_urls_prefix": prefix,
        "html_theme_options": {
            "repository_url": address,
            "repository_branch": "main",
            "use_repository_button": True,
            "use_edit_page_button": True,
        },
    }
