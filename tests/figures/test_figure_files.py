from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.figures.figure_files import figure_bytes, write_figure


def make_figure() -> Figure:
    figure = Figure()
    FigureCanvasAgg(figure)
    figure.add_subplot().plot([0, 1], [1, 0])
    return figure


@pytest.mark.slow
def test_the_same_figure_gives_the_same_bytes_without_a_date():
    for form, start in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        one, two = (figure_bytes(make_figure(), form) for _ in "ab")
        assert one == two
        assert one.startswith(start)
        assert b"CreationDate" not in one
        assert b"matplotlib" not in one.lower()


def test_a_figure_is_written_as_both(tmp_path):
    assert [p.name for p in write_figure(make_figure(), tmp_path / "a.b")] == ["a.b.png", "a.b.pdf"]
