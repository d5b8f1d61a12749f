"""Fits that wait on disk are placed as if nobody had put them away, by whoever is left."""

import errno
import os
import pickle
import signal
import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import specimens

from atlas.data.dataset import read_dataset
from atlas.data.exclusions import exclude
from atlas.landmarks.bridging import combined_roughness, subject_hidden_error
from atlas.landmarks.fitting_curves import fit_subject
from atlas.landmarks.placing import Extent, place_landmarks, place_subject, scheme_with_extents
from atlas.landmarks.scheme import LandmarkScheme
from atlas.large import kept_fits as module
from atlas.large import landmarking
from atlas.large.cluster import cluster
from atlas.large.kept_fits import KeptFitsError, kept_fits
from atlas.large.landmarking import place_on_disk, survey
from atlas.large.memory import Budget
from atlas.large.processes import processes
from atlas.large.subject_folders import leave_out, list_subjects
from atlas.large.workers import Alone
from atlas.output.files import OutputError

BUDGET = Budget.of("2GiB")
SMALL = LandmarkScheme.standard(root=8, dura=(12, 12), cord=(10, 8))
SCHEMES = {
    "standard": LandmarkScheme.standard(),
    "small": SMALL,
    "from the conus": LandmarkScheme.standard(root=20, origin="conus"),
    "full": LandmarkScheme.standard(root=33, extent="full"),
}


@pytest.fixture(scope="module")
def subjects():
    """Four, of whom one misses a root, one a ganglion, one both of a pair."""
    whole = list(specimens.make_dataset(4, length_mm=140, conus_mm=100).subjects)
    keys = list(whole[0].roots)
    for i, roots, ganglia in ((1, [keys[0]], []), (2, [], [keys[5]]), (3, keys[2:4], keys[2:4])):
        whole[i] = replace(
            whole[i],
            roots={k: v for k, v in whole[i].roots.items() if k not in roots},
            ganglia={k: v for k, v in whole[i].ganglia.items() if k not in ganglia},
        )
    return whole


@pytest.fixture(scope="module")
def root(tmp_path_factory, subjects):
    place = tmp_path_factory.mktemp("cohort") / "markers"
    for subject in subjects:
        specimens.write_subject(place, subject)
    return place


@pytest.fixture
def tasks_of_two(monkeypatch):
    monkeypatch.setattr(landmarking, "TASK_SUBJECTS", 2)


def fits_of(subjects, scheme):
    dura, cord = (scheme.block(name).around for name in ("dura", "cord"))
    return [fit_subject(s, dura_around=dura, cord_around=cord) for s in subjects]


def assert_placed_alike(found, expected, scheme):
    scheme = scheme_with_extents(scheme, map(Extent.of, expected))
    roughness = combined_roughness(map(subject_hidden_error, expected))
    assert roughness > 0
    for one, other in zip(found, expected, strict=True):
        assert one.subject.id == other.subject.id
        placed = (place_subject(fitted, scheme, roughness) for fitted in (one, other))
        for part, wanted in zip(*placed, strict=True):
            assert part.tobytes() == wanted.tobytes()


def landmarks_from(listing, place, workers, *, measures=None, scheme=SMALL):
    with kept_fits(place, scheme) as fits:
        surveyed = survey(listing, fits, workers, measures=measures)
        file = place_on_disk(surveyed, fits, workers, place / "landmarks.h5")
    return file.read(slice(None))


def assert_same_landmarks(found, expected):
    assert found.subject_ids == expected.subject_ids and found.scheme == expected.scheme
    for name in ("points", "status", "bridge_sd"):
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes()


@pytest.mark.parametrize("name", SCHEMES)
def test_kept_fits_are_placed_like_those_in_memory_to_the_bit(subjects, tmp_path, name):
    fits = fits_of(subjects, SCHEMES[name])
    with kept_fits(tmp_path, SCHEMES[name]) as keep:
        keep.write(0, fits)
        assert_placed_alike(keep.read(0), fits, SCHEMES[name])


def test_a_subject_without_a_cord_comes_back_without_one(subjects, tmp_path):
    bare = [subjects[0], replace(subjects[1], cord=())]
    fits = fits_of(bare, SMALL)
    with kept_fits(tmp_path, SMALL) as keep:
        keep.write(0, fits)
        found = keep.read(0)
        assert [f.drawn_cord is None for f in found] == [False, True]
        assert_placed_alike(found, fits, SMALL)


@pytest.mark.parametrize("traced", [2, 20, 31, 40])
def test_a_trace_that_ends_at_a_landmark_or_between_two_keeps_its_end(subjects, tmp_path, traced):
    [fitted] = fits_of(subjects[:1], SMALL)
    key, old = next(iter(fitted.roots.items()))
    # Landmarks of 8 stand at every tenth of these 71 points.
    lengths = np.arange(71) * 0.5
    line = np.stack([lengths, np.cos(lengths), np.sin(lengths)], axis=1)
    root = replace(old, line=line, lengths=lengths, traced_points=traced + 1)
    fits = [replace(fitted, roots=dict(fitted.roots) | {key: root})]
    with kept_fits(tmp_path, SMALL) as keep:
        keep.write(0, fits)
        found = keep.read(0)
    assert found[0].roots[key].traced_mm == traced * 0.5
    assert_placed_alike(found, fits, SMALL)


@pytest.mark.slow
def test_what_was_left_out_is_left_out_of_what_is_placed(root, tmp_path, tasks_of_two):
    names = ["sub-02", "sub-03/roots/L3/left", "sub-04/roots/S1/right"]
    listing = leave_out(list_subjects(root), names)
    found = landmarks_from(listing, tmp_path, Alone(BUDGET))
    assert found.subject_ids == ("sub-01", "sub-03", "sub-04")
    assert_same_landmarks(found, place_landmarks(exclude(read_dataset(root), names), SMALL))


def test_a_task_done_twice_leaves_one_file_that_only_its_owner_reads(subjects, tmp_path):
    fits = fits_of(subjects[:2], SMALL)
    with kept_fits(tmp_path, SMALL) as keep:
        folder = Path(keep.folder)
        keep.write(8, fits)
        # What a worker leaves that dies while it writes.
        (folder / ".atlas-half.npz").write_bytes(b"PK")
        keep.write(8, fits)
        assert_placed_alike(keep.read(8), fits, SMALL)
        assert len(list(folder.glob("[0-9]*"))) == 1
        assert os.name != "posix" or folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def broken_off(file):
    file.write_bytes(file.read_bytes()[:-100])


def of_objects(file):
    parts = {name: np.array([print], dtype=object) for name in ("ids", "sizes", "numbers")}
    np.savez(file, **parts)


@pytest.mark.parametrize("harm", [Path.unlink, broken_off, of_objects])
def test_fits_that_are_gone_broken_off_or_code_are_refused_by_file(subjects, tmp_path, harm):
    with kept_fits(tmp_path, SMALL) as keep:
        keep.write(0, fits_of(subjects[:1], SMALL))
        [file] = Path(keep.folder).iterdir()
        harm(file)
        with pytest.raises(KeptFitsError, match=f"{file.name}: expected the fits .* begin the"):
            keep.read(0)


def test_a_full_disk_is_said_with_what_was_wanted(subjects, tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with kept_fits(tmp_path, SMALL) as keep:
        monkeypatch.setattr(Path, "write_bytes", full)
        wanted = r"room for the fits of 2 subjects, 0\.\d MB, got No space left .* larger disk"
        with pytest.raises(OutputError, match=wanted) as caught:
            keep.write(0, fits_of(subjects[:2], SMALL))
        assert not list(Path(keep.folder).iterdir())
    # It comes from a worker.
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.slow
def test_a_disk_too_small_for_the_group_is_refused_after_the_first_task(
    root, tmp_path, monkeypatch, tasks_of_two
):
    done = []
    usage = module.shutil.disk_usage(tmp_path)
    # Room for one subject more, where two are to come.
    with kept_fits(tmp_path, SMALL) as keep:
        survey(list_subjects(root), keep, Alone(BUDGET))
        each = max(file.stat().st_size for file in Path(keep.folder).iterdir()) // 2
        monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=each))
        wanted = r"expected \d MB of free space for the fits of 2 subjects, \d+ kB each, got 0 MB"
        with pytest.raises(OutputError, match=wanted):
            survey(list_subjects(root), keep, Alone(BUDGET), stage=done.append)
        assert not done
        monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=3 * each))
        assert len(survey(list_subjects(root), keep, Alone(BUDGET)).subjects) == 4


class Watched(Alone):
    """Alone, with the bytes of every outcome counted as another process would send them."""

    def map(self, task, items):
        for outcome in map(task, items):
            SENT.append(len(pickle.dumps(outcome)))
            yield outcome


SENT: list[int] = []


@pytest.mark.slow
def test_a_task_sends_back_a_few_numbers_and_holds_a_task_in_memory(subjects, tmp_path, root):
    scheme = SCHEMES["standard"]
    fits = fits_of(subjects, scheme)
    with kept_fits(tmp_path, scheme) as keep:
        keep.write(0, fits)
        [file] = Path(keep.folder).iterdir()
        size = file.stat().st_size
        assert size < 256 * 1024 * len(fits)
        tracemalloc.start()
        keep.write(0, fits)
        held, peak = tracemalloc.get_traced_memory()
        assert held < size / 10 and peak < 5 * size
        tracemalloc.reset_peak()
        assert len(keep.read(0)) == len(fits)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2 * size
    SENT.clear()
    landmarks_from(list_subjects(root), tmp_path, Watched(BUDGET), scheme=scheme)
    surveyed, _ = SENT
    assert surveyed < size / 20


@pytest.mark.slow
def test_processes_place_what_other_processes_kept(root, tmp_path, tasks_of_two):
    with processes(2, BUDGET) as workers:
        found = landmarks_from(list_subjects(root), tmp_path, workers)
    assert_same_landmarks(found, place_landmarks(read_dataset(root), SMALL))


def dies_once(flag):
    """End this process, unless one was ended before."""
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def measured(anatomy, *, flag):
    """Measures of a subject in whose task a worker dies: its files are read, nothing is kept."""
    dies_once(flag)
    return (("all", "both", "rings"),), np.array([len(anatomy.dura)]), np.zeros(1, dtype=np.uint8)


def done_for_nothing(item, *, task, flag):
    """A task whose worker dies when it has kept its fits and told nobody."""
    outcome = task(item)
    dies_once(flag)
    return outcome


class Dying:
    """Workers of whom one dies at the end of a task."""

    def __init__(self, workers, flag):
        self.workers, self.flag = workers, flag

    def map(self, task, items):
        return self.workers.map(partial(done_for_nothing, task=task, flag=self.flag), items)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True], ids=["before it kept", "after it kept"])
def test_a_worker_killed_in_mid_survey_changes_nothing(root, tmp_path, tasks_of_two, kept):
    pytest.importorskip("distributed")
    flag = str(tmp_path / "died")
    with cluster("local", BUDGET, count=2) as workers:
        surveyors, measures = (
            (Dying(workers, flag), None) if kept else (workers, partial(measured, flag=flag))
        )
        with kept_fits(tmp_path, SMALL) as fits:
            surveyed = survey(list_subjects(root), fits, surveyors, measures=measures)
            file = place_on_disk(surveyed, fits, workers, tmp_path / "landmarks.h5")
    assert Path(flag).exists() and not Path(fits.folder).exists()
    found = file.read(slice(None))
    assert_same_landmarks(found, place_landmarks(read_dataset(root), SMALL))
