"""A smooth bias against its kernel computed densely, and what alignment leaves of it."""

from dataclasses import replace

import numpy as np
import pytest
from populations import posed_population
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from atlas.curves.polylines import arc_length
from atlas.landmarks.scheme import Block, LandmarkScheme
from atlas.model.fitting import fit_shape_model
from atlas.model.smooth_bias import (
    SmoothBias,
    SmoothBiasError,
    bias_loadings,
    pose_free,
    with_smooth_bias,
)
from atlas.procrustes.alignment import align, anchor_weights

NEARLY_ALL = 1 - 1e-9
LINE = LandmarkScheme((Block("root/L1/left", "curve", 61), Block("root/L1/right", "curve", 61)))


@pytest.fixture(scope="module")
def landmarks():
    return posed_population(14)[0]


@pytest.fixture(scope="module")
def alignment(landmarks):
    return align(landmarks)


@pytest.fixture(scope="module")
def model(alignment):
    return fit_shape_model(alignment).truncate(6)


def covariance_of(loadings):
    flat = loadings.reshape(-1, loadings.shape[2])
    return flat @ flat.T


def modes_covariance(model):
    flat = model.modes.reshape(model.n_modes, -1)
    return (flat.T * model.variance) @ flat


def dense_kernel(scheme, mean, scale, length_mm, *, shared):
    """Covariance (3 L, 3 L) by the formula, block by block or over everything."""
    if shared:
        squared = cdist(mean, mean, "sqeuclidean")
    else:
        squared = np.full((scheme.size, scheme.size), np.inf)
        for block in scheme.blocks:
            span = scheme.span(block.name)
            points = mean[span]
            places = arc_length(points)[:, None] if block.kind == "curve" else points
            squared[span, span] = cdist(places, places, "sqeuclidean")
    return np.kron(np.outer(scale, scale) * np.exp(-squared / (2 * length_mm**2)), np.eye(3))


def line_mean():
    """Two straight roots 1 mm a step, 20 mm apart."""
    depth = -np.arange(61.0)
    root = np.stack([np.full(61, 10.0), np.zeros(61), depth], axis=1)
    return np.concatenate([root, root * [-1, 1, 1]])


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("weights", ["landmark", "structure"])
def test_covariance_is_that_of_the_sample_plus_the_dense_kernel(landmarks, weights, shared):
    model = fit_shape_model(align(landmarks, weights=weights)).truncate(6)
    bias = SmoothBias(
        {"tube": 1.5, "root": 2.0, "root/S1/left": 0.5}, 40.0, share=NEARLY_ALL, shared=shared
    )
    both = with_smooth_bias(model, bias)
    scale = np.full(model.scheme.size, 2.0)
    for name, value in (("dura", 1.5), ("cord", 1.5), ("root/S1/left", 0.5)):
        scale[model.scheme.span(name)] = value
    kernel = dense_kernel(model.scheme, model.mean, scale, 40.0, shared=shared)
    np.testing.assert_allclose(
        modes_covariance(both), modes_covariance(model) + kernel, atol=1e-7 * scale.max() ** 2
    )
    expected = model.total_variance + np.repeat(model.weights, 3) @ np.diag(kernel)
    assert both.total_variance == pytest.approx(expected, rel=1e-9)
    assert both.noise == model.noise
    assert both.n_subjects == 14 < both.n_modes


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("share", [0.9, 0.99])
def test_every_landmark_keeps_its_share_with_the_fewest_functions(model, share, shared):
    bias = SmoothBias(2.0, 30.0, share=share, shared=shared)
    loadings = bias_loadings(model.scheme, model.mean, bias)
    variance = (loadings**2).sum(axis=2)
    assert (variance >= share * 4 - 1e-9).all()
    assert (variance <= 4 + 1e-9).all()
    if shared:
        fewer = SmoothBias(2.0, 30.0, rank=loadings.shape[2] // 3 - 1, share=share, shared=True)
        variance = (bias_loadings(model.scheme, model.mean, fewer) ** 2).sum(axis=2)
        assert variance.min() < share * 4


def test_a_landmark_moves_by_the_scale_and_by_as_much_along_each_axis():
    loadings = bias_loadings(LINE, line_mean(), SmoothBias(1.7, 25.0, share=NEARLY_ALL))
    own = np.einsum("lik,ljk->lij", loadings, loadings)
    np.testing.assert_allclose(own, np.tile(1.7**2 * np.eye(3), (122, 1, 1)), atol=1e-7)


def test_correlation_along_a_root_falls_as_the_kernel_says():
    bias = SmoothBias(2.0, 20.0, share=NEARLY_ALL)
    x = covariance_of(bias_loadings(LINE, line_mean(), bias))[0:183:3, 0:183:3] / 4
    assert x[5, 25] == pytest.approx(np.exp(-0.5), abs=1e-7)
    assert x[5, 45] == pytest.approx(np.exp(-2), abs=1e-7)


def test_a_bend_is_measured_along_the_root_and_a_shared_kernel_across():
    """Two arms of 30 mm, folded: their ends are 60 mm apart along the root and meet in space."""
    scheme = LandmarkScheme((Block("root/L1/left", "curve", 61),))
    depth = np.concatenate([np.arange(31.0), np.arange(29.0, -1, -1)])
    folded = np.stack([0 * depth, 0 * depth, -depth], axis=1)
    for shared, expected in ((False, np.exp(-2)), (True, 1)):
        bias = SmoothBias(1.0, 30.0, share=NEARLY_ALL, shared=shared)
        covariance = covariance_of(bias_loadings(scheme, folded, bias))
        assert covariance[0, 180] == pytest.approx(expected, abs=1e-7)


def test_block_by_block_nothing_is_said_about_other_structures(model):
    both = with_smooth_bias(model, SmoothBias(2.0, 50.0))
    before, after = modes_covariance(model), modes_covariance(both)
    apart = np.ones(before.shape, dtype=bool)
    for block in model.scheme.blocks:
        span = model.scheme.span(block.name)
        own = slice(3 * span.start, 3 * span.stop)
        apart[own, own] = False
    np.testing.assert_allclose(after[apart], before[apart], atol=1e-9)
    shared = modes_covariance(with_smooth_bias(model, SmoothBias(2.0, 50.0, shared=True)))
    assert np.abs(shared - before)[apart].max() > 3


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("scale", [0, {"root": 0.0}, {}])
def test_a_bias_of_nothing_gives_the_model_back(model, alignment, scale, shared):
    bias = SmoothBias(scale, 40.0, shared=shared)
    assert bias_loadings(model.scheme, model.mean, bias).shape == (model.scheme.size, 3, 0)
    assert with_smooth_bias(model, bias) is model
    assert with_smooth_bias(model, bias, alignment=alignment) is model


def test_only_named_structures_move(model):
    loadings = bias_loadings(model.scheme, model.mean, SmoothBias({"root/L5": 3.0}, 40.0))
    places = np.flatnonzero(loadings.any(axis=(1, 2)))
    moved = {model.scheme.names[i].rsplit("/", 1)[0] for i in places}
    assert moved == {"root/L5/left", "root/L5/right"}


def test_rank_keeps_the_leading_functions_of_the_kernel(model):
    whole, short = (
        bias_loadings(model.scheme, model.mean, SmoothBias(1.0, 40.0, rank=r, shared=True))
        for r in (None, 4)
    )
    assert short.shape[2] == 12 < whole.shape[2]
    kernel = dense_kernel(model.scheme, model.mean, np.ones(len(model.mean)), 40.0, shared=True)
    leading = np.linalg.eigvalsh(kernel)[::-1][:12]
    kept = np.linalg.eigvalsh(covariance_of(short))[::-1][:12]
    np.testing.assert_allclose(kept, leading, rtol=1e-3)


@pytest.mark.parametrize("weights", ["landmark", "structure"])
def test_modes_are_orthonormal_in_the_weighted_product(landmarks, weights):
    aligned = align(landmarks, weights=weights)
    both = with_smooth_bias(fit_shape_model(aligned), SmoothBias(2.0, 40.0), alignment=aligned)
    product = np.einsum("klj,l,mlj->km", both.modes, both.weights, both.modes, optimize=True)
    np.testing.assert_allclose(product, np.eye(both.n_modes), atol=1e-9)


def pose_changes(model, alignment):
    """How far each mode at 1 SD moves the anchor (mm) and turns about it (mm² a landmark)."""
    anchor = anchor_weights(model.scheme, alignment.anchor)
    fields = model.modes * np.sqrt(model.variance)[:, None, None]
    arm = (model.mean - anchor @ model.mean) * model.weights[:, None]
    return np.einsum("l,klj->kj", anchor, fields), np.cross(arm, fields).mean(axis=1)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("anchor", ["dura-apex", "conus", "centroid"])
def test_with_an_alignment_the_anchor_rests_and_nothing_turns_about_it(landmarks, anchor, shared):
    aligned = align(landmarks, anchor=anchor, weights="structure")
    model = fit_shape_model(aligned)
    bias = SmoothBias(2.0, 40.0, shared=shared)
    moves, turns = pose_changes(with_smooth_bias(model, bias, alignment=aligned), aligned)
    np.testing.assert_allclose(moves, 0, atol=1e-9)
    np.testing.assert_allclose(turns, 0, atol=1e-7)
    free = pose_changes(with_smooth_bias(model, bias), aligned)
    assert np.abs(free[0]).max() > 0.1
    assert np.abs(free[1]).max() > 1


def test_what_alignment_leaves_free_the_bias_may_move(landmarks):
    changes = {}
    for rotation in ("full", "axial", "none"):
        aligned = align(landmarks, rotation=rotation)
        model = with_smooth_bias(
            fit_shape_model(align(landmarks)), SmoothBias(2.0, 40.0), alignment=aligned
        )
        changes[rotation] = np.abs(pose_changes(model, aligned)[1]).max(axis=0) > 1e-3
    assert changes["axial"].tolist() == [True, True, False]
    assert changes["none"].all()
    assert not changes["full"].any()


def test_with_unit_scaling_the_bias_keeps_the_centroid_size(landmarks):
    aligned = align(landmarks, scale="unit")
    model = fit_shape_model(aligned)
    loadings = bias_loadings(model.scheme, model.mean, SmoothBias(2.0, 40.0))
    outward = model.mean - model.mean.mean(axis=0)
    sizes = [
        np.abs(np.einsum("ljk,lj->k", pose_free(loadings, model, given), outward)).max()
        for given in (aligned, align(landmarks))
    ]
    assert sizes[0] < 1e-7
    assert sizes[1] > 100


def test_taking_the_pose_out_takes_six_directions_and_adds_nothing(model, alignment):
    """Not of any difference between neighbours either, as tearing the anchor out would."""
    loadings = bias_loadings(model.scheme, model.mean, SmoothBias(2.0, 40.0, shared=True))
    held = pose_free(loadings, model, alignment)
    lost = np.linalg.eigvalsh(covariance_of(loadings) - covariance_of(held))
    np.testing.assert_allclose(lost[:-6], 0, atol=1e-9)
    assert (lost[-6:] > 1).all()


@pytest.mark.parametrize("shared", [False, True])
def test_rigid_motion_of_the_mean_moves_the_covariance_of_the_bias(model, alignment, shared):
    turn = Rotation.from_euler("xyz", [0.3, -1.1, 2.0]).as_matrix()
    moved = replace(model, mean=model.mean @ turn.T + [5.0, -80, 12])
    bias = SmoothBias({"tube": 1.0, "root": 2.0}, 30.0, shared=shared)
    here, there = (bias_loadings(model.scheme, m.mean, bias) for m in (model, moved))
    whole = np.kron(np.eye(model.scheme.size), turn)
    for a, b in (
        (here, there),
        (pose_free(here, model, alignment), pose_free(there, moved, alignment)),
    ):
        expected = whole @ covariance_of(a) @ whole.T
        np.testing.assert_allclose(covariance_of(b), expected, atol=1e-7)


def test_posterior_of_a_biased_model_is_the_gaussian_formula_computed_densely(model, alignment):
    bias = SmoothBias(2.0, 40.0, shared=True)
    both = with_smooth_bias(model, bias, alignment=alignment)
    rng = np.random.default_rng(1)
    observed = rng.choice(both.scheme.size, 40, replace=False)
    places = both.sample(1, rng, noise=True)[0][observed]
    posterior = both.condition(places, [both.scheme.names[i] for i in observed], noise_mm=0.5)
    covariance = modes_covariance(both) + np.diag(np.repeat(both.noise / both.weights, 3))
    rows = (3 * observed[:, None] + np.arange(3)).ravel()
    seen = covariance[np.ix_(rows, rows)] + 0.25 * np.eye(len(rows))
    gain = covariance[:, rows] @ np.linalg.inv(seen)
    moved = gain @ (places - both.mean[observed]).ravel()
    np.testing.assert_allclose((posterior.mean - both.mean).ravel(), moved, atol=1e-8)
    variance = np.diag(covariance - gain @ covariance[rows])
    np.testing.assert_allclose(posterior.landmark_sd.ravel() ** 2, variance, atol=1e-8)


def test_two_biases_one_after_the_other_add(model):
    coarse, fine = SmoothBias(2.0, 80.0, shared=True), SmoothBias({"root": 1.0}, 15.0)
    both = with_smooth_bias(with_smooth_bias(model, coarse), fine)
    parts = [covariance_of(bias_loadings(model.scheme, model.mean, b)) for b in (coarse, fine)]
    np.testing.assert_allclose(
        modes_covariance(both), modes_covariance(model) + sum(parts), atol=1e-6
    )


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"scale_mm": -1.0}, r"scale_mm: expected 0 or more mm, got -1\.0"),
        ({"scale_mm": {"root": np.nan}}, "scale_mm: expected 0 or more mm, got"),
        ({"length_mm": 0.0}, r"length_mm: expected more than 0 mm, got 0\.0"),
        ({"rank": 0}, "rank: expected 1 or more, or None, got 0"),
        ({"share": 1.0}, r"share: expected more than 0 and less than 1, got 1\.0"),
    ],
)
def test_bad_settings_say_expected_and_got(settings, text):
    with pytest.raises(SmoothBiasError, match=text):
        SmoothBias(**{"scale_mm": 1.0, "length_mm": 40.0, **settings})


def test_names_no_structure_goes_by_and_a_mean_with_gaps_are_refused():
    with pytest.raises(SmoothBiasError, match=r"scale_mm: expected names .* got \['roots'\]"):
        bias_loadings(LINE, line_mean(), SmoothBias({"roots": 1.0}, 40.0))
    gap = line_mean()
    gap[3] = np.nan
    with pytest.raises(SmoothBiasError, match=r"places without gaps, got .* 3 missing values"):
        bias_loadings(LINE, gap, SmoothBias(1.0, 40.0))
