"""Weights: what counts alike, and variance that stays in mm²."""

import numpy as np
import pytest
import specimens
from populations import SMALL

from atlas.components.blocks import MemoryGroup
from atlas.landmarks.placing import place_landmarks
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align, centroid_size
from atlas.procrustes.weights import WeightsError, area_sums, landmark_weights


@pytest.fixture(scope="module")
def landmarks():
    return place_landmarks(specimens.make_dataset(6), SMALL)


def totals(scheme, weights):
    return {b.name: weights[scheme.span(b.name)].sum() for b in scheme.blocks}


@pytest.mark.parametrize("kind", ["landmark", "structure", "area"])
def test_weights_have_mean_one_and_are_positive(landmarks, kind):
    weights = landmark_weights(MemoryGroup(landmarks), kind)
    assert weights.mean() == pytest.approx(1)
    assert (weights > 0).all()


def test_by_structure_every_block_has_the_same_total(landmarks):
    total = totals(SMALL, landmark_weights(MemoryGroup(landmarks), "structure"))
    assert np.ptp(list(total.values())) < 1e-9


def test_by_area_a_block_counts_by_its_surface(landmarks):
    area = {
        b.name: (sums.area / np.maximum(sums.count, 1)).sum()
        for b in SMALL.blocks
        for sums in [area_sums(b, landmarks.points[:, SMALL.span(b.name)])]
    }
    # An elliptic cylinder of half axes 9.5 and 7.25 mm, as an octagon of equal arcs.
    depth = landmarks.scheme.block("dura").extent_mm[1]
    assert area["dura"] == pytest.approx(52.9 * depth, rel=0.05)
    root = landmarks.points[:, SMALL.span("root/S2/left")]
    length = np.linalg.norm(np.diff(root, axis=1), axis=2).sum(axis=1).mean()
    assert area["root/S2/left"] == pytest.approx(np.pi * length, rel=1e-9)
    total = totals(SMALL, landmark_weights(MemoryGroup(landmarks), "area"))
    ratio = total["dura"] / total["root/S2/left"]
    assert ratio == pytest.approx(area["dura"] / area["root/S2/left"])


@pytest.mark.parametrize("kind", ["structure", "area"])
def test_a_weighted_model_is_orthonormal_in_its_own_product_and_reproduces_its_subjects(
    landmarks, kind
):
    aligned = align(landmarks, weights=kind)
    model = fit_shape_model(aligned)
    gram = np.einsum("l,klc,jlc->kj", model.weights, model.modes, model.modes)
    np.testing.assert_allclose(gram, np.eye(model.n_modes), atol=1e-10)
    c = model.coefficients(aligned.points)
    np.testing.assert_allclose(model.shape(c), aligned.points, atol=1e-8)
    np.testing.assert_allclose(np.cov(c.T), np.eye(model.n_modes), atol=1e-8)
    spread = ((aligned.points - aligned.mean) ** 2).sum(axis=2) @ model.weights
    assert model.total_variance == pytest.approx(spread.sum() / (len(spread) - 1))
    np.testing.assert_allclose(model.landmark_sd, aligned.points.std(axis=0, ddof=1), atol=1e-8)


def test_unit_scale_gives_every_subject_the_mean_size_in_mm(landmarks):
    free, scaled = align(landmarks), align(landmarks, scale="unit")
    ones = np.ones(landmarks.status.shape)
    before, after = centroid_size(free.points, ones), centroid_size(scaled.points, ones)
    np.testing.assert_allclose(after, before.mean())
    np.testing.assert_allclose(scaled.scale, before.mean() / before)
    assert (scaled.points - scaled.mean).std() < (free.points - free.mean).std()


def test_subjects_that_differ_in_size_alone_become_one_by_unit_scale():
    dataset = specimens.make_dataset(4, noise_mm=0, conus_sd_mm=0, bend_sd_mm=0, scale_sd=0.05)
    landmarks = place_landmarks(dataset, SMALL)
    # Dura rings lie at equal depths, so that a larger sac is cut shorter; roots and cord are whole.
    whole = np.array([not name.startswith("dura") for name in SMALL.names])
    spread = [
        (a.points - a.mean)[:, whole].std()
        for a in (align(landmarks), align(landmarks, scale="unit"))
    ]
    assert spread[1] < 0.2 * spread[0]


def test_unknown_weights_are_refused(landmarks):
    with pytest.raises(WeightsError, match=r"weights: expected one of .* got 'mass'"):
        align(landmarks, weights="mass")
