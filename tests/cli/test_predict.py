"""Prediction from a part: better than the mean where shapes go together, honest where not."""

import csv
import subprocess
import sys

import numpy as np
import pytest
import specimens
from scipy.spatial.transform import Rotation
from specimens import moved
from typer.testing import CliRunner

from atlas.build import build_atlas
from atlas.cli import app
from atlas.data.dataset import Dataset, DatasetError, read_dataset
from atlas.data.subject import Subject
from atlas.landmarks.fitting_curves import MissingCordError
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.model.fitting import fit_shape_model
from atlas.model.leave_one_out import HoldoutError, given_mask, leave_one_out, subset
from atlas.prediction.calibration import (
    LEVELS,
    PredictionError,
    errors_mm,
    fit_predictor,
    hidden,
    posterior_of,
)
from atlas.prediction.files import NOTICE, root_predictions, write_prediction
from atlas.prediction.predicting import only_subject, predict
from atlas.prediction.roots import root_measures
from atlas.procrustes.alignment import align
from atlas.store import Settings, save_atlas

SMALL = Settings(root=9, dura=(12, 8), cord=(10, 8))


@pytest.fixture(scope="module")
def group():
    return specimens.make_dataset(9, seed=4)


@pytest.fixture(scope="module")
def atlas(group):
    return build_atlas(group, SMALL)


@pytest.fixture(scope="module")
def predictor(atlas):
    return fit_predictor(atlas.alignment)


@pytest.fixture(scope="module")
def stranger():
    return specimens.make_dataset(1, seed=99).subjects[0]


def without_roots(subject):
    return Subject(subject.id, subject.dura, subject.cord, roots={}, ganglia={})


def test_roots_that_go_with_cord_and_sac_are_predicted(atlas, predictor, stranger):
    # In the specimens the roots follow conus, bend and scale, all of which sac and cord show.
    assert predictor.error_mm < 0.35 * predictor.baseline_mm
    found = predict(atlas.alignment, atlas.model, predictor, without_roots(stranger))
    truth = place_landmarks(Dataset("", (stranger,)), atlas.model.scheme)
    where = ~found.seen & (truth.status[0] == Status.MEASURED)
    error = np.linalg.norm(found.points - truth.points[0], axis=1)[where]
    assert np.sqrt((error**2).mean()) < 3 * predictor.error_mm


def test_what_was_seen_comes_back_as_it_was_and_has_no_radius(atlas, predictor, stranger):
    found = predict(atlas.alignment, atlas.model, predictor, without_roots(stranger))
    placed = place_landmarks(Dataset("", (without_roots(stranger),)), atlas.model.scheme)
    np.testing.assert_array_equal(found.points[found.seen], placed.points[0][found.seen])
    for level in LEVELS:
        assert (found.radius_mm[level][found.seen] == 0).all()
        assert (found.radius_mm[level][~found.seen] > 0).all()
    assert (found.radius_mm[0.5] <= found.radius_mm[0.95]).all()
    with pytest.raises(ValueError, match="read-only"):
        found.radius_mm[0.95][0] = 1


def test_roots_that_are_there_but_not_given_make_no_difference(atlas, predictor, stranger):
    bare = predict(atlas.alignment, atlas.model, predictor, without_roots(stranger))
    whole = predict(atlas.alignment, atlas.model, predictor, stranger)
    # Only the axes that lay out the rings come from the roots where there are any.
    np.testing.assert_allclose(whole.points, bare.points, atol=0.6)


def test_a_prediction_moves_with_the_subject(atlas, predictor, stranger):
    turn = Rotation.from_euler("xyz", [5, -8, 12], degrees=True).as_matrix()
    still = predict(atlas.alignment, atlas.model, predictor, stranger)
    away = predict(atlas.alignment, atlas.model, predictor, moved(stranger, turn, 20.0))
    np.testing.assert_allclose(away.points, still.points @ turn.T + 20.0, atol=1e-6)


def test_what_is_left_out_is_not_in_the_group_that_predicts_it(atlas):
    mask = given_mask(atlas.model.scheme, ("dura", "cord"))
    for holdout in leave_one_out(atlas.alignment, mask):
        assert holdout.subject_id not in holdout.group.landmarks.subject_ids
        assert len(holdout.group.points) == 8
        assert np.isnan(holdout.given[~mask]).all()
        where = hidden(holdout, mask)
        assert where.any()
        assert not (where & mask).any()
        assert (errors_mm(holdout, holdout.truth, where) == 0).all()


def test_the_group_is_aligned_again_without_the_one_left_out(atlas):
    mask = given_mask(atlas.model.scheme, ("dura", "cord"))
    first = next(leave_one_out(atlas.alignment, mask))
    alone = align(subset(atlas.alignment.landmarks, np.arange(9) != 0))
    np.testing.assert_allclose(first.group.points, alone.points)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (("spine",), r"given: expected structures of .*'dura'.*got \['spine'\]"),
        (
            ("dura", "cord", "root"),
            "something left to predict, got 9 subjects and dura, cord, root",
        ),
    ],
)
def test_bad_structures_are_named(atlas, given, text):
    with pytest.raises((HoldoutError, PredictionError), match=text):
        fit_predictor(atlas.alignment, given)


def test_more_than_one_subject_is_refused(group):
    with pytest.raises(PredictionError, match="expected the markers of one subject, got 9"):
        only_subject(group)


def test_files_of_a_prediction_read_back_and_say_what_they_are(
    atlas, predictor, stranger, tmp_path
):
    found = predict(atlas.alignment, atlas.model, predictor, without_roots(stranger))
    write_prediction(atlas, found, predictor, tmp_path / "out")
    again = read_dataset(tmp_path / "out" / "markers").subjects[0]
    assert len(again.roots) == len(again.ganglia) == 14
    np.testing.assert_allclose(again.ganglia["S2", "left"], found.anatomy.ganglia["S2", "left"])
    place = tmp_path / "out" / "markers" / stranger.id
    assert all(NOTICE in p.read_text() for p in place.glob("*.json"))
    with (tmp_path / "out" / "intervals.csv").open() as text:
        rows = list(csv.DictReader(text))
    assert [r["landmark"] for r in rows] == list(atlas.model.scheme.names)
    radius = [float(r["radius_95_mm"]) for r in rows]
    np.testing.assert_allclose(radius, found.radius_mm[0.95], atol=1e-4)
    assert len(list((tmp_path / "out" / "meshes").glob("*.stl"))) == 16
    assert (tmp_path / "out" / "intervals.ply").read_bytes().startswith(b"ply")


def test_a_table_row_says_begin_angle_and_ganglion_of_a_root(atlas, predictor, stranger):
    found = predict(atlas.alignment, atlas.model, predictor, stranger)
    rows = {r.key: r for r in root_predictions(found, predictor)}
    assert len(rows) == 14
    top = found.anatomy.dura[0].mean(axis=0)
    left = rows["L3", "left"]
    root = found.anatomy.roots["L3", "left"]
    assert left.begin_below_apex_mm == pytest.approx(top[2] - root[0, 2])
    assert left.ganglion_below_apex_mm == pytest.approx(top[2] - root[-1, 2])
    assert left.angle_deg > 0 > rows["L3", "right"].angle_deg
    assert left.begin_radius_mm == rows["L3", "right"].begin_radius_mm > 0


def test_half_widths_of_a_root_held_the_errors_of_those_left_out(atlas, predictor):
    mask = given_mask(atlas.model.scheme, predictor.given)
    held = []
    for holdout in leave_one_out(atlas.alignment, mask):
        model = fit_shape_model(holdout.group)
        after = posterior_of(model, holdout.given, (predictor.n_modes, predictor.noise_mm)).mean
        error = np.abs(
            root_measures(np.where(np.isfinite(holdout.given), holdout.given, after), model.scheme)
            - root_measures(holdout.truth, model.scheme)
        )
        held.append(error <= predictor.root_radii + 1e-9)
    # 18 values a level and measure: the order statistic at 95 % is the largest of them.
    assert np.mean(held) == pytest.approx(1)
    assert (predictor.root_radii > 0).all()


@pytest.mark.slow
def test_the_command_prints_a_table_and_the_error_without_ornament(atlas, stranger, tmp_path):
    save_atlas(atlas, tmp_path / "model.h5")
    folder = specimens.write_subject(tmp_path / "markers", without_roots(stranger))
    arguments = ["predict", tmp_path / "model.h5", folder, "-o", tmp_path / "out"]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    assert "L1 left" in result.output
    assert "left out in turn, n = 9: error" in result.output
    printed = next(line for line in result.output.splitlines() if "L1 left" in line)
    with (tmp_path / "out" / "roots.csv").open() as text:
        row = next(csv.DictReader(text))
    assert f"{float(row['begin_radius_mm']):.1f}" in printed.replace("│", " ").split()


def warped(shared_folder, place, seed):
    tool = shared_folder / "tools" / "warp_cohort.py"
    source = shared_folder / "data" / "sub-03"
    subprocess.run(
        [sys.executable, tool, source, place, "--seed", str(seed)], check=True, capture_output=True
    )
    scheme = LandmarkScheme.standard(root=16, dura=(16, 12), cord=(16, 8))
    return align(place_landmarks(read_dataset(place), scheme))


def coverage(reference):
    """Shares held at each level, and error and baseline mm, each subject left out of everything."""
    mask = given_mask(reference.landmarks.scheme, ("dura", "cord"))
    held = {level: [] for level in LEVELS}
    squared, baseline = [], []
    for holdout in leave_one_out(reference, mask):
        inner = fit_predictor(holdout.group)
        after = posterior_of(
            fit_shape_model(holdout.group), holdout.given, (inner.n_modes, inner.noise_mm)
        )
        where = hidden(holdout, mask)
        error = errors_mm(holdout, after.mean, where)
        squared.append((error**2).mean())
        baseline.append((errors_mm(holdout, holdout.group.mean, where) ** 2).mean())
        for level in LEVELS:
            radius = inner.inflation[level] * inner.spread_mm[where]
            held[level].append((error <= radius).mean())
    shares = {level: float(np.mean(share)) for level, share in held.items()}
    return shares, float(np.sqrt(np.mean(squared))), float(np.sqrt(np.mean(baseline)))


@pytest.mark.shared
@pytest.mark.slow
def test_intervals_of_cohorts_of_14_hold_what_they_say(shared_folder, tmp_path):
    shares = []
    for seed in range(1, 6):
        share, error, baseline = coverage(warped(shared_folder, tmp_path / str(seed), seed))
        shares.append(share)
        assert error < baseline
    assert 0.88 <= np.mean([s[0.95] for s in shares]) <= 0.99
    assert all(0.80 <= s[0.95] <= 1.0 for s in shares)
    assert np.mean([s[0.5] for s in shares]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([s[0.8] for s in shares]) == pytest.approx(0.8, abs=0.1)


@pytest.mark.slow
def test_a_subject_without_a_cord_is_predicted_from_its_sac_alone(atlas, stranger, tmp_path):
    save_atlas(atlas, tmp_path / "model.h5")
    bare = Subject(stranger.id, stranger.dura, (), roots={}, ganglia={})
    folder = specimens.write_subject(tmp_path / "markers", bare)
    with pytest.raises(DatasetError, match="expected at least 4 cord contours, got 0"):
        read_dataset(folder)
    arguments = ["predict", tmp_path / "model.h5", folder, "-o", tmp_path / "out"]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    assert "RMS from dura;" in result.output
    again = read_dataset(tmp_path / "out" / "markers").subjects[0]
    assert len(again.cord) == 10
    found = predict(atlas.alignment, atlas.model, fit_predictor(atlas.alignment, ("dura",)), bare)
    assert not found.seen[atlas.model.scheme.span("cord")].any()
    with pytest.raises(MissingCordError, match="sub-01: expected cord contours, got none"):
        place_landmarks(Dataset("", (bare,)), LandmarkScheme.standard(origin="conus"))
