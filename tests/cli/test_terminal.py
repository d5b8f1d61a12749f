"""What the command prints: any text on any stream, tables that lose no number."""

from __future__ import annotations

import ast
import io
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from atlas.cli import terminal
from atlas.cli.terminal import as_markup, open_console, print_table, say, take_any_text

COMMANDS = Path(terminal.__file__).parent
HEADINGS = ("subject", "dura", "cord", "points", "spacing mm", "warnings")
ROWS = [("sub-03", 80, 66, 3717, "2.0", "–"), ("sub-with-a-long-name-indeed", 1, 2, 3, "4.5", 6)]
ATTACK = "\x1b[2J\x1b]0;owned\x07[bold red]x[/] \u202esub\r0 errors\nfaked\\"


def shown(width, *, terminal=True, title="cohort", rows=ROWS, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    console = Console(
        file=stream, width=width, force_terminal=terminal, no_color=True, soft_wrap=True,
        highlight=False,
    )  # fmt: skip
    print_table(console, title, HEADINGS, rows)
    stream.flush()
    text = stream.buffer.getvalue().decode(encoding)
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", [1, 10, 20, 40, 60, 80, 200])
def test_no_number_is_lost_at_any_width(width):
    text = shown(width)
    for row in ROWS:
        for value in row:
            assert str(value) in text
    assert "…" not in text
    for heading in HEADINGS[1:]:
        assert all(word in text for word in heading.split())


@pytest.mark.parametrize("width", [20, 40])
def test_lines_keep_to_a_narrow_terminal(width):
    lines = shown(width, rows=ROWS[:1]).splitlines()
    assert max(map(len, lines)) < width
    assert not any("│" in line for line in lines)


def test_a_pipe_has_the_whole_table_however_wide():
    lines = shown(20, terminal=False).splitlines()
    assert sum("│" in line for line in lines) == len(ROWS)


def test_text_of_files_gives_no_orders(monkeypatch):
    for width in (30, 200):
        text = shown(width, title=ATTACK, rows=[(ATTACK, 1, 2, 3, "4", "5")])
        assert not set(text) & {"\x1b", "\x07", "\r", "\u202e"}
        assert "[bold red]x[/] \\u202esub\\x0d0 errors faked\\" in " ".join(text.split())
        assert "\nfaked" not in text
    out = io.StringIO()
    Console(file=out, width=500).print(f"[bold]{as_markup(ATTACK)}[/bold] end")
    assert out.getvalue().endswith("[bold red]x[/] \\u202esub\\x0d0 errors faked\\ end\n")


def test_what_is_said_gives_no_orders(capsys):
    say(f"atlas: {ATTACK}", err=True)
    said = capsys.readouterr().err
    assert not set(said) & {"\x1b", "\x07", "\r", "\u202e"}
    assert "[bold red]x[/]" in said


def test_every_command_says_it_by_these():
    beside = []
    for path in sorted(COMMANDS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in ("typer.echo", "print", "rich.print", "Table", "sys.stdout.write"):
                beside.append((path.name, name))
    assert beside == [("terminal.py", "print"), ("terminal.py", "Table")]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "gbk", "cp932"])
def test_every_stream_takes_every_text(encoding, monkeypatch):
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
        monkeypatch.setattr(sys, name, stream)
    take_any_text()
    say("± 0.5 mm – n = 3 … µ² 中文 é \udcff\U0001f600")
    open_console().print(as_markup("− ≤ × ° ’"))
    print_table(open_console(), "a – b", HEADINGS, ROWS)
    sys.stdout.flush()
    text = sys.stdout.buffer.getvalue().decode(encoding)
    assert "3717" in text
    assert "0.5 mm" in text
    assert r"\xff" in text
    assert "😀" in text or r"\U0001f600" in text
    if encoding == "ascii":
        assert "+/- 0.5 mm - n = 3 ... u2 \\u4e2d\\u6587 \\xe9" in text


def test_a_window_without_a_console_takes_it_too(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    take_any_text()
    try:
        say("nobody reads it")
        open_console().print("nor this")
    finally:
        sys.stdout.close()
        sys.stderr.close()
