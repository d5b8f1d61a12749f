"""Procrustes about an anchor: invariances, conventions, refusals."""

import numpy as np
import pytest
import specimens
from populations import posed, with_points
from scipy.spatial.transform import Rotation

from atlas.landmarks.placing import LandmarkSet, place_landmarks
from atlas.landmarks.scheme import LandmarkScheme
from atlas.procrustes.alignment import AlignmentError, align, anchor_weights
from atlas.procrustes.canonical_frame import canonical_axes

SMALL = LandmarkScheme.standard(root=9, dura=(12, 8), cord=(10, 8))


@pytest.fixture(scope="module")
def landmarks():
    return place_landmarks(specimens.make_dataset(8), SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("anchor", ["dura-apex", "conus", "centroid", "root/L1", "root/L5/left/4"])
@pytest.mark.parametrize("rotation", ["full", "axial", "none"])
def test_aligned_points_are_the_stated_motion_of_the_raw_points(landmarks, anchor, rotation):
    result = align(landmarks, anchor=anchor, rotation=rotation)
    again = (
        result.scale[:, None, None] * landmarks.points @ np.swapaxes(result.rotation, 1, 2)
        + result.translation[:, None]
    )
    np.testing.assert_allclose(result.points, again, atol=1e-10)
    np.testing.assert_allclose(np.linalg.det(result.rotation), 1)
    np.testing.assert_allclose(result.mean, result.points.mean(axis=0), atol=1e-9)
    assert result.converged
    anchored = anchor_weights(SMALL, anchor) @ result.points
    np.testing.assert_allclose(anchored, 0, atol=1e-9)


def test_pose_of_the_subjects_does_not_matter(landmarks):
    before, after = align(landmarks), align(posed(landmarks))
    np.testing.assert_allclose(after.points, before.points, atol=1e-8)


def test_order_of_the_subjects_does_not_matter(landmarks):
    order = np.random.default_rng(2).permutation(8)
    shuffled = LandmarkSet(
        tuple(np.array(landmarks.subject_ids)[order]),
        SMALL,
        landmarks.points[order],
        landmarks.status[order],
    )
    np.testing.assert_allclose(align(shuffled).points, align(landmarks).points[order], atol=1e-9)


def test_the_mean_stands_upright_with_left_at_positive_x(landmarks):
    mean = align(posed(landmarks)).mean
    np.testing.assert_allclose(canonical_axes(mean, SMALL), np.eye(3), atol=1e-9)
    assert mean[SMALL.span("root/L3/left")][:, 0].mean() > 0
    assert mean[SMALL.span("dura")][:8, 2].mean() > mean[SMALL.span("dura")][-8:, 2].mean()


def test_no_rotation_keeps_every_direction(landmarks):
    result = align(landmarks, rotation="none")
    np.testing.assert_array_equal(result.rotation, np.tile(np.eye(3), (8, 1, 1)))


def test_axial_rotation_keeps_z(landmarks):
    tilted = posed(landmarks, angle=10)
    result = align(tilted, rotation="axial")
    np.testing.assert_allclose(result.rotation[:, 2], [[0, 0, 1]] * 8, atol=1e-12)


def test_full_rotation_leaves_less_than_axial_less_than_none(landmarks):
    tilted = posed(landmarks, angle=10)
    left = [
        ((r.points - r.mean) ** 2).sum()
        for r in (align(tilted, rotation=name) for name in ("full", "axial", "none"))
    ]
    assert left[0] < left[1] < left[2]


def test_at_rest_no_further_turn_brings_a_subject_nearer_the_mean(landmarks):
    result = align(landmarks)
    base = ((result.points - result.mean) ** 2).sum(axis=(1, 2))
    for axis in np.eye(3):
        for angle in (-1e-3, 1e-3):
            turn = Rotation.from_rotvec(angle * axis).as_matrix()
            worse = ((result.points @ turn.T - result.mean) ** 2).sum(axis=(1, 2))
            assert (worse > base).all()


def test_anchor_follows_the_origin_of_the_scheme():
    scheme = LandmarkScheme.standard(origin="conus", root=9, dura=(12, 8), cord=(10, 8))
    result = align(place_landmarks(specimens.make_dataset(3), scheme))
    assert result.anchor == "conus"
    np.testing.assert_allclose(
        result.points[:, scheme.span("cord")][:, -8:].mean(axis=1), 0, atol=1e-9
    )


def test_missing_landmarks_carry_no_weight(landmarks):
    points = landmarks.points.copy()
    points[3, SMALL.span("root/S2/right")] = np.nan
    result = align(with_points(landmarks, points))
    complete = align(landmarks)
    rest = np.ones(SMALL.size, dtype=bool)
    rest[SMALL.span("root/S2/right")] = False
    # One root of one subject hardly moves the others, and nothing else is lost.
    np.testing.assert_allclose(result.points[:, rest], complete.points[:, rest], atol=0.5)
    assert np.isnan(result.points[3, SMALL.span("root/S2/right")]).all()
    np.testing.assert_allclose(result.mean, result.completed.mean(axis=0), atol=1e-4)


def test_a_mirrored_subject_is_refused_by_name(landmarks):
    points = landmarks.points.copy()
    points[4] *= [-1, 1, 1]
    with pytest.raises(AlignmentError, match=r"^sub-05: expected a specimen of the same handed"):
        align(with_points(landmarks, points))


def test_an_anchor_a_subject_lacks_is_refused_by_name(landmarks):
    points = landmarks.points.copy()
    points[2, SMALL.span("cord")][-8:] = np.nan
    with pytest.raises(AlignmentError, match=r"anchor conus:.*missing in sub-03"):
        align(with_points(landmarks, points), anchor="conus")


def test_a_landmark_nobody_has_is_refused_by_name(landmarks):
    points = landmarks.points.copy()
    points[:, SMALL.span("root/L2/left")] = np.nan
    with pytest.raises(AlignmentError, match=r"none for 9 \(root/L2/left/0 to root/L2/left/8\)"):
        align(with_points(landmarks, points))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"anchor": "T9"}, r"anchor: expected dura-apex, conus.*got 'T9'"),
        ({"rotation": "some"}, r"rotation: expected one of .* got 'some'"),
    ],
)
def test_unknown_choices_list_those_there_are(landmarks, options, text):
    with pytest.raises(AlignmentError, match=text):
        align(landmarks, **options)


def test_the_apex_is_refused_as_anchor_of_landmarks_counted_from_the_conus():
    scheme = LandmarkScheme.standard(origin="conus", root=9, dura=(12, 8), cord=(10, 8))
    with pytest.raises(
        AlignmentError, match="got origin 'conus', whose first ring is not the apex"
    ):
        align(place_landmarks(specimens.make_dataset(2), scheme), anchor="dura-apex")
