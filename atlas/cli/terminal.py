"""What the command prints: any text on any stream, tables that fit their terminal."""

from __future__ import annotations

import codecs
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from atlas.text.plain_text import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 120
LEAST_WIDTH = 20
# Name of the way to write what a stream's encoding has no sign for.
NEAREST = "atlas-nearest"
# Signs of ours, as they were written before there were encodings for them.
NEAREST_SIGNS = {
    "–": "-",
    "—": "-",
    "−": "-",
    "±": "+/-",
    "×": "x",
    "·": "|",
    "…": "...",
    "°": "deg",
    "µ": "u",
    "²": "2",
    "³": "3",
    "≤": "<=",
    "≥": ">=",
    "’": "'",
    "•": "*",
}


def say(text: str, *, err: bool = False) -> None:
    """Print text of ours that may hold text of files: no sign in it is an order to the terminal."""
    # click would write UTF-8 to a stream that says it takes ASCII.
    print(printable(text), file=sys.stderr if err else sys.stdout, flush=True)


def as_markup(text: object) -> str:
    """Text of a file for rich: one line, no markup, no order to the terminal."""
    from rich.markup import escape

    return escape(one_line(str(text)))


def take_any_text() -> None:
    """Let standard output and standard error take every text, whatever their encoding.

    A stream that is not there at all takes it, too, as a window without a console has none.
    """
    codecs.register_error(NEAREST, _nearest)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif hasattr(stream, "reconfigure"):
            # One put in the place of another kind of file cannot change; it works as it is.
            with suppress(OSError):
                stream.reconfigure(errors=NEAREST)


def _cell(value: object) -> str:
    """Text of a cell in one line; blanks between numbers stay."""
    return re.sub(r"[\t\n]+", " ", printable(str(value)))


def _nearest(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lost = error.object[error.start : error.end]
    return "".join(NEAREST_SIGNS.get(sign) or _by_number(sign) for sign in lost), error.end


def _by_number(sign: str) -> str:
    return sign.encode("ascii", "backslashreplace").decode("ascii")


def open_console(*, stderr: bool = False) -> Console:
    """A console on standard output, or on standard error."""
    from rich.console import Console

    # A pipe has no width of its own: give tables the room they need instead of cutting them.
    stream: TextIO = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=width)


def print_table(
    console: Console,
    title: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    names: int = 1,
) -> None:
    """Print a table, or, where a terminal is too narrow for it, every row as lines of text.

    Parameters
    ----------
    console : Console
    title : str
    headings : sequence of str
    rows : iterable of sequence
        Their cells; nothing of them is cut.
    names : int
        How many of the first columns name the row; the others hold numbers, to the right.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(one_line(title)), title_justify="left")
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="left" if i < names else "right", no_wrap=True)
    cells = [[_cell(value) for value in row] for row in rows]
    for row in cells:
        table.add_row(*map(Text, row))
    # The title goes on in a second line.
    needed = console.measure(table, options=console.options.update(width=10_000)).maximum
    if needed <= console.width or not console.is_terminal:
        console.width = max(needed, console.width)
        console.print(table)
        return
    width = max(LEAST_WIDTH, console.width - 1)
    lines = textwrap.wrap(one_line(title), width)
    for row in cells:
        facts = ", ".join(f"{h} {v}" for h, v in zip(headings[names:], row[names:], strict=True))
        lines += textwrap.wrap(
            f"{' '.join(row[:names])}: {facts}",
            width,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    for line in lines:
        console.print(Text(line))
