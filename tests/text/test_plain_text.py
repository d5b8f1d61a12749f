"""Text of files stays text: on a terminal, in HTML, in Markdown, in a spreadsheet."""

from __future__ import annotations

import csv
import io
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.text.plain_text import (
    csv_cell,
    csv_text,
    escape_markdown,
    html_text,
    one_line,
    printable,
)

SIGNS = "=+-@＝＋－＠"
LETTERS = st.one_of(
    st.sampled_from(SIGNS + " \t\r\n;,'\"-5."),
    st.characters(codec="utf-8", exclude_characters="\0"),
)


def unix(text):
    return text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_text_that_begins_like_a_formula_gets_an_apostrophe(sign):
    assert csv_cell(f"{sign}SUM(A1)") == f"'{sign}SUM(A1)".replace("\r", "\n")


@pytest.mark.parametrize("text", [" =1+1", "\ufeff=1+1", "\u200b@SUM(A1)", "\x00=1", "-", "+a"])
def test_what_is_not_seen_before_a_sign_does_not_hide_it(text):
    assert csv_cell(text) == f"'{text}"


def test_behind_what_parts_cells_elsewhere_a_formula_is_none_either():
    assert csv_cell("made by;=cmd|' /C calc'!A0") == "made by;'=cmd|' /C calc'!A0"
    assert csv_cell("a\n=1+1") == "a\n'=1+1"


@pytest.mark.parametrize("value", ["-1.5", "+3", "-1e-05", "-inf", "1.5", "", -1.5, -3, None, True])
def test_numbers_stay_as_they_are(value):
    assert csv_cell(value) is value


def test_a_range_in_a_text_stays_as_it_is():
    assert csv_cell("from; -5") == "from; -5"
    assert csv_cell("sub-01 a=b") == "sub-01 a=b"


def test_who_takes_one_apostrophe_away_has_the_text_again():
    assert csv_cell("'=1") == "''=1"
    assert csv_cell("'twas") == "'twas"


def test_rows_are_written_with_unix_ends_and_numbers_in_full():
    text = csv_text([["=name", "x"], ["a,b", 0.1 + 0.2], ['say "so"', -1]])
    assert text == '\'=name,x\n"a,b",0.30000000000000004\n"say ""so""",-1\n'


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(alphabet=LETTERS), min_size=2, max_size=4))
def test_no_cell_read_back_is_a_formula_and_none_is_lost(row):
    (back,) = csv.reader(io.StringIO(csv_text([row]), newline=""))
    assert len(back) == len(row)
    for cell, text in zip(back, row, strict=True):
        assert not cell.startswith(tuple(SIGNS + "\t\r\n")) or csv_cell(cell) == cell == text
        assert cell.replace("'", "") == unix(text).replace("'", "")


def test_a_carriage_return_begins_no_row():
    assert csv_text([["a\r=1+1\r\nb", "c"]]) == '"a\n\'=1+1\nb",c\n'


def test_time_grows_with_the_length_of_a_text():
    took = []
    for n in (20_000, 200_000):
        start = time.perf_counter()
        for part in ("\n", " ", "; ", "'", ";1", "-"):
            csv_cell(part * n)
            escape_markdown(part * n)
        took.append(time.perf_counter() - start)
    assert took[1] < 60 * max(took[0], 1e-3)


# --- terminals ---


def test_orders_to_a_terminal_are_written_out():
    assert printable("\x1b[31mred\x07\r\x9b2J") == r"\x1b[31mred\x07\x0d\x9b2J"
    assert printable("sub-\u202e10\u2066") == r"sub-\u202e10\u2066"
    assert printable("tab\tand\nline stay") == "tab\tand\nline stay"


def test_a_file_name_that_is_not_utf8_can_be_written():
    assert printable("sub-\udcff").encode() == rb"sub-\xff"
    assert str(csv_cell("sub-\udcff")).encode() == rb"sub-\xff"


@given(st.text(alphabet=st.characters()))
def test_nothing_printable_is_a_control(text):
    shown = one_line(text)
    assert "\n" not in shown
    kinds = {unicodedata.category(c) for c in shown}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert not any(unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRI") for c in shown)
    shown.encode("utf-8")


# --- pages ---


def test_html_is_escaped_for_tags_and_attributes():
    assert (
        html_text("<a b='c' d=\"e\">&\x1b") == "&lt;a b=&#x27;c&#x27; d=&quot;e&quot;&gt;&amp;\\x1b"
    )


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://e.example/a.png)",
        "<img src=http://e.example/a>",
        "[x](javascript:alert(1))",
        "[x]: http://e.example",
        "# heading",
        "- item",
        "+ item",
        "* item",
        "1. item",
        "1) item",
        "> quoted",
        "```code",
        "~~struck~~",
        "http://e.example/a",
        "www.e.example",
        "**bold** _it_",
        "a | b",
        "$x$",
        "&lt;b&gt;",
        "a\n\n<script>",
    ],
)
def test_markdown_of_a_text_is_the_text(text):
    mistune = pytest.importorskip("mistune")
    plugins = ["url", "table", "strikethrough", "task_lists", "footnotes"]
    page = mistune.create_markdown(escape=False, plugins=plugins)(escape_markdown(text))
    inner = page.removeprefix("<p>").removesuffix("</p>\n")
    assert "<" not in inner
    import html

    assert html.unescape(inner) == " ".join(text.split())
