"""Files of meshes: written beside their place and renamed into it, the same bytes each time.

A module a format; :func:`write_meshes` dispatches by name.
"""

from __future__ import annotations

from atlas.mesh.formats.statements import MeshFileError
from atlas.mesh.formats.stl import STL_NOTICE_BYTES, write_stl, write_surfaces
from atlas.mesh.formats.writing import FORMATS, write_meshes

__all__ = [
    "FORMATS",
    "STL_NOTICE_BYTES",
    "MeshFileError",
    "write_meshes",
    "write_stl",
    "write_surfaces",
]
