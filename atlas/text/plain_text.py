"""Text of files that is shown or written stays text: on a terminal, in a page, in a spreadsheet.

Names, notices and descriptions come from whoever made the files.  Each place they go to takes some
signs for orders: a terminal its escape sequences, HTML and Markdown their markup, a spreadsheet a
cell that begins with ``=``.
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable

# What has no sign of its own: controls but for tab and line end, marks that turn the direction of
# reading (Boucher & Anderson 2021, doi:10.48550/arXiv.2111.00169), what is invisible, tags, and
# halves of characters (bytes of a file name that are not UTF-8).
_UNSHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
# White or invisible, but for what parts cells.
_SPACE = (
    "\x00-\x08\x0b\x0c\x0e-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2069\u3000\ufeff"
)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|nan)"
_PLAIN_NUMBER = re.compile(_NUMBER)
# Where a cell begins: at the start, and behind what parts cells in a spreadsheet of another
# country, whatever quotation marks say there.
_FORMULA = re.compile(
    rf"\A(?=[\t\r\n]|[{_SPACE}]*'*[=+\-@＝＋－＠])"
    rf"|(?<=[;\t\r\n])(?=[{_SPACE}]*'*[=+\-@＝＋－＠])(?![{_SPACE}]*(?:{_NUMBER})[{_SPACE}]*(?:;|\Z))"
)
_SEPARATORS = re.compile("([\u2028\u2029])")
_HALVES = re.compile("[\ud800-\udfff]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~&$]|(?<=\w):(?=//)|(?<=\bwww)\.|^[+=-]|(?<=^\d)[.)])")


def printable(text: str) -> str:
    r"""Text with every sign that is an order to a terminal, or invisible, written out.

    Tab and line end stay.

    Examples
    --------
    >>> print(printable("sub-01\x1b[31m \u202edno"))
    sub-01\x1b[31m \u202edno
    """
    return _UNSHOWN.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        # A byte that Python could not read as UTF-8.
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def one_line(text: str) -> str:
    r"""Printable text in one line, so that it cannot pass for a line of ours.

    Examples
    --------
    >>> one_line("made by hand\n0 errors")
    'made by hand 0 errors'
    """
    return " ".join(printable(text).split())


def html_text(text: object) -> str:
    """Text as it stands in HTML, between tags or in a quoted attribute.

    Examples
    --------
    >>> html_text('<img src="x">')
    '&lt;img src=&quot;x&quot;&gt;'
    """
    # A page may hold line and paragraph separators: they end no line of HTML.
    parts = _SEPARATORS.split(str(text))
    shown = (part if _SEPARATORS.fullmatch(part) else printable(part) for part in parts)
    return html.escape("".join(shown), quote=True)


def escape_markdown(text: str) -> str:
    r"""Text that no Markdown reader takes for markup, in one line.

    Examples
    --------
    >>> print(escape_markdown("a_b|<script>"))
    a\_b\|\<script\>
    """
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def markdown_code(text: str) -> str:
    r"""Text as code in Markdown, every sign as it is, in one line.

    Examples
    --------
    >>> print(markdown_code("root_radius_mm `<b>`"))
    `` root_radius_mm `<b>` ``
    """
    line = one_line(text)
    # A fence is longer than what looks like one within.
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}"


def csv_cell(value: object) -> object:
    """A value as it is put into a CSV file: no text in it is a formula to a spreadsheet.

    Parameters
    ----------
    value : object

    Returns
    -------
    object
        Numbers, and texts that are numbers, as they are.  A text that begins with ``= + - @``, a
        tab or a line end gets an apostrophe before it, as OWASP advises
        (https://owasp.org/www-community/attacks/CSV_Injection); so does one that begins with
        apostrophes before such a sign: who takes one away has the text again.  Line ends of any
        kind become those of Unix.

    Examples
    --------
    >>> csv_cell("=1+1"), csv_cell("-1.5"), csv_cell(-1.5), csv_cell("sub-01")
    ("'=1+1", '-1.5', -1.5, 'sub-01')
    """
    if not isinstance(value, str) or _PLAIN_NUMBER.fullmatch(value):
        return value
    # A lone carriage return would end the row: the csv module does not quote it.
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    return _HALVES.sub(_written_out, _FORMULA.sub("'", lines))


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    r"""Rows as CSV with Unix line ends, cells as :func:`csv_cell` makes them.

    A float stands with the fewest digits that read back to it.

    Examples
    --------
    >>> csv_text([["name", "x_mm"], ["@a", -0.1]])
    "name,x_mm\n'@a,-0.1\n"
    """
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerows([csv_cell(value) for value in row] for row in rows)
    return stream.getvalue()
