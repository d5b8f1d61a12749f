from __future__ import annotations

import re

import pandas as pd

from analysis.tables.page import all_tables_page, table_page
from analysis.tables.typeset import Paper


def make_paper(name: str) -> Paper:
    return Paper(name, f"Caption of {name}.", pd.DataFrame({"a": ["<b>1</b>"]}), "made up")


def test_every_link_leads_to_an_anchor_and_none_leads_away():
    groups = {
        "segment variability": [make_paper("one"), make_paper("two")],
        "modes": [make_paper("modes")],
    }
    page = all_tables_page(groups, title="All <tables>", lines=["n = 3"], notice="made up")
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
    page = all_tables_page({"modes": []}, title="T", lines=[], notice="")
    assert 'class="notice"' not in page


def test_a_table_alone_is_a_page_in_light_and_dark():
    page = table_page([make_paper("one")], title="one")
    assert page.startswith("<!doctype html>")
    assert "prefers-color-scheme: dark" in page
    assert "&lt;b&gt;1&lt;/b&gt;" in page
