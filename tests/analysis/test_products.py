from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import specimens

from analysis.morphometry import MEASURES
from analysis.morphometry.measuring import row_names
from analysis.products import COLUMNS, write_figures, write_tables
from analysis.tables.model_tables import asymmetry_table
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align
from atlas.provenance import ATTRIBUTION, DISCLAIMER
from atlas.store import Atlas, Settings

NOTICE = "generated, for tests"
N = 4


@pytest.fixture(scope="module")
def dataset():
    return specimens.make_dataset(N)


@pytest.fixture(scope="module")
def atlas(dataset):
    scheme = LandmarkScheme.standard(root=12, dura=(10, 12), cord=(10, 12))
    alignment = align(place_landmarks(dataset, scheme))
    ids = [s.id for s in dataset.subjects]
    provenance = {
        "notice": NOTICE,
        "anchor": "dura-apex",
        "subjects": ids,
        "attribution": ATTRIBUTION,
        "disclaimer": DISCLAIMER,
    }
    return Atlas(fit_shape_model(alignment), alignment, Settings(), provenance)


@pytest.fixture(scope="module")
def folder(atlas, dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("atlas")
    write_tables(atlas, dataset, out)
    return out / "tables"


@pytest.fixture(scope="module")
def tables(folder):
    return {name: pd.read_csv(folder / name) for name in COLUMNS}


def test_every_table_is_written_described_and_says_its_cohort(folder, tables):
    assert {p.name for p in folder.iterdir()} == {*COLUMNS, "README.md"}
    for name, table in tables.items():
        described = ", ".join(COLUMNS[name]).split(", ")
        assert sorted(described) == sorted(set(table.columns) - {"cohort"}), name
        assert table.columns[-1] == "cohort"
        assert set(table["cohort"]) == {NOTICE}


def test_imaged_people_are_called_so(atlas, dataset, tmp_path):
    provenance = {**atlas.provenance, "notice": ""}
    imaged = replace(atlas, provenance=provenance)
    write_tables(imaged, dataset, tmp_path)
    assert set(pd.read_csv(tmp_path / "tables" / "modes.csv")["cohort"]) == {"imaged"}
    assert "annotated images" in (tmp_path / "tables" / "README.md").read_text()


def test_landmarks_hold_the_aligned_points(atlas, tables):
    table = tables["landmarks.csv"]
    size = atlas.model.scheme.size
    assert len(table) == N * size
    np.testing.assert_allclose(
        table[["x_mm", "y_mm", "z_mm"]], atlas.alignment.points.reshape(-1, 3), rtol=1e-5, atol=1e-5
    )
    assert tuple(table["landmark"][:size]) == atlas.model.scheme.names
    status = table[table.landmark.str.startswith("root/S2")]["status"]
    assert set(status) == {"measured", "bridged"}


def test_the_mean_has_the_spread_of_the_points(atlas, tables):
    spread = np.sqrt(atlas.alignment.points.var(axis=0, ddof=1).sum(axis=1))
    np.testing.assert_allclose(tables["mean.csv"]["sd_mm"], spread, rtol=1e-4, atol=1e-5)


def test_modes_hold_all_the_variance(atlas, tables):
    table = tables["modes.csv"]
    assert table["mode"].to_list() == [1, 2, 3]
    total = atlas.alignment.points.var(axis=0, ddof=1).sum()
    assert table["variance_mm2"].sum() == pytest.approx(total, rel=1e-4)
    assert table["cumulative"].iloc[-1] == pytest.approx(1)


def test_scores_have_mean_nought_and_unit_spread(tables):
    scores = tables["scores.csv"].pivot(index="subject", columns="mode", values="score_sd")
    assert scores.shape == (N, 3)
    np.testing.assert_allclose(scores.mean(), 0, atol=1e-5)
    np.testing.assert_allclose(scores.std(), 1, rtol=1e-5)


def test_segments_summarise_the_measures_of_the_subjects(tables):
    rows = tables["subjects_measures.csv"]
    assert len(rows) == N * (len(row_names()) + 14)
    segments = tables["segment_variability.csv"]
    segments = segments[(segments["basis"] == "all") & (segments["side"] != "pooled")]
    assert len(segments) == len(row_names()) + 14
    keys = ["level", "side", "measure"]
    spread = rows.groupby(keys)["value"].std()
    got = segments.set_index(keys)["sd"]
    np.testing.assert_allclose(got, spread.loc[got.index], rtol=1e-3, atol=1e-4)


def test_the_specimens_differ_in_conus_so_that_the_apex_spreads_more(tables):
    # In specimens roots and conus move together: from the conus only the scale spreads them.
    table = tables["anchor_sensitivity.csv"]
    spread = table[table.landmark == "begin"].groupby("anchor")["sd_mm"].mean()
    assert spread["conus"] < 0.5 * spread["dura-apex"]


def test_anchors_stand_beside_the_published_ones(tables):
    table = tables["anchor_sensitivity.csv"]
    begin = table[(table.landmark == "begin") & (table.level == "L1")].set_index("anchor")
    assert begin.loc["dura-apex", "published_sd_mm"] == pytest.approx(6.4, abs=0.05)
    assert begin.loc["disc-L1-L2", "published_sd_mm"] == pytest.approx(11.6, abs=0.05)
    assert begin["published_source"].str.contains("Liu et al. 2024").all()
    assert table[table.landmark == "ganglion"]["published_sd_mm"].isna().all()


def test_the_anchor_of_the_build_has_the_variance_of_its_model(atlas, tables):
    summary = tables["anchor_summary.csv"].set_index(["origin", "anchor"])
    row = summary.loc["dura-apex", "dura-apex"]
    assert row["total_variance_mm2"] == pytest.approx(atlas.model.total_variance, rel=1e-5)
    assert summary["remark"].isna().all()
    roots = tables["anchor_roots.csv"]
    assert len(roots) == len(summary) * 2 * 14


def test_every_mode_stands_against_the_field_of_view(atlas, tables):
    table = tables["field_of_view.csv"]
    assert len(table) == atlas.model.n_modes * 5
    # Of one length and spacing but for their scale; four subjects leave no freedom for a verdict.
    assert set(table["n"]) == {N}
    assert table["finding"].isna().all()


def test_the_readme_names_source_licence_anchor_and_limits(folder):
    text = (folder / "README.md").read_text()
    for said in (
        f"n = {N} subjects",
        "anchor: dura-apex",
        NOTICE,
        "CC BY 4.0",
        "10.6084/m9.figshare.26403442",
        "10.1038/s41597-024-03919-4",
        "not a medical device",
        *MEASURES,
    ):
        assert said in text


def test_the_same_atlas_gives_the_same_bytes(atlas, dataset, folder, tmp_path):
    again = write_tables(atlas, dataset, tmp_path)
    assert [p.read_bytes() for p in again] == [(folder / p.name).read_bytes() for p in again]


@pytest.mark.slow
def test_figures_are_written(atlas, dataset, tmp_path):
    names = [p.name for p in write_figures(atlas, dataset, tmp_path)]
    modes = ["mode1.png", "mode2.png", "mode3.png"]
    assert names == ["population.png", "anatomy.png", "subject.png", "scree.png", *modes]
    for name in names:
        assert (tmp_path / "figures" / name).read_bytes().startswith(b"\x89PNG")


def test_asymmetry_has_a_row_a_structure_and_none_where_the_anchor_is_one_sided(atlas, tables):
    table = tables["asymmetry.csv"]
    assert list(table["structure"])[:2] == ["dura", "cord"]
    assert (table["p_holm"] >= table["p"]).all()
    one_sided = replace(atlas, alignment=align(atlas.alignment.landmarks, anchor="root/L1/left/0"))
    assert asymmetry_table(one_sided).empty
    assert list(asymmetry_table(one_sided)) == list(asymmetry_table(atlas))
