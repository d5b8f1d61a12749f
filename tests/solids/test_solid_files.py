"""Solids in files: what was assumed stands beside them, and tetrahedra come as one VTU."""

from __future__ import annotations

import json
import re

import pytest
import solid_shapes
import tube_shapes
from typer.testing import CliRunner

from atlas.cli import app
from atlas.mesh.formats.statements import MeshFileError
from atlas.mesh.solids.solid_files import solids_document, write_tetrahedra
from atlas.mesh.solids.solids import solids
from atlas.mesh.solids.tetrahedra import TetrahedraError
from atlas.mesh_files import MeshOptions, NamedShape, write_shape


@pytest.fixture(scope="module")
def shape():
    return NamedShape("cylinders", tube_shapes.cylinders(), "by formula", generated=True)


@pytest.fixture(scope="module")
def made(shape):
    return solids(shape.anatomy, edge_mm=1.5)


@pytest.mark.slow
def test_provenance_lists_findings_and_what_is_assumed_and_extrapolated(tmp_path, shape, made):
    options = MeshOptions(edge_mm=1.5, solids=True)
    write_shape(shape, tmp_path / "out", options)
    document = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert document["findings"] == made.rows()
    assert set(document["finding_columns"]) == set(document["findings"][0])
    assert document["assumed_mm"]["L5"] == [0.5, 0.5]
    stubs = {name: round(mm, 3) for name, mm in made.extrapolated_mm.items()}
    assert document["extrapolated_mm"] == stubs


def test_of_surfaces_nothing_was_decided():
    assert solids_document({"a": solid_shapes.box()}) == {}


def test_surfaces_are_not_filled(tmp_path):
    with pytest.raises(MeshFileError, match=r"x: expected solids .* got surfaces; add --solids"):
        write_tetrahedra({"a": solid_shapes.box()}, tmp_path, name="x", notice="")


@pytest.mark.slow
def test_tetrahedra_go_into_one_file_with_their_quality(tmp_path, shape):
    pytest.importorskip("tetgen")
    options = MeshOptions(edge_mm=1.5, formats=(), solids=True, tetrahedra=True)
    assert write_shape(shape, tmp_path / "out", options) == ("cylinders_tetrahedra.vtu",)
    document = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert document["files"] == ["cylinders_tetrahedra.vtu"]
    (whole,) = [r for r in document["tetrahedra"]["quality"] if r["region"] == "all"]
    head = (tmp_path / "out" / "cylinders_tetrahedra.vtu").read_text()[:20_000]
    assert f'NumberOfCells="{whole["tetrahedra"]}"' in head
    assert re.search(r"region \d+: cord", head)
    assert whole["volume_min_mm3"] > 0
    assert "AGPL" in document["tetrahedra"]["made_by"]


@pytest.mark.slow
def test_without_tetgen_the_extra_is_named_and_nothing_is_left(tmp_path, shape, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tetgen", None)
    options = MeshOptions(edge_mm=1.5, formats=(), solids=True, tetrahedra=True)
    with pytest.raises(TetrahedraError, match=r"pip install 'lumbosacral-atlas\[fem\]'"):
        write_shape(shape, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "asked", [("--tetrahedra",), ("--formats", "vtu"), ("--formats", "STL,VTU")]
)
def test_the_command_asks_for_tetrahedra_by_flag_or_format(tmp_path, monkeypatch, shape, asked):
    seen = []
    monkeypatch.setattr("atlas.shape_choice.choose_shape", lambda path, **_: shape)
    monkeypatch.setattr("atlas.mesh_files.write_shape", lambda *given: seen.append(given[2]) or ())
    arguments = ["mesh", str(tmp_path / "model.h5"), "-o", str(tmp_path / "out"), *asked]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert seen[0].solids
    assert seen[0].tetrahedra
    assert seen[0].formats == (() if asked[-1] == "vtu" else ("stl",))
