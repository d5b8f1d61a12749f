"""One subject's curves and surfaces against what it was made from."""

import numpy as np
import pytest
import specimens
from scipy.spatial.transform import Rotation
from specimens import moved

from atlas.curves.closed_splines import ClosedSplines
from atlas.curves.contour_stack import ring_areas_centroids
from atlas.data.subject import LEVELS, RootKey, Subject
from atlas.landmarks.fitting_curves import (
    SmoothingError,
    fit_subject,
    subject_anatomy,
    subject_axes,
)
from atlas.landmarks.scheme import Status


def test_axes_of_an_upright_subject_are_left_posterior_superior(subject):
    np.testing.assert_allclose(subject_axes(subject), np.eye(3), atol=1e-12)


def test_axes_turn_with_the_subject(subject):
    turn = Rotation.from_euler("xyz", [20, -130, 75], degrees=True).as_matrix()
    np.testing.assert_allclose(subject_axes(moved(subject, turn, 9.0)), turn, atol=1e-9)


def test_a_subject_without_root_pairs_falls_back_on_the_axes_of_its_file(subject):
    bare = Subject("sub-01", subject.dura, subject.cord, roots={}, ganglia={})
    np.testing.assert_allclose(subject_axes(bare), np.eye(3), atol=1e-12)


def test_rings_of_an_elliptic_tube_lie_on_the_ellipse_at_their_depth(subject):
    dura = fit_subject(subject).dura
    assert dura.length_mm == pytest.approx(158, abs=1e-6)
    rings = dura.rings(np.array([0.0, 33.3, 158.0]))
    np.testing.assert_allclose(rings[..., 2], -np.array([[0], [33.3], [158]]) + 0 * rings[..., 2])
    radius = (rings[..., :2] / specimens.DURA_HALF_MM) ** 2
    np.testing.assert_allclose(radius.sum(axis=2), 1, atol=2e-3)
    np.testing.assert_allclose(rings[:, 0, :2], [[0, 7.25]] * 3, atol=1e-3)
    assert (rings[:, 1, 0] > 0).all()


def test_rings_beyond_the_image_are_missing_not_extrapolated(subject):
    rings = fit_subject(subject).dura.rings(np.array([-1.0, 10.0, 158.1]))
    np.testing.assert_array_equal(np.isnan(rings).all(axis=(1, 2)), [True, False, True])


def test_conus_depth_is_counted_along_the_sac(subject):
    assert fit_subject(subject).conus_depth_mm == pytest.approx(114, abs=1e-6)


def test_depth_along_a_bent_sac_is_arc_length():
    bent = fit_subject(specimens.make_subject(bend_mm=20.0)).dura
    d = np.linspace(0, 158, 20001)
    line = specimens.axis_points(d, 158.0, 20.0)
    # A bend this strong looks like 0.01 mm of jitter, and smoothing takes a little of it.
    assert bent.length_mm == pytest.approx(
        np.linalg.norm(np.diff(line, axis=0), axis=1).sum(), rel=5e-4
    )


def test_a_root_runs_from_its_first_traced_point_to_its_ganglion(subject):
    for key, root in fit_subject(subject).roots.items():
        np.testing.assert_allclose(root.line[0], subject.roots[key][0], atol=0.05)
        np.testing.assert_allclose(root.line[-1], subject.ganglia[key], atol=1e-12)
        trace_end = root.line[root.traced_points - 1]
        np.testing.assert_allclose(trace_end, subject.roots[key][-1], atol=0.05)


def test_root_landmarks_are_measured_on_the_trace_bridged_after_it_and_end_measured(subject):
    root = fit_subject(subject).roots[RootKey("S1", "left")]
    points, status = root.landmarks(32)
    share = root.traced_mm / root.lengths[-1]
    expected = np.where(np.linspace(0, 1, 32) <= share, Status.MEASURED, Status.BRIDGED)
    expected[-1] = Status.MEASURED
    np.testing.assert_array_equal(status, expected)
    assert Status.BRIDGED in status
    np.testing.assert_allclose(points[-1], subject.ganglia["S1", "left"], atol=1e-9)


def test_smoothing_takes_out_jitter(noisy):
    fitted = fit_subject(noisy)
    assert fitted.dura.noise_mm == pytest.approx(0.2, rel=0.25)
    clean = fit_subject(specimens.make_subject())
    depths = np.linspace(0, 158, 40)
    error = fitted.dura.rings(depths) - clean.dura.rings(depths)
    assert np.sqrt((error**2).sum(axis=2).mean()) < 0.2


def test_anatomy_of_a_subject_has_a_point_exactly_where_each_trace_ends(subject):
    anatomy = subject_anatomy(subject)
    for key in subject.roots:
        status = anatomy.status[f"root/{key.level}/{key.side}"]
        last = np.flatnonzero(status[:-1] == Status.MEASURED)[-1]
        np.testing.assert_allclose(anatomy.roots[key][last], subject.roots[key][-1], atol=0.05)
    steps = np.linalg.norm(np.diff(anatomy.roots["S2", "left"], axis=0), axis=1)
    assert steps.max() <= 2.0 + 1e-9
    assert len(anatomy.dura) == 80
    assert set(anatomy.roots) == {(v, s) for v in LEVELS for s in ("left", "right")}


@pytest.mark.shared
def test_surfaces_of_sub_03_hold_the_volume_of_its_interpolated_contours(real_subject):
    fitted = fit_subject(real_subject)
    # Volumes of the published contours, periodic interpolating spline: cord 5,251, dura 30,512 mm3.
    for tube, expected in ((fitted.cord, 5251), (fitted.dura, 30512)):
        depths = np.linspace(0, tube.length_mm, 400)
        heights = np.interp(depths, tube.depths, tube.heights)
        rings = tube.rings(depths)
        dense = ClosedSplines.through(rings).sample().T.reshape(len(rings), -1, 3)
        areas = np.abs(ring_areas_centroids(dense)[0])
        assert np.trapezoid(areas, heights) == pytest.approx(expected, rel=0.005)


@pytest.mark.shared
def test_centrelines_of_sub_03_keep_to_its_traced_points(real_subject):
    for key, root in fit_subject(real_subject).roots.items():
        points = real_subject.roots[key]
        distance = np.linalg.norm(points[:, None] - root.line[None], axis=2).min(axis=1)
        assert np.sqrt((distance**2).mean()) < 0.2
        np.testing.assert_allclose(root.line[-1], real_subject.ganglia[key], atol=1e-6)


# --- smoothing ---


@pytest.fixture(scope="module")
def noisy() -> Subject:
    return specimens.make_subject(rng=np.random.default_rng(5), noise_mm=0.2)


def distances_to_rings(contours, rings):
    """Distance of contour points from the closed polygon of the ring of the same slice."""
    found = []
    for contour, ring in zip(contours, rings, strict=True):
        a, b = ring, np.roll(ring, -1, axis=0)
        along = b - a
        share = ((contour[:, None] - a) * along).sum(axis=2) / (along**2).sum(axis=1)
        nearest = a + np.clip(share, 0, 1)[..., None] * along
        found.append(np.linalg.norm(contour[:, None] - nearest, axis=2).min(axis=1))
    return np.concatenate(found)


def test_smoothing_of_one_is_the_default(noisy):
    assert fit_subject(noisy, smoothing=1) is fit_subject(noisy)
    assert fit_subject(noisy, dura_around=32) is fit_subject(noisy)
    one, other = subject_anatomy(noisy), subject_anatomy(noisy, smoothing=1.0)
    np.testing.assert_array_equal(one.dura, other.dura)


def test_without_smoothing_every_slice_has_a_ring_on_its_contour(noisy):
    anatomy = subject_anatomy(noisy, smoothing=0)
    for name in ("dura", "cord"):
        contours, rings = getattr(noisy, name), getattr(anatomy, name)
        assert len(rings) == len(contours)
        # What is left is the chords between the ring's points, at the corners the noise makes.
        assert distances_to_rings(contours, rings).max() < 0.08
        smooth = getattr(fit_subject(noisy), name).tracks
        assert distances_to_rings(contours, smooth(smooth.x)).max() > 0.3


def test_without_smoothing_every_annotated_root_point_is_a_point_of_the_root(noisy):
    anatomy = subject_anatomy(noisy, smoothing=0)
    for key, points in noisy.roots.items():
        n = len(points)
        np.testing.assert_allclose(anatomy.roots[key][:n], points, atol=1e-9)
        np.testing.assert_allclose(anatomy.roots[key][-1], noisy.ganglia[key], atol=1e-12)
        status = anatomy.status[f"root/{key.level}/{key.side}"]
        assert (status[:n] == Status.MEASURED).all()
        assert (status[n:-1] == Status.BRIDGED).all()


def test_finer_spacing_keeps_the_annotated_places_without_smoothing(noisy):
    coarse = subject_anatomy(noisy, smoothing=0)
    fine = subject_anatomy(noisy, smoothing=0, spacing_mm=1.0)
    np.testing.assert_allclose(fine.dura[::2], coarse.dura, atol=1e-9)


def test_residuals_grow_with_the_smoothing(noisy):
    rough = []
    for smoothing in (0, 0.5, 1, 2):
        tracks = fit_subject(noisy, smoothing=smoothing).dura.tracks
        rough.append(np.abs(np.diff(tracks(tracks.x), 2, axis=0)).mean())
    assert rough == sorted(rough, reverse=True)


@pytest.mark.parametrize("smoothing", [-0.1, float("nan"), float("inf")])
def test_smoothing_that_cannot_be_is_refused(subject, smoothing):
    with pytest.raises(SmoothingError, match=r"^smoothing: expected 0 .* got "):
        subject_anatomy(subject, smoothing=smoothing)
