"""Triangles that meet: by hand, and against exact arithmetic."""

import exact_intersections
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atlas.mesh.solids.intersections import TOLERANCE_MM, self_intersections

FLAT = np.array([[0, 0, 0], [4, 0, 0], [0, 4, 0.0]])


def meets(other) -> bool:
    """Whether a triangle without a common vertex meets the flat one."""
    vertices = np.concatenate([FLAT, np.array(other, dtype=float)])
    return bool(len(self_intersections(vertices, np.array([[0, 1, 2], [3, 4, 5]]))))


# By hand


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([[1, 1, -1], [1, 1, 1], [9, 9, 1]], True),
        ([[1, 1, 1], [2, 1, 1], [1, 2, 1]], False),
        ([[3, 3, -1], [3, 3, 1], [5, 5, 0]], False),
        ([[-1, 1, -1], [-1, 1, 1], [9, 1, 0]], True),
        ([[1, 1, 0], [1, 2, 3], [2, 1, 3]], True),
        ([[4, 0, 0], [6, 0, 1], [6, 0, -1]], True),
        ([[4.001, 0, 0], [6, 0, 1], [6, 0, -1]], False),
    ],
    ids=["pierced", "above", "beside", "cut-through", "touched", "corner-on-edge", "just-off"],
)
def test_two_triangles_in_space(other, expected):
    assert meets(other) is expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([[1, 1, 0], [5, 1, 0], [1, 5, 0]], True),
        ([[0.5, 0.5, 0], [1, 0.5, 0], [0.5, 1, 0]], True),
        ([[-9, -9, 0], [30, -9, 0], [-9, 30, 0]], True),
        ([[2.5, 2.5, 0], [5, 2.5, 0], [2.5, 5, 0]], False),
        ([[2, 2, 0], [5, 2, 0], [2, 5, 0]], True),
        ([[-2, 1, 0], [6, 1, 0], [2, 9, 0]], True),
    ],
    ids=["overlap", "inside", "around", "apart", "touching", "across"],
)
def test_two_triangles_in_one_plane(other, expected):
    assert meets(other) is expected


@pytest.mark.parametrize(("gap", "expected"), [(TOLERANCE_MM / 2, True), (TOLERANCE_MM * 2, False)])
def test_nearer_than_the_tolerance_is_touching(gap, expected):
    assert meets(FLAT + np.array([0, 0, gap])) is expected


@pytest.mark.parametrize(
    ("fourth", "expected"),
    [([4, 4, 0], False), ([4, 4, 3], False), ([1, 1, 0], True), ([1, 1, 2], False)],
    ids=["unfolded", "bent", "folded-back", "steep"],
)
def test_neighbours_across_an_edge_meet_only_when_folded_onto_each_other(fourth, expected):
    vertices = np.concatenate([FLAT, [fourth]])
    assert len(self_intersections(vertices, np.array([[0, 1, 2], [2, 1, 3]]))) == expected


@pytest.mark.parametrize(
    ("fourth", "fifth", "expected"),
    [
        ([-1, -1, 0], [-2, -1, 0], False),
        ([1, 1, -1], [1, 1, 1], True),
        ([9, 9, -1], [9, 9, 1], True),
        ([3, 1, 0], [1, 3, 0], True),
        ([0, -1, 1], [3, -1, -1], False),
        ([2, 0, 0], [2, -1, 1], True),
    ],
    ids=["fan", "through", "beyond", "on-it", "aside", "along-an-edge"],
)
def test_neighbours_at_a_corner(fourth, fifth, expected):
    vertices = np.concatenate([FLAT, [fourth, fifth]]).astype(float)
    assert len(self_intersections(vertices, np.array([[0, 1, 2], [0, 3, 4]]))) == expected


def test_face_that_is_there_twice_meets_itself():
    np.testing.assert_array_equal(
        self_intersections(FLAT, np.array([[0, 1, 2], [2, 1, 0]])), [[0, 1]]
    )


def test_nothing_meets_nothing():
    empty = np.empty((0, 3), dtype=int)
    assert self_intersections(FLAT, empty).shape == (0, 2)


# Against exact arithmetic


def soup(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    faces = np.array([rng.choice(n, 3, replace=False) for _ in range(3 * n)])
    return rng.normal(size=(n, 3)), np.unique(np.sort(faces, axis=1), axis=0)


def own(vertices, faces) -> set[tuple[int, int]]:
    return set(map(tuple, self_intersections(vertices, faces).tolist()))


@pytest.mark.parametrize("seed", range(3))
def test_triangles_at_random_meet_as_in_exact_arithmetic(seed):
    vertices, faces = soup(np.random.default_rng(seed), 60)
    found = own(vertices, faces)
    assert len(found) > 1000
    assert found == exact_intersections.pairs_that_meet(vertices, faces)


@pytest.mark.parametrize("seed", range(4))
def test_triangles_of_a_lattice_touch_and_overlap_as_in_exact_arithmetic(seed):
    # Every degenerate case there is: corners on edges, edges on edges, planes shared.
    rng = np.random.default_rng(seed)
    vertices = np.unique(rng.integers(0, 4, size=(40, 3)), axis=0).astype(float)
    _, faces = soup(rng, len(vertices))
    a, b, c = vertices[faces].swapaxes(0, 1)
    faces = faces[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 0]
    assert own(vertices, faces) == exact_intersections.pairs_that_meet(vertices, faces)


def test_rigid_motion_changes_nothing():
    vertices, faces = soup(np.random.default_rng(7), 50)
    turn = Rotation.from_rotvec([0.3, -1.0, 2.0]).as_matrix()
    assert own(vertices @ turn.T + [300, -40, -450], faces) == own(vertices, faces)


def test_sizes_that_differ_a_thousandfold_are_found():
    rng = np.random.default_rng(2)
    small = rng.normal(size=(300, 3, 3)) * 0.05 + rng.uniform(-40, 40, size=(300, 1, 3))
    large = np.array([[[-60, -60, 0], [60, -60, 0], [0, 90, 0.0]]])
    corners = np.concatenate([small, large]).reshape(-1, 3)
    faces = np.arange(len(corners)).reshape(-1, 3)
    assert own(corners, faces) == exact_intersections.pairs_that_meet(corners, faces)
