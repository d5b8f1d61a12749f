"""How the package's objects show themselves in a notebook: small tables, every text escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

# Rows of a longer table that are shown; the rest is counted.
SHOWN = 12


def summary_html(
    title: str,
    facts: Mapping[str, object],
    *,
    columns: Sequence[str] = (),
    rows: Sequence[Sequence[object]] = (),
) -> str:
    """A title, facts by name, and a table, as HTML.

    Parameters
    ----------
    title : str
    facts : mapping of str to object
        Shown as text.
    columns : sequence of str
        Headings of the table; none for no table.
    rows : sequence of sequence
        Its cells; beyond :data:`SHOWN` they are counted.

    Returns
    -------
    str

    Examples
    --------
    >>> summary_html("Shape", {"name": "<b>"})
    '<p><strong>Shape</strong></p><table><tr><th>name</th><td>&lt;b&gt;</td></tr></table>'
    """
    parts = [f"<p><strong>{html.escape(title)}</strong></p>"]
    if facts:
        lines = (_row([_cell("th", name), _cell("td", value)]) for name, value in facts.items())
        parts.append(f"<table>{''.join(lines)}</table>")
    if columns:
        head = _row([_cell("th", name) for name in columns])
        body = "".join(_row([_cell("td", value) for value in row]) for row in rows[:SHOWN])
        parts.append(f"<table>{head}{body}</table>")
    if len(rows) > SHOWN:
        parts.append(f"<p>… and {len(rows) - SHOWN} more</p>")
    return "".join(parts)


def _row(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _cell(tag: str, value: object) -> str:
    return f"<{tag}>{html.escape(str(value))}</{tag}>"
