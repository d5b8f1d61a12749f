from __future__ import annotations

import html
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pandas as pd
import pytest

from analysis.tables.markup import (
    as_html,
    as_latex,
    as_markdown,
    escape_latex,
    escape_markdown,
    latex_document,
)
from analysis.tables.typeset import Paper

NASTY = ["<script>alert(1)</script>", "a_b%", "x|y", "$10^2~{z}\\&#", "−1.5 (−2 to −1)", "1\n2"]


@pytest.fixture
def paper() -> Paper:
    cells = pd.DataFrame({"subject": NASTY, "mean, mm² (95 % CI)": ["38.6 (34.9–42.3)"] * 6})
    return Paper("nasty", "n_1 < 2 & 5 % | more.", cells, "made <up>")


class Cells(HTMLParser):
    """Text of every cell, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.tags = [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        if self.cells and data.strip():
            self.cells[-1] += data


def test_html_gives_back_every_cell_and_no_tag_of_the_data(paper):
    parser = Cells()
    parser.feed(as_html(paper).split("</caption>")[1])
    expected = [*paper.cells.columns, *paper.cells.to_numpy().ravel()]
    assert parser.cells == expected
    assert parser.tags == {"thead", "tr", "th", "tbody", "td"}
    assert html.escape(paper.said) in as_html(paper)
    assert 'id="nasty"' in as_html(paper)


def test_markdown_gives_back_every_cell(paper):
    text = as_markdown(paper)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    del rows[1]
    read = [[re.sub(r"\\(.)", r"\1", c) for c in row] for row in rows]
    plain = [[" ".join(c.split()) for c in row] for row in paper.cells.to_numpy()]
    assert read == [list(paper.cells.columns), *plain]
    assert r"\<script\>" in text
    assert "made \\<up\\>" in text


def test_latex_escapes_what_is_special_and_sets_a_true_minus():
    assert escape_latex("a_b% & #1 {x} $ ^ ~") == (
        r"a\_b\% \& \#1 \{x\} \$ \textasciicircum{} \textasciitilde{}"
    )
    assert escape_latex("−1–2") == "$-$1--2"
    assert escape_latex("\\input{x}") == r"\textbackslash{}input\{x\}"


def test_latex_has_booktabs_rules_caption_and_label(paper):
    text = as_latex(paper)
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\label{tab:nasty}", r"\caption{n\_1"):
        assert part in text
    assert r"38.6 (34.9--42.3)" in text


def test_a_line_break_in_a_cell_does_not_break_its_row():
    assert escape_markdown("1\n2") == escape_latex("1\n2") == "1 2"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
def test_the_document_compiles(paper, tmp_path):
    (tmp_path / "t.tex").write_text(latex_document([paper]))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-800:]
    assert (tmp_path / "t.pdf").read_bytes().startswith(b"%PDF")


def test_latex_prints_a_text_as_it_stands():
    assert (
        escape_latex("[x] * a--b `c`") == r"{[}x{]} {*} a-{}-b \textasciigrave{}c\textasciigrave{}"
    )
    assert escape_latex(r"\input{/etc/passwd}$x$") == (r"\textbackslash{}input\{/etc/passwd\}\$x\$")
    assert escape_latex("中 é ł \x1b") == r"U+4E2D é ł \textbackslash{}x1b"
    assert escape_latex("") == ""
    assert escape_latex("a\n\n\\end{document}").count("\n") == 0
