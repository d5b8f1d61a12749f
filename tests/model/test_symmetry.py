"""Symmetry of shapes: its parts, what mirroring does to them, and asymmetry of each structure."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product

import numpy as np
import pytest
import specimens
from populations import posed, with_points
from scipy.spatial.transform import Rotation

from atlas.landmarks.placing import LandmarkSet, place_landmarks
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.model.fitting import fit_shape_model
from atlas.model.symmetry import decompose, reflect, sign_patterns, structure_asymmetry, structures
from atlas.procrustes.alignment import AlignmentError, align

SMALL = LandmarkScheme.standard(root=9, dura=(12, 8), cord=(10, 8))
LEFT = np.array(["/left/" in name for name in SMALL.names])
RIGHT = np.array(["/right/" in name for name in SMALL.names])
SHIFT = np.array([0.7, -0.4, 1.5])


@lru_cache
def make_landmarks(noise_mm):
    return place_landmarks(specimens.make_dataset(8, noise_mm=noise_mm, spacing_mm=4.0), SMALL)


@pytest.fixture
def noisy():
    """Subjects that differ, and whose left and right differ by annotation noise."""
    return make_landmarks(0.5)


@pytest.fixture
def even():
    """Subjects that differ, each the mirror image of itself at x = 0."""
    landmarks = make_landmarks(0.0)
    points = (landmarks.points + reflect(landmarks.points, SMALL)) / 2
    # Only where a contour's points lie differs from side to side.
    np.testing.assert_allclose(points, landmarks.points, atol=1e-3)
    return with_points(landmarks, points)


@pytest.fixture
def symmetry(noisy):
    return decompose(align(noisy))


def left_moved(landmarks, shifts, mask=LEFT):
    """Landmarks of a mask moved by one shift (S, 3) a subject."""
    points = landmarks.points.copy()
    points[:, mask] += np.broadcast_to(shifts, (len(points), 3))[:, None]
    return with_points(landmarks, points)


# --- the reflection ---


def test_reflecting_twice_changes_nothing(noisy):
    again = reflect(reflect(noisy.points, SMALL), SMALL)
    np.testing.assert_array_equal(again, noisy.points)


def test_a_reflected_landmark_takes_its_partners_name():
    points = np.arange(3.0 * SMALL.size).reshape(-1, 3)
    image = reflect(points, SMALL)
    place = {name: i for i, name in enumerate(SMALL.names)}
    for name, partner in [
        ("root/L5/left/3", "root/L5/right/3"),
        ("dura/2/3", "dura/2/5"),
        ("cord/0/0", "cord/0/0"),
    ]:
        np.testing.assert_array_equal(image[place[name]], points[place[partner]] * [-1, 1, 1])


# --- known asymmetries ---


@pytest.mark.parametrize("rotation", ["full", "axial", "none"])
@pytest.mark.parametrize("anchor", ["dura-apex", "conus", "centroid", "root/L1"])
def test_mirror_symmetric_specimens_have_no_asymmetry(even, anchor, rotation):
    result = decompose(align(even, anchor=anchor, rotation=rotation))
    assert np.abs(result.directional).max() < 1e-9
    assert np.abs(result.fluctuating).max() < 1e-9


def test_mirror_symmetric_specimens_have_no_asymmetry_in_any_pose(even):
    result = decompose(align(posed(even)))
    assert np.abs(result.directional).max() < 1e-9
    assert np.abs(result.fluctuating).max() < 1e-9


def test_a_shift_of_all_left_roots_is_directional_and_nothing_else(even):
    result = decompose(align(left_moved(even, SHIFT), rotation="none"))
    difference = 2 * result.directional
    np.testing.assert_allclose(difference[LEFT], np.tile(SHIFT, (LEFT.sum(), 1)), atol=1e-9)
    mirrored = np.tile(-SHIFT * [-1, 1, 1], (RIGHT.sum(), 1))
    np.testing.assert_allclose(difference[RIGHT], mirrored, atol=1e-9)
    assert np.abs(difference[~LEFT & ~RIGHT]).max() < 1e-9
    assert np.abs(result.fluctuating).max() < 1e-9


def test_free_rotations_take_a_small_part_of_a_shift_of_one_root(even):
    span = SMALL.span("root/L3/left")
    mask = np.isin(np.arange(SMALL.size), np.arange(span.start, span.stop))
    result = decompose(align(left_moved(even, SHIFT, mask)))
    np.testing.assert_allclose(2 * result.directional[mask], np.tile(SHIFT, (9, 1)), atol=0.15)
    # The turn that takes the shift depends on the subject's shape, so a little is left over.
    assert np.abs(2 * result.fluctuating).max() < 0.02


def test_side_differences_of_mean_zero_are_fluctuating_and_nothing_else(even):
    shifts = np.random.default_rng(4).normal(size=(8, 3))
    shifts -= shifts.mean(axis=0)
    result = decompose(align(left_moved(even, shifts), rotation="none"))
    assert np.abs(result.directional).max() < 1e-9
    expected = np.repeat(shifts[:, None], LEFT.sum(), axis=1)
    np.testing.assert_allclose(2 * result.fluctuating[:, LEFT], expected, atol=1e-9)


# --- theorems ---


def test_the_parts_add_to_the_shapes_and_these_are_a_rotation_of_the_aligned(noisy, symmetry):
    aligned = align(noisy).points
    turned = aligned @ np.swapaxes(symmetry.rotation, 1, 2)
    np.testing.assert_allclose(symmetry.points, turned, atol=1e-10)
    np.testing.assert_allclose(np.linalg.det(symmetry.rotation), 1)


def test_parts_are_their_own_mirror_image_and_the_opposite_of_it(symmetry):
    np.testing.assert_allclose(reflect(symmetry.symmetric, SMALL), symmetry.symmetric, atol=1e-12)
    np.testing.assert_allclose(reflect(symmetry.mean, SMALL), symmetry.mean, atol=1e-12)
    for part in (symmetry.directional, symmetry.fluctuating):
        np.testing.assert_allclose(reflect(part, SMALL), -part, atol=1e-12)


def test_fluctuating_asymmetry_has_mean_zero(symmetry):
    np.testing.assert_allclose(symmetry.fluctuating.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(symmetry.mean, symmetry.symmetric.mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("weights", ["landmark", "structure", "area"])
def test_sums_of_squares_add_exactly(noisy, weights):
    parts = decompose(align(noisy, weights=weights)).sums_of_squares
    total = parts.pop("total")
    assert min(parts.values()) > 0
    assert sum(parts.values()) == pytest.approx(total, rel=1e-12)


def test_variance_of_the_shapes_is_that_of_the_symmetric_and_the_asymmetric_part(symmetry):
    parts = [symmetry.points, symmetry.symmetric, symmetry.fluctuating]
    whole, symmetric, asymmetric = (p.var(axis=0, ddof=1).sum() for p in parts)
    assert symmetric + asymmetric == pytest.approx(whole, rel=1e-12)
    assert fit_shape_model(symmetry.alignment).total_variance == pytest.approx(symmetric)


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"anchor": "centroid"},
        {"rotation": "axial"},
        {"rotation": "none"},
        {"weights": "structure"},
        {"weights": "area"},
    ],
    ids=str,
)
def test_it_is_the_joint_procrustes_of_the_shapes_and_their_mirror_images(noisy, choices):
    images = reflect(noisy.points, SMALL)
    joint = LandmarkSet(
        noisy.subject_ids + tuple(f"{i} mirrored" for i in noisy.subject_ids),
        SMALL,
        np.concatenate([noisy.points, images]),
        np.concatenate([noisy.status, noisy.status[:, SMALL.mirror]]),
    )
    free = choices.get("rotation", "full") == "full"
    both = align(posed(joint) if free else joint, **choices)
    result = decompose(align(noisy, **choices))
    np.testing.assert_allclose(both.mean, result.mean, atol=1e-8)
    np.testing.assert_allclose(both.points[:8], result.points, atol=1e-8)
    np.testing.assert_allclose(both.points[8:], reflect(result.points, SMALL), atol=1e-8)


def test_no_turn_of_a_subject_brings_it_closer_to_its_mirror_image_and_the_mean(symmetry):
    def loss(points):
        own = ((points - symmetry.mean) ** 2).sum(axis=(1, 2))
        return own + ((reflect(points, SMALL) - symmetry.mean) ** 2).sum(axis=(1, 2))

    assert symmetry.alignment.converged
    for axis in np.eye(3):
        for angle in (-1e-3, 1e-3):
            turn = Rotation.from_rotvec(angle * axis).as_matrix()
            assert (loss(symmetry.points @ turn.T) > loss(symmetry.points)).all()


def test_rigid_motion_of_every_subject_changes_no_part(noisy, symmetry):
    other = decompose(align(posed(noisy)))
    np.testing.assert_allclose(other.symmetric, symmetry.symmetric, atol=1e-8)
    np.testing.assert_allclose(other.directional, symmetry.directional, atol=1e-8)
    np.testing.assert_allclose(other.fluctuating, symmetry.fluctuating, atol=1e-8)


def test_the_frame_of_the_alignment_does_not_matter(noisy, symmetry):
    aligned = align(noisy)
    turn = Rotation.from_rotvec([0.02, -0.05, 0.04]).as_matrix()
    shapes = ("points", "completed", "mean")
    tilted = replace(aligned, **{name: getattr(aligned, name) @ turn.T for name in shapes})
    other = decompose(tilted)
    np.testing.assert_allclose(other.symmetric, symmetry.symmetric, atol=1e-8)
    np.testing.assert_allclose(other.directional, symmetry.directional, atol=1e-8)


def test_reflecting_every_subject_turns_the_sign_of_asymmetry_and_nothing_else(noisy, symmetry):
    other = decompose(align(with_points(noisy, reflect(noisy.points, SMALL))))
    np.testing.assert_allclose(other.symmetric, symmetry.symmetric, atol=1e-8)
    np.testing.assert_allclose(other.directional, -symmetry.directional, atol=1e-8)
    np.testing.assert_allclose(other.fluctuating, -symmetry.fluctuating, atol=1e-8)


# --- the symmetric model ---


def test_modes_of_the_symmetric_model_are_symmetric(symmetry):
    model = fit_shape_model(symmetry.alignment)
    assert model.n_modes == 7
    np.testing.assert_allclose(reflect(model.modes, SMALL), model.modes, atol=1e-9)
    draw = model.sample(2, np.random.default_rng(0))
    np.testing.assert_allclose(reflect(draw, SMALL), draw, atol=1e-9)


def test_the_symmetric_alignment_is_a_motion_of_its_own_landmarks(symmetry):
    group = symmetry.alignment
    again = (
        group.scale[:, None, None] * group.landmarks.points @ np.swapaxes(group.rotation, 1, 2)
        + group.translation[:, None]
    )
    np.testing.assert_array_equal(group.points, again)


def test_a_symmetric_landmark_rests_on_the_worse_of_its_partners(noisy):
    status = noisy.status.copy()
    place = {name: i for i, name in enumerate(SMALL.names)}
    left, right = place["root/L2/left/1"], place["root/L2/right/1"]
    status[0, left] = Status.BRIDGED
    spread = np.zeros(status.shape)
    spread[0, left], spread[0, right] = 3.0, 4.0
    landmarks = LandmarkSet(noisy.subject_ids, SMALL, noisy.points, status, spread)
    marks = decompose(align(landmarks)).alignment.landmarks
    assert marks.status[0, left] == marks.status[0, right] == Status.BRIDGED
    # The mean of two independent errors.
    np.testing.assert_allclose(marks.bridge_sd[0, [left, right]], 2.5)


# --- missing landmarks ---


def test_a_pair_counts_only_where_both_partners_are_there(noisy, symmetry):
    points = noisy.points.copy()
    gone = SMALL.span("root/S2/right")
    partner = SMALL.span("root/S2/left")
    points[3, gone] = np.nan
    result = decompose(align(with_points(noisy, points)))
    assert np.isfinite(result.mean).all()
    for part in (result.symmetric, result.fluctuating):
        assert np.isnan(part[3, gone]).all()
        assert np.isnan(part[3, partner]).all()
        assert np.isfinite(np.delete(part, 3, axis=0)).all()
    assert np.isfinite(result.directional).all()
    assert (result.alignment.landmarks.status[3, partner] == Status.MISSING).all()
    others = np.delete(result.fluctuating, 3, axis=0)[:, gone]
    np.testing.assert_allclose(others.mean(axis=0), 0, atol=1e-12)
    parts = result.sums_of_squares
    total = parts.pop("total")
    assert sum(parts.values()) == pytest.approx(total, rel=1e-12)
    # One root of one subject hardly moves the others.
    np.testing.assert_allclose(result.symmetric[:3], symmetry.symmetric[:3], atol=0.5)


def test_a_pair_nobody_has_whole_is_refused_by_name(noisy):
    points = noisy.points.copy()
    points[:4, SMALL.span("root/L2/left")] = np.nan
    points[4:, SMALL.span("root/L2/right")] = np.nan
    marks = with_points(noisy, points)
    aligned = replace(align(noisy), landmarks=marks, points=points)
    with pytest.raises(AlignmentError, match=r"none for 18 \(root/L2/left/0 to root/L2/right/8\)"):
        decompose(aligned)


# --- refusals ---


@pytest.mark.parametrize("anchor", ["root/L5/left", "dura/0/3", "root/L1/right/0"])
def test_an_anchor_on_one_side_is_refused_by_name(noisy, anchor):
    with pytest.raises(AlignmentError, match=f"^anchor {anchor}: expected an anchor that is its"):
        decompose(align(noisy, anchor=anchor))


@pytest.mark.parametrize("anchor", ["dura/3", "cord", "root/L5", "dura/0/4"])
def test_rings_blocks_levels_and_midline_points_are_anchors(noisy, anchor):
    assert decompose(align(noisy, anchor=anchor)).alignment.anchor == anchor


def test_one_subject_is_refused(noisy):
    one = LandmarkSet(("sub-01",), SMALL, noisy.points[:1], noisy.status[:1])
    with pytest.raises(AlignmentError, match=r"expected at least 2 subjects.*got 1"):
        decompose(align(one))


LEVELS = [f"root/{level}" for level in ("L1", "L2", "L3", "L4", "L5", "S1", "S2")]
MAGNITUDES = ("directional_mm", "fluctuating_mm", "chance_mm", "p")


def table_of(landmarks, *, rotation="none", **options):
    table = structure_asymmetry(decompose(align(landmarks, rotation=rotation)), **options)
    return {row["structure"]: row for row in table}


def test_there_is_a_row_for_each_tube_each_level_and_all():
    masks = structures(SMALL)
    assert list(masks) == ["dura", "cord", *LEVELS, "all"]
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "dura": 96,
        "cord": 80,
        **dict.fromkeys(LEVELS, 18),
        "all": 302,
    }


def test_a_shift_of_all_left_roots_comes_back_in_mm(even):
    rows = table_of(left_moved(even, SHIFT))
    for level in LEVELS:
        row = rows[level]
        assert row["directional_mm"] == pytest.approx(np.linalg.norm(SHIFT), abs=1e-9)
        signed = [row["lateral_mm"], row["dorsal_mm"], row["rostral_mm"]]
        np.testing.assert_allclose(signed, SHIFT, atol=1e-9)
        assert row["fluctuating_mm"] == pytest.approx(0, abs=1e-9)
        assert row["n_subjects"] == 8
        # All eight on one side: of 2^7 patterns only the observed one is as large.
        assert row["p"] == pytest.approx(1 / 128)
    for tube in ("dura", "cord"):
        assert rows[tube]["directional_mm"] == pytest.approx(0, abs=1e-9)


def test_side_differences_of_mean_zero_come_back_as_fluctuating_mm(even):
    shifts = np.random.default_rng(4).normal(size=(8, 3))
    shifts -= shifts.mean(axis=0)
    spread = np.sqrt((shifts**2).sum() / 7)
    for level, row in table_of(left_moved(even, shifts)).items():
        if level in LEVELS:
            assert row["directional_mm"] == pytest.approx(0, abs=1e-9)
            assert row["fluctuating_mm"] == pytest.approx(spread, abs=1e-9)
            assert row["chance_mm"] == pytest.approx(spread / np.sqrt(8), abs=1e-9)
            assert row["p"] > 0.98


def test_a_shift_of_the_whole_sac_off_the_anchor_is_twice_lateral(even):
    points = even.points.copy()
    points[:, SMALL.span("cord")] += [0.5, 0.3, 0.0]
    row = table_of(with_points(even, points))["cord"]
    # A shift to dorsal is symmetric; one to the left doubles against the mirror image.
    assert row["directional_mm"] == pytest.approx(1.0, abs=1e-9)
    assert [row["lateral_mm"], row["dorsal_mm"]] == pytest.approx([1.0, 0.0], abs=1e-9)


def test_p_is_that_of_all_patterns_counted_one_by_one(noisy):
    result = decompose(align(noisy))
    differences = 2 * (result.directional + result.fluctuating)
    row = structure_asymmetry(result)[4]
    block = differences[:, structures(SMALL)["root/L3"]]
    sizes = [
        ((np.array(s)[:, None, None] * block).mean(axis=0) ** 2).sum()
        for s in product((1, -1), repeat=8)
    ]
    assert row["structure"] == "root/L3"
    assert row["p"] == pytest.approx(np.mean(np.array(sizes) >= sizes[0] * (1 - 1e-9)))
    assert row["directional_mm"] == pytest.approx(np.sqrt(sizes[0] / block.shape[1]))


def test_p_is_uniform_where_sides_differ_by_chance_only():
    rng = np.random.default_rng(2)
    signs = sign_patterns(9, 9999, rng)
    noise = rng.normal(size=(400, 9))
    sums = (noise @ signs.T) ** 2
    p = (sums >= sums[:, :1] * (1 - 1e-9)).mean(axis=1)
    for level in (0.1, 0.25, 0.5, 0.9):
        assert np.mean(p <= level) == pytest.approx(level, abs=3.5 * np.sqrt(0.25 / 400))


def test_all_patterns_are_taken_where_they_are_few_and_drawn_where_many():
    few = sign_patterns(5, 9999, np.random.default_rng(0))
    assert len({tuple(row) for row in few} | {tuple(-row) for row in few}) == 32
    many = sign_patterns(30, 99, np.random.default_rng(0))
    assert many.shape == (100, 30)
    for patterns in (few, many):
        assert (patterns[0] == 1).all()
        assert set(np.unique(patterns)) == {-1.0, 1.0}


def test_the_same_seed_gives_the_same_p(noisy):
    a, b, c = (
        structure_asymmetry(decompose(align(noisy)), permutations=50, seed=s) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(a, b)
    assert (a["p"] != c["p"]).any()
    assert (a["p"] >= 1 / 51).all()


def test_reflecting_every_subject_changes_no_size_and_turns_every_sign(noisy):
    before = structure_asymmetry(decompose(align(noisy)))
    image = with_points(noisy, reflect(noisy.points, SMALL))
    after = structure_asymmetry(decompose(align(image)))
    for name in MAGNITUDES:
        np.testing.assert_allclose(after[name], before[name], atol=1e-7)
    for name in ("lateral_mm", "dorsal_mm", "rostral_mm"):
        np.testing.assert_allclose(after[name], -before[name], atol=1e-7)


def test_subjects_without_a_whole_pair_are_not_counted(even):
    points = left_moved(even, SHIFT).points.copy()
    points[:3, SMALL.span("root/S2/right")] = np.nan
    row = table_of(with_points(even, points))["root/S2"]
    assert row["n_subjects"] == 5
    assert row["directional_mm"] == pytest.approx(np.linalg.norm(SHIFT), abs=1e-9)
    # Signs of the three that have nothing to say do not matter: 2^4 patterns of five.
    assert row["p"] == pytest.approx(1 / 16)


def test_left_roots_that_lie_lower_are_caudal(even):
    points = even.points.copy()
    points[:, SMALL.span("root/L2/left")] -= [0, 0, 2.0]
    row = table_of(with_points(even, points))["root/L2"]
    assert row["rostral_mm"] == pytest.approx(-2.0, abs=1e-9)
