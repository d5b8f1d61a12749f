"""A paper table as Markdown, LaTeX (booktabs) or HTML: every cell escaped for its language."""

from __future__ import annotations

import html
import re

import pandas as pd

from analysis.tables.paper import Paper
from analysis.tables.rounding import EN_DASH, MINUS_SIGN

# What pdflatex does not take as it stands.
TEX_SIGNS = {
    MINUS_SIGN: "$-$",
    EN_DASH: "--",
    "±": r"$\pm$",
    "×": r"$\times$",
    "°": r"\textdegree{}",
    "µ": r"\textmu{}",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "Δ": r"$\Delta$",
    "χ": r"$\chi$",
    "σ": r"$\sigma$",
    "…": r"\dots{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}
TEX_HEAD = r"""\documentclass[9pt,a4paper]{extarticle}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{textcomp,booktabs,longtable,caption}
\usepackage[landscape,margin=15mm]{geometry}
\captionsetup{font=footnotesize,labelfont=bf,width=.95\linewidth}
\setlength{\tabcolsep}{3pt}
\begin{document}
\footnotesize
"""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~&$])")


def as_markdown(paper: Paper) -> str:
    """The table as a GitHub pipe table below its caption."""
    from tabulate import tabulate

    cells = [[escape_markdown(v) for v in row] for row in paper.cells.to_numpy()]
    headings = [escape_markdown(h) for h in paper.cells.columns]
    # Our numbers are text already: tabulate must not read and reprint them.
    table = tabulate(cells, headings, tablefmt="github", disable_numparse=True)
    return f"{escape_markdown(paper.said)}\n\n{table}\n"


def as_latex(paper: Paper) -> str:
    """The table as a ``longtable`` with booktabs rules; needs the packages of ``TEX_HEAD``."""
    text = paper.cells.map(escape_latex)
    text.columns = pd.Index([escape_latex(h) for h in paper.cells.columns])
    return text.style.hide(axis="index").to_latex(
        environment="longtable",
        hrules=True,
        caption=escape_latex(paper.said),
        label=f"tab:{paper.name}",
        column_format="l" * len(text.columns),
    )


def latex_document(papers: list[Paper]) -> str:
    """All tables as one document that compiles by itself."""
    return TEX_HEAD + "\n".join(map(as_latex, papers)) + "\\end{document}\n"


def as_html(paper: Paper) -> str:
    """The table as an HTML element with its caption, an anchor and no style of its own."""
    head = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in paper.cells.columns)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(v)}</td>" for v in row) + "</tr>"
        for row in paper.cells.to_numpy()
    )
    return (
        f'<div class="wide"><table id="{html.escape(paper.name)}">\n'
        f"<caption>{html.escape(paper.said)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>\n"
    )


def escape_markdown(text: str) -> str:
    r"""Text that no Markdown reader takes for markup, in one line.

    Examples
    --------
    >>> print(escape_markdown("a_b|<script>"))
    a\_b\|\<script\>
    """
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def escape_latex(text: str) -> str:
    r"""Text that LaTeX prints as it stands, in one line.

    Examples
    --------
    >>> escape_latex("a_b% −1")
    'a\\_b\\% $-$1'
    """
    signs = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{c: f"\\{c}" for c in "&%$#_{}"},
        **TEX_SIGNS,
    }
    return "".join(signs.get(c, c) for c in " ".join(text.split()))
