"""What every HTML page of ours has in common: it runs what we wrote and fetches nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from atlas.text.plain_text import html_text


def fill_template(path: Path, texts: Mapping[str, object], *, html: Mapping[str, str]) -> str:
    """A template with its places filled: text is escaped, HTML stands as it is.

    Parameters
    ----------
    path : Path
        A template of Jinja; what it extends stands beside it.
    texts : mapping of str to object
        All of it is text, however deep, but for a :class:`markupsafe.Markup`.
    html : mapping of str to str
        HTML, whose maker has escaped what came from files.

    Returns
    -------
    str

    Raises
    ------
    jinja2.UndefinedError
        The template names a place that nobody filled.
    """
    templates = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        finalize=_as_text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    marked = {name: Markup(part) for name, part in html.items()}  # noqa: S704  (HTML, as told)
    return templates.get_template(path.name).render(texts, **marked)


def _as_text(value: object) -> Markup:
    return value if isinstance(value, Markup) else Markup(html_text(value))  # noqa: S704  (escaped)


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
