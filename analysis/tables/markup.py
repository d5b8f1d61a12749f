"""A paper table as Markdown, LaTeX (booktabs) or HTML: every cell escaped for its language."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup

from analysis.tables.rounding import EN_DASH, MINUS_SIGN
from analysis.tables.typeset import Paper
from atlas.text.display import AS_TEXT
from atlas.text.plain_text import escape_markdown, html_text, one_line

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
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    # A row that begins with one would give an option to the end of the row above.
    **{sign: f"{{{sign}}}" for sign in "[]*"},
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
# What pdflatex knows with T1 and textcomp beside ASCII; another letter would end it.
TEX_LETTERS = frozenset(map(chr, range(0xA1, 0x100))) | frozenset(
    "ĂăĄąĆćČčĎďĐđĘęĚěĞğİıĹĺĽľŁłŃńŇňŊŋŐőŒœŔŕŘřŚśŞşŠšŢţŤťŮůŰűŸŹźŻżŽž"
)


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


def as_html(paper: Paper) -> Markup:
    """The table as an HTML element with its caption, an anchor and no style of its own."""
    head = "".join(f'<th scope="col">{html_text(h)}</th>' for h in paper.cells.columns)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{html_text(v)}</td>" for v in row) + "</tr>"
        for row in paper.cells.to_numpy()
    )
    return Markup(  # noqa: S704  (escaped)
        f'<div class="wide {AS_TEXT}"><table id="{html_text(paper.name)}">\n'
        f"<caption>{html_text(paper.said)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>\n"
    )


def escape_latex(text: str) -> str:
    r"""Text that LaTeX prints as it stands, in one line.

    Examples
    --------
    >>> escape_latex("a_b% −1")
    'a\\_b\\% $-$1'
    """
    line = one_line(text)
    # Two hyphens would be printed as one dash.
    pairs = zip(line, f"{line} "[1:], strict=True)
    return "".join("-{}" if c == after == "-" else _tex_sign(c) for c, after in pairs)


def _tex_sign(sign: str) -> str:
    if sign in TEX_SIGNS:
        return TEX_SIGNS[sign]
    return sign if sign.isascii() or sign in TEX_LETTERS else f"U+{ord(sign):04X}"
