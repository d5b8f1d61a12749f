"""The page: one HTML file that holds everything it needs and opens no connection."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from atlas.explorer.content import ExplorerOptions, page_content
from atlas.explorer.packing import ELEMENT, script_json
from atlas.explorer.three_library import ThreeLibrary, installed_three
from atlas.output.results import Claim, claim_file, signature, write_result_file
from atlas.store import Atlas
from atlas.text.pages import content_policy, fill_template

TITLE = "Lumbosacral atlas"
# Mathematics first, then what draws, then what joins them: one script, in this order.
NUMERICS = ("vectors.js", "splines.js", "tubes.js", "measures.js", "shapes.js")
INTERFACE = (
    "scene.js",
    "camera.js",
    "overlay.js",
    "panel.js",
    "explorer.js",
    "stage.js",
    "page.js",
)
MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files (the "Software"), to deal in the Software without
restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions: the above copyright notice and
this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


def write_explorer(
    atlas: Atlas, out: str | Path | Claim, options: ExplorerOptions | None = None
) -> Path:
    """Write an atlas as a page to look at.

    Parameters
    ----------
    atlas : Atlas
    out : path or Claim
        The HTML file, written whole or not at all.
    options : ExplorerOptions, optional

    Returns
    -------
    Path
        The path.

    Raises
    ------
    AtlasError
        The atlas cannot be shown, three.js is not there, or the place cannot be written.
    """
    claim = claim_file(out, command="view", suffix=".html")
    return write_result_file(claim, explorer_page(atlas, options))


def explorer_page(atlas: Atlas, options: ExplorerOptions | None = None) -> str:
    """The page as HTML.

    Parameters
    ----------
    atlas : Atlas
    options : ExplorerOptions, optional

    Returns
    -------
    str

    Raises
    ------
    AtlasError
        The atlas cannot be shown, or three.js is not there.

    Notes
    -----
    Scripts and style run by the hash of their text alone, and nothing may be fetched (Content
    Security Policy, https://www.w3.org/TR/CSP3/): words of a cohort cannot become code.
    """
    content = page_content(atlas, options)
    three = installed_three()
    style, script = source_of("explorer.css"), page_script()
    parts = {
        "policy": content_policy(styles=[style], scripts=[three.source, script]),
        "style": style,
        "three": three.source,
        "script": script,
        "licence": MIT,
        "data": f"{ELEMENT}{script_json(content)}</script>",
    }
    template = Path(__file__).with_name("template.html")
    return fill_template(template, _words(content, three), html=parts)


def page_script(parts: tuple[str, ...] = NUMERICS + INTERFACE) -> str:
    """The page's own JavaScript, nothing of it global but ``window.atlasExplorer``."""
    inner = "\n".join(source_of(part) for part in parts)
    return f'(() => {{\n"use strict";\n{inner}}})();\n'


def _words(content: Mapping[str, Any], three: ThreeLibrary) -> dict[str, object]:
    notice = str(content["notice"])
    return {
        "title": TITLE,
        "generator": signature("view"),
        "n_subjects": content["n_subjects"],
        "generated": content["generated"],
        "cohort": f"cohort {notice}" if notice else "",
        "notice": f"Cohort {notice}." if notice else "Cohort of annotated images.",
        "disclaimer": content["disclaimer"],
        "attribution": content["attribution"],
        "library": f"three.js r{three.revision}, MIT licence, {three.copyright}",
    }


def source_of(name: str) -> str:
    """Text of a file of the page that stands beside this module."""
    return files("atlas.explorer").joinpath(name).read_text("utf-8")
