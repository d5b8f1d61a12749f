"""Anchor sensitivity and the field of view as tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import specimens

from analysis.evaluation import sensitivity
from analysis.evaluation.sensitivity import (
    ANCHORS,
    anchor_sensitivity,
    field_of_view_table,
    modes_for_share,
    root_spread,
    summarise_alignment,
)
from analysis.variability.literature import published_begin_sd
from analysis.variability.normal_intervals import total_variance_interval
from atlas.data.builtin.builtin_cohort import write_surrogate_cohort
from atlas.data.dataset import Dataset, read_dataset
from atlas.data.subject import LEVELS, RootKey
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme
from atlas.model.field_of_view import PREDICTORS, field_of_view_findings
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align

SMALL = LandmarkScheme.standard(root=9, dura=(12, 8), cord=(10, 8))
ROW = ["origin", "anchor", "landmark", "level", "side"]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Conus and roots lie lower or higher together; nothing else differs but noise."""
    return specimens.make_dataset(6, bend_sd_mm=0, scale_sd=0, noise_mm=0.02)


@pytest.fixture(scope="module")
def alignment(dataset):
    return align(place_landmarks(dataset, SMALL))


@pytest.fixture(scope="module")
def tables(dataset, alignment) -> tuple[pd.DataFrame, pd.DataFrame]:
    return anchor_sensitivity(dataset, alignment)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Dataset:
    return read_dataset(write_surrogate_cohort(tmp_path_factory.mktemp("built-in") / "cohort"))


@pytest.fixture(scope="module")
def cohort_alignment(cohort):
    return align(place_landmarks(cohort, SMALL))


# --- anchors ---


def test_every_anchor_has_a_row_for_each_origin_that_has_it(tables):
    summary, roots = tables
    wanted = [("dura-apex", a) for a in ANCHORS] + [("conus", a) for a in ANCHORS[1:]]
    assert list(zip(summary["origin"], summary["anchor"], strict=True)) == wanted
    assert len(roots) == len(wanted) * 2 * 14
    assert not roots.duplicated(ROW).any()
    assert set(summary["n"]) == {6}


def test_roots_that_move_with_the_conus_spread_about_the_apex_only(dataset, tables):
    conus = [s.cord_extent_mm for s in dataset.subjects]
    _, roots = tables
    begin = roots[roots.landmark == "begin"].groupby(["origin", "anchor"])["sd_z_mm"]
    np.testing.assert_allclose(
        begin.get_group(("dura-apex", "dura-apex")), np.std(conus, ddof=1), rtol=0.02
    )
    for origin in ("dura-apex", "conus"):
        assert begin.get_group((origin, "conus")).max() < 0.1
    ganglion = roots[(roots.landmark == "ganglion") & (roots.origin == "conus")]
    assert ganglion[ganglion.anchor == "conus"]["sd_mm"].max() < 0.2


def test_total_variance_share_and_modes_are_those_of_the_model(alignment, tables):
    row = tables[0].iloc[0]
    model = fit_shape_model(alignment)
    assert row["total_variance_mm2"] == pytest.approx(model.total_variance)
    assert row["share_mode1"] == pytest.approx(model.explained[0])
    assert row["modes_for_95"] == np.searchsorted(np.cumsum(model.explained), 0.95) + 1
    assert row["sd_per_landmark_mm"] ** 2 * SMALL.size == pytest.approx(model.total_variance)
    assert row["total_variance_low_mm2"] < model.total_variance < row["total_variance_high_mm2"]


def test_the_choices_of_the_alignment_are_kept(dataset):
    chosen = align(
        place_landmarks(dataset, SMALL), rotation="axial", scale="unit", weights="structure"
    )
    row = anchor_sensitivity(dataset, chosen, anchors=("conus",))[0].iloc[-2]
    assert (row["origin"], row["anchor"]) == ("dura-apex", "dura-apex")
    total = fit_shape_model(chosen).total_variance
    assert row["total_variance_mm2"] == pytest.approx(total)


def test_root_spread_is_the_sd_of_the_aligned_points(alignment):
    table = root_spread(alignment).set_index(["landmark", "level", "side"])
    at = SMALL.span("root/L4/right")
    begin, ganglion = alignment.points[:, at.start], alignment.points[:, at.stop - 1]
    row = table.loc["begin", "L4", "right"]
    assert row["sd_z_mm"] == pytest.approx(begin[:, 2].std(ddof=1))
    assert row["sd_mm"] == pytest.approx(np.sqrt(begin.var(axis=0, ddof=1).sum()))
    row = table.loc["ganglion", "L4", "right"]
    assert row["sd_mm"] == pytest.approx(np.sqrt(ganglion.var(axis=0, ddof=1).sum()))
    assert (table["sd_low_mm"] < table["sd_mm"]).all()
    assert (table["sd_high_mm"] > table["sd_mm"]).all()


def test_a_root_one_subject_lacks_is_counted_without_it(dataset):
    first, *others = dataset.subjects
    lost = RootKey("S2", "right")
    first = replace(
        first,
        roots={k: v for k, v in first.roots.items() if k != lost},
        ganglia={k: v for k, v in first.ganglia.items() if k != lost},
    )
    group = replace(dataset, subjects=(first, *others))
    alignment = align(place_landmarks(group, SMALL))
    summary, roots = anchor_sensitivity(group, alignment, anchors=("root/S2/right",))
    n = roots[roots.anchor == "dura-apex"].set_index(["landmark", "level", "side"])["n"]
    assert n["begin", "S2", "right"] == 5
    assert n.drop("S2", level="level").eq(6).all()
    apex = summary[summary.anchor == "dura-apex"].iloc[0]
    assert apex["n_landmarks"] == SMALL.size - 9
    remarks = summary[summary.anchor == "root/S2/right"]["remark"]
    assert remarks.str.contains("missing in sub-01").all()
    assert len(remarks) == 2


def test_subjects_left_out_of_the_alignment_stay_out(dataset):
    few = replace(dataset, subjects=dataset.subjects[:4])
    summary, _ = anchor_sensitivity(dataset, align(place_landmarks(few, SMALL)))
    assert set(summary["n"]) == {4}


def test_modes_for_a_share_by_hand():
    assert modes_for_share(np.array([95.0, 5.0]), 0.95) == 1
    assert modes_for_share(np.array([94.0, 3.0, 3.0]), 0.95) == 2
    assert modes_for_share(np.array([1.0, 1.0, 1.0]), 1.0) == 3


@pytest.mark.parametrize("spread", [(5.0, 4.0, 3.0), (10.0, 5.0, 3.0, 2.0, 1.0)])
def test_the_interval_of_a_sum_of_variances_covers_in_nineteen_draws_of_twenty(spread):
    rng = np.random.default_rng(3)
    spread = np.array(spread)
    held = []
    for _ in range(2000):
        variance = np.linalg.eigvalsh(np.cov((rng.normal(size=(14, len(spread))) * spread).T))
        low, high = total_variance_interval(variance.sum(), (variance**2).sum(), np.array(14))
        held.append(low < (spread**2).sum() < high)
    # The degrees of freedom come from the same draws, too few as a rule: the interval is wide.
    assert 0.94 < np.mean(held) < 0.98


@pytest.mark.slow
def test_aligned_begins_of_the_built_in_cohort_spread_as_published(cohort, cohort_alignment):
    _, roots = anchor_sensitivity(cohort, cohort_alignment, anchors=("dura-apex", "conus"))
    begin = roots[roots.landmark == "begin"].groupby(["origin", "anchor", "level"])["sd_z_mm"]
    mean = begin.mean()
    published = published_begin_sd().groupby("anchor")["published_sd_mm"].agg(list)
    for origin, anchor in (("dura-apex",) * 2, ("conus",) * 2, ("dura-apex", "conus")):
        ours = mean.loc[origin, anchor].loc[list(LEVELS)]
        np.testing.assert_allclose(ours, published[anchor], atol=1)


# --- the field of view ---


def test_the_field_of_view_table_holds_every_mode_and_predictor(cohort, cohort_alignment):
    model = fit_shape_model(cohort_alignment)
    table = field_of_view_table(cohort, cohort_alignment, model)
    assert len(table) == model.n_modes * 5
    assert list(table["predictor"][:5]) == [*PREDICTORS, "all"]
    together = table[table.predictor == "all"].set_index("mode")
    alone = table[table.predictor != "all"]
    assert (together["r2"] >= alone.groupby("mode")["r2"].max() - 1e-12).all()
    np.testing.assert_allclose(together["share"], model.explained)
    sums = alone.groupby("predictor")["r2"].sum()
    np.testing.assert_allclose(sums, 1)
    findings = field_of_view_findings(cohort, cohort_alignment, model)
    said = {f"mode {m}": word for m, word in together["finding"].items() if word}
    assert said == {f.place: f.severity.name.lower() for f in findings} == {"mode 1": "warning"}
    assert (alone["finding"] == "").all()


def test_a_part_all_subjects_share_has_no_numbers(dataset, alignment):
    table = field_of_view_table(dataset, alignment, fit_shape_model(alignment))
    empty = table[table.predictor.isin(["extent", "slice-spacing"])]
    assert empty[["r2", "r2_adjusted", "p"]].isna().all(axis=None)
    assert table[table.predictor == "apex-to-conus"]["r2"].iloc[0] > 0.99


def test_summary_of_an_alignment_ignores_landmarks_that_one_subject_lacks(alignment):
    status, points = (np.array(v) for v in (alignment.landmarks.status, alignment.points))
    status[0, :50], points[0, :50] = 2, np.nan
    raw = np.array(alignment.landmarks.points)
    raw[0, :50] = np.nan
    marks = replace(alignment.landmarks, points=raw, status=status)
    part = summarise_alignment(replace(alignment, landmarks=marks, points=points))
    spread = alignment.points[:, 50:].var(axis=0, ddof=1).sum()
    assert part["n_landmarks"] == SMALL.size - 50
    assert part["total_variance_mm2"] == pytest.approx(spread)


def test_the_alignment_that_is_given_is_not_made_again(dataset, alignment, monkeypatch):
    made = []

    def counted(landmarks, **options):
        made.append((landmarks.scheme.origin, options["anchor"]))
        return align(landmarks, **options)

    monkeypatch.setattr(sensitivity, "align", counted)
    summary, _ = anchor_sensitivity(dataset, alignment)
    rows = list(zip(summary["origin"], summary["anchor"], strict=True))
    assert made == [row for row in rows if row != ("dura-apex", alignment.anchor)]
    again = align(alignment.landmarks, anchor=alignment.anchor)
    np.testing.assert_array_equal(again.points, alignment.points)
