"""Pages from templates: anchors, notices, and text that stays text."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from analysis.pages.page import fill_page
from analysis.tables.markup import as_html
from analysis.tables.typeset import Paper


def make_table(name: str) -> Markup:
    cells = pd.DataFrame({"a": ["<b>1</b>"]})
    return as_html(Paper(name, f"Caption of {name}.", cells, "made up"))


def tables_page(groups, notice="made up", lines=("n = 3",)) -> str:
    return fill_page("tables.html", title="All <tables>", groups=groups, notice=notice, lines=lines)


def test_every_link_leads_to_an_anchor_and_none_leads_away():
    groups = {
        "segment variability": [make_table("one"), make_table("two")],
        "modes": [make_table("modes")],
    }
    page = tables_page(groups)
    links = re.findall(r'href="([^"]+)"', page)
    anchors = re.findall(r'id="([^"]+)"', page)
    assert links == ["#about-segment-variability", "#about-modes"]
    assert {link[1:] for link in links} <= set(anchors)
    assert len(set(anchors)) == len(anchors)
    assert "src=" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "All &lt;tables&gt;" in page
    assert '<p class="notice">Cohort: made up.</p>' in page


def test_imaged_people_get_no_notice():
    assert 'class="notice"' not in tables_page({"modes": []}, notice="")


def test_a_table_alone_is_a_page_in_light_and_dark():
    page = tables_page({"": [make_table("one")]}, lines=())
    assert page.startswith("<!doctype html>")
    assert "prefers-color-scheme: dark" in page
    assert "&lt;b&gt;1&lt;/b&gt;" in page
    assert "<nav>" not in page


def test_a_value_nobody_gave_is_no_empty_place():
    with pytest.raises(UndefinedError, match="'notice' is undefined"):
        fill_page("tables.html", title="", groups={}, lines=())


def test_what_reads_like_a_template_or_an_order_to_a_terminal_is_text():
    page = tables_page({}, notice="{{ title }} {% raw %} \x1b[2J")
    assert "Cohort: {{ title }} {% raw %} \\x1b[2J." in page
