"""PLY: read back by trimesh, landmarks by name in its comments."""

import numpy as np
import pytest
import solid_shapes
import trimesh

from atlas.mesh.formats.ply import write_ply
from atlas.mesh.formats.statements import MeshFileError
from atlas.mesh.surfaces.named_surfaces import Mesh


def header(path):
    return path.read_bytes().split(b"end_header\n")[0].decode("ascii").splitlines()


def test_places_faces_numbers_and_colours_come_back(tmp_path):
    mesh = solid_shapes.box((1, 2, -351.57), (2, 4, -350))
    sd = np.linspace(0, 1, 8)
    colours = np.tile([1, 0.5, 0, 0.25], (8, 1))
    path = write_ply(mesh, tmp_path / "b.ply", scalars={"sd_mm": sd}, colours=colours)
    read = trimesh.load_mesh(path, process=False)
    np.testing.assert_array_equal(read.vertices.astype("f4"), mesh.vertices.astype("f4"))
    np.testing.assert_array_equal(read.faces, mesh.faces)
    vertices = read.metadata["_ply_raw"]["vertex"]["data"]
    np.testing.assert_array_equal(vertices["sd_mm"].ravel(), sd.astype("f4"))
    assert read.visual.vertex_colors[0].tolist() == [255, 128, 0, 64]


def test_header_says_frame_unit_notice_and_landmarks(tmp_path):
    names = {"root/L5/left/17": 3, "dura/0/0": 0}
    mesh = solid_shapes.box()
    path = write_ply(mesh, tmp_path / "b.ply", landmarks=names, notice="generated,\nnot imaged µ")
    comments = [line for line in header(path) if line.startswith("comment ")]
    assert comments == [
        "comment frame LPS (+x left, +y posterior, +z superior), unit mm",
        "comment generated,",
        "comment not imaged \\xb5",
        "comment landmark 3 root/L5/left/17",
        "comment landmark 0 dura/0/0",
    ]


def test_a_cloud_has_no_faces(tmp_path):
    cloud = Mesh(np.eye(3), np.empty((0, 3), int))
    read = trimesh.load(write_ply(cloud, tmp_path / "c.ply"))
    np.testing.assert_array_equal(read.vertices, np.eye(3))


def test_two_writes_give_the_same_bytes(tmp_path):
    one, two = (write_ply(solid_shapes.box(), tmp_path / name) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scalars": {"sd mm": np.ones(8)}}, r"expected a scalar's name of ASCII .* got 'sd mm'"),
        ({"scalars": {"x": np.ones(8)}}, r"other than x, y, z, .* got 'x'"),
        ({"scalars": {"sd_mm": np.ones(7)}}, r"sd_mm: expected a number for each of 8 vertices"),
        ({"colours": np.ones((8, 2))}, r"expected colours of shape \(8, 3\) or \(8, 4\)"),
        ({"colours": np.full((8, 3), 255)}, r"from 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, options, message):
    with pytest.raises(MeshFileError, match=message):
        write_ply(solid_shapes.box(), tmp_path / "b.ply", **options)
    assert list(tmp_path.iterdir()) == []
