"""The project's public address: one setting, the environment variable COUPLED_FLOWS_URL.

It holds the address of the public repository, such as https://github.com/someone/coupled-flows;
the address of the published site follows from it. Unset, the pages have no repository button, no
edit link and no canonical address, since nobody could follow one. The deploy workflow sets it.

COUPLED_FLOWS_LAUNCH names the services that a page's notebook can be opened with, such as
"binder colab", once somebody has seen them open one from the branch `notebooks`.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

VARIABLE, LAUNCH = "COUPLED_FLOWS_URL", "COUPLED_FLOWS_LAUNCH"
BRANCH = "notebooks"  # where the deploy workflow publishes them

# Where a service opens a notebook of the branch, by the name that COUPLED_FLOWS_LAUNCH has for it.
SERVICES = {
    "binder": "https://mybinder.org/v2/gh/{repository}/{branch}?urlpath=lab/tree/{page}.ipynb",
    "colab": "https://colab.research.google.com/github/{repository}/blob/{branch}/{page}.ipynb",
}


def repository() -> str | None:
    """Return the address of the public repository, if there is one.

    Raises
    ------
    ValueError
        If COUPLED_FLOWS_URL is set to something else than a repository on GitHub.
    """
    address = os.environ.get(VARIABLE, "").rstrip("/")
    if not address:
        return None
    parts = urlsplit(address)
    owner, _, name = parts.path.strip("/").partition("/")
    if (parts.scheme, parts.netloc) != ("https", "github.com") or not owner or not name:
        raise ValueError(
            f"{VARIABLE} is {address!r}; it has to be https://github.com/OWNER/REPOSITORY"
        )
    return address


def settings() -> dict[str, Any]:
    """Return what the public address adds to the Sphinx configuration.

    Raises
    ------
    ValueError
        If either variable is set to something that cannot be followed.
    """
    address, services = repository(), _services()
    if address is None:
        # The page for a missing address can only guess where the site begins.
        return {"notfound_urls_prefix": "/"}
    path = urlsplit(address).path.strip("/")
    owner, name = path.split("/", 1)
    host = f"{owner.lower()}.github.io"
    prefix = "/" if name.lower() == host else f"/{name}/"
    return {
        "html_baseurl": f"https://{host}{prefix}",
        "ogp_site_url": f"https://{host}{prefix}",
        "ogp_image": "_static/opening.png",
        "ogp_image_alt": "A random walk on a globe; beside it the distance of its law to the limit",
        "notfound_urls_prefix": prefix,
        "coupled_flows_launch": {
            service: SERVICES[service].format(repository=path, branch=BRANCH, page="{page}")
            for service in services
        },
        "html_theme_options": {
            "repository_url": address,
            "repository_branch": "main",
            "use_repository_button": True,
            "use_edit_page_button": True,
        },
    }


def _services() -> list[str]:
    named = os.environ.get(LAUNCH, "").split()
    for name in named:
        if name not in SERVICES:
            raise ValueError(f"{LAUNCH} names {name!r}; it can name {', '.join(SERVICES)}")
    return named
