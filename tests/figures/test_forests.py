from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.figures.forests import draw_forest


@pytest.fixture
def effects() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "level": ["L1", "L2", "L3"],
            "n": [14, 13, 0],
            "estimate": [0.70, -0.10, np.nan],
            "low": [0.18, -1.30, np.nan],
            "high": [1.22, 1.10, np.nan],
            "p": [0.01, 0.8, np.nan],
            "p_holm": [0.02, 0.8, np.nan],
        }
    )


def test_effects_and_intervals_stand_in_rows_from_the_top(effects):
    ax = draw_forest(effects, Figure().add_subplot(), label="left minus right (mm)")
    artists = {line.get_gid(): line for line in ax.lines}
    assert set(artists) == {"none", "interval/L1", "interval/L2", "effect/L1", "effect/L2"}
    np.testing.assert_array_equal(artists["interval/L1"].get_xdata(), [0.18, 1.22])
    assert artists["effect/L2"].get_xydata().tolist() == [[-0.10, 1]]
    low, high = ax.get_ylim()
    assert low > high
    assert [t.get_text() for t in ax.get_yticklabels()] == ["L1", "L2"]
    assert ax.get_xlabel() == "left minus right (mm)"


def test_only_what_stays_significant_after_holm_is_filled(effects):
    ax = draw_forest(effects, Figure().add_subplot(), label="x")
    artists = {line.get_gid(): line for line in ax.lines}
    assert artists["effect/L1"].get_markerfacecolor() != "white"
    assert artists["effect/L2"].get_markerfacecolor() == "white"


def test_estimate_n_and_p_stand_beside_each(effects):
    ax = draw_forest(effects, Figure().add_subplot(), label="x")
    words = [t.get_text() for t in ax.texts]
    assert words[:6] == ["0.70 (0.18–1.22)", "14", "0.020", "−0.1 (−1.3 to 1.1)", "13", "0.80"]


def test_nothing_to_draw_is_refused(effects):
    with pytest.raises(ValueError, match="effects: expected rows with subjects, got none"):
        draw_forest(effects[effects.n == 0], Figure().add_subplot(), label="x")
