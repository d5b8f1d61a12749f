"""One algorithm, wherever the subjects lie: blocks give what the whole gives."""

from dataclasses import replace

import numpy as np
import pytest
from many_blocks import ManyBlocks, assert_same_model
from populations import posed_population, with_gaps

from atlas.components.blocks import Block, MemoryGroup, joined, parts, total
from atlas.model.fitting import fit_group_model, fit_shape_model
from atlas.procrustes.alignment import align
from atlas.procrustes.generalised import register

OPTIONS = [
    {},
    {"anchor": "centroid"},
    {"rotation": "axial"},
    {"rotation": "none"},
    {"scale": "unit", "weights": "area"},
    {"weights": "structure"},
]


@pytest.fixture(scope="module")
def population():
    return posed_population(40)[0]


@pytest.fixture(scope="module")
def gappy(population):
    return with_gaps(population, 0.15)


def upright(landmarks):
    """The subjects in one frame, for an alignment that may not turn them into it."""
    return replace(landmarks, points=align(landmarks).points)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("gaps", [False, True])
def test_blocks_are_registered_as_the_whole_is(population, gappy, options, gaps):
    landmarks = gappy if gaps else population
    if options.get("rotation", "full") != "full":
        landmarks = upright(landmarks)
    whole, blocks = register(MemoryGroup(landmarks), **options), ManyBlocks(landmarks)
    found = register(blocks, **options)
    assert found.n_iterations == whole.n_iterations and found.converged
    np.testing.assert_allclose(found.mean, whole.mean, atol=1e-8)
    for name in ("scales", "turns", "shifts"):
        expected = getattr(whole.motion, name)
        np.testing.assert_allclose(getattr(found.motion, name), expected, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("room", [False, True])
@pytest.mark.parametrize("held", [0.9, 0.99])
def test_blocks_give_the_model_of_the_whole(population, gappy, gaps, room, held):
    landmarks = gappy if gaps else population
    placed = register(MemoryGroup(landmarks))
    whole = fit_group_model(MemoryGroup(landmarks), placed, variance_held=held)
    blocks = ManyBlocks(landmarks, room=room)
    assert_same_model(fit_group_model(blocks, placed, variance_held=held), whole)


@pytest.mark.parametrize("bridged", ["uncertain", "missing"])
def test_uncertain_bridges_count_the_same_in_blocks(population, bridged):
    status = population.status.copy()
    spread = np.zeros(status.shape)
    span = population.scheme.span("root/L4/left")
    status[::2, span] = 1
    spread[::2, span] = 0.7
    landmarks = type(population)(
        population.subject_ids, population.scheme, population.points, status, spread
    )
    aligned = align(landmarks)
    blocks = ManyBlocks(landmarks)
    found = fit_group_model(blocks, register(blocks), n_modes=5, bridged=bridged)
    assert_same_model(found, fit_shape_model(aligned, n_modes=5, bridged=bridged))


def test_the_leading_modes_are_those_of_all_modes(population):
    aligned = align(population)
    everything = fit_shape_model(aligned)
    leading = fit_shape_model(aligned, variance_held=0.95)
    share = np.cumsum(everything.explained)
    assert leading.n_modes == int((share < 0.95).sum()) + 1
    assert_same_model(leading, everything.truncate(leading.n_modes))


def test_work_is_counted_in_passes(population):
    """A round of Procrustes is one pass; finding leading modes takes a handful of them."""
    blocks = ManyBlocks(population)
    placed = register(blocks)
    assert blocks.passes["_round"] == placed.n_iterations <= 7
    assert sum(blocks.passes.values()) <= placed.n_iterations + 5
    blocks.passes.clear()
    fit_group_model(blocks, placed, variance_held=0.99)
    assert blocks.passes["_times"] <= 4
    assert sum(blocks.passes.values()) <= 7


def test_rotations_of_a_round_are_one_call(population, monkeypatch):
    calls = []
    once = np.linalg.svd
    monkeypatch.setattr(np.linalg, "svd", lambda *a, **k: calls.append(a[0].shape) or once(*a, **k))
    aligned = align(population)
    batches = [shape for shape in calls if len(shape) == 3]
    # One a round and one for the motions onto the mean that rests; never one a subject.
    assert batches == [(40, 3, 3)] * (aligned.n_iterations + 1)
    # The others: the line of the mean's sac, and of subjects that a look leaves unclear.
    assert len(calls) - len(batches) <= 12


def test_outcomes_add_up_and_join_in_order():
    assert total(iter([1, 2, 3])) == 6
    np.testing.assert_array_equal(joined(iter([np.arange(2), np.arange(3)])), [0, 1, 0, 1, 2])
    assert parts(("abcdef", None), slice(1, 3)) == ("bc", None)
    assert isinstance(MemoryGroup(posed_population(3)[0]).block, Block)
