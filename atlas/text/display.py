"""How the package's objects show themselves in a notebook: small tables, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from atlas.text.plain_text import html_text

# Rows of a longer table that are shown; the rest is counted.
SHOWN = 12
# Notebooks set what stands between dollar signs as TeX, but for what has one of these classes
# (those of MathJax 3 and 2).
AS_TEXT = "mathjax_ignore tex2jax_ignore"


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
    >>> page = summary_html("Shape", {"name": "<b>"})
    >>> page.replace(AS_TEXT, "...")[:91] + "..."
    '<div class="..."><p><strong>Shape</strong></p><table><tr><th>name</th><td>&lt;b&gt;</td>...'
    """
    parts = [f"<p><strong>{html_text(title)}</strong></p>"]
    if facts:
        lines = (_row([_cell("th", name), _cell("td", value)]) for name, value in facts.items())
        parts.append(f"<table>{''.join(lines)}</table>")
    if columns:
        head = _row([_cell("th", name) for name in columns])
        body = "".join(_row([_cell("td", value) for value in row]) for row in rows[:SHOWN])
        parts.append(f"<table>{head}{body}</table>")
    if len(rows) > SHOWN:
        parts.append(f"<p>… and {len(rows) - SHOWN} more</p>")
    return _as_text("".join(parts))


def said_html(text: str, *, label: str = "", below: Iterable[str] = ()) -> str:
    """A paragraph and a list below it, as HTML in which all of it is text.

    Parameters
    ----------
    text : str
    label : str
        Stands before the text, in bold.
    below : iterable of str
        Items of the list; none for no list.

    Returns
    -------
    str

    Examples
    --------
    >>> said_html("made by <b>", label="Cohort:").removeprefix(f'<div class="{AS_TEXT}">')
    '<p><strong>Cohort:</strong> made by &lt;b&gt;</p></div>'
    """
    bold = f"<strong>{html_text(label)}</strong> " if label else ""
    items = "".join(f"<li>{html_text(item)}</li>" for item in below)
    paragraph = f"<p>{bold}{html_text(text)}</p>" if bold or text else ""
    return _as_text(paragraph + (f"<ul>{items}</ul>" if items else ""))


def _as_text(inner: str) -> str:
    return f'<div class="{AS_TEXT}">{inner}</div>'


def _row(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _cell(tag: str, value: object) -> str:
    return f"<{tag}>{html_text(value)}</{tag}>"
