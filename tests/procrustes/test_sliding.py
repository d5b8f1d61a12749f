"""Sliding semilandmarks: bending energy by hand, and what sliding leaves and lowers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import specimens
from scipy.interpolate import CubicSpline, RBFInterpolator
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from specimens import moved

from atlas.data.dataset import Dataset
from atlas.landmarks.fitting_curves import fit_subject
from atlas.landmarks.placing import LandmarkSet, place_landmarks
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.procrustes.alignment import align
from atlas.procrustes.sliding import (
    BendingEnergy,
    BendingError,
    Semilandmarks,
    SlidingError,
    bending_energy_matrix,
    slide_landmarks,
)
from atlas.procrustes.sliding_surfaces import LEAST_SPACING


@pytest.fixture(scope="module")
def reference():
    return np.random.default_rng(0).uniform(-50, 50, (40, 3))


@pytest.fixture(scope="module")
def energy(reference):
    return BendingEnergy.of(reference)


def test_the_matrix_is_symmetric_positive_semidefinite_and_affine_maps_are_all_its_kernel(energy):
    np.testing.assert_array_equal(energy.matrix, energy.matrix.T)
    eigenvalues = np.linalg.eigvalsh(energy.matrix)
    assert eigenvalues[0] > -1e-12 * eigenvalues[-1]
    assert (eigenvalues < 1e-9 * eigenvalues[-1]).sum() == 4


def test_affine_maps_bend_nothing(reference, energy):
    affine = np.random.default_rng(1).normal(size=(3, 3))
    assert energy.value(reference @ affine.T + [3, -40, 500]) == pytest.approx(0, abs=1e-10)


def test_energy_is_that_of_another_programs_thin_plate_spline(reference, energy):
    rng = np.random.default_rng(2)
    target = reference + rng.normal(size=reference.shape)
    # Its kernel is -r where the fundamental solution is -r / (8 pi): its weights are smaller by
    # the factor, and the energy is weights times target.
    spline = RBFInterpolator(reference, target, kernel="linear", degree=1)
    weights = 8 * np.pi * spline._coeffs[: len(reference)]
    assert energy.value(target) == pytest.approx((weights * target).sum(), rel=1e-9)


def test_energy_is_the_integral_of_squared_second_derivatives():
    # A radially symmetric map: the integral over space by shells, far enough out that the rest is
    # known to fall off.  Six points about a centre that is lifted by 1.
    reference = np.vstack([np.zeros(3), np.eye(3), -np.eye(3)])
    target = np.zeros((7, 3))
    target[0, 0] = 1.0
    spline = RBFInterpolator(reference, target[:, 0], kernel="linear", degree=1)
    weights = spline._coeffs[:7, 0]
    rng = np.random.default_rng(3)
    # Importance sampling of space: directions at random, radius with density 1 / (1 + r)^2.
    u = rng.uniform(size=100_000)
    radius = u / (1 - u)
    points = rng.normal(size=(len(u), 3))
    points *= (radius / np.linalg.norm(points, axis=1))[:, None]
    offset = points[:, None] - reference
    r = np.linalg.norm(offset, axis=2)
    # Second derivative of -r: (x x' / r^2 - 1) / r.
    outer = offset[..., :, None] * offset[..., None, :] / r[..., None, None] ** 2
    second = np.einsum("p,npij->nij", weights, (outer - np.eye(3)) / r[..., None, None])
    volume = 4 * np.pi * radius**2 * (1 + radius) ** 2
    integral = ((second**2).sum(axis=(1, 2)) * volume).mean()
    assert BendingEnergy.of(reference).value(target) == pytest.approx(integral, rel=0.04)


def test_energy_does_not_change_when_target_or_reference_is_moved(reference, energy):
    turn = Rotation.random(rng=np.random.default_rng(4)).as_matrix()
    target = reference + np.random.default_rng(5).normal(size=reference.shape)
    expected = energy.value(target)
    assert energy.value(target @ turn.T + 30) == pytest.approx(expected, rel=1e-9)
    moved = BendingEnergy.of(reference @ turn.T + 30)
    assert moved.value(target) == pytest.approx(expected, rel=1e-9)


def test_no_other_step_along_the_tangents_leaves_less(reference, energy):
    rng = np.random.default_rng(6)
    points = reference + rng.normal(size=reference.shape)
    tangents = rng.normal(size=(len(points), 2, 3))
    free = rng.uniform(size=(len(points), 2)) < 0.7
    step = energy.step(points, tangents, free)
    assert (step[~free] == 0).all() and (step[free] != 0).all()

    def after(step):
        return energy.value(points + np.einsum("np,npk->nk", step, tangents))

    least = after(step)
    assert least < 0.8 * energy.value(points)
    for _ in range(20):
        other = step + 1e-2 * rng.normal(size=step.shape) * free
        assert after(other) > least


def test_two_equal_directions_are_no_obstacle(reference, energy):
    points = reference + np.random.default_rng(7).normal(size=reference.shape)
    once = np.random.default_rng(8).normal(size=(len(points), 1, 3))
    twice = np.repeat(once, 2, axis=1)
    step = energy.step(points, twice, np.ones((len(points), 2), dtype=bool))
    expected = energy.step(points, once, np.ones((len(points), 1), dtype=bool))
    np.testing.assert_allclose(step.sum(axis=1), expected[:, 0], atol=1e-4)


def test_nothing_free_is_no_step(reference, energy):
    still = energy.step(reference, np.ones((40, 2, 3)), np.zeros((40, 2), dtype=bool))
    np.testing.assert_array_equal(still, 0)


@pytest.mark.parametrize(
    ("points", "text"),
    [
        (np.eye(3), "expected at least 5 points, got 3"),
        (np.random.default_rng(0).normal(size=(9, 3)) * [1, 1, 0], "got points in a plane"),
        (
            np.random.default_rng(0).normal(size=(9, 3))[[0, 1, 2, 3, 4, 5, 6, 7, 7]],
            r"got two at one place \(row [78]\)",
        ),
    ],
)
def test_references_without_a_spline_are_refused(points, text):
    with pytest.raises(BendingError, match=text):
        bending_energy_matrix(points)


SMALL = LandmarkScheme.standard(root=9, dura=(12, 8), cord=(10, 8))
FROM_CONUS = LandmarkScheme.standard(origin="conus", root=9, dura=(12, 8), cord=(10, 8))
CRITERIA = ("bending", "procrustes")
NAMES = np.array(SMALL.names)
ROOTS = [b.name for b in SMALL.blocks if b.kind == "curve"]


@pytest.fixture(scope="module")
def dataset():
    return specimens.make_dataset(4, spacing_mm=4.0)


@pytest.fixture(scope="module")
def placed(dataset):
    return place_landmarks(dataset, SMALL)


@pytest.fixture(scope="module", params=CRITERIA)
def slid(request, dataset, placed):
    return slide_landmarks(dataset, placed, criterion=request.param, rounds=2)


@pytest.fixture(scope="module")
def carriers(dataset, placed):
    return [semilandmarks(s, placed.scheme) for s in dataset.subjects]


def semilandmarks(subject, scheme):
    around = {f"{name}_around": scheme.block(name).around for name in ("dura", "cord")}
    return Semilandmarks.of(fit_subject(subject, **around), scheme)


def tube(landmarks, name):
    block = landmarks.scheme.block(name)
    points = landmarks.points[:, landmarks.scheme.span(name)]
    return points.reshape(len(points), block.levels, block.around, 3)


@pytest.mark.slow
def test_every_round_lowers_the_criterion(slid):
    assert (slid.energy[:, 1] < slid.energy[:, 0]).all()
    assert slid.energy[0, 1] < 0.5 * slid.energy[0, 0]
    assert len(slid.shift_mm) == 2
    assert slid.shift_mm[1] < slid.shift_mm[0]


@pytest.mark.slow
def test_a_step_too_long_is_halved_until_it_lowers_the_criterion(dataset, placed, monkeypatch):
    step = BendingEnergy.step
    monkeypatch.setattr(BendingEnergy, "step", lambda *given: 8 * step(*given))
    slid = slide_landmarks(dataset, placed, rounds=1)
    assert slid.energy[0, 1] < slid.energy[0, 0]
    monkeypatch.setattr(BendingEnergy, "step", lambda *given: -step(*given))
    wrong = slide_landmarks(dataset, placed, rounds=1)
    np.testing.assert_array_equal(wrong.landmarks.points, placed.points)
    assert wrong.energy[0, 1] == wrong.energy[0, 0]


def test_anatomical_points_stay_exactly(placed, slid):
    stay = ["dura/0/0"]
    stay += [f"cord/9/{place}" for place in range(8)]
    stay += [f"{root}/{end}" for root in ROOTS for end in (0, 8)]
    stays = np.isin(NAMES, stay)
    np.testing.assert_array_equal(slid.landmarks.points[:, stays], placed.points[:, stays])
    apart = np.linalg.norm(slid.landmarks.points - placed.points, axis=2)
    assert (apart[:, ~stays].max(axis=0) > 1e-4).all()


def test_rings_that_bound_the_extent_stay_in_their_planes(placed, slid):
    for name, ring in (("dura", 0), ("dura", -1), ("cord", 0)):
        before, after = tube(placed, name)[:, ring], tube(slid.landmarks, name)[:, ring]
        np.testing.assert_allclose(after[..., 2], before[..., 2], atol=1e-9)
    assert np.ptp(tube(slid.landmarks, "dura")[:, 5, :, 2], axis=1).max() > 1e-2


@pytest.mark.slow
def test_landmarks_lie_on_the_subjects_own_curves_and_surfaces(dataset, slid):
    scheme = slid.landmarks.scheme
    for subject, points in zip(dataset.subjects, slid.landmarks.points, strict=True):
        fitted = fit_subject(subject, dura_around=8, cord_around=8)
        for key, root in fitted.roots.items():
            on_root = points[scheme.span(f"root/{key.level}/{key.side}")]
            assert max(distance_to_line(p, root.line) for p in on_root) < 1e-9
        for name in ("dura", "cord"):
            surface = getattr(fitted, name)
            for point in points[scheme.span(name)]:
                assert distance_to_line(point, ring_at(surface, point)) < 1e-5


def ring_at(surface, point):
    """Dense periodic spline through the surface's ring in the slice of a point."""
    level = -surface.tracks(surface.heights).mean(axis=1)[:, 2]
    ring = surface.tracks(np.interp(-point[2], level, surface.heights))
    closed = CubicSpline(np.arange(9), ring[[*range(8), 0]], bc_type="periodic")
    return closed(np.linspace(0, 8, 4_001))


def distance_to_line(point, line):
    begin, step = line[:-1], np.diff(line, axis=0)
    share = np.clip(((point - begin) * step).sum(axis=1) / (step**2).sum(axis=1), 0, 1)
    return np.linalg.norm(begin + share[:, None] * step - point, axis=1).min()


def test_neighbours_keep_their_order_and_a_tenth_of_their_spacing(carriers, placed, slid):
    for subject, points in zip(carriers, slid.landmarks.points, strict=True):
        parameters = subject.locate(points)
        for root in ROOTS:
            gap = np.diff(parameters[placed.scheme.span(root), 0])
            assert gap.min() >= LEAST_SPACING * gap.mean() * (1 - 1e-6)
        for name, levels in (("dura", 12), ("cord", 10)):
            grid = parameters[placed.scheme.span(name)].reshape(levels, 8, 2)
            assert np.diff(grid[..., 0], axis=0).min() > 0
            turn = np.mod(np.roll(grid[..., 1], -1, axis=1) - grid[..., 1], 8)
            np.testing.assert_allclose(turn.sum(axis=1), 8)
            assert turn.min() >= LEAST_SPACING * (1 - 1e-6)


def test_status_and_uncertainty_follow_the_new_places(dataset, placed, slid):
    assert (slid.landmarks.status != placed.status).any()
    for i, subject in enumerate(dataset.subjects):
        for key, root in fit_subject(subject).roots.items():
            span = placed.scheme.span(f"root/{key.level}/{key.side}")
            trace = cKDTree(root.line[: root.traced_points])
            on_trace = trace.query(slid.landmarks.points[i, span])[0] < 0.15
            status = slid.landmarks.status[i, span]
            np.testing.assert_array_equal(status[:-1] == Status.MEASURED, on_trace[:-1])
            assert status[-1] == Status.MEASURED
            spread = slid.landmarks.bridge_sd[i, span]
            np.testing.assert_array_equal(spread > 0, status == Status.BRIDGED)


@pytest.fixture(scope="module")
def respaced(subject):
    """Copies of one subject whose root landmarks are unevenly spaced, each in its own way."""
    dataset = Dataset("", tuple(replace(subject, id=f"sub-{i}") for i in range(4)))
    landmarks = place_landmarks(dataset, SMALL)
    points = landmarks.points.copy()
    for i, warp in enumerate((-0.5, -0.2, 0.2, 0.5)):
        places = semilandmarks(subject, landmarks.scheme)
        parameters = places.locate(points[i])
        for root in ROOTS:
            span = landmarks.scheme.span(root)
            share = parameters[span, 0] / parameters[span, 0][-1]
            bent = share + warp * share * (1 - share)
            parameters[span, 0] = bent * parameters[span, 0][-1]
        points[i] = places.points(parameters)
        parts = np.isin(NAMES, [f"{root}/{end}" for root in ROOTS for end in (0, 8)])
        points[i, parts] = landmarks.points[i, parts]
    return dataset, replace(landmarks, points=points, status=landmarks.status)


def total_variance(landmarks):
    aligned = align(landmarks)
    return ((aligned.points - aligned.mean) ** 2).sum() / (len(aligned.points) - 1)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", CRITERIA)
def test_landmarks_respaced_along_the_same_curves_slide_back_together(respaced, criterion):
    dataset, landmarks = respaced
    slid = slide_landmarks(dataset, landmarks, criterion=criterion)
    assert total_variance(landmarks) > 100
    assert total_variance(slid.landmarks) < 0.02 * total_variance(landmarks)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_group_of_one_and_the_same_subject_does_not_move(subject, criterion):
    dataset = Dataset("", tuple(replace(subject, id=f"sub-{i}") for i in range(3)))
    landmarks = place_landmarks(dataset, SMALL)
    slid = slide_landmarks(dataset, landmarks, criterion=criterion)
    np.testing.assert_allclose(slid.landmarks.points, landmarks.points, atol=1e-6)
    np.testing.assert_array_equal(slid.landmarks.status, landmarks.status)
    np.testing.assert_allclose(slid.landmarks.bridge_sd, landmarks.bridge_sd, atol=1e-6)
    assert slid.converged and len(slid.shift_mm) == 1


@pytest.mark.slow
@pytest.mark.parametrize("criterion", CRITERIA)
def test_pose_of_the_subjects_does_not_matter(dataset, placed, criterion):
    turns = Rotation.random(4, rng=np.random.default_rng(0)).as_matrix()
    pairs = zip(dataset.subjects, turns, strict=True)
    posed = replace(dataset, subjects=tuple(moved(s, turn, 30.0) for s, turn in pairs))
    before = slide_landmarks(dataset, placed, criterion=criterion, rounds=1)
    after = slide_landmarks(posed, place_landmarks(posed, SMALL), criterion=criterion, rounds=1)
    expected = before.landmarks.points @ np.swapaxes(turns, 1, 2) + 30.0
    np.testing.assert_allclose(after.landmarks.points, expected, atol=1e-5)
    np.testing.assert_allclose(after.energy, before.energy, rtol=1e-6)


@pytest.mark.slow
def test_procrustes_sliding_lowers_the_variance_bending_lowers_the_bending(dataset, placed):
    by = {c: slide_landmarks(dataset, placed, criterion=c, rounds=3) for c in CRITERIA}
    assert total_variance(by["procrustes"].landmarks) < 0.6 * total_variance(placed)
    again = slide_landmarks(dataset, by["procrustes"].landmarks, criterion="bending", rounds=1)
    assert by["bending"].energy[-1, 1] < again.energy[0, 0]


@pytest.mark.slow
def test_it_settles_and_says_so(dataset, placed):
    enough = slide_landmarks(dataset, placed, rounds=6)
    assert enough.converged and len(enough.shift_mm) < 6
    assert enough.energy[-1, 1] > 0.95 * enough.energy[-1, 0]
    assert not slide_landmarks(dataset, placed, rounds=1).converged


def test_missing_landmarks_stay_missing_and_the_others_slide(dataset):
    first = dataset.subjects[0]
    left, right = ("S2", "left"), ("L3", "right")
    lame = replace(
        first,
        roots={k: v for k, v in first.roots.items() if k != left},
        ganglia={k: v for k, v in first.ganglia.items() if k != right},
    )
    short = specimens.make_subject("sub-09", length_mm=130)
    group = Dataset("", (lame, short, *dataset.subjects[1:]))
    landmarks = place_landmarks(group, replace(SMALL, extent="full"))
    missing = landmarks.status == Status.MISSING
    assert missing[0].sum() == 8 + 9 and missing[1].sum() >= 8
    slid = slide_landmarks(group, landmarks, rounds=1).landmarks
    np.testing.assert_array_equal(slid.status == Status.MISSING, missing)
    ganglion = SMALL.span("root/S2/left").stop - 1
    np.testing.assert_array_equal(slid.points[0, ganglion], landmarks.points[0, ganglion])
    assert np.nanmax(np.linalg.norm(slid.points - landmarks.points, axis=2)[0]) > 0.5


def test_from_the_conus_the_first_rings_turn_and_the_conus_stays(dataset):
    landmarks = place_landmarks(dataset, FROM_CONUS)
    slid = slide_landmarks(dataset, landmarks, rounds=1).landmarks
    np.testing.assert_array_equal(tube(slid, "cord")[:, -1], tube(landmarks, "cord")[:, -1])
    for name, ring in (("dura", 0), ("dura", -1), ("cord", 0)):
        before, after = tube(landmarks, name)[:, ring], tube(slid, name)[:, ring]
        np.testing.assert_allclose(after[..., 2], before[..., 2], atol=1e-9)
        assert np.linalg.norm(after - before, axis=2)[:, 0].max() > 1e-4


@pytest.mark.slow
def test_sliding_goes_on_where_it_stopped(dataset, placed):
    whole = slide_landmarks(dataset, placed, rounds=2)
    first = slide_landmarks(dataset, placed, rounds=1)
    second = slide_landmarks(dataset, first.landmarks, rounds=1)
    np.testing.assert_allclose(second.landmarks.points, whole.landmarks.points, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"criterion": "thin"},
            r"criterion: expected one of \('bending', 'procrustes'\), got 'thin'",
        ),
        ({"rounds": 0}, "rounds: expected at least 1, got 0"),
    ],
)
def test_unknown_choices_list_those_there_are(dataset, placed, options, text):
    with pytest.raises(SlidingError, match=text):
        slide_landmarks(dataset, placed, **options)


def test_landmarks_of_other_subjects_are_refused(dataset, placed):
    other = replace(dataset, subjects=dataset.subjects[:3])
    with pytest.raises(SlidingError, match=r"subjects sub-01, sub-02, sub-03, got sub-01.*sub-04"):
        slide_landmarks(other, placed)


def test_landmarks_off_their_curve_are_refused_by_name(dataset, placed):
    points = placed.points.copy()
    points[2, SMALL.span("root/L5/left").start + 4] += [0.0, 0.4, 0.0]
    lost = LandmarkSet(placed.subject_ids, placed.scheme, points, placed.status)
    with pytest.raises(
        SlidingError, match=r"^sub-03, root/L5/left/4: expected.* got one 0\.\d+ mm"
    ):
        slide_landmarks(dataset, lost)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_standard_scheme_slides(criterion):
    dataset = specimens.make_dataset(3)
    landmarks = place_landmarks(dataset)
    slid = slide_landmarks(dataset, landmarks, criterion=criterion)
    assert (slid.energy[:, 1] < slid.energy[:, 0]).all()
    assert slid.energy[0, 1] < 0.5 * slid.energy[0, 0]
