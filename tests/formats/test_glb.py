"""GLB: valid by the specification, sliders by name, left is left; read back by other programs."""

import gltf_checker
import numpy as np
import pygltflib
import pytest
import solid_shapes
import trimesh

from atlas.mesh.formats.glb import ROOT_MATRIX, write_glb
from atlas.mesh.formats.statements import MeshFileError
from atlas.mesh.surfaces.named_surfaces import Mesh


def two_targets():
    rng = np.random.default_rng(0)
    return {
        f"mode {k}": {n: rng.normal(size=m.vertices.shape) for n, m in solid_shapes.body().items()}
        for k in (1, 2)
    }


@pytest.fixture
def written(tmp_path):
    return write_glb(
        solid_shapes.body(),
        tmp_path / "mean.glb",
        targets=two_targets(),
        name="mean",
        notice="generated, not imaged",
        attribution="Liu 2024",
    )


def test_the_file_is_valid_by_the_specification(written):
    gltf_checker.assert_valid(written.read_bytes())


def test_a_file_without_targets_is_valid_and_has_none(tmp_path):
    path = write_glb(solid_shapes.body(), tmp_path / "a.glb")
    document = gltf_checker.assert_valid(path.read_bytes())
    assert not any({"weights", "extras"} & set(mesh) for mesh in document["meshes"])


def test_every_structure_is_a_node_under_the_one_that_turns_the_frame(written):
    gltf = pygltflib.GLTF2().load(str(written))
    root, *nodes = gltf.nodes
    assert [node.name for node in nodes] == list(solid_shapes.body())
    assert root.name == "mean (LPS mm to glTF m)"
    assert root.children == [1, 2, 3, 4]
    assert gltf.scenes[0].nodes == [0]


def test_the_frame_is_turned_properly_left_to_x_superior_to_y_anterior_to_z():
    matrix = np.reshape(ROOT_MATRIX, (4, 4)).T
    assert np.linalg.det(matrix) == pytest.approx(1e-9)
    for lps, gltf in (((1, 0, 0), (1, 0, 0)), ((0, 0, 1), (0, 1, 0)), ((0, -1, 0), (0, 0, 1))):
        np.testing.assert_allclose(matrix[:3, :3] @ lps, np.multiply(gltf, 1e-3), atol=1e-15)


def test_a_reader_finds_metres_with_left_at_plus_x(written):
    scene = trimesh.load_scene(written)
    world = {scene.graph[node][1]: scene.graph[node][0] for node in scene.graph.nodes_geometry}
    for name, mesh in solid_shapes.body().items():
        read = scene.geometry[name].copy().apply_transform(world[name])
        x, y, z = mesh.vertices.T / 1000
        expected = np.stack([x, z, -y], axis=1)
        np.testing.assert_allclose(read.bounds[0], expected.min(axis=0), atol=1e-9)
        np.testing.assert_allclose(read.bounds[1], expected.max(axis=0), atol=1e-9)
        # A reflection would have turned it inside out.
        assert read.volume == pytest.approx(mesh.volume_mm3 * 1e-9)


def test_targets_have_names_zero_weights_and_add_to_the_mesh(written):
    document, binary = gltf_checker.read_glb(written.read_bytes())
    for (name, mesh), entry in zip(solid_shapes.body().items(), document["meshes"], strict=True):
        assert entry["extras"]["targetNames"] == ["mode 1", "mode 2"]
        assert entry["weights"] == [0, 0]
        primitive = entry["primitives"][0]
        base, one, two = (
            gltf_checker.accessor(document, binary, number).astype(float)
            for number in (
                primitive["attributes"]["POSITION"],
                *(target["POSITION"] for target in primitive["targets"]),
            )
        )
        targets = two_targets()
        expected = mesh.vertices + 2 * targets["mode 1"][name] - targets["mode 2"][name]
        np.testing.assert_allclose(base + 2 * one - two, expected, atol=1e-5)


def test_dura_is_seen_through_and_nothing_else(written):
    gltf = pygltflib.GLTF2().load(str(written))
    modes = {
        m.name: (m.alphaMode, m.pbrMetallicRoughness.baseColorFactor[3]) for m in gltf.materials
    }
    assert modes["dura"] == ("BLEND", 0.22)
    assert modes["cord"] == ("OPAQUE", 1.0)


def test_the_file_says_what_it_is(written):
    asset = pygltflib.GLTF2().load(str(written)).asset
    assert asset.copyright == "Liu 2024"
    assert asset.extras["notice"] == "generated, not imaged"
    assert asset.extras["unit"] == "mm"
    assert asset.extras["frame"].startswith("LPS below the root node")


def test_many_vertices_get_long_indices(tmp_path):
    for count, kind in ((65535, 5123), (65536, 5125)):
        vertices = np.zeros((count, 3))
        vertices[-3:] = np.eye(3)
        mesh = Mesh(vertices, [[count - 3, count - 2, count - 1]])
        content = write_glb({"cord": mesh}, tmp_path / "a.glb").read_bytes()
        document = gltf_checker.assert_valid(content)
        index = document["meshes"][0]["primitives"][0]["indices"]
        assert document["accessors"][index]["componentType"] == kind


def test_two_writes_give_the_same_bytes(written, tmp_path):
    again = write_glb(
        solid_shapes.body(),
        tmp_path / "again.glb",
        targets=two_targets(),
        name="mean",
        notice="generated, not imaged",
        attribution="Liu 2024",
    )
    assert again.read_bytes() == written.read_bytes()


def test_targets_that_do_not_fit_are_refused(tmp_path):
    targets = {"mode 1": {"dura": np.zeros((8, 3)), "cord": np.zeros((7, 3))}}
    with pytest.raises(
        MeshFileError,
        match=r"target 'mode 1': expected displacements of cord of shape \(8, 3\), got \(7, 3\)",
    ):
        write_glb(solid_shapes.body(), tmp_path / "a.glb", targets=targets)
    del targets["mode 1"]["cord"]
    with pytest.raises(MeshFileError, match=r"of cord of shape \(8, 3\), got none"):
        write_glb(solid_shapes.body(), tmp_path / "a.glb", targets=targets)


def test_no_mesh_or_an_empty_one_is_refused(tmp_path):
    with pytest.raises(MeshFileError, match="expected meshes with faces, got none"):
        write_glb({}, tmp_path / "a.glb")
    empty = Mesh(np.eye(3), np.empty((0, 3), int))
    with pytest.raises(MeshFileError, match=r"got none \['cord'\]"):
        write_glb({"cord": empty}, tmp_path / "a.glb")
