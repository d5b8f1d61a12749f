"""Who does the work makes no difference, and a worker that dies costs nothing but time."""

import os
import signal
import time

import numpy as np
import pytest
from many_blocks import assert_same_model
from populations import posed_population, with_gaps

from atlas.components.blocks import Block, MemoryGroup, joined
from atlas.errors import MachineError
from atlas.large import cluster as dask_cluster
from atlas.large.cluster import cluster
from atlas.large.landmark_file import save_landmarks
from atlas.large.memory import Budget
from atlas.large.processes import processes
from atlas.large.workers import Alone, WorkersError
from atlas.model.fitting import fit_group_model
from atlas.procrustes.generalised import register

BUDGET = Budget.of("2GiB")


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "gaps"])
def landmarks(request):
    found = posed_population(64)[0]
    return with_gaps(found, 0.1) if request.param else found


@pytest.fixture(scope="module")
def file(landmarks, tmp_path_factory):
    return save_landmarks(landmarks, tmp_path_factory.mktemp("landmarks") / "landmarks.h5")


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(dask_cluster, "CLUSTER_BLOCK", 16)
    monkeypatch.setattr(Budget, "block", lambda self, scheme: 16)


def assert_like_in_memory(group, landmarks):
    whole, placed = register(MemoryGroup(landmarks)), register(group)
    np.testing.assert_allclose(placed.mean, whole.mean, atol=1e-8)
    expected = fit_group_model(MemoryGroup(landmarks), whole, variance_held=0.99)
    assert_same_model(fit_group_model(group, placed, variance_held=0.99), expected)


@pytest.mark.slow
def test_alone_gives_what_memory_gives(file, landmarks, small_blocks):
    workers = Alone(BUDGET)
    assert list(workers.map(abs, [-1, 2])) == [1, 2] and workers.link == ""
    assert_like_in_memory(workers.group(file), landmarks)


@pytest.mark.slow
def test_processes_give_what_memory_gives(file, landmarks, small_blocks):
    with processes(2, BUDGET) as workers:
        assert list(workers.map(abs, [-1, 2])) == [1, 2] and workers.link == ""
        assert_like_in_memory(workers.group(file), landmarks)


def end_this_process(_item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_process_that_is_ended_is_said_and_what_to_do():
    with (
        pytest.raises(MachineError, match="2 processes until the end, got one that was ended"),
        processes(2, BUDGET) as workers,
    ):
        list(workers.map(end_this_process, [1, 2]))


@pytest.mark.slow
def test_what_the_blocks_of_a_pass_share_is_removed_after_it(file):
    with processes(2, BUDGET) as workers:
        outcomes = workers.group(file).each(slowly)
        assert len(list(workers.place.iterdir())) == 1
        assert len(joined(outcomes)) == 64
        assert not list(workers.place.iterdir())
    assert not workers.place.exists()


def slowly(block: Block) -> np.ndarray:
    time.sleep(0.3)
    return block.landmarks.points[:, 0, 0].copy()


def process_id(_item: int) -> int:
    return os.getpid()


@pytest.mark.slow
def test_a_cluster_gives_what_memory_gives(file, landmarks, small_blocks):
    with cluster("local", BUDGET, count=2) as workers:
        assert list(workers.map(abs, [-1, 2])) == [1, 2]
        assert workers.link.startswith("http")
        assert_like_in_memory(workers.group(file), landmarks)


@pytest.mark.slow
def test_workers_without_room_read_their_blocks_in_every_pass(file, landmarks, monkeypatch):
    monkeypatch.setattr(dask_cluster, "HELD_COPIES", 1 << 30)
    with cluster("local", BUDGET, count=2) as workers:
        group = workers.group(file)
        assert group.held == ()
        assert_like_in_memory(group, landmarks)


@pytest.mark.slow
def test_a_worker_killed_in_mid_run_changes_nothing(file, landmarks, small_blocks):
    with cluster("local", BUDGET, count=2) as workers:
        group = workers.group(file)
        first = np.sort(joined(group.each(slowly)))
        running = group.each(slowly)
        victim = next(iter(workers.client.run(os.getpid).values()))
        os.kill(victim, signal.SIGKILL)
        np.testing.assert_array_equal(joined(running), landmarks.points[:, 0, 0])
        np.testing.assert_array_equal(first, np.sort(landmarks.points[:, 0, 0]))
        # What the dead worker held is read again by the others, and passes go on.
        assert_like_in_memory(group, landmarks)
        assert victim not in workers.client.run(os.getpid).values()


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_cluster, "PATIENCE", "0.2s")
    with (
        pytest.raises(WorkersError, match=r"scheduler tcp://127\.0\.0\.1:9: expected a Dask"),
        cluster("tcp://127.0.0.1:9", BUDGET),
    ):
        raise AssertionError("nobody is there")


def test_without_dask_it_is_said_how_to_get_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(WorkersError, match=r"pip install 'lumbosacral-atlas\[distributed\]'"),
        cluster("local", BUDGET),
    ):
        raise AssertionError("nobody is there")
