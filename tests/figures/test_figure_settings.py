"""Figures are drawn with the package's settings, and text in them is text."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
import warnings

import matplotlib as mpl
import pytest
import specimens

import analysis
from analysis.figures.atlas_figures import anatomy_figure, png_bytes, scree_figure
from analysis.figures.figure_files import figure_bytes
from analysis.figures.settings import own_settings
from analysis.pages.findings import _png, draw_finding
from atlas.data.subject import Finding, Severity
from atlas.landmarks.placing import subject_anatomy

THEIRS = {
    "axes.grid": True,
    "font.size": 20,
    "lines.linewidth": 9,
    "savefig.bbox": "tight",
    "savefig.transparent": True,
    "text.usetex": True,
    "axes.facecolor": "red",
    "font.family": "monospace",
    "pdf.fonttype": 3,
    "axes.formatter.use_locale": True,
}
# Parts of a figure, and not one.
PARTS = {"new_figure", "written"}
SUBJECT = specimens.make_small_subject()
ATTACK = r"\$x$ $\frac{1}{$ a_b^c $\input{/etc/passwd}$ 中文 " + "\x1b[2J"


def drawn():
    finding = Finding(Severity.WARNING, "rule", SUBJECT.id, "root L3 left", ATTACK)
    figure = anatomy_figure(subject_anatomy(SUBJECT), title=ATTACK, text=ATTACK, notice=ATTACK)
    return [png_bytes(figure), figure_bytes(figure, "pdf"), _png(draw_finding(SUBJECT, [finding]))]


@pytest.mark.slow
def test_the_bytes_are_the_same_whatever_the_users_settings():
    # Signs that the font lacks are no error either.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = drawn()
    with mpl.rc_context(THEIRS):
        assert drawn() == plain
        assert mpl.rcParams["font.size"] == 20
        assert mpl.rcParams["text.usetex"]


def test_dollar_signs_are_shown_and_controls_written_out():
    figure = anatomy_figure(subject_anatomy(SUBJECT), title=ATTACK, text="", notice=ATTACK)
    texts = [t for t in figure.findobj(mpl.text.Text) if "frac" in t.get_text()]
    assert len(texts) == 2
    for text in texts:
        assert not text.get_parse_math()
        assert not text.get_usetex()
        assert "\x1b" not in text.get_text()


def figure_functions():
    for module in pkgutil.walk_packages(analysis.__path__, "analysis."):
        if "notebooks" in module.name:
            continue
        for name, function in vars(importlib.import_module(module.name)).items():
            if inspect.isfunction(function) and function.__module__ == module.name:
                yield name, function


def test_every_function_that_makes_a_figure_has_the_settings():
    figure = mpl.figure.Figure
    made = {}
    for name, function in figure_functions():
        text = str(inspect.get_annotations(function).get("return", ""))
        if text in ("Figure", str(figure)) and not name.startswith("_"):
            made[name] = hasattr(function, "__wrapped__")
    assert len(made) > 10
    assert {name for name, wrapped in made.items() if not wrapped} == PARTS


def test_every_function_that_saves_a_figure_has_the_settings():
    savers = [(n, f) for n, f in figure_functions() if ".savefig(" in inspect.getsource(f)]
    assert len(savers) >= 3
    assert [n for n, f in savers if not hasattr(f, "__wrapped__")] == []


def test_an_error_within_gives_the_users_settings_back():
    with mpl.rc_context({"font.size": 20}):
        with pytest.raises(ValueError, match="mode: expected"), own_settings():
            raise ValueError("mode: expected")
        assert mpl.rcParams["font.size"] == 20
    assert scree_figure.__wrapped__
    assert typing.get_type_hints(scree_figure)["return"] is mpl.figure.Figure
