"""How many modes mean anything and how far they rest on who is in the group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import populations
import pytest
import specimens

from analysis.evaluation.annotation_noise import jittered, noise_floor
from analysis.evaluation.mode_count import broken_stick, parallel_analysis
from analysis.evaluation.stability import (
    _refit,
    _subspace_angle,
    eigenvalue_intervals,
    match_modes,
    mode_stability,
)
from analysis.evaluation.tables import COLUMNS, evaluation_tables, write_evaluation
from atlas.build import build_atlas
from atlas.data.dataset import Dataset
from atlas.errors import AtlasError
from atlas.landmarks.fitting_curves import fit_subject
from atlas.landmarks.placing import place_landmarks
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import Alignment, align


def aligned_as_given(shapes: np.ndarray) -> Alignment:
    """An alignment that holds the shapes as they are: what stability sees is what was drawn."""
    frame = align(populations.posed_population(3, rank=2)[0])
    n = len(shapes)
    marks = frame.landmarks
    marks = replace(
        marks,
        subject_ids=tuple(f"sub-{i}" for i in range(n)),
        points=shapes,
        status=np.zeros(shapes.shape[:2], dtype=int),
        bridge_sd=None,
    )
    return replace(
        frame,
        landmarks=marks,
        points=shapes,
        completed=shapes,
        mean=shapes.mean(axis=0),
        rotation=np.tile(np.eye(3), (n, 1, 1)),
        scale=np.ones(n),
        translation=np.zeros((n, 3)),
    )


def drawn_shapes(n: int, sd: list[float], *, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Shapes with known orthonormal modes and standard deviations."""
    scheme, mean = populations.mean_shape()
    modes = populations.smooth_modes(scheme, mean, len(sd), 3)
    rng = np.random.default_rng([seed, 7])
    shapes = mean + ((rng.normal(size=(n, len(sd))) * sd) @ modes).reshape(n, -1, 3)
    return shapes + noise * rng.normal(size=shapes.shape)


def spans(alignment: Alignment) -> list[slice]:
    scheme = alignment.landmarks.scheme
    return [scheme.span(block.name) for block in scheme.blocks]


# --- how many modes ---


@pytest.mark.parametrize("count", [1, 2, 7])
def test_broken_stick_is_the_mean_of_sticks_broken_at_random(count):
    rng = np.random.default_rng(0)
    cuts = np.sort(rng.uniform(size=(20000, count - 1)), axis=1)
    ends = np.hstack([np.zeros((20000, 1)), cuts, np.ones((20000, 1))])
    pieces = np.sort(np.diff(ends, axis=1), axis=1)[:, ::-1].mean(axis=0)
    expected = broken_stick(np.ones(count))["expected"]
    np.testing.assert_allclose(expected, pieces, atol=0.005)
    closed = [sum(1 / i for i in range(k, count + 1)) / count for k in range(1, count + 1)]
    np.testing.assert_allclose(expected, closed)


def test_broken_stick_stops_at_the_first_mode_that_fails():
    # Expected of four: 0.52, 0.27, 0.15, 0.06.
    table = broken_stick(np.array([6.0, 1.5, 1.5, 1.0]))
    assert (table["share"] > table["expected"]).tolist() == [True, False, True, True]
    assert table["retained"].tolist() == [True, False, False, False]


@pytest.mark.slow
@pytest.mark.parametrize("rank", [1, 3, 5])
def test_parallel_analysis_finds_the_rank_of_a_population(rank):
    # About the apex the jitter of its ring moves all landmarks at once: a mode, rightly found.
    found = []
    for seed in range(5):
        marks = populations.posed_population(20, rank=rank, seed=seed, amplitude_mm=0.8)[0]
        group = align(marks, anchor="centroid")
        found.append(parallel_analysis(group.points, n_null=60)["retained"].sum())
    # One more than there are is found once in twenty draws.
    assert min(found) == np.median(found) == rank
    assert max(found) <= rank + 1


@pytest.mark.slow
def test_pure_noise_has_no_modes_in_nineteen_draws_of_twenty():
    rng = np.random.default_rng(1)
    size = np.geomspace(0.2, 3, 60)[:, None]
    tables = [parallel_analysis(size * rng.normal(size=(10, 60, 3)), n_null=60) for _ in range(60)]
    found = np.array([table["retained"].sum() for table in tables])
    assert (found > 0).mean() < 0.12
    assert found.max() <= 1
    assert np.mean([table["p"][0] for table in tables]) == pytest.approx(0.5, abs=0.15)


@pytest.mark.slow
def test_structures_that_vary_each_by_itself_share_no_mode():
    rng = np.random.default_rng(2)
    groups = [slice(0, 20), slice(20, 40), slice(40, 60)]
    shared, own = [], []
    for _ in range(40):
        parts = np.zeros((14, 60, 3))
        for span in groups:
            parts[:, span] = np.einsum("n,lj->nlj", rng.normal(size=14), rng.normal(size=(20, 3)))
        parts += 0.05 * rng.normal(size=parts.shape)
        own.append(parallel_analysis(parts, groups=groups, n_null=60)["p"][0])
        shared.append(parallel_analysis(parts, n_null=20)["retained"].sum())
    assert np.mean(np.array(own) < 0.05) < 0.15
    assert min(shared) == 3


def test_a_mode_that_structures_share_is_found():
    rng = np.random.default_rng(3)
    mode = rng.normal(size=(60, 3))
    shapes = np.einsum("n,lj->nlj", rng.normal(size=14), mode)
    shapes += 0.5 * rng.normal(size=shapes.shape)
    groups = [slice(0, 20), slice(20, 40), slice(40, 60)]
    table = parallel_analysis(shapes, groups=groups)
    assert table["retained"].tolist() == [True] + [False] * 12


def test_parallel_analysis_has_the_variances_of_the_model():
    group = align(populations.posed_population(8, rank=3)[0])
    table = parallel_analysis(group.points, n_null=5, seed=4)
    np.testing.assert_allclose(table["variance_mm2"], fit_shape_model(group).variance)
    again = parallel_analysis(group.points, n_null=5, seed=4)
    pd.testing.assert_frame_equal(table, again)


# --- stability ---


def test_modes_are_matched_for_the_largest_sum():
    # Row by row the greedy choice would be 0-0; together 0-1 and 1-0 are better.
    cosine, partner = match_modes(np.array([[0.8, -0.7], [0.75, 0.1], [0.0, 0.05]]))
    assert partner.tolist() == [1, 0, -1]
    np.testing.assert_allclose(cosine, [0.7, 0.75, 0.0])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["bootstrap", "jackknife"])
def test_well_separated_modes_stay(method):
    group = aligned_as_given(drawn_shapes(30, [40.0, 10.0, 2.5], noise=0.001))
    table = mode_stability(group, method=method, modes=3, n=100)
    assert (table["cosine"] > 0.98).all()
    assert (table["same_rank"] > 0.95).all()
    assert (table["angle_deg"] < 12).all()


@pytest.mark.slow
def test_two_modes_of_one_variance_turn_into_each_other_but_their_plane_stays():
    cosine, plane = [], []
    for seed in range(5):
        group = aligned_as_given(drawn_shapes(25, [20.0, 20.0, 0.5], noise=0.001, seed=seed))
        table = mode_stability(group, modes=2, n=100)
        cosine.append(table["cosine_low"].to_numpy())
        plane.append(table["angle_high_deg"][1])
    assert np.median(cosine) < 0.85
    assert max(plane) < 3


def test_the_angle_of_two_spaces_is_their_largest():
    cosines = np.array([[0.0, 0.5, 0.0], [-1.0, 0.0, 0.0]])
    assert _subspace_angle(cosines, 2) == pytest.approx(60)
    assert _subspace_angle(cosines, 1) == pytest.approx(90)
    assert _subspace_angle(cosines[:, :1], 2) == 90


@pytest.mark.parametrize("picks", [[0, 1, 2, 3, 4, 5, 6], [0, 0, 2, 3, 5, 6, 7, 7]])
def test_cosines_from_products_of_subjects_are_those_of_the_modes(picks):
    group = align(populations.posed_population(8, rank=3)[0])
    refit, _ = _refit(group, realign=False)
    variance, cosines = refit(np.array(picks))
    flat = group.points.reshape(8, -1)
    _, size, axes = np.linalg.svd(flat[picks] - flat[picks].mean(axis=0), full_matrices=False)
    k = len(variance)
    assert k == len(set(picks)) - 1
    np.testing.assert_allclose(variance, size[:k] ** 2 / (len(picks) - 1))
    modes = fit_shape_model(group).modes.reshape(7, -1)
    np.testing.assert_allclose(np.abs(cosines), np.abs(modes @ axes[:k].T), atol=1e-8)


def test_aligning_every_group_anew_changes_little():
    group = align(populations.posed_population(8, rank=3)[0])
    there, anew = (
        mode_stability(group, method="jackknife", modes=3, realign=r) for r in (False, True)
    )
    np.testing.assert_allclose(there["cosine"], anew["cosine"], atol=0.01)
    assert anew["realigned"].all()
    few = eigenvalue_intervals(group, n=5, realign=True)
    assert len(few) == 7


def test_leaving_out_the_odd_one_takes_its_mode_along():
    shapes = drawn_shapes(10, [1.0, 0.3], noise=0.001)
    shapes[0] += 5 * np.random.default_rng(0).normal(size=shapes[0].shape)
    table = mode_stability(aligned_as_given(shapes), method="jackknife", modes=1)
    assert table["cosine"][0] > 0.99
    assert table["cosine_low"][0] < 0.6


def test_eigenvalue_intervals_hold_the_estimate_and_repeat():
    group = aligned_as_given(drawn_shapes(20, [4.0, 2.0, 1.0]))
    table = eigenvalue_intervals(group, n=300, seed=5)
    for stem, unit in (("variance", "_mm2"), ("share", "")):
        low, high = table[f"{stem}_low{unit}"], table[f"{stem}_high{unit}"]
        assert ((low < table[f"{stem}{unit}"]) & (table[f"{stem}{unit}"] < high)).all()
        assert (table[f"{stem}_bca_low{unit}"] < table[f"{stem}_bca_high{unit}"]).all()
    np.testing.assert_allclose(table["variance_mm2"], fit_shape_model(group).variance)
    pd.testing.assert_frame_equal(table, eigenvalue_intervals(group, n=300, seed=5))


def test_modes_that_draws_often_lack_have_no_interval():
    table = eigenvalue_intervals(align(populations.posed_population(6, rank=3)[0]), n=300)
    ends = table.filter(regex="_low|_high")
    assert ends.iloc[0].notna().all()
    assert ends.iloc[-1].isna().all()


@pytest.mark.slow
def test_bootstrap_intervals_of_the_first_eigenvalue_cover():
    truth, held = 16.0, {"": [], "_bca": []}
    for seed in range(60):
        group = aligned_as_given(drawn_shapes(60, [4.0, 1.0, 0.5], seed=seed))
        row = eigenvalue_intervals(group, n=200, seed=seed).iloc[0]
        for word, found in held.items():
            low, high = row[f"variance{word}_low_mm2"], row[f"variance{word}_high_mm2"]
            found.append(low < truth < high)
    # A variance of 60 draws: percentiles are known to fall short by a few points.
    assert 0.86 < np.mean(held[""]) < 0.98
    assert 0.89 < np.mean(held["_bca"]) < 0.98


def test_an_unknown_method_is_named():
    group = align(populations.posed_population(4, rank=2)[0])
    with pytest.raises(AtlasError, match=r"method: expected one of .*jackknife.*, got 'half'"):
        mode_stability(group, method="half")


# --- annotation noise ---


@pytest.fixture(scope="module")
def noisy() -> Dataset:
    return specimens.make_dataset(5, noise_mm=0.2)


def test_jitter_is_as_large_as_that_of_the_annotation(noisy):
    fitted = fit_subject(noisy.subjects[0])
    moved = jittered(fitted, np.random.default_rng(0))
    apart = np.concatenate(moved.dura) - np.concatenate(noisy.subjects[0].dura)
    assert apart[:, :2].std() == pytest.approx(np.sqrt(2) * fitted.dura.noise_mm, rel=0.05)
    assert np.abs(apart[:, 2]).max() < 0.1 * np.abs(apart[:, :2]).max()
    again = fit_subject(moved)
    assert again.dura.noise_mm == pytest.approx(np.sqrt(2) * fitted.dura.noise_mm, rel=0.1)


def test_the_noise_floor_knows_the_noise_and_lies_under_the_modes(noisy):
    group = align(place_landmarks(noisy, populations.SMALL))
    structures, modes = noise_floor(noisy, group, fit_shape_model(group))
    table = structures.set_index("structure")
    assert list(table.index) == ["dura", "cord", "roots"]
    # Jitter of 0.2 mm along the contour does not show.
    assert table.loc["dura", "noise_mm"] == pytest.approx(0.2 / np.sqrt(2), rel=0.1)
    assert (table["noise_min_mm"] <= table["noise_mm"]).all()
    # Smoothing takes most of it away: less than both axes of one point.
    assert table.loc["dura", "landmark_mm"] < 0.2 * np.sqrt(2)
    assert modes["above_floor"].iloc[0]
    assert modes["reliability"].iloc[0] > 0.99
    assert (modes["noise_variance_mm2"] < structures["noise_variance_mm2"].sum()).all()


@pytest.mark.slow
def test_twice_the_noise_is_four_times_the_floor():
    floors = []
    for noise in (0.1, 0.2):
        dataset = specimens.make_dataset(4, noise_mm=noise, conus_sd_mm=0, bend_sd_mm=0)
        group = align(place_landmarks(dataset, populations.SMALL))
        structures, _ = noise_floor(dataset, group, fit_shape_model(group))
        floors.append(structures.set_index("structure").loc["dura", "noise_variance_mm2"])
    assert floors[1] / floors[0] == pytest.approx(4, rel=0.5)


# --- the folder ---


@pytest.mark.slow
def test_an_evaluation_is_written_with_its_cohort_and_explained(noisy, tmp_path):
    atlas = build_atlas(noisy)
    small = align(place_landmarks(noisy, populations.SMALL))
    atlas = replace(atlas, alignment=small, model=fit_shape_model(small))
    written = write_evaluation(atlas, noisy, tmp_path, seed=3)
    assert {p.name for p in written} == {*COLUMNS, "README.md"}
    text = (tmp_path / "evaluation" / "README.md").read_text()
    for name, columns in COLUMNS.items():
        table = pd.read_csv(tmp_path / "evaluation" / name)
        assert table.columns[-1] == "cohort"
        assert set(table["cohort"]) == {"imaged"}
        assert f"## {name}" in text
        said = {w for c in columns for w in c.split(", ")}
        if not any("…" in w or "as above" in w for w in said):
            assert said == set(table.columns[:-1]), name
    without = evaluation_tables(atlas, None)
    assert set(without) == set(COLUMNS) - {"noise_structures.csv", "noise_modes.csv"}
