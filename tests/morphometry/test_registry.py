from __future__ import annotations

import runpy
from pathlib import Path

from analysis.morphometry import MEASURES

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_a_measure_stands_under_its_own_name_once():
    assert all(name == measure.name for name, measure in MEASURES.items())
    assert all(measure.text and measure.how and measure.needs for measure in MEASURES.values())


def test_every_unit_is_one_of_six():
    assert {m.unit for m in MEASURES.values()} == {"mm", "mm2", "ml", "deg", "1/mm", "1"}


def test_a_measure_with_a_zero_of_its_own_has_no_sign():
    assert not [m.name for m in MEASURES.values() if m.ratio and m.signed]


def test_the_page_holds_every_definition_word_for_word():
    made = runpy.run_path(str(DOCS / "make_measures_page.py"))
    text = (DOCS / "measures.md").read_text("utf-8")
    assert text == made["page"](text), "run docs/make_measures_page.py"
