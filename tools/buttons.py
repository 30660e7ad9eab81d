"""The buttons of a page that is a notebook too: download it, open it with a service."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

ICONS = {"binder": "_static/images/logo_binder.svg", "colab": "_static/images/logo_colab.png"}


def offer_notebook(context: dict[str, Any], page: str) -> None:
    """Have the theme put the executed notebook among the downloads."""
    context["ipynb_source"] = f"{page}.ipynb"


def offer_services(app: Sphinx, context: dict[str, Any], page: str) -> None:
    """Add a button for the services that are known to open the published notebooks."""
    services: dict[str, str] = app.config.coupled_flows_launch
    if not services:
        return
    context["header_buttons"].append(
        {
            "type": "group",
            "tooltip": "Open this page as a notebook elsewhere",
            "icon": "fas fa-rocket",
            "label": "launch-buttons",
            "buttons": [
                {
                    "type": "link",
                    "text": service.capitalize(),
                    "tooltip": f"Open in {service.capitalize()}",
                    "icon": ICONS[service],
                    "url": address.format(page=page),
                }
                for service, address in services.items()
            ],
        }
    )
