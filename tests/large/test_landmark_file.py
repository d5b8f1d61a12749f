"""Landmarks on disk: what was written comes back, by blocks, whole or not at all."""

import h5py
import numpy as np
import pytest
from many_blocks import subset
from populations import posed_population, with_gaps

from atlas.components.blocks import MemoryGroup
from atlas.large.landmark_file import (
    CHUNK_SUBJECTS,
    DiskGroup,
    LandmarkFile,
    LandmarkFileError,
    blocks,
    new_landmark_file,
    save_landmarks,
)
from atlas.large.memory import Budget
from atlas.procrustes.generalised import register


@pytest.fixture(scope="module")
def gappy():
    return with_gaps(posed_population(40)[0], 0.1)


def same(found, expected):
    assert found.subject_ids == expected.subject_ids and found.scheme == expected.scheme
    for name in ("points", "status", "bridge_sd"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_landmarks_come_back_to_the_bit(gappy, tmp_path):
    file = save_landmarks(gappy, tmp_path / "landmarks.h5")
    same(file.read(slice(0, 40)), gappy)
    same(LandmarkFile.open(file.path).read(slice(7, 21)), subset(gappy, slice(7, 21)))
    assert not file.whole
    assert save_landmarks(posed_population(3)[0], tmp_path / "whole.h5").whole


def test_the_file_is_chunked_by_subject(gappy, tmp_path):
    with h5py.File(save_landmarks(gappy, tmp_path / "landmarks.h5").path) as file:
        assert file["points"].chunks == (CHUNK_SUBJECTS, gappy.scheme.size, 3)
        assert file["status"].chunks == (CHUNK_SUBJECTS, gappy.scheme.size)


def test_subjects_may_be_written_in_any_order(gappy, tmp_path):
    place = tmp_path / "landmarks.h5"
    with new_landmark_file(place, gappy.subject_ids, gappy.scheme) as write:
        for first in (30, 0, 20, 10):
            write(first, subset(gappy, slice(first, first + 10)))
    same(LandmarkFile.open(place).read(slice(0, 40)), gappy)


def write_all_but_one(place, landmarks):
    with new_landmark_file(place, landmarks.subject_ids, landmarks.scheme) as write:
        write(0, subset(landmarks, slice(0, 10)))
        write(11, subset(landmarks, slice(11, 40)))


def test_a_subject_that_was_never_written_is_named_and_nothing_is_left(gappy, tmp_path):
    with pytest.raises(LandmarkFileError, match="expected every subject, got none of sub-10"):
        write_all_but_one(tmp_path / "landmarks.h5", gappy)
    assert list(tmp_path.iterdir()) == []


def test_other_subjects_than_those_of_the_file_are_refused(gappy, tmp_path):
    with (
        pytest.raises(LandmarkFileError, match=r"expected landmarks of \('sub-05'"),
        new_landmark_file(tmp_path / "l.h5", gappy.subject_ids, gappy.scheme) as write,
    ):
        write(5, subset(gappy, slice(0, 10)))


@pytest.mark.parametrize("content", [b"", b"no file of landmarks", None])
def test_what_is_no_file_of_landmarks_is_refused(content, tmp_path):
    place = tmp_path / "other.h5"
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(LandmarkFileError, match=r"other\.h5: expected landmarks of format 1"):
        LandmarkFile.open(place)


@pytest.mark.slow
def test_a_pass_opens_the_file_once_a_block(gappy, tmp_path, monkeypatch):
    file = save_landmarks(gappy, tmp_path / "landmarks.h5")

    class Small(Budget):
        def block(self, scheme):
            return 16

    opened = []
    once = h5py.File
    monkeypatch.setattr(h5py, "File", lambda *a, **k: opened.append(a) or once(*a, **k))
    group = DiskGroup(file, Small(1 << 30))
    placed = register(group)
    monkeypatch.undo()
    assert len(opened) % 3 == 0
    whole = register(MemoryGroup(gappy))
    np.testing.assert_allclose(placed.mean, whole.mean, atol=1e-8)


@pytest.mark.parametrize(("subjects", "size"), [(100, 16), (100, 30), (5, 16), (7, 3)])
def test_blocks_hold_everybody_once_in_whole_chunks(subjects, size):
    found = blocks(subjects, size)
    covered = [i for where in found for i in range(where.start, where.stop)]
    assert covered == list(range(subjects))
    step = found[0].stop
    assert step <= size and (
        step % CHUNK_SUBJECTS == 0 or size < CHUNK_SUBJECTS or step == subjects
    )
