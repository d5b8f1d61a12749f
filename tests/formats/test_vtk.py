"""VTK XML: tetrahedra read back by meshio, surfaces by the format's own rules."""

import base64
from xml.etree import ElementTree as ET

import meshio
import numpy as np
import pytest
import solid_shapes

from atlas.mesh.formats.statements import MeshFileError
from atlas.mesh.formats.vtk import write_vtp, write_vtu

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
POINTS = CORNERS + np.array([5.03, 53.6, -351.57])
TETRAHEDRA = np.array([[0, 1, 2, 3], [1, 2, 3, 4]])
NUMPY = {"Float64": "<f8", "Float32": "<f4", "Int64": "<i8", "Int32": "<i4", "UInt8": "u1"}


def arrays(path):
    """Every array of a file by its name, by the format's description."""
    found = {}
    for element in ET.parse(path).getroot().iter("DataArray"):
        raw = base64.b64decode(element.text)
        size = int.from_bytes(raw[:8], "little")
        assert len(raw) == size + 8
        values = np.frombuffer(raw[8:], NUMPY[element.get("type")])
        width = int(element.get("NumberOfComponents", 1))
        found[element.get("Name")] = values.reshape(-1, width) if width > 1 else values
    return found


def test_surface_comes_back_to_the_bit(tmp_path):
    mesh = solid_shapes.box((5.03, 53.61, -351.57))
    sd, region = np.arange(8.0), np.arange(12)
    path = write_vtp(mesh, tmp_path / "b.vtp", point_data={"sd_mm": sd}, cell_data={"part": region})
    read = arrays(path)
    np.testing.assert_array_equal(read["Points"], mesh.vertices)
    np.testing.assert_array_equal(read["connectivity"].reshape(-1, 3), mesh.faces)
    np.testing.assert_array_equal(read["offsets"], 3 * np.arange(1, 13))
    np.testing.assert_array_equal(read["sd_mm"], sd)
    np.testing.assert_array_equal(read["part"], region)
    piece = ET.parse(path).getroot().find("PolyData/Piece")
    assert (piece.get("NumberOfPoints"), piece.get("NumberOfPolys")) == ("8", "12")
    assert [child.tag for child in piece] == ["PointData", "CellData", "Points", "Polys"]


def test_another_program_reads_the_tetrahedra(tmp_path):
    velocity = np.arange(15.0).reshape(5, 3)
    path = write_vtu(
        POINTS,
        TETRAHEDRA,
        tmp_path / "t.vtu",
        labels=np.array([2, 11]),
        names={2: "cord", 11: "root/L1/left"},
        point_data={"field": velocity},
        cell_data={"sigma": np.array([0.1, 0.2])},
    )
    read = meshio.read(path)
    np.testing.assert_array_equal(read.points, POINTS)
    (cells,) = read.cells
    assert cells.type == "tetra"
    np.testing.assert_array_equal(cells.data, TETRAHEDRA)
    np.testing.assert_array_equal(read.cell_data["region"][0], [2, 11])
    np.testing.assert_array_equal(read.cell_data["sigma"][0], [0.1, 0.2])
    np.testing.assert_array_equal(read.point_data["field"], velocity)
    assert "<!-- region 11: root/L1/left -->" in path.read_text()


def test_file_says_frame_unit_and_notice_in_comments_xml_allows(tmp_path):
    path = write_vtp(solid_shapes.box(), tmp_path / "b.vtp", notice="model -- <generated>")
    head = path.read_text().splitlines()[1:3]
    assert head[0] == "<!-- frame LPS (+x left, +y posterior, +z superior), unit mm -->"
    assert head[1] == "<!-- model - - &lt;generated&gt; -->"
    ET.parse(path)


def test_two_writes_give_the_same_bytes(tmp_path):
    one, two = (write_vtu(POINTS, TETRAHEDRA, tmp_path / name) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        ([[1, 0, 2, 3]], {}, "expected tetrahedra of positive volume, got 1 of 1 flat or turned"),
        ([[0, 1, 2, 5]], {}, "expected tetrahedra of 5 points, got indices 0 to 5"),
        ([[0, 1, 2]], {}, r"expected points \(V, 3\) and tetrahedra \(T, 4\)"),
        ([[0, 1, 2, 3]], {"labels": [1, 2]}, "CellData 'region': expected 1 rows of"),
        ([[0, 1, 2, 3]], {"cell_data": {"a": np.array(["x"])}}, r"got shape \(1,\) of U1"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, cells, options, message):
    with pytest.raises(MeshFileError, match=message):
        write_vtu(POINTS, cells, tmp_path / "t.vtu", **options)
    assert list(tmp_path.iterdir()) == []
