"""All typeset tables as one self-contained HTML page, or one table as a page of its own."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from analysis.tables.markup import as_html
from analysis.tables.paper import Paper

_PAGE = Template(Path(__file__).with_name("page.html").read_text("utf-8"))


def table_page(papers: Sequence[Paper], *, title: str) -> str:
    """A page of some tables, without any reference to elsewhere, light or dark as the reader's."""
    body = [f"<h1>{html.escape(title)}</h1>", *map(as_html, papers)]
    return _PAGE.substitute(title=html.escape(title), body="\n".join(body))


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
    body = [f"<h1>{html.escape(title)}</h1>"]
    if notice:
        body.append(f'<p class="notice">Cohort: {html.escape(notice)}.</p>')
    body += [f"<p>{html.escape(line)}</p>" for line in lines]
    links = [
        f'<li><a href="#{html.escape(group_anchor(name))}">{html.escape(name)}</a></li>'
        for name in groups
    ]
    body.append("<nav><ul>\n" + "\n".join(links) + "\n</ul></nav>")
    for name, papers in groups.items():
        anchor = html.escape(group_anchor(name))
        body.append(f'<section id="{anchor}"><h2>{html.escape(name)}</h2>')
        body += [as_html(paper) for paper in papers]
        body.append("</section>")
    return _PAGE.substitute(title=html.escape(title), body="\n".join(body))


def group_anchor(name: str) -> str:
    """The anchor of a group of tables, apart from those of its tables."""
    return "about-" + name.replace(" ", "-")
