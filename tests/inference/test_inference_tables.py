"""Every inference as tables."""

import numpy as np
import pandas as pd
import populations
import pytest
from test_variance_components import table_of

from analysis.inference.mixed_tables import mixed_model_table
from analysis.inference.tables import COLUMNS, inference_tables
from atlas.procrustes.alignment import align


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    cube = rng.normal(size=(6, 3, 2)) + 3 * rng.normal(size=(6, 1, 1))
    measures = [table_of(cube), table_of(cube[:, :1], "csf_dorsal_mm")]
    measures += [table_of(np.ones((6, 3, 2)), "sac_area_mm2")]
    alignment = align(populations.posed_population(6)[0])
    return inference_tables(pd.concat(measures), alignment, {"age": list(rng.normal(size=6))})


def test_every_table_has_p_holm_and_bh_beside_p_and_its_columns_described(tables):
    assert set(tables) == set(COLUMNS)
    for name, table in tables.items():
        columns = list(table)
        place = columns.index("p")
        assert columns[place + 1].startswith("p_holm") and columns[place + 2].startswith("p_bh")
        assert columns.index("estimate") < place
        text = " ".join(COLUMNS[name])
        plain = [c for c in columns if not c.startswith(("p_flip_", "fluctuating_sd_"))]
        assert [c for c in plain if c not in text] == []


def test_a_constant_measure_has_a_row_that_says_why(tables):
    rows = tables["mixed_models"].query("measure == 'sac_area_mm2'")
    assert len(rows) == 1 and "expected values that vary" in rows["note"].iloc[0]


def test_a_measure_of_one_level_has_no_test_of_levels(tables):
    rows = tables["mixed_models"].query("measure == 'csf_dorsal_mm' and kind == 'test'")
    assert rows["effect"].tolist() == ["side"]


def test_families_of_the_mixed_models_are_stated(tables):
    rows = tables["mixed_models"].query("kind == 'test'")
    assert (rows["family"] == rows["effect"] + " over measures").all()


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 3])
def test_few_subjects_are_no_error(n):
    cube = np.random.default_rng(n).normal(size=(n, 7, 2))
    alignment = align(populations.posed_population(n)[0])
    found = inference_tables(table_of(cube), alignment, {})
    assert all(len(table) for table in found.values())


def test_estimates_of_complete_data_are_paired():
    cube = np.random.default_rng(5).normal(size=(6, 3, 2))
    row = mixed_model_table(table_of(cube)).query("effect == 'left - right'").iloc[0]
    d = (cube[..., 0] - cube[..., 1]).mean(axis=1)
    assert row["se"] == pytest.approx(d.std(ddof=1) / np.sqrt(6)) and row["df2"] == 5
