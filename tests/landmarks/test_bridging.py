"""How rough roots are, from hidden parts of their traces."""

from dataclasses import replace

import numpy as np
import pytest
import specimens
from scipy.spatial import cKDTree

from atlas.curves.polylines import arc_length, bridge, bridge_cubic
from atlas.landmarks.bridging import (
    BRIDGE_SAMPLES,
    HIDDEN_PARTS,
    HiddenError,
    _nearest_samples,
    bridge_roughness,
    bridge_variance,
    combined_roughness,
    hidden_error,
    subject_hidden_error,
)
from atlas.landmarks.fitting_curves import fit_subject


@pytest.fixture(scope="module")
def group():
    return [fit_subject(s) for s in specimens.make_dataset(3).subjects]


def error_of(root, part):
    """One hidden part of one root by a k-d tree."""
    kept = int(np.searchsorted(root.lengths, (1 - part) * root.traced_mm))
    tangent = root.line[kept] - root.line[kept - 1]
    line = bridge(
        root.line[kept],
        tangent / np.linalg.norm(tangent),
        root.line[-1],
        samples=BRIDGE_SAMPLES,
    )
    distance, nearest = cKDTree(line).query(root.line[kept + 1 : root.traced_points])
    expected = 2 * arc_length(line)[-1] ** 3 * bridge_variance(nearest / (BRIDGE_SAMPLES - 1))
    return (distance**2).sum(), expected.sum()


def test_hidden_errors_of_all_roots_at_once_are_those_of_each(group):
    for fitted in group:
        each = [error_of(root, part) for root in fitted.roots.values() for part in HIDDEN_PARTS]
        got = hidden_error(fitted.roots.values())
        np.testing.assert_allclose(got, np.sum(each, axis=0), rtol=1e-10)


def test_subjects_combine_to_the_roughness_of_all_roots(group):
    roots = [root for fitted in group for root in fitted.roots.values()]
    parts = [subject_hidden_error(fitted) for fitted in group]
    assert combined_roughness(iter(parts)) == pytest.approx(bridge_roughness(roots), rel=1e-12)
    assert bridge_roughness(roots) > 0


def test_without_roots_there_is_no_roughness(group):
    bare = replace(group[0], roots={})
    assert subject_hidden_error(bare) == HiddenError(0.0, 0.0)
    assert bridge_roughness([]) == combined_roughness([]) == 0.0


def test_a_subject_is_looked_at_once(group):
    assert subject_hidden_error(group[0]) is subject_hidden_error(group[0])


def test_nearest_samples_are_those_of_a_k_d_tree_even_beside_sharp_bends():
    rng = np.random.default_rng(9)
    begin, end = rng.normal(size=(2, 12, 3)) * 10
    direction = rng.normal(size=(12, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    lines = bridge(begin, direction, end, samples=BRIDGE_SAMPLES)
    points = [rng.normal(size=(200, 3)) * 15 for _ in lines]
    expected = [cKDTree(line).query(some)[1] for line, some in zip(lines, points, strict=True)]
    nearest = _nearest_samples(bridge_cubic(begin, direction, end), begin, points)
    np.testing.assert_array_equal(nearest, np.concatenate(expected))
