"""Wavefront OBJ: one object a structure, and its materials beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from atlas.mesh.formats.colours import colour_of
from atlas.mesh.formats.statements import file_stem, statements
from atlas.mesh.surfaces.named_surfaces import Mesh
from atlas.output.files import write_file


def write_obj(
    meshes: Mapping[str, Mesh], path: str | Path, *, notice: str = ""
) -> tuple[Path, Path]:
    """Write named meshes as one OBJ with its MTL, LPS mm to the nanometre.

    Parameters
    ----------
    meshes : mapping of str to Mesh
        In an LPS frame; ``o`` and ``g`` carry their names as they are.
    path : path
        Of the OBJ; the materials go beside it, with the suffix ``.mtl``.
    notice : str
        What both files say of themselves after frame and unit.

    Returns
    -------
    (Path, Path)
        OBJ and MTL.
    """
    path = Path(path)
    materials = path.with_suffix(".mtl")
    said = [f"# {line}" for line in statements(notice)]
    lines = [*said, f"mtllib {materials.name}"]
    first = 1
    for name, mesh in meshes.items():
        lines += [f"o {name}", f"g {name}"]
        lines += ["v {:.6f} {:.6f} {:.6f}".format(*place) for place in mesh.vertices.tolist()]
        lines += [f"usemtl {file_stem(name)}", "s 1"]
        lines += ["f {} {} {}".format(*face) for face in (mesh.faces + first).tolist()]
        first += len(mesh.vertices)
    # Materials first: a reader never finds an OBJ whose materials are not there yet.
    write_file(materials, "\n".join([*said, *_materials(meshes)]) + "\n")
    write_file(path, "\n".join(lines) + "\n")
    return path, materials


def _materials(meshes: Mapping[str, Mesh]) -> list[str]:
    lines = []
    for name in meshes:
        colour = colour_of(name)
        lines += [
            f"newmtl {file_stem(name)}",
            "Kd {:.4f} {:.4f} {:.4f}".format(*colour[:3]),
            "Ks 0.0000 0.0000 0.0000",
            f"d {colour.opacity:.4f}",
            "illum 1",
        ]
    return lines
