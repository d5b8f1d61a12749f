"""Swapped sides, mirror images and reversed roots: found and refused by name, on every way in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import specimens
from scipy.spatial.transform import Rotation

from atlas.build import build_atlas
from atlas.checks import Profile, find_implausible, reversed_roots
from atlas.components.blocks import MemoryGroup
from atlas.data.dataset import Dataset, DatasetError
from atlas.data.subject import ROOT_KEYS, RootKey, Severity, Subject
from atlas.landmarks.placing import LandmarkSet, place_landmarks
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.model.symmetry import decompose
from atlas.procrustes.alignment import AlignmentError, align
from atlas.procrustes.handedness import dorsal_offset, refuse_wrong_handed

SMALL = LandmarkScheme.standard(root=9, dura=(12, 8), cord=(10, 8))
OTHER = {"left": "right", "right": "left"}
L4_LEFT = RootKey("L4", "left")
SOUND = specimens.make_dataset(6, spacing_mm=4.0)
VICTIM = 2


def mapped(subject: Subject, matrix: np.ndarray, shift: np.ndarray | float = 0.0) -> Subject:
    """Every coordinate through one affine map, labels kept."""

    def move(points: np.ndarray) -> np.ndarray:
        return points @ matrix.T + shift

    return replace(
        subject,
        dura=tuple(move(c) for c in subject.dura),
        cord=tuple(move(c) for c in subject.cord),
        roots={k: move(p) for k, p in subject.roots.items()},
        ganglia={k: move(p) for k, p in subject.ganglia.items()},
    )


def mirrored(subject: Subject) -> Subject:
    return mapped(subject, np.diag([-1.0, 1.0, 1.0]))


def side_swapped(subject: Subject) -> Subject:
    def swap(places):
        return {RootKey(k.level, OTHER[k.side]): v for k, v in places.items()}

    return replace(subject, roots=swap(subject.roots), ganglia=swap(subject.ganglia))


def reversed_root(subject: Subject, key: RootKey = L4_LEFT) -> Subject:
    return replace(subject, roots={**subject.roots, key: subject.roots[key][::-1]})


def dataset_with(change, *, posed: bool = False) -> Dataset:
    """Six subjects, the third of them changed; each in a pose of its own if asked for."""
    subjects = list(SOUND.subjects)
    subjects[VICTIM] = change(subjects[VICTIM])
    if posed:
        rng = np.random.default_rng(5)
        turns = Rotation.random(6, rng=rng).as_matrix()
        subjects = [
            mapped(s, t, rng.normal(size=3) * 50) for s, t in zip(subjects, turns, strict=True)
        ]
    return Dataset("specimens", tuple(subjects))


def errors(dataset: Dataset) -> list[tuple[str, str, str]]:
    found = find_implausible(dataset)
    return [(f.rule, f.subject, f.place) for f in found if f.severity is Severity.ERROR]


WRONG_HANDED = pytest.mark.parametrize("change", [mirrored, side_swapped])


# --- from files or subjects, LPS ---


@pytest.mark.slow
@WRONG_HANDED
def test_wrong_sides_are_found_and_the_build_refuses_them_by_name(change):
    dataset = dataset_with(change)
    assert errors(dataset) == [("swapped-sides", "sub-03", "")]
    with pytest.raises(DatasetError, match=r"^sub-03: expected left roots and ganglia at larger x"):
        build_atlas(dataset)


@pytest.mark.parametrize("key", ROOT_KEYS, ids=lambda k: f"{k.level}-{k.side}")
def test_a_reversed_root_is_found_named_and_measured(key):
    subject = specimens.make_subject("sub-03")
    (finding,) = reversed_roots(Profile.of(reversed_root(subject, key)))
    assert (finding.severity, finding.rule) == (Severity.ERROR, "reversed-root")
    ends = np.linalg.norm(subject.roots[key][[-1, 0]] - subject.ganglia[key], axis=1)
    assert str(finding) == (
        f"sub-03/root {key.level} {key.side}: expected points from the cord towards the ganglion, "
        f"got its first point {ends[0]:.1f} mm and its last {ends[1]:.1f} mm from the ganglion; "
        "the trace is in reverse order: turn it round"
    )


def test_the_build_refuses_a_reversed_root_by_name():
    dataset = dataset_with(reversed_root)
    assert errors(dataset) == [("reversed-root", "sub-03", "root L4 left")]
    with pytest.raises(DatasetError, match=r"sub-03/root L4 left: expected points from the cord"):
        build_atlas(dataset)


def test_a_reversed_root_without_a_ganglion_is_found_by_the_direction_of_the_sac():
    subject = specimens.make_subject("sub-03")
    ganglia = {k: g for k, g in subject.ganglia.items() if k != L4_LEFT}
    assert reversed_roots(Profile.of(replace(subject, ganglia=ganglia))) == []
    (finding,) = reversed_roots(Profile.of(replace(reversed_root(subject), ganglia=ganglia)))
    # L4 begins 46 mm above the conus (114) and is traced to the bottom of the image (158).
    assert "got its last point 90.0 mm above its first" in finding.message


def test_a_reversed_root_is_found_in_any_pose():
    dataset = dataset_with(reversed_root, posed=True)
    assert [f.place for s in dataset.subjects for f in reversed_roots(Profile.of(s))] == [
        "root L4 left"
    ]


def test_sound_subjects_have_no_error():
    assert errors(dataset_with(lambda s: s)) == []


@pytest.mark.shared
def test_the_real_subject_has_no_reversed_root(real_subject):
    assert reversed_roots(Profile.of(real_subject)) == []


# --- landmarks in any pose, where x says nothing ---


@WRONG_HANDED
@pytest.mark.parametrize("posed", [False, True])
def test_wrong_sides_are_refused_by_name_in_any_pose(change, posed):
    landmarks = place_landmarks(dataset_with(change, posed=posed), SMALL)
    with pytest.raises(AlignmentError, match=r"^sub-03 \(-\d\.\d mm\): expected roots dorsal of"):
        refuse_wrong_handed(MemoryGroup(landmarks))


@WRONG_HANDED
def test_the_decomposition_refuses_wrong_sides_by_name(change):
    with pytest.raises(AlignmentError, match=r"^sub-03"):
        decompose(align(place_landmarks(dataset_with(change, posed=True), SMALL)))


@pytest.mark.parametrize("posed", [False, True])
def test_sound_subjects_are_of_one_hand_in_any_pose(posed):
    refuse_wrong_handed(MemoryGroup(place_landmarks(dataset_with(lambda s: s, posed=posed), SMALL)))


def test_one_subject_is_held_against_a_finished_group():
    mean = align(place_landmarks(SOUND, SMALL)).mean
    group_mm = dorsal_offset(mean, SMALL)
    alone = [
        place_landmarks(Dataset("", (change(SOUND.subjects[VICTIM]),)), SMALL)
        for change in (lambda s: s, mirrored)
    ]
    refuse_wrong_handed(MemoryGroup(alone[0]), group_mm=group_mm)
    with pytest.raises(AlignmentError, match=r"^sub-03 \(-"):
        refuse_wrong_handed(MemoryGroup(alone[1]), group_mm=group_mm)


def test_motion_keeps_the_dorsal_offset_and_reflection_turns_its_sign():
    points = place_landmarks(SOUND, SMALL).points[0]
    offset = dorsal_offset(points, SMALL)
    turn = Rotation.from_rotvec([0.7, -2.0, 1.1]).as_matrix()
    assert dorsal_offset(points @ turn.T + [9, -40, 7], SMALL) == pytest.approx(offset, abs=1e-9)
    assert dorsal_offset(points * [-1, 1, 1], SMALL) == pytest.approx(-offset, abs=1e-9)


def test_the_dorsal_offset_is_that_of_the_roots_beside_the_sac():
    # Straight sac about the origin; roots at y = 3 beside it, their last points far below it.
    points = np.zeros((SMALL.size, 3))
    for name in ("dura", "cord"):
        block = SMALL.block(name)
        angle = 2 * np.pi * np.arange(block.around) / block.around
        ring = np.stack([8 * np.sin(angle), 6 * np.cos(angle)], axis=1)
        points[SMALL.span(name), :2] = np.tile(ring, (block.levels, 1))
        points[SMALL.span(name), 2] = -np.repeat(np.linspace(0, 100, block.levels), block.around)
    for key in ROOT_KEYS:
        span = SMALL.span(f"root/{key.level}/{key.side}")
        points[span] = [5.0 if key.side == "left" else -5.0, 3.0, 0.0]
        points[span, 2] = -np.linspace(10, 90, 9)
        points[span.stop - 1] = [np.sign(points[span.start, 0]) * 20, -30.0, -200.0]
    assert dorsal_offset(points, SMALL) == pytest.approx(3.0, abs=1e-9)


def test_without_pairs_or_rings_handedness_is_not_judged():
    landmarks = place_landmarks(SOUND, SMALL)
    points = landmarks.points.copy()
    points[0, ["/right/" in name for name in SMALL.names]] = np.nan
    points[1, SMALL.span("dura")] = np.nan
    assert np.isnan([dorsal_offset(p, SMALL) for p in points[:2]]).all()
    status = np.where(np.isnan(points).any(axis=2), Status.MISSING, landmarks.status)
    refuse_wrong_handed(MemoryGroup(LandmarkSet(landmarks.subject_ids, SMALL, points, status)))
