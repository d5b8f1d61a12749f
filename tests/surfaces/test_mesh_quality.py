"""Quality of surfaces: known shapes, each fault found, and the surfaces the atlas makes."""

import exact_intersections
import numpy as np
import pytest
from mesh_quality import mesh_quality
from tube_shapes import cylinders, irregular

from atlas.data.builtin.builtin_cohort import write_surrogate_cohort
from atlas.data.dataset import read_dataset
from atlas.data.subject import ROOT_KEYS
from atlas.landmarks.fitting_curves import subject_anatomy
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme
from atlas.mesh.surfaces.layout import mesh_layout
from atlas.mesh.surfaces.named_surfaces import Mesh, surfaces
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align

# Corners of a cube that no edge joins: a regular tetrahedron of edge sqrt 8.
REGULAR = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]])
FACES = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])


# Known answers


def test_regular_tetrahedron():
    found = mesh_quality(Mesh(REGULAR, FACES))
    assert (found.vertices, found.faces, found.components, found.euler_number) == (4, 4, 1, 2)
    assert found.watertight
    assert found.winding_consistent
    assert found.outward
    assert found.self_intersections == 0
    assert found.volume_mm3 == pytest.approx(8 / 3)
    assert found.area_mm2 == pytest.approx(8 * np.sqrt(3))
    edges = (found.edge_min_mm, found.edge_median_mm, found.edge_max_mm)
    np.testing.assert_allclose(edges, np.sqrt(8))
    np.testing.assert_allclose((found.angle_min_deg, found.angle_max_deg), 60)
    np.testing.assert_allclose((found.aspect_median, found.aspect_max), 1)


def test_aspect_of_a_right_triangle_is_that_of_its_circles():
    # 3-4-5: circumradius 2.5, inradius 1.
    found = mesh_quality(Mesh([[0, 0, 0], [3, 0, 0], [0, 4, 0]], [[0, 1, 2]]))
    assert found.aspect_max == pytest.approx(2.5 / 2)
    assert found.angle_min_deg == pytest.approx(np.degrees(np.arctan2(3, 4)))
    assert found.angle_max_deg == pytest.approx(90)


def test_torus_has_a_handle():
    n, m = 12, 8
    i, j = np.mgrid[:n, :m].reshape(2, -1)
    u, v = 2 * np.pi * i / n, 2 * np.pi * j / m
    out = 3 + np.cos(v)
    corners = np.stack([out * np.cos(u), out * np.sin(u), np.sin(v)], axis=1)
    a, b = i * m + j, (i + 1) % n * m + j
    c, d = (i + 1) % n * m + (j + 1) % m, i * m + (j + 1) % m
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    found = mesh_quality(Mesh(corners, faces))
    assert (found.euler_number, found.components) == (0, 1)
    assert found.watertight
    assert found.outward
    assert found.self_intersections == 0


# Each fault is found


def test_missing_face_leaves_it_open():
    assert not mesh_quality(Mesh(REGULAR, FACES[:3])).watertight


def test_face_wound_the_other_way_is_inconsistent():
    faces = FACES.copy()
    faces[0] = faces[0, ::-1]
    found = mesh_quality(Mesh(REGULAR, faces))
    assert found.watertight
    assert not found.winding_consistent


def test_inside_out_is_consistent_and_not_outward():
    found = mesh_quality(Mesh(REGULAR, FACES[:, ::-1]))
    assert found.winding_consistent
    assert not found.outward


def test_one_piece_inside_out_among_two_is_not_outward():
    vertices = np.concatenate([10 * REGULAR, REGULAR])
    found = mesh_quality(Mesh(vertices, np.concatenate([FACES, FACES[:, ::-1] + 4])))
    assert found.components == 2
    assert found.volume_mm3 > 0
    assert not found.outward


def test_flat_triangle_has_an_infinite_aspect():
    found = mesh_quality(Mesh([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 1, 2]]))
    assert found.aspect_max == np.inf
    assert found.angle_min_deg == 0


def test_pushed_through_its_own_wall_it_meets_itself():
    mesh = surfaces(cylinders())["cord"]
    vertices = mesh.vertices.copy()
    vertices[1000] += 4 * (vertices[1012] - vertices[1000])
    found = mesh_quality(Mesh(vertices, mesh.faces))
    assert found.self_intersections > 0
    assert found.watertight


def test_nothing_is_not_watertight():
    found = mesh_quality(Mesh(np.empty((0, 3)), np.empty((0, 3))))
    assert not found.watertight
    assert np.isnan(found.edge_median_mm)


# The surfaces of the atlas


def assert_fit(built, *, tubes_deg: float, roots_deg: float) -> None:
    """Closed, whole and untangled by two tests; no slivers."""
    for name, mesh in built.items():
        found = mesh_quality(mesh)
        assert found.watertight, name
        assert found.winding_consistent, name
        assert found.outward, name
        assert (found.euler_number, found.components) == (2, 1), name
        assert found.self_intersections == 0, name
        assert not exact_intersections.pairs_that_meet(mesh.vertices, mesh.faces), name
        assert found.angle_min_deg > (roots_deg if name.startswith("root") else tubes_deg), name
        assert found.angle_p1_deg > (roots_deg if name.startswith("root") else 30), name
        assert found.aspect_p99 < 2.5, name


@pytest.mark.slow
@pytest.mark.parametrize("anatomy", [cylinders(), irregular()], ids=["cylinders", "irregular"])
def test_surfaces_are_fit_for_simulation(anatomy):
    built = surfaces(anatomy)
    assert_fit(built, tubes_deg=20, roots_deg=20)
    assert sum(len(mesh.faces) for mesh in built.values()) <= 60_000


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("smoothing", [1.0, 0.0])
def test_surfaces_of_a_real_subject_are_fit_for_simulation(real_subject, smoothing):
    built = surfaces(subject_anatomy(real_subject, smoothing=smoothing))
    assert_fit(built, tubes_deg=20, roots_deg=27)
    assert sum(len(mesh.faces) for mesh in built.values()) <= 60_000


@pytest.mark.slow
def test_surfaces_of_a_cohort_and_of_its_modes_are_fit_for_simulation(tmp_path):
    cohort = read_dataset(write_surrogate_cohort(tmp_path / "cohort"))
    for subject in cohort.subjects[::4]:
        for smoothing in (1.0, 0.0):
            built = surfaces(subject_anatomy(subject, smoothing=smoothing))
            assert_fit(built, tubes_deg=20, roots_deg=20)
    scheme_points = align(place_landmarks(cohort, LandmarkScheme.standard()))
    model = fit_shape_model(scheme_points)
    layout = mesh_layout(model.scheme.anatomy(model.mean))
    assert layout.n_faces <= 60_000
    for k in range(3):
        # What lies between the mean and the extremes has been seen to hold with them.
        for sd in (-3, 0, 3) if k == 0 else (-3, 3):
            anatomy = model.scheme.anatomy(model.shape(np.eye(5)[k, : k + 1] * sd))
            built = surfaces(anatomy, layout=layout)
            assert len(built) == 2 + len(ROOT_KEYS)
            assert_fit(built, tubes_deg=20, roots_deg=20)
