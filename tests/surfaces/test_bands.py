"""Topology of tubes: closed, outward, symmetric."""

from collections import Counter

import numpy as np
import pytest

from atlas.mesh.surfaces.bands import (
    closed_tube_faces,
    disc_counts,
    disc_weights,
    even_count,
    turns_of,
)

TUBES = [(8, 8, 8), (6, 12, 24, 50), (24, 6), (42, 42, 40, 38, 40)]


def tube_of(wall):
    return wall, disc_counts(wall[0]), disc_counts(wall[-1])


@pytest.mark.parametrize("wall", TUBES, ids=str)
def test_every_edge_is_run_once_each_way_and_it_is_a_sphere(wall):
    layout = tube_of(wall)
    faces = closed_tube_faces(*layout)
    n_vertices = sum(map(sum, layout)) + 2
    directed = Counter(
        (int(a), int(b)) for f in faces for a, b in zip(f, np.roll(f, -1), strict=True)
    )
    assert set(directed.values()) == {1}
    assert all((b, a) in directed for a, b in directed)
    assert n_vertices - len(directed) // 2 + len(faces) == 2
    assert set(faces.ravel().tolist()) == set(range(n_vertices))


@pytest.mark.parametrize("wall", TUBES, ids=str)
def test_six_triangles_meet_at_most_vertices_and_never_fewer_than_four_inside(wall):
    faces = closed_tube_faces(*tube_of(wall))
    valence = np.bincount(faces.ravel())
    assert valence.min() >= 3
    assert valence.max() <= 12


def test_equal_rings_are_joined_by_equal_triangles():
    # Turned by half an edge, each edge stands opposite a vertex.
    faces = closed_tube_faces((8, 8), (), ())[:16]
    first = {frozenset((k, (k + 1) % 8, 8 + k)) for k in range(8)}
    second = {frozenset((8 + k, 8 + (k + 1) % 8, (k + 1) % 8)) for k in range(8)}
    assert set(map(frozenset, faces.tolist())) == first | second


@pytest.mark.parametrize(("upper", "lower"), [(24, 22), (50, 48), (8, 6), (14, 8), (6, 30)])
@pytest.mark.parametrize("rings_before", [0, 1])
def test_band_is_its_own_mirror_image(upper, lower, rings_before):
    wall = (*(upper,) * (rings_before + 1), lower)
    at = rings_before * upper
    faces = closed_tube_faces(wall, disc_counts(upper), disc_counts(lower))
    start = rings_before * 2 * upper
    band = faces[start : start + upper + lower] - at
    mirror = np.empty(upper + lower, dtype=int)
    for count, ring, base in ((upper, rings_before, 0), (lower, rings_before + 1, upper)):
        turn = turns_of(count, ring)
        gap = np.abs((-turn % 1.0)[:, None] - turn)
        mirror[base : base + count] = base + np.minimum(gap, 1 - gap).argmin(axis=1)
    assert set(map(frozenset, mirror[band].tolist())) == set(map(frozenset, band.tolist()))


def test_even_count_is_even_and_not_too_small():
    assert [even_count(x) for x in (0.1, 7.1, 8.9, 23.0)] == [6, 8, 8, 24]
    assert even_count(3, least=8) == 8


@pytest.mark.parametrize("rim", [6, 8, 24, 50])
@pytest.mark.parametrize("first", [0, 1])
def test_weights_of_a_disc_are_means(rim, first):
    weights = disc_weights(rim, first)
    assert weights.shape == (sum(disc_counts(rim)) + 1, rim)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights.min() > 0


def test_disc_within_a_regular_rim_has_its_centre_in_the_middle():
    turn = 2 * np.pi * turns_of(24, 0)
    rim = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    np.testing.assert_allclose((disc_weights(24, 0) @ rim)[-1], 0, atol=1e-12)
