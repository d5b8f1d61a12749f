"""Compactness, generalisation and specificity against plain loops written anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import populations
import pytest
import specimens
from scipy.spatial.transform import Rotation

from analysis.evaluation.quality import (
    DEFINITIONS,
    compactness,
    generalisation,
    generalisation_errors,
    reconstructions,
    specificity,
)
from analysis.evaluation.surface_distance import (
    distance_to_mesh,
    surface_distance,
    surface_generalisation,
)
from atlas.components.principal import ShapeModelError
from atlas.landmarks.placing import LandmarkSet, place_landmarks
from atlas.landmarks.scheme import Status
from atlas.mesh.surfaces.named_surfaces import Mesh, surfaces
from atlas.model.fitting import fit_shape_model
from atlas.model.leave_one_out import choose, leave_one_out
from atlas.procrustes.alignment import Alignment, AlignmentError, align

N = 8


@pytest.fixture(scope="module")
def alignment() -> Alignment:
    return align(populations.posed_population(N, rank=3)[0])


@pytest.fixture(scope="module")
def model(alignment):
    return fit_shape_model(alignment)


def scaled(model, points, factor):
    """Model and training shapes in another unit."""
    changed = replace(model, mean=factor * model.mean, variance=factor**2 * model.variance)
    return changed, factor * points


def loops_generalisation(points, k):
    """Mean distance over landmarks for every subject held out where it is: SVD and loops."""
    errors = []
    for i in range(len(points)):
        others = [points[j].ravel() for j in range(len(points)) if j != i]
        mean = sum(others) / len(others)
        _, _, axes = np.linalg.svd(np.array(others) - mean)
        found = mean.copy()
        for axis in axes[:k]:
            found = found + axis * np.dot(axis, points[i].ravel() - mean)
        apart = found.reshape(-1, 3) - points[i]
        errors.append(sum(np.sqrt((row**2).sum()) for row in apart) / len(apart))
    return np.array(errors)


def kabsch(moving, fixed):
    u, _, vt = np.linalg.svd(fixed.T @ moving)
    return u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt


def loops_realigned(landmarks, k):
    """The same with Procrustes about the apex for every fold, written out."""
    ring = landmarks.scheme.block("dura").around
    raw = [p - p[:ring].mean(axis=0) for p in landmarks.points]
    errors = []
    for i in range(len(raw)):
        others = [raw[j] for j in range(len(raw)) if j != i]
        mean = others[0]
        for _ in range(60):
            others = [p @ kabsch(p, mean).T for p in others]
            mean = sum(others) / len(others)
        held = raw[i] @ kabsch(raw[i], mean).T
        errors.append(loops_generalisation(np.array([held, *others]), k)[0])
    return np.array(errors)


# --- compactness ---


def test_compactness_adds_the_variances_up(model):
    table = compactness(model)
    np.testing.assert_allclose(table["cumulative_mm2"], np.cumsum(model.variance))
    np.testing.assert_allclose(table["cumulative"], np.cumsum(model.explained))
    assert table["cumulative_se"].iloc[-1] == pytest.approx(0, abs=1e-12)


def test_standard_error_of_the_share_by_hand(model):
    two = replace(model, modes=model.modes[:2], variance=np.array([3.0, 1.0]), n_subjects=9)
    row = compactness(two).iloc[0]
    # λ² 2 / 8: variances 9/4 and 1/4; share 3/4; (1² 9/4 + 3² 1/4) / 4⁴.
    assert row["cumulative_mm2_se"] == pytest.approx(1.5)
    assert row["cumulative_se"] == pytest.approx(np.sqrt(4.5) / 16)


def test_standard_errors_of_compactness_are_those_of_normal_draws(model):
    rng = np.random.default_rng(0)
    n, variance = 200, np.array([4.0, 1.0])
    drawn = [
        np.linalg.eigvalsh(np.cov((rng.normal(size=(n, 2)) * np.sqrt(variance)).T))[::-1]
        for _ in range(2000)
    ]
    two = replace(model, modes=model.modes[:2], variance=variance, n_subjects=n)
    row = compactness(two).iloc[0]
    share = np.array([d[0] / d.sum() for d in drawn])
    assert row["cumulative_se"] == pytest.approx(share.std(), rel=0.1)
    assert row["cumulative_mm2_se"] == pytest.approx(np.std([d[0] for d in drawn]), rel=0.1)


# --- generalisation ---


@pytest.mark.parametrize("k", [0, 1, 3, N - 2])
def test_generalisation_without_new_alignment_is_that_of_plain_loops(alignment, k):
    errors = loops_generalisation(alignment.points, k)
    for definition in ("shapeworks", "sva"):
        row = generalisation(alignment, definition=definition).iloc[k]
        assert row["mean_mm"] == pytest.approx(errors.mean())
        assert row["mean_mm_se"] == pytest.approx(errors.std(ddof=1) / np.sqrt(N))
        # ShapeVariationAnalyzer writes the same error with n and n - 1 the other way round.
        assert row["mean_mm_se"] == pytest.approx(errors.std() / np.sqrt(N - 1))


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 4])
def test_generalisation_aligned_anew_is_that_of_plain_loops(alignment, k):
    errors = loops_realigned(alignment.landmarks, k)
    row = generalisation(alignment).iloc[k]
    assert row["realigned"]
    assert row["mean_mm"] == pytest.approx(errors.mean(), rel=1e-9)
    assert row["mean_mm_se"] == pytest.approx(errors.std(ddof=1) / np.sqrt(N), rel=1e-9)


def test_scalismo_measures_from_the_description_to_the_nearest_vertex_of_the_subject():
    # Far apart, so that the nearest vertex is another one, and not the same there and back.
    group = align(populations.posed_population(5, rank=3, amplitude_mm=4.0)[0])
    mean, subject = group.points[1:].mean(axis=0), group.points[0]
    gaps = np.linalg.norm(mean[:, None] - subject[None], axis=2)
    errors, _ = generalisation_errors(group, definition="scalismo", realign=False)
    assert errors[0, 0] == pytest.approx(gaps.min(axis=1).mean())
    assert errors[0, 0] != pytest.approx(gaps.min(axis=0).mean(), rel=1e-3)


def test_the_held_out_subject_leaves_no_trace_in_its_fold(alignment):
    """Whatever the held-out subject is, the model of the others is the same."""
    marks = alignment.landmarks
    points = np.array(marks.points)
    points[0] = 1.02 * points[0]
    changed = align(replace(marks, points=points))
    a, b = (next(leave_one_out(x)).group.mean for x in (alignment, changed))
    np.testing.assert_allclose(a, b, atol=1e-9)
    c, d = (next(leave_one_out(x, realign=False)).group.mean for x in (alignment, changed))
    assert np.abs(c - d).max() > 1e-6


def test_the_pose_a_subject_came_in_does_not_matter(alignment):
    marks = alignment.landmarks
    turns = Rotation.random(N, rng=np.random.default_rng(4)).as_matrix()
    moved = replace(marks, points=marks.points @ np.swapaxes(turns, 1, 2) + 7.0)
    a, b = (generalisation_errors(x)[0] for x in (alignment, align(moved)))
    np.testing.assert_allclose(a, b, atol=1e-8)


def test_a_population_of_rank_r_generalises_to_its_noise_with_r_modes():
    noise = 0.05
    group = align(populations.posed_population(30, rank=3, noise_mm=noise)[0])
    table = generalisation(group, modes=6)
    # Mean length of a normal 3-vector: sd sqrt(8 / pi).
    floor = noise * np.sqrt(8 / np.pi)
    assert table["mean_mm"][2] > 3 * floor
    np.testing.assert_allclose(table["mean_mm"][3:], floor, rtol=0.12)
    assert table["rms_mm"][3] == pytest.approx(noise * np.sqrt(3), rel=0.12)


def test_generalisation_falls_with_every_mode_and_scales_with_the_unit(alignment):
    rms = generalisation(alignment)["rms_mm"]
    assert (np.diff(rms) <= 1e-12).all()
    marks = alignment.landmarks
    large = align(replace(marks, points=1000 * marks.points))
    np.testing.assert_allclose(generalisation(large)["rms_mm"], 1000 * rms)


def test_more_modes_than_a_model_has_repeat_its_last(model, alignment):
    shapes = reconstructions(model, alignment.points[0], N + 2)
    np.testing.assert_allclose(shapes[-1], alignment.points[0], atol=1e-8)
    assert len(shapes) == N + 3
    np.testing.assert_array_equal(shapes[-1], shapes[-2])


def test_what_a_subject_lacks_counts_in_nothing(model, alignment):
    part = np.array(alignment.points[0])
    part[200:] = np.nan
    shapes = reconstructions(model, part, model.n_modes)
    np.testing.assert_allclose(shapes[-1], alignment.points[0], atol=1e-6)


@pytest.mark.slow
def test_groups_with_gaps_are_evaluated():
    marks = populations.with_gaps(populations.posed_population(9, rank=2)[0], 0.1)
    table = generalisation(align(marks), modes=2)
    assert table["n"].iloc[0] > 2
    assert table["mean_mm"].iloc[2] < table["mean_mm"].iloc[0]


def test_a_subject_that_alone_has_a_landmark_is_not_held_out(alignment):
    marks = alignment.landmarks
    status, points = np.array(marks.status), np.array(marks.points)
    last = marks.scheme.span("root/S2/left").stop - 1
    status[1:, last], points[1:, last] = Status.MISSING, np.nan
    group = align(LandmarkSet(marks.subject_ids, marks.scheme, points, status))
    held = [fold.subject_id for fold in leave_one_out(group, realign=False)]
    assert held == list(marks.subject_ids[1:])


def test_choices_of_the_alignment_are_kept(alignment):
    marks = alignment.landmarks
    first = align(marks, anchor="centroid", scale="unit", weights="structure")
    fold = next(leave_one_out(first)).group
    assert (fold.anchor, fold.scaling, fold.weighting) == ("centroid", "unit", "structure")
    same = choose(first, np.arange(N), realign=True)
    np.testing.assert_allclose(same.points, first.points, atol=1e-8)


# --- surfaces ---


@pytest.mark.slow
def test_distance_to_a_mesh_is_that_to_all_its_triangles(alignment):
    from trimesh.triangles import closest_point

    scheme = alignment.landmarks.scheme
    first, second = (surfaces(scheme.anatomy(p)) for p in alignment.points[:2])
    points, mesh = first["dura"].vertices[::40], second["dura"]
    triangles = mesh.vertices[mesh.faces]
    slow = [
        np.linalg.norm(closest_point(triangles, np.tile(p, (len(triangles), 1))) - p, axis=1).min()
        for p in points
    ]
    np.testing.assert_allclose(distance_to_mesh(points, mesh), slow, rtol=1e-3, atol=1e-4)


def test_a_surface_moved_along_its_normal_is_that_far_away():
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=float)
    mesh = Mesh(square, np.array([[0, 1, 2], [0, 2, 3]]))
    points = np.array([[0.3, 0.7, 2.5], [2.0, 0.5, 0.0]])
    np.testing.assert_allclose(distance_to_mesh(points, mesh), [2.5, 1.0])


@pytest.mark.slow
def test_surfaces_of_unseen_subjects_are_nearer_than_their_landmarks(alignment):
    table = surface_generalisation(alignment, modes=(1, 3)).set_index("modes")
    landmarks = generalisation(alignment).set_index("modes")["mean_mm"]
    assert (table["symmetric_mm"] < landmarks[table.index]).all()
    assert table.loc[3, "symmetric_mm"] < table.loc[1, "symmetric_mm"]
    assert set(table["n"]) == {N}
    half = (table["to_subject_mm"] + table["to_model_mm"]) / 2
    np.testing.assert_allclose(table["symmetric_mm"], half)


def test_a_surface_is_no_distance_from_itself(alignment):
    whole = surfaces(alignment.landmarks.scheme.anatomy(alignment.mean))
    assert surface_distance(whole, whole) == pytest.approx(0, abs=1e-9)


# --- specificity ---


def loops_specificity(model, points, sd, k, n, seed):
    drawn = np.random.default_rng(seed).standard_normal((n, model.n_modes))
    found = []
    for z in drawn:
        shape = np.array(model.mean)
        for j in range(k):
            shape = shape + z[j] * sd[j] * model.modes[j]
        distances = []
        for training in points:
            lengths = [np.sqrt(((a - b) ** 2).sum()) for a, b in zip(shape, training, strict=True)]
            distances.append(sum(lengths) / len(lengths))
        found.append(min(distances))
    return np.array(found)


@pytest.mark.parametrize("definition", ["atlas", "shapeworks", "sva"])
def test_specificity_is_that_of_plain_loops(model, alignment, definition):
    points = alignment.points
    sd = {
        "atlas": np.sqrt(model.variance),
        # Singular values of the centred data, taken for variances.
        "shapeworks": np.sqrt(
            np.linalg.svd((points - points.mean(axis=0)).reshape(N, -1), compute_uv=False)[: N - 1]
        ),
        "sva": (model.coefficients(points) * np.sqrt(model.variance)).std(axis=0),
    }[definition]
    found = loops_specificity(model, points, sd, 2, 12, 5)
    table = specificity(model, points, modes=[2], n=12, seed=5, definition=definition)
    assert table["mean_mm"][0] == pytest.approx(found.mean())
    assert table["mean_mm_se"][0] == pytest.approx(found.std(ddof=1) / np.sqrt(12))


def test_scalismo_specificity_goes_from_training_shapes_to_the_nearest_vertex(model, alignment):
    table = specificity(model, alignment.points, n=1, seed=2, definition="scalismo")
    (sample,) = model.shape(np.random.default_rng(2).standard_normal((1, model.n_modes)))
    gaps = [np.linalg.norm(p[:, None] - sample[None], axis=2).min(axis=1) for p in alignment.points]
    assert table["mean_mm"][0] == pytest.approx(min(g.mean() for g in gaps))
    assert table["modes"].tolist() == [model.n_modes]


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1e3, 1e-3])
@pytest.mark.parametrize("definition", ["atlas", "sva", "scalismo"])
def test_specificity_is_the_same_number_in_every_unit(model, alignment, factor, definition):
    options = {"modes": [1, 3], "n": 60, "seed": 1, "definition": definition}
    here = specificity(model, alignment.points, **options)
    there = specificity(*scaled(model, alignment.points, factor), **options)
    columns = ["mean_mm", "mean_mm_se"]
    np.testing.assert_allclose(there[columns] / factor, here[columns], rtol=1e-9)


def test_specificity_as_shapeworks_has_it_depends_on_the_unit(model, alignment):
    options = {"modes": [3], "n": 60, "definition": "shapeworks"}
    here = specificity(model, alignment.points, **options)["mean_mm"][0]
    metres = specificity(*scaled(model, alignment.points, 1e-3), **options)["mean_mm"][0]
    assert metres / 1e-3 > 3 * here


def test_the_seed_decides_the_samples_and_the_error_falls_with_their_number(model, alignment):
    def row(n, seed):
        return specificity(model, alignment.points, modes=[3], n=n, seed=seed).iloc[0]

    assert row(50, 3)["mean_mm"] == row(50, 3)["mean_mm"] != row(50, 4)["mean_mm"]
    assert row(800, 0)["mean_mm_se"] == pytest.approx(row(200, 0)["mean_mm_se"] / 2, rel=0.25)


# --- refusals ---


def test_unknown_definitions_are_named(model, alignment):
    text = "definition: expected one of .*scalismo.*, got 'styner'"
    with pytest.raises(ShapeModelError, match=text):
        generalisation(alignment, definition="styner")
    with pytest.raises(ShapeModelError, match=text):
        specificity(model, alignment.points, definition="styner")
    assert len(DEFINITIONS) == 4


def test_modes_that_no_fold_can_have_are_refused(model, alignment):
    with pytest.raises(ShapeModelError, match=r"modes: expected 0 to 6 .*got 7"):
        generalisation(alignment, modes=7)
    with pytest.raises(ShapeModelError, match=r"modes: expected 1 to 7, got \[8\]"):
        specificity(model, alignment.points, modes=[8])


def test_two_subjects_cannot_be_held_out():
    pair = align(place_landmarks(specimens.make_dataset(2), populations.SMALL))
    with pytest.raises(AlignmentError, match="at least 3 subjects to hold one out, got 2"):
        next(leave_one_out(pair))
