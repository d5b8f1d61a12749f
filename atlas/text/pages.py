"""What every HTML page of ours has in common: it runs what we wrote and fetches nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from atlas.text.plain_text import html_text


def static_page(*, title: str, style: str, body: str, generator: str = "") -> str:
    """A page without scripts that needs nothing from elsewhere.

    Parameters
    ----------
    title : str
        Text.
    style : str
        CSS.
    body : str
        HTML; whoever made it escaped what came from files.
    generator : str
        What the page says it was written by.

    Returns
    -------
    str
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{content_policy(styles=[style])}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="{html_text(generator)}">
<title>{html_text(title)}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def content_policy(*, styles: Sequence[str], scripts: Sequence[str] = ()) -> str:
    """What a page may do: run its own scripts and style, by the hash of their text, and no more.

    Nothing is fetched, no attribute runs, no form is sent, no base is set (Content Security
    Policy, https://www.w3.org/TR/CSP3/): words of a cohort cannot become code.

    Examples
    --------
    >>> content_policy(styles=[])
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'"
    """
    own = {"script-src": scripts, "style-src": styles}
    parts = [f"{what} {' '.join(map(_hash, texts))}; " for what, texts in own.items() if texts]
    return f"default-src 'none'; {''.join(parts)}img-src data:; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
