"""Missing landmarks beside noise from landmark to landmark: few modes, few rounds, little error."""

from dataclasses import replace

import numpy as np
import pytest
from many_blocks import ManyBlocks, assert_same_model
from populations import posed_population, with_gaps

from atlas.components.blocks import MemoryGroup
from atlas.components.principal import Factors
from atlas.landmarks.scheme import Status
from atlas.model.fitting import fit_group_model, fit_shape_model
from atlas.procrustes import missing_landmarks as completion
from atlas.procrustes.alignment import align
from atlas.procrustes.generalised import register

RANK = 5
NOISE_MM = 0.3


@pytest.fixture(scope="module")
def noisy():
    return with_gaps(posed_population(100, rank=RANK, noise_mm=NOISE_MM)[0], 0.1)


@pytest.fixture(scope="module")
def aligned(noisy):
    return align(noisy)


def error_mm(aligned):
    """RMS distance of completed landmarks from where they are without noise."""
    truth = posed_population(100, rank=RANK, noise_mm=0.0)[0].points
    back = (aligned.completed - aligned.translation[:, None]) @ aligned.rotation
    missing = aligned.landmarks.status == Status.MISSING
    return np.sqrt((((back - truth) ** 2).sum(axis=2)[missing]).mean())


def modes_from_the_start(monkeypatch, k):
    """Hold the number of modes of completion at k from its first round on."""
    monkeypatch.setattr(completion, "signal_modes", lambda *_, **__: (k, False))


@pytest.mark.slow
def test_modes_do_not_reach_into_the_noise(aligned):
    assert aligned.factors.loadings.shape[2] == RANK
    assert np.sqrt(aligned.factors.noise) == pytest.approx(NOISE_MM, rel=0.05)
    assert fit_shape_model(aligned).n_modes == RANK


def test_it_comes_to_rest_in_tens_of_rounds(aligned):
    assert aligned.converged
    assert aligned.n_iterations <= 25


@pytest.mark.slow
def test_more_modes_than_stand_above_the_noise_complete_worse(noisy, aligned, monkeypatch):
    best = error_mm(aligned)
    assert best < 0.2
    modes_from_the_start(monkeypatch, 12)
    monkeypatch.setattr(completion, "MAXIMUM_ROUNDS", 30)
    assert error_mm(align(noisy)) > 1.2 * best


@pytest.mark.slow
def test_modes_let_go_on_the_way_leave_the_place_of_rest_as_it_is(noisy, monkeypatch):
    """Begun with modes that only the poses made, it rests where it does with the right number."""
    monkeypatch.setattr(completion, "GROUP_REST", 1e-10)
    with monkeypatch.context() as patched:
        modes_from_the_start(patched, RANK)
        straight = align(noisy)
    monkeypatch.setattr(completion, "signal_modes", lambda *_, **__: (RANK + 6, True))
    around = align(noisy)
    assert around.factors.loadings.shape[2] == RANK
    np.testing.assert_allclose(around.completed, straight.completed, atol=1e-5)
    assert around.factors.noise == pytest.approx(straight.factors.noise, rel=1e-6)


def test_modes_within_noise_are_let_go_and_no_variance_is_lost():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(900, 4)))[0]
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    loadings = (axes * np.sqrt([900.0, 90.0, 3.0, 0.5]) @ turn).reshape(300, 3, 4)
    factors = Factors(np.zeros((300, 3)), loadings, 1.0)
    kept = completion._kept(factors, np.ones(300), 100)
    flat = kept.loadings.reshape(900, -1)
    np.testing.assert_allclose(np.sort(np.linalg.eigvalsh(flat.T @ flat)), [90, 900])
    before = (factors.loadings**2).sum() + (900 - 4) * factors.noise
    # Noise is the mean variance beyond the modes: of the others, and now of these two.
    assert (flat**2).sum() + (900 - 2) * kept.noise == pytest.approx(before + 2)
    assert completion._kept(kept, np.ones(300), 100) is kept
    nothing = replace(factors, loadings=0.01 * loadings)
    assert completion._kept(nothing, np.ones(300), 100).loadings.shape[2] == 1


@pytest.mark.slow
@pytest.mark.parametrize("room", [False, True])
@pytest.mark.parametrize("options", [{}, {"scale": "unit", "weights": "structure"}])
def test_blocks_are_completed_as_the_whole_is(noisy, room, options):
    whole, blocks = register(MemoryGroup(noisy), **options), ManyBlocks(noisy, 23, room=room)
    found = register(blocks, **options)
    assert found.n_iterations == whole.n_iterations and found.converged
    np.testing.assert_allclose(found.mean, whole.mean, atol=1e-8)
    model = fit_group_model(MemoryGroup(noisy), whole)
    assert_same_model(fit_group_model(blocks, found), model, 1e-6)


def nothing_in_common(landmarks):
    """The same without, in one subject each, the landmarks that everybody has."""
    status = landmarks.status.copy()
    everybodys = np.flatnonzero((status != Status.MISSING).all(axis=0))
    status[np.arange(len(everybodys)) % len(status), everybodys] = Status.MISSING
    points = np.where((status == Status.MISSING)[..., None], np.nan, landmarks.points)
    assert (status == Status.MISSING).any(axis=0).all()
    return replace(landmarks, points=points, status=status)


@pytest.mark.slow
def test_where_nobody_has_the_same_noise_alone_bounds_the_modes(noisy):
    landmarks = nothing_in_common(noisy)
    found = align(landmarks)
    assert found.converged
    assert found.factors.loadings.shape[2] == RANK
    assert error_mm(found) < 0.2
    assert fit_shape_model(found).n_modes == RANK


@pytest.mark.slow
def test_where_a_few_have_nothing_in_common_all_modes_but_one_count():
    landmarks = nothing_in_common(with_gaps(posed_population(12)[0], 0.1))
    found = align(landmarks)
    assert found.factors.loadings.shape[2] == 10
    assert fit_shape_model(found).n_modes == 10
