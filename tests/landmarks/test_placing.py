"""A group in correspondence: shared depths, equivariance, missing structures."""

from dataclasses import replace

import numpy as np
import pytest
import specimens
from scipy.spatial.transform import Rotation
from specimens import moved

from atlas.data.dataset import Dataset
from atlas.landmarks.bridging import combined_roughness, hidden_error
from atlas.landmarks.fitting_curves import MissingCordError, fit_subject
from atlas.landmarks.placing import (
    Extent,
    LandmarkSet,
    place_landmarks,
    place_subject,
    scheme_with_extents,
)
from atlas.landmarks.scheme import LandmarkScheme, Status

SMALL = LandmarkScheme.standard(root=9, dura=(12, 8), cord=(10, 8))
FROM_CONUS = LandmarkScheme.standard(origin="conus", root=9, dura=(12, 8), cord=(10, 8))


@pytest.fixture(scope="module")
def uneven():
    """Two subjects whose fields of view and conus differ."""
    return Dataset(
        "uneven",
        (
            specimens.make_subject("sub-01", length_mm=158, conus_mm=110),
            specimens.make_subject("sub-02", length_mm=130, conus_mm=120),
        ),
    )


def ring_depths(landmarks, name):
    block = landmarks.scheme.block(name)
    points = landmarks.points[:, landmarks.scheme.span(name)]
    return -points.reshape(len(points), block.levels, block.around, 3).mean(axis=2)[..., 2]


def test_dura_rings_lie_at_equal_depths_over_the_extent_all_share(uneven):
    landmarks = place_landmarks(uneven, SMALL)
    assert landmarks.scheme.block("dura").extent_mm == pytest.approx((0, 130))
    np.testing.assert_allclose(
        ring_depths(landmarks, "dura"), [np.linspace(0, 130, 12)] * 2, atol=1e-6
    )


def test_from_the_apex_the_cord_runs_from_its_top_to_the_conus(uneven):
    depths = ring_depths(place_landmarks(uneven, SMALL), "cord")
    np.testing.assert_allclose(depths[0], np.linspace(0, 110, 10), atol=1e-6)
    np.testing.assert_allclose(depths[1], np.linspace(0, 120, 10), atol=1e-6)


def test_from_the_conus_dura_and_cord_lie_at_equal_depths_about_it(uneven):
    landmarks = place_landmarks(uneven, FROM_CONUS)
    assert landmarks.scheme.block("dura").extent_mm == pytest.approx((-110, 10))
    assert landmarks.scheme.block("cord").extent_mm == pytest.approx((-110, 0))
    about_conus = ring_depths(landmarks, "dura") - [[110], [120]]
    np.testing.assert_allclose(about_conus, [np.linspace(-110, 10, 12)] * 2, atol=1e-6)


def test_a_finished_scheme_keeps_its_depths_and_rings_beyond_the_image_are_missing(uneven):
    scheme = SMALL.with_extents({"dura": (0.0, 158.0)})
    landmarks = place_landmarks(uneven, scheme)
    missing = landmarks.status[:, scheme.span("dura")].reshape(2, 12, 8) == Status.MISSING
    assert not missing[0].any()
    np.testing.assert_array_equal(missing[1].all(axis=1), np.linspace(0, 158, 12) > 130)


def test_landmarks_move_with_each_subjects_pose():
    dataset = specimens.make_dataset(3)
    turns = Rotation.random(3, rng=np.random.default_rng(0)).as_matrix()
    posed = replace(
        dataset,
        subjects=tuple(
            moved(s, turn, 30.0) for s, turn in zip(dataset.subjects, turns, strict=True)
        ),
    )
    expected = place_landmarks(dataset, SMALL).points @ np.swapaxes(turns, 1, 2) + 30.0
    np.testing.assert_allclose(place_landmarks(posed, SMALL).points, expected, atol=1e-8)


def test_start_point_and_orientation_of_contours_do_not_matter(subject):
    rng = np.random.default_rng(1)
    rolled = replace(
        subject,
        dura=tuple(np.roll(c, rng.integers(20), axis=0)[::-1] for c in subject.dura),
        cord=tuple(np.roll(c, rng.integers(10), axis=0)[::-1] for c in subject.cord),
    )
    before, after = (place_landmarks(Dataset("", (s,)), SMALL).points for s in (subject, rolled))
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_a_root_without_ganglion_is_missing_and_a_ganglion_without_root_keeps_its_landmark(subject):
    left = ("L4", "left")
    for lost in ("roots", "ganglia"):
        places = {k: v for k, v in getattr(subject, lost).items() if k != left}
        landmarks = place_landmarks(Dataset("", (replace(subject, **{lost: places}),)), SMALL)
        status = landmarks.status[0, SMALL.span("root/L4/left")]
        assert (status[:-1] == Status.MISSING).all()
        assert status[-1] == (Status.MEASURED if lost == "roots" else Status.MISSING)
        np.testing.assert_array_equal(
            np.isnan(landmarks.points).any(axis=2), landmarks.status == Status.MISSING
        )


def test_no_subject_is_refused():
    with pytest.raises(ValueError, match="somewhere: expected at least one subject, got none"):
        place_landmarks(Dataset("somewhere", ()))


def test_a_landmark_set_refuses_points_that_contradict_their_status():
    points = np.zeros((1, SMALL.size, 3))
    with pytest.raises(ValueError, match="NaN exactly where status is missing"):
        LandmarkSet(("sub-01",), SMALL, points, np.full((1, SMALL.size), Status.MISSING))


@pytest.mark.shared
def test_begin_of_trace_of_sub_03_below_the_apex_is_that_of_the_cohort_table(real_subject):
    # cohort_statistics.csv, sub-03, root_depth_below_apex_L1 … S2, mm.
    published = {"L1": 40.4, "L2": 58.3, "L3": 69.4, "L4": 77.3, "L5": 83.3, "S1": 93.4, "S2": 96.5}
    landmarks = place_landmarks(Dataset("", (real_subject,)))
    scheme, points = landmarks.scheme, landmarks.points[0]
    apex = points[scheme.span("dura")][:32].mean(axis=0)
    for level, depth in published.items():
        begins = [points[scheme.span(f"root/{level}/{side}")][0] for side in ("left", "right")]
        assert apex[2] - np.mean(begins, axis=0)[2] == pytest.approx(depth, abs=0.5), level


@pytest.mark.parametrize("origin", ["dura-apex", "conus"])
def test_subjects_placed_one_at_a_time_are_those_of_the_group(uneven, origin):
    empty = LandmarkScheme.standard(origin=origin, root=9, dura=(12, 8), cord=(10, 8))
    group = place_landmarks(uneven, empty)

    def fits():
        return (fit_subject(s, dura_around=8, cord_around=8) for s in uneven.subjects)

    # Numbers alone are kept of each subject; its fit is made again when it is placed.
    scheme = scheme_with_extents(empty, [Extent.of(f) for f in fits()])
    roughness = combined_roughness([hidden_error(f.roots.values()) for f in fits()])
    assert scheme == group.scheme
    for i, fitted in enumerate(fits()):
        placed = place_subject(fitted, scheme, roughness)
        np.testing.assert_array_equal(placed.points, group.points[i])
        np.testing.assert_array_equal(placed.status, group.status[i])
        np.testing.assert_array_equal(placed.bridge_sd, group.bridge_sd[i])


def test_depths_need_three_numbers_of_each_subject():
    group = [Extent(158.0, 110.0, 108.0), Extent(130.0, 120.0, 118.0)]
    extents = {
        (origin, extent): tuple(
            scheme_with_extents(LandmarkScheme.standard(origin=origin, extent=extent), iter(group))
            .block(name)
            .extent_mm
            for name in ("dura", "cord")
        )
        for origin in ("dura-apex", "conus")
        for extent in ("common", "full")
    }
    assert extents == {
        ("dura-apex", "common"): ((0, 130), None),
        ("dura-apex", "full"): ((0, 158), None),
        ("conus", "common"): ((-110, 10), (-108, 0)),
        ("conus", "full"): ((-120, 48), (-118, 0)),
    }


def test_depths_from_the_conus_name_the_subject_without_a_cord():
    group = [Extent(158.0, 110.0, 108.0, "sub-01"), Extent(130.0, subject_id="sub-02")]
    assert scheme_with_extents(SMALL, group).block("dura").extent_mm == (0, 130)
    with pytest.raises(MissingCordError, match="sub-02: expected cord contours, got none"):
        scheme_with_extents(FROM_CONUS, group)
