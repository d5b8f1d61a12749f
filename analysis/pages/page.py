"""Any page of ours: a template filled with text, the one style, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atlas.text.pages import content_policy, fill_template

HERE = Path(__file__).parent


def fill_page(
    template: str,
    *,
    title: str,
    generator: str = "",
    more_style: str = "",
    html: Mapping[str, str] | None = None,
    **texts: Any,
) -> str:
    """A page without scripts that needs nothing from elsewhere, light or dark as the reader's.

    Parameters
    ----------
    template : str
        Name of a template in this folder.
    title : str
    generator : str
        What the page says it was written by.
    more_style : str
        CSS beside that of every page.
    html : mapping of str to str, optional
        What the template names and is HTML already.
    texts : object
        What else it names; as :func:`atlas.text.pages.fill_template` takes them.

    Returns
    -------
    str
    """
    style = (HERE / "page.css").read_text("utf-8") + more_style
    parts = {"style": style, "policy": content_policy(styles=[style]), **(html or {})}
    return fill_template(
        HERE / template, {"title": title, "generator": generator, **texts}, html=parts
    )
