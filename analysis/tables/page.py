"""All typeset tables as one self-contained HTML page, or one table as a page of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.tables.markup import as_html
from analysis.tables.typeset import Paper
from atlas.text.pages import static_page
from atlas.text.plain_text import html_text

STYLE = Path(__file__).with_name("page.css").read_text("utf-8")


def table_page(papers: Sequence[Paper], *, title: str) -> str:
    """A page of some tables, without any reference to elsewhere, light or dark as the reader's."""
    body = [f"<h1>{html_text(title)}</h1>", *map(as_html, papers)]
    return static_page(title=title, style=STYLE, body="\n".join(body))


def all_tables_page(
    groups: Mapping[str, Sequence[Paper]], *, title: str, lines: Sequence[str], notice: str
) -> str:
    """One page with contents, every table under its anchor, and whose tables they are.

    Parameters
    ----------
    groups : mapping of heading to papers
    title : str
    lines : sequence of str
        Paragraphs above the contents: n, anchor, rounding.
    notice : str
        What generated data say of themselves.
    """
    body = [f"<h1>{html_text(title)}</h1>"]
    if notice:
        body.append(f'<p class="notice">Cohort: {html_text(notice)}.</p>')
    body += [f"<p>{html_text(line)}</p>" for line in lines]
    links = [
        f'<li><a href="#{html_text(group_anchor(name))}">{html_text(name)}</a></li>'
        for name in groups
    ]
    body.append("<nav><ul>\n" + "\n".join(links) + "\n</ul></nav>")
    for name, papers in groups.items():
        anchor = html_text(group_anchor(name))
        body.append(f'<section id="{anchor}"><h2>{html_text(name)}</h2>')
        body += [as_html(paper) for paper in papers]
        body.append("</section>")
    return static_page(title=title, style=STYLE, body="\n".join(body))


def group_anchor(name: str) -> str:
    """The anchor of a group of tables, apart from those of its tables."""
    return "about-" + name.replace(" ", "-")
